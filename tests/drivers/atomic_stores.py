"""
S3 and Swift in the memory of this process, as far as conditional requests and uploads need them.

Each request is carried out as a whole before the next one, so that a condition holds at the very
moment of the write, as at the services themselves.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote

Headers: TypeAlias = dict[str, str]
#: All objects are so many seconds older than they are.
OLDER = 0.0


class Sent(NamedTuple):
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    """One response."""

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Kept:
    """One object: its content, and the headers that it is handed out with."""

    content: bytes
    headers: Headers
    etag: str
    moment: float = field(default_factory=time.time)

    @property
    def shown(self) -> Headers:
        return {
            **self.headers,
            "ETag": f'"{self.etag}"',
            "Last-Modified": formatdate(self.moment - OLDER, usegmt=True),
        }


@dataclass
class Store:
    """
    Objects by the paths of their URLs.

    Attributes:
        url: Where it listens.
        uploads: Uploads in parts, by their ids: the path, the headers and the parts.
    """

    url: str = ""
    objects: dict[str, Kept] = field(default_factory=dict)
    uploads: dict[str, tuple[str, Headers, dict[int, bytes]]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def _kept_headers(sent: Sent, *beginnings: str) -> Headers:
    return {
        name: value
        for name, value in sent.headers.items()
        if name == "content-type" or name.startswith(beginnings)
    }


# ---------------------------------------------------------------------- S3


def respond_s3(store: Store, sent: Sent) -> Said:
    """Respond to one request as Amazon S3 does."""
    said = _of_bucket(store, sent) if sent.path.count("/") < 2 else _of_object(store, sent)
    return replace(said, headers={"x-amz-request-id": "REQUEST1", **said.headers})


def _error(status: int, code: str) -> Said:
    body = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()
    return Said(status, {"Content-Type": "application/xml"}, body)


def _document(root: str, inside: str = "") -> Said:
    body = f"<?xml version='1.0'?><{root}>{inside}</{root}>".encode()
    return Said(200, {"Content-Type": "application/xml"}, body)


def _of_bucket(store: Store, sent: Sent) -> Said:
    if "uploads" in sent.query:
        rows = "".join(
            f"<Upload><Key>{path.split('/', 2)[2]}</Key><UploadId>{key}</UploadId></Upload>"
            for key, (path, _, _) in store.uploads.items()
        )
        return _document("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{rows}")
    return Said(200, {"x-amz-bucket-region": "us-east-1"})


def _of_object(store: Store, sent: Sent) -> Said:
    found = store.objects.get(sent.path)
    if "uploads" in sent.query:
        return _begin(store, sent)
    refused = _refusal(sent, found)
    if refused is not None:
        return refused
    if "uploadId" in sent.query:
        return _of_upload(store, sent)
    if sent.method == "PUT":
        return _put(store, sent)
    if sent.method == "DELETE":
        store.objects.pop(sent.path, None)
        return Said(204)
    return _read(sent, found)


def _read(sent: Sent, found: Kept | None) -> Said:
    """Respond with the content, or with a range of it that has both ends."""
    if found is None:
        return _error(404, "NoSuchKey")
    if sent.headers.get("if-match", f'"{found.etag}"') != f'"{found.etag}"':
        return _error(412, "PreconditionFailed")
    span = re.fullmatch(r"bytes=(\d+)-(\d+)", sent.headers.get("range", ""))
    size = len(found.content)
    if span is None or int(span[1]) >= size:
        return Said(200, found.shown, found.content)
    start, last = int(span[1]), min(int(span[2]), size - 1)
    headers = {**found.shown, "Content-Range": f"bytes {start}-{last}/{size}"}
    return Said(206, headers, found.content[start : last + 1])


def _begin(store: Store, sent: Sent) -> Said:
    key = f"upload{next(store.numbers)}"
    store.uploads[key] = (sent.path, _kept_headers(sent, "x-amz-meta-"), {})
    return _document("InitiateMultipartUploadResult", f"<UploadId>{key}</UploadId>")


def _refusal(sent: Sent, found: Kept | None) -> Said | None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    if sent.method in {"GET", "HEAD"}:
        return None
    if sent.headers.get("if-none-match") == "*" and found is not None:
        return _error(412, "PreconditionFailed")
    match = sent.headers.get("if-match")
    if match is not None and found is None:
        return _error(404, "NoSuchKey")
    if match is not None and found is not None and match != f'"{found.etag}"':
        return _error(412, "PreconditionFailed")
    return None


def _put(store: Store, sent: Sent) -> Said:
    source = sent.headers.get("x-amz-copy-source")
    headers = _kept_headers(sent, "x-amz-meta-")
    if source is None:
        kept = store.objects[sent.path] = Kept(sent.body, headers, md5(sent.body))
        return Said(200, {"ETag": f'"{kept.etag}"'})
    origin = store.objects.get(unquote(source))
    if origin is None:
        return _error(404, "NoSuchKey")
    if sent.headers.get("x-amz-copy-source-if-match", f'"{origin.etag}"') != f'"{origin.etag}"':
        return _error(412, "PreconditionFailed")
    if sent.headers.get("x-amz-metadata-directive") != "REPLACE":
        headers = origin.headers
    store.objects[sent.path] = Kept(origin.content, headers, origin.etag)
    return _document("CopyObjectResult", f"<ETag>&quot;{origin.etag}&quot;</ETag>")


def _of_upload(store: Store, sent: Sent) -> Said:
    key = sent.query["uploadId"]
    if key not in store.uploads:
        return _error(404, "NoSuchUpload")
    path, headers, parts = store.uploads[key]
    if sent.method == "PUT":
        parts[int(sent.query["partNumber"])] = sent.body
        return Said(200, {"ETag": f'"{md5(sent.body)}"'})
    if sent.method == "DELETE":
        del store.uploads[key]
        return Said(204)
    numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", sent.body)]
    joined = b"".join(bytes.fromhex(md5(parts[number])) for number in numbers)
    etag = f"{md5(joined)}-{len(numbers)}"
    store.objects[path] = Kept(b"".join(parts[number] for number in numbers), headers, etag)
    del store.uploads[key]
    return _document("CompleteMultipartUploadResult", f"<ETag>&quot;{etag}&quot;</ETag>")


# ---------------------------------------------------------------------- Swift


def respond_swift(store: Store, sent: Sent) -> Said:
    """Respond to one request as OpenStack Swift does."""
    said = _of_swift(store, sent)
    return replace(said, headers={"X-Trans-Id": "tx123", **said.headers})


def _of_swift(store: Store, sent: Sent) -> Said:
    if sent.path == "/info":
        return Said(200, {"Content-Type": "application/json"}, b'{"swift": {}, "slo": {}}')
    if sent.path.count("/") < 4:
        return _of_container(store, sent)
    found = store.objects.get(sent.path)
    if sent.method == "PUT":
        return _put_swift(store, sent, found)
    if found is None:
        return Said(404)
    if sent.method == "DELETE":
        del store.objects[sent.path]
        return Said(204)
    return Said(200, {**found.shown, "ETag": found.etag}, found.content)


def _of_container(store: Store, sent: Sent) -> Said:
    if sent.method != "GET":
        return Said(202 if sent.method == "PUT" else 204, {"X-Timestamp": "1.0"})
    begin = f"{sent.path}/"
    names = sorted(path.removeprefix(begin) for path in store.objects if path.startswith(begin))
    after, prefix = sent.query.get("marker", ""), sent.query.get("prefix", "")
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "bytes": len(store.objects[begin + name].content),
            "hash": store.objects[begin + name].etag,
            "content_type": store.objects[begin + name].headers.get("content-type"),
            "last_modified": "2030-01-01T00:00:00.000000",
        }
        for name in names
        if name > after and name.startswith(prefix)
    ]
    return Said(200, {"Content-Type": "application/json"}, json.dumps(rows).encode())


def _put_swift(store: Store, sent: Sent, found: Kept | None) -> Said:
    if sent.headers.get("if-none-match") == "*" and found is not None:
        return Said(412)
    content, headers = sent.body, _kept_headers(sent, "x-object-meta-")
    etag = md5(content)
    if "x-copy-from" in sent.headers:
        account = "/".join(sent.path.split("/")[:3])
        origin = store.objects.get(account + unquote(sent.headers["x-copy-from"]))
        if origin is None:
            return Said(404)
        content, etag = origin.content, origin.etag
    elif sent.query.get("multipart-manifest") == "put":
        account = "/".join(sent.path.split("/")[:3])
        entries = json.loads(sent.body)
        content = b"".join(store.objects[account + one["path"]].content for one in entries)
        etag = md5("".join(one["etag"] for one in entries).encode())
        headers["X-Static-Large-Object"] = "True"
    store.objects[sent.path] = Kept(content, headers, etag)
    return Said(201, {"ETag": etag})


# ---------------------------------------------------------------------- serving


@contextmanager
def serve(make_response: Callable[[Store, Sent], Said]) -> Iterator[Store]:
    """Serve an empty store on loopback."""
    store = Store()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        path, _, query = handler.path.partition("?")
        headers = {name.lower(): value for name, value in handler.headers.items()}
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        with store.lock:
            said = make_response(store, Sent(handler.command, unquote(path), pairs, headers, body))
        handler.send_response_only(said.status)
        shown = {"Date": formatdate(usegmt=True), "Content-Length": str(len(said.body))}
        for name, value in {**shown, **said.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(said.body)

    members: dict[str, Any] = {
        f"do_{method}": respond for method in ("GET", "HEAD", "PUT", "POST", "DELETE")
    }
    members |= {"protocol_version": "HTTP/1.1", "disable_nagle_algorithm": True}
    members["log_message"] = lambda *arguments: None
    kind = type("Handler", (BaseHTTPRequestHandler,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
