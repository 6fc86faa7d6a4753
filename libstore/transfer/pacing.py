"""The limit of bytes per second that all transfers of one driver share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from typing_extensions import override

from ..forks import renew_after_fork
from ..values import MiB
from .payload import Payload

# The seconds whose bytes may be transferred at once, after a pause and in one block.
_BURST = 0.1
# The seconds after which a transfer that waits notices that it was cancelled.
_STEP = 0.1


class RateLimit:
    """
    A token bucket of bytes, which is full at first. It is safe to share between threads.

    A caller reserves its bytes and waits afterwards, so callers proceed in the order of their
    calls, and no lock is held meanwhile. Unpickling creates a new, full bucket.
    """

    def __init__(self) -> None:
        # The time at which the bucket is empty but has no debts.
        self._even: float | None = None
        self._lock = threading.Lock()
        renew_after_fork(self)

    @override
    def __reduce__(self) -> tuple[type[RateLimit], tuple[()]]:
        return type(self), ()

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    def reserve(self, seconds: float, now: float) -> float:
        """Reserve the bytes of a number of seconds, and return how long to wait for them."""
        with self._lock:
            even = now - _BURST if self._even is None else max(self._even, now - _BURST)
            self._even = even + seconds
            return self._even - now


@dataclass(slots=True, eq=False)
class Pacing:
    """
    The rate of a driver's transfers, with its limit and its clock.

    Attributes:
        rate: The maximum number of bytes per second.
        clock: Returns the seconds of a monotonic clock.
        sleep: Waits for a number of seconds.
    """

    limit: RateLimit
    rate: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    @property
    def block_size(self) -> int:
        """The maximum number of bytes to transfer between two calls of `wait`."""
        return max(int(self.rate * _BURST), 1)

    def wait(self, count: int, checkpoint: Callable[[], None]) -> None:
        """
        Wait until a number of bytes may be transferred, or another one after them.

        Args:
            checkpoint: Called several times per second; it raises an error to end the transfer.
        """
        left = self.limit.reserve(count / self.rate, self.clock())
        while left > 0:
            checkpoint()
            step = min(left, _STEP)
            self.sleep(step)
            left -= step


class PacedPayload(Payload):
    """A payload whose blocks are limited in rate; its digests are not."""

    def __init__(self, payload: Payload, pacing: Pacing) -> None:
        super().__init__(payload.size, payload.checkpoint)
        self.digests = payload.digests
        self._payload = payload
        self._pacing = pacing

    @override
    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        pacing = self._pacing
        for block in self._payload.blocks(min(block_size, pacing.block_size)):
            pacing.wait(block.nbytes, self.checkpoint)
            yield block

    @override
    def digest(self, algorithm: str) -> str:
        return self._payload.digest(algorithm)

    @override
    def keep(self, size: int) -> Payload:
        self._pacing.wait(size, self.checkpoint)
        return self._payload
