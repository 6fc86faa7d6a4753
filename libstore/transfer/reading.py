"""
Reading objects, with resumption and verification.

A stream that breaks is resumed at the next byte, for the ETag of the first response, so bytes of
two versions are never mixed. The bytes of a whole object are compared with the checksum that the
service stores, even if the stream was resumed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeVar

from ..buffers import GrowingBuffer
from ..errors import (
    IntegrityError,
    InvalidTypeError,
    LocalFileError,
    NotSupportedError,
    ObjectChangedError,
    ObjectNotModifiedError,
    ServiceError,
    StorageError,
    TransferCancelledError,
    TransportError,
)
from ..retry import Budget, Retrier
from ..values import (
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    KiB,
    MiB,
    ObjectInfo,
    Reading,
    Span,
    StartedRead,
    no_checkpoint,
)
from .options import TransferOptions
from .pacing import Pacing
from .verification import CompositeHooks, Verification, verification
from .workers import map_concurrently

R = TypeVar("R")

_log = logging.getLogger("libstore")

# No object is larger, and every service can parse it.
_ANY_SIZE = 1 << 53
_MAX_REPLACEMENTS = 2
# Spans with smaller gaps are fetched with one request; the bytes between them are dropped.
_COALESCE = MiB
# Fewer bytes are read into a buffer of their size.
_SMALL = 64 * KiB


class ReadHooks(CompositeHooks, Protocol):
    """The hooks of a driver that reading calls."""

    @property
    def _retrier(self) -> Retrier: ...
    @property
    def transfer(self) -> TransferOptions: ...
    @property
    def _pacing(self) -> Pacing | None: ...

    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading: ...


@dataclass(slots=True)
class Wanted:
    """
    The object that is to be read.

    Attributes:
        if_match: Only the object with this ETag; otherwise `ObjectChangedError`.
        if_none_match: Not the object with this ETag; otherwise `ObjectNotModifiedError`.
        version: This version, instead of the current one.
    """

    container: str
    name: str
    if_match: str | None = None
    if_none_match: str | None = None
    version: str | None = None

    def check(self, info: ObjectInfo) -> None:
        """
        Check that an object is the one to be read, for services that ignore the conditions.

        Raises:
            ObjectChangedError: It has another ETag than that of `if_match`.
            ObjectNotModifiedError: It has the ETag of `if_none_match`.
            NotSupportedError: The service has sent another version.
        """
        if self.version is not None and info.version != self.version:
            raise NotSupportedError(
                f"version {self.version!r} was requested, but the service sent"
                f" {'one without an id' if info.version is None else repr(info.version)}; it keeps"
                " no versions, or they are not enabled"
            )
        if info.etag is None:  # the service compares ETags, but does not report them with content
            return
        if self.if_match not in {None, info.etag}:
            raise ObjectChangedError(f"the object has the ETag {info.etag}, not {self.if_match}")
        if self.if_none_match is not None and self.if_none_match == info.etag:
            raise ObjectNotModifiedError(f"the object still has the ETag {info.etag}")


class ObjectStream:
    """
    The bytes of one span of an object, in order.

    Attributes:
        info: The object's attributes from the first response.
        span: The span, with a known end.
        left: The number of bytes that have not been read.
        verified_by: The checksum that verified the bytes, once the whole object was read.
        checkpoint: Called before a broken stream is resumed; it raises an error to prevent that.

    Args:
        known: The attributes of the version to read; `None` reads the current one.
        started: The first request, if it was sent already.
    """

    def __init__(
        self,
        driver: ReadHooks,
        wanted: Wanted,
        span: Span,
        known: ObjectInfo | None = None,
        started: StartedRead | None = None,
    ) -> None:
        self.checkpoint: Callable[[], None] = no_checkpoint
        self.verified_by: str | None = None
        self._driver = driver
        self._wanted = wanted
        self._known = known
        self._started = started
        self._reading: Reading | None = None
        self._surplus = 0
        limited = driver.transfer.max_bytes_per_second is not None
        self._pacing = driver._pacing if limited else None
        retrier = driver._retrier
        self._clock = retrier.clock
        self._budget = Budget(retrier, lasting=True)
        self._seconds = 0.0
        self._position = self._resumed_at = 0
        self.info, self.span = self._open(span)
        self._known = self.info
        start, stop = self.span.start, self.span.stop
        assert stop is not None
        self._position = self._resumed_at = start
        self.left = stop - start
        self._verification: Verification | None = None
        try:
            if start == 0 and stop == self.info.size:
                names = wanted.container, wanted.name
                self._verification = verification(driver, *names, self.info)
        except BaseException:
            self.close()
            raise
        if not self.left:
            self.close()
            self._verify()

    @property
    def known_info(self) -> ObjectInfo:
        """The attributes; a response to a range may lack checksums, so they are incomplete."""
        if self.span == Span(0, self.info.size):
            return self.info
        return replace(self.info, complete=False)

    def readinto(self, view: memoryview) -> int:
        """
        Read bytes into the view until it is full or the span ends, and return how many.

        Raises:
            ObjectChangedError: The object was replaced after the first byte was read.
            IntegrityError: The object, or one of its parts, was read completely and does not match
                its checksum.
            TransportError: The connection broke, and all attempts to resume failed.
        """
        wanted = min(view.nbytes, self.left)
        filled = 0
        pacing = self._pacing
        stop = wanted
        while filled < wanted:
            if pacing is not None:
                stop = min(wanted, filled + pacing.block_size)
            # Release slices at once: a traceback that holds one would hold the buffer.
            with view[filled:stop] as rest:
                count = self._read_some(rest)
                filled += count
                self._position += count
                self.left -= count
                if self._verification is not None:
                    if count == rest.nbytes:
                        self._verification.update(rest)
                    else:
                        with rest[:count] as block:
                            self._verification.update(block)
            if pacing is not None:
                pacing.wait(count, self.checkpoint)
        if not self.left:
            self._verify()
        return filled

    def close(self) -> None:
        """Release the connection. Calling it again is harmless."""
        reading, self._reading = self._reading, None
        if reading is not None:
            if self._position > self._resumed_at:
                self._budget.succeed()
            reading.close()

    def _release(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    def _verify(self) -> None:
        expected, self._verification = self._verification, None
        if expected is not None:
            expected.finish("the bytes that were read")
            self.verified_by = expected.by

    def _read_some(self, view: memoryview) -> int:
        while True:
            try:
                if self._reading is None:
                    self._open(Span(self._position, self.span.stop))
                reading = self._reading
                assert reading is not None
                # Measure only the time that the service takes, not that of the reader.
                clock = self._clock
                began = clock()
                try:
                    if self._surplus:
                        self._skip(reading)
                    count = reading.body.readinto(view)
                finally:
                    self._seconds += clock() - began
                if count:
                    return count
                if "content_encoding" in reading.info.extra:
                    # A proxy may have compressed the body, so offsets do not match the object.
                    raise ServiceError(f"the response ended {self.left} bytes too early")
                raise TransportError(f"the response ended {self.left} bytes too early")
            except TransportError as error:
                self._release()
                self._wait_before_resuming(error)

    def _wait_before_resuming(self, error: TransportError) -> None:
        self.checkpoint()
        if self.info.etag is None:
            raise error  # without an ETag, the rest could be of another version
        self._budget.moved(self._position - self._resumed_at, self._seconds)
        self._resumed_at = self._position
        self._seconds = 0.0
        # The driver retries each request itself, and may have used all attempts.
        if not error.retryable or not self._budget.retry(error):
            raise error

    def _open(self, span: Span) -> tuple[ObjectInfo, Span]:
        """Request a span; return the object's attributes, and the span with a known end."""
        with self._budget:
            wanted = self._wanted
            if span.start == span.stop:  # no service supports empty ranges
                info = self._driver._head_object(wanted.container, wanted.name, wanted.version)
                wanted.check(info)
                return info, span.clamp(info.size or 0)
            conditions = UNCONDITIONAL
            if self._known is not None:
                conditions = Conditions(if_match=self._known.etag)
            elif wanted.if_match is not None or wanted.if_none_match is not None:
                conditions = Conditions(
                    if_match=wanted.if_match, if_none_match=wanted.if_none_match
                )
            started, self._started = self._started, None
            if started is None:
                reading = self._driver._get_object(
                    wanted.container, wanted.name, span, conditions, wanted.version
                )
            else:
                reading = started.receive()
            self._reading = reading
            if reading.info.size is None and span.is_whole:
                # A proxy may have removed the length; the response to a range has it twice.
                self._release()
                return self._open(Span(0, _ANY_SIZE))
            try:
                if reading.info.size is None:
                    raise ServiceError("the response does not contain the size of the object")
                if conditions is not UNCONDITIONAL or wanted.version is not None:
                    wanted.check(reading.info)
                clamped = span.clamp(reading.info.size)
                self._check_same(reading, clamped)
                self._surplus = clamped.start - reading.span.start
            except BaseException:
                self.close()
                raise
            return reading.info, clamped

    def _check_same(self, reading: Reading, wanted: Span) -> None:
        known, info = self._known, reading.info
        if known is not None and known.etag is not None:
            if info.etag != known.etag:
                raise ObjectChangedError(
                    f"the object was replaced while it was being read: its ETag was {known.etag}"
                    f" and is now {info.etag}"
                )
            if info.size != known.size:
                raise ServiceError(
                    f"the service sent two different sizes of the same object: {known.size} and"
                    f" {info.size} bytes"
                )
        sent = reading.span
        assert wanted.stop is not None
        if sent.stop is None:
            raise InvalidTypeError(
                "the span of a Reading must have an end, such as that of Span.clamp"
            )
        if wanted.start < wanted.stop and not (
            sent.start <= wanted.start and wanted.stop <= sent.stop
        ):
            raise ServiceError(
                f"bytes {wanted.start} to {wanted.stop} were requested, but the service sent"
                f" {sent.start} to {sent.stop}"
            )

    def _skip(self, reading: Reading) -> None:
        """Skip bytes that the service sends before the requested ones."""
        scratch = memoryview(bytearray(min(self._surplus, MiB)))
        while self._surplus > 0:
            skipped = reading.body.readinto(scratch[: self._surplus])
            if not skipped:
                raise TransportError("the response ended before the requested bytes")
            self._surplus -= skipped


