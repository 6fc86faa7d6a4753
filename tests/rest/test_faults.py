"""
Errors that say which it was: the same faults, and the same errors, with every driver of a network.

A server plays what each service tells in its own words, and what all of them may meet on the way;
what real servers say stands in `test_errors_of_servers.py`.
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

import pytest
from drivers.network_drivers import DRIVERS, OPERATIONS, SECRET
from scripted import Play, Server, Step, answer, with_token

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    RetryPolicy,
    ServiceError,
    StorageDriver,
    StorageError,
    TransportError,
    get_driver,
)

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in, and say who you are</body></html>"


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
    assert [] == [step.data[:80] for step in server.steps], "these were not asked for"


@pytest.fixture
def driver(label: str, server: Server) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        yield driver


def failed(operation: str, driver: StorageDriver) -> StorageError:
    """Return the error of an operation, after a look at what every error has to tell."""
    with pytest.raises(StorageError) as caught:
        OPERATIONS[operation](driver)
    error = caught.value
    assert (driver.name, operation) == (error.driver, error.operation)
    assert error.container == (None if operation == "list_containers" else "bucket")
    assert error.object == ("name" if operation.endswith("object_exists") or operation in {
        "read_object", "get_object", "upload_object", "delete_object"
    } else None)  # fmt: skip
    key = base64.b64encode(SECRET.encode()).decode()
    assert not [text for text in (str(error), repr(error)) if SECRET in text or key in text]
    assert "log in" not in str(error)
    return error


# ---------------------------------------------------------------------- what services tell


def _xml(code: str, status: int, message: str) -> Play:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return answer(
        body.encode(), status, Content_Type="application/xml",
        x_amz_request_id="REQUEST1", x_ms_request_id="REQUEST1", x_guploader_uploadid="REQUEST1",
        x_ms_error_code=code,
    )  # fmt: skip


def _json(reason: str, status: int, message: str) -> Play:
    told = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return answer(
        json.dumps({"error": told}).encode(), status,
        Content_Type="application/json; charset=UTF-8", x_guploader_uploadid="REQUEST1",
    )  # fmt: skip


def _plain(status: int) -> Play:
    body = b"<html><h1>so</h1><p>it is</p></html>"
    return answer(body, status, Content_Type="text/html", X_Trans_Id="REQUEST1")


#: What each service says where an object, or a container, is missing, and of a wrong secret.
NO_OBJECT = {
    "s3": _xml("NoSuchKey", 404, "The specified key does not exist."),
    "azure": _xml("BlobNotFound", 404, "The specified blob does not exist."),
    "gcs": _json("notFound", 404, "No such object: bucket/name"),
    "gcs-hmac": _xml("NoSuchKey", 404, "The specified key does not exist."),
    "swift": _plain(404),
}
NO_CONTAINER = {
    "s3": _xml("NoSuchBucket", 404, "The specified bucket does not exist"),
    "azure": _xml("ContainerNotFound", 404, "The specified container does not exist."),
    "gcs": _json("notFound", 404, "The specified bucket does not exist."),
    "gcs-hmac": _xml("NoSuchBucket", 404, "The specified bucket does not exist."),
    "swift": _plain(404),
}
WRONG_SECRET = {
    "s3": _xml("SignatureDoesNotMatch", 403, "The signature does not match."),
    "azure": _xml("AuthenticationFailed", 403, "Server failed to authenticate the request."),
    "gcs": _json("authError", 401, "Invalid Credentials"),
    "gcs-hmac": _xml("SignatureDoesNotMatch", 403, "Access denied."),
    "swift": _plain(401),
}
FORBIDDEN = {
    "s3": _xml("AccessDenied", 403, "Access Denied"),
    "azure": _xml("AuthorizationPermissionMismatch", 403, "Not with this permission."),
    "gcs": _json("forbidden", 403, "x does not have storage.objects.get access."),
    "gcs-hmac": _xml("AccessDenied", 403, "Access denied."),
    "swift": _plain(403),
}
#: Of a clock that is off by a day. Swift and tokens have nothing to do with clocks.
SKEWED = {
    "s3": _xml("RequestTimeTooSkewed", 403, "The difference is too large."),
    "azure": _xml("AuthenticationFailed", 403, "Request date header too old: 'Mon'"),
    "gcs-hmac": _xml("RequestTimeTooSkewed", 403, "The difference is too large."),
}
CODELESS = {"swift"}


def told(error: StorageError, play: Play, label: str) -> None:
    """Look whether an error has what the answer said."""
    status = int(play.data.split(b" ")[1])
    assert (status, "REQUEST1") == (error.status, error.request_id)
    assert label in CODELESS or error.code is not None
    assert not error.retryable


def test_a_missing_object_is_told(server: Server, driver: StorageDriver, label: str) -> None:
    server.steps.append(NO_OBJECT[label])
    server.default = answer(status=204, X_Trans_Id="REQUEST2")  # where Swift is asked for more
    error = failed("read_object", driver)
    assert isinstance(error, ObjectNotFoundError)
    assert isinstance(error, FileNotFoundError)
    told(error, NO_OBJECT[label], label)


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
def test_messages_of_services_are_repeated_word_for_word(
    server: Server, label: str, text: str
) -> None:
    """What is too short for a secret, or a part of a word, is none."""
    plays = {
        "gcs": _json("invalid", 400, text),
        "swift": answer(text.encode(), 400, X_Trans_Id="REQUEST1"),
    }
    server.default = plays.get(label, _xml("NobodyKnowsThis", 400, text))
    with SHORT[label](server.url) as driver, pytest.raises(StorageError) as caught:
        driver.upload_object(b"content", "bucket", "name")
    assert text in caught.value.message


def test_a_missing_container_is_told(server: Server, driver: StorageDriver, label: str) -> None:
    """Also where an object is written, which nothing else can be missing for."""
    server.default = NO_CONTAINER[label]
    for operation in ("list_objects", "upload_object"):
        error = failed(operation, driver)
        assert isinstance(error, ContainerNotFoundError)
        told(error, NO_CONTAINER[label], label)


def test_a_wrong_secret_is_told(server: Server, driver: StorageDriver, label: str) -> None:
    server.default = WRONG_SECRET[label]
    for operation in ("read_object", "list_objects", "upload_object", "list_containers"):
        error = failed(operation, driver)
        assert isinstance(error, AuthenticationError)
        assert any(word in error.message for word in ("secret", "key", "token", "credentials"))
        told(error, WRONG_SECRET[label], label)


def test_what_is_not_allowed_is_told(server: Server, driver: StorageDriver, label: str) -> None:
    """To be known and not allowed to is another error than not to be known."""
    server.default = FORBIDDEN[label]
    error = failed("upload_object", driver)
    assert isinstance(error, AccessDeniedError)
    assert "allowed" in error.message
    told(error, FORBIDDEN[label], label)


@pytest.mark.parametrize("label", SKEWED)
def test_a_clock_that_is_off_is_told(server: Server, driver: StorageDriver, label: str) -> None:
    """The service tells no time by which the clock could be set right."""
    server.default = SKEWED[label]
    error = failed("read_object", driver)
    assert isinstance(error, AuthenticationError)
    assert "clock" in error.message
    told(error, SKEWED[label], label)


# ---------------------------------------------------------------------- what is no service


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_port_that_refuses_is_told(label: str, operation: str) -> None:
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


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [200, 203, 400, 401, 403, 407])
def test_a_page_for_people_is_told(
    server: Server, driver: StorageDriver, status: int, operation: str
) -> None:
    """A proxy, or a network's login, answers in the service's place: nothing is believed."""
    server.default = answer(PAGE, status, "close", Content_Type="text/html; charset=utf-8")
    error = failed(operation, driver)
    assert isinstance(error, (ServiceError, AccessDeniedError, AuthenticationError))
    assert status == error.status
    assert "proxy" in error.message


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_login_is_told_and_not_followed(
    server: Server, driver: StorageDriver, status: int, operation: str
) -> None:
    login = Server()
    try:
        server.default = answer(b"", status, Location=f"{login.url}/?next=bucket%2Fname")
        error = failed(operation, driver)
        assert [] == login.seen
    finally:
        login.close()
    assert isinstance(error, ServiceError)
    assert status == error.status
    assert "endpoint" in error.message or "storage_url" in error.message


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_answer_is_no_empty_object(
    server: Server, driver: StorageDriver, status: int
) -> None:
    """What says yes to everything, and nothing of an object, has none."""
    server.default = answer(b"", status, X_Trans_Id="REQUEST1")
    for operation in ("read_object", "get_object"):
        assert isinstance(failed(operation, driver), ServiceError)


@pytest.mark.parametrize("operation", ["list_objects", "list_containers", "get_container"])
@pytest.mark.parametrize(
    "told",
    [
        [[]], [5], [{}], [{"name": []}], [{"name": "a", "last_modified": {}, "hash": 5}], 5, "",
        {"items": [[]]}, {"items": 5}, {"items": {"a": 1}},
        {"items": [{"name": "a", "metadata": 5}]}, {"prefixes": 5},
        {"name": "bucket", "iamConfiguration": 5, "labels": [1]},
    ],
    ids=repr,
)  # fmt: skip
def test_json_of_any_form_is_an_answer_or_an_error(
    server: Server, driver: StorageDriver, told: object, operation: str
) -> None:
    """What an answer has in the wrong place is told as the service's fault, if it matters."""
    server.default = answer(
        json.dumps(told).encode(), X_Trans_Id="R1", x_guploader_uploadid="R1",
        Content_Type="application/json",
    )  # fmt: skip
    with contextlib.suppress(StorageError):
        OPERATIONS[operation](driver)


