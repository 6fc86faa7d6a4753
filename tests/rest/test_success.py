"""
Success on every network driver: a status that the operation defines, with proof.

A server on loopback responds in place of the service, and of what may stand before it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping

import pytest
from drivers.network_drivers import DRIVERS as COMMON
from drivers.network_drivers import SECRET
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    RetryPolicy,
    ServiceError,
    StorageDriver,
    TransferOptions,
    get_driver,
)

CONTENT = b"content"
PART = 256 * 1024
BIG = bytes(PART + 1)
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5_64 = base64.b64encode(bytes.fromhex(MD5)).decode()
HTML = "text/html; charset=utf-8"


def _s3(url: str) -> StorageDriver:
    return get_driver("seaweedfs")("AKID", SECRET, endpoint=url)


# At an unknown endpoint a condition is checked before, which these tests are not about.
DRIVERS: Mapping[str, Callable[[str], StorageDriver]] = {**COMMON, "s3": _s3}


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def driver(label: str, server: Server) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
        yield driver


CHANGES: Mapping[str, Callable[[StorageDriver], object]] = {
    "put": lambda driver: driver.upload_object(CONTENT, "bucket", "name"),
    "put_absent": lambda driver: driver.upload_object(CONTENT, "bucket", "name", if_absent=True),
    "parts": lambda driver: driver.upload_object(BIG, "bucket", "name"),
    "copy": lambda driver: driver.object("bucket", "name").copy("bucket", "other"),
    "metadata": lambda driver: driver.object("bucket", "name").update_metadata({"a": "b"}),
    "delete": lambda driver: driver.object("bucket", "name").delete(),
    "create_container": lambda driver: driver.create_container("bucket"),
    "delete_container": lambda driver: driver.delete_container("bucket", recursive=False),
    "enable_cdn": lambda driver: driver.object("bucket", "name").container.enable_cdn(),
}


def fails(driver: StorageDriver, operation: str) -> None:
    with pytest.raises((ServiceError, OutcomeUnknownError)):
        CHANGES[operation](driver)


# ---------------------------------------------------------------------- no proof


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("status", [200, 201, 202, 203, 205, 206, 207, 226])
def test_empty_2xx_response_is_not_a_success(
    server: Server, driver: StorageDriver, status: int, operation: str
) -> None:
    """Every request gets this response; nothing is stored, changed or deleted."""
    server.default = respond(b"", status)
    fails(driver, operation)


@pytest.mark.parametrize("operation", CHANGES)
def test_an_empty_204_stores_nothing(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    server.default = respond(b"", 204)
    if not operation.startswith("delete"):
        fails(driver, operation)


@pytest.mark.parametrize("operation", ["delete", "delete_container", "put"])
def test_an_error_in_a_success_is_an_error(server: Server, operation: str) -> None:
    error = (
        b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
    )
    server.default = respond(error, x_amz_request_id="REQUEST1")
    with _s3(server.url) as driver, pytest.raises(AccessDeniedError) as caught:
        CHANGES[operation](driver)
    assert ("AccessDenied", 200) == (caught.value.code, caught.value.status)


# ---------------------------------------------------------------------- a check


def _stored(label: str) -> Play:
    """Return the response to HEAD of an object that has the content."""
    if label == "gcs":
        document = {"name": "name", "generation": "1", "size": "7", "md5Hash": MD5_64}
        return respond(json.dumps({"kind": "storage#object", **document}).encode())
    headers = {
        "s3": {"etag": f'"{MD5}"'},
        "azure": {"etag": '"0x1"', "content-md5": MD5_64, "x-ms-request-id": "R1"},
        "gcs-hmac": {"x-goog-generation": "1", "x-goog-hash": f"md5={MD5_64}"},
        "swift": {"etag": MD5, "x-trans-id": "tx1", "last-modified": "x"},
    }[label]
    return head(len(CONTENT), headers)


def head(size: int, headers: Mapping[str, str], status: int = 200) -> Play:
    """Return the response to a HEAD request."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {size}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Play("\r\n".join([*lines, "", ""]).encode())


def _missing(label: str) -> Play:
    """Return the response to HEAD of an object that does not exist."""
    if label == "gcs":
        document = {"error": {"message": "No such object: bucket/name"}}
        return respond(json.dumps(document).encode(), 404)
    return head(0, {"x-trans-id": "tx1", "x-ms-error-code": "BlobNotFound"}, 404)


