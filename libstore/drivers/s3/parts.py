"""What the hooks of uploads in parts ask of S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from ...errors import (
    IntegrityError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...transfer.payload import Payload
from ...values import (
    ObjectInfo,
    Page,
    Part,
    Upload,
    WriteOptions,
)
from . import dialect
from .composites import CompositeHooks
from .markup import complete_body
from .settings import Settings

# The second one is moto's.
_PARTS = ("ListPartsResult", "ListPartsResponse")


class PartHooks(CompositeHooks):
    """The hooks of uploads in parts."""

    #: The settings of uploads that have some of their own, which their parts need, by id.
    _begun: dict[str, Settings]

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        settings = self._settings.overridden(options.extra)
        headers = self._write_headers(options, settings)
        if self.service.whole_crc32:
            headers |= dialect.WHOLE_CRC32
        upload_id = self._copier.start(container, name, headers)
        if settings is not self._settings:
            self._begun[upload_id] = settings
        return upload_id

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        settings = self._begun.get(upload.id, self._settings)
        headers = {**settings.access, **self._digest_headers(payload)}
        response = self._calls.ask(
            "PUT", "UploadPart", upload.container, upload.name,
            query={"partNumber": str(number), "uploadId": upload.id},
            headers=headers, content=payload,
        )  # fmt: skip
        response.close()
        info = dialect.written_info(upload.name, response.headers, self.service)
        if info.etag is None:
            raise ServiceError("the service tells no ETag of a part", retryable=True)
        for algorithm in self.digests:
            told, digest = info.checksums.get(algorithm), payload.digest(algorithm)
            if told is not None and told != digest:
                raise IntegrityError(
                    f"the service has stored another part {number} than was sent: its"
                    f" {algorithm} should be {digest}, but is {told}"
                )
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
        self._look_before(container, name, options.conditions)
        crc = self.service.whole_crc32
        body = complete_body(
            (part.number, part.token, dialect.base64_of(part.checksums["crc32"]) if crc else None)
            for part in parts
        )
        settings = self._settings.overridden(options.extra)
        headers = {**settings.access, **dialect.condition_headers(options.conditions)}
        if crc:
            headers |= dialect.whole_crc32(checksums["crc32"])
        etag = dialect.composite_etag([part.token for part in parts])
        size = sum(part.size for part in parts)
        info = self._calls.persist_once(
            lambda: self._copier.complete(upload, body, headers),
            lambda: self._ours((container, name), size, checksums, etag, settings),
        )
        self._begun.pop(upload.id, None)
        if (
            self.service.composite_etags
            and etag is not None
            and dialect.is_composite(info.etag)
            and info.etag != etag
        ):
            raise IntegrityError(
                f"the service has put together other parts than were sent: the ETag should be"
                f" {etag}, but is {info.etag}"
            )
        return info

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._begun.pop(upload.id, None)
        self._copier.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        query = {"max-uploads": "1000", "uploads": ""}
        if self.service.encoded_lists:
            query["encoding-type"] = "url"
        if token is not None:
            query["upload-id-marker"], _, query["key-marker"] = token.partition("\n")
        query = dict(sorted(query.items()))
        try:
            page = self._page(
                "ListMultipartUploads", container, "ListMultipartUploadsResult", ("Upload",), query
            )
        except ServiceError as error:
            if error.code != "NoSuchUpload":  # what gofakes3 says where there are none
                raise
            return Page([])
        return dialect.upload_page(page, container)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        query = {"max-parts": "1000", "uploadId": upload.id}
        if token is not None:
            query["part-number-marker"] = token.partition(" ")[0]
        try:
            page = self._page(
                "ListParts", upload.container, _PARTS, ("Part",),
                dict(sorted(query.items())), upload.name,
            )  # fmt: skip
        except StorageError as error:
            if error.code != "NoSuchUpload":
                raise
            raise ObjectNotFoundError(
                f"there is no unfinished upload {upload.id}",
                status=error.status, code=error.code, request_id=error.request_id,
            ) from None  # fmt: skip
        return dialect.part_page(page, token)
