"""Versions of objects."""

from __future__ import annotations

from collections.abc import Callable

from ..core import DriverCore
from ..listing import as_page
from ..values import ObjectInfo, Page


def pages(
    driver: DriverCore, container: str, prefix: str
) -> Callable[[str | None, int], Page[ObjectInfo]]:
    """Return a function that requests one page of the versions of a container's objects."""
    if not driver._has_hook("list_versions"):
        raise driver._unsupported("list versions")

    def fetch(token: str | None, limit: int) -> Page[ObjectInfo]:
        page = as_page(driver._list_versions(container, prefix, token, limit))
        # Some services list what follows the prefix, too.
        return Page([info for info in page.items if info.name.startswith(prefix)], page.token)

    return fetch
