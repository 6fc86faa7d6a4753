"""An object that is read from one service, as the source of an upload to another."""

from __future__ import annotations

from typing_extensions import override

from ..values import ObjectInfo, Span
from .reading import ObjectStream, ReadHooks
from .sources import Source


class ObjectSource(Source):
    """
    The content of an object, verified before its last byte is handed on.

    Attributes:
        info: What the service tells of the object.
    """

    def __init__(
        self, driver: ReadHooks, container: str, name: str, etag: str | None = None
    ) -> None:
        self._stream = ObjectStream(driver, container, name, Span(), etag)
        self.info: ObjectInfo = self._stream.info
        self.size = self._stream.left

    @override
    def take(self, size: int) -> memoryview:
        view = memoryview(bytearray(min(size, self._stream.left)))
        self._stream.readinto(view)
        return view

    @override
    def close(self) -> None:
        self._stream.close()
