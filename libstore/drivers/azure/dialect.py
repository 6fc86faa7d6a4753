"""The headers of requests from records, and records from headers and rows of listings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import quote, unquote, urlencode

from ... import rest
from ...errors import InvalidOptionError
from ...rest.checksums import key_headers
from ...rest.dialect import CONTENT_EXTRAS, ascii_value, metadata_size
from ...rest.header_text import EMPTY, encode_text
from ...values import (
    TOKEN_KEY,
    Conditions,
    ContainerInfo,
    CopyOptions,
    ObjectInfo,
    Page,
    Prefix,
    WriteOptions,
)

#: A row of a listing: the name of the element, and its texts by path.
Row: TypeAlias = "tuple[str, Mapping[str, str]]"

META = "x-ms-meta-"
TOKEN = META + TOKEN_KEY
_MAX_METADATA = 8_192

# ---------------------------------------------------------------------- metadata

# Names are identifiers of C#: letters, digits and underscores, not starting with a digit.
# https://learn.microsoft.com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
# A key that is not an identifier gets the prefix libstore_, and each of its characters that is
# neither a letter nor a digit becomes an underscore and its code: libstore_with_2ddash.
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_MARK = "libstore_"
_ENCODED = re.compile(r"libstore_(?:[a-z0-9]|_[0-9a-f]{2})+", re.ASCII)
_PLAIN = re.compile(r"[a-z0-9]", re.ASCII)
_PIECE = re.compile(r"_([0-9a-f]{2})", re.ASCII)


def encode_key(key: str) -> str:
    """Return the name under which Azure stores a metadata key."""
    if _IDENTIFIER.fullmatch(key) and not key.startswith(_MARK):
        return key
    return _MARK + "".join(
        character if _PLAIN.match(character) else f"_{ord(character):02x}" for character in key
    )


def decode_key(key: str) -> str:
    """Return the metadata key of a name."""
    key = key.lower()
    if not _ENCODED.fullmatch(key):
        return key
    return _PIECE.sub(lambda match: chr(int(match[1], 16)), key.removeprefix(_MARK))


def _encode_value(value: str) -> str:
    return encode_text(value) if value else EMPTY


HEADERS = rest.HeaderDialect(
    META,
    content={
        "content_type": "x-ms-blob-content-type",
        "cache_control": "x-ms-blob-cache-control",
        "content_disposition": "x-ms-blob-content-disposition",
        "content_encoding": "x-ms-blob-content-encoding",
        "content_language": "x-ms-blob-content-language",
    },
    storage_class="x-ms-access-tier",
    version="x-ms-version-id",
    extra={
        **CONTENT_EXTRAS,
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
    },
    encode_key=encode_key,
    decode_key=decode_key,
    encode_value=_encode_value,
)

# ---------------------------------------------------------------------- requests


def metadata_headers(metadata: Mapping[str, str], conditions: Conditions) -> dict[str, str]:
    """Return the headers of metadata, with the token of a write if it fits."""
    return _with_token(HEADERS.metadata_headers(metadata), conditions)


def _with_token(headers: Mapping[str, str], conditions: Conditions) -> dict[str, str]:
    size = metadata_size(headers, META)
    if size > _MAX_METADATA:
        raise InvalidOptionError(
            f"the metadata has {size} bytes when encoded as ASCII; Azure allows {_MAX_METADATA}"
        )
    return rest.with_token(headers, conditions, META, _MAX_METADATA)


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of a new blob, without those of its encryption."""
    headers = _with_token(HEADERS.write_headers(options), options.conditions)
    return headers | extra_headers(options.storage_class, options.extra)


def copy_headers(info: ObjectInfo, options: CopyOptions) -> dict[str, str]:
    """Return the headers of a copy of a blob, which keeps what the options do not replace."""
    headers = HEADERS.kept_headers(info, options.metadata, options.content_type)
    headers = _with_token(headers, options.conditions)
    return headers | extra_headers(options.storage_class, options.extra)


