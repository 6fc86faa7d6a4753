"""
Percent-encoding of names in paths and queries.

All characters but the unreserved ones of RFC 3986 are encoded, so that the signed form, the sent
form and the form that the service decodes are equal. Nothing is normalised: dot segments, double
slashes and percent signs are part of a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from .. import arguments
from ..errors import InvalidOptionError

_UNCHANGED = re.compile(r"[A-Za-z0-9._~/-]*")


def encode(text: str) -> str:
    """Percent-encode all characters but ``A-Z a-z 0-9 - . _ ~``."""
    return quote(text, safe="")


def encode_path(name: str) -> str:
    """Percent-encode a name, except its slashes."""
    return name if _UNCHANGED.fullmatch(name) else quote(name, safe="/")


def encode_query(parameters: Mapping[str, str]) -> str:
    """
    Return ``name=value&name=value``, percent-encoded, in the given order.

    A parameter without a value keeps its ``=``, as signatures require.
    """
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in parameters.items())


@lru_cache(maxsize=1024)
def host_header(url: str) -> str:
    """Return the header `Host` for a URL, without the scheme's default port."""
    return arguments.address(url, "the service's URL").origin.partition("://")[2]


def split_origin(url: str) -> tuple[str, str, int]:
    """
    Return scheme, host and port of ``scheme://host[:port]``.

    Raises:
        InvalidOptionError: The URL is invalid, or has a path.
    """
    scheme, host, port, path = arguments.address(url, "the service's URL", "https://host[:port]")
    if path:
        raise InvalidOptionError("the service's URL must be https://host[:port], without a path")
    return scheme, host, port