class Read(NamedTuple):
    """
    Bytes that were read.

    Attributes:
        info: The object's attributes from the response.
        verified_by: The checksum that verified them, if they are the whole object.
    """

    content: bytes
    info: ObjectInfo
    verified_by: str | None


def restarting(attempt: Callable[[], R], wanted: Wanted, *, pinned: bool = False) -> R:
    """
    Call a function that reads an object, and again if the object was damaged or replaced.

    If the bytes do not match their checksum, they are read again, once; if that fails, too, the
    first error is raised. An object that is replaced meanwhile is read again, up to twice.

    Args:
        attempt: Reads the object, and passes no bytes on before its end.
        pinned: Do not read another version if the object was replaced.
    """
    damaged: IntegrityError | None = None
    pinned = pinned or wanted.if_match is not None or wanted.version is not None
    replacements = 0 if pinned else _MAX_REPLACEMENTS
    while True:
        try:
            return attempt()
        except IntegrityError as error:
            if damaged is not None:
                raise
            damaged = error.with_traceback(None)  # the traceback would keep the bytes in memory
        except ObjectChangedError:
            if not replacements:
                raise
            replacements -= 1
        except (LocalFileError, TransferCancelledError):
            raise
        except StorageError as error:
            if damaged is None:
                raise
            raise damaged from error
        _log.info("reading the object again from the beginning, because it was %s",
                  "replaced" if damaged is None else "damaged in transit")  # fmt: skip


