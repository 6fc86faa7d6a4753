"""Upload sources of all kinds, behind one interface that reads the next bytes."""

from __future__ import annotations

import io
import operator
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Coroutine, Iterable, Iterator
from pickle import PickleBuffer
from typing import Any, BinaryIO, TypeAlias, Union

from typing_extensions import Buffer, override

from ..arguments import shorten
from ..buffers import GrowingBuffer
from ..errors import IntegrityError, InvalidOptionError, InvalidTypeError
from ..values import MiB
from .local_files import local_errors, read_at

#: A path, the content itself, a binary file object or an iterable of bytes.
UploadSource: TypeAlias = Union[str, "os.PathLike[str]", Buffer, BinaryIO, Iterable[Buffer]]

_ACCEPTED = (
    "a path (str or PathLike), bytes or another buffer, a binary file object or an iterable of"
    " bytes"
)


_END = object()
_FAILED = object()
_BLOCKS = "iter(lambda: source.read(1048576), b'')"
_WRITE_BLOCKS = (
    "write each block that you receive to a file: with container.open(name, 'wb') as file"
)
_NON_BLOCKING = (
    "the source is a file in non-blocking mode; call os.set_blocking(file.fileno(), True) first"
)
_DECOMPRESSORS = (
    ("bz2", "BZ2File"),
    ("gzip", "GzipFile"),
    ("lzma", "LZMAFile"),
    ("zipfile", "ZipExtFile"),
)
# The number of bytes that a response still expects, by module, class and attribute.
_RESPONSES = (
    ("http.client", "HTTPResponse", "length"),
    ("urllib3.response", "HTTPResponse", "length_remaining"),
)
# It also explains the error to users who passed content as a str.
_ROLE = "upload source (a path; pass content as bytes)"


class Source(ABC):
    """
    The content of an upload, which is read once, in order.

    Attributes:
        size: The number of bytes, if it is known in advance.
    """

    size: int | None = None

    @abstractmethod
    def take(self, size: int) -> memoryview:
        """Read the next `size` bytes; fewer only at the end."""

    def descriptor(self) -> int | None:
        """Return the descriptor of a file that has exactly this content, if there is one."""
        return None

    def close(self) -> None:
        """Close the file of a path; a file object of the user stays open."""
        return


def open_source(source: object) -> Source:
    """
    Return a `Source` for anything that can be uploaded.

    Raises:
        InvalidTypeError: The type of the source is not supported.
        LocalFileError: The source is a path that cannot be opened.
    """
    view = bytes_view(source)
    if view is not None:
        return _BufferSource(view)
    if isinstance(source, (str, os.PathLike)):
        return _PathSource(os.fsdecode(source))
    if isinstance(source, io.TextIOBase):
        raise InvalidTypeError(
            "the source is a text file; open it in binary mode ('rb'), or upload its 'buffer'"
        )
    if _attribute(source, "read") is not None or _attribute(source, "readinto") is not None:
        if _attribute(source, "is_prefix") is False:
            raise InvalidTypeError(
                "the source is the handle of an object; copy the object with obj.copy(...), or"
                " pass its bytes, obj.stream()"
            )
        return _FileSource(source)
    if isinstance(source, Iterable):
        return _IterableSource(source)
    if isinstance(source, AsyncIterable):
        raise InvalidTypeError(f"the source is asynchronous; {_WRITE_BLOCKS}")
    raise InvalidTypeError(f"the source must be {_ACCEPTED}, not {type(source).__name__}")


_EMPTY = memoryview(b"")


class _BufferSource(Source):
    def __init__(self, view: memoryview) -> None:
        self._left = view
        self.size = view.nbytes

    @override
    def take(self, size: int) -> memoryview:
        taken = self._left
        if size >= taken.nbytes:
            self._left = _EMPTY
            return taken
        self._left = taken[size:]
        return taken[:size]


class _FilledSource(Source):
    """A source that is read into a new buffer."""

    _taken = 0

    @abstractmethod
    def _fill(self, view: memoryview) -> int:
        """Read the next bytes into the view and return how many; 0 at the end."""

    @override
    def take(self, size: int) -> memoryview:
        if self.size is not None:
            size = min(size, self.size - self._taken)
        buffer = GrowingBuffer(size)
        buffer.fill(self._fill)
        self._taken += buffer.size
        if self.size is not None and buffer.size < size:
            raise IntegrityError(
                f"the source became shorter during the upload: it had {self.size} bytes, but only"
                f" {self._taken} could be read"
            )
        if self._taken == self.size:
            self._check_end()
        return memoryview(buffer.take())

    def _check_end(self) -> None:
        """Raise an error if the source has more bytes than it reported, and has not grown."""


