"""Values that expire: one thread renews them, and the others go on."""

from __future__ import annotations

import itertools
import logging
import math
import os
import threading
from collections.abc import Callable

import pytest

from libstore import AuthenticationError, ServiceUnavailableError
from libstore.auth.renewal import Lease, Renewing

HOUR = 3600.0


class Source:
    """Returns numbered values with a lifetime, or raises."""

    def __init__(self, life: float = HOUR) -> None:
        self.now = 1_800_000_000.0
        self.life = life
        self.calls = 0
        self.fault: Exception | None = None
        self.before: Callable[[], object] = lambda: None
        self.fixed: str | None = None

    def __call__(self) -> Lease[str]:
        self.calls += 1
        number = self.calls
        self.before()
        if self.fault is not None:
            raise self.fault
        return Lease(self.fixed or f"value-{number}", self.now + self.life)


def renewing(source: Source) -> Renewing[str]:
    return Renewing(source, clock=lambda: source.now)


def in_threads(count: int, work: Callable[[], object]) -> list[object]:
    """Return what each thread returned or raised, begun together."""
    found: list[object] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_nothing_is_requested_before_it_is_needed() -> None:
    source = Source()
    value = renewing(source)
    assert value.known is None
    assert source.calls == 0
    assert value.get() == "value-1"
    assert value.known == "value-1"


@pytest.mark.parametrize(
    ("life", "early"),
    [(HOUR, 900.0), (6 * HOUR, 900.0), (900.0, 225.0), (20.0, 5.0)],
)
def test_renewal_begins_a_quarter_of_the_lifetime_before_the_end_and_at_most_15_minutes(
    life: float, early: float
) -> None:
    source = Source(life)
    value = renewing(source)
    value.get()
    source.now += life - early - 1
    assert value.get() == "value-1"
    source.now += 1
    assert value.get() == "value-2"


def test_value_without_an_expiry_is_requested_once() -> None:
    source = Source(math.inf)
    value = renewing(source)
    value.get()
    source.now += 1e9
    assert value.get() == "value-1"


def test_threads_go_on_with_a_valid_value_while_one_renews_it() -> None:
    source = Source()
    value = renewing(source)
    value.get()
    source.now += HOUR - 60
    started, finish = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        assert finish.wait(30)

    source.before = wait
    first: list[str] = []
    thread = threading.Thread(target=lambda: first.append(value.get()))
    thread.start()
    assert started.wait(30)
    assert ["value-1"] * 16 == in_threads(16, value.get)
    finish.set()
    thread.join()
    assert first == ["value-2"]
    assert source.calls == 2


@pytest.mark.parametrize("life", [0.0, HOUR], ids=["expired", "none"])
def test_sixteen_threads_without_a_valid_value_request_one(life: float) -> None:
    source = Source()
    value = renewing(source)
    if not life:
        value.get()
        source.now += HOUR
    before = source.calls
    assert [f"value-{before + 1}"] * 16 == in_threads(16, value.get)
    assert source.calls == before + 1


def test_failed_renewal_backs_off_while_the_value_is_valid(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source()
    value = renewing(source)
    value.get()
    source.now += HOUR - 900
    source.fault = ServiceUnavailableError("the service is down")
    times: list[float] = []
    source.before = lambda: times.append(source.now)
    with caplog.at_level(logging.WARNING, "libstore.auth.renewal"):
        for _ in range(890):
            assert value.get() == "value-1"
            source.now += 1
    delays = [after - before for before, after in itertools.pairwise(times)]
    assert 2 <= delays[0] <= 5
    assert all(60 <= delay <= 121 for delay in delays[6:])
    assert 10 <= len(times) <= 25
    assert len(caplog.records) == len(times)
    assert "the service is down" in caplog.text
    source.now += 10
    with pytest.raises(ServiceUnavailableError):
        value.get()
    source.fault = None
    assert value.get() == f"value-{source.calls}"


class CountingLock:
    """A lock that knows how many threads have begun to acquire it."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()

    def acquire(self, *, blocking: bool) -> bool:
        self.arrived.release()
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()


def test_threads_that_waited_for_a_failed_request_get_its_error() -> None:
    source = Source()
    value = renewing(source)
    source.fault = AuthenticationError("refused", status=403)
    lock = value._lock = CountingLock()  # type: ignore[assignment]
    source.before = lambda: [lock.arrived.acquire() for _ in range(8)]
    found = in_threads(8, value.get)
    assert {"refused [status 403]"} == {str(error) for error in found}
    assert len({id(error) for error in found}) == 8
    assert source.calls == 1


def test_rejected_value_is_replaced_once_for_all_threads() -> None:
    source = Source()
    value = renewing(source)
    rejected = value.get()
    assert [True] * 16 == in_threads(16, lambda: value.replace(rejected))
    assert source.calls == 2
    assert value.get() == "value-2"


def test_equal_value_is_no_replacement() -> None:
    source = Source()
    source.fixed = "the same"
    value = renewing(source)
    assert not value.replace(value.get())


def test_replacement_that_fails_leaves_the_value() -> None:
    source = Source()
    value = renewing(source)
    value.get()
    source.fault = AuthenticationError("refused")
    with pytest.raises(AuthenticationError):
        value.replace("value-1")
    assert value.get() == "value-1"


def test_child_process_has_its_own_lock() -> None:
    """A thread of the parent process holds the lock during the fork."""
    source = Source()
    value = renewing(source)
    value.get()
    source.now += HOUR
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait(30)

    source.before = hold
    thread = threading.Thread(target=value.get)
    thread.start()
    assert held.wait(30)
    source.before = lambda: None
    child = os.fork()
    if child == 0:
        os._exit(0 if value.get() == "value-3" else 1)
    _, status = os.waitpid(child, 0)
    release.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
