"""The endpoint where there is no nginx, as an application of Granian; `endpoint.lua` says why."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .place import KEYS_OF_A_DIRECTORY

_FOLDER = Path(os.environ["LIBSTORE_BENCH_FOLDER"])
_ETAGS: dict[str, str] = json.loads((_FOLDER / "etags.json").read_text())
_SIZES = {path: os.path.getsize(f"{_FOLDER}{path}") for path in _ETAGS}
_FIXED = "0123456789abcdef0123456789abcdef"
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_SMALL = 64 << 10
_COMMON = [("x-amz-request-id", "0123456789ABCDEF")]


async def app(scope: Any, protocol: Any) -> None:
    """Respond to a request."""
    method, path = scope.method, scope.path
    if path in _ETAGS and method in {"GET", "HEAD"}:
        _read(scope, protocol)
    elif method == "PUT":
        async for _ in protocol:
            pass
        digest = scope.headers.get("content-md5")
        etag = base64.b64decode(digest).hex() if digest else _FIXED
        headers = [*_COMMON, ("etag", f'"{etag}"'), ("content-length", "0")]
        protocol.response_empty(200, headers)
    elif method in {"DELETE", "HEAD"}:
        protocol.response_empty(204 if method == "DELETE" else 200, _COMMON)
    else:
        query = {name: values[0] for name, values in parse_qs(scope.query_string, True).items()}
        content = _post(query, await protocol()) if method == "POST" else _get(path, query)
        headers = [("content-type", "application/xml"), ("content-length", str(len(content)))]
        protocol.response_bytes(200, [*_COMMON, *headers], content)


def _read(scope: Any, protocol: Any) -> None:
    path, size = scope.path, _SIZES[scope.path]
    headers = [
        ("etag", _ETAGS[path]),
        ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("accept-ranges", "bytes"),
        ("content-type", "application/octet-stream"),
        *_COMMON,
    ]
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", scope.headers.get("range") or "")
    if scope.method == "HEAD":
        protocol.response_empty(200, [*headers, ("content-length", str(size))])
    elif span:
        start, stop = int(span[1]), min(int(span[2] or size) + 1, size)
        headers += [
            ("content-range", f"bytes {start}-{stop - 1}/{size}"),
            ("content-length", str(stop - start)),
        ]
        protocol.response_file_range(206, headers, f"{_FOLDER}{path}", start, stop)
    elif size <= _SMALL:
        headers.append(("content-length", str(size)))
        protocol.response_bytes(200, headers, _content(f"{_FOLDER}{path}"))
    else:
        headers.append(("content-length", str(size)))
        protocol.response_file(200, headers, f"{_FOLDER}{path}")


@cache
def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def _post(query: dict[str, str], body: bytes) -> bytes:
    if "uploads" in query:
        return _document(
            "InitiateMultipartUploadResult",
            "<Bucket>bench</Bucket><Key>key</Key><UploadId>upload</UploadId>",
        )
    if "uploadId" in query:
        digests = re.findall(rb"<ETag>[^0-9a-f<]*([0-9a-f]+)", body)
        digest = hashlib.md5(b"".join(bytes.fromhex(one.decode()) for one in digests))
        return _document(
            "CompleteMultipartUploadResult",
            "<Bucket>bench</Bucket><Key>key</Key>"
            f"<ETag>&quot;{digest.hexdigest()}-{len(digests)}&quot;</ETag>",
        )
    deleted = b""
    if b"<Quiet>true</Quiet>" not in body:
        names = re.findall(rb"<Key>[^<]*</Key>", body)
        deleted = b"".join(b"<Deleted>%b</Deleted>" % name for name in names)
    return _document("DeleteResult", deleted.decode())


def _get(path: str, query: dict[str, str]) -> bytes:
    bucket = path.split("/")[1]
    if "location" in query:
        return _document("LocationConstraint", "")
    if bucket.startswith("tree-"):
        return _list_directory(int(bucket.removeprefix("tree-")), query.get("prefix", ""))
    names = "continuation-token", "marker", "start-after"
    last = re.search(r"(\d+)\D*$", next((query[name] for name in names if name in query), ""))
    return _content(f"{_FOLDER}/pages/{bucket}/{(int(last[1]) + 1) // 1000 if last else 0}.xml")


def _list_directory(count: int, prefix: str) -> bytes:
    if prefix:
        entries = [
            f"<Contents><Key>{prefix}{number}</Key><LastModified>2026-01-02T03:04:05.000Z"
            f"</LastModified><ETag>&quot;{_FIXED}&quot;</ETag><Size>1024</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(KEYS_OF_A_DIRECTORY)
        ]
    else:
        entries = [
            f"<CommonPrefixes><Prefix>{number}/</Prefix></CommonPrefixes>"
            for number in range(count)
        ]
    return _document(
        "ListBucketResult",
        f"<Name>tree</Name><Prefix>{prefix}</Prefix><Delimiter>/</Delimiter>"
        f"<MaxKeys>1000</MaxKeys><KeyCount>{len(entries)}</KeyCount>"
        f"<IsTruncated>false</IsTruncated>{''.join(entries)}",
    )


def _document(name: str, content: str) -> bytes:
    return f"<{name} {_NAMESPACE}>{content}</{name}>".encode()
