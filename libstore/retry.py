"""
When failed requests are sent again, how often and how long.

All layers that send something again share one `Budget` for each logical request: one call of a
hook, or one stream. The outermost layer that starts one owns it, and the layers below it in the
same thread join it. A `Retrier` is what all budgets of one driver share.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from typing_extensions import Self, override

from . import arguments
from .errors import RateLimitedError, StorageError
from .values import KiB, MiB

_logger = logging.getLogger(__name__)

#: Bytes in a second. A connection that is slower for a whole read timeout is given up, and bytes
#: that came more slowly give no attempts back.
MIN_RATE = 4 * KiB
# A stream gets its attempts back after so many bytes.
_ENOUGH = MiB
# The first wait after an answer that asks for fewer requests, compared with other faults.
_SLOWER = 10.0
_THROTTLING = frozenset({429, 503})
# The numbers of the standard mode of the AWS SDKs:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_CAPACITY = 500
_COST = 14
_THROTTLED_COST = 5


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """
    One retry that is about to be made; `RetryPolicy.on_retry` is called with it.

    Attributes:
        operation: The request that failed, in the service's words, such as ``"PutObject"``.
        attempt: The number of the attempt that failed; the first is 1.
        delay: The seconds until the next attempt.
        reason: Why it failed, in a few words without secrets: what the log says too.
        error: What would be raised if there were no further attempt.
    """

    operation: str
    attempt: int
    delay: float
    reason: str
    error: StorageError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    When to try again and when to give up.

    It holds for one logical request: one put, one part, one page of a listing, one stream. The
    attempts of the request itself, of the requests that find out what became of it, and of those
    that resume it all count together, and so does their time; only after the last attempt of a
    write one more request may find out what became of it. A stream or a resumed upload that
    moves on begins its `total` anew, and gets its attempts back: a stream after each MiB, an
    upload after any bytes. Bytes that come more slowly than 4 KiB a second do not count.

    The wait before retry n is a random part of ``base * 2**n`` ("full jitter"), so that clients
    that failed together do not come back together. Where a service asks for fewer requests
    (status 429 or 503) it is ten times as long, up to `cap`. If the service says how long to wait
    (``Retry-After``), that is the least; if this would pass `total`, the error is raised at once,
    with the wait in `retry_after`.

    Each driver has a bucket of 500 tokens besides, which all its threads share. A retry takes 14
    of them, or 5 where the service asked for fewer requests; a request that succeeds gives back
    what its last retry took, or 1 if it had none. While too few are left, nothing is tried again:
    that keeps an outage from multiplying the requests. Each retry is logged once, by the logger
    ``libstore.retry`` at level INFO.

    Attributes:
        attempts: The most tries, the first included; 1 turns retries off.
        base: The longest first wait, in seconds.
        cap: The longest wait, in seconds, unless the service asks for a longer one.
        total: No new try begins when waiting for it would pass this many seconds in all.
        on_retry: Called before each wait with a `RetryEvent`, in the thread that will wait. What
            it raises ends the operation and reaches its caller. A driver with one pickles if the
            function does.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 15.0
    total: float = 180.0
    on_retry: Callable[[RetryEvent], object] | None = None

    def __post_init__(self) -> None:
        arguments.positive_size(self.attempts, "attempts")
        for label in ("base", "cap", "total"):
            arguments.seconds(getattr(self, label), label)
        arguments.callback(self.on_retry, "on_retry")

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before the second try, the third, and so on."""
        waited = 0.0
        for number in range(self.attempts - 1):
            delay = self.delay(number)
            waited += delay
            if waited > self.total:
                return
            yield delay

    def delay(self, number: int, *, throttled: bool = False) -> float:
        """Return the seconds to wait before a retry; the first has the number 0."""
        base = self.base * _SLOWER if throttled else self.base
        # The power is bounded because a float cannot hold all of them.
        return random.uniform(0.0, min(self.cap, base * 2.0 ** min(number, 64)))


class TokenBucket:
    """
    How many retries a driver may make, in tokens; any number of threads share it.

    A pickle of it is a new full one.
    """

    def __init__(self) -> None:
        self.tokens = _CAPACITY
        self._lock = threading.Lock()
        _buckets.add(self)

    @override
    def __reduce__(self) -> tuple[type[TokenBucket], tuple[()]]:
        return type(self), ()

    def after_fork(self) -> None:
        """Take a lock that no thread of another process holds."""
        self._lock = threading.Lock()

    def take(self, tokens: int) -> bool:
        """Take tokens for one retry; return whether there were enough."""
        with self._lock:
            if self.tokens < tokens:
                return False
            self.tokens -= tokens
            return True

    def give(self, tokens: int) -> None:
        """Give tokens back, up to the capacity."""
        if self.tokens < _CAPACITY:
            with self._lock:
                self.tokens = min(_CAPACITY, self.tokens + tokens)


