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
from ...rest.checksums import base64_of, is_same, key_headers
from ...rest.confirming import Seen
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
from .client import GCSClient, read_json
from .errors import foreign
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
        return self._client.send_json(
            operations.GET_OBJECT, self._client.place.object(container, name),
            query={"generation": version} if version else None,
            headers=self._customer(extra), bucket=container,
        )  # fmt: skip

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
            operations.READ_OBJECT, self._client.place.object(container, name),
            query=query, headers=headers, bucket=container,
        )  # fmt: skip
        require_stored_form(response)
        # A proxy's page has a status of success and may have an ETag.
        if response.status == 200 and not any(map(dialect.is_own_header, response.headers)):
            response.close()
            raise foreign(200).error(200)
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
                operations.INSERT_OBJECT, self._client.place.uploads(container),
                query=query, headers=headers, content=content, idempotent=not bound,
            )  # fmt: skip
            told = read_json(response)
            dialect.require_name(told, name)
            return dialect.object_info(told)

        def find() -> ObjectInfo | None:
            info = self._look_again(container, name, options.extra).info
            return info if is_same(info, payload.size, digests) else None

        if not bound:
            return self._client.proved(lambda: self._client.persist(put), find)
        return self._client.write_once(
            put, options.conditions, dialect.token_of(resource),
            lambda: self._look_again(container, name, options.extra),
        )  # fmt: skip

    def _look_again(self, container: str, name: str, extra: Mapping[str, object]) -> Seen:
        """Look at what an object has become; Google tells digests to who has the key."""
        return Seen(dialect.object_info(self._resource(container, name, None, extra)))

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        query = dialect.conditions(conditions)
        if version:
            query["generation"] = version

        self._client.delete(
            lambda: self._client.send(
                operations.DELETE_OBJECT, self._client.place.object(container, name),
                query=query, idempotent=conditions.if_match is None, bucket=container,
            ).close(),
            conditions,
            lambda: Seen(self._head_object(container, name, None)),
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

        def send() -> dict[str, Any]:
            told = self._client.send_json(
                operations.PATCH_OBJECT, self._client.place.object(container, resource["name"]),
                body=change, query=query, bucket=container,
            )  # fmt: skip
            dialect.require_name(told, resource["name"])
            return told

        def look() -> dict[str, Any] | None:
            return self._changed(container, resource, metadata, content_type)

        told = self._client.persist_once(send, look)
        info = dialect.object_info({**resource, **told})
        return info if metadata is None else replace(info, metadata=dict(metadata))

    def _changed(
        self,
        container: str,
        before: Mapping[str, Any],
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> dict[str, Any] | None:
        """Return the resource if it has become what was asked for."""
        now = self._resource(container, before["name"])
        info = dialect.object_info(now)
        same = (
            now.get("generation") == before.get("generation")
            and (metadata is None or info.metadata == metadata)
            and content_type in {None, info.content_type}
        )
        return now if same else None


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
