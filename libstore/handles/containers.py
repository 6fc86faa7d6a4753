"""A container, as a user holds it."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, cast, overload

from typing_extensions import Self, Unpack, override

from ..redaction import hide_keys
from ..values import ContainerInfo, DeleteResult, Extra, Prefix, Upload
from .objects import Object
from .told import untold

if TYPE_CHECKING:
    from pathlib import Path

    from ..base import StorageDriver
    from ..capabilities.files import (
        BinaryReadMode,
        BinaryWriteMode,
        TextKeywords,
        TextReadMode,
        TextWriteMode,
        WriteKeywords,
    )
    from ..files import ObjectTextWriter, ObjectWriter
    from ..listing import LazyList
    from ..transfer.progress import ProgressCallback
    from ..transfer.sources import UploadSource
    from ..transfer.workers import CancelToken


class Container:
    """
    A container of objects; "bucket" on most services.

    What the service has not told yet, it is asked for when somebody wants it.

    Attributes:
        driver: The driver that every operation goes to.
        name: The container's name.
    """

    __slots__ = ("_info", "driver", "name")

    def __init__(self, driver: StorageDriver, info: ContainerInfo) -> None:
        self.driver = driver
        self.name = info.name
        self._info = info

    @property
    def object_count(self) -> int | None:
        """The number of objects, where the service keeps count; `None` where it does not."""
        return cast("int | None", self._told("object_count"))

    @property
    def size(self) -> int | None:
        """The bytes of all objects, where the service keeps count; `None` where it does not."""
        return cast("int | None", self._told("size"))

    @property
    def created(self) -> datetime | None:
        """When the container was created, where the service tells."""
        return cast("datetime | None", self._told("created"))

    @property
    def extra(self) -> Mapping[str, builtins.object]:
        """What only this service tells."""
        return cast("Mapping[str, builtins.object]", self._told("extra"))

    def refresh(self) -> Self:
        """Ask the service again for all that it knows, and return this handle."""
        self._info = self.driver.get_container(self.name)._info
        return self

    @overload
    def list_objects(
        self, prefix: str = "", *, delimiter: Literal[""] = "", start_after: str = ""
    ) -> LazyList[Object]: ...
    @overload
    def list_objects(
        self, prefix: str = "", *, delimiter: str, start_after: str = ""
    ) -> LazyList[Object | Prefix]: ...
    def list_objects(
        self, prefix: str = "", *, delimiter: str = "", start_after: str = ""
    ) -> LazyList[Any]:
        """List the objects lazily. See `StorageDriver.list_objects`."""
        return self.driver.list_objects(self, prefix, delimiter=delimiter, start_after=start_after)

    def walk(
        self, prefix: str = "", *, delimiter: str = "/"
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        """Walk the tree that a delimiter makes of the names. See `StorageDriver.walk`."""
        return self.driver.walk(self, prefix, delimiter=delimiter)

    def get_object(self, name: str) -> Object:
        """Return an object with all that is known of it. See `StorageDriver.get_object`."""
        return self.driver.get_object(self, name)

    def object_exists(self, name: str) -> bool:
        """Return whether there is such an object. See `StorageDriver.object_exists`."""
        return self.driver.object_exists(self, name)

    def object(self, name: str) -> Object:
        """Return a handle without asking the service. See `StorageDriver.object`."""
        return self.driver.object(self, name)

    def upload_object(
        self,
        source: UploadSource,
        name: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        content_language: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        checksum: str | None = None,
        extra: Extra | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """Store an object. See `StorageDriver.upload_object`."""
        extra = hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.upload_object(
            source,
            self,
            name,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            content_language=content_language,
            if_absent=if_absent,
            if_match=if_match,
            checksum=checksum,
            extra=extra,
            progress=progress,
            cancel=cancel,
        )

    def download_object(
        self,
        obj: Object | str,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Write an object to a file. See `StorageDriver.download_object`."""
        return self.driver.download_object(
            self._handle("download_object", obj),
            destination,
            overwrite=overwrite,
            progress=progress,
            cancel=cancel,
        )

    def stream_object(
        self,
        obj: Object | str,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk_size: int | None = None,
    ) -> Iterator[bytes]:
        """Yield an object's bytes in order. See `StorageDriver.stream_object`."""
        return self.driver.stream_object(
            self._handle("stream_object", obj), start=start, stop=stop, chunk_size=chunk_size
        )

    def read_object(self, obj: Object | str, *, start: int = 0, stop: int | None = None) -> bytes:
        """Return an object's bytes. See `StorageDriver.read_object`."""
        return self.driver.read_object(self._handle("read_object", obj), start=start, stop=stop)

    @overload
    def open(self, name: Object | str, mode: BinaryReadMode = "rb") -> BinaryIO: ...
    @overload
    def open(
        self, name: Object | str, mode: BinaryWriteMode, **options: Unpack[WriteKeywords]
    ) -> ObjectWriter: ...
    @overload
    def open(
        self, name: Object | str, mode: TextReadMode, **options: Unpack[TextKeywords]
    ) -> TextIO: ...
    @overload
    def open(
        self, name: Object | str, mode: TextWriteMode, **options: Unpack[TextKeywords]
    ) -> ObjectTextWriter: ...
    def open(
        self,
        name: Object | str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        content_language: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        extra: Extra | None = None,
    ) -> Any:
        """Open an object as a file. See `StorageDriver.open_object`."""
        extra = hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.open_object(
            self,
            name,
            mode,
            encoding=encoding,
            errors=errors,
            newline=newline,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            content_language=content_language,
            if_absent=if_absent,
            if_match=if_match,
            extra=extra,
        )

    def delete_object(self, obj: Object | str, *, if_match: str | None = None) -> None:
        """Delete an object. See `StorageDriver.delete_object`."""
        self.driver.delete_object(self._handle("delete_object", obj), if_match=if_match)

    def delete_objects(self, objs: Iterable[Object | str]) -> list[DeleteResult]:
        """Delete many objects. See `StorageDriver.delete_objects`."""
        return self.driver.delete_objects(self.driver._objects_in("delete_objects", self, objs))

    def list_uploads(self) -> LazyList[Upload]:
        """List unfinished uploads in parts. See `StorageDriver.list_uploads`."""
        return self.driver.list_uploads(self)

    def abort_uploads(self, *, older_than: float = 0.0) -> list[Upload]:
        """Drop unfinished uploads in parts. See `StorageDriver.abort_uploads`."""
        return self.driver.abort_uploads(self, older_than=older_than)

    def enable_cdn(self) -> str:
        """Let everybody read the objects. See `StorageDriver.enable_container_cdn`."""
        return self.driver.enable_container_cdn(self)

    def get_cdn_url(self) -> str:
        """Return the public address. See `StorageDriver.get_container_cdn_url`."""
        return self.driver.get_container_cdn_url(self)

    def delete(self, *, recursive: bool = True) -> None:
        """Delete the container and all objects in it. See `StorageDriver.delete_container`."""
        self.driver.delete_container(self, recursive=recursive)

    def __iter__(self) -> Iterator[Object]:
        return iter(self.driver.list_objects(self))

    def __contains__(self, name: Object | str) -> bool:
        return self.driver.object_exists(self, name.name if isinstance(name, Object) else name)

    @override
    def __eq__(self, other: builtins.object) -> bool:
        if not isinstance(other, Container):
            return NotImplemented
        return self.name == other.name and self.driver == other.driver

    @override
    def __hash__(self) -> int:
        return hash((self.driver, self.name))

    @override
    def __repr__(self) -> str:
        return f"<Container {self.name!r} of {self.driver!r}>"

    def _handle(self, operation: str, obj: Object | str) -> Object:
        """Return an object of this container that is given as a handle or by its name."""
        return self.driver._object_in(operation, self, obj)

    def _told(self, field: str) -> Any:
        if untold(self._info, field):
            self.refresh()
        return getattr(self._info, field)
