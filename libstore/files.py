"""
File objects that read and write objects; they are subclasses of the classes in `io`.

A reader sends no request until the first read, then fetches blocks that grow during sequential
reading. A writer uploads parts while they are written, or the whole at the end if it can seek, and
publishes the object on `close()`; if an exception leaves its ``with`` block, nothing is published.
"""

from __future__ import annotations

import atexit
import codecs
import io
import logging
import os
import sys
import tempfile
import threading
import warnings
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Generic,
    NamedTuple,
    NoReturn,
    SupportsIndex,
    TypeAlias,
)

from typing_extensions import Self, TypeVar, override

from .buffers import GrowingBuffer
from .errors import (
    InvalidOptionError,
    InvalidTypeError,
    ObjectChangedError,
    StorageError,
    TransferCancelledError,
)
from .transfer.digests import Digests, compare, verifiable
from .transfer.reading import Read
from .transfer.sources import Source, bytes_view, open_source
from .transfer.upload import Stored, Uploader
from .values import LARGEST, KiB, MiB, ObjectInfo, Span

Fetch: TypeAlias = Callable[[Span, "ObjectInfo | None"], Read]

#: The class of the handle in a file's attribute `object`; this layer does not know the handles.
HandleT = TypeVar("HandleT", default=Any)

_log = logging.getLogger("libstore")

_UNPUBLISHED = (
    "{!r} was never closed, so nothing was published; call close(), or open it in a 'with'"
    " statement"
)
_FIRST_BLOCK = 256 * KiB
_LARGEST_BLOCK = 8 * MiB
# The first block at a position that continues no other one.
_RANDOM_BLOCK = 64 * KiB
# The largest block while more than one part of an object is being read.
_SHARED_BLOCK = 2 * MiB
# How many blocks are kept; together they have at most the size of the largest one.
_MAX_BLOCKS = 16
#: The buffer size of the `io.BufferedReader` around a reader, which makes small reads fast.
BUFFER_SIZE = 128 * KiB


class _OpenFile:
    """What all files do in the same way: they refuse what needs more than this process has."""

    __slots__ = ()

    @override
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        # A copy of a writer would publish or abort the same upload.
        raise TypeError(
            f"cannot copy or pickle {self!r}, which is an open file; pickle the object or the"
            " container, and open the file again from that"
        )

    def fileno(self) -> int:
        """Raise `io.UnsupportedOperation`: there is no file descriptor."""
        raise io.UnsupportedOperation(
            "fileno: an object has no file descriptor; download() writes it to a local file"
        )


class _Block(NamedTuple):
    """
    Bytes of an object that were fetched.

    Attributes:
        run: The number of the first of the blocks that this one continues.
    """

    start: int
    stop: int
    data: bytes
    run: int


