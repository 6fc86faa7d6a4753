"""Deletes of objects: one by one, or many in one request where the cluster allows that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from logging import getLogger
from typing import Any
from urllib.parse import unquote

from ...errors import ObjectNotFoundError, ServiceError, StorageError
from ...http.headers import parse_size
from ...rest.errors import rejects_malformed
from ...transfer.workers import map_concurrently
from . import operations
from .client import ITSELF, SwiftClient
from .endpoints import path_of

_log = getLogger("libstore")
_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Deleted:
    """
    The outcome of deletes.

    Attributes:
        errors: For each object why it still exists, or `None`.
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

        def is_gone() -> bool:
            head = query or ITSELF
            try:
                self._client.send(operations.HEAD_OBJECT, container, name, query=head).close()
            except ObjectNotFoundError:
                return True
            return False

        self._client.send_proved(is_gone, operations.DELETE_OBJECT, container, name, query=query)

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
            request_id = self._client.request_id(response.headers)
            return self._client.read_json(operations.BULK_DELETE, response), request_id

        batch = _parse(*self._client.confirmer.run(send, once=False))
        errors: dict[str, StorageError | None] = dict.fromkeys(paths)
        failed = [path for path in paths if path in batch.statuses]
        if not batch.status.startswith("2") and not failed:
            raise ServiceError(
                f"the service deleted none of the objects: {batch.status} {batch.reason}".strip(),
                request_id=batch.request_id, retryable=batch.status.startswith("5"),
            )  # fmt: skip
        errors |= {path: batch.error(path) for path in failed}
        # Temporary failures and expired tokens are retried as single requests are.
        again = [path for path in failed if batch.statuses[path].startswith(("401", "5"))]
        if batch.deleted + batch.missing + len(failed) < len(paths):
            # The service gave up before the end, and does not say where.
            again += [path for path in paths if path not in batch.statuses]
        errors |= dict(zip(again, self._delete_singly(again).errors, strict=True))
        found = [errors[path] for path in paths]
        return Deleted(found, batch.deleted + len(failed) + len(again))


@dataclass(frozen=True, slots=True)
class _BatchResponse:
    """
    The response to a batch.

    Attributes:
        statuses: Why objects were not deleted, by their paths.
        status: The status of the whole.
    """

    statuses: Mapping[str, str]
    deleted: int
    missing: int
    status: str
    reason: object
    request_id: str | None

    def error(self, path: str) -> StorageError | None:
        """Return why an object still exists; a missing one is no error."""
        status = self.statuses[path]
        if status.startswith("404"):
            return None
        number = parse_size(status[:3])
        return ServiceError(
            f"the service did not delete the object: {status}",
            status=number, request_id=self.request_id, retryable=(number or 0) >= 500,
        )  # fmt: skip


@rejects_malformed
def _parse(document: Any, request_id: str | None) -> _BatchResponse:
    return _BatchResponse(
        {unquote(str(path)): str(status) for path, status in document["Errors"]},
        int(document.get("Number Deleted", 0)),
        int(document.get("Number Not Found", 0)),
        str(document.get("Response Status", "200")),
        document.get("Response Body", ""),
        request_id,
    )


def split_path(path: str) -> tuple[str, str]:
    """Return container and name of ``/container/name``."""
    container, _, name = path.removeprefix("/").partition("/")
    return container, name
