"""S3's names of headers and elements, and the records that they are made from and read into."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import InvalidNameError
from ..http.encoding import encode_path
from ..http.headers import clean_etag, parse_size, parse_timestamp
from ..rest.checksums import base64_of, hex_digest
from ..rest.client import XMLResponse
from ..rest.dialect import CONTENT_EXTRAS, HeaderDialect, ascii_value
from ..values import TOKEN_KEY, ObjectInfo
from .service import Service

META = "x-amz-meta-"
TOKEN = META + TOKEN_KEY
HEADERS = HeaderDialect(
    META,
    storage_class="x-amz-storage-class",
    default_class="STANDARD",
    version="x-amz-version-id",
    extra={
        **{name: label for name, label in CONTENT_EXTRAS.items() if name != "content-encoding"},
        "expires": "expires",
        "x-amz-server-side-encryption": "encryption",
        "x-amz-server-side-encryption-aws-kms-key-id": "kms_key",
        "x-amz-server-side-encryption-customer-algorithm": "customer_encryption",
        "x-amz-website-redirect-location": "website_redirect",
        "x-amz-restore": "restore",
        "x-amz-archive-status": "archive_status",
        "x-amz-tagging-count": "tag_count",
        "x-amz-mp-parts-count": "parts",
        "x-amz-expiration": "expiration",
        "x-amz-replication-status": "replication_status",
        "x-amz-object-lock-mode": "lock_mode",
        "x-amz-object-lock-retain-until-date": "locked_until",
        "x-amz-object-lock-legal-hold": "legal_hold",
        "x-goog-custom-time": "custom_time",
    },
    kept={
        "expires": "expires",
        "website_redirect": "x-amz-website-redirect-location",
        "custom_time": "x-goog-custom-time",
    },
)
#: The algorithms of checksums that S3 stores.
DIGESTS = ("crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256")
_CHECKSUM = "x-amz-checksum-"
_CHECKSUM_HEADERS = {_CHECKSUM + algorithm: algorithm for algorithm in DIGESTS}
_MD5 = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("(?:[0-9a-f]{2}){16,32}")
_COMPOSITE = re.compile("[0-9a-f]{32}-[1-9][0-9]{0,8}")
# With a customer's key or with these, ETags are not made of MD5s:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
_OPAQUE = ("aws:kms", "aws:kms:dsse")

# ---------------------------------------------------------------------- requests


def signed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that requests to a signed URL must have."""
    for name, value in headers.items():
        ascii_value(value, f"headers[{name!r}]")
    return dict(headers)


