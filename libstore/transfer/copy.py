"""An object of one service as the source of an upload to another."""

from __future__ import annotations

from contextlib import AbstractContextManager

from typing_extensions import override

from ..errors import ObjectChangedError
from ..values import ObjectInfo, Span
from .reading import ObjectStream, ReadHooks, Wanted, read_next
from .sources import Source


class ObjectSource(Source):
    """
    The content of an object, verified before its last byte is passed on.

    Attributes:
        info: The attributes of the object.

    Args:
        guard: A context manager that adds the object's name to errors of reading.
    """

    def __init__(
        self, driver: ReadHooks, wanted: Wanted, guard: AbstractContextManager[object]
    ) -> None:
        self._guard = guard
        self._stream = ObjectStream(driver, wanted, Span())
        self.size = self._stream.left
        try:
            self.info = self._described(driver, wanted)
        except BaseException:
            self._stream.close()
            raise

    def _described(self, driver: ReadHooks, wanted: Wanted) -> ObjectInfo:
        """Return all attributes; some services do not send metadata with the content."""
        info = self._stream.info
        if info.metadata is not None:
            return info
        found = driver._head_object(wanted.container, wanted.name, wanted.version)
        if info.etag not in {None, found.etag}:
            raise ObjectChangedError("the object was replaced while it was being read")
        return found

    @override
    def take(self, size: int) -> memoryview:
        with self._guard:
            return memoryview(read_next(self._stream, size))

    @override
    def close(self) -> None:
        self._stream.close()
