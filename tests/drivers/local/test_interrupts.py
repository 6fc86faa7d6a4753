"""A failed or interrupted upload leaves the tree unchanged, byte for byte."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from drivers.local.support import (
    TIMEOUT,
    Kept,
    has_extended_attributes,
    new_container,
    python_running,
    snapshot,
)

from libstore import Container, StorageError, StorageFullError, TransferOptions

_PARTS = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=3)

# Names that stand for a new object, one that is replaced, and one with directories to be made.
_NAMES = pytest.mark.parametrize("name", ["new", "old", "x/y/z"])
_AMOUNTS = pytest.mark.parametrize("size", [10, 5_500], ids=["put", "parts"])


class _GaveUpError(Exception):
    """What a producer raises."""


@pytest.fixture(params=["auto", "file"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Return where attributes are kept."""
    where: Kept = request.param
    return where


@pytest.fixture
def container(kept: Kept, tmp_path: Path) -> Container:
    """Return a container with an object "old"."""
    container = new_container(tmp_path / "root", attributes=kept, transfer=_PARTS)
    container.upload_object(b"old", "old", metadata={"k": "v"}, content_type="x/y")
    return container


@pytest.fixture(autouse=True)
def unchanged(tmp_path: Path, container: Container) -> Iterator[None]:
    """Compare the whole tree, side files and modes included, before and after each test."""
    before = snapshot(tmp_path)
    yield
    assert before == snapshot(tmp_path)
    assert [] == list(container.list_uploads())


