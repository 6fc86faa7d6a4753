"""Test the limit of bytes per second, with a clock that waiting advances."""

from __future__ import annotations

import hashlib
import io
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from libstore import Container, InvalidOptionError, TransferCancelledError, TransferOptions
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver
from libstore.retry import Retrier
from libstore.transfer.pacing import PacedPayload, Pacing, RateLimit
from libstore.transfer.payload import BufferPayload
from libstore.values import KiB

RATE = 64 * KiB
SIZE = 256 * KiB
CONTENT = bytes(range(256)) * KiB
# A tenth of a second is free, and what remains takes so long.
SECONDS = SIZE / RATE - 0.1
PARTS = TransferOptions(
    part_size=32 * KiB,
    multipart_threshold=64 * KiB,
    concurrency=4,
    max_bytes_per_second=RATE,
)
ONE = TransferOptions(max_bytes_per_second=RATE)


class Clock:
    """A clock that waits advance; threads that wait at the same time wait one after the other."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.longest = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return 1000.0

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += seconds
            self.longest = max(self.longest, seconds)


class Advancing(Clock):
    @override
    def now(self) -> float:
        return 1000.0 + self.slept


def slow(base: type[Any]) -> type[Any]:
    """Return a driver whose waits are recorded in its attribute `clock`."""

    class Slow(base):  # type: ignore[misc]
        @property
        def _retrier(self) -> Retrier:
            clock = self.__dict__.setdefault("clock", Advancing())
            return Retrier(self.retry, clock=clock.now, sleep=clock.sleep)

    return Slow


@pytest.fixture(params=["memory", "local"])
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    if request.param == "memory":
        driver = slow(MemoryDriver)()
    else:
        driver = slow(LocalDriver)(tmp_path / "store")
    found: Container = driver.create_container("things")
    return found


def slept(container: Container) -> float:
    driver: Any = container.driver
    found: float = driver._retrier.sleep.__self__.slept
    return found


def iterable() -> Any:
    return (CONTENT[start : start + KiB] for start in range(0, SIZE, KiB))


UPLOADS: dict[str, Callable[[Container], object]] = {
    "bytes": lambda container: container.upload_object(CONTENT, "a"),
    "iterable": lambda container: container.upload_object(iterable(), "a"),
    "file": lambda container: container.upload_object(io.BytesIO(CONTENT), "a"),
}


@pytest.mark.parametrize("upload", UPLOADS)
def test_uploads_with_one_request_wait(container: Container, upload: str) -> None:
    container.driver.transfer = ONE

    UPLOADS[upload](container)

    assert pytest.approx(SECONDS) == slept(container)
    container.driver.transfer = TransferOptions()
    assert CONTENT == container.object("a").read()


def test_writers_wait(container: Container) -> None:
    container.driver.transfer = ONE

    with container.open("a", "wb") as file:
        file.write(CONTENT)

    assert pytest.approx(SECONDS) == slept(container)
    assert hashlib.md5(CONTENT).hexdigest() == container.get_object("a").checksums["md5"]


@pytest.mark.parametrize("upload", UPLOADS)
def test_parts_that_are_sent_at_once_share_the_rate(container: Container, upload: str) -> None:
    """The clock stands still while threads wait, so the last of them waits for all the others."""
    driver: Any = container.driver
    clock = driver.__dict__["clock"] = Clock()
    driver.transfer = PARTS

    UPLOADS[upload](container)

    assert driver._pacing.limit.reserve(0.0, clock.now()) == pytest.approx(SECONDS)
    assert clock.longest <= 0.1
    driver.transfer = TransferOptions()
    assert CONTENT == container.object("a").read()


def content_of(pair: tuple[object, object]) -> bytes:
    content = pair[1]
    assert isinstance(content, bytes)
    return content


def download(container: Container, path: Path) -> bytes:
    container.object("a").download(str(path / "a"))
    return (path / "a").read_bytes()


def download_into(container: Container) -> bytes:
    file = io.BytesIO()
    container.object("a").download(file)
    return file.getvalue()


READS: dict[str, Callable[[Container, Path], bytes]] = {
    "read": lambda container, _: container.object("a").read(),
    "stream": lambda container, _: b"".join(container.object("a").stream()),
    "reader": lambda container, _: container.open("a", "rb").read(),
    "objects": lambda container, _: b"".join(map(content_of, container.read_objects(["a"]))),
    "download": download,
    "download to a file": lambda container, _: download_into(container),
}


@pytest.mark.parametrize("read", READS)
def test_reads_wait(container: Container, read: str, tmp_path: Path) -> None:
    container.upload_object(CONTENT, "a")
    container.driver.transfer = ONE

    assert CONTENT == READS[read](container, tmp_path)

    assert pytest.approx(SECONDS) == slept(container)


def test_ranges_that_are_read_at_once_share_the_rate(container: Container, tmp_path: Path) -> None:
    container.upload_object(CONTENT, "a")
    driver: Any = container.driver
    clock = driver.__dict__["clock"] = Clock()
    driver.transfer = PARTS

    assert CONTENT == download(container, tmp_path)

    assert driver._pacing.limit.reserve(0.0, clock.now()) == pytest.approx(SECONDS)


def test_both_directions_share_the_rate(container: Container) -> None:
    container.driver.transfer = ONE

    container.upload_object(CONTENT, "a")
    assert CONTENT == container.object("a").read()

    assert pytest.approx(2 * SIZE / RATE - 0.1) == slept(container)


CANCELLED: dict[str, Callable[[Container, Path, threading.Event], object]] = {
    "upload": lambda container, _, cancel: container.upload_object(CONTENT, "b", cancel=cancel),
    "download": lambda container, path, cancel: container.object("a").download(
        str(path / "a"), cancel=cancel
    ),
    "download to a file": lambda container, _, cancel: container.object("a").download(
        io.BytesIO(), cancel=cancel
    ),
}


@pytest.mark.parametrize("operation", CANCELLED)
def test_a_transfer_that_waits_can_be_cancelled(
    container: Container, operation: str, tmp_path: Path
) -> None:
    cancel = threading.Event()
    container.upload_object(CONTENT, "a")
    clock = container.driver.__dict__["clock"] = Advancing()
    sleep = clock.sleep

    def cancelling(seconds: float) -> None:
        sleep(seconds)
        if clock.slept > 1:
            cancel.set()

    clock.sleep = cancelling  # type: ignore[method-assign]
    container.driver.transfer = ONE
    with pytest.raises(TransferCancelledError):
        CANCELLED[operation](container, tmp_path, cancel)

    assert clock.slept < 1.3
    assert not (tmp_path / "a").exists()


def test_waits_for_large_blocks_are_short() -> None:
    """A block that takes an hour is checked for cancellation all the time."""
    clock = Advancing()
    checks: list[None] = []
    pacing = Pacing(RateLimit(), 1, clock.now, clock.sleep)

    pacing.wait(60, lambda: checks.append(None))

    assert pytest.approx(59.9) == clock.slept
    assert clock.longest <= 0.1
    assert len(checks) >= 599


def test_a_pause_earns_a_tenth_of_a_second() -> None:
    limit = RateLimit()

    assert pytest.approx(0.9) == limit.reserve(1.0, 1000.0)
    assert pytest.approx(0.9) == limit.reserve(1.0, 5000.0)
    assert pytest.approx(1.9) == limit.reserve(1.0, 5000.0)


def test_pickles_begin_anew() -> None:
    limit = RateLimit()
    limit.reserve(1e6, 0.0)

    assert pickle.loads(pickle.dumps(limit)).reserve(0.0, 0.0) < 0


def test_digests_do_not_wait() -> None:
    clock = Advancing()
    payload = BufferPayload([memoryview(CONTENT)])
    paced = PacedPayload(payload, Pacing(RateLimit(), RATE, clock.now, clock.sleep))

    assert hashlib.md5(CONTENT).hexdigest() == paced.digest("md5") == paced.digests["md5"]
    assert CONTENT == paced.keep(0).read()

    assert not clock.slept
    assert CONTENT == paced.read()
    assert pytest.approx(SECONDS) == clock.slept


def test_rates_that_services_do_not_accept_are_refused() -> None:
    with pytest.raises(InvalidOptionError, match="at least 4096"):
        TransferOptions(max_bytes_per_second=4095)
