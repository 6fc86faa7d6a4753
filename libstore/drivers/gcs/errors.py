"""
The meanings of Google's error codes and statuses: the tables `CODES`, `BY_STATUS` and `BY_TEXT`.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    InvalidNameError,
    InvalidOptionError,
    NotSupportedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
)
from ...http.json import parse_json
from ...rest.errors import (
    BUSY,
    CLOCK,
    DAMAGED,
    EXISTS,
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
from ...rest.operation import ACCOUNT, CONTAINER, JSON, UPLOAD, XML

REQUEST_ID = "x-guploader-uploadid"


class VagueNotFoundError(ObjectNotFoundError):
    """Something does not exist, and the response does not say whether object or bucket."""


_DENIED = Meaning(
    AccessDeniedError, "these credentials are not allowed to do this; check their IAM roles"
)
_PAYER = Meaning(AccessDeniedError, "this is a requester-pays bucket; pass user_project=")
_PUBLIC = Meaning(
    AccessDeniedError,
    "public access prevention forbids this; remove it from the bucket, project or organisation",
)
# https://cloud.google.com/resource-manager/docs/organization-policy/restricting-domains
_RESTRICTED = Meaning(
    AccessDeniedError,
    "a policy of the organisation forbids public access; request an exception, or use signed URLs",
)
_UNIFORM = Meaning(
    NotSupportedError,
    "the bucket has uniform access, so objects have no ACLs; make the whole bucket public with"
    " container.enable_cdn()",
)
_TAKEN = Meaning(
    ContainerAlreadyExistsError,
    "the name is taken: all projects share the names of buckets; choose another one",
)
_NOT_EMPTY = Meaning(ContainerNotEmptyError, "the bucket still contains objects or versions")
_CHANGED = Meaning(
    ObjectChangedError, "the object was changed: its ETag is a different one, or it is gone"
)
_HELD = Meaning(AccessDeniedError, "a hold or a retention policy protects the object")
_KEY = Meaning(
    AccessDeniedError,
    "the object is encrypted with another key; pass the right one as customer_key=",
)
_VAGUE = replace(NO_OBJECT, kind=VagueNotFoundError)
# https://cloud.google.com/storage/docs/resumable-uploads: sessions expire after a week.
_GONE = Meaning(ServiceError, "Google no longer knows this upload or copy; start it again")
_CONSTRAINT = Meaning(
    AccessDeniedError,
    "a policy of the organisation does not allow this bucket; change the options in extra",
)


# ---------------------------------------------------------------------- ambiguous statuses


def _bad_request(response: ErrorResponse) -> Meaning:
    document = response.document
    found = _by_text(document)
    if found is not None:
        return found
    if _DIGEST.search(document.message):
        return DAMAGED
    if document.code in {"invalid", "invalidParameter"}:
        return Meaning(InvalidOptionError, "Google does not accept the value of an option")
    return REFUSED if document.recognized or document.message else UNEXPECTED


_DIGEST = re.compile(r"(?i)(md5|crc32c|hash|checksum).{0,120}(match|mismatch)")


def _forbidden(response: ErrorResponse) -> Meaning:
    return _by_text(response.document) or _DENIED


def _by_text(document: ErrorDocument) -> Meaning | None:
    text, code = document.message.lower(), document.code or ""
    return next((meaning for part, meaning in BY_TEXT if part in text or part in code), None)


#: By a part of the message, or of the reason.
BY_TEXT = (
    ("public access prevention", _PUBLIC),
    ("uniform bucket-level access", _UNIFORM),
    ("permitted customer", _RESTRICTED),
    ("requester pays", _PAYER),
    ("user project", _PAYER),
    ("invalid bucket name", Meaning(InvalidNameError, "Google does not allow this bucket name")),
    ("non-empty bucket", _NOT_EMPTY),  # Google's storage-testbench
    ("EncryptedWithCustomerEncryptionKey", _KEY),
    ("customerEncryptionKeyIsIncorrect", _KEY),
    ("quotaExceeded", QUOTA),
    ("retentionPolicyNotMet", _HELD),
    ("objectUnderActiveHold", _HELD),
    ("RequestTimeTooSkewed", CLOCK),
)


def _not_found(response: ErrorResponse) -> Meaning:
    operation, document = response.operation, response.document
    text = document.message
    if operation.subject is UPLOAD and operation.response is JSON:
        return _GONE
    if operation.required is ACCOUNT and operation.response is JSON:
        return REFUSED if document.recognized else UNEXPECTED
    if operation.required is CONTAINER and operation.response is not XML:
        # Google responds with plain text to uploads only.
        plain = operation.creates and _NOT_FOUND.search(text)
        return NO_BUCKET if document.recognized or not text or plain else UNEXPECTED
    # The name of an object may contain anything, also the message about a bucket.
    if _NO_BUCKET.search(text) and not text.lower().startswith("no such object"):
        return NO_BUCKET
    sure = document.code in {"NoSuchKey", "NoSuchUpload"} or _NO_OBJECT.search(text)
    return NO_OBJECT if sure else _VAGUE


_NOT_FOUND = re.compile(r"(?i)\bbucket\b|^not found\.?$")
_NO_BUCKET = re.compile(r"(?i)bucket .{0,80}(does not|doesn't|not) (exist|found)|no such bucket")
_NO_OBJECT = re.compile(r"(?i)no such object|no such upload|object .{0,1100}not found")


def _conflict(response: ErrorResponse) -> Meaning:
    text, operation = response.document.message, response.operation
    if "public access prevention" in text.lower():
        return _PUBLIC
    if "permitted customer" in text:
        return _RESTRICTED
    if operation.name == "DeleteBucket":  # fake-gcs-server sends 412
        return _NOT_EMPTY
    if operation.name == "CreateBucket":
        return _TAKEN if response.status == 409 else _CONSTRAINT
    if response.status == 409:
        return BUSY
    # Only if_absent requires the generation 0.
    query = response.request.target.partition("?")[2].split("&")
    return EXISTS if "ifGenerationMatch=0" in query else _CHANGED


#: A reason decides before the status.
CODES: Mapping[str, Entry] = {
    "rateLimitExceeded": SLOWER,
    "userRateLimitExceeded": SLOWER,
    "dailyLimitExceeded": SLOWER,
    "limitExceeded": SLOWER,
    "SlowDown": SLOWER,  # https://cloud.google.com/storage/docs/xml-api/reference-status
}

BY_STATUS: Mapping[int, Entry] = {
    400: _bad_request,
    401: Meaning(
        AuthenticationError,
        "Google does not accept the token; check that the credentials are valid, or pass some",
        renew=True,
    ),
    403: _forbidden,
    404: _not_found,
    405: LACKING,
    409: _conflict,
    410: _GONE,
    412: _conflict,
    416: Meaning(ServiceError, "the object has no such range"),
    501: LACKING,
}


# ---------------------------------------------------------------------- the mapper


def error_mapper() -> ErrorMapper:
    """Return the mapper of Google's error responses to exceptions."""
    return ErrorMapper(
        "Google Cloud Storage", _parse, CODES, BY_STATUS,
        genuine=("x-goog-", "x-guploader-"), request_id=(REQUEST_ID,),
        is_unexpected=_is_unexpected, trusted=frozenset({501}),
        unsure=lambda response: response.status == 403 and not response.body,
    )  # fmt: skip


