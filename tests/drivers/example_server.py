"""The service of the network drivers in docs/examples: a small REST store in memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from typing_extensions import override

TOKEN = "the token of the example service"


class RefusedError(Exception):
    """A request that is rejected with a status and a code."""


@dataclass(frozen=True)
class Stored:
    """An object; each write has another `etag`, whatever the content is."""

    content: bytes
    type: str
    metadata: Mapping[str, str]
    cache: str | None
    etag: str = ""
    modified: float = field(default_factory=time.time)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.content).hexdigest()

    def document(self, name: str) -> dict[str, Any]:
        return {
            "name": name, "size": len(self.content), "etag": self.etag, "md5": self.md5,
            "modified": self.modified, "type": self.type, "metadata": self.metadata,
            "cache": self.cache,
        }  # fmt: skip


@dataclass
class Bucket:
    """The objects of a bucket, and its uploads: name, object to be, and parts by number."""

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[str, Stored, dict[int, bytes]]] = field(default_factory=dict)
    public: bool = False
    created: float = field(default_factory=time.time)


class ExampleServer(ThreadingHTTPServer):
    """
    The buckets, and the lock that guards them.

    Attributes:
        lose: Requests, such as ``"PUT"`` or ``"POST upload"``, whose next response is not sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.buckets: dict[str, Bucket] = {}
        self.lock = threading.Lock()
        self.lose: list[str] = []
        self.numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def keep(self, bucket: Bucket, name: str, stored: Stored) -> dict[str, Any]:
        kept = replace(stored, etag=f"e{next(self.numbers)}", modified=time.time())
        bucket.objects[name] = kept
        return kept.document(name)


