"""Requests that a program describes itself, with every network driver."""

from __future__ import annotations

import base64
import hashlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.network_drivers import DRIVERS, SECRET
from scripted import Play, Server, Step, respond

from libstore import (
    AccessDeniedError,
    ContainerNotFoundError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    RetryPolicy,
    ServiceError,
    ServiceResponse,
    StorageDriver,
    TransportError,
    get_driver,
)

Started = Callable[..., tuple[StorageDriver, Server]]

PATHS = {
    "s3": "/bucket/a%20b",
    "azure": "/account/bucket/a%20b",
    "gcs": "/storage/v1/b/bucket/o/a%20b",
    "gcs-hmac": "/bucket/a%20b",
    "swift": "/v1/AUTH_test/bucket/a%20b",
}
ACCOUNTS = {
    "s3": "",
    "azure": "/account",
    "gcs": "/storage/v1",
    "gcs-hmac": "",
    "swift": "/v1/AUTH_test",
}
LOST = Play(b"", "close")


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Play:
    """Return a response that each of the services could send."""
    return respond(body, status, X_Trans_Id="tx1", X_Ms_Request_Id="1", **headers)


@pytest.fixture(params=sorted(DRIVERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(kind: str) -> Iterator[Started]:
    """Return a function that starts a server with steps, and a driver for it."""
    started: list[tuple[StorageDriver, Server]] = []

    def make(*steps: Step) -> tuple[StorageDriver, Server]:
        server = Server(*steps)
        policy = RetryPolicy(base=0.0)
        started.append((DRIVERS[kind](server.url, retry=policy), server))
        return started[-1]

    yield make
    for driver, server in started:
        driver.close()
        server.close()


def test_request_is_signed_and_addressed(kind: str, start: Started) -> None:
    driver, server = start(reply(b'{"a": 1}', X_Own="yes"))

    response = driver.request(
        "POST", "bucket", "a b",
        query={"tags": "", "x": "ä/b"}, headers={"X-Extra": "1"}, content=b"body",
    )  # fmt: skip

    assert isinstance(response, ServiceResponse)
    assert (response.status, response.headers["x-own"]) == (200, "yes")
    assert response.read() == response.read() == b'{"a": 1}'
    assert response.json() == {"a": 1}
    assert "200" in repr(response)
    (seen,) = server.seen
    headers = dict(seen.headers)
    assert seen.line.startswith(f"POST {PATHS[kind]}?tags=&x=%C3%A4%2Fb ")
    assert seen.body == b"body"
    assert headers["x-extra"] == "1"
    assert "authorization" in headers or "x-auth-token" in headers
    md5 = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    assert headers.get("content-md5") == (md5 if kind in {"s3", "gcs-hmac"} else None)


def test_names_may_be_empty_and_paths_be_appended(kind: str, start: Started) -> None:
    driver, server = start(*[reply()] * 3)

    driver.request("GET", path="/own").close()
    driver.container("bucket").request("GET", path="/a%2Fb").close()
    driver.request("HEAD", driver.container("bucket"), query={"x": "1"}).close()

    bucket = PATHS[kind].removesuffix("/a%20b").removesuffix("/o")
    targets = [seen.target for seen in server.seen]
    assert targets[0] == f"{ACCOUNTS[kind]}/own"
    assert targets[1] == f"{bucket}/a%2Fb"
    assert targets[2].rstrip("/") in {f"{bucket}?x=1", f"{bucket}/?x=1"}


@pytest.mark.parametrize(
    ("method", "idempotent", "attempts"),
    [
        ("GET", None, 2), ("PUT", None, 2), ("DELETE", None, 2), ("POST", None, 1),
        ("PATCH", None, 1), ("POST", True, 2), ("PUT", False, 1),
    ],
)  # fmt: skip
def test_idempotent_request_is_retried(
    start: Started, method: str, idempotent: bool | None, attempts: int
) -> None:
    driver, server = start(LOST, *[reply(status=204)] * (attempts - 1))

    if attempts == 1:
        with pytest.raises(TransportError):
            driver.request(method, "bucket", "name", idempotent=idempotent)
    else:
        assert driver.request(method, "bucket", "name", idempotent=idempotent).status == 204

    assert len(server.seen) == attempts


def test_error_response_is_mapped_and_secrets_are_hidden(start: Started) -> None:
    own = "own-key-that-is-secret"
    driver, _ = start(reply(f"no {SECRET} {own}".encode(), status=403, X_Own=SECRET))

    with pytest.raises(AccessDeniedError) as raised:
        driver.request("PUT", "bucket", "name", headers={"x-key": own}, content=own.encode())

    error = raised.value
    assert (error.operation, error.container, error.object) == ("request", "bucket", "name")
    assert SECRET not in str(error)
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in found.stack if "libstore" in Path(frame.filename).parts]
    shown = "".join(str(frame.locals) for frame in frames)
    assert own not in shown
    assert SECRET not in shown


def test_missing_container_is_named(start: Started) -> None:
    driver, _ = start(reply(status=404, X_Ms_Error_Code="ContainerNotFound"))

    with pytest.raises(ContainerNotFoundError):
        driver.request("GET", "bucket", query={"own": ""})


def test_body_that_is_cut_off_raises_an_error_of_the_operation(start: Started) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Trans-Id: 1\r\nContent-Length: 9\r\n\r\n"
    driver, _ = start(Play(head + b"{", "close"))

    with driver.request("GET", "bucket") as response, pytest.raises(TransportError) as raised:
        response.read()

    assert raised.value.operation == "request"


def test_closed_response_and_other_documents_raise(start: Started) -> None:
    driver, _ = start(reply(b"<xml/>"), reply(b"<xml/>"))

    with driver.request("GET", "bucket") as response:
        pass
    with pytest.raises(TransportError, match="closed"):
        response.read()
    with pytest.raises(ServiceError, match="not JSON"):
        driver.request("GET", "bucket").json()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"method": "get"}, InvalidOptionError, "method must be one of GET"),
        ({"method": "TRACE"}, InvalidOptionError, "method must be one of GET"),
        ({"container": "", "name": "a"}, InvalidOptionError, "the name of its container"),
        ({"content": "text"}, InvalidTypeError, "content must be bytes, not str"),
        ({"path": "acl"}, InvalidOptionError, "path must begin with '/'"),
        ({"path": "/a?b"}, InvalidOptionError, "pass the query as query="),
        ({"path": "/%2E%2e/a"}, InvalidOptionError, "path must begin with"),
        ({"query": {"a": 1}}, InvalidTypeError, "query"),
        ({"headers": {"a b": "1"}}, InvalidOptionError, "not a valid header name"),
        ({"headers": {"Content-Length": "1"}}, InvalidOptionError, "is set by libstore"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(
    start: Started, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    driver, server = start()
    given = {"method": "GET", "container": "bucket", **given}

    with pytest.raises(error, match=message):
        driver.request(given.pop("method"), **given)

    assert server.seen == []


@pytest.mark.parametrize("name", ["memory", "local"])
def test_driver_that_sends_no_requests_refuses(name: str, tmp_path: Path) -> None:
    driver = get_driver(name)(*([tmp_path] if name == "local" else []))

    assert not driver.supports("request")
    with pytest.raises(NotSupportedError, match="cannot send requests"):
        driver.request("GET")
