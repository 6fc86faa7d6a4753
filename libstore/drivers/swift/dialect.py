"""Swift's headers and rows of listings, and the records that they are made from and read into."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from ... import rest
from ...arguments import shorten
from ...errors import ServiceError
from ...rest.dialect import CONTENT_EXTRAS, parameters
from ...rest.header_text import encode_text, text_of
from ...values import TOKEN_KEY, ContainerInfo, ListQuery, ObjectInfo, Page, Prefix, WriteOptions
from .info import Info

META = "x-object-meta-"
TOKEN = META + TOKEN_KEY
#: The MD5 of a large object that this library wrote, behind the ETag of its manifest.
WHOLE_MD5 = META + "libstore-md5"
_CEPH_LARGE = META + "static-large-object"
_MD5 = re.compile("[0-9a-f]{32}")
_SWIFT = Info()
_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"  # the MD5 of no bytes
# https://github.com/openstack/swift/blob/master/swift/common/middleware/versioned_writes/object_versioning.py
_DELETE_MARKER = "application/x-deleted;swift_versions_deleted"
# The names in `ContainerInfo.extra` of headers.
_CONTAINER_EXTRAS: Mapping[str, str] = {
    "x-storage-policy": "storage_policy",
    "x-container-read": "read_acl",
    "x-container-write": "write_acl",
    "x-versions-enabled": "versions",
    "x-versions-location": "versions_location",
    "x-history-location": "history_location",
}

#: One object, prefix or container in a listing, or one entry of a manifest.
Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row]
#: Has all copies of an object compared; https://docs.openstack.org/api-ref/object-store/
NEWEST: Mapping[str, str] = {"x-newest": "true"}

# ---------------------------------------------------------------------- metadata


def encode_key(key: str) -> str:
    """Return a metadata key as part of a header's name, which python-swiftclient decodes."""
    # Swift drops headers with an underscore, and proxies may drop others.
    return quote(key, safe="").replace("_", "%5F").replace("~", "%7E")


def decode_key(key: str) -> str:
    """Return the metadata key of a header without its prefix."""
    # Swift's S3 API writes an underscore as =5F.
    return unquote(key).replace("=5f", "_").lower()


def encode_value(value: str) -> str:
    """Return a metadata value as the value of a header: UTF-8, or encoded words of RFC 2047."""
    # Swift loses an empty value, and what `str.strip` removes from what it reads as Latin-1.
    bytes_as_text = value.encode().decode("latin-1")
    if value.isascii() or value.startswith("=?") or bytes_as_text != bytes_as_text.strip():
        return encode_text(value)
    return value


HEADERS = rest.HeaderDialect(
    META,
    version="x-object-version-id",
    extra={**CONTENT_EXTRAS, "expires": "expires", "x-robots-tag": "x_robots_tag"},
    kept={"expires": "expires", "x_robots_tag": "x-robots-tag"},
    encode_key=encode_key,
    decode_key=decode_key,
    encode_value=encode_value,
)


def metadata_fault(headers: Mapping[str, str], info: Info = _SWIFT) -> str:
    """Return the error of metadata that exceeds the limits of a cluster; empty if none does."""
    own = {name: value for name, value in headers.items() if name.startswith(META)}
    if len(own) > info.max_meta_count:
        return (
            f"{len(own)} pairs of metadata are too many; the service stores {info.max_meta_count}"
        )
    for name, value in own.items():
        key = name.removeprefix(META)
        if len(key) > info.max_meta_name or len(value.encode()) > info.max_meta_value:
            return (
                f"the metadata {shorten(decode_key(key))} is too long; the service stores keys of"
                f" at most {info.max_meta_name} bytes and values of {info.max_meta_value}"
            )
    return ""


def with_own(
    headers: Mapping[str, str], name: str, value: str | None, info: Info = _SWIFT
) -> dict[str, str]:
    """Return headers with one of this library, if the user's metadata leave space for it."""
    found = dict(headers) if value is None else {**headers, name: value}
    return dict(headers) if metadata_fault(found, info) else found


def with_whole_md5(
    headers: Mapping[str, str], etag: str | None, md5: str | None, info: Info = _SWIFT
) -> dict[str, str]:
    """Return headers with the MD5 of a large object, if the user's metadata leave space for it."""
    return with_own(headers, WHOLE_MD5, f"{etag}:{md5}" if md5 else None, info)


