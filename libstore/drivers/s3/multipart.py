"""What the hooks of uploads in parts ask of S3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from typing_extensions import override

from ...errors import (
    IntegrityError,
    NotSupportedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...rest.client import XMLResponse
from ...rest.confirming import Written
from ...rest.dialect import condition_headers
from ...transfer.payload import Payload
from ...values import ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect, listings, operations
from .part_checksums import CompositeHooks
from .settings import Settings
from .uploads import PARTS

# The second one is what servers say that pass over ?uploads in silence.
_UPLOADS = ("ListMultipartUploadsResult", "ListBucketResult")
# Digests of parts' digests that hashlib makes.
_COMBINED = frozenset({"md5", "sha1", "sha256"})


class PartHooks(CompositeHooks):
    """The hooks of uploads in parts."""

    #: The settings of uploads that have some of their own, which their parts need, by id.
    _begun: dict[str, Settings]

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        settings = self._settings.overridden(options.extra)
        headers = self._write_headers(options, settings) | dialect.started_headers(self.service)
        upload_id = self._uploads.start(container, name, headers)
        if settings is not self._settings:
            self._begun[upload_id] = settings
        return upload_id

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        settings = self._begun.get(upload.id, self._settings)
        headers = {**settings.access, **self._digest_headers(payload)}
        response = self._client.send(
            operations.UPLOAD_PART, upload.container, upload.name,
            query={"partNumber": str(number), "uploadId": upload.id},
            headers=headers, content=payload,
        )  # fmt: skip
        response.close()
        info = dialect.written_info(upload.name, response.headers, self.service)
        if info.etag is None:
            raise ServiceError("the service tells no ETag of a part", retryable=True)
        self._compare(payload, info, f"part {number}")
        known = {algorithm: payload.digest(algorithm) for algorithm in self.digests}
        return Part(number, offset, payload.size, info.etag, known)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        container, name = upload.container, upload.name
        self._doubts.look(container, name, options.conditions)
        body = dialect.finished_body(self.service, parts)
        settings = self._settings.overridden(options.extra)
        headers = condition_headers(options.conditions)
        headers |= dialect.finished_headers(self.service, checksums[self.digests[0]])
        etag = dialect.composite_etag([part.token for part in parts])
        size = sum(part.size for part in parts)

        token = self._write_headers(options, settings).get(dialect.TOKEN)

        def write(send: Callable[[], ObjectInfo]) -> ObjectInfo:
            return self._client.confirmer.write(
                send,
                lambda: self._look_again(container, name, settings.reads),
                Written(size, etag, checksums).matches,
                options.conditions, token,
                self._protection(container, name, options.conditions),
                once=True,
            )  # fmt: skip

        info = self._uploads.finish(upload, body, headers, settings, write)
        self._begun.pop(upload.id, None)
        _compare_composite(info, parts)
        return self._known.note(container, replace(info, write_token=token))

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._begun.pop(upload.id, None)
        self._uploads.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        query = {"max-uploads": "1000", "uploads": ""}
        if token is not None:
            upload_id, _, query["key-marker"] = token.partition("\n")
            if upload_id:  # an empty marker is refused
                query["upload-id-marker"] = upload_id
        page = self._open_uploads(container, query)
        return Page([]) if page is None else listings.upload_page(page, container)

    def _open_uploads(self, container: str, query: Mapping[str, str]) -> XMLResponse | None:
        """Return one page of the uploads that are under way; `None` if there are none."""
        encoding = {"encoding-type": "url"} if self.service.encoded_lists else {}
        try:
            page = self._uploads_page(container, {**query, **encoding})
            if _is_ambiguous(page):
                page = self._uploads_page(container, query)
        except ServiceError as error:
            if error.code != "NoSuchUpload":  # what gofakes3 says where there are none
                raise
            return None
        if page.root != _UPLOADS[0]:
            raise NotSupportedError(f"{self.service.title} does not tell of unfinished uploads")
        return page

    def _uploads_of(self, container: str, name: str) -> tuple[Sequence[Upload], Mapping[str, str]]:
        """Return the uploads of a name that are under way, and the headers of the response."""
        query = {"max-uploads": "1000", "prefix": name, "uploads": ""}
        page = self._open_uploads(container, query)
        if page is None:
            return [], {}
        return listings.upload_page(page, container).items, page.headers

    def _has_parts(self, upload: Upload) -> bool:
        try:
            return bool(self._list_parts(upload, None).items)
        except ObjectNotFoundError:  # it has ended since it was listed
            return True

    def _uploads_page(self, container: str, query: Mapping[str, str]) -> XMLResponse:
        asked = dict(sorted(query.items()))
        return self._page(
            operations.LIST_MULTIPART_UPLOADS, container, _UPLOADS, ("Upload",), asked
        )

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        query = {"max-parts": "1000", "uploadId": upload.id}
        if token is not None:
            query["part-number-marker"] = token.partition(" ")[0]
        try:
            page = self._page(
                operations.LIST_PARTS, upload.container, PARTS, ("Part",),
                dict(sorted(query.items())), upload.name,
            )  # fmt: skip
        except StorageError as error:
            if error.code != "NoSuchUpload":
                raise
            raise ObjectNotFoundError(
                f"there is no unfinished upload {upload.id}",
                status=error.status, code=error.code, request_id=error.request_id,
            ) from None  # fmt: skip
        return listings.part_page(page, token)


def _is_ambiguous(page: XMLResponse) -> bool:
    """Return whether names may be encoded, which Ceph does not say of these listings alone."""
    return "EncodingType" not in page.fields and any(
        "%" in row.get("Key", "") for _, row in page.rows
    )


def _compare_composite(info: ObjectInfo, parts: Sequence[Part]) -> None:
    """Raise `IntegrityError` if the service has put together other parts than were sent."""
    told = info.extra.get("composite")
    if not isinstance(told, dict):
        return
    for algorithm, digest in told.items():
        known = [
            part.token if algorithm == "md5" else part.checksums.get(algorithm, "")
            for part in parts
        ]
        if algorithm not in _COMBINED or not all(map(dialect.is_digest, known)):
            continue
        expected = dialect.combined(algorithm, known)
        if digest != expected:
            raise IntegrityError(
                f"the service has put together other parts than were sent: their {algorithm}"
                f" should be {expected}, but is {digest}"
            )
