"""Every kind of thing that can be uploaded."""

from __future__ import annotations

import array
import ctypes
import gzip
import io
import mmap
import os
import socket
import tempfile
import threading
from collections import UserString, deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from faulty import FaultyDriver, OnePutDriver, small_parts
from hypothesis import given
from hypothesis import strategies as st

from libstore import (
    Container,
    IntegrityError,
    InvalidOptionError,
    InvalidTypeError,
    LocalFileError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
)
from libstore.transfer.sources import bytes_view, open_source

PART = 10_000
CONTENT = bytes(range(251)) * 100  # 2.51 parts


class _Structure(ctypes.Structure):
    _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_double))


class _OnlyRead:
    """A file object of another library: it has read() and nothing else."""

    def __init__(self, content: bytes, most: int | None = None) -> None:
        self._file = io.BytesIO(content)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size if self._most is None else min(size, self._most))


class _Short(io.RawIOBase):
    """A raw file that gives a few bytes at a time, and cannot seek."""

    def __init__(self, content: bytes, most: int) -> None:
        self._file = io.BytesIO(content)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(memoryview(buffer)[: self._most])


class _PathLike:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.fixture(params=[FaultyDriver, OnePutDriver], ids=["parts", "one put"])
def container(request: pytest.FixtureRequest) -> Container:
    """Return a container of a driver that takes parts, and of one that does not."""
    driver = request.param(transfer=small_parts(part_size=PART))
    return driver.create_container("c")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with the content."""
    path = tmp_path / "content.bin"
    path.write_bytes(CONTENT)
    return path


def _from(content: bytes, position: int) -> io.BytesIO:
    file = io.BytesIO(content)
    file.seek(position)
    return file


_BUFFERS: dict[str, Callable[[], Any]] = {
    "bytes": lambda: CONTENT,
    "bytearray": lambda: bytearray(CONTENT),
    "memoryview": lambda: memoryview(CONTENT),
    "memoryview of doubles": lambda: memoryview(CONTENT[:25096]).cast("d"),
    "memoryview of two dimensions": lambda: memoryview(CONTENT).cast("B", (251, 100)),
    "array of shorts": lambda: array.array("h", CONTENT),
    "ctypes array": lambda: (ctypes.c_char * len(CONTENT)).from_buffer_copy(CONTENT),
    "ctypes structure": lambda: _Structure(1, 2.5),
    "memoryview of a structure": lambda: memoryview(_Structure(1, 2.5)),
    "slice of a memoryview": lambda: memoryview(b"xx" + CONTENT + b"yy")[2:-2],
}

_STREAMS: dict[str, Callable[[], Any]] = {
    "BytesIO": lambda: io.BytesIO(CONTENT),
    "BytesIO from a position": lambda: _from(b"12345" + CONTENT, 5),
    "BufferedReader": lambda: io.BufferedReader(io.BytesIO(CONTENT)),
    "read() only": lambda: _OnlyRead(CONTENT),
    "read() that returns less": lambda: _OnlyRead(CONTENT, 777),
    "raw file that returns less": lambda: _Short(CONTENT, 777),
    "gzip file": lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(CONTENT))),
    "list of bytes": lambda: [CONTENT[:9], CONTENT[9:]],
    "tuple of buffers": lambda: (bytearray(CONTENT[:9]), memoryview(CONTENT)[9:]),
    "deque": lambda: deque([CONTENT]),
    "generator": lambda: (CONTENT[start : start + 97] for start in range(0, len(CONTENT), 97)),
    "iterator of one": lambda: iter([CONTENT]),
    "iterator with empty blocks": lambda: iter([b"", CONTENT[:5], b"", b"", CONTENT[5:], b""]),
    "iterator of single bytes": lambda: (bytes([byte]) for byte in CONTENT),
}


@pytest.mark.parametrize("kind", _BUFFERS)
def test_buffer_is_uploaded(container: Container, kind: str) -> None:
    """Any buffer is taken as its bytes, whatever its items and its shape."""
    source = _BUFFERS[kind]()
    expected = bytes(memoryview(source))
    obj = container.upload_object(source, "a")
    assert expected == obj.read()
    assert len(expected) == obj.size


@pytest.mark.parametrize("kind", _BUFFERS)
def test_view_of_a_buffer_is_not_a_view_of_a_view(kind: str) -> None:
    """CPython crashes when it collects a view of another view as garbage."""
    view = bytes_view(_BUFFERS[kind]())
    assert view is not None
    assert not isinstance(view.obj, memoryview)


@pytest.mark.parametrize("kind", _STREAMS)
def test_stream_is_read_to_its_end(container: Container, kind: str) -> None:
    """Any file object and any iterable of bytes, however little it gives at a time."""
    obj = container.upload_object(_STREAMS[kind](), "a")
    assert CONTENT == obj.read()


@pytest.mark.parametrize("make", [str, Path, _PathLike], ids=["str", "Path", "PathLike"])
def test_path_is_read(container: Container, path: Path, make: Callable[[Path], Any]) -> None:
    """A str is a path; so is whatever says that it is one."""
    assert CONTENT == container.upload_object(make(path), "a").read()


def test_relative_path_is_read(
    container: Container, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are relative to the working directory, as everywhere."""
    monkeypatch.chdir(path.parent)
    assert CONTENT == container.upload_object(path.name, "a").read()


