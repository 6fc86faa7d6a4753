"""Deletes of objects: one by one, or many in one request where the cluster allows that."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote

from ... import rest
from ...errors import ObjectNotFoundError, ServiceError, StorageError
from ...transfer.workers import map_concurrently
from . import operations
from .client import ITSELF, SwiftClient
from .endpoints import path_of

_log = logging.getLogger("libstore")
_WORKERS = 8


class Deleted(NamedTuple):
    """
    The outcome of a batch of deletions.

    Attributes:
        errors: One for each object that still exists, and `None` for each of the others.
        existing: How many of the objects existed.
    """

    errors: list[StorageError | None]
    existing: int


class Deleter:
    """Deletes the objects of one account, given as ``/container/name``."""

    def __init__(self, client: SwiftClient) -> None:
        self._client = client

    def delete_one(self, container: str, name: str, version: str | None = None) -> None:
        """Delete one object with one request; raise `ObjectNotFoundError` if there is none."""
        query = {"version-id": version} if version else {}
        self._client.send_proved(
            lambda: not self._client.has_object(container, name, query or ITSELF),
            operations.DELETE_OBJECT, container, name, query=query,
        )  # fmt: skip

    def delete(self, paths: Sequence[str]) -> Deleted:
        """Delete objects, in batches if the cluster has them."""
        if len(paths) < 2 or not self._client.info.has("bulk_delete"):
            return self._delete_singly(paths)
        errors: list[StorageError | None] = []
        existing = 0
        remaining = iter(paths)
        while batch := list(islice(remaining, self._client.info.bulk_delete)):
            deleted = self._delete_batch(batch)
            errors += deleted.errors
            existing += deleted.existing
        return Deleted(errors, existing)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete unreferenced objects; failures are logged."""
        try:
            listed = list(paths)
            for path, error in zip(listed, self.delete(listed).errors, strict=True):
                if error is not None:
                    _log.warning("could not delete %s: %s", path, error)
        except StorageError as error:
            _log.warning("could not delete segments: %s", error)

    def _delete_singly(self, paths: Sequence[str]) -> Deleted:
        def delete(path: str) -> tuple[StorageError | None, bool]:
            try:
                self.delete_one(*split_path(path))
            except ObjectNotFoundError:
                return None, False
            except StorageError as error:
                return error, True
            return None, True

        outcomes = map_concurrently(delete, paths, _WORKERS)
        return Deleted([error for error, _ in outcomes], sum(found for _, found in outcomes))

    def _delete_batch(self, paths: Sequence[str]) -> Deleted:
        # https://docs.openstack.org/swift/latest/api/bulk-delete.html
        lines = "\n".join(path_of(*split_path(path)) for path in paths)
        headers = {"accept": "application/json", "content-type": "text/plain"}

        def send() -> tuple[Any, str | None]:
            response = self._client.send(
                operations.BULK_DELETE, query={"bulk-delete": "true"}, headers=headers,
                content=lines.encode(),
            )  # fmt: skip
            request_id = self._client.errors.id_of(response.headers)
            return self._client.read_json(operations.BULK_DELETE, response), request_id

        document, request_id = self._client.confirmer.run(send, once=False)
        statuses, deleted, missing, status = _parse(document)
        failed = [path for path in paths if path in statuses]
        if not status.startswith("2") and not failed:
            raise ServiceError(
                f"the service deleted none of the objects: {status}",
                request_id=request_id, retryable=status.startswith("5"),
            )  # fmt: skip
        errors: dict[str, StorageError | None] = dict.fromkeys(paths)
        errors |= {path: _error(statuses[path], request_id) for path in failed}
        # Temporary failures and expired tokens are retried as single requests are.
        again = [path for path in failed if statuses[path].startswith(("401", "5"))]
        if deleted + missing + len(failed) < len(paths):
            # The service gave up before the end, and does not say where.
            again += [path for path in paths if path not in statuses]
        errors |= dict(zip(again, self._delete_singly(again).errors, strict=True))
        return Deleted([errors[path] for path in paths], deleted + len(failed) + len(again))


@rest.rejects_malformed
def _parse(document: Any) -> tuple[Mapping[str, str], int, int, str]:
    """Return the failures by path, the numbers of deleted and missing objects, and the status."""
    status, reason = document.get("Response Status", "200"), document.get("Response Body", "")
    return (
        {unquote(str(path)): str(status) for path, status in document["Errors"]},
        int(document.get("Number Deleted", 0)),
        int(document.get("Number Not Found", 0)),
        f"{status} {reason}".strip(),
    )


def _error(status: str, request_id: str | None) -> StorageError | None:
    """Return the error of an object that still exists; `None` for a missing one."""
    if status.startswith("404"):
        return None
    number = rest.parse_size(status[:3])
    return ServiceError(
        f"the service did not delete the object: {status}",
        status=number, request_id=request_id, retryable=(number or 0) >= 500,
    )  # fmt: skip


def split_path(path: str) -> tuple[str, str]:
    """Return container and name of ``/container/name``."""
    container, _, name = path.removeprefix("/").partition("/")
    return container, name
