"""
Downloads into files: concurrent, verified and atomic.

The bytes are written to a temporary file beside the destination, which is renamed after all bytes
were verified. A small object takes one request; a larger one is read in ranges, all of the version
of the first response.
"""

from __future__ import annotations

import functools
import io
import os
import secrets
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import Self, override

from .. import arguments
from ..errors import (
    IntegrityError,
    InvalidOptionError,
    InvalidTypeError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    ObjectChangedError,
)
from ..values import WHOLE, KiB, MiB, ObjectInfo, Span
from .digests import Crc
from .local_files import (
    DESTINATION,
    UnpublishedFile,
    is_file_name,
    local_errors,
    temporary_path,
    try_lock,
)
from .part_sizes import ranges
from .progress import Progress, ProgressCallback
from .reading import ObjectStream, ReadHooks, Wanted, read_next, restarting
from .verification import Verification, verification, with_checksums
from .workers import CancelToken, WorkerPool, check_cancelled

if TYPE_CHECKING:
    from .partials import PartialFile

# Small enough for the cache of a processor.
_HASHED = 256 * KiB


@dataclass(frozen=True)
class DownloadRequest:
    """
    The object to download, and the options.

    Attributes:
        size: The object's size, if it is known; it may be out of date.
        cancel: Stops the download when set.
    """

    wanted: Wanted
    span: Span = WHOLE
    size: int | None = None
    progress: ProgressCallback | None = None
    cancel: CancelToken | None = None

    def __post_init__(self) -> None:
        arguments.progress(self.progress)
        arguments.flag(self.cancel, "cancel")


class Downloaded(NamedTuple):
    """The attributes of an object that was downloaded, and the checksum that verified it."""

    info: ObjectInfo
    verified_by: str | None


def download(
    driver: ReadHooks,
    request: DownloadRequest,
    path: str,
    overwrite: bool,
    *,
    resume: bool = False,
) -> Downloaded:
    """
    Write an object, or a range of it, to a file.

    An object whose bytes do not match their checksum is downloaded again, once; an object that is
    replaced meanwhile, up to twice.

    Args:
        path: The result of `checked_destination`.
        resume: Continue an interrupted download, and keep the partial file of this one if it is
            interrupted.
    """
    progress = Progress(request.progress, None)
    if resume:
        return _download_resumably(driver, request, path, overwrite, progress)

    def attempt() -> Downloaded:
        check_cancelled(request.cancel)
        with closing(_open_first(driver, request)) as first, _TemporaryFile(path) as temporary:
            span = _resolved(request.span, first)
            progress.restart(_length(span))
            work = _Download(driver, request, first.info, span, temporary, progress)
            verified_by = work.run(first)
            temporary.publish(overwrite)
        return Downloaded(first.known_info, verified_by)

    return restarting(attempt, request.wanted)


def _download_resumably(
    driver: ReadHooks, request: DownloadRequest, path: str, overwrite: bool, progress: Progress
) -> Downloaded:
    from .partials import PartialFile  # noqa: PLC0415 - few downloads need it

    def attempt() -> Downloaded:
        try:
            continued = _continue(driver, request, partial, progress)
            downloaded = continued or _start(driver, request, partial, progress)
        except (IntegrityError, ObjectChangedError):
            partial.clear()
            raise
        partial.publish(overwrite)
        return downloaded

    check_cancelled(request.cancel)
    with PartialFile(path) as partial:
        return restarting(attempt, request.wanted)


def _continue(
    driver: ReadHooks, request: DownloadRequest, partial: PartialFile, progress: Progress
) -> Downloaded | None:
    """Complete a partial file; return `None` if it has no pieces of the object."""
    if not partial.has_pieces():
        return None
    wanted = request.wanted
    info = driver._head_object(wanted.container, wanted.name, wanted.version)
    wanted.check(info)
    span = request.span.clamp(info.size or 0)
    kept = partial.restore(
        _pinned(wanted, info, span), span, lambda: check_cancelled(request.cancel)
    )
    if not kept:
        return None
    progress.restart(_length(span))
    work = _Download(driver, request, info, span, partial, progress, partial)
    return Downloaded(info, work.run(None, kept))