@pytest.mark.parametrize("label", ["gcs", "swift"])
@pytest.mark.parametrize("length", [100, 3])
def test_a_listing_that_was_cut_is_asked_for_again(
    label: str, server: Server, driver: StorageDriver, length: int
) -> None:
    """It may end before its length, and with it."""
    whole = json.dumps({"gcs": {"items": [{"name": "a"}]}, "swift": [{"name": "a"}]}[label])
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Trans-Id: R1\r\n"
    head += f"Content-Type: application/json\r\nx-guploader-uploadid: R1\r\n\r\n{whole[:3]}"
    again = answer(whole.encode(), X_Trans_Id="R1", x_guploader_uploadid="R1")
    end = [answer(b"[]", X_Trans_Id="R1")] if label == "swift" else []
    server.steps.extend([Play(head.encode(), "close"), again, *end])
    assert ["a"] == [obj.name for obj in driver.list_objects("bucket")]


def test_xml_of_google_that_was_cut_is_asked_for_again(server: Server) -> None:
    xml = b"<ListMultipartUploadsResult></ListMultipartUploadsResult>"
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 57\r\nx-guploader-uploadid: R1\r\n\r\n<List"
    server.steps.extend([Play(cut, "close"), answer(xml, x_guploader_uploadid="R1")])
    with get_driver("gcs")(
        token=SECRET, endpoint=server.url, project="p", parallel_uploads=True,
        retry=RetryPolicy(2, base=0.0),
    ) as driver:  # fmt: skip
        assert [] == list(driver.list_uploads("bucket"))
    assert not server.steps


