"""Walking the tree of names."""

from __future__ import annotations

from collections.abc import Generator

from ..core import DriverCore
from ..error_context import ErrorContext
from ..listing import prefixes_below
from ..values import ObjectInfo


def walk(
    driver: DriverCore, container: str, prefix: str, delimiter: str
) -> Generator[tuple[str, list[str], list[ObjectInfo]], None, None]:
    """Yield each prefix, from the top, with the prefixes and the objects directly below it."""
    waiting = [prefix]
    with driver._list_folders(container, delimiter) as items_of:
        while waiting:
            here = waiting.pop()
            with ErrorContext(driver, "list_objects", container):
                items = items_of(here)
            with ErrorContext(driver, "walk", container):
                prefixes = prefixes_below(items, here)
            yield here, prefixes, [item for item in items if isinstance(item, ObjectInfo)]
            waiting.extend(reversed(prefixes))
