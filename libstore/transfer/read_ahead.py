"""Reading many objects, with a number of requests that wait for their responses."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from ..errors import StorageError
from ..values import WHOLE, StartedRead
from .reading import Read, ReadHooks, Wanted, read

K = TypeVar("K")


class ManyReadHooks(ReadHooks, Protocol):
    """The hooks of a driver that reading many objects calls."""

    @property
    def _starts_reads(self) -> bool: ...
    def _start_read(
        self, container: str, name: str, version: str | None
    ) -> StartedRead | None: ...


class _Job(Protocol):
    """A read that was begun."""

    def result(self) -> Read: ...
    def cancel(self) -> object: ...


def read_many(
    driver: ManyReadHooks, targets: Iterable[tuple[K, Wanted | StorageError]], size: int
) -> Generator[tuple[K, Read | StorageError], None, None]:
    """
    Read objects, and yield the results or errors in the order of the targets.

    One thread sends many requests before it receives the first response. Threads that each send
    one would wait for the interpreter lock most of the time.

    Args:
        targets: A key and what to read, or the error that is its result.
        size: The maximum number of requests that wait for their responses.
    """
    waiting: deque[tuple[K, _Job | StorageError]] = deque()
    threads = None if driver._starts_reads else ThreadPoolExecutor(size, "libstore")
    try:
        for key, target in targets:
            job: _Job | StorageError
            if isinstance(target, StorageError):
                job = target
            elif threads is None:
                job = _SentRead(driver, target)
            else:
                job = threads.submit(read, driver, target, WHOLE)
            waiting.append((key, job))
            if len(waiting) >= size:
                first, job = waiting.popleft()
                yield first, _outcome(job)
        while waiting:
            first, job = waiting.popleft()
            yield first, _outcome(job)
    finally:
        for _, job in waiting:
            if not isinstance(job, StorageError):
                job.cancel()
        if threads is not None:
            threads.shutdown()


def _outcome(job: _Job | StorageError) -> Read | StorageError:
    if isinstance(job, StorageError):
        return job
    try:
        return job.result()
    except StorageError as error:
        return error


class _SentRead:
    """A read whose request was sent, if that was possible."""

    __slots__ = ("_driver", "_started", "_wanted")

    def __init__(self, driver: ManyReadHooks, wanted: Wanted) -> None:
        self._driver = driver
        self._wanted = wanted
        self._started: StartedRead | None = None
        try:
            self._started = driver._start_read(wanted.container, wanted.name, wanted.version)
        except StorageError:
            pass  # `result` sends the request again, and raises the error in its turn

    def result(self) -> Read:
        return read(self._driver, self._wanted, WHOLE, None, self._started)

    def cancel(self) -> None:
        if self._started is not None:
            self._started.close()
