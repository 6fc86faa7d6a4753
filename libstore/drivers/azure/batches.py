"""
Batches: many deletes in one request.

https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ...errors import AuthenticationError, ContainerNotFoundError, StorageError
from ...http.message import Request
from ...rest.batches import read_batch, write_batch
from ...values import DeleteOutcome, Undecided
from . import operations
from .client import MAX_DOCUMENT, AzureClient

_log = logging.getLogger(__name__)


def delete_batch(
    client: AzureClient, container: str, names: Sequence[str]
) -> Sequence[DeleteOutcome]:
    """Delete blobs with one request; those that are not known to be deleted are undecided."""
    deleted: set[int | None] = set()
    if len(names) > 1:
        try:
            # A blob that was not deleted is deleted by itself, which also shows the reason. With a
            # hierarchical namespace it may be a directory that was not empty yet: a batch deletes
            # in any order.
            # https://learn.microsoft.com/en-us/azure/storage/blobs/data-lake-storage-known-issues
            deleted = _delete(client, container, names)
        except (ContainerNotFoundError, AuthenticationError):
            raise
        except StorageError as error:
            # Some accounts, signatures and emulators do not support batches.
            _log.debug("the batch failed, so blobs are deleted one by one: %s", error)
    return [None if number in deleted else Undecided() for number in range(len(names))]


def _delete(client: AzureClient, container: str, names: Sequence[str]) -> set[int | None]:
    """Send a batch, and return the numbers of the blobs that are deleted."""
    headers, content = write_batch(
        (str(number), _request(client, container, name)) for number, name in enumerate(names)
    )
    response = client.send(
        operations.DELETE_BATCH, container,
        query={"comp": "batch", "restype": "container"},
        headers=headers, content=content,
    )  # fmt: skip
    return {
        one.number
        for one in read_batch(response, MAX_DOCUMENT)
        if one.status == 202 or (one.status == 404 and b"BlobNotFound" in one.content)
    }


def _request(client: AzureClient, container: str, name: str) -> str:
    """Return one request of a batch, which has a signature of its own."""
    request = Request(
        "DELETE",
        client.access.endpoint.url,
        client.target(client.access.endpoint.path(container, name), None),
        {"x-ms-delete-snapshots": "include"},
    )
    headers = client.access.signer.sign(request, client.signing_time())
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"DELETE {request.target} HTTP/1.1\r\n{''.join(lines)}content-length: 0\r\n"
