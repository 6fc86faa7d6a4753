"""Copies within a service: the steps that do not depend on its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from ..errors import (
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    StorageError,
)
from ..transfer.aborting import abort_after_error
from ..transfer.part_sizes import ranges
from ..transfer.workers import map_concurrently
from ..values import CopyOptions, Limits, MiB, ObjectInfo, Span, Upload

#: The smallest size of a part that a service copies: one takes seconds, well below a timeout.
PART_SIZE = 256 * MiB

T = TypeVar("T")


# ---------------------------------------------------------------------- copies onto themselves


def check_copy_onto_itself(info: ObjectInfo, options: CopyOptions) -> bool:
    """
    Return whether a copy of an object onto itself changes its metadata or content type.

    Raises:
        ObjectAlreadyExistsError: The copy has `if_absent`.
        ObjectChangedError: The object has another ETag than a condition requires.
    """
    if options.conditions.if_absent:
        raise ObjectAlreadyExistsError("an object of this name already exists")
    require_etag(info, options.conditions.if_match)
    return options.metadata is not None or options.content_type is not None


def require_etag(info: ObjectInfo, etag: str | None) -> None:
    """Raise `ObjectChangedError` if an object has another ETag; `None` stands for any."""
    if etag not in {None, info.etag}:
        raise ObjectChangedError(f"the object has another ETag, {info.etag}")


def changed_info(
    info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
) -> ObjectInfo:
    """
    Return the known fields of an object whose metadata or content type was changed.

    Args:
        info: The object before the change.
        metadata: `None` means unchanged, as for `content_type`.
    """
    return replace(
        info,
        metadata=info.metadata if metadata is None else dict(metadata),
        content_type=content_type or info.content_type,
        complete=False,
    )


# ---------------------------------------------------------------------- refusals


def find_missing(
    containers: Iterable[str], head: Callable[[str], object]
) -> ContainerNotFoundError | None:
    """
    Return the error for the first container that does not exist, or `None` if all may exist.

    Args:
        head: Requests a container. Errors other than `ContainerNotFoundError` prove nothing:
            credentials for objects need not be allowed to read their container.
    """
    for container in containers:
        try:
            head(container)
        except ContainerNotFoundError as error:
            error.container = container
            return error
        except StorageError:
            pass
    return None


def require_source(etag: str | None, head: Callable[[], ObjectInfo]) -> None:
    """
    Raise `ObjectChangedError` if a copy was refused because its source was replaced.

    Services do not distinguish the condition of the source from that of the target.

    Args:
        etag: The ETag that the request required; without one, no request is sent.
        head: Returns the source as it is now.
    """
    if etag is None:
        return
    try:
        found = head().etag
    except StorageError:
        return
    if found != etag:
        raise ObjectChangedError("the source was replaced while it was copied") from None


# ---------------------------------------------------------------------- copies in parts


def copy_in_parts(
    upload: Upload,
    info: ObjectInfo,
    limits: Limits,
    checkpoint: Callable[[], None],
    *,
    copy: Callable[[int, Span], T],
    finish: Callable[[list[T]], ObjectInfo],
    abort: Callable[[Upload], object],
    workers: int = 8,
) -> ObjectInfo:
    """
    Copy an object in concurrent parts; abort the upload if that fails or is cancelled.

    Args:
        info: The source. Pin each part to its ETag, so that the copy is not of two versions.
        checkpoint: Called before each part and before the end.
        copy: Has the service copy one part, given its number, from 1, and its range.
        finish: Publishes the copy, given what `copy` returned for all parts in their order.
        workers: How many parts are copied at once.
    """
    size = info.size or 0
    part_size = max(PART_SIZE, -(-size // limits.max_parts), limits.min_part)
    numbered = list(enumerate(ranges(Span(0, size), part_size), 1))

    def copy_part(part: tuple[int, Span]) -> T:
        checkpoint()
        return copy(*part)

    try:
        parts = map_concurrently(copy_part, numbered, workers)
        checkpoint()
        return replace(finish(parts), size=size)
    except BaseException:
        abort_after_error(lambda: abort(upload), upload)
        raise
