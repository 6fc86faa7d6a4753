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
        for names in _batches((name for _, name in group), driver.limits.batch_size):
            for name, error in zip(names, _delete_batch(driver, container, names), strict=True):
                if error is not None:
                    complete(error, container, name)
                results.append(DeleteResult(container, name, error))
    return results


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
    for names in _batches(_names(driver, container), driver.limits.batch_size):
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
