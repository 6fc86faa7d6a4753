"""Tokens that expire during an operation are renewed once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drivers.swift.support import PART, lent, listening

from libstore import AuthenticationError, Container, TransferOptions, get_driver
from libstore.drivers.swift import SwiftDriver
from servers.openstack import SwiftServer

CONTENT = bytes(range(256)) * (PART // 256) * 20


@pytest.fixture
def driver(swift_server: SwiftServer) -> Iterator[SwiftDriver]:
    with get_driver("swift")(
        swift_server.key, swift_server.secret, auth_url=swift_server.auth_url,
        transfer=TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=8),
    ) as driver:  # fmt: skip
        yield driver


@pytest.fixture
def container(driver: SwiftDriver) -> Iterator[Container]:
    with lent(driver) as container:
        yield container


def logins(seen: list[str]) -> int:
    return sum("/auth/v1.0" in line for line in seen)


def forget_at(server: SwiftServer, bytes_done: int) -> object:
    """Return a progress callback that makes all tokens invalid once."""
    left = [True]

    def progress(done: int, total: int | None) -> None:
        if done >= bytes_done and left:
            left.clear()
            server.forget_tokens()

    return progress


def test_expired_token_is_renewed_once_during_an_upload(
    swift_server: SwiftServer, driver: SwiftDriver, container: Container
) -> None:
    with listening(driver) as seen:
        container.upload_object(CONTENT, "a", progress=forget_at(swift_server, 8 * PART))
        assert 1 == logins(seen)
    assert CONTENT == container.read_object("a")


def test_expired_token_is_renewed_once_during_a_download(
    swift_server: SwiftServer, driver: SwiftDriver, container: Container, tmp_path: Path
) -> None:
    container.upload_object(CONTENT, "a")
    with listening(driver) as seen:
        path = container.get_object("a").download(
            tmp_path / "a", progress=forget_at(swift_server, 4 * PART)
        )
        assert 1 == logins(seen)
    assert CONTENT == path.read_bytes()


def test_threads_share_a_renewed_token(
    swift_server: SwiftServer, driver: SwiftDriver, container: Container
) -> None:
    container.upload_object(b"content", "a")
    gate = threading.Barrier(12)
    results: list[bytes] = []

    def read() -> None:
        gate.wait()
        results.append(container.read_object("a"))

    swift_server.forget_tokens()
    threads = [threading.Thread(target=read) for _ in range(12)]
    with listening(driver) as seen:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 == logins(seen)
    assert [b"content"] * 12 == results


def test_token_is_renewed_before_it_expires(driver: SwiftDriver, container: Container) -> None:
    later = [0.0]
    driver._client.clock = lambda: time.time() + later[0]
    container.upload_object(b"content", "a")
    with listening(driver) as seen:
        container.read_object("a")
        assert 0 == logins(seen)
        later[0] = 86_400.0 - 200.0
        container.read_object("a")
        assert 1 == logins(seen)


def test_token_that_cannot_be_renewed_is_an_error(
    swift_server: SwiftServer, driver: SwiftDriver, container: Container
) -> None:
    place = driver._client.endpoint
    token = driver._client._tokens.get()
    with get_driver("swift")(token=token, storage_url=place.url + place.path) as other:
        assert container.name in [found.name for found in other.list_containers()]
        swift_server.forget_tokens()
        with pytest.raises(AuthenticationError) as caught:
            list(other.list_containers())
    assert token not in str(caught.value)
