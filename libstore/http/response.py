"""Responses with the three kinds of bodies: of known length, chunked, and until the end."""

from __future__ import annotations

from typing import NoReturn

from typing_extensions import override

from ..buffers import GrowingBuffer
from ..errors import ServiceError, TransportError
from ..redaction import HiddenBytes, without_frames
from ..values import KiB
from .connection import Channel, Connection
from .network_errors import IncompleteResponseError, MalformedResponseError, receiving
from .pool import ConnectionPool
from .response_head import Head

_LONGEST_LINE = 4 * KiB
_MAX_TRAILERS = 100
# The most bytes to discard from a body, if they are available, to keep the connection.
_SKIP = 64 * KiB
_BODILESS = frozenset({204, 304})


def make_response(
    head: Head, method: str, pool: ConnectionPool, connection: Connection
) -> WireResponse:
    """Return the response for a head."""
    if method == "HEAD" or head.status in _BODILESS:
        return WireResponse(head, 0, pool, connection)
    if head.chunked:
        return ChunkedResponse(head, None, pool, connection)
    if head.size is None:
        return UnsizedResponse(head, None, pool, connection)
    return WireResponse(head, head.size, pool, connection)


class WireResponse:
    """
    A response with a body of known length.

    The connection is released as soon as the last byte was read.
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
        self._whole = size == 0
        self._pool = pool
        self._connection: Connection | None = connection
        self._lease = connection.lease
        if self._whole:
            self._release(self._keep)

    def __del__(self) -> None:
        # An unread response must release its connection, too.
        if getattr(self, "_connection", None) is not None:
            self._release(False)

    def readinto(self, buffer: memoryview, /) -> int:
        """Read the next bytes into a buffer; return how many, 0 at the end."""
        connection = self._connection
        if connection is None or not buffer.nbytes:
            if connection is None and not self._whole:
                raise TransportError("the response was closed before it was read to its end")
            return 0
        try:
            channel = connection.channel if connection.lease == self._lease else None
            if channel is None:
                raise IncompleteResponseError
            return self._receive(channel, buffer)
        except (OSError, MalformedResponseError, IncompleteResponseError) as error:
            self._fail(error)
        except BaseException:
            self._release(False)
            raise

    def read(self, limit: int) -> bytes:
        """Read the whole body and release the connection; `ServiceError` above the limit."""
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
        self._whole = True
        self._release(self._keep)
        return data

    def _read_all(self, limit: int) -> bytes:
        buffer = GrowingBuffer(limit + 1)
        buffer.fill(self.readinto)
        if buffer.full:
            self._too_long(limit)
        data = buffer.take()
        # A short body may be an error that repeats a secret.
        return HiddenBytes(data) if len(data) <= _SKIP else data

    def close(self) -> None:
        """Release the connection, or close it if much of the body is unread."""
        if self._connection is not None:
            self._release(self._skip_rest())

    def _skip_rest(self) -> bool:
        if not self._keep or self._left > _SKIP:
            return False
        channel = self._held()
        return channel is not None and channel.discard_available(self._left) == self._left

    def _receive(self, channel: Channel, buffer: memoryview) -> int:
        if buffer.nbytes > self._left:
            buffer = buffer[: self._left]
        count = channel.take(buffer)
        if not count:
            raise IncompleteResponseError
        self._left -= count
        if not self._left:
            self._whole = True
            self._release(self._keep)
        return count

    def _held(self) -> Channel | None:
        connection = self._connection
        if connection is None or connection.lease != self._lease:
            return None
        return connection.channel

    def _release(self, keep: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection, self._lease, keep=keep)

    def _fail(self, error: Exception) -> NoReturn:
        done = "" if self.size is None else f" after {self.size - self._left} of {self.size} bytes"
        self._release(False)
        without_frames(error)
        raise receiving(error, self._pool.peer, f"the body of the response{done}") from None

    def _too_long(self, limit: int) -> NoReturn:
        self._release(False)
        raise ServiceError(
            f"the service sent a response of more than {limit} bytes, which is too long for this"
            " request",
            status=self.status,
        )


class ChunkedResponse(WireResponse):
    """A response with a chunked body."""

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
                self._whole = True
                self._release(self._keep)
                return 0
        if buffer.nbytes > self._left:
            buffer = buffer[: self._left]
        # Receive small chunks together into the channel's buffer, large ones directly.
        if not channel.buffered and buffer.nbytes < _SKIP and not channel.fill():
            raise IncompleteResponseError
        count = channel.take(buffer)
        if not count:
            raise IncompleteResponseError
        self._left -= count
        return count

    def _next_chunk(self, channel: Channel) -> int:
        if self._begun and channel.line(_LONGEST_LINE):
            raise MalformedResponseError("a chunk is longer than its announced size")
        self._begun = True
        digits = channel.line(_LONGEST_LINE).partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise MalformedResponseError("the size of a chunk is not a number")
        size = int(digits, 16)
        if not size:
            for _ in range(_MAX_TRAILERS):
                if not channel.line(_LONGEST_LINE):
                    return 0
            raise MalformedResponseError(f"its trailer has more than {_MAX_TRAILERS} lines")
        return size

    @override
    def _skip_rest(self) -> bool:
        return False


class UnsizedResponse(WireResponse):
    """A response whose body ends with the connection."""

    __slots__ = ()

    @override
    def _receive(self, channel: Channel, buffer: memoryview) -> int:
        count = channel.take(buffer)
        if not count:
            self._whole = True
            self._release(False)
        return count

    @override
    def _skip_rest(self) -> bool:
        return False
