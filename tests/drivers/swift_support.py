"""What tests of the Swift driver share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from libstore import Container
from libstore.drivers.swift import SwiftDriver
from libstore.drivers.swift.large import segments_container
from libstore.http.message import Request
from libstore.http.response import Answer

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
PART = 64 * 1024
LARGE = bytes(range(256)) * (4 * 256 * 3) + b"and a little more"
URL_KEY = "a key for signed URLs"


@contextmanager
def lent(driver: SwiftDriver) -> Iterator[Container]:
    """Create a container, and delete it at the end."""
    container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
    try:
        yield container
    finally:
        driver.delete_container(container)


@contextmanager
def listening(driver: SwiftDriver) -> Iterator[list[str]]:
    """Keep the methods and paths of all requests that a driver sends to its server."""
    transport = driver._calls.transport
    send = type(transport).send
    seen: list[str] = []

    def noted(request: Request, headers: dict[str, str]) -> Answer:
        seen.append(f"{request.method} {request.target}")
        return send(transport, request, headers)

    transport.__dict__["send"] = noted
    try:
        yield seen
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
        return [str(row["name"]) for row in driver._large.rows(segments_container(container.name))]
    except FileNotFoundError:
        return []
