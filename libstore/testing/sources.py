"""Sources of uploads: what has bytes is accepted, and anything else is refused."""

from __future__ import annotations

import array
import ctypes
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    InvalidTypeError,
    LocalFileError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
)

from .base import CONTENT, Topic, noise


class _Dribbling:
    """A file that cannot seek, and returns at most 7 bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def seekable(self) -> bool:
        return False

    def read(self, size: int, /) -> bytes:
        taken, self._left = self._left[: min(size, 7)], self._left[min(size, 7) :]
        return taken

    def readinto(self, buffer: memoryview, /) -> int:
        taken = self.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)


class _OnlyReads:
    """An object with read() and no other method of a file."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)


def _generator(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 10):
        yield content[start : start + 10]


class _Pair(ctypes.Structure):
    _fields_ = (("first", ctypes.c_uint8), ("second", ctypes.c_uint16))


_BIG_ENDIAN = ctypes.c_uint32.__ctype_be__

_SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "a slice of a memoryview": lambda content: memoryview(b"xx" + content)[2:],
    "an array of wide items": lambda content: array.array("H", content + bytes(len(content) % 2)),
    "a two-dimensional buffer": lambda content: memoryview(content).cast("B", [5, 9]),
    "an array of C": lambda content: (ctypes.c_char * len(content)).from_buffer_copy(content),
    "numbers of another byte order": lambda content: (_BIG_ENDIAN * 9).from_buffer_copy(
        content[:36]
    ),
    "structures of C": lambda content: (_Pair * 9).from_buffer_copy(content[:36]),
    "a read-only buffer": lambda content: memoryview(bytearray(content)).toreadonly(),
    "a buffer without items": lambda content: array.array("d", content[:0]),
    "a buffer of no rows": lambda content: memoryview(content[:0]).cast("H"),
    "BytesIO": io.BytesIO,
    "a buffered file": lambda content: io.BufferedReader(io.BytesIO(content)),
    "a file that cannot seek": _Dribbling,
    "an object with read() alone": _OnlyReads,
    "a generator": _generator,
    "a list": lambda content: [content[:5], content[5:]],
    "a tuple of buffers": lambda content: (bytearray(content[:9]), memoryview(content)[9:]),
    "blocks of which some are empty": lambda content: [b"", content[:1], b"", content[1:], b""],
    "single bytes": lambda content: (content[n : n + 1] for n in range(len(content))),
}


