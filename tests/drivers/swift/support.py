"""What tests of the Swift driver share."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scripted import Play, Server, Step, respond

from libstore import Container, RetryPolicy, TransferOptions, TransportError, get_driver
from libstore.drivers.swift import SwiftDriver, operations
from libstore.drivers.swift.large_objects import segments_container
from libstore.http.message import Request
from libstore.http.network_errors import OutageError
from libstore.http.response import WireResponse

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
PART = 64 * 1024
LARGE = bytes(range(256)) * (4 * 256 * 3) + b"and a little more"
URL_KEY = "a key for signed URLs"
USER, SECRET, TOKEN = "test:tester", "a-secret/that+nobody=sees", "a-token-that-nobody-sees"
HTML = b"<html><body>Please log in to the network</body></html>"

# What the suite expects, and Swift does not always do.
RACES = {
    "test_one_of_many_conditional_creates_succeeds": "Swift checks before it writes",
    "test_aborted_upload_cannot_be_completed": (
        "segments that are under way when an upload is dropped may arrive later, and all be there"
    ),
}


def let_sign(driver: SwiftDriver) -> None:
    """Give the account of a driver the key that URLs are signed with."""
    headers = {"x-account-meta-temp-url-key": URL_KEY}
    driver._client.send(operations.POST_ACCOUNT, headers=headers).close()


@contextmanager
def lent(driver: SwiftDriver, name: str = "") -> Iterator[Container]:
    """Create a container, and delete it at the end."""
    container = driver.create_container(name or f"libstore-{uuid.uuid4().hex}")
    try:
        yield container
    finally:
        driver.delete_container(container)


@contextmanager
def listening(driver: SwiftDriver) -> Iterator[list[str]]:
    """Keep the methods and paths of all requests that a driver sends to its server."""
    transport = driver._client.transport
    send = type(transport).send
    seen: list[str] = []

    def noted(request: Request, headers: dict[str, str]) -> WireResponse:
        seen.append(f"{request.method} {request.target}")
        return send(transport, request, headers)

    transport.__dict__["send"] = noted
    try:
        yield seen
    finally:
        del transport.__dict__["send"]


@contextmanager
def losing(driver: SwiftDriver, part: str) -> Iterator[None]:
    """Lose the response to the first request whose path or query has such a part."""
    transport = driver._client.transport
    send = type(transport).send
    left = [True]

    def lost(request: Request, headers: dict[str, str]) -> WireResponse:
        response = send(transport, request, headers)
        if left and part in request.target:
            left.clear()
            response.close()
            raise OutageError(TransportError("lost"), reached=True, passing=True)
        return response

    transport.__dict__["send"] = lost
    try:
        yield
    finally:
        del transport.__dict__["send"]


def methods(seen: list[str]) -> list[str]:
    """Return the methods of requests."""
    return [line.partition(" ")[0] for line in seen]


def segments_of(container: Container) -> list[str]:
    """Return the names of all that is in the container of a container's segments."""
    driver = container.driver
    assert isinstance(driver, SwiftDriver)
    try:
        return [
            str(row["name"]) for row in driver._client.rows(segments_container(container.name))
        ]
    except FileNotFoundError:
        return []


# ---------------------------------------------------------------------- a server that plays Swift


def made(server: Server, **options: Any) -> SwiftDriver:
    options = {"retry": RetryPolicy(3, base=0.0), **options}
    driver = get_driver("swift")(USER, SECRET, auth_url=f"{server.url}/auth/v1.0", **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


def login(server: Server, token: str = TOKEN) -> Play:
    return respond(x_auth_token=token, x_storage_url=f"{server.url}/v1/AUTH_test")


def said(status: int = 200, body: bytes = b"", **headers: str) -> Play:
    """Return a response of Swift."""
    return respond(body, status, x_trans_id="tx123", **headers)


def play(server: Server, *steps: Step) -> None:
    server.steps.extend([login(server), *steps])


def lines(server: Server) -> list[str]:
    return [f"{seen.line.split(' ')[0]} {seen.target}" for seen in server.seen]


def batch(**fields: object) -> Play:
    body = {"Number Deleted": 1, "Number Not Found": 0, "Errors": [], "Response Status": "200 OK"}
    return said(200, b"   \r\n" + json.dumps({**body, **fields}).encode())
