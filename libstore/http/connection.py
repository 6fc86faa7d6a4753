"""
Bytes on the socket: a request in as few sends as it takes, and what comes back.

`PlainConnection` and `SecureConnection` are urllib3's connections, which know how to reach a
service through proxies and TLS. From there on a `Channel` does the talking; the parsers of
urllib3, http.client and email, where requests spends most of its time, are left out.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from time import monotonic

from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

from ..errors import IntegrityError
from ..retry import MIN_RATE
from ..values import KiB
from .message import Content
from .network_errors import BrokenOffError, MalformedAnswerError, TooSlowError
from .response_head import Head, parse_head

_BUFFER = 64 * KiB
# What is small enough to travel in one send with the head.
_TOGETHER = 64 * KiB
# An answer that comes early is looked for between pieces of this size.
_PIECE = 256 * KiB
# A service that works on a request sends white space meanwhile, so that the connection is kept:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
# It may do so for this many timeouts; what answers to GET sends what there is.
_AT_WORK = 10
# More answers of status 1xx before the real one than any service has a use for.
_MOST_INTERIM = 16

# What a GET, and no other request, begins with.
_GET = ord("G")

#: How a connection shows that the peer has gone while something was sent.
PEER_LEFT = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Channel:
    """
    One open connection, and what was received on it and not yet read.

    Attributes:
        used: Whether an answer has come on it before; only then can it have gone stale.
        untouched: Whether certainly nothing of the last request was sent.
        silent: Whether nothing has come since the last request.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        sock.settimeout(timeout)
        self._sock = sock
        self._timeout = timeout
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._stop = 0
        self._sending = False
        self._patience = 1
        self._begin_window(1)
        self.used = False
        self.untouched = False
        self.silent = True

    @property
    def buffered(self) -> int:
        """How many bytes can be had without asking the socket."""
        return self._stop - self._start

    def idle(self) -> bool:
        """Return whether the connection is open, and nothing came that was not asked for."""
        return not (self.buffered or self._pending() or wait_for_read(self._sock, 0.0))

    def clean(self) -> bool:
        """Return whether nothing lies behind the end of the answer that was just read."""
        return not (self.buffered or self._pending())

    def _pending(self) -> int:
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def drop(self) -> None:
        """Close the socket without a word to the peer."""
        self._sock.close()

    # Sending

    def send(self, head: memoryview, content: bytes | Content | None) -> bool:
        """
        Send a request; return `False` if an answer came before all of it was sent.

        Raises:
            IntegrityError: The content is not as long as it said it was.
        """
        self._start = self._stop = 0
        self._begin_window(1)
        self._sending = True
        self._patience = 1 if head[0] == _GET else _AT_WORK
        self.untouched = False
        self.silent = True
        if not content:
            return self._send_first(head)
        if isinstance(content, bytes):
            if len(content) <= _TOGETHER:
                return self._send_first(memoryview(b"".join((head, content))))
            pieces: Iterator[memoryview] = iter((memoryview(content),))
        else:
            pieces = _exactly(content)
        first = next(pieces, memoryview(b""))
        if first.nbytes <= _TOGETHER:
            complete = self._send_first(memoryview(b"".join((head, first))))
        else:
            complete = self._send_first(head) and self._send_piece(first)
        while complete:
            piece = next(pieces, None)
            if piece is None:
                return True
            complete = self._send_piece(piece)
        return False

    def _send_first(self, data: memoryview) -> bool:
        try:
            self._send_all(memoryview(data))
        except PEER_LEFT:
            # The peer was gone before the request was out: it cannot have acted on it. It may
            # have said why before it left.
            self.untouched = True
            return False
        return True

    def _send_piece(self, piece: memoryview) -> bool:
        for start in range(0, piece.nbytes, _PIECE):
            if self._answered():
                return False
            try:
                self._send_all(piece[start : start + _PIECE])
            except PEER_LEFT:
                return False
            except TimeoutError:
                if self._answered():
                    return False
                raise
        return True

    def _send_all(self, data: memoryview) -> None:
        while data:
            began = monotonic()
            count = self._sock.send(data)
            self._pace(began, count)
            data = data[count:]

    def _answered(self) -> bool:
        """Return whether an answer is there although the request is not yet sent."""
        if not wait_for_read(self._sock, 0.0):
            return False
        self._sock.settimeout(0.0)
        try:
            count = self._sock.recv_into(self._view[self._stop :])
        except _NOT_YET:
            return False  # TLS had something to say to TLS
        except PEER_LEFT:
            return True
        finally:
            self._sock.settimeout(self._timeout)
        self._stop += count
        self.silent = self.silent and not count
        # An interim answer does not end the sending; anything else does, an end too.
        return not (count and self._buffer.startswith(b"HTTP/1.1 1"))

    # Receiving

    def receive_head(self) -> Head:
        """
        Return the head of the answer; what of its body came along stays here.

        Raises:
            MalformedAnswerError: This is not HTTP/1.1, or none that can be trusted.
            BrokenOffError: The connection ended first.
        """
        self._sending = False
        self._begin_window(1)
        for _ in range(_MOST_INTERIM):
            head = parse_head(self._head_bytes())
            if head.status >= 200:
                self.used = True
                self._begin_window(self._patience)
                return head
            if head.status == 101:
                raise MalformedAnswerError("it changed to a protocol that nobody asked for")
        raise MalformedAnswerError("it sent interim answers without end")

    def _head_bytes(self) -> bytes:
        buffer = self._buffer
        searched = self._start
        while True:
            end = buffer.find(b"\r\n\r\n", searched, self._stop)
            if end >= 0:
                head = bytes(self._view[self._start : end])
                self._start = end + 4
                return head
            if self._stop and not buffer.startswith(b"HTTP/1.", self._start, self._stop):
                start = bytes(self._view[self._start : min(self._start + 7, self._stop)])
                if not b"HTTP/1.".startswith(start):
                    raise MalformedAnswerError("what came does not begin with HTTP/1")
            searched = max(self._start, self._stop - 3)
            if self._stop == _BUFFER:
                if not self._start:
                    raise MalformedAnswerError(f"its head is longer than {_BUFFER} bytes")
                searched -= self._start
                self._move_to_front()
            count = self._receive(self._view[self._stop :])
            if not count:
                raise BrokenOffError
            self._stop += count

    def fill(self) -> int:
        """Receive more into the buffer; return how much, 0 at the end of the connection."""
        if self._start == self._stop:
            self._start = self._stop = 0
        elif self._stop == _BUFFER:
            self._move_to_front()
        count = self._receive(self._view[self._stop :])
        self._stop += count
        return count

    def line(self, longest: int) -> bytes:
        """Return the next line without its end."""
        searched = self._start
        while True:
            end = self._buffer.find(b"\r\n", searched, self._stop)
            if end >= 0:
                line = bytes(self._view[self._start : end])
                self._start = end + 2
                return line
            searched = max(self._start, self._stop - 1)
            if self.buffered > longest:
                raise MalformedAnswerError(f"a line is longer than {longest} bytes")
            moved = self._start
            if not self.fill():
                raise BrokenOffError
            searched -= moved - self._start

    def take(self, target: memoryview) -> int:
        """Fill the target with what is there, or with the next that comes; 0 at the end."""
        start = self._start
        if start == self._stop:
            return self._receive(target)
        count = min(target.nbytes, self._stop - start)
        target[:count] = self._view[start : start + count]
        self._start = start + count
        return count

    def take_bytes(self, count: int) -> bytes:
        """Return as many of the buffered bytes."""
        start = self._start
        self._start = start + count
        return bytes(self._view[start : start + count])

    def take_at_once(self, count: int) -> int:
        """Drop up to as many bytes, without waiting for any; return how many were dropped."""
        dropped = min(count, self.buffered)
        self._start += dropped
        if dropped == count:
            return dropped
        try:
            self._sock.settimeout(0.0)
            while dropped < count:
                got = self._sock.recv_into(self._view[: min(count - dropped, _BUFFER)])
                if not got:
                    break
                dropped += got
            self._sock.settimeout(self._timeout)
        except OSError:
            pass  # no more is there; whoever wanted more closes the connection now
        return dropped

    def _receive(self, target: memoryview) -> int:
        began = monotonic()
        count = self._sock.recv_into(target)
        self.silent = self.silent and not count
        self._pace(began, count)
        return count

    # Pace

    def _begin_window(self, timeouts: int) -> None:
        self._window = timeouts * self._timeout
        self._waited, self._moved = 0.0, 0

    def _pace(self, began: float, count: int) -> None:
        """
        Raise `TooSlowError` if too few bytes have moved over a whole window of time.

        A drip of a byte now and then never trips the socket's timeout. What counts is the time
        spent waiting here, not the time that the reader takes between two calls.
        """
        self._waited += monotonic() - began
        self._moved += count
        if self._waited <= self._window:
            return
        if count and self._moved < MIN_RATE * self._window:
            raise TooSlowError(self._window, sending=self._sending)
        self._waited, self._moved = 0.0, 0

    def _move_to_front(self) -> None:
        rest = self.buffered
        self._buffer[:rest] = self._buffer[self._start : self._stop]
        self._start, self._stop = 0, rest


class _Leased:
    """
    What a `ConnectionPool` keeps with a connection.

    Attributes:
        channel: What talks on it, while it is open.
        extra: Whether it is one beyond the pool's size, and will not be kept.
        lease: Which lease this is. Only who knows it can give the connection back, and once.
    """

    channel: Channel | None = None
    extra = False
    lease = 0


class PlainConnection(_Leased, HTTPConnection):
    """A connection without TLS."""

    @override
    def close(self) -> None:
        self.channel = None
        super().close()


class SecureConnection(_Leased, HTTPSConnection):
    """A connection with TLS, whose certificate is checked as the pool says."""

    @override
    def close(self) -> None:
        self.channel = None
        super().close()


Connection = PlainConnection | SecureConnection


def _exactly(content: Content) -> Iterator[memoryview]:
    """Yield the content's pieces; a length that was announced is kept, or nothing is finished."""
    left = content.size
    for piece in content.blocks():
        left -= piece.nbytes
        if left < 0:
            break
        yield piece
    if left:
        raise IntegrityError(
            f"the content has {content.size} bytes, it said, and then"
            f" {'more' if left < 0 else f'only {content.size - left}'}"
        )
