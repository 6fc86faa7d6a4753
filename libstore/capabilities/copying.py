"""Copying and moving, within a service and between services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from typing_extensions import final

from .. import checks
from ..core import DriverCore
from ..errors import ObjectAlreadyExistsError, ObjectNameConflictError, StorageError
from ..handles import Container, Object
from ..transfer.copy import ObjectSource
from ..transfer.crew import Flag, check_cancelled
from ..transfer.progress import ProgressCallback
from ..transfer.upload import Stored, UploadOrder, upload
from ..values import Conditions, CopyOptions, Extra, ObjectInfo

# What a copy carries along between services, beside content type and metadata.
_CARRIED = ("cache_control", "content_disposition", "content_encoding", "content_language")


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
        cancel: Flag | None = None,
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
        cancel: Flag | None = None,
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
        """
        with self._guard("move_object", obj):
            source_container, source = self._target(obj)
            target = container.driver if isinstance(container, Container) else self
            info = self._head_object(source_container, source, None)
            place = (target._container_name(container), source if name is None else name)
            if place == (source_container, source) and self._is_at_the_same_place(target, *place):
                return target._object_handle(container, info)
            options = CopyOptions(conditions=Conditions(if_absent=if_absent))
            moved = self._copied("move_object", obj, container, name, options, progress, cancel)
            pinned = info.etag if self.supports("delete_if_match") else None
            self._delete_object(source_container, source, Conditions(if_match=pinned), None)
        return moved

    def _is_at_the_same_place(self, target: DriverCore, container: str, name: str) -> bool:
        """
        Return whether a name stands for one and the same object here and at another driver.

        Where it does, a move must not delete what it has just written.
        """
        if target is self:
            return True
        try:
            here = self._get_object_cdn_url(container, name)
            return here == target._get_object_cdn_url(container, name)
        except StorageError:  # what has no public addresses
            return False

    def _copied(
        self,
        operation: str,
        obj: Object,
        container: Container | str,
        name: str | None,
        options: CopyOptions,
        progress: ProgressCallback | None,
        cancel: Flag | None,
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
                content_type=checks.header_value(options.content_type, "content_type"),
                metadata=None
                if options.metadata is None
                else checks.metadata(options.metadata, target.limits),
                storage_class=checks.header_value(options.storage_class, "storage_class"),
                conditions=target._conditions(options.conditions.if_absent, None),
                extra=target._extra(options.extra, target.upload_extras),
                checkpoint=partial(check_cancelled, cancel),
            )
            target._need_option("storage_class", options.storage_class is not None)
            order = UploadOrder(target_container, target_name, progress=progress, cancel=cancel)
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
    source: ObjectSource, target: DriverCore, order: UploadOrder, options: CopyOptions
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
