"""Memory that grows as bytes arrive, however many a header or a caller announces."""

from __future__ import annotations

import io
from collections.abc import Callable

from .values import KiB

_FIRST = 16 * KiB


class GrowingBuffer:
    """
    Bytes in a row, in memory that doubles whenever it is full.

    Attributes:
        size: The number of bytes so far.

    Args:
        most: The number of bytes that it can take.
    """

    __slots__ = ("_file", "_room", "most", "size")

    def __init__(self, most: int) -> None:
        # A BytesIO of exactly the right size gives its memory away as bytes; joining would copy.
        self._file = io.BytesIO()
        self._room = 0
        self.most = most
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another byte."""
        return self.size >= self.most

    def fill(self, read: Callable[[memoryview], int]) -> None:
        """
        Take bytes until the buffer is full or there are no more.

        Args:
            read: Puts the next bytes into a view and returns how many; 0 at the end.
        """
        while not self.full:
            if self.size == self._room:
                self._grow(self.size + 1)
            with self._file.getbuffer() as whole:
                while self.size < self._room:
                    # Slices are released at once: a traceback that keeps one would keep the rest.
                    with whole[self.size :] as rest:
                        count = read(rest)
                    if not count:
                        return
                    self.size += count

    def write(self, data: memoryview) -> int:
        """Take as much of the data as there is room for, and return how many bytes that was."""
        count = min(data.nbytes, self.most - self.size)
        stop = self.size + count
        if stop > self._room:
            self._grow(stop)
        with self._file.getbuffer() as whole, data[:count] as taken:
            whole[self.size : stop] = taken
        self.size = stop
        return count

    def take(self) -> bytes:
        """Return the bytes, without a second copy in memory, and begin anew."""
        file, size = self._file, self.size
        self._file, self._room, self.size = io.BytesIO(), 0, 0
        file.truncate(size)
        return file.getvalue()

    def _grow(self, needed: int) -> None:
        self._room = min(self.most, max(_FIRST, 2 * self._room, needed))
        self._file.seek(self._room - 1)
        self._file.write(b"\0")
