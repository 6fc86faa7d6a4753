"""
Swift's names of headers and fields, and the records that they are made from and read into.

Pure functions, without requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from ...arguments import shorten
from ...errors import InvalidOptionError, ServiceError
from ...http.headers import clean_etag, parse_epoch, parse_size, parse_timestamp
from ...rest.dialect import CONTENT_EXTRAS, HeaderDialect, parameters, sorted_page
from ...rest.errors import rejects_malformed
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

#: One object, prefix or container in a listing, or one entry of a manifest.
Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row]
#: Has all copies of an object compared; https://docs.openstack.org/api-ref/object-store/
NEWEST: Mapping[str, str] = {"x-newest": "true"}

# ---------------------------------------------------------------------- metadata


def encode_key(key: str) -> str:
    """
    Return a metadata key as it can be part of a header's name.

    Swift drops headers with an underscore, and proxies may drop others. Everything but letters,
    digits, dots and hyphens is percent-encoded, as python-swiftclient decodes it.
    """
    return quote(key, safe="").replace("_", "%5F").replace("~", "%7E")


def decode_key(key: str) -> str:
    """Return the metadata key of a header without its prefix."""
    # Swift's S3 API writes an underscore as =5F.
    return unquote(key).replace("=5f", "_").lower()


def encode_value(value: str) -> str:
    """
    Return a metadata value as it can be the value of a header.

    Swift allows UTF-8. It would lose an empty value, and one that begins or ends with what
    Python's `str.strip` removes: those are sent as encoded words of RFC 2047.
    """
    bytes_as_text = value.encode().decode("latin-1")  # as Swift's own code has it
    if value.isascii() or value.startswith("=?") or bytes_as_text != bytes_as_text.strip():
        return encode_text(value)
    return value


HEADERS = HeaderDialect(
    META,
    version="x-object-version-id",
    extra={**CONTENT_EXTRAS, "expires": "expires", "x-robots-tag": "x_robots_tag"},
    kept={"expires": "expires", "x_robots_tag": "x-robots-tag"},
    encode_key=encode_key,
    decode_key=decode_key,
    encode_value=encode_value,
)


def check_metadata(headers: Mapping[str, str], info: Info = _SWIFT) -> None:
    """Raise `InvalidOptionError` for metadata that exceed the limits of Swift or of a cluster."""
    own = {name: value for name, value in headers.items() if name.startswith(META)}
    if len(own) > info.max_meta_count:
        raise InvalidOptionError(
            f"{len(own)} pairs of metadata are too many; the service stores {info.max_meta_count}"
        )
    for name, value in own.items():
        key = decode_key(name[len(META) :])
        size = len(value.encode())
        if size > info.max_meta_value:
            raise InvalidOptionError(
                f"the metadata value of {key!r} takes {size} bytes; the service stores at most"
                f" {info.max_meta_value}"
            )
        if len(name) - len(META) > info.max_meta_name:
            raise InvalidOptionError(
                f"the metadata key {key!r} is longer than the {info.max_meta_name} bytes that the"
                " service allows"
            )


def with_token(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """Return headers with the token of a write, if the user's metadata leave space for it."""
    return _with_own(headers, TOKEN, token, _SWIFT)


def with_whole_md5(
    headers: Mapping[str, str], etag: str | None, md5: str | None, info: Info = _SWIFT
) -> dict[str, str]:
    """
    Return headers with the MD5 of a large object, if the user's metadata leave space for it.

    Without it the object is still verified by its segments.
    """
    return _with_own(headers, WHOLE_MD5, None if md5 is None else f"{etag}:{md5}", info)


def _with_own(
    headers: Mapping[str, str], name: str, value: str | None, info: Info
) -> dict[str, str]:
    if value is None:
        return dict(headers)
    found = {**headers, name: value}
    try:
        check_metadata(found, info)
    except InvalidOptionError:
        return dict(headers)
    return found


