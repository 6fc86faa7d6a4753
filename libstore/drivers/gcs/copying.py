"""
Copies within the service, of any size.

https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import (
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    ServiceError,
)
from ...http.encoding import encode
from ...rest.checksums import key_headers
from ...rest.confirming import Written
from ...rest.copying import find_missing, require_source
from ...rest.dialect import with_token
from ...values import TOKEN_KEY, Conditions, CopyOptions, ObjectInfo
from . import dialect, operations
from .client import GCSClient
from .objects import Objects
from .options import Encryption, acl

# The fields that a copy with other attributes must repeat.
_KEPT = (*dialect.KEPT, "contentType", "metadata", "customTime")


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
        query, body = self._attributes(source, options)
        try:
            return self._client.confirmer.write(
                lambda: self._rewrite(source, target, options, query, body),
                lambda: self._objects.head_written(*target, options.extra),
                lambda info: self._is_copy(info, source, body),
                options.conditions, dialect.token_of(body),
            )  # fmt: skip
        except (ObjectNotFoundError, ContainerNotFoundError) as error:
            missing = find_missing((source[0], target[0]), self._client.require_bucket)
            if missing is not None:
                raise missing from None
            error.container, error.object = source
            raise
        except ObjectAlreadyExistsError:
            required = query.get("ifSourceGenerationMatch")
            require_source(required, lambda: self._objects.head(*source))
            raise

    def _attributes(
        self, source: tuple[str, str], options: CopyOptions
    ) -> tuple[dict[str, str], dict[str, Any] | None]:
        """Return the parameters of a copy, and its resource; `None` keeps that of the source."""
        extra = options.extra
        query = {
            **dialect.conditions(options.conditions),
            **acl(extra, "destinationPredefinedAcl"),
        }
        key = self._encryption.kms_name(extra)
        if key is not None:
            query["destinationKmsKeyName"] = key
        if (
            options.metadata is None
            and options.content_type is None
            and options.storage_class is None
            and "custom_time" not in extra
            and options.conditions.token is None
        ):
            return query, None
        # Fields that a body does not have are not copied, so it must have all.
        found = self._objects.resource(*source)
        if found.get("generation"):
            query["ifSourceGenerationMatch"] = str(found["generation"])
        return query, _changed(found, options)

    def _rewrite(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        options: CopyOptions,
        query: dict[str, str],
        body: dict[str, Any] | None,
    ) -> ObjectInfo:
        """Send requests until the copy is complete; `query` has the token of the last response."""
        bucket, name = target
        path = (
            f"{self._client.endpoint.path(*source)}/rewriteTo/b/{encode(bucket)}/o/{encode(name)}"
        )
        headers = {
            **key_headers(self._encryption.customer_key, "x-goog-copy-source-"),
            **self._encryption.headers(options.extra),
        }
        progress = None
        while True:
            document: dict[str, Any] = self._client.send_json(
                operations.REWRITE_OBJECT, path=path, body=body, query=query, headers=headers,
                # A request without a response may have made the copy.
                idempotent=options.conditions == Conditions(),
            )  # fmt: skip
            token, before = document.get("rewriteToken"), progress
            if document.get("done") or not token:
                dialect.require_name(document.get("resource") or {}, name)
            if document.get("done"):
                return dialect.object_info(document["resource"])
            # The token may stay the same while the copy goes on.
            progress = (token, document.get("totalBytesRewritten"))
            if not token or progress == before:
                raise ServiceError("Google has stopped making progress with the copy; try again")
            query["rewriteToken"] = str(token)
            options.checkpoint()

    def _is_copy(
        self, info: ObjectInfo, source: tuple[str, str], body: dict[str, Any] | None
    ) -> bool:
        """Return whether an object is the copy of the source that the body requests."""
        resource = {**self._objects.resource(*source), **(body or {})}
        stored = dialect.object_info(resource)
        return Written.copy_of(stored, stored.metadata, stored.content_type).matches(info)


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
