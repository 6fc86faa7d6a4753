"""What the S3 driver sends: how many requests, and which bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libstore import Container, StorageDriver, TransferOptions, get_driver
from libstore.http.xml import read_listing

PART = 5 * 1024 * 1024
CONTENT = b"content"
ID = "an id"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


@dataclass
class Recorder:
    """
    The least that can be taken for S3: it keeps nothing but what was asked.

    Attributes:
        seen: Method, target and headers of each request.
    """

    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.seen]


def handler_of(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        recorder.seen.append((handler.command, handler.path, headers))
        recorder.bodies.append(body)
        status, told, content = respond(handler.command, handler.path, headers, body)
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in told.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    members: dict[str, Any] = {f"do_{method}": answer for method in METHODS}
    members |= {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}
    members["log_message"] = lambda *arguments: None
    return type("Handler", (BaseHTTPRequestHandler,), members)


def respond(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer that has what the question asks for."""
    asked = parse_qs(path.partition("?")[2], keep_blank_values=True)
    etag = {"ETag": f'"{hashlib.md5(body or CONTENT).hexdigest()}"'}
    document = document_for(method, headers, asked)
    if document is not None:
        return 200, {}, document
    if "range" in headers:
        start, _, stop = headers["range"].removeprefix("bytes=").partition("-")
        part = CONTENT[int(start) : int(stop or len(CONTENT)) + 1]
        last = int(start) + len(part) - 1
        return 206, {**etag, "Content-Range": f"bytes {start}-{last}/{len(CONTENT)}"}, part
    return (204 if method == "DELETE" else 200), etag, CONTENT if method == "GET" else b""


def document_for(
    method: str, headers: dict[str, str], asked: dict[str, list[str]]
) -> bytes | None:
    """Return the answer to what is answered with XML."""
    if "list-type" in asked:
        count = min(int(asked["max-keys"][0]), 50)
        inside = "".join(f"<Contents><Key>k{n:03}</Key></Contents>" for n in range(count))
        return f"<ListBucketResult>{inside}</ListBucketResult>".encode()
    if "delete" in asked:
        return b"<DeleteResult/>"
    root, inside = "CompleteMultipartUploadResult", "<ETag>whatever</ETag>"
    if "x-amz-copy-source" in headers:
        root = "CopyObjectResult"
    elif "uploads" in asked:
        root, inside = "InitiateMultipartUploadResult", f"<UploadId>{ID}</UploadId>"
    elif method != "POST":
        return None
    return f"<{root}>{inside}</{root}>".encode()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(recorder))
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield recorder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def driver(recorder: Recorder) -> Iterator[StorageDriver]:
    with get_driver("s3")("AKID", "secret", endpoint=recorder.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.fixture
def container(driver: StorageDriver) -> Container:
    return driver.object("bucket", "any").container


# ---------------------------------------------------------------------- how many


def test_no_request_is_made_that_was_not_asked_for(
    recorder: Recorder, container: Container
) -> None:
    """A small put, a read, a page, a delete, a batch, a copy, a first byte: one request each."""
    container.upload_object(CONTENT, "a")
    assert recorder.methods == ["PUT"]
    recorder.seen.clear()
    assert container.read_object("a") == CONTENT
    assert recorder.methods == ["GET"]
    recorder.seen.clear()
    assert len(container.list_objects()[:20]) == 20
    assert recorder.methods == ["GET"]
    assert "max-keys=20" in recorder.seen[0][1]
    recorder.seen.clear()
    container.delete_object("a")
    assert recorder.methods == ["DELETE"]
    recorder.seen.clear()
    container.delete_objects([f"name {number}" for number in range(1000)])
    assert recorder.methods == ["POST"]
    recorder.seen.clear()
    container.object("a").copy(container, "b")
    assert recorder.methods == ["PUT"]
    recorder.seen.clear()
    with container.open("a", "rb") as file:
        assert file.read(1) == CONTENT[:1]
    assert recorder.methods == ["GET"]
    recorder.seen.clear()
    container.upload_object(bytes(3 * PART - 1), "large")
    assert recorder.methods == ["POST", "PUT", "PUT", "PUT", "POST"]


# ---------------------------------------------------------------------- which bytes

_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
_AWKWARD = (
    ".", "..", "../other/secret", "a/../b", "//", "/a", "a/", "%2e%2e", "%2F", "a+b c",
    "a?b=c#d&e",
    "\0", "\r\n", "\t", "\x7f", "\x85", "\ufffe", "😀", "ä/日本", "~", "'\"<>&;:@$,!*()[]{}|\\^`",
)  # fmt: skip


def check_name(recorder: Recorder, container: Container, name: str) -> None:
    recorder.seen.clear()
    recorder.bodies.clear()
    container.upload_object(CONTENT, name)
    container.read_object(name)
    container.get_object(name)
    container.object(name).copy(container, "copy")
    container.delete_object(name)
    container.delete_objects([name])
    target = f"/bucket/{quote(name, safe='/')}"
    methods = ["PUT", "GET", "HEAD", "PUT", "DELETE"]
    assert methods == recorder.methods[:5]
    targets = [path for _, path, _ in recorder.seen]
    assert [target, target, target, "/bucket/copy", target] == targets[:5]
    assert recorder.seen[3][2]["x-amz-copy-source"] == target
    if recorder.seen[5][0] == "POST":
        document = read_listing(recorder.bodies[5], {"Object"})
        assert [("Object", {"Key": name})] == document.rows
    else:
        assert ("DELETE", target) == recorder.seen[5][:2]
    signed = container.object(name).sign_url()
    path = signed.removeprefix(container.driver._calls.endpoint.place(None, "x").url)
    assert unquote(path.partition("?")[0]) == f"/bucket/{name}"


@pytest.mark.parametrize("name", _AWKWARD)
def test_an_awkward_name_goes_out_byte_for_byte(
    recorder: Recorder, container: Container, name: str
) -> None:
    check_name(recorder, container, name)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=_names)
