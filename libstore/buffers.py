"""Buffers that grow as bytes arrive, so that no announced length can exhaust memory."""

from __future__ import annotations

import io
from collections.abc import Callable

from .values import KiB

_FIRST = 16 * KiB


class GrowingBuffer:
    """
    A contiguous buffer that doubles its memory whenever it is full.

    Attributes:
        capacity: The maximum number of bytes.
        size: The number of bytes so far.
    """

    __slots__ = ("_allocated", "_file", "capacity", "size")

    def __init__(self, capacity: int) -> None:
        # A BytesIO of exactly the right size returns its memory as bytes without a copy.
        self._file = io.BytesIO()
        self._allocated = 0
        self.capacity = capacity
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether the buffer has reached its capacity."""
        return self.size >= self.capacity

    def fill(self, read: Callable[[memoryview], int]) -> None:
        """
        Read bytes until the buffer is full or there are no more.

        Args:
            read: Reads the next bytes into a view and returns how many; 0 at the end.
        """
        while self.size < self.capacity:
            if self.size == self._allocated:
                self._grow(self.size + 1)
            with self._file.getbuffer() as whole:
                while self.size < self._allocated:
                    # Release slices at once: a traceback that holds one would hold the buffer.
                    with whole[self.size :] as rest:
                        count = read(rest)
                    if not count:
                        return
                    self.size += count

    def write(self, data: memoryview) -> int:
        """Append as much of the data as fits, and return the number of bytes."""
        count = min(data.nbytes, self.capacity - self.size)
        stop = self.size + count
        if stop > self._allocated:
            self._grow(stop)
        with self._file.getbuffer() as whole, data[:count] as taken:
            whole[self.size : stop] = taken
        self.size = stop
        return count

    def take(self) -> bytes:
        """Return the bytes without a copy, and empty the buffer."""
        file, size = self._file, self.size
        self._file, self._allocated, self.size = io.BytesIO(), 0, 0
        file.truncate(size)
        return file.getvalue()

    def _grow(self, needed: int) -> None:
        self._allocated = min(self.capacity, max(_FIRST, 2 * self._allocated, needed))
        self._file.seek(self._allocated - 1)
        self._file.write(b"\0")
