"""A service that stores nothing: it counts received bytes and generates responses."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import BinaryIO

from scripted import Listener, length_of, read_head
from typing_extensions import override

MIB = 1024 * 1024
_BLOCK = memoryview(bytes(range(256)) * (MIB // 256))
_TIMEOUT = 5.0
_PART = re.compile(r"[?&]partNumber=(\d+)")
_RANGE = re.compile(r"range: bytes=(\d+)-(\d*)\r\n", re.IGNORECASE)


class Drain(Listener):
    """
    One object of S3, of any size, that takes no space.

    Attributes:
        parts: Bytes of the parts that arrived, by number.
        most: The most bodies that travelled at one time, by method.
        crowd: How many large bodies have to be on their way before any gets on, as on a slow line.
        connections: The most connections that were open at one time.
    """

    def __init__(self, size: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.size = size
        digest = hashlib.md5()
        for _ in range(size // MIB):
            digest.update(_BLOCK)
        self.etag = digest.hexdigest()
        self.parts: dict[int, int] = {}
        self.most = {"PUT": 0, "GET": 0}
        self.connections = 0
        self.crowd = 0
        self._crowded = threading.Event()
        self._moving = {"PUT": 0, "GET": 0}
        self._open = 0
        self._tls = tls
        self._lock = threading.Lock()

    def forget(self, crowd: int = 0) -> None:
        """Begin to count anew."""
        self.parts.clear()
        self.most = dict.fromkeys(self.most, 0)
        self.connections = self._open
        self.crowd = crowd
        self._crowded.clear()

    @override
    def _serve(self, peer: socket.socket) -> None:
        with self._lock:
            self._open += 1
            self.connections = max(self.connections, self._open)
        with contextlib.suppress(OSError):
            if self._tls is not None:
                peer = self._tls.wrap_socket(peer, server_side=True)
            with peer, peer.makefile("rb") as stream:
                while head := read_head(stream):
                    self._respond(peer, stream, head)
        with self._lock:
            self._open -= 1

    def _respond(self, peer: socket.socket, stream: BinaryIO, head: bytes) -> None:
        text = head.decode("latin-1")
        method, target, _ = text.partition("\r\n")[0].split(" ")
        part = _PART.search(target)
        if method == "PUT":
            with self._travelling(method, length_of(head)):
                _discard(stream, length_of(head))
            if part:
                with self._lock:
                    self.parts[int(part[1])] = length_of(head)
            peer.sendall(b'HTTP/1.1 200 OK\r\nETag: "any"\r\nContent-Length: 0\r\n\r\n')
        elif method == "POST":
            _discard(stream, length_of(head))
            root, inside = "CompleteMultipartUploadResult", "<ETag>any</ETag>"
            if "uploads=" in target:
                root, inside = "InitiateMultipartUploadResult", "<UploadId>one</UploadId>"
            body = f"<{root}>{inside}</{root}>"
            peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        elif method == "DELETE":
            peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            self._send(peer, method, _RANGE.search(text))

    def _send(self, peer: socket.socket, method: str, requested: re.Match[str] | None) -> None:
        start, stop, status = 0, self.size, "200 OK"
        if requested:
            start, status = int(requested[1]), "206 Partial Content"
            stop = min(self.size, int(requested[2] or self.size) + 1)
        lines = [f"HTTP/1.1 {status}", f'ETag: "{self.etag}"', f"Content-Length: {stop - start}"]
        if requested:
            lines.append(f"Content-Range: bytes {start}-{stop - 1}/{self.size}")
        peer.sendall("\r\n".join([*lines, "", ""]).encode())
        if method == "HEAD":
            return
        with self._travelling(method, stop - start):
            while start < stop:
                begin = start % MIB
                block = _BLOCK[begin : begin + stop - start]
                peer.sendall(block)
                start += block.nbytes

    @contextlib.contextmanager
    def _travelling(self, method: str, size: int) -> Iterator[None]:
        if size < MIB:
            yield
            return
        with self._lock:
            self._moving[method] += 1
            self.most[method] = max(self.most[method], self._moving[method])
            if self._moving[method] >= self.crowd:
                self._crowded.set()
        self._crowded.wait(_TIMEOUT)
        try:
            yield
        finally:
            with self._lock:
                self._moving[method] -= 1


def _discard(stream: BinaryIO, left: int) -> None:
    buffer = memoryview(bytearray(min(max(left, 1), MIB)))
    while left:
        count = stream.readinto(buffer[: min(left, MIB)])  # a BufferedReader has it
        if not count:
            raise ConnectionError
        left -= count
