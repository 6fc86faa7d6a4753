"""The pool of worker threads: its size, its order, and how it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from libstore import TransferCancelledError
from libstore.transfer.workers import WorkerPool, map_concurrently

_TIMEOUT = 30


def _run(pool: WorkerPool[int], *jobs: Callable[[], int]) -> None:
    with pool:
        for job in jobs:
            pool.submit(job)
        pool.finish()


def _crew_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("libstore")]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_number_of_concurrent_jobs_is_limited(size: int) -> None:
    """A further job waits for a free worker."""
    running, most = 0, 0
    lock = threading.Lock()
    together = threading.Barrier(size)

    def job(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(_TIMEOUT)
        with lock:
            running -= 1
        return number

    results: list[int] = []
    with WorkerPool[int](size, results.append) as pool:
        for number in range(size * 4):
            pool.submit(job, number)
        pool.finish()
    assert size == most
    assert list(range(size * 4)) == sorted(results)
    assert [] == _crew_threads()


def test_submit_waits_for_a_free_worker() -> None:
    """What a job needs, such as a part in memory, is not queued up beyond the size."""
    submitted = threading.Event()
    too_early: list[bool] = []

    def slow() -> int:
        too_early.append(submitted.wait(0.2))
        return 0

    with WorkerPool[int](1, lambda _: None) as pool:
        pool.submit(slow)
        pool.submit(int, 1)
        submitted.set()
        pool.finish()
    assert [False] == too_early


def test_results_are_passed_in_the_submitting_thread() -> None:
    """What takes the results needs no lock."""
    threads: list[str] = []
    with WorkerPool[int](3, lambda _: threads.append(threading.current_thread().name)) as pool:
        for number in range(9):
            pool.submit(int, number)
        pool.finish()
    assert {threading.current_thread().name} == set(threads)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_first_failure_is_raised(error: BaseException) -> None:
    """The exception of the job is raised, and the threads end."""

    def job() -> int:
        raise error

    with pytest.raises(type(error)) as caught:
        _run(WorkerPool[int](2, lambda _: None), job)
    assert error is caught.value
    assert [] == _crew_threads()


def test_failure_stops_jobs_at_a_checkpoint() -> None:
    """Jobs at a checkpoint end early, and no further job begins."""
    begun = threading.Event()
    ended: list[str] = []

    def long_job() -> int:
        begun.set()
        try:
            for _ in range(10**9):
                pool.checkpoint()
        except TransferCancelledError:
            ended.append("early")
            raise
        return 0

    def broken_job() -> int:
        begun.wait(_TIMEOUT)
        raise ValueError("broken")

    pool = WorkerPool[int](2, lambda _: None)
    with pytest.raises(ValueError, match="broken"):
        _run(pool, long_job, broken_job)
    assert ["early"] == ended


def test_exception_in_the_block_waits_for_the_jobs() -> None:
    """No job runs while the exception is handled."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def job() -> int:
        begun.set()
        go_on.wait(_TIMEOUT)
        done.append(1)
        return 1

    def interrupted() -> None:
        with WorkerPool[int](1, lambda _: None) as pool:
            pool.submit(job)
            begun.wait(_TIMEOUT)
            threading.Timer(0.01, go_on.set).start()
            raise KeyError("x")

    with pytest.raises(KeyError):
        interrupted()
    assert [1] == done


def test_flag_cancels_the_jobs() -> None:
    """The flag is checked before each job, at the end, and at each checkpoint."""
    flag = threading.Event()
    pool = WorkerPool[int](2, lambda _: None, flag)
    with pool:
        pool.submit(int, 1)
        pool.checkpoint()
        flag.set()
        for step in (lambda: pool.submit(int, 1), pool.finish, pool.checkpoint):
            with pytest.raises(TransferCancelledError):
                step()


def test_stopped_pool_rejects_jobs() -> None:
    """stop() may be called again, and is for good."""
    pool = WorkerPool[int](2, lambda _: None)
    pool.stop()
    pool.stop()
    with pytest.raises(TransferCancelledError):
        pool.submit(int, 1)


def test_pool_without_jobs_starts_no_thread() -> None:
    """Threads are started with the first job."""
    before = threading.active_count()
    with WorkerPool[int](8, lambda _: None) as pool:
        pool.finish()
        assert before == threading.active_count()


def test_map_concurrently_keeps_the_order() -> None:
    """Results are in the order of the items, whichever is ready first."""
    second_done = threading.Event()

    def job(number: int) -> int:
        if number == 0:
            second_done.wait(_TIMEOUT)
        if number == 1:
            second_done.set()
        return number * 10

    assert [0, 10, 20, 30] == map_concurrently(job, range(4), 2)
    assert [] == map_concurrently(job, [], 2)


def test_map_concurrently_reads_items_as_needed() -> None:
    """An endless iterator is not drained before the first failure."""
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10**9):
            drawn.append(number)
            yield number

    def job(number: int) -> int:
        if number == 5:
            raise ValueError("enough")
        return number

    with pytest.raises(ValueError, match="enough"):
        map_concurrently(job, items(), 3)
    assert len(drawn) < 20
