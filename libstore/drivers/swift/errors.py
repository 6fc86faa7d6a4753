"""
The meanings of Swift's error responses: the table `BY_STATUS`.

Swift has no error codes: the meaning of a status depends on the kind of request.
https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ... import rest
from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ServiceError,
    ServiceUnavailableError,
)
from ...http.headers import is_html
from ...rest.errors import PASSING, has_prefix

# Each response of Swift, or of what speaks its API, has one of these headers.
_GENUINE = ("x-trans-id", "x-openstack-request-id", "x-timestamp", "x-amz-request-id")
_REQUEST_ID = ("x-trans-id", "x-openstack-request-id")

_UNAUTHENTICATED = rest.Meaning(
    AuthenticationError, "the service does not accept the token; get a new one", renew=True
)
_ANONYMOUS = rest.Meaning(
    AuthenticationError,
    "the service requires a login, because this is not public; pass credentials",
)
# A segment failed for a reason that is temporary: an expired token, or a server.
_OF_SEGMENT = re.compile(r", (401|5\d\d) ")
_TAGS = re.compile(r"<[^>]*>")


def _redirected(response: rest.ErrorResponse) -> rest.Meaning:
    # Requests without a token are redirected to the index pages of static web sites:
    # https://docs.openstack.org/swift/latest/middleware.html#staticweb
    if response.operation.subject is rest.OBJECT:
        return rest.NO_OBJECT
    if response.operation.subject is rest.CONTAINER:
        return rest.Meaning(
            AccessDeniedError,
            "the container is a web site for requests without a token; log in to list it",
        )
    return rest.REFUSED


def _bad_request(response: rest.ErrorResponse) -> rest.Meaning:
    if "multipart-manifest=put" not in response.request.target:
        return rest.REFUSED
    # The service reads each segment of the manifest with the token of the request:
    # https://docs.openstack.org/swift/latest/middleware.html#static-large-objects
    found = _OF_SEGMENT.search(response.body.decode("utf-8", "replace"))
    if found is None:
        return rest.REFUSED
    return _UNAUTHENTICATED if found[1] == "401" else rest.BUSY


def _not_found(response: rest.ErrorResponse) -> rest.Meaning:
    if response.operation.subject is rest.ACCOUNT:
        return rest.Meaning(ServiceError, "the account does not exist; check storage_url=")
    if response.operation.subject is rest.CONTAINER:
        return rest.NO_CONTAINER
    return rest.not_found(response)


def _conflict(response: rest.ErrorResponse) -> rest.Meaning:
    operation = response.operation
    if operation.name == "DeleteContainer":
        return rest.Meaning(ContainerNotEmptyError, "the container still contains objects")
    if operation.method == "GET":
        return rest.Meaning(
            ServiceError, "a segment of the large object is missing or was replaced"
        )
    if operation.name == "PutContainer":
        return rest.Meaning(
            ContainerAlreadyExistsError, "the container exists with another storage policy"
        )
    return rest.Meaning(
        ServiceUnavailableError,
        "another write of this name, with a newer timestamp, replaced this one",
        retry=True,
    )


def _too_large(response: rest.ErrorResponse) -> rest.Meaning:
    if b"quota" in response.body.lower():
        return rest.QUOTA
    return rest.Meaning(ServiceError, "the object or request is larger than the service allows")


BY_STATUS: Mapping[int, rest.Entry] = {
    301: _redirected,
    400: _bad_request,
    401: _UNAUTHENTICATED,
    403: rest.Meaning(
        AccessDeniedError,
        "this user is not allowed to do this; check its roles and the container's ACLs",
    ),
    404: _not_found,
    405: rest.LACKING,
    409: _conflict,
    412: rest.precondition_failed,
    413: _too_large,
    422: rest.DAMAGED,
    429: rest.SLOWER,
    498: rest.SLOWER,
    499: rest.BUSY,  # the service received only a part of the request
    501: rest.LACKING,
    507: replace(rest.FULL, retry=True),
}


def error_mapper(*, anonymous: bool) -> rest.ErrorMapper:
    """Return the mapper of Swift's error responses, of a driver that may send no tokens."""
    return rest.ErrorMapper(
        "Swift", _parse, {}, {**BY_STATUS, 401: _ANONYMOUS} if anonymous else BY_STATUS,
        genuine=_GENUINE, strict=True, request_id=_REQUEST_ID,
        is_unexpected=_is_unexpected,
    )  # fmt: skip


def _is_unexpected(response: rest.ErrorResponse) -> bool:
    status, headers = response.status, response.headers
    believed = status in PASSING or status >= 500 or (status == 401 and not is_html(headers))
    return not (believed or has_prefix(headers, _GENUINE))


def _parse(headers: Mapping[str, str], body: bytes) -> rest.ErrorDocument:
    if not has_prefix(headers, _GENUINE):
        return rest.ErrorDocument()
    return rest.ErrorDocument(
        message=_TAGS.sub(" ", body.decode("utf-8", "replace")), recognized=True
    )