_buckets: weakref.WeakSet[TokenBucket] = weakref.WeakSet()


def _after_fork() -> None:
    for bucket in list(_buckets):
        bucket.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Retrier:
    """
    What all retries of one driver share.

    Attributes:
        clock: Seconds of a clock that is never set.
        sleep: Waits for as many seconds.

    Args:
        policy: The policy, or what returns the one that is set now.
    """

    def __init__(
        self,
        policy: RetryPolicy | Callable[[], RetryPolicy],
        bucket: TokenBucket | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._policy = policy
        self.bucket = bucket or TokenBucket()
        self.clock = clock
        self.sleep = sleep

    def policy(self) -> RetryPolicy:
        """Return the policy that is set now."""
        return self._policy if isinstance(self._policy, RetryPolicy) else self._policy()

    def budget(self) -> Budget:
        """Return the budget of the request that this thread is sending, or else a new one."""
        return _current.get() or Budget(self)

    def lasting_budget(self) -> Budget:
        """Return a new budget for a stream: it is used by one ``with`` block after another."""
        return Budget(self, lasting=True)


class Budget:
    """
    The attempts and the time of one logical request, for all layers that send it.

    Within its ``with`` block, `Retrier.budget` returns it to the layers below. When the outermost
    block ends and the request has succeeded, tokens go back into the bucket.

    Attributes:
        operation: The request that was sent last, in the service's words.

    Args:
        lasting: Tokens go back when `moved` or `succeed` says so, not at the end of a block.
    """

    __slots__ = (
        "_cost", "_deadline", "_depth", "_failures", "_lasting", "_policy", "_retrier", "_token",
        "operation",
    )  # fmt: skip

    def __init__(self, retrier: Retrier, *, lasting: bool = False) -> None:
        self.operation = ""
        self._retrier = retrier
        self._policy = retrier.policy()
        self.restart()
        self._lasting = lasting
        self._failures = 0
        self._cost = 0
        self._depth = 0

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            if self._lasting and not self._failures:
                self.restart()
            self._token = _current.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        _current.reset(self._token)
        # A service that refuses a request for good is at work as much as one that takes it.
        refused = isinstance(error, StorageError) and error.status and not error.retryable
        if (error is None or refused) and not self._lasting:
            self.succeed()

    def restart(self) -> None:
        """Begin the time anew: what has passed of it was spent on our side."""
        self._deadline = self._retrier.clock() + self._policy.total

    def moved(self, count: int, seconds: float, *, enough: int = _ENOUGH) -> None:
        """
        Take note of bytes that moved since the last failure.

        Args:
            seconds: How long the service took for them.
            enough: After so many bytes there are all attempts again.
        """
        if not count or count < MIN_RATE * seconds:
            return
        self.restart()
        if count >= enough:
            self._failures = 0
            self.succeed()

    def succeed(self) -> None:
        """Give tokens back into the bucket."""
        self._retrier.bucket.give(self._cost or 1)
        self._cost = 0

    def retry(self, error: StorageError, *, throttled: bool = False) -> bool:
        """
        Wait for the next attempt; return whether there is one.

        Args:
            error: Why the last one failed; it tells how long the service asks to wait.
            throttled: The service asks for fewer requests.
        """
        policy, retrier = self._policy, self._retrier
        throttled = throttled or isinstance(error, RateLimitedError) or error.status in _THROTTLING
        if self._failures + 1 >= policy.attempts:
            return False
        if self._lasting and not (self._depth or self._failures):
            self.restart()  # whoever reads a stream takes the time that they like
        delay = policy.delay(self._failures, throttled=throttled)
        delay = max(delay, error.retry_after or 0.0)
        cost = _THROTTLED_COST if throttled else _COST
        if retrier.clock() + delay > self._deadline or not retrier.bucket.take(cost):
            return False
        self._failures += 1
        self._cost = cost
        self._announce(error, delay)
        retrier.sleep(delay)
        return True

    def _announce(self, error: StorageError, delay: float) -> None:
        event = RetryEvent(self.operation, self._failures, delay, _reason(error), error)
        _logger.info(
            "%s: attempt %d of %d failed (%s); the next one begins in %.2f s",
            event.operation, event.attempt, self._policy.attempts, event.reason, delay,
        )  # fmt: skip
        if self._policy.on_retry is not None:
            # What it asks of a driver is another request than the one that failed.
            token = _current.set(None)
            try:
                self._policy.on_retry(event)
            finally:
                _current.reset(token)


_current: ContextVar[Budget | None] = ContextVar("libstore_budget", default=None)


def _reason(error: StorageError) -> str:
    """Return why an attempt failed; what a service says of it is left out."""
    if error.status is None:
        return error.message
    return f"status {error.status}" + (f", code {error.code}" if error.code else "")
