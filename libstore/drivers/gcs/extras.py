"""The options that only Google has, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from ...checks import header_value
from ...errors import InvalidOptionError, InvalidTypeError
from ...hooks import Check

#: Names of the XML API, which S3 has too, and those of the JSON API:
#: https://cloud.google.com/storage/docs/access-control/lists#predefined-acl
PREDEFINED_ACLS = {
    "private": "private",
    "public-read": "publicRead",
    "authenticated-read": "authenticatedRead",
    "bucket-owner-read": "bucketOwnerRead",
    "bucket-owner-full-control": "bucketOwnerFullControl",
    "project-private": "projectPrivate",
}


def text(value: object, label: str) -> str:
    """Return a text of ASCII."""
    checked = header_value(value, label)
    if checked is None or not checked.isascii():
        raise InvalidOptionError(f"{label} must be a text of ASCII")
    return checked


def key(value: object, label: str) -> bytes:
    """Return a key that encrypts; no message has it."""
    if not isinstance(value, bytes):
        raise InvalidTypeError(f"{label} must be bytes")
    if len(value) != 32:
        raise InvalidOptionError(f"{label} must be 32 bytes")
    return value


def _time(value: object, label: str) -> str:
    if not isinstance(value, datetime):
        raise InvalidTypeError(f"{label} must be a datetime")
    if value.tzinfo is None:
        raise InvalidOptionError(f"{label} must be an aware datetime")
    moment = value.astimezone(timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}Z"


def _acl(value: object, label: str) -> str:
    name = text(value, label)
    if name not in PREDEFINED_ACLS:
        raise InvalidOptionError(
            f"{label} must be one of {', '.join(PREDEFINED_ACLS)}, not {name!r}"
        )
    return name


def _flag(value: object, label: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidTypeError(f"{label} must be a bool")
    return value


def _prevention(value: object, label: str) -> str:
    name = text(value, label)
    if name not in {"enforced", "inherited"}:
        raise InvalidOptionError(f"{label} must be 'enforced' or 'inherited', not {name!r}")
    return name


def _labels(value: object, label: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(piece, str) for pair in value.items() for piece in pair
    ):
        raise InvalidTypeError(f"{label} must map str to str")
    return dict(value)


UPLOAD_EXTRAS: Mapping[str, Check] = {
    "acl": _acl,
    "custom_time": _time,
    "customer_key": key,
    "kms_key": text,
}
CONTAINER_EXTRAS: Mapping[str, Check] = {
    "labels": _labels,
    "location": text,
    "public_access_prevention": _prevention,
    "storage_class": text,
    "uniform_access": _flag,
    "versioning": _flag,
}
