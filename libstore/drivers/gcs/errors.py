"""
The meanings of Google's error codes and statuses: the tables `CODES`, `BY_STATUS` and `BY_TEXT`.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ... import rest
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
from ...rest.errors import UNEXPECTED

REQUEST_ID = "x-guploader-uploadid"


class VagueNotFoundError(ObjectNotFoundError):
    """Something does not exist, and the response does not say whether object or bucket."""


_DENIED = rest.Meaning(
    AccessDeniedError, "these credentials are not allowed to do this; check their IAM roles"
)
_PAYER = rest.Meaning(AccessDeniedError, "this is a requester-pays bucket; pass user_project=")
_PUBLIC = rest.Meaning(
    AccessDeniedError,
    "public access prevention forbids this; remove it from the bucket, project or organisation",
)
# https://cloud.google.com/resource-manager/docs/organization-policy/restricting-domains
_RESTRICTED = rest.Meaning(
    AccessDeniedError,
    "a policy of the organisation forbids public access; request an exception, or use signed URLs",
)
_UNIFORM = rest.Meaning(
    NotSupportedError,
    "the bucket has uniform access, so objects have no ACLs; make the whole bucket public with"
    " container.enable_cdn()",
)
_TAKEN = rest.Meaning(
    ContainerAlreadyExistsError,
    "the name is taken: all projects share the names of buckets; choose another one",
)
_NOT_EMPTY = rest.Meaning(ContainerNotEmptyError, "the bucket still contains objects or versions")
_CHANGED = rest.Meaning(
    ObjectChangedError, "the object was changed: its ETag is a different one, or it is gone"
)
_HELD = rest.Meaning(AccessDeniedError, "a hold or a retention policy protects the object")
_KEY = rest.Meaning(
    AccessDeniedError,
    "the object is encrypted with another key; pass the right one as customer_key=",
)
_VAGUE = replace(rest.NO_OBJECT, kind=VagueNotFoundError)
# https://cloud.google.com/storage/docs/resumable-uploads: sessions expire after a week.
_GONE = rest.Meaning(ServiceError, "Google no longer knows this upload or copy; start it again")
_NO_UPLOAD = rest.Meaning(
    ObjectNotFoundError, "the upload does not exist: it was completed or aborted"
)
_CONSTRAINT = rest.Meaning(
    AccessDeniedError,
    "a policy of the organisation does not allow this bucket; change the options in extra",
)


# ---------------------------------------------------------------------- ambiguous statuses


def _bad_request(response: rest.ErrorResponse) -> rest.Meaning:
    document = response.document
    found = _by_text(document)
    if found is not None:
        return found
    if _DIGEST.search(document.message):
        return rest.DAMAGED
    if document.code in {"invalid", "invalidParameter"}:
        return rest.Meaning(InvalidOptionError, "Google does not accept the value of an option")
    return rest.REFUSED if document.recognized or document.message else UNEXPECTED


_DIGEST = re.compile(r"(?i)(md5|crc32c|hash|checksum).{0,120}(match|mismatch)")


def _forbidden(response: rest.ErrorResponse) -> rest.Meaning:
    return _by_text(response.document) or _DENIED


def _by_text(document: rest.ErrorDocument) -> rest.Meaning | None:
    text, code = document.message.lower(), document.code or ""
    return next((meaning for part, meaning in BY_TEXT if part in text or part in code), None)


#: By a part of the message, or of the reason.
BY_TEXT = (
    ("public access prevention", _PUBLIC),
    ("uniform bucket-level access", _UNIFORM),
    ("permitted customer", _RESTRICTED),
    ("requester pays", _PAYER),
    ("user project", _PAYER),
    (
        "invalid bucket name",
        rest.Meaning(InvalidNameError, "Google does not allow this bucket name"),
    ),
    ("non-empty bucket", _NOT_EMPTY),  # Google's storage-testbench
    ("EncryptedWithCustomerEncryptionKey", _KEY),
    ("customerEncryptionKeyIsIncorrect", _KEY),
    ("quotaExceeded", rest.QUOTA),
    ("retentionPolicyNotMet", _HELD),
    ("objectUnderActiveHold", _HELD),
    ("RequestTimeTooSkewed", rest.CLOCK),
)


def _not_found(response: rest.ErrorResponse) -> rest.Meaning:
    operation, document = response.operation, response.document
    text = document.message
    if operation.required is rest.UPLOAD and document.code != "NoSuchBucket":
        return _NO_UPLOAD if operation.method == "GET" else _GONE
    if operation.required is rest.ACCOUNT and operation.response is rest.JSON:
        return rest.REFUSED if document.recognized else UNEXPECTED
    if operation.required is rest.CONTAINER and operation.response is not rest.XML:
        # Google responds with plain text to uploads only.
        plain = operation.creates and _NOT_FOUND.search(text)
        return rest.NO_BUCKET if document.recognized or not text or plain else UNEXPECTED
    # The name of an object may contain anything, also the message about a bucket.
    if _NO_BUCKET.search(text) and not text.lower().startswith("no such object"):
        return rest.NO_BUCKET
    sure = document.code == "NoSuchKey" or _NO_OBJECT.search(text)
    return rest.NO_OBJECT if sure else _VAGUE


_NOT_FOUND = re.compile(r"(?i)\bbucket\b|^not found\.?$")
_NO_BUCKET = re.compile(r"(?i)bucket .{0,80}(does not|doesn't|not) (exist|found)|no such bucket")
_NO_OBJECT = re.compile(r"(?i)no such object|object .{0,1100}not found")


def _conflict(response: rest.ErrorResponse) -> rest.Meaning:
    operation = response.operation
    found = _by_text(response.document)
    if found is not None:
        return found
    if operation.name == "DeleteBucket":  # fake-gcs-server sends 412
        return _NOT_EMPTY
    if operation.name == "CreateBucket":
        return _TAKEN if response.status == 409 else _CONSTRAINT
    if response.status == 409:
        return rest.BUSY
    # Only if_absent requires the generation 0.
    query = response.request.target.partition("?")[2].split("&")
    return rest.EXISTS if "ifGenerationMatch=0" in query else _CHANGED


#: A reason decides before the status.
CODES: Mapping[str, rest.Entry] = {
    "rateLimitExceeded": rest.SLOWER,
    "userRateLimitExceeded": rest.SLOWER,
    "dailyLimitExceeded": rest.SLOWER,
    "limitExceeded": rest.SLOWER,
    "SlowDown": rest.SLOWER,  # https://cloud.google.com/storage/docs/xml-api/reference-status
}

BY_STATUS: Mapping[int, rest.Entry] = {
    400: _bad_request,
    401: rest.Meaning(
        AuthenticationError,
        "Google does not accept the token; check that the credentials are valid, or pass some",
        renew=True,
    ),
    403: _forbidden,
    404: _not_found,
    405: rest.LACKING,
    409: _conflict,
    410: _GONE,
    412: _conflict,
    416: rest.Meaning(ServiceError, "the object has no such range"),
    501: rest.LACKING,
}


# ---------------------------------------------------------------------- the mapper


def error_mapper() -> rest.ErrorMapper:
    """Return the mapper of Google's error responses to exceptions."""
    return rest.ErrorMapper(
        "Google Cloud Storage", _parse, CODES, BY_STATUS,
        genuine=("x-goog-", "x-guploader-"), request_id=(REQUEST_ID,),
        is_unexpected=_is_unexpected, trusted=frozenset({501}),
        unsure=lambda response: response.status == 403 and not response.body,
    )  # fmt: skip