@contextmanager
def example_server() -> Iterator[ExampleServer]:
    """Run a server in a thread."""
    with ExampleServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ExampleServer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # all methods
            return self.respond
        raise AttributeError(name)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def respond(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        _, _, *names = map(unquote, path.split("/"))
        try:
            with self.server.lock:
                self.allow(*names)
                status, headers, body = self.respond_to(*names)
        except RefusedError as error:
            status, code = error.args
            headers, body = {"x-request-id": "REQUEST1"}, json.dumps({"error": code}).encode()
        for request in (self.command, *(f"{self.command} {key}" for key in self.query)):
            if request in self.server.lose:
                self.server.lose.remove(request)
                self.close_connection = True
                return
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def allow(self, bucket: str = "", name: str = "") -> None:
        """Reject a request without token or signature, unless the bucket is public."""
        if self.headers.get("authorization") == f"Bearer {TOKEN}":
            return
        known = self.server.buckets.get(bucket)
        signature = self.query.pop("signature", None)
        if signature is None:
            if not (known and known.public and name and self.command in {"GET", "HEAD"}):
                raise RefusedError(401, "who-are-you")
            return
        text = "\n".join((bucket, name, *self.query.values()))
        expected = hmac.new(TOKEN.encode(), text.encode(), "sha256").hexdigest()
        fresh = float(self.query["expires"]) > time.time()
        if signature != expected or self.query["method"] != self.command or not fresh:
            raise RefusedError(403, "not-allowed")

    def respond_to(self, bucket: str = "", name: str = "") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        known = self.server.buckets.get(bucket)
        if name == "" and known is None and self.command == "PUT" and not self.query:
            self.server.buckets[bucket] = Bucket()
            return 201, {}, b""
        if bucket and known is None:
            raise RefusedError(404, "no-bucket")
        if known is None:
            names = sorted(name for name in self.server.buckets if name > self.query["after"])
            following = names[99] if len(names) > 100 else None
            return _json({"buckets": names[:100], "next": following})
        return self.of_object(known, name) if name else self.of_bucket(bucket, known)

    # ------------------------------------------------------------------ buckets

    def of_bucket(self, name: str, bucket: Bucket) -> tuple[int, dict[str, str], bytes]:
        if self.command == "PUT" and "public" not in self.query:
            raise RefusedError(409, "bucket-exists")
        if self.command == "PUT":
            bucket.public = True
        elif self.command == "DELETE":
            if bucket.objects or bucket.uploads:
                raise RefusedError(409, "bucket-not-empty")
            del self.server.buckets[name]
        elif self.command == "POST":
            for doomed in json.loads(self.content):
                bucket.objects.pop(doomed, None)
        elif "about" in self.query:
            sizes = [len(stored.content) for stored in bucket.objects.values()]
            return _json({"count": len(sizes), "size": sum(sizes), "created": bucket.created})
        elif "uploads" in self.query:
            begun = bucket.uploads.items()
            return _json(
                [{"id": key, "name": up[0], "begun": up[1].modified} for key, up in begun]
            )
        else:
            return self.listing(bucket)
        return _json({})

    def listing(self, bucket: Bucket) -> tuple[int, dict[str, str], bytes]:
        prefix, delimiter, last = (self.query[key] for key in ("prefix", "delimiter", "after"))
        items: list[dict[str, Any]] = []
        for name in sorted(name for name in bucket.objects if name.startswith(prefix)):
            end = name.find(delimiter, len(prefix)) + len(delimiter) if delimiter else -1
            shown = name[:end] if end >= len(prefix) + len(delimiter) and delimiter else name
            if shown <= last:
                continue
            if len(items) == int(self.query["limit"]):
                return _json({"items": items, "next": last})
            items.append(
                bucket.objects[name].document(name) if shown == name else {"prefix": shown}
            )
            last = shown
        return _json({"items": items, "next": None})

    # ------------------------------------------------------------------ objects

    def of_object(self, bucket: Bucket, name: str) -> tuple[int, dict[str, str], bytes]:
        digest = self.headers.get("content-md5")
        if digest and digest != base64.b64encode(hashlib.md5(self.content).digest()).decode():
            raise RefusedError(400, "bad-digest")
        if "begin" in self.query:
            key = f"u{next(self.server.numbers)}"
            bucket.uploads[key] = (name, self.stored(), {})
            return _json(key)
        if "upload" in self.query:
            return self.of_upload(bucket, name, self.query["upload"])
        stored = bucket.objects.get(name)
        self.require(stored)
        if self.command == "PUT":
            made = self.copied() if "from" in self.query else self.stored()
            return _json(self.server.keep(bucket, name, made))
        if self.command == "DELETE":
            bucket.objects.pop(name, None)
            return _json({})
        if stored is None:
            raise RefusedError(404, "no-object")
        if self.command == "PATCH":
            bucket.objects[name] = self.described(stored)
            return _json(bucket.objects[name].document(name))
        return _json(stored.document(name)) if "about" in self.query else self.content_of(stored)

    def of_upload(self, bucket: Bucket, name: str, key: str) -> tuple[int, dict[str, str], bytes]:
        if self.command == "DELETE":
            bucket.uploads.pop(key, None)
            return _json({})
        if key not in bucket.uploads:
            raise RefusedError(404, "no-upload")
        _, stored, parts = bucket.uploads[key]
        if self.command == "PUT":
            parts[int(self.query["part"])] = self.content
            return _json({"md5": hashlib.md5(self.content).hexdigest()})
        if self.command == "GET":
            return _json(list(self.rows(parts)))
        self.require(bucket.objects.get(name))
        content = b"".join(parts[number] for number in json.loads(self.content))
        del bucket.uploads[key]
        return _json(self.server.keep(bucket, name, replace(stored, content=content)))

    def rows(self, parts: Mapping[int, bytes]) -> Iterator[dict[str, Any]]:
        """Yield the description of each part of an upload."""
        offset = 0
        for number, part in sorted(parts.items()):
            md5 = hashlib.md5(part).hexdigest()
            yield {"number": number, "offset": offset, "size": len(part), "md5": md5}
            offset += len(part)

    def require(self, stored: Stored | None) -> None:
        """Reject the request if its condition does not hold."""
        if self.headers.get("if-none-match") == "*" and stored is not None:
            raise RefusedError(412, "exists")
        wanted = self.headers.get("if-match")
        if wanted is not None and (stored is None or wanted != f'"{stored.etag}"'):
            raise RefusedError(412, "changed")

    def stored(self) -> Stored:
        """Return the object that the request describes."""
        kind = self.headers.get("content-type") or "application/octet-stream"
        return Stored(self.content, kind, self.metadata(), self.headers.get("cache-control"))

    def metadata(self) -> dict[str, str]:
        pairs = ((name.lower(), value) for name, value in self.headers.items())
        return {name[7:]: unquote(value) for name, value in pairs if name[:7] == "x-meta-"}

    def described(self, stored: Stored) -> Stored:
        metadata = self.metadata() if "metadata" in self.query else stored.metadata
        return replace(
            stored, metadata=metadata, type=self.headers.get("content-type") or stored.type
        )

    def copied(self) -> Stored:
        bucket = self.server.buckets.get(self.query["from-bucket"])
        if bucket is None:
            raise RefusedError(404, "no-source-bucket")
        stored = bucket.objects.get(self.query["from"])
        if stored is None:
            raise RefusedError(404, "no-object")
        return self.described(stored)

    def content_of(self, stored: Stored) -> tuple[int, dict[str, str], bytes]:
        headers = {
            "etag": f'"{stored.etag}"', "x-md5": stored.md5, "x-modified": str(stored.modified),
            "content-type": stored.type,
            **{f"x-meta-{key}": quote(value, safe="") for key, value in stored.metadata.items()},
        }  # fmt: skip
        if stored.cache is not None:
            headers["cache-control"] = stored.cache
        if self.query.get("show-as"):
            headers["content-disposition"] = self.query["show-as"]
        size = len(stored.content)
        if "range" not in self.headers:
            return 200, headers, stored.content
        first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
        start, stop = int(first or max(0, size - int(last))), size
        if first and last:
            stop = min(size, int(last) + 1)
        if start >= size:
            raise RefusedError(416, "range")
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        return 206, headers, stored.content[start:stop]


def _json(value: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(value).encode()
