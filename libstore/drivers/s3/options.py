"""The options that only S3 has, for uploads and copies, and for new buckets."""

from __future__ import annotations

from collections.abc import Mapping

from ... import arguments
from ...errors import InvalidOptionError
from ...options import Option
from ...rest.options import key, one_of, optional, tags
from .endpoints import checked_region

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl, and
# one that only Google has: https://cloud.google.com/storage/docs/access-control/lists
_ACLS = (
    "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read",
    "bucket-owner-read", "bucket-owner-full-control", "log-delivery-write", "project-private",
)  # fmt: skip
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingServerSideEncryption.html
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")


def _kms_key(value: object, label: str) -> str | None:
    """Return the id, alias or ARN of a key that the service keeps."""
    text = arguments.header_value(value, label)
    if text is not None and not text.isascii():
        raise InvalidOptionError(f"{label} must be ASCII: the id, alias or ARN of a key")
    return text


ACL = Option('The canned ACL, such as ``"public-read"``.', optional(one_of(*_ACLS)))
ENCRYPTION = Option(
    'How the service encrypts what is written: ``"AES256"``, ``"aws:kms"`` or'
    ' ``"aws:kms:dsse"``; the bucket\'s own setting by default.',
    optional(one_of(*_ENCRYPTIONS)),
)
KMS_KEY = Option('The id, alias or ARN of the key for ``"aws:kms"``.', _kms_key)
CUSTOMER_KEY = Option(
    "A key of 32 bytes that encrypts what is written and decrypts what is read (SSE-C). The"
    " service does not keep it.",
    optional(key),
    secret=True,
)

#: The options of an upload or a copy. `None` stands for no option, whatever the driver was given.
UPLOAD: Mapping[str, Option] = {
    "acl": ACL,
    "encryption": ENCRYPTION,
    "kms_key": KMS_KEY,
    "customer_key": CUSTOMER_KEY,
    "tags": Option(
        "A mapping of at most 10 tags. Those of a copy take the place of the source's tags.",
        optional(tags),
    ),
}

#: The options of a new bucket.
CONTAINER: Mapping[str, Option] = {
    "region": Option("Where the bucket is created.", optional(checked_region)),
    "ownership": Option(
        '``"BucketOwnerEnforced"``, ``"BucketOwnerPreferred"`` or ``"ObjectWriter"``.',
        optional(one_of(*_OWNERSHIPS)),
    ),
    "acl": ACL,
}


def bucket_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of a new bucket."""
    names = {"ownership": "x-amz-object-ownership", "acl": "x-amz-acl"}
    return {
        header: value
        for option, header in names.items()
        if isinstance(value := extra.get(option), str)
    }
