"""The progress of a transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

#: Called with the number of confirmed bytes and the total, which is `None` while unknown.
ProgressCallback: TypeAlias = Callable[[int, "int | None"], object]


class Progress:
    """
    Count confirmed bytes and report them to a callback.

    Only the thread that runs the transfer may use it. After a restart, the callback is called
    again when the count exceeds the last reported one, or at the end.
    """

    __slots__ = ("_callback", "_reported", "done", "total")

    def __init__(self, callback: ProgressCallback | None, total: int | None) -> None:
        self._callback = callback
        self.done = 0
        self.total = total
        self._reported = 0

    def restart(self, total: int | None) -> None:
        """Count from zero again."""
        self.done = 0
        self.total = total

    def add(self, size: int) -> None:
        """Count bytes that the service, or the local disk, has confirmed."""
        self.done += size
        callback = self._callback
        if callback is not None and (self.done >= self._reported or self.done == self.total):
            self._reported = self.done
            callback(self.done, self.total)
