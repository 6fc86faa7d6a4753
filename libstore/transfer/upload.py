"""
An upload, from the source's first byte to the object that the service shows.

What fits into one request goes in one. What is larger goes in parts, if the service takes parts:
the calling thread reads the source and computes the digests of the whole, a crew of threads sends.
A service without parts gets one request from a temporary file. Nothing is published before the
last byte was read and checked; whatever stops an upload before that also takes back its parts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, ClassVar, NamedTuple, Protocol

from .. import arguments
from ..errors import IntegrityError, NotSupportedError
from ..values import HASH_PREFERENCE, Limits, ObjectInfo, Part, Upload, WriteOptions
from .aborting import abort_after_error
from .digests import Digests, compare
from .options import TransferOptions
from .part_sizes import part_sizes
from .payload import BufferPayload, FilePayload, Payload
from .progress import Progress, ProgressCallback
from .sources import Source
from .verification import composite_of
from .workers import CancelToken, WorkerPool, check_cancelled


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


@dataclass(frozen=True)
class UploadRequest:
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
    cancel: CancelToken | None = None

    def __post_init__(self) -> None:
        arguments.callback(self.progress, "progress")
        arguments.flag(self.cancel, "cancel")


class Stored(NamedTuple):
    """
    An object that was uploaded.

    Attributes:
        verified_by: What the service has confirmed its content by; see `Object.verified_by`.
    """

    info: ObjectInfo
    verified_by: str | None


def upload(driver: UploadHooks, order: UploadRequest, source: Source) -> Stored:
    """Upload all that the source gives, and close the source."""
    try:
        driver._learn_limits(source.size)
        payload = _single_payload(driver, order, source)
        if payload is not None:
            return _put(driver, order, payload)
        return _upload_pieces(Uploader(driver, order, source.size), source)
    finally:
        source.close()


def _single_payload(driver: UploadHooks, order: UploadRequest, source: Source) -> Payload | None:
    """Return what one request carries, if it is known beforehand that one will do."""
    size = source.size
    if size is None:
        return None
    _refuse_if_too_large(driver, size)
    checkpoint = _checkpoint_of(order.cancel)
    descriptor = source.descriptor()
    if descriptor is not None and not driver.takes_parts:
        return FilePayload(descriptor, 0, size, checkpoint)
    if size > _threshold(driver):
        return None
    return BufferPayload([source.take(size)], checkpoint)


def _upload_pieces(uploader: Uploader, source: Source) -> Stored:
    try:
        while True:
            view = source.take(uploader.next_size)
            if not view.nbytes:
                return uploader.finish()
            uploader.add(view)
            del view  # it may be a whole part, and the next one is about to be read
    except BaseException:
        uploader.abort()
        raise


class Uploader:
    """
    One upload, fed piece by piece.

    Attributes:
        next_size: How many bytes the next piece should have; only the last may have fewer.
    """

    def __init__(self, driver: UploadHooks, order: UploadRequest, size: int | None) -> None:
        self._driver = driver
        self._order = order
        self._total = size
        self._checkpoint = _checkpoint_of(order.cancel)
        self._sizes = part_sizes(size, driver.transfer, driver.limits)
        self.next_size = next(self._sizes)
        self._held: list[memoryview] = []
        self._most_held = self._threshold(size)
        self._spool: IO[bytes] | None = None
        self._parts: _PartsUpload | None = None
        self._size = 0

    def add(self, view: memoryview) -> None:
        """Take the next piece. It must not be changed any more."""
        self._checkpoint()
        self._size += view.nbytes
        if self._parts is not None or self._spool is not None:
            self._pass_on(view)
        else:
            self._held.append(view)
            if self._size > self._most_held:
                self._go_large()
        if self._driver.takes_parts:
            self.next_size = next(self._sizes, 1)

    def finish(self) -> Stored:
        """Publish the object and return what the service tells of it."""
        self._checkpoint()
        if self._parts is not None:
            return self._parts.finish()
        if self._spool is None:
            payload: Payload = BufferPayload(self._held, self._checkpoint)
        else:
            self._spool.flush()
            payload = FilePayload(self._spool.fileno(), 0, self._size, self._checkpoint)
        stored = _put(self._driver, self._order, payload)
        self._release()
        return stored

    def abort(self) -> None:
        """Give up: nothing is published, and parts that were sent are taken back."""
        self._release()
        if self._parts is not None:
            self._parts.abort()

    def _threshold(self, size: int | None) -> int:
        """Return how many bytes may wait for the decision how to send them."""
        threshold = _threshold(self._driver)
        if not self._driver.takes_parts:
            return threshold
        if size is not None and size > threshold:
            return 0
        return min(threshold, self._driver.transfer.concurrency * self.next_size)

    def _go_large(self) -> None:
        """Leave the hope for a single small request."""
        if self._driver.takes_parts:
            self._parts = _PartsUpload(self._driver, self._order, self._total)
            self._parts.start()
        else:
            self._spool = tempfile.TemporaryFile()
        while self._held:
            self._pass_on(self._held.pop(0))

    def _pass_on(self, view: memoryview) -> None:
        if self._parts is not None:
            self._parts.send(view)
        elif self._spool is not None:
            _refuse_if_too_large(self._driver, self._size)
            self._spool.write(view)

    def _release(self) -> None:
        self._held.clear()
        if self._spool is not None:
            self._spool.close()


class _PartsUpload:
    """An upload in parts: the caller's thread computes digests, a crew sends."""

    def __init__(self, driver: UploadHooks, order: UploadRequest, size: int | None) -> None:
        self._driver = driver
        self._order = order
        self._upload: Upload | None = None
        algorithms = set(driver.digests) | ({order.checksum[0]} if order.checksum else set())
        self._digests = Digests(sorted(algorithms))
        self._progress = Progress(order.progress, size)
        senders = 1 if driver.limits.ordered_parts else driver.transfer.concurrency
        self._crew = WorkerPool[Part](senders, self._keep, order.cancel)
        self._sent = 0
        self._parts: list[Part] = []

    def start(self) -> None:
        """Have the service begin the upload."""
        order = self._order
        upload_id = self._driver._start_upload(order.container, order.name, order.options)
        self._upload = Upload(order.container, order.name, upload_id)

    def send(self, view: memoryview) -> None:
        """Send the next part as soon as a thread is free."""
        if self._sent == self._driver.limits.max_parts:
            raise NotSupportedError(
                f"the source goes on after {self._sent} parts, which is all that this service"
                " takes; give a larger part_size in TransferOptions"
            )
        offset = self._digests.size
        self._digests.update(view)
        self._sent += 1
        payload = BufferPayload([view], self._crew.checkpoint)
        self._crew.submit(self._driver._put_part, self._upload, self._sent, offset, payload)

    def finish(self) -> Stored:
        """Publish the object when the last part has arrived."""
        self._crew.finish()
        checksums = self._digests.hexdigests()
        _check_expected(self._order, checksums)
        parts = sorted(self._parts, key=lambda part: part.number)
        upload = self._upload
        assert upload is not None
        info = self._driver._finish_upload(upload, parts, self._order.options, checksums)
        self._upload = None
        self._crew.stop()
        verified_by = _verified_by(info, checksums) if self._driver.confirms_whole else None
        info = _confirmed(self._order, info, self._digests.size, checksums)
        return Stored(info, verified_by or _verified_by_parts(parts))

    def abort(self) -> None:
        """Stop the threads and have the service drop the parts."""
        self._crew.stop()
        upload, self._upload = self._upload, None
        if upload is not None:
            abort_after_error(partial(self._driver._abort_upload, upload), upload)

    def _keep(self, part: Part) -> None:
        self._parts.append(part)
        self._progress.add(part.size)


