"""Multipart uploads whose responses are late, wrong or lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from s3api.support import (
    PART,
    document,
    dropped,
    error,
    head_of,
    made,
    methods,
    stored,
)
from scripted import Server, respond

from libstore import (
    ServiceError,
    ServiceUnavailableError,
)
from libstore.drivers.s3 import S3Driver


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    with made(server) as driver:
        yield driver


def started() -> Any:
    return document("InitiateMultipartUploadResult", "<UploadId>an id</UploadId>")


def parts_of(content: bytes) -> list[bytes]:
    return [content[start : start + PART] for start in range(0, len(content), PART)]


BIG = bytes(range(256)) * (PART // 256) + b"tail"


TAGS = [hashlib.md5(part).hexdigest() for part in parts_of(BIG)]


WHOLE = hashlib.md5(b"".join(map(bytes.fromhex, TAGS))).hexdigest() + "-2"


def completed(etag: str = WHOLE) -> Any:
    return document("CompleteMultipartUploadResult", f"<ETag>&quot;{etag}&quot;</ETag>")


def test_multipart_upload_takes_two_more_requests_than_parts(
    server: Server, driver: S3Driver
) -> None:
    server.steps.extend([started(), *map(stored, TAGS), completed()])
    obj = driver.upload_object(BIG, "bucket", "name")
    assert WHOLE == obj.etag
    assert ["POST", "PUT", "PUT", "POST"] == methods(server)


@pytest.mark.parametrize(
    "wrong",
    [
        error("InternalError", 200),
        error("SlowDown", 200),
        respond(b"<?xml version='1.0'?>\n<CompleteMultipartUploadResult><ETag>"),
        respond(b""),
        dropped(),
        error("InternalError", 500),
    ],
    ids=["error", "slow down", "cut", "empty", "lost", "500"],
)
def test_failed_completion_is_retried(server: Server, driver: S3Driver, wrong: Any) -> None:
    server.steps.extend([started(), *map(stored, TAGS), wrong, completed()])
    assert WHOLE == driver.upload_object(BIG, "bucket", "name").etag


def test_upload_is_aborted_when_its_completion_fails(server: Server, driver: S3Driver) -> None:
    failures = [error("InternalError", 200)] * 3
    missing = respond(b"", status=404)
    server.steps.extend([started(), *map(stored, TAGS), *failures, missing, respond(status=204)])
    with pytest.raises(ServiceUnavailableError):
        driver.upload_object(BIG, "bucket", "name")
    assert server.seen[-1].line.startswith("DELETE /bucket/name?uploadId=an%20id")


def test_completion_with_lost_response_succeeds_if_the_object_exists(
    server: Server, driver: S3Driver
) -> None:
    """The second try finds no upload, because the first one worked."""
    server.steps.extend(
        [started(), *map(stored, TAGS), dropped(), error("NoSuchUpload", 404), head_of(BIG, WHOLE)]
    )
    assert WHOLE == driver.upload_object(BIG, "bucket", "name").etag
    assert "DELETE" not in methods(server)


def test_completion_of_an_aborted_upload_is_an_error(server: Server, driver: S3Driver) -> None:
    """After a lost response, too: what is there then is another object."""
    gone = error("NoSuchUpload", 404)
    other = head_of(b"x" * len(BIG), "0" * 32 + "-2")
    for ending in ([gone], [dropped(), gone, other]):
        server.seen.clear()
        server.steps.extend([started(), *map(stored, TAGS), *ending, gone])
        with pytest.raises(ServiceError) as caught:
            driver.upload_object(BIG, "bucket", "name")
        assert caught.value.code == "NoSuchUpload"
        assert "DELETE" == methods(server)[-1]
        assert not server.steps
