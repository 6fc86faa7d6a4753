"""Servers that lack, rename or ignore parts of the S3 interface."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Play, Server, respond

from libstore import (
    IntegrityError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    ObjectNameConflictError,
    RetryPolicy,
    ServiceError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import S3Driver

PART = 5 * 1024 * 1024
BIG = bytes(PART) + b"tail"
TAGS = [hashlib.md5(part).hexdigest() for part in (BIG[:PART], BIG[PART:])]
WHOLE = hashlib.md5(b"".join(map(bytes.fromhex, TAGS))).hexdigest() + "-2"


@pytest.fixture
def driver(server: Server) -> Iterator[S3Driver]:
    """Return a driver of an unknown endpoint."""
    with get_driver("s3")(
        "AKIDEXAMPLE", "secret", endpoint=server.url, retry=RetryPolicy(2, base=0.0)
    ) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
        yield driver


def document(root: str, inside: str = "") -> Any:
    return respond(f"<?xml version='1.0'?>\n<{root}>{inside}</{root}>".encode())


def refusal(code: str, status: int) -> Any:
    body = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code></Error>"
    return respond(body.encode(), status=status)


def listing(*names: str, more: str = "") -> Any:
    rows = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names)
    return document("ListBucketResult", f"<Name>bucket</Name>{more}{rows}")


def lines(server: Server) -> list[str]:
    return [seen.line for seen in server.seen]


# ---------------------------------------------------------------------- uploads in parts


def complete_without_etag() -> list[Any]:
    started = document("InitiateMultipartUploadResult", "<UploadId>an-id</UploadId>")
    parts = [respond(ETag=f'"{tag}"') for tag in TAGS]
    return [started, *parts, document("CompleteMultipartUploadResult", "<ETag></ETag>")]


def head_of(etag: str, size: int = len(BIG)) -> Any:
    lines = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "{etag}"\r\n\r\n'
    return Play(lines.encode())


def test_etag_omitted_by_ceph_is_requested(server: Server, driver: S3Driver) -> None:
    server.steps.extend([*complete_without_etag(), head_of(WHOLE)])
    assert WHOLE == driver.upload_object(BIG, "bucket", "name").etag
    assert lines(server)[-1].startswith("HEAD /bucket/name ")


def test_object_of_another_size_does_not_confirm_an_upload(
    server: Server, driver: S3Driver
) -> None:
    server.steps.extend([*complete_without_etag(), head_of(WHOLE, 7)])
    with pytest.raises(IntegrityError, match="7"):
        driver.upload_object(BIG, "bucket", "name")


@pytest.mark.parametrize(
    "unknown", [listing("a"), refusal("NotImplemented", 501)], ids=["passed over", "refused"]
)
def test_a_bucket_is_deleted_where_uploads_are_not_listed(
    server: Server, driver: S3Driver, unknown: Any
) -> None:
    server.steps.extend([document("ListVersionsResult"), unknown, respond(status=204)])
    driver.delete_container("bucket")
    assert lines(server)[-1].startswith("DELETE /bucket ")


def test_missing_upload_listing_is_not_supported(server: Server, driver: S3Driver) -> None:
    server.steps.append(listing("a"))
    with pytest.raises(NotSupportedError):
        list(driver.list_uploads("bucket"))


def test_encoded_names_of_uploads_are_detected(server: Server, driver: S3Driver) -> None:
    """As Ceph does, so the names are requested as they are."""
    for name in ("half/of%20it", "half/of it"):
        row = f"<Upload><Key>{name}</Key><UploadId>u</UploadId></Upload>"
        server.steps.append(document("ListMultipartUploadsResult", row))
    assert ["half/of it"] == [upload.name for upload in driver.list_uploads("bucket")]
    assert ["encoding-type" in line for line in lines(server)] == [True, False]


# ---------------------------------------------------------------------- listings and batches


def test_version_1_listing_continues_by_name(server: Server, driver: S3Driver) -> None:
    more = "<IsTruncated>true</IsTruncated>"
    server.steps.extend([listing("a", "b c", more=more), listing("d")])
    assert ["a", "b c", "d"] == [obj.name for obj in driver.list_objects("bucket")]
    assert "marker=b%20c" in lines(server)[1]
    assert "list-type" not in lines(server)[1]


def test_objects_are_deleted_one_by_one_where_there_are_no_batches(
    server: Server, driver: S3Driver
) -> None:
    server.steps.extend([refusal("NotImplemented", 501), *[respond(status=204)] * 2])
    results = driver.delete_objects([driver.object("bucket", name) for name in ("a", "b")])
    assert [None, None] == [result.error for result in results]
    assert ["POST", "DELETE", "DELETE"] == [line.split(" ")[0] for line in lines(server)]


def test_a_bucket_is_emptied_one_by_one_where_there_are_no_batches(
    server: Server, driver: S3Driver
) -> None:
    version = "<Version><Key>a</Key><VersionId>v1</VersionId></Version>"
    listed = document("ListVersionsResult", version)
    uploads = document("ListMultipartUploadsResult")
    gone = respond(status=204)
    server.steps.extend([listed, refusal("NotImplemented", 501), gone, uploads, gone])
    driver.delete_container("bucket")
    assert "versionId=v1" in lines(server)[2]


# ---------------------------------------------------------------------- names and places


def test_unknown_region_is_reported(server: Server, driver: S3Driver) -> None:
    missing = respond(status=404)
    server.steps.extend([missing, refusal("InvalidLocationConstraint", 400)])
    with pytest.raises(InvalidOptionError, match="region"):
        driver.create_container("bucket", extra={"region": "eu-nowhere-1"})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("XMinioInvalidResourceName", InvalidNameError),
        ("XMinioObjectExistsAsDirectory", ObjectNameConflictError),
        ("XMinioParentIsObject", ObjectNameConflictError),
    ],
)
def test_name_that_the_server_cannot_store_is_reported(
    server: Server, driver: S3Driver, code: str, kind: type[StorageError]
) -> None:
    server.steps.append(refusal(code, 409))
    with pytest.raises(kind):
        driver.upload_object(b"", "bucket", "../name")


def test_empty_refusal_is_an_error_of_the_service(server: Server, driver: S3Driver) -> None:
    """A response to HEAD has no body, so that nothing shows that it is the service's."""
    server.steps.extend([respond(status=400), document("LocationConstraint")])
    with pytest.raises(ServiceError, match="rejected the request"):
        driver.get_object("bucket", "../name")


def test_response_with_a_request_id_is_from_the_service(server: Server, driver: S3Driver) -> None:
    server.steps.append(respond(status=400, x_amz_request_id="R1"))
    with pytest.raises(ServiceError, match="rejected the request") as caught:
        driver.upload_object(b"", "bucket", "null\0")
    assert caught.value.request_id == "R1"


def test_the_path_of_a_bucket_ends_without_a_slash(server: Server, driver: S3Driver) -> None:
    """As that of most clients, and servers that read paths literally know no other."""
    server.steps.extend([listing("a"), respond(b"{}", x_amz_request_id="1")])
    assert ["a"] == [obj.name for obj in driver.list_objects("bucket")]
    driver.get_container("bucket")
    assert lines(server)[0].startswith("GET /bucket?")
    assert lines(server)[1].startswith("HEAD /bucket ")