def _buffered(path: Path) -> BinaryIO:
    return path.open("rb")


def _raw(path: Path) -> Any:
    return path.open("rb", buffering=0)


def _writable(path: Path) -> Any:
    return path.open("r+b")


def _temporary(path: Path) -> Any:
    file = tempfile.TemporaryFile()
    file.write(path.read_bytes())
    file.seek(0)
    return file


def _spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=100)
    file.write(path.read_bytes())
    file.seek(0)
    return file


@pytest.mark.parametrize("opened", [_buffered, _raw, _writable, _temporary, _spooled])
@pytest.mark.parametrize("position", [0, 5, 20_000, len(CONTENT), len(CONTENT) + 10])
def test_file_is_read_from_its_position_and_left_open(
    container: Container, path: Path, opened: Callable[[Path], Any], position: int
) -> None:
    """What lies before the position stays out; afterwards the file is open, at its end."""
    with opened(path) as file:
        file.seek(position)
        obj = container.upload_object(file, "a")
        assert CONTENT[position:] == obj.read()
        assert not file.closed
        assert max(position, len(CONTENT)) == file.tell()
        file.seek(0)
        assert CONTENT[:3] == file.read(3)


def test_second_upload_of_a_file_is_empty(container: Container) -> None:
    """An upload takes no byte more than it stores: a second one has nothing left to read."""
    file = io.BytesIO(CONTENT)
    assert len(CONTENT) == container.upload_object(file, "a").size
    assert 0 == container.upload_object(file, "b").size


def test_mapped_file_is_a_buffer(container: Container, path: Path) -> None:
    """A mapping is the content as a whole, and can be closed afterwards."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert CONTENT == container.upload_object(mapped, "a").read()


def test_bytearray_can_be_resized_after_an_upload(container: Container) -> None:
    """An upload holds no buffer of the user's when it is over."""
    source = bytearray(CONTENT)
    container.upload_object(source, "a")
    source.clear()
    assert CONTENT == container.read_object("a")


@pytest.mark.parametrize("size", [0, 1, PART, len(CONTENT)])
def test_pipe_is_read(container: Container, size: int) -> None:
    """A descriptor that cannot seek gives what is written into it."""
    reading, writing = os.pipe()
    threading.Thread(target=_write_and_close, args=(writing, CONTENT[:size])).start()
    with open(reading, "rb", buffering=0) as file:
        assert CONTENT[:size] == container.upload_object(file, "a").read()


def test_buffered_pipe_is_read(container: Container) -> None:
    """What the buffer has read already is part of the content."""
    reading, writing = os.pipe()
    threading.Thread(target=_write_and_close, args=(writing, b"head" + CONTENT)).start()
    with open(reading, "rb") as file:
        assert b"head" == file.read(4)
        assert CONTENT == container.upload_object(file, "a").read()


