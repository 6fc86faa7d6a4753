"""
An upload, from the source's first byte to the object that the service shows.

What fits into one request goes in one. What is larger goes in parts, if the service takes parts:
the calling thread reads the source and computes the digests of the whole, a crew of threads sends.
A service without parts gets one request from a temporary file. Nothing is published before the
last byte was read and checked; whatever stops an upload before that also takes back its parts.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Protocol

from ..errors import IntegrityError, NotSupportedError, StorageError
from ..values import Limits, ObjectInfo, Part, Upload, WriteOptions
from .crew import Crew, Flag
from .digests import Digests, compare
from .options import TransferOptions
from .payload import BufferPayload, FilePayload, Payload
from .plan import part_sizes
from .progress import Progress, ProgressCallback
from .sources import Source

_log = logging.getLogger("libstore")


class UploadHooks(Protocol):
    """What an upload needs of a driver."""

    @property
    def limits(self) -> Limits: ...
    @property
    def transfer(self) -> TransferOptions: ...
    @property
    def digests(self) -> tuple[str, ...]: ...
    @property
    def takes_parts(self) -> bool: ...

    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo: ...
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str: ...
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part: ...
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo: ...
    def _abort_upload(self, upload: Upload) -> None: ...


@dataclass(frozen=True)
class UploadOrder:
    """
    What is to be uploaded where, and how.

    Attributes:
        checksum: Algorithm and digest that the content must have.
        cancel: Stops the upload when set.
    """

    container: str
    name: str
    options: WriteOptions = field(default_factory=WriteOptions)
    checksum: tuple[str, str] | None = None
    progress: ProgressCallback | None = None
    cancel: Flag | None = None


def upload(driver: UploadHooks, order: UploadOrder, source: Source) -> ObjectInfo:
    """Upload all that the source gives, and close the source."""
    try:
        uploader = Uploader(driver, order, source.size)
    except BaseException:
        source.close()
        raise
    try:
        descriptor = source.descriptor()
        if descriptor is not None and source.size is not None and not driver.takes_parts:
            return uploader.put_file(descriptor, source.size)
        while True:
            view = source.take(uploader.next_size)
            if not view.nbytes:
                return uploader.finish()
            uploader.add(view)
            del view  # it may be a whole part, and the next one is about to be read
    except BaseException:
        uploader.abort()
        raise
    finally:
        source.close()


class Uploader:
    """
    One upload, fed piece by piece.

    Attributes:
        next_size: How many bytes the next piece should have; only the last may have fewer.
    """

    def __init__(self, driver: UploadHooks, order: UploadOrder, size: int | None) -> None:
        self._driver = driver
        self._order = order
        self._progress = Progress(order.progress, size)
        self._threshold = min(driver.transfer.multipart_threshold, driver.limits.max_put)
        self._refuse_if_too_large(size)
        self._sizes = part_sizes(size, driver.transfer, driver.limits)
        self.next_size = self._first_size(size)
        algorithms = set(driver.digests) | ({order.checksum[0]} if order.checksum else set())
        self._digests = Digests(sorted(algorithms))
        self._crew = Crew[Part](driver.transfer.concurrency, self._keep, order.cancel)
        self._held: list[memoryview] = []
        self._spool: IO[bytes] | None = None
        self._size = 0
        self._upload: Upload | None = None
        self._sent_parts = 0
        self._sent_bytes = 0
        self._parts: list[Part] = []

    def add(self, view: memoryview) -> None:
        """Take the next piece. It must not be changed any more."""
        self._crew.checkpoint()
        self._size += view.nbytes
        if self._upload is not None:
            self._send(view)
        elif self._spool is not None:
            self._refuse_if_too_large(self._size)
            self._spool.write(view)
        else:
            self._held.append(view)
            if self._size > self._threshold:
                self._go_large()
        if self._driver.takes_parts:
            self.next_size = next(self._sizes, 1)

    def finish(self) -> ObjectInfo:
        """Publish the object and return what the service tells of it."""
        self._crew.checkpoint()
        if self._upload is None:
            return self._put(self._payload())
        self._crew.finish()
        checksums = self._digests.hexdigests()
        self._check_expected(checksums)
        self._crew.checkpoint()
        parts = sorted(self._parts, key=lambda part: part.number)
        info = self._driver._finish_upload(self._upload, parts, self._order.options, checksums)
        self._upload = None
        self._release()
        return self._confirmed(info, self._size, checksums)

    def put_file(self, descriptor: int, size: int) -> ObjectInfo:
        """Publish the content of an open file with one request."""
        return self._put(FilePayload(descriptor, 0, size, self._crew.checkpoint))

    def abort(self) -> None:
        """Give up: nothing is published, and parts that were sent are taken back."""
        self._release()
        upload, self._upload = self._upload, None
        if upload is None:
            return
        try:
            self._driver._abort_upload(upload)
        except StorageError as error:
            _log.warning(
                "could not abort upload %s of %r in %r, its parts are still stored: %s",
                upload.id,
                upload.name,
                upload.container,
                error,
            )

    def _first_size(self, size: int | None) -> int:
        if size is not None and size <= self._threshold:
            return max(size, 1)
        return next(self._sizes)

    def _refuse_if_too_large(self, size: int | None) -> None:
        limit = self._driver.limits.max_put
        if size is not None and size > limit and not self._driver.takes_parts:
            raise NotSupportedError(
                f"this service takes objects of up to {limit} bytes; the source has {size}"
            )

    def _go_large(self) -> None:
        """Leave the hope for a single small request."""
        order = self._order
        if not self._driver.takes_parts:
            self._spool = tempfile.TemporaryFile()
            while self._held:
                self._spool.write(self._held.pop(0))
            return
        upload_id = self._driver._start_upload(order.container, order.name, order.options)
        self._upload = Upload(order.container, order.name, upload_id)
        while self._held:
            self._send(self._held.pop(0))

    def _send(self, view: memoryview) -> None:
        if self._sent_parts == self._driver.limits.max_parts:
            raise NotSupportedError(
                f"the source goes on after {self._sent_parts} parts, which is all that this"
                " service takes; give a larger part_size in TransferOptions"
            )
        self._digests.update(view)
        payload = BufferPayload([view], self._crew.checkpoint)
        offset = self._sent_bytes
        self._sent_parts += 1
        self._sent_bytes += view.nbytes
        self._crew.submit(self._driver._put_part, self._upload, self._sent_parts, offset, payload)

    def _keep(self, part: Part) -> None:
        self._parts.append(part)
        self._progress.add(part.size)

    def _payload(self) -> Payload:
        if self._spool is None:
            return BufferPayload(self._held, self._crew.checkpoint)
        self._spool.flush()
        return FilePayload(self._spool.fileno(), 0, self._size, self._crew.checkpoint)

    def _put(self, payload: Payload) -> ObjectInfo:
        order = self._order
        if order.checksum is not None:
            self._check_expected({order.checksum[0]: payload.digest(order.checksum[0])})
        info = self._driver._put_object(order.container, order.name, payload, order.options)
        told = [name for name in self._driver.digests if name in info.checksums]
        confirmed = self._confirmed(
            info, payload.size, {name: payload.digest(name) for name in told}
        )
        self._release()
        self._progress.add(payload.size)
        return confirmed

    def _check_expected(self, checksums: Mapping[str, str]) -> None:
        if self._order.checksum is not None:
            compare(dict([self._order.checksum]), checksums, "the source is not what was expected")

    def _confirmed(self, info: ObjectInfo, size: int, checksums: Mapping[str, str]) -> ObjectInfo:
        """Return the info with what we know ourselves, after a look at what the service says."""
        if info.size is not None and info.size != size:
            raise IntegrityError(f"{size} bytes were sent, the service has stored {info.size}")
        compare(checksums, info.checksums, "the service has stored something else than was sent")
        options = self._order.options
        return replace(
            info, size=size, content_type=options.content_type, metadata=options.metadata
        )

    def _release(self) -> None:
        self._crew.stop()
        self._held.clear()
        if self._spool is not None:
            self._spool.close()
