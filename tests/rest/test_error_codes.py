"""The table of errors: what each service responds with, and the error that it becomes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from drivers.network_drivers import DRIVERS, SECRET
from drivers.service_errors import REQUEST_ID, error_of
from rest.test_faults import failed
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    IntegrityError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectError,
    ObjectNotFoundError,
    RateLimitedError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    StorageDriver,
    StorageError,
    StorageFullError,
    get_driver,
)

CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
MD5_64 = base64.b64encode(bytes.fromhex(MD5)).decode()

# At an unknown endpoint a conditional write is preceded by a HEAD request.
KNOWN: Mapping[str, Callable[..., StorageDriver]] = {
    **DRIVERS,
    "s3": lambda url, **options: get_driver("seaweedfs")("AKID", SECRET, endpoint=url, **options),
}


@pytest.fixture(params=KNOWN)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def driver(label: str, server: Server) -> Iterator[StorageDriver]:
    with KNOWN[label](server.url, retry=RetryPolicy(3, base=0.0)) as driver:
        yield driver


# ---------------------------------------------------------------------- codes


class Row(NamedTuple):
    """
    One error of a service.

    Attributes:
        words: A pattern that the message has.
        operations: The operations that raise it, separated by blanks.
    """

    label: str
    code: str
    status: int
    kind: type[StorageError]
    words: str = ""
    operations: str = "read_object"
    message: str = "so it is"


PERMANENT = (AccessDeniedError, AuthenticationError, ContainerNotFoundError, ObjectNotFoundError)
_MOST = "read_object list_objects upload_object list_containers"
_WRITES = "list_objects upload_object"
_SECRET = "secret|key|token|credentials"

ROWS = [
    Row("s3", "NoSuchBucket", 404, ContainerNotFoundError, "", _WRITES),
    Row("s3", "NoSuchKey", 404, ObjectNotFoundError),
    Row("s3", "AccessDenied", 403, AccessDeniedError, "allowed", "upload_object"),
    Row("s3", "SignatureDoesNotMatch", 403, AuthenticationError, _SECRET, _MOST),
    Row("s3", "RequestTimeTooSkewed", 403, AuthenticationError, "clock"),
    Row("s3", "InvalidAccessKeyId", 403, AuthenticationError),
    Row("s3", "ExpiredToken", 400, AuthenticationError),
    Row("s3", "AuthorizationHeaderMalformed", 400, AuthenticationError, "region="),
    Row("s3", "SlowDown", 503, RateLimitedError),
    Row("s3", "InternalError", 500, ServiceUnavailableError),
    Row("s3", "ServiceUnavailable", 503, ServiceUnavailableError),
    Row("s3", "RequestTimeout", 400, ServiceUnavailableError),
    Row("s3", "QuotaExceeded", 403, StorageFullError),
    Row("s3", "BadDigest", 400, IntegrityError),
    Row("s3", "UnknownCode", 400, ServiceError),
    Row("s3", "UnknownCode", 500, ServiceUnavailableError),
    Row("azure", "ContainerNotFound", 404, ContainerNotFoundError, "", _WRITES),
    Row("azure", "ContainerBeingDeleted", 409, ContainerNotFoundError),
    Row("azure", "BlobNotFound", 404, ObjectNotFoundError),
    Row("azure", "ResourceNotFound", 404, ObjectNotFoundError),
    Row("azure", "AuthenticationFailed", 403, AuthenticationError, _SECRET, _MOST),
    Row("azure", "AuthenticationFailed", 403, AuthenticationError, "clock", "read_object",
        "Request date header too old: 'Mon'"),
    Row("azure", "InvalidAuthenticationInfo", 401, AuthenticationError),
    Row("azure", "NoAuthenticationInformation", 401, AuthenticationError),
    Row("azure", "AuthorizationFailure", 403, AccessDeniedError),
    Row("azure", "AuthorizationPermissionMismatch", 403, AccessDeniedError, "allowed",
        "upload_object"),
    Row("azure", "KeyBasedAuthenticationNotPermitted", 403, AccessDeniedError),
    Row("azure", "AccountIsDisabled", 403, AccessDeniedError),
    Row("azure", "PublicAccessNotPermitted", 409, AccessDeniedError),
    Row("azure", "BlobArchived", 409, ObjectError),
    Row("azure", "BlockCountExceedsLimit", 409, ObjectError),
    Row("azure", "BlobAccessTierNotSupportedForAccountType", 409, InvalidOptionError),
    Row("azure", "BlobUsesCustomerSpecifiedEncryption", 409, ObjectError),
    Row("azure", "LeaseIdMissing", 412, ObjectError),
    Row("azure", "ConditionNotMet", 412, ObjectChangedError),
    Row("azure", "InvalidResourceName", 400, InvalidNameError),
    Row("azure", "InvalidMetadata", 400, InvalidOptionError),
    Row("azure", "AccountLimitExceeded", 403, StorageFullError),
    Row("azure", "Md5Mismatch", 400, IntegrityError),
    Row("azure", "ServerBusy", 503, RateLimitedError),
    Row("azure", "InternalError", 500, ServiceUnavailableError),
    Row("azure", "OperationTimedOut", 500, ServiceUnavailableError),
    Row("azure", "FeatureNotSupported", 400, NotSupportedError),
    Row("azure", "UnknownCode", 400, ServiceError),
    Row("azure", "UnknownCode", 500, ServiceUnavailableError),
    Row("gcs", "notFound", 404, ObjectNotFoundError, message="No such object: bucket/name"),
    Row("gcs", "notFound", 404, ContainerNotFoundError, "", _WRITES,
        "The specified bucket does not exist."),
    Row("gcs", "authError", 401, AuthenticationError, _SECRET, _MOST),
    Row("gcs", "forbidden", 403, AccessDeniedError, "allowed", "upload_object"),
    Row("gcs", "resourceIsEncryptedWithCustomerEncryptionKey", 400, AccessDeniedError),
    Row("gcs", "customerEncryptionKeyIsIncorrect", 400, AccessDeniedError),
    Row("gcs", "required", 400, ServiceError),
    Row("gcs", "rateLimitExceeded", 429, RateLimitedError),
    Row("gcs", "backendError", 503, ServiceUnavailableError),
    Row("gcs-hmac", "BucketNameUnavailable", 409, ContainerAlreadyExistsError, "",
        "create_container"),
    Row("gcs-hmac", "OrgPolicyConstraintFailed", 412, AccessDeniedError, "", "create_container"),
    Row("gcs-hmac", "UserProjectMissing", 400, AccessDeniedError, "", "create_container"),
    Row("gcs-hmac", "PreconditionFailed", 412, ObjectChangedError, "", "create_container"),
    Row("gcs-hmac", "SlowDown", 503, RateLimitedError),
    Row("gcs-hmac", "NoSuchKey", 404, ObjectNotFoundError),
    Row("gcs-hmac", "NoSuchBucket", 404, ContainerNotFoundError, "", _WRITES),
    Row("gcs-hmac", "SignatureDoesNotMatch", 403, AuthenticationError, _SECRET, _MOST),
    Row("gcs-hmac", "AccessDenied", 403, AccessDeniedError, "allowed", "upload_object"),
    Row("gcs-hmac", "RequestTimeTooSkewed", 403, AuthenticationError, "clock"),
    Row("swift", "", 401, AuthenticationError, _SECRET, _MOST),
    Row("swift", "", 403, AccessDeniedError, "not allowed", "upload_object"),
    Row("swift", "", 404, ContainerNotFoundError, "does not exist", _WRITES),
    Row("swift", "", 405, NotSupportedError, "does not support", "upload_object"),
    Row("swift", "", 413, StorageFullError, "quota", "upload_object", "Upload exceeds quota."),
    Row("swift", "", 413, ServiceError, "larger", "upload_object", "Your request is too large."),
    Row("swift", "", 422, IntegrityError, "different bytes than were sent", "upload_object"),
    Row("swift", "", 498, RateLimitedError, "fewer", "upload_object"),
    Row("swift", "", 429, RateLimitedError, "fewer", "upload_object"),
    Row("swift", "", 503, ServiceUnavailableError, "temporarily unavailable", "upload_object"),
    Row("swift", "", 507, StorageFullError, "no space", "upload_object"),
    Row("swift", "", 400, ServiceError, "Bad request", "upload_object",
        "<html>Bad <b>request</b></html>"),
]  # fmt: skip


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row.label}-{row.status}-{row.code}") for row in ROWS]
)
def test_error_response_becomes_its_error(row: Row, server: Server) -> None:
    """The error has code, status and request ID, says about what it is, and shows no secret."""
    secret = base64.b64encode(SECRET.encode()).decode() if row.label == "azure" else SECRET
    server.default = error_of(row.label, row.code, row.status, f"{row.message} {secret}")
    with KNOWN[row.label](server.url, retry=RetryPolicy(2, base=0.0)) as driver:
        for operation in row.operations.split():
            error = failed(operation, driver)
            assert type(error) is row.kind
            assert (row.code or None, row.status, REQUEST_ID) == (
                error.code, error.status, error.request_id,
            )  # fmt: skip
            assert not (isinstance(error, PERMANENT) and error.retryable)
            assert re.search(row.words, error.message)
            assert "***" in error.message
            assert "RequestId" not in str(error)


def test_missing_object_of_swift_differs_from_a_missing_container(server: Server) -> None:
    """Both have status 404; a request to the container decides."""
    server.steps.extend([error_of("swift", "", 404), respond(status=204, X_Trans_Id="REQUEST2")])
    with KNOWN["swift"](server.url) as driver:
        error = failed("read_object", driver)
    assert isinstance(error, ObjectNotFoundError)
    assert (404, REQUEST_ID) == (error.status, error.request_id)


#: What each service responds with when it is busy, and when it fails.
TEMPORARY: Mapping[str, tuple[tuple[str, int], ...]] = {
    "s3": (("SlowDown", 503), ("InternalError", 500)),
    "azure": (("ServerBusy", 503), ("InternalError", 500)),
    "gcs": (("rateLimitExceeded", 429), ("backendError", 503)),
    "gcs-hmac": (("SlowDown", 503), ("InternalError", 500)),
    "swift": (("", 498), ("", 503)),
}


def content(label: str, body: bytes = CONTENT, status: int = 200, **headers: str) -> Play:
    """Return the response to a GET of an object, with the MD5 of the whole content."""
    own = {
        "s3": {"ETag": f'"{MD5}"'},
        "azure": {"ETag": '"0x1"', "Content_MD5": MD5_64},
        "gcs": {"x_goog_generation": "1", "x_goog_hash": f"md5={MD5_64}"},
        "gcs-hmac": {"x_goog_generation": "1", "x_goog_hash": f"md5={MD5_64}"},
        "swift": {"ETag": MD5, "X_Trans_Id": "tx1"},
    }[label]
    return respond(body, status, **{**own, **headers})


def test_temporary_errors_are_retried(server: Server, driver: StorageDriver, label: str) -> None:
    server.steps.extend(error_of(label, *pair) for pair in TEMPORARY[label])
    server.steps.append(content(label))
    assert CONTENT == driver.object("bucket", "name").read()


# ---------------------------------------------------------------------- malformed listings

_XML = [
    b"",
    b"\xff\xfe",
    b"<ListBucketResult><EnumerationResults>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>",
    b"<ListBucketResult>" + b"<a>" * 1000,
    b"<Other/>",
]
LISTINGS: Mapping[str, list[bytes]] = {
    "s3": [*_XML, b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"],
    "azure": [*(body.replace(b"ListBucketResult", b"EnumerationResults") for body in _XML)],
    "gcs-hmac": _XML,
    "gcs": [b"", b"[5]", b"not JSON", b"{"],
    "swift": [b"{}", b"[5]", b"not JSON", b"<html><body>Please log in</body></html>"],
}


@pytest.mark.parametrize(
    ("label", "body"),
    [
        pytest.param(label, body, id=f"{label}-{number}")
        for label, bodies in LISTINGS.items()
        for number, body in enumerate(bodies)
    ],
)
def test_malformed_listing_is_a_service_error(
    server: Server, driver: StorageDriver, body: bytes
) -> None:
    server.default = respond(body, X_Trans_Id="R1", x_guploader_uploadid="R1")
    assert isinstance(failed("list_objects", driver), ServiceError)


# ---------------------------------------------------------------------- conditions

#: Responses where the object exists already, and where it is another one than expected.
REFUSED: Mapping[str, tuple[tuple[str, int], tuple[str, int]]] = {
    "s3": (("PreconditionFailed", 412), ("PreconditionFailed", 412)),
    "azure": (("BlobAlreadyExists", 409), ("ConditionNotMet", 412)),
    "gcs": (("conditionNotMet", 412), ("conditionNotMet", 412)),
    "gcs-hmac": (("PreconditionFailed", 412), ("PreconditionFailed", 412)),
    "swift": (("", 412), ("", 412)),
}


def test_write_of_existing_name_fails_after_one_request(
    server: Server, driver: StorageDriver, label: str
) -> None:
    """The outcome of a refused write is known, so that nothing is checked."""
    server.steps.append(error_of(label, *REFUSED[label][0]))
    with pytest.raises(ObjectAlreadyExistsError):
        driver.upload_object(CONTENT, "bucket", "name", if_absent=True)
    assert 1 == len(server.seen)


@pytest.mark.parametrize("label", ["s3", "azure", "gcs", "gcs-hmac"])
def test_write_over_changed_object_fails_after_one_request(
    server: Server, driver: StorageDriver, label: str
) -> None:
    server.steps.append(error_of(label, *REFUSED[label][1]))
    with pytest.raises(ObjectChangedError):
        driver.upload_object(CONTENT, "bucket", "name", if_match="7")
    assert 1 == len(server.seen)


# ---------------------------------------------------------------------- content


def test_corrupted_content_is_detected(server: Server, driver: StorageDriver, label: str) -> None:
    server.default = content(label, b"content of an ubject")
    with pytest.raises(IntegrityError):
        driver.object("bucket", "name").read()


#: Headers whose values are no digests.
NO_DIGEST: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "s3": lambda text: {"x_amz_checksum_crc32": text, "ETag": f'"{text}-1"'},
    "azure": lambda text: {"Content_MD5": text},
    "gcs": lambda text: {"x_goog_hash": f"md5={text}"},
    "gcs-hmac": lambda text: {"x_goog_hash": f"md5={text}"},
    "swift": lambda text: {"ETag": text},
}


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "ä"])
def test_invalid_digest_is_ignored(
    server: Server, driver: StorageDriver, label: str, text: str
) -> None:
    server.default = content(label, **NO_DIGEST[label](text))
    assert CONTENT == driver.object("bucket", "name").read()


def test_digest_of_the_object_is_not_compared_with_a_range(
    server: Server, driver: StorageDriver, label: str
) -> None:
    more: Any = {"Content_MD5": "AAAA", "x_ms_blob_content_md5": MD5_64}
    server.steps.append(content(label, CONTENT[2:5], 206, Content_Range="bytes 2-4/20", **more))
    assert CONTENT[2:5] == driver.object("bucket", "name").read(start=2, stop=5)
