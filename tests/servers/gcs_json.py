"""
The JSON API of `servers.gcs_model`.

https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any

from .gcs_model import Bucket, RefusedError, Reply, Request, Session, json_reply, listing, media
from .gcs_xml import authorized_by_query, respond_xml


def respond(request: Request) -> Reply:
    """Respond to one request of either API."""
    pieces = request.pieces
    if pieces[:2] == ["batch", "storage"]:
        authorize(request)
        return batch(request)
    if pieces[:3] == ["upload", "storage", "v1"]:
        authorize(request)
        return upload(request)
    if pieces[:3] == ["storage", "v1", "b"]:
        authorize(request)
        with request.model.lock:
            return resource(request, pieces[3:])
    if "upload_id" in request.query:  # the address of a session is all that it takes
        reply = resume(request)
        if reply.status != 200:
            return reply
        generation = json.loads(reply.body)["generation"]
        return Reply(200, b"", {"X-Goog-Generation": generation})
    return respond_xml(request, lambda: authorize(request))


def authorize(request: Request) -> None:
    tokens = request.model.tokens
    if tokens is None or authorized_by_query(request):
        return
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind != "Bearer" or token not in tokens:
        raise RefusedError(401, "authError", "Invalid Credentials")


def resource(request: Request, pieces: list[str]) -> Reply:
    if len(pieces) < 2:
        return bucket(request, pieces[0]) if pieces else buckets(request)
    return policy(request, pieces[0]) if pieces[1] == "iam" else objects(request, pieces)


def policy(request: Request, name: str) -> Reply:
    box = request.model.bucket(name)
    if request.method == "PUT":
        if box.fields.get("iamConfiguration", {}).get("publicAccessPrevention") == "enforced":
            raise RefusedError(412, "conditionNotMet", "public access prevention is enforced.")
        box.policy = request.json()["bindings"]
    return json_reply({"etag": "CAE=", "bindings": box.policy})


def objects(request: Request, pieces: list[str]) -> Reply:
    model, query, name = request.model, request.query, pieces[0]
    if len(pieces) == 2:
        return json_reply(listing(model.bucket(name), query, query.get("versions") == "true"))
    if len(pieces) == 8 and pieces[3] == "rewriteTo":
        return rewrite(request, (name, pieces[2]), (pieces[5], pieces[7]))
    if len(pieces) == 4 and pieces[3] == "acl":
        if model.bucket(name).fields.get("iamConfiguration", {}).get("uniformBucketLevelAccess"):
            raise RefusedError(
                400, "invalid", "Cannot use ACL API when uniform bucket-level access is enabled."
            )
        model.stored(name, pieces[2], {}).public = True
        return json_reply({"entity": "allUsers"})
    return single(request, name, pieces[2])


def buckets(request: Request) -> Reply:
    model, query = request.model, request.query
    if "project" not in query:
        raise RefusedError(400, "required", "Required parameter: project")
    if request.method == "GET":
        return json_reply({"items": [box.fields for box in model.buckets.values()]})
    given = request.json()
    if given["name"] in model.buckets:
        raise RefusedError(
            409, "conflict", "Your previous request to create the named bucket succeeded"
        )
    kept = {"location": "US", **given, "metageneration": "1", "timeCreated": moment()}
    box = Bucket(given["name"], kept)
    model.buckets[box.name] = box
    return json_reply(box.fields)


def moment() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def bucket(request: Request, name: str) -> Reply:
    model = request.model
    box = model.bucket(name)
    if request.method == "DELETE":
        if box.versions:
            raise RefusedError(409, "conflict", "The bucket you tried to delete is not empty.")
        del model.buckets[name]
        return Reply(204)
    if request.method == "PATCH":
        box.fields.update(request.json())
    return json_reply(box.fields)


def single(request: Request, box: str, name: str) -> Reply:
    model, query = request.model, request.query
    stored = model.stored(box, name, query)
    if request.method == "DELETE":
        model.check(model.bucket(box).live.get(name), query)
        generation = query.get("generation")
        model.bucket(box).drop(name, int(generation) if generation else None)
        return Reply(204)
    model.check(stored, query)
    key = request.headers.get("x-goog-encryption-key-sha256")
    if stored.fields.get("customer") != key and query.get("alt") == "media":
        raise RefusedError(400, "customerEncryptionKeyIsIncorrect", "The encryption key is wrong.")
    if request.method == "PATCH":
        change = request.json()
        metadata = {**stored.fields.get("metadata", {}), **change.pop("metadata", {})}
        kept = {one: value for one, value in metadata.items() if value is not None}
        stored.fields = {**stored.fields, **change, "metadata": kept}
        stored.metageneration += 1
    return (
        media(request, stored) if query.get("alt") == "media" else json_reply(stored.resource(box))
    )


def rewrite(request: Request, source: tuple[str, str], target: tuple[str, str]) -> Reply:
    model, query = request.model, request.query
    found = model.stored(*source, {})
    model.check(found, query, "ifSource")
    # A copy takes one call for each 4 MiB, so that tokens are used.
    step = 4 * 1024 * 1024
    done = int(query.get("rewriteToken", "0")) + step
    if done < len(found.data):
        return json_reply(
            {"done": False, "rewriteToken": str(done), "totalBytesRewritten": str(done)}
        )
    given = request.json() if request.body else found.fields
    stored = model.write(*target, found.data, dict(given), query, composite=found.composite)
    return json_reply({"done": True, "resource": stored.resource(target[0])})


# ---------------------------------------------------------------------- uploads


def upload(request: Request) -> Reply:
    model, query = request.model, request.query
    box = request.pieces[4]
    if "upload_id" in query:
        return resume(request)
    if query["uploadType"] == "resumable":
        model.bucket(box)
        given = request.json()
        given.setdefault("contentType", request.headers.get("x-upload-content-type"))
        number = secrets.token_hex(8)
        model.sessions[number] = Session(box, given["name"], given, query)
        where = f"https://elsewhere.example{request.path}?uploadType=resumable&upload_id={number}"
        return Reply(200, b"", {"Location": where})
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    _, described, content = request.body.split(b"\r\n\r\n", 2)
    given = json.loads(described.partition(b"\r\n--" + boundary)[0])
    data = content.rpartition(b"\r\n--" + boundary + b"--")[0]
    keep_key(request, given)
    stored = model.write(box, given["name"], data, given, query)
    return json_reply(stored.resource(box))


def keep_key(request: Request, given: dict[str, Any]) -> None:
    if "x-goog-encryption-key-sha256" in request.headers:
        given["customer"] = request.headers["x-goog-encryption-key-sha256"]


def resume(request: Request) -> Reply:
    model = request.model
    session = model.sessions.get(request.query["upload_id"])
    if session is None:
        raise RefusedError(404, "notFound", "No such upload session")
    if request.method == "DELETE":
        del model.sessions[request.query["upload_id"]]
        return Reply(499)
    if session.done is not None:
        return json_reply(session.done.resource(session.bucket))
    span = request.headers["content-range"]
    match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", span)
    assert match, span
    if match[1]:
        append(session, int(match[1]), request.body, final=match[3] != "*")
    if match[3] != "*" and len(session.data) == int(match[3]):
        keep_key(request, session.fields)
        pieces = request.headers.get("x-goog-hash", "").split(",")
        given = {name: value for name, _, value in (one.partition("=") for one in pieces)}
        hashes = {"md5Hash": given.get("md5"), "crc32c": given.get("crc32c")}
        session.done = model.write(
            session.bucket, session.name, session.data, {**session.fields, **hashes}, session.query
        )
        return json_reply(session.done.resource(session.bucket))
    size = len(session.data)
    return Reply(308, b"", {"Range": f"bytes=0-{size - 1}"} if size else {})


def append(session: Session, start: int, data: bytes, *, final: bool) -> None:
    if start > len(session.data):
        raise RefusedError(400, "invalid", "The range leaves a gap.")
    if not final and len(data) % (256 * 1024):
        raise RefusedError(400, "badRequest", "A chunk must be a multiple of 256 KiB.")
    session.data[start:] = data


# ---------------------------------------------------------------------- batches


def batch(request: Request) -> Reply:
    boundary = request.headers["content-type"].partition("boundary=")[2]
    parts = request.body.decode().split(f"--{boundary}")[1:-1]
    assert len(parts) <= 100
    responses = []
    # Responses are in any order; their ids name their requests.
    for part in reversed(parts):
        number = re.search(r"Content-ID: <(\d+)>", part)
        line = re.search(r"(DELETE) (\S+) HTTP/1.1", part)
        assert number
        assert line
        try:
            with request.model.lock:
                inner = Request(request.model, "DELETE", line[2], {}, b"")
                resource(inner, inner.pieces[3:])
            said = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n\r\n"
        except RefusedError as refused:
            about = {"code": refused.status, "message": refused.message, "errors": []}
            body = json.dumps({"error": about})
            said = (
                f"HTTP/1.1 {refused.status} No\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
            )
        responses.append(
            f"--b\r\nContent-Type: application/http\r\nContent-ID: <response-{number[1]}>\r\n\r\n"
            f"{said}"
        )
    body = "".join([*responses, "--b--\r\n"]).encode()
    return Reply(200, body, {"Content-Type": "multipart/mixed; boundary=b"})
