"""
Downloads into files: concurrent, verified and atomic.

The bytes are written to a temporary file beside the destination, which is renamed after all bytes
were verified. A small object takes one request; a larger one is read in ranges, all of the version
of the first response.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import Self

from .. import arguments
from ..errors import (
    IntegrityError,
    InvalidOptionError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
)
from ..values import MiB, ObjectInfo, Span
from .digests import Crc
from .local_files import local_errors, rename_new, write_all
from .part_sizes import ranges
from .progress import Progress, ProgressCallback
from .reading import ObjectStream, ReadHooks, restarting
from .verification import Verification, verification, with_checksums
from .workers import CancelToken, WorkerPool, check_cancelled

_ROLE = "download destination"


@dataclass(frozen=True)
class DownloadRequest:
    """
    The object to download, and the options.

    Attributes:
        size: The object's size, if it is known; it may be out of date.
        cancel: Stops the download when set.
    """

    container: str
    name: str
    size: int | None = None
    progress: ProgressCallback | None = None
    cancel: CancelToken | None = None

    def __post_init__(self) -> None:
        arguments.callback(self.progress, "progress")
        arguments.flag(self.cancel, "cancel")


def download(
    driver: ReadHooks, request: DownloadRequest, destination: str, overwrite: bool
) -> str | None:
    """
    Write an object to a file, and return the checksum that verified it.

    An object whose bytes do not match their checksum is downloaded again, once; an object that is
    replaced meanwhile, up to twice.
    """
    path = checked_destination(destination, overwrite)
    progress = Progress(request.progress, None)

    def attempt() -> str | None:
        check_cancelled(request.cancel)
        with closing(_open_first(driver, request)) as first, _TemporaryFile(path) as temporary:
            progress.restart(first.info.size)
            work = _Download(driver, request, first.info, temporary, progress)
            verified_by = work.run(first)
            temporary.publish(overwrite)
        return verified_by

    return restarting(attempt)


def checked_destination(destination: str, overwrite: bool) -> str:
    """
    Return the path that a download will write, with symbolic links resolved.

    Raises:
        LocalFileIsADirectoryError: The destination is a directory.
        LocalFileExistsError: The destination exists, and `overwrite` is false.
        InvalidOptionError: The destination is not a regular file, but a device for example.
    """
    if "\0" in destination:
        raise InvalidOptionError(
            f"download destination {destination!r} contains a NUL character; no file name can"
        )
    path = os.path.realpath(destination) if os.path.islink(destination) else destination
    mode = None
    with local_errors(destination, _ROLE), suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    if destination.endswith(os.sep) or (mode is not None and stat.S_ISDIR(mode)):
        raise LocalFileIsADirectoryError(
            f"download destination {destination!r} is a directory; give the path of a file"
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
    return path


def _open_first(driver: ReadHooks, request: DownloadRequest) -> ObjectStream:
    """Open the whole object if it is known to be small, otherwise its first range."""
    threshold = driver.transfer.multipart_threshold
    small = request.size is not None and request.size <= threshold
    span = Span() if small else Span(0, threshold)
    stream = ObjectStream(driver, request.container, request.name, span)
    if stream.info.etag is None and stream.span.stop != stream.info.size:
        # Without an ETag, ranges of two versions could be mixed: read everything in one response.
        stream.close()
        stream = ObjectStream(driver, request.container, request.name, Span())
    return stream


class _Range(NamedTuple):
    """
    A range that was written to the file.

    Attributes:
        crc: The digest of its bytes, if it can be appended to that of the bytes before.
    """

    span: Span
    crc: Crc | None


class _Download:
    """One attempt to download an object into an open file."""

    def __init__(
        self,
        driver: ReadHooks,
        request: DownloadRequest,
        info: ObjectInfo,
        file: _TemporaryFile,
        progress: Progress,
    ) -> None:
        self._driver = driver
        self._request = request
        self._info = info
        self._file = file
        self._progress = progress
        self._workers = WorkerPool[_Range](
            driver.transfer.concurrency, self._on_range, request.cancel
        )
        self._verification: Verification | None = None
        self._received: dict[int, _Range] = {}
        self._verified = 0

    def run(self, first: ObjectStream) -> str | None:
        with self._workers:
            if first.span == Span(0, self._info.size):
                self._copy(first, self._progress, None)
                verified_by = first.verified_by
            else:
                verified_by = self._run_ranges(first)
            self._workers.checkpoint()
        return verified_by

    def _run_ranges(self, first: ObjectStream) -> str | None:
        stop, size = first.span.stop, self._info.size
        assert stop is not None
        target = self._request.container, self._request.name
        info = with_checksums(self._driver, *target, self._info)
        self._verification = verification(self._driver, *target, info)
        self._workers.submit(self._fetch_stream, first)
        for span in ranges(Span(stop, size), self._driver.transfer.part_size):
            self._workers.submit(self._fetch, span)
        self._workers.finish()
        if self._verification is None:
            return None
        self._verification.finish("the bytes that were downloaded")
        return self._verification.by

    def _fetch(self, span: Span) -> _Range:
        request = self._request
        stream = ObjectStream(self._driver, request.container, request.name, span, self._info)
        return self._fetch_stream(stream)

    def _fetch_stream(self, stream: ObjectStream) -> _Range:
        whole = None if self._verification is None else self._verification.crc
        crc = None if whole is None else Crc(whole.algorithm)
        try:
            self._copy(stream, None, crc)
        finally:
            stream.close()
        return _Range(stream.span, crc)

    def _copy(self, stream: ObjectStream, progress: Progress | None, crc: Crc | None) -> None:
        buffer = memoryview(bytearray(max(1, min(MiB, stream.left))))
        position = stream.span.start
        stream.checkpoint = self._workers.checkpoint
        while stream.left:
            self._workers.checkpoint()
            count = stream.readinto(buffer)
            self._file.write(buffer[:count], position)
            if crc is not None:
                crc.update(buffer[:count])
            position += count
            if progress is not None:
                progress.add(count)
        if progress is not None and not position:
            progress.add(0)

    def _on_range(self, received: _Range) -> None:
        assert received.span.stop is not None
        self._progress.add(received.span.stop - received.span.start)
        if self._verification is None:
            return
        # Bytes are verified in order: process all ranges without a gap before them.
        self._received[received.span.start] = received
        while self._verified in self._received:
            self._verify(self._verification, self._received.pop(self._verified))

    def _verify(self, expected: Verification, received: _Range) -> None:
        stop = received.span.stop
        assert stop is not None
        if received.crc is not None:
            assert expected.crc is not None
            expected.crc.append(received.crc, stop - received.span.start)
            self._verified = stop
        while self._verified < stop:
            block = self._file.read(min(MiB, stop - self._verified), self._verified)
            expected.update(memoryview(block))
            self._verified += len(block)


class _TemporaryFile:
    """A file beside the destination that is renamed to it, or removed."""

    def __init__(self, path: str) -> None:
        self._path = path
        directory, name = os.path.split(path)
        stem = os.fsdecode(os.fsencode(name)[:100])
        self._temporary: str | None = os.path.join(
            directory, f".{stem}.{secrets.token_hex(6)}.part"
        )

    def __enter__(self) -> Self:
        assert self._temporary is not None
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with local_errors(self._path, _ROLE):
            self._descriptor = os.open(self._temporary, flags, 0o666)
        return self

    def write(self, view: memoryview, offset: int) -> None:
        """Write bytes at an offset."""
        with local_errors(self._path, _ROLE):
            write_all(self._descriptor, view, offset)

    def read(self, size: int, offset: int) -> bytes:
        """Read written bytes."""
        with local_errors(self._path, _ROLE):
            block = os.pread(self._descriptor, size, offset)
        if not block:
            raise IntegrityError("another program truncated the temporary file of the download")
        return block

    def publish(self, overwrite: bool) -> None:
        """Rename the file to the destination."""
        assert self._temporary is not None
        with local_errors(self._path, _ROLE):
            if overwrite:
                os.replace(self._temporary, self._path)
            else:
                rename_new(self._temporary, self._path)
        self._temporary = None

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
