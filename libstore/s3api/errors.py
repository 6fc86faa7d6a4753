"""
The meanings of the error codes and statuses of S3 services: the tables `CODES` and `BY_STATUS`.

The codes are those of
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
and what other services add to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from typing_extensions import override

from .. import rest
from ..errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    IntegrityError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    ObjectError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ..http.headers import is_html
from ..http.message import Fault
from ..http.xml import read_listing
from ..rest.client import MovedError
from ..rest.errors import UNEXPECTED
from .operations import DELETE_BUCKET, LIST_PARTS

REQUEST_ID = "x-amz-request-id"


def _precondition_failed(response: rest.ErrorResponse) -> rest.Meaning:
    if any(name.endswith("if-none-match") for name in response.request.headers):
        return rest.EXISTS
    return rest.CHANGED


def _not_found(response: rest.ErrorResponse) -> rest.Meaning:
    # If-Match fails with 404 where the object does not exist:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html#conditional-error-response
    request, missing = response.request, response.operation.required
    code = response.document.code
    if request.method in {"PUT", "POST"} and "if-match" in request.headers:
        return rest.CHANGED
    if missing not in {rest.ACCOUNT, rest.CONTAINER}:
        return rest.NO_OBJECT
    if missing is rest.CONTAINER and (code is None or response.operation is DELETE_BUCKET):
        return rest.NO_BUCKET
    return _MISPLACED if code in {None, "NoSuchKey"} else rest.REFUSED


def _no_upload(response: rest.ErrorResponse) -> rest.Meaning:
    kind = ObjectNotFoundError if response.operation is LIST_PARTS else ServiceError
    return rest.Meaning(kind, "the multipart upload does not exist: it was completed or aborted")


def _bad_request(response: rest.ErrorResponse) -> rest.Meaning:
    known = response.document.code or REQUEST_ID in response.headers
    # A response to HEAD has no body by which the service could be recognized.
    return rest.REFUSED if known or response.request.method == "HEAD" else UNEXPECTED


_REGION = "the service expects another region; pass it as region="
_EXPIRED = rest.Meaning(
    AuthenticationError,
    "the session token has expired or does not belong to this key; get new temporary credentials",
    renew=True,
)
_UNKNOWN = rest.Meaning(
    AuthenticationError,
    "the service does not accept these credentials; check key, secret and token",
    renew=True,
)
_UNSIGNED = rest.Meaning(
    AuthenticationError, "the service requires signed requests; pass credentials"
)
_DENIED = rest.Meaning(AccessDeniedError, "these credentials are not allowed to do this")
_TAKEN = rest.Meaning(
    ContainerAlreadyExistsError,
    "the name is taken: all accounts share the names of buckets; choose another one",
)
_NAME = rest.Meaning(InvalidNameError, "the service does not allow this name")
_CONFLICT = rest.Meaning(
    ObjectNameConflictError, "the service has a directory of this name, or an object in its path"
)
_OPTION = rest.Meaning(InvalidOptionError, "the service does not accept an option of the request")
_MISPLACED = rest.Meaning(
    ServiceError,
    "the service takes the bucket for an object; check that the endpoint has no extra path",
)
_MOVED = rest.Meaning(ServiceError, _REGION)

CODES: Mapping[str, rest.Entry] = {
    # Credentials and permissions.
    "InvalidAccessKeyId": rest.Meaning(
        AuthenticationError,
        "the service does not know this access key; check that it is complete and for this"
        " service",
        renew=True,
    ),
    "SignatureDoesNotMatch": rest.Meaning(
        AuthenticationError,
        "the secret does not match the access key, or a proxy changes requests; check the secret"
        " and any proxy",
        renew=True,
    ),
    "AuthorizationHeaderMalformed": rest.Meaning(AuthenticationError, _REGION),
    **dict.fromkeys(("InvalidSecurity", "CredentialsNotSupported"), _UNKNOWN),
    **dict.fromkeys(("MissingSecurityHeader", "UnsupportedAlgorithm"), _UNSIGNED),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"), _EXPIRED
    ),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), rest.CLOCK),
    # The second one is Google's: https://cloud.google.com/storage/docs/xml-api/reference-status
    **dict.fromkeys(("AccessDenied", "OrgPolicyConstraintFailed"), _DENIED),
    "UserProjectMissing": rest.Meaning(
        AccessDeniedError, "this is a requester-pays bucket; pass user_project= to the driver gcs"
    ),
    "InvalidObjectState": rest.Meaning(
        ObjectError, "the object is archived; restore it before reading it"
    ),
    # Buckets, objects and uploads.
    "NoSuchBucket": rest.NO_BUCKET,
    "NoSuchKey": _not_found,
    "NoSuchVersion": rest.Meaning(ObjectNotFoundError, "the object has no such version"),
    "NoSuchUpload": _no_upload,
    **dict.fromkeys(("BucketAlreadyExists", "BucketNameUnavailable"), _TAKEN),
    "BucketAlreadyOwnedByYou": rest.Meaning(
        ContainerAlreadyExistsError, "you already own a bucket of this name"
    ),
    "BucketNotEmpty": rest.Meaning(
        ContainerNotEmptyError, "the bucket still contains objects or versions"
    ),
    **dict.fromkeys(
        ("InvalidBucketName", "InvalidObjectName", "InvalidURI", "KeyTooLongError",
         "XMinioInvalidObjectName", "XMinioInvalidResourceName"), _NAME,
    ),
    **dict.fromkeys(("XMinioObjectExistsAsDirectory", "XMinioParentIsObject"), _CONFLICT),
    **dict.fromkeys(
        ("InvalidBucketAclWithObjectOwnership", "InvalidStorageClass", "InvalidTag",
         "MetadataTooLarge"), _OPTION,
    ),
    "InvalidLocationConstraint": rest.Meaning(
        InvalidOptionError, "the service does not create buckets in this region; pass another one"
    ),
    **dict.fromkeys(("QuotaExceeded", "ServiceQuotaExceededException"), rest.QUOTA),
    **dict.fromkeys(("XMinioStorageFull", "InsufficientCapacity"), rest.FULL),
    "AccessControlListNotSupported": rest.Meaning(
        NotSupportedError, "the bucket has ACLs disabled: its owner owns all objects in it"
    ),
    **dict.fromkeys(("MethodNotAllowed", "NotImplemented"), rest.LACKING),
    # Conditions.
    "PreconditionFailed": _precondition_failed,
    "ConditionalRequestConflict": rest.Meaning(
        ServiceUnavailableError, "another write of this object was in progress", retry=True
    ),
    # Temporary conditions.
    **dict.fromkeys(
        ("InternalError", "OperationAborted", "RequestTimeout", "RequestTimeoutException",
         "ServerBusy", "ServiceUnavailable"), rest.BUSY,
    ),
    **dict.fromkeys(
        ("BandwidthLimitExceeded", "QpsLimitExceeded", "RequestLimitExceeded", "RequestThrottled",
         "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException",
         "TooManyRequests", "TooManyRequestsException"), rest.SLOWER,
    ),
    # Data that was damaged in transit.
    **dict.fromkeys(
        ("BadDigest", "CrcMismatch", "IncompleteBody", "XAmzContentChecksumMismatch",
         "XAmzContentSHA256Mismatch"), rest.DAMAGED,
    ),
    "InvalidDigest": rest.Meaning(IntegrityError, "the service does not accept the digest"),
    "InvalidPart": rest.Meaning(
        IntegrityError, "a part is missing, or differs from what was sent"
    ),
}  # fmt: skip

_REDIRECTS = frozenset({301, 307, 308})
BY_STATUS: Mapping[int, rest.Entry] = {
    **dict.fromkeys(_REDIRECTS, _MOVED),
    400: _bad_request,
    401: _UNKNOWN,
    403: _DENIED,
    404: _not_found,
    **dict.fromkeys((405, 501), rest.LACKING),
    412: _precondition_failed,
    507: rest.FULL,
    509: rest.SLOWER,
}

# The region is wrong, and the response may name the right one.
_WRONG_REGION = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
     "IllegalLocationConstraintException", "IncorrectEndpoint"}
)  # fmt: skip


class WrongRegionError(MovedError):
    """The bucket may be in another region; `hint` is the one that the service names, if any."""

    def __init__(self, error: StorageError, hint: str | None) -> None:
        super().__init__(error)
        self.hint = hint


class S3ErrorMapper(rest.ErrorMapper):
    """The errors of S3; those that may be due to the region become a `WrongRegionError`."""

    @override
    def fault(self, response: rest.ErrorResponse) -> Fault:
        fault = super().fault(response)
        status, code = response.status, response.document.code
        silent = _is_silent(response)
        # Some services report a wrong clock as AccessDenied.
        unsure = status == 403 or (status == 400 and (silent or code == "AccessDenied"))
        if (silent and status in {400, 403}) or (
            (status in _REDIRECTS or code in _WRONG_REGION) and not _is_unexpected(response)
        ):
            assert isinstance(fault.error, StorageError)
            return Fault(WrongRegionError(fault.error, _region(response)), unsure=unsure)
        return replace(fault, unsure=unsure)


def error_mapper() -> rest.ErrorMapper:
    """Return the mapper of S3's error responses to exceptions."""
    return S3ErrorMapper(
        "S3", _parse, CODES, BY_STATUS,
        genuine=(REQUEST_ID, "etag"), request_id=(REQUEST_ID,),
        is_unexpected=_is_unexpected, trusted=frozenset({401, 403}),
    )  # fmt: skip


