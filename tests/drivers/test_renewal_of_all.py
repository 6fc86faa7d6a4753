"""Tokens that expire in the middle of an upload of 20 parts, on Azure and on Swift."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from drivers.azure.fake import FakeAzure, FakeResponse, Sent, error, fake_azure
from typing_extensions import override

from libstore import AuthenticationError, RetryPolicy, TransferOptions
from libstore.drivers.azure import AzureDriver
from libstore.drivers.swift import SwiftDriver

PART = 64 * 1024
DATA = bytes(range(256)) * 256 * 20
LIFE = 3600.0


class AccessToken(NamedTuple):
    """As azure-core's is."""

    token: str
    expires_on: int


class Service:
    """
    Issues numbered tokens, which are valid for an hour, and checks those that are sent.

    Attributes:
        ahead: The seconds by which the clock of the driver and of the service are ahead.
        sent: Each token that was sent, and whether it was valid.
        before_part: Called with the number of the parts that were stored.
        fault: Whether no tokens are issued.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self.issued = 0
        self.fault = False
        self.ends: dict[str, float] = {}
        self.sent: list[tuple[str, bool]] = []
        self.parts = 0
        self.before_part: Callable[[int], object] = lambda count: None
        self.lock = threading.Lock()

    def clock(self) -> float:
        return time.time() + self.ahead

    def issue(self) -> AccessToken | None:
        with self.lock:
            self.issued += 1
            if self.fault:
                return None
            token, end = f"token-{self.issued}", self.clock() + LIFE
            self.ends[token] = end
        return AccessToken(token, int(end))

    def accepts(self, token: str, *, part: bool) -> bool:
        with self.lock:
            if part:
                self.before_part(self.parts)
            valid = self.ends.get(token, 0.0) > self.clock()
            self.sent.append((token, valid))
            self.parts += part and valid
        return valid


class Credential:
    """A credential as those of azure-identity."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def get_token(self, *scopes: str) -> AccessToken:
        token = self.service.issue()
        if token is None:
            raise OSError("the login is down")
        return token


def azure(service: Service) -> Iterator[AzureDriver]:
    def guard(sent: Sent) -> FakeResponse | None:
        token = sent.headers.get("authorization", "").removeprefix("Bearer ")
        if service.accepts(token, part=sent.query.get("comp") == "block"):
            return None
        return error(401, "InvalidAuthenticationInfo")

    with fake_azure(FakeAzure(guard=guard)) as fake:
        with AzureDriver(
            "account", endpoint=fake.url, credential=Credential(service), insecure=True
        ) as driver:
            tokens = driver._client.access.tokens
            assert tokens is not None
            tokens._clock = service.clock
            yield driver


def swift(service: Service) -> Iterator[SwiftDriver]:
    handler = type("Handler", (SwiftHandler,), {"service": service, "objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/auth/v1.0"
    with SwiftDriver("test:me", "secret", auth_url=url) as driver:
        tokens = driver._client._tokens
        assert tokens is not None
        tokens._clock = service.clock
        login: Any = driver._client._login
        login._client.clock = service.clock
        yield driver
    server.shutdown()
    server.server_close()


class SwiftHandler(BaseHTTPRequestHandler):
    """TempAuth, and an account that stores what is put."""

    service: Service
    objects: dict[str, bytes]
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        target = urlsplit(self.path)
        path = unquote(target.path)
        if path == "/auth/v1.0":
            self.log_in()
            return
        if path == "/info":
            self.send(200, b'{"swift": {}, "slo": {"max_manifest_segments": 1000}}')
            return
        part = self.command == "PUT" and "_segments/" in path and "/uploads/" not in path
        if not self.service.accepts(self.headers.get("x-auth-token", ""), part=part):
            self.send(401)
        elif self.command == "PUT":
            self.put(path, body, is_manifest="multipart-manifest=put" in target.query)
        elif self.command == "POST":
            self.send(200, b'{"Number Deleted": 1, "Errors": [], "Response Status": "200 OK"}')
        else:
            self.send(204)

    def put(self, path: str, body: bytes, *, is_manifest: bool) -> None:
        self.objects[path] = body
        etag = hashlib.md5(body).hexdigest()
        if is_manifest:
            pieces = [self.objects[f"/v1/AUTH_test{entry['path']}"] for entry in json.loads(body)]
            digests = "".join(hashlib.md5(piece).hexdigest() for piece in pieces)
            etag = f'"{hashlib.md5(digests.encode()).hexdigest()}"'
        self.send(201, ETag=etag)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - as http.server

    def log_in(self) -> None:
        token = self.service.issue()
        if token is None:
            self.send(401)
            return
        host = self.headers["host"]
        self.send(
            200, X_Auth_Token=token.token, X_Storage_Url=f"http://{host}/v1/AUTH_test",
            X_Auth_Token_Expires=str(int(LIFE)),
        )  # fmt: skip

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Trans-Id", "tx1")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=[azure, swift], ids=["azure", "swift"])
def driver(request: pytest.FixtureRequest, service: Service) -> Iterator[Any]:
    for made in request.param(service):
        made.retry = RetryPolicy(attempts=3, base=0.0)
        made.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=8)
        yield made


def move_on(service: Service, seconds: float, *, fault: bool = False) -> None:
    """Have the time move on after ten parts."""

    def advance(count: int) -> None:
        if count == 10:
            service.ahead, service.fault = seconds, fault

    service.before_part = advance


@pytest.mark.parametrize(
    ("ahead", "rejected"),
    [(LIFE - 200, False), (LIFE + 60, True)],
    ids=["in the window", "expired"],
)
def test_upload_of_twenty_parts_goes_on_with_one_new_token(
    driver: Any, service: Service, ahead: float, rejected: bool
) -> None:
    move_on(service, ahead)
    driver.upload_object(DATA, "box", "name")
    assert service.parts == 20
    assert service.issued == 2
    assert {"token-1", "token-2"} == {token for token, _ in service.sent}
    assert rejected == any(not valid for _, valid in service.sent)
    assert all(valid for token, valid in service.sent if token == "token-2")


def test_failing_renewal_does_not_stop_an_upload_while_the_token_is_valid(
    driver: Any, service: Service
) -> None:
    move_on(service, LIFE - 200, fault=True)
    driver.upload_object(DATA, "box", "name")
    assert service.parts == 20
    assert service.issued == 2  # the second one failed, and the next attempt has to wait
    assert {"token-1"} == {token for token, _ in service.sent}
    service.ahead = LIFE + 60
    with pytest.raises(AuthenticationError):
        driver.upload_object(b"x", "box", "small")
    service.fault = False
    driver.upload_object(b"x", "box", "small")
