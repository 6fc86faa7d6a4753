"""Deleting many objects, and containers with all that is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import groupby, islice
from typing import Protocol

from .errors import ContainerNotEmptyError, NotSupportedError, StorageError
from .listing import iterate_pages
from .values import DeleteResult, Limits, ListQuery, ObjectInfo, Page, Prefix, Upload

# How often a container that others keep filling is emptied before we give up.
_ROUNDS = 3


class DeleteHooks(Protocol):
    """What deleting needs of a driver."""

    @property
    def limits(self) -> Limits: ...
    @property
    def takes_parts(self) -> bool: ...

    def _delete_container(self, name: str) -> None: ...
    def _empty_container(self, name: str) -> None: ...
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]: ...
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]: ...
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]: ...
    def _abort_upload(self, upload: Upload) -> None: ...


def delete_many(
    driver: DeleteHooks,
    targets: Sequence[tuple[str, str]],
    complete: Callable[[StorageError, str, str], None],
) -> list[DeleteResult]:
    """
    Delete objects, given as container and name; return one result for each, in their order.

    Args:
        complete: Adds to an error which container and object it is about.
    """
    results: list[DeleteResult] = []
    for container, group in groupby(targets, key=lambda target: target[0]):
        given = [name for _, name in group]
        errors: dict[str, StorageError | None] = {}
        for names in _batches(_deepest_first(given), driver.limits.batch_size):
            errors.update(zip(names, _delete_batch(driver, container, names), strict=True))
        for name in given:
            error = errors[name]
            if error is not None:
                complete(error, container, name)
            results.append(DeleteResult(container, name, error))
    return results


def _deepest_first(names: Sequence[str]) -> Sequence[str]:
    """
    Return names in an order in which none comes before what is below it, like a folder's files.

    Where directories are objects of their own, as in accounts of Azure with a hierarchical
    namespace, one that is not empty cannot be deleted.
    """
    known = set(names)
    if any(ancestor in known for name in known for ancestor in _ancestors(name)):
        return sorted(names, reverse=True)
    return names


def _ancestors(name: str) -> Iterator[str]:
    end = name.rfind("/")
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 0, end)


def _children_first(names: Iterable[str]) -> Iterator[str]:
    """Yield sorted names, each behind those that are below it."""
    waiting: list[str] = []
    for name in names:
        # Between a name and what is below it others may sort, such as a-b between a and a/b.
        while waiting and name >= waiting[-1] + "0":  # which comes right behind the slash
            yield waiting.pop()
        waiting.append(name)
    yield from reversed(waiting)


def _delete_batch(
    driver: DeleteHooks, container: str, names: Sequence[str]
) -> Sequence[StorageError | None]:
    """Return what became of each name, also if the whole request failed."""
    try:
        return driver._delete_objects(container, names)
    except StorageError as failure:
        return [copy(failure) for _ in names]


def delete_full(driver: DeleteHooks, container: str) -> None:
    """Delete a container with all that is in it."""
    for attempt in range(_ROUNDS):
        driver._empty_container(container)
        try:
            driver._delete_container(container)
        except ContainerNotEmptyError:
            if attempt == _ROUNDS - 1:
                raise
        else:
            return


def empty(driver: DeleteHooks, container: str) -> None:
    """Delete the objects and the unfinished uploads of a container."""
    found = _children_first(_names(driver, container))
    for names in _batches(found, driver.limits.batch_size):
        for error in driver._delete_objects(container, names):
            if error is not None:
                raise error
    if driver.takes_parts:
        abort_all(driver, container)


def abort_all(driver: DeleteHooks, container: str) -> None:
    """Drop the unfinished uploads of a container, as far as the service tells of them."""
    pages = iterate_pages(
        lambda token: driver._list_uploads(container, token),
        f"unfinished uploads in {container!r}",
    )
    while True:
        try:
            page = next(pages, None)
        except NotSupportedError:
            return
        if page is None:
            return
        for upload in page.items:
            driver._abort_upload(upload)


def _names(driver: DeleteHooks, container: str) -> Iterator[str]:
    pages = iterate_pages(
        lambda token: driver._list_objects(container, ListQuery(), token, driver.limits.page_size),
        f"objects in {container!r}",
    )
    for page in pages:
        yield from (item.name for item in page.items if isinstance(item, ObjectInfo))


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(names)
    while batch := list(islice(iterator, size)):
        yield batch