# ---------------------------------------------------------------------- requests


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers with the content type, metadata and options of a new object."""
    headers = HEADERS.write_headers(options) | extra_headers(options.extra)
    _check_own(headers)
    return headers


def kept_headers(
    info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
) -> dict[str, str]:
    """Return the headers that store again what is stored with an object; see `HeaderDialect`."""
    headers = HEADERS.kept_headers(info, metadata, content_type)
    _check_own(headers)
    expires = info.extra.get("delete_at")
    if isinstance(expires, datetime):
        headers["x-delete-at"] = str(int(expires.timestamp()))
    return headers


def _check_own(headers: Mapping[str, str]) -> None:
    if WHOLE_MD5 in headers:
        raise InvalidOptionError("the metadata key 'libstore-md5' is reserved for this library")


def extra_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of options that only Swift has."""
    # https://docs.openstack.org/swift/latest/overview_expiring_objects.html
    headers = {}
    if "delete_at" in extra:
        headers["x-delete-at"] = str(extra["delete_at"])
    if "delete_after" in extra:
        headers["x-delete-after"] = str(extra["delete_after"])
    return headers


def list_query(query: ListQuery, marker: str | None, limit: int) -> dict[str, str]:
    """Return the parameters of one page."""
    if marker is None:
        # No name has a NUL: names that sort behind "a\0b" are those that sort behind "a".
        marker = query.start_after.partition("\0")[0]
    return parameters(
        {
            "format": "json",
            "limit": str(limit),
            "prefix": query.prefix,
            "delimiter": query.delimiter,
            "marker": marker,
        }
    )


# ---------------------------------------------------------------------- responses


def is_large(headers: Mapping[str, str]) -> bool:
    """Return whether an object is a static large object."""
    return headers.get("x-static-large-object", "").lower() in {"true", "1", "yes", "on"}


def has_unknown_size(headers: Mapping[str, str]) -> bool:
    """
    Return whether an object is a dynamic large object with more segments than a listing page.

    Swift then sends the ETag of the manifest, without quotes, and no size or that of one page:
    https://github.com/openstack/swift/blob/master/swift/common/middleware/dlo.py
    """
    manifest = headers.get("x-object-manifest")
    return bool(manifest) and not headers.get("etag", "").startswith('"')


def object_info(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    """Return all that the response to a GET or HEAD request has of an object."""
    etag = clean_etag(headers.get("etag"))
    digests = checksums(headers, etag)
    large = is_large(headers)
    extra: dict[str, object] = {}
    expires = parse_epoch(headers.get("x-delete-at"))
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
        last_modified=parse_epoch(headers.get("x-timestamp")),
        extra=extra,
    )


def written_info(name: str, headers: Mapping[str, str]) -> ObjectInfo:
    """Return the fields of a plain object from the response to a write."""
    etag = clean_etag(headers.get("etag"))
    return HEADERS.written_info(name, headers, etag=etag, checksums=checksums({}, etag))


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
    extra: dict[str, object] = {}
    for header, label in (
        ("x-storage-policy", "storage_policy"),
        ("x-container-read", "read_acl"),
        ("x-container-write", "write_acl"),
        ("x-versions-enabled", "versions"),
        ("x-versions-location", "versions_location"),
        ("x-history-location", "history_location"),
    ):
        if headers.get(header):
            extra[label] = headers[header]
    return ContainerInfo(
        name,
        object_count=parse_size(headers.get("x-container-object-count")),
        size=parse_size(headers.get("x-container-bytes-used")),
        created=parse_epoch(headers.get("x-timestamp")),
        extra=extra,
        complete=True,
    )


# ---------------------------------------------------------------------- listings


def rows_of(document: object) -> Rows:
    """Return the rows of a listing; a response without a body has none."""
    if document is None:
        return ()
    if not isinstance(document, list) or not all(map(_is_row, document)):
        raise ServiceError("the response is not a listing")
    return document


def name_of(row: Mapping[str, Any]) -> str:
    """Return the name in a row."""
    name = row.get("name")
    if not isinstance(name, str):
        raise ServiceError("a row of the service's listing has no name")
    return name


