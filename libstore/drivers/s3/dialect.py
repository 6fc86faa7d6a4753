"""
Between S3's headers and listings and the records of this library.

Pure functions: what is sent is made from records here, and what comes back is read into them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import InvalidNameError, InvalidOptionError
from ...http.encoding import encode_path
from ...http.headers import clean_etag, parse_date, parse_size, parse_timestamp
from ...rest.checksums import base64_of, hex_digest
from ...rest.header_text import decode_text, encode_text
from ...values import (
    TOKEN_KEY,
    Conditions,
    ObjectInfo,
    Part,
    WriteOptions,
)
from .client import Answer
from .services import HEADERS, Service
from .xml import complete_body

META = "x-amz-meta-"
TOKEN = META + TOKEN_KEY
_NOT_SIGNED = frozenset({"host", "authorization", "content-length", "transfer-encoding"})
_HEADER_NAMES = {option: option.replace("_", "-") for option in sorted(HEADERS)}
# What a copy that replaces metadata loses unless it is sent again.
_KEPT = (
    *((name, option) for option, name in _HEADER_NAMES.items()),
    ("expires", "expires"),
    ("x-amz-website-redirect-location", "website_redirect"),
    ("x-goog-custom-time", "custom_time"),
)

# ---------------------------------------------------------------------- sent


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what is kept with an object."""
    headers = {"content-type": options.content_type}
    for option, name in _HEADER_NAMES.items():
        value = getattr(options, option)
        if value is not None:
            headers[name] = _ascii(value, option)
    headers |= storage_class_headers(options.storage_class)
    for key, value in options.metadata.items():
        headers[META + key] = encode_text(value)
    _ascii(options.content_type, "content_type")
    return headers


def storage_class_headers(storage_class: str | None) -> dict[str, str]:
    """Return the header of a storage class."""
    if storage_class is None:
        return {}
    return {"x-amz-storage-class": _ascii(storage_class, "storage_class")}


def _ascii(value: str, option: str) -> str:
    if not value.isascii():
        raise InvalidOptionError(
            f"{option} must be ASCII, for it stands in a header; a file name of other letters"
            " is written filename*=UTF-8''… (RFC 6266)"
        )
    return value


def condition_headers(conditions: Conditions, prefix: str = "") -> dict[str, str]:
    """Return the headers that ask for the conditions."""
    if conditions.if_absent:
        return {f"{prefix}if-none-match": "*"}
    if conditions.if_match is not None:
        return {f"{prefix}if-match": f'"{_ascii(conditions.if_match, "if_match")}"'}
    return {}


def signed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a signed URL is good with."""
    for name, value in headers.items():
        if name in _NOT_SIGNED:
            raise InvalidOptionError(f"a signed URL has {name} itself; leave it out of headers")
        _ascii(value, f"headers[{name!r}]")
    return dict(headers)


def response_query(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that ask for headers of the answer."""
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    return {f"response-{name}": value for name, value in headers.items()}


def copy_source(container: str, name: str) -> str:
    """Return the header that says what to copy."""
    return f"/{container}/{encode_path(name)}"


def composite_etag(etags: Sequence[str]) -> str | None:
    """Return the ETag of an object that parts with these ETags make up, if they are MD5s."""
    return combined("md5", etags) if all(_MD5.fullmatch(etag) for etag in etags) else None


def combined(algorithm: str, digests: Sequence[str]) -> str:
    """Return the digest of the parts' digests, with the number of the parts."""
    joined = b"".join(map(bytes.fromhex, digests))
    return f"{hashlib.new(algorithm, joined, usedforsecurity=False).hexdigest()}-{len(digests)}"


def is_digest(text: str) -> bool:
    """Return whether a text could be a digest of hashlib's, in hexadecimal."""
    return _DIGEST.fullmatch(text) is not None


def check_name(name: str, service: Service) -> None:
    """Raise `InvalidNameError` for what the service cannot hold."""
    if not set(service.forbidden).isdisjoint(name):
        raise InvalidNameError(
            f"{service.title} cannot hold the name {name[:80]!r}: it has one of the characters"
            f" {' '.join(map(repr, service.forbidden))}"
        )
    if service.tree and not all(
        piece not in {"", ".", ".."} and len(piece.encode()) <= 255 for piece in name.split("/")
    ):
        raise InvalidNameError(
            f"{service.title} keeps objects like files, and cannot hold the name {name[:80]!r}:"
            " its pieces between slashes must be neither empty nor '.' nor '..', and have at"
            " most 255 bytes"
        )


