"""The address of the account, and the paths below it."""

from __future__ import annotations

from functools import lru_cache

from ... import rest

MAX_CONTAINER_NAME = 256


@lru_cache(64)
def parse_endpoint(value: str, label: str, *, insecure: bool) -> rest.Location:
    """Return the two parts of a URL; raise `InvalidOptionError` if it is invalid."""
    return rest.Location(*rest.split_endpoint(value, label, insecure=insecure))


def path_of(container: str, name: str = "") -> str:
    """Return the path of a container or an object below the account's, percent-encoded."""
    if not container:
        return ""
    path = f"/{rest.encode_path(container)}"
    return f"{path}/{rest.encode_path(name)}" if name else path
