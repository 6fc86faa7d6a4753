"""
Many requests in the body of one request, as Azure and Google define them.

https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch and
https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ServiceError, StorageError
from ..http.message import Response
from ..redaction import HiddenBytes

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?')
_CONTENT_ID = re.compile(rb"content-id:\s*<?[^>\r\n]*?(\d{1,9})>?\s*\r?\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass(frozen=True, slots=True)
class BatchedResponse:
    """
    The response to one request of a batch.

    Attributes:
        number: The number of the request, from its content id; `None` if there is none.
        content: The status line, the headers and the body.
    """

    number: int | None
    status: int
    content: bytes

    @property
    def body(self) -> bytes:
        """The body, if it is a JSON object."""
        start = self.content.find(b"{")
        return self.content[start:] if start >= 0 else b""


def write_batch(requests: Iterable[tuple[str, str]]) -> tuple[dict[str, str], HiddenBytes]:
    """
    Return the headers and the body of a batch; each request in it may have a signature.

    Args:
        requests: Pairs of a content id, which ends with the request's number, and the request's
            text: the request line and the headers, each with its line end.
    """
    boundary = f"batch_{secrets.token_hex(16)}"
    parts = [
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {content_id}\r\n\r\n{request}\r\n\r\n"
        for content_id, request in requests
    ]
    content = HiddenBytes("".join([*parts, f"--{boundary}--\r\n"]).encode("ascii"))
    return {"content-type": f"multipart/mixed; boundary={boundary}"}, content


def read_batch(response: Response, limit: int) -> list[BatchedResponse]:
    """Return the responses in the response to a batch, in the order in which they arrived."""
    boundary = _BOUNDARY.search(response.headers.get("content-type", ""))
    try:
        content = response.read(limit)
    except StorageError as error:
        error.status = error.status or response.status
        raise
    if boundary is None:
        raise ServiceError("the response to a batch is not multipart/mixed")
    found = []
    for part in content.split(b"--" + boundary[1].encode("latin-1"))[1:]:
        status, content_id = _STATUS.search(part), _CONTENT_ID.search(part)
        number = int(content_id[1]) if content_id else None
        if status is not None:
            found.append(BatchedResponse(number, int(status[1]), part[status.start() :]))
    return found