# ---------------------------------------------------------------------- requests


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers with the content type, metadata and options of a new object."""
    return HEADERS.write_headers(options) | extra_headers(options.extra)


def kept_headers(
    info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
) -> dict[str, str]:
    """Return the headers that store again what is stored with an object; see `HeaderDialect`."""
    headers = HEADERS.kept_headers(info, metadata, content_type)
    expires = info.extra.get("delete_at")
    if isinstance(expires, datetime):
        headers["x-delete-at"] = str(int(expires.timestamp()))
    return headers


def extra_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of options that only Swift has."""
    # https://docs.openstack.org/swift/latest/overview_expiring_objects.html
    names = {"delete_at": "x-delete-at", "delete_after": "x-delete-after"}
    return {header: str(extra[name]) for name, header in names.items() if name in extra}


def page_query(query: ListQuery, marker: str | None, limit: int | None = None) -> dict[str, str]:
    """Return the parameters of one page; without a limit the cluster chooses its size."""
    if marker is None:
        # No name has a NUL: names that sort behind "a\0b" are those that sort behind "a".
        marker = query.start_after.partition("\0")[0]
    return parameters(
        {
            "format": "json",
            "limit": str(limit or ""),
            "prefix": query.prefix,
            "delimiter": query.delimiter,
            "marker": marker,
        }
    )


def version_query(prefix: str, token: str | None, limit: int) -> dict[str, str]:
    """Return the parameters of one page of versions."""
    # https://docs.openstack.org/swift/latest/middleware.html#object-versioning
    version, _, marker = (token or "").partition("\n")
    place = parameters({"version_marker": version})
    return {**page_query(ListQuery(prefix), marker, limit), **place, "versions": ""}


# ---------------------------------------------------------------------- responses


def is_large(headers: Mapping[str, str]) -> bool:
    """Return whether an object is a static large object."""
    return headers.get("x-static-large-object", "").lower() in {"true", "1", "yes", "on"}


def has_unknown_size(headers: Mapping[str, str]) -> bool:
    """Return whether an object is a dynamic large object of more segments than a page lists."""
    # Swift then sends the ETag of the manifest, without quotes, and no size or that of one page:
    # https://github.com/openstack/swift/blob/master/swift/common/middleware/dlo.py
    manifest = headers.get("x-object-manifest")
    return bool(manifest) and not headers.get("etag", "").startswith('"')


