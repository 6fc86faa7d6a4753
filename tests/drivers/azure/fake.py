"""
What Azurite does not have, as Azure's documentation describes it.

Blocks are read from URLs, copies take their time, and tokens end.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
Headers: TypeAlias = dict[str, str]
FakeResponse: TypeAlias = tuple[int, Headers, bytes]

_KEPT = {
    "x-ms-blob-content-type": "Content-Type",
    "x-ms-blob-cache-control": "Cache-Control",
    "x-ms-blob-content-md5": "Content-MD5",
    "x-ms-access-tier": "x-ms-access-tier",
}


@dataclass
class Blob:
    """A blob with what is kept with it."""

    content: bytes
    kept: Headers
    etag: str
    polls: int = 0


@dataclass
class Sent:
    """One request, with names in its headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes


@dataclass
class FakeAzure:
    """
    A service that keeps blobs in memory.

    Attributes:
        seen: Method, path with query, and headers of all requests.
        guard: Refuses a request, or returns `None`.
        copy_polls: How many requests find a copy pending before it ends.
        copy_ends: What its status is then; empty for none.
    """

    url: str = ""
    seen: list[Sent] = field(default_factory=list)
    blobs: dict[str, Blob] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    guard: Callable[[Sent], FakeResponse | None] = lambda sent: None
    copy_polls: int = 0
    copy_ends: str = "success"
    lock: threading.RLock = field(default_factory=threading.RLock)
    writes: int = 0

    def requested(self, what: str) -> list[Sent]:
        """Return the requests whose ``comp`` is `what`."""
        return [sent for sent in self.seen if sent.query.get("comp") == what]

    def respond(self, sent: Sent) -> FakeResponse:
        refused = self.guard(sent)
        if refused is not None:
            return refused
        comp = sent.query.get("comp", "")
        handler = getattr(self, f"_{sent.method.lower()}_{comp}".rstrip("_"), None)
        if handler is None:
            return error(501, "NotImplemented")
        if sent.method == "PUT" and "x-ms-copy-source" in sent.headers and comp == "block":
            content = fetch(sent)
            if content is None:
                return error(404, "CannotVerifyCopySource")
            sent.body = content
        with self.lock:
            response: FakeResponse = handler(sent)
        return response

    def _store(self, path: str, content: bytes, headers: Headers) -> Blob:
        self.writes += 1
        kept = {name: headers[label] for label, name in _KEPT.items() if label in headers}
        kept |= {name: value for name, value in headers.items() if name.startswith("x-ms-meta-")}
        blob = self.blobs[path] = Blob(content, kept, f'"0x{self.writes:08X}"')
        return blob

    def _refusal(self, sent: Sent) -> FakeResponse | None:
        """Return the response to a condition that does not hold."""
        blob = self.blobs.get(sent.path)
        if sent.headers.get("if-none-match") == "*" and blob is not None:
            return error(409, "BlobAlreadyExists")
        match = sent.headers.get("if-match")
        if match is not None and (blob is None or blob.etag != match):
            return error(412, "ConditionNotMet")
        return None

    # ------------------------------------------------------------------ requests

    def _head(self, sent: Sent) -> FakeResponse:
        blob = self.blobs.get(sent.path)
        if blob is None:
            return error(404, "BlobNotFound")
        if blob.polls:
            blob.polls -= 1
            if not blob.polls:
                ending = {"x-ms-copy-status": self.copy_ends} if self.copy_ends else {}
                del blob.kept["x-ms-copy-status"]
                blob.kept.update(ending)
        return 200, {**headers_of(blob), "Content-Length": str(len(blob.content))}, b""

    def _get(self, sent: Sent) -> FakeResponse:
        blob = self.blobs.get(sent.path)
        if blob is None:
            return error(404, "BlobNotFound")
        if sent.headers.get("if-match") not in {None, blob.etag}:
            return error(412, "ConditionNotMet")
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", sent.headers.get("range", ""))
        if not span:
            return 200, headers_of(blob), blob.content
        start = int(span[1])
        part = blob.content[start : int(span[2] or len(blob.content)) + 1]
        headers = headers_of(blob)
        headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5", "")
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(blob.content)}"
        return 206, headers, part

    def _put(self, sent: Sent) -> FakeResponse:
        refused = self._refusal(sent)
        if refused is not None:
            return refused
        if "x-ms-copy-source" in sent.headers:
            return self._copy(sent)
        md5 = base64.b64encode(hashlib.md5(sent.body).digest()).decode()
        headers = {**sent.headers, "x-ms-blob-content-md5": md5}
        return 201, headers_of(self._store(sent.path, sent.body, headers)), b""

    def _copy(self, sent: Sent) -> FakeResponse:
        source = self.blobs.get(unquote(urlsplit(sent.headers["x-ms-copy-source"]).path))
        if source is None:
            return error(404, "CannotVerifyCopySource")
        if sent.headers.get("x-ms-source-if-match") not in {None, source.etag}:
            return error(412, "SourceConditionNotMet")
        blob = self._store(sent.path, source.content, {})
        # What the request names takes the place of all that the source has.
        own = {
            name: value for name, value in sent.headers.items() if name.startswith("x-ms-meta-")
        }
        kept = {name: value for name, value in source.kept.items() if "-meta-" not in name}
        kept = {**kept, **own} if own else dict(source.kept)
        blob.kept = {**kept, "x-ms-copy-id": f"copy-{self.writes}"}
        blob.kept["x-ms-copy-status"] = "pending" if self.copy_polls else "success"
        blob.polls = self.copy_polls
        return 202, headers_of(blob), b""

    def _put_copy(self, sent: Sent) -> FakeResponse:
        blob = self.blobs[sent.path]
        if not blob.polls or blob.kept["x-ms-copy-id"] != sent.query["copyid"]:
            return error(409, "NoPendingCopyOperation")
        blob.content, blob.polls = b"", 0
        blob.kept["x-ms-copy-status"] = "aborted"
        return 204, {}, b""

    def _put_properties(self, sent: Sent) -> FakeResponse:
        refused = self._refusal(sent)
        if refused is not None:
            return refused
        blob, headers = self.blobs[sent.path], sent.headers
        blob.kept |= {name: headers[label] for label, name in _KEPT.items() if label in headers}
        return 200, headers_of(blob), b""

    def _put_metadata(self, sent: Sent) -> FakeResponse:
        refused = self._refusal(sent)
        if refused is not None:
            return refused
        blob = self.blobs[sent.path]
        kept = {name: value for name, value in blob.kept.items() if "-meta-" not in name}
        kept |= {name: value for name, value in sent.headers.items() if "-meta-" in name}
        self.writes += 1
        blob.kept, blob.etag = kept, f'"0x{self.writes:08X}"'
        return 200, headers_of(blob), b""

    def _put_block(self, sent: Sent) -> FakeResponse:
        self.blocks.setdefault(sent.path, {})[sent.query["blockid"]] = sent.body
        return 201, {}, b""

    def _put_blocklist(self, sent: Sent) -> FakeResponse:
        refused = self._refusal(sent)
        if refused is not None:
            return refused
        waiting = self.blocks.pop(sent.path, {})
        ids = re.findall(r"<Latest>([^<]+)</Latest>", sent.body.decode())
        if not all(block_id in waiting for block_id in ids):
            return error(400, "InvalidBlockList")
        content = b"".join(waiting[block_id] for block_id in ids)
        return 201, headers_of(self._store(sent.path, content, sent.headers)), b""

    def _get_blocklist(self, sent: Sent) -> FakeResponse:
        waiting = self.blocks.get(sent.path)
        if waiting is None:
            return error(404, "BlobNotFound")
        rows = "".join(
            f"<Block><Name>{escape(name)}</Name><Size>{len(content)}</Size></Block>"
            for name, content in waiting.items()
        )
        body = f"<BlockList><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>"
        return 200, {}, body.encode()

    def _put_lease(self, sent: Sent) -> FakeResponse:
        return 201, {}, b""

    def _delete(self, sent: Sent) -> FakeResponse:
        refused = self._refusal(sent)
        if refused is not None:
            return refused
        found = self.blobs.pop(sent.path, None) or self.blocks.pop(sent.path, None)
        return (202, {}, b"") if found else error(404, "BlobNotFound")


