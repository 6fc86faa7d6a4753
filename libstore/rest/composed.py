"""`ComposedDriver`: the hooks that hand over to the parts that a driver consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from typing_extensions import override

from ..transfer.payload import Payload
from ..values import (
    Conditions,
    ObjectInfo,
    Page,
    Part,
    Reading,
    Span,
    Upload,
    WriteOptions,
)
from .driver import C, RestDriver, S


class SupportsObjects(Protocol):
    """The requests about single objects; see the hooks of the same names."""

    def head(self, container: str, name: str, version: str | None, /) -> ObjectInfo: ...

    def open(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None, /
    ) -> Reading: ...

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions, /
    ) -> ObjectInfo: ...

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None, /
    ) -> None: ...


class SupportsUploads(Protocol):
    """The requests about multipart uploads; see the hooks of the same names."""

    def start(self, container: str, name: str, options: WriteOptions, /) -> str: ...

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload, /) -> Part: ...

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
        /,
    ) -> ObjectInfo: ...

    def abort(self, upload: Upload, /) -> None: ...

    def list(self, container: str, token: str | None, /) -> Page[Upload]: ...

    def list_parts(self, upload: Upload, token: str | None, /) -> Page[Part]: ...


ObjectsT = TypeVar("ObjectsT", bound=SupportsObjects)
UploadsT = TypeVar("UploadsT", bound=SupportsUploads)


class ComposedDriver(RestDriver[C, S], Generic[C, S, ObjectsT, UploadsT]):
    """A driver whose requests about objects and uploads are methods of two other objects."""

    _objects: ObjectsT
    _uploads: UploadsT

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return self._objects.head(container, name, version)

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        return self._objects.open(container, name, span, conditions, version)

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        return self._objects.put(container, name, payload, options)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._objects.delete(container, name, conditions, version)

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        return self._uploads.start(container, name, options)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        return self._uploads.put_part(upload, number, offset, payload)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        return self._uploads.finish(upload, parts, options, checksums)

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._uploads.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        return self._uploads.list(container, token)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        return self._uploads.list_parts(upload, token)