class Sources(Topic):
    """Test the sources of upload_object."""

    @pytest.mark.parametrize("kind", _SOURCES)
    def test_any_source_of_bytes_can_be_uploaded(self, container: Container, kind: str) -> None:
        """Buffers, binary files and iterables of buffers are accepted."""
        source = _SOURCES[kind](CONTENT)
        buffer = isinstance(source, (array.array, memoryview, ctypes.Array))
        expected = memoryview(source).tobytes() if buffer else CONTENT
        assert expected == container.upload_object(source, "a").read()

    @pytest.mark.parametrize("make", [str, Path, os.fsencode], ids=["str", "Path", "fsencode"])
    def test_a_path_gives_the_content_of_its_file(
        self, container: Container, folder: Path, make: Callable[[Path], Any]
    ) -> None:
        """A str or a PathLike is a path; bytes are content, even if they look like a path."""
        path = folder / "source"
        path.write_bytes(CONTENT)
        source = make(path)
        expected = source if isinstance(source, bytes) else CONTENT
        assert expected == container.upload_object(source, "a").read()

    def test_an_empty_file_becomes_an_empty_object(
        self, container: Container, folder: Path
    ) -> None:
        """The path of an empty file is an object of 0 bytes."""
        path = folder / "empty"
        path.touch()
        assert 0 == container.upload_object(path, "a").size

    @pytest.mark.parametrize(
        "source",
        [(), [b""], iter(()), io.BytesIO()],
        ids=["no blocks", "an empty block", "an iterator", "a file"],
    )
    def test_a_source_without_bytes_becomes_an_empty_object(
        self, container: Container, source: Any
    ) -> None:
        """An empty source is an object of 0 bytes."""
        assert b"" == container.upload_object(source, "a").read()

    def test_a_file_is_read_from_its_position_and_left_open(self, container: Container) -> None:
        """A file object is read from its position to its end, and remains open."""
        source = io.BytesIO(CONTENT)
        source.seek(10)
        obj = container.upload_object(source, "a")
        assert CONTENT[10:] == obj.read()
        assert not source.closed
        assert len(CONTENT) == source.tell()

    def test_an_open_file_is_read_from_its_position(
        self, container: Container, folder: Path
    ) -> None:
        """The rule holds for files of the operating system."""
        path = folder / "source"
        path.write_bytes(CONTENT)
        source: BinaryIO
        with path.open("rb") as source:
            source.read(4)
            assert CONTENT[4:] == container.upload_object(source, "a").read()
            assert not source.closed

    def test_a_file_at_its_end_becomes_an_empty_object(self, container: Container) -> None:
        """A file that was read to its end has no bytes left."""
        source = io.BytesIO(CONTENT)
        source.read()
        assert 0 == container.upload_object(source, "a").size

    def test_a_pipe_is_read_to_its_end(self, container: Container) -> None:
        """A pipe has no known length."""
        read_end, write_end = os.pipe()
        with open(read_end, "rb") as source:
            with open(write_end, "wb") as sink:
                sink.write(CONTENT)
            assert CONTENT == container.upload_object(source, "a").read()

    def test_an_object_can_be_the_source_of_another(self, container: Container) -> None:
        """A file object or a stream of an object is a source."""
        obj = container.upload_object(CONTENT, "a")
        with obj.as_file() as source:
            assert CONTENT == container.upload_object(source, "b").read()
        assert CONTENT == container.upload_object(obj.stream(chunk_size=5), "c").read()

    @pytest.mark.parametrize("name", ["b", "a"])
    def test_a_large_object_can_be_the_source_of_another(
        self, container: Container, part_size: int, name: str
    ) -> None:
        """An object can be read while it, or another one, is written."""
        content = noise(2 * part_size + 5)
        obj = container.upload_object(content, "a")
        assert content == container.upload_object(obj.stream(), name).read()

    def test_a_buffer_of_python_objects_is_refused(self, container: Container) -> None:
        """Its bytes are addresses, not content."""
        source = (ctypes.py_object * 2)()
        with pytest.raises(InvalidTypeError):
            container.upload_object(source, "a")
        assert not container.object_exists("a")

    def test_a_buffer_that_is_not_contiguous_is_refused(self, container: Container) -> None:
        """It raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError, match="contiguous"):
            container.upload_object(memoryview(CONTENT)[::2], "a")
        assert not container.object_exists("a")

    @pytest.mark.parametrize("size", [5, 5_000], ids=["in memory", "on disk"])
    def test_a_spooled_file_of_text_is_refused(self, container: Container, size: int) -> None:
        """A temporary file in text mode has no bytes, in memory and on disk."""
        source: Any
        with tempfile.SpooledTemporaryFile(1_000, "w+") as source:
            source.write("x" * size)
            source.seek(0)
            with pytest.raises(InvalidTypeError):
                container.upload_object(source, "a")
        assert not container.object_exists("a")

    @pytest.mark.parametrize("count", [-1, 10**30, 1.5, "1"], ids=repr)
    def test_file_whose_readinto_returns_no_count_is_refused(
        self, container: Container, count: object
    ) -> None:
        """It raises InvalidTypeError."""
        source: Any = _OnlyReads(CONTENT)
        source.readinto = lambda _buffer: count
        with pytest.raises(InvalidTypeError):
            container.upload_object(source, "a")
        assert not container.object_exists("a")

    @pytest.mark.parametrize(
        "source",
        [None, 5, 1.5, object(), ["text"], [5], [b"bytes", "text"], io.StringIO("text")],
        ids=["None", "int", "float", "object", "str items", "int items", "mixed", "StringIO"],
    )
    def test_source_without_a_content_is_refused(self, container: Container, source: Any) -> None:
        """It raises InvalidTypeError, a TypeError, and nothing is stored."""
        with pytest.raises(InvalidTypeError) as caught:
            container.upload_object(source, "a")
        assert isinstance(caught.value, TypeError)
        assert [] == list(container.list_objects())

    def test_a_text_file_is_refused(self, container: Container, folder: Path) -> None:
        """A file in text mode has no bytes."""
        path = folder / "text"
        path.write_text("text")
        source: Any
        with path.open() as source:
            with pytest.raises(InvalidTypeError):
                container.upload_object(source, "a")
        assert not container.object_exists("a")

    def test_a_closed_file_is_refused(self, container: Container) -> None:
        """A closed file cannot be read."""
        source = io.BytesIO(CONTENT)
        source.close()
        with pytest.raises(InvalidOptionError):
            container.upload_object(source, "a")
        assert not container.object_exists("a")

    def test_a_file_that_cannot_be_read_is_refused(
        self, container: Container, folder: Path
    ) -> None:
        """A file opened for writing is not a source."""
        with (folder / "out").open("wb") as source, pytest.raises(InvalidOptionError):
            container.upload_object(source, "a")
        assert not container.object_exists("a")

    def test_a_missing_path_raises(self, container: Container, folder: Path) -> None:
        """It raises LocalFileNotFoundError, a FileNotFoundError."""
        path = folder / "missing"
        with pytest.raises(LocalFileNotFoundError) as caught:
            container.upload_object(path, "a")
        assert isinstance(caught.value, FileNotFoundError)
        assert str(path) == caught.value.filename
        assert not container.object_exists("a")

    def test_a_directory_raises(self, container: Container, folder: Path) -> None:
        """It raises LocalFileIsADirectoryError."""
        with pytest.raises(LocalFileIsADirectoryError) as caught:
            container.upload_object(folder, "a")
        assert isinstance(caught.value, LocalFileError)
        assert not container.object_exists("a")
