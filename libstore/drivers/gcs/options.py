"""The options that only Google has: of one upload or copy, and of a new bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from ...errors import InvalidOptionError, InvalidTypeError
from ...options import Option, flag, texts
from ...rest.checksums import key_headers
from ...rest.options import key, one_of, text

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


KMS_KEY = Option("The key of Cloud KMS that encrypts what is written.", text)
CUSTOMER_KEY = Option(
    "A key of 32 bytes that encrypts what is written and decrypts what is read. The service does"
    " not keep it.",
    key,
    secret=True,
)

#: The options of an upload or a copy.
UPLOAD: Mapping[str, Option] = {
    "acl": Option(
        'The predefined ACL: ``"private"``, ``"public-read"``, ``"authenticated-read"``,'
        ' ``"bucket-owner-read"``, ``"bucket-owner-full-control"`` or ``"project-private"``.',
        one_of(*PREDEFINED_ACLS),
    ),
    "custom_time": Option("An aware datetime, which lifecycle rules can refer to.", _time),
    "customer_key": CUSTOMER_KEY,
    "kms_key": KMS_KEY,
}
#: The options of a new bucket.
CONTAINER: Mapping[str, Option] = {
    "labels": Option("A mapping of labels.", texts),
    "location": Option('Where the bucket is created, such as ``"EU"``.', text),
    "public_access_prevention": Option(
        '``"enforced"`` or ``"inherited"``.', one_of("enforced", "inherited")
    ),
    "storage_class": Option("The storage class of objects that have none of their own.", text),
    "uniform_access": Option("Whether permissions are the bucket's alone, without ACLs.", flag),
    "versioning": Option("Whether old versions of objects are kept.", flag),
}


@dataclass(frozen=True, slots=True)
class Encryption:
    """
    The keys that encrypt objects.

    In its methods `extra` has the options of one upload or copy, whose keys replace these.
    """

    customer_key: bytes | None = None
    kms_key: str | None = None

    def headers(self, extra: Mapping[str, object]) -> dict[str, str]:
        """Return the headers of a customer-supplied key."""
        if "kms_key" in extra:
            if "customer_key" in extra:
                raise InvalidOptionError("customer_key and kms_key exclude each other; pass one")
            return {}
        return key_headers(extra.get("customer_key", self.customer_key), "x-goog-")

    def kms_name(self, extra: Mapping[str, object]) -> str | None:
        """Return the name of the key of Cloud KMS, if one is used."""
        key = None if "customer_key" in extra else extra.get("kms_key", self.kms_key)
        return None if key is None else str(key)

    def query(self, extra: Mapping[str, object]) -> dict[str, str]:
        """Return the parameters of an upload for its key and its ACL."""
        key = self.kms_name(extra)
        return {**({} if key is None else {"kmsKeyName": key}), **acl(extra, "predefinedAcl")}


def acl(extra: Mapping[str, object], parameter: str) -> dict[str, str]:
    """Return the parameter of an ACL."""
    return {parameter: PREDEFINED_ACLS[str(extra["acl"])]} if "acl" in extra else {}
