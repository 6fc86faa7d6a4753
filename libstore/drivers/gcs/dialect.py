"""
The resources and headers of Google Cloud Storage, to and from the records of `libstore.values`.

The ETag of an object is its generation, a number that every write changes. Listings, reads and
writes return it, and conditions compare it.
https://cloud.google.com/storage/docs/json_api/v1/objects#resource
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import ObjectChangedError, ServiceError
from ...http.headers import parse_date, parse_size, parse_timestamp
from ...http.message import Response
from ...readonly import no_pairs
from ...rest.checksums import base64_of, hex_digest
from ...rest.dialect import parameters, sorted_page, with_token
from ...rest.errors import rejects_malformed
from ...rest.header_text import decode_text, encode_text, text_of
from ...rest.operation import unproven
from ...rest.reading import sent_span
from ...values import (
    TOKEN_KEY,
    Conditions,
    ContainerInfo,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    Span,
    WriteOptions,
)

#: The fields that a copy with other attributes repeats, with the names of the write options.
KEPT = {
    "cacheControl": "cache_control",
    "contentDisposition": "content_disposition",
    "contentEncoding": "content_encoding",
    "contentLanguage": "content_language",
}
_EXTRAS = {
    **KEPT,
    "customTime": "custom_time",
    "kmsKeyName": "kms_key",
    "eventBasedHold": "event_based_hold",
    "temporaryHold": "temporary_hold",
    "retentionExpirationTime": "locked_until",
    "metageneration": "metageneration",
    "componentCount": "components",
}
_LABELS = tuple(_EXTRAS.values())
_HEADER_EXTRAS = {
    "cache-control": "cache_control",
    "content-disposition": "content_disposition",
    "content-language": "content_language",
    "x-goog-stored-content-encoding": "content_encoding",
    "x-goog-metageneration": "metageneration",
    "x-goog-custom-time": "custom_time",
    "x-goog-component-count": "components",
}
_BUCKET_EXTRAS = {
    "location": "location",
    "locationType": "location_type",
    "storageClass": "storage_class",
    "metageneration": "metageneration",
    "projectNumber": "project_number",
    "labels": "labels",
    "rpo": "rpo",
}
_NEW_BUCKET = {"location": "location", "storage_class": "storageClass", "labels": "labels"}
#: The fields of checksums.
DIGESTS = {"md5": "md5Hash", "crc32c": "crc32c"}
_EMPTY_CRC32C = "AAAAAA=="
#: In bytes: https://cloud.google.com/storage/quotas#objects
MAX_METADATA = 8_192

# ---------------------------------------------------------------------- responses


@rejects_malformed
def object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    """Return the attributes of an object, from its resource."""
    return _object_info(resource)


def _object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    get = resource.get
    name = get("name")
    if not isinstance(name, str):
        raise ServiceError("the response is not an object resource: it has no name")
    generation = _number(get("generation"))
    extra = {
        label: value for label, value in zip(_LABELS, map(get, _EXTRAS), strict=True) if value
    }
    customer = get("customerEncryption")
    if isinstance(customer, dict):
        extra["customer_encryption"] = customer.get("encryptionAlgorithm")
    checksums = {}
    for algorithm, field in DIGESTS.items():
        digest = hex_digest(algorithm, get(field))
        if digest is not None:
            checksums[algorithm] = digest
    metadata = get("metadata")
    return ObjectInfo(
        name,
        _size(resource),
        generation or text_of(get("etag")),
        checksums,
        parse_timestamp(get("updated") or get("timeCreated")),
        text_of(get("contentType")) or "application/octet-stream",
        _metadata(metadata) if isinstance(metadata, dict) else no_pairs(),
        generation,
        text_of(get("storageClass")),
        extra,
        complete=True,
    )


def _metadata(stored: Mapping[object, object]) -> dict[str, str]:
    return {
        str(key).lower(): decode_text(value)
        for key, value in stored.items()
        if isinstance(value, str)
    }


def version_info(resource: Mapping[str, Any]) -> ObjectInfo:
    """Return one version of an object; only versions that are not current have a deletion time."""
    # https://cloud.google.com/storage/docs/json_api/v1/objects#resource
    info = object_info(resource)
    return replace(info, extra={**info.extra, "is_current": "timeDeleted" not in resource})


def _size(resource: Mapping[str, Any]) -> int | None:
    """Return the size of an object; Google's storage-testbench omits that of an empty one."""
    if "size" not in resource and resource.get("crc32c") == _EMPTY_CRC32C:
        return 0
    return parse_size(resource.get("size"))


