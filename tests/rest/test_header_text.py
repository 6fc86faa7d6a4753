"""Metadata that other clients wrote as bytes, as they stand on the wire, with every driver."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from drivers.network_drivers import DRIVERS
from scripted import Seen, Server, length_of, read_head
from typing_extensions import override

from libstore import RetryPolicy, StorageDriver, get_driver
from libstore.rest.header_text import decode_text

CONTENT = b"content"
META = {
    "s3": "x-amz-meta-", "azure": "x-ms-meta-", "gcs-hmac": "x-goog-meta-",
    "swift": "x-object-meta-",
}  # fmt: skip
#: Bytes on the wire, and the text that they are.
TEXTS = {
    "UTF-8": ("Prénom: 日本 🎉".encode(), "Prénom: 日本 🎉"),
    "Latin-1": (b"Pr\xe9nom", "Prénom"),
    "both": ("Ã©".encode(), "Ã©"),  # valid UTF-8 is not decoded twice
    "NEL": ("a\u0085b\u2028c".encode(), "a\u0085b\u2028c"),
    "ASCII": (b"plain", "plain"),
}


class TextServer(Server):
    """Serves one object that has headers in bytes, and takes whatever is sent."""

    def __init__(self) -> None:
        self.kept = b""
        super().__init__()

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        seen = Seen(head, stream.read(length_of(head)), number)
        self._note(seen.head, seen.body, number)
        method = seen.line.partition(" ")[0]
        body = CONTENT if method in {"GET", "HEAD"} else b""
        status = {"POST": 202, "PUT": 201}.get(method, 200)
        if "copy-source" in seen.head.decode("latin-1").lower() and b"x-ms-" not in seen.head:
            body = b"<CopyObjectResult><ETag>5</ETag></CopyObjectResult>"
            status = 200
        if b"x-ms-version" in seen.head and "comp=" in seen.target:
            status = 200
        elif b"x-ms-copy-source" in seen.head:
            status = 202
        md5 = b"9a0364b9e99bb480dd25e1f0284c8555"
        play = (
            b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\nX-Trans-Id: tx1\r\nx-ms-request-id: R1\r\n"
            b"x-amz-request-id: R1\r\nx-ms-copy-status: success\r\nx-goog-generation: 5\r\n"
            b'Last-Modified: Mon, 30 Nov 2026 12:00:00 GMT\r\nETag: "%b"\r\n%b\r\n'
            % (status, len(body), md5, self.kept if method in {"GET", "HEAD"} else b"")
        )  # fmt: skip
        peer.sendall(play + (b"" if method == "HEAD" else body))
        return True

    def sent(self, name: str) -> list[bytes]:
        """Return the values of a header in all requests, as bytes."""
        lines = [line for seen in self.seen for line in seen.head.split(b"\r\n")]
        begin = f"{name}: ".encode()
        return [line[len(begin) :] for line in lines if line.lower().startswith(begin)]


@pytest.fixture(params=META)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server() -> Iterator[TextServer]:
    with TextServer() as server:
        yield server


@pytest.fixture
def driver(label: str, server: TextServer) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(1, base=0.0)
        yield driver


@pytest.mark.parametrize(("raw", "text"), TEXTS.values(), ids=TEXTS)
def test_metadata_is_decoded_as_utf_8_or_latin_1(
    server: TextServer, driver: StorageDriver, label: str, raw: bytes, text: str
) -> None:
    server.kept = (
        META[label].encode() + b"k: " + raw + b"\r\nContent-Disposition: " + raw
        + b"\r\nContent-Type: text/x; name=" + raw + b"\r\n"
    )  # fmt: skip
    found = driver.get_object("bucket", "name")
    assert {"k": text} == dict(found.metadata)
    assert text == found.extra["content_disposition"]
    assert f"text/x; name={text}" == found.content_type


def test_encoded_word_is_decoded(server: TextServer, driver: StorageDriver, label: str) -> None:
    server.kept = META[label].encode() + b"k: =?UTF-8?B?w6k=?=\r\n"
    assert {"k": "é"} == dict(driver.get_object("bucket", "name").metadata)


@pytest.mark.parametrize("operation", ["update", "copy"])
@pytest.mark.parametrize("label", ["s3", "gcs-hmac", "swift"])
def test_content_type_change_keeps_metadata_text(
    server: TextServer, driver: StorageDriver, label: str, operation: str
) -> None:
    """Where the service has metadata sent again. It was stored as other text for good."""
    disposition = 'attachment; filename="é.txt"'.encode()
    server.kept = (
        META[label].encode()
        + "k: é 日本\r\nContent-Disposition: ".encode()
        + disposition
        + b"\r\n"
    )
    obj = driver.object("bucket", "name")
    if operation == "update":
        obj.update_metadata(content_type="text/y")
    else:
        obj.copy("bucket", "copy", content_type="text/y")
    assert ["é 日本"] == [decode_text(raw.decode()) for raw in server.sent(f"{META[label]}k")]
    assert [disposition] == server.sent("content-disposition")


def test_copy_to_another_driver_keeps_metadata_text(
    server: TextServer, driver: StorageDriver, label: str
) -> None:
    server.kept = META[label].encode() + "k: é 日本\r\n".encode()
    target = get_driver("memory")().create_container("c")
    copy = driver.object("bucket", "name").copy(target)
    assert {"k": "é 日本"} == dict(copy.metadata)


@pytest.mark.parametrize("label", ["swift"])
def test_metadata_keys_in_utf_8_are_decoded(server: TextServer, driver: StorageDriver) -> None:
    """Lower-casing their bytes as Latin-1 would make other bytes of them."""
    server.kept = "X-Object-Meta-PRÉNOM: x\r\n".encode()
    assert {"prénom": "x"} == dict(driver.get_object("bucket", "name").metadata)
