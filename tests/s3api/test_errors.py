"""Errors of the network and of S3, and the secrets that they must not show."""

from __future__ import annotations

import logging
import pickle
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import trustme
from scripted import OpenTunnel, Play, Server, Tunnel, respond

from libstore import (
    AccessDeniedError,
    Container,
    ContainerNotFoundError,
    ObjectChangedError,
    RetryPolicy,
    ServiceError,
    StorageError,
    TransportError,
    TransportTimeoutError,
)
from libstore.drivers.s3 import S3Driver

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret/that+nobody=sees", "a-token-that-nobody-sees"
PASSWORD = "proxy-password-nobody-sees"
SECRETS = (SECRET, TOKEN, PASSWORD)
PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body>Please log in<p></body></html>"
)

#: Operations by their name, each as a call of a container; those on an object are of "name".
OBJECT_OPERATIONS: dict[str, Callable[[Container], object]] = {
    "read_object": lambda container: container.read_object("name"),
    "get_object": lambda container: container.get_object("name"),
    "object_exists": lambda container: container.object_exists("name"),
    "upload_object": lambda container: container.upload_object(b"content", "name"),
    "copy_object": lambda container: container.object("name").copy(container, "other"),
    "delete_object": lambda container: container.delete_object("name"),
}
OPERATIONS: dict[str, Callable[[Container], object]] = {
    **OBJECT_OPERATIONS,
    "list_objects": lambda container: list(container.list_objects()),
    "list_uploads": lambda container: list(container.list_uploads()),
    "get_container": lambda container: container.driver.get_container(container.name),
    "delete_container": lambda container: container.delete(),
    "list_containers": lambda container: list(container.driver.list_containers()),
}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Have everything logged, and nothing secret."""
    caplog.set_level(logging.DEBUG)
    for name in ("libstore", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield caplog
    for name in ("libstore", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    assert not shown_in(caplog.text)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def open_tunnel() -> Iterator[OpenTunnel]:
    tunnels: list[Tunnel] = []

    def start(refusal: bytes) -> Tunnel:
        tunnels.append(Tunnel(refusal))
        return tunnels[-1]

    yield start
    for tunnel in tunnels:
        tunnel.close()


#: Makes a driver for an endpoint, and returns a container of it.
Make: TypeAlias = Callable[..., Container]


@pytest.fixture
def made() -> Iterator[Make]:
    """Return a function that makes drivers, with every kind of secret by default."""
    drivers: list[S3Driver] = []

    def make(
        endpoint: str, key: str = KEY, secret: str = SECRET, bucket: str = "bucket", **options: Any
    ) -> Container:
        options = {"token": TOKEN, "proxies": {}, "timeout": 5.0, **options}
        options.setdefault("retry", RetryPolicy(2, base=0.0))
        drivers.append(S3Driver(key, secret, endpoint=endpoint, **options))
        return drivers[-1].object(bucket, "name").container

    yield make
    for driver in drivers:
        driver.close()


def shown_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def raised(kind: type[StorageError], call: Callable[[], object]) -> StorageError:
    """Return the error, after a check of every text that can be made of it."""
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert (str(error), vars(error)) == (str(again), vars(again))
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    inside = [
        f"{frame.name}: {name} = {value}"
        for frame in whole.stack
        if "/libstore/" in frame.filename
        for name, value in (frame.locals or {}).items()
    ]
    texts = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)), *inside]
    texts += ["".join(traceback.format_exception(error))]
    for text in texts:
        assert not shown_in(text), text[:300]
    return error


def check(error: StorageError, operation: str, **expected: object) -> None:
    """Compare what an error says of itself; a sentence says what to do."""
    expected = {"driver": "s3", "operation": operation, **expected}
    if operation != "list_containers":
        expected.setdefault("container", "bucket")
    if operation in OBJECT_OPERATIONS:
        expected.setdefault("object", "name")
    found = {name: getattr(error, name) for name in expected}
    assert expected == found
    assert len(error.message) > 20
    assert operation in str(error)


def refusal(code: str, status: int, message: str = "No.", **headers: str) -> Play:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return respond(body, status, x_amz_request_id="R1", **headers)


def silent(status: int) -> Play:
    return respond(b"", status, x_amz_request_id="R0")


# ---------------------------------------------------------------------- proxies and pages


def test_refusal_of_a_proxy_is_reported(
    made: Make, server: Server, logged: pytest.LogCaptureFixture
) -> None:
    server.default = respond(PAGE, 407, Content_Type="text/html; charset=utf-8")
    options = {"proxies": {"http": server.url.replace("//", f"//user:{PASSWORD}@")}}
    container = made("http://s3.example.test", insecure=True, **options)
    error = raised(ServiceError, lambda: container.read_object("name"))
    check(error, "read_object", status=407, code=None, retryable=False)
    assert "proxy" in error.message
    assert "password in its URL" in error.message
    assert "log in" not in str(error)
    assert {"s3.example.test"} == {dict(seen.headers)["host"] for seen in server.seen}


def test_objects_can_be_web_pages(made: Make, server: Server) -> None:
    server.default = respond(PAGE, ETag='"any"', Content_Type="text/html")
    assert made(server.url).read_object("name") == PAGE


@pytest.mark.parametrize("status", [200, 302, 403, 407, 502])
def test_proxy_that_refuses_a_tunnel_is_reported(
    made: Make, open_tunnel: OpenTunnel, logged: pytest.LogCaptureFixture, status: int
) -> None:
    head = (
        f"HTTP/1.1 {status} No\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\n\r\n"
    )
    tunnel = open_tunnel(head.encode() + PAGE)
    proxy = tunnel.url.replace("//", f"//user:{PASSWORD}@")
    container = made("https://s3.example.test", proxies={"https": proxy})
    error = raised(TransportError, lambda: container.read_object("name"))
    check(error, "read_object", status=None, retryable=status in {200, 502})
    assert f"the proxy {tunnel.url[7:]}" in error.message
    assert "log in" not in str(error)


# ---------------------------------------------------------------------- no way there


def test_unknown_host_is_reported(made: Make, logged: pytest.LogCaptureFixture) -> None:
    container = made("https://nobody.invalid")
    for operation, call in OPERATIONS.items():
        error = raised(TransportError, lambda call=call: call(container))
        check(error, operation, status=None, code=None, retryable=True)
        assert "could not be resolved" in error.message
        assert "nobody.invalid" in error.message


def test_stalled_service_times_out(
    made: Make, server: Server, logged: pytest.LogCaptureFixture
) -> None:
    server.default = Play(then="stall")
    container = made(server.url, timeout=0.2)
    error = raised(TransportTimeoutError, lambda: container.read_object("name"))
    check(error, "read_object", retryable=True)
    assert "0.2 s" in error.message
    assert isinstance(error, TimeoutError)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = str(tmp_path / "authority.pem")
    authority.cert_pem.write_to_path(path)
    return path


def secure(authority: trustme.CA, host: str) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return Server(tls=context)


def test_certificate_of_an_unknown_authority_is_reported(
    made: Make, authority: trustme.CA, logged: pytest.LogCaptureFixture
) -> None:
    server = secure(authority, "127.0.0.1")
    error = raised(TransportError, lambda: made(server.url).upload_object(b"content", "name"))
    server.close()
    check(error, "upload_object", retryable=False)
    assert "verify=" in error.message
    assert server.seen == []


def test_certificate_of_another_host_is_reported(
    made: Make, authority: trustme.CA, bundle: str, logged: pytest.LogCaptureFixture
) -> None:
    server = secure(authority, "other.example")
    container = made(server.url, verify=bundle)
    error = raised(TransportError, lambda: container.read_object("name"))
    server.close()
    check(error, "read_object", retryable=False)
    assert "not valid for '127.0.0.1'" in error.message
    assert server.seen == []


def test_plain_http_to_a_tls_port_is_reported(made: Make, authority: trustme.CA) -> None:
    server = secure(authority, "127.0.0.1")
    container = made(server.url.replace("https", "http"))
    error = raised(TransportError, lambda: container.read_object("name"))
    server.close()
    check(error, "read_object")
    assert "https://" in error.message


def test_tls_to_a_plain_http_port_is_reported(made: Make) -> None:
    """An HTTP server responds to what it cannot read with a 400, or not at all."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            peer, _ = listener.accept()
            with peer:
                peer.recv(1)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

    threading.Thread(target=serve, daemon=True).start()
    container = made(f"https://127.0.0.1:{listener.getsockname()[1]}")
    error = raised(TransportError, lambda: container.read_object("name"))
    listener.close()
    check(error, "read_object", retryable=False)
    assert "http://" in error.message