class ObjectReader(_OpenFile, io.RawIOBase):
    """
    A seekable, unbuffered file that reads an object.

    It keeps the blocks that were used last, of at most 8 MiB together. Blocks grow while the
    object is read in order, forwards or backwards, also at more than one place by turns.

    All reads are of one version of the object: if it is replaced meanwhile, the next read that
    sends a request raises `ObjectChangedError`. Reading sequentially from the beginning to the end
    verifies the content, as a download does.

    Args:
        fetch: Reads a span, of the version with the given attributes unless they are `None`.
        size: The object's size, if it is known. Otherwise the first block is fetched at once,
            which also checks that the object exists.
        etag: The ETag of the version that has this size.
        learn: Called with the object's attributes from the first response, and with the checksum
            that verified the content after all bytes were read in order.
    """

    mode = "rb"

    def __init__(
        self,
        fetch: Fetch,
        name: str,
        size: int | None = None,
        etag: str | None = None,
        learn: Callable[[ObjectInfo, str | None], None] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._fetch_span = fetch
        self._learn = learn
        self._size = size
        self._expected_etag = etag
        self._size_was_used = False
        self._info: ObjectInfo | None = None
        self._position = 0
        self._blocks: list[_Block] = []  # the one that was used last is at the end
        self._runs = 0
        self._digests: Digests | None = None
        self._checksums: dict[str, str] = {}
        if size is None:
            self._fetch(0)

    @property
    def size(self) -> int:
        """The object's size in bytes."""
        assert self._size is not None
        self._size_was_used = True
        return self._size

    @override
    def readable(self) -> bool:
        self._check_open()
        return True

    @override
    def seekable(self) -> bool:
        self._check_open()
        return True

    @override
    def tell(self) -> int:
        self._check_open()
        return self._position

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check_open()
        self._position = _sought(offset, whence, self._position, lambda: self.size)
        return self._position

    @override
    def readinto(self, buffer: Any, /) -> int:
        self._check_open()
        view = bytes_view(buffer)
        if view is None or (view.nbytes and view.readonly):
            raise InvalidTypeError(
                f"readinto() needs a writable buffer of bytes, not {type(buffer).__name__}"
            )
        with view:
            if not view.nbytes or self._at_end():
                return 0
            block = self._find_block() or self._fetch(self._position, view.nbytes)
            if self._at_end():
                return 0
            start = self._position - block.start
            count = min(view.nbytes, len(block.data) - start)
            view[:count] = memoryview(block.data)[start : start + count]
        self._position += count
        return count

    @override
    def close(self) -> None:
        self._blocks = []
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _at_end(self) -> bool:
        # A size that was passed in may be out of date; it counts once the caller has used it.
        final = self._info is not None or self._size_was_used
        return final and self._position >= self.size

    def _find_block(self) -> _Block | None:
        """Return the block with the position, which was then used last."""
        blocks = self._blocks
        for index in range(len(blocks) - 1, -1, -1):
            block = blocks[index]
            if block.start <= self._position < block.stop:
                blocks.append(blocks.pop(index))
                return block
        return None

    def _fetch(self, position: int, wanted: int = 0) -> _Block:
        """Fetch a block with the byte at a position, of which `wanted` bytes are to be read."""
        span, run = self._next_span(position, wanted)
        assert span.stop is not None
        left = _LARGEST_BLOCK - (span.stop - span.start)
        kept = []
        for block in reversed(self._blocks[1 - _MAX_BLOCKS :]):
            left -= len(block.data)
            if left < 0:
                break
            kept.append(block)
        self._blocks = kept[::-1]
        kept = []
        start = span.start
        data, info, verified_by = self._fetch_span(span, self._info)
        if self._info is None and self._size_was_used and info.etag != self._expected_etag:
            raise ObjectChangedError("the object was replaced after its size was read")
        if self._info is None and self._learn is not None:
            self._learn(info, None)
        self._info, self._size = info, info.size
        if start == 0 and verified_by is not None:
            self._finish_verification(verified_by)
        else:
            self._verify(start, data, info)
        fetched = _Block(start, start + len(data), data, run)
        self._blocks.append(fetched)
        return fetched

    def _next_span(self, position: int, wanted: int) -> tuple[Span, int]:
        """Return the span of the next block, and the number of its run."""
        for block in reversed(self._blocks):
            size = self._grown(block)
            if position == block.stop:
                return Span(position, position + size), block.run
            if block.start - size <= position < block.start:
                return Span(max(0, block.start - size), block.start), block.run
        self._runs += 1
        size = _FIRST_BLOCK
        if self._blocks:
            # A read of more than the buffer passes its size on.
            size = _RANDOM_BLOCK if wanted <= BUFFER_SIZE else min(wanted, _LARGEST_BLOCK)
        # A size that is out of date may be smaller than the position.
        if self._size is not None and position < self._size:
            # Programs that read near the end, such as readers of archives, read more there.
            if position >= self._size - _FIRST_BLOCK:
                size = max(size, _FIRST_BLOCK)
            position = max(0, min(position, self._size - size))
        return Span(position, position + size), self._runs

    def _grown(self, block: _Block) -> int:
        """Return the size of the block after or before another one."""
        alone = all(other.run == block.run for other in self._blocks)
        largest = _LARGEST_BLOCK if alone else _SHARED_BLOCK
        return max(_RANDOM_BLOCK, min(2 * len(block.data), largest))

    def _verify(self, start: int, block: bytes, info: ObjectInfo) -> None:
        if start == 0:
            self._checksums = dict(info.checksums)
            self._digests = Digests(verifiable(info.checksums))
        if self._digests is None or self._digests.size != start:
            return
        self._digests.update(memoryview(block))
        if self._digests.size == info.size:
            compare(self._checksums, self._digests.hexdigests(), "the bytes that were read")
            self._finish_verification(next(iter(self._digests.algorithms), None))

    def _finish_verification(self, verified_by: str | None) -> None:
        self._digests = None
        if self._learn is not None:
            assert self._info is not None
            self._learn(self._info, verified_by)


def _sought(offset: int, whence: int, position: int, size: Callable[[], int]) -> int:
    """Return the position that arguments of `seek` name."""
    if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
        raise InvalidOptionError(f"whence must be 0, 1 or 2, not {str(whence)[:40]}")
    if not isinstance(offset, SupportsIndex):
        raise InvalidTypeError(f"offset must be an int, not {type(offset).__name__}")
    target = offset.__index__()
    if whence == os.SEEK_CUR:
        target += position
    elif whence == os.SEEK_END:
        target += size()
    if target < 0:
        raise InvalidOptionError(
            f"cannot seek to {max(target, -LARGEST)}, before the beginning of the object"
        )
    if target > LARGEST:
        raise InvalidOptionError(f"cannot seek beyond {LARGEST}, the largest possible offset")
    return target


if TYPE_CHECKING:
    _Buffered = io.BufferedReader[ObjectReader]

    class _BinaryFile(io.BufferedIOBase, BinaryIO):
        """A base class of both kinds, as typeshed declares `io.BufferedWriter`."""

else:
    _Buffered = io.BufferedReader
    _BinaryFile = io.BufferedIOBase


class BufferedObjectReader(_OpenFile, _Buffered, Generic[HandleT]):
    """
    A seekable file that reads an object: a buffer around an `ObjectReader`.

    Attributes:
        object: The object's handle, whose attributes are known after the first read.
    """

    object: HandleT

    def __init__(self, raw: ObjectReader, buffer_size: int, obj: HandleT) -> None:
        super().__init__(raw, buffer_size)
        self._reader = raw
        self.object = obj

    @property
    def size(self) -> int:
        """The object's size in bytes."""
        # Without it, Django's File would take the size of a local file of the object's name.
        return self._reader.size

    @override
    def seek(self, target: int, whence: int = os.SEEK_SET, /) -> int:
        try:
            return super().seek(target, whence)
        except (TypeError, ValueError, OverflowError) as error:
            if not self.closed and not isinstance(error, StorageError):
                self.raw.seek(target, whence)
            raise


class _Writer(_OpenFile, _BinaryFile, Generic[HandleT]):
    """The rules of all writers for when the content of a file becomes an object."""

    def __init__(
        self,
        name: str,
        mode: str,
        publish: Callable[[Stored], HandleT],
        guard: Callable[[], AbstractContextManager[object]],
    ) -> None:
        super().__init__()
        self._name = name
        self._mode = mode
        self.object: HandleT | None = None
        self._publish = publish
        self._guard = guard
        self._entered = False
        self._finished = False
        self._error_at_opening = sys.exc_info()[1]
        self._process = os.getpid()
        # As with the buffered files of `io`, threads can write to one file.
        self._lock = threading.RLock()
        _open_writers.add(self)

    @property
    @override
    def name(self) -> str:
        """The object's name."""
        return self._name

    @property
    @override
    def mode(self) -> str:
        """The mode in which the file was opened."""
        return self._mode

    @abstractmethod
    def _store(self) -> Stored:
        """Upload what was written."""

    @abstractmethod
    def _discard(self) -> None:
        """Delete what was written."""

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.name!r}>"

    @override
    def writable(self) -> bool:
        self._check_open()
        return True

    @override
    def close(self) -> None:
        """Publish the object; inside a ``with`` block, the end of the block does so."""
        if self._finished or self.closed:
            return
        if self._entered:
            super().close()
            return
        error = sys.exc_info()[1]
        if error is None or error is self._error_at_opening:
            self._finish()
            return
        self.abort()
        if isinstance(error, Exception):
            raise TransferCancelledError(
                f"{self.name!r} was not published, because it was closed while"
                f" {type(error).__name__} was being handled; close it after the except block, or"
                " open it in a 'with' statement",
                object=self.name,
            )

    def abort(self) -> None:
        """Close the file without publishing it, and delete what was written."""
        self._finished = True
        _open_writers.discard(self)
        try:
            self._discard()
        finally:
            super().close()

    @override
    def __enter__(self) -> Self:
        self._check_open()
        self._entered = True
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._finish()
        else:
            self.abort()

    @override
    def __del__(self) -> None:
        # The finalizer of io would call close(), which would publish an incomplete object.
        if getattr(self, "_finished", True):
            return
        self.abort()  # before the warning, which may be an error
        if self._process == os.getpid():
            message = _UNPUBLISHED.format(self)
            _log.warning(message)  # Python shows no ResourceWarning by default
            warnings.warn(message, ResourceWarning, stacklevel=2)

    def _finish(self) -> None:
        with self._lock:
            if self._finished:
                return
            try:
                with self._guard():
                    stored = self._store()
            except BaseException:
                self.abort()
                raise
            self._finished = True
            _open_writers.discard(self)
            super().close()
            self.object = self._publish(stored)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


