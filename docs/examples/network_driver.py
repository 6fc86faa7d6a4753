"""
A driver of an HTTP service, written with the toolkit `libstore.rest`.

The service is made up. It has buckets and objects, JSON documents, error codes, uploads in parts,
copies, batches, signed URLs and public buckets.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote

from typing_extensions import Unpack, override

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    Conditions,
    ContainerAlreadyExistsError,
    ContainerInfo,
    ContainerNotEmptyError,
    CopyOptions,
    Limits,
    ListQuery,
    NotSupportedError,
    ObjectInfo,
    ObjectNotFoundError,
    Page,
    Part,
    Payload,
    Prefix,
    Reading,
    RetryPolicy,
    SigningOptions,
    Span,
    StorageError,
    Upload,
    WriteOptions,
    rest,
)
from libstore.rest import ACCOUNT, CONTAINER, CONTENT, JSON, OBJECT, UPLOAD, Meaning, Operation

LIST_BUCKETS = Operation("ListBuckets", "GET", ACCOUNT, response=JSON)
CREATE_BUCKET = Operation(
    "CreateBucket", "PUT", CONTAINER, creates=True, idempotent=False, success=(201,)
)
HEAD_BUCKET = Operation("HeadBucket", "GET", CONTAINER, response=JSON)
DELETE_BUCKET = Operation("DeleteBucket", "DELETE", CONTAINER, idempotent=False, response=JSON)
PUBLISH_BUCKET = Operation("PublishBucket", "PUT", CONTAINER, response=JSON)
LIST_OBJECTS = Operation("ListObjects", "GET", CONTAINER, response=JSON)
DELETE_OBJECTS = Operation("DeleteObjects", "POST", CONTAINER, response=JSON)
HEAD_OBJECT = Operation("HeadObject", "GET", OBJECT, response=JSON)
GET_OBJECT = Operation("GetObject", "GET", OBJECT, success=(200, 206), response=CONTENT)
PUT_OBJECT = Operation("PutObject", "PUT", OBJECT, creates=True, response=JSON)
COPY_OBJECT = Operation("CopyObject", "PUT", OBJECT, creates=True, response=JSON)
UPDATE_OBJECT = Operation("UpdateObject", "PATCH", OBJECT, response=JSON)
DELETE_OBJECT = Operation("DeleteObject", "DELETE", OBJECT, response=JSON)
START_UPLOAD = Operation("StartUpload", "POST", OBJECT, creates=True, response=JSON)
PUT_PART = Operation("PutPart", "PUT", UPLOAD, response=JSON)
FINISH_UPLOAD = Operation("FinishUpload", "POST", UPLOAD, idempotent=False, response=JSON)
ABORT_UPLOAD = Operation("AbortUpload", "DELETE", UPLOAD, response=JSON)
LIST_UPLOADS = Operation("ListUploads", "GET", CONTAINER, response=JSON)
LIST_PARTS = Operation("ListParts", "GET", UPLOAD, response=JSON)

CODES: dict[str, rest.Entry] = {
    "who-are-you": Meaning(AuthenticationError, "the service does not accept the token"),
    "not-allowed": Meaning(AccessDeniedError, "the token does not allow this request"),
    "bucket-exists": Meaning(ContainerAlreadyExistsError, "the bucket already exists"),
    "bucket-not-empty": Meaning(ContainerNotEmptyError, "the bucket is not empty"),
    "no-bucket": rest.NO_BUCKET,
    "no-source-bucket": rest.NO_BUCKET,
    "no-object": rest.NO_OBJECT,
    "no-upload": Meaning(ObjectNotFoundError, "the upload does not exist"),
    "exists": rest.EXISTS,
    "changed": rest.CHANGED,
    "bad-digest": rest.DAMAGED,
}
ERRORS = rest.ErrorMapper(
    "ExampleService", rest.json_errors("error"), CODES, {}, request_id=("x-request-id",)
)
HEADERS = rest.HeaderDialect("x-meta-", encode_value=rest.encode, decode_value=unquote)


class Settings(rest.RestSettings):
    """The arguments of `ExampleDriver`."""

    url: str = rest.option("The address of the service: ``https://host[:port]``.", kw_only=False)
    token: str = rest.option(
        "The token that requests are sent with.", rest.credential, secret=True, kw_only=False
    )
    signing_key: bytes | None = rest.option(
        "The key that URLs are signed with.", default=None, secret=True
    )


class ExampleClient(rest.ServiceClient):
    """Sends requests to the service."""

    def __init__(
        self, settings: Settings, concurrency: int, retry: Callable[[], RetryPolicy]
    ) -> None:
        self.settings = settings
        self.url, _ = rest.split_endpoint(settings.url, "url", insecure=settings.insecure)
        super().__init__(settings.transport(concurrency, self.url), ERRORS, retry)

    @override
    def locate(self, container: str, name: str) -> rest.Location:
        # Slashes are encoded too, so that no name means another path.
        path = "".join(f"/{rest.encode(part)}" for part in (container, name) if part)
        return rest.Location(self.url, f"/v1{path}")

    @override
    def signer(self, location: rest.Location) -> rest.Signer:
        return rest.HeaderSigner({"authorization": f"Bearer {self.settings.token}"})

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return self.settings.given_secrets()


@rest.rejects_malformed
def object_info(item: Mapping[str, Any]) -> ObjectInfo:
    """Return the record of an object that a JSON document describes."""
    return ObjectInfo(
        item["name"], item["size"], item["etag"], {"md5": item["md5"]},
        rest.parse_epoch(item["modified"]), item["type"], item["metadata"],
        extra={"cache_control": item["cache"]} if item["cache"] else {}, complete=True,
    )  # fmt: skip


class ExampleDriver(rest.RestDriver[ExampleClient, Settings]):
    """ExampleService."""

    name: ClassVar[str] = "example"
    options: ClassVar[frozenset[str]] = frozenset(
        {"if_absent", "if_match", "delete_if_match", "cache_control", "sign_response_headers"}
    )
    limits: Limits = Limits(max_put=64 * 1024 * 1024, max_parts=1_000, page_size=100)

    @rest.constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._client = ExampleClient(settings, self.transfer.concurrency, lambda: self.retry)

    @override
    def _identity(self) -> str:
        return self._client.url

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        def send() -> ContainerInfo:
            self._client.send(CREATE_BUCKET, name).close()
            return ContainerInfo(name)

        return self._client.confirmer.create_container(send, lambda: self._head_container(name))

    @override
    def _delete_container(self, name: str) -> None:
        self._client.confirmer.delete_container(
            lambda: self._client.send(DELETE_BUCKET, name).close(),
            lambda: self._head_container(name),
        )

    @override
    @rest.rejects_malformed
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        page = self._client.send_json(LIST_BUCKETS, query={"after": token or ""})
        return Page([ContainerInfo(name) for name in page["buckets"]], page["next"])

    @override
    @rest.rejects_malformed
    def _head_container(self, name: str) -> ContainerInfo:
        item = self._client.send_json(HEAD_BUCKET, name, query={"about": ""})
        created = rest.parse_epoch(item["created"])
        return ContainerInfo(name, item["count"], item["size"], created, complete=True)

    @override
    @rest.rejects_malformed
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        parameters = {
            "prefix": query.prefix, "delimiter": query.delimiter, "limit": str(limit),
            "after": token or query.start_after,
        }  # fmt: skip
        page = self._client.send_json(LIST_OBJECTS, container, query=parameters)
        items = [Prefix(i["prefix"]) if "prefix" in i else object_info(i) for i in page["items"]]
        return Page(items, page["next"])

    # ------------------------------------------------------------------ objects

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        query = {"about": ""}
        return object_info(self._client.send_json(HEAD_OBJECT, container, name, query=query))

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        headers = rest.read_headers(span, conditions)
        response = self._client.send(GET_OBJECT, container, name, headers=headers)
        sent, size = rest.sent_span(response)
        found = response.headers
        info = HEADERS.object_info(
            name, found, size,
            etag=rest.clean_etag(found.get("etag")),
            checksums={"md5": found["x-md5"]} if "x-md5" in found else {},
            last_modified=rest.parse_epoch(found.get("x-modified")),
        )  # fmt: skip
        return Reading(info, sent, response, response.close)

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        headers = HEADERS.write_headers(options)
        headers["content-md5"] = rest.base64_of(payload.digest("md5"))
        written = rest.Written(content=payload)
        return self._write(
            PUT_OBJECT, container, name, options.conditions, written,
            headers=headers, content=payload,
        )  # fmt: skip

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        query = {"from-bucket": source_container, "from": source}
        try:
            return self._describe(COPY_OBJECT, container, name, query, options)
        except StorageError as error:
            if error.code in {"no-bucket", "exists", "changed"}:  # about the target
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
        options = CopyOptions(content_type, metadata, conditions=conditions)
        return self._describe(UPDATE_OBJECT, container, name, {}, options)

    def _describe(
        self,
        operation: Operation,
        container: str,
        name: str,
        query: Mapping[str, str],
        options: CopyOptions,
    ) -> ObjectInfo:
        """Send a write without content; `None` keeps the metadata or the content type."""
        conditions = options.conditions
        headers = {"content-type": options.content_type} if options.content_type else {}
        if options.metadata is None:  # a token would not be stored
            conditions = replace(conditions, token=None)
        else:
            query = {**query, "metadata": "new"}
            headers |= HEADERS.metadata_headers(options.metadata)
        written = rest.Written(metadata=options.metadata, content_type=options.content_type)
        return self._write(
            operation, container, name, conditions, written, query=query, headers=headers
        )

    def _write(
        self,
        operation: Operation,
        container: str,
        name: str,
        conditions: Conditions,
        written: rest.Written,
        **options: Unpack[rest.RequestOptions],
    ) -> ObjectInfo:
        """Send a write with the headers of its conditions, until its outcome is known."""
        headers = {**(options.get("headers") or {}), **rest.condition_headers(conditions)}
        options["headers"] = rest.with_token(headers, conditions, HEADERS.metadata_prefix)
        return self._client.write(
            operation, container, name,
            lambda response: object_info(self._client.read_json(operation, response)),
            lambda: self._head_object(container, name, None),
            written.matches, conditions, conditions.token, **options,
        )  # fmt: skip

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._client.delete(
            DELETE_OBJECT, container, name,
            lambda: self._head_object(container, name, None),
            conditions, headers=rest.condition_headers(conditions),
        )  # fmt: skip

    @override
    @rest.rejects_malformed
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        query = {"delete": ""}
        kept = self._client.send_json(DELETE_OBJECTS, container, query=query, body=list(names))
        errors = {name: rest.ErrorDocument(code, recognized=True) for name, code in kept.items()}
        return [
            ERRORS.embedded(errors[name], None, {}) if name in errors else None for name in names
        ]

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        headers = HEADERS.write_headers(options)
        headers = rest.with_token(headers, options.conditions, HEADERS.metadata_prefix)
        query = {"begin": ""}
        return str(
            self._client.send_json(START_UPLOAD, container, name, query=query, headers=headers)
        )

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        md5 = payload.digest("md5")
        self._client.send(
            PUT_PART, upload.container, upload.name,
            query={"upload": upload.id, "part": str(number)},
            headers={"content-md5": rest.base64_of(md5)}, content=payload,
        ).close()  # fmt: skip
        return Part(number, offset, payload.size, checksums={"md5": md5})

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        written = rest.Written(sum(part.size for part in parts), checksums=checksums)
        return self._write(
            FINISH_UPLOAD, upload.container, upload.name, options.conditions, written,
            query={"upload": upload.id},
            content=json.dumps([part.number for part in parts]).encode(),
        )  # fmt: skip

    @override
    def _abort_upload(self, upload: Upload) -> None:
        query = {"upload": upload.id}
        self._client.send(ABORT_UPLOAD, upload.container, upload.name, query=query).close()

    @override
    @rest.rejects_malformed
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        found = self._client.send_json(LIST_UPLOADS, container, query={"uploads": ""})
        return Page([
            Upload(container, item["name"], item["id"], rest.parse_epoch(item["begun"]))
            for item in found
        ])  # fmt: skip

    @override
    @rest.rejects_malformed
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        query = {"upload": upload.id}
        found = self._client.send_json(LIST_PARTS, upload.container, upload.name, query=query)
        return Page([
            Part(item["number"], item["offset"], item["size"], checksums={"md5": item["md5"]})
            for item in found
        ])  # fmt: skip

    # ------------------------------------------------------------------ public access

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        key = self._settings.signing_key
        if key is None:
            raise NotSupportedError("there is no key to sign URLs with; pass signing_key=")
        if not options.response_headers.keys() <= {"content-disposition"}:
            raise NotSupportedError("signed URLs can set the header Content-Disposition only")
        query = {
            "method": options.method,
            "expires": f"{self._client.service_time() + options.expires:.0f}",
            "show-as": options.response_headers.get("content-disposition", ""),
        }
        text = "\n".join((container, name, *query.values()))
        query["signature"] = hmac.new(key, text.encode(), "sha256").hexdigest()
        path = self._client.locate(container, name).path
        return rest.Hidden(self._client.url + self._client.target(path, query))

    @override
    def _enable_container_cdn(self, container: str) -> None:
        self._client.send(PUBLISH_BUCKET, container, query={"public": ""}).close()

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._get_object_cdn_url(container, "")

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._client.url + self._client.locate(container, name).path
