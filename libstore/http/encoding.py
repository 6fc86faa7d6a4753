"""
Names in paths and queries, byte for byte.

Only RFC 3986's unreserved characters stand for themselves, so that what a signature is computed
of, what is sent and what the service decodes are the same. Dot segments, double slashes and
percent signs are parts of names like any others: nothing is normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from .. import arguments
from ..errors import InvalidOptionError


def encode(text: str) -> str:
    """Return the text with everything but ``A-Z a-z 0-9 - . _ ~`` percent-encoded."""
    return quote(text, safe="")


def encode_path(name: str) -> str:
    """Return the name percent-encoded, its slashes left as they are."""
    return quote(name, safe="/")


def encode_query(parameters: Mapping[str, str]) -> str:
    """
    Return ``name=value&name=value``, percent-encoded, in the given order.

    A parameter without a value keeps its ``=``, as signatures want it.
    """
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in parameters.items())


@lru_cache(maxsize=1024)
def host_header(url: str) -> str:
    """Return what `Host` is for a service at this URL: without the scheme's own port."""
    return arguments.address(url, "the service's URL").origin.partition("://")[2]


def split_origin(url: str) -> tuple[str, str, int]:
    """
    Return scheme, host and port of ``scheme://host[:port]``.

    Raises:
        InvalidOptionError: It is no such URL, or it says more than that.
    """
    scheme, host, port, path = arguments.address(url, "the service's URL", "https://host[:port]")
    if path:
        raise InvalidOptionError("the service's URL must be https://host[:port], without a path")
    return scheme, host, port
