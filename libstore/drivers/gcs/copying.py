"""
Copies within the service, of any size.

https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import (
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    ServiceError,
)
from ...http.encoding import encode
from ...rest.checksums import key_headers
from ...rest.copying import find_missing, is_copy, require_source
from ...rest.dialect import with_token
from ...values import TOKEN_KEY, Conditions, CopyOptions, ObjectInfo
from . import dialect, operations
from .client import GCSClient
from .objects import Objects
from .options import Encryption, acl

# The fields that a copy with other attributes must repeat.
_KEPT = (*dialect.KEPT, "contentType", "metadata", "customTime")


@dataclass
class _Copy:
    """
    One copy.

    Attributes:
        source: The container and the name.
        target: Likewise.
        body: The attributes of the target; `None` if they are those of the source.
        progress: The continuation token and the copied bytes of the last response.
    """

    source: tuple[str, str]
    target: tuple[str, str]
    options: CopyOptions
    query: dict[str, str]
    body: dict[str, Any] | None = None
    progress: tuple[object, object] = (None, None)
    headers: dict[str, str] = field(default_factory=dict)


class Copier:
    """The copies of one driver."""

    def __init__(self, client: GCSClient, objects: Objects, encryption: Encryption) -> None:
        self._client = client
        self._objects = objects
        self._encryption = encryption

    def copy(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> ObjectInfo:
        """Copy an object; source and target are each a container and a name."""
        order = self._order(source, target, options)
        try:
            return self._client.confirmer.write(
                lambda: self._rewrite(order),
                lambda: self._objects.head_written(*target, options.extra),
                lambda info: self._is_copy(info, order),
                options.conditions, dialect.token_of(order.body),
            )  # fmt: skip
        except (ObjectNotFoundError, ContainerNotFoundError) as error:
            missing = find_missing((source[0], target[0]), self._client.require_bucket)
            if missing is not None:
                raise missing from None
            error.container, error.object = source
            raise
        except ObjectAlreadyExistsError:
            required = order.query.get("ifSourceGenerationMatch")
            require_source(required, lambda: self._objects.head(*source))
            raise

    def _order(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> _Copy:
        extra = options.extra
        query = dialect.conditions(options.conditions)
        body = None
        if (
            options.metadata is not None
            or options.content_type is not None
            or options.storage_class is not None
            or "custom_time" in extra
            or options.conditions.token is not None
        ):
            # Fields that a body does not have are not copied, so it must have all.
            found = self._objects.resource(*source)
            if found.get("generation"):
                query["ifSourceGenerationMatch"] = str(found["generation"])
            body = _changed(found, options)
        key = self._encryption.kms_name(extra)
        if key is not None:
            query["destinationKmsKeyName"] = key
        query |= acl(extra, "destinationPredefinedAcl")
        headers = {
            **key_headers(self._encryption.customer_key, "x-goog-copy-source-"),
            **self._encryption.headers(extra),
        }
        return _Copy(source, target, options, query, body, headers=headers)

    def _rewrite(self, order: _Copy) -> ObjectInfo:
        """Send requests until the copy is complete."""
        while True:
            document = self._send(order)
            if document.get("done"):
                return dialect.object_info(document.get("resource") or {})
            # The token may stay the same while the copy goes on.
            before = order.progress
            order.progress = (document.get("rewriteToken"), document.get("totalBytesRewritten"))
            if not order.progress[0] or order.progress == before:
                raise ServiceError("Google has stopped making progress with the copy; try again")
            order.options.checkpoint()

    def _send(self, order: _Copy) -> dict[str, Any]:
        (bucket, name), endpoint = order.target, self._client.endpoint
        token = order.progress[0]
        document: dict[str, Any] = self._client.send_json(
            operations.REWRITE_OBJECT,
            path=f"{endpoint.path(*order.source)}/rewriteTo/b/{encode(bucket)}/o/{encode(name)}",
            body=order.body,
            query={**order.query, "rewriteToken": str(token)} if token else order.query,
            headers=order.headers,
            # A request without a response may have made the copy.
            idempotent=order.options.conditions == Conditions(),
        )
        if document.get("done") or not document.get("rewriteToken"):
            dialect.require_name(document.get("resource") or {}, name)
        return document

    def _is_copy(self, info: ObjectInfo, order: _Copy) -> bool:
        """Return whether an object is the copy of the source that the body requests."""
        resource = {**self._objects.resource(*order.source), **(order.body or {})}
        stored = dialect.object_info(resource)
        return is_copy(info, stored, stored.metadata, stored.content_type)


def _changed(found: Mapping[str, Any], options: CopyOptions) -> dict[str, Any]:
    """Return the resource of a copy that has other attributes than its source."""
    body = {name: found[name] for name in _KEPT if found.get(name)}
    metadata = {key: text for key, text in body.get("metadata", {}).items() if key != TOKEN_KEY}
    if options.metadata is not None:
        metadata = dialect.stored_metadata(options.metadata)
    body["metadata"] = with_token(metadata, options.conditions, "", dialect.MAX_METADATA)
    if options.content_type is not None:
        body["contentType"] = options.content_type
    if options.storage_class is not None:
        body["storageClass"] = options.storage_class
    if "custom_time" in options.extra:
        body["customTime"] = options.extra["custom_time"]
    return body
