"""A minimal S3 server that stores nothing and records its requests."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

CONTENT = b"content"
ID = "an id"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


@dataclass
class Recorder:
    """
    The requests that were received.

    Attributes:
        seen: Method, target and headers of each request.
        status: Statuses of responses, by method, in place of success.
    """

    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.seen]


def handler_of(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    def handle(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        recorder.seen.append((handler.command, handler.path, headers))
        recorder.bodies.append(body)
        status, fields, content = respond(handler.command, handler.path, headers, body)
        if handler.command in recorder.status:
            status, fields, content = recorder.status[handler.command], {}, b""
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("x-amz-request-id", "REQUEST1")
        for name, value in fields.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    members: dict[str, Any] = {f"do_{method}": handle for method in METHODS}
    members |= {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}
    members["log_message"] = lambda *arguments: None
    return type("Handler", (BaseHTTPRequestHandler,), members)


def respond(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the response to a request for XML."""
    requested = parse_qs(path.partition("?")[2], keep_blank_values=True)
    etag = {"ETag": f'"{hashlib.md5(body or CONTENT).hexdigest()}"'}
    document = document_for(method, headers, requested)
    if document is not None:
        return 200, {}, document
    if "range" in headers:
        start, _, stop = headers["range"].removeprefix("bytes=").partition("-")
        part = CONTENT[int(start) : int(stop or len(CONTENT)) + 1]
        last = int(start) + len(part) - 1
        return 206, {**etag, "Content-Range": f"bytes {start}-{last}/{len(CONTENT)}"}, part
    return (204 if method == "DELETE" else 200), etag, CONTENT if method == "GET" else b""


def document_for(
    method: str, headers: dict[str, str], requested: dict[str, list[str]]
) -> bytes | None:
    """Return the response to a request for XML."""
    if "list-type" in requested:
        count = min(int(requested["max-keys"][0]), 50)
        inside = "".join(f"<Contents><Key>k{n:03}</Key></Contents>" for n in range(count))
        return f"<ListBucketResult>{inside}</ListBucketResult>".encode()
    if "delete" in requested:
        return b"<DeleteResult/>"
    root, inside = "CompleteMultipartUploadResult", "<ETag>whatever</ETag>"
    if "x-amz-copy-source" in headers:
        root = "CopyObjectResult"
    elif "uploads" in requested:
        root, inside = "InitiateMultipartUploadResult", f"<UploadId>{ID}</UploadId>"
    elif method != "POST":
        return None
    return f"<{root}>{inside}</{root}>".encode()


@contextmanager
def recording() -> Iterator[Recorder]:
    """Run a server."""
    recorder = Recorder()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(recorder))
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
