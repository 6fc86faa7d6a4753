"""
A driver of an HTTP service, written with the toolkit `libstore.rest`.

The service is made up. It has buckets and objects, JSON documents, error codes and conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
    Limits,
    ListQuery,
    ObjectInfo,
    ObjectNotFoundError,
    Page,
    Payload,
    Prefix,
    Reading,
    RetryPolicy,
    Span,
    WriteOptions,
    rest,
)
from libstore.rest import ACCOUNT, CONTAINER, CONTENT, JSON, OBJECT, Meaning, Operation

LIST_BUCKETS = Operation("ListBuckets", "GET", ACCOUNT, response=JSON)
CREATE_BUCKET = Operation(
    "CreateBucket", "PUT", CONTAINER, creates=True, idempotent=False, success=(201,)
)
HEAD_BUCKET = Operation("HeadBucket", "GET", CONTAINER, response=JSON)
DELETE_BUCKET = Operation("DeleteBucket", "DELETE", CONTAINER, idempotent=False, response=JSON)
LIST_OBJECTS = Operation("ListObjects", "GET", CONTAINER, response=JSON)
HEAD_OBJECT = Operation("HeadObject", "GET", OBJECT, response=JSON)
GET_OBJECT = Operation("GetObject", "GET", OBJECT, success=(200, 206), response=CONTENT)
PUT_OBJECT = Operation("PutObject", "PUT", OBJECT, creates=True, response=JSON)
DELETE_OBJECT = Operation("DeleteObject", "DELETE", OBJECT, response=JSON)

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
        item["name"],
        size=item["size"],
        etag=item["etag"],
        checksums={"md5": item["md5"]},
        last_modified=rest.parse_epoch(item["modified"]),
        content_type=item["type"],
        metadata=item["metadata"],
        extra={"cache_control": item["cache"]} if item["cache"] else {},
        complete=True,
    )


class ExampleDriver(rest.RestDriver[ExampleClient, Settings]):
    """ExampleService."""

    name: ClassVar[str] = "example"
    options: ClassVar[frozenset[str]] = frozenset(
        {"if_absent", "if_match", "delete_if_match", "cache_control"}
    )
    limits: Limits = Limits(max_put=64 * 1024 * 1024, page_size=100)

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
        self._client.delete_container(DELETE_BUCKET, name, lambda: self._head_container(name))

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
            "prefix": query.prefix,
            "delimiter": query.delimiter,
            "after": token or query.start_after,
            "limit": str(limit),
        }
        page = self._client.send_json(LIST_OBJECTS, container, query=parameters)
        items = [Prefix(i["prefix"]) if "prefix" in i else object_info(i) for i in page["items"]]
        return Page(items, page["next"])

    # ------------------------------------------------------------------ objects

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        item = self._client.send_json(HEAD_OBJECT, container, name, query={"about": ""})
        return object_info(item)

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        response = self._client.send(
            GET_OBJECT, container, name, headers=rest.read_headers(span, conditions)
        )
        sent, size = rest.sent_span(response)
        headers = response.headers
        info = HEADERS.object_info(
            name,
            headers,
            size,
            etag=rest.clean_etag(headers.get("etag")),
            checksums={"md5": headers["x-md5"]} if "x-md5" in headers else {},
            last_modified=rest.parse_epoch(headers.get("x-modified")),
        )
        return Reading(info, sent, response, response.close)

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        conditions = options.conditions
        headers = HEADERS.write_headers(options) | rest.condition_headers(conditions)
        headers = rest.with_token(headers, conditions, HEADERS.metadata_prefix)
        headers["content-md5"] = rest.base64_of(payload.digest("md5"))
        return self._client.write(
            PUT_OBJECT,
            container,
            name,
            lambda response: object_info(self._client.read_json(PUT_OBJECT, response)),
            partial(self._head_object, container, name, None),
            rest.Written(content=payload).matches,
            conditions,
            conditions.token,
            headers=headers,
            content=payload,
        )

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        head = partial(self._head_object, container, name, None)
        headers = rest.condition_headers(conditions)
        self._client.delete(DELETE_OBJECT, container, name, head, conditions, headers=headers)