class _FileSource(_FilledSource):
    def __init__(self, file: Any) -> None:
        if _attribute(file, "closed"):
            raise InvalidOptionError("the source is a closed file; open it again")
        if _call(file, "readable") in (False, 0):
            raise InvalidOptionError("the source is a file opened for writing; open it with 'rb'")
        self._file = file
        self._readinto = _attribute(file, "readinto")
        measured = _measure(file)
        if measured is not None:
            start, self._stop = measured
            self.size = self._stop - start

    @override
    def _fill(self, view: memoryview) -> int:
        count = self._fill_some(view)
        if not count:
            _check_complete(self._file)
        return count

    def _fill_some(self, view: memoryview) -> int:
        if self._readinto is None:
            return self._read(view)
        try:
            found = self._readinto(view)
        except (AttributeError, NotImplementedError, io.UnsupportedOperation):
            # A wrapper may have a method that the wrapped file lacks.
            if self._taken or _attribute(self._file, "read") is None:
                raise
            self._readinto = None
            return self._read(view)
        if found is None:
            raise InvalidTypeError(_NON_BLOCKING)
        count = _index(found)
        if count is None or count > view.nbytes:
            raise InvalidTypeError(
                f"readinto() of the source returned {found!r} for a buffer of {view.nbytes} bytes;"
                " it must return the number of bytes that it read"
            )
        return count

    def _read(self, view: memoryview) -> int:
        block = self._file.read(min(view.nbytes, MiB))
        if block is None:
            raise InvalidTypeError(_NON_BLOCKING)
        if isinstance(block, Coroutine):
            block.close()
            raise InvalidTypeError(
                "the source is an asynchronous file; pass the synchronous one that it wraps, such"
                f" as UploadFile.file, or {_WRITE_BLOCKS}"
            )
        found = bytes_view(block)
        if found is None:
            raise InvalidTypeError(
                f"read() of the source must return bytes, not {type(block).__name__}; open a file"
                " in binary mode ('rb')"
            )
        with found:
            if found.nbytes > view.nbytes:
                raise InvalidTypeError("read(n) of the source returned more than n bytes")
            view[: found.nbytes] = found
            return found.nbytes

    @override
    def _check_end(self) -> None:
        if not self._fill_some(memoryview(bytearray(1))):
            return
        # If the file has grown meanwhile, its first part is a valid upload.
        _call(self._file, "seek", self._stop)
        start, stop = _measure(self._file) or (0, 0)
        if start == stop:
            raise IntegrityError(
                f"the source reports a size of {self.size} bytes but has more; upload its blocks"
                f" instead: {_BLOCKS}"
            )


class _PathSource(_FileSource):
    def __init__(self, path: str) -> None:
        if "\0" in path:
            raise InvalidOptionError(
                f"{_ROLE} {shorten(path)} contains a NUL character; no file name can"
            )
        self._path = path
        with local_errors(self._path, _ROLE):
            handle = open(self._path, "rb", buffering=0)
        self._handle = handle
        super().__init__(handle)
        self.size = self._reliable_size()

    def _reliable_size(self) -> int | None:
        """Return the file's size, if the file system reports it correctly."""
        descriptor = self._handle.fileno()
        with local_errors(self._path, _ROLE):
            status = os.fstat(descriptor)
            # Pipes, devices and files in /proc report another size than they have.
            if not stat.S_ISREG(status.st_mode) or not status.st_size:
                return None
            # This also applies to files in /sys and in some file systems in user space.
            end = read_at(descriptor, 2, status.st_size - 1)
            changed = os.fstat(descriptor).st_size != status.st_size
        return status.st_size if len(end) == 1 or changed else None

    @override
    def _fill(self, view: memoryview) -> int:
        with local_errors(self._path, _ROLE):
            return super()._fill(view)

    @override
    def _check_end(self) -> None:
        """Do nothing: the size was checked when the file was opened, and a file may grow."""

    @override
    def descriptor(self) -> int | None:
        return None if self.size is None else self._handle.fileno()

    @override
    def close(self) -> None:
        self._handle.close()


