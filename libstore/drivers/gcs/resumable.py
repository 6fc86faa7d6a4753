"""
Resumable uploads: one stream of bytes into a session, resumed at the last byte that is stored.

https://cloud.google.com/storage/docs/performing-resumable-uploads

A session accepts bytes in their order, and all its requests but the last have a multiple of
256 KiB. Parts wait for those before them; the rest of a part is sent with the next one. Anyone who
has the URL of a session can write to it, so it is not shown.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import chain
from typing import NamedTuple
from urllib.parse import urlsplit

from ...errors import (
    AccessDeniedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    TransferCancelledError,
    TransportError,
)
from ...http.headers import parse_size
from ...http.message import Content, Response
from ...rest.confirming import Written
from ...rest.operation import Operation
from ...transfer.payload import BufferPayload, Payload
from ...values import Conditions, KiB, MiB, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect, operations
from .client import GCSClient

#: All requests of a session but the last have a multiple of this size.
QUANTUM = 256 * KiB
PREFIX = "resumable-"

_EMPTY = BufferPayload([])
_INCOMPLETE = 308
# The seconds after which a waiting part checks whether the upload was aborted.
_POLL = 0.2


@dataclass
class _Session:
    """
    An upload in progress.

    Attributes:
        headers: The headers of an encryption key, which all its requests must have.
        token: The write token that the object will have, if any.
        stored: The number of bytes that Google has.
        received: The number of bytes in the parts so far.
        rest: The last of these bytes, which were not sent yet.
        failure: The error that ended it; waiting parts raise it too.
    """

    path: str
    upload: Upload
    headers: Mapping[str, str]
    token: str | None
    stored: int = 0
    received: int = 0
    rest: bytes = b""
    parts: list[Part] = field(default_factory=list)
    turn: threading.Condition = field(default_factory=threading.Condition)
    failure: BaseException | None = None


class Started(NamedTuple):
    """The response to the request that created a session, and attributes of `_Session`."""

    response: Response
    headers: Mapping[str, str]
    token: str | None


class Resumable:
    """
    The resumable uploads of one driver.

    Args:
        create: Creates the session of an upload.
        head: Requests the stored object after a lost response, given the options of the write.
    """

    def __init__(
        self,
        client: GCSClient,
        create: Callable[[str, str, WriteOptions], Started],
        head: Callable[[str, str, Mapping[str, object]], ObjectInfo],
    ) -> None:
        self._client = client
        self._create = create
        self._head = head
        self._sessions: dict[str, _Session] = {}

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return the unfinished uploads of a bucket."""
        try:
            self._client.require_bucket(container)
        except AccessDeniedError:
            pass  # permission to write objects does not include their bucket
        return Page(self.sessions_of(container))

    def sessions_of(self, container: str) -> Sequence[Upload]:
        """Return the uploads that this driver has started; Google does not list them."""
        found = [session.upload for session in list(self._sessions.values())]
        return [upload for upload in found if upload.container == container]

    def _session(self, upload: Upload) -> _Session:
        session = self._sessions.get(upload.id)
        if session is None:
            raise ServiceError(
                "the resumable upload has ended, or another driver has started it; start it again"
            )
        return session

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return the parts of an upload."""
        session = self._sessions.get(upload.id)
        if session is None:
            raise ObjectNotFoundError(
                "the upload does not exist, or another driver has started it"
            )
        return Page([*session.parts])

    # ------------------------------------------------------------------ start and end

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Start an upload, and return its id."""
        response, headers, token = self._create(container, name, options)
        response.close()
        try:
            location = urlsplit(response.headers.get("location", ""))
        except ValueError:
            location = urlsplit("")
        if not location.path.startswith("/"):
            raise ServiceError("the response has no URL of the upload; check any proxy")
        # Only the path is used, because credentials must not be sent to another host.
        path = location.path + (f"?{location.query}" if location.query else "")
        upload = Upload(
            container, name, PREFIX + secrets.token_hex(16), datetime.now(timezone.utc)
        )
        self._sessions[upload.id] = _Session(path, upload, headers, token)
        return upload.id

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Send the rest of the bytes, which publishes the object."""
        session = self._session(upload)
        total = session.received
        hashes = dialect.hash_header(checksums)
        sender = _Sender(self._client, session, total, total=total, hashes=hashes)
        # The session knows whether the object was published. If the session is gone, the object
        # itself is checked.
        info = self._client.confirmer.write(
            lambda: _publish(sender, options.conditions),
            lambda: self._head(upload.container, upload.name, options.extra),
            Written(total, checksums=checksums).matches,
            options.conditions, session.token, once=True,
        )  # fmt: skip
        self._sessions.pop(upload.id, None)
        return info

    def abort(self, upload: Upload) -> None:
        """Abort an upload; a missing one is not an error."""
        session = self._sessions.pop(upload.id, None)
        if session is None:
            return
        session.failure = TransferCancelledError("the upload was aborted")
        self._client.send(
            operations.CANCEL_UPLOAD, path=session.path, headers={**session.headers}
        ).close()

    # ------------------------------------------------------------------ parts

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send a part after all parts before it."""
        session = self._session(upload)
        with session.turn:
            while session.received != offset and session.failure is None:
                session.turn.wait(_POLL)
            if session.failure is not None:
                raise session.failure
            try:
                self._client.retrier.budget().restart()  # waiting does not count
                self._append(session, payload)
            except BaseException as error:
                session.failure = error
                raise
            finally:
                session.turn.notify_all()
            part = Part(number, offset, payload.size)
            session.parts.append(part)
        return part

    def _append(self, session: _Session, payload: Payload) -> None:
        available = len(session.rest) + payload.size
        # The last request of the upload must not be empty, so at least one byte is kept for it.
        sendable = max(available - 1, 0) // QUANTUM * QUANTUM
        if sendable:
            stop = session.received - len(session.rest) + sendable
            self._client.confirmer.run(_Sender(self._client, session, stop, payload).send)
        content = payload.keep(min(payload.size, available - sendable))
        rest = _Bytes(session.rest, content, sendable, available)
        session.rest = b"".join(bytes(block) for block in rest.blocks())
        session.received += payload.size


