"""Multipart uploads, copies and batches whose responses are late, wrong or lost."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    IntegrityError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import S3Driver

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret/that+nobody=sees", "a-token-that-nobody-sees"
CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
PART = 5 * 1024 * 1024
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def made(server: Server, **options: Any) -> S3Driver:
    """Return a driver of a service that is known well, at the server's address."""
    options = {"retry": RetryPolicy(3, base=0.0), **options}
    driver = get_driver("seaweedfs")(KEY, SECRET, token=TOKEN, endpoint=server.url, **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    with made(server) as driver:
        yield driver


def error(code: str, status: int, message: str = "so it is", **more: str) -> Any:
    """Return an error as S3 writes it."""
    extra = "".join(f"<{name}>{value}</{name}>" for name, value in more.items())
    fields = f"<Code>{code}</Code><Message>{message}</Message>{extra}"
    body = f"<?xml version='1.0'?><Error>{fields}</Error>"
    return respond(body.encode(), status=status, x_amz_request_id="REQUEST1")


def lost() -> Any:
    """Return a response that is lost on the way."""
    return respond(then="reset", status=200)


def dropped() -> Any:
    from scripted import Play

    return Play(then="close")


def stored(etag: str = MD5, **headers: str) -> Any:
    return respond(ETag=f'"{etag}"', **headers)


def head_of(content: bytes, etag: str) -> Any:
    """Return the response to HEAD; its length is that of what GET would bring."""
    from scripted import Play

    lines = f'HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nETag: "{etag}"\r\n\r\n'
    return Play(lines.encode())


def document(root: str, inside: str) -> Any:
    return respond(f"<?xml version='1.0'?>\n<{root} {NAMESPACE}>{inside}</{root}>".encode())


def methods(server: Server) -> list[str]:
    return [seen.line.split(" ")[0] for seen in server.seen]


# ---------------------------------------------------------------------- errors


# ---------------------------------------------------------------------- conditions


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


# ---------------------------------------------------------------------- success that is none


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


def test_copy_with_an_error_in_a_200_response_is_retried(server: Server, driver: S3Driver) -> None:
    copied = document("CopyObjectResult", f"<ETag>{MD5}</ETag>")
    server.steps.extend([error("InternalError", 200), copied])
    copy = driver.copy_object(driver.object("bucket", "a b"), "bucket", "c")
    assert copy.etag == MD5
    assert ("x-amz-copy-source", "/bucket/a%20b") in server.seen[0].headers


def test_batch_deletion_reports_each_failure(server: Server, driver: S3Driver) -> None:
    failures = "".join(
        f"<Error><Key>{name}</Key><Code>{code}</Code></Error>"
        for name, code in (("b", "AccessDenied"), ("c", "NoSuchKey"))
    )
    server.steps.extend([error("InternalError", 200), document("DeleteResult", failures)])
    results = driver.delete_objects([driver.object("bucket", name) for name in "abc"])
    assert [True, False, True] == [result.ok for result in results]
    assert isinstance(results[1].error, AccessDeniedError)


def test_names_that_are_invalid_in_xml_are_deleted_one_by_one(
    server: Server, driver: S3Driver
) -> None:
    server.steps.extend([document("DeleteResult", ""), respond(b"", status=204)])
    driver.transfer = TransferOptions(concurrency=1)
    results = driver.delete_objects([driver.object("bucket", name) for name in ("a", "b\x01")])
    assert all(result.ok for result in results)
    assert ["POST /bucket?delete= HTTP/1.1", "DELETE /bucket/b%01 HTTP/1.1"] == [
        seen.line for seen in server.seen
    ]
    assert b"<Key>a</Key>" in server.seen[0].body


# ---------------------------------------------------------------------- digests


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"0123456789abcdef0123456789abcdef-3"'},
        {"ETag": f'"{"0" * 32}"', "x_amz_server_side_encryption": "aws:kms"},
        {"ETag": f'"{"0" * 32}"', "x_amz_server_side_encryption_customer_algorithm": "AES256"},
        {"ETag": '"a"', "x_amz_checksum_crc32": "AAAAAA==-2", "x_amz_checksum_type": "COMPOSITE"},
        {"ETag": '"a"', "x_amz_checksum_crc32": "AAAAAA==", "x_amz_checksum_type": "COMPOSITE"},
    ],
)
def test_checksums_of_other_bytes_than_the_content_are_not_compared(
    server: Server, driver: S3Driver, headers: dict[str, str]
) -> None:
    server.default = respond(CONTENT, **headers)
    assert driver.object("bucket", "name").read() == CONTENT


def test_crc_of_the_whole_content_is_compared(server: Server, driver: S3Driver) -> None:
    good = b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
    server.steps.append(respond(CONTENT, ETag='"a-2"', x_amz_checksum_crc32=good))
    assert driver.object("bucket", "name").read() == CONTENT
    server.steps.append(respond(CONTENT, ETag='"a-2"', x_amz_checksum_crc32="AAAAAA=="))
    with pytest.raises(IntegrityError):
        driver.object("bucket", "name").read()


def test_range_with_status_200_is_accepted(server: Server, driver: S3Driver) -> None:
    """Status 200 is what rclone says where it sends a part."""
    sent = respond(CONTENT[2:5], ETag=f'"{MD5}"', Content_Range=f"bytes 2-4/{len(CONTENT)}")
    server.steps.append(sent)
    assert CONTENT[2:5] == driver.object("bucket", "name").read(start=2, stop=5)


@pytest.mark.parametrize("if_absent", [False, True])
def test_upload_with_an_error_in_a_200_response_is_retried(
    server: Server, driver: S3Driver, if_absent: bool
) -> None:
    server.steps.extend([error("InternalError", 200), respond(ETag=f'"{MD5}"')])
    obj = driver.upload_object(CONTENT, "bucket", "name", if_absent=if_absent)
    assert (MD5, len(CONTENT)) == (obj.etag, obj.size)
    assert not server.steps


def test_conditional_upload_with_a_bad_digest_is_retried(server: Server, driver: S3Driver) -> None:
    server.steps.extend([error("BadDigest", 400), respond(ETag=f'"{MD5}"')])
    assert MD5 == driver.upload_object(CONTENT, "bucket", "name", if_absent=True).etag
    assert not server.steps


def test_html_response_with_a_request_id_is_a_success(server: Server, driver: S3Driver) -> None:
    """OpenStack Swift sends one to who wrote an object a moment too late."""
    page = b"<html><h1>Accepted</h1></html>"
    server.steps.append(respond(page, Content_Type="text/html", x_amz_request_id="tx1"))
    assert len(CONTENT) == driver.upload_object(CONTENT, "bucket", "name").size
