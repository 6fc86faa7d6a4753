"""Deleting many objects, and containers with all that is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Protocol, TypeAlias, TypeVar

from .errors import (
    AccessDeniedError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    InvalidTypeError,
    NotSupportedError,
    StorageError,
)
from .listing import iterate_pages
from .transfer.options import TransferOptions
from .transfer.workers import map_concurrently
from .values import (
    Conditions,
    DeleteOutcome,
    DeleteResult,
    Limits,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    Undecided,
    Upload,
)

# How often a container is emptied before giving up, where other clients keep filling it.
_ROUNDS = 3

T = TypeVar("T")

# A name and a version.
_Target: TypeAlias = "tuple[str, str | None]"


class DeleteHooks(Protocol):
    """The hooks of a driver that deleting uses."""

    transfer: TransferOptions

    @property
    def limits(self) -> Limits: ...
    @property
    def takes_parts(self) -> bool: ...

    def _delete_container(self, name: str) -> None: ...
    def _empty_container(self, name: str) -> None: ...
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]: ...
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]: ...
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None: ...
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]: ...
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]: ...
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]: ...
    def _abort_upload(self, upload: Upload) -> None: ...


# ---------------------------------------------------------------------- many objects


def delete_many(
    driver: DeleteHooks,
    targets: Sequence[tuple[str, str]],
    complete: Callable[[StorageError, str, str], None],
) -> list[DeleteResult]:
    """
    Delete objects, given as container and name; return one result for each, in their order.

    Args:
        complete: Adds the container and the object to an error.
    """
    results: list[DeleteResult] = []
    for container, group in groupby(targets, key=itemgetter(0)):
        results += delete_names(driver, container, [name for _, name in group], complete)
    return results


def delete_names(
    driver: DeleteHooks,
    container: str,
    names: Sequence[str],
    complete: Callable[[StorageError, str, str], None],
) -> list[DeleteResult]:
    """Delete objects of one container; return one result for each name, in their order."""
    errors: dict[str, StorageError] = {}
    for batch in _batches(_deepest_first(names), driver.limits.batch_size):
        for name, error in zip(batch, _delete_batch(driver, container, batch), strict=True):
            if error is not None:
                complete(error, container, name)
                errors[name] = error
    return [DeleteResult(container, name, errors.get(name)) for name in names]


def _delete_batch(
    driver: DeleteHooks, container: str, names: Sequence[str]
) -> Sequence[StorageError | None]:
    """Return the outcome of each name, also if the whole request failed."""
    try:
        outcomes = driver._delete_objects(container, names)
        return _decide(driver, container, [(name, None) for name in names], outcomes)
    except InvalidTypeError:  # a mistake of the driver
        raise
    except StorageError as failure:
        return [copy(failure) for _ in names]


def check_outcomes(outcomes: object, count: int) -> None:
    """Refuse a result of a hook that is not one outcome for each object."""
    if not isinstance(outcomes, (list, tuple)) or len(outcomes) != count:
        found = f"{len(outcomes)}" if isinstance(outcomes, (list, tuple)) else _kind(outcomes)
        raise InvalidTypeError(
            "a hook that deletes many objects must return a list with one outcome for each of"
            f" these {count}, not {found}; libstore.hooks says what each hook returns"
        )
    for outcome in outcomes:
        if outcome is not None and not isinstance(outcome, (StorageError, Undecided)):
            raise InvalidTypeError(
                "each outcome of a hook that deletes many objects must be None, a StorageError or"
                f" Undecided(), not {_kind(outcome)}"
            )


def _kind(value: object) -> str:
    return type(value).__name__


def _decide(
    driver: DeleteHooks,
    container: str,
    targets: Sequence[_Target],
    outcomes: Sequence[DeleteOutcome],
) -> list[StorageError | None]:
    """Delete undecided objects of a batch by single concurrent requests; return all outcomes."""
    check_outcomes(outcomes, len(targets))

    def delete(target: _Target) -> StorageError | None:
        try:
            driver._delete_object(container, target[0], Conditions(), target[1])
        except ContainerNotFoundError:
            raise
        except StorageError as error:
            return error
        return None

    undecided = [
        target
        for target, outcome in zip(targets, outcomes, strict=True)
        if outcome is not None and isinstance(outcome, Undecided)
    ]
    decided: dict[_Target, StorageError | None] = {}
    for level in _levels(undecided):
        errors = map_concurrently(delete, level, driver.transfer.concurrency)
        decided.update(zip(level, errors, strict=True))
    return [
        decided[target] if outcome is not None and isinstance(outcome, Undecided) else outcome
        for target, outcome in zip(targets, outcomes, strict=True)
    ]


def _deepest_first(names: Sequence[str]) -> Sequence[str]:
    """
    Return each name once, in an order in which none precedes those below it.

    Where directories are objects of their own, as in accounts of Azure with a hierarchical
    namespace, one that is not empty cannot be deleted.
    """
    unique = list(dict.fromkeys(names))
    return sorted(unique, reverse=True) if _are_nested(unique) else unique


def _levels(targets: Sequence[_Target]) -> Iterator[list[_Target]]:
    """Group targets so that those of a group may be deleted at once, after the groups before."""
    if not _are_nested([name for name, _ in targets]):
        yield list(targets)
        return
    deepest_first = sorted(targets, key=_depth, reverse=True)
    yield from (list(level) for _, level in groupby(deepest_first, key=_depth))


def _depth(target: _Target) -> int:
    return target[0].count("/")


def _are_nested(names: Sequence[str]) -> bool:
    """Return whether a name is below another one. In this order, it would follow it at once."""
    paths = sorted({f"{name}/" for name in names})
    return any(map(str.startswith, islice(paths, 1, None), paths))


# ---------------------------------------------------------------------- containers


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
    """Delete the objects of a container, with all their versions, and its unfinished uploads."""
    limits = driver.limits
    pages: Iterator[Page[ObjectInfo | Prefix]] = iterate_pages(
        lambda token: driver._list_versions(container, "", token, limits.page_size),
        f"versions in {container!r}",
    )
    try:
        pages = chain([next(pages)], pages)
        versioned = True
    except (AccessDeniedError, NotSupportedError):
        pages = iterate_pages(
            lambda token: driver._list_objects(container, ListQuery(), token, limits.page_size),
            f"objects in {container!r}",
        )
        versioned = False
    for batch in _batches(_children_first(_infos(pages)), limits.batch_size):
        if versioned:
            outcomes = driver._delete_versions(container, batch)
        else:
            outcomes = driver._delete_objects(container, [info.name for info in batch])
        targets = [(info.name, info.version if versioned else None) for info in batch]
        errors = _decide(driver, container, targets, outcomes)
        for (name, _), error in zip(targets, errors, strict=True):
            if error is not None:
                error.object = error.object or name
                raise error
    if driver.takes_parts:
        abort_all(driver, container)


def _infos(pages: Iterator[Page[ObjectInfo | Prefix]]) -> Iterator[ObjectInfo]:
    """Yield the objects of a page when the next page, whose token may name one, has been read."""
    page = next(pages, None)
    while page is not None:
        following = next(pages, None)
        yield from (item for item in page.items if isinstance(item, ObjectInfo))
        page = following


def _children_first(infos: Iterable[ObjectInfo]) -> Iterator[ObjectInfo]:
    """Reorder objects sorted by name, so that each one follows those below it."""
    waiting: list[ObjectInfo] = []
    for info in infos:
        if waiting and info.name == waiting[-1].name:  # one of maybe many versions
            yield info
            continue
        # Between a name and those below it others may sort, such as a-b between a and a/b.
        # "0" is the character that follows the slash.
        while waiting and info.name >= waiting[-1].name + "0":
            yield waiting.pop()
        waiting.append(info)
    yield from reversed(waiting)


def abort_all(driver: DeleteHooks, container: str) -> None:
    """Abort the unfinished uploads of a container, if the service lists them."""
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


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
