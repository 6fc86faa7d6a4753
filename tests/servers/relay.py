"""A proxy in front of a real server, which counts requests and injects faults."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

from scripted import Listener, hang_up, length_of, read_head, relay
from typing_extensions import override


class Relay(Listener):
    """
    Passes requests and responses on as they are.

    Args:
        harm: Gets method and target of each request. What it returns is sent as the response,
            without the server; `None` passes the request on.

    Attributes:
        seen: Method and target of each request.
        most: The most connections that were open at one time.
        connections: How many there were in all.
    """

    def __init__(
        self, endpoint: str, harm: Callable[[str, str], bytes | None] = lambda method, target: None
    ) -> None:
        super().__init__()
        parts = urlsplit(endpoint)
        self._server = (str(parts.hostname), parts.port or 80)
        self.harm = harm
        self.seen: list[tuple[str, str]] = []
        self.most = self.connections = self._open = 0
        self._lock = threading.Lock()

    @override
    def _serve(self, peer: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            with peer, contextlib.suppress(OSError):
                self._pass_on(peer)
        finally:
            with self._lock:
                self._open -= 1

    def _pass_on(self, peer: socket.socket) -> None:
        with socket.create_connection(self._server) as server, peer.makefile("rb") as stream:
            back = threading.Thread(target=relay, args=(server, peer), daemon=True)
            back.start()
            try:
                while head := read_head(stream):
                    response = self._judge(head)
                    if response is None:
                        server.sendall(head)
                        _copy(stream, server, length_of(head))
                    else:
                        stream.read(length_of(head))
                        peer.sendall(response)
            finally:
                hang_up(server)
                back.join()

    def _judge(self, head: bytes) -> bytes | None:
        method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        with self._lock:
            self.seen.append((method, target))
        return self.harm(method, target)


def _copy(stream: BinaryIO, server: socket.socket, left: int) -> None:
    while left:
        block = stream.read(min(left, 1 << 18))
        if not block:
            raise ConnectionError
        server.sendall(block)
        left -= len(block)
