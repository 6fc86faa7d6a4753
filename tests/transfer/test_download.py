"""A download: parallel, verified, and there as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    break_always,
    break_off,
    fail,
    flip_bit,
    replace_after,
    replace_always,
    send_more,
    set_digest,
    stored,
    trickle,
    without_etag,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore import (
    Container,
    IntegrityError,
    InvalidOptionError,
    InvalidTypeError,
    LocalFileError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    Object,
    ObjectChangedError,
    ObjectNotFoundError,
    Reading,
    RetryPolicy,
    ServiceError,
    TransferCancelledError,
    TransferOptions,
    TransportError,
)

PART = 10 * KiB
SMALL = hashlib.shake_128(b"small").digest(2 * PART)
LARGE = hashlib.shake_128(b"large").digest(9 * PART + 5)
_TIMEOUT = 30


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with a small object and with one that is fetched in ranges."""
    driver = FaultyDriver(transfer=TransferOptions(PART, 2 * PART, 4))
    stored(driver, SMALL, "small")
    stored(driver, LARGE, "large")
    return driver


@pytest.fixture
def container(driver: FaultyDriver) -> Container:
    """Return the container with the objects."""
    container = driver.get_container("c")
    driver.calls.clear()
    return container


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder to download into."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


_BOTH = pytest.mark.parametrize("name", ["small", "large"])


def _content(name: str) -> bytes:
    return {"small": SMALL, "large": LARGE}[name]


def _files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# ---------------------------------------------------------------------- requests