def checksum_headers(service: Service, digest: str) -> dict[str, str]:
    """Return the header by which the service checks what arrives."""
    if service.digest == "md5":
        return {"content-md5": base64_of(digest)}
    return {_CHECKSUM + service.digest: base64_of(digest)}


def started_headers(service: Service) -> dict[str, str]:
    """Return the headers that say which checksums an upload in parts will have."""
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    if service.digest == "md5" or (service.digest == "crc32" and not service.whole_crc32):
        return {}
    kind = "FULL_OBJECT" if service.whole_crc32 else "COMPOSITE"
    return {"x-amz-checksum-algorithm": service.digest.upper(), "x-amz-checksum-type": kind}


def finished_headers(service: Service, digest: str) -> dict[str, str]:
    """Return the headers that say what an upload in parts comes to."""
    if not service.whole_crc32:
        return {}
    return {
        "x-amz-checksum-crc32": base64_of(digest),
        "x-amz-checksum-type": "FULL_OBJECT",
    }


def finished_body(service: Service, parts: Sequence[Part]) -> bytes:
    """Return the body that puts parts together, with their checksums where they were said."""
    algorithm = service.digest if started_headers(service) else ""
    return complete_body(
        (
            part.number,
            part.token,
            (algorithm, base64_of(part.checksums[algorithm])) if algorithm else None,
        )
        for part in parts
    )


def body_headers(body: bytes, content_type: str = "application/xml") -> dict[str, str]:
    """Return the headers of a document; some services ask for its MD5."""
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return {"content-md5": base64_of(digest), "content-type": content_type}


def is_composite(etag: str | None) -> bool:
    """Return whether an ETag looks like one of an object that came in parts."""
    return etag is not None and _COMPOSITE.fullmatch(etag) is not None


# ---------------------------------------------------------------------- told of one object

_MD5 = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("(?:[0-9a-f]{2}){16,32}")
_COMPOSITE = re.compile("[0-9a-f]{32}-[1-9][0-9]{0,8}")
_CHECKSUM = "x-amz-checksum-"
_DIGESTS = ("crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256")
_CHECKSUM_HEADERS = {_CHECKSUM + algorithm: algorithm for algorithm in _DIGESTS}
# Objects that are encrypted with these have ETags that are no MD5s:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
_OPAQUE = ("aws:kms", "aws:kms:dsse")
_EXTRAS = {
    "cache-control": "cache_control",
    "content-disposition": "content_disposition",
    "content-language": "content_language",
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
}


def object_info(
    name: str, headers: Mapping[str, str], size: int | None, service: Service
) -> ObjectInfo:
    """Return all that the answer to GET or HEAD tells."""
    metadata: dict[str, str] = {}
    extra: dict[str, object] = {}
    for header, value in headers.items():
        if header in _EXTRAS:
            extra[_EXTRAS[header]] = value
        elif header.startswith(META):
            metadata[header[len(META) :]] = decode_text(value)
    encoding = headers.get("content-encoding")
    if encoding is not None:
        # Some servers keep what was only the form of the upload.
        kept = [one.strip() for one in encoding.split(",") if one.strip() != "aws-chunked"]
        if kept:
            extra["content_encoding"] = ", ".join(kept)
    etag = clean_etag(headers.get("etag"))
    composite = composites(headers, etag, service)
    if composite:
        extra["composite"] = composite
    return ObjectInfo(
        name=name,
        size=size,
        etag=etag,
        checksums=checksums(headers, etag, service),
        last_modified=parse_date(headers.get("last-modified")),
        content_type=headers.get("content-type"),
        metadata=metadata,
        version=version(headers),
        storage_class=headers.get("x-amz-storage-class", "STANDARD"),
        extra=extra,
        complete=True,
    )


def written_info(name: str, headers: Mapping[str, str], service: Service) -> ObjectInfo:
    """Return what the answer to a write tells."""
    etag = clean_etag(headers.get("etag"))
    composite = composites(headers, etag, service)
    return ObjectInfo(
        name,
        etag=etag,
        checksums=checksums(headers, etag, service),
        version=version(headers),
        extra={"composite": composite} if composite else {},
    )