def _is_unexpected(response: ErrorResponse) -> bool:
    """Return whether a response is a web page, or has the form of another interface's errors."""
    operation, recognized = response.operation, response.document.recognized
    start = response.body.lstrip()[:1]
    if start == b"<":
        # With an HMAC key, sessions are created by the XML API and their errors are XML too.
        xml = operation.response is XML or (operation.subject is UPLOAD and not operation.creates)
        return not (xml and recognized)
    return start == b"{" and not recognized


def _parse(_headers: Mapping[str, str], body: bytes) -> ErrorDocument:
    """Parse an error: JSON mostly, plain text for uploads and downloads, or XML."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        return _parse_json(text)
    if text.startswith("<"):
        code = re.search(r"<Code>([^<]{1,100})</Code>", text)
        found = re.findall(r"<(?:Message|Details)>([^<]{1,1000})</", text)
        return ErrorDocument(code[1], " ".join(found), recognized=True) if code else _NOTHING
    return ErrorDocument(message=text[:1000])


_NOTHING = ErrorDocument()
_OAUTH = re.compile(r"[a-z_]{1,100}")  # https://datatracker.ietf.org/doc/html/rfc6749#section-5.2


def _parse_json(text: str) -> ErrorDocument:
    try:
        error: Any = parse_json(text)["error"]
        if isinstance(error, str):
            return ErrorDocument(error, recognized=True) if _OAUTH.fullmatch(error) else _NOTHING
        reasons = error.get("errors") or [{}]
        reason = reasons[0].get("reason") or error.get("status")
        named = isinstance(reason, str) and reason and " " not in reason
        message = str(error.get("message") or "")
        return ErrorDocument(reason if named else None, message, recognized=True)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return _NOTHING