def test_small_object_is_downloaded_with_one_request(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """By name and by handle, with and without a known size."""
    path = container.download_object("small", folder / "a")
    assert folder / "a" == path
    assert SMALL == path.read_bytes()
    assert ["_get_object"] == driver.hooks()
    container.list_objects("small")[0].download(str(folder / "b"))
    assert ["_get_object", "_list_objects", "_get_object"] == driver.hooks()
    assert [(0, 2 * PART), (0, None)] == driver.spans()


def test_large_object_is_downloaded_in_ranges(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """The first response has the size; the rest of that version is requested in ranges."""
    container.download_object("large", folder / "a")
    assert LARGE == (folder / "a").read_bytes()
    expected = [(0, 2 * PART)] + [
        (start, min(start + PART, len(LARGE))) for start in range(2 * PART, len(LARGE), PART)
    ]
    assert expected == sorted(driver.spans())
    assert {"_get_object"} == set(driver.hooks())
    etag = container.get_object("large").etag
    pins = [call[3].if_match for call in driver.requested("_get_object")]
    assert [None] + [etag] * (len(expected) - 1) == pins


@given(
    size=st.integers(0, 100),
    part=st.integers(1, 40),
    threshold=st.integers(1, 50),
    concurrency=st.integers(1, 4),
    most=st.integers(1, 30),
    known=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_any_size_with_any_options_is_transferred(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    part: int,
    threshold: int,
    concurrency: int,
    most: int,
    known: bool,
) -> None:
    """The file has the object's bytes, each of which was requested once."""
    driver = FaultyDriver(transfer=TransferOptions(part, threshold, concurrency))
    content = LARGE[:size]
    container = stored(driver, content)
    obj = container.get_object("a") if known else container.object("a")
    driver.calls.clear()
    trickle(driver, most)
    path = obj.download(tmp_path_factory.mktemp("any") / "a")
    assert content == path.read_bytes()
    requested = sorted((start, size if stop is None else stop) for start, stop in driver.spans())
    assert requested[0][0] == 0
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(requested))
    assert requested[-1][1] >= size


@pytest.mark.parametrize("concurrency", [1, 3])
def test_ranges_are_read_concurrently(
    driver: FaultyDriver, container: Container, folder: Path, concurrency: int
) -> None:
    """As many are under way as the options allow, and no more."""
    driver.transfer = TransferOptions(PART, PART, concurrency)
    together = threading.Barrier(concurrency)
    lock = threading.Lock()
    running = most = 0

    class Body:
        def __init__(self, body: Any) -> None:
            self._body = body
            self._begun = False

        def readinto(self, buffer: memoryview, /) -> int:
            nonlocal running, most
            if not self._begun:
                self._begun = True
                with lock:
                    running += 1
                    most = max(most, running)
                together.wait(_TIMEOUT)
                with lock:
                    running -= 1
            return self._body.readinto(buffer)

    content = bytes(PART * concurrency * 3)
    container.upload_object(content, "even")

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, body=Body(reading.body))

    driver.around("_get_object", get)
    container.download_object("even", folder / "a")
    assert content == (folder / "a").read_bytes()
    assert concurrency == most


def test_object_without_etag_is_read_in_one_response(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """Ranges of two versions could be mixed, so that one request brings it all."""
    without_etag(driver)
    container.download_object("large", folder / "a")
    assert LARGE == (folder / "a").read_bytes()
    assert (0, None) == driver.spans()[-1]
    assert len(driver.spans()) <= 2


def test_outdated_size_is_corrected(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """An object that grew or shrank since it was listed is downloaded as it is now."""
    small, large = container.get_object("small"), container.get_object("large")
    stored(driver, LARGE, "small")
    stored(driver, SMALL, "large")
    assert LARGE == small.download(folder / "a").read_bytes()
    assert SMALL == large.download(folder / "b").read_bytes()


def test_empty_object_makes_an_empty_file(container: Container, folder: Path) -> None:
    """Its progress is reported, too."""
    container.upload_object(b"", "empty")
    calls: list[Any] = []
    container.download_object("empty", folder / "a", progress=lambda *call: calls.append(call))
    assert b"" == (folder / "a").read_bytes()
    assert [(0, 0)] == calls


# ---------------------------------------------------------------------- faults


def _is_clean(folder: Path) -> None:
    assert [] == _files(folder), "a download that failed left something behind"


@pytest.mark.parametrize(
    ("name", "position"),
    [("small", 0), ("small", 2 * PART - 1), ("large", 5), ("large", 5 * PART), ("large", 92164)],
)
def test_changed_bit_leaves_no_file(
    driver: FaultyDriver, container: Container, folder: Path, name: str, position: int
) -> None:
    """A download in ranges is also verified as a whole, wherever the bit is."""
    flip_bit(driver, position)
    with pytest.raises(IntegrityError, match="md5"):
        container.download_object(name, folder / "a")
    _is_clean(folder)


@pytest.mark.parametrize("part", range(5))
def test_changed_bit_in_any_range_ends_all_threads(
    driver: FaultyDriver, container: Container, folder: Path, part: int
) -> None:
    """What hashes is not left waiting for ranges that do not come."""
    flip_bit(driver, part * PART + 3)
    with pytest.raises(IntegrityError, match="md5"):
        container.download_object("large", folder / "a")
    assert [] == [t.name for t in threading.enumerate() if t.name.startswith("libstore")]


@pytest.mark.parametrize(
    ("name", "position"),
    [("small", 0), ("small", 2 * PART - 1), ("large", 5), ("large", 5 * PART), ("large", 92164)],
)
def test_damaged_download_is_repeated(
    driver: FaultyDriver, container: Container, folder: Path, name: str, position: int
) -> None:
    """Nothing of the object was handed over yet, so that it can be read again."""
    flip_bit(driver, position, times=1)
    obj = container.object(name)
    obj.download(folder / "a")
    assert _content(name) == (folder / "a").read_bytes()
    assert "md5" == obj.verified_by
    assert 2 == [start for start, _ in driver.spans()].count(0)


@_BOTH
def test_damaged_object_is_downloaded_twice(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """Once more and not again: what is stored is wrong."""
    flip_bit(driver, 5)
    obj = container.object(name)
    with pytest.raises(IntegrityError):
        obj.download(folder / "a")
    assert 2 == [start for start, _ in driver.spans()].count(0)
    assert obj.verified_by is None


@_BOTH
def test_wrong_digest_leaves_no_file(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """Bytes that do not match what the service keeps are not handed over."""
    set_digest(driver, "_get_object", sha256="0" * 64)
    with pytest.raises(IntegrityError, match="sha256"):
        container.download_object(name, folder / "a")
    _is_clean(folder)


def test_broken_bodies_are_resumed(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """Each range goes on at its own next byte."""
    break_off(driver, 15_000, 100, 200, 300)
    container.download_object("large", folder / "a")
    assert LARGE == (folder / "a").read_bytes()
    requested = sum((stop or len(LARGE)) - start for start, stop in driver.spans())
    assert requested == len(LARGE) + sum(
        (stop or 0) - start
        for start, stop in driver.spans()
        if (start, stop) not in _plan() and stop is not None
    )


def _plan() -> set[tuple[int, int | None]]:
    pieces = {(start, min(start + PART, len(LARGE))) for start in range(0, len(LARGE), PART)}
    return {*pieces, (0, 2 * PART)}


@_BOTH
def test_broken_connection_leaves_no_file(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """The transport's error is raised, with what it is about."""
    driver.retry = RetryPolicy(attempts=3, base=0)
    break_always(driver, 10)
    with pytest.raises(TransportError) as caught:
        container.download_object(name, folder / "a")
    assert ("download_object", "c", name) == (
        caught.value.operation,
        caught.value.container,
        caught.value.object,
    )
    _is_clean(folder)


@pytest.mark.parametrize("responses", [1, 2, 4])
@pytest.mark.parametrize("content", [LARGE[::-1], LARGE + b"more", b"less"], ids=len)
def test_replaced_object_is_downloaded_again(
    driver: FaultyDriver, container: Container, folder: Path, responses: int, content: bytes
) -> None:
    """Ranges of two versions are never put together: the file has the new one."""
    driver.transfer = TransferOptions(PART, 2 * PART, 1)
    replace_after(driver, responses, content, cut=None)
    container.download_object("large", folder / "a")
    assert content == (folder / "a").read_bytes()
    assert ["a"] == _files(folder)


def test_object_replaced_before_a_resumption_is_downloaded_again(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """Nor are the halves of one body put together."""
    replace_after(driver, 1, SMALL[::-1], cut=100)
    container.download_object("small", folder / "a")
    assert SMALL[::-1] == (folder / "a").read_bytes()


def test_repeatedly_replaced_object_leaves_no_file(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """It is begun three times in all."""
    replace_always(driver, LARGE)
    with pytest.raises(ObjectChangedError):
        container.download_object("large", folder / "a")
    _is_clean(folder)
    assert 3 == [start for start, _ in driver.spans()].count(0)


@pytest.mark.parametrize("content", [LARGE[::-1], LARGE + b"more", b"less"], ids=len)
def test_progress_does_not_decrease_when_a_download_restarts(
    driver: FaultyDriver, container: Container, folder: Path, content: bytes
) -> None:
    """It reports only increases, and ends with the size."""
    driver.transfer = TransferOptions(PART, 2 * PART, 1)
    replace_after(driver, 4, content, cut=None)
    reports: list[tuple[int, int | None]] = []
    container.download_object(
        "large", folder / "a", progress=lambda *numbers: reports.append(numbers)
    )
    assert (len(content), len(content)) == reports[-1]
    done = [number for number, total in reports if total == len(LARGE)]
    assert sorted(done) == done
    if len(content) > len(b"less"):
        assert sorted(reports) == reports


def test_cancelled_download_is_not_restarted(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """The user has not waited for the end of what turns out to be damaged."""
    cancel = threading.Event()

    class Damaged:
        def __init__(self, reading: Reading) -> None:
            self._body = reading.body

        def readinto(self, buffer: memoryview, /) -> int:
            count = self._body.readinto(buffer)
            buffer[0] ^= 1
            cancel.set()
            return count

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, body=Damaged(reading))

    driver.around("_get_object", get)
    with pytest.raises(TransferCancelledError):
        container.download_object("small", folder / "a", cancel=cancel)
    assert 1 == len(driver.spans())


@pytest.mark.parametrize(("before", "after"), [(10**9, 10**9), (7, 7)])
@_BOTH
def test_service_that_ignores_ranges_is_supported(
    driver: FaultyDriver, container: Container, folder: Path, name: str, before: int, after: int
) -> None:
    """Bytes that were not requested do not get into the file."""
    send_more(driver, before, after)
    container.download_object(name, folder / "a")
    assert _content(name) == (folder / "a").read_bytes()


def test_missing_object_leaves_no_file(container: Container, folder: Path) -> None:
    """No file is created before the first response."""
    with pytest.raises(ObjectNotFoundError):
        container.download_object("missing", folder / "a")
    _is_clean(folder)


@pytest.mark.parametrize("error", [ServiceError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_failed_range_stops_the_others(
    driver: FaultyDriver, container: Container, folder: Path, error: BaseException
) -> None:
    """An exception of any thread is raised unchanged, and nothing is left."""
    fail(driver, "_get_object", error, after=3)
    with pytest.raises(type(error)) as caught:
        container.download_object("large", folder / "a")
    assert error is caught.value
    _is_clean(folder)
    assert [] == [t.name for t in threading.enumerate() if t.name.startswith("libstore")]


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
@_BOTH
def test_progress_that_raises_leaves_no_file(
    container: Container, folder: Path, name: str, error: BaseException
) -> None:
    """A callback stops the download by what it raises; the old file stays."""
    (folder / "a").write_bytes(b"old")

    def progress(done: int, total: int | None) -> None:
        raise error

    with pytest.raises(type(error)):
        container.download_object(name, folder / "a", overwrite=True, progress=progress)
    assert ["a"] == _files(folder)
    assert b"old" == (folder / "a").read_bytes()


@_BOTH
def test_cancelled_download_leaves_no_file(container: Container, folder: Path, name: str) -> None:
    """A download that is cancelled before it begins makes no file."""
    flag = threading.Event()
    flag.set()
    with pytest.raises(TransferCancelledError):
        container.download_object(name, folder / "a", cancel=flag)
    _is_clean(folder)


@_BOTH
def test_other_thread_can_cancel(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """A flag that is set while bytes are received stops the transfer."""
    flag = threading.Event()
    trickle(driver, 100)

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)

        class Body:
            def readinto(self, buffer: memoryview, /) -> int:
                thread = threading.Thread(target=flag.set)
                thread.start()
                thread.join()
                return reading.body.readinto(buffer)

        return replace(reading, body=Body())

    driver.around("_get_object", get)
    with pytest.raises(TransferCancelledError) as caught:
        container.download_object(name, folder / "a", cancel=flag)
    assert "download_object" == caught.value.operation
    _is_clean(folder)


@_BOTH
def test_cancelled_stream_is_not_resumed(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """Who gives up a download over a broken line does not wait for all tries."""
    flag = threading.Event()
    driver.retry = RetryPolicy(attempts=100, base=0)
    break_always(driver, 0)
    broken = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        flag.set()
        return broken(real, *arguments)

    driver.around("_get_object", get)
    with pytest.raises(TransferCancelledError):
        container.download_object(name, folder / "a", cancel=flag)
    assert 1 == len(driver.requested("_get_object"))
    _is_clean(folder)


def test_connections_are_released(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """Each response is closed once, after success and after failure."""
    for position in (None, 50_000):
        opened: list[list[int]] = []

        def get(
            real: Callable[..., Reading],
            *arguments: Any,
            opened: list[list[int]] = opened,
        ) -> Reading:
            closes: list[int] = []
            opened.append(closes)
            return replace(real(*arguments), close=lambda: closes.append(1))

        driver.around("_get_object", get)
        try:
            if position is not None:
                flip_bit(driver, position)
                flipped = driver._around["_get_object"]
                driver.around(
                    "_get_object",
                    lambda real, *rest, flipped=flipped, get=get: flipped(
                        lambda *arguments: get(real, *arguments), *rest
                    ),
                )
            container.download_object("large", folder / "a", overwrite=True)
        except IntegrityError:
            assert position is not None
        assert opened
        assert all(closes == [1] for closes in opened)


# ---------------------------------------------------------------------- progress


@_BOTH
@pytest.mark.parametrize("concurrency", [1, 4])
def test_progress_reports_written_bytes(
    driver: FaultyDriver, container: Container, folder: Path, name: str, concurrency: int
) -> None:
    """It increases and ends with the size, which is known from the first response."""
    driver.transfer = TransferOptions(PART, 2 * PART, concurrency)
    calls: list[tuple[int, int | None]] = []

    def progress(done: int, total: int | None) -> None:
        (temporary,) = folder.iterdir()
        assert done <= temporary.stat().st_size
        calls.append((done, total))

    container.download_object(name, folder / "a", progress=progress)
    done = [call[0] for call in calls]
    assert sorted(set(done)) == done
    assert len(_content(name)) == done[-1]
    assert {len(_content(name))} == {total for _, total in calls}


# ---------------------------------------------------------------------- the destination


@_BOTH
def test_existing_file_is_kept(
    driver: FaultyDriver, container: Container, folder: Path, name: str
) -> None:
    """Without `overwrite` no request is sent and no file is changed."""
    (folder / "a").write_bytes(b"old")
    with pytest.raises(LocalFileExistsError, match="overwrite=True") as caught:
        container.download_object(name, folder / "a")
    assert "download_object" == caught.value.operation
    assert [] == driver.calls
    assert b"old" == (folder / "a").read_bytes()
    container.download_object(name, folder / "a", overwrite=True)
    assert _content(name) == (folder / "a").read_bytes()
    assert ["a"] == _files(folder)


def test_overwrite_creates_a_missing_file(container: Container, folder: Path) -> None:
    """`overwrite` allows, it does not demand."""
    container.download_object("small", folder / "a", overwrite=True)
    assert SMALL == (folder / "a").read_bytes()


def test_file_created_meanwhile_is_kept(container: Container, folder: Path) -> None:
    """Without `overwrite` a race is lost, and the other's file is whole."""

    def progress(done: int, total: int | None) -> None:
        (folder / "a").write_bytes(b"other")

    with pytest.raises(LocalFileExistsError):
        container.download_object("small", folder / "a", progress=progress)
    assert b"other" == (folder / "a").read_bytes()
    assert ["a"] == _files(folder)


def test_one_of_concurrent_downloads_creates_the_file(container: Container, folder: Path) -> None:
    """The others raise `LocalFileExistsError`."""
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def run() -> None:
        start.wait(_TIMEOUT)
        try:
            container.download_object("large", folder / "a")
        except LocalFileExistsError:
            outcomes.append("lost")
        else:
            outcomes.append("won")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["lost"] * 7 + ["won"] == sorted(outcomes)
    assert LARGE == (folder / "a").read_bytes()
    assert ["a"] == _files(folder)


@pytest.mark.parametrize("overwrite", [False, True])
def test_directory_that_cannot_be_the_destination_is_refused(
    driver: FaultyDriver, container: Container, folder: Path, overwrite: bool
) -> None:
    """The error is raised before anything is sent; a slash at the end means a directory, too."""
    with pytest.raises(LocalFileIsADirectoryError, match="does not exist; create it first"):
        container.download_object("small", f"{folder}/new/", overwrite=overwrite)
    (folder / "small").mkdir()
    with pytest.raises(
        LocalFileIsADirectoryError, match=r"small' is a directory$|is a directory "
    ):
        container.download_object("small", folder, overwrite=overwrite)
    (folder / "small").rmdir()
    for name in ("a/", "a/..", "."):
        with pytest.raises(LocalFileIsADirectoryError, match="not the name of a file"):
            container.download_object(name, folder, overwrite=overwrite)
    assert [] == driver.calls
    _is_clean(folder)


def test_missing_directory_is_reported(container: Container, folder: Path) -> None:
    """Folders are not made up; the error names the path."""
    destination = folder / "missing" / "a"
    with pytest.raises(LocalFileNotFoundError) as caught:
        container.download_object("small", destination)
    assert str(destination) == caught.value.filename
    assert errno.ENOENT == caught.value.errno
    _is_clean(folder)


def test_path_below_a_file_is_rejected(container: Container, folder: Path) -> None:
    """A path below a file is refused."""
    (folder / "file").write_bytes(b"old")
    with pytest.raises(LocalFileError):
        container.download_object("small", folder / "file" / "a")
    assert ["file"] == _files(folder)


@pytest.mark.posix
def test_device_or_pipe_is_rejected_as_destination(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """What is not a regular file is not replaced by one."""
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidOptionError, match="not a regular file"):
        container.download_object("small", folder / "pipe", overwrite=True)
    with pytest.raises(LocalFileExistsError):
        container.download_object("small", folder / "pipe")
    assert [] == driver.calls
    assert (folder / "pipe").is_fifo()


@pytest.mark.parametrize("dangling", [True, False])
def test_symbolic_link_is_followed(container: Container, folder: Path, dangling: bool) -> None:
    """The link stays a link; the file that it names gets the content."""
    if not dangling:
        (folder / "real").write_bytes(b"old")
    (folder / "link").symlink_to("real")
    container.download_object("small", folder / "link", overwrite=True)
    assert (folder / "link").is_symlink()
    assert SMALL == (folder / "real").read_bytes()
    with pytest.raises(LocalFileExistsError):
        container.download_object("small", folder / "link")
    assert ["link", "real"] == _files(folder)


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Return what sets the umask until the test ends."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o027, 0o077])
@_BOTH
def test_mode_respects_the_umask(
    container: Container, folder: Path, umask: Callable[[int], int], mask: int, name: str
) -> None:
    """As with every new file; never wider."""
    umask(mask)
    container.download_object(name, folder / "a")
    assert 0o666 & ~mask == (folder / "a").stat().st_mode & 0o777


def test_relative_destination_is_in_the_working_directory(
    container: Container, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare name is a file in the working directory."""
    monkeypatch.chdir(folder)
    assert Path("a") == container.download_object("small", "a")
    assert SMALL == (folder / "a").read_bytes()


@pytest.mark.parametrize(
    "destination", [None, 5, b"a", object()], ids=["None", "int", "bytes", "object"]
)
def test_destination_that_is_not_a_path_is_rejected(
    driver: FaultyDriver, container: Container, destination: Any
) -> None:
    """A file object is not one; the message says what takes it instead."""
    with pytest.raises(InvalidTypeError, match="must be a path or a binary file"):
        container.download_object("small", destination)
    assert [] == driver.calls


@pytest.mark.posix
def test_full_disk_is_reported(
    driver: FaultyDriver, container: Container, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is of this side and has the system's number; nothing is left."""

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    for name in ("small", "large"):
        with pytest.raises(LocalFileError) as caught:
            container.download_object(name, folder / "a")
        assert errno.ENOSPC == caught.value.errno
    _is_clean(folder)


def test_destination_is_not_visible_before_the_end(
    driver: FaultyDriver, container: Container, folder: Path
) -> None:
    """During the download the file has another name, which begins with a dot."""
    seen: list[list[str]] = []
    container.download_object(
        "large", folder / "a", progress=lambda *_: seen.append(_files(folder))
    )
    assert len(seen) > 1
    for names in seen:
        (name,) = names
        assert name.startswith(".a.")


def test_handle_and_name_download_alike(container: Container, folder: Path) -> None:
    """A handle and a name download alike, from the container and from the object."""
    obj: Object = container.object("small")
    for number, path in enumerate(
        (container.download_object(obj, folder / "0"), obj.download(folder / "1"))
    ):
        assert str(number) == path.name
        assert SMALL == path.read_bytes()


def test_destination_name_of_255_bytes_is_accepted(container: Container, tmp_path: Path) -> None:
    """The temporary file's name must not exceed what the file system accepts."""
    name = "\U0001f600" * 62
    assert len(name.encode()) < 255
    (tmp_path / name).write_bytes(b"")
    path = container.download_object("small", tmp_path / name, overwrite=True)
    assert SMALL == path.read_bytes()


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "for reading"])
def test_file_that_cannot_be_written_is_refused(
    container: Container, tmp_path: Path, closed: bool
) -> None:
    """The error comes before the object is requested, which does not exist."""
    path = tmp_path / "a"
    path.touch()
    with path.open("wb" if closed else "rb") as file:
        if closed:
            file.close()
        with pytest.raises(InvalidOptionError, match="open for writing"):
            container.object("missing").download(file)


@pytest.mark.parametrize("count", [0, -1, len(SMALL) + 1, "all", None])
def test_file_that_returns_a_wrong_count_is_refused(container: Container, count: Any) -> None:
    """A raw file returns `None` if it would have to wait; no byte may be left out silently."""

    class Destination(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _data: Any, /) -> Any:
            return count

    with pytest.raises(InvalidTypeError, match="must return how many it has written"):
        container.object("small").download(Destination())


def test_exception_of_progress_is_not_wrapped(container: Container, tmp_path: Path) -> None:
    """A `BrokenPipeError` of the callback is not turned into an error of the destination."""

    def progress(done: int, total: int | None) -> None:
        raise BrokenPipeError("of the callback")

    with pytest.raises(BrokenPipeError) as caught:
        container.download_object("small", tmp_path / "a", progress=progress)
    assert not isinstance(caught.value, LocalFileError)


def test_link_loop_as_destination_is_refused(container: Container, tmp_path: Path) -> None:
    """A link to itself is not replaced by a file."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(LocalFileError):
        container.download_object("small", tmp_path / "loop", overwrite=True)
    assert (tmp_path / "loop").is_symlink()
