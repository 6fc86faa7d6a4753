"""The options that only Google has, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from ...errors import InvalidOptionError, InvalidTypeError
from ...hooks import Check
from ...rest.options import key, one_of, text, texts

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


def _time(value: object, label: str) -> str:
    if not isinstance(value, datetime):
        raise InvalidTypeError(f"{label} must be a datetime")
    if value.tzinfo is None:
        raise InvalidOptionError(f"{label} must be an aware datetime")
    moment = value.astimezone(timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}Z"


def _flag(value: object, label: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidTypeError(f"{label} must be a bool")
    return value


UPLOAD_EXTRAS: Mapping[str, Check] = {
    "acl": one_of(*PREDEFINED_ACLS),
    "custom_time": _time,
    "customer_key": key,
    "kms_key": text,
}
CONTAINER_EXTRAS: Mapping[str, Check] = {
    "labels": texts,
    "location": text,
    "public_access_prevention": one_of("enforced", "inherited"),
    "storage_class": text,
    "uniform_access": _flag,
    "versioning": _flag,
}
