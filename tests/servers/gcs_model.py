"""
Google Cloud Storage as its documentation describes it, for what no emulator does.

Conditions on everything, sessions that report their progress, tokens that expire, signatures that
are compared, the XML API with its uploads in parts. It was written here, so it shows that the
driver keeps to the documentation as we read it, and no more; the emulators of `servers.gcs` were
written by others.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from libstore.transfer.crc import crc_function

KEY, SECRET = "GOOGKEYOFTESTS", "a-secret/of+tests"


class RefusedError(Exception):
    """An error response."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass
class Stored:
    """One generation of an object."""

    name: str
    data: bytes
    generation: int
    fields: dict[str, Any]
    metageneration: int = 1
    composite: bool = False
    public: bool = False
    moment: float = field(default_factory=time.time)

    @property
    def digests(self) -> dict[str, str]:
        crc = crc_function("crc32c")(memoryview(self.data), 0).to_bytes(4, "big")
        found = {"crc32c": base64.b64encode(crc).decode()}
        if not self.composite:
            found["md5"] = base64.b64encode(hashlib.md5(self.data).digest()).decode()
        return found

    @property
    def updated(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.moment))

    def resource(self, bucket: str) -> dict[str, Any]:
        digests = self.digests
        found = {
            "storageClass": "STANDARD",
            **self.fields,
            "kind": "storage#object",
            "name": self.name,
            "bucket": bucket,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "crc32c": digests["crc32c"],
            "updated": self.updated,
            "etag": "CAE=",
        }
        if "md5" in digests:
            found["md5Hash"] = digests["md5"]
        return found


@dataclass
class Bucket:
    name: str
    fields: dict[str, Any]
    versions: dict[str, list[Stored]] = field(default_factory=dict)
    live: dict[str, Stored] = field(default_factory=dict)
    policy: list[dict[str, Any]] = field(default_factory=list)
    default_public: bool = False

    @property
    def public(self) -> bool:
        return any("allUsers" in one["members"] for one in self.policy)

    def publish(self, stored: Stored) -> Stored:
        if not self.fields.get("versioning", {}).get("enabled"):
            self.versions[stored.name] = []
        self.versions.setdefault(stored.name, []).append(stored)
        self.live[stored.name] = stored
        stored.public = stored.public or self.default_public
        return stored

    def drop(self, name: str, generation: int | None) -> None:
        known = self.versions.get(name, [])
        if generation is None:
            stored = self.live.pop(name, None)
            if not self.fields.get("versioning", {}).get("enabled") and stored in known:
                known.remove(stored)
        else:
            known[:] = [one for one in known if one.generation != generation]
            if name in self.live and self.live[name].generation == generation:
                del self.live[name]
        if not known:
            self.versions.pop(name, None)


@dataclass
class Session:
    bucket: str
    name: str
    fields: dict[str, Any]
    query: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    done: Stored | None = None


@dataclass
class Parts:
    bucket: str
    name: str
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)
    begun: str = field(
        default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    )


