"""
What Swift's answers mean in this library's terms.

Swift has no codes: the status says what is wrong, and what was asked says with what.
https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerNotEmptyError,
    ServiceError,
    ServiceUnavailableError,
)
from ...http.headers import is_html
from ...http.message import Fault, Request
from ...rest import errors
from ...rest.errors import (
    BUSY,
    CHANGED,
    DAMAGED,
    EXISTS,
    FULL,
    LACKING,
    NO_CONTAINER,
    NO_OBJECT,
    PASSING,
    QUOTA,
    REFUSED,
    SLOWER,
    Meaning,
)

_TAGS = re.compile(r"<[^>]*>")
# What keeps a segment from being taken, and may pass: a token that has ended, or a server.
_OF_SEGMENT = re.compile(r", (401|5\d\d) ")
_SIGN_IN = Meaning(
    AuthenticationError, "the service wants a login; it allows nothing anonymous here"
)
_BY_STATUS: Mapping[int, Meaning] = {
    401: Meaning(AuthenticationError, "the service does not accept the token", renew=True),
    403: Meaning(AccessDeniedError, "this user is not allowed to do this"),
    405: LACKING,
    408: Meaning(
        ServiceUnavailableError, "the service waited too long for the request", retry=True
    ),
    413: Meaning(ServiceError, "it is larger than the service takes"),
    422: DAMAGED,
    429: SLOWER,
    498: SLOWER,
    499: Meaning(
        ServiceUnavailableError, "the service got only a part of the request", retry=True
    ),
    501: LACKING,
    507: replace(FULL, retry=True),
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
        anonymous: No request has a token.
    """

    def __init__(
        self, secrets: Callable[[], tuple[str | bytes, ...]], *, anonymous: bool = False
    ) -> None:
        self._secrets = secrets
        self._anonymous = anonymous

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return what the answer means; see `libstore.http.message.ErrorReader`."""
        text = body.decode("utf-8", "replace")
        meaning = self._meaning(request, status, headers, text)
        said = _TAGS.sub(" ", text) if is_swift(headers) else ""
        error = meaning.error(
            status, said, request_id=request_id(headers), secrets=self._secrets()
        )
        return meaning.fault(error)

    def _meaning(
        self, request: Request, status: int, headers: Mapping[str, str], text: str
    ) -> Meaning:
        sure = status in PASSING or (status == 401 and not is_html(headers))
        if not is_swift(headers) and not sure and status < 500:
            return foreign(status)
        if status == 401 and self._anonymous:
            return _SIGN_IN
        judge = _JUDGES.get(status)
        if judge is not None:
            return judge(request)
        if status == 413 and "quota" in text.lower():
            return QUOTA
        if status == 400 and "multipart-manifest=put" in request.target:
            return _manifest(text)
        return _BY_STATUS.get(status, BUSY if status >= 500 else REFUSED)


def _manifest(text: str) -> Meaning:
    """Return why a manifest was refused: the service asks for each segment, by our token."""
    # https://docs.openstack.org/swift/latest/middleware.html#static-large-objects
    found = _OF_SEGMENT.search(text)
    return (_BY_STATUS[401] if found[1] == "401" else BUSY) if found else REFUSED


def _conflict(request: Request) -> Meaning:
    if request.operation == "DeleteContainer":
        return Meaning(ContainerNotEmptyError, "the container still has objects")
    if request.method == "GET":
        return Meaning(ServiceError, "a segment of the large object is missing or was replaced")
    if request.operation == "PutContainer":
        return Meaning(ServiceError, "the container is there, with another storage policy")
    return Meaning(ServiceUnavailableError, "a newer write of the same was faster", retry=True)


def _condition(request: Request) -> Meaning:
    """Return what a condition that does not hold means for this request."""
    if request.headers.get("if-none-match") == "*":
        return EXISTS
    if "if-match" in request.headers:
        return CHANGED
    return Meaning(ServiceError, "the service cannot take the request as it is")


def foreign(status: int) -> Meaning:
    """Return what an answer means that is not one of Swift."""
    return errors.foreign(status, "Swift", "auth_url or storage_url")


def _missing(request: Request) -> Meaning:
    operation = request.operation
    if operation == "PutObject":  # nothing else can be missing where something is put
        return NO_CONTAINER
    if operation.endswith("Object"):
        return NO_OBJECT
    if operation.endswith("Container"):
        return NO_CONTAINER
    return Meaning(ServiceError, "there is no such account; look at storage_url=")


def _web_site(request: Request) -> Meaning:
    """Return what it means that who has no token is sent on to a page of a static web site."""
    # A container's own address leads to its index, and that of a folder, which no object is, to
    # the folder's: https://docs.openstack.org/swift/latest/middleware.html#staticweb
    if request.operation.endswith("Object"):
        return NO_OBJECT
    if request.operation.endswith("Container"):
        return Meaning(
            AccessDeniedError,
            "the container is a web site to those who have not logged in; log in to list it",
        )
    return REFUSED


_JUDGES = {301: _web_site, 404: _missing, 409: _conflict, 412: _condition}
