"""Test how often and how long requests are retried."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import (
    InvalidOptionError,
    InvalidTypeError,
    ObjectNotFoundError,
    RateLimitedError,
    RetryEvent,
    RetryPolicy,
    ServiceUnavailableError,
    TransportError,
)
from libstore.retry import Budget, Retrier, TokenBucket
from libstore.values import MiB


@given(base=st.floats(0, 10), cap=st.floats(0, 60), number=st.integers(0, 12))
def test_waits_stay_within_their_bounds(base: float, cap: float, number: int) -> None:
    """Each wait is bounded by its step and by `cap`."""
    delay = RetryPolicy(base=base, cap=cap).delay(number)
    assert 0 <= delay <= min(cap, base * 2**number)


def test_waits_use_full_jitter() -> None:
    """Clients that failed together do not retry together."""
    policy = RetryPolicy(attempts=2, base=1.0)
    waits = [policy.delay(0) for _ in range(400)]
    assert min(waits) < 0.1
    assert max(waits) > 0.9
    assert 0.4 < sum(waits) / len(waits) < 0.6


@pytest.mark.parametrize(
    "settings",
    [{"attempts": 0}, {"attempts": -1}, {"base": -0.1}, {"cap": -1}, {"total": math.nan}],
)
def test_invalid_policy_is_refused(settings: dict[str, float]) -> None:
    """The message names the setting and its value."""
    (label, value) = next(iter(settings.items()))
    with pytest.raises(InvalidOptionError, match=f"{label}.*{value}"):
        RetryPolicy(**settings)


class Clock:
    """A clock that waits advance."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


BUSY = ServiceUnavailableError("busy", status=500)
THROTTLED = RateLimitedError("slow down", status=503)


def retrier(clock: Clock, **settings: Any) -> Retrier:
    return Retrier(RetryPolicy(**settings), clock=clock, sleep=clock.sleep)


def test_nested_blocks_share_one_budget(clock: Clock) -> None:
    """The outermost block creates it; after its end a new one begins."""
    shared = retrier(clock, attempts=3)
    with shared.budget() as outer:
        assert outer.retry(BUSY)
        with shared.budget() as inner, retrier(clock, attempts=9).budget() as other:
            assert inner is outer
            assert other is outer
            assert inner.retry(BUSY)
        assert not outer.retry(BUSY)
    with shared.budget() as fresh:
        assert fresh is not outer
        assert fresh.retry(BUSY)


def test_threads_do_not_share_a_budget(clock: Clock) -> None:
    shared = retrier(clock)
    with shared.budget() as outer, ThreadPoolExecutor(1) as pool:
        assert pool.submit(shared.budget).result() is not outer


def test_throttling_waits_longer_and_takes_fewer_tokens(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    shared = retrier(clock)
    with shared.budget() as budget:
        assert budget.retry(BUSY)
        assert shared.bucket.tokens == 500 - 14
        assert budget.retry(THROTTLED)
        assert shared.bucket.tokens == 500 - 14 - 5
        assert budget.retry(ServiceUnavailableError("busy", status=503))
    assert clock.slept == pytest.approx([0.1, 2.0, 4.0])


def test_success_returns_tokens(clock: Clock) -> None:
    """It returns those of the last retry, or one, up to the capacity."""
    shared = retrier(clock)
    for _ in range(3):
        with shared.budget():
            pass
    assert shared.bucket.tokens == 500
    with shared.budget() as budget:
        budget.retry(BUSY)
        budget.retry(BUSY)
    assert shared.bucket.tokens == 500 - 14
    with shared.budget():
        pass
    assert shared.bucket.tokens == 500 - 13


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (ServiceUnavailableError("busy", status=500), 486),
        (TransportError("reset"), 486),
        (ObjectNotFoundError("missing", status=404), 500),
        (InvalidOptionError("never sent"), 486),
        (KeyboardInterrupt(), 486),
    ],
)
def test_failure_returns_tokens_only_if_the_service_works(
    clock: Clock, error: BaseException, left: int
) -> None:
    shared = retrier(clock)
    with suppress(type(error)), shared.budget() as budget:
        budget.retry(BUSY)
        raise error
    assert shared.bucket.tokens == left


