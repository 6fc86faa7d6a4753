"""An object, as a user holds it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast, overload

from typing_extensions import Self, Unpack, override

from ..readonly import no_pairs
from ..redaction import hide_keys
from ..values import Extra, ObjectInfo
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
    from ..capabilities.signing import SignedURL
    from ..files import ObjectTextWriter, ObjectWriter
    from ..transfer.progress import ProgressCallback
    from ..transfer.workers import CancelToken
    from .containers import Container


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
        return cast("int", self._told("size"))

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
        if not self._told("checksums"):
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
        return cast("str | None", self._told("etag"))

    @property
    def last_modified(self) -> datetime | None:
        """When the object was written, in UTC."""
        return cast("datetime | None", self._told("last_modified"))

    @property
    def content_type(self) -> str | None:
        """The media type, such as ``"image/jpeg"``."""
        return cast("str | None", self._told("content_type"))

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user's own pairs; the keys are lower-case."""
        return self._told("metadata") or no_pairs()

    @property
    def version(self) -> str | None:
        """The version's id, on a service that keeps versions."""
        return cast("str | None", self._told("version"))

    @property
    def storage_class(self) -> str | None:
        """The service's name for how the object is stored."""
        return cast("str | None", self._told("storage_class"))

    @property
    def extra(self) -> Mapping[str, object]:
        """What only this service tells, and ``"cache_control"`` and its like if they are set."""
        return cast("Mapping[str, object]", self._told("extra"))

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

    def _set_verified(self, verified_by: str | None) -> None:
        self._verified_by = verified_by

    def _told(self, field: str) -> Any:
        if untold(self._info, field):
            self.refresh()
        return getattr(self._info, field)