class ObjectWriter(_Writer[HandleT]):
    """
    A file whose content becomes an object when it is closed.

    The end of a ``with`` block publishes the object; if an exception leaves the block, nothing is
    published. A `close()` inside the block, such as that of a wrapper, has no effect until then.
    Without a ``with`` block `close()` publishes, except while an exception that was raised after
    the file was opened is being handled. A writer that is never closed publishes nothing.

    Attributes:
        object: The object, once it is published.

    Args:
        uploader: Uploads the written bytes.
        publish: Creates the object from the service's response after the last byte.
        guard: Returns a context manager that adds the operation to errors.
    """

    def __init__(
        self,
        name: str,
        mode: str,
        uploader: Uploader,
        publish: Callable[[Stored], HandleT],
        guard: Callable[[], AbstractContextManager[object]],
    ) -> None:
        super().__init__(name, mode, publish, guard)
        self._uploader: Uploader | None = uploader
        self._buffer = GrowingBuffer(uploader.next_size)
        self._sent = 0

    @override
    def tell(self) -> int:
        self._check_open()
        return self._sent + self._buffer.size

    @override
    def write(self, data: Any, /) -> int:
        self._check_open()
        view = _written_view(data)
        size = view.nbytes
        with self._lock:
            self._check_open()
            while view.nbytes:
                view = view[self._buffer.write(view) :]
                if self._buffer.full:
                    self._send()
        return size

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        raise self._cannot("seek")

    @override
    def truncate(self, size: int | None = None, /) -> int:
        raise self._cannot("truncate")

    def _cannot(self, method: str) -> io.UnsupportedOperation:
        other = self.mode.replace("b", "+b")
        return io.UnsupportedOperation(
            f"{method}: what was written may be uploaded already; open the object with mode"
            f" {other!r}, in which files can seek and be read"
        )

    def _send(self) -> None:
        assert self._uploader is not None
        self._sent += self._buffer.size
        view = memoryview(self._buffer.take())
        try:
            with self._guard():
                self._uploader.add(view)
        except BaseException:
            self.abort()
            raise
        self._buffer.capacity = self._uploader.next_size

    @override
    def _store(self) -> Stored:
        uploader = self._uploader
        assert uploader is not None
        if self._buffer.size:
            self._sent += self._buffer.size
            uploader.add(memoryview(self._buffer.take()))
        stored = uploader.finish()
        self._uploader = None
        return stored

    @override
    def _discard(self) -> None:
        uploader, self._uploader = self._uploader, None
        self._buffer.take()
        # A forked child must not abort its parent's upload.
        if uploader is not None and self._process == os.getpid():
            uploader.abort()


