"""
A driver of a network service: ExampleServer, a store with a small REST interface.

It has what services have beside the required hooks: parts, copies, batches, signed URLs and public
reading. Its requests go over `libstore.http`, which signs, tries again and keeps connections.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, ClassVar
from urllib.parse import unquote

from typing_extensions import override

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    Conditions,
    ContainerAlreadyExistsError,
    ContainerInfo,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    CopyOptions,
    IntegrityError,
    Limits,
    ListQuery,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    Page,
    Part,
    Payload,
    Prefix,
    RateLimitedError,
    Reading,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    SigningOptions,
    Span,
    StorageDriver,
    StorageError,
    TransferOptions,
    Upload,
    WriteOptions,
)
from libstore.http.client import Client
from libstore.http.encoding import encode, encode_query
from libstore.http.headers import clean_etag, parse_content_range
from libstore.http.message import Content, Fault, Request, Response
from libstore.http.transport import Transport

# More than any answer but an object has.
_MOST = 16 * 1024 * 1024
_WELL = frozenset({200, 201, 204, 206})
_ERRORS: Mapping[str, type[StorageError]] = {
    "who-are-you": AuthenticationError,
    "not-allowed": AccessDeniedError,
    "bucket-exists": ContainerAlreadyExistsError,
    "bucket-not-empty": ContainerNotEmptyError,
    "no-bucket": ContainerNotFoundError,
    "no-source-bucket": ContainerNotFoundError,
    "no-object": ObjectNotFoundError,
    "no-upload": ObjectNotFoundError,
    "exists": ObjectAlreadyExistsError,
    "changed": ObjectChangedError,
    "source-changed": ObjectChangedError,
    "bad-digest": IntegrityError,
}


class LarderDriver(StorageDriver):
    """
    ExampleServer.

    Args:
        url: Where it is, as ``https://host[:port]``.
        token: What shows who we are.
        signing_key: What URLs are signed with.
        retry: When to try again after a failure that may pass.
        transfer: How large transfers are cut up, and how many parts travel at once.
        cdn: The public address that containers are served at, in place of the service's own.
    """

    name: ClassVar[str] = "example_server"
    options: ClassVar[frozenset[str]] = frozenset(
        {"if_absent", "if_match", "delete_if_match", "cache_control", "sign_response_headers"}
    )
    limits: Limits = Limits(max_put=64 * 1024 * 1024, max_parts=1_000, page_size=100)

    def __init__(
        self,
        url: str,
        token: str,
        *,
        signing_key: bytes | None = None,
        retry: RetryPolicy | None = None,
        transfer: TransferOptions | None = None,
        cdn: str | None = None,
    ) -> None:
        super().__init__(retry=retry, transfer=transfer, cdn=cdn)
        self._url = url
        self._token = token
        self._signing_key = signing_key
        self._client = Client(Transport(), self, _read_error, self._retrier)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        named = {"signing_key": self._signing_key, "retry": self.retry, "cdn": self.cdn}
        return _restore, (self._url, self._token, {**named, "transfer": self.transfer})

    @override
    def _identity(self) -> tuple[str, ...]:
        return (self._url,)

    @override
    def close(self) -> None:
        self._client.close()

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        self._ask("PUT", _path(name), idempotent=False).close()
        return ContainerInfo(name, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        self._ask("DELETE", _path(name), idempotent=False).close()

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        page = self._json("GET", "/v1", {"after": token or ""})
        return Page([ContainerInfo(name) for name in page["buckets"]], page["next"])

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        answer = self._json("GET", _path(name), {"about": ""})
        return ContainerInfo(name, answer["count"], answer["size"], complete=True)

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        asked = {"prefix": query.prefix, "delimiter": query.delimiter, "limit": str(limit)}
        asked["after"] = token or query.start_after
        page = self._json("GET", _path(container), asked)
        return Page([_item(item) for item in page["items"]], page["next"])

    # ------------------------------------------------------------------ objects

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return _info(self._json("GET", _path(container, name), {"about": ""}))

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        headers = _condition_headers(conditions)
        if span != Span():
            headers["range"] = f"bytes={span.start}-{'' if span.stop is None else span.stop - 1}"
        answer = self._ask("GET", _path(container, name), headers=headers, expected=_WELL | {416})
        if answer.status == 416:  # the span begins behind the last byte
            answer.close()
            info = self._head_object(container, name, version)
            return Reading(info, span.clamp(0), _Nothing())
        told = parse_content_range(answer.headers.get("content-range"))
        sent, size = told or (None, answer.size)
        info = _told(name, answer.headers, size)
        return Reading(info, sent or Span(0, size), answer, answer.close)

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        headers = {**_kept_headers(options), **_digest_header(payload)}
        conditions = options.conditions
        return _info(self._write("PUT", _path(container, name), {}, headers, conditions, payload))

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._write("DELETE", _path(container, name), {}, {}, conditions)

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        content = json.dumps(list(names)).encode()
        kept = self._json("POST", _path(container), {"delete": ""}, content=content)
        return [_error(kept[name], {}) if name in kept else None for name in names]

    @override
    def _copy_object(
        self,
        source_container: str,
        source: str,
        container: str,
        name: str,
        options: CopyOptions,
    ) -> ObjectInfo | None:
        query = {"from-bucket": source_container, "from": source}
        headers: dict[str, str] = {}
        if options.if_source_match is not None:
            query["from-etag"] = options.if_source_match
        if options.content_type is not None:
            headers["content-type"] = options.content_type
        if options.metadata is not None:
            query["metadata"] = "new"
            headers.update(_metadata_headers(options.metadata))
        try:
            path = _path(container, name)
            return _info(self._write("PUT", path, query, headers, options.conditions))
        except StorageError as error:
            if error.code in {"no-bucket", "exists", "changed"}:  # of the source they differ
                error.container, error.object = container, name
            raise

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        query = {} if metadata is None else {"metadata": "new"}
        headers = _metadata_headers(metadata or {})
        if content_type is not None:
            headers["content-type"] = content_type
        return _info(self._write("PATCH", _path(container, name), query, headers, conditions))

    # ------------------------------------------------------------------ parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        headers = _kept_headers(options)
        begun = self._json("POST", _path(container, name), {"begin": ""}, headers=headers)
        return str(begun["upload"])

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        query = {"upload": upload.id, "part": str(number)}
        headers = _digest_header(payload)
        path = _path(upload.container, upload.name)
        told = self._json("PUT", path, query, headers=headers, content=payload)
        return Part(number, offset, payload.size, checksums={"md5": told["md5"]})

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        path = _path(upload.container, upload.name)
        content = json.dumps([part.number for part in parts]).encode()
        return _info(
            self._write("POST", path, {"upload": upload.id}, {}, options.conditions, content)
        )

    @override
    def _abort_upload(self, upload: Upload) -> None:
        path = _path(upload.container, upload.name)
        self._ask("DELETE", path, {"upload": upload.id}).close()

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        found = self._json("GET", _path(container), {"uploads": ""})
        return Page(
            [Upload(container, up["name"], up["id"], _moment(up["begun"])) for up in found]
        )

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        path = _path(upload.container, upload.name)
        return Page(list(_parts(self._json("GET", path, {"upload": upload.id}))))

    # ------------------------------------------------------------------ for others

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if self._signing_key is None:
            raise NotSupportedError("nothing to sign URLs with; give signing_key=")
        if not options.response_headers.keys() <= {"content-disposition"}:
            raise NotSupportedError("a URL decides over Content-Disposition and nothing else")
        query = {
            "method": options.method,
            "expires": f"{self._client.now() + options.expires:.0f}",
            "show-as": options.response_headers.get("content-disposition", ""),
        }
        text = "\n".join((container, name, *query.values()))
        query["signature"] = hmac.new(self._signing_key, text.encode(), "sha256").hexdigest()
        return f"{self._url}{_path(container, name)}?{encode_query(query)}"

    @override
    def _enable_container_cdn(self, container: str) -> None:
        self._ask("PUT", _path(container), {"public": ""}).close()

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._url + _path(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._url + _path(container, name)

    # ------------------------------------------------------------------ requests

    def sign(self, request: Request, _now: float, /) -> Mapping[str, str]:
        """Return the headers of a request with those that show who we are."""
        return {**request.headers, "authorization": f"Bearer {self._token}"}

    def renew(self, _request: Request, /) -> bool:
        """Return that there is no other token than the one that was refused."""
        return False

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Content | None = None,
        idempotent: bool = True,
        expected: frozenset[int] = _WELL,
    ) -> Response:
        target = f"{path}?{encode_query(query)}" if query else path
        request = Request(method, self._url, target, headers or {}, content, idempotent, expected)
        return self._client.request(request)

    def _json(self, *args: Any, **options: Any) -> Any:
        text = self._ask(*args, **options).read(_MOST)
        try:
            return json.loads(text or "null")
        except ValueError:
            raise ServiceError(
                "the answer is not one of ExampleServer; is the URL right?"
            ) from None

    def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        conditions: Conditions,
        content: bytes | Content | None = None,
    ) -> Any:
        """Send a write; with a condition it is sent once, for a second would meet the first."""
        return self._json(
            method, path, query,
            headers={**headers, **_condition_headers(conditions)},
            content=content, idempotent=conditions == Conditions() and method != "POST",
        )  # fmt: skip


def _restore(url: str, token: str, options: dict[str, Any]) -> LarderDriver:
    return LarderDriver(url, token, **options)


class _Nothing:
    """The body of an answer without bytes."""

    def readinto(self, _buffer: memoryview, /) -> int:
        """Return that there is no more."""
        return 0


# ---------------------------------------------------------------------- what goes out


def _path(container: str, name: str | None = None) -> str:
    # Every byte that could mean something in a path is encoded, slashes too: no name is another's.
    return f"/v1/{encode(container)}" + ("" if name is None else f"/{encode(name)}")


def _condition_headers(conditions: Conditions) -> dict[str, str]:
    headers = {"if-none-match": "*"} if conditions.if_absent else {}
    if conditions.if_match is not None:
        headers["if-match"] = f'"{conditions.if_match}"'
    return headers


def _metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    # A header cannot have all that metadata may: it is percent-encoded, and decoded by `_told`.
    return {f"x-meta-{key}": encode(value) for key, value in metadata.items()}


def _kept_headers(options: WriteOptions) -> dict[str, str]:
    headers = {"content-type": options.content_type, **_metadata_headers(options.metadata)}
    if options.cache_control is not None:
        headers["cache-control"] = options.cache_control
    return headers


def _digest_header(payload: Payload) -> dict[str, str]:
    digest = bytes.fromhex(payload.digest("md5"))
    return {"content-md5": base64.b64encode(digest).decode()}


# ---------------------------------------------------------------------- what comes back


def _read_error(
    _request: Request, status: int, headers: Mapping[str, str], body: bytes, /
) -> Fault:
    """Return what an answer with an unexpected status means."""
    try:
        code = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        code = ""
    said: dict[str, Any] = {"status": status, "request_id": headers.get("x-request-id")}
    if status == 429:
        return Fault(RateLimitedError("too many requests", **said), retry=True, throttled=True)
    if status >= 500:
        return Fault(ServiceUnavailableError("no answer now", **said), retry=True)
    return Fault(_error(code, said), retry=code == "bad-digest")


def _error(code: str, said: Mapping[str, Any]) -> StorageError:
    kind = _ERRORS.get(code, ServiceError)
    text = f"ExampleServer says {code!r}" if code else "the answer is not one of ExampleServer"
    return kind(text, code=code or None, **said)


def _item(item: Mapping[str, Any]) -> ObjectInfo | Prefix:
    return Prefix(item["prefix"]) if "prefix" in item else _info(item)


def _info(item: Mapping[str, Any]) -> ObjectInfo:
    return ObjectInfo(
        item["name"],
        size=item["size"],
        etag=item["etag"],
        checksums={"md5": item["md5"]},
        last_modified=_moment(item["modified"]),
        content_type=item["type"],
        metadata=item["metadata"],
        extra=_extra(item["cache"]),
        complete=True,
    )


def _told(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    if "x-md5" not in headers:
        raise ServiceError("the answer is not one of ExampleServer; is the URL right?")
    metadata = {key[7:]: unquote(text) for key, text in headers.items() if key[:7] == "x-meta-"}
    return ObjectInfo(
        name,
        size=size,
        etag=clean_etag(headers.get("etag")),
        checksums={"md5": headers["x-md5"]},
        last_modified=_moment(float(headers["x-modified"])),
        content_type=headers.get("content-type"),
        metadata=metadata,
        extra=_extra(headers.get("cache-control")),
        complete=True,
    )


def _extra(cache_control: str | None) -> dict[str, object]:
    # By this name it is told to the user, and carried along by copies to other drivers.
    return {} if cache_control is None else {"cache_control": cache_control}


def _parts(found: Sequence[Mapping[str, Any]]) -> Iterable[Part]:
    offset = 0
    for part in found:
        yield Part(part["number"], offset, part["size"], checksums={"md5": part["md5"]})
        offset += part["size"]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
