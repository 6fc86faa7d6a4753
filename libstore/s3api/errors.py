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
from ..rest.errors import (
    BUSY,
    CHANGED,
    CLOCK,
    DAMAGED,
    EXISTS,
    FULL,
    LACKING,
    NO_BUCKET,
    NO_OBJECT,
    QUOTA,
    REFUSED,
    SLOWER,
    UNEXPECTED,
    Entry,
    ErrorDocument,
    ErrorMapper,
    ErrorResponse,
    Meaning,
)
from ..rest.operation import ACCOUNT, CONTAINER
from .operations import DELETE_BUCKET, LIST_PARTS

REQUEST_ID = "x-amz-request-id"


def _precondition_failed(response: ErrorResponse) -> Meaning:
    if any(name.endswith("if-none-match") for name in response.request.headers):
        return EXISTS
    return CHANGED


def _not_found(response: ErrorResponse) -> Meaning:
    # If-Match fails with 404 where the object does not exist:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html#conditional-error-response
    request, missing = response.request, response.operation.required
    code = response.document.code
    if request.method in {"PUT", "POST"} and "if-match" in request.headers:
        return CHANGED
    if missing not in {ACCOUNT, CONTAINER}:
        return NO_OBJECT
    if missing is CONTAINER and (code is None or response.operation is DELETE_BUCKET):
        return NO_BUCKET
    return _MISPLACED if code in {None, "NoSuchKey"} else REFUSED


def _no_upload(response: ErrorResponse) -> Meaning:
    kind = ObjectNotFoundError if response.operation is LIST_PARTS else ServiceError
    return Meaning(kind, "the multipart upload does not exist: it was completed or aborted")


def _bad_request(response: ErrorResponse) -> Meaning:
    known = response.document.code or REQUEST_ID in response.headers
    # A response to HEAD has no body by which the service could be recognized.
    return REFUSED if known or response.request.method == "HEAD" else UNEXPECTED


_REGION = "the service expects another region; pass it as region="
_KEY = Meaning(
    AuthenticationError,
    "the service does not know this access key; check that it is complete and for this service",
)
_MISMATCH = Meaning(
    AuthenticationError,
    "the secret does not match the access key, or a proxy changes requests; check the secret and"
    " any proxy",
)
_EXPIRED = Meaning(
    AuthenticationError,
    "the session token has expired or does not belong to this key; get new temporary credentials",
    renew=True,
)
_UNKNOWN = Meaning(
    AuthenticationError,
    "the service does not accept these credentials; check key, secret and token",
    renew=True,
)
_UNSIGNED = Meaning(AuthenticationError, "the service requires signed requests; pass credentials")
_DENIED = Meaning(AccessDeniedError, "these credentials are not allowed to do this")
_TAKEN = "the name is taken: all accounts share the names of buckets; choose another one"
_NAME = Meaning(InvalidNameError, "the service does not allow this name")
_MISPLACED = Meaning(
    ServiceError,
    "the service takes the bucket for an object; check that the endpoint has no extra path",
)
_MOVED = Meaning(ServiceError, _REGION)

