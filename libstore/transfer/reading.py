"""
Reading the bytes of an object, whatever happens to the connection.

A stream that breaks is opened again at the next byte, pinned to the ETag of the first answer, so
that bytes of two versions are never mixed. A read of the whole object is compared with the digest
that the service keeps, across such seams too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol, TypeVar

from ..buffers import GrowingBuffer
from ..errors import (
    IntegrityError,
    LocalFileError,
    ObjectChangedError,
    ServiceError,
    StorageError,
    TransferCancelledError,
    TransportError,
)
from ..retry import Retrier
from ..values import Conditions, MiB, ObjectInfo, Reading, Span
from .options import TransferOptions
from .verification import CompositeHooks, Verification, verification
from .workers import map_concurrently

R = TypeVar("R")

_log = logging.getLogger("libstore")

# What no object is larger than, and what every service can read as a number.
_ANY_SIZE = 1 << 53
_MOST_REPLACEMENTS = 2
# Spans that lie no further apart are fetched with one request; the bytes between are dropped.
_COALESCE = MiB


class ReadHooks(CompositeHooks, Protocol):
    """What reading needs of a driver."""

    @property
    def _retrier(self) -> Retrier: ...
    @property
    def transfer(self) -> TransferOptions: ...

    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading: ...


def _go_on() -> None:
    """Do nothing: for a stream that nobody stops."""


class ObjectStream:
    """
    The bytes of one span of an object, in order.

    Attributes:
        info: What the first answer told of the object.
        span: The span, with a known end.
        verified_by: What the bytes were verified by, once the whole object was read.
        checkpoint: Raises once a stream that broke is not to be resumed any more.

    Args:
        known: What an answer told of the version that must be read; `None` takes the one that is
            there.
    """

    def __init__(
        self,
        driver: ReadHooks,
        container: str,
        name: str,
        span: Span,
        known: ObjectInfo | None = None,
    ) -> None:
        self.checkpoint: Callable[[], None] = _go_on
        self.verified_by: str | None = None
        self._driver = driver
        self._target = (container, name)
        self._known = known
        self._reading: Reading | None = None
        self._surplus = 0
        self._clock = driver._retrier.clock
        self._budget = driver._retrier.lasting_budget()
        self._seconds = 0.0
        self._position = self._resumed_at = 0
        self.info, self.span = self._open(span)
        self._known = self.info
        self._position = self._resumed_at = self.span.start
        self._verification: Verification | None = None
        try:
            if Span(0, self.info.size) == self.span:
                self._verification = verification(driver, container, name, self.info)
        except BaseException:
            self.close()
            raise
        if not self.left:
            self.close()
            self._verify()

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        assert self.span.stop is not None
        return self.span.stop - self._position

    def readinto(self, view: memoryview) -> int:
        """
        Fill the view, as far as there are bytes, and return how many; 0 only at the end.

        Raises:
            ObjectChangedError: The object was replaced after the first byte was read.
            IntegrityError: The object was read from end to end and does not match its digest, or
                up to the end of a part that does not.
            TransportError: The bytes broke off, again and again.
        """
        wanted = min(view.nbytes, self.left)
        filled = 0
        while filled < wanted:
            # Slices are released at once: a traceback that keeps one would keep the buffer.
            with view[filled:wanted] as rest:
                count = self._read_some(rest)
                filled += count
                self._position += count
                if self._verification is not None:
                    with rest[:count] as block:
                        self._verification.update(block)
        if not self.left:
            self._verify()
        return filled

    def close(self) -> None:
        """Give back the connection. It may be called again."""
        if self._reading is not None and self._position > self._resumed_at:
            self._budget.succeed()
        self._release()

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
                assert self._reading is not None
                count = self._receive(self._reading, view)
                if count:
                    return count
                if "content_encoding" in self._reading.info.extra:
                    # Perhaps compressed by somebody on the way: then the rest would not fit.
                    raise ServiceError(f"the answer ended {self.left} bytes too early")
                raise TransportError(f"the answer ended {self.left} bytes too early")
            except TransportError as error:
                self._release()
                self._wait_before_resuming(error)

    def _receive(self, reading: Reading, view: memoryview) -> int:
        """Receive bytes, and measure how long that takes; what the reader does is left out."""
        began = self._clock()
        try:
            if self._surplus:
                self._skip(reading)
            return reading.body.readinto(view)
        finally:
            self._seconds += self._clock() - began

    def _wait_before_resuming(self, error: TransportError) -> None:
        self.checkpoint()
        if self.info.etag is None:
            raise error  # without an ETag nobody can tell whether the rest is of the same object
        self._budget.moved(self._position - self._resumed_at, self._seconds)
        self._resumed_at = self._position
        self._seconds = 0.0
        # A driver tries each request again by itself, which may have taken all attempts.
        if not error.retryable or not self._budget.retry(error):
            raise error

    def _open(self, span: Span) -> tuple[ObjectInfo, Span]:
        with self._budget:
            return self._ask(span)

    def _ask(self, span: Span) -> tuple[ObjectInfo, Span]:
        if span.start == span.stop:  # no service sends zero bytes of an object
            info = self._driver._head_object(*self._target, None)
            return info, span.clamp(info.size or 0)
        etag = self._known.etag if self._known else None
        reading = self._driver._get_object(*self._target, span, Conditions(if_match=etag), None)
        self._reading = reading
        if reading.info.size is None and span == Span():
            # Its length may have been lost on the way; an answer with a range tells it once more.
            self._release()
            return self._ask(Span(0, _ANY_SIZE))
        try:
            if reading.info.size is None:
                raise ServiceError("the service does not tell the object's size")
            wanted = span.clamp(reading.info.size)
            self._check_same(reading, wanted)
            self._surplus = wanted.start - reading.span.start
        except BaseException:
            self.close()
            raise
        return reading.info, wanted

    def _check_same(self, reading: Reading, wanted: Span) -> None:
        known, info = self._known, reading.info
        if known is not None and known.etag is not None:
            if info.etag != known.etag:
                raise ObjectChangedError(
                    f"the object was replaced while it was read: its ETag was {known.etag},"
                    f" it is now {info.etag}"
                )
            if info.size != known.size:
                raise ServiceError(
                    f"the service tells two sizes of one object: {known.size} and {info.size}"
                )
        sent = reading.span
        assert sent.stop is not None
        assert wanted.stop is not None
        if wanted.start < wanted.stop and not (
            sent.start <= wanted.start and wanted.stop <= sent.stop
        ):
            raise ServiceError(
                f"bytes {wanted.start} to {wanted.stop} were asked for, the service sends"
                f" {sent.start} to {sent.stop}"
            )

    def _skip(self, reading: Reading) -> None:
        """Read over the bytes that a service sends although they were not asked for."""
        scratch = memoryview(bytearray(min(self._surplus, MiB)))
        while self._surplus > 0:
            skipped = reading.body.readinto(scratch[: self._surplus])
            if not skipped:
                raise TransportError("the answer ended before the bytes that were asked for")
            self._surplus -= skipped


class Read(NamedTuple):
    """
    Bytes that were read.

    Attributes:
        info: What the answer told of the object.
        verified_by: What they were verified by, if they are the whole object.
    """

    content: bytes
    info: ObjectInfo
    verified_by: str | None


def restarting(attempt: Callable[[], R], *, pinned: bool = False) -> R:
    """
    Return what an attempt to read returns that hands nothing on before its end.

    Bytes that do not match their digest are read once more; if that fails, the first error is
    raised. An object that was replaced is read anew, up to twice.

    Args:
        pinned: No other version than the one that is read will do.
    """
    damaged: IntegrityError | None = None
    replacements = 0 if pinned else _MOST_REPLACEMENTS
    while True:
        try:
            return attempt()
        except IntegrityError as error:
            if damaged is not None:
                raise
            damaged = error.with_traceback(None)  # it would keep the bytes that were read
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
        _log.info("the object is read again from its beginning, since it was %s",
                  "replaced" if damaged is None else "damaged on its way")  # fmt: skip


def read(
    driver: ReadHooks, container: str, name: str, span: Span, known: ObjectInfo | None = None
) -> Read:
    """Return the bytes of a span, of the known version if there is one."""

    def attempt() -> Read:
        with closing(ObjectStream(driver, container, name, span, known)) as stream:
            return Read(read_rest(stream), stream.info, stream.verified_by)

    return restarting(attempt, pinned=known is not None)


def read_rest(stream: ObjectStream) -> bytes:
    """Return all bytes that are still to come, without a second copy of them in memory."""
    return read_next(stream, stream.left)


def read_next(stream: ObjectStream, size: int) -> bytes:
    """Return the next bytes, in memory that is taken as they arrive; fewer only at the end."""
    buffer = GrowingBuffer(min(size, stream.left))
    buffer.fill(stream.readinto)
    if not buffer.full:
        raise IntegrityError(f"{buffer.capacity} bytes were expected, {buffer.size} were received")
    return buffer.take()


def iterate(
    driver: ReadHooks,
    container: str,
    name: str,
    span: Span,
    chunk_size: int,
    verified: Callable[[str | None], None],
) -> Iterator[bytes]:
    """
    Yield the bytes of a span in chunks; only the last may be shorter than `chunk_size`.

    Args:
        verified: Told at the end by what the bytes were verified.
    """

    def begin() -> tuple[ObjectStream, bytes]:
        stream = ObjectStream(driver, container, name, span)
        try:
            return stream, read_next(stream, chunk_size)
        except BaseException:
            stream.close()
            raise

    stream, chunk = restarting(begin)
    with closing(stream):
        if chunk:
            yield chunk
        yield from _chunks(stream, chunk_size)
    verified(stream.verified_by)


def _chunks(stream: ObjectStream, size: int) -> Iterator[bytes]:
    if size > MiB:
        while stream.left:
            yield read_next(stream, size)
    buffer = memoryview(bytearray(min(size, stream.left)))
    while stream.left:
        count = stream.readinto(buffer)
        yield bytes(buffer[:count])


def read_ranges(
    driver: ReadHooks, container: str, name: str, spans: Sequence[Span]
) -> list[bytes]:
    """Return the bytes of each span, all of one version, with as few requests as make sense."""
    if not spans:
        return []
    first, *rest = _coalesce(spans) or [Span(0, 0)]
    block, info, _ = read(driver, container, name, first)

    def fetch(span: Span) -> bytes:
        return read(driver, container, name, span, info).content

    size = info.size or 0
    rest = [span for span in rest if span.start < size]
    blocks = [block, *map_concurrently(fetch, rest, driver.transfer.concurrency)]
    starts = [first.start, *(span.start for span in rest)]
    return [_cut(span.clamp(size), starts, blocks) for span in spans]


def _coalesce(spans: Sequence[Span]) -> list[Span]:
    """Return the spans in their order in the object, close ones joined."""
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
