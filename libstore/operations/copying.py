"""Copying and moving, within a service and between services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from typing_extensions import final

from .. import arguments
from ..core import DriverCore
from ..errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ServiceError,
    StorageError,
)
from ..handles import Container, Object
from ..redaction import hide_keys
from ..transfer.copy import ObjectSource
from ..transfer.progress import ProgressCallback
from ..transfer.upload import Stored, UploadRequest, upload
from ..transfer.workers import CancelToken, check_cancelled
from ..values import Conditions, CopyOptions, Extra, ObjectInfo

# What a copy carries along between services, beside content type and metadata.
_CARRIED = ("cache_control", "content_disposition", "content_encoding", "content_language")
# Services tell times in whole seconds, some rounded up.
_CLOCK_STEP = 2.0


class Copying(DriverCore):
    """Copy and move."""

    @final
    def copy_object(
        self,
        obj: Object,
        container: Container | str,
        name: str | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        if_absent: bool = False,
        extra: Extra | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """
        Copy an object, and return the copy.

        Within one driver the service copies by itself, if it can. To a container of another
        driver the bytes pass through here part by part, verified on both ends.

        Args:
            container: Where the copy goes: a name, or a container of any driver.
            name: The copy's name; the object's own by default.
            content_type: Takes the place of the object's content type.
            metadata: Takes the place of the object's metadata.
            storage_class: That of the copy; the default of the service it goes to otherwise.
            if_absent: Raise rather than replace an object of this name.
            extra: Options that only the service of the copy has; its page lists them.
            progress: Called with the bytes that are confirmed so far and with the total.
            cancel: Stops the copy when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: There is no such object.
            ContainerNotFoundError: There is no such container.
            ObjectAlreadyExistsError: `if_absent` was asked for, and there is one.
            IntegrityError: The bytes that were read do not match the object's digest.
            TransferCancelledError: `cancel` was set.
        """
        extra = hide_keys(extra)  # from here on no traceback shows a key
        options = CopyOptions(
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            conditions=Conditions(if_absent=if_absent),
            extra={} if extra is None else extra,
        )
        return self._copied("copy_object", obj, container, name, options, progress, cancel)

    @final
    def move_object(
        self,
        obj: Object,
        container: Container | str,
        name: str | None = None,
        *,
        if_absent: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """
        Move an object, and return it in its new place.

        It is a copy, and then a delete of just the version that was copied where the service can
        tell versions apart: an object that was replaced meanwhile stays. Moving an object onto
        itself changes nothing.

        Args:
            container: Where the object goes: a name, or a container of any driver.
            name: The new name; the object's own by default.
            if_absent: Raise rather than replace an object of this name.
            progress: Called with the bytes that are confirmed so far and with the total.
            cancel: Stops the move when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: There is no such object.
            ContainerNotFoundError: There is no such container.
            ObjectAlreadyExistsError: `if_absent` was asked for, and there is one.
            ObjectChangedError: The object was replaced after it was copied; both are there.
            OutcomeUnknownError: The object was copied, and it is not known whether the original
                was deleted.
        """
        with self._guard("move_object", obj):
            here = self._target(obj)
            target = container.driver if isinstance(container, Container) else self
            new_name = here[1] if name is None else name
            with target._guard("move_object", container, new_name):
                there = target._container_name(container), target._object_name(new_name)
            info = self._head_object(*here, None)
            same = self._is_same_object(*here, target, *there)
            if same:
                return target._object_handle(container, replace(info, name=there[1]))
            options = CopyOptions(conditions=Conditions(if_absent=if_absent))

            def copy() -> Object:
                return self._copied("move_object", obj, container, name, options, progress, cancel)

            apart = same is False or _shows_two(info, _found(target, there))
            moved = copy()
            if same is None and not self._stayed(here, info, target, there, apart, copy):
                return moved
            self._delete_moved(*here, info)
        return moved

    def _delete_moved(self, container: str, name: str, info: ObjectInfo) -> None:
        """Delete what was copied, unless it was replaced since."""
        pinned = info.etag if self.supports("delete_if_match") else None
        conditions = Conditions(if_match=pinned, token=info.write_token)
        try:
            self._delete_object(container, name, conditions, None)
        except OutcomeUnknownError as error:
            try:
                now = self._head_object(container, name, None).etag
            except ObjectNotFoundError:
                return  # whoever deleted it, what was copied is gone: the move is complete
            except StorageError:
                raise error from error.__cause__
            if now == pinned:
                raise
            raise ObjectChangedError(
                "the object was replaced after it was copied; both are there"
            ) from error

    def _stayed(
        self,
        here: tuple[str, str],
        before: ObjectInfo,
        target: DriverCore,
        there: tuple[str, str],
        apart: bool,
        copy: Callable[[], Object],
    ) -> bool:
        """
        Return whether the source is still there beside its copy, so that it can be deleted.

        Both may be one object, which a second driver reaches by another address. Then the copy has
        taken the source's place.

        Args:
            before: What was told of the source before it was copied.
            apart: It was seen before the copy that there are two objects.
            copy: Makes the copy again.

        Raises:
            ObjectChangedError: Another object is in the source's place, and is not the copy.
            ServiceError: It cannot be told whether there are two objects.
        """
        for attempt in range(2):
            try:
                now = self._head_newest(*here)
            except ObjectNotFoundError:
                return False  # somebody else has deleted it
            unchanged = _is_same_state(before, now)
            if unchanged and apart:
                return True
            copied = target._head_newest(*there)
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
                # A time is told in whole seconds; a second copy has another one than the source.
                self._retrier.sleep(_CLOCK_STEP)
                copy()
        raise ServiceError(
            "the object was not deleted, because it cannot be told whether it and its copy are one"
            " object that both drivers reach; the copy is complete"
        )

    def _copied(
        self,
        operation: str,
        obj: Object,
        container: Container | str,
        name: str | None,
        options: CopyOptions,
        progress: ProgressCallback | None,
        cancel: CancelToken | None,
    ) -> Object:
        """Return a copy; `options` are checked here, for it is the target that has limits."""
        reading = self._guard(operation, obj)
        with reading:
            source_container, source = self._target(obj)
        target = container.driver if isinstance(container, Container) else self
        writing = target._guard(operation, container, source if name is None else name)
        with writing:
            target_container = target._container_name(container)
            target_name = target._object_name(source if name is None else name)
            options = replace(
                options,
                content_type=arguments.header_value(options.content_type, "content_type"),
                metadata=None
                if options.metadata is None
                else arguments.metadata(options.metadata, target.limits),
                storage_class=arguments.header_value(options.storage_class, "storage_class"),
                conditions=target._conditions(options.conditions.if_absent, None),
                extra=target._extra(options.extra, target.upload_extras),
                checkpoint=partial(check_cancelled, cancel),
            )
            target._need_option("storage_class", options.storage_class is not None)
            order = UploadRequest(target_container, target_name, progress=progress, cancel=cancel)
        with reading:
            check_cancelled(cancel)
            try:
                info = self._copy_by_service(
                    target, (source_container, source), (target_container, target_name), options
                )
            except (ObjectAlreadyExistsError, ObjectNameConflictError) as error:
                writing.complete(error)
                raise
            if info is not None:
                _report(progress, info.size if info.size is not None else obj._info.size)
                return target._object_handle(container, info)
            content = ObjectSource(self, source_container, source, reading)
        with writing:
            stored = _copy_through(content, target, order, options)
        return target._object_handle(container, *stored)

    def _copy_by_service(
        self,
        target: DriverCore,
        source: tuple[str, str],
        place: tuple[str, str],
        options: CopyOptions,
    ) -> ObjectInfo | None:
        """Return a copy whose bytes do not pass through here; `None` if that cannot be."""
        if target is not self:
            return target._copy_across(self, *source, *place, options)
        if not self.supports("copy_object"):
            return None
        return self._copy_object(*source, *place, options)


def _report(progress: ProgressCallback | None, size: int | None) -> None:
    """Tell of a copy that the service made in one go."""
    if progress is not None and size is not None:
        progress(size, size)


def _copy_through(
    source: ObjectSource, target: DriverCore, order: UploadRequest, options: CopyOptions
) -> Stored:
    """Read from one driver and write to another, or to the same one."""
    info = source.info
    headers = {
        label: value
        for label in _CARRIED
        if label in target.options and isinstance(value := info.extra.get(label), str)
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
    write = replace(write, storage_class=options.storage_class, extra=options.extra)
    return upload(target, replace(order, options=write), source)


# ---------------------------------------------------------------------- one object or two


def _found(driver: DriverCore, place: tuple[str, str]) -> ObjectInfo | None:
    """Return what a driver finds in a place; without a size if it cannot tell."""
    try:
        return driver._head_newest(*place)
    except ObjectNotFoundError:
        return None
    except StorageError:
        return ObjectInfo(place[1])


def _shows_two(source: ObjectInfo, target: ObjectInfo | None) -> bool:
    """Return whether two drivers, asked for one name, have told of two different objects."""
    if target is None:
        return True
    if None not in {source.size, target.size} and source.size != target.size:
        return True
    common = source.checksums.keys() & target.checksums.keys()
    return any(source.checksums[name] != target.checksums[name] for name in common)


def _is_same_state(before: ObjectInfo, now: ObjectInfo) -> bool:
    """Return whether nothing that one driver tells of an object has changed."""
    return (before.size, before.etag, before.version, before.last_modified) == (
        now.size, now.etag, now.version, now.last_modified,
    )  # fmt: skip


def _could_be_one(here: ObjectInfo, there: ObjectInfo) -> bool:
    """Return whether two drivers could have told of one object that was just written."""
    return not _shows_two(here, there) and not _is_long_between(here, there)


def _is_long_between(here: ObjectInfo, there: ObjectInfo) -> bool:
    """Return whether two objects were written at different times, as far as clocks tell."""
    if here.last_modified is None or there.last_modified is None:
        return False
    return abs((here.last_modified - there.last_modified).total_seconds()) >= _CLOCK_STEP