class Model:
    """
    The service.

    Attributes:
        tokens: Those that are accepted; `None` accepts everybody.
        before: Is shown each request first; it may raise `RefusedError`, or return how many bytes
            of the response are sent before the connection is cut (0 for none, after it was done).
        verify: Returns whether an account has signed a text.
        seen: Method and target of each request.
        headers: Those of each request.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.sessions: dict[str, Session] = {}
        self.uploads: dict[str, Parts] = {}
        self.tokens: set[str] | None = None
        self.before: Callable[[Request], int | None] | None = None
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.verify: Callable[[str, bytes, bytes], bool] = lambda who, text, signature: False
        self.lock = threading.RLock()
        self.url = ""
        self._numbers = itertools.count(1_700_000_000_000_001)

    def generation(self) -> int:
        return next(self._numbers)

    def bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise RefusedError(404, "notFound", "The specified bucket does not exist.")
        return self.buckets[name]

    def stored(self, bucket: str, name: str, query: dict[str, str]) -> Stored:
        """Return the object that a request is about."""
        box = self.bucket(bucket)
        found = box.live.get(name)
        if "generation" in query:
            versions = box.versions.get(name, [])
            found = next(
                (one for one in versions if str(one.generation) == query["generation"]), None
            )
        if found is None:
            raise RefusedError(404, "notFound", f"No such object: {bucket}/{name}")
        return found

    def check(self, current: Stored | None, query: dict[str, str], prefix: str = "if") -> None:
        """Compare conditions with what is there."""
        for condition, number in (
            (f"{prefix}GenerationMatch", current.generation if current else 0),
            (f"{prefix}MetagenerationMatch", current.metageneration if current else 0),
        ):
            if condition in query and query[condition] != str(number):
                raise RefusedError(
                    412, "conditionNotMet", "At least one of the pre-conditions did not hold."
                )

    def write(
        self,
        bucket: str,
        name: str,
        data: bytes,
        fields: dict[str, Any],
        query: dict[str, str],
        **more: Any,
    ) -> Stored:
        with self.lock:
            box = self.bucket(bucket)
            self.check(box.live.get(name), query)
            kept = {one: value for one, value in fields.items() if one not in {"name", "bucket"}}
            wanted = {"md5": kept.pop("md5Hash", None), "crc32c": kept.pop("crc32c", None)}
            stored = Stored(name, bytes(data), self.generation(), kept, **more)
            compare(stored, wanted)
            stored.public = stored.public or query.get("predefinedAcl") == "publicRead"
            return box.publish(stored)


def compare(stored: Stored, wanted: dict[str, str | None]) -> None:
    """Refuse what does not have the digests that were announced."""
    for algorithm, digest in wanted.items():
        if digest is not None and stored.digests.get(algorithm, digest) != digest:
            raise RefusedError(
                400,
                "invalid",
                f"Provided {algorithm.upper()} hash {digest!r} doesn't match calculated"
                f" {stored.digests[algorithm]!r}.",
            )


@dataclass
class Request:
    """One request, and what is made of its target."""

    model: Model
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def __post_init__(self) -> None:
        raw, _, query = self.target.partition("?")
        self.path = raw
        self.pieces = [unquote(piece) for piece in raw.split("/")[1:]]
        self.query = dict(parse_qsl(query, keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def media(request: Request, stored: Stored) -> Reply:
    """Return an object's bytes, or a range of them."""
    data, status = stored.data, 200
    headers = {
        "Content-Type": stored.fields.get("contentType", "application/octet-stream"),
        "ETag": '"CAE="',
        "Last-Modified": formatdate(stored.moment, usegmt=True),
        "X-Goog-Generation": str(stored.generation),
        "X-Goog-Metageneration": str(stored.metageneration),
        "X-Goog-Hash": ",".join(f"{name}={one}" for name, one in stored.digests.items()),
        "X-Goog-Stored-Content-Length": str(len(data)),
        "X-Goog-Storage-Class": stored.fields.get("storageClass", "STANDARD"),
        "X-Goog-Stored-Content-Encoding": stored.fields.get("contentEncoding", "identity"),
    }
    for theirs, header in (
        ("contentEncoding", "Content-Encoding"),
        ("contentDisposition", "Content-Disposition"),
        ("contentLanguage", "Content-Language"),
        ("cacheControl", "Cache-Control"),
    ):
        if theirs in stored.fields:
            headers[header] = stored.fields[theirs]
    if headers.get("Content-Encoding") == "gzip" and "gzip" not in request.headers.get(
        "accept-encoding", ""
    ):
        # Decompressive transcoding: ranges are passed over then.
        del headers["Content-Encoding"]
        return Reply(200, gzip.decompress(data), headers)
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if match:
        start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
        if start >= len(data):
            raise RefusedError(
                416, "requestedRangeNotSatisfiable", "Request range not satisfiable"
            )
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        data, status = data[start:stop], 206
    return Reply(status, data, headers)


def _listed(box: Bucket, stored: Stored) -> dict[str, Any]:
    """Return a resource; one that is not current has the time at which it was replaced."""
    found = stored.resource(box.name)
    # https://cloud.google.com/storage/docs/json_api/v1/objects#resource
    if box.live.get(stored.name) is not stored:
        found["timeDeleted"] = stored.updated
    return found


def listing(box: Bucket, query: dict[str, str], versions: bool) -> dict[str, Any]:
    """Return a page: names after a token, folded at a delimiter."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    start = query.get("startOffset", "")
    token = base64.b64decode(query["pageToken"]).decode() if "pageToken" in query else None
    limit = min(int(query.get("maxResults", 1000)), 1000)
    found: dict[str, list[Stored]] = {}
    for name in sorted(box.versions if versions else box.live):
        if not name.startswith(prefix) or name < start:
            continue
        rest = name[len(prefix) :]
        folded = bool(delimiter) and delimiter in rest
        shown = prefix + rest.partition(delimiter)[0] + delimiter if folded else name
        if token is None or shown > token:
            here = found.setdefault(shown, [])
            if not folded:
                here += box.versions[name] if versions else [box.live[name]]
    names = sorted(found)
    page = names[:limit]
    response: dict[str, Any] = {
        "items": [_listed(box, one) for name in page for one in found[name]],
        "prefixes": [name for name in page if not found[name]],
    }
    if len(names) > limit:
        response["nextPageToken"] = base64.b64encode(page[-1].encode()).decode()
    return response


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Model
    respond: Callable[[Request], Reply]
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        return

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(self.model, self.command, self.path, headers, body)
        self.model.seen.append(f"{self.command} {self.path}")
        self.model.headers.append(headers)
        cut: int | None = None
        try:
            if self.model.before is not None:
                cut = self.model.before(request)
            reply = type(self).respond(request)
        except RefusedError as refused:
            error = {"reason": refused.reason, "message": refused.message, "domain": "global"}
            about = {"code": refused.status, "message": refused.message, "errors": [error]}
            reply = json_reply({"error": about}, refused.status)
        self._send(reply, cut)

    def _send(self, reply: Reply, cut: int | None) -> None:
        if cut == 0:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("X-GUploader-UploadID", "REQUEST1")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD" and reply.status != 204:
            self.wfile.write(reply.body if cut is None else reply.body[:cut])
        if cut is not None:
            self.close_connection = True


for _method in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"):
    setattr(_Handler, f"do_{_method}", _Handler._serve)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that clients drop."""


@contextmanager
def serve(model: Model, respond: Callable[[Request], Reply]) -> Iterator[Model]:
    """Serve requests on a free port."""
    kind = type("Handler", (_Handler,), {"model": model, "respond": staticmethod(respond)})
    server = _Server(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
