"""One object, served as each service serves it, with faults on the way."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from scripted import Listener, Play, Seen, length_of, read_head
from typing_extensions import override

_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIN = re.compile(
    r"(?:[?&]ifGenerationMatch=|\r\n(?:if-match|x-goog-if-generation-match): )\"?([0-9a-zA-Z]+)"
)


@dataclass
class Fault:
    """
    What happens to one response with content; nothing by default.

    Attributes:
        play: What is sent instead; its `then` says what becomes of the connection.
        cut: How many bytes of the body are sent before the connection ends.
        reset: Whether it ends with a reset.
        flip: The position in the object of a byte of which a bit is changed.
        whole: Whether the range that is requested is ignored.
        after: Called when the response was sent.
    """

    play: Play | None = None
    cut: int | None = None
    reset: bool = False
    flip: int | None = None
    whole: bool = False
    after: Callable[[], object] | None = None


@dataclass
class Lines:
    """
    What is done to the headers of responses with content.

    Attributes:
        without: Names, in lower case, of those that ranged responses lack.
        change: Makes other lines of those that there are.
    """

    without: frozenset[str] = frozenset()
    change: Callable[[list[str]], list[str]] = field(default=lambda lines: lines)


class ObjectServer(Listener):
    """
    Serves the object ``bucket/name`` as the service of a label does.

    Attributes:
        content: The content; the version counts how often it was set.
        described: The content that the headers are of, if it is another one.
        faults: What happens to the next responses with content.
        default: What happens to all others.
        damage: The position of a byte that is changed in the next response that has it and does
            not begin with the first byte.
        lines: What is done to their headers.
        seen: The requests.
    """

    def __init__(self, label: str, content: bytes) -> None:
        super().__init__()
        self.label = label
        self.content = content
        self.described: bytes | None = None
        self.version = 1
        self.faults: deque[Fault] = deque()
        self.default = Fault()
        self.damage: int | None = None
        self.lines = Lines()
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self.start()

    def replace(self, content: bytes) -> None:
        """Store another version."""
        with self._lock:
            self.content, self.version = content, self.version + 1

    @property
    def reads(self) -> list[Seen]:
        """The requests for content."""
        return [seen for seen in self.seen if self._is_read(seen.line)]

    @override
    def close(self) -> None:
        self._released.set()
        super().close()

    @override
    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer, peer.makefile("rb") as stream:
                while self._converse(peer, stream):
                    pass
        except OSError:
            pass

    def _converse(self, peer: socket.socket, stream: BinaryIO) -> bool:
        head = read_head(stream)
        if not head:
            return False
        seen = Seen(head, stream.read(length_of(head)), 0)
        fault = self.default if self._is_read(seen.line) else Fault()
        with self._lock:
            self.seen.append(seen)
            if self._is_read(seen.line) and self.faults:
                fault = self.faults.popleft()
        return self._respond(peer, seen, fault)

    def _is_read(self, line: str) -> bool:
        return line.startswith("GET ") and (self.label != "gcs" or "alt=media" in line)

    def _respond(self, peer: socket.socket, seen: Seen, fault: Fault) -> bool:
        if fault.play is not None:
            peer.sendall(fault.play.data)
            return self._end(peer, fault.play.then)
        with self._lock:
            content, version = self.content, self.version
        status, lines, body, start = self._response(seen, fault, content, version)
        flip = fault.flip
        if self.damage is not None and start and start <= self.damage < start + len(body):
            flip, self.damage = self.damage, None
        if flip is not None and start <= flip < start + len(body):
            place = flip - start
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        text = "".join(f"{line}\r\n" for line in [f"HTTP/1.1 {status} Said", *lines])
        peer.sendall(f"{text}\r\n".encode("latin-1") + body[: fault.cut])
        if fault.after is not None:
            fault.after()
        if fault.cut is None:
            return True
        return self._end(peer, "reset" if fault.reset else "close")

    def _end(self, peer: socket.socket, then: str) -> bool:
        if then == "stall":
            self._released.wait(30)
        if then == "reset":
            # An end without lingering is sent as RST.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return then == "keep"

    def _response(
        self, seen: Seen, fault: Fault, content: bytes, version: int
    ) -> tuple[int, list[str], bytes, int]:
        """Return status, headers, body, and where in the object the body begins."""
        described = content if self.described is None else self.described
        method = seen.line.partition(" ")[0]
        if method == "GET" and not self._is_read(seen.line):
            body = json.dumps(self._resource(described, version)).encode()
            lines = ["x-guploader-uploadid: R1", "content-type: application/json"]
            return 200, [*lines, f"content-length: {len(body)}"], body, 0
        pin = _PIN.search(seen.head.decode("latin-1"))
        if pin and pin[1] != self.etag(described, version):
            return 412, [*self._names(described, version), "content-length: 0"], b"", 0
        wanted = None if fault.whole else _RANGE.search(seen.head.decode("latin-1"))
        size = len(content)
        lines = self._names(described, version)
        if wanted is None or method == "HEAD":
            lines += self._digests(described, ranged=False)
            if method == "GET":
                lines = self.lines.change(lines)
            return (
                200,
                [*lines, f"content-length: {size}"],
                b"" if method == "HEAD" else content,
                0,
            )
        start = int(wanted[1])
        stop = min(size, int(wanted[2] or size) + 1)
        lines += self._digests(described, ranged=True)
        lines = [line for line in lines if line.partition(":")[0] not in self.lines.without]
        lines = [*self.lines.change(lines), f"content-range: bytes {start}-{stop - 1}/{size}"]
        return 206, [*lines, f"content-length: {stop - start}"], content[start:stop], start

    def etag(self, content: bytes, version: int) -> str:
        """Return what conditions are about, as a text of lower-case letters."""
        if self.label in {"gcs", "gcs-hmac"}:
            return str(version)
        if self.label == "azure":
            return f"0x8d{version}"
        return hashlib.md5(content).hexdigest()

    def _names(self, content: bytes, version: int) -> list[str]:
        """Return the headers that say which service and which version it is."""
        etag = self.etag(content, version)
        return [
            f"last-modified: {_DATE}",
            *{
                "s3": [f'etag: "{etag}"', "x-amz-request-id: R1"],
                "azure": [f'etag: "{etag}"', "x-ms-request-id: R1", "x-ms-version: 2021-12-02",
                          "x-ms-blob-type: BlockBlob"],
                "swift": [f"etag: {etag}", "x-trans-id: R1", "x-timestamp: 1800000000.00000"],
            }.get(self.label, [f"x-goog-generation: {etag}", "x-guploader-uploadid: R1",
                               f"x-goog-stored-content-length: {len(content)}"]),
        ]  # fmt: skip

    def _digests(self, content: bytes, *, ranged: bool) -> list[str]:
        """Return the headers that say the digests of the content, without an ETag."""
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        if self.label == "azure":
            return [f"{'x-ms-blob-content-md5' if ranged else 'content-md5'}: {md5}"]
        return [f"x-goog-hash: md5={md5}"] if self.label in {"gcs", "gcs-hmac"} else []

    def _resource(self, content: bytes, version: int) -> dict[str, Any]:
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        return {
            "name": "name", "bucket": "bucket", "generation": str(version), "md5Hash": md5,
            "size": str(len(content)),
        }  # fmt: skip
