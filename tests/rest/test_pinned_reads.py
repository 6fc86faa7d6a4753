"""Reads of one version where a service refuses the ETag that it sent, with every driver."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from drivers.network_drivers import DRIVERS
from scripted import Play, Seen, Server, length_of, read_head, respond
from typing_extensions import override

from libstore import ObjectChangedError, RetryPolicy, StorageDriver, TransferOptions, get_driver

CONTENT = bytes(range(256)) * 12_000
NEW_CONTENT = CONTENT[::-1]
PART = 512 * 1024


class PinServer(Server):
    """
    Serves one object, and responds with 412 to every conditional request.

    Attributes:
        etag: What it says that the ETag is.
        etags: The ETags of the next responses with content; then `etag`.
        refuses: Whether it refuses its own ETag.
        cuts: How many of the next large responses break off.
        pins: The conditions of reads.
    """

    def __init__(self) -> None:
        self.etag = "5"
        self.etags: list[str] = []
        self.refuses = True
        self.cuts = 0
        self.pins: list[str | None] = []
        self.heads = 0
        self.more: dict[str, str] = {}
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
        if self.cuts and len(play.data) > len(CONTENT) // 2:
            self.cuts -= 1
            peer.sendall(play.data[: len(play.data) // 2])
            return False
        peer.sendall(play.data)
        return True

    def respond(self, seen: Seen) -> Play:
        headers = {name.lower(): value for name, value in seen.headers}
        method = seen.line.partition(" ")[0]
        if method == "HEAD":
            self.heads += 1
            return self.said(CONTENT, self.etag, cut=True)
        if "/o/" in seen.target and "alt=media" not in seen.target:
            self.heads += 1
            content_range = {"name": "name", "size": str(len(CONTENT)), "generation": self.etag}
            return respond(json.dumps(content_range).encode(), content_type="application/json")
        if "multipart-manifest=get" in seen.target:
            return self.said(b"", self.etag)  # Ceph does not send it
        pin = headers.get("if-match", headers.get("x-goog-if-generation-match"))
        if "ifGenerationMatch=" in seen.target:
            pin = seen.target.partition("ifGenerationMatch=")[2].partition("&")[0]
        self.pins.append(pin)
        etag = self.etags.pop(0) if self.etags else self.etag
        if pin is not None and (self.refuses or pin.strip('"') != etag):
            error = {"error": {"code": 412, "errors": [{"reason": "conditionNotMet"}]}}
            is_json = "/o/" in seen.target
            xml = b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>"
            return respond(
                json.dumps(error).encode() if is_json else xml, 412, x_trans_id="tx1",
                x_ms_error_code="ConditionNotMet", x_amz_request_id="R1", x_ms_request_id="R1",
                content_type="application/json" if is_json else "application/xml",
            )  # fmt: skip
        content = NEW_CONTENT if etag == "6" else CONTENT
        if "range" not in headers:
            return self.said(content, etag)
        first, _, last = headers["range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(CONTENT)) + 1, len(CONTENT))
        content_range = f"bytes {start}-{stop - 1}/{len(CONTENT)}"
        return self.said(content[start:stop], etag, 206, content_range=content_range)

    def said(
        self, body: bytes, etag: str, status: int = 200, *, cut: bool = False, **more: str
    ) -> Play:
        play = respond(
            body, status, etag=f'"{etag}"', x_goog_generation=etag, x_trans_id="tx1",
            x_static_large_object="True", x_object_meta_static_large_object="True",
            **more,
        )  # fmt: skip
        return Play(play.data[: -len(body)]) if cut else play


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server() -> Iterator[PinServer]:
    with PinServer() as server:
        yield server


@pytest.fixture
def driver(label: str, server: PinServer) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=3)
        yield driver


def _downloaded(driver: StorageDriver, tmp_path: Path) -> bytes:
    path = tmp_path / "file"
    driver.object("bucket", "name").download(path, overwrite=True)
    return path.read_bytes()


def _ranges(driver: StorageDriver, tmp_path: Path) -> bytes:
    middle = len(CONTENT) - 1_000
    pieces = driver.object("bucket", "name").read_ranges([(0, 1_000), (middle, len(CONTENT))])
    return pieces[0] + CONTENT[1_000:middle] + pieces[1]


def _read_by_seeking(driver: StorageDriver, tmp_path: Path) -> bytes:
    with driver.object("bucket", "name").open("rb") as file:
        begin = file.read(1_000)
        file.seek(2_900_000)
        end = file.read()
        file.seek(1_000)
        return begin + file.read(2_899_000) + end


def _copied(driver: StorageDriver, tmp_path: Path) -> bytes:
    target = get_driver("memory")().create_container("c")
    return driver.object("bucket", "name").copy(target).read()


READS: Sequence[Callable[[StorageDriver, Path], bytes]] = (
    _downloaded, _ranges, _read_by_seeking, _copied,
)  # fmt: skip


@pytest.mark.parametrize("read", READS)
def test_object_is_read_when_its_etag_is_refused_as_a_condition(
    server: PinServer, driver: StorageDriver, tmp_path: Path, read: Any
) -> None:
    assert CONTENT == read(driver, tmp_path)


def test_broken_stream_is_resumed_when_the_etag_is_refused_as_a_condition(
    server: PinServer, driver: StorageDriver
) -> None:
    server.cuts = 1
    assert CONTENT == b"".join(driver.object("bucket", "name").stream())
    server.cuts, server.etags = 1, ["5", "6"]
    with pytest.raises(ObjectChangedError):
        list(driver.object("bucket", "name").stream())


def test_refused_etag_is_not_sent_again(
    server: PinServer, driver: StorageDriver, tmp_path: Path
) -> None:
    """One HEAD request finds out for good that the object is the same."""
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    _downloaded(driver, tmp_path)
    assert 1 == len([pin for pin in server.pins if pin is not None])
    _downloaded(driver, tmp_path)
    assert 1 == len([pin for pin in server.pins if pin is not None])


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("read", [_downloaded, _ranges])
def test_versions_are_not_mixed_where_the_etag_is_refused(
    server: PinServer, driver: StorageDriver, tmp_path: Path, read: Any, refuses: bool
) -> None:
    """The object is replaced after the first response."""
    server.refuses = refuses
    if refuses:
        read(driver, tmp_path)
    server.etag = "6"
    server.etags = ["5"]
    if read is _downloaded:  # begins anew
        assert NEW_CONTENT == read(driver, tmp_path)
    else:
        with pytest.raises(ObjectChangedError):
            read(driver, tmp_path)


def test_failed_check_keeps_the_first_error(
    server: PinServer, driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = respond(b"", 403, x_trans_id="tx1", x_amz_request_id="R1", x_ms_request_id="R1")
    real = server.respond

    def without_check(seen: Seen) -> Play:
        heads = server.heads
        play = real(seen)
        return error if server.heads > heads else play

    monkeypatch.setattr(server, "respond", without_check)
    with pytest.raises(ObjectChangedError) as caught:
        _ranges(driver, Path())
    assert 412 == caught.value.status


def test_large_object_headers_of_ceph_are_not_metadata(server: PinServer) -> None:
    """A change of the content type must not store it."""
    with DRIVERS["swift"](server.url) as driver:
        found = driver.get_object("bucket", "name")
    assert {} == dict(found.metadata)
    assert found.extra["static_large_object"] is True
