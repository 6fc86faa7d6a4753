"""What a user may upload, brought to one form: something that gives the next bytes."""

from __future__ import annotations

import io
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, TypeAlias, Union

from typing_extensions import Buffer, override

from ..checks import shorten
from ..errors import IntegrityError, InvalidOptionError, InvalidTypeError
from ..values import MiB
from .localfile import local_errors

#: A path, the content itself, a binary file object or an iterable of bytes.
UploadSource: TypeAlias = Union[str, "os.PathLike[str]", Buffer, BinaryIO, Iterable[Buffer]]

_ACCEPTED = (
    "a path (str or PathLike), bytes or another buffer, a binary file object or an iterable of"
    " bytes"
)


_END = object()
# Somebody who gave a text for content learns here what a str is.
_ROLE = "the upload source (a path; content is given as bytes)"


class Source(ABC):
    """
    Bytes that are read once, in order.

    Attributes:
        size: Bytes in all, if that is known beforehand.
    """

    size: int | None = None

    @abstractmethod
    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes; fewer only at the end."""

    def descriptor(self) -> int | None:
        """Return the file that holds exactly this content from its beginning, if there is one."""
        return None

    def close(self) -> None:
        """Close what was opened here; what the user opened stays open."""
        return


def open_source(source: object) -> Source:
    """
    Return the content that `source` stands for.

    Raises:
        InvalidTypeError: It is nothing that can be uploaded.
        LocalFileError: It is a path that cannot be opened.
    """
    if isinstance(source, (str, os.PathLike)):
        return _PathSource(os.fsdecode(source))
    if isinstance(source, io.TextIOBase):
        raise InvalidTypeError(
            "the source is a text file; open it in binary mode ('rb'), or upload its .buffer"
        )
    view = bytes_view(source)
    if view is not None:
        return _BufferSource(view)
    if hasattr(source, "read"):
        return _FileSource(source)
    if isinstance(source, Iterable):
        return _IterableSource(source)
    raise InvalidTypeError(f"the source must be {_ACCEPTED}, not {type(source).__name__}")


class _BufferSource(Source):
    def __init__(self, view: memoryview) -> None:
        self._left = view
        self.size = view.nbytes

    @override
    def take(self, size: int) -> memoryview:
        taken, self._left = self._left[:size], self._left[size:]
        return taken


class _FilledSource(Source):
    """A source that fills a buffer of ours."""

    _taken = 0

    @abstractmethod
    def _fill(self, view: memoryview) -> int:
        """Put the next bytes into the view and return how many; 0 at the end."""

    @override
    def take(self, size: int) -> memoryview:
        if self.size is not None:
            size = min(size, self.size - self._taken)
        view = memoryview(bytearray(size))
        filled = 0
        while filled < size:
            count = self._fill(view[filled:])
            if not count:
                break
            filled += count
        self._taken += filled
        if self.size is not None and filled < size:
            raise IntegrityError(
                f"the source became shorter while it was uploaded: {self.size} bytes were there"
                f" at first, {self._taken} came"
            )
        return view[:filled]


class _FileSource(_FilledSource):
    def __init__(self, file: Any) -> None:
        if getattr(file, "closed", False):
            raise InvalidOptionError("the source is a closed file; open it again")
        if hasattr(file, "readable") and not file.readable():
            raise InvalidOptionError("the source is a file opened for writing; open it with 'rb'")
        self._file = file
        self._readinto = getattr(file, "readinto", None)
        self.size = _remaining(file)

    @override
    def _fill(self, view: memoryview) -> int:
        if self._readinto is not None:
            count = self._readinto(view)
            if count is None:
                raise InvalidTypeError("the source is a file in non-blocking mode")
            return int(count)
        block = _bytes_of(self._file.read(min(len(view), MiB)), "the source's read()")
        if block.nbytes > len(view):
            raise InvalidTypeError("the source's read(n) returned more than n bytes")
        view[: block.nbytes] = block
        return block.nbytes


class _PathSource(_FileSource):
    def __init__(self, path: str) -> None:
        if "\0" in path:
            raise InvalidOptionError(f"no file can be called {shorten(path)}: it has a NUL")
        self._path = path
        with local_errors(self._path, _ROLE):
            handle = open(self._path, "rb", buffering=0)
        self._handle = handle
        super().__init__(handle)
        status = os.fstat(handle.fileno())
        # The size of a pipe, a device or a file of /proc says nothing of what it will give.
        regular = stat.S_ISREG(status.st_mode) and status.st_size > 0
        self.size = status.st_size if regular else None

    @override
    def _fill(self, view: memoryview) -> int:
        with local_errors(self._path, _ROLE):
            return super()._fill(view)

    @override
    def descriptor(self) -> int | None:
        return None if self.size is None else self._handle.fileno()

    @override
    def close(self) -> None:
        self._handle.close()


class _IterableSource(_FilledSource):
    def __init__(self, blocks: Iterable[object]) -> None:
        self._blocks: Iterator[object] = iter(blocks)
        self._left = memoryview(b"")

    @override
    def _fill(self, view: memoryview) -> int:
        while not self._left.nbytes:
            block = next(self._blocks, _END)
            if block is _END:
                return 0
            self._left = _bytes_of(block, "the source")
        count = min(len(view), self._left.nbytes)
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def bytes_view(value: Any) -> memoryview | None:
    """Return a flat view of a buffer's bytes; `None` if the value is no buffer."""
    try:
        view = memoryview(value)
    except TypeError:
        return None
    if not view.c_contiguous:
        raise InvalidTypeError("the buffer's bytes do not lie in a row; upload a contiguous copy")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _bytes_of(value: object, what: str) -> memoryview:
    view = bytes_view(value)
    if view is None:
        raise InvalidTypeError(
            f"{what} must give bytes, not {type(value).__name__};"
            " a file has to be opened in binary mode ('rb')"
        )
    return view


def _remaining(file: Any) -> int | None:
    """Return how many bytes a file has behind its position, if it can tell."""
    try:
        if not file.seekable():
            return None
        position = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(position)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return max(0, end - position) if isinstance(end, int) else None
