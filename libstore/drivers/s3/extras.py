"""
The options that S3 has besides those of every service, for one upload, copy or bucket.

They are checked before anything is sent, and take the place of what the driver was made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ... import arguments
from ...errors import InvalidOptionError
from ...rest.options import key, one_of, optional, tags
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

acl = optional(one_of(*_ACLS))
encryption = optional(one_of(*_ENCRYPTIONS))
ownership = optional(one_of(*_OWNERSHIPS))


def kms_key(value: object, label: str) -> str | None:
    """Return the id, alias or ARN of a key that the service keeps."""
    text = arguments.header_value(value, label)
    if text is not None and not text.isascii():
        raise InvalidOptionError(f"{label} must be ASCII: the id, alias or ARN of a key")
    return text


def region(value: object, label: str) -> str | None:
    """Return where a bucket is made."""
    return None if value is None else checked_region(value, label)


#: What ``extra=`` of an upload or a copy may have.
UPLOAD: dict[str, Callable[[object, str], Any]] = {
    "acl": acl,
    "encryption": encryption,
    "kms_key": kms_key,
    "customer_key": optional(key),
    "tags": optional(tags),
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
