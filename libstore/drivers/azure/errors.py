"""
What the codes of Azure Blob Storage mean in this library's terms.

https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes
https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerError,
    InvalidNameError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectError,
    ObjectNotFoundError,
    ServiceError,
    ServiceUnavailableError,
    StorageFullError,
)
from ...http.message import Fault, Request, Response
from ...http.xml import read_document
from ...rest import errors
from ...rest.errors import (
    BUSY,
    CLOCK,
    DAMAGED,
    FULL,
    LACKING,
    NO_CONTAINER,
    PASSING,
    REFUSED,
    SLOWER,
    Meaning,
)
from ...rest.proofs import has_html

_WHO = (
    "the service does not accept the credentials: look whether the key is that of this account,"
    " whether a shared access signature or token has expired, whether the clock of this machine"
    " is right, and whether something on the way changes requests"
)
_SIGN_IN = "the service wants credentials; it allows nothing anonymous here"
_ROLE = (
    "these credentials are not allowed to do this; users need a role for data, such as Storage"
    " Blob Data Contributor, and a shared access signature the permission"
)
_NETWORK = (
    "the account does not allow this from here; look at its firewall and networks, and at what"
    " the shared access signature allows"
)
_PUBLIC = (
    "the account forbids public access; allow it in the account's configuration"
    " (allowBlobPublicAccess) first"
)
_WHERE = "look whether the endpoint is the account's, which emulators have in the path"
_LEASED = "somebody holds a lease on it; it must be released or broken first"
_BLOCKS = (
    "some of the parts are gone: the upload was aborted, or something else was written under the"
    " name"
)
_ID_LENGTH = (
    "another program has begun to upload parts under this name with ids of another length, which"
    " Azure does not mix; abort its upload, or wait until the service drops it after a week"
)
_TOO_MANY = (
    "more parts of unfinished uploads wait under this name than Azure takes; write the name in one"
    " piece, which drops them, or wait until the service does after a week"
)
_ENCRYPTED = "it was written with a customer-provided key; make the driver with customer_key="
_ARCHIVED = "the blob is archived; move it to an online tier before it can be read"

_unknown = Meaning(AuthenticationError, _WHO, renew=True, skewed=True)
# AuthenticationFailed is said of all of these; what it is stands in AuthenticationErrorDetail:
# https://github.com/Azure/azure-sdk-for-js/issues/5433,
# https://github.com/Azure/azure-sdk-for-java/issues/15008
_DETAILS = {
    part: Meaning(AuthenticationError, advice, renew=True, skewed=True)
    for part, advice in {
        "date header": "the clock of this machine is wrong; set it",
        "MAC signature": (
            "the key is not that of this account, or something on the way changes requests"
        ),
        "specified time frame": "the shared access signature has expired, or is not valid yet",
        "String to sign": (
            "the shared access signature does not match: it was changed, or the key that it was"
            " signed with is not the account's any more"
        ),
        "Lifetime validation": "the token has expired",
        "Audience validation": "the token is not one for Azure Storage",
        "Issuer validation": "the token is one of another tenant than the account's",
    }.items()
}
_denied = Meaning(AccessDeniedError, _ROLE)
_elsewhere = Meaning(AccessDeniedError, _NETWORK)
_no_blob = Meaning(ObjectNotFoundError, "there is no such blob")
_changed = Meaning(ObjectChangedError, "the blob has another ETag")
_exists = Meaning(ObjectAlreadyExistsError, "there is a blob of this name already")
_leased = Meaning(ObjectError, _LEASED)
_leased_container = Meaning(ContainerError, _LEASED)
_encrypted = Meaning(ObjectError, _ENCRYPTED)
_no_tier = Meaning(InvalidOptionError, "the service has no such access tier here")
_bad_option = Meaning(InvalidOptionError, "the service takes no such value of this option")
_bad_name = Meaning(InvalidNameError, "the service takes no such name")
_immutable = Meaning(AccessDeniedError, "a policy or a legal hold keeps it as it is")

MEANINGS: Mapping[str, Meaning] = {
    # Who asks.
    "AuthenticationFailed": _unknown,
    "InvalidAuthenticationInfo": _unknown,
    "NoAuthenticationInformation": Meaning(AuthenticationError, _SIGN_IN, renew=True),
    "AuthorizationFailure": _elsewhere,
    "AuthorizationPermissionMismatch": _denied,
    "AuthorizationProtocolMismatch": _elsewhere,
    "AuthorizationResourceTypeMismatch": _denied,
    "AuthorizationServiceMismatch": _denied,
    "AuthorizationSourceIPMismatch": _elsewhere,
    "InsufficientAccountPermissions": _denied,
    "KeyBasedAuthenticationNotPermitted": Meaning(
        AccessDeniedError, "the account does not allow its keys to be used; pass credential="
    ),
    "AccountIsDisabled": Meaning(AccessDeniedError, "the account is disabled"),
    "PublicAccessNotPermitted": Meaning(AccessDeniedError, _PUBLIC),
    # What is asked for.
    "ContainerNotFound": NO_CONTAINER,
    "ContainerDisabled": NO_CONTAINER,
    "ContainerAlreadyExists": Meaning(
        ContainerAlreadyExistsError, "there is a container of this name already"
    ),
    "ContainerBeingDeleted": Meaning(
        ServiceUnavailableError,
        "a container of this name is still being deleted, which takes half a minute or more",
    ),
    "BlobNotFound": _no_blob,
    "InvalidResourceName": _bad_name,
    "OutOfRangeInput": Meaning(InvalidOptionError, f"the service takes no such value; {_WHERE}"),
    "InvalidQueryParameterValue": Meaning(
        ServiceError, f"the service does not accept the request; {_WHERE}"
    ),
    "InvalidUri": _bad_name,
    "InvalidMetadata": Meaning(InvalidOptionError, "the service takes no such metadata"),
    "MetadataTooLarge": Meaning(InvalidOptionError, "the metadata is larger than 8 KiB"),
    "InvalidBlobTier": _no_tier,
    "BlobAccessTierNotSupportedForAccountType": _no_tier,
    "InvalidBlobType": Meaning(
        ObjectError, "it is an append or a page blob; delete it before another is written there"
    ),
    "BlobArchived": Meaning(ObjectError, _ARCHIVED),
    "BlobBeingRehydrated": Meaning(ObjectError, _ARCHIVED),
    "BlobImmutableDueToPolicy": _immutable,
    "BlobImmutableDueToLegalHold": _immutable,
    "BlobUsesCustomerSpecifiedEncryption": _encrypted,
    "BlobCustomerSpecifiedEncryptionMismatch": _encrypted,
    "BlobDoesNotUseCustomerSpecifiedEncryption": Meaning(
        ObjectError, "it was written without a customer-provided key; read it without one"
    ),
    "DirectoryIsNotEmpty": Meaning(
        ObjectError, "it is a directory that is not empty; delete the blobs below it first"
    ),
    "LeaseIdMissing": _leased,
    "LeaseAlreadyPresent": _leased,
    "LeaseIdMismatchWithBlobOperation": _leased,
    "LeaseIdMismatchWithContainerOperation": _leased,
    "NoPendingCopyOperation": Meaning(ServiceError, "the copy has ended already"),
    "PendingCopyOperation": Meaning(
        ServiceUnavailableError, "something is just being copied to this name", retry=True
    ),
    "AccountLimitExceeded": Meaning(StorageFullError, "the account is full"),
    # Uploads in parts.
    "InvalidBlockList": Meaning(ServiceError, _BLOCKS),
    "InvalidBlobOrBlock": Meaning(ObjectError, _ID_LENGTH),
    "BlockCountExceedsLimit": Meaning(ObjectError, _TOO_MANY),
    # Conditions.
    "BlobAlreadyExists": _exists,
    "UnauthorizedBlobOverwrite": Meaning(
        AccessDeniedError, "these credentials are not allowed to replace a blob"
    ),
    "ConditionNotMet": _changed,
    "TargetConditionNotMet": _changed,
    "SourceConditionNotMet": Meaning(ObjectChangedError, "the source has another ETag"),
    # What may pass.
    "InternalError": BUSY,
    "OperationTimedOut": BUSY,
    "ServerBusy": SLOWER,
    "Md5Mismatch": DAMAGED,
    "Crc64Mismatch": DAMAGED,
    # What cannot be.
    "FeatureNotSupported": LACKING,
    "NotImplemented": LACKING,
    "UnsupportedHttpVerb": LACKING,
    "FeatureVersionMismatch": LACKING,
    "BlobOverwriteNotSupported": LACKING,
    "BlobOperationNotSupported": LACKING,
    "OperationNotSupportedOnNamespace": LACKING,
}

_BY_STATUS: Mapping[int, Meaning] = {
    401: _unknown,
    403: _denied,
    405: LACKING,
    412: _changed,
    501: LACKING,
    507: FULL,
    **PASSING,  # a 503 without a code is not Azure's own, and does not say what became of it
}


class ErrorReader:
    """
    Turns an error answer into what to raise and whether to try again.

    Args:
        secrets: Tells what must not stand in a message, even if the service says it.
    """

    def __init__(self, secrets: Callable[[], tuple[str | bytes, ...]]) -> None:
        self._secrets = secrets

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return what the answer means; see `libstore.http.message.ErrorReader`."""
        told = _told(body)
        code = headers.get("x-ms-error-code") or told.get("Code")
        message = told.get("Message", "").partition("\nRequestId:")[0]
        # Which header it is that has a wrong value; the value itself may be a secret.
        message = " ".join(filter(None, (message, told.get("HeaderName"))))
        # Errors of S3 look like those of Azure, and their codes have other meanings here.
        other = "x-amz-request-id" in headers and "x-ms-request-id" not in headers
        elsewhere = is_page(request.method, headers, len(body)) or other
        if elsewhere and status < 500 and status not in PASSING:
            meaning = foreign(status)
        else:
            meaning = _meaning(request, status, code, message)
        if meaning is _unknown:
            detail = told.get("AuthenticationErrorDetail", "")
            meaning = next((_DETAILS[part] for part in _DETAILS if part in detail), _unknown)
        error = meaning.error(
            status, message, code=code,
            request_id=headers.get("x-ms-request-id"),
            secrets=self._secrets(),
        )  # fmt: skip
        return replace(meaning.fault(error), unsure=status == 403)


