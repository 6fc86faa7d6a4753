"""How a service with the S3 API differs from Amazon S3, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..values import GiB, Limits, MiB

HEADERS = frozenset(
    {"cache_control", "content_disposition", "content_encoding", "content_language"}
)
#: The options of an upload, a copy or a bucket that services may have, except a bucket's region.
EXTRAS = frozenset({"acl", "encryption", "kms_key", "customer_key", "tags", "ownership"})
BASIC = HEADERS | {"sign_headers", "sign_response_headers"}
PLAIN = BASIC | {"storage_class"}
WRITES = PLAIN | {"if_absent", "if_match"}
ALL = WRITES | {"delete_if_match"}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LIMITS = Limits(min_part=5 * MiB, max_part=5 * GiB, max_parts=10_000, max_put=5 * GiB)


@dataclass(frozen=True, slots=True)
class Service:
    """
    One service, and how it differs from Amazon S3.

    Attributes:
        name: The name for `get_driver`.
        title: The name in messages.
        endpoint: The URL, with ``{region}`` and ``{account}`` where they belong; empty if each
            installation has its own.
        region: The region if none is given; empty if there is no sensible default.
        path_style: Buckets are in the path only, not in the host.
        endpoints: Other URLs, each with the beginning of the regions that have it.
        options: The supported ones of `libstore.hooks.OPTIONS`.
        extras: The supported ones of `libstore.drivers.s3.options`.
        limits: The sizes and numbers that the service allows.
        digest: How the service verifies a body: ``x-amz-checksum-crc32``,
            ``x-amz-checksum-sha256`` or ``Content-MD5``.
        md5_etags: The ETag of an object that was uploaded in one request is its MD5.
        composite_etags: The ETag of a multipart upload is a digest of the MD5s of its parts.
        whole_md5: The ETag of a multipart upload is the MD5 of the whole object.
        whole_crc32: The service stores the CRC-32 of the whole object of a multipart upload.
        copy_condition: The beginning of the names of `If-Match` and `If-None-Match` for the
            target of a copy; `None` if copies have no conditions.
        delimiters: The delimiters of listings: any, those of one character, or slashes alone.
        list_version: The version of ListObjects.
        encoded_lists: Listings support ``encoding-type=url``.
        batches: The service has DeleteObjects.
        parts: The service has multipart uploads.
        part_copies: The service has UploadPartCopy.
        versions: The service has ListObjectVersions, or responds that it has not.
        location: CreateBucket names the region.
        recreates: CreateBucket may succeed for a bucket that exists already.
        public: How all objects of a bucket are made public: by the bucket's policy or by its ACL;
            empty if the S3 API of the service cannot do it.
        object_acls: Single objects can be public.
        tree: Objects are stored as files, so that names are paths.
        forbidden: Characters that no name may have.
        guarded: The driver checks conditions too, since the service may ignore them.
        google: Headers have Google's names, and ETags are generations.
    """

    name: str
    title: str
    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = False
    endpoints: tuple[tuple[str, str], ...] = ()
    options: frozenset[str] = PLAIN
    extras: frozenset[str] = EXTRAS
    limits: Limits = LIMITS
    digest: Literal["crc32", "sha256", "md5"] = "md5"
    md5_etags: bool = True
    composite_etags: bool = True
    whole_md5: bool = False
    whole_crc32: bool = False
    copy_condition: str | None = None
    delimiters: Literal["any", "characters", "slashes"] = "any"
    list_version: Literal[1, 2] = 2
    encoded_lists: bool = True
    batches: bool = True
    parts: bool = True
    part_copies: bool = True
    versions: bool = True
    location: bool = False
    recreates: bool = True
    public: Literal["policy", "acl", ""] = "policy"
    object_acls: bool = True
    tree: bool = False
    forbidden: str = ""
    guarded: bool = False
    google: bool = False