def response_query(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that replace headers of the response."""
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    return {f"response-{name}": value for name, value in headers.items()}


def copy_source(container: str, name: str) -> str:
    """Return the value of the header that names the source of a copy."""
    return f"/{container}/{encode_path(name)}"


def composite_etag(etags: Sequence[str]) -> str | None:
    """Return the ETag of an object made of parts with these ETags; `None` if one is no MD5."""
    return combined("md5", etags) if all(_MD5.fullmatch(etag) for etag in etags) else None


def combined(algorithm: str, digests: Sequence[str]) -> str:
    """Return the digest of the parts' digests, followed by the number of parts."""
    joined = b"".join(map(bytes.fromhex, digests))
    return f"{hashlib.new(algorithm, joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def is_digest(text: str) -> bool:
    """Return whether a text has the form of an MD5, SHA-1 or SHA-256 in hexadecimal."""
    return _DIGEST.fullmatch(text) is not None


def check_name(name: str, service: Service) -> None:
    """Raise `InvalidNameError` for a name that the service cannot store."""
    if service.forbidden and not set(service.forbidden).isdisjoint(name):
        raise InvalidNameError(
            f"{service.title} cannot store the name {name[:80]!r}: it has one of the characters"
            f" {' '.join(map(repr, service.forbidden))}"
        )
    if service.tree and not all(
        piece not in {"", ".", ".."} and len(piece.encode()) <= 255 for piece in name.split("/")
    ):
        raise InvalidNameError(
            f"{service.title} stores objects as files and cannot store the name {name[:80]!r}:"
            " its segments between slashes must not be empty, '.' or '..', and have at most 255"
            " bytes"
        )


def checksum_headers(service: Service, digest: str) -> dict[str, str]:
    """Return the header with which the service verifies a body."""
    if service.digest == "md5":
        return {"content-md5": base64_of(digest)}
    return {_CHECKSUM + service.digest: base64_of(digest)}


def started_headers(service: Service) -> dict[str, str]:
    """Return the headers that choose the checksums of a multipart upload."""
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    if service.digest == "md5" or (service.digest == "crc32" and not service.whole_crc32):
        return {}
    kind = "FULL_OBJECT" if service.whole_crc32 else "COMPOSITE"
    return {"x-amz-checksum-algorithm": service.digest.upper(), "x-amz-checksum-type": kind}


def finished_headers(service: Service, checksums: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the checksum of all parts together, if it is known."""
    if not service.whole_crc32 or not checksums:
        return {}
    return {
        "x-amz-checksum-crc32": base64_of(checksums["crc32"]),
        "x-amz-checksum-type": "FULL_OBJECT",
    }


def part_checksum(service: Service) -> str:
    """Return the checksum of parts that completes a multipart upload; empty if there is none."""
    return service.digest if started_headers(service) else ""


def body_headers(body: bytes, content_type: str = "application/xml") -> dict[str, str]:
    """Return the headers of a document; some services require its MD5."""
    return {**md5_header(body), "content-type": content_type}


def md5_header(body: bytes) -> dict[str, str]:
    """Return the header with the MD5 of a body."""
    return {"content-md5": base64_of(hashlib.md5(body, usedforsecurity=False).hexdigest())}


def is_composite(etag: str | None) -> bool:
    """Return whether an ETag has the form of one of a multipart upload."""
    return etag is not None and _COMPOSITE.fullmatch(etag) is not None


# ---------------------------------------------------------------------- responses


def object_info(
    name: str, headers: Mapping[str, str], size: int | None, service: Service
) -> ObjectInfo:
    """Return all that the response to a GET or HEAD request has of an object."""
    etag = clean_etag(headers.get("etag"))
    whole, composite = _digests(headers, etag, service)
    extra: dict[str, object] = {}
    encoding = headers.get("content-encoding")
    if encoding is not None:
        # Some servers store the encoding of the request's body.
        codings = [coding.strip() for coding in encoding.split(",")]
        stored = ", ".join(coding for coding in codings if coding != "aws-chunked")
        if stored:
            extra["content_encoding"] = stored
    if composite:
        extra["composite"] = composite
    return HEADERS.object_info(name, headers, size, etag=etag, checksums=whole, extra=extra)


def written_info(name: str, headers: Mapping[str, str], service: Service) -> ObjectInfo:
    """Return the fields of the object from the response to a write."""
    etag = clean_etag(headers.get("etag"))
    whole, composite = _digests(headers, etag, service)
    extra = {"composite": composite} if composite else {}
    version = HEADERS.version_of(headers)
    return ObjectInfo(name, etag=etag, checksums=whole, version=version, extra=extra)


def result_info(name: str, document: XMLResponse, service: Service) -> ObjectInfo:
    """Return the fields of the object from the body and headers of a Complete or Copy response."""
    fields = document.fields
    merged = dict(document.headers)
    if fields.get("ETag"):
        merged["etag"] = fields["ETag"]
    for algorithm in DIGESTS:
        value = fields.get(f"Checksum{algorithm.upper()}")
        if value:
            merged[_CHECKSUM + algorithm] = value
    merged["x-amz-checksum-type"] = fields.get(
        "ChecksumType", merged.get("x-amz-checksum-type", "")
    )
    when = parse_timestamp(fields.get("LastModified"))
    return replace(written_info(name, merged, service), last_modified=when)


def _digests(
    headers: Mapping[str, str], etag: str | None, service: Service
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the digests of an object, and those of its parts' digests, as ``digest-parts``."""
    whole: dict[str, str] = {}
    combined: dict[str, str] = {}
    multipart = etag is not None and "-" in etag and is_composite(etag)
    plain = (
        headers.get("x-amz-server-side-encryption") not in _OPAQUE
        and "x-amz-server-side-encryption-customer-algorithm" not in headers
    )
    if etag is not None and service.md5_etags and plain:
        if not multipart and _MD5.fullmatch(md5 := etag.lower()):
            whole["md5"] = md5
        elif multipart and service.composite_etags:
            combined["md5"] = etag
    if _CHECKSUM_HEADERS.keys().isdisjoint(headers):
        return whole, combined
    kind = headers.get("x-amz-checksum-type")
    # Without a type, the checksum of a multipart upload may be that of its parts' checksums.
    of_whole = kind == "FULL_OBJECT" if multipart else kind != "COMPOSITE"
    for header, algorithm in _CHECKSUM_HEADERS.items():
        if header not in headers:
            continue
        value, dash, count = headers[header].partition("-")
        digest = hex_digest(algorithm, value)
        if digest is not None and dash and parse_size(count):
            combined[algorithm] = f"{digest}-{count}"
        elif digest is not None and not dash and of_whole:
            whole[algorithm] = digest
    return whole, combined


# ---------------------------------------------------------------------- changes


def keeps(info: ObjectInfo, headers: Mapping[str, str]) -> bool:
    """Return whether an object has the metadata and the content type of a request's headers."""
    kept = HEADERS.kept_headers(info, None, None)
    named = {name for name in headers if name == "content-type" or name.startswith(META)}
    named.discard(TOKEN)
    return kept.items() <= headers.items() and named <= kept.keys()


def carried_headers(info: ObjectInfo) -> dict[str, str]:
    """Return the headers of the storage class and the encryption, which a copy does not keep."""
    headers = {}
    if info.storage_class not in {None, "STANDARD"}:
        headers["x-amz-storage-class"] = str(info.storage_class)
    if info.extra.get("encryption") in _OPAQUE:
        headers["x-amz-server-side-encryption"] = str(info.extra["encryption"])
        if info.extra.get("kms_key"):
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = str(info.extra["kms_key"])
    return headers
