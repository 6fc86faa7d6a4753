"""
Copies within the service.

A copy of up to 5 GiB is one request. A larger one, and one with a condition that the service's
copies do not take, goes in parts that the service copies by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    is_copy,
    require_source,
)
from ..rest.dialect import condition_headers, with_token
from ..values import Conditions, CopyOptions, ObjectInfo, Part, Upload
from . import dialect, operations
from .client import S3Client
from .multipart import UploadRequests
from .objects import Objects
from .options import ObjectSettings, tag_headers
from .service import Service
from .xml import complete_body

_ENCRYPTION = frozenset(
    {"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"}
)


@dataclass(frozen=True, slots=True)
class _Copy:
    """
    One copy.

    Attributes:
        source: Bucket and name.
        target: Bucket and name.
        settings: How the copy is stored.
        storage_class: The copy's header of it.
        tags: The copy's header of them; `None` carries over those of the source.
        match: The ETag that the source must have.
        conditions: The conditions for the target.
        checkpoint: Raises if the copy was cancelled.
        headers: The headers of the content type and the metadata; `None` carries over the
            source's.
    """

    source: tuple[str, str]
    target: tuple[str, str]
    settings: ObjectSettings
    storage_class: Mapping[str, str]
    tags: Mapping[str, str] | None
    match: str | None
    conditions: Conditions
    checkpoint: Callable[[], None] = CopyOptions().checkpoint
    headers: Mapping[str, str] | None = None

    @property
    def sent(self) -> dict[str, str]:
        """All headers of the copy that replace those of its source."""
        own = {**self.storage_class, **self.settings.writes, **(self.tags or {})}
        return {**(self.headers or {}), **own}

    @property
    def changes(self) -> bool:
        """Whether a copy onto itself changes anything but metadata and content type."""
        return bool(self.storage_class) or self.tags is not None


class Copier:
    """Copies the objects of one driver."""

    def __init__(
        self,
        client: S3Client,
        service: Service,
        settings: ObjectSettings,
        objects: Objects,
        requests: UploadRequests,
    ) -> None:
        self._client = client
        self._service = service
        self._settings = settings
        self._objects = objects
        self._requests = requests

    def copy(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> ObjectInfo:
        """Copy an object; source and target are buckets and names."""
        tags = options.extra.get("tags")
        copy = _Copy(
            source,
            target,
            self._settings.overridden(options.extra),
            dialect.HEADERS.storage_class_headers(options.storage_class),
            None if tags is None else tag_headers(tags),
            None,
            options.conditions,
            options.checkpoint,
        )
        if source == target:
            return self._copy_onto_itself(copy, options)
        info: ObjectInfo | None = None
        conditional = options.conditions != Conditions()
        in_parts = conditional and self._service.copy_condition is None
        # The service carries over all metadata or none, so a token among them needs the others.
        given = (options.metadata, options.content_type, options.conditions.token)
        replaced = any(one is not None for one in given)
        if in_parts or replaced:
            info = self._objects.head(*source)
            copy = replace(copy, match=copy.match or info.etag)
            if replaced:
                headers = self._kept(info, options.metadata, options.content_type, copy.conditions)
                copy = replace(copy, headers=headers)
        if not in_parts and (info is None or self._fits(info)):
            try:
                return self._copy_whole(copy)
            except StorageError as error:
                if not _is_too_large(error):
                    raise
                info = info or self._objects.head(*source)
        assert info is not None
        if copy.headers is None:
            copy = replace(copy, headers=dialect.HEADERS.kept_headers(info, None, None))
        return self._copy_parts(replace(copy, match=copy.match or info.etag), info)

    def _copy_onto_itself(self, copy: _Copy, options: CopyOptions) -> ObjectInfo:
        """Change the object where it is; S3 refuses a copy onto itself that changes nothing."""
        info = self._objects.head(*copy.source)
        changes = check_copy_onto_itself(info, options)
        if not (changes or copy.changes or copy.settings is not self._settings):
            return info
        return self._replace(copy, info, options.metadata, options.content_type)

    def replace_metadata(
        self,
        container: str,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        """Replace the metadata of an object by copying it onto itself."""
        place = (container, info.name)
        copy = _Copy(place, place, self._settings, {}, None, info.etag, conditions)
        return self._replace(copy, info, metadata, content_type)

    def _replace(
        self,
        copy: _Copy,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        token = copy.conditions.token or info.write_token
        conditions = replace(copy.conditions, token=token)
        headers = dialect.carried_headers(info)
        if copy.settings.customer_key is not None or copy.settings.encryption is not None:
            headers = {name: text for name, text in headers.items() if name not in _ENCRYPTION}
        headers = self._kept(info, metadata, content_type, conditions) | headers
        copy = replace(copy, match=info.etag, headers=headers)
        done = self._copy_whole(copy) if self._fits(info) else self._copy_parts(copy, info)
        return replace(
            changed_info(info, metadata, content_type),
            etag=done.etag or info.etag,
            checksums=done.checksums or info.checksums,
            last_modified=done.last_modified or info.last_modified,
            version=done.version,
            storage_class=copy.storage_class.get("x-amz-storage-class") or info.storage_class,
            complete=not copy.changes and copy.settings is self._settings,
        )

    def _kept(
        self,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> dict[str, str]:
        """Return the headers of all that is stored with a copy, with the token of a condition."""
        headers = dialect.HEADERS.kept_headers(info, metadata, content_type)
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
            headers |= condition_headers(copy.conditions, self._service.copy_condition or "")
        once = onto_itself or copy.conditions != Conditions()

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
                require_source(copy.match, lambda: self._source(copy))
                raise
            return dialect.result_info(copy.target[1], document, self._service)

        def matches(info: ObjectInfo) -> bool:
            if onto_itself:
                return dialect.keeps(info, copy.headers or {})
            return self._is_copy(info, copy)

        return self._write(send, copy, matches, once=onto_itself)

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
        return is_copy(info, source)

    def _write(
        self,
        send: Callable[[], ObjectInfo],
        copy: _Copy,
        matches: Callable[[ObjectInfo], bool],
        *,
        once: bool,
    ) -> ObjectInfo:
        """Send the last request of a copy until its outcome is known."""
        token = (copy.headers or {}).get(dialect.TOKEN)
        return self._objects.write(
            send, *copy.target, copy.settings, matches, copy.conditions, token, once=once
        )

    def _source(self, copy: _Copy) -> ObjectInfo:
        """Return the source as it is now."""
        return self._objects.head_stored(*copy.source, self._settings.reads)

    def _head_bucket(self, name: str) -> None:
        self._client.send(operations.HEAD_BUCKET, name).close()

    def _source_headers(self, copy: _Copy) -> dict[str, str]:
        headers = {"x-amz-copy-source": dialect.copy_source(*copy.source)}
        if copy.match is not None:
            headers["x-amz-copy-source-if-match"] = f'"{copy.match}"'
        return headers | self._settings.copy_source

    # ------------------------------------------------------------------ many requests

    def _copy_parts(self, copy: _Copy, info: ObjectInfo) -> ObjectInfo:
        service, settings = self._service, copy.settings
        if info.size and not service.part_copies:
            raise NotSupportedError(
                f"{service.title} cannot copy an object of {info.size} bytes, or with a condition"
            )
        if copy.tags is None:
            copy = replace(copy, tags=self._tags_of(copy.source, info))
        if not info.size:
            return self._write_empty(copy)
        upload = Upload(*copy.target, self._requests.create(*copy.target, copy.sent))
        headers = {**self._source_headers(copy), **settings.access}

        def finish(parts: list[Part]) -> ObjectInfo:
            etag = dialect.composite_etag([part.token for part in parts])
            matches = Written(info.size, etag).matches
            return self._requests.complete(
                upload, complete_body(parts),
                {**settings.access, **condition_headers(copy.conditions)},
                lambda send: self._write(send, copy, matches, once=True),
                lambda: self._objects.head(*copy.target, reads=settings.reads),
            )  # fmt: skip

        return copy_in_parts(
            upload, info, service.limits, copy.checkpoint,
            copy=lambda number, span: self._requests.copy_part(upload, number, span, headers),
            finish=finish, abort=self._requests.abort,
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

    def _write_empty(self, copy: _Copy) -> ObjectInfo:
        """Write an object without content, which has no parts to copy."""
        headers = {**copy.sent, **condition_headers(copy.conditions)}
        name = copy.target[1]
        bound = copy.conditions != Conditions()

        def send() -> ObjectInfo:
            response = self._client.send(
                operations.PUT_OBJECT, *copy.target,
                headers=headers, content=b"", idempotent=not bound,
            )  # fmt: skip
            response.close()
            return replace(dialect.written_info(name, response.headers, self._service), size=0)

        def matches(info: ObjectInfo) -> bool:
            return info.size == 0 and dialect.keeps(info, copy.headers or {})

        return self._write(send, copy, matches, once=False)


def _is_too_large(error: StorageError) -> bool:
    """Return whether a copy was refused for the source's size, which has no code of its own."""
    return error.code == "EntityTooLarge" or (
        error.code == "InvalidRequest" and "copy source is larger" in error.message
    )
