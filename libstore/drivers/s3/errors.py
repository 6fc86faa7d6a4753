"""
What the codes of S3 and its relatives mean in this library's terms.

The codes are those of
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
and what other services add to them.
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
from ...http.headers import is_html
from ...http.message import Fault, Request
from ...rest.client import MovedError
from ...rest.errors import (
    BUSY,
    CHANGED,
    CLOCK,
    DAMAGED,
    EXISTS,
    FULL,
    LACKING,
    NO_BUCKET,
    NO_OBJECT,
    PASSING,
    QUOTA,
    REFUSED,
    SLOWER,
    Meaning,
    foreign,
)
from ...rest.proofs import has_html
from .xml import parse

_KEY = (
    "the service does not know this access key; look whether it is complete and for this service"
)
_MISMATCH = (
    "the secret does not go with the access key, or something between here and the service"
    " changes requests; look at the secret, and at proxies"
)
_OLD = "the session token has expired or is not for this key; get new temporary credentials"
_REGION = "the service expects another region; pass it as region="

_expired = Meaning(AuthenticationError, _OLD, renew=True)
_denied = Meaning(AccessDeniedError, "these credentials are not allowed to do this")
_unknown = Meaning(
    AuthenticationError, "the service does not accept these credentials", renew=True
)

MEANINGS: Mapping[str, Meaning] = {
    # Who asks.
    "InvalidAccessKeyId": Meaning(AuthenticationError, _KEY),
    "SignatureDoesNotMatch": Meaning(AuthenticationError, _MISMATCH),
    "AuthorizationHeaderMalformed": Meaning(AuthenticationError, _REGION),
    "AuthorizationQueryParametersError": Meaning(
        AuthenticationError, "the signature is malformed"
    ),
    "InvalidSecurity": Meaning(AuthenticationError, "the credentials are not valid"),
    "CredentialsNotSupported": Meaning(
        AuthenticationError, "the service takes no such credentials"
    ),
    "MissingSecurityHeader": Meaning(AuthenticationError, "the service wants signed requests"),
    "UnsupportedAlgorithm": Meaning(AuthenticationError, "the service wants signed requests"),
    "ExpiredToken": _expired,
    "ExpiredTokenException": _expired,
    "InvalidToken": _expired,
    "TokenRefreshRequired": _expired,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "AccessDenied": _denied,
    "AllAccessDisabled": _denied,
    "AccountProblem": Meaning(AccessDeniedError, "the account has a problem; ask the service"),
    "NotSignedUp": Meaning(AccessDeniedError, "the account has not signed up for the service"),
    "InvalidPayer": _denied,
    "InvalidObjectState": Meaning(
        ObjectError, "the object is archived; restore it before it can be read"
    ),
    # What is asked for.
    "NoSuchBucket": NO_BUCKET,
    "NoSuchKey": NO_OBJECT,
    "NoSuchVersion": Meaning(ObjectNotFoundError, "there is no such version of the object"),
    "NoSuchUpload": Meaning(
        ServiceError, "the upload in parts is not there: it was finished or aborted"
    ),
    "BucketAlreadyExists": Meaning(
        ContainerAlreadyExistsError, "the name is taken; bucket names are shared by all accounts"
    ),
    # Google's word: https://cloud.google.com/storage/docs/xml-api/reference-status
    "BucketNameUnavailable": Meaning(
        ContainerAlreadyExistsError, "the name is taken; bucket names are shared by all projects"
    ),
    "OrgPolicyConstraintFailed": Meaning(
        AccessDeniedError, "the organisation's policy does not allow it"
    ),
    "UserProjectMissing": Meaning(
        AccessDeniedError, "the bucket lets those pay who ask; name the project that pays"
    ),
    "BucketAlreadyOwnedByYou": Meaning(
        ContainerAlreadyExistsError, "you have a bucket of this name already"
    ),
    "BucketNotEmpty": Meaning(ContainerNotEmptyError, "the bucket still has objects or versions"),
    "InvalidBucketName": Meaning(InvalidNameError, "the service takes no bucket of this name"),
    "KeyTooLongError": Meaning(InvalidNameError, "the name is too long for the service"),
    "InvalidURI": Meaning(InvalidNameError, "the service cannot read the name"),
    "XMinioInvalidObjectName": Meaning(InvalidNameError, "the service takes no such name"),
    "InvalidObjectName": Meaning(InvalidNameError, "the service takes no such name"),
    "XMinioInvalidResourceName": Meaning(InvalidNameError, "the service takes no such name"),
    "XMinioObjectExistsAsDirectory": Meaning(
        ObjectNameConflictError, "the service has a folder of this name"
    ),
    "XMinioParentIsObject": Meaning(
        ObjectNameConflictError, "the service has an object where the name wants a folder"
    ),
    "TooManyBuckets": Meaning(ServiceError, "the account has as many buckets as it may have"),
    "EntityTooLarge": Meaning(ServiceError, "the object is larger than the service takes"),
    "EntityTooSmall": Meaning(ServiceError, "a part is smaller than the service takes"),
    "InvalidLocationConstraint": Meaning(
        InvalidOptionError, "the service makes no buckets in this region; ask for another one"
    ),
    "InvalidStorageClass": Meaning(InvalidOptionError, "the service has no such storage class"),
    "MetadataTooLarge": Meaning(
        InvalidOptionError, "the metadata is larger than the service takes"
    ),
    "QuotaExceeded": QUOTA,
    "ServiceQuotaExceededException": QUOTA,
    "XMinioStorageFull": FULL,
    "InsufficientCapacity": FULL,
    "AccessControlListNotSupported": Meaning(
        NotSupportedError, "the bucket takes no ACLs: its owner owns and rules all objects in it"
    ),
    "InvalidBucketAclWithObjectOwnership": Meaning(
        InvalidOptionError, "a bucket whose owner owns all objects takes no ACL but 'private'"
    ),
    "InvalidTag": Meaning(InvalidOptionError, "the service does not take the tags"),
    "MethodNotAllowed": LACKING,
    "NotImplemented": LACKING,
    # Conditions; `_condition` tells which.
    "PreconditionFailed": CHANGED,
    "ConditionalRequestConflict": Meaning(
        ServiceUnavailableError, "another write of this object was under way", retry=True
    ),
    # What may pass.
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
    # Bytes that were hurt on their way.
    "BadDigest": DAMAGED,
    "CrcMismatch": DAMAGED,
    "IncompleteBody": DAMAGED,
    "XAmzContentSHA256Mismatch": DAMAGED,
    "XAmzContentChecksumMismatch": DAMAGED,
    "InvalidDigest": Meaning(IntegrityError, "the service does not accept the digest"),
    "InvalidPart": Meaning(IntegrityError, "a part is not there, or not as it was sent"),
}

_misplaced = Meaning(
    ServiceError,
    "the service takes the bucket for an object; look whether the endpoint has a path too many",
)
_moved = Meaning(ServiceError, _REGION)

_BY_STATUS: Mapping[int, Meaning] = {
    301: _moved,
    307: _moved,
    308: _moved,
    401: _unknown,
    403: _denied,
    404: NO_OBJECT,
    405: LACKING,
    412: CHANGED,
    501: LACKING,
    507: FULL,
    509: SLOWER,
    **PASSING,
}

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
# These ask for no object. Where they are answered 404, it is the bucket that there is not; not all
# services say so.
_ON_NO_BUCKET = frozenset({"CreateBucket", "ListBuckets"})
_ON_NO_OBJECT = _ON_NO_BUCKET | frozenset(
    {
        "ListObjects",
        "ListObjectsV2",
        "ListObjectVersions",
        "ListMultipartUploads",
        "PutObject",
        "CreateMultipartUpload",
        "DeleteObjects",
    }
)


class WrongRegionError(MovedError):
    """
    The bucket is somewhere else; or it may be, for an answer to HEAD cannot tell what is wrong.

    Attributes:
        hint: The region that the service names, not looked at yet.
    """

    def __init__(self, error: StorageError, hint: str | None) -> None:
        super().__init__(error)
        self.hint = hint


class ErrorReader:
    """
    Turns an error answer into what to raise and whether to try again.

    Args:
        secrets: What must not stand in a message, even if the service says it.
    """

    def __init__(self, secrets: tuple[str | bytes, ...]) -> None:
        self._secrets = secrets

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return what the answer means; see `libstore.http.message.ErrorReader`."""
        told = _told(body)
        code = told.get("Code")
        request_id = headers.get("x-amz-request-id") or told.get("RequestId")
        region = headers.get("x-amz-bucket-region") or told.get("Region")
        silent = request.method == "HEAD" and not body
        moved = status in _REDIRECTS or code in _WRONG_REGION
        odd = code is None and (
            _is_page(headers, body, status) or (moved and region is None and not silent)
        )
        own = request_id is not None or (silent and status == 400)
        meaning = strange(status) if odd else self._meaning(request, status, code, own)
        error = meaning.error(
            status, told.get("Message", ""), code=code, request_id=request_id,
            secrets=self._secrets,
        )  # fmt: skip
        # An answer to HEAD does not say why, and some services call a wrong clock AccessDenied.
        unsure = status == 403 or (status == 400 and (silent or code == "AccessDenied"))
        if (moved and not odd) or (silent and status in {400, 403}):
            return Fault(WrongRegionError(error, region), unsure=unsure)
        return replace(meaning.fault(error), unsure=unsure)

    def inside(
        self,
        told: Mapping[str, str],
        status: int | None,
        request_id: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> StorageError:
        """
        Return what an <Error> means that comes in an answer that looked like success.

        Args:
            headers: The request's.
        """
        code = told.get("Code")
        meaning = MEANINGS.get(code or "", BUSY)
        if meaning is CHANGED:
            meaning = _condition(headers or {})
        return meaning.error(
            status, told.get("Message", ""), code=code,
            request_id=request_id or told.get("RequestId"), secrets=self._secrets,
        )  # fmt: skip

    def _meaning(self, request: Request, status: int, code: str | None, own: bool) -> Meaning:
        if (status == 412 and code not in MEANINGS) or code == "PreconditionFailed":
            return _condition(request.headers)
        known = MEANINGS.get(code or "") or _BY_STATUS.get(status)
        if known is NO_OBJECT:
            return _missing(request, code)
        if known is not None:
            return known
        if status >= 500:
            return BUSY
        return strange(status) if code is None and not own else REFUSED


def _condition(headers: Mapping[str, str]) -> Meaning:
    """Return what a condition that does not hold means for a request with these headers."""
    if any(name.endswith("if-none-match") for name in headers):
        return EXISTS
    return CHANGED


def _missing(request: Request, code: str | None) -> Meaning:
    """Return what is missing where it may be something else than an object."""
    # Of an object that is gone, If-Match does not hold either:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html#conditional-error-response
    if request.method in {"PUT", "POST"} and "if-match" in request.headers:
        return CHANGED
    if request.operation not in _ON_NO_OBJECT:
        return NO_OBJECT
    if code is None and request.operation not in _ON_NO_BUCKET:
        return NO_BUCKET
    return _misplaced


def strange(status: int) -> Meaning:
    """Return what an answer means that S3 would not give, such as a web page."""
    if status == 407:
        advice = "the proxy wants to know who asks; give its user and password in its URL"
        return Meaning(ServiceError, advice)
    known = _BY_STATUS.get(status, BUSY if status >= 500 else None)
    if known is None or not (known.retry or known in {_denied, _unknown}):
        known = Meaning(ServiceError)
    return replace(known, advice=foreign(status, "S3").advice, renew=False)


def _is_page(headers: Mapping[str, str], body: bytes, status: int) -> bool:
    """Return whether an error is a web page; of a status that S3 has not, its type will do."""
    start = body[:1024].lstrip()[:14].lower()
    told = is_html(headers)
    if not start:
        # Of a response to HEAD the header tells that a GET would have a page.
        return told and status == 401 and headers.get("content-length", "0") != "0"
    return told or start.startswith((b"<html", b"<!doctype html"))


def is_page(method: str, operation: str, headers: Mapping[str, str], size: int | None) -> bool:
    """
    Return whether what looks like success is a web page, as of a proxy or of a network's login.

    All that S3 tells is XML. Objects can be web pages, and have an ETag then:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

    Args:
        size: Of the body; `None` if it is not known.
    """
    if "x-amz-request-id" in headers or not has_html(method, headers, size):
        return False
    return operation not in {"GetObject", "HeadObject"} or "etag" not in headers


_ERROR_ROOT = re.compile(rb"<(\w+:)?Error[\s>]")


def _told(body: bytes) -> Mapping[str, str]:
    """Return what an error answer says, or nothing if it is not one of S3."""
    if not _ERROR_ROOT.search(body[:1024]):
        return {}
    try:
        return parse(body, ()).head
    except ServiceError:
        return {}
