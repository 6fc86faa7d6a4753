"""Accounts with a hierarchical namespace, where directories are blobs, deleted only when empty."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import pytest
from drivers.network_drivers import DRIVERS
from scripted import Play, Seen, Server, length_of, read_head, respond
from typing_extensions import override

from libstore import Limits, ObjectError, RetryPolicy, StorageDriver

NAMES = ["a", "a-b", "a/b", "a/b/c", "a/b/c/file", "a/b/file", "a/file", "b", "b/file", "file"]


class Hierarchy(Server):
    """
    Keeps names, of which a directory cannot be deleted before what is below it.

    Attributes:
        batches: Whether it takes batches; it goes through them in the order of names.
        refused: The names of directories that were to be deleted while they were full.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = set(names)
        self.batches = True
        self.refused: list[str] = []
        super().__init__()

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        seen = Seen(head, stream.read(length_of(head)), number)
        self._note(seen.head, seen.body, number)
        with self._lock:
            play = self.respond(seen)
        peer.sendall(play.data)
        return True

    def respond(self, seen: Seen) -> Play:
        method = seen.line.partition(" ")[0]
        path, _, query = seen.target.partition("?")
        requested = dict(parse_qsl(query))
        if method == "GET":
            return self.page(requested.get("marker", ""), requested)
        if method == "POST" and not self.batches:
            return self.said(400, code="InvalidInput")
        if method == "POST":
            return self.batch(seen.body.decode())
        status, code = self.delete(path)
        return self.said(status, code=code)

    def page(self, marker: str, requested: dict[str, str]) -> Play:
        rest = sorted(name for name in self.names if name > marker)
        size = int(requested.get("maxresults", 5_000))
        rows = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Etag>x</Etag>"
            f"<Content-Length>0</Content-Length></Properties></Blob>"
            for name in rest[:size]
        )
        more = rest[size - 1] if len(rest) > size else ""
        text = (
            f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker>{more}</NextMarker>"
            "</EnumerationResults>"
        )
        return self.said(200, text.encode())

    def delete(self, path: str) -> tuple[int, str]:
        name = unquote(path).partition("/bucket/")[2]
        if name not in self.names:
            return 404, "BlobNotFound"
        if any(one.startswith(f"{name}/") for one in self.names):
            self.refused.append(name)
            return 409, "DirectoryIsNotEmpty"
        self.names.remove(name)
        return 202, ""

    def batch(self, body: str) -> Play:
        pieces = []
        targets = re.findall(r"^DELETE (\S+) HTTP", body, re.MULTILINE)
        for number in sorted(range(len(targets)), key=lambda number: targets[number]):
            status, code = self.delete(targets[number].partition("?")[0])
            pieces.append(
                f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
                f"HTTP/1.1 {status} Said\r\nx-ms-error-code: {code}\r\n\r\n\r\n"
            )
        text = "".join([*pieces, "--b--\r\n"])
        return self.said(202, text.encode(), kind="multipart/mixed; boundary=b")

    @staticmethod
    def said(
        status: int, body: bytes = b"", *, code: str = "", kind: str = "application/xml"
    ) -> Play:
        headers = {"x_ms_error_code": code} if code else {}
        return respond(body, status, x_ms_request_id="R1", content_type=kind, **headers)


@pytest.fixture
def server() -> Iterator[Hierarchy]:
    with Hierarchy(NAMES) as server:
        yield server


@pytest.fixture
def driver(server: Hierarchy) -> Iterator[StorageDriver]:
    with DRIVERS["azure"](server.url) as driver:
        driver.retry = RetryPolicy(1)
        yield driver


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("batch_size", [256, 3, 2])
@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_directories_are_deleted_after_their_content(
    server: Hierarchy, driver: StorageDriver, batches: bool, batch_size: int, seed: int | None
) -> None:
    """In whatever order they are given, and on however many batches they are."""
    server.batches = batches
    driver.limits = narrowed(driver, batch_size)
    names = list(NAMES)
    if seed is not None:
        random.Random(seed).shuffle(names)
    results = driver.delete_objects([driver.object("bucket", name) for name in names])
    assert [(name, None) for name in names] == [(result.name, result.error) for result in results]
    assert not server.names


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("batch_size", [256, 3, 1])
def test_a_container_is_emptied_from_its_leaves(
    server: Hierarchy, driver: StorageDriver, batches: bool, batch_size: int
) -> None:
    server.batches = batches
    driver.limits = narrowed(driver, batch_size)
    driver._empty_container("bucket")
    assert not server.names
    if batch_size == 1 or not batches:
        assert [] == server.refused


def test_directory_that_is_not_empty_is_reported(server: Hierarchy, driver: StorageDriver) -> None:
    with pytest.raises(ObjectError, match="directory that is not empty"):
        driver.object("bucket", "a").delete()
    results = driver.delete_objects([driver.object("bucket", name) for name in ("b", "file")])
    assert [False, True] == [result.ok for result in results]


def narrowed(driver: StorageDriver, batch_size: int) -> Limits:
    """Return limits of batches and pages of this size."""
    return replace(driver.limits, batch_size=batch_size, page_size=max(2, batch_size))
