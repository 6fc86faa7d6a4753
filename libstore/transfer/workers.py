"""A bounded pool of threads for the parts of one transfer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from typing_extensions import Self

from ..errors import TransferCancelledError

# The seconds after which a thread that waits for jobs wakes up for a moment. On Windows, Ctrl+C
# does not interrupt a wait without a timeout: https://github.com/python/cpython/issues/80116
_WAKE_UP = 0.5 if sys.platform == "win32" else None

R = TypeVar("R")
T = TypeVar("T")


class CancelToken(Protocol):
    """A flag that stops a transfer, such as a `threading.Event`."""

    def is_set(self) -> bool: ...


def check_cancelled(flag: CancelToken | None) -> None:
    """Raise `TransferCancelledError` if the flag is set."""
    if flag is not None and flag.is_set():
        raise TransferCancelledError("the transfer was cancelled")


class WorkerPool(Generic[R]):
    """
    Run at most `size` jobs concurrently, and stop at the first failure.

    `on_result` is called in the thread that submits jobs, so it needs no lock. The end of the
    ``with`` block waits for running jobs; jobs that call `checkpoint` end early.

    Args:
        cancel: Stops the transfer when set.
    """

    def __init__(
        self,
        size: int,
        on_result: Callable[[R], None],
        cancel: CancelToken | None = None,
    ) -> None:
        self._size = size
        self._on_result = on_result
        self._cancel = cancel
        self._stopped = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[Future[R]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def checkpoint(self) -> None:
        """
        Raise an error if the transfer was stopped.

        Raises:
            TransferCancelledError: Another job failed, or the caller cancelled the transfer.
        """
        check_cancelled(self._stopped)
        check_cancelled(self._cancel)

    def submit(self, job: Callable[..., R], *arguments: object) -> None:
        """Start a job as soon as fewer than `size` jobs are running."""
        self._collect(self._size - 1)
        self.checkpoint()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="libstore")
        self._running.add(self._pool.submit(job, *arguments))

    def finish(self) -> None:
        """Wait for all jobs, and raise the error of the first failed one."""
        self._collect(0)
        self.checkpoint()

    def stop(self) -> None:
        """Wait for running jobs and start no more. Calling it again is harmless."""
        self._stopped.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _collect(self, left: int) -> None:
        """Wait until at most `left` jobs are running."""
        while len(self._running) > left:
            done, self._running = wait(self._running, _WAKE_UP, FIRST_COMPLETED)
            for future in done:
                self._on_result(future.result())


def map_concurrently(
    job: Callable[[T], R], items: Iterable[T], size: int, cancel: CancelToken | None = None
) -> list[R]:
    """Return the results of a job for each item, in order, with at most `size` threads."""
    results: dict[int, R] = {}

    def numbered(index: int, item: T) -> tuple[int, R]:
        return index, job(item)

    def keep(result: tuple[int, R]) -> None:
        results[result[0]] = result[1]

    with WorkerPool[tuple[int, R]](size, keep, cancel) as pool:
        for index, item in enumerate(items):
            pool.submit(numbered, index, item)
        pool.finish()
    return [results[index] for index in range(len(results))]