class SeekableObjectWriter(_Writer[HandleT]):
    """
    A file that can also seek and be read, and whose content becomes an object when it is closed.

    Nothing is sent before: the content is in memory, and above a limit in a temporary file. When
    the object is published is as in `ObjectWriter`.

    Attributes:
        object: The object, once it is published.

    Args:
        store: Uploads the content.
        memory: The maximum size of the content that is kept in memory.
        publish: Creates the object from the service's response.
        guard: Returns a context manager that adds the operation to errors.
    """

    def __init__(
        self,
        name: str,
        mode: str,
        store: Callable[[Source], Stored],
        memory: int,
        publish: Callable[[Stored], HandleT],
        guard: Callable[[], AbstractContextManager[object]],
    ) -> None:
        super().__init__(name, mode, publish, guard)
        self._upload = store
        self._memory = memory
        self._file: IO[bytes] = io.BytesIO()

    @override
    def readable(self) -> bool:
        self._check_open()
        return True

    @override
    def seekable(self) -> bool:
        self._check_open()
        return True

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        with self._lock:
            self._check_open()
            return self._file.read(-1 if size is None else size)

    @override
    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    @override
    def readline(self, size: int | None = -1, /) -> bytes:
        with self._lock:
            self._check_open()
            return self._file.readline(-1 if size is None else size)

    @override
    def tell(self) -> int:
        self._check_open()
        return self._file.tell()

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with self._lock:
            position = self.tell()
            return self._file.seek(_sought(offset, whence, position, self._size))

    @override
    def write(self, data: Any, /) -> int:
        self._check_open()
        view = _written_view(data)
        with self._lock, self._abort_on_error():
            if view.nbytes:
                self._make_room(self.tell() + view.nbytes)
                self._write(view)
        return view.nbytes

    @override
    def truncate(self, size: int | None = None, /) -> int:
        with self._lock:
            position = self.tell()
            size = _sought(position if size is None else size, os.SEEK_SET, 0, self._size)
            with self._abort_on_error():
                self._make_room(size)
                self._file.truncate(size)
                missing = size - self._file.seek(0, os.SEEK_END)
                if missing:  # files grow, but BytesIO does not
                    self._write(bytes(missing))
                self._file.seek(position)
        return size

    @contextmanager
    def _abort_on_error(self) -> Iterator[None]:
        """Discard the content if a write fails, so that no part of it can be published."""
        try:
            yield
        except BaseException:
            self.abort()
            raise

    def _size(self) -> int:
        position = self._file.tell()
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(position)
        return size

    def _make_room(self, size: int) -> None:
        """Move the content to a temporary file, if `size` is too much for the memory."""
        if size <= self._memory or not isinstance(self._file, io.BytesIO):
            return
        content, self._file = self._file, tempfile.TemporaryFile()
        self._write(content.getbuffer())
        self._file.seek(content.tell())

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        # A forked child shares the file's position: bytes that it has in its buffer would be
        # written a second time when it ends.
        self._file.flush()

    @override
    def _store(self) -> Stored:
        if isinstance(self._file, io.BytesIO):
            stored = self._upload(open_source(self._file.getvalue()))
        else:
            self._file.seek(0)
            stored = self._upload(open_source(self._file))
        self._discard()
        return stored

    @override
    def _discard(self) -> None:
        self._file.close()


