"""
Blocks: the parts of a blob.

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
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from ...errors import ContainerNotFoundError, ObjectError, ObjectNotFoundError
from ...http.headers import parse_size
from ...http.message import Content
from ...http.xml import write
from ...rest.checksums import base64_of
from ...rest.confirming import Head, Written
from ...rest.dialect import condition_headers
from ...values import Conditions, ObjectInfo, Part, Upload
from . import dialect, operations
from .client import AzureClient

# The time of the start and a random text. With a number, all ids have 32 characters: those of one
# blob must have the same length.
_UPLOAD = re.compile(r"ls[0-9a-f]{24}", re.ASCII)
_BLOCK = re.compile(r"(ls[0-9a-f]{24})-(\d{5})", re.ASCII)
#: The upload id of all blocks that other programs have sent.
UNCOMMITTED = "uncommitted"
# A name is locked for at most so many seconds while its blocks are deleted.
_LEASE = "15"
_MAX_DROPPED = 1_000


class Blocks:
    """
    The blocks of one account.

    Attributes:
        dropped: The ids of the uploads that this driver has dropped last. The service may still
            have their blocks, but they are neither committed nor listed any more.
    """

    def __init__(self, client: AzureClient) -> None:
        self._client = client
        self.dropped: deque[str] = deque(maxlen=_MAX_DROPPED)

    def begin(self, container: str, name: str) -> Upload:
        """Return a new upload; nothing is sent."""
        now = int(self._client.signing_time())
        upload_id = f"ls{now:08x}{secrets.token_hex(8)}"
        return Upload(container, name, upload_id, _started(upload_id))

    def put(
        self,
        upload: Upload,
        number: int,
        headers: Mapping[str, str],
        content: Content | None = None,
    ) -> str:
        """
        Send one block, and return its id.

        Args:
            content: Without it the service reads the block from the URL in the headers.
        """
        operation = operations.PUT_BLOCK if content is not None else operations.PUT_BLOCK_FROM_URL
        block_id = base64.b64encode(f"{upload.id}-{number:05}".encode()).decode()
        self._client.send(
            operation, upload.container, upload.name,
            query={"blockid": block_id, "comp": "block"}, headers=headers, content=content,
        ).close()  # fmt: skip
        return block_id

    def commit(
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
        Make a blob of blocks.

        Args:
            headers: With the token, if there is one, and without the conditions.
            md5: The MD5 of the whole content, in hexadecimal; the service stores it and does not
            check it.
            size: The size of the whole content.
        """
        headers = {
            "content-type": "application/xml", **headers, **condition_headers(conditions),
        }  # fmt: skip
        if md5 is not None:
            headers["x-ms-blob-content-md5"] = base64_of(md5)
        # Not "Uncommitted": the first attempt may have committed them already.
        content = write("BlockList", [("Latest", block_id) for block_id in ids])

        return self._client.write(
            operations.PUT_BLOCK_LIST, upload.container, upload.name,
            lambda response: dialect.written_info(upload.name, response.headers, md5),
            head,
            Written(size, checksums={} if md5 is None else {"md5": md5}).matches,
            conditions, headers.get(dialect.TOKEN),
            query={"comp": "blocklist"}, headers=headers, content=content,
        )  # fmt: skip

    # ------------------------------------------------------------------ listing

    def unfinished(self, container: str, name: str, started: datetime | None) -> Upload | None:
        """Return the uploads of a name, as one, if it has blocks and no blob."""
        blocks = self._without_blob(container, name)
        found = sorted({upload_of(block_id)[0] for block_id in blocks} - set(self.dropped))
        if not found:
            return None
        begun = [moment for upload_id in found if (moment := _started(upload_id)) is not None]
        return Upload(container, name, ",".join(found), max(begun) if begun else started)

    def parts(self, upload: Upload) -> list[Part]:
        """Return the blocks of an upload, sorted by number."""
        own = set(upload.id.split(","))
        numbered = sorted(
            (number, block_id, size)
            for block_id, size in self._uncommitted(upload.container, upload.name).items()
            for found, number in [upload_of(block_id)]
            if found in own
        )
        if not numbered:
            raise ObjectNotFoundError("the upload does not exist; it was finished or aborted")
        parts, offset = [], 0
        for number, block_id, size in numbered:
            parts.append(Part(number, offset, size, block_id))
            offset += size
        return parts

    def _uncommitted(self, container: str, name: str) -> dict[str, int]:
        """Return the sizes of the blocks that are not part of a blob, by their ids."""
        listing = self._client.send_xml(
            operations.GET_BLOCK_LIST, container, name,
            root="BlockList", rows=("Block",),
            query={"blocklisttype": "uncommitted", "comp": "blocklist"},
        )  # fmt: skip
        return {row.get("Name", ""): parse_size(row.get("Size")) or 0 for _, row in listing.rows}

    def _without_blob(self, container: str, name: str) -> dict[str, int]:
        """Do the same if there is no blob of this name; with a blob, return no blocks."""
        # The list of blocks does not show it: a blob that was written with one request has none.
        try:
            self._client.send(operations.GET_BLOB_PROPERTIES, container, name).close()
        except ObjectNotFoundError:
            pass
        except ObjectError:  # a blob that this driver cannot read
            return {}
        else:
            return {}
        try:
            return self._uncommitted(container, name)
        except ObjectNotFoundError:
            return {}

    # ------------------------------------------------------------------ deleting

    def drop(self, upload: Upload) -> None:
        """
        Delete the blocks of an upload if its name has nothing else.

        No request deletes blocks. But a name with nothing but blocks can be deleted as a whole, as
        AzCopy does. A lease, which is possible without a blob, prevents that a blob is created
        meanwhile and deleted too: https://github.com/Azure/azure-sdk-for-java/issues/12030
        """
        self.dropped += [one for one in upload.id.split(",") if one != UNCOMMITTED]
        try:
            if self._is_alone(upload):
                self._delete_under_lease(upload)
        except (ObjectNotFoundError, ContainerNotFoundError):
            pass

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
        """Return whether a name has nothing but blocks of this upload, or of dropped ones."""
        blocks = self._without_blob(upload.container, upload.name)
        own = {*upload.id.split(","), *self.dropped}
        return bool(blocks) and all(upload_of(block_id)[0] in own for block_id in blocks)


def upload_of(block_id: str) -> tuple[str, int]:
    """Return the upload that a block belongs to, and its number in it."""
    try:
        text = base64.b64decode(block_id, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return UNCOMMITTED, 0
    match = _BLOCK.fullmatch(text)
    return (match[1], int(match[2])) if match else (UNCOMMITTED, 0)


def _started(upload_id: str) -> datetime | None:
    if not _UPLOAD.fullmatch(upload_id):
        return None
    return datetime.fromtimestamp(int(upload_id[2:10], 16), timezone.utc)
