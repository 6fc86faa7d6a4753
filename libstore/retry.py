"""How often and how long to try again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from . import checks


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    When to try again and when to give up.

    The wait before try n is a random part of ``base * 2**n`` ("full jitter"), so that clients
    that failed together do not come back together.

    Attributes:
        attempts: The most tries, the first included; 1 turns retries off.
        base: The longest first wait, in seconds.
        cap: The longest wait, in seconds.
        total: No new try begins when waiting for it would pass this many seconds in all.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 15.0
    total: float = 180.0

    def __post_init__(self) -> None:
        checks.positive_size(self.attempts, "attempts")
        for label in ("base", "cap", "total"):
            checks.seconds(getattr(self, label), label)

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before the second try, the third, and so on."""
        waited = 0.0
        for attempt in range(self.attempts - 1):
            delay = random.uniform(0.0, min(self.cap, self.base * 2**attempt))
            waited += delay
            if waited > self.total:
                return
            yield delay