def _publish(sender: _Sender, conditions: Conditions) -> ObjectInfo:
    try:
        info = sender.send()
    except ObjectChangedError as error:
        if not conditions.if_absent:
            raise
        raise ObjectAlreadyExistsError(
            "an object of this name already exists",
            status=error.status, code=error.code, request_id=error.request_id,
        ) from None  # fmt: skip
    if info is None:
        raise ServiceError(
            "Google has received all bytes of the upload but created no object; try again",
            retryable=True,
        )
    return info


@dataclass
class _Sender:
    """
    Sends the bytes of a session up to `stop`.

    Attributes:
        payload: The bytes behind the rest of the session.
        total: The size of the object, if these are its last bytes.
        hashes: The header ``x-goog-hash`` for the last bytes.
    """

    client: GCSClient
    session: _Session
    stop: int
    payload: Payload = _EMPTY
    total: int | None = None
    hashes: str = ""

    def __post_init__(self) -> None:
        self._first = self.session.received - len(self.session.rest)
        self._farthest = self.session.stored
        self._seconds = 0.0
        self._failed = False

    def send(self) -> ObjectInfo | None:
        """
        Send the bytes; return the object if they are its last.

        When this is called again after a failure, it queries which bytes are stored, and sends
        those that follow.
        """
        try:
            info = self._request(operations.QUERY_UPLOAD, "*") if self._failed else None
            self._failed = False
            return info or self._send()
        except (ServiceError, TransportError):
            self._failed = True
            raise

    def _send(self) -> ObjectInfo | None:
        session, first = self.session, self._first
        while True:
            start, before = session.stored, self._farthest
            content = _Bytes(session.rest, self.payload, start - first, self.stop - first)
            if not content.size and self.total is None:
                return None
            span = f"{start}-{self.stop - 1}" if content.size else "*"
            info = self._request(operations.RESUME_UPLOAD, span, content)
            if info is not None or not content.size:
                return info
            if session.stored <= before:
                raise ServiceError(
                    "Google accepts no more bytes of the upload; try again", retryable=True
                )

    def _request(
        self, operation: Operation, span: str, content: Content | bytes = b""
    ) -> ObjectInfo | None:
        total = "*" if self.total is None else self.total
        headers = {**self.session.headers, "content-range": f"bytes {span}/{total}"}
        sends_bytes = operation is operations.RESUME_UPLOAD
        if self.hashes and sends_bytes:
            headers["x-goog-hash"] = self.hashes
        began = self.client.retrier.clock()
        try:
            response = self.client.send(
                operation, path=self.session.path, headers=headers, content=content
            )
        finally:
            if sends_bytes:
                self._seconds = self.client.retrier.clock() - began
        return self._read(response)

    def _read(self, response: Response) -> ObjectInfo | None:
        """Note which bytes are stored; return the object when it is published."""
        session, name = self.session, self.session.upload.name
        if response.status != _INCOMPLETE:
            if response.size == 0 and "x-goog-generation" in response.headers:  # the XML API
                response.close()
                return dialect.written_info(name, response.headers)
            resource = self.client.read_json(operations.RESUME_UPLOAD, response)
            dialect.require_name(resource, name)
            return dialect.object_info(resource)
        response.close()
        # Without a range nothing is stored.
        last = parse_size(response.headers.get("range", "").rpartition("-")[2])
        session.stored = 0 if last is None else last + 1
        if not self._first <= session.stored <= self.stop:
            raise ServiceError(
                "Google has lost bytes of the upload or received different ones; start it again"
            )
        if session.stored > self._farthest:
            moved = session.stored - self._farthest
            self.client.retrier.budget().moved(moved, self._seconds, enough=1)
            self._farthest = session.stored
        return None


class _Bytes:
    """Some of the bytes of a rest and the payload behind it; a `libstore.http.message.Content`."""

    def __init__(self, rest: bytes, payload: Payload, start: int, stop: int) -> None:
        self._rest = rest
        self._payload = payload
        self._start = start
        self._stop = stop
        self.size = stop - start

    def blocks(self, block_size: int = MiB) -> Iterator[memoryview]:
        """Yield the bytes in blocks."""
        position = 0
        for block in chain([memoryview(self._rest)], self._payload.blocks(block_size)):
            first, last = max(self._start - position, 0), min(self._stop - position, block.nbytes)
            position += block.nbytes
            if first < last:
                yield block[first:last]
            if position >= self._stop:
                return