def error(status: int, code: str) -> FakeResponse:
    """Return an error as Azure writes it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>"
    return status, {"x-ms-error-code": code, "x-ms-request-id": "REQUEST1"}, body.encode()


def headers_of(blob: Blob) -> Headers:
    return {"Content-Type": "application/octet-stream", **blob.kept, "ETag": blob.etag}


def fetch(sent: Sent) -> bytes | None:
    """Read what a request names as its source, with what it was given to prove that it may."""
    source = urlsplit(sent.headers["x-ms-copy-source"])
    headers = {"Range": sent.headers["x-ms-source-range"]}
    if "x-ms-copy-source-authorization" in sent.headers:
        headers["Authorization"] = sent.headers["x-ms-copy-source-authorization"]
    connection = HTTPConnection(source.netloc, timeout=30)
    try:
        connection.request("GET", f"{source.path}?{source.query}", headers=headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    return content if response.status == 206 else None


def handler_of(service: FakeAzure) -> type[BaseHTTPRequestHandler]:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        path, _, query = handler.path.partition("?")
        requested = {name: values[0] for name, values in parse_qs(query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        sent = Sent(handler.command, unquote(path), requested, headers, body)
        with service.lock:
            service.seen.append(sent)
        status, fields, content = service.respond(sent)
        handler.send_response_only(status)
        fields = {"Content-Length": str(len(content)), "x-ms-request-id": "REQUEST1", **fields}
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    members: dict[str, Any] = {f"do_{method}": respond for method in METHODS}
    members |= {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}
    members["log_message"] = lambda *arguments: None
    return type("Handler", (BaseHTTPRequestHandler,), members)


@contextmanager
def fake_azure(service: FakeAzure | None = None) -> Iterator[FakeAzure]:
    """Run a service."""
    service = FakeAzure() if service is None else service
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(service))
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}/account"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
