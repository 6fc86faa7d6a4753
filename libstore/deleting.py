"""Deleting many objects, and containers with all that is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import groupby, islice

from .core import DriverCore
from .errors import ContainerNotEmptyError, StorageError
from .values import DeleteResult, ListQuery, ObjectInfo

# How often a container that others keep filling is emptied before we give up.
_ROUNDS = 3


def delete_many(driver: DriverCore, targets: Sequence[tuple[str, str]]) -> list[DeleteResult]:
    """Delete objects, given as container and name; return one result for each, in their order."""
    results: list[DeleteResult] = []
    for container, group in groupby(targets, key=lambda target: target[0]):
        for names in _batches((name for _, name in group), driver.limits.batch_size):
            results += _delete_batch(driver, container, names)
    return results


def _delete_batch(
    driver: DriverCore, container: str, names: Sequence[str]
) -> Iterator[DeleteResult]:
    """Yield one result for each name, also if the whole request failed."""
    errors: Sequence[StorageError | None]
    try:
        errors = driver._delete_objects(container, names)
    except StorageError as failure:
        errors = [copy(failure) for _ in names]
    for name, error in zip(names, errors, strict=True):
        if error is not None:
            driver._guard("delete_objects", container, name).complete(error)
        yield DeleteResult(container, name, error)


def delete_all(driver: DriverCore, container: str) -> None:
    """Delete a container with its objects and its unfinished uploads."""
    for attempt in range(_ROUNDS):
        _empty(driver, container)
        try:
            driver._delete_container(container)
        except ContainerNotEmptyError:
            if attempt == _ROUNDS - 1:
                raise
        else:
            return


def _empty(driver: DriverCore, container: str) -> None:
    for names in _batches(_names(driver, container), driver.limits.batch_size):
        for error in driver._delete_objects(container, names):
            if error is not None:
                raise error
    if driver.takes_parts:
        token: str | None = None
        while True:
            page = driver._list_uploads(container, token)
            for upload in page.items:
                driver._abort_upload(upload)
            if page.token is None:
                return
            token = page.token


def _names(driver: DriverCore, container: str) -> Iterator[str]:
    token: str | None = None
    while True:
        page = driver._list_objects(container, ListQuery(), token, driver.limits.page_size)
        yield from (item.name for item in page.items if isinstance(item, ObjectInfo))
        if page.token is None:
            return
        token = page.token


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(names)
    while batch := list(islice(iterator, size)):
        yield batch