def test_empty_bucket_stops_retries(clock: Clock) -> None:
    shared = retrier(clock, attempts=1_000, total=1e9)
    with suppress(ServiceUnavailableError), shared.budget() as budget:
        retries = sum(budget.retry(BUSY) for _ in range(100))
        raise BUSY
    assert retries == 500 // 14
    with shared.budget() as budget:
        assert not budget.retry(BUSY)
        assert budget.retry(THROTTLED)  # takes fewer
    assert retrier(clock).bucket.tokens == 500  # another driver's


def test_threads_never_take_more_tokens_than_exist() -> None:
    bucket = TokenBucket()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: bucket.take(14), range(1_000)))
    assert (sum(taken), bucket.tokens) == (35, 10)


def test_bucket_works_after_fork_and_pickle() -> None:
    bucket = TokenBucket()
    bucket.take(400)
    assert pickle.loads(pickle.dumps(bucket)).tokens == 500
    with bucket._lock:  # held by some thread at that moment
        child = os.fork()
        if not child:
            os._exit(0 if bucket.take(100) and not bucket.take(1) else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_retry_after_beyond_total_stops_retries(clock: Clock) -> None:
    shared = retrier(clock, total=100.0)
    requested = RateLimitedError("slow down")
    requested.retry_after = 60.0
    with shared.budget() as budget:
        assert budget.retry(requested)
        assert not budget.retry(requested)
    assert clock.slept == [60.0]


def test_time_of_requests_counts_toward_total(clock: Clock) -> None:
    with retrier(clock, total=100.0, base=0.0).budget() as budget:
        clock.now += 60.0
        assert budget.retry(BUSY)
        clock.now += 60.0
        assert not budget.retry(BUSY)


def test_time_of_the_streams_reader_does_not_count(clock: Clock) -> None:
    budget = Budget(retrier(clock, total=100.0, base=0.0), lasting=True)
    with budget:
        pass
    clock.now += 1_000.0
    assert budget.retry(BUSY)
    clock.now += 101.0
    assert not budget.retry(BUSY)


@pytest.mark.parametrize(
    ("count", "seconds", "more"),
    [(MiB, 1.0, True), (MiB - 1, 1.0, False), (MiB, 257.0, False), (8 * MiB, 257.0, True)],
)
def test_progress_restores_attempts_unless_it_is_slow(
    clock: Clock, count: int, seconds: float, more: bool
) -> None:
    """The minimum rate is 4 KiB a second."""
    budget = Budget(retrier(clock, attempts=2, base=0.0), lasting=True)
    assert budget.retry(BUSY)
    budget.moved(count, seconds)
    assert budget.retry(BUSY) is more


def test_any_progress_restarts_total(clock: Clock) -> None:
    budget = Budget(retrier(clock, total=100.0, base=0.0), lasting=True)
    assert budget.retry(BUSY)
    clock.now += 101.0
    budget.moved(1, 0.0)
    assert budget.retry(BUSY)
    clock.now += 101.0
    budget.moved(MiB, 257.0)  # too slow
    assert not budget.retry(BUSY)


def test_event_is_frozen_and_can_be_pickled(clock: Clock) -> None:
    events: list[RetryEvent] = []
    shared = retrier(clock, on_retry=events.append)
    with shared.budget() as budget:
        budget.operation = "PutObject"
        budget.retry(ServiceUnavailableError("busy", status=500, code="InternalError"))
    (event,) = events
    assert (event.operation, event.attempt) == ("PutObject", 1)
    assert event.reason == "status 500, code InternalError"
    assert event.delay == clock.slept[0]
    again = pickle.loads(pickle.dumps(event))
    assert (again.reason, again.error.status) == (event.reason, 500)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.delay = 1.0  # type: ignore[misc]


def test_on_retry_that_is_not_callable_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="on_retry"):
        RetryPolicy(on_retry="print")  # type: ignore[arg-type]
