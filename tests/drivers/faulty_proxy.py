"""Stands between drivers and a server, and loses or refuses requests and responses."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from scripted import Listener, length_of, read_head
from typing_extensions import override


class Fault(NamedTuple):
    """
    What happens to one request.

    Attributes:
        passed: The server gets it.
        response: What is sent in place of the server's response; nothing resets the connection.
        ends: The connection is closed behind it.
    """

    passed: bool
    response: bytes = b""
    ends: bool = False


class Sent(NamedTuple):
    """One request; the names of its headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


#: Decides about a request; `None` passes it on.
Judge: TypeAlias = Callable[[Sent], "Fault | None"]

#: The server acts, and its response never arrives.
LOST = Fault(True)
#: The connection ends before the server gets the request, which is the same for the client.
DROPPED = Fault(False)


def status(code: int, *, passed: bool = False, body: str = "", **headers: str) -> Fault:
    """Return a fault that responds with a status; `passed` lets the server act all the same."""
    lines = [f"HTTP/1.1 {code} Fault", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Fault(passed, "\r\n".join([*lines, "", body]).encode())


class FaultyRelay(Listener):
    """
    Passes requests on one by one, but for those that have a fault.

    Attributes:
        judge: Decides about each request.
        seen: All requests.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        parts = urlsplit(endpoint)
        self._server = (str(parts.hostname), parts.port or 80)
        self.url += parts.path
        self.judge: Judge = lambda sent: None
        self.seen: list[Sent] = []
        self._lock = threading.Lock()

    @override
    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError, HTTPException), peer.makefile("rb") as stream:
            connection = HTTPConnection(*self._server, timeout=30)
            with contextlib.closing(connection):
                while (head := read_head(stream)) and self._pass_on(
                    peer, connection, head, stream.read(length_of(head))
                ):
                    pass

    def _pass_on(
        self, peer: socket.socket, connection: HTTPConnection, head: bytes, body: bytes
    ) -> bool:
        """Return whether the connection goes on."""
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = [line.partition(": ")[::2] for line in lines]
        sent = Sent(method, target, {name.lower(): value for name, value in pairs})
        with self._lock:
            self.seen.append(sent)
        fault = self.judge(sent)
        response = self._forwarded(connection, sent, body) if not fault or fault.passed else b""
        if fault is not None:
            response = fault.response
        if not response:
            # An end without lingering is sent as RST.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        peer.sendall(response)
        return fault is None or not fault.ends

    @staticmethod
    def _forwarded(connection: HTTPConnection, sent: Sent, body: bytes) -> bytes:
        connection.putrequest(sent.method, sent.target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.headers.items():
            if name != "expect":
                connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body or None)
        got = connection.getresponse()
        content = got.read()
        length = got.headers.get("Content-Length")
        lines = [f"HTTP/1.1 {got.status} {got.reason}"]
        lines += [
            f"{name}: {value}"
            for name, value in got.headers.items()
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}
        ]
        size = length if sent.method == "HEAD" and length is not None else len(content)
        if got.status != 204:
            lines.append(f"Content-Length: {size}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def is_conditional_write(sent: Sent) -> bool:
    """Return whether a request is the one that a conditional write or delete depends on."""
    if sent.method in {"GET", "HEAD"} or "x-goog-resumable" in sent.headers:
        return False
    if "uploadType=resumable" in sent.target:
        # The last request of a session is the one with the size of the whole.
        return sent.headers.get("content-range", "").rpartition("/")[2].isdigit()
    if "upload_id=" in sent.target:
        return sent.headers.get("content-range", "").rpartition("/")[2].isdigit()
    return (
        "GenerationMatch=" in sent.target
        or "x-copy-from" in sent.headers
        or any(name.endswith(("if-match", "if-none-match")) for name in sent.headers)
        or "x-goog-if-generation-match" in sent.headers
    )
