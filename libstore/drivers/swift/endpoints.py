"""The address of the account, and the paths below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ... import rest

_VERSION = re.compile(r"(.*?)/v\d[\d.]*(?:/|$)", re.ASCII)
MAX_CONTAINER_NAME = 256


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    The address of an account or of a login.

    Attributes:
        url: ``scheme://host[:port]``.
        path: The rest, percent-encoded, without a slash at its end.
    """

    url: str
    path: str

    @property
    def parent(self) -> str:
        """The path above the API's version, where ``/info`` is."""
        found = _VERSION.match(self.path)
        return found[1] if found else ""


@lru_cache(64)
def parse_endpoint(value: str, label: str, *, insecure: bool) -> Endpoint:
    """Return the two parts of a URL; raise `InvalidOptionError` if it is invalid."""
    return Endpoint(*rest.split_endpoint(value, label, insecure=insecure))


def path_of(container: str, name: str = "") -> str:
    """Return the path of a container or an object below the account's, percent-encoded."""
    if not container:
        return ""
    path = f"/{rest.encode_path(container)}"
    return f"{path}/{rest.encode_path(name)}" if name else path
