"""
The options that S3 has besides those of every service, for one upload, copy or bucket.

They are checked before anything is sent, and take the place of what the driver was made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ... import checks
from ...errors import InvalidOptionError, InvalidTypeError
from .endpoints import checked_region

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl, and the one
# that Google has besides: https://cloud.google.com/storage/docs/access-control/lists
_ACLS = (
    "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read",
    "bucket-owner-read", "bucket-owner-full-control", "log-delivery-write", "project-private",
)  # fmt: skip
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingServerSideEncryption.html
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 10, 128, 256


def one_of(*allowed: str) -> Callable[[object, str], str | None]:
    """Return a check for one of some words; `None` is none of them."""

    def check(value: object, label: str) -> str | None:
        if value is not None and value not in allowed:
            raise InvalidOptionError(f"{label} must be one of {', '.join(allowed)}, not {value!r}")
        return None if value is None else str(value)

    return check


acl = one_of(*_ACLS)
encryption = one_of(*_ENCRYPTIONS)
ownership = one_of(*_OWNERSHIPS)


def kms_key(value: object, label: str) -> str | None:
    """Return the id, alias or ARN of a key that the service keeps."""
    text = checks.header_value(value, label)
    if text is not None and not text.isascii():
        raise InvalidOptionError(f"{label} must be ASCII: the id, alias or ARN of a key")
    return text


def customer_key(value: object, label: str) -> bytes | None:
    """Return a key that the service does not keep."""
    if value is None:
        return None
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidTypeError(f"{label} must be bytes, not {type(value).__name__}")
    if len(key := bytes(value)) != 32:
        raise InvalidOptionError(f"{label} must be 32 bytes, not {len(key)}")
    return key


def tags(value: object, label: str) -> dict[str, str] | None:
    """Return the tags of an object."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"{label} must be a mapping of str to str, not {type(value).__name__}"
        )
    if len(value) > _MOST_TAGS:
        raise InvalidOptionError(f"{label} has {len(value)} tags; at most {_MOST_TAGS} are taken")
    for key, text in value.items():
        checks.text(key, f"a key in {label}")
        checks.text(text, f"{label}[{key!r}]")
        if not 0 < len(key) <= _LONGEST_KEY or len(text) > _LONGEST_VALUE:
            raise InvalidOptionError(
                f"{label}: a key has 1 to {_LONGEST_KEY} characters and its text at most"
                f" {_LONGEST_VALUE}, other than {checks.shorten(key)}"
            )
    return dict(value)


def region(value: object, label: str) -> str | None:
    """Return where a bucket is made."""
    return None if value is None else checked_region(value, label)


#: What ``extra=`` of an upload or a copy may have.
UPLOAD: dict[str, Callable[[object, str], Any]] = {
    "acl": acl,
    "encryption": encryption,
    "kms_key": kms_key,
    "customer_key": customer_key,
    "tags": tags,
}

#: What ``extra=`` of a new bucket may have.
CONTAINER: dict[str, Callable[[object, str], Any]] = {
    "region": region,
    "ownership": ownership,
    "acl": acl,
}


def tag_headers(pairs: object) -> dict[str, str]:
    """Return the header of an object's tags, which is written like a query."""
    if not isinstance(pairs, Mapping):
        return {}
    joined = "&".join(
        f"{quote(key, safe='')}={quote(text, safe='')}" for key, text in pairs.items()
    )
    return {"x-amz-tagging": joined} if joined else {}


def bucket_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of a new bucket."""
    names = {"ownership": "x-amz-object-ownership", "acl": "x-amz-acl"}
    return {
        header: value
        for option, header in names.items()
        if isinstance(value := extra.get(option), str)
    }
