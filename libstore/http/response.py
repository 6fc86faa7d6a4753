"""Answers: the three ways in which a body can come, behind one face."""

from __future__ import annotations

from typing import NoReturn

from typing_extensions import override

from ..buffers import GrowingBuffer
from ..errors import ServiceError, TransportError
from ..redaction import HiddenBytes, without_frames
from ..values import KiB
from .connection import Channel, Connection
from .network_errors import BrokenOffError, MalformedAnswerError, receiving
from .pool import ConnectionPool
from .response_head import Head

_LONGEST_LINE = 4 * KiB
_MOST_TRAILERS = 100
# So much of a body is worth reading over to keep the connection, if it has come already.
_SKIP = 64 * KiB
_BODILESS = frozenset({204, 304})


def answer(head: Head, method: str, pool: ConnectionPool, connection: Connection) -> Answer:
    """Return the answer that a head begins."""
    if method == "HEAD" or head.status in _BODILESS:
        return Answer(head, 0, pool, connection)
    if head.chunked:
        return ChunkedAnswer(head, None, pool, connection)
    if head.size is None:
        return OpenEndedAnswer(head, None, pool, connection)
    return Answer(head, head.size, pool, connection)


class Answer:
    """
    An answer whose body is as long as its head says.

    As soon as the last byte was read, the connection is given back.
    """

    __slots__ = (
        "_connection",
        "_keep",
        "_lease",
        "_left",
        "_pool",
        "_whole",
        "headers",
        "size",
        "status",
    )

    def __init__(
        self, head: Head, size: int | None, pool: ConnectionPool, connection: Connection
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self.size = size
        self._keep = head.keep
        self._left = size or 0
        self._whole = False
        self._pool = pool
        self._connection: Connection | None = connection
        self._lease = connection.lease
        if size == 0:
            self._end()

    def __del__(self) -> None:
        # One that is forgotten must not take its connection with it.
        if getattr(self, "_connection", None) is not None:
            self._drop()

    @property
    def body(self) -> Answer:
        """Give the bytes; `TransportError` where they break off before `size`."""
        return self

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the buffer with what comes next; return how many bytes, 0 at the end."""
        if self._connection is None or not buffer.nbytes:
            if self._connection is None and not self._whole:
                raise TransportError("the answer was closed before it was read to its end")
            return 0
        try:
            channel = self._held()
            if channel is None:
                raise BrokenOffError
            return self._receive(channel, buffer)
        except (OSError, MalformedAnswerError, BrokenOffError) as error:
            self._fail(error)
        except BaseException:
            self._drop()
            raise

    def read(self, limit: int) -> bytes:
        """Return the whole body and give the connection back; `ServiceError` above the limit."""
        if self._whole:
            return b""
        left = self._left
        if self.size is None or self._connection is None:
            return self._read_all(limit)
        if left > limit:
            self._too_long(limit)
        channel = self._held()
        if channel is None or channel.buffered < left:
            return self._read_all(limit)
        data = HiddenBytes(channel.take_bytes(left))
        self._left = 0
        self._end()
        return data

    def _read_all(self, limit: int) -> bytes:
        buffer = GrowingBuffer(limit + 1)
        buffer.fill(self.readinto)
        if buffer.full:
            self._too_long(limit)
        data = buffer.take()
        # What is so short may be an error that repeats a secret.
        return HiddenBytes(data) if len(data) <= _SKIP else data

    def close(self) -> None:
        """Give the connection back, or close it if much of the body is unread."""
        connection = self._connection
        if connection is None:
            return
        if self._skip_rest():
            self._finish()
        else:
            self._drop()

    def _skip_rest(self) -> bool:
        if not self._keep or self._left > _SKIP:
            return False
        channel = self._held()
        return channel is not None and channel.take_at_once(self._left) == self._left

    def _receive(self, channel: Channel, buffer: memoryview) -> int:
        if buffer.nbytes > self._left:
            buffer = buffer[: self._left]
        count = channel.take(buffer)
        if not count:
            raise BrokenOffError
        self._left -= count
        if not self._left:
            self._end()
        return count

    def _held(self) -> Channel | None:
        connection = self._connection
        if connection is None or connection.lease != self._lease:
            return None
        return connection.channel

    def _end(self) -> None:
        self._whole = True
        self._finish()

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # What comes behind the end of an answer was not asked for and must not be taken for the
        # beginning of the next one.
        keep = self._keep and connection.channel is not None and connection.channel.clean()
        self._pool.give_back(connection, self._lease, keep=keep)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection, self._lease, keep=False)

    def _fail(self, error: Exception) -> NoReturn:
        done = "" if self.size is None else f" after {self.size - self._left} of {self.size} bytes"
        self._drop()
        without_frames(error)
        raise receiving(error, self._pool.peer, f"the body of the answer{done}") from None

    def _too_long(self, limit: int) -> NoReturn:
        self._drop()
        raise ServiceError(
            f"the service sent more than the {limit} bytes that are read of such an answer",
            status=self.status,
        )


class ChunkedAnswer(Answer):
    """An answer whose body comes in chunks, each with its size before it."""

    __slots__ = ("_begun",)

    def __init__(
        self, head: Head, size: int | None, pool: ConnectionPool, connection: Connection
    ) -> None:
        super().__init__(head, size, pool, connection)
        self._begun = False

    @override
    def _receive(self, channel: Channel, buffer: memoryview) -> int:
        if not self._left:
            self._left = self._next_chunk(channel)
            if not self._left:
                self._end()
                return 0
        if buffer.nbytes > self._left:
            buffer = buffer[: self._left]
        # Small chunks come many at a time; a large one goes where it shall go.
        if not channel.buffered and buffer.nbytes < _SKIP and not channel.fill():
            raise BrokenOffError
        count = channel.take(buffer)
        if not count:
            raise BrokenOffError
        self._left -= count
        return count

    def _next_chunk(self, channel: Channel) -> int:
        if self._begun and channel.line(_LONGEST_LINE):
            raise MalformedAnswerError("a chunk is longer than it says")
        self._begun = True
        digits = channel.line(_LONGEST_LINE).partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise MalformedAnswerError("the size of a chunk is no number")
        size = int(digits, 16)
        if not size:
            for _ in range(_MOST_TRAILERS):
                if not channel.line(_LONGEST_LINE):
                    return 0
            raise MalformedAnswerError("its trailer does not end")
        return size

    @override
    def _skip_rest(self) -> bool:
        return False


class OpenEndedAnswer(Answer):
    """An answer whose body ends where the connection does."""

    __slots__ = ()

    @override
    def _receive(self, channel: Channel, buffer: memoryview) -> int:
        count = channel.take(buffer)
        if not count:
            self._keep = False
            self._end()
        return count

    @override
    def _skip_rest(self) -> bool:
        return False
