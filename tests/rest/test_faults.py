"""
The table of faults: each operation of each network driver raises the same error for a fault.

A scripted server responds as each service does, and as programs between do. The errors of real
servers are tested in `test_errors_of_servers.py`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from drivers.network_drivers import DRIVERS, OPERATIONS, SECRET
from drivers.service_errors import json_error, plain_error, xml_error
from scripted import Play, Server, Step, respond, with_token

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    RetryPolicy,
    ServiceError,
    StorageDriver,
    StorageError,
    TransferOptions,
    TransportError,
    get_driver,
)

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in, and say who you are</body></html>"
HTML = "text/html; charset=utf-8"
PART = 64 * 1024
BIG = bytes(2 * PART)


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def driver(label: str, server: Server) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        yield driver


def failed(
    operation: str, driver: StorageDriver, call: Callable[[StorageDriver], Any] | None = None
) -> StorageError:
    """Return the error of an operation, after checking what every error says."""
    with pytest.raises(StorageError) as caught:
        (call or OPERATIONS[operation])(driver)
    error = caught.value
    operation = operation.partition(" ")[0]
    assert (driver.name, operation) == (error.driver, error.operation)
    assert error.container == (None if operation == "list_containers" else "bucket")
    no_object = operation == "list_objects" or "container" in operation
    assert error.object == (None if no_object else "name")
    key = base64.b64encode(SECRET.encode()).decode()
    assert not [text for text in (str(error), repr(error)) if SECRET in text or key in text]
    assert "log in" not in str(error)
    return error


# ---------------------------------------------------------------------- what services respond


#: The response of each service if a container is missing.
NO_CONTAINER = {
    "s3": xml_error("NoSuchBucket", 404, "The specified bucket does not exist"),
    "azure": xml_error("ContainerNotFound", 404, "The specified container does not exist."),
    "gcs": json_error("notFound", 404, "The specified bucket does not exist."),
    "gcs-hmac": xml_error("NoSuchBucket", 404, "The specified bucket does not exist."),
    "swift": plain_error(404),
}
#: Of a clock that is off by a day. Swift and tokens have nothing to do with clocks.
SKEWED = {
    "s3": xml_error("RequestTimeTooSkewed", 403, "The difference is too large."),
    "azure": xml_error("AuthenticationFailed", 403, "Request date header too old: 'Mon'"),
    "gcs-hmac": xml_error("RequestTimeTooSkewed", 403, "The difference is too large."),
}


SHORT: Mapping[str, Callable[[str], StorageDriver]] = {
    "s3": lambda url: get_driver("s3")("AKID", "key", token="exist", endpoint=url),
    "azure": lambda url: get_driver("azure")("account", sas_token="sig=key", endpoint=url),
    "gcs": lambda url: get_driver("gcs")(token="key", endpoint=url, project="project"),
    "gcs-hmac": lambda url: get_driver("gcs")("GOOGKEY", "key", endpoint=url),
    "swift": lambda url: get_driver("swift")(
        token="key", temp_url_key="exist", storage_url=f"{url}/v1/AUTH_test"
    ),
}


@pytest.mark.parametrize("text", ["The specified key does not exist.", "The keys are existing."])
def test_messages_of_services_are_repeated_unchanged(
    server: Server, label: str, text: str
) -> None:
    """What is too short for a secret, or a part of a word, is none."""
    plays = {
        "gcs": json_error("invalid", 400, text),
        "swift": respond(text.encode(), 400, X_Trans_Id="REQUEST1"),
    }
    server.default = plays.get(label, xml_error("NobodyKnowsThis", 400, text))
    with SHORT[label](server.url) as driver, pytest.raises(StorageError) as caught:
        driver.upload_object(b"content", "bucket", "name")
    assert text in caught.value.message


# ---------------------------------------------------------------------- what is no service


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refused_connection_raises_its_error(label: str, operation: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with DRIVERS[label](f"http://127.0.0.1:{port}") as driver:
        driver.retry = RetryPolicy(1)
        error = failed(operation, driver)
    assert isinstance(error, TransportError)
    assert isinstance(error, ConnectionError)
    assert f"127.0.0.1:{port} refused the connection" in error.message
    assert (None, True) == (error.status, error.retryable)


PAGE_OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    **OPERATIONS,
    "upload_object in parts": lambda driver: driver.upload_object(BIG, "bucket", "name"),
    "copy_object": lambda driver: driver.object("bucket", "name").copy("bucket", "copy"),
    "update_metadata": lambda driver: driver.object("bucket", "name").update_metadata({"a": "b"}),
    "delete_container": lambda driver: driver.delete_container("bucket"),
}


@pytest.mark.parametrize("operation", PAGE_OPERATIONS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, HTML) for status in (200, 203, 400, 401, 403, 407, 418, 500, 502)),
        *((200, kind) for kind in ("", "text/plain", "application/xhtml+xml")),
    ],
)
def test_web_page_is_not_taken_for_the_service(
    server: Server, driver: StorageDriver, label: str, status: int, kind: str, operation: str
) -> None:
    """A proxy, or a network's login page, may respond, whatever content type it says."""
    if kind == "text/plain" and operation == "read_object":
        pytest.skip("it may be an object")
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    headers = {"Content_Type": kind} if kind else {}
    server.default = respond(PAGE, status, "close", **headers)
    error = failed(operation, driver, PAGE_OPERATIONS[operation])
    assert isinstance(error, (ServiceError, AccessDeniedError, AuthenticationError))
    assert (status, None) == (error.status, error.code)
    assert (status >= 500) is error.retryable
    assert status >= 500 or "proxy" in error.message or "document type" in error.message


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_a_login_page_is_not_followed(
    server: Server, driver: StorageDriver, status: int, operation: str
) -> None:
    login = Server()
    try:
        server.default = respond(b"", status, Location=f"{login.url}/?next=bucket%2Fname")
        error = failed(operation, driver)
        assert [] == login.seen
    finally:
        login.close()
    assert isinstance(error, ServiceError)
    assert status == error.status
    assert "endpoint" in error.message or "storage_url" in error.message