def version(headers: Mapping[str, str]) -> str | None:
    """Return the version; objects of buckets that keep none have one that is called null."""
    told = headers.get("x-amz-version-id")
    return None if told == "null" else told


def checksums(headers: Mapping[str, str], etag: str | None, service: Service) -> dict[str, str]:
    """Return the digests of the whole object that an answer tells."""
    found = {}
    if (
        etag is not None
        and service.md5_etags
        and _MD5.fullmatch(md5 := etag.lower())
        and _has_plain_etag(headers)
    ):
        found["md5"] = md5
    kind = headers.get("x-amz-checksum-type")
    for header, algorithm in _CHECKSUM_HEADERS.items():
        # Of what came in parts, services that do not tell the type may mean the digest of those.
        if header in headers and (
            kind == "FULL_OBJECT" if is_composite(etag) else kind != "COMPOSITE"
        ):
            digest = hex_digest(algorithm, headers[header])
            if digest is not None:
                found[algorithm] = digest
    return found


def composites(headers: Mapping[str, str], etag: str | None, service: Service) -> dict[str, str]:
    """Return the digests of the parts' digests, each with a dash and the number of the parts."""
    found = {}
    if (
        etag is not None
        and service.md5_etags
        and service.composite_etags
        and is_composite(etag)
        and _has_plain_etag(headers)
    ):
        found["md5"] = etag
    for header, algorithm in _CHECKSUM_HEADERS.items():
        value, _, count = headers.get(header, "").partition("-")
        digest = hex_digest(algorithm, value)
        if digest is not None and parse_size(count):
            found[algorithm] = f"{digest}-{count}"
    return found


def _has_plain_etag(headers: Mapping[str, str]) -> bool:
    """Return whether encryption leaves the ETag what it would be without."""
    return (
        headers.get("x-amz-server-side-encryption") not in _OPAQUE
        and "x-amz-server-side-encryption-customer-algorithm" not in headers
    )


# ---------------------------------------------------------------------- other answers


def result_info(name: str, answer: Answer, service: Service) -> ObjectInfo:
    """Return what the answer to Complete or Copy tells, in its body and in its headers."""
    told = answer.told
    merged = dict(answer.headers)
    if told.get("ETag"):
        merged["etag"] = told["ETag"]
    for algorithm in _DIGESTS:
        value = told.get(f"Checksum{algorithm.upper()}")
        if value:
            merged[_CHECKSUM + algorithm] = value
    merged["x-amz-checksum-type"] = told.get("ChecksumType", merged.get("x-amz-checksum-type", ""))
    when = parse_timestamp(told.get("LastModified"))
    return replace(written_info(name, merged, service), last_modified=when)


def kept_headers(
    info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
) -> dict[str, str]:
    """Return the headers that keep all that is kept with an object, but for what is replaced."""
    extra = info.extra
    options = WriteOptions(
        content_type=content_type or "binary/octet-stream",
        metadata=(info.metadata or {}) if metadata is None else metadata,
    )
    headers = write_headers(options)
    if content_type is None and info.content_type:
        headers["content-type"] = info.content_type
    for header, label in _KEPT:
        value = extra.get(label)
        if isinstance(value, str):
            headers[header] = value
    return headers


def keeps(info: ObjectInfo, headers: Mapping[str, str]) -> bool:
    """Return whether an object has the metadata and the content type that headers say."""
    kept = kept_headers(info, None, None)
    asked = {name for name in headers if name == "content-type" or name.startswith(META)}
    asked.discard(TOKEN)
    return kept.items() <= headers.items() and asked <= kept.keys()


def carried_headers(info: ObjectInfo) -> dict[str, str]:
    """Return the headers of how an object is stored, which a copy loses unless they are sent."""
    headers = {}
    if info.storage_class not in {None, "STANDARD"}:
        headers["x-amz-storage-class"] = str(info.storage_class)
    if info.extra.get("encryption") in _OPAQUE:
        headers["x-amz-server-side-encryption"] = str(info.extra["encryption"])
        if info.extra.get("kms_key"):
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = str(info.extra["kms_key"])
    return headers
