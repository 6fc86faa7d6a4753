"""
Uploads, from a source to a published object.

A small source is uploaded with one request, a larger one as a multipart upload: the calling thread
reads the source and computes the checksums of the whole, and worker threads send the parts. For a
service without multipart uploads, a source of unknown size is first copied to a temporary file.
Nothing is published before the last byte was read and checked; an error before that deletes the
uploaded parts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, ClassVar, NamedTuple, Protocol

from .. import arguments
from ..errors import IntegrityError, NotSupportedError
from ..values import (
    HASH_PREFERENCE,
    Limits,
    ObjectInfo,
    Part,
    Upload,
    WriteOptions,
    no_checkpoint,
)
from .aborting import abort_after_error
from .crc import POLYNOMIALS
from .digests import Digests, combined_crc, compare
from .options import TransferOptions
from .pacing import PacedPayload, Pacing
from .part_sizes import part_sizes
from .payload import BufferPayload, FilePayload, Payload
from .progress import Progress, ProgressCallback
from .sources import Source
from .verification import composite_of
from .workers import CancelToken, WorkerPool, check_cancelled


class UploadHooks(Protocol):
    """The hooks of a driver that an upload calls."""

    @property
    def limits(self) -> Limits: ...
    @property
    def transfer(self) -> TransferOptions: ...
    @property
    def _pacing(self) -> Pacing | None: ...
    @property
    def digests(self) -> tuple[str, ...]: ...
    @property
    def multipart_digests(self) -> tuple[str, ...] | None: ...
    @property
    def takes_parts(self) -> bool: ...

    confirms_whole: ClassVar[bool]

    def _learn_limits(self, size: int | None) -> None: ...
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


@dataclass(slots=True)
class UploadRequest:
    """
    The target and the options of an upload.

    Attributes:
        checksum: The algorithm and the digest that the content must have.
        cancel: Stops the upload when set.
    """

    container: str
    name: str
    options: WriteOptions = field(default_factory=WriteOptions)
    checksum: tuple[str, str] | None = None
    progress: ProgressCallback | None = None
    cancel: CancelToken | None = None

    def __post_init__(self) -> None:
        if self.progress is not None:
            arguments.progress(self.progress)
        if self.cancel is not None:
            arguments.flag(self.cancel, "cancel")


class Stored(NamedTuple):
    """
    An object that was uploaded.

    Attributes:
        verified_by: The checksum that the service confirmed; see `Object.verified_by`.
    """

    info: ObjectInfo
    verified_by: str | None


def upload(driver: UploadHooks, request: UploadRequest, source: Source) -> Stored:
    """Upload the content of a source, and close the source."""
    try:
        if request.cancel is not None:
            check_cancelled(request.cancel)
        driver._learn_limits(source.size)
        payload = _single_payload(driver, request, source)
        if payload is not None:
            return _put(driver, request, payload)
        return _upload_pieces(Uploader(driver, request, source.size), source)
    finally:
        source.close()


def _single_payload(driver: UploadHooks, request: UploadRequest, source: Source) -> Payload | None:
    """Return the body of a single request, if the size shows that one is enough."""
    size = source.size
    if size is None:
        return None
    cancel = request.cancel
    checkpoint = no_checkpoint if cancel is None else partial(check_cancelled, cancel)
    if size <= _threshold(driver):
        return BufferPayload([source.take(size)], checkpoint)
    _refuse_if_too_large(driver, size)
    descriptor = source.descriptor()
    if descriptor is None or driver.takes_parts:
        return None
    return FilePayload(descriptor, 0, size, checkpoint)


def _upload_pieces(uploader: Uploader, source: Source) -> Stored:
    try:
        while True:
            view = source.take(uploader.next_size)
            if not view.nbytes:
                return uploader.finish()
            uploader.add(view)
            del view  # free the memory of this part before the next one is read
    except BaseException:
        uploader.abort()
        raise


class Uploader:
    """
    An upload that receives its content block by block.

    Attributes:
        next_size: The required size of the next block; only the last block may be smaller.
    """

    def __init__(self, driver: UploadHooks, request: UploadRequest, size: int | None) -> None:
        self._driver = driver
        self._request = request
        self._total = size
        self._checkpoint = partial(check_cancelled, request.cancel)
        self._sizes = part_sizes(size, driver.transfer, driver.limits)
        self.next_size = next(self._sizes)
        self._buffered: list[memoryview] = []
        self._max_buffered = self._buffer_limit(size)
        self._spool: IO[bytes] | None = None
        self._parts: _PartsUpload | None = None
        self._size = 0

    def add(self, view: memoryview) -> None:
        """Add the next block, which must not be modified afterwards."""
        self._checkpoint()
        self._size += view.nbytes
        if self._parts is not None or self._spool is not None:
            self._pass_on(view)
        else:
            self._buffered.append(view)
            if self._size > self._max_buffered:
                self._switch_to_parts()
        if self._driver.takes_parts:
            self.next_size = next(self._sizes, 1)

    def finish(self) -> Stored:
        """Publish the object and return its attributes."""
        self._checkpoint()
        if self._parts is not None:
            return self._parts.finish()
        if self._spool is None:
            payload: Payload = BufferPayload(self._buffered, self._checkpoint)
        else:
            self._spool.flush()
            payload = FilePayload(self._spool.fileno(), 0, self._size, self._checkpoint)
        stored = _put(self._driver, self._request, payload)
        self._release()
        return stored

    def abort(self) -> None:
        """Delete the uploaded parts, and publish nothing."""
        self._release()
        if self._parts is not None:
            self._parts.abort()

    def _buffer_limit(self, size: int | None) -> int:
        """Return how many bytes are buffered before a multipart upload is started."""
        threshold = _threshold(self._driver)
        if not self._driver.takes_parts:
            return threshold
        if size is not None and size > threshold:
            return 0
        return min(threshold, self._driver.transfer.concurrency * self.next_size)

    def _switch_to_parts(self) -> None:
        """Switch to a multipart upload, or to a temporary file."""
        if self._driver.takes_parts:
            self._parts = _PartsUpload(self._driver, self._request, self._total)
            self._parts.start()
        else:
            self._spool = tempfile.TemporaryFile()
        while self._buffered:
            self._pass_on(self._buffered.pop(0))

    def _pass_on(self, view: memoryview) -> None:
        if self._parts is not None:
            self._parts.send(view)
        elif self._spool is not None:
            _refuse_if_too_large(self._driver, self._size)
            self._spool.write(view)

    def _release(self) -> None:
        self._buffered.clear()
        if self._spool is not None:
            self._spool.close()


class _Sent(NamedTuple):
    """
    A part that was sent.

    Attributes:
        digests: The digests of the part from which those of the whole are combined.
    """

    part: Part
    digests: Mapping[str, str]


class _PartsUpload:
    """
    A multipart upload: worker threads send the parts and compute their digests.

    The digests of the whole that cannot be combined from those of the parts are computed in the
    caller's thread.
    """

    def __init__(self, driver: UploadHooks, request: UploadRequest, size: int | None) -> None:
        self._driver = driver
        self._request = request
        self._upload: Upload | None = None
        chosen = driver.multipart_digests
        algorithms = set(driver.digests if chosen is None else chosen)
        if request.checksum is not None:
            algorithms.add(request.checksum[0])
        self._combined = sorted(algorithms & POLYNOMIALS.keys())
        self._digests = Digests(sorted(algorithms - POLYNOMIALS.keys()))
        self._progress = Progress(request.progress, size)
        senders = 1 if driver.limits.ordered_parts else driver.transfer.concurrency
        self._workers = WorkerPool[_Sent](senders, self._keep, request.cancel)
        self._count = 0
        self._sent: list[_Sent] = []

    def start(self) -> None:
        """Start the multipart upload."""
        request = self._request
        upload_id = self._driver._start_upload(request.container, request.name, request.options)
        self._upload = Upload(request.container, request.name, upload_id)

    def send(self, view: memoryview) -> None:
        """Send the next part as soon as a worker is free."""
        if self._count == self._driver.limits.max_parts:
            raise NotSupportedError(
                f"the source is larger than {self._count} parts, the maximum of this service; pass"
                " a larger part_size in TransferOptions"
            )
        offset = self._digests.size
        self._digests.update(view)
        self._count += 1
        payload: Payload = BufferPayload([view], self._workers.checkpoint)
        if self._driver.transfer.max_bytes_per_second is not None:
            payload = _paced(self._driver, payload)
        self._workers.submit(self._send, self._count, offset, payload)

    def _send(self, number: int, offset: int, payload: Payload) -> _Sent:
        assert self._upload is not None
        part = self._driver._put_part(self._upload, number, offset, payload)
        return _Sent(part, {name: payload.digest(name) for name in self._combined})

    def finish(self) -> Stored:
        """Wait for the last part and publish the object."""
        self._workers.finish()
        sent = sorted(self._sent, key=lambda item: item.part.number)
        parts = [part for part, _ in sent]
        checksums = self._digests.hexdigests()
        for name in self._combined:
            pieces = [(digests[name], part.size) for part, digests in sent]
            checksums[name] = combined_crc(name, pieces)
        _check_expected(self._request, checksums)
        upload = self._upload
        assert upload is not None
        info = self._driver._finish_upload(upload, parts, self._request.options, checksums)
        self._upload = None
        self._workers.stop()
        verified_by = _verified_by(info, checksums) if self._driver.confirms_whole else None
        info = _confirmed(self._request, info, self._digests.size, checksums)
        return Stored(info, verified_by or _verified_by_parts(parts))

    def abort(self) -> None:
        """Stop the workers and abort the multipart upload."""
        self._workers.stop()
        upload, self._upload = self._upload, None
        if upload is not None:
            abort_after_error(partial(self._driver._abort_upload, upload), upload)

    def _keep(self, sent: _Sent) -> None:
        self._sent.append(sent)
        self._progress.add(sent.part.size)


def _put(driver: UploadHooks, request: UploadRequest, payload: Payload) -> Stored:
    """Upload an object with one request."""
    if request.cancel is not None:
        check_cancelled(request.cancel)
    if request.checksum is not None:
        _check_expected(request, {request.checksum[0]: payload.digest(request.checksum[0])})
    if driver.transfer.max_bytes_per_second is not None:
        payload = _paced(driver, payload)
    info = driver._put_object(request.container, request.name, payload, request.options)
    computed = {
        name: payload.digest(name)
        for name in info.checksums
        if name in payload.digests or name in driver.digests
    }
    verified_by = _verified_by(info, computed)
    info = _confirmed(request, info, payload.size, computed)
    if request.progress is not None:
        request.progress(payload.size, payload.size)
    return Stored(info, verified_by)


def _paced(driver: UploadHooks, payload: Payload) -> Payload:
    """Return a payload that is sent at the limited rate of the driver."""
    pacing = driver._pacing
    return payload if pacing is None else PacedPayload(payload, pacing)


def _verified_by(info: ObjectInfo, computed: Mapping[str, str]) -> str | None:
    """Return the strongest checksum of the whole object that the service confirmed."""
    for name in HASH_PREFERENCE:
        if name in info.checksums and name in computed:
            return name
    return None


def _verified_by_parts(parts: Sequence[Part]) -> str | None:
    """Return the checksum that the service confirmed for each part, if there is one."""
    common = set(HASH_PREFERENCE).intersection(*(part.checksums for part in parts))
    found = next((name for name in HASH_PREFERENCE if name in common), None)
    return None if found is None or not parts else composite_of(found)


def _confirmed(
    request: UploadRequest, info: ObjectInfo, size: int, checksums: Mapping[str, str]
) -> ObjectInfo:
    """Check the attributes in the service's response, and complete them from the request."""
    if info.size is not None and info.size != size:
        raise IntegrityError(f"{size} bytes were sent, but the service stored {info.size} bytes")
    compare(checksums, info.checksums, "the service stored different bytes than were sent")
    content_type, metadata = request.options.content_type, request.options.metadata
    if (info.size, info.content_type, info.metadata) == (size, content_type, metadata):
        return info
    return info.with_content(size, content_type, metadata)


def _check_expected(request: UploadRequest, checksums: Mapping[str, str]) -> None:
    if request.checksum is not None:
        compare(dict([request.checksum]), checksums, "the source does not match checksum=")


def _threshold(driver: UploadHooks) -> int:
    return min(driver.transfer.multipart_threshold, driver.limits.max_put)


def _refuse_if_too_large(driver: UploadHooks, size: int) -> None:
    limit = driver.limits.max_put
    if size > limit and not driver.takes_parts:
        raise NotSupportedError(
            f"the source has {size} bytes or more; this service allows objects of at most {limit}"
            " bytes"
        )
