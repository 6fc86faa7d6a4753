"""
Many deletes in one request.

https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

from collections.abc import Sequence

from ...http.message import Request
from ...rest.batches import read_batch, write_batch
from . import operations
from .client import MAX_ANSWER, AzureClient


def delete_together(client: AzureClient, container: str, names: Sequence[str]) -> list[str]:
    """
    Delete blobs with one request, and return those that it is not known to have deleted.

    Raises:
        StorageError: The service did not take the batch, or its response was lost.
    """
    batch = write_batch(
        (str(number), _request(client, container, name)) for number, name in enumerate(names)
    )
    response = client.send(
        operations.DELETE_BATCH, container,
        query={"comp": "batch", "restype": "container"},
        headers={"content-type": batch.content_type},
        content=batch.content,
    )  # fmt: skip
    deleted = {
        one.number
        for one in read_batch(response, MAX_ANSWER)
        if one.status == 202 or (one.status == 404 and b"BlobNotFound" in one.content)
    }
    return [name for number, name in enumerate(names) if number not in deleted]


def _request(client: AzureClient, container: str, name: str) -> str:
    """Return one request of a batch, which has a signature of its own."""
    request = Request(
        "DELETE",
        client.access.place.url,
        client.target(client.access.place.path(container, name), None),
        {"x-ms-delete-snapshots": "include"},
    )
    headers = client.access.signer.sign(request, client.signing_time())
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"DELETE {request.target} HTTP/1.1\r\n{''.join(lines)}content-length: 0\r\n"
