"""Requests, responses, and the interfaces of signers and error readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override


class Content(Protocol):
    """A request body that can be sent again, such as a `libstore.transfer.payload.Payload`."""

    @property
    def size(self) -> int: ...
    def blocks(self, block_size: int = ..., /) -> Iterable[memoryview]: ...


@dataclass(slots=True, eq=False)
class Request:
    """
    An unsigned request.

    Attributes:
        method: The method in upper case.
        url: ``scheme://host[:port]`` of the service, to which the connection is made.
        target: Path and query, percent-encoded by the driver. They are sent exactly so.
        headers: Names in lower case. `Host`, `Content-Length`, `Accept-Encoding: identity` and
            `User-Agent` are added when it is sent.
        content: The body: bytes, a `Content`, or `None`.
        idempotent: Whether sending it twice has the same effect as sending it once. If not, it is
            retried only if the service cannot have processed it.
        expected: The statuses that are not errors.
        operation: The name for messages and logs, such as ``"PutObject"``.
    """

    method: str
    url: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Content | None = field(default=None, repr=False)
    idempotent: bool = True
    expected: frozenset[int] = frozenset({200, 204, 206})
    operation: str = ""

    @override
    def __repr__(self) -> str:
        path = self.target.partition("?")[0]  # a query may contain a signature
        return f"<Request {self.operation}: {self.method} {self.url}{path}>"


class Response(Protocol):
    """A response whose body is read on demand. Read it to its end, or close it."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name."""
        ...

    @property
    def size(self) -> int | None:
        """The length of the body in bytes, if it is known."""
        ...

    def readinto(self, buffer: memoryview, /) -> int:
        """
        Read the next bytes of the body into a buffer; return how many, 0 at the end.

        Raises:
            TransportError: The connection broke before the end of the body.
        """
        ...

    def read(self, limit: int) -> bytes:
        """
        Read the whole body and release the connection.

        Raises:
            ServiceError: The body is longer than `limit` bytes.
        """
        ...

    def close(self) -> None:
        """Release the connection, or close it if much of the body is unread."""
        ...


class Signer(Protocol):
    """Adds credentials to requests; it is called for each attempt."""

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """
        Return the headers to send instead of the request's.

        Args:
            now: Seconds since 1970, corrected for clock skew.
        """
        ...

    def renew(self, request: Request, /) -> bool:
        """Get new credentials after the service rejected them; return whether there are any."""
        ...


class ErrorReader(Protocol):
    """A driver's function that converts an error response to a `Fault`."""

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes, /
    ) -> Fault: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """
    The meaning of an error response.

    Attributes:
        error: The error to raise, with status, code and request id.
        retry: Retry with backoff, if the request is idempotent.
        renew: Get new credentials and retry once.
        skewed: The local clock is wrong: correct it by the response's `Date` and retry once.
        unsure: The local clock may be wrong: correct it and retry once if it is off by more than
            services accept.
        throttled: Wait longer before a retry, which is safe for any request.
    """

    error: Exception
    retry: bool = False
    renew: bool = False
    skewed: bool = False
    throttled: bool = False
    unsure: bool = False