def _meaning(request: Request, status: int, code: str | None, message: str) -> Meaning:
    absent = request.headers.get("if-none-match") == "*"
    if absent and (status == 412 or code == "BlobAlreadyExists") and code not in _OTHERS:
        return _exists
    if code == "ContainerBeingDeleted" and request.operation != "CreateContainer":
        return NO_CONTAINER
    # Azurite's word for a signature that does not match is Azure's for a firewall.
    if code == "AuthorizationFailure" and "authenticate" in message:
        return _unknown
    # What somebody sees who has not signed, or may not know what there is.
    if status == 404 and code in {"ResourceNotFound", "CannotVerifyCopySource"}:
        return _missing(request.operation)
    silent = request.method == "HEAD" and status == 403
    if code is None and status < 500 and status not in _PLAIN and not silent:
        return foreign(status)
    known = MEANINGS.get(code or "") or _BY_STATUS.get(status)
    if known is _leased and request.operation in _OF_CONTAINERS:
        known = _leased_container
    if code == "InvalidHeaderValue" and message.endswith(_OF_OPTIONS):
        known = _bad_option
    # So it says of a key that would begin or end at a time that it does not allow, by its clock:
    # https://github.com/Azure/azure-powershell/issues/17183
    if code == "InvalidXmlNodeValue" and request.operation == "GetUserDelegationKey":
        known = CLOCK
    return known or (BUSY if status >= 500 else REFUSED)


