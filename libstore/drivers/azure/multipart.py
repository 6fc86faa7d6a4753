"""Uploads in parts, which Azure calls blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...errors import ServiceError
from ...http.headers import parse_date
from ...listing import iterate_pages
from ...rest.checksums import base64_of
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import ListQuery, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect
from .blocks import Blocks
from .client import PAGE_SIZE
from .dialect import Encryption
from .endpoints import check_root_name
from .objects import Objects


class Uploads:
    """
    The uploads in parts of one driver.

    Args:
        concurrency: Returns how many requests are sent at once.

    Attributes:
        encrypted: The headers of the encryption of each upload that has its own, by upload id:
            every block needs them.
    """

    def __init__(
        self,
        blocks: Blocks,
        objects: Objects,
        encryption: Encryption,
        concurrency: Callable[[], int],
    ) -> None:
        self._blocks = blocks
        self._objects = objects
        self._encryption = encryption
        self._concurrency = concurrency
        self.encrypted: dict[str, Mapping[str, str]] = {}

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Begin an upload, and return its id; nothing is sent."""
        check_root_name(container, name)
        dialect.write_headers(options)  # raises if an option cannot be sent
        upload_id = self._blocks.begin(container, name).id
        encryption = dialect.encryption_headers(options.extra)
        if encryption:
            self.encrypted[upload_id] = encryption
        return upload_id

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send one part."""
        md5 = payload.digest("md5")
        headers = {"content-md5": base64_of(md5), **self._encryption_of(upload)}
        block_id = self._blocks.put(upload, number, headers, payload)
        return Part(number, offset, payload.size, block_id, {"md5": md5})

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Make a blob of the parts."""
        if upload.id in self._blocks.dropped:
            raise ServiceError("the upload was aborted")
        encryption = self._encryption_of(upload)
        info = self._blocks.commit(
            upload,
            [part.token for part in parts],
            {**dialect.write_headers(options), **encryption},
            checksums.get("md5"),
            sum(part.size for part in parts),
            options.conditions,
            lambda: self._objects.head_written(upload.container, upload.name, encryption),
        )
        self.encrypted.pop(upload.id, None)
        return info

    def abort(self, upload: Upload) -> None:
        """Delete the parts, if the service can."""
        for upload_id in upload.id.split(","):
            self.encrypted.pop(upload_id, None)
        self._blocks.drop(upload)

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the names that have parts and no blob."""

        def fetch(following: str | None) -> Page[tuple[str, Mapping[str, str]]]:
            return Page(
                *self._objects.rows(
                    container, ListQuery(), following or token, PAGE_SIZE, "uncommittedblobs"
                )
            )

        def find(row: Mapping[str, str]) -> Upload | None:
            created = parse_date(row.get("Properties/Creation-Time"))
            return self._blocks.unfinished(container, dialect.blob_name(row), created)

        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs: a name that has
        # nothing but blocks is listed without an ETag. Azurite lists it with one, and as empty.
        for page in iterate_pages(fetch, f"blobs in {container!r}"):
            rows = [
                row
                for _, row in page.items
                if not row.get("Properties/Etag") or row.get("Properties/Content-Length") == "0"
            ]
            found = map_concurrently(find, rows, self._concurrency())
            uploads = [upload for upload in found if upload is not None]
            if uploads:
                return Page(uploads, page.token)
        return Page([])

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return the parts of an upload."""
        return Page(self._blocks.parts(upload))

    def _encryption_of(self, upload: Upload) -> Mapping[str, str]:
        return self.encrypted.get(upload.id, self._encryption.writes)
