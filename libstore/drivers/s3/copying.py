"""
Copies within the service, and the steps of an upload in parts that copies need too.

A copy of up to 5 GiB is one request. A larger one, and one with a condition that the service's
copies do not take, goes in parts that the service copies by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from ...errors import (
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.headers import clean_etag
from ...rest.confirming import Protection, StoredObject, Written
from ...rest.dialect import condition_headers, with_token
from ...rest.reading import range_of
from ...rest.upload_starts import Starts
from ...transfer.aborting import abort_after_error
from ...transfer.part_sizes import ranges
from ...transfer.workers import map_concurrently
from ...values import Conditions, CopyOptions, MiB, ObjectInfo, Part, Span, Upload
from . import dialect, operations
from .client import S3Client
from .options import tag_headers
from .services import Service
from .settings import Settings
from .xml import complete_body

#: Looks at an object of a bucket, at one version or the current one, with the headers of reads.
Look: TypeAlias = Callable[[str, str, "str | None", Mapping[str, str]], ObjectInfo]
#: Looks at what an object of a bucket has become, with the headers of reads.
LookAgain: TypeAlias = Callable[[str, str, Mapping[str, str]], StoredObject]

_PART = 256 * MiB
_SIDE_BY_SIDE = 8
# The second one is what gofakes3 says, which is in many test servers and in rclone.
_STARTED = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
# The second one is moto's.
PARTS = ("ListPartsResult", "ListPartsResponse")
_ENCRYPTION = frozenset(
    {"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"}
)


@dataclass(frozen=True, slots=True)
class _Order:
    """
    One copy.

    Attributes:
        source: Bucket and name.
        target: Bucket and name.
        settings: How the copy is kept.
        storage_class: The copy's headers of it.
        tags: The copy's headers of them; `None` carries over those of the source.
        match: The ETag that the source must have.
        conditions: What must hold for the target.
        checkpoint: Raises where the copy was cancelled.
    """

    source: tuple[str, str]
    target: tuple[str, str]
    settings: Settings
    storage_class: Mapping[str, str]
    tags: Mapping[str, str] | None
    match: str | None
    conditions: Conditions
    checkpoint: Callable[[], None] = CopyOptions().checkpoint

    @property
    def own(self) -> dict[str, str]:
        """The headers of what the copy does not have from its source."""
        return {**self.storage_class, **self.settings.kept, **(self.tags or {})}

    @property
    def changes(self) -> bool:
        """Whether a copy onto itself would change anything but metadata and content type."""
        return bool(self.storage_class) or self.tags is not None


class Copier:
    """
    Copies objects of one service.

    Attributes:
        starts: Begins uploads in parts; to be set.
    """

    starts: Starts

    def __init__(
        self,
        client: S3Client,
        service: Service,
        settings: Settings,
        look: Look,
        look_again: LookAgain,
        protection: Callable[[str, str, Conditions], Protection],
    ) -> None:
        self._client = client
        self._service = service
        self._settings = settings
        self._look = look
        self._look_again = look_again
        self._protection = protection

    def copy(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> ObjectInfo:
        """Copy an object; source and target are buckets and names."""
        order = self._order(source, target, options)
        if source == target:
            changes = order.changes or order.settings is not self._settings
            return self._onto_itself(order, options, changes)
        info: ObjectInfo | None = None
        headers: dict[str, str] = {}
        conditional = options.conditions != Conditions()
        in_parts = conditional and self._service.copy_condition is None
        # The service carries over all metadata or none, so a token for them takes a look.
        own = (options.metadata, options.content_type, options.conditions.token)
        replaced = any(one is not None for one in own)
        if in_parts or replaced:
            info = self._look(*source, None, self._settings.reads)
            order = replace(order, match=order.match or info.etag)
        if replaced:
            assert info is not None
            headers = dialect.HEADERS.kept_headers(info, options.metadata, options.content_type)
            headers = self._with_token(headers, options.conditions)
            headers["x-amz-metadata-directive"] = "REPLACE"
        if not in_parts and (info is None or self._fits(info)):
            try:
                return self._copy_whole(order, headers)
            except StorageError as error:
                if not _too_large(error):
                    raise
                info = info or self._look(*source, None, self._settings.reads)
        assert info is not None
        headers = headers or dialect.HEADERS.kept_headers(info, None, None)
        headers.pop("x-amz-metadata-directive", None)
        return self._copy_parts(replace(order, match=order.match or info.etag), info, headers)

    def _order(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> _Order:
        given = options.extra.get("tags")
        return _Order(
            source,
            target,
            self._settings.overridden(options.extra),
            dialect.HEADERS.storage_class_headers(options.storage_class),
            None if given is None else tag_headers(given),
            options.if_source_match,
            options.conditions,
            options.checkpoint,
        )

    def _onto_itself(self, order: _Order, options: CopyOptions, changes: bool) -> ObjectInfo:
        """Do what a copy onto itself amounts to; S3 refuses one that changes nothing."""
        info = self._look(*order.source, None, self._settings.reads)
        wanted = (options.if_source_match, options.conditions.if_match)
        if options.conditions.if_absent:
            raise ObjectAlreadyExistsError("there is an object of this name already")
        if any(etag not in {None, info.etag} for etag in wanted):
            raise ObjectChangedError(f"the object has another ETag, {info.etag}")
        if options.metadata is None and options.content_type is None and not changes:
            return info
        return self._replace(order, info, options.metadata, options.content_type)

    def replace_metadata(
        self,
        container: str,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        """Replace what is kept with an object by copying it onto itself."""
        place = (container, info.name)
        order = _Order(place, place, self._settings, {}, None, info.etag, conditions)
        return self._replace(order, info, metadata, content_type)

    def _replace(
        self,
        order: _Order,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        headers = dialect.HEADERS.kept_headers(info, metadata, content_type)
        headers |= dialect.carried_headers(info)
        if order.settings.customer_key is not None or order.settings.encryption is not None:
            headers = {name: text for name, text in headers.items() if name not in _ENCRYPTION}
        token = order.conditions.token or info.write_token
        headers = self._with_token(headers, replace(order.conditions, token=token))
        order = replace(order, match=info.etag)
        if self._fits(info):
            done = self._copy_whole(order, {**headers, "x-amz-metadata-directive": "REPLACE"})
        else:
            done = self._copy_parts(order, info, headers)
        wanted = order.storage_class.get("x-amz-storage-class")
        return replace(
            info,
            etag=done.etag or info.etag,
            checksums=done.checksums or info.checksums,
            last_modified=done.last_modified or info.last_modified,
            version=done.version,
            metadata=info.metadata if metadata is None else dict(metadata),
            content_type=content_type or info.content_type,
            storage_class=wanted or info.storage_class,
            complete=not order.changes and order.settings is self._settings,
        )

    def _with_token(self, headers: Mapping[str, str], conditions: Conditions) -> dict[str, str]:
        limit = self._service.limits.max_metadata
        return with_token(headers, conditions, dialect.META, limit)

    def _fits(self, info: ObjectInfo) -> bool:
        """Return whether one request is tried, as it must be where there is no other way."""
        service = self._service
        return not service.part_copies or (info.size or 0) <= service.limits.max_put

    # ------------------------------------------------------------------ one request

    def _copy_whole(self, order: _Order, headers: Mapping[str, str]) -> ObjectInfo:
        sent = {**headers, **self._source_headers(order), **order.own}
        if order.tags is not None:
            sent["x-amz-tagging-directive"] = "REPLACE"
        source, target = order.source, order.target
        # A copy onto itself has a condition for its source. After the first one some services,
        # Google's for one, have another ETag.
        own = source == target
        if not own:
            prefix = self._service.copy_condition or ""
            sent |= condition_headers(order.conditions, prefix)
        bound = order.conditions != Conditions()

        def send() -> ObjectInfo:
            try:
                answer = self._client.send_xml(
                    operations.COPY_OBJECT, *target,
                    root="CopyObjectResult", headers=sent, idempotent=not (bound or own),
                )  # fmt: skip
            except ContainerNotFoundError as error:
                error.container = self._missing(source[0], target[0])
                raise
            except ObjectAlreadyExistsError:
                self._require_source(order)
                raise
            return dialect.result_info(target[1], answer, self._service)

        def matches(info: ObjectInfo) -> bool:
            return dialect.keeps(info, headers) if own else self._is_copy(info, order, headers)

        return self._write(send, order, headers, matches, once=own)

    def _is_copy(self, info: ObjectInfo, order: _Order, headers: Mapping[str, str]) -> bool:
        """Return whether the target has what the copy stores."""
        if "x-amz-metadata-directive" in headers and not dialect.keeps(info, headers):
            return False
        source = self._look(*order.source, None, self._settings.reads)
        kept_headers = dialect.HEADERS.kept_headers
        if not headers and kept_headers(info, None, None) != kept_headers(source, None, None):
            return False
        return Written(source.size, source.etag, source.checksums).matches(info)

    def _write(
        self,
        send: Callable[[], ObjectInfo],
        order: _Order,
        headers: Mapping[str, str],
        matches: Callable[[ObjectInfo], bool],
        *,
        once: bool,
    ) -> ObjectInfo:
        """
        Send a write of the target.

        Args:
            headers: With the token of a conditional copy, if it has one.
        """
        return self._client.confirmer.write(
            send,
            lambda: self._look_again(*order.target, order.settings.reads),
            matches, order.conditions, headers.get(dialect.TOKEN),
            self._protection(*order.target, order.conditions),
            once=once,
        )  # fmt: skip

    def _require_source(self, order: _Order) -> None:
        """Raise `ObjectChangedError` if the condition that does not hold is the source's."""
        if order.match is None:
            return
        try:
            etag = self._look_again(*order.source, self._settings.reads).info.etag
        except StorageError:
            return
        if etag != order.match:
            raise ObjectChangedError("the source was replaced while it was copied")

    def _missing(self, source: str, target: str) -> str:
        """Return which of two buckets it is that there is not."""
        try:
            self._client.send(operations.HEAD_BUCKET, target).close()
        except (ContainerNotFoundError, ObjectNotFoundError):
            return target
        except StorageError:
            pass
        return source

    def _source_headers(self, order: _Order) -> dict[str, str]:
        headers = {"x-amz-copy-source": dialect.copy_source(*order.source)}
        if order.match is not None:
            headers["x-amz-copy-source-if-match"] = f'"{order.match}"'
        return headers | self._settings.source_customer

    # ------------------------------------------------------------------ many requests

    def _copy_parts(
        self, order: _Order, info: ObjectInfo, headers: Mapping[str, str]
    ) -> ObjectInfo:
        size = info.size or 0
        if size and not self._service.part_copies:
            raise NotSupportedError(
                f"{self._service.title} cannot copy an object of {size} bytes, or on a condition"
            )
        if order.tags is None:
            order = replace(order, tags=self._tags_of(order.source, info))
        if not size:
            return self._write_empty(order, headers)
        limits = self._service.limits
        step = max(_PART, -(-size // limits.max_parts), limits.min_part)
        settings, target = order.settings, order.target
        upload = Upload(*target, self.start(*target, {**headers, **order.own}))
        numbered = list(enumerate(ranges(Span(0, size), step), 1))
        sent = {**self._source_headers(order), **settings.access}

        def copy(one: tuple[int, Span]) -> Part:
            order.checkpoint()
            return self._copy_part(upload, one[0], one[1], sent)

        try:
            parts = map_concurrently(copy, numbered, _SIDE_BY_SIDE)
            body = complete_body((part.number, part.token, None) for part in parts)
            ending = condition_headers(order.conditions)
            etag = dialect.composite_etag([part.token for part in parts])
            order.checkpoint()

            matches = Written(size, etag).matches
            done = self.finish(
                upload, body, ending, settings,
                lambda send: self._write(send, order, headers, matches, once=True),
            )  # fmt: skip
        except BaseException:
            abort_after_error(lambda: self.abort(upload), upload)
            raise
        return replace(done, size=size)

    def _tags_of(self, place: tuple[str, str], info: ObjectInfo) -> Mapping[str, str]:
        """Return the headers of an object's tags, which parts do not carry along."""
        if info.extra.get("tag_count", "0") == "0":
            return {}
        answer = self._client.send_xml(
            operations.GET_OBJECT_TAGGING, *place,
            root="Tagging", rows=("Tag",),
            query={"tagging": ""}, headers=self._settings.payer,
        )  # fmt: skip
        return tag_headers({row.get("Key", ""): row.get("Value", "") for _, row in answer.rows})

    def _write_empty(self, order: _Order, headers: Mapping[str, str]) -> ObjectInfo:
        sent = {**headers, **order.own, **condition_headers(order.conditions)}
        name = order.target[1]
        bound = order.conditions != Conditions()

        def send() -> ObjectInfo:
            response = self._client.send(
                operations.PUT_OBJECT, *order.target,
                headers=sent, content=b"", idempotent=not bound,
            )  # fmt: skip
            response.close()
            return replace(dialect.written_info(name, response.headers, self._service), size=0)

        def matches(info: ObjectInfo) -> bool:
            return info.size == 0 and dialect.keeps(info, headers)

        return self._write(send, order, headers, matches, once=False)

    def _copy_part(
        self, upload: Upload, number: int, span: Span, headers: Mapping[str, str]
    ) -> Part:
        assert span.stop is not None
        ranged = {**headers, "x-amz-copy-source-range": range_of(span)}
        answer = self._client.send_xml(
            operations.UPLOAD_PART_COPY, upload.container, upload.name,
            root="CopyPartResult",
            query={"partNumber": str(number), "uploadId": upload.id}, headers=ranged,
        )  # fmt: skip
        etag = clean_etag(answer.fields.get("ETag"))
        if etag is None:
            raise ServiceError("the service tells no ETag of a part that it has copied")
        return Part(number, span.start, span.stop - span.start, etag)

    # ------------------------------------------------------------------ steps of an upload

    def start(self, container: str, name: str, headers: Mapping[str, str]) -> str:
        """Begin an upload in parts, and return its id."""

        def send() -> str:
            answer = self._client.send_xml(
                operations.CREATE_MULTIPART_UPLOAD, container, name,
                root=_STARTED, query={"uploads": ""}, headers=headers,
            )  # fmt: skip
            upload_id = answer.fields.get("UploadId")
            if not upload_id:
                raise ServiceError(
                    "the service tells no id of the upload that was begun", status=200
                )
            return upload_id

        return self.starts.begin(container, name, send)

    def finish(
        self,
        upload: Upload,
        body: bytes,
        headers: Mapping[str, str],
        settings: Settings,
        write: Callable[[Callable[[], ObjectInfo]], ObjectInfo],
    ) -> ObjectInfo:
        """
        Put the parts together, and drop what lost requests for the upload have begun.

        Args:
            settings: Those that the upload was begun with.
            write: Calls the function that it gets until it is known what became of the request.
        """

        def send() -> ObjectInfo:
            return self._complete(upload, body, headers, settings)

        info = write(send)
        self.starts.end(upload)
        return info

    def _complete(
        self, upload: Upload, body: bytes, headers: Mapping[str, str], settings: Settings
    ) -> ObjectInfo:
        answer = self._client.send_xml(
            operations.COMPLETE_MULTIPART_UPLOAD, upload.container, upload.name,
            root="CompleteMultipartUploadResult",
            query={"uploadId": upload.id},
            headers={"content-type": "application/xml", **settings.access, **headers},
            content=body,
        )  # fmt: skip
        info = dialect.result_info(upload.name, answer, self._service)
        if info.etag is not None:
            return info
        # As releases of Ceph answer; it keeps one: https://github.com/ceph/ceph/pull/68364
        try:
            found = self._look(upload.container, upload.name, None, settings.reads)
        except StorageError:  # it is put together all the same
            return info
        if found.etag is None:
            raise IntegrityError("the service tells no ETag of the object that it put together")
        return found

    def abort(self, upload: Upload) -> None:
        """Drop an upload, and what lost requests for it have begun; a missing one is no error."""
        try:
            self.drop(upload)
        finally:
            self.starts.end(upload)

    def drop(self, upload: Upload) -> None:
        """Drop an upload; that it is gone is no error."""

        def send() -> bool:
            self._client.send(
                operations.ABORT_MULTIPART_UPLOAD, upload.container, upload.name,
                query={"uploadId": upload.id}, headers=self._settings.payer,
            ).close()  # fmt: skip
            return True

        def look() -> bool | None:
            self._client.send_xml(
                operations.LIST_PARTS, upload.container, upload.name,
                root=PARTS, query={"max-parts": "1", "uploadId": upload.id},
                headers=self._settings.payer,
            )  # fmt: skip
            return None

        def is_gone() -> bool | None:
            try:
                return look()
            except StorageError as error:
                return True if _is_ended(error) else None

        try:
            self._client.confirmer.prove(send, is_gone)
        except StorageError as error:
            if not _is_ended(error):
                raise


def _is_ended(error: StorageError) -> bool:
    """Return whether an error says that there is no such upload any more."""
    return error.code == "NoSuchUpload" or error.status == 404


def _too_large(error: StorageError) -> bool:
    """Return whether a copy was refused for the source's size, of which there is no code."""
    return error.code == "EntityTooLarge" or (
        error.code == "InvalidRequest" and "copy source is larger" in error.message
    )