def _missing(operation: str) -> Meaning:
    if operation in _OF_ACCOUNTS:
        return Meaning(ServiceError, f"there is no such account; {_WHERE}")
    return NO_CONTAINER if operation in _OF_CONTAINERS else _no_blob


# Statuses that say by themselves what they mean, whoever says them.
_PLAIN = PASSING.keys() | {401, 412}
# The headers whose values are as the caller gave them.
_OF_OPTIONS = (
    "x-ms-access-tier", "x-ms-blob-content-type", "x-ms-encryption-key", "x-ms-encryption-scope",
    "x-ms-tags",
)  # fmt: skip
_OTHERS = frozenset({"LeaseIdMissing", "SourceConditionNotMet"})
_OF_ACCOUNTS = frozenset({"ListContainers", "GetUserDelegationKey"})
# What has more of an answer than that it was done.
_ANSWERED = _OF_ACCOUNTS | {
    "DeleteBatch", "GetBlob", "GetBlobProperties", "GetBlockList", "GetContainer",
    "GetContainerACL", "ListBlobs",
}  # fmt: skip
_OF_CONTAINERS = frozenset(
    {"GetContainer", "DeleteContainer", "ListBlobs", "GetContainerACL", "SetContainerACL"}
)


def is_page(method: str, headers: Mapping[str, str], size: int | None) -> bool:
    """
    Return whether an answer is a web page, as of a proxy or of a network's login.

    What Azure answers has its version and an id of the request, blobs that are web pages too:
    https://learn.microsoft.com/en-us/rest/api/storageservices/get-blob#response-headers

    Args:
        size: Of the body; `None` if it is not known.
    """
    own = any(name.startswith("x-ms-") for name in headers)
    return not own and has_html(method, headers, size)


def is_foreign(operation: str, method: str, response: Response) -> bool:
    """
    Return whether an answer that tells of success is somebody else's, whatever it says it is.

    Azure says nothing in the body of an answer to PUT and DELETE. Whether an answer tells of a
    blob is looked at where it is read.
    """
    headers = response.headers
    if any(name.startswith("x-ms-") for name in headers):
        return False
    said = operation not in _ANSWERED and response.size not in {0, None}
    return said or has_html(method, headers, response.size)


def foreign(status: int) -> Meaning:
    """Return what an answer means that is not one of Azure."""
    return errors.foreign(status, "Azure Blob Storage")


def _told(body: bytes) -> Mapping[str, str]:
    """Return what an error answer says, or nothing if it is not one of Azure."""
    if b"<Error>" not in body[:1024]:
        return {}
    try:
        document = read_document(body.removeprefix(b"\xef\xbb\xbf"))
    except ServiceError:
        return {}
    return {element.tag: element.text for element in document}
