"""The rows of the table: what each of them does with a client, and what it needs."""

from __future__ import annotations

import io
import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from .clients import CLIENTS, Client
from .imports import FIRST_CALLS
from .measuring import Operation, Task
from .place import (
    GIB,
    KEYS_OF_A_DIRECTORY,
    KIB,
    MIB,
    Place,
    key,
    listing_bucket,
    tree_bucket,
)

Make = Callable[[Client, Place], Operation]


@dataclass(frozen=True)
class Row:
    """
    One line of the table.

    Args:
        title: For readers.
        make: Returns what is repeated.
        unit: What is counted, a key of `report.UNITS`.
        objects: Names and sizes of what the service has to have.
        listing: How many keys a bucket has to have.
    """

    title: str
    make: Make
    unit: str = "ops"
    service: str = "s3"
    threads: int = 1
    processes: int = 1
    tls: bool = False
    objects: tuple[tuple[str, int], ...] = ()
    listing: int = 0


@dataclass(frozen=True)
class Preparing:
    """Makes the operation of a row with a client, in the process of that client."""

    client: str
    place: Place

    def __call__(self, name: str) -> Task:
        row = ROWS[name]
        place = self.place.secured() if row.tls else self.place
        if row.unit == "starts":
            return Task(_start(FIRST_CALLS[self.client], place), in_children=True)
        return Task(row.make(CLIENTS[row.service][self.client](place), place), row.threads)


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


def _counted(call: Callable[[], int], expected: int, amount: int) -> Operation:
    """Return an operation that fails unless the call returns what is expected."""

    def operation() -> int:
        found = call()
        if found != expected:
            raise AssertionError(f"{found} in place of {expected}")
        return amount

    return operation


def _get(name: str, size: int, amount: int) -> Make:
    return lambda client, place: _counted(lambda: len(client.get(name)), size, amount)


def _get_many(client: Client, place: Place) -> Operation:
    names = [name for name, _ in _MANY]
    return _counted(lambda: client.get_many(names), len(names) * KIB, len(names))


def _put(client: Client, place: Place) -> Operation:
    data = os.urandom(KIB)

    def operation() -> int:
        client.put("new", data)
        return 1

    return operation


def _put_new(client: Client, place: Place) -> Operation:
    """Store objects that replace none, which takes fewer requests at Swift."""
    numbers = itertools.count()

    def operation() -> int:
        client.put(f"{os.getpid()}/{next(numbers)}", b"x" * KIB)
        return 1

    return operation


def _head(client: Client, place: Place) -> Operation:
    return _counted(lambda: client.head("1KiB-md5"), KIB, 1)


def _upload(name: str, size: int) -> Make:
    def make(client: Client, place: Place) -> Operation:
        path = place.file(name)

        def operation() -> int:
            client.upload("new", path)
            return size

        return operation

    return make


def _upload_stream(client: Client, place: Place) -> Operation:
    size = 512 * MIB

    def operation() -> int:
        client.upload_stream("new", io.BufferedReader(Stream(size)))
        return size

    return operation


def _download(name: str, size: int) -> Make:
    def make(client: Client, place: Place) -> Operation:
        path = place.scratch(f"{os.getpid()}")

        def call() -> int:
            client.download(name, path)
            found = path.stat().st_size
            path.unlink()
            return found

        return _counted(call, size, size)

    return make


def _upload_files(client: Client, place: Place) -> Operation:
    folder = place.scratch(f"{os.getpid()}")
    folder.mkdir()
    paths = [folder / str(number) for number in range(FILES)]
    for path in paths:
        path.write_bytes(b"x" * 4 * KIB)
    turns = _shared(itertools.cycle(paths))

    def operation() -> int:
        path = next(turns)
        client.upload(path.name, path)
        return 1

    return operation


def _download_files(client: Client, place: Place) -> Operation:
    folder = place.scratch(f"{os.getpid()}")
    folder.mkdir()
    turns = _shared(itertools.cycle(range(FILES)))

    def operation() -> int:
        path = folder / f"{threading.get_ident()}-{next(turns)}"
        client.download("4KiB-md5", path)
        path.unlink()
        return 1

    return operation


