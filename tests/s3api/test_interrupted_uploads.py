"""Interrupted uploads leave neither parts nor an object on the server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from libstore import (
    AccessDeniedError,
    Container,
    ObjectChangedError,
    RetryPolicy,
    ServiceUnavailableError,
    TransferCancelledError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from servers.relay import Relay
from servers.s3 import S3Server, client_of, server_among

PART = 5 * 1024 * 1024
BLOCK = bytes(range(256)) * 4096
OLD = b"what was there before"
TIMEOUT = 60


class GaveUpError(Exception):
    """What a producer raises."""


s3_server = server_among("seaweedfs", "moto")


@pytest.fixture
def client(s3_server: S3Server) -> Any:
    """Return boto3's client, which shows what is on the server."""
    return client_of(s3_server)


@pytest.fixture
def relay(s3_server: S3Server) -> Iterator[Relay]:
    with Relay(s3_server.endpoint) as relay:
        yield relay


@pytest.fixture
def container(s3_server: S3Server, relay: Relay) -> Iterator[Container]:
    driver: S3Driver = get_driver("s3")(s3_server.key, s3_server.secret, endpoint=relay.url)
    driver.retry = RetryPolicy(3, base=0.01)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=2)
    with driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        relay.harm = lambda method, target: None
        container.delete()


@pytest.fixture(params=["new", "old"])
def name(request: pytest.FixtureRequest, container: Container) -> str:
    """Return the name of an object that there is not, and of one that there is."""
    if request.param == "old":
        container.upload_object(OLD, "old")
    return str(request.param)


@contextmanager
def nothing_left(container: Container, name: str, relay: Relay, client: Any) -> Iterator[None]:
    """Make sure that parts were sent meanwhile, and that nothing became of them."""
    relay.seen.clear()
    yield
    assert any("partNumber=" in target for _, target in relay.seen)
    assert client.list_multipart_uploads(Bucket=container.name).get("Uploads", []) == []
    keys = client.list_objects_v2(Bucket=container.name).get("Contents", [])
    if name == "new":
        assert keys == []
    else:
        assert client.get_object(Bucket=container.name, Key=name)["Body"].read() == OLD


def blocks(count: int, last: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    for _ in range(count):
        yield BLOCK
    last()


def give_up() -> None:
    raise GaveUpError


def interrupt() -> None:
    raise KeyboardInterrupt


def refuse(number: int, response: bytes) -> Callable[[str, str], bytes | None]:
    """Return what harms one part, each time that it is sent."""
    pattern = re.compile(rf"[?&]partNumber={number}&")
    return lambda method, target: response if pattern.search(target) else None


def error(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><RequestId>R1</RequestId></Error>"
    return f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


STOPS = pytest.mark.parametrize(
    ("stop", "kind"), [(give_up, GaveUpError), (interrupt, KeyboardInterrupt)]
)


@STOPS
def test_failed_source_leaves_nothing(
    container: Container,
    name: str,
    relay: Relay,
    client: Any,
    stop: Callable[[], None],
    kind: type[BaseException],
) -> None:
    with nothing_left(container, name, relay, client), pytest.raises(kind):
        container.upload_object(blocks(17, stop), name)


@STOPS
def test_writer_left_by_an_exception_leaves_nothing(
    container: Container,
    name: str,
    relay: Relay,
    client: Any,
    stop: Callable[[], None],
    kind: type[BaseException],
) -> None:
    with nothing_left(container, name, relay, client), pytest.raises(kind):
        with container.open(name, "wb") as file:
            file.writelines(blocks(17, stop))


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (error(500, "InternalError"), ServiceUnavailableError),
        (error(403, "AccessDenied"), AccessDeniedError),
    ],
    ids=["500", "403"],
)
def test_refused_part_leaves_nothing(
    container: Container,
    name: str,
    relay: Relay,
    client: Any,
    response: bytes,
    kind: type[Exception],
) -> None:
    relay.harm = refuse(3, response)
    with nothing_left(container, name, relay, client), pytest.raises(kind) as caught:
        container.upload_object(blocks(30), name)
    found = caught.value
    assert ("R1", "upload_object", container.name, name) == (
        found.request_id, found.operation, found.container, found.object,
    )  # fmt: skip


def test_cancelled_upload_leaves_nothing(
    container: Container, name: str, relay: Relay, client: Any
) -> None:
    cancel = threading.Event()
    with nothing_left(container, name, relay, client), pytest.raises(TransferCancelledError):
        container.upload_object(
            blocks(30), name, cancel=cancel, progress=lambda done, total: cancel.set()
        )


def test_condition_that_fails_at_completion_leaves_nothing(
    container: Container, relay: Relay, client: Any
) -> None:
    """An object that another client writes while the parts are sent stays."""
    etag = container.upload_object(b"first", "old").etag

    def overtake() -> None:
        client.put_object(Bucket=container.name, Key="old", Body=OLD)

    with nothing_left(container, "old", relay, client), pytest.raises(ObjectChangedError):
        container.upload_object(blocks(12, overtake), "old", if_match=etag)


# ---------------------------------------------------------------------- Ctrl-C

_SCRIPT = """
import signal, sys, time
from libstore import TransferOptions, get_driver

# Where the tests run in the background of a shell, the signal is ignored otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
url, key, secret, bucket, name, where = sys.argv[1:]
driver = get_driver("s3")(key, secret, endpoint=url, proxies={}, timeout=10.0)
driver.transfer = TransferOptions(part_size=5 << 20, multipart_threshold=5 << 20, concurrency=2)
block = bytes(1 << 20)

def blocks():
    for _ in range(17):
        yield block
    if where == "source":
        print("ready", flush=True)
        time.sleep(60)
    for _ in range(100):
        yield block

container = driver.object(bucket, name).container
if where == "writer":
    with container.open(name, "wb") as file:
        file.writelines(block for _ in range(17))
        print("ready", flush=True)
        time.sleep(60)
container.upload_object(blocks(), name)
"""


@pytest.mark.parametrize("where", ["source", "writer", "part"])
def test_interrupted_program_leaves_nothing(
    s3_server: S3Server, container: Container, name: str, relay: Relay, client: Any, where: str
) -> None:
    """A real Ctrl-C, while the source is read, or while all senders wait for the server."""
    stuck, go_on = threading.Event(), threading.Event()

    def hold(method: str, target: str) -> bytes | None:
        if where == "part" and "partNumber=3&" in target:
            stuck.set()
            go_on.wait(TIMEOUT)
        return None

    relay.harm = hold
    command = [sys.executable, "-c", _SCRIPT, relay.url, s3_server.key, s3_server.secret]
    with nothing_left(container, name, relay, client):
        with subprocess.Popen(
            [*command, container.name, name, where], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert stuck.wait(TIMEOUT) if where == "part" else process.stdout.readline()
            assert client.list_multipart_uploads(Bucket=container.name)["Uploads"]
            process.send_signal(signal.SIGINT)
            go_on.set()
            output = process.communicate(timeout=TIMEOUT)[1].decode()
    assert output.rstrip().endswith("KeyboardInterrupt")
    assert -signal.SIGINT == process.returncode
    assert s3_server.secret not in output