def _is_silent(response: rest.ErrorResponse) -> bool:
    return response.request.method == "HEAD" and not response.body


def _region(response: rest.ErrorResponse) -> str | None:
    return response.headers.get("x-amz-bucket-region") or response.document.fields.get("Region")


def _is_unexpected(response: rest.ErrorResponse) -> bool:
    """Return whether an error is a web page, or a redirect that names no region."""
    status, headers = response.status, response.headers
    if response.document.code is not None:
        return False
    if status in _REDIRECTS and _region(response) is None and not _is_silent(response):
        return True
    start = response.body[:1024].lstrip()[:14].lower()
    if not start:  # as for a GET; S3 sends HTML with other statuses of HEAD too
        return is_html(headers) and status == 401 and headers.get("content-length", "0") != "0"
    return is_html(headers) or start.startswith((b"<html", b"<!doctype html"))


_ERROR_ROOT = re.compile(rb"<(\w+:)?Error[\s>]")


def _parse(headers: Mapping[str, str], body: bytes) -> rest.ErrorDocument:
    if not _ERROR_ROOT.search(body[:1024]):
        return rest.ErrorDocument()
    try:
        return error_document(read_listing(body.lstrip(), ()).head)
    except ServiceError:
        return rest.ErrorDocument()


def error_document(fields: Mapping[str, str]) -> rest.ErrorDocument:
    """Return the content of an element ``<Error>``."""
    code = fields.get("Code")
    return rest.ErrorDocument(
        code, fields.get("Message", ""), fields.get("RequestId"), fields, code is not None
    )
