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
#: What one upload, copy or bucket may have of its own, besides a bucket's region.
EXTRAS = frozenset({"acl", "encryption", "kms_key", "customer_key", "tags", "ownership"})
_BASIC = HEADERS | {"sign_headers", "sign_response_headers"}
_PLAIN = _BASIC | {"storage_class"}
_WRITES = _PLAIN | {"if_absent", "if_match"}
_ALL = _WRITES | {"delete_if_match"}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LIMITS = Limits(min_part=5 * MiB, max_part=5 * GiB, max_parts=10_000, max_put=5 * GiB)
_R2_PUT = 4_995 * GiB // 1_000


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
        endpoints: Where regions are that begin with other letters: those, and the endpoint.
        options: Which options it honours; see `libstore.hooks.OPTIONS`.
        extras: Which options of `libstore.drivers.s3.options` it honours.
        limits: What it can take.
        digest: What a body is checked with: ``x-amz-checksum-crc32``, ``x-amz-checksum-sha256``
            or ``Content-MD5``.
        md5_etags: The ETag of an object that came in one piece is its MD5.
        composite_etags: That of one that came in parts is the MD5 of their MD5s and their number.
        whole_crc32: It keeps the CRC-32 of a whole object that came in parts.
        copy_condition: What the names of `If-Match` and `If-None-Match` begin with for the target
            of a copy; `None` if a copy takes no conditions.
        delimiters: Behind which delimiters it folds names: any, those of one character, or
            slashes alone.
        list_version: Of ListObjects.
        encoded_lists: It knows ``encoding-type=url``.
        batches: It has DeleteObjects.
        parts: It takes uploads in parts.
        part_copies: It has UploadPartCopy.
        versions: It has ListObjectVersions, or says that it has not.
        location: CreateBucket is told the region.
        recreates: Creating a bucket that one has already may be answered as a success.
        public: How everybody is let read all objects of a bucket: by the bucket's policy or by
            its ACL; empty if it cannot be done in this dialect.
        object_acls: Single objects can be public.
        tree: It keeps objects like files, so that names are paths.
        forbidden: Characters that no name may have.
        guarded: Look whether conditions hold, for nobody knows whether the service does.
        google: Headers have Google's names, and ETags are generations.
    """

    name: str
    title: str
    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = False
    endpoints: tuple[tuple[str, str], ...] = ()
    options: frozenset[str] = _PLAIN
    extras: frozenset[str] = EXTRAS
    limits: Limits = _LIMITS
    digest: Literal["crc32", "sha256", "md5"] = "md5"
    md5_etags: bool = True
    composite_etags: bool = True
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
    recreates=False,
)

OTHER = replace(
    AWS,
    title="an S3-compatible service",
    endpoint="",
    digest="md5",
    composite_etags=False,
    whole_crc32=False,
    location=False,
    recreates=True,
    guarded=True,
)

# "rclone" below stands for https://github.com/rclone/rclone/tree/master/backend/s3/provider, where
# its authors keep what they found out about each service.
_RECORDS = (
    # https://developers.cloudflare.com/r2/api/s3/api/
    # https://developers.cloudflare.com/r2/api/s3/conditional-operations/
    # https://developers.cloudflare.com/r2/objects/multipart-objects/: parts of one size, and an
    # ETag that is not made of theirs.
    # https://developers.cloudflare.com/r2/platform/limits/
    Service(
        "r2",
        "Cloudflare R2",
        "https://{account}.r2.cloudflarestorage.com",
        region="auto",
        path_style=True,
        options=_WRITES,
        limits=replace(_LIMITS, equal_parts=True, max_put=_R2_PUT, max_part=_R2_PUT),
        composite_etags=False,
        copy_condition="cf-copy-destination-",
        public="",
        extras=frozenset({"customer_key"}),
        versions=False,
    ),
    # https://docs.min.io/enterprise/aistor-object-store/developers/s3-api-compatibility: which
    # writes take conditions differs from version to version, so they are looked at too; objects
    # have no ACLs.
    Service(
        "minio",
        "MinIO",
        path_style=True,
        options=_WRITES,
        copy_condition="",
        guarded=True,
        extras=EXTRAS - {"acl", "ownership"},
        object_acls=False,
    ),
    # https://docs.ceph.com/en/latest/radosgw/s3/ and rclone. Conditions on writes are passed over
    # by releases that are in use: https://github.com/open-rails/contentkit/releases/tag/v0.58.1
    # Found out on release 16.2.15: without encoding, names that XML cannot carry make a bucket
    # unreadable; a name with a null is answered 400.
    Service("ceph", "Ceph", path_style=True, forbidden="\0"),
    # https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
    # https://www.backblaze.com/docs/cloud-storage-s3-compatible-api: a bucket is public by its ACL
    # or not at all. https://www.backblaze.com/apidocs/s3-copy-object: tags are rejected.
    Service(
        "b2",
        "Backblaze B2",
        "https://s3.{region}.backblazeb2.com",
        region="",
        options=_BASIC,
        public="acl",
        object_acls=False,
        extras=frozenset({"encryption", "customer_key"}),
    ),
    # https://docs.digitalocean.com/products/spaces/reference/s3-compatibility/ and rclone: only
    # one storage class, and encryption by the customer's key only.
    Service(
        "spaces",
        "DigitalOcean Spaces",
        "https://{region}.digitaloceanspaces.com",
        region="",
        options=_BASIC,
        encoded_lists=False,
        extras=frozenset({"acl", "customer_key"}),
    ),
    # https://docs.wasabi.com/docs/what-are-the-service-urls-for-wasabis-different-storage-regions
    Service("wasabi", "Wasabi", "https://s3.{region}.wasabisys.com", options=_BASIC),
    # https://www.scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes/ and rclone
    Service(
        "scaleway",
        "Scaleway",
        "https://s3.{region}.scw.cloud",
        region="fr-par",
        options=_WRITES,
        limits=replace(_LIMITS, max_parts=1_000),
        copy_condition="",
    ),
    # https://help.ovhcloud.com/csm/en-public-cloud-storage-s3-location and rclone
    Service(
        "ovh",
        "OVHcloud",
        "https://s3.{region}.io.cloud.ovh.net",
        region="gra",
        endpoints=(("us-", "https://s3.{region}.io.cloud.ovh.us"),),
    ),
    # https://docs.hetzner.com/storage/object-storage/overview/ and rclone
    # https://docs.hetzner.com/storage/object-storage/supported-actions/: encryption by the
    # customer's key only.
    Service(
        "hetzner",
        "Hetzner",
        "https://{region}.your-objectstorage.com",
        region="fsn1",
        options=_BASIC,
        extras=frozenset({"acl", "customer_key", "tags"}),
    ),
    # https://techdocs.akamai.com/cloud-computing/docs/access-buckets-and-files-through-urls
    Service(
        "linode",
        "Akamai (Linode)",
        "https://{region}.linodeobjects.com",
        options=_BASIC,
    ),
    # https://cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-endpoints and
    # rclone
    Service(
        "ibm",
        "IBM Cloud Object Storage",
        "https://s3.{region}.cloud-object-storage.appdomain.cloud",
        region="us-south",
        path_style=True,
        list_version=1,
        encoded_lists=False,
        composite_etags=False,
    ),
    # https://docs.oracle.com/en-us/iaas/Content/Object/Tasks/s3compatibleapi.htm; the account is
    # what Oracle calls the namespace. It has no ACLs and no policies in this dialect.
    Service(
        "oracle",
        "Oracle Cloud",
        "https://{account}.compat.objectstorage.{region}.oraclecloud.com",
        region="",
        path_style=True,
        options=_BASIC,
        extras=frozenset({"customer_key", "tags"}),
        public="",
    ),
    # https://www.alibabacloud.com/help/en/oss/developer-reference/compatibility-with-amazon-s3:
    # buckets are in the host only. Its DeleteObjects is another one:
    # https://github.com/apache/arrow-rs-object-store/issues/731. ETags of what came in parts are
    # its own (rclone). https://www.alibabacloud.com/help/en/oss/user-guide/bucket-acl: objects
    # have the ACL of their bucket. The endpoint of this dialect is
    # https://help.aliyun.com/en/oss/developer-reference/use-aws-sdks-to-access-oss, that of its
    # own is known as well. Delimiters have one character:
    # https://help.aliyun.com/en/oss/user-guide/0015-00000406
    Service(
        "alibaba",
        "Alibaba Cloud OSS",
        "https://oss-{region}.aliyuncs.com",
        region="cn-hangzhou",
        endpoints=(("", "https://s3.oss-{region}.aliyuncs.com"),),
        batches=False,
        composite_etags=False,
        public="acl",
        delimiters="characters",
    ),
    # https://www.tencentcloud.com/document/product/436/32537; its listings and ETags are as rclone
    # found them. https://www.tencentcloud.com/document/product/436/30583: objects have the ACL of
    # their bucket.
    Service(
        "tencent",
        "Tencent Cloud COS",
        "https://cos.{region}.myqcloud.com",
        region="ap-guangzhou",
        list_version=1,
        composite_etags=False,
        public="acl",
    ),
    # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0001.html and rclone: the second
    # version of listings is not everywhere, and with encoded names the first repeats its page.
    Service(
        "huawei",
        "Huawei Cloud OBS",
        "https://obs.{region}.myhuaweicloud.com",
        region="",
        list_version=1,
        encoded_lists=False,
    ),
    # https://storj.dev/dcs/api/s3/s3-compatibility and rclone
    Service(
        "storj",
        "Storj",
        "https://gateway.storjshare.io",
        path_style=True,
        options=_BASIC,
        limits=replace(_LIMITS, min_part=64 * MiB),
        part_copies=False,
        extras=frozenset({"tags"}),
        public="",
    ),
    # Found out on release 4.48: a name is a path, conditions are atomic, ACLs are kept and change
    # nothing.
    Service(
        "seaweedfs",
        "SeaweedFS",
        path_style=True,
        options=_ALL,
        recreates=False,
        tree=True,
        forbidden="\0\\",
        object_acls=False,
    ),
    # https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/
    # has no ACLs, no policies, no versions and no tags.
    Service(
        "garage",
        "Garage",
        region="garage",
        path_style=True,
        options=_BASIC,
        extras=frozenset({"customer_key"}),
        versions=False,
        public="",
    ),
    # https://docs.openstack.org/swift/latest/s3_compat.html; found out on release 2.38.3: If-Match
    # of a write is refused, and storage classes are.
    Service(
        "swift-s3",
        "OpenStack Swift (s3api)",
        path_style=True,
        options=_BASIC | {"if_absent"},
        limits=replace(_LIMITS, max_parts=1_000),
        recreates=False,
        forbidden="\0",
        public="",
        extras=frozenset(),
    ),
    # https://cloud.google.com/storage/docs/interoperability and the pages of `google`; uploads in
    # parts take no conditions: https://cloud.google.com/storage/docs/request-preconditions
    Service(
        "gcs-s3",
        "Google Cloud Storage (S3)",
        "https://storage.googleapis.com",
        region="auto",
        path_style=True,
        options=_PLAIN | {"delete_if_match"},
        md5_etags=False,
        composite_etags=False,
        copy_condition="",
        part_copies=False,
        public="",
        recreates=False,
        google=True,
    ),
    # https://rclone.org/commands/rclone_serve_s3/; found out on release 1.75.2: numbers of parts
    # must have no gaps, the ETag is the MD5 of the whole always, and names are folded behind
    # slashes whatever the delimiter is.
    Service(
        "rclone",
        "rclone serve s3",
        path_style=True,
        options=_BASIC,
        composite_etags=False,
        recreates=False,
        part_copies=False,
        tree=True,
        forbidden="\0\\",
        public="",
        extras=frozenset(),
        versions=False,
        delimiters="slashes",
    ),
)

#: By name, all but Amazon's own.
SERVICES = {service.name: service for service in _RECORDS}