def _chunks(size: int, last: Callable[[], None]) -> Iterator[bytes]:
    """Yield bytes, and do something in the place of the last ones."""
    for _ in range(size // 5):
        yield bytes(5)
    last()


def _raise_error() -> None:
    raise _GaveUpError


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


_STOPS = pytest.mark.parametrize(
    ("stop", "error"),
    [(_raise_error, _GaveUpError), (_interrupt, KeyboardInterrupt)],
    ids=["error", "Ctrl-C"],
)


@_NAMES
@_AMOUNTS
@_STOPS
def test_iterator_that_raises_publishes_nothing(
    container: Container, name: str, size: int, stop: Callable[[], None], error: type[Exception]
) -> None:
    """An iterator that raises publishes nothing and leaves nothing."""
    with pytest.raises(error):
        container.upload_object(_chunks(size, stop), name)


@_NAMES
@_AMOUNTS
@_STOPS
def test_file_object_that_raises_publishes_nothing(
    container: Container, name: str, size: int, stop: Callable[[], None], error: type[Exception]
) -> None:
    """A file object whose read() raises publishes nothing and leaves nothing."""

    class Broken:
        left = size

        def read(self, count: int = -1) -> bytes:
            if not self.left:
                stop()
            taken = min(self.left, count if count > 0 else self.left)
            self.left -= taken
            return bytes(taken)

    with pytest.raises(error):
        container.upload_object(cast("BinaryIO", Broken()), name)


@_NAMES
@_STOPS
def test_progress_callback_that_raises_stops_the_upload(
    container: Container, name: str, stop: Callable[[], None], error: type[Exception]
) -> None:
    """What a progress callback raises between two parts stops the upload."""
    with pytest.raises(error):
        container.upload_object(bytes(9_500), name, progress=lambda done, total: stop())


@_NAMES
@_AMOUNTS
@_STOPS
@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_exception_in_a_with_block_publishes_nothing(
    container: Container,
    name: str,
    size: int,
    stop: Callable[[], None],
    error: type[Exception],
    text: bool,
) -> None:
    """An exception inside of `with container.open()` publishes nothing and leaves nothing."""
    write = _write_text if text else _write_bytes
    with pytest.raises(error):
        write(container, name, size, stop)


def _write_text(container: Container, name: str, size: int, stop: Callable[[], None]) -> None:
    with container.open(name, "w") as file:
        file.write("x" * size)
        stop()


def _write_bytes(container: Container, name: str, size: int, stop: Callable[[], None]) -> None:
    with container.open(name, "wb") as file:
        file.write(bytes(size))
        stop()


def test_interrupted_copy_leaves_nothing(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the kernel copies leaves nothing."""
    source = container.get_object("old")
    real = os.copy_file_range

    def copy_and_interrupt(*arguments: Any) -> int:
        copied = real(*arguments)
        _interrupt()
        return copied

    monkeypatch.setattr(os, "copy_file_range", copy_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        source.copy(container, "x/y/copy")


def _fail(number: int) -> Callable[..., Any]:
    def failing(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return failing


# Which call fails, for how many bytes, and under which name.
_FAILURES = [
    *(("fsync", 10, "new"), ("fsync", 10, "x/y/z"), ("fsync", 5_500, "old")),
    *(("write", 10, "new"), ("write", 10, "old"), ("write", 10, "x/y/z")),
    *(("pwrite", 5_500, "new"), ("pwrite", 5_500, "old"), ("pwrite", 5_500, "x/y/z")),
    *(("mkdir", 10, "x/y/z"), ("mkdir", 5_500, "x/y/z")),
]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize(("call", "size", "name"), _FAILURES)
def test_failed_system_call_leaves_nothing(
    container: Container,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    size: int,
    name: str,
    number: int,
) -> None:
    """A failure of the system on the way is one of our errors, and leaves nothing."""
    monkeypatch.setattr(os, call, _fail(number))
    with pytest.raises(StorageError) as caught:
        container.upload_object(bytes(size), name)
    monkeypatch.undo()
    assert isinstance(caught.value, StorageFullError) == (number == errno.ENOSPC)
    assert ("c", name) == (caught.value.container, caught.value.object)


@_NAMES
@_AMOUNTS
def test_failed_rename_leaves_nothing(
    container: Container, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    """A file that cannot get its name leaves nothing, the directories made for it neither."""
    monkeypatch.setattr(os, "replace", _fail(errno.EIO))
    with pytest.raises(StorageError):
        container.upload_object(bytes(size), name)
    monkeypatch.undo()


@_NAMES
@_AMOUNTS
@pytest.mark.parametrize("kept", ["auto"], indirect=True)
def test_object_without_room_for_attributes_is_not_stored(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    """An object whose attributes find no space is not stored without them."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    monkeypatch.setattr(os, "setxattr", _fail(errno.EDQUOT))
    with pytest.raises(StorageFullError):
        container.upload_object(bytes(size), name, metadata={"k": "v"})
    monkeypatch.undo()


@_AMOUNTS
def test_failed_sync_of_a_directory_keeps_the_object(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Where only the name could not be synced, the object is whole, and nothing else is left."""
    real = os.fsync

    def failing(descriptor: int) -> None:
        if (tmp_path / "root" / "c" / "new").exists():
            _fail(errno.EIO)()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError):
        container.upload_object(bytes(size), "new")
    monkeypatch.undo()
    assert container.read_object("new") == bytes(size)
    container.delete_object("new")


_UPLOADER = """
import signal, sys
from libstore import TransferOptions, get_driver
# Where the tests run in the background of a shell, the signal is ignored otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
driver = get_driver("local")(sys.argv[1], attributes=sys.argv[2])
driver.transfer = TransferOptions(part_size=100_000, multipart_threshold=100_000, concurrency=3)
def report(done, total):
    print(done, flush=True)
def chunks():
    while True:
        yield bytes(50_000)
try:
    driver.upload_object(chunks(), "c", sys.argv[3], progress=report)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@_NAMES
def test_interrupted_process_leaves_nothing(tmp_path: Path, kept: Kept, name: str) -> None:
    """Ctrl-C in the middle of a large upload of another process leaves nothing."""
    with python_running(_UPLOADER, tmp_path / "root", kept, name) as process:
        assert process.stdout is not None
        for _ in range(5):
            assert process.stdout.readline().strip().isdigit()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=TIMEOUT)
    assert b"interrupted" == printed.split()[-1]
    assert 0 == process.returncode
