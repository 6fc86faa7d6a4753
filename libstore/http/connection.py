"""
Send requests to a socket with as few calls as possible, and receive responses.

`PlainConnection` and `SecureConnection` are urllib3's connections, which connect through proxies
and TLS. A `Channel` then sends and receives; it replaces the parsers of urllib3, http.client and
email, where requests spends most of its time.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic

from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_read

from ..errors import IntegrityError
from ..retry import MIN_RATE
from ..values import KiB
from .message import Content
from .network_errors import IncompleteResponseError, MalformedResponseError, TooSlowError
from .response_head import Head, parse_head

_BUFFER = 64 * KiB
# The maximum size of a body that is sent with the head in one call.
_TOGETHER = 64 * KiB
_NOTHING: Iterable[memoryview] = ()
# After each block of this size, check whether the service has already responded.
_PIECE = 256 * KiB
# A service that processes a request may send white space to keep the connection open:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
# It may do so for this many timeouts, except after a GET.
_PROCESSING_TIMEOUTS = 10
# The kernel's timeouts are multiples of its ticks, of which a second has at least 100.
_ROUNDING = 0.02
# The maximum number of responses with status 1xx before the final one.
_MAX_INTERIM = 16

# The first byte of a GET, and of no other request.
_GET = ord("G")

#: The errors that show during sending that the peer has closed the connection.
PEER_LEFT = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Channel:
    """
    An open connection, with the bytes that were received and not yet read.

    Attributes:
        used: Whether a response was received on it; only then can it be stale.
        untouched: Whether the service cannot have received the last request.
        silent: Whether nothing was received since the last request.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._blocking_for = _limit_waiting(sock, timeout)
        self._sock = sock
        self._has_data = _reads_of(sock)
        # Bytes that TLS has decrypted, which waiting for the socket does not show.
        self._pending = sock.pending if isinstance(sock, ssl.SSLSocket) else None
        self._timeout = timeout
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._stop = 0
        self._sending = False
        self._timeouts = 1
        self._window, self._waited, self._moved = timeout, 0.0, 0
        self.used = False
        self.untouched = False
        self.silent = True

    @property
    def buffered(self) -> int:
        """The number of bytes that were received and not yet read."""
        return self._stop - self._start

    def idle(self) -> bool:
        """
        Return whether the connection is open and has no unexpected data.

        Data after the end of a response must not be taken for the beginning of the next one.
        """
        if self._start != self._stop or (self._pending is not None and self._pending()):
            return False
        return not self._has_data(0)

    def drop(self) -> None:
        """Close the socket, without shutting down TLS."""
        self._sock.close()

    # Sending

    def send(self, head: memoryview, content: bytes | Content | None) -> bool:
        """
        Send a request; return `False` if the service responded before all of it was sent.

        Raises:
            IntegrityError: The content has another length than its `size`.
        """
        self._start = self._stop = 0
        self._window, self._waited, self._moved = self._timeout, 0.0, 0
        self._sending = True
        self._timeouts = 1 if head[0] == _GET else _PROCESSING_TIMEOUTS
        self.untouched = False
        self.silent = True
        size, pieces = 0, _NOTHING
        if isinstance(content, bytes):
            size, pieces = len(content), (memoryview(content),)
        elif content is not None:
            size, pieces = content.size, content.blocks()
        if size <= _TOGETHER:
            whole = memoryview(b"".join((head, *pieces)))
            if len(whole) != len(head) + size:
                raise _wrong_size(size, len(whole) - len(head))
            head, pieces = whole, _NOTHING
        try:
            self._send_all(head)
        except PEER_LEFT:
            # The peer closed the connection before it received the request, so it cannot have
            # processed it. It may have sent a response with the reason.
            self.untouched = True
            return False
        return pieces is _NOTHING or all(map(self._send_piece, _exactly(pieces, size)))

    def _send_piece(self, piece: memoryview) -> bool:
        for start in range(0, piece.nbytes, _PIECE):
            if self._has_early_response():
                return False
            try:
                self._send_all(piece[start : start + _PIECE])
            except PEER_LEFT:
                return False
            except TimeoutError:
                if self._has_early_response():
                    return False
                raise
        return True

    def _send_all(self, data: memoryview) -> None:
        while data:
            began = monotonic()
            try:
                count = self._sock.send(data)
            except BlockingIOError:  # the kernel's timeout
                raise TimeoutError from None
            self._waited += monotonic() - began
            self._moved += count
            if self._waited > self._window:
                self._end_window(count)
            data = data[count:]

    def _has_early_response(self) -> bool:
        """Return whether the service responded before the whole request was sent."""
        if not self._has_data(0):
            return False
        self._sock.settimeout(0.0)
        try:
            count = self._sock.recv_into(self._view[self._stop :])
        except _NOT_YET:
            return False  # it was a TLS record without data
        except PEER_LEFT:
            return True
        finally:
            self._sock.settimeout(self._blocking_for)
        self._stop += count
        self.silent = self.silent and not count
        # An interim response does not stop sending; anything else does, including the end.
        return not (count and self._buffer.startswith(b"HTTP/1.1 1"))

    # Receiving

    def receive_head(self) -> Head:
        """
        Receive the head of the response; any received part of the body stays in the buffer.

        Raises:
            MalformedResponseError: The response is not valid HTTP/1.1, or is ambiguous.
            IncompleteResponseError: The connection ended first.
        """
        self._sending = False
        self._window, self._waited, self._moved = self._timeout, 0.0, 0
        for _ in range(_MAX_INTERIM):
            head = parse_head(self._head_bytes())
            if head.status >= 200:
                self.used = True
                self._window = self._timeouts * self._timeout
                self._waited, self._moved = 0.0, 0
                return head
            if head.status == 101:
                raise MalformedResponseError("it switches to a protocol that was not requested")
        raise MalformedResponseError(f"more than {_MAX_INTERIM} interim responses")

    def _head_bytes(self) -> bytes:
        buffer = self._buffer
        if self._start == self._stop:
            self._start = self._stop = 0
            self._receive_more()
        searched = self._start
        while True:
            end = buffer.find(b"\r\n\r\n", searched, self._stop)
            if end >= 0:
                head = bytes(self._view[self._start : end])
                self._start = end + 4
                return head
            if not buffer.startswith(b"HTTP/1.", self._start, self._stop):
                start = bytes(self._view[self._start : min(self._start + 7, self._stop)])
                if not b"HTTP/1.".startswith(start):
                    raise MalformedResponseError("it does not begin with HTTP/1")
            searched = max(self._start, self._stop - 3)
            if self._stop == _BUFFER:
                if not self._start:
                    raise MalformedResponseError(f"its head is longer than {_BUFFER} bytes")
                searched -= self._start
                self._move_to_front()
            self._receive_more()

    def _receive_more(self) -> None:
        """Receive more of the head."""
        count = self._receive(self._view[self._stop :])
        if not count:
            raise IncompleteResponseError
        self._stop += count

    def fill(self) -> int:
        """Receive bytes into the buffer; return how many, 0 at the end of the connection."""
        if self._start == self._stop:
            self._start = self._stop = 0
        elif self._stop == _BUFFER:
            self._move_to_front()
        count = self._receive(self._view[self._stop :])
        self._stop += count
        return count

    def line(self, longest: int) -> bytes:
        """Return the next line, without its line ending."""
        searched = self._start
        while True:
            end = self._buffer.find(b"\r\n", searched, self._stop)
            if end >= 0:
                line = bytes(self._view[self._start : end])
                self._start = end + 2
                return line
            searched = max(self._start, self._stop - 1)
            if self.buffered > longest:
                raise MalformedResponseError(f"a line is longer than {longest} bytes")
            moved = self._start
            if not self.fill():
                raise IncompleteResponseError
            searched -= moved - self._start

    def take(self, target: memoryview) -> int:
        """Move buffered bytes to the target, or receive bytes into it; 0 at the end."""
        start = self._start
        if start == self._stop:
            return self._receive(target)
        count = min(target.nbytes, self._stop - start)
        target[:count] = self._view[start : start + count]
        self._start = start + count
        return count

    def take_bytes(self, count: int) -> bytes:
        """Return a number of buffered bytes."""
        start = self._start
        self._start = start + count
        return bytes(self._view[start : start + count])

    def discard_available(self, count: int) -> int:
        """Discard up to `count` bytes without waiting for any; return how many."""
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
            self._sock.settimeout(self._blocking_for)
        except OSError:
            pass  # no more bytes are available, so the caller closes the connection
        return dropped

    def _receive(self, target: memoryview) -> int:
        began = monotonic()
        try:
            count = self._sock.recv_into(target)
        except BlockingIOError:  # the kernel's timeout
            raise TimeoutError from None
        if count:
            self.silent = False
        self._waited += monotonic() - began
        self._moved += count
        if self._waited > self._window:
            self._end_window(count)
        return count

    def _end_window(self, count: int) -> None:
        """
        Raise `TooSlowError` if too few bytes were transferred during a window of time.

        Single bytes now and then would never trigger the socket's timeout. Only the time spent
        waiting for the socket counts, not the time that the reader takes between two calls.
        """
        if count and self._moved < MIN_RATE * self._window:
            raise TooSlowError(self._window, sending=self._sending)
        self._waited, self._moved = 0.0, 0

    def _move_to_front(self) -> None:
        rest = self.buffered
        self._buffer[:rest] = self._buffer[self._start : self._stop]
        self._start, self._stop = 0, rest


