"""
Many deletes in one request.

https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import AuthenticationError, NotSupportedError, ObjectNotFoundError
from ...rest.batches import BatchedResponse, read_batch, write_batch
from ...values import DeleteOutcome, Undecided
from . import operations
from .client import GCSClient
from .errors import VagueNotFoundError

#: The maximum number of deletes in one batch.
MAX_BATCH = 100


class Batches:
    """The batches of one driver."""

    def __init__(self, client: GCSClient) -> None:
        self._client = client
        self._supported = True

    def delete(
        self, bucket: str, targets: Sequence[tuple[str, str | None]]
    ) -> Sequence[DeleteOutcome]:
        """Delete objects, given as name and version; return the outcome of each."""
        if not self._supported or len(targets) < 2:
            return [Undecided()] * len(targets)
        try:
            return self._client.confirmer.run(lambda: self._send(bucket, targets), once=False)
        except (ObjectNotFoundError, NotSupportedError):
            self._supported = False  # an emulator, or a gateway
            return [Undecided()] * len(targets)

    def _send(
        self, bucket: str, targets: Sequence[tuple[str, str | None]]
    ) -> Sequence[DeleteOutcome]:
        headers, content = write_batch(
            (f"<{number}>", self._request(bucket, *target))
            for number, target in enumerate(targets, 1)
        )
        response = self._client.send(
            operations.DELETE_BATCH, path=self._client.endpoint.batch(),
            headers=headers, content=content,
        )  # fmt: skip
        found = {
            position if one.number is None else one.number: self._outcome(one)
            for position, one in enumerate(read_batch(response, self._client.max_document), 1)
        }
        return [found.get(number, Undecided()) for number in range(1, len(targets) + 1)]

    def _request(self, bucket: str, name: str, version: str | None) -> str:
        path = self._client.endpoint.path(bucket, name)
        target = self._client.target(path, {"generation": version} if version else None)
        return f"DELETE {target} HTTP/1.1\r\nContent-Length: 0\r\n"

    def _outcome(self, response: BatchedResponse) -> DeleteOutcome:
        if response.status in {200, 204}:
            return None
        error = self._client.errors.error(
            operations.DELETE_OBJECT, response.status, {}, response.body
        )
        # A request of its own shows what is missing, and may succeed where this one did not.
        if error.retryable or isinstance(error, (AuthenticationError, VagueNotFoundError)):
            return Undecided()
        return None if isinstance(error, ObjectNotFoundError) else error
