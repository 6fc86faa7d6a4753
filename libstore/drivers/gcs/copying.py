"""
Copies within the service, of any size.

https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from ...errors import (
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
)
from ...http.encoding import encode
from ...rest.checksums import key_headers
from ...rest.confirming import Written
from ...rest.dialect import with_token
from ...values import TOKEN_KEY, Conditions, CopyOptions, ObjectInfo
from . import dialect, operations
from .objects import ObjectHooks
from .options import PREDEFINED_ACLS

#: What an object keeps when one of them is changed.
_CARRIED = (*dialect.KEPT, "contentType", "metadata", "customTime")


class CopyHooks(ObjectHooks):
    """The hook of copies."""

    @override
    def _copy_object(
        self,
        source_container: str,
        source: str,
        container: str,
        name: str,
        options: CopyOptions,
    ) -> ObjectInfo:
        query = {
            **dialect.conditions(options.conditions),
            **dialect.conditions(Conditions(if_match=options.if_source_match), "Source"),
        }
        body: dict[str, Any] | None = None
        if (
            options.metadata is not None
            or options.content_type is not None
            or options.storage_class is not None
            or "custom_time" in options.extra
            or options.conditions.token is not None
        ):
            # What a body does not name is not carried over, so it has to name everything.
            found = self._resource(source_container, source)
            query.setdefault("ifSourceGenerationMatch", str(found.get("generation", "")))
            body = _changed(found, options)
        if not query.get("ifSourceGenerationMatch", "-"):
            del query["ifSourceGenerationMatch"]
        kms = options.extra.get("kms_key", self._settings.kms_key)
        if kms is not None and "customer_key" not in options.extra:
            query["destinationKmsKeyName"] = str(kms)
        if "acl" in options.extra:
            query["destinationPredefinedAcl"] = PREDEFINED_ACLS[str(options.extra["acl"])]
        try:
            return self._rewrite((source_container, source), (container, name), query, body,
                                 options)  # fmt: skip
        except (ObjectNotFoundError, ContainerNotFoundError) as error:
            missing = self._client.missing(source_container) or self._client.missing(container)
            if missing is not None:
                raise missing from None
            error.container, error.object = source_container, source
            raise
        except ObjectAlreadyExistsError:
            # Which of two conditions does not hold, the response does not tell.
            wanted = query.get("ifSourceGenerationMatch")
            now = self._head_object(source_container, source, None).etag if wanted else None
            if now != wanted:
                raise ObjectChangedError("the source was replaced while it was copied") from None
            raise

    def _rewrite(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        options: CopyOptions,
    ) -> ObjectInfo:
        place = self._client.place
        path = f"{place.object(*source)}/rewriteTo/b/{encode(target[0])}/o/{encode(target[1])}"
        key = self._settings.customer_key
        headers = {
            **key_headers(key, "x-goog-copy-source-"),
            **self._customer(options.extra),
        }
        bound = options.conditions != Conditions()
        token: dict[str, str] = {}
        done: object = None

        def send() -> dict[str, Any]:
            # A call without an answer may have made the copy: with a condition it is not repeated.
            told: dict[str, Any] = self._client.send_json(
                operations.REWRITE_OBJECT, path=path, body=body, query={**query, **token},
                headers=headers, idempotent=not bound,
            )  # fmt: skip
            if told.get("done") or not told.get("rewriteToken"):
                dialect.require_name(told.get("resource") or {}, target[1])
            return told

        def copy() -> ObjectInfo:
            nonlocal done
            while True:
                told = send()
                if told.get("done"):
                    return dialect.object_info(told.get("resource") or {})
                # The token may stay the same while the copy goes on.
                before, done = done, (told.get("rewriteToken"), told.get("totalBytesRewritten"))
                if not told.get("rewriteToken") or done == before:
                    raise ServiceError("Google has not made the whole copy, and does not go on")
                token["rewriteToken"] = str(told["rewriteToken"])
                options.checkpoint()

        return self._client.confirmer.write(
            copy,
            lambda: self._head_written(*target, options.extra),
            lambda info: self._is_copy(info, source, body),
            options.conditions, dialect.token_of(body),
        )  # fmt: skip

    def _is_copy(
        self, info: ObjectInfo, source: tuple[str, str], body: Mapping[str, Any] | None
    ) -> bool:
        """Return whether the target is what the source and `body` make of it."""
        copied = self._resource(*source)
        stored = dialect.object_info({**copied, **(body or {})})
        return Written(
            stored.size, None, stored.checksums, stored.metadata, stored.content_type
        ).matches(info)


def _changed(found: Mapping[str, Any], options: CopyOptions) -> dict[str, Any]:
    """Return the resource of a copy that is to have something else than its source."""
    body = {field: found[field] for field in _CARRIED if found.get(field)}
    metadata = {key: text for key, text in body.get("metadata", {}).items() if key != TOKEN_KEY}
    if options.metadata is not None:
        metadata = dialect.kept_metadata(options.metadata)
    body["metadata"] = with_token(metadata, options.conditions, "", dialect.MAX_METADATA)
    if options.content_type is not None:
        body["contentType"] = options.content_type
    if options.storage_class is not None:
        body["storageClass"] = options.storage_class
    if "custom_time" in options.extra:
        body["customTime"] = options.extra["custom_time"]
    return body