def require_name(resource: Mapping[str, Any], name: str) -> None:
    """Raise `ServiceError` if the response to a write or a change has another name."""
    if resource.get("name") != name:
        raise unproven(
            None,
            "the response does not name the object or bucket that was written or changed; check"
            " the endpoint and any proxy",
        )


def _number(value: object) -> str | None:
    if isinstance(value, int):
        value = str(parse_size(value) or "")
    valid = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20
    return str(value) if valid else None


def read_info(name: str, response: Response) -> tuple[ObjectInfo, Span]:
    """Return the attributes in the response to a read, and the span of its body."""
    headers = response.headers
    span, size = sent_span(response, parse_size(headers.get("x-goog-stored-content-length")))
    extra: dict[str, object] = {
        label: headers[header] for header, label in _HEADER_EXTRAS.items() if header in headers
    }
    if extra.get("content_encoding") == "identity":
        del extra["content_encoding"]
    info = replace(
        written_info(name, headers),
        size=size,
        last_modified=parse_date(headers.get("last-modified")),
        content_type=headers.get("content-type"),
        storage_class=headers.get("x-goog-storage-class"),
        extra=extra,
    )
    return info, span


def written_info(name: str, headers: Mapping[str, str]) -> ObjectInfo:
    """Return the attributes in the headers of the response to a write."""
    generation = _number(headers.get("x-goog-generation"))
    digests = header_digests(headers.get("x-goog-hash"))
    return ObjectInfo(name, etag=generation, checksums=digests, version=generation)


def header_digests(text: str | None) -> dict[str, str]:
    """Return the digests in the header ``x-goog-hash``, in hexadecimal."""
    pairs = (piece.strip().partition("=") for piece in (text or "").split(","))
    return {
        algorithm: digest
        for algorithm, _, value in pairs
        if algorithm in DIGESTS and (digest := hex_digest(algorithm, value)) is not None
    }


# ---------------------------------------------------------------------- requests


def hash_header(checksums: Mapping[str, str]) -> str:
    """Return the value of the header ``x-goog-hash``."""
    return ",".join(
        f"{name}={base64_of(checksums[name])}" for name in DIGESTS if name in checksums
    )


def conditions(given: Conditions) -> dict[str, str]:
    """Return the parameters of conditions."""
    # https://cloud.google.com/storage/docs/request-preconditions
    if given.if_absent:
        return {"ifGenerationMatch": "0"}
    if given.if_none_match is not None:
        other = _number(given.if_none_match)
        return {} if other is None else {"ifGenerationNotMatch": other}
    if given.if_match is None:
        return {}
    generation = _number(given.if_match)
    if generation is None or generation == "0":
        raise ObjectChangedError(
            "no object has this ETag: ETags of Google Cloud Storage are generation numbers"
        )
    return {"ifGenerationMatch": generation}


def new_object(name: str, options: WriteOptions) -> dict[str, Any]:
    """Return the resource of a new object."""
    resource: dict[str, Any] = {"name": name, "contentType": options.content_type}
    for field, option in KEPT.items():
        value = getattr(options, option)
        if value is not None:
            resource[field] = value
    if options.storage_class is not None:
        resource["storageClass"] = options.storage_class
    metadata = with_token(stored_metadata(options.metadata), options.conditions, "", MAX_METADATA)
    if metadata:
        resource["metadata"] = metadata
    if "custom_time" in options.extra:
        resource["customTime"] = options.extra["custom_time"]
    return resource