def _start(
    driver: ReadHooks, request: DownloadRequest, partial: PartialFile, progress: Progress
) -> Downloaded:
    """Download into an empty partial file."""
    check_cancelled(request.cancel)
    with closing(_open_first(driver, request)) as first:
        span = _resolved(request.span, first)
        progress.restart(_length(span))
        partial.begin(_pinned(request.wanted, first.info, span), span)
        # Without an ETag, nothing shows that the rest is of the same version.
        journal = None if first.info.etag is None else partial
        work = _Download(driver, request, first.info, span, partial, progress, journal)
        return Downloaded(first.known_info, work.run(first))


def _pinned(wanted: Wanted, info: ObjectInfo, span: Span) -> dict[str, object]:
    """Return what must be equal for the pieces of an earlier download to be of use."""
    return {
        "container": wanted.container,
        "name": wanted.name,
        "version": wanted.version,
        "etag": info.etag,
        "size": info.size,
        "start": span.start,
        "stop": span.stop,
    }


def download_to_stream(
    driver: ReadHooks, request: DownloadRequest, write: Callable[[bytes], object]
) -> Downloaded:
    """
    Pass the bytes of an object, or of a range, to a function in order.

    The bytes that were passed on stay there if it fails. Only damage is found after the last one.
    """
    progress = Progress(request.progress, None)
    check_cancelled(request.cancel)
    stream = ObjectStream(driver, request.wanted, request.span)
    stream.checkpoint = functools.partial(check_cancelled, request.cancel)
    with closing(stream):
        progress.restart(stream.left)
        if not stream.left:
            progress.add(0)
        while stream.left:
            check_cancelled(request.cancel)
            block = read_next(stream, MiB)
            write(block)
            progress.add(len(block))
    return Downloaded(stream.known_info, stream.verified_by)


def checked_destination(destination: str, overwrite: bool, name: str) -> tuple[str, str]:
    """
    Return the path of the file that a download creates, and the same with links resolved.

    In a directory, the file has the last component of the object's name.

    Raises:
        LocalFileIsADirectoryError: The destination is a directory, and the name ends with ``/``.
        LocalFileNotFoundError: The destination ends with a slash, but is no directory.
        LocalFileExistsError: The destination exists, and `overwrite` is false.
        InvalidOptionError: The destination is not a regular file, but a device for example.
    """
    if "\0" in destination:
        raise InvalidOptionError(
            f"download destination {destination!r} contains a NUL character; no file name can"
        )
    if os.path.isdir(destination):
        destination = os.path.join(destination, _file_name(name, destination))
    path = os.path.realpath(destination) if os.path.islink(destination) else destination
    mode = None
    with local_errors(destination, DESTINATION), suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    slash = destination.endswith((os.sep, os.altsep or os.sep))
    if slash or (mode is not None and stat.S_ISDIR(mode)):
        raise LocalFileIsADirectoryError(
            f"download destination {destination!r} is a directory"
            if mode is not None
            else f"the directory {destination!r} does not exist; create it first"
        )
    if mode is not None and not overwrite:
        raise LocalFileExistsError(
            f"download destination {destination!r} already exists; pass overwrite=True to"
            " replace it"
        )
    if mode is not None and not stat.S_ISREG(mode):
        raise InvalidOptionError(
            f"download destination {destination!r} is not a regular file; use stream() to write"
            " to it"
        )
    return destination, path


def writer_of(destination: object) -> Callable[[bytes], None]:
    """Return a function that writes all bytes that it gets to a binary file."""
    write = getattr(destination, "write", None)
    if write is None or isinstance(destination, io.TextIOBase):
        raise InvalidTypeError(
            f"destination must be a path or a binary file object, not {type(destination).__name__}"
        )
    if isinstance(destination, io.IOBase) and (destination.closed or not destination.writable()):
        raise InvalidOptionError("destination must be a file object that is open for writing")

    # A raw file in non-blocking mode returns `None` if it has written nothing.
    raw = isinstance(destination, io.RawIOBase)

    def write_whole(block: bytes) -> None:
        view = memoryview(block)
        while view:
            count = write(view)
            if count is None and not raw:
                return
            if not isinstance(count, int) or not 0 < count <= len(view):
                raise InvalidTypeError(
                    f"write() of the destination returned {count!r} for {len(view)} bytes; it must"
                    " return how many it has written"
                )
            view = view[count:]

    return write_whole