def test_socket_is_read(container: Container) -> None:
    """Content from a connection arrives whole, in however many pieces."""
    own, theirs = socket.socketpair()
    thread = threading.Thread(target=lambda: (theirs.sendall(CONTENT), theirs.close()))
    thread.start()
    with own, own.makefile("rb") as file:
        assert CONTENT == container.upload_object(file, "a").read()
    thread.join()


def _write_and_close(descriptor: int, content: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(content)


@pytest.mark.posix
def test_named_pipe_is_read(container: Container, tmp_path: Path) -> None:
    """The path of a pipe gives what is written into it, though its size is 0."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(CONTENT,))
    thread.start()
    assert CONTENT == container.upload_object(pipe, "a").read()
    thread.join()


def test_file_that_reports_no_size_is_read(container: Container) -> None:
    """A file of /proc says that it has 0 bytes, and has some."""
    if not os.path.exists("/proc/version"):
        pytest.skip("the system has no /proc")
    obj = container.upload_object("/proc/version", "a")
    assert Path("/proc/version").read_bytes() == obj.read() != b""


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "BytesIO", "list", "generator", "path"])
def test_empty_source_makes_an_empty_object(
    container: Container, tmp_path: Path, kind: str
) -> None:
    """An empty source makes an empty object, with one request."""
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    sources: dict[str, Any] = {
        "bytes": b"",
        "bytearray": bytearray(),
        "BytesIO": io.BytesIO(),
        "list": [],
        "generator": (block for block in ()),
        "path": empty,
    }
    obj = container.upload_object(sources[kind], "a")
    assert 0 == obj.size
    assert b"" == obj.read()
    assert isinstance(container.driver, FaultyDriver)
    assert 1 == len(container.driver.requested("_put_object"))


@given(
    blocks=st.lists(st.binary(max_size=40), max_size=12),
    takes=st.lists(st.integers(1, 60), min_size=1),
)
def test_source_returns_as_many_bytes_as_requested(blocks: list[bytes], takes: list[int]) -> None:
    """A source gives exactly as many bytes as requested, until there are no more."""
    source = open_source(iter(blocks))
    whole = b"".join(blocks)
    taken = b""
    for size in takes:
        view = source.take(size)
        assert whole[len(taken) : len(taken) + size] == bytes(view)
        taken += bytes(view)


# ---------------------------------------------------------------------- files that change


class _Growing(io.BytesIO):
    """A file that grows while it is read."""

    def readinto(self, buffer: Any, /) -> int:
        position = self.tell()
        self.seek(0, os.SEEK_END)
        self.write(b"more" * 1000)
        self.seek(position)
        return super().readinto(buffer)


def test_growing_file_is_uploaded_with_its_first_size(container: Container) -> None:
    """Bytes that were added after the upload began stay out of it."""
    assert CONTENT == container.upload_object(_Growing(CONTENT), "a").read()


class _Shrinking(io.BytesIO):
    """A file that is truncated while it is read."""

    def readinto(self, buffer: Any, /) -> int:
        self.truncate(len(CONTENT) - 100)
        return super().readinto(buffer)


def test_shrinking_file_publishes_nothing(container: Container) -> None:
    """The error has both numbers of bytes."""
    with pytest.raises(IntegrityError, match=r"25100 bytes, but only 25000 could be read"):
        container.upload_object(_Shrinking(CONTENT), "a")
    assert not container.object_exists("a")


def test_shrinking_path_publishes_nothing(container: Container, path: Path) -> None:
    """A file that is cut between being opened and being sent is noticed."""
    driver = container.driver
    assert isinstance(driver, FaultyDriver)

    def cut(real: Callable[..., Any], *arguments: Any) -> Any:
        os.truncate(path, 5)
        return real(*arguments)

    for hook in ("_put_object", "_start_upload"):
        driver.around(hook, cut)
    with pytest.raises(IntegrityError, match="became shorter"):
        container.upload_object(path, "a")
    assert not container.object_exists("a")


# ---------------------------------------------------------------------- what is no source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "the source must be a path .* not NoneType"),
        (5, "not int"),
        (1.5, "not float"),
        (object(), "not object"),
        (["a"], "an iterable of bytes; a list yields str"),
        ({"a": 1}, "an iterable of bytes; a dict yields str"),
        ([1, 2], "a list yields int"),
        ([b"a" * 50_000, "b"], "a list yields str"),
        (io.StringIO("text"), "a text file; open it in binary mode"),
        (memoryview(b"abcdef")[::2], "contiguous copy"),
    ],
    ids=[
        "None",
        "int",
        "float",
        "object",
        "str",
        "dict",
        "ints",
        "late",
        "StringIO",
        "strided",
    ],
)
def test_unsupported_source_is_rejected(container: Container, source: Any, message: str) -> None:
    """The message says what was given and what would be right; nothing is published."""
    with pytest.raises(InvalidTypeError, match=message) as caught:
        container.upload_object(source, "a")
    assert "upload_object" == caught.value.operation
    assert not container.object_exists("a")
    if container.driver.supports("list_uploads"):
        assert [] == list(container.list_uploads())


def test_asynchronous_source_is_rejected(container: Container) -> None:
    """The coroutine of an asynchronous read() is closed, which causes no warning."""

    class Upload:
        async def read(self, size: int = -1) -> bytes:
            return b""

    async def blocks() -> AsyncIterator[bytes]:
        yield b""

    for source, message in ((Upload(), r"such as UploadFile\.file"), (blocks(), "asynchronous")):
        with pytest.raises(InvalidTypeError, match=message):
            container.upload_object(source, "a")  # type: ignore[arg-type]
    assert not container.object_exists("a")


def test_handle_is_no_source(container: Container) -> None:
    """Its read() is not that of a file."""
    obj = container.upload_object(CONTENT, "a")
    with pytest.raises(InvalidTypeError, match=r"handle of an object; copy the object"):
        container.upload_object(obj, "b")  # type: ignore[arg-type]
    assert CONTENT == container.upload_object(obj.stream(), "b").read()


def test_text_file_is_rejected(container: Container, path: Path) -> None:
    """A file that was opened as text would change the bytes."""
    with path.open(encoding="latin-1") as file:
        with pytest.raises(InvalidTypeError, match="'rb'"):
            container.upload_object(file, "a")
        assert CONTENT == container.upload_object(file.buffer, "a").read()


def test_file_object_that_returns_text_is_rejected(container: Container) -> None:
    """A file object whose read() returns text is found out at the first block."""

    class Disguised:
        def read(self, size: int = -1) -> str:
            return "text"

    with pytest.raises(
        InvalidTypeError, match=r"read\(\) of the source must return bytes, not str"
    ):
        container.upload_object(Disguised(), "a")
    with pytest.raises(InvalidTypeError):
        container.upload_object(UserString("text"), "a")


def test_read_that_returns_too_much_is_rejected(container: Container) -> None:
    """A file object that ignores the requested size is broken."""

    class Broken:
        def read(self, size: int = -1) -> bytes:
            return CONTENT

    with pytest.raises(InvalidTypeError, match="more than n bytes"):
        container.upload_object(Broken(), "a")


@pytest.mark.posix
def test_non_blocking_file_is_rejected(container: Container) -> None:
    """A file that has nothing yet is not taken for one that has ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as file, open(writing, "wb"):
        with pytest.raises(InvalidTypeError, match="non-blocking"):
            container.upload_object(file, "a")
    assert not container.object_exists("a")


def test_closed_or_write_only_file_is_rejected(container: Container, tmp_path: Path) -> None:
    """Such a file can give nothing, and the message says how to open it."""
    file = io.BytesIO(CONTENT)
    file.close()
    with pytest.raises(InvalidOptionError, match="closed file"):
        container.upload_object(file, "a")
    with (tmp_path / "out").open("wb") as out:
        with pytest.raises(InvalidOptionError, match="open it with 'rb'"):
            container.upload_object(out, "a")


def test_missing_path_is_reported(container: Container, tmp_path: Path) -> None:
    """The error is of this side, names the file, and is a FileNotFoundError."""
    missing = tmp_path / "missing.txt"
    with pytest.raises(LocalFileNotFoundError) as caught:
        container.upload_object(missing, "a")
    error = caught.value
    assert str(missing) == error.filename
    assert "upload_object" == error.operation
    assert str(missing) in str(error)
    with pytest.raises(FileNotFoundError):
        container.upload_object(tmp_path / "no" / "such", "a")


def test_directory_is_rejected(container: Container, tmp_path: Path) -> None:
    """A folder is not uploaded in one go."""
    with pytest.raises(LocalFileIsADirectoryError):
        container.upload_object(tmp_path, "a")
    with pytest.raises(IsADirectoryError):
        container.upload_object(str(tmp_path), "a")


def test_path_below_a_file_is_reported(container: Container, path: Path) -> None:
    """What is no directory has nothing in it."""
    with pytest.raises(LocalFileError):
        container.upload_object(path / "below", "a")


def test_file_of_a_path_is_closed(container: Container, path: Path) -> None:
    """A path's descriptor is given back, after success and after failure."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the system does not list a process's descriptors")
    before = len(os.listdir("/proc/self/fd"))
    container.upload_object(path, "a")
    with pytest.raises(IntegrityError):
        container.upload_object(path, "a", checksum="crc32:00000000")
    assert before == len(os.listdir("/proc/self/fd"))


def test_exception_of_the_source_is_raised(container: Container) -> None:
    """An exception of a file object or an iterator is raised unchanged, an OSError too."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any, /) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error") as caught:
        container.upload_object(Broken(), "a")
    assert OSError is type(caught.value)

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        container.upload_object(broken(), "a")
    assert not container.object_exists("a")


