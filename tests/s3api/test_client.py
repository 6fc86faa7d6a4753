"""Responses whose status does not say everything: errors with status 200, and checksums."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator

import pytest
from s3api.support import (
    CONTENT,
    MD5,
    document,
    error,
    made,
)
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    IntegrityError,
    TransferOptions,
)
from libstore.drivers.s3 import S3Driver


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    with made(server) as driver:
        yield driver


@pytest.mark.parametrize("if_absent", [False, True])
def test_upload_with_an_error_in_a_200_response_is_retried(
    server: Server, driver: S3Driver, if_absent: bool
) -> None:
    server.steps.extend([error("InternalError", 200), respond(ETag=f'"{MD5}"')])
    obj = driver.upload_object(CONTENT, "bucket", "name", if_absent=if_absent)
    assert (MD5, len(CONTENT)) == (obj.etag, obj.size)
    assert not server.steps


def test_copy_with_an_error_in_a_200_response_is_retried(server: Server, driver: S3Driver) -> None:
    copied = document("CopyObjectResult", f"<ETag>{MD5}</ETag>")
    server.steps.extend([error("InternalError", 200), copied])
    copy = driver.copy_object(driver.object("bucket", "a b"), "bucket", "c")
    assert copy.etag == MD5
    assert ("x-amz-copy-source", "/bucket/a%20b") in server.seen[0].headers


def test_conditional_upload_with_a_bad_digest_is_retried(server: Server, driver: S3Driver) -> None:
    server.steps.extend([error("BadDigest", 400), respond(ETag=f'"{MD5}"')])
    assert MD5 == driver.upload_object(CONTENT, "bucket", "name", if_absent=True).etag
    assert not server.steps


def test_html_response_with_a_request_id_is_a_success(server: Server, driver: S3Driver) -> None:
    """OpenStack Swift sends one to who wrote an object a moment too late."""
    page = b"<html><h1>Accepted</h1></html>"
    server.steps.append(respond(page, Content_Type="text/html", x_amz_request_id="tx1"))
    assert len(CONTENT) == driver.upload_object(CONTENT, "bucket", "name").size


def test_range_with_status_200_is_accepted(server: Server, driver: S3Driver) -> None:
    """Status 200 is what rclone says where it sends a part."""
    sent = respond(CONTENT[2:5], ETag=f'"{MD5}"', Content_Range=f"bytes 2-4/{len(CONTENT)}")
    server.steps.append(sent)
    assert CONTENT[2:5] == driver.object("bucket", "name").read(start=2, stop=5)


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