def _file_name(name: str, directory: str) -> str:
    """Return the name of the file of an object in a directory."""
    piece = name.rpartition("/")[2]
    if not is_file_name(piece):
        raise LocalFileIsADirectoryError(
            f"download destination {directory!r} is a directory, and the last component of the"
            f" object's name {name!r} is not the name of a file; give the path of a file"
        )
    return piece


def _open_first(driver: ReadHooks, request: DownloadRequest) -> ObjectStream:
    """Open all wanted bytes if they are known to be few, otherwise their first range."""
    threshold = driver.transfer.multipart_threshold
    wanted, span = request.wanted, request.span
    if span.start < -threshold:  # the position of the first byte must be known
        info = driver._head_object(wanted.container, wanted.name, wanted.version)
        wanted.check(info)
        span = span.clamp(info.size or 0)
        wanted = replace(wanted, if_match=info.etag, if_none_match=None)
    size = request.size
    first = span
    if span.start >= 0 and (size is None or _length(span.clamp(size)) > threshold):
        stop = span.start + threshold
        first = Span(span.start, stop if span.stop is None else min(stop, span.stop))
    stream = ObjectStream(driver, wanted, first)
    if stream.info.etag is None and stream.span != _resolved(span, stream):
        # Without an ETag, ranges of two versions could be mixed: read everything in one response.
        stream.close()
        stream = ObjectStream(driver, wanted, span)
    return stream


def _resolved(span: Span, stream: ObjectStream) -> Span:
    """Return a span with the positions that it has in an object."""
    return span.clamp(stream.info.size or 0)


def _length(span: Span) -> int:
    assert span.stop is not None
    return span.stop - span.start


def _gaps(span: Span, known: Sequence[Span]) -> Iterator[Span]:
    """Yield what lies between ranges that are in order."""
    position = span.start
    for part in known:
        if position < part.start:
            yield Span(position, part.start)
        assert part.stop is not None
        position = part.stop
    assert span.stop is not None
    if position < span.stop:
        yield Span(position, span.stop)


class _Range(NamedTuple):
    """
    A range that was written to the file.

    Attributes:
        crc: The digest of its bytes, if it can be appended to that of the bytes before.
        recorded: Whether the journal has it.
        crc32: The digest for the journal.
    """

    span: Span
    crc: Crc | None
    recorded: bool = False
    crc32: int = 0