def _shared(items: Iterable[Any]) -> Iterator[Any]:
    """Return an iterator for threads: `next` of one of C is atomic."""
    return iter(items)


def _read(positions: Callable[[], Iterator[int]], length: int) -> Make:
    """Read pieces of 1 GiB through one file object."""

    def make(client: Client, place: Place) -> Operation:
        file, starts = client.open("1GiB"), positions()

        def call() -> int:
            file.seek(next(starts))
            found = piece = len(file.read(length))
            while piece and found < length:  # some files may return less than is asked for
                piece = len(file.read(length - found))
                found += piece
            return found

        return _counted(call, length, 1)

    return make


def _anywhere() -> Iterator[int]:
    numbers = random.Random(1)
    while True:
        yield numbers.randrange(GIB - MIB)


def _two_cursors() -> Iterator[int]:
    for position in itertools.cycle(range(0, GIB // 2, 16 * KIB)):
        yield position
        yield GIB // 2 + position


def _backwards() -> Iterator[int]:
    return itertools.cycle(range(GIB - 4 * KIB, 0, -4 * KIB))


def _ranges(client: Client, place: Place) -> Operation:
    starts = range(0, 100 * 32 * KIB, 32 * KIB)
    length = 4 * KIB
    return _counted(
        lambda: client.read_ranges("1GiB", starts, length), len(starts) * length, len(starts)
    )


def _list(count: int) -> Make:
    return lambda client, place: _counted(lambda: client.list(listing_bucket(count)), count, count)


def _walk(count: int) -> Make:
    return lambda client, place: _counted(
        lambda: client.walk(tree_bucket(count)), count * KEYS_OF_A_DIRECTORY, count
    )


def _delete(count: int) -> Make:
    def make(client: Client, place: Place) -> Operation:
        names = [key(number) for number in range(count)]

        def operation() -> int:
            client.delete(names)
            return count

        return operation

    return make


def _start(code: str, place: Place) -> Operation:
    """Run an interpreter that imports a client and reads one object."""
    command = [sys.executable, "-c", code.format(url=place.url)]
    # The first turn writes the byte code of all modules there.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(place.scratch("bytecode"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def operation() -> int:
        subprocess.run(command, env=environment, check=True)
        return 1

    return operation


FILES = 5_000
_SMALL = (("1KiB-md5", KIB),)
_MANY = tuple((f"many/{number}-md5", KIB) for number in range(1_000))
_FILE = (("4KiB-md5", 4 * KIB),)
_SIXTEEN = (("16MiB", 16 * MIB),)
_QUARTER = (("256MiB", 256 * MIB),)
_LARGE = (("1GiB", GIB),)
_LARGE_MD5 = (("1GiB-md5", GIB),)
_GET = _get("1KiB-md5", KIB, 1)

ROWS: dict[str, Row] = {
    "get": Row("GET 1 KiB", _GET, objects=_SMALL),
    "put": Row("PUT 1 KiB", _put),
    "head": Row("HEAD", _head, objects=_SMALL),
    "get16": Row("GET 1 KiB, 16 threads", _GET, threads=16, objects=_SMALL),
    "put16": Row("PUT 1 KiB, 16 threads", _put, threads=16),
    "get-p4": Row("GET 1 KiB, 4 processes", _GET, processes=4, objects=_SMALL),
    "get16-p4": Row(
        "GET 1 KiB, 4 processes of 16 threads", _GET, threads=16, processes=4, objects=_SMALL
    ),
    "many": Row("GET 1,000 objects of 1 KiB in one call", _get_many, objects=_MANY),
    "get-tls": Row("GET 1 KiB, TLS", _GET, tls=True, objects=_SMALL),
    "put-tls": Row("PUT 1 KiB, TLS", _put, tls=True),
    "up16": Row("16 MiB from a file", _upload("16MiB", 16 * MIB), "MB", objects=_SIXTEEN),
    "down16": Row("16 MiB to a file", _download("16MiB", 16 * MIB), "MB", objects=_SIXTEEN),
    "up": Row("1 GiB from a file", _upload("1GiB", GIB), "MB", objects=_LARGE),
    "up-tls": Row("1 GiB from a file, TLS", _upload("1GiB", GIB), "MB", tls=True, objects=_LARGE),
    "stream": Row("512 MiB from a stream", _upload_stream, "MB"),
    "down": Row("1 GiB to a file", _download("1GiB", GIB), "MB", objects=_LARGE),
    "down-tls": Row(
        "1 GiB to a file, TLS", _download("1GiB", GIB), "MB", tls=True, objects=_LARGE
    ),
    "down-md5": Row(
        "1 GiB to a file, with an MD5", _download("1GiB-md5", GIB), "MB", objects=_LARGE_MD5
    ),
    "memory": Row(
        "256 MiB to memory", _get("256MiB", 256 * MIB, 256 * MIB), "MB", objects=_QUARTER
    ),
    "files-up": Row("5,000 files of 4 KiB up, 16 threads", _upload_files, "files", threads=16),
    "files-down": Row(
        "5,000 files of 4 KiB down, 16 threads", _download_files, "files", threads=16,
        objects=_FILE,
    ),
    "random": Row("read 4 KiB anywhere in 1 GiB", _read(_anywhere, 4 * KIB), objects=_LARGE),
    "cursors": Row("read 16 KiB at two cursors", _read(_two_cursors, 16 * KIB), objects=_LARGE),
    "backwards": Row("read 4 KiB, backwards", _read(_backwards, 4 * KIB), objects=_LARGE),
    "ranges": Row("100 near ranges of 4 KiB in one call", _ranges, objects=_LARGE),
    "list2k": Row("list 2,000 keys", _list(2_000), "keys", listing=2_000),
    "list": Row("list 20,000 keys", _list(20_000), "keys", listing=20_000),
    "list200k": Row("list 200,000 keys", _list(200_000), "keys", listing=200_000),
    "walk8": Row("walk 8 directories", _walk(8), "directories"),
    "walk64": Row("walk 64 directories", _walk(64), "directories"),
    "walk512": Row("walk 512 directories", _walk(512), "directories"),
    "delete100": Row("delete 100 keys", _delete(100), "keys"),
    "delete": Row("delete 5,000 keys", _delete(5_000), "keys"),
    "delete100k": Row("delete 100,000 keys", _delete(100_000), "keys"),
    "start": Row("import, and the first GET", _GET, "starts", objects=_SMALL),
}  # fmt: skip
for _service, _title in (("azure", "Azurite"), ("gcs", "fake-gcs-server"), ("swift", "Swift")):
    _64 = (("64MiB", 64 * MIB),)
    ROWS |= {
        f"{_service}-get": Row(f"{_title}: GET 1 KiB", _GET, service=_service, objects=_SMALL),
        f"{_service}-put": Row(f"{_title}: PUT 1 KiB", _put, service=_service),
        f"{_service}-head": Row(f"{_title}: HEAD", _head, service=_service, objects=_SMALL),
        f"{_service}-list": Row(
            f"{_title}: list 1,000 keys", _list(1_000), "keys", _service, listing=1_000
        ),
        f"{_service}-up": Row(
            f"{_title}: 64 MiB from a file", _upload("64MiB", 64 * MIB), "MB", _service,
            objects=_64,
        ),
        f"{_service}-down": Row(
            f"{_title}: 64 MiB to a file", _download("64MiB", 64 * MIB), "MB", _service,
            objects=_64,
        ),
    }  # fmt: skip
ROWS |= {
    "swift-new": Row("Swift: PUT 1 KiB, a new object", _put_new, service="swift"),
    "local-get": Row("local: get 1 KiB", _GET, service="local", objects=_SMALL),
    "local-put": Row("local: put 1 KiB", _put, service="local"),
    "local-up": Row(
        "local: 256 MiB from a file", _upload("256MiB", 256 * MIB), "MB", "local",
        objects=_QUARTER,
    ),
    "local-down": Row(
        "local: 256 MiB to a file", _download("256MiB", 256 * MIB), "MB", "local",
        objects=_QUARTER,
    ),
    "local-list": Row("local: list 5,000 keys", _list(5_000), "keys", "local", listing=5_000),
    "memory-get": Row("memory: get 1 KiB", _GET, service="memory"),
    "memory-put": Row("memory: put 1 KiB", _put, service="memory"),
}  # fmt: skip
