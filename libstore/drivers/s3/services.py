"""
The services with the S3 API, as data.

Where a service differs from Amazon S3, its record says so, with the page that documents it. An
option that a record does not name is not supported; everything else is as on Amazon S3.
"""

from __future__ import annotations

from dataclasses import replace

from ...s3api.google_headers import SERVICE as GOOGLE
from ...s3api.service import ALL, BASIC, EXTRAS, LIMITS, WRITES, Service
from ...values import GiB, MiB

_R2_PUT = 4_995 * GiB // 1_000

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
    options=ALL,
    digest="crc32",
    whole_crc32=True,
    copy_condition="",
    location=True,
    recreates=False,
)

# An unknown endpoint, which is expected to support what nearly all servers do.
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

# "rclone" below stands for https://github.com/rclone/rclone/tree/master/backend/s3/provider, the
# records of each service in that program.
_RECORDS = (
    # https://developers.cloudflare.com/r2/api/s3/api/
    # https://developers.cloudflare.com/r2/api/s3/conditional-operations/
    # https://developers.cloudflare.com/r2/objects/multipart-objects/: parts of one size, and an
    # ETag that does not depend on theirs.
    # https://developers.cloudflare.com/r2/platform/limits/
    Service(
        "r2",
        "Cloudflare R2",
        "https://{account}.r2.cloudflarestorage.com",
        region="auto",
        path_style=True,
        options=WRITES,
        limits=replace(LIMITS, equal_parts=True, max_put=_R2_PUT, max_part=_R2_PUT),
        composite_etags=False,
        copy_condition="cf-copy-destination-",
        public="",
        extras=frozenset({"customer_key"}),
        versions=False,
    ),
    # https://docs.min.io/enterprise/aistor-object-store/developers/s3-api-compatibility: which
    # writes have conditions depends on the version, so the driver checks them too; objects have no
    # ACLs.
    Service(
        "minio",
        "MinIO",
        path_style=True,
        options=WRITES,
        copy_condition="",
        guarded=True,
        extras=EXTRAS - {"acl", "ownership"},
        object_acls=False,
    ),
    # https://docs.ceph.com/en/latest/radosgw/s3/ and rclone. Conditions on writes are ignored by
    # releases that are in use: https://github.com/open-rails/contentkit/releases/tag/v0.58.1
    # Tested on release 16.2.15: without encoding, names that XML cannot contain make a bucket
    # unreadable; the response to a name with a null has status 400.
    Service("ceph", "Ceph", path_style=True, forbidden="\0"),
    # https://www.backblaze.com/docs/cloud-storage-call-the-s3-compatible-api
    # https://www.backblaze.com/docs/cloud-storage-s3-compatible-api: a bucket is public by its ACL
    # or not at all. https://www.backblaze.com/apidocs/s3-copy-object: tags are rejected.
    Service(
        "b2",
        "Backblaze B2",
        "https://s3.{region}.backblazeb2.com",
        region="",
        options=BASIC,
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
        options=BASIC,
        encoded_lists=False,
        extras=frozenset({"acl", "customer_key"}),
    ),
    # https://docs.wasabi.com/docs/what-are-the-service-urls-for-wasabis-different-storage-regions
    Service("wasabi", "Wasabi", "https://s3.{region}.wasabisys.com", options=BASIC),
    # https://www.scaleway.com/en/docs/object-storage/api-cli/using-conditional-writes/ and rclone
    Service(
        "scaleway",
        "Scaleway",
        "https://s3.{region}.scw.cloud",
        region="fr-par",
        options=WRITES,
        limits=replace(LIMITS, max_parts=1_000),
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
        options=BASIC,
        extras=frozenset({"acl", "customer_key", "tags"}),
    ),
    # https://techdocs.akamai.com/cloud-computing/docs/access-buckets-and-files-through-urls
    Service(
        "linode",
        "Akamai (Linode)",
        "https://{region}.linodeobjects.com",
        options=BASIC,
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
    # what Oracle calls the namespace. The S3 API has no ACLs and no policies.
    Service(
        "oracle",
        "Oracle Cloud",
        "https://{account}.compat.objectstorage.{region}.oraclecloud.com",
        region="",
        path_style=True,
        options=BASIC,
        extras=frozenset({"customer_key", "tags"}),
        public="",
    ),
    # https://www.alibabacloud.com/help/en/oss/developer-reference/compatibility-with-amazon-s3:
    # buckets are in the host only. Its DeleteObjects is another one:
    # https://github.com/apache/arrow-rs-object-store/issues/731. ETags of multipart uploads are
    # its own (rclone). https://www.alibabacloud.com/help/en/oss/user-guide/bucket-acl: objects
    # have the ACL of their bucket. The endpoint of the S3 API is
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
    # https://www.tencentcloud.com/document/product/436/32537; its listings and ETags are from
    # rclone. https://www.tencentcloud.com/document/product/436/30583: objects have the ACL of
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
    # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0001.html and rclone: not all
    # regions have version 2 of listings, and with encoded names version 1 repeats its page.
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
        options=BASIC,
        limits=replace(LIMITS, min_part=64 * MiB),
        part_copies=False,
        extras=frozenset({"tags"}),
        public="",
    ),
    # Tested on release 4.48: a name is a path, conditions are atomic, ACLs are stored and have no
    # effect.
    Service(
        "seaweedfs",
        "SeaweedFS",
        path_style=True,
        options=ALL,
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
        options=BASIC,
        extras=frozenset({"customer_key"}),
        versions=False,
        public="",
    ),
    # https://docs.openstack.org/swift/latest/s3_compat.html; tested on release 2.38.3: If-Match
    # of a write and storage classes are refused.
    Service(
        "swift-s3",
        "OpenStack Swift (s3api)",
        path_style=True,
        options=BASIC | {"if_absent"},
        limits=replace(LIMITS, max_parts=1_000),
        recreates=False,
        forbidden="\0",
        public="",
        extras=frozenset(),
    ),
    GOOGLE,
    # https://rclone.org/commands/rclone_serve_s3/; tested on release 1.75.2: numbers of parts
    # must have no gaps, the ETag is always the MD5 of the whole, and names are grouped by slashes,
    # whatever the delimiter is.
    Service(
        "rclone",
        "rclone serve s3",
        path_style=True,
        options=BASIC,
        composite_etags=False,
        whole_md5=True,
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
