"""
Services that have one object with all attributes under every name, and accept every request.

They record the requests that a driver sends, and respond as the documentation of the service
says. Nothing is stored.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import zlib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from scripted import Play, Seen, Server, length_of, read_head, respond
from typing_extensions import override

MiB = 1024 * 1024
CONTENT = b"0123456789"
#: The ETag of the object on S3, Azure and Swift, and its generation at Google.
ETAG, GENERATION = "abc", "17"
UPLOAD_ID = "an-id"
WHEN = "Mon, 05 Jan 2026 12:00:00 GMT"
#: What is kept with the object, by the headers of a read.
KEPT = {
    "Content-Type": "text/x-fox",
    "Cache-Control": "no-cache",
    "Content-Disposition": "inline",
    "Content-Encoding": "br",
    "Content-Language": "de",
}
_IDS = {
    "x-amz-request-id": "R1",
    "x-ms-request-id": "R1",
    "x-guploader-uploadid": "R1",
    "x-trans-id": "R1",
}


class Sent:
    """
    A request, taken apart.

    Attributes:
        path: Decoded.
        text: The body; each byte is a character.
    """

    def __init__(self, seen: Seen) -> None:
        self.method, self.target, _ = seen.line.split(" ")
        path, _, query = self.target.partition("?")
        self.path = unquote(path)
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in seen.headers}
        self.body = seen.body
        self.text = seen.body.decode("latin-1")

    @override
    def __repr__(self) -> str:
        shown = {name: value for name, value in self.headers.items() if name != "authorization"}
        return f"{self.method} {self.target} {shown} {self.text[:400]!r}"


class RichServer(Server):
    """
    One of the services.

    Attributes:
        requested: All requests, in their order.
        content: That of every object.
        size: The size in responses without content, if it is another one.
        before: Gets each request first, and may return the response.
    """

    def __init__(self, label: str) -> None:
        self.requested: list[Sent] = []
        self.content = CONTENT
        self.size: int | None = None
        self.before: Callable[[Sent], Play | None] = lambda sent: None
        self.respond: Callable[[Sent], Play] = getattr(self, "_" + label.replace("-", "_"))
        super().__init__()

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        sent = Sent(Seen(head, stream.read(length_of(head)), number))
        with self._lock:
            self.requested.append(sent)
            play = self.before(sent) or self.respond(sent)
        peer.sendall(play.data)
        return play.then == "keep"

    def _object(self, sent: Sent, more: Mapping[str, str]) -> Play:
        """Respond to a read of the object, or of a range of it."""
        headers = {**_IDS, **KEPT, "Last-Modified": WHEN, **more}
        content, status = self.content, 200
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", sent.headers.get("range", ""))
        if span:
            start, stop = int(span[1]), min(int(span[2] or 10**12) + 1, len(content))
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
            content, status = content[start:stop], 206
        found = play(status, headers, content)
        if sent.method == "HEAD":
            head = found.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            size = len(content) if self.size is None else self.size
            found.data = head.replace(b"Length: %d" % len(content), b"Length: %d" % size)
        return found

    # ------------------------------------------------------------------ the dialects of S3

    def _s3(self, sent: Sent) -> Play:
        return self._dialect(sent, "x-amz-", {"ETag": f'"{ETAG}"', "x-amz-version-id": "v1"})

    def _gcs_hmac(self, sent: Sent) -> Play:
        if sent.headers.get("x-goog-resumable") == "start":
            return play(201, {**_IDS, "Location": f"{self.url}/session?upload_id=1"})
        if sent.path == "/session":
            return self._session(sent, lambda: self._written(sent))
        fields = {
            "ETag": '"x"', "x-goog-generation": GENERATION,
            "x-goog-stored-content-encoding": KEPT["Content-Encoding"],
        }  # fmt: skip
        return self._dialect(sent, "x-goog-", fields)

    def _dialect(self, sent: Sent, vendor: str, own: Mapping[str, str]) -> Play:
        query, name = sent.query, sent.path.count("/") > 1
        if "delete" in query:
            return xml("DeleteResult", "")
        if "tagging" in query:
            return xml("Tagging", "<TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet>")
        if sent.method == "POST" and "uploads" in query:
            return xml("InitiateMultipartUploadResult", f"<UploadId>{UPLOAD_ID}</UploadId>")
        if sent.method == "POST":
            tags = re.findall(r"<ETag>&quot;(\w+)&quot;", sent.text) or re.findall(
                r'<ETag>"(\w+)"', sent.text
            )
            digest = hashlib.md5(b"".join(map(bytes.fromhex, tags))).hexdigest()
            whole = f"<ETag>&quot;{digest}-{len(tags)}&quot;</ETag>"
            return xml("CompleteMultipartUploadResult", whole, **{"x-amz-version-id": "v2"})
        if sent.method == "GET" and (not name or "uploadId" in query):
            return _pages_of_s3(sent)
        if sent.method == "PUT" and f"{vendor}copy-source" in sent.headers:
            part = "uploadId" in query
            root, etag = ("CopyPartResult", "0" * 32) if part else ("CopyObjectResult", ETAG)
            return xml(root, f"<ETag>&quot;{etag}&quot;</ETag>", **{
                "x-amz-version-id": "v2", "x-goog-generation": "18"
            })  # fmt: skip
        if sent.method == "PUT":
            return self._written(sent)
        if sent.method == "DELETE":
            return play(204, _IDS)
        kept = {
            f"{vendor}meta-owner": "me", f"{vendor}storage-class": "NEARLINE",
            "x-amz-tagging-count": "1", "x-amz-website-redirect-location": "/there",
            "x-goog-custom-time": "2026-01-02T03:04:05Z",
        }  # fmt: skip
        if vendor == "x-goog-":
            kept["x-goog-hash"] = f"md5={_md5(self.content)}"
            kept["x-goog-stored-content-length"] = str(len(self.content))
        return self._object(sent, {**own, **kept})

    def _written(self, sent: Sent) -> Play:
        return play(200, {
            **_IDS, "ETag": f'"{hashlib.md5(sent.body).hexdigest()}"', "x-amz-version-id": "v2",
            "x-goog-generation": "18",
        })  # fmt: skip

    # ------------------------------------------------------------------ Azure

    def _azure(self, sent: Sent) -> Play:
        query = sent.query
        if query.get("comp") == "list":
            return _pages_of_azure(sent)
        if query.get("comp") == "blocklist" and sent.method == "GET":
            return play(200, _IDS, b"<BlockList><UncommittedBlocks/></BlockList>")
        if query.get("comp") == "acl":
            return play(200, _IDS, b"<SignedIdentifiers>kept</SignedIdentifiers>")
        written = {**_IDS, "ETag": '"new"', "Last-Modified": WHEN, "x-ms-version-id": "v2"}
        if sent.method == "PUT":
            if query.get("comp") in {"metadata", "properties"}:
                return play(200, written)
            if "x-ms-copy-source" in sent.headers and "comp" not in query:
                return play(202, {**written, "x-ms-copy-status": "success", "x-ms-copy-id": "1"})
            return play(201, {**written, "Content-MD5": _md5(sent.body)})
        if sent.method == "DELETE":
            return play(202, _IDS)
        if sent.method == "POST":
            return play(501, {**_IDS, "x-ms-error-code": "NotImplemented"})
        more = {
            "ETag": f'"{ETAG}"', "x-ms-meta-owner": "me", "x-ms-access-tier": "Cool",
            "x-ms-blob-type": "BlockBlob", "x-ms-version-id": "v1",
            "x-ms-blob-content-md5": _md5(self.content),
        }  # fmt: skip
        return self._object(sent, more)

    # ------------------------------------------------------------------ Google

    def _gcs(self, sent: Sent) -> Play:
        if not sent.path.startswith(("/storage/", "/upload/", "/batch/", "/session")):
            return self._gcs_hmac(sent)
        if sent.path.startswith("/batch/"):
            return play(404, _IDS, b'{"error": {"code": 404, "message": "Not Found"}}')
        if sent.query.get("uploadType") == "resumable":
            return play(200, {**_IDS, "Location": f"{self.url}/session?upload_id=1"})
        if sent.path == "/session":
            return self._session(sent, lambda: said_json(self._resource(generation="18")))
        if sent.query.get("uploadType") == "multipart":
            document = json.loads(sent.text.split("\r\n\r\n")[1].partition("\r\n")[0])
            return said_json(self._resource(**{**document, "generation": "18"}))
        if "/rewriteTo/" in sent.path:
            name = sent.path.rpartition("/")[2]
            return said_json(
                {"done": True, "resource": self._resource(name=name, generation="18")}
            )
        if sent.method == "DELETE":
            return play(204, _IDS)
        if sent.path.endswith("/o") and sent.method == "GET":
            return _pages_of_google(sent)
        if sent.path.count("/") <= 4 and sent.method == "GET":
            first = "pageToken" not in sent.query
            if sent.path.endswith("/b"):
                row = {"name": "bucket-1" if first else "bucket-2"}
                return said_json({"items": [row], **({"nextPageToken": "more"} if first else {})})
            return said_json({"name": "bucket", "timeCreated": "2026-01-05T12:00:00Z"})
        if sent.query.get("alt") == "media":
            more = {
                "x-goog-generation": GENERATION, "x-goog-hash": f"md5={_md5(self.content)}",
                "x-goog-stored-content-length": str(len(self.content)),
                "x-goog-stored-content-encoding": KEPT["Content-Encoding"],
            }  # fmt: skip
            return self._object(sent, more)
        return said_json(self._resource())

    def _resource(self, **more: Any) -> dict[str, Any]:
        kept = {
            f"{name[0].lower()}{name[1:].replace('-', '')}": value for name, value in KEPT.items()
        }
        return {
            "name": "name", "size": str(len(self.content)), "generation": GENERATION,
            "metageneration": "3", "md5Hash": _md5(self.content), **kept,
            "metadata": {"owner": "me"}, "customTime": "2026-01-02T03:04:05Z",
            "storageClass": "NEARLINE", "updated": "2026-01-05T12:00:00Z", **more,
        }  # fmt: skip

    def _session(self, sent: Sent, done: Callable[[], Play]) -> Play:
        if sent.method == "DELETE":
            return play(499, _IDS)
        span, _, total = sent.headers["content-range"].removeprefix("bytes ").partition("/")
        if total != "*":
            return done()
        return play(308, {**_IDS, "Range": f"bytes=0-{span.partition('-')[2]}"})

    # ------------------------------------------------------------------ Swift

    def _swift(self, sent: Sent) -> Play:
        if sent.path == "/info":
            return play(200, {}, json.dumps({"slo": {}, "swift": {}}).encode())
        if sent.method == "GET" and "format" in sent.query:
            return _pages_of_swift(sent)
        if sent.query.get("multipart-manifest") == "put":
            digests = "".join(entry["etag"] for entry in json.loads(sent.body))
            return self._put(hashlib.md5(digests.encode()).hexdigest())
        if sent.method == "PUT" and "x-copy-from" in sent.headers:
            return self._put(ETAG if "range" not in sent.headers else "0" * 32)
        if sent.method == "PUT":
            return self._put(hashlib.md5(sent.body).hexdigest())
        if sent.method in {"POST", "DELETE"}:
            return play(204 if sent.method == "DELETE" else 202, _IDS)
        if sent.path.count("/") == 2:
            return play(204, {**_IDS, "x-account-bytes-used": "0"})
        if sent.path.count("/") == 3:
            return play(204, {**_IDS, "x-container-object-count": "0"})
        more = {
            "ETag": ETAG, "x-object-meta-owner": "me", "x-delete-at": "1900000000",
            "x-object-version-id": "v1", "x-timestamp": "1767614400.00000",
        }  # fmt: skip
        return self._object(sent, more)

    def _put(self, etag: str) -> Play:
        return play(201, {**_IDS, "ETag": etag, "x-object-version-id": "v2"})


# ---------------------------------------------------------------------- responses


def play(status: int, headers: Mapping[str, str], body: bytes = b"") -> Play:
    return respond(body, status, **{name.replace("-", "_"): headers[name] for name in headers})


def xml(root: str, inside: str, **headers: str) -> Play:
    body = f"<?xml version='1.0'?><{root}>{inside}</{root}>".encode()
    return play(200, {**_IDS, "Content-Type": "application/xml", **headers}, body)


def said_json(document: object) -> Play:
    return play(200, {**_IDS, "Content-Type": "application/json"}, json.dumps(document).encode())


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def crc32(content: bytes) -> str:
    """Return a CRC-32 as S3 has it."""
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


# Two pages of everything, and the name at the end of the first is the one at the beginning of the
# second: a listing that continues after the name alone would repeat one, or omit it.


def _pages_of_s3(sent: Sent) -> Play:
    query = sent.query
    if "uploads" in query:
        first = "key-marker" not in query
        more = "<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
        rows = f"<Upload><Key>a</Key><UploadId>{1 if first else 2}</UploadId></Upload>"
        root = "ListMultipartUploadsResult"
    elif "uploadId" in query:
        first = "part-number-marker" not in query
        more = "<NextPartNumberMarker>1</NextPartNumberMarker>"
        number = 1 if first else 2
        rows = f"<Part><PartNumber>{number}</PartNumber><Size>5</Size><ETag>e</ETag></Part>"
        root = "ListPartsResult"
    elif "versions" in query:
        first = "key-marker" not in query and "marker" not in query
        more = (
            "<NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>"
            "<NextMarker>a</NextMarker><NextGenerationMarker>1</NextGenerationMarker>"
        )
        number = 1 if first else 2
        rows = (
            f"<Version><Key>a</Key><VersionId>{number}</VersionId>"
            f"<Generation>{number}</Generation></Version>"
        )
        root = "ListVersionsResult"
    elif sent.path == "/":
        first = "continuation-token" not in query
        more = "<ContinuationToken>more</ContinuationToken>"
        rows = f"<Buckets><Bucket><Name>bucket-{1 if first else 2}</Name></Bucket></Buckets>"
        root = "ListAllMyBucketsResult"
    else:
        first = "continuation-token" not in query
        more = "<NextContinuationToken>more</NextContinuationToken>"
        rows = f"<Contents><Key>{'a' if first else 'b'}</Key><Size>1</Size></Contents>"
        root = "ListBucketResult"
    cut = f"<IsTruncated>true</IsTruncated>{more}" if first else "<IsTruncated>false</IsTruncated>"
    return xml(root, cut + rows)


def _pages_of_azure(sent: Sent) -> Play:
    first = "marker" not in sent.query
    more = f"<NextMarker>{'more' if first else ''}</NextMarker>"
    number = 1 if first else 2
    if sent.query.get("restype") != "container":
        rows = f"<Containers><Container><Name>box-{number}</Name></Container></Containers>"
    else:
        rows = (
            f"<Blobs><Blob><Name>a</Name><VersionId>v{number}</VersionId>"
            "<Properties><Etag>x</Etag></Properties></Blob></Blobs>"
            if "include" in sent.query
            else f"<Blobs><Blob><Name>{'a' if first else 'b'}</Name></Blob></Blobs>"
        )
    return xml("EnumerationResults", rows + more)


def _pages_of_google(sent: Sent) -> Play:
    first = "pageToken" not in sent.query
    row = {"name": "a", "generation": "1" if first else "2"}
    if "versions" not in sent.query:
        row["name"] = "a" if first else "b"
    return said_json({"items": [row], **({"nextPageToken": "more"} if first else {})})


def _pages_of_swift(sent: Sent) -> Play:
    query = sent.query
    number = 2 if "marker" in query else 1
    if query.get("marker", "").endswith(("b", "2")) or query.get("version_marker") == "2":
        rows = []
    elif "versions" in query:
        rows = [{"name": "a", "version_id": str(2 if "version_marker" in query else 1)}]
    elif query.get("prefix") == "uploads/":
        kind = "application/octet-stream;libstore-name=a"
        rows = [{"name": f"uploads/{number}", "content_type": kind}]
    else:
        rows = [{"name": "a" if number == 1 else "b", "hash": "x", "bytes": 1}]
    return play(200, _IDS, json.dumps(rows).encode())


# ---------------------------------------------------------------------- what was sent


def fits(line: str, sent: Sent) -> bool:
    """
    Return whether a request is like a line: ``PUT /path?a=b | header: value | !header | ~text``.

    The path is decoded. Of the parameters, those that are named must be there. ``*`` stands for
    any value, or piece of the path, ``!`` for none, ``~`` for a piece of the body.
    """
    first, *rest = line.split(" | ")
    method, _, target = first.partition(" ")
    parts = urlsplit(target)
    wanted = dict(parse_qsl(parts.query, keep_blank_values=True))
    return (
        sent.method == method
        and fnmatchcase(sent.path, unquote(parts.path))
        and all(_is(sent.query.get(name), value) for name, value in wanted.items())
        and all(_has(sent, piece) for piece in rest)
    )


def _is(found: str | None, wanted: str) -> bool:
    return found is not None and wanted in {"*", found}


def _has(sent: Sent, piece: str) -> bool:
    if piece.startswith("~"):
        return piece[1:] in sent.text
    if piece.startswith("!"):
        name = piece[1:]
        return name not in (sent.query if name.startswith("?") else sent.headers)
    name, _, value = piece.partition(": ")
    return _is(sent.headers.get(name), value)


def missing(server: RichServer, lines: str) -> list[str]:
    """Return those of the lines that no request was like; the order counts."""
    found = []
    left = list(server.requested)
    for line in filter(None, map(str.strip, lines.splitlines())):
        place = next((number for number, sent in enumerate(left) if fits(line, sent)), None)
        if place is None:
            found.append(line)
        else:
            left = left[place + 1 :]
    return found
