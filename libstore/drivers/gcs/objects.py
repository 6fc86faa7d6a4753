"""What the hooks of single objects ask of Google."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from ...errors import (
    InvalidOptionError,
    ObjectChangedError,
)
from ...rest.checksums import base64_of, key_headers
from ...rest.confirming import StoredObject, Written
from ...rest.driver import RestDriver
from ...rest.reading import range_header, require_stored_form
from ...transfer.payload import Payload
from ...values import (
    TOKEN_KEY,
    Conditions,
    MiB,
    ObjectInfo,
    Reading,
    Span,
    WriteOptions,
)
from . import dialect, operations
from .client import GCSClient
from .settings import Settings

# Metadata is read, changed and written; so often, if others change it meanwhile.
_ROUNDS = 5


class ObjectHooks(RestDriver[GCSClient, Settings]):
    """The hooks of single objects, and what all hooks build on."""

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return dialect.object_info(self._resource(container, name, version))

    def _resource(
        self,
        container: str,
        name: str,
        version: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        resource: dict[str, Any] = self._client.send_json(
            operations.GET_OBJECT, container, name,
            query={"generation": version} if version else None,
            headers=self._customer(extra),
        )  # fmt: skip
        return resource

    def _customer(self, extra: Mapping[str, object] | None = None) -> dict[str, str]:
        """Return the headers of the key that encrypts an object, if the caller has one."""
        extra = extra or {}
        if "kms_key" in extra:
            if "customer_key" in extra:
                raise InvalidOptionError("customer_key and kms_key exclude each other")
            return {}
        return key_headers(extra.get("customer_key", self._settings.customer_key), "x-goog-")

    # ------------------------------------------------------------------ reading

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        # Without Accept-Encoding Google decompresses what is stored compressed, and the hash and
        # the size are not those of the bytes: https://cloud.google.com/storage/docs/transcoding
        headers = {**self._customer(), **range_header(span), "accept-encoding": "gzip"}
        query = {"alt": "media", **dialect.conditions(conditions)}
        if version:
            query["generation"] = version
        response = self._client.send(
            operations.READ_OBJECT, container, name, query=query, headers=headers
        )
        require_stored_form(response)
        info, sent = dialect.read_info(name, response)
        return Reading(info, sent, response.body, response.close)

    # ------------------------------------------------------------------ writing

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        resource = dialect.new_object(name, options)
        digests = {algorithm: payload.digest(algorithm) for algorithm in self.digests}
        # Google compares them with what arrives, and refuses what is something else.
        if "md5" in digests:
            resource["md5Hash"] = base64_of(digests["md5"])
        if "crc32c" in digests:
            resource["crc32c"] = base64_of(digests["crc32c"])
        content = Related(resource, payload)
        bound = options.conditions != Conditions()
        query = {
            "uploadType": "multipart",
            **dialect.conditions(options.conditions),
            **dialect.write_query(options.extra, self._settings.kms_key),
        }
        headers = {**self._customer(options.extra), "content-type": content.content_type}

        def put() -> ObjectInfo:
            response = self._client.send(
                operations.INSERT_OBJECT, container,
                path=self._client.place.uploads(container),
                query=query, headers=headers, content=content, idempotent=not bound,
            )  # fmt: skip
            document = self._client.read_json(operations.INSERT_OBJECT, response)
            dialect.require_name(document, name)
            return dialect.object_info(document)

        return self._client.confirmer.write(
            put,
            lambda: self._head_written(container, name, options.extra),
            Written(payload.size, checksums=digests).matches,
            options.conditions, dialect.token_of(resource),
        )  # fmt: skip

    def _head_written(
        self, container: str, name: str, extra: Mapping[str, object]
    ) -> StoredObject:
        """Return the object that is stored after a write with these options."""
        # Google sends digests only to a client that has the key.
        return StoredObject(dialect.object_info(self._resource(container, name, None, extra)))

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        query = dialect.conditions(conditions)
        if version:
            query["generation"] = version

        self._client.confirmer.delete(
            lambda: self._client.send(
                operations.DELETE_OBJECT, container, name,
                query=query, idempotent=conditions.if_match is None,
            ).close(),
            lambda: StoredObject(self._head_object(container, name, None)),
            conditions,
        )  # fmt: skip

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        for attempt in range(_ROUNDS):
            resource = self._resource(container, name)
            found = dialect.object_info(resource)
            if conditions.if_match not in {None, found.etag}:
                raise ObjectChangedError(f"the object has another ETag, {found.etag}")
            try:
                return self._patch(container, resource, metadata, content_type)
            except ObjectChangedError:
                if attempt == _ROUNDS - 1:
                    raise
        raise AssertionError("every round returns or raises")

    def _patch(
        self,
        container: str,
        resource: Mapping[str, Any],
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        change: dict[str, Any] = {}
        if content_type is not None:
            change["contentType"] = content_type
        if metadata is not None:
            # https://cloud.google.com/storage/docs/json_api/v1/how-tos/performance#patch: what
            # is null goes, what is not named stays, as does the token of a write.
            gone: dict[str, str | None] = dict.fromkeys(resource.get("metadata") or {})
            gone.pop(TOKEN_KEY, None)
            change["metadata"] = {**gone, **dialect.kept_metadata(metadata)}
        query = {}
        for condition, number in (
            ("ifGenerationMatch", resource.get("generation")),
            ("ifMetagenerationMatch", resource.get("metageneration")),
        ):
            if number:
                query[condition] = str(number)

        name: str = resource["name"]

        def send() -> ObjectInfo:
            document = self._client.send_json(
                operations.PATCH_OBJECT, container, name, body=change, query=query
            )
            dialect.require_name(document, name)
            return dialect.object_info({**resource, **document})

        etag = dialect.object_info(resource).etag
        info = self._client.confirmer.write(
            send,
            lambda: StoredObject(self._head_object(container, name, None)),
            Written(etag=etag, metadata=metadata, content_type=content_type).matches,
            once=True,
        )  # fmt: skip
        return info if metadata is None else replace(info, metadata=dict(metadata))


class Related:
    """
    A resource and an object's content in one body; see `libstore.http.message.Content`.

    https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object
    """

    def __init__(self, resource: Mapping[str, Any], payload: Payload) -> None:
        boundary = secrets.token_hex(16)
        kind = str(resource["contentType"])
        self.content_type = f"multipart/related; boundary={boundary}"
        head = (
            f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(resource)}\r\n--{boundary}\r\ncontent-type: {kind}\r\n\r\n"
        )
        self._head = head.encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._payload = payload

    @property
    def size(self) -> int:
        """How many bytes the body has."""
        return len(self._head) + self._payload.size + len(self._tail)

    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """Yield the body in pieces."""
        yield memoryview(self._head)
        yield from self._payload.blocks(block_size)
        yield memoryview(self._tail)
