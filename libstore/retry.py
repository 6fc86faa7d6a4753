"""
When failed requests are retried, how often and for how long.

All layers that retry share one `Budget` for each logical request: one call of a hook, or one
stream. The outermost layer creates it, and the layers below it in the same thread use it. All
budgets of one driver share a `Retrier`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

from typing_extensions import Self, override

from . import arguments
from .errors import RateLimitedError, StorageError
from .forks import renew_after_fork
from .values import KiB, MiB

_logger = logging.getLogger(__name__)

#: Bytes per second. A connection that is slower for a whole read timeout is closed, and bytes that
#: arrive more slowly do not restore attempts.
MIN_RATE = 4 * KiB
# The attempts of a stream are restored after this many bytes.
_ENOUGH = MiB
# The delay after a throttled request, relative to other failures.
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
    A retry that is about to be made, as passed to `RetryPolicy.on_retry`.

    Attributes:
        operation: The service's name of the request that failed, such as ``"PutObject"``.
        attempt: The number of the failed attempt; the first is 1.
        delay: The seconds until the next attempt.
        reason: A short reason without secrets, the same as in the log.
        error: The error that would be raised if there were no further attempt.
    """

    operation: str
    attempt: int
    delay: float
    reason: str
    error: StorageError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    When failed requests are retried.

    A policy applies to one logical request: one put, one part, one page of a listing, one stream.
    The request itself, requests that find out whether a write took effect, and requests that
    resume a transfer share its attempts and its time; only after the last attempt of a write one
    more request may find out whether it took effect. Progress restores the attempts and restarts
    `total`: of a stream after each MiB, of a resumed upload after any bytes. Bytes that arrive
    more slowly than 4 KiB per second do not count.

    The delay before retry n is random, up to ``base * 2**n`` ("full jitter"), so that clients that
    failed together do not retry together. After throttling (status 429 or 503) it is ten times as
    long, up to `cap`. It is never shorter than ``Retry-After``; if that would exceed `total`, the
    error is raised at once, with the time in `retry_after`.

    In addition, each driver has a bucket of 500 tokens, which its threads share. A retry takes 14
    tokens, or 5 after throttling; a successful request returns what its last retry took, or 1 if
    there was none. While too few tokens are left, nothing is retried, so an outage does not
    multiply the number of requests. Each retry is logged once, by the logger ``libstore.retry`` at
    level INFO.

    Attributes:
        attempts: The maximum number of attempts, including the first; 1 turns retries off.
        base: The maximum first delay, in seconds.
        cap: The maximum delay, in seconds, unless the service requires a longer one.
        total: The maximum time in seconds; no retry begins after it.
        on_retry: Called with a `RetryEvent` before each delay, in the thread that will wait. An
            exception that it raises ends the operation. A driver with this function can be
            pickled if the function can.
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

    def delay(self, number: int, *, throttled: bool = False) -> float:
        """Return the delay before a retry in seconds; the first retry has the number 0."""
        base = self.base * _SLOWER if throttled else self.base
        # The exponent is limited because a float would overflow.
        return random.uniform(0.0, min(self.cap, base * 2.0 ** min(number, 64)))


class TokenBucket:
    """
    The number of retries that a driver may make, in tokens. It is safe to share between threads.

    Unpickling creates a new, full bucket.
    """

    def __init__(self) -> None:
        self.tokens = _CAPACITY
        self._lock = threading.Lock()
        renew_after_fork(self)

    @override
    def __reduce__(self) -> tuple[type[TokenBucket], tuple[()]]:
        return type(self), ()

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    def take(self, tokens: int) -> bool:
        """Take tokens for one retry; return whether there were enough."""
        with self._lock:
            if self.tokens < tokens:
                return False
            self.tokens -= tokens
            return True

    def give(self, tokens: int) -> None:
        """Return tokens, up to the capacity."""
        with self._lock:
            self.tokens = min(_CAPACITY, self.tokens + tokens)


def _constant(policy: RetryPolicy) -> RetryPolicy:
    return policy


