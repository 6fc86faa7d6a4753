"""Telling the user how far a transfer has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

#: Called with the bytes that are confirmed so far and with the total, `None` while unknown.
ProgressCallback: TypeAlias = Callable[[int, "int | None"], object]


class Progress:
    """
    Counts confirmed bytes. Only the thread that runs the transfer may use it.

    What begins anew is told of again when it is further than before, or at its end.
    """

    __slots__ = ("_callback", "_told", "done", "total")

    def __init__(self, callback: ProgressCallback | None, total: int | None) -> None:
        self._callback = callback
        self.done = 0
        self.total = total
        self._told = 0

    def restart(self, total: int | None) -> None:
        """Count from zero again."""
        self.done = 0
        self.total = total

    def add(self, size: int) -> None:
        """Count bytes that the service, or the disk, has confirmed."""
        self.done += size
        if self._callback is not None and (self.done >= self._told or self.done == self.total):
            self._told = self.done
            self._callback(self.done, self.total)
