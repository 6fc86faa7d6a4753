"""
Many deletions in one request.

https://cloud.google.com/storage/docs/batch
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from ...errors import (
    AuthenticationError,
    NotSupportedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from . import operations
from .client import GCSClient
from .errors import VagueNotFoundError

#: The most that Google takes in one.
MOST = 100

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?')
_CONTENT_ID = re.compile(rb"content-id:\s*<?response-[^>\r\n]*?(\d{1,9})>?\s*\r?\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")


class Batches:
    """The batches of one service."""

    def __init__(self, client: GCSClient) -> None:
        self._client = client
        self._known = True

    def delete(
        self, bucket: str, targets: Sequence[tuple[str, str | None]]
    ) -> list[StorageError | None] | None:
        """
        Delete objects, given as name and version; return why each is still there.

        Returns:
            `None` if the service takes no batches.
        """
        if not self._known:
            return None
        try:
            # Deleting twice does what deleting once does.
            return self._client.confirmer.repeat(lambda: self._send(bucket, targets))
        except (ObjectNotFoundError, NotSupportedError):
            self._known = False  # an emulator, or a gateway
            return None

    def _send(
        self, bucket: str, targets: Sequence[tuple[str, str | None]]
    ) -> list[StorageError | None]:
        boundary = secrets.token_hex(16)
        response = self._client.send(
            operations.DELETE_BATCH, path=self._client.place.batch(),
            headers={"content-type": f"multipart/mixed; boundary={boundary}"},
            content=self._body(bucket, targets, boundary),
        )  # fmt: skip
        kind = _BOUNDARY.search(response.headers.get("content-type", ""))
        try:
            answer = response.read(self._client.max_document)
        except StorageError as error:
            error.status = error.status or response.status
            raise
        if kind is None:
            raise ServiceError("Google's answer to a batch is not one of many parts")
        return self._results(answer, kind[1].encode("latin-1"), bucket, len(targets))

    def _body(
        self, bucket: str, targets: Sequence[tuple[str, str | None]], boundary: str
    ) -> bytes:
        pieces = []
        for number, (name, version) in enumerate(targets, 1):
            path = self._client.place.object(bucket, name)
            target = self._client.target(path, {"generation": version} if version else None)
            pieces.append(
                f"--{boundary}\r\nContent-Type: application/http\r\n"
                f"Content-Transfer-Encoding: binary\r\nContent-ID: <{number}>\r\n\r\n"
                f"DELETE {target} HTTP/1.1\r\nContent-Length: 0\r\n\r\n\r\n"
            )
        return "".join([*pieces, f"--{boundary}--\r\n"]).encode("ascii")

    def _results(
        self, answer: bytes, boundary: bytes, bucket: str, count: int
    ) -> list[StorageError | None]:
        parts = [part for part in answer.split(b"--" + boundary)[1:] if _STATUS.search(part)]
        found: dict[int, StorageError | None] = {}
        for position, part in enumerate(parts, 1):
            named = _CONTENT_ID.search(part)
            found[int(named[1]) if named else position] = self._result(part)
        if found.keys() != set(range(1, count + 1)):
            raise ServiceError("Google's answer to a batch tells of other requests than were sent")
        results = [found[number] for number in range(1, count + 1)]
        if any(isinstance(error, VagueNotFoundError) for error in results):
            missing = self._client.missing(bucket)
            if missing is not None:
                raise missing
        return [None if isinstance(error, ObjectNotFoundError) else error for error in results]

    def _result(self, part: bytes) -> StorageError | None:
        status = _STATUS.search(part)
        assert status is not None
        number = int(status[1])
        if number in {200, 204}:
            return None
        start = part.find(b"{", status.end())
        body = part[start:] if start >= 0 else b""
        return self._client.errors.error(operations.DELETE_OBJECT, number, {}, body)


def worth_repeating(error: StorageError | None) -> bool:
    """Return whether an object is deleted by itself that a batch did not delete."""
    return error is not None and (error.retryable or isinstance(error, AuthenticationError))
