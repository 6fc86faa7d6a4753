"""
What Google's answers mean in this library's terms.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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
    StorageError,
)
from ...http.json import parse_json
from ...http.message import Fault, Request
from ...rest import errors
from ...rest.errors import (
    BUSY,
    CLOCK,
    DAMAGED,
    EXISTS,
    LACKING,
    NO_BUCKET,
    NO_OBJECT,
    PASSING,
    QUOTA,
    REFUSED,
    SLOWER,
    Meaning,
)

REQUEST_ID = "x-guploader-uploadid"

_THROTTLES = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "dailyLimitExceeded",
        "limitExceeded",
        "SlowDown",  # https://cloud.google.com/storage/docs/xml-api/reference-status
    }
)
_DIGEST = re.compile(r"(?i)(md5|crc32c|hash|checksum).{0,120}(match|mismatch)")
_OAUTH = re.compile(r"[a-z_]{1,100}")  # https://datatracker.ietf.org/doc/html/rfc6749#section-5.2
_NO_BUCKET = re.compile(r"(?i)bucket .{0,80}(does not|doesn't|not) (exist|found)|no such bucket")
_NO_OBJECT = re.compile(r"(?i)no such object|no such upload|object .{0,1100}not found")


class VagueNotFoundError(ObjectNotFoundError):
    """Something is not there, and the answer does not say whether it is object or bucket."""


_UNKNOWN_CALLER = Meaning(
    AuthenticationError,
    "Google does not accept the token; look whether the credentials are still valid, or give some",
    renew=True,
)
_DENIED = Meaning(
    AccessDeniedError, "these credentials are not allowed to do this; look at the IAM roles"
)
_PAYER = Meaning(
    AccessDeniedError, "the bucket lets those pay who ask; name your project with user_project="
)
_PUBLIC = Meaning(
    AccessDeniedError,
    "public access prevention forbids it; lift it from the bucket, project or organisation",
)
# https://cloud.google.com/resource-manager/docs/organization-policy/restricting-domains
_RESTRICTED = Meaning(
    AccessDeniedError,
    "the organisation's policy allows nothing to be shared with everybody; ask for an exception,"
    " or share by signed URLs",
)
_UNIFORM = Meaning(
    NotSupportedError,
    "the bucket has uniform access, so nothing in it has an ACL of its own; make the whole bucket"
    " public with enable_cdn() of the container",
)
_VAGUE = replace(NO_OBJECT, kind=VagueNotFoundError)
_TAKEN = Meaning(
    ContainerAlreadyExistsError, "the name is taken; bucket names are shared by all projects"
)
_FULL = Meaning(ContainerNotEmptyError, "the bucket still has objects or versions")
_CHANGED = Meaning(ObjectChangedError, "the object has another ETag, or is not there")
_HELD = Meaning(AccessDeniedError, "a hold or a retention policy keeps the object")
_NAME = Meaning(InvalidNameError, "Google takes no bucket of this name")
_KEY = Meaning(
    AccessDeniedError, "the object is encrypted with another customer_key than is given, or none"
)
_INVALID = Meaning(InvalidOptionError, "Google does not accept one of the options")

# https://cloud.google.com/storage/docs/resumable-uploads: after a week, or after trouble there.
_GONE = Meaning(
    ServiceError, "Google no longer knows the upload or copy that was under way; begin it anew"
)
_CONSTRAINT = Meaning(
    AccessDeniedError,
    "the organisation's policy does not allow such a bucket; ask for another in extra",
)

_BY_STATUS = {
    401: _UNKNOWN_CALLER,
    403: _DENIED,
    405: LACKING,
    410: _GONE,
    412: _CHANGED,
    416: Meaning(ServiceError, "the object has no such range"),
    501: LACKING,
    **PASSING,
}


@dataclass(frozen=True, slots=True)
class Told:
    """
    What an error answer says.

    Attributes:
        known: It is in a form of Google's.
        foreign: It is what Google's interfaces do not answer with, such as a page for people.
        xml: It is in the form of the XML API.
    """

    code: str | None = None
    message: str = ""
    known: bool = False
    foreign: bool = False
    xml: bool = False


class ErrorReader:
    """
    Reads Google's errors; see `libstore.http.message.ErrorReader`.

    Args:
        secrets: Returns what must not stand in a message, even if the service repeats it.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]] = tuple) -> None:
        self._secrets = secrets

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return what an answer means."""
        told = read_error(body)
        if told.xml and request.operation not in _OF_XML:
            told = Told(foreign=True)
        meaning = meaning_of(request.operation, request.target, status, told)
        error = self.error(meaning, status, told, headers.get(REQUEST_ID))
        return replace(meaning.fault(error), unsure=status == 403 and not body)

    def error(
        self, meaning: Meaning, status: int, told: Told, request_id: str | None = None
    ) -> StorageError:
        """Return what to raise."""
        return meaning.error(
            status, told.message, code=told.code, request_id=request_id, secrets=self._secrets()
        )


def read_error(body: bytes) -> Told:
    """Return what an error says: JSON mostly, plain text at uploads and downloads, or XML."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        return _read_json(text)
    if text.startswith("<"):
        code = re.search(r"<Code>([^<]{1,100})</Code>", text)
        message = re.search(r"<Message>([^<]{1,1000})</Message>", text)
        details = re.search(r"<Details>([^<]{1,1000})</Details>", text)
        if code:
            said = [found[1] for found in (message, details) if found]
            return Told(code[1], " ".join(said), known=True, xml=True)
        return Told(foreign=True)
    return Told(None, text[:1000])


