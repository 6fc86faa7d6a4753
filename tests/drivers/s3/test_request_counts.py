"""The requests that an operation of the S3 driver sends, and the calls that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import count_calls

from libstore import Container, Object, TransferOptions, get_driver
from libstore.drivers.s3 import S3Driver
from servers.relay import Relay
from servers.s3_blackhole import MIB, Drain
from servers.s3_recorder import CONTENT, Recorder

PART = 5 * MIB


def first_byte(container: Container) -> None:
    with container.open("a", "rb") as file:
        assert file.read(1) == CONTENT[:1]


def write(container: Container) -> None:
    with container.open("a", "wb") as file:
        file.write(CONTENT)


OPERATIONS: dict[str, tuple[Callable[[Container], object], list[str]]] = {
    "small put": (lambda one: one.upload_object(CONTENT, "a"), ["PUT"]),
    "small put of unknown length": (lambda one: one.upload_object(iter([CONTENT]), "a"), ["PUT"]),
    "write": (write, ["PUT"]),
    "read by name": (lambda one: one.read_object("a"), ["GET"]),
    "read by handle": (lambda one: one.object("a").read(), ["GET"]),
    "range": (lambda one: one.read_object("a", start=1, stop=3), ["GET"]),
    "stream": (lambda one: list(one.stream_object("a")), ["GET"]),
    "open and read a byte": (first_byte, ["GET"]),
    "get": (lambda one: one.get_object("a").size, ["HEAD"]),
    "exists": (lambda one: one.object_exists("a"), ["HEAD"]),
    "size of a handle": (lambda one: one.object("a").size, ["HEAD"]),
    "slice": (lambda one: one.list_objects()[:20], ["GET"]),
    "iterate": (lambda one: list(one.list_objects()), ["GET"]),
    "first": (lambda one: one.list_objects()[0], ["GET"]),
    "delete": (lambda one: one.delete_object("a"), ["DELETE"]),
    "delete 1,000": (lambda one: one.delete_objects([f"n{n}" for n in range(1000)]), ["POST"]),
    "delete 1,001": (lambda one: one.delete_objects([f"n{n}" for n in range(1001)]), ["POST"] * 2),
    "copy": (lambda one: one.object("a").copy(one, "b"), ["PUT"]),
    "three parts": (
        lambda one: one.upload_object(bytes(3 * PART), "a"), ["POST", "PUT", "PUT", "PUT", "POST"],
    ),
    "parts of unknown length": (
        lambda one: one.upload_object((bytes(MIB) for _ in range(11)), "a"),
        ["POST", "PUT", "PUT", "PUT", "POST"],
    ),
    "sign": (lambda one: one.object("a").sign_url(), []),
    "handle": (lambda one: one.object("a"), []),
}  # fmt: skip

DRIVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "any service": ("s3", {"key": "AKID", "secret": "secret"}),
    "a known service": ("seaweedfs", {"key": "AKID", "secret": "secret"}),
    "a fixed region": ("s3", {"key": "AKID", "secret": "secret", "region": "eu-west-1"}),
    "temporary": ("s3", {"key": "AKID", "secret": "secret", "token": "token"}),
    "anonymous": ("s3", {"anonymous": True}),
}


@pytest.fixture(params=DRIVERS)
def container(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Container]:
    name, options = DRIVERS[request.param]
    with get_driver(name)(endpoint=recorder.url, **options) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver.object("bucket", "any").container


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_sends_the_expected_requests(
    recorder: Recorder, container: Container, operation: str, request: pytest.FixtureRequest
) -> None:
    """The first request of a driver is none more, and neither is one after others."""
    act, expected = OPERATIONS[operation]
    if operation == "sign" and "anonymous" in request.node.callspec.id:
        pytest.skip("who is anonymous signs nothing")
    act(container)
    assert expected == recorder.methods
    recorder.seen.clear()
    container.read_object("a")
    container.upload_object(CONTENT, "a")
    recorder.seen.clear()
    act(container)
    assert expected == recorder.methods
    assert all("location" not in target for _, target, _ in recorder.seen)


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        (lambda container, obj: obj.read(), 90),
        (lambda container, obj: container.upload_object(CONTENT, "a"), 120),
    ],
    ids=["read", "upload"],
)
def test_small_operation_makes_few_calls(
    recorder: Recorder, operation: Callable[[Container, Object], object], most: int
) -> None:
    """Calls of the library's functions are counted, without those of other libraries."""
    with S3Driver("AKID", "secret", endpoint=recorder.url, region="us-east-1") as driver:
        driver._client.clock = lambda: 1_800_000_000.0  # the key of a signature is made once
        obj = driver.object("bucket", "a")
        operation(obj.container, obj)
        operation(obj.container, obj)
        assert 60 < count_calls(lambda: operation(obj.container, obj)) <= most


def test_large_download_sends_one_request_per_range(tmp_path: Path) -> None:
    """16 MiB first, and then ranges of 8: no HEAD, nor a request to begin with."""
    with Drain(40 * MIB) as drain, Relay(drain.url) as relay:
        with get_driver("s3")("AKID", "secret", endpoint=relay.url) as driver:
            driver.object("bucket", "large").download(tmp_path / "copy")
    assert ["GET"] * 4 == [method for method, _ in relay.seen]