class Retrier:
    """
    The retry state of one driver: its policy, token bucket and clock.

    Attributes:
        policy: Returns the current policy.
        clock: Returns the seconds of a monotonic clock.
        sleep: Waits for a number of seconds.

    Args:
        policy: The policy, or a function that returns the current one.
    """

    def __init__(
        self,
        policy: RetryPolicy | Callable[[], RetryPolicy],
        bucket: TokenBucket | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.policy: Callable[[], RetryPolicy] = (
            partial(_constant, policy) if isinstance(policy, RetryPolicy) else policy
        )
        self.bucket = bucket or TokenBucket()
        self.clock = clock
        self.sleep = sleep

    def budget(self) -> Budget:
        """Return the budget of the request that this thread is sending, or a new one."""
        return current_budget() or Budget(self)


class Budget:
    """
    The attempts and the time of one logical request, shared by all layers that retry it.

    Within its ``with`` block, `Retrier.budget` returns it to the layers below. When the outermost
    block ends and the request has succeeded, its tokens are returned to the bucket.

    Attributes:
        operation: The service's name of the last request.

    Args:
        lasting: Return tokens in `moved` and `succeed` only, not at the end of a block.
    """

    __slots__ = (
        "_cost", "_deadline", "_depth", "_failures", "_lasting", "_policy", "_retrier", "_token",
        "operation",
    )  # fmt: skip

    def __init__(self, retrier: Retrier, *, lasting: bool = False) -> None:
        self.operation = ""
        self._retrier = retrier
        self._policy = policy = retrier.policy()
        # That of a stream is set by its first block.
        self._deadline = 0.0 if lasting else retrier.clock() + policy.total
        self._lasting = lasting
        self._failures = 0
        self._cost = 0
        self._depth = 0

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            if self._lasting and not self._failures:
                self._deadline = self._retrier.clock() + self._policy.total
            self._token = _current.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        _current.reset(self._token)
        # A service that rejects a request permanently is working as well as one that accepts it.
        refused = isinstance(error, StorageError) and error.status and not error.retryable
        if (error is None or refused) and not self._lasting:
            self.succeed()

    def restart(self) -> None:
        """Restart the time limit, because the time so far was not spent on the service."""
        self._deadline = self._retrier.clock() + self._policy.total

    def moved(self, count: int, seconds: float, *, enough: int = _ENOUGH) -> None:
        """
        Record the bytes that were transferred since the last failure.

        Args:
            seconds: The time that the service took for them.
            enough: The number of bytes that restores all attempts.
        """
        if not count or count < MIN_RATE * seconds:
            return
        self.restart()
        if count >= enough:
            self._failures = 0
            self.succeed()

    def succeed(self) -> None:
        """Return the tokens of the last retry to the bucket, or one token."""
        bucket = self._retrier.bucket
        if bucket.tokens < _CAPACITY:
            bucket.give(self._cost or 1)
        self._cost = 0

    def retry(self, error: StorageError, *, throttled: bool = False) -> bool:
        """
        Wait for the next attempt; return `False` at once if there is none.

        Args:
            error: The error of the last attempt; its `retry_after` is the minimum delay.
            throttled: The service limits the rate of requests.
        """
        policy, retrier = self._policy, self._retrier
        throttled = throttled or isinstance(error, RateLimitedError) or error.status in _THROTTLING
        if self._failures + 1 >= policy.attempts:
            return False
        if self._lasting and not (self._depth or self._failures):
            self.restart()  # the time that the reader of a stream takes does not count
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
            "%s: attempt %d of %d failed (%s); retrying in %.2f s",
            event.operation, event.attempt, self._policy.attempts, event.reason, delay,
        )  # fmt: skip
        if self._policy.on_retry is not None:
            # Requests that it makes are not part of the request that failed.
            token = _current.set(None)
            try:
                self._policy.on_retry(event)
            finally:
                _current.reset(token)


_current: ContextVar[Budget | None] = ContextVar("libstore_budget", default=None)
#: Returns the budget of the request that this thread is sending, or `None`.
current_budget = _current.get


def _reason(error: StorageError) -> str:
    """Return why an attempt failed, without the service's own text, which may hold secrets."""
    if error.status is None:
        return error.message
    return f"status {error.status}" + (f", code {error.code}" if error.code else "")
