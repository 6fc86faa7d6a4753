"""
Uploads that can be resumed: one stream into a session, asked how far it got where it broke off.

https://cloud.google.com/storage/docs/performing-resumable-uploads

A session takes bytes in order, and all but the last of its requests have a multiple of 256 KiB.
Parts that come too early wait for their turn; what is left over of a part goes with the next one.
Whoever has the address of a session can write to it, so the address is shown to nobody.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ...errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ServiceError,
    StorageError,
    TransferCancelledError,
    TransportError,
)
from ...http.headers import parse_size
from ...http.message import Response
from ...retry import Budget
from ...transfer.payload import Payload
from ...values import KiB, MiB, ObjectInfo, Part, Upload, WriteOptions
from . import dialect, operations
from .client import GCSClient

#: Every request of a session but the last has a multiple of it.
QUANTUM = 256 * KiB
PREFIX = "resumable-"

_INCOMPLETE = 308
_GONE = frozenset({404, 410})
# Parts that wait look so often whether the upload was given up, in seconds.
_LOOK = 0.2


class Stretch:
    """Some bytes of what was held back and of the payload behind it; see `Content`."""

    def __init__(self, held: bytes, payload: Payload | None, start: int, stop: int) -> None:
        self._held = held
        self._payload = payload
        self._start = start
        self._stop = stop

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._stop - self._start

    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """Yield the bytes in pieces."""
        at = 0
        for block in self._all(block_size):
            first, last = max(self._start - at, 0), min(self._stop - at, block.nbytes)
            at += block.nbytes
            if first < last:
                yield block[first:last]
            if at >= self._stop:
                return

    def _all(self, block_size: int) -> Iterator[memoryview]:
        if self._held:
            yield memoryview(self._held)
        if self._payload is not None:
            yield from self._payload.blocks(block_size)


class Session:
    """
    One upload that is under way.

    Attributes:
        stored: How many bytes Google has.
        taken: How many were handed over.
        held: The last of them, which were not sent with those before.
        parts: What was handed over.
        failure: What ended it; the parts that wait for their turn fail alike.
    """

    def __init__(self, path: str, upload: Upload, headers: Mapping[str, str]) -> None:
        self.path = path
        self.upload = upload
        self.headers = headers
        self.stored = self.taken = 0
        self.held = b""
        self.parts: list[Part] = []
        self.turn = threading.Condition()
        self.failure: BaseException | None = None


class Resumable:
    """The resumable uploads of one driver."""

    def __init__(self, client: GCSClient) -> None:
        self._client = client
        self._sessions: dict[str, Session] = {}

    def open_sessions(self, bucket: str) -> list[Upload]:
        """Return the uploads that were begun here; Google tells of none."""
        found = [session.upload for session in list(self._sessions.values())]
        return [upload for upload in found if upload.container == bucket]

    def session(self, upload: Upload) -> Session | None:
        """Return an upload that was begun here."""
        return self._sessions.get(upload.id)

    # ------------------------------------------------------------------ beginning and end

    def start(
        self, upload: Callable[[str], Upload], path: str, options: WriteOptions, **asked: Any
    ) -> str:
        """
        Begin an upload, and return its id.

        Args:
            upload: Returns the record of the upload with an id.
            asked: `query` and `headers`.
        """
        record = upload(PREFIX + secrets.token_hex(16))
        headers = dict(asked["headers"])
        sent = {
            **headers,
            "content-type": "application/json; charset=UTF-8",
            "x-upload-content-type": options.content_type,
        }
        response = self._client.send(
            operations.START_UPLOAD, path=path,
            query={"uploadType": "resumable", **asked["query"]}, headers=sent,
            content=json.dumps(dialect.new_object(record.name, options)).encode(),
        )  # fmt: skip
        response.close()
        self.adopt(record, response, headers)
        return record.id

    def adopt(self, upload: Upload, response: Response, headers: Mapping[str, str]) -> None:
        """Take up a session that an answer tells of."""
        try:
            where = urlsplit(response.headers.get("location", ""))
        except ValueError:
            where = urlsplit("")
        if not where.path.startswith("/"):
            raise ServiceError("Google tells no address of the upload that was begun")
        # The host is ours to say; credentials go to no other.
        path = where.path + (f"?{where.query}" if where.query else "")
        begun = replace(upload, started=datetime.now(timezone.utc))
        self._sessions[upload.id] = Session(path, begun, headers)

    def put(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send a part when all before it are sent."""
        session = self._known(upload)
        with session.turn:
            while session.taken != offset and session.failure is None:
                session.turn.wait(_LOOK)
            if session.failure is not None:
                raise session.failure
            try:
                with self._client.retrier.budget() as budget:
                    budget.restart()  # waiting for the turn is none of the service's doing
                    self._append(session, payload)
            except BaseException as error:
                session.failure = error
                raise
            finally:
                session.turn.notify_all()
            part = Part(number, offset, payload.size)
            session.parts.append(part)
        return part

    def finish(
        self, upload: Upload, options: WriteOptions, checksums: Mapping[str, str]
    ) -> ObjectInfo:
        """Send what was held back, and publish the object."""
        session = self._known(upload)
        total = session.taken
        hashes = dialect.hash_header(checksums)
        try:
            info = self._send(session, None, total, total, hashes)
        except ObjectChangedError as error:
            if not options.conditions.if_absent:
                raise
            raise ObjectAlreadyExistsError(
                "there is an object of this name already",
                status=error.status, code=error.code, request_id=error.request_id,
            ) from None  # fmt: skip
        if info is None:
            raise ServiceError(
                "Google has all bytes of the upload, and does not publish it", retryable=True
            )
        return info

    def forget(self, upload: Upload) -> None:
        """Strike off an upload that was published."""
        self._sessions.pop(upload.id, None)

    def abort(self, upload: Upload) -> None:
        """Give up an upload; that there is none is no error."""
        session = self._sessions.pop(upload.id, None)
        if session is None:
            return
        session.failure = TransferCancelledError("the upload was given up")
        self._client.send(
            operations.CANCEL_UPLOAD, path=session.path, headers={**session.headers}
        ).close()

    def _known(self, upload: Upload) -> Session:
        session = self._sessions.get(upload.id)
        if session is None:
            raise ServiceError("the upload is not one that this driver has begun, or it has ended")
        return session

    # ------------------------------------------------------------------ sending

    def _append(self, session: Session, payload: Payload) -> None:
        whole = len(session.held) + payload.size
        # The last request of all must have something to send.
        sendable = max(whole - 1, 0) // QUANTUM * QUANTUM
        held = session.held
        if sendable:
            self._send(session, payload, session.taken - len(held) + sendable, None, "")
        rest = Stretch(held, payload, sendable, whole)
        session.held = b"".join(bytes(block) for block in rest.blocks())
        session.taken += payload.size

    def _send(
        self,
        session: Session,
        payload: Payload | None,
        stop: int,
        total: int | None,
        hashes: str,
    ) -> ObjectInfo | None:
        """
        Send bytes up to `stop`; return the object if that was all of it.

        Args:
            total: The size of the object, if this is the end of it.
        """
        held = session.held
        first = session.taken - len(held)
        farthest = session.stored
        clock = self._client.retrier.clock
        with self._client.retrier.budget() as budget:
            while True:
                content = Stretch(held, payload, session.stored - first, stop - first)
                began = clock()
                try:
                    info = self._request(session, content, stop, total, hashes)
                    seconds = clock() - began
                    if info is None and content.size and session.stored <= farthest:
                        raise ServiceError("Google takes no more of the upload", retryable=True)
                except (ServiceError, TransportError) as error:
                    seconds = clock() - began
                    info = self._after(session, error, total, budget)
                if info is not None:
                    return info
                if not first <= session.stored <= stop:
                    raise ServiceError(
                        "Google has lost bytes of the upload, or has others than sent"
                    )
                if session.stored == stop and (total is None or not content.size):
                    return None
                if session.stored > farthest:
                    budget.moved(session.stored - farthest, seconds, enough=1)
                    farthest = session.stored

    def _request(
        self, session: Session, content: Stretch, stop: int, total: int | None, hashes: str
    ) -> ObjectInfo | None:
        size = "*" if total is None else str(total)
        span = f"{session.stored}-{stop - 1}" if content.size else "*"
        headers = {**session.headers, "content-range": f"bytes {span}/{size}"}
        if hashes:
            headers["x-goog-hash"] = hashes
        response = self._client.send(
            operations.RESUME_UPLOAD, path=session.path, headers=headers, content=content
        )
        return self._read(session, response)

    def _after(
        self, session: Session, error: StorageError, total: int | None, budget: Budget
    ) -> ObjectInfo | None:
        """Ask how far an upload got that broke off; raise the error if that is no use."""
        if not error.retryable or not budget.retry(error):
            raise error
        size = "*" if total is None else str(total)
        try:
            response = self._client.send(
                operations.QUERY_UPLOAD, path=session.path,
                headers={**session.headers, "content-range": f"bytes */{size}"}, content=b"",
            )  # fmt: skip
        except ServiceError as gone:
            if total is None or gone.status not in _GONE:
                raise
            # What broke off may have been the end: whoever looks at the object will know.
            raise error from None
        return self._read(session, response)

    def _read(self, session: Session, response: Response) -> ObjectInfo | None:
        """Take note of what Google has; return the object if it is there."""
        if response.status != _INCOMPLETE:
            if response.size == 0 and "x-goog-generation" in response.headers:  # the XML API's
                response.close()
                return dialect.written_info(session.upload.name, response.headers)
            resource = self._client.read_json(operations.RESUME_UPLOAD, response)
            dialect.require_name(resource, session.upload.name)
            return dialect.object_info(resource)
        response.close()
        # Without a range it has nothing.
        told = response.headers.get("range", "").rpartition("-")[2]
        last = parse_size(told)
        session.stored = 0 if last is None else last + 1
        return None