@pytest.mark.parametrize("label", ["s3", "gcs-hmac"])
def test_redirect_with_a_host_as_region_is_not_followed(
    server: Server, driver: StorageDriver
) -> None:
    with contextlib.closing(Server()) as other:
        where = {"Location": f"{other.url}/bucket/name", "x_amz_bucket_region": "evil.example/#"}
        server.default = respond(b"", 307, **where)
        failed("read_object", driver)
        assert [] == other.seen


@pytest.mark.parametrize("status", [200, 202, 204])
def test_empty_response_is_not_an_empty_object(
    server: Server, driver: StorageDriver, status: int
) -> None:
    """What says yes to everything, and nothing of an object, has none."""
    server.default = respond(b"", status, X_Trans_Id="REQUEST1")
    for operation in ("read_object", "get_object"):
        assert isinstance(failed(operation, driver), ServiceError)


@pytest.mark.parametrize("operation", ["list_objects", "list_containers", "get_container"])
@pytest.mark.parametrize(
    "document",
    [
        [[]], [5], [{}], [{"name": []}], [{"name": "a", "last_modified": {}, "hash": 5}], 5, "",
        {"items": [[]]}, {"items": 5}, {"items": {"a": 1}},
        {"items": [{"name": "a", "metadata": 5}]}, {"prefixes": 5},
        {"name": "bucket", "iamConfiguration": 5, "labels": [1]},
    ],
    ids=repr,
)  # fmt: skip
def test_unexpected_json_is_a_result_or_an_error(
    server: Server, driver: StorageDriver, document: object, operation: str
) -> None:
    """A value of the wrong type is ignored, or a ServiceError."""
    server.default = respond(
        json.dumps(document).encode(), X_Trans_Id="R1", x_guploader_uploadid="R1",
        Content_Type="application/json",
    )  # fmt: skip
    with contextlib.suppress(StorageError):
        OPERATIONS[operation](driver)


@pytest.mark.parametrize("label", ["gcs", "swift"])
@pytest.mark.parametrize("length", [100, 3])
def test_truncated_json_listing_is_requested_again(
    label: str, server: Server, driver: StorageDriver, length: int
) -> None:
    """It may end before its length, and with it."""
    whole = json.dumps({"gcs": {"items": [{"name": "a"}]}, "swift": [{"name": "a"}]}[label])
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Trans-Id: R1\r\n"
    head += f"Content-Type: application/json\r\nx-guploader-uploadid: R1\r\n\r\n{whole[:3]}"
    again = respond(whole.encode(), X_Trans_Id="R1", x_guploader_uploadid="R1")
    end = [respond(b"[]", X_Trans_Id="R1")] if label == "swift" else []
    server.steps.extend([Play(head.encode(), "close"), again, *end])
    assert ["a"] == [obj.name for obj in driver.list_objects("bucket")]


def test_truncated_xml_listing_of_google_is_requested_again(server: Server) -> None:
    xml = b"<ListMultipartUploadsResult></ListMultipartUploadsResult>"
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 57\r\nx-guploader-uploadid: R1\r\n\r\n<List"
    server.steps.extend([Play(cut, "close"), respond(xml, x_guploader_uploadid="R1")])
    with get_driver("gcs")(
        token=SECRET, endpoint=server.url, project="p", parallel_uploads=True,
        retry=RetryPolicy(2, base=0.0),
    ) as driver:  # fmt: skip
        assert [] == list(driver.list_uploads("bucket"))
    assert not server.steps