def read(
    driver: ReadHooks,
    wanted: Wanted,
    span: Span,
    known: ObjectInfo | None = None,
    started: StartedRead | None = None,
) -> Read:
    """
    Read a span.

    Args:
        known: The attributes of the version to read; `None` reads the current one.
        started: The first request, if it was sent already.
    """

    def attempt() -> Read:
        nonlocal started
        first, started = started, None
        stream = ObjectStream(driver, wanted, span, known, first)
        try:
            content = read_next(stream, stream.left)
            info = stream.info if span is WHOLE else stream.known_info
            return Read(content, info, stream.verified_by)
        finally:
            stream.close()

    return restarting(attempt, wanted, pinned=known is not None)


def read_next(stream: ObjectStream, size: int) -> bytes:
    """
    Read the next bytes; fewer only at the end.

    Memory for more than 64 KiB is allocated as bytes arrive, and there is no second copy of them.
    """
    size = min(size, stream.left)
    if size <= _SMALL:
        content = bytearray(size)
        with memoryview(content) as view:
            stream.readinto(view)
        return bytes(content)
    buffer = GrowingBuffer(size)
    buffer.fill(stream.readinto)
    return buffer.take()


def iterate(
    driver: ReadHooks,
    wanted: Wanted,
    span: Span,
    chunk_size: int,
    learn: Callable[[ObjectInfo, str | None], None],
) -> Iterator[bytes]:
    """
    Yield the bytes of a span in chunks; only the last one may be shorter than `chunk_size`.

    Args:
        learn: Called with the object's attributes when they are known, and at the end with the
            checksum that verified the bytes, too.
    """

    def begin() -> tuple[ObjectStream, bytes]:
        stream = ObjectStream(driver, wanted, span)
        try:
            return stream, read_next(stream, chunk_size)
        except BaseException:
            stream.close()
            raise

    stream, chunk = restarting(begin, wanted)
    learn(stream.known_info, None)
    with closing(stream):
        if chunk:
            yield chunk
        yield from _chunks(stream, chunk_size)
    learn(stream.known_info, stream.verified_by)


