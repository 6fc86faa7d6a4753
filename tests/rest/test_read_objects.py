"""Many reads whose requests are sent before earlier responses arrive, with every driver."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pytest
from drivers.network_drivers import DRIVERS
from drivers.object_server import Fault, ObjectServer
from scripted import Server, read_head, respond
from typing_extensions import override

from libstore import (
    IntegrityError,
    RetryPolicy,
    StorageDriver,
    StorageError,
    TransportError,
    get_driver,
)

CONTENT = bytes(range(256)) * 40
Connect = Callable[..., StorageDriver]


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server(label: str) -> Iterator[ObjectServer]:
    server = ObjectServer(label, CONTENT)
    yield server
    server.close()


@pytest.fixture
def connect(server: ObjectServer) -> Iterator[Connect]:
    made = []

    def make(**options: Any) -> StorageDriver:
        options = {"retry": RetryPolicy(base=0.0), **options}
        driver = DRIVERS[server.label](server.url, insecure=True, proxies={}, **options)
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.close()


def read(driver: StorageDriver, count: int = 12, **options: Any) -> list[bytes | StorageError]:
    found = driver.read_objects("bucket", ["name"] * count, **{"concurrency": 4, **options})
    return [content for _, content in found]


def test_each_object_is_requested_once(server: ObjectServer, connect: Connect) -> None:
    driver = connect()
    assert driver._starts_reads
    assert [CONTENT] * 12 == read(driver)
    assert 12 == len(server.reads) == len(server.seen)
    assert [CONTENT] * 12 == read(driver)
    assert 24 == len(server.seen)


def test_request_is_that_of_a_single_read(server: ObjectServer, connect: Connect) -> None:
    driver = connect()
    assert CONTENT == driver.object("bucket", "name").read()
    assert [CONTENT] * 2 == read(driver, 2)

    def comparable(head: bytes) -> list[bytes]:
        varying = (b"authorization", b"x-amz-date", b"x-ms-date", b"date")
        return [line for line in head.lower().split(b"\r\n") if not line.startswith(varying)]

    single, first, second = (comparable(seen.head) for seen in server.reads)
    assert single == first == second


@pytest.mark.parametrize(
    "fault",
    [
        Fault(play=respond(b"", 503)),
        Fault(cut=0),
        Fault(cut=100),
        Fault(cut=5_000, reset=True),
        Fault(cut=0, reset=True),
        Fault(flip=77),
    ],
    ids=["503", "head only", "cut", "reset", "reset at once", "flipped bit"],
)
@pytest.mark.parametrize("place", [0, 5, 11])
def test_broken_response_is_read_again(
    server: ObjectServer, connect: Connect, fault: Fault, place: int
) -> None:
    server.faults.extend([Fault()] * place + [fault])
    if fault.flip is not None and server.label == "azure":
        pytest.skip("the server sends no digest")
    driver = connect()
    assert [CONTENT] * 12 == read(driver)
    assert [CONTENT] * 12 == read(driver)


def test_refused_request_is_signed_again_once(server: ObjectServer, connect: Connect) -> None:
    """The key and the clock may have changed since it was signed."""
    server.faults.extend([Fault(), Fault(play=respond(b"", 403))])
    assert [CONTENT] * 12 == read(connect())
    assert 13 == len(server.reads)


def test_error_of_one_object_is_a_value(server: ObjectServer, connect: Connect) -> None:
    server.faults.extend([Fault(play=respond(b"", 403))] * 2)
    found = read(connect(), 3, concurrency=1)
    assert isinstance(found[0], StorageError)
    assert ("bucket", "name") == (found[0].container, found[0].object)
    assert [CONTENT] * 2 == found[1:]


def test_object_that_stays_damaged_is_a_value(server: ObjectServer, connect: Connect) -> None:
    server.described = CONTENT[::-1]
    found = read(connect(), 3)
    assert [IntegrityError] * 3 == [type(error) for error in found]
    assert 6 == len(server.reads)


def test_responses_that_were_not_received_are_dropped(
    server: ObjectServer, connect: Connect
) -> None:
    driver = connect()
    results = driver.read_objects("bucket", iter(lambda: "name", None), concurrency=9)
    assert ("name", CONTENT) == next(results)
    assert CONTENT == driver.object("bucket", "name").read()  # on a connection of its own
    results.close()  # type: ignore[attr-defined]
    assert [CONTENT] * 12 == read(driver)


def test_outage_is_retried_and_then_a_value(server: ObjectServer, connect: Connect) -> None:
    driver = connect(retry=RetryPolicy(attempts=2, base=0.0))
    assert [CONTENT] * 3 == read(driver, 3)
    server.close()
    driver.close()
    found = read(driver, 3)
    assert all(isinstance(error, TransportError) for error in found)
    assert ["read_objects"] * 3 == [error.operation for error in found]  # type: ignore[union-attr]


def test_close_of_the_driver_does_not_end_an_iterator(
    server: ObjectServer, connect: Connect
) -> None:
    driver = connect()
    results = driver.read_objects("bucket", ["name"] * 12, concurrency=4)
    assert ("name", CONTENT) == next(results)
    driver.close()
    assert [("name", CONTENT)] * 11 == list(results)


def test_requests_to_another_region_follow_the_bucket() -> None:
    """The requests that were sent before the region was known are sent again, to it."""
    server = RegionServer()
    driver = get_driver("s3")("AKID", "secret", endpoint=server.url, region="us-east-1")
    assert [CONTENT] * 12 == read(driver)
    assert 4 == server.refused
    server.close()


class RegionServer(Server):
    """Refuses requests that are signed for another region than that of the bucket."""

    refused = 0

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        if b"/eu-north-1/s3/" in head:
            play = respond(CONTENT, etag='"5"', x_amz_request_id="1")
        else:
            play = respond(b"", 301, x_amz_bucket_region="eu-north-1", x_amz_request_id="1")
            with self._lock:
                self.refused += 1
        peer.sendall(play.data)
        return True