# ---------------------------------------------------------------------- credentials and clocks


def test_denied_head_is_explained_only_before_the_first_success(
    made: Make, server: Server
) -> None:
    """A refused HEAD is followed by another request only before the first success."""
    container = made(server.url)
    server.steps.extend([silent(403), refusal("AccessDenied", 403)])
    error = raised(AccessDeniedError, lambda: container.get_object("name"))
    check(error, "get_object", status=403, code="AccessDenied", request_id="R1")
    server.steps.append(respond(b"content", ETag='"any"'))
    container.read_object("name")
    server.seen.clear()
    server.steps.append(silent(403))
    error = raised(AccessDeniedError, lambda: container.get_object("name"))
    check(error, "get_object", status=403, request_id="R0")
    assert len(server.seen) == 1


def test_status_404_without_a_body_is_a_missing_bucket(made: Make, server: Server) -> None:
    server.default = silent(404)
    for operation in ("upload_object", "list_objects", "list_uploads", "get_container"):
        error = raised(
            ContainerNotFoundError, lambda name=operation: OPERATIONS[name](made(server.url))
        )
        check(error, operation, status=404, request_id="R0")


def test_conditional_write_over_a_deleted_object_is_object_changed(
    made: Make, server: Server
) -> None:
    """Amazon responds to If-Match with 404 there, and not with 412."""
    server.steps.append(respond(b"", ETag='"abc"'))  # the check before
    server.default = refusal("NoSuchKey", 404)
    container = made(server.url)
    error = raised(
        ObjectChangedError, lambda: container.upload_object(b"content", "name", if_match="abc")
    )
    check(error, "upload_object", status=404, code="NoSuchKey")
