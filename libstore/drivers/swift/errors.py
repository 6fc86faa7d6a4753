"""
The meanings of Swift's error responses: the table `BY_STATUS`.

Swift has no error codes: the meaning of a status depends on the kind of request.
https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ServiceError,
    ServiceUnavailableError,
)
from ...http.headers import is_html
from ...rest.errors import (
    BUSY,
    DAMAGED,
    FULL,
    LACKING,
    NO_CONTAINER,
    NO_OBJECT,
    PASSING,
    QUOTA,
    REFUSED,
    SLOWER,
    Entry,
    ErrorDocument,
    ErrorMapper,
    ErrorResponse,
    Meaning,
    has_prefix,
    precondition_failed,
)
from ...rest.operation import ACCOUNT, CONTAINER, OBJECT

# Each response of Swift, or of what speaks its API, has one of these headers.
_GENUINE = ("x-trans-id", "x-openstack-request-id", "x-timestamp", "x-amz-request-id")
_REQUEST_ID = ("x-trans-id", "x-openstack-request-id")

_UNAUTHENTICATED = Meaning(
    AuthenticationError, "the service does not accept the token; get a new one", renew=True
)


# ---------------------------------------------------------------------- ambiguous statuses


def _redirected(response: ErrorResponse) -> Meaning:
    # Requests without a token are redirected to the index pages of static web sites:
    # https://docs.openstack.org/swift/latest/middleware.html#staticweb
    if response.operation.subject is OBJECT:
        return NO_OBJECT
    if response.operation.subject is CONTAINER:
        return Meaning(
            AccessDeniedError,
            "the container is a web site for requests without a token; log in to list it",
        )
    return REFUSED


def _bad_request(response: ErrorResponse) -> Meaning:
    if "multipart-manifest=put" not in response.request.target:
        return REFUSED
    # The service reads each segment of the manifest with the token of the request:
    # https://docs.openstack.org/swift/latest/middleware.html#static-large-objects
    found = _OF_SEGMENT.search(response.body.decode("utf-8", "replace"))
    if found is None:
        return REFUSED
    return _UNAUTHENTICATED if found[1] == "401" else BUSY


# A segment failed for a reason that is temporary: an expired token, or a server.
_OF_SEGMENT = re.compile(r", (401|5\d\d) ")


def _not_found(response: ErrorResponse) -> Meaning:
    missing = response.operation.required
    if response.operation.subject is CONTAINER:
        return NO_CONTAINER
    if missing is ACCOUNT:
        return Meaning(ServiceError, "the account does not exist; check storage_url=")
    return NO_CONTAINER if missing is CONTAINER else NO_OBJECT


def _conflict(response: ErrorResponse) -> Meaning:
    operation = response.operation
    if operation.name == "DeleteContainer":
        return Meaning(ContainerNotEmptyError, "the container still contains objects")
    if operation.method == "GET":
        return Meaning(ServiceError, "a segment of the large object is missing or was replaced")
    if operation.name == "PutContainer":
        return Meaning(
            ContainerAlreadyExistsError, "the container exists with another storage policy"
        )
    return Meaning(ServiceUnavailableError, "a newer write of the same name won", retry=True)


def _too_large(response: ErrorResponse) -> Meaning:
    if b"quota" in response.body.lower():
        return QUOTA
    return Meaning(ServiceError, "the object or request is larger than the service allows")


BY_STATUS: Mapping[int, Entry] = {
    301: _redirected,
    400: _bad_request,
    401: _UNAUTHENTICATED,
    403: Meaning(
        AccessDeniedError,
        "this user is not allowed to do this; check its roles and the container's ACLs",
    ),
    404: _not_found,
    405: LACKING,
    408: Meaning(
        ServiceUnavailableError, "the service waited too long for the request", retry=True
    ),
    409: _conflict,
    412: precondition_failed,
    413: _too_large,
    422: DAMAGED,
    429: SLOWER,
    498: SLOWER,
    499: Meaning(
        ServiceUnavailableError, "the service received only a part of the request", retry=True
    ),
    501: LACKING,
    507: replace(FULL, retry=True),
}


# ---------------------------------------------------------------------- the mapper


def error_mapper(*, anonymous: bool = False) -> ErrorMapper:
    """
    Return the mapper of Swift's error responses to exceptions.

    Args:
        anonymous: No request has a token.
    """
    by_status = {**BY_STATUS, 401: _ANONYMOUS} if anonymous else BY_STATUS
    return ErrorMapper(
        "Swift", _parse, {}, by_status,
        genuine=_GENUINE, strict=True, request_id=_REQUEST_ID,
        is_unexpected=_is_unexpected, settings="auth_url or storage_url",
    )  # fmt: skip


_ANONYMOUS = Meaning(
    AuthenticationError,
    "the service requires a login, because this is not public; pass credentials",
)


def _is_unexpected(response: ErrorResponse) -> bool:
    status, headers = response.status, response.headers
    believed = status in PASSING or status >= 500 or (status == 401 and not is_html(headers))
    return not (believed or has_prefix(headers, _GENUINE))


_TAGS = re.compile(r"<[^>]*>")


def _parse(headers: Mapping[str, str], body: bytes) -> ErrorDocument:
    if not has_prefix(headers, _GENUINE):
        return ErrorDocument()
    return ErrorDocument(message=_TAGS.sub(" ", body.decode("utf-8", "replace")), recognized=True)
