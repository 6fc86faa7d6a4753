"""
Between Azure's headers and listings and the records of this library.

Pure functions: what is sent is made from records here, and what comes back is read into them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote, urlencode

from ...errors import InvalidOptionError
from ...http.headers import clean_etag, parse_date, parse_size
from ...http.xml import Listing
from ...rest.checksums import hex_digest, key_headers
from ...rest.confirming import with_token
from ...rest.header_text import EMPTY, decode_text, encode_text
from ...values import (
    TOKEN_KEY,
    Conditions,
    ContainerInfo,
    ObjectInfo,
    Page,
    Prefix,
    WriteOptions,
)

META = "x-ms-meta-"
TOKEN = META + TOKEN_KEY
#: What is kept with a blob besides its metadata, by the names of options.
KEPT = {
    "content_type": "x-ms-blob-content-type",
    "cache_control": "x-ms-blob-cache-control",
    "content_disposition": "x-ms-blob-content-disposition",
    "content_encoding": "x-ms-blob-content-encoding",
    "content_language": "x-ms-blob-content-language",
}
_MOST_METADATA = 8_192

# ---------------------------------------------------------------------- metadata

# Names are those of C#: letters, digits and underscores, no digit at the beginning.
# https://learn.microsoft.com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_MARK = "libstore_"
_ENCODED = re.compile(r"libstore_(?:[a-z0-9]|_[0-9a-f]{2})+", re.ASCII)
_PLAIN = re.compile(r"[a-z0-9]", re.ASCII)
_PIECE = re.compile(r"_([0-9a-f]{2})", re.ASCII)


def encode_key(key: str) -> str:
    """
    Return the name under which Azure can keep a pair.

    One that is no identifier is written ``libstore_``, and each character in it that is neither a
    letter nor a digit as an underscore and its code: ``libstore_with_2ddash``.
    """
    if _IDENTIFIER.fullmatch(key) and not key.startswith(_MARK):
        return key
    return _MARK + "".join(
        character if _PLAIN.match(character) else f"_{ord(character):02x}" for character in key
    )


def decode_key(key: str) -> str:
    """Return what a name stands for."""
    key = key.lower()
    if not _ENCODED.fullmatch(key):
        return key
    return _PIECE.sub(lambda match: chr(int(match[1], 16)), key.removeprefix(_MARK))


def metadata_headers(metadata: Mapping[str, str], conditions: Conditions) -> dict[str, str]:
    """
    Return the headers of metadata, and of the token of a write if there is room for it.

    Raises:
        InvalidOptionError: As it is written it is larger than the service takes.
    """
    headers = {
        META + encode_key(key): encode_text(value) if value else EMPTY
        for key, value in metadata.items()
    }
    size = sum(len(name) - len(META) + len(value) for name, value in headers.items())
    if size > _MOST_METADATA:
        raise InvalidOptionError(
            f"the metadata has {size} bytes as it is sent, where text beyond ASCII takes more;"
            f" Azure takes at most {_MOST_METADATA}"
        )
    return with_token(headers, conditions, META, _MOST_METADATA)


# ---------------------------------------------------------------------- sent


def kept_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what is kept with a blob."""
    headers = {}
    for option, name in KEPT.items():
        value = getattr(options, option)
        if value is not None:
            headers[name] = ascii_value(value, option)
    headers |= metadata_headers(options.metadata, options.conditions)
    return headers | extra_headers(options.storage_class, options.extra)