def test_put_without_proof_is_checked_once(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.extend([respond(b""), _stored(label)])
    assert len(CONTENT) == driver.upload_object(CONTENT, "bucket", "name").size
    assert 2 == len(server.seen)


def test_other_object_does_not_prove_a_put(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.extend([respond(b""), _stored(label)])
    with pytest.raises(ServiceError, match="proxy"):
        driver.upload_object(b"another", "bucket", "name")
    assert 2 == len(server.seen)


def _before_delete(label: str) -> list[Play]:
    """Return the responses before that to a delete."""
    return [_stored(label)] if label == "swift" else []


def test_delete_without_proof_is_checked_once(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.extend([*_before_delete(label), respond(b""), _missing(label)])
    driver.object("bucket", "name").delete()
    assert not server.steps


def test_remaining_object_was_not_deleted(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.extend([*_before_delete(label), respond(b""), _stored(label)])
    with pytest.raises(ServiceError, match="proxy"):
        driver.object("bucket", "name").delete()
    assert not server.steps


def test_failed_check_proves_nothing(server: Server, driver: StorageDriver) -> None:
    server.steps.append(respond(b""))
    with pytest.raises(ServiceError, match="proxy"):
        driver.upload_object(CONTENT, "bucket", "name")


# ---------------------------------------------------------------------- pages


def _proved(label: str) -> Play:
    """Return a proper response to a put, with the content type that frameworks add to it."""
    if label == "gcs":
        document = {"kind": "storage#object", "name": "name", "generation": "1"}
        return respond(json.dumps(document).encode(), content_type=HTML)
    status = 201 if label in {"azure", "swift"} else 200
    ids = {"x_trans_id": "tx1"} if label == "swift" else {}
    etag = MD5 if label in {"s3", "swift"} else "1"
    return respond(b"", status, ETag=f'"{etag}"', content_type=HTML, **ids)


def test_content_type_without_a_body_is_not_a_web_page(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.append(_proved(label))
    driver.upload_object(CONTENT, "bucket", "name")
    assert 1 == len(server.seen)


def test_response_to_a_delete_may_have_the_type_html(
    server: Server, driver: StorageDriver, label: str
) -> None:
    status = 202 if label == "azure" else 204
    done = respond(b"", status, content_type=HTML, x_ms_request_id="R1", x_trans_id="tx1")
    server.steps.extend([*_before_delete(label), done])
    driver.object("bucket", "name").delete()
    assert not server.steps


def test_googles_testbench_begins_uploads_with_html(server: Server) -> None:
    where = {"location": f"{server.url}/upload/session?upload_id=1", "content_type": HTML}
    document = {"kind": "storage#object", "name": "name", "generation": "1", "size": len(BIG)}
    server.steps.extend(
        [
            respond(b"", **where),
            respond(b"", 308, Range=f"bytes=0-{PART - 1}"),
            respond(json.dumps(document).encode()),
        ]
    )
    with DRIVERS["gcs"](server.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        assert len(BIG) == driver.upload_object(BIG, "bucket", "name").size


def test_empty_200_response_of_the_testbench_is_a_success(server: Server) -> None:
    """So a conditional delete is known to have succeeded on Google's storage-testbench."""
    document = {"kind": "storage#object", "name": "name", "generation": "1", "size": "7"}
    seen = respond(json.dumps(document).encode(), Server="gunicorn")
    deleted = respond(b"", content_type=HTML, Server="gunicorn")
    with DRIVERS["gcs"](server.url) as driver:
        server.steps.extend([seen, deleted, _missing("gcs")])
        driver.delete_object(driver.get_object("bucket", "name"), if_match="1")
        server.steps.extend([seen, respond(b"", Server="another"), _missing("gcs")])
        with pytest.raises(OutcomeUnknownError):
            driver.delete_object(driver.get_object("bucket", "name"), if_match="1")


@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "gcs-hmac", "swift"])
@pytest.mark.parametrize("document", ["bytes 0--1/0", "bytes 5-3/7", "bytes 0-99/100", "nonsense"])
def test_a_range_that_a_whole_response_contradicts_is_ignored(
    server: Server, driver: StorageDriver, document: str
) -> None:
    """A response of status 200 has as many bytes as its Content-Length says."""
    own = {"x_goog_generation": "1", "x_trans_id": "tx1", "x_amz_request_id": "R1"}
    for content in (b"", CONTENT):
        server.steps.append(respond(content, ETag='"1"', Content_Range=document, **own))
        assert content == driver.read_object(driver.object("bucket", "name"))


# ---------------------------------------------------------------------- a second request


SECOND = {
    "s3": [head(0, {}, 404)],
    "gcs": [
        respond(b'{"error": {"message": "Not Found", "errors": [{"reason": "notFound"}]}}', 404),
        respond(b"<html>No</html>", 404),
    ],
    "gcs-hmac": [head(0, {}, 404)],
    "swift": [head(0, {"x-trans-id": "tx1"}, 404), head(0, {"x-trans-id": "tx1"}, 403)],
}


@pytest.mark.parametrize("label", SECOND)
def test_missing_object_is_reported_when_its_container_is_not_readable(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.default = head(0, {}, 403)  # for every other request
    server.steps.extend(SECOND[label])
    assert not driver.object_exists("bucket", "name")
    server.steps.extend(SECOND[label])
    with pytest.raises(ObjectNotFoundError):
        driver.get_object("bucket", "name")


@pytest.mark.parametrize("broken", [respond(b"", 503), Play(then="reset"), respond(b"", 403)])
def test_failed_check_after_a_change_is_ignored(server: Server, broken: Play) -> None:
    """Azure sends no metadata in the response to a change of metadata."""
    server.default = broken
    changed = respond(b"", 200, ETag='"0x2"', x_ms_request_id="R1")
    with DRIVERS["azure"](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        server.steps.append(changed)
        obj = driver.object("bucket", "name").update_metadata({"a": "b"})
        assert ("0x2", {"a": "b"}) == (obj.etag, obj.metadata)


@pytest.mark.parametrize("broken", [respond(b"", 503), Play(then="reset"), respond(b"", 403)])
def test_failed_check_after_a_completion_is_ignored(server: Server, broken: Play) -> None:
    """Ceph may send no ETag of an object that it has assembled."""
    size = 5 * 1024 * 1024
    server.default = broken
    started = (
        b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
    )
    done = b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
    etags = [hashlib.md5(part).hexdigest() for part in (bytes(size), b"\0")]
    parts = [respond(b"", ETag=f'"{etag}"') for etag in etags]
    server.steps.extend([respond(started), *parts, respond(done)])
    with _s3(server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        driver.transfer = TransferOptions(part_size=size, multipart_threshold=size, concurrency=1)
        assert size + 1 == driver.upload_object(bytes(size + 1), "bucket", "name").size
