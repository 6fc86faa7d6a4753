"""Copying and moving objects, within a service and between services."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from .. import arguments
from ..core import DriverCore
from ..error_context import ErrorContext
from ..errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ServiceError,
    StorageError,
)
from ..options import COPY_OPTIONS, WRITE_OPTIONS
from ..transfer.copy import ObjectSource
from ..transfer.progress import ProgressCallback
from ..transfer.reading import Wanted
from ..transfer.upload import Stored, UploadRequest, upload
from ..transfer.workers import CancelToken, check_cancelled
from ..values import Conditions, CopyOptions, ObjectInfo

# Services report times in whole seconds, some rounded up.
_CLOCK_STEP = 2.0


class ObjectRef(NamedTuple):
    """An object of a driver, by its checked names, or one version of it."""

    driver: DriverCore
    container: str
    name: str
    version: str | None = None

    @property
    def names(self) -> tuple[str, str]:
        """The names of the container and of the object."""
        return self.container, self.name

    def context(self, operation: str) -> ErrorContext:
        """Return the context of errors about this object."""
        return ErrorContext(self.driver, operation, self.container, self.name)


@dataclass(frozen=True)
class CopyRequest:
    """
    One copy, as the user called for it.

    Attributes:
        operation: The public operation, for errors.
        options: Not checked yet.
        size: The source's size, if it is known.
        cancel: Stops the copy when set.
    """

    operation: str
    source: ObjectRef
    target: ObjectRef
    options: CopyOptions
    size: int | None = None
    progress: ProgressCallback | None = None
    cancel: CancelToken | None = None


def copy(request: CopyRequest) -> Stored:
    """Copy an object: by the service if it can, else by reading and writing."""
    source, target, cancel = request.source, request.target, request.cancel
    reading, writing = source.context(request.operation), target.context(request.operation)
    with writing:
        options = _checked_options(target.driver, request.options, cancel)
        order = UploadRequest(*target.names, progress=request.progress, cancel=cancel)
    with reading:
        check_cancelled(cancel)
        try:
            info = _copy_by_service(source, target, options)
        except (ObjectAlreadyExistsError, ObjectNameConflictError) as error:
            writing.complete(error)
            raise
        if info is not None:
            _report(request.progress, request.size if info.size is None else info.size)
            return Stored(info, None)
        content = ObjectSource(
            source.driver, Wanted(*source.names, version=source.version), reading
        )
    with writing:
        return _copy_through(content, target.driver, order, options)


def _checked_options(
    driver: DriverCore, options: CopyOptions, cancel: CancelToken | None
) -> CopyOptions:
    """Check the options of a copy against the driver that it goes to."""
    own = {name: getattr(options, name) for name in COPY_OPTIONS}
    return replace(
        options,
        content_type=arguments.header_value(options.content_type, "content_type"),
        metadata=None
        if options.metadata is None
        else arguments.metadata(options.metadata, driver.limits),
        conditions=driver._conditions(options.conditions.if_absent, None),
        extra=driver._extra(
            options.extra, driver.upload_extras, ("content_type", "metadata", *COPY_OPTIONS)
        ),
        checkpoint=partial(check_cancelled, cancel),
        **driver._service_options(own),
    )


def _copy_by_service(
    source: ObjectRef, target: ObjectRef, options: CopyOptions
) -> ObjectInfo | None:
    """Copy without the content passing through this process; `None` if that is impossible."""
    if source.version is not None:
        return None  # the hooks copy current objects
    if target.driver is not source.driver:
        return target.driver._copy_across(source.driver, *source.names, *target.names, options)
    if not source.driver.supports("copy_object"):
        return None
    return source.driver._copy_object(*source.names, *target.names, options)


def _report(progress: ProgressCallback | None, size: int | None) -> None:
    """Report the progress of a copy that the service made with one request."""
    if progress is not None and size is not None:
        progress(size, size)


def _copy_through(
    source: ObjectSource, target: DriverCore, order: UploadRequest, options: CopyOptions
) -> Stored:
    """Read the source and write the target, which may have the same driver."""
    info = source.info
    headers = {
        label: value
        for label in WRITE_OPTIONS
        if label not in COPY_OPTIONS
        and label in target.options
        and (value := info.extra.get(label)) is not None
    }
    try:
        write = target._write_options(
            order.name,
            options.content_type or info.content_type,
            info.metadata if options.metadata is None else options.metadata,
            options.conditions,
            None,
            **headers,
        )
    except BaseException:
        source.close()
        raise
    own = {name: getattr(options, name) for name in COPY_OPTIONS}
    write = replace(write, extra=options.extra, **own)
    return upload(target, replace(order, options=write), source)


# ---------------------------------------------------------------------- moving


def move(request: CopyRequest) -> Stored:
    """Copy an object and delete the source, unless both are one object or it was replaced."""
    source, target = request.source, request.target
    with source.context(request.operation):
        arguments.progress(request.progress)
        arguments.flag(request.cancel, "cancel")
        check_cancelled(request.cancel)
        info = source.driver._head_object(*source.names, None)
        same = source.driver._is_same_object(*source.names, target.driver, *target.names)
        if same:
            return Stored(replace(info, name=target.name), None)
        distinct = same is False or _shows_two(info, _found(target))
        stored = copy(request)
        if same is False or _is_source_left(request, info, distinct):
            _delete_source(source, info)
        return stored


def _delete_source(source: ObjectRef, info: ObjectInfo) -> None:
    """Delete the object that was copied, unless it was replaced since."""
    driver = source.driver
    pinned = info.etag if driver.supports("delete_if_match") else None
    conditions = Conditions(if_match=pinned, token=info.write_token)
    try:
        driver._delete_object(*source.names, conditions, None)
    except OutcomeUnknownError as error:
        try:
            etag = driver._head_object(*source.names, None).etag
        except ObjectNotFoundError:
            return  # whichever client deleted it, the move is complete
        except StorageError:
            raise error from error.__cause__
        if etag == pinned:
            raise
        raise ObjectChangedError(
            "the object was replaced after it was copied, so it was not deleted; both exist"
        ) from error


def _is_source_left(request: CopyRequest, before: ObjectInfo, distinct: bool) -> bool:
    """
    Return whether the source still exists beside its copy, so that it can be deleted.

    Both may be one object, which the second driver reaches at another address. Then the copy has
    replaced the source.

    Args:
        before: The source before it was copied.
        distinct: There were two objects before the copy.

    Raises:
        ObjectChangedError: Another object has replaced the source, and is not the copy.
        ServiceError: Nothing shows whether there are two objects.
    """
    source, target = request.source, request.target
    for attempt in range(2):
        try:
            now = source.driver._head_newest(*source.names)
        except ObjectNotFoundError:
            return False  # another client has deleted it
        unchanged = _is_same_state(before, now)
        if unchanged and distinct:
            return True
        copied = target.driver._head_newest(*target.names)
        if not unchanged:
            if _could_be_one(now, copied):
                return False
            raise ObjectChangedError(
                "the object was replaced while it was moved, so it was not deleted; the copy"
                " is complete"
            )
        if _is_long_between(before, copied):
            return True
        if attempt == 0:
            # Times are in whole seconds; a later copy has another time than the source.
            source.driver._retrier.sleep(_CLOCK_STEP)
            copy(request)
    raise ServiceError(
        "the object was not deleted, because it and its copy may be one object that both drivers"
        " reach; the copy is complete, so delete the source if they are two"
    )


def _found(target: ObjectRef) -> ObjectInfo | None:
    """Return the object in the target's place; without a size if its driver cannot find out."""
    try:
        return target.driver._head_newest(*target.names)
    except ObjectNotFoundError:
        return None
    except StorageError:
        return ObjectInfo(target.name)


def _shows_two(source: ObjectInfo, target: ObjectInfo | None) -> bool:
    """Return whether the attributes from two drivers cannot be those of one object."""
    if target is None:
        return True
    if None not in {source.size, target.size} and source.size != target.size:
        return True
    common = source.checksums.keys() & target.checksums.keys()
    return any(source.checksums[name] != target.checksums[name] for name in common)


def _is_same_state(before: ObjectInfo, now: ObjectInfo) -> bool:
    """Return whether two records of one driver describe the same state of an object."""
    return (before.size, before.etag, before.version, before.last_modified) == (
        now.size, now.etag, now.version, now.last_modified,
    )  # fmt: skip


def _could_be_one(here: ObjectInfo, there: ObjectInfo) -> bool:
    """Return whether two drivers may report one object that was just written."""
    return not _shows_two(here, there) and not _is_long_between(here, there)


def _is_long_between(here: ObjectInfo, there: ObjectInfo) -> bool:
    """Return whether two objects were surely written at different times."""
    if here.last_modified is None or there.last_modified is None:
        return False
    return abs((here.last_modified - there.last_modified).total_seconds()) >= _CLOCK_STEP
