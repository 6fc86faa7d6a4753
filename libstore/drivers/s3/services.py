"""
The services that speak S3, as data.

Where a service differs from what Amazon S3 does, its record says so, with the page that it was
taken from; the driver reads records and knows no names. What a record does not say is as on
Amazon S3, but for the last: a service is asked for what it does, never guessed at.

`OTHER` stands for an endpoint that nobody here has heard of. It is expected to do what nearly all
servers do; conditions are looked at besides being sent, since a server that does not know them
would let them pass in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...values import GiB, Limits, MiB

HEADERS = frozenset(
    {"cache_control", "content_disposition", "content_encoding", "content_language"}
)
_PLAIN = HEADERS | {"storage_class"}
_WRITES = _PLAIN | {"if_absent", "if_match"}
_ALL = _WRITES | {"delete_if_match"}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LIMITS = Limits(min_part=5 * MiB, max_part=5 * GiB, max_parts=10_000, max_put=5 * GiB)


@dataclass(frozen=True, slots=True)
class Service:
    """
    One service, and how it differs.

    Attributes:
        name: What `get_driver` calls it.
        title: What its maker calls it.
        endpoint: Where it is, with ``{region}`` and ``{account}`` where they belong; empty if
            every installation is somewhere else.
        region: The region where none is given; empty if there is no sensible one.
        path_style: Buckets are in the path only, not in the host.
        options: Which options it honours; see `libstore.hooks.OPTIONS`.
        limits: What it can take.
        digest: What a body is checked with: an ``x-amz-checksum-crc32`` or a ``Content-MD5``.
        md5_etags: The ETag of an object that came in one piece is its MD5.
        composite_etags: That of one that came in parts is the MD5 of their MD5s and their number.
        whole_crc32: It keeps the CRC-32 of a whole object that came in parts.
        copy_condition: What the names of `If-Match` and `If-None-Match` begin with for the target
            of a copy; `None` if a copy takes no conditions.
        list_version: Of ListObjects.
        encoded_lists: It knows ``encoding-type=url``.
        batches: It has DeleteObjects.
        parts: It takes uploads in parts.
        part_copies: It has UploadPartCopy.
        location: CreateBucket is told the region.
        recreates: Creating a bucket that one has already may be answered as a success.
        names: ``"tree"`` if it keeps objects like files, so that names are paths.
        guarded: Look whether conditions hold, for nobody knows whether the service does.
    """

    name: str
    title: str
    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = False
    options: frozenset[str] = _PLAIN
    limits: Limits = _LIMITS
    digest: Literal["crc32", "md5"] = "md5"
    md5_etags: bool = True
    composite_etags: bool = True
    whole_crc32: bool = False
    copy_condition: str | None = None
    list_version: Literal[1, 2] = 2
    encoded_lists: bool = True
    batches: bool = True
    parts: bool = True
    part_copies: bool = True
    location: bool = False
    recreates: bool = True
    names: Literal["any", "tree"] = "any"
    guarded: bool = False


#: Conditions on writes:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
#: and on deletes:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
#: Checksums:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
AWS = Service(
    "s3",
    "Amazon S3",
    "https://s3.{region}.amazonaws.com",
    options=_ALL,
    digest="crc32",
    whole_crc32=True,
    copy_condition="",
    location=True,
)

OTHER = replace(
    AWS,
    title="an S3-compatible service",
    endpoint="",
    digest="md5",
    composite_etags=False,
    whole_crc32=False,
    location=False,
    guarded=True,
)

SERVICES: dict[str, Service] = {}