def _is_unexpected(response: rest.ErrorResponse) -> bool:
    """Return whether a response is a web page, or has the form of another interface's errors."""
    operation, recognized = response.operation, response.document.recognized
    start = response.body.lstrip()[:1]
    if start == b"<":
        # With an HMAC key, sessions are created by the XML API and their errors are XML too.
        xml = operation.response is rest.XML or (
            operation.subject is rest.UPLOAD and not operation.creates
        )
        return not (xml and recognized)
    return start == b"{" and not recognized


def _parse(_headers: Mapping[str, str], body: bytes) -> rest.ErrorDocument:
    """Parse an error: JSON mostly, plain text for uploads and downloads, or XML."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        return _parse_json(text)
    if text.startswith("<"):
        code = re.search(r"<Code>([^<]{1,100})</Code>", text)
        found = re.findall(r"<(?:Message|Details)>([^<]{1,1000})</", text)
        return rest.ErrorDocument(code[1], " ".join(found), recognized=True) if code else _NOTHING
    return rest.ErrorDocument(message=text[:1000])


_NOTHING = rest.ErrorDocument()


def _parse_json(text: str) -> rest.ErrorDocument:
    try:
        error: Any = parse_json(text)["error"]
        reasons = error.get("errors") or [{}]
        reason = reasons[0].get("reason") or error.get("status")
        named = isinstance(reason, str) and reason and " " not in reason
        message = str(error.get("message") or "")
        return rest.ErrorDocument(reason if named else None, message, recognized=True)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return _NOTHING