def _is_row(row: object) -> bool:
    """Return whether this can be a row of a listing, or of a manifest, which may have data."""
    return isinstance(row, dict) and ("name" in row or "subdir" in row or "data" in row)


@rejects_malformed
def next_marker(rows: Rows, marker: str | None) -> str | None:
    """
    Return the marker of the page that follows; `None` if this one, being empty, is the last.

    A page that is shorter than the limit may have a successor: Ceph's gateway sends at most 1,000
    rows a page whatever the limit is, and its ``/info`` says 10,000.
    https://docs.openstack.org/swift/latest/api/pagination.html

    Args:
        marker: The marker of this page.

    Raises:
        ServiceError: The page ends no further than the marker, so the listing would not end.
    """
    if not rows:
        return None
    last = row_name(rows[-1])
    if marker is not None and last <= marker:
        raise ServiceError(
            f"the service's listing does not advance: the page behind {shorten(marker)} ends with"
            f" {shorten(last)}"
        )
    return last


def row_name(row: Mapping[str, Any]) -> str:
    """Return the name of an object, or the prefix, in a row of a listing."""
    return str(row["subdir"]) if "subdir" in row else name_of(row)


@rejects_malformed
def list_page(rows: Rows, query: ListQuery, marker: str | None) -> Page[ObjectInfo | Prefix]:
    """Return the objects and prefixes of one page."""
    items: list[ObjectInfo | Prefix] = [
        Prefix(row_name(row)) if "subdir" in row else _row_info(row)
        for row in rows
        if row_name(row) != marker
    ]
    return sorted_page(items, query, next_marker(rows, marker))


def version_query(prefix: str, token: str | None, limit: int) -> dict[str, str]:
    """Return the parameters of one page of versions."""
    # https://docs.openstack.org/swift/latest/middleware.html#object-versioning
    version, _, marker = (token or "").partition("\n")
    query = {"marker": marker, "prefix": prefix, "version_marker": version}
    return parameters({"format": "json", "limit": str(limit), **query}) | {"versions": ""}


def version_page(rows: Rows, token: str | None) -> Page[ObjectInfo]:
    """
    Return the versions of one page.

    A cluster that keeps no versions lists objects, without a version.
    """
    found = []
    for row in rows:
        version = text_of(row.get("version_id"))
        info = _row_info(row)
        if info.content_type is not None and info.content_type.startswith(_DELETE_MARKER):
            info = replace(info, extra={"delete_marker": True})
        # An object that was written before the container had versions.
        found.append(info if version in {None, "null"} else replace(info, version=version))
    if not rows:
        return Page(found)
    version = text_of(rows[-1].get("version_id")) or ""
    if not version:
        next_marker(rows, None if token is None else token.partition("\n")[2])
    return Page(found, f"{version}\n{name_of(rows[-1])}")


def _row_info(row: Mapping[str, Any]) -> ObjectInfo:
    digest, large = text_of(row.get("hash")), text_of(row.get("slo_etag"))
    size = parse_size(row.get("bytes"))
    etag = clean_etag(large) if large else digest
    checksums = {"md5": digest} if digest and not large and _MD5.fullmatch(digest) else {}
    if row.get("symlink_path") or (size == 0 and digest == _NOTHING):
        # Dynamic large objects and symlinks are listed as empty objects.
        size, etag, checksums = None, None, {}
    return ObjectInfo(
        name=name_of(row),
        size=size,
        etag=etag,
        checksums=checksums,
        last_modified=parse_timestamp(row.get("last_modified")),
        content_type=text_of(row.get("content_type")),
        extra={"static_large_object": True} if large else {},
    )


@rejects_malformed
def container_rows(rows: Rows) -> list[ContainerInfo]:
    """Return the containers of a listing."""
    # The counts of objects and bytes in it are updated by a daemon from time to time:
    # https://docs.openstack.org/swift/latest/overview_architecture.html#updaters
    return [ContainerInfo(name_of(row)) for row in rows]