def _written_view(data: object) -> memoryview:
    """Return the bytes of an argument of `write`."""
    view = bytes_view(data)
    if view is None:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}")
    return view


class ObjectTextReader(_OpenFile, io.TextIOWrapper, Generic[HandleT]):
    """
    A text file that reads an object.

    Attributes:
        object: The object's handle, whose attributes are known after the first read.
    """

    def __init__(
        self,
        buffer: BufferedObjectReader[HandleT],
        mode: str,
        encoding: str,
        errors: str | None,
        newline: str | None,
    ) -> None:
        super().__init__(buffer, encoding, errors, newline)
        self._mode = mode
        self._binary = buffer
        self.object: HandleT = buffer.object

    @property
    def size(self) -> int:
        """The object's size in bytes."""
        return self._binary.size

    @property
    @override
    def mode(self) -> str:
        """The mode in which the file was opened."""
        return self._mode


class ObjectTextWriter(_OpenFile, io.TextIOWrapper, Generic[HandleT]):
    """
    A text file that writes an object; see `ObjectWriter` for when it is published.

    Opened with mode ``"w+"`` or ``"x+"``, it can also seek and be read.
    """

    def __init__(
        self,
        writer: ObjectWriter[HandleT] | SeekableObjectWriter[HandleT],
        mode: str,
        encoding: str,
        errors: str | None,
        newline: str | None,
    ) -> None:
        super().__init__(writer, encoding, errors, newline)
        self._mode = mode
        self._writer = writer
        # TextIOWrapper writes no byte order mark to a file that cannot seek.
        marked = not writer.seekable() and codecs.lookup(encoding).name in {"utf-16", "utf-32"}
        self._byte_order_mark = "".encode(encoding) if marked else b""

    @property
    @override
    def mode(self) -> str:
        """The mode in which the file was opened."""
        return self._mode

    @property
    def object(self) -> HandleT | None:
        """The object, once it is published; `None` before."""
        return self._writer.object

    def abort(self) -> None:
        """Close the file without publishing it, and delete what was written."""
        self._writer.abort()

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._writer.name!r}>"

    @override
    def write(self, text: str, /) -> int:
        mark, self._byte_order_mark = self._byte_order_mark, b""
        if mark:
            self._writer.write(mark)
        return super().write(text)

    @override
    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and not self.closed:
            try:
                self.flush()
            except BaseException:
                self._writer.abort()
                raise
        self._writer.__exit__(kind, error, traceback)

    @override
    def __del__(self) -> None:
        # The finalizer of io would call close(), which would publish an incomplete object.
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.__del__()


_open_writers: weakref.WeakSet[_Writer[Any]] = weakref.WeakSet()


@atexit.register
def _abort_open_writers() -> None:
    """Abort the uploads of open writers when the interpreter exits."""
    for writer in list(_open_writers):
        if writer._process == os.getpid():
            _log.warning(_UNPUBLISHED.format(writer))
        try:
            writer.abort()
        except Exception:  # the other writers must be aborted, too
            _log.exception("could not abort the upload of %r", writer.name)