def extra_headers(storage_class: str | None, extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of what only Azure has."""
    headers = {}
    tier = extra.get("access_tier", storage_class)
    if storage_class is not None and tier != storage_class:
        raise InvalidOptionError("access_tier and storage_class are the same thing; give one")
    if tier is not None:
        headers["x-ms-access-tier"] = ascii_value(str(tier), "access_tier")
    tags = extra.get("tags")
    if isinstance(tags, Mapping):
        # Microsoft's own clients write a space so; a plus may be one in a tag.
        headers["x-ms-tags"] = urlencode(tags, quote_via=quote)
    return headers


def encryption_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of how an upload is encrypted, which all its requests need."""
    key, scope = extra.get("customer_key"), extra.get("encryption_scope")
    if key is not None and scope is not None:
        raise InvalidOptionError("customer_key and encryption_scope exclude each other")
    if isinstance(scope, str):
        return {"x-ms-encryption-scope": ascii_value(scope, "encryption_scope")}
    return key_headers(key, "x-ms-")


def ascii_value(value: str, option: str) -> str:
    """Return a text that can stand in a header."""
    if not value.isascii():
        raise InvalidOptionError(
            f"{option} must be ASCII, for it stands in a header; a file name of other letters"
            " is written filename*=UTF-8''… (RFC 6266)"
        )
    return value


def condition_headers(conditions: Conditions) -> dict[str, str]:
    """Return the headers that ask for the conditions."""
    if conditions.if_absent:
        return {"if-none-match": "*"}
    if conditions.if_match is not None:
        return {"if-match": quoted(conditions.if_match)}
    return {}


def quoted(etag: str) -> str:
    """Return an ETag as headers have it."""
    return f'"{ascii_value(etag, "if_match")}"'


# ---------------------------------------------------------------------- told of one blob

_EXTRAS = {
    "cache-control": "cache_control",
    "content-disposition": "content_disposition",
    "content-encoding": "content_encoding",
    "content-language": "content_language",
    "x-ms-blob-type": "blob_type",
    "x-ms-creation-time": "created",
    "x-ms-lease-state": "lease_state",
    "x-ms-lease-status": "lease_status",
    "x-ms-archive-status": "archive_status",
    "x-ms-rehydrate-priority": "rehydrate_priority",
    "x-ms-tag-count": "tag_count",
    "x-ms-encryption-scope": "encryption_scope",
    "x-ms-encryption-key-sha256": "customer_key_sha256",
    "x-ms-copy-id": "copy_id",
    "x-ms-copy-status": "copy_status",
    "x-ms-copy-status-description": "copy_status_description",
    "x-ms-immutability-policy-until-date": "immutable_until",
    "x-ms-legal-hold": "legal_hold",
    "x-ms-last-access-time": "last_access",
}
# The types of blobs whose digest cannot be that of an earlier content.
_BELIEVED = frozenset({None, "BlockBlob"})


def object_info(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    """Return all that the answer to GET or HEAD tells."""
    metadata = {
        decode_key(header[len(META) :]): decode_text(value)
        for header, value in headers.items()
        if header.startswith(META)
    }
    extra: dict[str, object] = {
        label: headers[header] for header, label in _EXTRAS.items() if header in headers
    }
    # With a range, Content-MD5 would be that of the range.
    md5 = headers.get("x-ms-blob-content-md5")
    if md5 is None and "content-range" not in headers:
        md5 = headers.get("content-md5")
    if md5 and headers.get("x-ms-blob-type") not in _BELIEVED:
        extra["content_md5"] = md5
    return ObjectInfo(
        name=name,
        size=size,
        etag=clean_etag(headers.get("etag")),
        checksums=checksums(md5, headers.get("x-ms-blob-type")),
        last_modified=parse_date(headers.get("last-modified")),
        content_type=headers.get("content-type"),
        metadata=metadata,
        version=headers.get("x-ms-version-id"),
        storage_class=headers.get("x-ms-access-tier"),
        extra=extra,
        complete=True,
    )


def written_info(name: str, headers: Mapping[str, str], md5: str | None = None) -> ObjectInfo:
    """Return what the answer to a write tells; `md5` is hexadecimal."""
    return ObjectInfo(
        name,
        etag=clean_etag(headers.get("etag")),
        checksums={"md5": md5} if md5 else {},
        last_modified=parse_date(headers.get("last-modified")),
        version=headers.get("x-ms-version-id"),
    )


def checksums(md5: str | None, blob_type: str | None) -> dict[str, str]:
    """Return the digest that is told; that of other blobs stays as it is when they change."""
    digest = hex_digest("md5", md5) if blob_type in _BELIEVED else None
    return {"md5": digest} if digest else {}


# ---------------------------------------------------------------------- listings


def blob_name(row: Mapping[str, str]) -> str:
    """Return the name in a row of a listing, decoded where XML could not carry it."""
    name = row.get("Name", "")
    return unquote(name) if row.get("Name@Encoded", "").lower() == "true" else name


def list_page(rows: Sequence[tuple[str, Mapping[str, str]]]) -> list[ObjectInfo | Prefix]:
    """Return the blobs and prefixes of one page, in the order of their names."""
    items: list[ObjectInfo | Prefix] = [
        Prefix(blob_name(row)) if tag == "BlobPrefix" else _listed(row) for tag, row in rows
    ]
    # Strings sort by code points, which is how UTF-8 sorts.
    return sorted(items, key=lambda item: item.name)


_LISTED_EXTRAS = {
    "Properties/BlobType": "blob_type",
    "Properties/Creation-Time": "created",
    "Properties/Cache-Control": "cache_control",
    "Properties/Content-Disposition": "content_disposition",
    "Properties/Content-Encoding": "content_encoding",
    "Properties/Content-Language": "content_language",
    "Properties/LeaseState": "lease_state",
    "Properties/ArchiveStatus": "archive_status",
}


def _listed(row: Mapping[str, str]) -> ObjectInfo:
    return ObjectInfo(
        name=blob_name(row),
        size=parse_size(row.get("Properties/Content-Length")),
        etag=clean_etag(row.get("Properties/Etag")),
        checksums=checksums(row.get("Properties/Content-MD5"), row.get("Properties/BlobType")),
        last_modified=parse_date(row.get("Properties/Last-Modified")),
        content_type=row.get("Properties/Content-Type") or None,
        version=row.get("VersionId") or None,
        storage_class=row.get("Properties/AccessTier") or None,
        extra={label: row[path] for path, label in _LISTED_EXTRAS.items() if row.get(path)},
    )


def container_page(page: Listing) -> Page[ContainerInfo]:
    """Return the containers of an answer, sorted by name."""
    found = [
        ContainerInfo(
            row.get("Name", ""),
            extra=_container_extra(
                row.get("Properties/PublicAccess"), row.get("Properties/Last-Modified")
            ),
        )
        for _, row in page.rows
    ]
    token = page.head.get("NextMarker") or None
    return Page(sorted(found, key=lambda info: info.name), token)


def container_info(name: str, headers: Mapping[str, str]) -> ContainerInfo:
    """Return all that an answer tells of a container."""
    extra = _container_extra(headers.get("x-ms-blob-public-access"), headers.get("last-modified"))
    return ContainerInfo(name, extra=extra, complete=True)


def _container_extra(public: str | None, modified: str | None) -> dict[str, object]:
    extra: dict[str, object] = {"public_access": public or None}
    when = parse_date(modified)
    if when is not None:
        extra["last_modified"] = when
    return extra
