"""The operations of a service, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..errors import ServiceError
from ..http.message import Request

_SUCCESSES = frozenset(range(200, 300))


class Subject(Enum):
    """The kind of resource that a request is about, from the outermost to the innermost."""

    ACCOUNT = "account"
    CONTAINER = "container"
    OBJECT = "object"
    UPLOAD = "upload"


class ResponseKind(Enum):
    """The body of a successful response."""

    NONE = "none"
    XML = "xml"
    JSON = "json"
    CONTENT = "content"


#: The request is about no container.
ACCOUNT = Subject.ACCOUNT
#: The request is about a container.
CONTAINER = Subject.CONTAINER
#: The request is about an object.
OBJECT = Subject.OBJECT
#: The request is about an unfinished upload of an object.
UPLOAD = Subject.UPLOAD
#: The body of the response is not read.
NONE = ResponseKind.NONE
#: The response is an XML document.
XML = ResponseKind.XML
#: The response is a JSON document.
JSON = ResponseKind.JSON
#: The response is the content of an object.
CONTENT = ResponseKind.CONTENT


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One kind of request to a service, which each driver declares once as a constant.

    A 2xx status alone does not prove success: a proxy or a login page may send status 200 with an
    empty body to every request.

    Attributes:
        name: The service's name of the operation. Retry events, logs and messages show it.
        method: The HTTP method, in upper case.
        subject: The subject of the request.
        creates: The request creates its subject.
        idempotent: Sending the request twice has the same effect as sending it once. A single
            request of the operation may not be idempotent, such as one with a condition.
        success: The statuses that are not errors: those of success that the service defines, and
            others, such as 308 for an upload that is not complete.
        proof: The beginnings of header names; a successful response has at least one of them,
            unless its status is 204. Empty: the status is enough.
        response: The body of a successful response.
        expected: The statuses whose responses are not read as errors: `success` and all of 2xx,
            of which the others prove nothing.
    """

    name: str
    method: str
    subject: Subject
    creates: bool = False
    idempotent: bool = True
    success: tuple[int, ...] = (200,)
    proof: tuple[str, ...] = ()
    response: ResponseKind = NONE
    expected: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", _SUCCESSES | set(self.success))

    @property
    def required(self) -> Subject:
        """The resource that must exist already; 404 without an error code means it does not."""
        if not self.creates:
            return self.subject
        return ACCOUNT if self.subject is CONTAINER else CONTAINER

    def is_proved_by(self, status: int, headers: Mapping[str, str]) -> bool:
        """Return whether a response proves that the service has carried out the request."""
        if status not in self.success:
            return False
        if not self.proof or status == 204:
            return True
        for name in headers:  # noqa: SIM110 - a generator costs a call for each header
            if name.startswith(self.proof):
                return True
        return False


def unproven(status: int | None, message: str = "") -> ServiceError:
    """Return the error for a response that does not prove that its request was carried out."""
    error = ServiceError(
        message
        or f"the response (HTTP {status}) does not prove that the service carried out the request;"
        " check the endpoint and any proxy",
        status=status,
    )
    error.unproven = True
    return error


@dataclass(slots=True, eq=False)
class ServiceRequest(Request):
    """A request of a driver, with its operation."""

    kind: Operation = Operation("", "GET", ACCOUNT)
