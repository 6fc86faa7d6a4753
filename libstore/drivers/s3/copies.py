"""
Copies within the service, and the steps of an upload in parts that copies need too.

A copy of up to 5 GiB is one request. A larger one, and one with a condition that the service's
copies do not take, goes in parts that the service copies by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
from ...transfer.crew import run_all
from ...transfer.plan import ranges
from ...values import Conditions, CopyOptions, MiB, ObjectInfo, Part, Span, Upload
from . import dialect
from .calls import Calls
from .markup import MAX_ANSWER, complete_body
from .services import Service
from .settings import Settings

Head: TypeAlias = Callable[[str, str, "str | None"], ObjectInfo]

_PART = 256 * MiB
_SIDE_BY_SIDE = 8
# The second one is what gofakes3 says, which is in many test servers and in rclone.
_STARTED = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")


class Copier:
    """Copies objects of one service."""

    def __init__(self, calls: Calls, service: Service, settings: Settings, head: Head) -> None:
        self._calls = calls
        self._service = service
        self._settings = settings
        self._head = head

    def copy(
        self, source: tuple[str, str], target: tuple[str, str], options: CopyOptions
    ) -> ObjectInfo:
        """Copy an object; source and target are buckets and names."""
        if source == target:
            return self._onto_itself(source, options)
        info: ObjectInfo | None = None
        match = options.if_source_match
        headers: dict[str, str] = {}
        conditional = options.conditions != Conditions()
        in_parts = conditional and self._service.copy_condition is None
        if in_parts or options.metadata is not None or options.content_type is not None:
            info = self._head(*source, None)
            match = match or info.etag
        if options.metadata is not None or options.content_type is not None:
            assert info is not None
            headers = dialect.kept_headers(info, options.metadata, options.content_type)
            headers["x-amz-metadata-directive"] = "REPLACE"
        if not in_parts and (info is None or (info.size or 0) <= self._service.limits.max_put):
            try:
                return self._copy_whole(source, target, headers, match, options.conditions)
            except StorageError as error:
                if not _too_large(error):
                    raise
                info = info or self._head(*source, None)
        assert info is not None
        headers = headers or dialect.kept_headers(info, None, None)
        headers.pop("x-amz-metadata-directive", None)
        return self._copy_parts(source, target, replace(info, etag=match or info.etag), headers,
                                options.conditions)  # fmt: skip

    def _onto_itself(self, place: tuple[str, str], options: CopyOptions) -> ObjectInfo:
        """Do what a copy onto itself amounts to; S3 refuses one that changes nothing."""
        info = self._head(*place, None)
        wanted = (options.if_source_match, options.conditions.if_match)
        if options.conditions.if_absent:
            raise ObjectAlreadyExistsError("there is an object of this name already")
        if any(etag not in {None, info.etag} for etag in wanted):
            raise ObjectChangedError(f"the object has another ETag, {info.etag}")
        if options.metadata is None and options.content_type is None:
            return info
        return self.replace_metadata(place[0], info, options.metadata, options.content_type)

    def replace_metadata(
        self,
        container: str,
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        """Replace what is kept with an object by copying it onto itself."""
        place = (container, info.name)
        headers = dialect.kept_headers(info, metadata, content_type)
        headers |= dialect.carried_headers(info)
        if (info.size or 0) <= self._service.limits.max_put:
            directive = {"x-amz-metadata-directive": "REPLACE"}
            done = self._copy_whole(place, place, headers | directive, info.etag, Conditions())
        else:
            done = self._copy_parts(place, place, info, headers, Conditions())
        return replace(
            info,
            etag=done.etag or info.etag,
            checksums=done.checksums or info.checksums,
            last_modified=done.last_modified or info.last_modified,
            version=done.version,
            metadata=info.metadata if metadata is None else dict(metadata),
            content_type=content_type or info.content_type,
        )

    # ------------------------------------------------------------------ one request

    def _copy_whole(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        headers: Mapping[str, str],
        match: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        sent = {**headers, **self._source_headers(source, match), **self._settings.kept}
        sent |= dialect.condition_headers(conditions, self._service.copy_condition or "")
        bound = conditions != Conditions()

        def send() -> ObjectInfo:
            try:
                answer = self._calls.ask_xml(
                    "PUT", "CopyObject", *target,
                    expected=("CopyObjectResult",), headers=sent, idempotent=not bound,
                )  # fmt: skip
            except ContainerNotFoundError as error:
                error.container = self._missing(source[0], target[0])
                raise
            return dialect.result_info(target[1], answer, self._service)

        def look() -> ObjectInfo | None:
            ours, theirs = self._head(*target, None), self._head(*source, None)
            return ours if (ours.etag, ours.size) == (theirs.etag, theirs.size) else None

        return self._calls.persist_once(send, look) if bound else self._calls.persist(send)

    def _missing(self, source: str, target: str) -> str:
        """Return which of two buckets it is that there is not."""
        try:
            self._calls.ask("HEAD", "HeadBucket", target).close()
        except (ContainerNotFoundError, ObjectNotFoundError):
            return target
        except StorageError:
            pass
        return source

    def _source_headers(self, source: tuple[str, str], match: str | None) -> dict[str, str]:
        headers = {"x-amz-copy-source": dialect.copy_source(*source)}
        if match is not None:
            headers["x-amz-copy-source-if-match"] = f'"{match}"'
        return headers | self._settings.source_customer

    # ------------------------------------------------------------------ many requests

    def _copy_parts(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        info: ObjectInfo,
        headers: Mapping[str, str],
        conditions: Conditions,
    ) -> ObjectInfo:
        size = info.size or 0
        if not size:
            return self._write_empty(target, headers, conditions)
        if not self._service.part_copies:
            raise NotSupportedError(
                f"{self._service.title} cannot copy an object of {size} bytes, or on a condition"
            )
        limits = self._service.limits
        step = max(_PART, -(-size // limits.max_parts), limits.min_part)
        upload = Upload(*target, self.start(*target, {**headers, **self._settings.kept}))
        numbered = list(enumerate(ranges(Span(0, size), step), 1))
        sent = {**self._source_headers(source, info.etag), **self._settings.access}

        def copy(one: tuple[int, Span]) -> Part:
            return self._copy_part(upload, one[0], one[1], sent)

        try:
            parts = run_all(copy, numbered, _SIDE_BY_SIDE)
            body = complete_body((part.number, part.token, None) for part in parts)
            ending = self._settings.access | dialect.condition_headers(conditions)
            etag = dialect.composite_etag([part.token for part in parts])

            def look() -> ObjectInfo | None:
                found = self._head(*target, None)
                return found if etag is not None and found.etag == etag else None

            done = self._calls.persist_once(lambda: self.complete(upload, body, ending), look)
        except BaseException:
            self.abort(upload)
            raise
        return replace(done, size=size)

    def _write_empty(
        self, target: tuple[str, str], headers: Mapping[str, str], conditions: Conditions
    ) -> ObjectInfo:
        sent = {**headers, **self._settings.kept, **dialect.condition_headers(conditions)}
        response = self._calls.ask("PUT", "PutObject", *target, headers=sent, content=b"")
        response.close()
        return replace(dialect.written_info(target[1], response.headers, self._service), size=0)

    def _copy_part(
        self, upload: Upload, number: int, span: Span, headers: Mapping[str, str]
    ) -> Part:
        assert span.stop is not None
        ranged = {**headers, "x-amz-copy-source-range": f"bytes={span.start}-{span.stop - 1}"}
        answer = self._calls.persist(
            lambda: self._calls.ask_xml(
                "PUT", "UploadPartCopy", upload.container, upload.name,
                expected=("CopyPartResult",),
                query={"partNumber": str(number), "uploadId": upload.id}, headers=ranged,
            )
        )  # fmt: skip
        etag = clean_etag(answer.told.get("ETag"))
        if etag is None:
            raise ServiceError("the service tells no ETag of a part that it has copied")
        return Part(number, span.start, span.stop - span.start, etag)

    # ------------------------------------------------------------------ steps of an upload

    def start(self, container: str, name: str, headers: Mapping[str, str]) -> str:
        """Begin an upload in parts, and return its id."""
        answer = self._calls.persist(
            lambda: self._calls.ask_xml(
                "POST", "CreateMultipartUpload", container, name,
                expected=_STARTED, limit=MAX_ANSWER,
                query={"uploads": ""}, headers=headers,
            )
        )  # fmt: skip
        upload_id = answer.told.get("UploadId")
        if not upload_id:
            raise ServiceError("the service tells no id of the upload that was begun")
        return str(upload_id)

    def complete(self, upload: Upload, body: bytes, headers: Mapping[str, str]) -> ObjectInfo:
        """Put the parts together; the caller tries again."""
        answer = self._calls.ask_xml(
            "POST", "CompleteMultipartUpload", upload.container, upload.name,
            expected=("CompleteMultipartUploadResult",),
            query={"uploadId": upload.id},
            headers={"content-type": "application/xml", **headers},
            content=body,
            idempotent=False,
        )  # fmt: skip
        info = dialect.result_info(upload.name, answer, self._service)
        if info.etag is None:
            raise IntegrityError("the service tells no ETag of the object that it put together")
        return info

    def abort(self, upload: Upload) -> None:
        """Drop an upload; that it is gone is no error."""
        try:
            self._calls.ask(
                "DELETE", "AbortMultipartUpload", upload.container, upload.name,
                query={"uploadId": upload.id}, headers=self._settings.payer,
            ).close()  # fmt: skip
        except StorageError as error:
            if error.code != "NoSuchUpload" and error.status != 404:
                raise


def _too_large(error: StorageError) -> bool:
    """Return whether a copy was refused for the source's size, of which there is no code."""
    return error.code == "EntityTooLarge" or (
        error.code == "InvalidRequest" and "copy source is larger" in error.message
    )