def test_endless_json_is_an_error(server: Server, driver: StorageDriver) -> None:
    server.default = respond(b"[" * 100_000, X_Trans_Id="R1", x_guploader_uploadid="R1")
    for operation in ("list_objects", "list_containers"):
        assert isinstance(failed(operation, driver), ServiceError)


# ---------------------------------------------------------------------- containers

NOTHING = Play(then="close")
TAKEN = {
    "s3": xml_error("BucketAlreadyOwnedByYou", 409, "You have it."),
    "azure": xml_error("ContainerAlreadyExists", 409, "It is there."),
    "gcs": json_error("conflict", 409, "You already own this bucket."),
    "gcs-hmac": xml_error("BucketAlreadyOwnedByYou", 409, "You have it."),
    "swift": respond(b"", 202, X_Trans_Id="REQUEST1"),
}


def _container(label: str, moment: float) -> Play:
    when = datetime.fromtimestamp(moment, timezone.utc)
    document = {"name": "bucket", "timeCreated": when.isoformat()}
    return respond(
        json.dumps(document).encode() if label == "gcs" else b"", 200,
        Content_Type="application/json",
        Last_Modified=format_datetime(when, usegmt=True), X_Timestamp=f"{moment:.5f}",
        X_Trans_Id="REQUEST1", x_ms_request_id="REQUEST1", x_guploader_uploadid="REQUEST1",
    )  # fmt: skip


LOST_CREATION: Mapping[str, Play] = {"lost": NOTHING, "503": respond(b"", 503)}


@pytest.mark.parametrize("fault", LOST_CREATION)
@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "swift"])
def test_container_creation_with_lost_response_succeeds(
    label: str, server: Server, driver: StorageDriver, fault: str
) -> None:
    first = [NO_CONTAINER["s3"]] if label == "s3" else []  # the check in S3's first region
    found = _container(label, time.time())
    # Azure keeps a token with a container, which its HEAD shows; the second one has the rest.
    shown: list[Step] = [with_token(found), found] if label == "azure" else [found]
    server.steps.extend([*first, LOST_CREATION[fault], TAKEN[label], *shown])
    assert "bucket" == driver.create_container("bucket").name
    assert not server.steps
    if label != "s3":  # in its first region S3 returns the bucket that the caller has already
        server.steps.append(TAKEN[label])
        with pytest.raises(ContainerAlreadyExistsError):
            driver.create_container("bucket")


@pytest.mark.parametrize("label", ["azure", "gcs", "swift"])
def test_older_container_after_a_lost_response_is_a_conflict(
    label: str, server: Server, driver: StorageDriver
) -> None:
    server.steps.extend([NOTHING, TAKEN[label], _container(label, time.time() - 3_600)])
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("bucket")


def test_container_deletion_with_lost_response_succeeds_if_it_is_gone(
    label: str, server: Server, driver: StorageDriver
) -> None:
    listing = {"azure": [respond(b"<EnumerationResults/>", x_ms_request_id="R1")]}
    server.steps.extend([*listing.get(label, []), NOTHING])
    server.default = NO_CONTAINER[label]
    driver.delete_container("bucket", recursive=False)
    assert not server.steps
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("bucket", recursive=False)


@pytest.mark.parametrize("operation", ["create_container", "list_containers"])
def test_program_without_containers_raises_service_error(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    """Where a container is made, or all are listed, no object can be what is missing."""
    server.default = respond(b"404 page not found\n", 404, Content_Type="text/plain")
    error = failed(operation, driver)
    assert type(error) is ServiceError
    assert "endpoint" in error.message or "auth_url" in error.message or "storage" in error.message


@pytest.mark.parametrize("operation", ["create_container", "read_object", "list_containers"])
def test_error_of_s3_is_not_taken_for_azure(server: Server, operation: str) -> None:
    """Errors of S3 resemble those of Azure, and their advice would be wrong for Azure."""
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
    server.default = respond(
        body, 403, Content_Type="application/xml", x_amz_request_id="REQUEST1"
    )
    with DRIVERS["azure"](server.url) as driver:
        error = failed(operation, driver)
    assert type(error) is ServiceError
    assert "endpoint" in error.message


@pytest.mark.parametrize("operation", OPERATIONS)
def test_404_of_another_program_is_a_service_error(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    """A program that responds with 404 to every request is no store without objects."""
    server.default = respond(PAGE, 404, Content_Type="text/html")
    error = failed(operation, driver)
    if server.seen[-1].line.startswith("HEAD"):  # whose response has no body to show who sent it
        return
    assert isinstance(error, ServiceError)
    assert (404, False) == (error.status, error.retryable)
    assert "endpoint" in error.message or "storage_url" in error.message
