"""Conditions on an unknown endpoint, and waits before a write is sent again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from s3api.support import CONTENT, KEY, MD5, SECRET, head_of, methods
from scripted import Server, respond

from libstore import (
    Container,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    RateLimitedError,
    RetryPolicy,
    ServiceUnavailableError,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from libstore.rest.operation import Operation
from servers.s3 import S3Server


def watched(server: S3Server) -> Iterator[tuple[Container, list[str]]]:
    """Yield a container, and the methods of the requests that are sent from now on."""
    with get_driver("s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        requested: list[str] = []
        send = driver._client.send

        def watch(operation: Operation, *arguments: Any, **options: Any) -> Any:
            requested.append(operation.method)
            return send(operation, *arguments, **options)

        driver._client.send = watch
        yield container, requested
        container.delete()


@pytest.fixture
def keeping(seaweedfs_server: S3Server) -> Iterator[tuple[Container, list[str]]]:
    """Yield a container of a server that keeps conditions."""
    yield from watched(seaweedfs_server)


@pytest.fixture
def heedless(rclone_server: S3Server) -> Iterator[tuple[Container, list[str]]]:
    """Yield a container of a server that passes over conditions."""
    yield from watched(rclone_server)


@pytest.fixture(params=["keeping", "heedless"])
def watched_container(request: pytest.FixtureRequest) -> tuple[Container, list[str]]:
    found: tuple[Container, list[str]] = request.getfixturevalue(request.param)
    return found


def test_conditions_are_checked_before_each_write(
    watched_container: tuple[Container, list[str]],
) -> None:
    container, requested = watched_container
    for name in "ab":
        container.upload_object(name.encode(), name, if_absent=True)
        assert ["HEAD", "PUT"] == requested
        requested.clear()
        with pytest.raises(ObjectAlreadyExistsError):
            container.upload_object(b"other", name, if_absent=True)
        assert ["HEAD"] == requested
        requested.clear()
    etag = container.get_object("a").etag
    requested.clear()
    container.upload_object(b"1", "a", if_match=etag)
    assert ["HEAD", "PUT"] == requested
    for other in (etag, "other"):
        with pytest.raises(ObjectChangedError):
            container.upload_object(b"other", "a", if_match=other)
    assert [b"1", b"b"] == [container.read_object(name) for name in "ab"]


# ---------------------------------------------------------------------- waiting


@pytest.fixture
def playing(played: Server) -> Iterator[S3Driver]:
    with S3Driver("KEY", "SECRET", endpoint=played.url, retry=RetryPolicy(3, base=0.0)) as driver:
        yield driver


@pytest.fixture
def waited(playing: S3Driver) -> list[float]:
    """Return the seconds that the driver would wait, one after the other."""
    waited: list[float] = []
    playing._client.sleep = waited.append
    return waited


def busy(status: int = 503, **headers: str) -> Any:
    return respond(b"<Error><Code>ServiceUnavailable</Code></Error>", status=status, **headers)


def test_conditional_write_waits_for_retry_after(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    missing = respond(status=404)
    steps = [missing, busy(Retry_After="7"), missing, busy(), missing, respond(ETag="x")]
    played.steps.extend(steps)
    playing.upload_object(b"x", "bucket", "a", if_absent=True)
    assert [7.0, 0.0] == waited


def test_error_in_a_200_response_waits_before_the_retry(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    copied = respond(b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
    played.steps.extend([busy(200, Retry_After="3"), copied])
    playing.object("bucket", "a").copy("bucket", "b")
    assert [3.0] == waited


def test_wait_is_limited_by_the_total_time(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    playing.retry = RetryPolicy(3, base=0.0, total=5.0)
    played.steps.extend([respond(status=404), busy(Retry_After="7"), respond(status=404)])
    with pytest.raises(ServiceUnavailableError) as caught:
        playing.upload_object(b"x", "bucket", "a", if_absent=True)
    assert 7.0 == caught.value.retry_after
    assert 7.0 not in waited


def test_retry_after_is_an_attribute_of_the_error(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    played.default = respond(b"<Error><Code>SlowDown</Code></Error>", 503, Retry_After="9")
    with pytest.raises(RateLimitedError) as caught:
        playing.object("bucket", "a").read()
    assert ([9.0, 9.0], 9.0) == (waited, caught.value.retry_after)


def test_conditions_are_checked_by_a_head_on_an_unknown_service(server: Server) -> None:
    """A server that knows no conditions would let them pass: the object is checked."""
    with S3Driver(KEY, SECRET, endpoint=server.url) as driver:
        server.steps.append(head_of(CONTENT, MD5))
        with pytest.raises(ObjectAlreadyExistsError):
            driver.upload_object(CONTENT, "bucket", "name", if_absent=True)
        server.steps.append(head_of(CONTENT, MD5))
        with pytest.raises(ObjectChangedError):
            driver.delete_object(driver.object("bucket", "name"), if_match="other")
    assert ["HEAD", "HEAD"] == methods(server)
