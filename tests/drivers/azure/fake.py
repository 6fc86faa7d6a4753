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
Answer: TypeAlias = tuple[int, Headers, bytes]

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
class Ask:
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
        copy_polls: How often a copy is looked at before it has come to its end.
        copy_ends: What its status is then.
    """

    url: str = ""
    seen: list[Ask] = field(default_factory=list)
    blobs: dict[str, Blob] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    guard: Callable[[Ask], Answer | None] = lambda ask: None
    copy_polls: int = 0
    copy_ends: str = "success"
    lock: threading.RLock = field(default_factory=threading.RLock)
    writes: int = 0

    def asked(self, what: str) -> list[Ask]:
        """Return the requests whose ``comp`` is `what`."""
        return [ask for ask in self.seen if ask.query.get("comp") == what]

    def answer(self, ask: Ask) -> Answer:
        refused = self.guard(ask)
        if refused is not None:
            return refused
        comp = ask.query.get("comp", "")
        handler = getattr(self, f"_{ask.method.lower()}_{comp}".rstrip("_"), None)
        if handler is None:
            return error(501, "NotImplemented")
        if ask.method == "PUT" and "x-ms-copy-source" in ask.headers and comp == "block":
            content = fetch(ask)
            if content is None:
                return error(404, "CannotVerifyCopySource")
            ask.body = content
        with self.lock:
            answer: Answer = handler(ask)
        return answer

    def _store(self, path: str, content: bytes, headers: Headers) -> Blob:
        self.writes += 1
        kept = {name: headers[label] for label, name in _KEPT.items() if label in headers}
        kept |= {name: value for name, value in headers.items() if name.startswith("x-ms-meta-")}
        blob = self.blobs[path] = Blob(content, kept, f'"0x{self.writes:08X}"')
        return blob

    def _refusal(self, ask: Ask) -> Answer | None:
        """Return what conditions that do not hold come to."""
        blob = self.blobs.get(ask.path)
        if ask.headers.get("if-none-match") == "*" and blob is not None:
            return error(409, "BlobAlreadyExists")
        match = ask.headers.get("if-match")
        if match is not None and (blob is None or blob.etag != match):
            return error(412, "ConditionNotMet")
        return None

    # ------------------------------------------------------------------ requests

    def _head(self, ask: Ask) -> Answer:
        blob = self.blobs.get(ask.path)
        if blob is None:
            return error(404, "BlobNotFound")
        if blob.polls:
            blob.polls -= 1
            if not blob.polls:
                blob.kept["x-ms-copy-status"] = self.copy_ends
        return 200, {**told(blob), "Content-Length": str(len(blob.content))}, b""

    def _get(self, ask: Ask) -> Answer:
        blob = self.blobs.get(ask.path)
        if blob is None:
            return error(404, "BlobNotFound")
        if ask.headers.get("if-match") not in {None, blob.etag}:
            return error(412, "ConditionNotMet")
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", ask.headers.get("range", ""))
        if not span:
            return 200, told(blob), blob.content
        start = int(span[1])
        part = blob.content[start : int(span[2] or len(blob.content)) + 1]
        headers = told(blob)
        headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5", "")
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(blob.content)}"
        return 206, headers, part

    def _put(self, ask: Ask) -> Answer:
        refused = self._refusal(ask)
        if refused is not None:
            return refused
        if "x-ms-copy-source" in ask.headers:
            return self._copy(ask)
        md5 = base64.b64encode(hashlib.md5(ask.body).digest()).decode()
        headers = {**ask.headers, "x-ms-blob-content-md5": md5}
        return 201, told(self._store(ask.path, ask.body, headers)), b""

    def _copy(self, ask: Ask) -> Answer:
        source = self.blobs.get(unquote(urlsplit(ask.headers["x-ms-copy-source"]).path))
        if source is None:
            return error(404, "CannotVerifyCopySource")
        if ask.headers.get("x-ms-source-if-match") not in {None, source.etag}:
            return error(412, "SourceConditionNotMet")
        blob = self._store(ask.path, source.content, {})
        # What the request names takes the place of all that the source has.
        own = {name: value for name, value in ask.headers.items() if name.startswith("x-ms-meta-")}
        kept = {name: value for name, value in source.kept.items() if "-meta-" not in name}
        kept = {**kept, **own} if own else dict(source.kept)
        blob.kept = {**kept, "x-ms-copy-id": f"copy-{self.writes}"}
        blob.kept["x-ms-copy-status"] = "pending" if self.copy_polls else "success"
        blob.polls = self.copy_polls
        return 202, told(blob), b""

    def _put_copy(self, ask: Ask) -> Answer:
        blob = self.blobs[ask.path]
        if not blob.polls or blob.kept["x-ms-copy-id"] != ask.query["copyid"]:
            return error(409, "NoPendingCopyOperation")
        blob.content, blob.polls = b"", 0
        blob.kept["x-ms-copy-status"] = "aborted"
        return 204, {}, b""

    def _put_properties(self, ask: Ask) -> Answer:
        refused = self._refusal(ask)
        if refused is not None:
            return refused
        blob, headers = self.blobs[ask.path], ask.headers
        blob.kept |= {name: headers[label] for label, name in _KEPT.items() if label in headers}
        return 200, told(blob), b""

    def _put_metadata(self, ask: Ask) -> Answer:
        refused = self._refusal(ask)
        if refused is not None:
            return refused
        blob = self.blobs[ask.path]
        kept = {name: value for name, value in blob.kept.items() if "-meta-" not in name}
        kept |= {name: value for name, value in ask.headers.items() if "-meta-" in name}
        self.writes += 1
        blob.kept, blob.etag = kept, f'"0x{self.writes:08X}"'
        return 200, told(blob), b""

    def _put_block(self, ask: Ask) -> Answer:
        self.blocks.setdefault(ask.path, {})[ask.query["blockid"]] = ask.body
        return 201, {}, b""

    def _put_blocklist(self, ask: Ask) -> Answer:
        refused = self._refusal(ask)
        if refused is not None:
            return refused
        waiting = self.blocks.pop(ask.path, {})
        ids = re.findall(r"<Latest>([^<]+)</Latest>", ask.body.decode())
        if not all(block_id in waiting for block_id in ids):
            return error(400, "InvalidBlockList")
        content = b"".join(waiting[block_id] for block_id in ids)
        return 201, told(self._store(ask.path, content, ask.headers)), b""

    def _get_blocklist(self, ask: Ask) -> Answer:
        waiting = self.blocks.get(ask.path)
        if waiting is None:
            return error(404, "BlobNotFound")
        rows = "".join(
            f"<Block><Name>{escape(name)}</Name><Size>{len(content)}</Size></Block>"
            for name, content in waiting.items()
        )
        body = f"<BlockList><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>"
        return 200, {}, body.encode()

    def _put_lease(self, ask: Ask) -> Answer:
        return 201, {}, b""

    def _delete(self, ask: Ask) -> Answer:
        refused = self._refusal(ask)
        if refused is not None:
            return refused
        found = self.blobs.pop(ask.path, None) or self.blocks.pop(ask.path, None)
        return (202, {}, b"") if found else error(404, "BlobNotFound")


def error(status: int, code: str) -> Answer:
    """Return an error as Azure tells it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message></Error>"
    return status, {"x-ms-error-code": code, "x-ms-request-id": "REQUEST1"}, body.encode()


def told(blob: Blob) -> Headers:
    return {"Content-Type": "application/octet-stream", **blob.kept, "ETag": blob.etag}


def fetch(ask: Ask) -> bytes | None:
    """Read what a request names as its source, with what it was given to prove that it may."""
    source = urlsplit(ask.headers["x-ms-copy-source"])
    headers = {"Range": ask.headers["x-ms-source-range"]}
    if "x-ms-copy-source-authorization" in ask.headers:
        headers["Authorization"] = ask.headers["x-ms-copy-source-authorization"]
    connection = HTTPConnection(source.netloc, timeout=30)
    try:
        connection.request("GET", f"{source.path}?{source.query}", headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return content if answer.status == 206 else None


def handler_of(service: FakeAzure) -> type[BaseHTTPRequestHandler]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        path, _, query = handler.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        ask = Ask(handler.command, unquote(path), asked, headers, body)
        with service.lock:
            service.seen.append(ask)
        status, told, content = service.answer(ask)
        handler.send_response_only(status)
        told = {"Content-Length": str(len(content)), "x-ms-request-id": "REQUEST1", **told}
        for name, value in told.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    members: dict[str, Any] = {f"do_{method}": answer for method in METHODS}
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
