"""
`Container` and `Object`: what a user holds.

Both are thin. A handle has its driver and the attributes that are known so far; every operation is
one call of the driver, so ``obj.delete()`` and ``driver.delete_object(obj)`` are the same.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, cast, overload

from typing_extensions import Self, Unpack, override

from .error_context import ErrorContext
from .readonly import no_pairs
from .redaction import hide_keys
from .values import ContainerInfo, DeleteResult, Extra, ObjectInfo, Prefix, Upload

if TYPE_CHECKING:
    from pathlib import Path

    from .driver import StorageDriver
    from .files import ObjectTextWriter, ObjectWriter
    from .listing import LazyList
    from .operations.opening import (
        BinaryReadMode,
        BinaryWriteMode,
        TextKeywords,
        TextReadMode,
        TextWriteMode,
        WriteKeywords,
    )
    from .operations.signing import SignedURL
    from .transfer.progress import ProgressCallback
    from .transfer.sources import UploadSource
    from .transfer.workers import CancelToken


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
        return cast("int | None", self._known("object_count"))

    @property
    def size(self) -> int | None:
        """The bytes of all objects, where the service keeps count; `None` where it does not."""
        return cast("int | None", self._known("size"))

    @property
    def created(self) -> datetime | None:
        """When the container was created, where the service tells."""
        return cast("datetime | None", self._known("created"))

    @property
    def extra(self) -> Mapping[str, builtins.object]:
        """What only this service tells."""
        return cast("Mapping[str, builtins.object]", self._known("extra"))

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
        with ErrorContext(self.driver, "delete_objects", self):
            targets = self.driver._objects_in(self, objs)
        return self.driver.delete_objects(targets)

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

    @property
    def _error_names(self) -> tuple[str, None]:
        """The names that an error about this container has; see `ErrorContext`."""
        return self.name, None

    def _handle(self, operation: str, obj: Object | str) -> Object:
        """Return an object of this container that is given as a handle or by its name."""
        with ErrorContext(self.driver, operation, self, obj):
            return self.driver._object_in(self, obj)

    def _known(self, field: str) -> Any:
        if not _is_known(self._info, field):
            self.refresh()
        return getattr(self._info, field)


class Object:
    """
    An object in a container.

    What the service has not told yet, it is asked for when somebody wants it: a handle from a
    listing, for one, does not know its metadata. What was told is kept until `refresh()`.

    Attributes:
        container: The container that the object is in.
        name: The object's name.
    """

    __slots__ = ("_info", "_verified_by", "container", "name")

    def __init__(
        self, container: Container, info: ObjectInfo, verified_by: str | None = None
    ) -> None:
        self.container = container
        self.name = info.name
        self._info = info
        self._verified_by = verified_by

    @property
    def driver(self) -> StorageDriver:
        """The driver that every operation goes to."""
        return self.container.driver

    @property
    def size(self) -> int:
        """The number of bytes."""
        return cast("int", self._known("size"))

    @property
    def object_hash(self) -> str | None:
        """
        The hexadecimal digest of the content, by `hash_algorithm`.

        It is `None` where the service has none; see `checksums` for others that it may know.
        """
        checksums = self.checksums
        algorithm = self._info.hash_algorithm
        return None if algorithm is None else checksums[algorithm]

    @property
    def hash_algorithm(self) -> str | None:
        """The algorithm of `object_hash`, such as ``"md5"``."""
        return self._info.hash_algorithm if self.checksums else None

    @property
    def checksums(self) -> Mapping[str, str]:
        """All digests of the content that the service knows, hexadecimal, by algorithm."""
        if not self._known("checksums"):
            self._info = self.driver._with_checksums(self)
        return self._info.checksums

    @property
    def verified_by(self) -> str | None:
        """
        What the content of the last transfer by this handle was verified by.

        It is the algorithm of a digest of the whole content, such as ``"md5"``, or
        ``"composite md5"`` for digests of the parts. It is `None` before a transfer has come to
        its end, for a range, and where the service has no digest. No request is sent for it.
        """
        return self._verified_by

    @property
    def etag(self) -> str | None:
        """What tells this content from another one of the same name, without quotes."""
        return cast("str | None", self._known("etag"))

    @property
    def last_modified(self) -> datetime | None:
        """When the object was written, in UTC."""
        return cast("datetime | None", self._known("last_modified"))

    @property
    def content_type(self) -> str | None:
        """The media type, such as ``"image/jpeg"``."""
        return cast("str | None", self._known("content_type"))

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user's own pairs; the keys are lower-case."""
        return self._known("metadata") or no_pairs()

    @property
    def version(self) -> str | None:
        """The version's id, on a service that keeps versions."""
        return cast("str | None", self._known("version"))

    @property
    def storage_class(self) -> str | None:
        """The service's name for how the object is stored."""
        return cast("str | None", self._known("storage_class"))

    @property
    def extra(self) -> Mapping[str, object]:
        """What only this service tells, and ``"cache_control"`` and its like if they are set."""
        return cast("Mapping[str, object]", self._known("extra"))

    def refresh(self) -> Self:
        """Ask the service again for all that it knows, and return this handle."""
        self._info = self.driver.get_object(self.container, self.name)._info
        return self

    def download(
        self,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Write the object to a file. See `StorageDriver.download_object`."""
        return self.driver.download_object(
            self, destination, overwrite=overwrite, progress=progress, cancel=cancel
        )

    def stream(
        self, *, start: int = 0, stop: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield the object's bytes in order. See `StorageDriver.stream_object`."""
        return self.driver.stream_object(self, start=start, stop=stop, chunk_size=chunk_size)

    def read(self, *, start: int = 0, stop: int | None = None) -> bytes:
        """Return the object's bytes. See `StorageDriver.read_object`."""
        return self.driver.read_object(self, start=start, stop=stop)

    def read_ranges(self, spans: Iterable[tuple[int, int | None]]) -> list[bytes]:
        """Return the bytes of several ranges. See `StorageDriver.read_ranges`."""
        return self.driver.read_ranges(self, spans)

    def as_file(self) -> BinaryIO:
        """Open the object as a seekable binary file; the same as ``open("rb")``."""
        return self.driver.open_object(self.container, self, "rb")

    @overload
    def open(self, mode: BinaryReadMode = "rb") -> BinaryIO: ...
    @overload
    def open(self, mode: BinaryWriteMode, **options: Unpack[WriteKeywords]) -> ObjectWriter: ...
    @overload
    def open(self, mode: TextReadMode, **options: Unpack[TextKeywords]) -> TextIO: ...
    @overload
    def open(self, mode: TextWriteMode, **options: Unpack[TextKeywords]) -> ObjectTextWriter: ...
    def open(
        self,
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
        """Open the object as a file. See `StorageDriver.open_object`."""
        extra = hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.open_object(
            self.container,
            self,
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

    def copy(
        self,
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
        """Copy the object, also to another service. See `StorageDriver.copy_object`."""
        extra = hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.copy_object(
            self,
            container,
            name,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            if_absent=if_absent,
            extra=extra,
            progress=progress,
            cancel=cancel,
        )

    def move(
        self,
        container: Container | str,
        name: str | None = None,
        *,
        if_absent: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """Move the object, also to another service. See `StorageDriver.move_object`."""
        return self.driver.move_object(
            self, container, name, if_absent=if_absent, progress=progress, cancel=cancel
        )

    def delete(self, *, if_match: str | None = None) -> None:
        """Delete the object. See `StorageDriver.delete_object`."""
        self.driver.delete_object(self, if_match=if_match)

    def update_metadata(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
        if_match: str | None = None,
    ) -> Object:
        """Replace the metadata. See `StorageDriver.update_metadata`."""
        return self.driver.update_metadata(
            self, metadata, content_type=content_type, if_match=if_match
        )

    def sign_url(
        self,
        *,
        method: str = "GET",
        expires: float = 3600.0,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> SignedURL:
        """Return a URL that needs no credentials. See `StorageDriver.sign_url`."""
        return self.driver.sign_url(
            self,
            method=method,
            expires=expires,
            headers=headers,
            response_headers=response_headers,
        )

    def enable_cdn(self) -> str:
        """Let everybody read the object. See `StorageDriver.enable_object_cdn`."""
        return self.driver.enable_object_cdn(self)

    def get_cdn_url(self) -> str:
        """Return the public address. See `StorageDriver.get_object_cdn_url`."""
        return self.driver.get_object_cdn_url(self)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Object):
            return NotImplemented
        return self.name == other.name and self.container == other.container

    @override
    def __hash__(self) -> int:
        return hash((self.container, self.name))

    @override
    def __repr__(self) -> str:
        size = "" if self._info.size is None else f", {self._info.size} bytes"
        return f"<Object {self.name!r} in {self.container.name!r}{size}>"

    @property
    def _error_names(self) -> tuple[str, str]:
        """The names that an error about this object has; see `ErrorContext`."""
        return self.container.name, self.name

    def _set_verified(self, verified_by: str | None) -> None:
        self._verified_by = verified_by

    def _known(self, field: str) -> Any:
        if not _is_known(self._info, field):
            self.refresh()
        return getattr(self._info, field)


def _is_known(info: ContainerInfo | ObjectInfo, field: str) -> bool:
    """Return whether a request could not find out more about a field."""
    if info.complete:
        return True
    value = getattr(info, field)
    return value is not None and (field == "metadata" or value != {})