def _chunks(stream: ObjectStream, size: int) -> Iterator[bytes]:
    if size > MiB:
        while stream.left:
            yield read_next(stream, size)
    buffer = memoryview(bytearray(min(size, stream.left)))
    while stream.left:
        count = stream.readinto(buffer)
        yield bytes(buffer[:count])


def read_ranges(driver: ReadHooks, wanted: Wanted, spans: Sequence[Span]) -> list[bytes]:
    """Read each span, all of the same version, with one request for spans that are close."""
    if not spans:
        return []
    first, *rest = _coalesce(spans) or [Span(0, 0)]
    block, info, _ = read(driver, wanted, first)

    def fetch(span: Span) -> bytes:
        return read(driver, wanted, span, info).content

    size = info.size or 0
    rest = [span for span in rest if span.start < size]
    blocks = [block, *map_concurrently(fetch, rest, driver.transfer.concurrency)]
    starts = [first.start, *(span.start for span in rest)]
    return [_cut(span.clamp(size), starts, blocks) for span in spans]


def _coalesce(spans: Sequence[Span]) -> list[Span]:
    """Sort the spans by offset, and join those that are close."""
    joined: list[Span] = []
    wanted = (span for span in spans if span.start != span.stop)
    for span in sorted(wanted, key=lambda span: span.start):
        last = joined[-1] if joined else None
        if last is None or (last.stop is not None and span.start > last.stop + _COALESCE):
            joined.append(span)
        elif last.stop is not None:
            stop = None if span.stop is None else max(last.stop, span.stop)
            joined[-1] = Span(last.start, stop)
    return joined


def _cut(span: Span, starts: Sequence[int], blocks: Sequence[bytes]) -> bytes:
    assert span.stop is not None
    for start, block in zip(reversed(starts), reversed(blocks), strict=True):
        if start <= span.start:
            return block[span.start - start : span.stop - start]
    return b""