def token_of(resource: Mapping[str, Any] | None) -> str | None:
    """Return the write token in a resource, if it has one."""
    metadata = (resource or {}).get("metadata") or {}
    return metadata.get(TOKEN_KEY)


def stored_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """
    Return metadata as it is stored.

    JSON can have any text. But text beyond ASCII that was written by the XML API is an encoded
    word of RFC 2047, which is decoded. Text that has this form is therefore encoded too.
    """
    return {
        key: encode_text(value) if decode_text(value) != value else value
        for key, value in metadata.items()
    }


# ---------------------------------------------------------------------- listings


def list_query(query: ListQuery, token: str | None, limit: int) -> dict[str, str]:
    """Return the parameters of one page."""
    return parameters(
        {
            "maxResults": str(limit),
            "prefix": query.prefix,
            "delimiter": query.delimiter,
            "startOffset": query.start_after,  # lists this name too
            "pageToken": token,
        }
    )


def listed(document: Mapping[str, Any], field: str) -> list[Any]:
    """Return the items of a page; an empty page has no such field."""
    found = document.get(field) or []
    if not isinstance(found, list):
        raise ServiceError(f"the response is not a listing: its {field} is not a list")
    return found


def next_token(document: Mapping[str, Any]) -> str | None:
    """Return the token of the next page, if there is one."""
    return str(document.get("nextPageToken") or "") or None


@rejects_malformed
def list_page(document: Mapping[str, Any], query: ListQuery) -> Page[ObjectInfo | Prefix]:
    """Return the objects and prefixes of one page, sorted by name."""
    items: list[ObjectInfo | Prefix] = [_object_info(one) for one in listed(document, "items")]
    items += [Prefix(str(name)) for name in listed(document, "prefixes")]
    return sorted_page(items, query, next_token(document))


# ---------------------------------------------------------------------- buckets


@rejects_malformed
def bucket_info(resource: Mapping[str, Any]) -> ContainerInfo:
    """Return the attributes of a bucket, from its resource."""
    name = resource.get("name")
    if not isinstance(name, str) or not name:
        raise ServiceError("the response is not a bucket resource: it has no name")
    extra = {
        label: resource[field] for field, label in _BUCKET_EXTRAS.items() if field in resource
    }
    iam = resource.get("iamConfiguration")
    if isinstance(iam, Mapping):
        uniform = iam.get("uniformBucketLevelAccess")
        extra["uniform_access"] = bool(isinstance(uniform, Mapping) and uniform.get("enabled"))
        if "publicAccessPrevention" in iam:
            extra["public_access_prevention"] = iam["publicAccessPrevention"]
    versioning = resource.get("versioning")
    if isinstance(versioning, Mapping):
        extra["versioning"] = bool(versioning.get("enabled"))
    return ContainerInfo(
        name,
        created=parse_timestamp(resource.get("timeCreated")),
        extra=extra,
        complete=True,
    )


def new_bucket(name: str, extra: Mapping[str, object]) -> dict[str, Any]:
    """Return the resource of a new bucket."""
    resource: dict[str, Any] = {"name": name}
    for option, field in _NEW_BUCKET.items():
        if option in extra:
            resource[field] = extra[option]
    if "versioning" in extra:
        resource["versioning"] = {"enabled": extra["versioning"]}
    iam: dict[str, Any] = {}
    if "uniform_access" in extra:
        iam["uniformBucketLevelAccess"] = {"enabled": extra["uniform_access"]}
    if "public_access_prevention" in extra:
        iam["publicAccessPrevention"] = extra["public_access_prevention"]
    if iam:
        resource["iamConfiguration"] = iam
    return resource