ARRAYS = {
    "floats": ("f8", (3, 2), "C"),
    "big-endian": (">f8", (3, 2), "C"),
    "complex": ("c16", (2,), "C"),
    "booleans": ("?", (7,), "C"),
    "text": ("U5", (4,), "C"),
    "structures": ([("a", "u1"), ("b", ">i4")], (5,), "C"),
    "one row in Fortran's order": ("f4", (1, 5), "F"),
    "no dimension": ("i8", (), "C"),
    "no items": ("f8", (0,), "C"),
    "no rows": ("f8", (0, 3), "C"),
    "no columns in Fortran's order": ("f8", (3, 0), "F"),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("writeable", [True, False])
def test_numpy_array_is_uploaded(kind: str, writeable: bool) -> None:
    numpy = pytest.importorskip("numpy")
    dtype, shape, order = ARRAYS[kind]
    array = numpy.zeros(shape, dtype, order)
    array.flags.writeable = writeable
    source = open_source(array)
    assert array.nbytes == source.size
    assert array.tobytes() == bytes(source.take(1_000))


@pytest.mark.parametrize(
    ("dtype", "shape", "order"),
    [("f8", (3, 2), "F"), ("O", (2,), "C"), ("M8[s]", (2,), "C"), ("m8[s]", (2,), "C")],
    ids=["Fortran's order", "objects", "dates", "durations"],
)
def test_numpy_array_without_a_buffer_is_rejected(
    dtype: str, shape: tuple[int, ...], order: str
) -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(InvalidTypeError):
        open_source(numpy.zeros(shape, dtype, order)).take(10)


def test_released_buffer_is_rejected() -> None:
    view = memoryview(b"content")
    view.release()
    with pytest.raises(InvalidTypeError):
        open_source(view)


def test_none_from_an_iterator_is_rejected(container: Container) -> None:
    """`None` between blocks is not the end; blocks after it must not be lost."""
    with pytest.raises(InvalidTypeError):
        container.upload_object(iter([b"a", None, b"b"]), "b")
