"""What the hooks of uploads in parts ask of Azure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from ...errors import ServiceError
from ...http.headers import parse_date
from ...listing import iterate_pages
from ...rest.checksums import base64_of
from ...rest.dialect import condition_headers
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import ListQuery, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect
from .blocks import Blocks
from .endpoints import check_root_name
from .listings import Lister
from .objects import BlobHooks


class PartHooks(BlobHooks):
    """
    The hooks of uploads in parts.

    Attributes:
        _encrypted: The headers of uploads that said how they are encrypted, by their ids: each
            block needs them.
    """

    _blocks: Blocks
    _lister: Lister
    _encrypted: dict[str, Mapping[str, str]]

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        check_root_name(container, name)
        dialect.write_headers(options)  # what cannot be sent is found out before the first part is
        upload_id = self._blocks.begin(container, name).id
        encryption = dialect.encryption_headers(options.extra)
        if encryption:
            self._encrypted[upload_id] = encryption
        return upload_id

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        md5 = payload.digest("md5")
        headers = {
            "content-md5": base64_of(md5),
            **self._encrypted.get(upload.id, self._encryption),
        }
        block_id = self._blocks.put(upload, number, payload, headers)
        return Part(number, offset, payload.size, block_id, {"md5": md5})

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        if upload.id in self._blocks.dropped:
            raise ServiceError("the upload was aborted")
        md5 = checksums.get("md5")
        encryption = self._encrypted.get(upload.id, self._encryption)
        headers = {
            **dialect.write_headers(options),
            **encryption,
            **condition_headers(options.conditions),
        }
        ids = [part.token for part in parts]
        size = sum(part.size for part in parts)
        info = self._blocks.publish(
            upload, ids, headers, md5, size, options.conditions,
            lambda: self._head_written(upload.container, upload.name, encryption),
        )  # fmt: skip
        self._encrypted.pop(upload.id, None)
        return info

    @override
    def _abort_upload(self, upload: Upload) -> None:
        for upload_id in upload.id.split(","):
            self._encrypted.pop(upload_id, None)
        self._blocks.drop(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        def fetch(following: str | None) -> Page[tuple[str, Mapping[str, str]]]:
            return Page(
                *self._lister.rows(
                    container, ListQuery(), following or token, self.limits.page_size,
                    include="uncommittedblobs",
                )
            )  # fmt: skip

        def find(row: Mapping[str, str]) -> Upload | None:
            created = parse_date(row.get("Properties/Creation-Time"))
            return self._blocks.unfinished(container, dialect.blob_name(row), created)

        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs: what has nothing
        # but blocks is listed without an ETag. Azurite says one, and that it is empty.
        uploads: list[Upload] = []
        for page in iterate_pages(fetch, f"blobs in {container!r}"):
            wanted = [
                row
                for _, row in page.items
                if not row.get("Properties/Etag") or row.get("Properties/Content-Length") == "0"
            ]
            found = map_concurrently(find, wanted, self.transfer.concurrency)
            uploads = [upload for upload in found if upload is not None]
            if uploads and page.token is not None:
                return Page(uploads, page.token)
        return Page(uploads)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        return Page(self._blocks.parts(upload))
