"""
Blocks: the parts that a blob is put together of.

Azure has no uploads that begin and end. There are blocks without a blob, which a list of their
ids puts together, and which the service drops a week later if none does. An upload is known here
by what the ids of all its blocks begin with, so that no two uploads ever mix.
https://learn.microsoft.com/en-us/rest/api/storageservices/put-block
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from ...errors import ContainerNotFoundError, ObjectError, ObjectNotFoundError
from ...http.headers import parse_size
from ...http.message import Content
from ...http.xml import write
from ...rest.checksums import base64_of
from ...rest.confirming import Head, Written
from ...rest.operation import Operation
from ...rest.reading import range_of
from ...values import Conditions, ObjectInfo, Part, Span, Upload
from . import dialect, operations
from .client import AzureClient

# The moment when it began, and what makes it unique. With a number all ids have 32 characters:
# those of one blob must be of one length.
_UPLOAD = re.compile(r"ls[0-9a-f]{24}", re.ASCII)
_BLOCK = re.compile(r"(ls[0-9a-f]{24})-(\d{5})", re.ASCII)
#: What stands for all blocks that other programs have sent.
FOREIGN = "foreign"
# An upload that is dropped is locked for so many seconds at most.
_LEASE = 15
_REMEMBERED = 1_000


class Blocks:
    """
    The blocks of blobs of one account.

    Attributes:
        dropped: The ids of the uploads that were last dropped here. The service cannot always be
            made to forget their blocks, but they are neither published nor told of any more.
    """

    def __init__(self, client: AzureClient) -> None:
        self._client = client
        self.dropped: deque[str] = deque(maxlen=_REMEMBERED)

    def begin(self, container: str, name: str) -> Upload:
        """Return a new upload; nothing is sent."""
        now = int(self._client.signing_time())
        upload_id = f"ls{now:08x}{secrets.token_hex(8)}"
        return Upload(container, name, upload_id, _started(upload_id))

    def put(
        self, upload: Upload, number: int, content: Content, headers: Mapping[str, str]
    ) -> str:
        """Send one block, and return its id."""
        return self._put(operations.PUT_BLOCK, upload, number, content, headers)

    def put_from_url(
        self, upload: Upload, number: int, span: Span, headers: Mapping[str, str]
    ) -> str:
        """Have the service read one block itself, and return its id."""
        assert span.stop is not None
        ranged = {**headers, "x-ms-source-range": range_of(span)}
        return self._put(operations.PUT_BLOCK_FROM_URL, upload, number, None, ranged)

    def _put(
        self,
        operation: Operation,
        upload: Upload,
        number: int,
        content: Content | None,
        headers: Mapping[str, str],
    ) -> str:
        block_id = base64.b64encode(f"{upload.id}-{number:05}".encode()).decode()
        query = {"blockid": block_id, "comp": "block"}
        self._client.send(
            operation, upload.container, upload.name,
            query=query, headers=headers, content=content,
        ).close()  # fmt: skip
        return block_id

    def publish(
        self,
        upload: Upload,
        ids: Sequence[str],
        headers: Mapping[str, str],
        md5: str | None,
        size: int,
        conditions: Conditions,
        head: Head,
    ) -> ObjectInfo:
        """
        Publish the blob that blocks make up.

        Args:
            headers: With the conditions, and with the token if there is one.
            md5: Of the whole content, in hexadecimal; the service keeps it and does not look.
            size: Of the whole content.
        """
        return self._client.confirmer.write(
            lambda: self._commit(upload, ids, headers, md5),
            head,
            Written(size, checksums={} if md5 is None else {"md5": md5}).matches,
            conditions, headers.get(dialect.TOKEN), once=True,
        )  # fmt: skip

    def _commit(
        self, upload: Upload, ids: Sequence[str], headers: Mapping[str, str], md5: str | None
    ) -> ObjectInfo:
        # Not "Uncommitted": a second try finds them committed by the first one.
        body = write("BlockList", [("Latest", block_id) for block_id in ids])
        sent = {"content-type": "application/xml", **headers}
        if md5 is not None:
            sent["x-ms-blob-content-md5"] = base64_of(md5)
        response = self._client.send(
            operations.PUT_BLOCK_LIST, upload.container, upload.name,
            query={"comp": "blocklist"}, headers=sent, content=body,
        )  # fmt: skip
        response.close()
        return dialect.written_info(upload.name, response.headers, md5)

    # ------------------------------------------------------------------ what is there

    def waiting(self, container: str, name: str) -> dict[str, int]:
        """Return the sizes of the blocks that no blob has yet, by their ids."""
        listing = self._client.send_xml(
            operations.GET_BLOCK_LIST, container, name,
            root="BlockList", rows=("Block",),
            query={"blocklisttype": "uncommitted", "comp": "blocklist"},
        )  # fmt: skip
        return {row.get("Name", ""): parse_size(row.get("Size")) or 0 for _, row in listing.rows}

    def unfinished(self, container: str, name: str, started: datetime | None) -> Upload | None:
        """Return the upload, or all of them as one, of which a name has blocks and no blob."""
        try:
            blocks = {} if self._is_blob(container, name) else self.waiting(container, name)
        except ObjectNotFoundError:
            return None
        found = sorted({upload_of(block_id)[0] for block_id in blocks} - set(self.dropped))
        if not found:
            return None
        begun = [moment for upload_id in found if (moment := _started(upload_id)) is not None]
        return Upload(container, name, ",".join(found), max(begun) if begun else started)

    def parts(self, upload: Upload) -> list[Part]:
        """Return the blocks that an upload has, sorted by number."""
        own = set(upload.id.split(","))
        numbered = sorted(
            (number, block_id, size)
            for block_id, size in self.waiting(upload.container, upload.name).items()
            for found, number in [upload_of(block_id)]
            if found in own
        )
        if not numbered:
            raise ObjectNotFoundError("there is no such upload")
        parts, offset = [], 0
        for number, block_id, size in numbered:
            parts.append(Part(number, offset, size, block_id))
            offset += size
        return parts

    def _is_blob(self, container: str, name: str) -> bool:
        # A list of blocks does not tell: a blob that was written at once has none.
        try:
            self._client.send(operations.GET_BLOB_PROPERTIES, container, name).close()
        except ObjectNotFoundError:
            return False
        except ObjectError:  # it is one that this driver cannot read
            return True
        return True

    # ------------------------------------------------------------------ taken back

    def drop(self, upload: Upload) -> None:
        """
        Take blocks back, if the service can be made to: only where there is nothing else.

        No request drops blocks. But a name that has nothing but blocks can be deleted, with all of
        them, as AzCopy does it. It must not be if a blob came there meanwhile; a lease, which is
        given on blocks without a blob too, sees to that:
        https://github.com/Azure/azure-sdk-for-java/issues/12030
        """
        container, name = upload.container, upload.name
        self.dropped += [one for one in upload.id.split(",") if one != FOREIGN]
        if not self._only_of(upload):
            return
        lease = str(uuid.uuid4())
        headers = {
            "x-ms-lease-action": "acquire",
            "x-ms-lease-duration": str(_LEASE),
            "x-ms-proposed-lease-id": lease,
        }
        query = {"comp": "lease"}
        try:
            self._client.send(
                operations.LEASE_BLOB, container, name, query=query, headers=headers
            ).close()
        except ObjectNotFoundError:
            return
        held = {"x-ms-lease-id": lease}

        def delete() -> bool:
            self._client.send(operations.DELETE_BLOB, container, name, headers=held).close()
            return True

        try:
            if self._only_of(upload):
                self._client.confirmer.prove(delete, lambda: not self._only_of(upload) or None)
                return
        except ObjectNotFoundError:
            return
        self._client.send(
            operations.LEASE_BLOB, container, name,
            query=query, headers={**held, "x-ms-lease-action": "release"},
        ).close()  # fmt: skip

    def _only_of(self, upload: Upload) -> bool:
        """Return whether there is nothing under the name but blocks of this upload."""
        container, name = upload.container, upload.name
        try:
            blocks = {} if self._is_blob(container, name) else self.waiting(container, name)
        except (ObjectNotFoundError, ContainerNotFoundError):
            return False
        own = {*upload.id.split(","), *self.dropped}
        return bool(blocks) and all(upload_of(block_id)[0] in own for block_id in blocks)


def upload_of(block_id: str) -> tuple[str, int]:
    """Return the upload that a block belongs to, and its number in it."""
    try:
        text = base64.b64decode(block_id, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return FOREIGN, 0
    match = _BLOCK.fullmatch(text)
    return (match[1], int(match[2])) if match else (FOREIGN, 0)


def _started(upload_id: str) -> datetime | None:
    if not _UPLOAD.fullmatch(upload_id):
        return None
    return datetime.fromtimestamp(int(upload_id[2:10], 16), timezone.utc)
