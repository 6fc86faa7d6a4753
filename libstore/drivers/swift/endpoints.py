"""Where the account is, the paths below it, and the names that Swift can store."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import InvalidNameError
from ...http.encoding import encode_path
from ...rest.settings import split_endpoint

_VERSION = re.compile(r"(.*?)/v\d[\d.]*(?:/|$)", re.ASCII)
_MAX_CONTAINER_NAME = 256


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


def parse_endpoint(value: str, label: str, *, insecure: bool) -> Endpoint:
    """
    Return the two parts of an address.

    Raises:
        InvalidOptionError: The URL is invalid, or uses plain http without `insecure`.
    """
    return Endpoint(*split_endpoint(value, label, insecure=insecure))


def path_of(container: str, name: str = "") -> str:
    """Return the path of a container or an object below the account's, percent-encoded."""
    if not container:
        return ""
    path = f"/{encode_path(container)}"
    return f"{path}/{encode_path(name)}" if name else path


def check_container_name(name: str) -> None:
    """Raise `InvalidNameError` for a name that a container of Swift cannot have."""
    check_object_name(name)
    if len(name.encode()) > _MAX_CONTAINER_NAME:
        raise InvalidNameError(
            f"Swift allows container names of at most {_MAX_CONTAINER_NAME} bytes"
        )


def check_object_name(name: str) -> None:
    """Raise `InvalidNameError` for a name that an object of Swift cannot have."""
    if "\0" in name:
        raise InvalidNameError(f"Swift cannot store the name {name[:80]!r}: it has a NUL")
