"""
The meanings of Azure Blob Storage's error codes and statuses: the tables `CODES` and `BY_STATUS`.

https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes
https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ... import rest
from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerError,
    InvalidNameError,
    InvalidOptionError,
    ObjectChangedError,
    ObjectError,
    ServiceError,
    ServiceUnavailableError,
    StorageFullError,
)
from ...http.xml import read_listing
from ...rest.errors import UNEXPECTED, has_prefix

_REQUEST_ID = "x-ms-request-id"
# Each response of Azure has its version and the id of the request:
# https://learn.microsoft.com/en-us/rest/api/storageservices/get-blob#response-headers
_GENUINE = ("x-ms-",)


# ---------------------------------------------------------------------- ambiguous codes


def _authentication_failed(response: rest.ErrorResponse) -> rest.Meaning:
    detail = response.document.fields.get("AuthenticationErrorDetail", "")
    return next((meaning for part, meaning in _DETAILS.items() if part in detail), _UNKNOWN)


def _authorization_failure(response: rest.ErrorResponse) -> rest.Meaning:
    # Azurite sends Azure's code for a firewall where a signature does not match.
    if "authenticate" in response.document.message:
        return _authentication_failed(response)
    return _NETWORK


def _being_deleted(response: rest.ErrorResponse) -> rest.Meaning:
    created = response.operation.creates and response.operation.subject is rest.CONTAINER
    return _BEING_DELETED if created else rest.NO_CONTAINER


def _leased(response: rest.ErrorResponse) -> rest.Meaning:
    if response.operation.subject is rest.CONTAINER:
        return rest.Meaning(ContainerError, _LEASED)
    return rest.Meaning(ObjectError, _LEASED)


def _precondition_failed(response: rest.ErrorResponse) -> rest.Meaning:
    return rest.EXISTS if response.request.headers.get("if-none-match") == "*" else rest.CHANGED


def _not_found(response: rest.ErrorResponse) -> rest.Meaning:
    # Requests without credentials or permissions get no details.
    if response.status != 404:
        return rest.REFUSED
    if response.operation.required is rest.ACCOUNT:
        return rest.Meaning(ServiceError, f"the account does not exist; {_WHERE}")
    return rest.not_found(response)


def _invalid_header(response: rest.ErrorResponse) -> rest.Meaning:
    return _BAD_OPTION if response.document.message.endswith(_OF_OPTIONS) else rest.REFUSED


def _invalid_node(response: rest.ErrorResponse) -> rest.Meaning:
    # The period of a user delegation key begins or ends at a time that the service does not allow
    # by its clock: https://github.com/Azure/azure-powershell/issues/17183
    return rest.CLOCK if response.operation.name == "GetUserDelegationKey" else rest.REFUSED


def _of_azure(meaning: rest.Meaning) -> rest.Entry:
    """Return an entry for a status that proxies send too, but without Azure's headers or codes."""

    def choose(response: rest.ErrorResponse) -> rest.Meaning:
        genuine = response.document.code or has_prefix(response.headers, _GENUINE)
        return meaning if genuine else UNEXPECTED

    return choose


# ---------------------------------------------------------------------- tables

_WHERE = "check that the endpoint is the account's; emulators have the account in the path"
_LEASED = "it has an active lease; release or break the lease first"

