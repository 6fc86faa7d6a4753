"""Proper responses of all services, and what may become of them on their way."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import socket
from typing import BinaryIO, TypeAlias

from scripted import Server, length_of, read_head
from typing_extensions import override

CONTENT = b"content of an object" * 50
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5_64 = base64.b64encode(bytes.fromhex(MD5)).decode()
ISO = "2026-01-31T23:59:59.000Z"
HTTP = "Sat, 31 Jan 2026 23:59:59 GMT"
#: Stands for the server's own address.
HERE = "http://here"

Reply: TypeAlias = tuple[int, dict[str, str], bytes]

# ---------------------------------------------------------------------- proper responses


def _xml(root: str, inside: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?>\n<{root}>{inside}</{root}>".encode()


_BLOCKED = "<BlockPublicAcls>true</BlockPublicAcls>"
_UPLOAD = f"<Upload><Key>a</Key><UploadId>u</UploadId><Initiated>{ISO}</Initiated></Upload>"
_VERSION = "<Version><Key>a</Key><VersionId>1</VersionId></Version>"
_PART = f"<Part><PartNumber>1</PartNumber><Size>5</Size><ETag>{MD5}</ETag></Part>"
_BUCKET = f"<Bucket><Name>bucket</Name><CreationDate>{ISO}</CreationDate></Bucket>"
_FAILED = "<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
_ROWS = "".join(
    f"<Contents><Key>{key}</Key><Size>5</Size><LastModified>{ISO}</LastModified>"
    f"<ETag>&quot;{MD5}&quot;</ETag><StorageClass>STANDARD</StorageClass></Contents>"
    for key in "abc"
)
_LAST = "<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
_PREFIX = "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"
#: By method and the name of the first parameter, or of the one that says most.
_S3 = {
    ("POST", "delete"): _xml("DeleteResult", _FAILED),
    ("POST", "uploads"): _xml("InitiateMultipartUploadResult", "<UploadId>u</UploadId>"),
    ("POST", "uploadId"): _xml("CompleteMultipartUploadResult", f"<ETag>{MD5}-2</ETag>"),
    ("GET", "uploadId"): _xml("ListPartsResult", _PART + _LAST),
    ("GET", "uploads"): _xml("ListMultipartUploadsResult", _UPLOAD + _LAST),
    ("GET", "versions"): _xml("ListVersionsResult", _VERSION + _LAST),
    ("GET", "publicAccessBlock"): _xml("PublicAccessBlockConfiguration", _BLOCKED),
    ("GET", "location"): _xml("LocationConstraint", "us-east-1"),
    ("GET", "policy"): b'{"Version": "2012-10-17", "Statement": []}',
}


def _s3(method: str, path: str, query: str) -> Reply:
    head = {"x-amz-request-id": "R1", "content-type": "application/xml", "date": HTTP,
            "x-amz-bucket-region": "us-east-1"}  # fmt: skip
    names = [pair.partition("=")[0] for pair in query.split("&")]
    body = next((_S3[method, name] for name in names if (method, name) in _S3), None)
    if body is None and path in {"", "/"}:
        body = _xml("ListAllMyBucketsResult", f"<Buckets>{_BUCKET}</Buckets>")
    if body is None and path.count("/") == 1 and method == "GET":
        body = _xml("ListBucketResult", _LAST + _ROWS + _PREFIX)
    if body is not None:
        return 200, head, body
    return _object(method, {
        **head, "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE",
        "x-amz-meta-key": "=?UTF-8?B?w7w=?=", "x-amz-version-id": "v1",
        "x-amz-mp-parts-count": "1", "x-goog-generation": "5", "x-goog-hash": f"md5={MD5_64}",
    })  # fmt: skip


def _object(method: str, head: dict[str, str]) -> Reply:
    fields = {**head, "etag": f'"{MD5}"', "last-modified": HTTP, "content-type": "text/plain",
            "accept-ranges": "bytes"}  # fmt: skip
    if method in {"GET", "HEAD"}:
        return 200, {**fields, "content-length": str(len(CONTENT))}, CONTENT
    return (204 if method == "DELETE" else 200), fields, b""


def _azure(method: str, path: str, query: str) -> Reply:
    head = {"x-ms-request-id": "R1", "content-type": "application/xml", "date": HTTP,
            "etag": '"0x1"', "last-modified": HTTP, "x-ms-version": "2021-12-02"}  # fmt: skip
    if "comp=userdelegationkey" in query:
        return 200, head, _xml("UserDelegationKey", "<SignedOid>o</SignedOid><SignedTid>t"
                               f"</SignedTid><SignedStart>{ISO}</SignedStart><SignedExpiry>"
                               "2099-01-01T00:00:00Z</SignedExpiry><SignedService>b"
                               "</SignedService><SignedVersion>2021-12-02</SignedVersion>"
                               "<Value>a2V5</Value>")  # fmt: skip
    if "comp=batch" in query:
        body = ("--b\r\nContent-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--b\r\nContent-ID: 1"
                "\r\n\r\nHTTP/1.1 404 Gone\r\n\r\nBlobNotFound\r\n--b--")  # fmt: skip
        return 202, {**head, "content-type": "multipart/mixed; boundary=b"}, body.encode()
    if "comp=blocklist" in query and method == "GET":
        block = base64.b64encode(b"ls00000000" + b"0" * 16 + b"-00001").decode()
        return 200, head, _xml("BlockList", f"<UncommittedBlocks><Block><Name>{block}</Name>"
                               "<Size>5</Size></Block></UncommittedBlocks>")  # fmt: skip
    if "comp=list" in query and "restype=container" in query:
        rows = "".join(
            f"<Blob><Name Encoded='true'>{key}</Name><Properties><Content-Length>5"
            f"</Content-Length><Last-Modified>{HTTP}</Last-Modified><Etag>0x1</Etag><Content-MD5>"
            f"{MD5_64}</Content-MD5><BlobType>BlockBlob</BlobType><Creation-Time>{HTTP}"
            "</Creation-Time></Properties></Blob>"
            for key in "abc"
        )
        return 200, head, _xml("EnumerationResults", f"<Blobs>{rows}<BlobPrefix><Name>p/</Name>"
                               "</BlobPrefix></Blobs><NextMarker/>")  # fmt: skip
    if "comp=list" in query:
        return 200, head, _xml("EnumerationResults", "<Containers><Container><Name>bucket</Name>"
                               f"<Properties><Last-Modified>{HTTP}</Last-Modified></Properties>"
                               "</Container></Containers><NextMarker/>")  # fmt: skip
    status, fields, body_ = _object(method, {
        **head, "content-md5": MD5_64, "x-ms-blob-type": "BlockBlob", "x-ms-meta-key": "value",
        "x-ms-creation-time": HTTP, "x-ms-copy-status": "success", "x-ms-copy-id": "i",
        "x-ms-blob-public-access": "blob", "x-ms-request-server-encrypted": "true",
    })  # fmt: skip
    return {"PUT": 201, "DELETE": 202}.get(method, status), fields, body_


_FOUND = {
    "name": "name", "size": str(len(CONTENT)), "generation": "5", "metageneration": "1",
    "updated": ISO, "md5Hash": MD5_64, "crc32c": "AAAAAA==", "contentType": "text/plain",
    "metadata": {"a": "b"}, "storageClass": "STANDARD", "etag": "CAE=", "componentCount": 2,
}  # fmt: skip
_REWRITTEN = {
    "done": True, "resource": _FOUND, "totalBytesRewritten": "5", "objectSize": "5",
}  # fmt: skip
_BATCH = (
    "--b\r\nContent-ID: <response-1>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    "--b\r\nContent-ID: <response-2>\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n"
    '{"error": {"code": 404}}\r\n'
    "--b\r\nContent-ID: <response-3>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n--b--"
)


def _gcs(method: str, path: str, query: str) -> Reply:
    head = {"x-guploader-uploadid": "R1", "content-type": "application/json; charset=UTF-8",
            "date": HTTP}  # fmt: skip
    if path.startswith("/batch"):
        return 200, {**head, "content-type": "multipart/mixed; boundary=b"}, _BATCH.encode()
    if "uploadType=resumable" in query:
        return 200, {**head, "location": "http://127.0.0.1/upload/s?upload_id=1"}, b""
    if "upload_id" in query:
        return 308, {**head, "range": "bytes=0-262143"}, b""
    if "alt=media" in query or (method == "GET" and path.startswith("/bucket")):
        return _object(method, {
            **head, "x-goog-hash": f"md5={MD5_64}", "x-goog-generation": "5",
            "x-goog-stored-content-length": str(len(CONTENT)), "x-goog-metageneration": "1",
        })  # fmt: skip
    document: object = _FOUND
    if path.endswith("/o") and method == "GET":
        document = {"items": [{**_FOUND, "name": name} for name in "abc"], "prefixes": ["p/"]}
    elif path.endswith("/b") and method == "GET":
        bucket = {"name": "bucket", "timeCreated": ISO, "location": "EU", "labels": {"a": "b"}}
        document = {"items": [bucket]}
    elif "/rewriteTo/" in path or "/copyTo/" in path:
        document = _REWRITTEN
    elif path.endswith("/iam"):
        document = {"bindings": [{"role": "r", "members": ["m"]}], "etag": "e"}
    deleted = method == "DELETE"
    return (204, head, b"") if deleted else (200, head, json.dumps(document).encode())


def _swift(method: str, path: str, query: str) -> Reply:
    head = {"x-trans-id": "R1", "x-openstack-request-id": "R1", "date": HTTP,
            "x-timestamp": "1800000000.12345", "content-type": "application/json"}  # fmt: skip
    if path == "/info":
        document = {
            "swift": {"container_listing_limit": 100, "max_file_size": 5_000_000_000},
            "slo": {"max_manifest_segments": 100},
            "tempurl": {"methods": ["GET"], "allowed_digests": ["sha256"]},
            "bulk_delete": {"max_deletes_per_request": 9},
        }
        return 200, head, json.dumps(document).encode()
    if "bulk-delete" in query:
        document = {
            "Number Deleted": 2,
            "Number Not Found": 1,
            "Errors": [],
            "Response Status": "200",
        }
        return 200, head, json.dumps(document).encode()
    depth = path.rstrip("/").count("/")
    if method == "GET" and depth == 2:
        rows = [] if "marker" in query else [{"name": "bucket", "count": 1, "bytes": 2}]
        return 200, head, json.dumps(rows).encode()
    if method == "GET" and depth == 3:
        row = {"hash": MD5, "bytes": 5, "last_modified": "2026-01-31T23:59:59.000000",
               "content_type": "text/plain"}  # fmt: skip
        rows = [{**row, "name": name} for name in ("a", "b", "00001")] + [{"subdir": "p/"}]
        return 200, head, json.dumps([] if "marker" in query else rows).encode()
    if "multipart-manifest=get" in query:
        rows = [{"name": "/s/a", "hash": MD5, "bytes": 5, "content_type": "text/plain"}]
        return 200, {**head, "x-static-large-object": "True"}, json.dumps(rows).encode()
    status, fields, body = _object(method, {
        **head, "x-delete-at": "1900000000", "x-object-meta-key": "value",
        "x-container-object-count": "3", "x-container-bytes-used": "5",
        "x-container-meta-temp-url-key": "key", "x-account-meta-temp-url-key": "key",
    })  # fmt: skip
    if method == "HEAD" and depth < 4:
        fields["content-length"] = "0"
    return {"PUT": 201, "POST": 202}.get(method, status), fields, body


def _swift_v3(method: str, path: str, query: str) -> Reply:
    if path != "/v3/auth/tokens":
        return _swift(method, path, query)
    endpoint = {"interface": "public", "region": "r", "region_id": "r", "url": f"{HERE}/v1/AUTH_a"}
    document = {"expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": ISO,
            "catalog": [{"type": "object-store", "endpoints": [endpoint]}]}  # fmt: skip
    head = {"x-subject-token": "a-token-of-the-caller", "content-type": "application/json"}
    return 201, head, json.dumps({"token": document}).encode()


def _swift_v1(method: str, path: str, query: str) -> Reply:
    if path != "/auth/v1.0":
        return _swift(method, path, query)
    head = {"x-auth-token": "a-token-of-the-caller", "x-auth-token-expires": "3600",
            "x-storage-url": f"{HERE}/v1/AUTH_a"}  # fmt: skip
    return 200, head, b""


def _gcs_account(method: str, path: str, query: str) -> Reply:
    head = {"content-type": "application/json", "date": HTTP}
    if path == "/token":
        document = {
            "access_token": "a-token-of-the-caller",
            "expires_in": 3600,
            "token_type": "Bearer",
        }
        return 200, head, json.dumps(document).encode()
    return _gcs(method, path, query)


ROUTES = {
    "s3": _s3, "azure": _azure, "azure-token": _azure, "gcs": _gcs, "gcs-account": _gcs_account,
    "gcs-hmac": _s3, "swift": _swift, "swift-v1": _swift_v1, "swift-v3": _swift_v3,
}  # fmt: skip

# ---------------------------------------------------------------------- what may become of them

NUMBERS = (
    "-1", "0", "+5", "1_000", "1.5", "NaN", "Infinity", "1e999", "9" * 18, "9" * 19, "9" * 5_000,
    "0x10", "\u0661", "\xb2", "", " 5 ", "5,5", "-" * 3, "1-2", "18446744073709551616",
)  # fmt: skip
DATES = (
    "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now",
    "Fri, 31 Dec 9999 23:59:59 -0100", "Sat, 31 Jan 99999 23:59:59 GMT", "2026-02-30T00:00:00Z",
    "Sat, 31 Jan 2026 25:61:61 GMT", "-62135596801", "253402300800", "2026-W01-1", "1" * 400,
)  # fmt: skip
TEXTS = (
    "", " ", "\ud83d\ude00", "<a>", "&amp;", "%", "%zz", "%ff", "..", "/", "a/../b", "null",
    "\x7f", '"', "'", "W/", '""', "=?utf-7?Q?+2AA-?=", "=?idna?B?eA==?=",
    "=?unicode_escape?Q?=5Cud800?=",
    "=?x?B?!?=", "http://[", "http://a:99999/", "//", "text/html", "a" * 3_000, "bytes",
    "bytes 1-",
    "bytes */5", "bytes 5-1/3", "bytes 0-0/1", "\xff\xfe", "identity", "gzip", "aws-chunked", "-",
)  # fmt: skip
JSON = (
    "null", "true", "[]", "{}", "[[]]", "-1", "1.5", "NaN", "-Infinity", "1e999", "9" * 5_000,
    '"\\ud800"', '""', '"x"', "5", '{"a": {"a": []}}', "[" * 3_000,
)  # fmt: skip
DECLARATIONS = (
    '<?xml version="1.0" encoding="WTF-8"?>', '<?xml version="1.0" encoding="utf-7"?>',
    '<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.1"?>', "<!DOCTYPE a>", "\ufeff",
    '<?xml version="1.0" encoding="hex"?>', '<?xml version="1.0" encoding="big5"?>', "<!-- -->",
    '<!DOCTYPE a [<!ENTITY b "c">]>', "<?pi?>", "<![CDATA[", "\0",
)  # fmt: skip
_VALUE = re.compile(rb">([^<>]*)<|: ?(\"[^\"]*\"|-?[0-9.]+|true|false|null|\[\]|\{\})")
_STATUSES = (200, 201, 202, 204, 206, 301, 304, 307, 308, 400, 401, 403, 404, 405, 409, 411, 412,
             413, 416, 429, 499, 500, 501, 503, 507, 599, 999)  # fmt: skip


def mutated(reply: Reply, chance: random.Random) -> bytes:
    """Return a response, changed in one to three places, as it goes over the wire."""
    status, headers, body = reply
    headers = dict(headers)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.random()
        if kind < 0.35:
            body = _changed_value(body, chance)
        elif kind < 0.5:
            body = _changed_bytes(body, chance)
        elif kind < 0.6:
            body = chance.choice(DECLARATIONS).encode("utf-8", "surrogatepass") + body
        elif kind < 0.9 and headers:
            name = chance.choice(sorted(headers))
            headers[name] = _value(chance)
            if chance.random() < 0.2:
                del headers[name]
        else:
            status = chance.choice(_STATUSES)
    return _wire(status, headers, body)


def _value(chance: random.Random) -> str:
    return chance.choice(chance.choice((NUMBERS, DATES, TEXTS)))


def _changed_value(body: bytes, chance: random.Random) -> bytes:
    found = list(_VALUE.finditer(body))
    if not found:
        return _changed_bytes(body, chance)
    match = chance.choice(found)
    group = 1 if match[1] is not None else 2
    text = chance.choice(JSON) if group == 2 and chance.random() < 0.6 else _value(chance)
    if group == 2 and text not in JSON:
        text = json.dumps(text)
    new = text.encode("utf-8", "surrogatepass")
    return body[: match.start(group)] + new + body[match.end(group) :]


def _changed_bytes(body: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(body))
    stop = min(len(body), start + chance.choice((1, 1, 3, 10, 100)))
    new = chance.choice((
        b"", bytes([chance.randrange(256)]), body[start:stop] * 2, body[stop : stop + 20],
        chance.choice(TEXTS).encode("utf-8", "surrogatepass"), b"\0", b"\xff", b"\xc3",
    ))  # fmt: skip
    return body[:start] + new + body[stop:] if chance.random() < 0.8 else body[:start]


def _wire(status: int, headers: dict[str, str], body: bytes) -> bytes:
    length = headers.pop("content-length", None) or str(len(body))
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")
    return head + (body if status not in {204, 304} else b"")


class Mutant(Server):
    """
    Responds like a service, now and then with a response that was hurt.

    Attributes:
        chance: What decides; the same seed gives the same responses to the same requests.
        hurt: How many of the responses of each test are proper before one is not.
    """

    def __init__(self, label: str) -> None:
        self.route = ROUTES[label]
        self.chance = random.Random(0)
        self.hurt = 0
        self.sent: list[bytes] = []
        super().__init__()

    def begin(self, seed: int) -> None:
        """Begin anew."""
        self.chance = random.Random(seed)
        self.hurt = self.chance.choice((0, 0, 0, 0, 1, 1, 2, 3))
        self.sent.clear()
        self.seen.clear()

    @override
    def _converse(self, peer: socket.socket, stream: BinaryIO, number: int) -> bool:
        head = read_head(stream)
        if not head:
            return False
        body = stream.read(length_of(head))
        self._note(head, body, number)
        method, target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
        path, _, query = target.partition("?")
        reply = self.route(method, path, query)
        with self._lock:
            proper = self.hurt > 0 or self.chance.random() < 0.2
            self.hurt -= 1
            data = (
                _wire(reply[0], dict(reply[1]), reply[2])
                if proper
                else mutated(reply, self.chance)
            )
            data = data.replace(HERE.encode(), self.url.encode())
            self.sent.append(data)
        if method == "HEAD":
            data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        peer.sendall(data)
        return False