def test_json_without_an_end_is_an_error(server: Server, driver: StorageDriver) -> None:
    server.default = answer(b"[" * 100_000, X_Trans_Id="R1", x_guploader_uploadid="R1")
    for operation in ("list_objects", "list_containers"):
        assert isinstance(failed(operation, driver), ServiceError)


# ---------------------------------------------------------------------- containers

NOTHING = Play(then="close")
TAKEN = {
    "s3": _xml("BucketAlreadyOwnedByYou", 409, "You have it."),
    "azure": _xml("ContainerAlreadyExists", 409, "It is there."),
    "gcs": _json("conflict", 409, "You already own this bucket."),
    "gcs-hmac": _xml("BucketAlreadyOwnedByYou", 409, "You have it."),
    "swift": answer(b"", 202, X_Trans_Id="REQUEST1"),
}


def _container(label: str, moment: float) -> Play:
    when = datetime.fromtimestamp(moment, timezone.utc)
    told = {"name": "bucket", "timeCreated": when.isoformat()}
    return answer(
        json.dumps(told).encode() if label == "gcs" else b"", 200, Content_Type="application/json",
        Last_Modified=format_datetime(when, usegmt=True), X_Timestamp=f"{moment:.5f}",
        X_Trans_Id="REQUEST1", x_ms_request_id="REQUEST1", x_guploader_uploadid="REQUEST1",
    )  # fmt: skip