_UNKNOWN = rest.Meaning(
    AuthenticationError,
    "the service does not accept the credentials: check that the key belongs to this account, that"
    " a shared access signature or token has not expired, that the clock of this machine is right,"
    " and that no proxy changes requests",
    renew=True,
    skewed=True,
)
# AuthenticationFailed has many reasons, which AuthenticationErrorDetail names:
# https://github.com/Azure/azure-sdk-for-js/issues/5433,
# https://github.com/Azure/azure-sdk-for-java/issues/15008
_DETAILS = {
    part: rest.Meaning(AuthenticationError, message, renew=True, skewed=True)
    for part, message in {
        "date header": "the clock of this machine is wrong; correct it",
        "MAC signature": (
            "the key does not belong to this account, or a proxy changes requests; check the key"
            " and any proxy"
        ),
        "specified time frame": (
            "the shared access signature has expired or is not valid yet; create a new one"
        ),
        "String to sign": (
            "the shared access signature does not match: it was changed, or the key that signed it"
            " was replaced; create a new one"
        ),
        "Lifetime validation": "the token has expired; get a new one",
        "Audience validation": "the token is not for Azure Storage; request it for that audience",
        "Issuer validation": "the token comes from another tenant than the account's",
    }.items()
}
_DENIED = rest.Meaning(
    AccessDeniedError,
    "these credentials are not allowed to do this; a user needs a data role such as Storage Blob"
    " Data Contributor, a shared access signature the permission",
)
_NETWORK = rest.Meaning(
    AccessDeniedError,
    "the account does not allow this from here; check its firewall and networks, and what the"
    " shared access signature allows",
)
_BEING_DELETED = rest.Meaning(
    ServiceUnavailableError,
    "a container of this name is still being deleted, which takes at least 30 seconds; try again"
    " later",
)
_ARCHIVED = rest.Meaning(
    ObjectError, "the blob is archived; move it to an online tier before reading it"
)
_ENCRYPTED = rest.Meaning(
    ObjectError, "the blob has a customer-provided key; create the driver with customer_key="
)
_METADATA = rest.Meaning(
    InvalidOptionError, "the metadata is invalid or larger than 8 KiB; change or shorten it"
)
_IMMUTABLE = rest.Meaning(
    AccessDeniedError, "an immutability policy or a legal hold protects the blob"
)
_OTHER_BLOCKS = rest.Meaning(
    ObjectError,
    "other uploads to this name have left too many blocks, or blocks with ids of another length;"
    " abort them, or wait a week until the service discards them",
)
_NO_TIER = rest.Meaning(InvalidOptionError, "the account has no such access tier")
_BAD_OPTION = rest.Meaning(
    InvalidOptionError, "the service does not accept the value of an option"
)
_BAD_NAME = rest.Meaning(InvalidNameError, "the service does not allow this name")

CODES: Mapping[str, rest.Entry] = {
    # Credentials and permissions.
    "AuthenticationFailed": _authentication_failed,
    "InvalidAuthenticationInfo": _authentication_failed,
    "NoAuthenticationInformation": rest.Meaning(
        AuthenticationError,
        "the service requires credentials, because this is not public; pass them",
        renew=True,
    ),
    "AuthorizationFailure": _authorization_failure,
    "AuthorizationPermissionMismatch": _DENIED,
    "AuthorizationProtocolMismatch": _NETWORK,
    "AuthorizationResourceTypeMismatch": _DENIED,
    "AuthorizationServiceMismatch": _DENIED,
    "AuthorizationSourceIPMismatch": _NETWORK,
    "InsufficientAccountPermissions": _DENIED,
    "KeyBasedAuthenticationNotPermitted": rest.Meaning(
        AccessDeniedError, "the account does not allow the use of its keys; pass credential="
    ),
    "AccountIsDisabled": rest.Meaning(AccessDeniedError, "the account is disabled"),
    "PublicAccessNotPermitted": rest.Meaning(
        AccessDeniedError,
        "the account forbids public access; set allowBlobPublicAccess in its configuration first",
    ),
    # Containers and blobs.
    "ContainerNotFound": rest.NO_CONTAINER,
    "ContainerDisabled": rest.NO_CONTAINER,
    "ContainerAlreadyExists": rest.Meaning(
        ContainerAlreadyExistsError, "a container of this name already exists"
    ),
    "ContainerBeingDeleted": _being_deleted,
    "BlobNotFound": rest.NO_OBJECT,
    "ResourceNotFound": _not_found,
    "CannotVerifyCopySource": _not_found,
    "InvalidResourceName": _BAD_NAME,
    "InvalidUri": _BAD_NAME,
    "OutOfRangeInput": rest.Meaning(
        InvalidOptionError, f"the service does not accept a value; {_WHERE}"
    ),
    "InvalidQueryParameterValue": rest.Meaning(
        ServiceError, f"the service does not accept the request; {_WHERE}"
    ),
    "InvalidHeaderValue": _invalid_header,
    "InvalidXmlNodeValue": _invalid_node,
    "InvalidMetadata": _METADATA,
    "MetadataTooLarge": _METADATA,
    "InvalidBlobTier": _NO_TIER,
    "BlobAccessTierNotSupportedForAccountType": _NO_TIER,
    "InvalidBlobType": rest.Meaning(
        ObjectError, "it is an append blob or a page blob; delete it before writing this name"
    ),
    "BlobArchived": _ARCHIVED,
    "BlobBeingRehydrated": _ARCHIVED,
    "BlobImmutableDueToPolicy": _IMMUTABLE,
    "BlobImmutableDueToLegalHold": _IMMUTABLE,
    "BlobUsesCustomerSpecifiedEncryption": _ENCRYPTED,
    "BlobCustomerSpecifiedEncryptionMismatch": _ENCRYPTED,
    "BlobDoesNotUseCustomerSpecifiedEncryption": rest.Meaning(
        ObjectError, "the blob has no customer-provided key; read it without customer_key="
    ),
    "DirectoryIsNotEmpty": rest.Meaning(
        ObjectError, "it is a directory that is not empty; delete the blobs below it first"
    ),
    "LeaseIdMissing": _leased,
    "LeaseAlreadyPresent": _leased,
    "LeaseIdMismatchWithBlobOperation": _leased,
    "LeaseIdMismatchWithContainerOperation": _leased,
    "PendingCopyOperation": rest.Meaning(
        ServiceUnavailableError, "another copy to this name is in progress", retry=True
    ),
    "AccountLimitExceeded": rest.Meaning(StorageFullError, "the account is full"),
    # Uploads in blocks.
    "InvalidBlockList": rest.Meaning(
        ServiceError,
        "parts are missing: the upload was aborted, or the name was written meanwhile",
    ),
    "InvalidBlobOrBlock": _OTHER_BLOCKS,
    "BlockCountExceedsLimit": _OTHER_BLOCKS,
    # Conditions.
    "BlobAlreadyExists": rest.EXISTS,
    "UnauthorizedBlobOverwrite": _DENIED,
    "ConditionNotMet": _precondition_failed,
    "TargetConditionNotMet": _precondition_failed,
    "SourceConditionNotMet": rest.Meaning(
        ObjectChangedError, "the source was changed: its ETag is a different one"
    ),
    # Temporary conditions, and data that was damaged in transit.
    "InternalError": rest.BUSY,
    "OperationTimedOut": rest.BUSY,
    "ServerBusy": rest.SLOWER,
    "Md5Mismatch": rest.DAMAGED,
    "Crc64Mismatch": rest.DAMAGED,
    # Unsupported operations.
    "FeatureNotSupported": rest.LACKING,
    "NotImplemented": rest.LACKING,
    "UnsupportedHttpVerb": rest.LACKING,
    "FeatureVersionMismatch": rest.LACKING,
    "BlobOverwriteNotSupported": rest.LACKING,
    "BlobOperationNotSupported": rest.LACKING,
    "OperationNotSupportedOnNamespace": rest.LACKING,
}

