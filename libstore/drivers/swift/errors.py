"""
What Swift's answers mean in this library's terms.

Swift has no codes: the status says what is wrong, and what was asked says with what.
https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    StorageFullError,
)
from ...http.message import Fault, Request

_TAGS = re.compile(r"<[^>]*>")
_BUSY = "the service cannot answer at the moment"

#: By status: what to raise, what to say, and whether to try again.
_MEANINGS: Mapping[int, tuple[type[StorageError], str, bool]] = {
    401: (AuthenticationError, "the service does not accept the token", False),
    403: (AccessDeniedError, "this user is not allowed to do this", False),
    405: (NotSupportedError, "the service cannot do this", False),
    408: (ServiceUnavailableError, "the service waited too long for the request", True),
    413: (ServiceError, "it is larger than the service takes", False),
    422: (IntegrityError, "the bytes that arrived are not the ones that were sent", True),
    429: (RateLimitedError, "the service asks for fewer requests; send fewer at once", True),
    498: (RateLimitedError, "the service asks for fewer requests; send fewer at once", True),
    499: (ServiceUnavailableError, "the service got only a part of the request", True),
    501: (NotSupportedError, "the service cannot do this", False),
    507: (StorageFullError, "the service has no room left", True),
}


def is_swift(headers: Mapping[str, str]) -> bool:
    """Return whether an answer looks like one of Swift, or of what speaks its API."""
    return any(
        name in headers
        for name in ("x-trans-id", "x-openstack-request-id", "x-timestamp", "x-amz-request-id")
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's name for a request."""
    return headers.get("x-trans-id") or headers.get("x-openstack-request-id")


class ErrorReader:
    """
    Turns an error answer into what to raise and whether to try again.

    Args:
        secrets: Tells what must not stand in a message, even if the service says it.
    """

    def __init__(self, secrets: Callable[[], tuple[str, ...]]) -> None:
        self._secrets = secrets

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return what the answer means; see `libstore.http.message.ErrorReader`."""
        text = body.decode("utf-8", "replace")
        kind, advice, retry = self._meaning(request, status, headers, text)
        said = " ".join(_TAGS.sub(" ", text).split())[:300]
        for secret in self._secrets():
            said = said.replace(secret, "***")
        if said and is_swift(headers):
            advice += f" (the service says: {said})"
        facts: dict[str, Any] = {"status": status, "request_id": request_id(headers)}
        error = kind(advice, **facts, retryable=True if retry else None)
        return Fault(error, retry=retry, renew=status == 401, throttled=status in {429, 498})

    def _meaning(
        self, request: Request, status: int, headers: Mapping[str, str], text: str
    ) -> tuple[type[StorageError], str, bool]:
        page = headers.get("content-type", "").startswith("text/html")
        if not is_swift(headers) and (page or status not in {401, 408, 429}) and status < 500:
            return ServiceError, foreign(status), False
        judge = _JUDGES.get(status)
        if judge is not None:
            return judge(request)
        if status == 413 and "quota" in text.lower():
            return StorageFullError, "a quota is used up", False
        if status >= 500:
            return _MEANINGS.get(status, (ServiceUnavailableError, _BUSY, True))
        return _MEANINGS.get(
            status, (ServiceError, "the service does not accept the request", False)
        )


def _conflict(request: Request) -> tuple[type[StorageError], str, bool]:
    if request.operation == "DeleteContainer":
        return ContainerNotEmptyError, "the container still has objects", False
    if request.method == "GET":
        return ServiceError, "a segment of the large object is missing or was replaced", False
    if request.operation == "PutContainer":
        return ServiceError, "the container is there, with another storage policy", False
    return ServiceUnavailableError, "a newer write of the same was faster", True


def _condition(request: Request) -> tuple[type[StorageError], str, bool]:
    """Return what a condition that does not hold means for this request."""
    if request.headers.get("if-none-match") == "*":
        return ObjectAlreadyExistsError, "there is an object of this name already", False
    if "if-match" in request.headers:
        return ObjectChangedError, "the object has another ETag", False
    return ServiceError, "the service cannot take the request as it is", False


def foreign(status: int) -> str:
    """Return what to say of an answer that is not one of Swift."""
    return (
        f"the answer, status {status}, is not one of Swift; look whether auth_url or storage_url"
        " is right, and whether a proxy answers in its place"
    )


def _missing(request: Request) -> tuple[type[StorageError], str, bool]:
    operation = request.operation
    if operation == "PutObject":  # nothing else can be missing where something is put
        return ContainerNotFoundError, "there is no such container", False
    if operation.endswith("Object"):
        return ObjectNotFoundError, "there is no such object", False
    if operation.endswith("Container"):
        return ContainerNotFoundError, "there is no such container", False
    return ServiceError, "there is no such account; look at storage_url=", False


_JUDGES = {404: _missing, 409: _conflict, 412: _condition}