@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "swift"])
def test_a_container_that_came_after_a_lost_answer_is_ours(
    label: str, server: Server, driver: StorageDriver
) -> None:
    first = [NO_CONTAINER["s3"]] if label == "s3" else []  # in its first region S3 is asked before
    found = _container(label, time.time())
    # Azure keeps a token with a container, which its HEAD shows; the second one tells the rest.
    shown: list[Step] = [with_token(found), found] if label == "azure" else [found]
    server.steps.extend([*first, NOTHING, TAKEN[label], *shown])
    assert "bucket" == driver.create_container("bucket").name
    assert not server.steps


@pytest.mark.parametrize("label", ["azure", "gcs", "swift"])
def test_a_container_that_was_there_before_is_not_ours(
    label: str, server: Server, driver: StorageDriver
) -> None:
    server.steps.extend([NOTHING, TAKEN[label], _container(label, time.time() - 3_600)])
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("bucket")


def test_a_container_that_is_gone_after_a_lost_answer_was_deleted(
    label: str, server: Server, driver: StorageDriver
) -> None:
    listing = {"azure": [answer(b"<EnumerationResults/>", x_ms_request_id="R1")]}
    server.steps.extend([*listing.get(label, []), NOTHING])
    server.default = NO_CONTAINER[label]
    driver.delete_container("bucket", recursive=False)
    assert not server.steps


@pytest.mark.parametrize("operation", ["create_container", "list_containers"])
def test_a_program_that_knows_no_containers_is_told(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    """Where a container is made, or all are listed, no object can be what is missing."""
    server.default = answer(b"404 page not found\n", 404, Content_Type="text/plain")
    error = failed(operation, driver)
    assert type(error) is ServiceError
    assert "endpoint" in error.message or "auth_url" in error.message or "storage" in error.message


@pytest.mark.parametrize("operation", ["create_container", "read_object", "list_containers"])
def test_azure_is_not_taken_for_another_store(server: Server, operation: str) -> None:
    """Errors of S3 look like Azure's, and what they say is no advice for somebody at Azure."""
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
    server.default = answer(body, 403, Content_Type="application/xml", x_amz_request_id="REQUEST1")
    with DRIVERS["azure"](server.url) as driver:
        error = failed(operation, driver)
    assert type(error) is ServiceError
    assert "endpoint" in error.message


@pytest.mark.parametrize("operation", ["list_objects", "list_containers", "upload_object"])
def test_another_service_is_told(server: Server, driver: StorageDriver, operation: str) -> None:
    """Some program that answers 404 to whatever it does not know is no store without objects."""
    server.default = answer(PAGE, 404, Content_Type="text/html")
    error = failed(operation, driver)
    assert isinstance(error, ServiceError)
    assert "endpoint" in error.message or "storage_url" in error.message