# A 503 without a code does not come from Azure and does not say whether the request took effect.
BY_STATUS: Mapping[int, rest.Entry] = {
    401: _authentication_failed,
    403: _of_azure(_DENIED),
    405: _of_azure(rest.LACKING),
    412: _precondition_failed,
    501: rest.LACKING,
    507: rest.FULL,
}
# The headers whose values come from the caller.
_OF_OPTIONS = (
    "x-ms-access-tier", "x-ms-blob-content-type", "x-ms-encryption-key", "x-ms-encryption-scope",
    "x-ms-tags",
)  # fmt: skip


# ---------------------------------------------------------------------- the mapper


def error_mapper() -> rest.ErrorMapper:
    """Return the mapper of Azure's error responses to exceptions."""
    return rest.ErrorMapper(
        "Azure Blob Storage", _parse, CODES, BY_STATUS,
        genuine=_GENUINE, request_id=(_REQUEST_ID,), trusted=frozenset({501, 507}),
        unsure=lambda response: response.status == 403,
    )  # fmt: skip


def _parse(headers: Mapping[str, str], body: bytes) -> rest.ErrorDocument:
    # Errors of S3 have the same form, and their codes have other meanings.
    if "x-amz-request-id" in headers and _REQUEST_ID not in headers:
        return rest.ErrorDocument()
    fields: Mapping[str, str] = {}
    with suppress(ServiceError):  # the body is not XML
        document = read_listing(body.removeprefix(b"\xef\xbb\xbf"), ())
        fields = document.head if document.tag == "Error" else {}
    code = headers.get("x-ms-error-code") or fields.get("Code")
    message = fields.get("Message", "").partition("\nRequestId:")[0]
    # The name of the header that has a wrong value; the value itself may be a secret.
    message = " ".join(filter(None, (message, fields.get("HeaderName"))))
    return rest.ErrorDocument(code, message, None, fields, code is not None)
