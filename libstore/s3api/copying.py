"""
Copies within the service.

A copy of up to 5 GiB is one request. A larger one, and one with a condition that the service's
copies do not take, goes in parts that the service copies by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import (
    ContainerNotFoundError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    StorageError,
)
from ..rest.confirming import Written
from ..rest.copying import (
    changed_info,
    check_copy_onto_itself,
    copy_in_parts,
    find_missing,
    require_source,
)
from ..rest.dialect import condition_headers, with_token
from ..transfer.payload import BufferPayload
from ..values import Conditions, CopyOptions, ObjectInfo, Upload
from . import dialect, operations
from .multipart import Uploads
from .objects import Objects
from .options import ObjectSettings, tag_headers

_ENCRYPTION = frozenset(
    {"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"}
)


@dataclass(frozen=True, slots=True)
class _Copy:
    """
    One copy; `tags` and `headers` that are `None` carry over those of the source.

    Attributes:
        settings: How the copy is stored.
        match: The ETag that the source must have.
        headers: The headers of the content type and the metadata.
    """

    source: tuple[str, str]
    target: tuple[str, str]
    options: CopyOptions
    settings: ObjectSettings
    tags: Mapping[str, str] | None
    match: str | None = None
    headers: Mapping[str, str] | None = None

    @property
    def storage_class(self) -> dict[str, str]:
        """The header of the storage class, if the copy has one of its own."""
        return dialect.HEADERS.storage_class_headers(self.options.storage_class)

    @property
    def sent(self) -> dict[str, str]:
        """All headers of the copy that replace those of its source."""
        own = {**self.storage_class, **self.settings.writes, **(self.tags or {})}
        return {**(self.headers or {}), **own}


class Copier:
    """Copies the objects of one driver."""

    def __init__(self, objects: Objects, uploads: Uploads) -> None:
        self._objects = objects
        self._uploads = uploads
        self._client = objects.client
        self._service = objects.service
        self._settings = objects.settings

    def copy(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> ObjectInfo:
        """Copy an object; source and target are buckets and names."""
        tags = options.extra.get("tags")
        copy = _Copy(
            source,
            target,
            options,
            self._settings.overridden(options.extra),
            None if tags is None else tag_headers(tags),
        )
        if source == target:
            return self._copy_onto_itself(copy)
        self._objects.check_conditions(*target, options.conditions)
        info: ObjectInfo | None = None
        conditional = bool(options.conditions)
        in_parts = conditional and self._service.copy_condition is None
        # The service carries over all metadata or none, so a token among them needs the others.
        given = (options.metadata, options.content_type, options.conditions.token)
        replaced = any(one is not None for one in given)
        if in_parts or replaced:
            info = self._objects.head(*source)
            headers = self._kept(info, options, options.conditions) if replaced else None
            copy = replace(copy, match=info.etag, headers=headers)
        if not in_parts and (info is None or self._fits(info)):
            try:
                return self._copy_whole(copy)
            except StorageError as error:
                if not _is_too_large(error):
                    raise
        info = info or self._objects.head(*source)
        if copy.headers is None:
            copy = replace(copy, headers=dialect.HEADERS.kept_headers(info, None, None))
        return self._copy_parts(replace(copy, match=info.etag), info)

    def _copy_onto_itself(self, copy: _Copy) -> ObjectInfo:
        """Change the object where it is; S3 refuses a copy onto itself that changes nothing."""
        info, options = self._objects.head(*copy.source), copy.options
        other_changes = (
            bool(copy.storage_class)
            or copy.tags is not None
            or copy.settings is not self._settings
        )
        if not (check_copy_onto_itself(info, options) or other_changes):
            return info
        token = options.conditions.token or info.write_token
        carried = dialect.carried_headers(info)
        if copy.settings.customer_key is not None or copy.settings.encryption is not None:
            carried = {name: text for name, text in carried.items() if name not in _ENCRYPTION}
        headers = self._kept(info, options, replace(options.conditions, token=token)) | carried
        copy = replace(copy, match=info.etag, headers=headers)
        done = self._copy_whole(copy) if self._fits(info) else self._copy_parts(copy, info)
        return replace(
            changed_info(info, options.metadata, options.content_type),
            etag=done.etag or info.etag,
            checksums=done.checksums or info.checksums,
            last_modified=done.last_modified or info.last_modified,
            version=done.version,
            storage_class=options.storage_class or info.storage_class,
            complete=not other_changes,
        )

    def _kept(
        self, info: ObjectInfo, options: CopyOptions, conditions: Conditions
    ) -> dict[str, str]:
        """Return the headers of all that is stored with a copy, with the token of a condition."""
        headers = dialect.HEADERS.kept_headers(info, options.metadata, options.content_type)
        return with_token(headers, conditions, dialect.META, self._service.limits.max_metadata)

    def _fits(self, info: ObjectInfo) -> bool:
        """Return whether one request is tried, as it must be where there is no other way."""
        service = self._service
        return not service.part_copies or (info.size or 0) <= service.limits.max_put

    # ------------------------------------------------------------------ one request

    def _copy_whole(self, copy: _Copy) -> ObjectInfo:
        headers = {**copy.sent, **self._source_headers(copy)}
        if copy.headers is not None:
            headers["x-amz-metadata-directive"] = "REPLACE"
        if copy.tags is not None:
            headers["x-amz-tagging-directive"] = "REPLACE"
        # A copy onto itself has a condition for its source. After the first one some services,
        # such as Google's, have another ETag.
        onto_itself = copy.source == copy.target
        if not onto_itself:
            prefix = self._service.copy_condition or ""
            headers |= condition_headers(copy.options.conditions, prefix)
        once = onto_itself or bool(copy.options.conditions)

        def send() -> ObjectInfo:
            try:
                document = self._client.send_xml(
                    operations.COPY_OBJECT, *copy.target,
                    root="CopyObjectResult", headers=headers, idempotent=not once,
                )  # fmt: skip
            except ContainerNotFoundError as error:
                missing = find_missing([copy.target[0]], self._head_bucket)
                error.container = copy.source[0] if missing is None else missing.container
                raise
            except ObjectAlreadyExistsError:
                require_source(
                    copy.match,
                    lambda: self._objects.head_stored(*copy.source, self._settings.reads),
                )
                raise
            return dialect.result_info(copy.target[1], document, self._service)

        def matches(info: ObjectInfo) -> bool:
            if onto_itself:
                return dialect.keeps(info, copy.headers or {})
            return self._is_copy(info, copy)

        return self._objects.write(
            send, *copy.target, copy.settings, matches, copy.options.conditions,
            (copy.headers or {}).get(dialect.TOKEN), once=onto_itself,
        )  # fmt: skip

    def _is_copy(self, info: ObjectInfo, copy: _Copy) -> bool:
        """Return whether the target is the object that the copy stores."""
        if copy.headers is not None and not dialect.keeps(info, copy.headers):
            return False
        source = self._objects.head(*copy.source)
        kept_headers = dialect.HEADERS.kept_headers
        if copy.headers is None and (
            kept_headers(info, None, None) != kept_headers(source, None, None)
        ):
            return False
        return Written.copy_of(source).matches(info)

    def _source_headers(self, copy: _Copy) -> dict[str, str]:
        headers = {"x-amz-copy-source": dialect.copy_source(*copy.source)}
        if copy.match is not None:
            headers["x-amz-copy-source-if-match"] = f'"{copy.match}"'
        return headers | self._settings.copy_source

    def _head_bucket(self, name: str) -> None:
        self._client.send(operations.HEAD_BUCKET, name).close()

    # ------------------------------------------------------------------ many requests

    def _copy_parts(self, copy: _Copy, info: ObjectInfo) -> ObjectInfo:
        service, requests, settings = self._service, self._uploads.requests, copy.settings
        conditions = copy.options.conditions
        if info.size and not service.part_copies:
            raise NotSupportedError(
                f"{service.title} cannot copy an object of {info.size} bytes, or with a condition"
            )
        if copy.tags is None:
            copy = replace(copy, tags=self._tags_of(copy.source, info))
        if not info.size:
            # There are no parts to copy.
            done = self._objects.put_content(
                *copy.target, BufferPayload(()), copy.sent, settings, conditions
            )
            return replace(done, size=0)
        upload = Upload(*copy.target, requests.create(*copy.target, copy.sent))
        headers = {**self._source_headers(copy), **settings.access}
        token = (copy.headers or {}).get(dialect.TOKEN)
        return copy_in_parts(
            upload, info, service.limits, copy.options.checkpoint,
            copy=lambda number, span: requests.copy_part(upload, number, span, headers),
            finish=lambda parts: self._uploads.complete(
                upload, parts, {}, settings, conditions, token
            ),
            abort=requests.abort,
        )  # fmt: skip

    def _tags_of(self, place: tuple[str, str], info: ObjectInfo) -> Mapping[str, str]:
        """Return the header of an object's tags, which copies in parts do not carry over."""
        if info.extra.get("tag_count", "0") == "0":
            return {}
        document = self._client.send_xml(
            operations.GET_OBJECT_TAGGING, *place,
            root="Tagging", rows=("Tag",),
            query={"tagging": ""}, headers=self._settings.payer,
        )  # fmt: skip
        return tag_headers({row.get("Key", ""): row.get("Value", "") for _, row in document.rows})


def _is_too_large(error: StorageError) -> bool:
    """Return whether a copy was refused for the source's size, which has no code of its own."""
    return error.code == "EntityTooLarge" or (
        error.code == "InvalidRequest" and "copy source is larger" in error.message
    )