class _IterableSource(_FilledSource):
    def __init__(self, blocks: Iterable[object]) -> None:
        self._blocks: Iterator[object] = iter(blocks)
        self._kind = type(blocks).__name__
        self._left = memoryview(b"")

    @override
    def _fill(self, view: memoryview) -> int:
        while not self._left.nbytes:
            block = next(self._blocks, _END)
            if block is _END:
                return 0
            found = bytes_view(block)
            if found is None:
                raise InvalidTypeError(
                    f"the source must be {_ACCEPTED}; a {self._kind} yields {type(block).__name__}"
                )
            self._left = found
        count = min(len(view), self._left.nbytes)
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def bytes_view(value: Any) -> memoryview | None:
    """Return a one-dimensional view of a buffer's bytes; `None` if the value is not a buffer."""
    if isinstance(value, (bytes, bytearray)):
        return memoryview(value)
    try:
        view = memoryview(value)
    except TypeError:
        return None
    except (ValueError, BufferError):  # a NumPy array of dates, or a released view
        raise InvalidTypeError(
            f"the buffer, a {type(value).__name__}, cannot be read as bytes; pass a bytes object"
        ) from None
    if not view.c_contiguous:
        raise InvalidTypeError("the buffer is not contiguous; pass a contiguous copy")
    if view.format == "B" and view.ndim == 1:
        return view
    if "O" in (view.format or ""):
        raise InvalidTypeError("the buffer contains Python objects; pass their bytes")
    if not view.nbytes:
        return memoryview(b"")
    try:
        return view.cast("B")
    except (TypeError, ValueError):  # cast() supports native formats of one item only
        pass
    # A memoryview of a memoryview crashes CPython when both are collected as garbage.
    return memoryview(bytes(view)) if type(value) is memoryview else PickleBuffer(value).raw()


def _attribute(file: Any, name: str) -> Any:
    """Return an attribute; `None` if it is missing or raises an exception."""
    try:
        return getattr(file, name, None)
    except Exception:
        return None


def _call(file: Any, method: str, *arguments: object) -> Any:
    """Call a method; return `_FAILED` if it raises an exception."""
    try:
        return getattr(file, method)(*arguments)
    except Exception:
        return _FAILED


def _measure(file: Any) -> tuple[int, int] | None:
    """
    Return a file's position and that of its end, if it can seek.

    Files that cannot seek may raise any exception, which is ignored while their position is
    unchanged.

    Raises:
        InvalidOptionError: The file could not be moved back.
    """
    if _decompresses(file) or _call(file, "seekable") in (False, None, _FAILED):
        return None
    position = _index(_call(file, "tell"))
    # A file that cannot seek to its own position could not be moved back from its end either.
    if position is None or _call(file, "seek", position) is _FAILED:
        return None
    end = _call(file, "seek", 0, os.SEEK_END)
    if end is not _FAILED and _index(end) is None:
        end = _call(file, "tell")
    _call(file, "seek", position)
    if _index(_call(file, "tell")) != position:
        raise InvalidOptionError(
            "the source was moved to its end to find out its size, and could not be moved back to"
            f" {position}; upload its blocks instead: {_BLOCKS}"
        )
    stop = _index(end)
    return None if stop is None else (position, max(position, stop))


def _index(value: Any) -> int | None:
    """Convert a position or a number of bytes to an int; `None` if it is invalid."""
    try:
        number = operator.index(value)
    except TypeError:
        return None
    return number if number >= 0 else None


def _decompresses(file: Any) -> bool:
    """
    Return whether a file decompresses, and so must be read to its end to find out its size.

    Such files report that they can seek even if they read from a pipe or a connection.
    """
    while isinstance(file, (io.BufferedReader, io.BufferedRandom)):
        file = file.raw
    return any(_is_instance(file, *kind) for kind in _DECOMPRESSORS)


def _check_complete(file: Any) -> None:
    """Raise an error if a file is an HTTP response that ended early, which not all report."""
    for module, kind, attribute in _RESPONSES:
        if _is_instance(file, module, kind):
            left = _index(_attribute(file, attribute))
            if left:
                raise IntegrityError(
                    f"the source is an HTTP response that ended {left} bytes early; request it"
                    " again"
                )


def _is_instance(value: object, module: str, name: str) -> bool:
    """Return whether a value is an instance of a class, without importing its module."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))
