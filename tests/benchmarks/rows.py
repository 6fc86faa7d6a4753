"""The rows of the table: what each of them does with a client, and what it needs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from .clients import CLIENTS, Client
from .endpoint import KIB, MIB, Endpoint, key, listing_bucket
from .measuring import Operation, Prepare


@dataclass(frozen=True)
class Row:
    """
    One line of the table.

    Args:
        title: For readers.
        make: Returns what is repeated, given a client and a folder for its files.
        unit: What is counted: ``"ops"``, ``"MB"`` or ``"keys"``.
        objects: What the endpoint has to have.
        listing: The keys of the bucket that the endpoint has to have.
    """

    title: str
    make: Callable[[Client, Endpoint], Operation]
    unit: str = "ops"
    threads: int = 1
    tls: bool = False
    objects: tuple[str, ...] = ()
    listing: int = 0


class Stream(io.RawIOBase):
    """A stream of zeros that has an end, and cannot seek."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._zeros = memoryview(bytes(MIB))

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        count = min(self._left, len(buffer), MIB)
        buffer[:count] = self._zeros[:count]
        self._left -= count
        return count


def _get(name: str, size: int, amount: int) -> Callable[[Client, Endpoint], Operation]:
    def make(client: Client, endpoint: Endpoint) -> Operation:
        def operation() -> int:
            if len(client.get(name)) != size:
                raise AssertionError(f"{name} is not {size} bytes")
            return amount

        return operation

    return make


def _put(client: Client, endpoint: Endpoint) -> Operation:
    data = os.urandom(KIB)

    def operation() -> int:
        client.put("new", data)
        return 1

    return operation


def _head(client: Client, endpoint: Endpoint) -> Operation:
    def operation() -> int:
        if client.head("1KiB-md5") != KIB:
            raise AssertionError
        return 1

    return operation


def _upload(client: Client, endpoint: Endpoint) -> Operation:
    path = endpoint.path("1GiB")

    def operation() -> int:
        client.upload("new", path)
        return path.stat().st_size

    return operation


def _upload_stream(client: Client, endpoint: Endpoint) -> Operation:
    def operation() -> int:
        client.upload_stream("new", io.BufferedReader(Stream(512 * MIB)))
        return 512 * MIB

    return operation


def _download(name: str) -> Callable[[Client, Endpoint], Operation]:
    def make(client: Client, endpoint: Endpoint) -> Operation:
        path = endpoint.folder / "work" / f"{type(client).__name__}"
        size = endpoint.path(name).stat().st_size

        def operation() -> int:
            client.download(name, path)
            if path.stat().st_size != size:
                raise AssertionError
            path.unlink()
            return size

        return operation

    return make


def _list(count: int) -> Callable[[Client, Endpoint], Operation]:
    def make(client: Client, endpoint: Endpoint) -> Operation:
        def operation() -> int:
            if client.list(listing_bucket(count)) != count:
                raise AssertionError
            return count

        return operation

    return make


def _delete(count: int) -> Callable[[Client, Endpoint], Operation]:
    def make(client: Client, endpoint: Endpoint) -> Operation:
        names = [key(number) for number in range(count)]

        def operation() -> int:
            client.delete(names)
            return count

        return operation

    return make


_SMALL = ("1KiB-md5",)
_GET = _get("1KiB-md5", KIB, 1)

ROWS: dict[str, Row] = {
    "get": Row("GET 1 KiB", _GET, objects=_SMALL),
    "put": Row("PUT 1 KiB", _put),
    "head": Row("HEAD", _head, objects=_SMALL),
    "get16": Row("GET 1 KiB, 16 threads", _GET, threads=16, objects=_SMALL),
    "put16": Row("PUT 1 KiB, 16 threads", _put, threads=16),
    "get-tls": Row("GET 1 KiB, TLS", _GET, tls=True, objects=_SMALL),
    "put-tls": Row("PUT 1 KiB, TLS", _put, tls=True),
    "up": Row("1 GiB from a file", _upload, "MB", objects=("1GiB",)),
    "up-tls": Row("1 GiB from a file, TLS", _upload, "MB", tls=True, objects=("1GiB",)),
    "stream": Row("512 MiB from a stream", _upload_stream, "MB"),
    "down": Row("1 GiB to a file", _download("1GiB"), "MB", objects=("1GiB",)),
    "down-tls": Row("1 GiB to a file, TLS", _download("1GiB"), "MB", tls=True, objects=("1GiB",)),
    "down-md5": Row(
        "1 GiB to a file, with an MD5", _download("1GiB-md5"), "MB", objects=("1GiB-md5",)
    ),
    "memory": Row(
        "256 MiB to memory",
        _get("256MiB", 256 * MIB, 256 * MIB),
        "MB",
        objects=("256MiB",),
    ),
    "list2k": Row("list 2,000 keys", _list(2_000), "keys", listing=2_000),
    "list": Row("list 20,000 keys", _list(20_000), "keys", listing=20_000),
    "list200k": Row("list 200,000 keys", _list(200_000), "keys", listing=200_000),
    "delete": Row("delete 5,000 keys", _delete(5_000), "keys"),
}


def preparing(client: str, endpoint: Endpoint) -> Prepare:
    """Return what makes the operation of a row with a client."""

    def prepare(name: str) -> tuple[Operation, int]:
        row = ROWS[name]
        url = endpoint.https if row.tls else endpoint.http
        made = CLIENTS[client](url, endpoint.authority)
        return row.make(made, endpoint), row.threads

    return prepare