CODES: Mapping[str, Entry] = {
    # Credentials and permissions.
    "InvalidAccessKeyId": _KEY,
    "SignatureDoesNotMatch": _MISMATCH,
    "AuthorizationHeaderMalformed": Meaning(AuthenticationError, _REGION),
    "AuthorizationQueryParametersError": Meaning(
        AuthenticationError, "the signature is malformed"
    ),
    "InvalidSecurity": Meaning(AuthenticationError, "the credentials are not valid"),
    "CredentialsNotSupported": Meaning(
        AuthenticationError, "the service does not support credentials of this kind"
    ),
    "MissingSecurityHeader": _UNSIGNED,
    "UnsupportedAlgorithm": _UNSIGNED,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": Meaning(
        AccessDeniedError, "there is a problem with the account; contact the service's support"
    ),
    "NotSignedUp": Meaning(AccessDeniedError, "the account is not signed up for the service"),
    "InvalidPayer": _DENIED,
    "InvalidObjectState": Meaning(
        ObjectError, "the object is archived; restore it before reading it"
    ),
    # Buckets, objects and uploads.
    "NoSuchBucket": NO_BUCKET,
    "NoSuchKey": _not_found,
    "NoSuchVersion": Meaning(ObjectNotFoundError, "the object has no such version"),
    "NoSuchUpload": _no_upload,
    "BucketAlreadyExists": Meaning(ContainerAlreadyExistsError, _TAKEN),
    # Google's codes: https://cloud.google.com/storage/docs/xml-api/reference-status
    "BucketNameUnavailable": Meaning(ContainerAlreadyExistsError, _TAKEN),
    "OrgPolicyConstraintFailed": Meaning(
        AccessDeniedError, "a policy of the organisation does not allow this"
    ),
    "UserProjectMissing": Meaning(
        AccessDeniedError, "this is a requester-pays bucket; pass user_project= to the driver gcs"
    ),
    "BucketAlreadyOwnedByYou": Meaning(
        ContainerAlreadyExistsError, "you already own a bucket of this name"
    ),
    "BucketNotEmpty": Meaning(
        ContainerNotEmptyError, "the bucket still contains objects or versions"
    ),
    "InvalidBucketName": _NAME,
    "KeyTooLongError": Meaning(InvalidNameError, "the name is too long for the service"),
    "InvalidURI": Meaning(InvalidNameError, "the service cannot parse the name"),
    "XMinioInvalidObjectName": _NAME,
    "InvalidObjectName": _NAME,
    "XMinioInvalidResourceName": _NAME,
    "XMinioObjectExistsAsDirectory": Meaning(
        ObjectNameConflictError, "the service has a directory of this name"
    ),
    "XMinioParentIsObject": Meaning(
        ObjectNameConflictError, "a parent directory in the name is an object on the service"
    ),
    "TooManyBuckets": Meaning(
        ServiceError,
        "the account has its maximum number of buckets; delete one or raise the quota",
    ),
    "EntityTooLarge": Meaning(ServiceError, "the object is larger than the service allows"),
    "EntityTooSmall": Meaning(ServiceError, "a part is smaller than the service allows"),
    "InvalidLocationConstraint": Meaning(
        InvalidOptionError, "the service does not create buckets in this region; pass another one"
    ),
    "InvalidStorageClass": Meaning(InvalidOptionError, "the service has no such storage class"),
    "MetadataTooLarge": Meaning(
        InvalidOptionError, "the metadata is larger than the service allows"
    ),
    "QuotaExceeded": QUOTA,
    "ServiceQuotaExceededException": QUOTA,
    "XMinioStorageFull": FULL,
    "InsufficientCapacity": FULL,
    "AccessControlListNotSupported": Meaning(
        NotSupportedError, "the bucket has ACLs disabled: its owner owns all objects in it"
    ),
    "InvalidBucketAclWithObjectOwnership": Meaning(
        InvalidOptionError, "the bucket's owner owns all objects, which allows only acl='private'"
    ),
    "InvalidTag": Meaning(InvalidOptionError, "the service does not accept the tags"),
    "MethodNotAllowed": LACKING,
    "NotImplemented": LACKING,
    # Conditions.
    "PreconditionFailed": _precondition_failed,
    "ConditionalRequestConflict": Meaning(
        ServiceUnavailableError, "another write of this object was in progress", retry=True
    ),
    # Temporary conditions.
    "InternalError": BUSY,
    "ServiceUnavailable": BUSY,
    "ServerBusy": BUSY,
    "OperationAborted": BUSY,
    "RequestTimeout": Meaning(
        ServiceUnavailableError, "the service waited too long for the request", retry=True
    ),
    "RequestTimeoutException": BUSY,
    "SlowDown": SLOWER,
    "SlowDownRead": SLOWER,
    "SlowDownWrite": SLOWER,
    "Throttling": SLOWER,
    "ThrottlingException": SLOWER,
    "RequestThrottled": SLOWER,
    "RequestLimitExceeded": SLOWER,
    "BandwidthLimitExceeded": SLOWER,
    "TooManyRequests": SLOWER,
    "TooManyRequestsException": SLOWER,
    "QpsLimitExceeded": SLOWER,
    # Data that was damaged in transit.
    "BadDigest": DAMAGED,
    "CrcMismatch": DAMAGED,
    "IncompleteBody": DAMAGED,
    "XAmzContentSHA256Mismatch": DAMAGED,
    "XAmzContentChecksumMismatch": DAMAGED,
    "InvalidDigest": Meaning(IntegrityError, "the service does not accept the digest"),
    "InvalidPart": Meaning(IntegrityError, "a part is missing, or differs from what was sent"),
}

BY_STATUS: Mapping[int, Entry] = {
    301: _MOVED,
    307: _MOVED,
    308: _MOVED,
    400: _bad_request,
    401: _UNKNOWN,
    403: _DENIED,
    404: _not_found,
    405: LACKING,
    412: _precondition_failed,
    501: LACKING,
    507: FULL,
    509: SLOWER,
}

#: The region is wrong, and the response may name the right one.
_WRONG_REGION = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "Redirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
    }
)
_REDIRECTS = frozenset({301, 307, 308})


class WrongRegionError(MovedError):
    """
    The bucket may be in another region; a response to HEAD cannot say what is wrong.

    Attributes:
        hint: The region that the service names, unchecked.
    """

    def __init__(self, error: StorageError, hint: str | None) -> None:
        super().__init__(error)
        self.hint = hint


class S3ErrorMapper(ErrorMapper):
    """The errors of S3; those that may be due to the region become a `WrongRegionError`."""

    @override
    def fault(self, response: ErrorResponse) -> Fault:
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


def error_mapper() -> ErrorMapper:
    """Return the mapper of S3's error responses to exceptions."""
    return S3ErrorMapper(
        "S3", _parse, CODES, BY_STATUS,
        genuine=(REQUEST_ID, "etag"), request_id=(REQUEST_ID,),
        is_unexpected=_is_unexpected, trusted=frozenset({401, 403}),
    )  # fmt: skip


def _is_silent(response: ErrorResponse) -> bool:
    return response.request.method == "HEAD" and not response.body


def _region(response: ErrorResponse) -> str | None:
    return response.headers.get("x-amz-bucket-region") or response.document.fields.get("Region")


def _is_unexpected(response: ErrorResponse) -> bool:
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


def _parse(headers: Mapping[str, str], body: bytes) -> ErrorDocument:
    if not _ERROR_ROOT.search(body[:1024]):
        return ErrorDocument()
    try:
        return error_document(read_listing(body.lstrip(), ()).head)
    except ServiceError:
        return ErrorDocument()


def error_document(fields: Mapping[str, str]) -> ErrorDocument:
    """Return the content of an element ``<Error>``."""
    code = fields.get("Code")
    return ErrorDocument(
        code, fields.get("Message", ""), fields.get("RequestId"), fields, code is not None
    )