def _put(driver: UploadHooks, order: UploadRequest, payload: Payload) -> Stored:
    """Publish an object with one request."""
    check_cancelled(order.cancel)
    if order.checksum is not None:
        _check_expected(order, {order.checksum[0]: payload.digest(order.checksum[0])})
    info = driver._put_object(order.container, order.name, payload, order.options)
    told = [name for name in (*driver.digests, *payload.computed) if name in info.checksums]
    computed = {name: payload.digest(name) for name in told}
    verified_by = _verified_by(info, computed)
    info = _confirmed(order, info, payload.size, computed)
    Progress(order.progress, payload.size).add(payload.size)
    return Stored(info, verified_by)


def _verified_by(info: ObjectInfo, computed: Mapping[str, str]) -> str | None:
    """Return the digest of the whole that proves most of those that the service has told."""
    return next(
        (name for name in HASH_PREFERENCE if name in {*info.checksums} & {*computed}), None
    )


def _verified_by_parts(parts: Sequence[Part]) -> str | None:
    """Return the digest that the service has checked each part with, if there is one."""
    common = set(HASH_PREFERENCE).intersection(*(part.checksums for part in parts))
    found = next((name for name in HASH_PREFERENCE if name in common), None)
    return None if found is None or not parts else composite_of(found)


def _confirmed(
    order: UploadRequest, info: ObjectInfo, size: int, checksums: Mapping[str, str]
) -> ObjectInfo:
    """Return the info with what we know ourselves, after a look at what the service says."""
    if info.size is not None and info.size != size:
        raise IntegrityError(f"{size} bytes were sent, the service has stored {info.size}")
    compare(checksums, info.checksums, "the service has stored something else than was sent")
    content_type, metadata = order.options.content_type, order.options.metadata
    if (info.size, info.content_type, info.metadata) == (size, content_type, metadata):
        return info
    return replace(info, size=size, content_type=content_type, metadata=metadata)


def _check_expected(order: UploadRequest, checksums: Mapping[str, str]) -> None:
    if order.checksum is not None:
        compare(dict([order.checksum]), checksums, "the source is not what was expected")


def _checkpoint_of(cancel: CancelToken | None) -> Callable[[], None]:
    """Return what raises once the user has cancelled."""
    return partial(check_cancelled, cancel)


def _threshold(driver: UploadHooks) -> int:
    return min(driver.transfer.multipart_threshold, driver.limits.max_put)


def _refuse_if_too_large(driver: UploadHooks, size: int) -> None:
    limit = driver.limits.max_put
    if size > limit and not driver.takes_parts:
        raise NotSupportedError(
            f"this service takes objects of up to {limit} bytes; the source has {size} or more"
        )