def _read_json(text: str) -> Told:
    try:
        error: Any = parse_json(text)["error"]
        if isinstance(error, str):
            oauth = _OAUTH.fullmatch(error)
            return Told(error, known=True) if oauth else Told(foreign=True)
        reasons = error.get("errors") or [{}]
        reason = reasons[0].get("reason") or error.get("status")
        return Told(
            reason if isinstance(reason, str) and reason and " " not in reason else None,
            str(error.get("message") or ""),
            known=True,
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return Told(foreign=True)


def meaning_of(operation: str, target: str, status: int, told: Told) -> Meaning:
    """Return what an answer to an operation means."""
    if told.foreign and status < 500 and status not in PASSING:
        return foreign(status)
    known = _BY_STATUS.get(status)
    if told.code in _THROTTLES:
        known = SLOWER
    elif status == 404:
        known = None if operation in _OF_PROJECTS else _missing(operation, told)
    elif status in {409, 412}:
        known = _conflict(operation, target, status, told.message)
    elif status in {400, 403}:
        known = _refusal(status, told)
    elif status >= 500 and known is None:
        known = BUSY
    if known is None:
        known = REFUSED if told.known else foreign(status)
    return known


def _missing(operation: str, told: Told) -> Meaning:
    if operation in _OF_SESSIONS:
        return _GONE
    if told.message and not told.known:
        plain = operation in _OF_UPLOADS and _NOT_FOUND.search(told.message)
        if operation in _OF_JSON | _OF_UPLOADS and not plain:
            return foreign(404)
    # A name may say anything, and what has it is not the bucket.
    named = told.message.lower().startswith("no such object")
    if operation in _OF_BUCKETS or (not named and _NO_BUCKET.search(told.message)):
        return NO_BUCKET
    sure = told.code in {"NoSuchKey", "NoSuchUpload"} or _NO_OBJECT.search(told.message)
    return NO_OBJECT if sure else _VAGUE


_OF_BUCKETS = frozenset(
    {"GetBucket", "DeleteBucket", "ListObjects", "StartUpload", "InsertObject", "GetPolicy",
     "SetPolicy"}
)  # fmt: skip
_OF_PROJECTS = frozenset({"CreateBucket", "ListBuckets"})
# Those of objects may have plain text for answers.
_OF_JSON = frozenset({"GetBucket", "DeleteBucket", "ListObjects", "GetPolicy", "SetPolicy"})
_OF_UPLOADS = frozenset({"InsertObject", "StartUpload"})
_NOT_FOUND = re.compile(r"(?i)\bbucket\b|^not found\.?$")
_OF_SESSIONS = frozenset({"ResumeUpload", "QueryUpload"})
# With an HMAC key sessions are begun by the XML API, and answer like it.
_OF_XML = _OF_SESSIONS | {
    "AbortMultipart", "CancelUpload", "FinishMultipart", "ListMultiparts", "ListParts", "PutPart",
    "StartMultipart",
}  # fmt: skip


def _conflict(operation: str, target: str, status: int, text: str) -> Meaning:
    if "public access prevention" in text.lower():
        return _PUBLIC
    if "permitted customer" in text:
        return _RESTRICTED
    if operation == "DeleteBucket":  # fake-gcs-server says 412
        return _FULL
    if operation == "CreateBucket":
        return _TAKEN if status == 409 else _CONSTRAINT
    if status == 409:
        return BUSY
    # Only a write that must find nothing asks for the generation 0.
    asked = target.partition("?")[2].split("&")
    return EXISTS if "ifGenerationMatch=0" in asked else _CHANGED


def _refusal(status: int, told: Told) -> Meaning:
    text = told.message.lower()
    for part, meaning in _REFUSALS:
        if part in text or part in (told.code or ""):
            return meaning
    if status == 403:
        return _DENIED
    if _DIGEST.search(told.message):
        return DAMAGED
    if told.known or told.message:
        return _INVALID if told.code in {"invalid", "invalidParameter"} else REFUSED
    return foreign(status)


#: By a part of the message, or by the reason.
_REFUSALS = (
    ("public access prevention", _PUBLIC),
    ("uniform bucket-level access", _UNIFORM),
    ("permitted customer", _RESTRICTED),
    ("requester pays", _PAYER),
    ("user project", _PAYER),
    ("invalid bucket name", _NAME),
    ("non-empty bucket", _FULL),  # as Google's storage-testbench says it
    ("EncryptedWithCustomerEncryptionKey", _KEY),
    ("customerEncryptionKeyIsIncorrect", _KEY),
    ("quotaExceeded", QUOTA),
    ("retentionPolicyNotMet", _HELD),
    ("objectUnderActiveHold", _HELD),
    ("RequestTimeTooSkewed", CLOCK),
)


def foreign(status: int) -> Meaning:
    """Return what an answer means that is not one of Google's."""
    return errors.foreign(status, "Google")