def test_any_name_goes_out_byte_for_byte(
    recorder: Recorder, container: Container, name: str
) -> None:
    check_name(recorder, container, name)


# ---------------------------------------------------------------------- which headers


def test_what_a_driver_is_made_with_goes_along(recorder: Recorder) -> None:
    """Encryption, who pays and ACLs are headers of the requests that they are for."""
    with get_driver("s3")(
        "AKID", "secret", endpoint=recorder.url, encryption="aws:kms", kms_key="a-key",
        acl="public-read", requester_pays=True,
    ) as driver:  # fmt: skip
        obj = driver.upload_object(CONTENT, "bucket", "a", storage_class="STANDARD_IA")
        obj.read()
    put, get = (headers for _, _, headers in recorder.seen)
    assert put["x-amz-server-side-encryption"] == "aws:kms"
    assert put["x-amz-server-side-encryption-aws-kms-key-id"] == "a-key"
    assert put["x-amz-acl"] == "public-read"
    assert put["x-amz-storage-class"] == "STANDARD_IA"
    assert put["x-amz-request-payer"] == get["x-amz-request-payer"] == "requester"
    assert "x-amz-acl" not in get


def test_a_key_of_the_customers_goes_to_both_ends_of_a_copy(recorder: Recorder) -> None:
    with get_driver("s3")(
        "AKID", "secret", endpoint=recorder.url, customer_key=bytes(32)
    ) as driver:
        obj = driver.upload_object(CONTENT, "bucket", "a")
        obj.read()
        obj.copy("bucket", "b")
    put, get, copy = (headers for _, _, headers in recorder.seen)
    for headers in (put, get, copy):
        assert headers["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
        assert headers["x-amz-server-side-encryption-customer-key"] == "A" * 43 + "="
    assert "x-amz-copy-source-server-side-encryption-customer-key" in copy


def test_a_body_is_signed_where_nothing_else_protects_it(
    recorder: Recorder, container: Container
) -> None:
    """Over plain http the body's SHA-256 is part of the signature."""
    container.upload_object(CONTENT, "a", metadata={"note": "grüße", "plain": " edges "})
    headers = recorder.seen[0][2]
    assert hashlib.sha256(CONTENT).hexdigest() == headers["x-amz-content-sha256"]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert headers["x-amz-meta-note"] == "=?UTF-8?B?Z3LDvMOfZQ==?="
    assert headers["x-amz-meta-plain"].startswith("=?UTF-8?B?")


def test_who_is_anonymous_signs_nothing(recorder: Recorder) -> None:
    with get_driver("s3")(anonymous=True, endpoint=recorder.url) as driver:
        assert driver.object("bucket", "a").read() == CONTENT
    assert "authorization" not in recorder.seen[0][2]
