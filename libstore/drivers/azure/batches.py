"""
Many deletes in one request.

https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from ...errors import ServiceError
from ...http.message import Request
from ...redaction import HiddenBytes
from . import operations
from .client import MAX_ANSWER, AzureClient

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_CONTENT_ID = re.compile(rb"content-id:\s*(\d{1,9})\b", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


def delete_together(client: AzureClient, container: str, names: Sequence[str]) -> list[str]:
    """
    Delete blobs with one request, and return those that are not told to be gone.

    Raises:
        StorageError: The service did not take the batch; nobody knows what it did.
    """
    boundary = f"batch_{secrets.token_hex(16)}"
    response = client.send(
        operations.DELETE_BATCH, container,
        query={"comp": "batch", "restype": "container"},
        headers={"content-type": f"multipart/mixed; boundary={boundary}"},
        content=_body(client, container, names, boundary),
    )  # fmt: skip
    kind = _BOUNDARY.search(response.headers.get("content-type", ""))
    answer = response.read(MAX_ANSWER)
    if not kind:
        raise ServiceError("the service's answer to a batch is not one of many parts")
    gone = _gone(answer, kind[1].encode("latin-1"))
    return [name for number, name in enumerate(names) if number not in gone]


def _body(client: AzureClient, container: str, names: Sequence[str], boundary: str) -> bytes:
    pieces = [
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"Content-ID: {number}\r\n\r\n{_request(client, container, name)}\r\n"
        for number, name in enumerate(names)
    ]
    # Each of them has a signature.
    return HiddenBytes("".join([*pieces, f"--{boundary}--\r\n"]).encode("ascii"))


def _request(client: AzureClient, container: str, name: str) -> str:
    """Return one request of a batch; each is signed for itself, and has no version."""
    request = Request(
        "DELETE",
        client.access.place.url,
        client.target(client.access.place.path(container, name), None),
        {"x-ms-delete-snapshots": "include"},
    )
    headers = client.access.signer.sign(request, client.signing_time())
    lines = [f"{label}: {value}" for label, value in headers.items()]
    return "\r\n".join([f"DELETE {request.target} HTTP/1.1", *lines, "content-length: 0", "", ""])


def _gone(answer: bytes, boundary: bytes) -> set[int]:
    """Return the numbers of the requests that are answered with success, or with no such blob."""
    gone = set()
    for piece in answer.split(b"--" + boundary):
        number, status = _CONTENT_ID.search(piece), _STATUS.search(piece)
        if not number or not status:
            continue
        missing = status[1] == b"404" and b"BlobNotFound" in piece
        if missing or status[1] == b"202":
            gone.add(int(number[1]))
    return gone