def extra_headers(storage_class: str | None, extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of the access tier and the tags."""
    headers = {}
    tier = extra.get("access_tier", storage_class)
    if storage_class is not None and tier != storage_class:
        raise InvalidOptionError("access_tier and storage_class are the same option; pass one")
    if tier is not None:
        headers["x-ms-access-tier"] = ascii_value(str(tier), "access_tier")
    tags = extra.get("tags")
    if isinstance(tags, Mapping):
        # As Microsoft's clients do, a space is %20: a plus may be part of a tag.
        headers["x-ms-tags"] = urlencode(tags, quote_via=quote)
    return headers


@dataclass(frozen=True, slots=True)
class Encryption:
    """
    The headers of the encryption that a driver was created with.

    Attributes:
        reads: The headers of requests that read or change blobs.
        writes: The headers of new blobs, unless an upload or a copy has its own.
    """

    reads: Mapping[str, str]
    writes: Mapping[str, str]

    def of(self, extra: Mapping[str, object]) -> Mapping[str, str]:
        """Return the headers of a new blob with these options."""
        return encryption_headers(extra) or self.writes


def encryption_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of the encryption of one upload or copy, which all its requests need."""
    key, scope = extra.get("customer_key"), extra.get("encryption_scope")
    if key is not None and scope is not None:
        raise InvalidOptionError("customer_key and encryption_scope exclude each other; pass one")
    if isinstance(scope, str):
        return {"x-ms-encryption-scope": ascii_value(scope, "encryption_scope")}
    return key_headers(key, "x-ms-")


# ---------------------------------------------------------------------- responses

# The types of blobs whose MD5 changes with the content.
_DIGEST_TYPES = frozenset({None, "BlockBlob"})


def object_info(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    """Return the blob that the response to a GET or HEAD request describes."""
    # In the response to a range, Content-MD5 is that of the range.
    md5 = headers.get("x-ms-blob-content-md5")
    if md5 is None and "content-range" not in headers:
        md5 = headers.get("content-md5")
    blob_type = headers.get("x-ms-blob-type")
    return HEADERS.object_info(
        name,
        headers,
        size,
        etag=rest.clean_etag(headers.get("etag")),
        checksums=_checksums(md5, blob_type),
        extra={"content_md5": md5} if md5 and blob_type not in _DIGEST_TYPES else None,
    )


def written_info(name: str, headers: Mapping[str, str], md5: str | None = None) -> ObjectInfo:
    """Return the blob that the response to a write describes; `md5` is hexadecimal."""
    return ObjectInfo(
        name,
        etag=rest.clean_etag(headers.get("etag")),
        checksums={"md5": md5} if md5 else {},
        last_modified=rest.parse_date(headers.get("last-modified")),
        version=HEADERS.version_of(headers),
    )


def _checksums(md5: str | None, blob_type: str | None) -> dict[str, str]:
    """Return the MD5 of a blob; that of other types does not change with the content."""
    digest = rest.hex_digest("md5", md5) if blob_type in _DIGEST_TYPES else None
    return {"md5": digest} if digest else {}


# ---------------------------------------------------------------------- listings


def blob_name(row: Mapping[str, str]) -> str:
    """Return the name in a row of a listing, decoded where XML could not carry it."""
    name = row.get("Name", "")
    return unquote(name) if row.get("Name@Encoded", "").lower() == "true" else name


def list_items(rows: Sequence[Row]) -> list[ObjectInfo | Prefix]:
    """Return the blobs and prefixes in rows."""
    return [Prefix(blob_name(row)) if tag == "BlobPrefix" else row_info(row) for tag, row in rows]


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


def row_info(row: Mapping[str, str]) -> ObjectInfo:
    """Return the blob in a row."""
    return ObjectInfo(
        name=blob_name(row),
        size=rest.parse_size(row.get("Properties/Content-Length")),
        etag=rest.clean_etag(row.get("Properties/Etag")),
        checksums=_checksums(row.get("Properties/Content-MD5"), row.get("Properties/BlobType")),
        last_modified=rest.parse_date(row.get("Properties/Last-Modified")),
        content_type=row.get("Properties/Content-Type") or None,
        version=row.get("VersionId") or None,
        storage_class=row.get("Properties/AccessTier") or None,
        extra={label: row[path] for path, label in _LISTED_EXTRAS.items() if row.get(path)},
    )


def version_info(row: Mapping[str, str]) -> ObjectInfo:
    """Return the version of a blob in a row; accounts without versions list current blobs only."""
    # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
    info = row_info(row)
    current = info.version is None or row.get("IsCurrentVersion") == "true"
    return replace(info, extra={**info.extra, "is_current": current})


def container_page(page: rest.XMLResponse) -> Page[ContainerInfo]:
    """Return the containers of a page, sorted by name."""
    found = [
        container_info(
            row.get("Name", ""),
            row.get("Properties/PublicAccess"),
            row.get("Properties/Last-Modified"),
        )
        for _, row in page.rows
    ]
    token = page.fields.get("NextMarker") or None
    return Page(sorted(found, key=lambda info: info.name), token)


def container_info(name: str, public: str | None, modified: str | None) -> ContainerInfo:
    """Return a container, given who can read it and the date of its last change."""
    extra: dict[str, object] = {"public_access": public or None}
    when = rest.parse_date(modified)
    if when is not None:
        extra["last_modified"] = when
    return ContainerInfo(name, extra=extra)
