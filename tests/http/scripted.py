"""A server on loopback that sends a list of responses, including hostile ones."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, TypeAlias

from typing_extensions import Self, override

from libstore.http.client import Client
from libstore.http.message import Response


@dataclass
class Seen:
    """A received request, byte for byte, and the number of its connection."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


@dataclass
class Play:
    """
    What to do with one request.

    Attributes:
        data: What is sent.
        then: ``keep`` the connection, ``close`` or ``reset`` it, ``stall`` until the end, or
            ``drip`` a byte now and then, without an end.
        early: Send it when the head is there, before any of the body is read.
        after: What is sent when the body was read.
    """

    data: bytes = b""
    then: str = "keep"
    early: bool = False
    after: bytes = b""


#: What to do with one request, or what finds that out from the requests before it.
Step: TypeAlias = "Play | Callable[[list[Seen]], Play]"


def respond(
    body: bytes = b"",
    status: int = 200,
    then: str = "keep",
    *,
    early: bool = False,
    **headers: str,
) -> Play:
    """Return a valid response, with `Connection: close` if the connection is closed after it."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    if then == "close":  # otherwise the client may send another request on it
        lines.append("Connection: close")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Play("\r\n".join([*lines, "", ""]).encode("latin-1") + body, then, early)


def with_token(play: Play, token: str = "") -> Step:
    """
    Add a token to the head of a response of a conditional write.

    Args:
        token: By default the one of the last request that had one, so that the write is confirmed.
    """

    def step(seen: list[Seen]) -> Play:
        sent = [pair for one in seen for pair in one.headers if pair[0].endswith("-libstoretoken")]
        name, value = sent[-1]
        start, _, rest = play.data.partition(b"\r\n")
        line = f"{name}: {token or value}".encode()
        return replace(play, data=b"\r\n".join([start, line, rest]))

    return step


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", then: str = "keep") -> Play:
    """Return a chunked response."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunk in chunks:
        data += b"%x\r\n%b\r\n" % (len(chunk), chunk)
    return Play(data + end, then)


class Listener:
    """Accepts connections on loopback, and serves each in its own thread."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # A thread in accept() wakes up only by a shutdown.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        raise NotImplementedError


class Server(Listener):
    """
    Plays its steps, one for each request on whatever connection; then `default` for ever.

    A step may be a function: it gets the requests before this one, and returns what to do.

    Attributes:
        seen: The requests, in their order.
        connections: How many were opened in all.
        most: The most that were open at one time.
    """

    def __init__(
        self, *steps: Step, default: Play | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls)
        self.steps: deque[Step] = deque(steps)
        self.default = default or respond(b"ok")
        self.seen: list[Seen] = []
        self.connections = self.open = self.most = 0
        self.released = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self.start()

    @override
    def close(self) -> None:
        self.released.set()
        super().close()
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            hang_up(peer)

    def hang_up_all(self) -> None:
        """Close all connections from this side, and wait until that is done."""
        with self._lock:
            peers, self._peers = self._peers, []
        for peer in peers:
            hang_up(peer)

    @override
    def _serve(self, peer: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            number = self.connections
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            if self._tls is not None:
                peer = self._tls.wrap_socket(peer, server_side=True)
            with self._lock:
                self._peers.append(peer)
            with peer.makefile("rb") as stream:
                while self._converse(peer, stream, number):
                    pass
        except OSError:
            pass
        finally:
            with self._lock:
                self.open -= 1
            peer.close()

    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        with self._lock:
            step = self.steps.popleft() if self.steps else self.default
            if not isinstance(step, Play):
                step = step(self.seen)
        if step.early:
            peer.sendall(step.data)
        body = b"" if step.early and step.then != "keep" else stream.read(length_of(head))
        self._note(head, body, number)
        peer.sendall(step.after if step.early else step.data)
        if step.then == "stall":
            self.released.wait(30)
        while step.then == "drip" and not self.released.wait(0.01):
            peer.sendall(b"x")
        if step.then == "reset":
            # An end without lingering is sent as RST.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if step.then == "close" and not step.early:
            end(peer)
        return step.then == "keep"

    def _note(self, head: bytes, body: bytes, number: int) -> None:
        with self._lock:
            self.seen.append(Seen(head, body, number))


class Time:
    """A clock that a sleep moves on."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Tunnel(Listener):
    """A proxy that opens tunnels; `refusal` is its response instead."""

    def __init__(self, refusal: bytes | None = None) -> None:
        super().__init__()
        self.refusal = refusal
        self.heads: list[bytes] = []
        self.start()

    @override
    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            with peer.makefile("rb", buffering=0) as stream:
                head = read_head(stream)
            self.heads.append(head)
            if self.refusal is not None:
                peer.sendall(self.refusal)
                return
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as origin:
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=relay, args=(origin, peer), daemon=True)
                back.start()
                relay(peer, origin)
                back.join()


def relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def read_head(stream: BinaryIO) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    return head


def length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def hang_up(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        peer.shutdown(socket.SHUT_RDWR)


def end(peer: socket.socket) -> None:
    """
    Stop sending, and discard input until the client closes the connection, for a few seconds.

    Closing a connection that has unread input resets it, and the client may lose the response.
    """
    with contextlib.suppress(OSError):
        peer.shutdown(socket.SHUT_WR)
        peer.settimeout(5)
        while peer.recv(65536):
            pass


#: What the fixtures of these names are.
Serve: TypeAlias = Callable[..., Server]
Connect: TypeAlias = Callable[..., Client]
Get: TypeAlias = Callable[..., Response]
OpenTunnel: TypeAlias = Callable[..., Tunnel]
