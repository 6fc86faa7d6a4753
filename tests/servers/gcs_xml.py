"""
The XML API of `servers.gcs_model`.

https://cloud.google.com/storage/docs/xml-api/overview

Signatures are computed here once more, from the documentation:
https://cloud.google.com/storage/docs/authentication/signatures
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from .gcs_model import (
    KEY,
    SECRET,
    Bucket,
    Model,
    Parts,
    RefusedError,
    Reply,
    Request,
    Session,
    Stored,
    listing,
    media,
)

_KEPT = {
    "content-type": "contentType",
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "x-goog-storage-class": "storageClass",
    "x-goog-custom-time": "customTime",
}


def respond_xml(request: Request, authorize: Callable[[], None]) -> Reply:
    """Respond to a request, with errors in XML."""
    try:
        with request.model.lock:
            admit(request, authorize)
            return route(request)
    except RefusedError as refused:
        codes = {404: "NoSuchKey", 412: "PreconditionFailed", 416: "InvalidRange"}
        code = refused.reason
        if refused.status in codes and code in {
            "notFound", "conditionNotMet", "requestedRangeNotSatisfiable",
        }:  # fmt: skip
            code = "NoSuchBucket" if "bucket" in refused.message else codes[refused.status]
        body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code>"
        body += f"<Message>{escape(refused.message)}</Message></Error>"
        return Reply(refused.status, body.encode(), {"Content-Type": "application/xml"})


def admit(request: Request, authorize: Callable[[], None]) -> None:
    """Accept signed requests, and anonymous ones for public objects."""
    if request.headers.get("authorization", "").startswith("GOOG4-HMAC-SHA256"):
        check_header_signature(request)
    elif authorized_by_query(request):
        check_query_signature(request)
    elif not is_public(request):
        authorize()


def is_public(request: Request) -> bool:
    box = request.model.buckets.get(request.pieces[0])
    if box is None or request.method not in {"GET", "HEAD"} or "authorization" in request.headers:
        return False
    stored = box.live.get("/".join(request.pieces[1:]))
    return box.public or (stored is not None and stored.public)


# ---------------------------------------------------------------------- signatures


def authorized_by_query(request: Request) -> bool:
    return "X-Goog-Signature" in request.query


def _canonical(request: Request, names: list[str], query: str, payload: str) -> str:
    lines = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    return "\n".join([request.method, request.path, query, lines, ";".join(names), payload])


def _key(day: str) -> bytes:
    key = f"GOOG4{SECRET}".encode()
    for piece in (day, "auto", "storage", "goog4_request"):
        key = hmac.new(key, piece.encode(), "sha256").digest()
    return key


def _text(moment: str, scope: str, canonical: str, algorithm: str) -> bytes:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{algorithm}\n{moment}\n{scope}\n{digest}".encode()


def check_header_signature(request: Request) -> None:
    given = dict(re.findall(r"(\w+)=([^,\s]+)", request.headers["authorization"]))
    key, _, scope = given["Credential"].partition("/")
    if key != KEY:
        raise RefusedError(403, "InvalidAccessKeyId", "The key does not exist in our records.")
    payload = request.headers["x-goog-content-sha256"]
    if payload not in {hashlib.sha256(request.body).hexdigest(), "UNSIGNED-PAYLOAD"}:
        raise RefusedError(400, "BadDigest", "The payload is another one.")
    query = "&".join(sorted(filter(None, request.target.partition("?")[2].split("&"))))
    names = given["SignedHeaders"].split(";")
    unsigned = [name for name in request.headers if name.startswith("x-") and name not in names]
    assert not unsigned
    canonical = _canonical(request, names, query, payload)
    moment = request.headers["x-goog-date"]
    text = _text(moment, scope, canonical, "GOOG4-HMAC-SHA256")
    if hmac.new(_key(moment[:8]), text, "sha256").hexdigest() != given["Signature"]:
        raise RefusedError(403, "SignatureDoesNotMatch", "The signature is another one.")


def check_query_signature(request: Request) -> None:
    raw = request.target.partition("?")[2]
    query, _, signature = raw.rpartition("&X-Goog-Signature=")
    assert query.split("&") == sorted(query.split("&"))
    names = request.query["X-Goog-SignedHeaders"].split(";")
    if not request.headers.keys() >= set(names):
        raise RefusedError(403, "SignatureDoesNotMatch", "A signed header is missing.")
    canonical = _canonical(request, names, query, "UNSIGNED-PAYLOAD")
    algorithm, moment = request.query["X-Goog-Algorithm"], request.query["X-Goog-Date"]
    who, _, scope = request.query["X-Goog-Credential"].partition("/")
    text = _text(moment, scope, canonical, algorithm)
    if algorithm == "GOOG4-HMAC-SHA256":
        fits = who == KEY and hmac.new(_key(moment[:8]), text, "sha256").hexdigest() == signature
    else:
        fits = request.model.verify(who, text, bytes.fromhex(signature))
    if not fits:
        raise RefusedError(403, "SignatureDoesNotMatch", "The signature is another one.")


# ---------------------------------------------------------------------- requests


def route(request: Request) -> Reply:
    bucket, name = request.pieces[0], "/".join(request.pieces[1:])
    if not bucket:
        return xml("ListAllMyBucketsResult", *map(_bucket_element, _sorted(request.model)))
    if not name:
        return bucket_request(request, bucket)
    if "uploads" in request.query or "uploadId" in request.query:
        return multipart(request, bucket, name)
    if request.headers.get("x-goog-resumable") == "start":
        return start_session(request, bucket, name)
    if "acl" in request.query:
        stored = request.model.stored(bucket, name, {})
        stored.public = request.headers["x-goog-acl"] == "public-read"
        return Reply()
    return (put if request.method == "PUT" else head_or_delete)(request, bucket, name)


def start_session(request: Request, bucket: str, name: str) -> Reply:
    number = secrets.token_hex(8)
    session = Session(bucket, name, _kept(request.headers), _conditions(request.headers))
    request.model.sessions[number] = session
    where = f"https://elsewhere.example{request.path}?upload_id={number}"
    return Reply(201, b"", {"Location": where})


def head_or_delete(request: Request, bucket: str, name: str) -> Reply:
    model, query = request.model, request.query
    requested = {"generation": query["generation"]} if "generation" in query else {}
    current = model.bucket(bucket).live.get(name)
    conditions = _conditions(request.headers)
    if request.method == "DELETE":
        model.stored(bucket, name, requested)
        model.check(current, conditions)
        model.bucket(bucket).drop(name, int(requested["generation"]) if requested else None)
        return Reply(204)
    stored = model.stored(bucket, name, requested)
    model.check(stored, conditions)
    reply = media(request, stored)
    for key, value in stored.fields.get("metadata", {}).items():
        reply.headers[f"x-goog-meta-{key}"] = value
    for own, theirs in (("response-content-type", "Content-Type"),
                         ("response-content-disposition", "Content-Disposition")):  # fmt: skip
        if own in query:
            reply.headers[theirs] = query[own]
    return reply


def _conditions(headers: dict[str, str]) -> dict[str, str]:
    number = headers.get("x-goog-if-generation-match")
    return {} if number is None else {"ifGenerationMatch": number}


def _kept(headers: dict[str, str]) -> dict[str, Any]:
    resource: dict[str, Any] = {
        theirs: headers[header] for header, theirs in _KEPT.items() if header in headers
    }
    resource["metadata"] = {
        name[len("x-goog-meta-") :]: value
        for name, value in headers.items()
        if name.startswith("x-goog-meta-")
    }
    return resource


def put(request: Request, bucket: str, name: str) -> Reply:
    model, headers = request.model, request.headers
    conditions = _conditions(headers)
    public = headers.get("x-goog-acl") == "public-read"
    if "x-goog-copy-source" in headers:
        source = unquote(headers["x-goog-copy-source"]).removeprefix("/").split("/", 1)
        found = model.stored(source[0], source[1], {})
        wanted = headers.get("x-goog-copy-source-if-generation-match")
        if wanted is not None:
            model.check(found, {"ifGenerationMatch": wanted})
        replaced = headers.get("x-goog-metadata-directive") == "REPLACE"
        resource = _kept(headers) if replaced else dict(found.fields)
        stored = model.write(bucket, name, found.data, resource, conditions, public=public,
                             composite=found.composite)  # fmt: skip
        reply = xml("CopyObjectResult", f"<ETag>{_md5(found)}</ETag>")
    else:
        check_md5(request)
        stored = model.write(bucket, name, request.body, _kept(headers), conditions, public=public)
        reply = Reply(200, b"", {"ETag": _md5(stored)})
    reply.headers |= media(request, stored).headers | {"ETag": _md5(stored)}
    reply.headers["Content-Type"] = "application/xml"
    reply.headers.pop("Content-Range", None)
    return reply


def check_md5(request: Request) -> None:
    given = request.headers.get("content-md5")
    if given is not None and base64.b64decode(given) != hashlib.md5(request.body).digest():
        raise RefusedError(
            400, "BadDigest", "The MD5 you specified did not match what we received."
        )


def _md5(stored: Stored) -> str:
    return f'"{hashlib.md5(stored.data).hexdigest()}"'


# ---------------------------------------------------------------------- buckets


def put_bucket(request: Request, name: str) -> Reply:
    model, query = request.model, request.query
    if "versioning" in query:
        enabled = b"<Status>Enabled" in request.body
        model.bucket(name).fields["versioning"] = {"enabled": enabled}
        return Reply()
    if name in model.buckets:
        raise RefusedError(409, "BucketAlreadyOwnedByYou", "You have it already.")
    model.buckets[name] = Bucket(name, {"name": name})
    return Reply()


def bucket_request(request: Request, name: str) -> Reply:
    model, query = request.model, request.query
    if request.method == "PUT" and "defaultObjectAcl" in query:
        model.bucket(name).default_public = request.headers["x-goog-acl"] == "public-read"
        return Reply()
    if request.method == "PUT":
        return put_bucket(request, name)
    box = model.bucket(name)
    if request.method == "DELETE":
        if box.versions:
            raise RefusedError(409, "BucketNotEmpty", "The bucket is not empty.")
        del model.buckets[name]
        return Reply(204)
    if request.method == "POST":
        return delete_many(request, box)
    if "uploads" in query:
        encoded = query.get("encoding-type") == "url"
        shown = quote if encoded else escape
        rows = [
            f"<Upload><Key>{shown(one.name)}</Key><UploadId>{number}</UploadId>"
            f"<Initiated>{one.begun}</Initiated></Upload>"
            for number, one in sorted(model.uploads.items())
            if one.bucket == name
        ]
        rows += ["<EncodingType>url</EncodingType>"] * encoded
        return xml("ListMultipartUploadsResult", *rows, "<IsTruncated>false</IsTruncated>")
    return Reply() if request.method == "HEAD" else list_objects(request, box)


def list_objects(request: Request, box: Bucket) -> Reply:
    query = request.query
    requested = {
        "prefix": query.get("prefix", ""),
        "delimiter": query.get("delimiter", ""),
        "maxResults": query.get("max-keys", "1000"),
    }
    if "continuation-token" in query:
        requested["pageToken"] = query["continuation-token"]
    elif query.get("start-after") or query.get("marker"):
        start = query.get("start-after") or query["marker"]
        requested["pageToken"] = base64.b64encode(start.encode()).decode()
    page = listing(box, requested, "versions" in query)
    encode = quote if query.get("encoding-type") == "url" else escape
    kind = "Version" if "versions" in query else "Contents"
    rows = [
        f"<{kind}><Key>{encode(one['name'])}</Key><Size>{one['size']}</Size>"
        f"<Generation>{one['generation']}</Generation><LastModified>{one['updated']}"
        f"</LastModified><ETag>&quot;abc&quot;</ETag></{kind}>"
        for one in page["items"]
    ]
    rows += [
        f"<CommonPrefixes><Prefix>{encode(one)}</Prefix></CommonPrefixes>"
        for one in page["prefixes"]
    ]
    if "encoding-type" in query:
        rows.append("<EncodingType>url</EncodingType>")
    token = page.get("nextPageToken")
    rows.append(f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>")
    if token:
        rows.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        rows.append(f"<NextMarker>{encode(base64.b64decode(token).decode())}</NextMarker>")
    return xml("ListBucketResult", *rows)


def delete_many(request: Request, box: Bucket) -> Reply:
    check_md5(request)
    for element in ET.fromstring(request.body).iter():
        if element.tag.endswith("Key"):
            box.drop(element.text or "", None)
    return xml("DeleteResult")


def _sorted(model: Model) -> list[Bucket]:
    return [model.buckets[name] for name in sorted(model.buckets)]


def _bucket_element(box: Bucket) -> str:
    return f"<Buckets><Bucket><Name>{box.name}</Name></Bucket></Buckets>"


# ---------------------------------------------------------------------- uploads in parts


def multipart(request: Request, bucket: str, name: str) -> Reply:
    model, query = request.model, request.query
    if _conditions(request.headers):
        raise RefusedError(
            400, "NotImplemented", "Preconditions cannot be used in multipart uploads."
        )
    if "uploads" in query:
        model.bucket(bucket)
        number = secrets.token_hex(8)
        model.uploads[number] = Parts(bucket, name, request.headers)
        return xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>")
    upload = model.uploads.get(query["uploadId"])
    if upload is None:
        raise RefusedError(404, "NoSuchUpload", "The requested upload was not found.")
    if request.method == "PUT":
        check_md5(request)
        upload.parts[int(query["partNumber"])] = request.body
        return Reply(200, b"", {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})
    if request.method == "DELETE":
        del model.uploads[query["uploadId"]]
        return Reply(204)
    if request.method == "GET":
        rows = [
            f"<Part><PartNumber>{number}</PartNumber><Size>{len(data)}</Size>"
            f"<ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag></Part>"
            for number, data in sorted(upload.parts.items())
        ]
        return xml("ListPartsResult", *rows, "<IsTruncated>false</IsTruncated>")
    data = b"".join(data for _, data in sorted(upload.parts.items()))
    public = upload.headers.get("x-goog-acl") == "public-read"
    model.write(bucket, name, data, _kept(upload.headers), {}, composite=True, public=public)
    del model.uploads[query["uploadId"]]
    return xml("CompleteMultipartUploadResult", "<ETag>&quot;5a-3&quot;</ETag>")


def xml(root: str, *content: str) -> Reply:
    body = f"<?xml version='1.0' encoding='UTF-8'?><{root}>{''.join(content)}</{root}>"
    return Reply(200, body.encode(), {"Content-Type": "application/xml"})