def object_info(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    """Return all that the response to a GET or HEAD request has of an object."""
    etag = rest.clean_etag(headers.get("etag"))
    digests = checksums(headers, etag)
    large = is_large(headers)
    extra: dict[str, object] = {}
    expires = rest.parse_epoch(headers.get("x-delete-at"))
    if expires is not None:
        extra["delete_at"] = expires
    if large:
        extra["static_large_object"] = True
        if not digests:
            extra["composite"] = True
    if "x-object-manifest" in headers:
        extra["dynamic_large_object"] = unquote(headers["x-object-manifest"])
    target = headers.get("content-location", "")
    if target and "version-id=" not in target:  # versions are kept behind symlinks, too
        extra["symlink_target"] = unquote(target).split("/", 3)[-1]
    # Ceph's gateway also says among the metadata that an object is a static large one:
    # https://github.com/ceph/ceph/blob/main/src/rgw/rgw_rest_swift.cc (dump_object_metadata)
    own = {WHOLE_MD5}
    if large and headers.get(_CEPH_LARGE, "").lower() == "true":
        own.add(_CEPH_LARGE)
    return HEADERS.object_info(
        name,
        {header: value for header, value in headers.items() if header not in own},
        None if has_unknown_size(headers) else size,
        etag=etag,
        checksums=digests,
        # The header Last-Modified is this one, rounded up to a second.
        last_modified=rest.parse_epoch(headers.get("x-timestamp")),
        extra=extra,
    )


def written_info(name: str, headers: Mapping[str, str]) -> ObjectInfo:
    """Return the fields of a plain object from the response to a write."""
    etag = rest.clean_etag(headers.get("etag"))
    version = HEADERS.version_of(headers)
    return ObjectInfo(name, etag=etag, checksums=checksums({}, etag), version=version)


def checksums(headers: Mapping[str, str], etag: str | None) -> dict[str, str]:
    """Return the digests of an object."""
    if etag is None or not _MD5.fullmatch(etag):
        return {}
    if is_large(headers):
        # The ETag is that of the manifest. A copy made by others may have our header too.
        bound, _, digest = headers.get(WHOLE_MD5, "").partition(":")
        return {"md5": digest} if bound == etag and _MD5.fullmatch(digest) else {}
    return {} if "x-object-manifest" in headers else {"md5": etag}


def container_info(name: str, headers: Mapping[str, str]) -> ContainerInfo:
    """Return all that the response to a HEAD request has of a container."""
    return ContainerInfo(
        name,
        object_count=rest.parse_size(headers.get("x-container-object-count")),
        size=rest.parse_size(headers.get("x-container-bytes-used")),
        created=rest.parse_epoch(headers.get("x-timestamp")),
        extra={
            label: headers[header]
            for header, label in _CONTAINER_EXTRAS.items()
            if headers.get(header)
        },
        complete=True,
    )


# ---------------------------------------------------------------------- listings


def rows_of(document: object) -> Rows:
    """Return the rows of a listing or a manifest; a response without a body has none."""
    if document is None:
        return ()
    if not isinstance(document, list) or not all(map(_is_row, document)):
        raise ServiceError("the response is not a listing: it has rows without a name")
    return document


def _is_row(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    # An entry of a manifest may have data in place of a name.
    return "data" in row or isinstance(row.get("subdir", row.get("name")), str)


def name_of(row: Row) -> str:
    """Return the name of an object or a container, or the prefix, in a row."""
    return str(row.get("subdir", row.get("name", "")))


def next_marker(rows: Rows, marker: str | None) -> str | None:
    """Return the marker of the next page; `None` after an empty page, which is the last one."""
    # A page that is shorter than the limit may have a successor: Ceph's gateway sends at most
    # 1,000 rows a page whatever the limit is, and its /info says 10,000.
    # https://docs.openstack.org/swift/latest/api/pagination.html
    if not rows:
        return None
    last = name_of(rows[-1])
    if marker is not None and last <= marker:
        raise ServiceError(
            f"the service's listing does not advance: the page after {shorten(marker)} ends with"
            f" {shorten(last)}"
        )
    return last


@rest.rejects_malformed
def list_page(rows: Rows, query: ListQuery, marker: str | None) -> Page[ObjectInfo | Prefix]:
    """Return the objects and prefixes of one page."""
    items: list[ObjectInfo | Prefix] = [
        Prefix(name_of(row)) if "subdir" in row else _row_info(row)
        for row in rows
        if name_of(row) != marker
    ]
    return rest.sorted_page(items, query, next_marker(rows, marker))


@rest.rejects_malformed
def version_page(rows: Rows, token: str | None) -> Page[ObjectInfo]:
    """Return the versions of one page; without versions the objects, which have no version."""
    found = []
    for row in rows:
        version = text_of(row.get("version_id"))
        info = _row_info(row)
        if info.content_type is not None and info.content_type.startswith(_DELETE_MARKER):
            info = replace(info, extra={"delete_marker": True})
        if isinstance(row.get("is_latest"), bool):
            info = replace(info, extra={**info.extra, "is_current": row["is_latest"]})
        # An object that was written before the container had versions.
        found.append(info if version in {None, "null"} else replace(info, version=version))
    if not rows:
        return Page(found)
    version = text_of(rows[-1].get("version_id")) or ""
    if not version:
        next_marker(rows, None if token is None else token.partition("\n")[2])
    return Page(found, f"{version}\n{name_of(rows[-1])}")


def _row_info(row: Row) -> ObjectInfo:
    digest, large = text_of(row.get("hash")), text_of(row.get("slo_etag"))
    size = rest.parse_size(row.get("bytes"))
    etag = rest.clean_etag(large) if large else digest
    checksums = {"md5": digest} if digest and not large and _MD5.fullmatch(digest) else {}
    if row.get("symlink_path") or (size == 0 and digest == _NOTHING):
        # Dynamic large objects and symlinks are listed as empty objects.
        size, etag, checksums = None, None, {}
    return ObjectInfo(
        name=name_of(row),
        size=size,
        etag=etag,
        checksums=checksums,
        last_modified=rest.parse_timestamp(row.get("last_modified")),
        content_type=text_of(row.get("content_type")),
        extra={"static_large_object": True} if large else {},
    )
