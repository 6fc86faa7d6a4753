"""
Uploads in parts, which Azure calls blocks.

Azure has no uploads that begin and end. A client sends blocks for a name, which become a blob when
a list of their ids is committed; the service deletes blocks that are not committed within a week.
An upload is what the ids of its blocks begin with, so blocks of different uploads never mix.
https://learn.microsoft.com/en-us/rest/api/storageservices/put-block
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone

from ... import rest
from ...errors import ContainerNotFoundError, ObjectError, ObjectNotFoundError, ServiceError
from ...http.message import Content
from ...http.xml import write
from ...listing import iterate_pages
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import Conditions, ListQuery, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect, operations
from .client import AzureClient
from .dialect import Row
from .endpoints import check_root_name
from .objects import Objects

# The time of the start and a random text. With a number, all ids have 32 characters: those of one
# blob must have the same length.
_BLOCK = re.compile(r"(ls[0-9a-f]{24})-(\d{5})", re.ASCII)
#: The upload id of all blocks that other programs have sent.
UNCOMMITTED = "uncommitted"
# A name is locked for at most so many seconds while its blocks are deleted.
_LEASE = "15"
_MAX_DROPPED = 1_000


class Uploads:
    """
    The uploads in parts of one driver.

    Args:
        concurrency: Returns how many requests are sent at once.

    Attributes:
        encrypted: The headers of the encryption of each upload that has its own, by upload id:
            every block needs them.
        dropped: The ids of the uploads that this driver has dropped last. The service may still
            have their blocks, but they are neither committed nor listed any more.
    """

    def __init__(
        self, client: AzureClient, objects: Objects, concurrency: Callable[[], int]
    ) -> None:
        self._client = client
        self._objects = objects
        self._concurrency = concurrency
        self.encrypted: dict[str, Mapping[str, str]] = {}
        self.dropped: deque[str] = deque(maxlen=_MAX_DROPPED)

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Begin an upload, and return its id; nothing is sent."""
        check_root_name(container, name)
        dialect.write_headers(options)  # raises if an option cannot be sent
        upload_id = self.new_id()
        encryption = dialect.encryption_headers(options.extra)
        if encryption:
            self.encrypted[upload_id] = encryption
        return upload_id

    def new_id(self) -> str:
        """Return the id of a new upload."""
        return f"ls{int(self._client.signing_time()):08x}{secrets.token_hex(8)}"

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send one part."""
        md5 = payload.digest("md5")
        headers = {"content-md5": rest.base64_of(md5), **self._encryption_of(upload)}
        block_id = self.put_block(upload, number, headers, payload)
        return Part(number, offset, payload.size, block_id, {"md5": md5})

    def put_block(
        self,
        upload: Upload,
        number: int,
        headers: Mapping[str, str],
        content: Content | None = None,
    ) -> str:
        """Send one block and return its id; the headers have the URL if there is no content."""
        operation = operations.PUT_BLOCK if content is not None else operations.PUT_BLOCK_FROM_URL
        block_id = base64.b64encode(f"{upload.id}-{number:05}".encode()).decode()
        self._client.send(
            operation, upload.container, upload.name,
            query={"blockid": block_id, "comp": "block"}, headers=headers, content=content,
        ).close()  # fmt: skip
        return block_id

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Make a blob of the parts."""
        if upload.id in self.dropped:
            raise ServiceError("the upload was aborted")
        info = self.commit(
            upload,
            [part.token for part in parts],
            dialect.write_headers(options),
            self._encryption_of(upload),
            options.conditions,
            rest.Written(sum(part.size for part in parts), checksums=checksums),
        )
        self.encrypted.pop(upload.id, None)
        return info

    def commit(
        self,
        upload: Upload,
        ids: Sequence[str],
        headers: Mapping[str, str],
        encryption: Mapping[str, str],
        conditions: Conditions,
        written: rest.Written,
    ) -> ObjectInfo:
        """Make a blob of blocks; the service stores the MD5 and does not check it."""
        md5 = written.checksums.get("md5")
        headers = {
            "content-type": "application/xml", **headers, **encryption,
            **rest.condition_headers(conditions),
        }  # fmt: skip
        if md5 is not None:
            headers["x-ms-blob-content-md5"] = rest.base64_of(md5)
        # Not "Uncommitted": the first attempt may have committed them already.
        content = write("BlockList", [("Latest", block_id) for block_id in ids])

        return self._client.write(
            operations.PUT_BLOCK_LIST, upload.container, upload.name,
            lambda response: dialect.written_info(upload.name, response.headers, md5),
            lambda: self._objects.head_written(upload.container, upload.name, encryption),
            written.matches, conditions, headers.get(dialect.TOKEN),
            query={"comp": "blocklist"}, headers=headers, content=content,
        )  # fmt: skip

    def _encryption_of(self, upload: Upload) -> Mapping[str, str]:
        return self.encrypted.get(upload.id, self._client.encryption.writes)

    # ------------------------------------------------------------------ listing

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads to names that have no blob."""

        def fetch(following: str | None) -> Page[Row]:
            return self._objects.rows(
                container, ListQuery(), following or token, include="uncommittedblobs"
            )

        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs: a name that has
        # nothing but blocks is listed without an ETag. Azurite lists it with one, and as empty.
        for page in iterate_pages(fetch, f"blobs in {container!r}"):
            rows = [
                row
                for _, row in page.items
                if not row.get("Properties/Etag") or row.get("Properties/Content-Length") == "0"
            ]
            found = map_concurrently(
                lambda row: self._unfinished(container, row), rows, self._concurrency()
            )
            uploads = [upload for uploads in found for upload in uploads]
            if uploads:
                return Page(uploads, page.token)
        return Page([])

    def _unfinished(self, container: str, row: Mapping[str, str]) -> Sequence[Upload]:
        """Return the uploads of a name if it has blocks and no blob."""
        name = dialect.blob_name(row)
        created = rest.parse_date(row.get("Properties/Creation-Time"))
        blocks = self._without_blob(container, name)
        found = {upload_of(block_id)[0] for block_id in blocks} - set(self.dropped)
        # Blocks of other programs come last: when they are aborted, the others are dropped.
        return [Upload(container, name, one, _started(one) or created) for one in sorted(found)]

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return the parts of an upload, sorted by number."""
        numbered = sorted(
            (number, block_id, size)
            for block_id, size in self._uncommitted(upload.container, upload.name).items()
            for found, number in [upload_of(block_id)]
            if found == upload.id
        )
        if not numbered:
            raise ObjectNotFoundError("the upload does not exist; it was finished or aborted")
        parts, offset = [], 0
        for number, block_id, size in numbered:
            parts.append(Part(number, offset, size, block_id))
            offset += size
        return Page(parts)

    def _uncommitted(self, container: str, name: str) -> dict[str, int]:
        """Return the sizes of the blocks that are not part of a blob, by their ids."""
        listing = self._client.send_xml(
            operations.GET_BLOCK_LIST, container, name,
            root="BlockList", rows=("Block",),
            query={"blocklisttype": "uncommitted", "comp": "blocklist"},
        )  # fmt: skip
        return {
            row.get("Name", ""): rest.parse_size(row.get("Size")) or 0 for _, row in listing.rows
        }

    def _without_blob(self, container: str, name: str) -> dict[str, int]:
        """Return the uncommitted blocks of a name that has no blob; none if it has one."""
        try:
            # The list of blocks does not show a blob that was written with one request.
            with suppress(ObjectNotFoundError):
                self._client.send(operations.GET_BLOB_PROPERTIES, container, name).close()
                return {}
            return self._uncommitted(container, name)
        except ObjectError:  # a blob that this driver cannot read, or no blocks
            return {}

    # ------------------------------------------------------------------ deleting

    def abort(self, upload: Upload) -> None:
        """
        Delete the blocks of an upload if its name has nothing else.

        No request deletes blocks. But a name with nothing but blocks can be deleted as a whole, as
        AzCopy does. A lease, which is possible without a blob, prevents that a blob is created
        meanwhile and deleted too: https://github.com/Azure/azure-sdk-for-java/issues/12030
        """
        self.encrypted.pop(upload.id, None)
        if upload.id != UNCOMMITTED:
            self.dropped.append(upload.id)
        with suppress(ObjectNotFoundError, ContainerNotFoundError):
            if self._is_alone(upload):
                self._delete_under_lease(upload)

    def _delete_under_lease(self, upload: Upload) -> None:
        lease = str(uuid.uuid4())
        held = {"x-ms-lease-id": lease}
        proposed = {"x-ms-lease-duration": _LEASE, "x-ms-proposed-lease-id": lease}
        self._lease(upload, "acquire", proposed)
        if not self._is_alone(upload):
            self._lease(upload, "release", held)
            return
        self._client.send_proved(
            lambda: not self._is_alone(upload),
            operations.DELETE_BLOB, upload.container, upload.name, headers=held,
        )  # fmt: skip

    def _lease(self, upload: Upload, action: str, headers: Mapping[str, str]) -> None:
        self._client.send(
            operations.LEASE_BLOB, upload.container, upload.name,
            query={"comp": "lease"}, headers={"x-ms-lease-action": action, **headers},
        ).close()  # fmt: skip

    def _is_alone(self, upload: Upload) -> bool:
        """Return whether a name has only blocks of this upload, or of dropped ones."""
        blocks = self._without_blob(upload.container, upload.name)
        own = {upload.id, *self.dropped}
        return bool(blocks) and all(upload_of(block_id)[0] in own for block_id in blocks)


def _started(upload_id: str) -> datetime | None:
    if upload_id == UNCOMMITTED:
        return None
    return datetime.fromtimestamp(int(upload_id[2:10], 16), timezone.utc)


def upload_of(block_id: str) -> tuple[str, int]:
    """Return the upload that a block belongs to, and its number in it."""
    try:
        text = base64.b64decode(block_id, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return UNCOMMITTED, 0
    match = _BLOCK.fullmatch(text)
    return (match[1], int(match[2])) if match else (UNCOMMITTED, 0)