def _limit_waiting(sock: socket.socket, timeout: float) -> float | None:
    """
    Set the timeout of a socket's calls; return the one that Python must know of, or `None`.

    Python waits for a socket that has a timeout with a call of its own before each call, and
    releases the interpreter lock for both. A kernel that has the timeout makes one call of them.
    """
    # OpenSSL continues after a timeout of the kernel, and the sockets of gevent have none.
    if type(sock).__module__ != "socket" or not _set_kernel_timeout(sock, timeout):
        sock.settimeout(timeout)
        return timeout
    sock.settimeout(None)
    return None


def _set_kernel_timeout(sock: socket.socket, timeout: float) -> bool:
    """Set the kernel's timeout of sending and receiving; return whether it has one now."""
    form = struct.Struct("@ll")
    seconds, fraction = divmod(timeout, 1)
    limit = form.pack(int(seconds), max(int(fraction * 1e6), 1))
    try:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, limit)
            # The kernel rounds it. A system with another form of times has read something else.
            found, micro = form.unpack(sock.getsockopt(socket.SOL_SOCKET, option, form.size))
            if abs(found + micro / 1e6 - timeout) > _ROUNDING:
                return False
    except (AttributeError, OSError, struct.error):
        return False
    return True


def _reads_of(sock: socket.socket) -> Callable[[float], object]:
    """Return a function that returns whether a socket can be read, after a number of seconds."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return partial(wait_for_read, sock)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


class _Leased:
    """
    The state that a `ConnectionPool` keeps with a connection.

    Attributes:
        channel: The open channel, or `None`.
        lease: The number of the current lease, which is required to release the connection, once.
    """

    channel: Channel | None = None
    lease = 0


class PlainConnection(_Leased, HTTPConnection):
    """A connection without TLS."""

    @override
    def close(self) -> None:
        self.channel = None
        super().close()


class SecureConnection(_Leased, HTTPSConnection):
    """A connection with TLS."""

    @override
    def close(self) -> None:
        self.channel = None
        super().close()


Connection = PlainConnection | SecureConnection


def _exactly(pieces: Iterable[memoryview], size: int) -> Iterator[memoryview]:
    """Yield the blocks of a content, and raise an error if they do not match its size."""
    sent = 0
    for piece in pieces:
        sent += piece.nbytes
        if sent > size:
            break
        yield piece
    if sent != size:
        raise _wrong_size(size, sent)


def _wrong_size(size: int, found: int) -> IntegrityError:
    return IntegrityError(
        f"the content was announced with {size} bytes, but has"
        f" {'more' if found > size else f'only {found}'}"
    )
