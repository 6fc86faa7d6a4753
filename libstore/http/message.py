"""What is asked and what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from ..values import Body


class Content(Protocol):
    """A body that can be sent again; `libstore.transfer.payload.Payload` is one."""

    @property
    def size(self) -> int: ...
    def blocks(self, block_size: int = ..., /) -> Iterable[memoryview]: ...


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request, before it is signed.

    Attributes:
        method: In upper case.
        url: ``scheme://host[:port]`` of the service; the connection goes there and nowhere else.
        target: The exact bytes of path and query as they go on the wire, percent-encoded by the
            driver. Nobody normalises them.
        headers: Names in lower case. `Host`, `Content-Length`, `Accept-Encoding: identity` and
            `User-Agent` are added by the wire.
        content: The body: bytes, something that can be sent again, or nothing.
        idempotent: Whether sending it twice does what sending it once does. One that is not is
            tried again only where the service cannot have acted on it.
        expected: The statuses that are no error.
        operation: For messages and logs, such as ``"PutObject"``.
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
        path = self.target.partition("?")[0]  # a query may have a signature in it
        return f"<Request {self.operation}: {self.method} {self.url}{path}>"


class Response(Protocol):
    """
    An answer whose body may still be on the wire.

    It must be read to its end or closed.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes of the body, if the service tells."""
        ...

    @property
    def body(self) -> Body:
        """The bytes; `TransportError` where they break off before `size`."""
        ...

    def read(self, limit: int) -> bytes:
        """Return the whole body and give the connection back; `ServiceError` above the limit."""
        ...

    def close(self) -> None:
        """Give the connection back, or close it if much of the body is unread."""
        ...


class Signer(Protocol):
    """What makes a request a caller's own. It is asked anew for each attempt."""

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """Return the headers to send in place of the request's. `now` is corrected for skew."""
        ...

    def renew(self, request: Request, /) -> bool:
        """Get new credentials after a 401 or an expired token; return whether there are any."""
        ...


class ErrorReader(Protocol):
    """A driver's way to read an error; see `Client`."""

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes, /
    ) -> Fault: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What an error answer means.

    Attributes:
        error: What to raise, with status, code and request id filled in.
        retry: Try again with backoff, if the request may be sent twice.
        renew: Get new credentials and try once more.
        skewed: Our clock is wrong: correct it by the answer's Date and try once more.
        unsure: Our clock may be wrong: do that if it is off by more than services tolerate.
        throttled: Wait longer than after other faults.
    """

    error: Exception
    retry: bool = False
    renew: bool = False
    skewed: bool = False
    throttled: bool = False
    unsure: bool = False
