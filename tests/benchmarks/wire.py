"""
What one small request costs on our side of the wire, compared with requests' own session.

    python tests/benchmarks/wire.py [--count 2000] [--rounds 9]

A child process responds to each GET on loopback with 1 KiB. Both clients take turns in one run, so
that the ratio of their CPU times holds on a loaded machine too. The signer does what a signer
does at the least: it makes three headers and a digest for each try.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection

import requests

from libstore.errors import ServiceError
from libstore.http.client import Client
from libstore.http.message import Fault, Request
from libstore.http.transport import Transport
from libstore.retry import RetryPolicy

BODY = b"x" * 1024
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    b"Content-Type: application/octet-stream\r\n"
    b'ETag: "' + hashlib.md5(BODY).hexdigest().encode() + b'"\r\n'
    b"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\n"
    b"x-amz-request-id: 0123456789ABCDEF\r\nContent-Length: 1024\r\n\r\n" + BODY
)


def serve(pipe: Connection) -> None:
    """Respond to one request at a time."""
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                peer = key.fileobj
                assert isinstance(peer, socket.socket)
                if peer is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif peer.recv(65536):
                    peer.sendall(RESPONSE)
                else:
                    selector.unregister(peer)
                    peer.close()


class Signer:
    """Signs like a service's own, with what does not change prepared once."""

    _key = b"k" * 32

    def sign(self, request: Request, now: float) -> Mapping[str, str]:
        text = f"{request.method}\n{request.target}\n{now:.0f}\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(text.encode()).hexdigest()
        signature = hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()
        return {
            **request.headers,
            "x-amz-date": "20260101T000000Z",
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "authorization": f"AWS4-HMAC-SHA256 Credential=a, Signature={signature}",
        }

    def renew(self, request: Request) -> bool:
        return False


def read_error(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    return Fault(ServiceError("unexpected"))


def measure(call: Callable[[], bytes], count: int) -> tuple[float, float]:
    """Return CPU and wall time for one call, in microseconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        if len(call()) != 1024:
            raise AssertionError
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / count * 1e6, wall / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    own, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{own.recv()}"
    client = Client(Transport(proxies={}), Signer(), read_error, RetryPolicy())
    session = requests.Session()

    def by_client() -> bytes:
        return client.request(Request("GET", url, "/bucket/some/name.bin")).read(4096)

    def by_requests() -> bytes:
        return session.get(f"{url}/bucket/some/name.bin").content

    figures: dict[str, list[tuple[float, float]]] = {"Client.request": [], "Session.get": []}
    by_client(), by_requests()
    for _ in range(options.rounds):
        figures["Client.request"].append(measure(by_client, options.count))
        figures["Session.get"].append(measure(by_requests, max(1, options.count // 4)))
    for label, pairs in figures.items():
        cpu, wall = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{label:16}{cpu:8.1f} µs CPU{wall:8.1f} µs wall")
    ratios = [
        mine[0] / other[0]
        for mine, other in zip(figures["Client.request"], figures["Session.get"], strict=True)
    ]
    print(f"ratio of CPU    {statistics.median(ratios):8.3f} (goal: at most 0.22)")


if __name__ == "__main__":
    main()
