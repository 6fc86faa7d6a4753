"""Many threads on one S3 driver: correct content, few connections, and forks."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from libstore import Container, ObjectNotFoundError, TransferOptions, get_driver
from libstore.drivers.s3 import S3Driver
from servers.relay import Relay
from servers.s3 import S3Server, server_among
from servers.s3_blackhole import MIB, Drain

THREADS, OPERATIONS, CONNECTIONS = 16, 2_000, 16
PART = 5 * MIB


s3_server = server_among("seaweedfs", "rclone")


@pytest.fixture
def relay(s3_server: S3Server) -> Iterator[Relay]:
    with Relay(s3_server.endpoint) as relay:
        yield relay


@pytest.fixture
def container(s3_server: S3Server, relay: Relay) -> Iterator[Container]:
    with get_driver("s3")(s3_server.key, s3_server.secret, endpoint=relay.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


def bytes_of(seed: str, size: int) -> bytes:
    """Return bytes that are another thread's only if something was mixed up."""
    block = hashlib.sha256(seed.encode()).digest()
    return (block * (size // 32 + 1))[:size]


class User:
    """
    One thread's doings, each of them checked.

    Attributes:
        kept: What this user has put and not deleted, by name.
    """

    def __init__(self, container: Container, number: int) -> None:
        self.container = container
        self.prefix = f"user {number:02}/"
        self.random = random.Random(number)
        self.kept: dict[str, bytes] = {}
        self.numbers = count()
        self.doings: list[Callable[[], None]] = [
            self.put, self.put, self.get, self.get, self.get, self.range, self.range,
            self.head, self.list, self.delete,
        ]  # fmt: skip

    def run(self, operations: int) -> None:
        self.put()
        for number in range(operations - 1):
            if number == operations // 2:
                self.put_in_parts()
            else:
                self.random.choice(self.doings)()

    def some(self) -> str:
        if not self.kept:
            self.put()
        return self.random.choice(list(self.kept))

    def put(self, size: int | None = None) -> None:
        name = f"{self.prefix}object {next(self.numbers)}"
        content = bytes_of(name, self.random.randrange(5_000) if size is None else size)
        assert len(content) == self.container.upload_object(content, name).size
        self.kept[name] = content

    def put_in_parts(self) -> None:
        self.put(2 * PART + self.random.randrange(1_000))
        name = list(self.kept)[-1]
        assert self.kept[name] == self.container.read_object(name)

    def get(self) -> None:
        name = self.some()
        assert self.kept[name] == self.container.read_object(name)

    def range(self) -> None:
        name = self.some()
        start = self.random.randrange(6_000)
        stop = start + self.random.randrange(1, 3_000)
        found = self.container.read_object(name, start=start, stop=stop)
        assert self.kept[name][start:stop] == found

    def head(self) -> None:
        name = self.some()
        assert len(self.kept[name]) == self.container.get_object(name).size

    def list(self) -> None:
        listed = {one.name: one.size for one in self.container.list_objects(self.prefix)}
        assert {name: len(content) for name, content in self.kept.items()} == listed

    def delete(self) -> None:
        name = self.some()
        self.container.delete_object(name)
        del self.kept[name]
        with pytest.raises(ObjectNotFoundError):
            self.container.read_object(name)


def test_many_threads_share_a_driver(
    container: Container, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    """2,000 operations of all kinds: no error, no wrong byte, no connection too many."""
    caplog.set_level(logging.DEBUG)
    users = [User(container, number) for number in range(THREADS)]
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as executor:
        warnings.simplefilter("error")
        done = [executor.submit(user.run, OPERATIONS // THREADS) for user in users]
        for one in done:
            one.result()
    assert len(relay.seen) >= OPERATIONS
    assert relay.most <= CONNECTIONS
    # They are kept, too: one that is made anew for each request would be counted here.
    assert relay.connections <= 2 * CONNECTIONS
    assert "pool is full" not in caplog.text
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]
    everything = {name: len(content) for user in users for name, content in user.kept.items()}
    assert everything == {one.name: one.size for one in container.list_objects()}


def test_uploads_in_parts_share_the_connections() -> None:
    """16 threads, each with 8 senders of its own: 128 parts at once go over 16 connections."""
    with Drain(0) as drain, get_driver("s3")("AKID", "secret", endpoint=drain.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=8)
        drain.forget(CONNECTIONS)
        content = bytes(9 * PART)
        with ThreadPoolExecutor(THREADS) as executor:
            names = [f"name {number}" for number in range(THREADS)]
            done = executor.map(
                lambda name: driver.upload_object(content, "bucket", name).size, names
            )
            assert [len(content)] * THREADS == list(done)
        assert (CONNECTIONS, CONNECTIONS) == (drain.connections, drain.most["PUT"])


def test_downloads_in_ranges_share_the_connections(tmp_path: Path) -> None:
    """16 threads, each with 8 readers: no reader waits for a reader that waits for it."""
    size = 16 * MIB
    with Drain(size) as drain, get_driver("s3")("AKID", "secret", endpoint=drain.url) as driver:
        driver.transfer = TransferOptions(part_size=MIB, multipart_threshold=MIB, concurrency=8)
        drain.forget(CONNECTIONS)
        paths = [tmp_path / str(number) for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as executor:
            list(executor.map(driver.object("bucket", "name").download, paths))
        assert {size} == {path.stat().st_size for path in paths}
        assert (CONNECTIONS, CONNECTIONS) == (drain.connections, drain.most["GET"])


def test_connection_pool_has_the_size_of_the_concurrency() -> None:
    """As many connections are opened as there are concurrent requests."""
    transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=24)
    with Drain(0) as drain:
        with get_driver("s3")("AKID", "secret", endpoint=drain.url, transfer=transfer) as driver:
            drain.forget(24)
            driver.upload_object(bytes(30 * PART), "bucket", "name")
        assert (24, 24) == (drain.connections, drain.most["PUT"])


# ---------------------------------------------------------------------- children


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_child_do_not_share_connections(
    container: Container, relay: Relay, tmp_path: Path
) -> None:
    """After a fork with warm connections both sides work at once, and get their own responses."""
    contents = {f"object {number}": bytes_of(str(number), 3_000) for number in range(20)}
    for name, content in contents.items():
        container.upload_object(content, name)
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(container.read_object, contents))
    warm = relay.connections

    def work() -> None:
        for _ in range(5):
            with ThreadPoolExecutor(4) as executor:
                assert list(contents.values()) == list(
                    executor.map(container.read_object, contents)
                )

    child = os.fork()
    if not child:
        try:
            work()
            (tmp_path / "done").write_text("yes")
        finally:
            os._exit(0)
    work()
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "done").exists()
    work()
    # The parent went on with the connections that it had; the child made others.
    assert warm < relay.connections <= warm + 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_during_requests_is_harmless() -> None:
    """Whatever locks and connections other threads hold at the moment, the child can go on."""
    with Drain(8 * MIB) as drain, get_driver("s3")("AKID", "secret", endpoint=drain.url) as driver:
        handle = driver.object("bucket", "name")
        stop = threading.Event()

        def keep_reading() -> int:
            rounds = 0
            while not stop.is_set():
                assert len(handle.read(stop=70_000)) == 70_000
                rounds += 1
            return rounds

        with ThreadPoolExecutor(4) as executor:
            busy = [executor.submit(keep_reading) for _ in range(4)]
            statuses = [_forked(driver) for _ in range(10)]
            stop.set()
            assert all(one.result() for one in busy)
    assert statuses == [0] * 10


def _forked(driver: S3Driver) -> int:
    """Return the status of a child that reads an object and checks it."""
    child = os.fork()
    if not child:
        status = 1
        try:
            content = driver.object("bucket", "name").read()  # verified by its MD5
            status = 0 if len(content) == 8 * MIB else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