class _Download:
    """
    One attempt to download an object into an open file.

    Args:
        journal: The partial file whose journal gets each range that was written.
    """

    def __init__(
        self,
        driver: ReadHooks,
        request: DownloadRequest,
        info: ObjectInfo,
        span: Span,
        file: UnpublishedFile,
        progress: Progress,
        journal: PartialFile | None = None,
    ) -> None:
        self._driver = driver
        self._request = request
        self._info = info
        self._span = span
        self._file = file
        self._progress = progress
        self._journal = journal
        self._workers = WorkerPool[_Range](
            driver.transfer.concurrency, self._on_range, request.cancel
        )
        self._verification: Verification | None = None
        self._received: dict[int, _Range] = {}
        self._next = 0
        # Hashes while the next ranges arrive. What waits for it is in the file, not in memory.
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="libstore")
        self._hashed: deque[Future[None]] = deque()

    def run(self, first: ObjectStream | None, kept: Sequence[Span] = ()) -> str | None:
        """
        Download what is missing, and return the checksum that verified the object.

        Args:
            first: The first range that is missing, if it was requested.
            kept: The ranges that are in the file.
        """
        with closing(self), self._workers:
            if first is not None and first.span == self._span:
                self._copy(first, self._progress, ())
                verified_by = first.verified_by
            else:
                verified_by = self._run_ranges(first, kept)
            self._workers.checkpoint()
        return verified_by

    def close(self) -> None:
        """Wait for the thread that hashes; the end of the workers has stopped it."""
        self._hashing.shutdown(cancel_futures=True)

    def _run_ranges(self, first: ObjectStream | None, kept: Sequence[Span]) -> str | None:
        if self._span == Span(0, self._info.size):
            wanted = self._request.wanted
            target = wanted.container, wanted.name
            info = with_checksums(self._driver, *target, wanted.version, self._info)
            self._verification = verification(self._driver, *target, info)
        for span in kept:
            self._on_range(_Range(span, None, recorded=True))
        known = list(kept)
        if first is not None:
            self._workers.submit(self._fetch_stream, first)
            known.append(first.span)
        for gap in _gaps(self._span, known):
            for span in ranges(gap, self._driver.transfer.part_size):
                self._workers.submit(self._fetch, span)
        self._workers.finish()
        if self._verification is None:
            return None
        while self._hashed:
            self._hashed.popleft().result()
        self._verification.finish("the bytes that were downloaded")
        return self._verification.by

    def _fetch(self, span: Span) -> _Range:
        return self._fetch_stream(
            ObjectStream(self._driver, self._request.wanted, span, self._info)
        )

    def _fetch_stream(self, stream: ObjectStream) -> _Range:
        whole = None if self._verification is None else self._verification.crc
        crc = None if whole is None else Crc(whole.algorithm)
        own = None if self._journal is None else Crc("crc32")
        try:
            self._copy(stream, None, [each for each in (crc, own) if each is not None])
        finally:
            stream.close()
        if self._journal is None or own is None:
            return _Range(stream.span, crc)
        self._journal.flush()
        return _Range(stream.span, crc, crc32=int(own.hexdigest(), 16))

    def _copy(self, stream: ObjectStream, progress: Progress | None, crcs: Sequence[Crc]) -> None:
        buffer = memoryview(bytearray(max(1, min(MiB, stream.left))))
        position = stream.span.start
        stream.checkpoint = self._workers.checkpoint
        while stream.left:
            self._workers.checkpoint()
            count = stream.readinto(buffer)
            self._file.write(buffer[:count], position - self._span.start)
            for crc in crcs:
                crc.update(buffer[:count])
            position += count
            if progress is not None:
                progress.add(count)
        if progress is not None and not _length(self._span):
            progress.add(0)

    def _on_range(self, received: _Range) -> None:
        assert received.span.stop is not None
        if self._journal is not None and not received.recorded:
            self._journal.record(received.span, received.crc32)
        self._progress.add(received.span.stop - received.span.start)
        if self._verification is None:
            return
        # Bytes are verified in order: process all ranges without a gap before them.
        self._received[received.span.start] = received
        while self._next in self._received:
            ready = self._received.pop(self._next)
            assert ready.span.stop is not None
            self._next = ready.span.stop
            self._hashed.append(self._hashing.submit(self._verify, self._verification, ready))
        while self._hashed and self._hashed[0].done():
            self._hashed.popleft().result()

    def _verify(self, expected: Verification, received: _Range) -> None:
        start, stop = received.span.start, received.span.stop
        assert stop is not None
        if received.crc is not None:
            assert expected.crc is not None
            expected.crc.append(received.crc, stop - start)
            return
        while start < stop:
            self._workers.checkpoint()
            block = self._file.read(min(_HASHED, stop - start), start)
            expected.update(memoryview(block))
            start += len(block)


class _TemporaryFile(UnpublishedFile):
    """A file beside the destination that is renamed to it, or removed."""

    def __enter__(self) -> Self:
        while True:
            self._temporary = temporary_path(self._path, secrets.token_hex(6)) + ".part"
            with local_errors(self._path, DESTINATION):
                self._file = open(self._temporary, "x+b", buffering=0)
            self._descriptor = self._file.fileno()
            if self._is_claimed():
                return self
            self._close()

    def _is_claimed(self) -> bool:
        """Lock the file, unless `clean_partials` deletes it before it is locked."""
        with suppress(OSError):  # a file system without locks
            return try_lock(self._descriptor) and os.fstat(self._descriptor).st_nlink > 0
        return True

    @override
    def _close(self) -> None:
        self._file.close()

    def __exit__(self, *exception: object) -> None:
        self._close()
        if not self._published:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
