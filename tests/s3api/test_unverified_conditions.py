"""Conditions on an unknown endpoint, and waits before a write is sent again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Server, answer

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
        asked: list[str] = []
        send = driver._client.send

        def watch(operation: Operation, *arguments: Any, **options: Any) -> Any:
            asked.append(operation.method)
            return send(operation, *arguments, **options)

        driver._client.send = watch
        yield container, asked
        container.delete()


@pytest.fixture
def keeping(seaweedfs_server: S3Server) -> Iterator[tuple[Container, list[str]]]:
    """Yield a container of a server that keeps conditions."""
    yield from watched(seaweedfs_server)


@pytest.fixture
def heedless(rclone_server: S3Server) -> Iterator[tuple[Container, list[str]]]:
    """Yield a container of a server that passes over conditions."""
    yield from watched(rclone_server)


def test_enforced_conditions_are_detected(
    keeping: tuple[Container, list[str]],
) -> None:
    """The second write with a condition is sent once more; from the third on one request does."""
    container, asked = keeping
    for name, expected in (("a", ["HEAD", "PUT"]), ("b", ["HEAD", "PUT", "PUT"]), ("c", ["PUT"])):
        container.upload_object(name.encode(), name, if_absent=True)
        assert expected == asked
        asked.clear()
    with pytest.raises(ObjectAlreadyExistsError):
        container.upload_object(b"other", "c", if_absent=True)
    assert ["PUT"] == asked
    asked.clear()
    obj = container.get_object("a")
    for content, expected in ((b"1", 2), (b"2", 3), (b"3", 1)):
        asked.clear()
        obj = container.upload_object(content, "a", if_match=obj.etag)
        assert expected == len(asked)
    with pytest.raises(ObjectChangedError):
        container.upload_object(b"other", "a", if_match="other")
    assert [b"3", b"b", b"c"] == [container.read_object(name) for name in "abc"]


def test_unenforced_conditions_are_always_checked(
    heedless: tuple[Container, list[str]],
) -> None:
    container, asked = heedless
    for name in "abcd":
        asked.clear()
        container.upload_object(name.encode(), name, if_absent=True)
        assert asked[0] == "HEAD"
        with pytest.raises(ObjectAlreadyExistsError):
            container.upload_object(b"other", name, if_absent=True)
    assert list(b"abcd") == [container.read_object(name)[0] for name in "abcd"]


def test_inconclusive_check_of_conditions_is_repeated(played: Server, playing: S3Driver) -> None:
    missing, busy = answer(status=404), answer(status=503)
    stored = answer(ETag="x")
    for steps in ([missing, stored], [missing, stored, busy], [missing, stored]):
        played.steps.extend(steps)
        playing.upload_object(b"x", "bucket", "a", if_absent=True)
        assert not played.steps


def test_equal_content_proves_no_condition(played: Server, playing: S3Driver) -> None:
    """Its ETag is the same, so the condition would still hold."""
    for _ in range(3):
        played.steps.extend([answer(ETag='"same"'), answer(ETag='"same"')])
        playing.upload_object(b"x", "bucket", "a", if_match="same")
    assert 6 == len(played.seen)


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
    return answer(b"<Error><Code>ServiceUnavailable</Code></Error>", status=status, **headers)


def test_conditional_write_waits_for_retry_after(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    missing = answer(status=404)
    steps = [missing, busy(Retry_After="7"), missing, busy(), missing, answer(ETag="x")]
    played.steps.extend(steps)
    playing.upload_object(b"x", "bucket", "a", if_absent=True)
    assert [7.0, 0.0] == waited


def test_error_in_a_200_response_waits_before_the_retry(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    copied = answer(b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
    played.steps.extend([busy(200, Retry_After="3"), copied])
    playing.object("bucket", "a").copy("bucket", "b")
    assert [3.0] == waited


def test_wait_is_limited_by_the_total_time(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    playing.retry = RetryPolicy(3, base=0.0, total=5.0)
    played.steps.extend([answer(status=404), busy(Retry_After="7"), answer(status=404)])
    with pytest.raises(ServiceUnavailableError) as caught:
        playing.upload_object(b"x", "bucket", "a", if_absent=True)
    assert 7.0 == caught.value.retry_after
    assert 7.0 not in waited


def test_retry_after_is_an_attribute_of_the_error(
    played: Server, playing: S3Driver, waited: list[float]
) -> None:
    played.default = answer(b"<Error><Code>SlowDown</Code></Error>", 503, Retry_After="9")
    with pytest.raises(RateLimitedError) as caught:
        playing.object("bucket", "a").read()
    assert ([9.0, 9.0], 9.0) == (waited, caught.value.retry_after)
