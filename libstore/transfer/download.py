"""
A download into a file: parallel, verified, and there as a whole or not at all.

The bytes go into a temporary file beside the destination, which takes the destination's name
after the last byte was checked. Small objects come with one request; larger ones in ranges, all
of the version that the first answer named.
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
from .digests import Digests
from .local_files import local_errors, rename_new, write_all
from .part_sizes import ranges
from .progress import Progress, ProgressCallback
from .reading import ObjectStream, ReadHooks, restarting
from .verification import Verification, verification, with_checksums
from .workers import CancelToken, WorkerPool, check_cancelled

_ROLE = "download destination"


@dataclass(frozen=True)
class DownloadOrder:
    """
    Which object is to be downloaded, and how.

    Attributes:
        size: The object's size, if somebody knows it already. It may be out of date.
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
    driver: ReadHooks, order: DownloadOrder, destination: str, overwrite: bool
) -> str | None:
    """
    Write the object to the destination, and return by what it was verified.

    Bytes that do not match their digest are fetched once more, and so is an object that was
    replaced meanwhile, up to twice.
    """
    path = checked_destination(destination, overwrite)
    progress = Progress(order.progress, None)

    def attempt() -> str | None:
        check_cancelled(order.cancel)
        with closing(_open_first(driver, order)) as first, _TemporaryFile(path) as temporary:
            progress.restart(first.info.size)
            work = _Download(driver, order, first.info, temporary, progress)
            verified_by = work.run(first)
            temporary.publish(overwrite)
        return verified_by

    return restarting(attempt)


def checked_destination(destination: str, overwrite: bool) -> str:
    """
    Return the path that a download will write; a symbolic link is followed.

    Raises:
        LocalFileIsADirectoryError: A directory is there.
        LocalFileExistsError: A file is there, and it is not to be overwritten.
        InvalidOptionError: Something is there that is no file, such as a device.
    """
    if "\0" in destination:
        raise InvalidOptionError(f"no file can be called {destination!r}: it has a NUL character")
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
            f"download destination {destination!r} exists already; overwrite=True replaces it"
        )
    if mode is not None and not stat.S_ISREG(mode):
        raise InvalidOptionError(
            f"download destination {destination!r} is no regular file; use stream() for it"
        )
    return path


def _open_first(driver: ReadHooks, order: DownloadOrder) -> ObjectStream:
    """Ask for the whole object if it is known to be small, else for what one request may carry."""
    threshold = driver.transfer.multipart_threshold
    small = order.size is not None and order.size <= threshold
    span = Span() if small else Span(0, threshold)
    stream = ObjectStream(driver, order.container, order.name, span)
    if stream.info.etag is None and stream.span.stop != stream.info.size:
        # Without an ETag, ranges of two versions could be mixed: let one answer bring it all.
        stream.close()
        stream = ObjectStream(driver, order.container, order.name, Span())
    return stream


class _Range(NamedTuple):
    """
    A range that is in the file.

    Attributes:
        digests: Of its bytes, if they can be put together to those of the whole.
    """

    span: Span
    digests: Digests | None


class _Download:
    """The bytes' way into one open file."""

    def __init__(
        self,
        driver: ReadHooks,
        order: DownloadOrder,
        info: ObjectInfo,
        file: _TemporaryFile,
        progress: Progress,
    ) -> None:
        self._driver = driver
        self._order = order
        self._info = info
        self._file = file
        self._progress = progress
        self._crew = WorkerPool[_Range](driver.transfer.concurrency, self._on_range, order.cancel)
        self._verification: Verification | None = None
        self._arrived: dict[int, _Range] = {}
        self._verified = 0

    def run(self, first: ObjectStream) -> str | None:
        with self._crew:
            if first.span == Span(0, self._info.size):
                self._copy(first, self._progress, Digests(()))
                verified_by = first.verified_by
            else:
                verified_by = self._run_ranges(first)
            self._crew.checkpoint()
        return verified_by

    def _run_ranges(self, first: ObjectStream) -> str | None:
        stop, size = first.span.stop, self._info.size
        assert stop is not None
        place = self._order.container, self._order.name
        told = with_checksums(self._driver, *place, self._info)
        self._verification = verification(self._driver, *place, told)
        self._crew.submit(self._fetch_stream, first)
        for span in ranges(Span(stop, size), self._driver.transfer.part_size):
            self._crew.submit(self._fetch, span)
        self._crew.finish()
        if self._verification is None:
            return None
        self._verification.finish("the bytes that were downloaded")
        return self._verification.by

    def _fetch(self, span: Span) -> _Range:
        order = self._order
        stream = ObjectStream(self._driver, order.container, order.name, span, self._info)
        return self._fetch_stream(stream)

    def _fetch_stream(self, stream: ObjectStream) -> _Range:
        whole = None if self._verification is None else self._verification.whole
        digests = Digests(() if whole is None else whole.algorithms)
        try:
            self._copy(stream, None, digests)
        finally:
            stream.close()
        return _Range(stream.span, None if whole is None else digests)

    def _copy(self, stream: ObjectStream, progress: Progress | None, digests: Digests) -> None:
        buffer = memoryview(bytearray(max(1, min(MiB, stream.left))))
        position = stream.span.start
        stream.checkpoint = self._crew.checkpoint
        while stream.left:
            self._crew.checkpoint()
            count = stream.readinto(buffer)
            self._file.write(buffer[:count], position)
            digests.update(buffer[:count])
            position += count
            if progress is not None:
                progress.add(count)
        if progress is not None and not position:
            progress.add(0)

    def _on_range(self, arrived: _Range) -> None:
        assert arrived.span.stop is not None
        self._progress.add(arrived.span.stop - arrived.span.start)
        if self._verification is None:
            return
        # Verification goes from the first byte to the last: take what has no gap before it.
        self._arrived[arrived.span.start] = arrived
        while self._verified in self._arrived:
            self._verify(self._verification, self._arrived.pop(self._verified))

    def _verify(self, expected: Verification, arrived: _Range) -> None:
        stop = arrived.span.stop
        assert stop is not None
        if arrived.digests is not None:
            assert expected.whole is not None
            expected.whole.append(arrived.digests)
            self._verified = stop
        while self._verified < stop:
            block = self._file.read(min(MiB, stop - self._verified), self._verified)
            expected.update(memoryview(block))
            self._verified += len(block)


class _TemporaryFile:
    """A file beside the destination that becomes it, or is gone."""

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
        """Write bytes to their place."""
        with local_errors(self._path, _ROLE):
            write_all(self._descriptor, view, offset)

    def read(self, size: int, offset: int) -> bytes:
        """Return bytes that were written."""
        with local_errors(self._path, _ROLE):
            block = os.pread(self._descriptor, size, offset)
        if not block:
            raise IntegrityError("the temporary file was cut while it was written")
        return block

    def publish(self, overwrite: bool) -> None:
        """Give the file its name."""
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
