"""A bounded crew of threads for the parts of one transfer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from typing_extensions import Self

from ..errors import TransferCancelledError

R = TypeVar("R")
T = TypeVar("T")


class CancelToken(Protocol):
    """What tells a transfer to stop; a `threading.Event` is one."""

    def is_set(self) -> bool: ...


def check_cancelled(flag: CancelToken | None) -> None:
    """Raise `TransferCancelledError` if the flag is set."""
    if flag is not None and flag.is_set():
        raise TransferCancelledError("the transfer was cancelled")


class WorkerPool(Generic[R]):
    """
    Run jobs side by side, at most `size` at once, and stop at the first failure.

    Results are handed to `on_result` in the thread that submits, so that it needs no lock. Leaving
    the `with` block waits for the jobs that run; if it is left by an exception, those that check
    their `checkpoint` end early.

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
        Raise if the transfer was stopped.

        Raises:
            TransferCancelledError: Another job failed, or the caller cancelled.
        """
        check_cancelled(self._stopped)
        check_cancelled(self._cancel)

    def submit(self, job: Callable[..., R], *arguments: object) -> None:
        """Start a job as soon as fewer than `size` are running."""
        self._collect(self._size - 1)
        self.checkpoint()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="libstore")
        self._running.add(self._pool.submit(job, *arguments))

    def finish(self) -> None:
        """Wait for all jobs; raise what the first failed one raised."""
        self._collect(0)
        self.checkpoint()

    def stop(self) -> None:
        """Let running jobs end and start no more. It may be called again."""
        self._stopped.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _collect(self, left: int) -> None:
        """Wait until no more than `left` jobs run."""
        while len(self._running) > left:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._on_result(future.result())


def map_concurrently(
    job: Callable[[T], R], items: Iterable[T], size: int, cancel: CancelToken | None = None
) -> list[R]:
    """Return what the job makes of each item, in their order, at most `size` at a time."""
    results: dict[int, R] = {}

    def numbered(index: int, item: T) -> tuple[int, R]:
        return index, job(item)

    def keep(result: tuple[int, R]) -> None:
        results[result[0]] = result[1]

    with WorkerPool[tuple[int, R]](size, keep, cancel) as crew:
        for index, item in enumerate(items):
            crew.submit(numbered, index, item)
        crew.finish()
    return [results[index] for index in range(len(results))]
