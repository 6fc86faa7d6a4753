"""
Between Swift's headers and listings and the records of this library.

Pure functions: what is sent is made from records here, and what comes back is read into them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from ...arguments import shorten
from ...errors import InvalidNameError, InvalidOptionError, ServiceError
from ...http.headers import clean_etag, parse_date, parse_epoch, parse_size, parse_timestamp
from ...rest.errors import understood
from ...rest.header_text import decode_text, encode_text, text_of
from ...values import (
    TOKEN_KEY,
    Conditions,
    ContainerInfo,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    WriteOptions,
)
from .info import MAX_META_COUNT, MAX_META_NAME, MAX_META_VALUE, Info

META = "x-object-meta-"
TOKEN = META + TOKEN_KEY
#: Where a large object that we wrote keeps its MD5, behind the ETag of the manifest it is for.
WHOLE_MD5 = META + "libstore-md5"
_CEPH_LARGE = META + "static-large-object"
_KEPT = {
    "content-disposition": "content_disposition",
    "content-encoding": "content_encoding",
    "content-language": "content_language",
    "cache-control": "cache_control",
    "expires": "expires",
    "x-robots-tag": "x_robots_tag",
}
_OPTIONS = ("content_disposition", "content_encoding", "content_language", "cache_control")
_MD5 = re.compile("[0-9a-f]{32}")
_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"  # the MD5 of no bytes
_MAX_CONTAINER_NAME = 256

Rows: TypeAlias = Sequence[Mapping[str, Any]]

# ---------------------------------------------------------------------- names


def check_container_name(name: str) -> None:
    """Raise `InvalidNameError` for what Swift cannot have as the name of a container."""
    _check_nul(name)
    if len(name.encode()) > _MAX_CONTAINER_NAME:
        raise InvalidNameError(
            f"Swift takes names of containers of at most {_MAX_CONTAINER_NAME} bytes"
        )


def check_object_name(name: str) -> None:
    """Raise `InvalidNameError` for what Swift cannot hold."""
    _check_nul(name)


def _check_nul(name: str) -> None:
    if "\0" in name:
        raise InvalidNameError(f"Swift cannot hold the name {name[:80]!r}: it has a NUL")


# ---------------------------------------------------------------------- metadata


def encode_key(key: str) -> str:
    """
    Return a key as it can stand in the name of a header.

    Swift drops headers with an underscore, and what lies before it may drop others; so all but
    letters, digits, dots and hyphens are percent-encoded, as python-swiftclient decodes them.
    """
    return META + quote(key, safe="").replace("_", "%5F").replace("~", "%7E")


def decode_key(header: str) -> str:
    """Return the key that a header stands for."""
    # Swift's S3 API writes an underscore as =5F.
    return unquote(header[len(META) :]).replace("=5f", "_").lower()


def encode_value(value: str) -> str:
    """
    Return a value as it can stand in a header.

    Swift takes UTF-8. What it would lose goes as an encoded word of RFC 2047: an empty value, and
    one that begins or ends with what Python's `str.strip` takes for a blank.
    """
    bytes_as_text = value.encode().decode("latin-1")  # as Swift's own code has it
    if value.isascii() or value.startswith("=?") or bytes_as_text != bytes_as_text.strip():
        return encode_text(value)
    return value


def decode_value(value: str) -> str:
    """Return what a value stands for."""
    return decode_text(value)


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a user's metadata."""
    headers = {encode_key(key): encode_value(value) for key, value in metadata.items()}
    if WHOLE_MD5 in headers:
        raise InvalidOptionError("the metadata key 'libstore-md5' is this library's own")
    return headers


def fits(headers: Mapping[str, str], info: Info | None = None) -> None:
    """
    Refuse metadata that the cluster cannot keep; without its info, by Swift's own limits.

    Raises:
        InvalidOptionError: A key or a value is too long, or there are too many.
    """
    own = {name: value for name, value in headers.items() if name.startswith(META)}
    most_value = info.max_meta_value if info else MAX_META_VALUE
    most_name = info.max_meta_name if info else MAX_META_NAME
    if len(own) > (info.max_meta_count if info else MAX_META_COUNT):
        raise InvalidOptionError(f"the service does not keep {len(own)} pairs of metadata")
    for name, value in own.items():
        size = len(value.encode())
        if size > most_value:
            raise InvalidOptionError(
                f"the metadata value of {decode_key(name)!r} takes {size} bytes; the service"
                f" keeps {most_value} of each"
            )
        if len(name) - len(META) > most_name:
            raise InvalidOptionError(
                f"the metadata key {decode_key(name)!r} is longer than the {most_name} bytes that"
                " the service keeps"
            )


def with_token(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """Return headers with the token of a write, if the user's metadata leave room for it."""
    if token is None:
        return dict(headers)
    more = {**headers, TOKEN: token}
    try:
        fits(more)
    except ValueError:
        return dict(headers)
    return more


def with_whole_md5(
    headers: Mapping[str, str], etag: str | None, md5: str | None, info: Info | None = None
) -> dict[str, str]:
    """Return headers with the MD5 of a large object, if the user's metadata leave room for it."""
    if md5 is None:
        return dict(headers)
    more = {**headers, WHOLE_MD5: f"{etag}:{md5}"}
    try:
        fits(more, info)
    except ValueError:  # it can be verified by its segments still
        return dict(headers)
    return more


# ---------------------------------------------------------------------- sent


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what is kept with an object."""
    headers = {"content-type": _ascii(options.content_type, "content_type")}
    for option in _OPTIONS:
        value = getattr(options, option)
        if value is not None:
            headers[option.replace("_", "-")] = _ascii(value, option)
    return headers | metadata_headers(options.metadata) | extra_headers(options.extra)


def extra_headers(extra: Mapping[str, object]) -> dict[str, str]:
    """Return the headers of options that only Swift has."""
    # https://docs.openstack.org/swift/latest/overview_expiring_objects.html
    headers = {}
    if "delete_at" in extra:
        headers["x-delete-at"] = str(extra["delete_at"])
    if "delete_after" in extra:
        headers["x-delete-after"] = str(extra["delete_after"])
    return headers


def _ascii(value: str, option: str) -> str:
    if not value.isascii():
        raise InvalidOptionError(
            f"{option} must be ASCII, for it stands in a header; a file name of other letters"
            " is written filename*=UTF-8''… (RFC 6266)"
        )
    return value


def kept_headers(
    info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
) -> dict[str, str]:
    """Return the headers that keep all that is kept with an object, but for what is replaced."""
    kept = (info.metadata or {}) if metadata is None else metadata
    headers = {
        "content-type": content_type or info.content_type or "application/octet-stream",
        **metadata_headers(kept),
    }
    for header, label in _KEPT.items():
        value = info.extra.get(label)
        if isinstance(value, str):
            headers[header] = value
    ends = info.extra.get("delete_at")
    if isinstance(ends, datetime):
        headers["x-delete-at"] = str(int(ends.timestamp()))
    return headers


def match_headers(conditions: Conditions) -> dict[str, str]:
    """Return the header of a read that asks for one ETag."""
    if conditions.if_match is None:
        return {}
    return {"if-match": f'"{_ascii(conditions.if_match, "if_match")}"'}


def list_query(query: ListQuery, marker: str | None, limit: int) -> dict[str, str]:
    """Return the parameters of one page."""
    asked = {
        "format": "json",
        "limit": str(limit),
        "prefix": query.prefix,
        "delimiter": query.delimiter,
        # No name has a NUL: what sorts behind such a one sorts behind what is before the NUL.
        "marker": marker if marker is not None else query.start_after.partition("\0")[0],
    }
    return {name: value for name, value in asked.items() if value}


# ---------------------------------------------------------------------- told of one object


def is_large(headers: Mapping[str, str]) -> bool:
    """Return whether an object is a static large object."""
    return headers.get("x-static-large-object", "").lower() in {"true", "1", "yes", "on"}


def unlisted(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """
    Return container and prefix of a dynamic large object's segments, if Swift did not add them up.

    It does so where one page of a listing has them all, and else tells the ETag of the manifest,
    and either no size or that of the page's segments:
    https://github.com/openstack/swift/blob/master/swift/common/middleware/dlo.py
    """
    manifest = headers.get("x-object-manifest", "")
    if not manifest or headers.get("etag", "").startswith('"'):
        return None
    container, _, prefix = unquote(manifest).partition("/")
    return container, prefix


def object_info(name: str, headers: Mapping[str, str], size: int | None) -> ObjectInfo:
    """Return all that the answer to GET or HEAD tells."""
    metadata = {}
    extra: dict[str, object] = {}
    for header, value in headers.items():
        if header in _KEPT:
            extra[_KEPT[header]] = value
        elif header.startswith(META) and not _is_own(header, headers):
            metadata[decode_key(header)] = decode_value(value)
    ends = parse_epoch(headers.get("x-delete-at"))
    if ends is not None:
        extra["delete_at"] = ends
    etag = clean_etag(headers.get("etag"))
    digests = checksums(headers, etag)
    if is_large(headers):
        extra["static_large_object"] = True
        if not digests:
            extra["composite"] = True
    if "x-object-manifest" in headers:
        extra["dynamic_large_object"] = unquote(headers["x-object-manifest"])
    target = headers.get("content-location", "")
    if target and "version-id=" not in target:  # versions are kept behind symlinks, too
        extra["symlink_target"] = unquote(target).split("/", 3)[-1]
    return ObjectInfo(
        name=name,
        size=size,
        etag=etag,
        checksums=digests,
        last_modified=_moment(headers),
        content_type=headers.get("content-type"),
        metadata=metadata,
        version=version(headers),
        extra=extra,
        complete=True,
    )


def _is_own(header: str, headers: Mapping[str, str]) -> bool:
    """Return whether metadata are not the user's, but the library's or the service's."""
    # Ceph's gateway tells twice that an object is a static large one, once among its metadata:
    # https://github.com/ceph/ceph/blob/main/src/rgw/rgw_rest_swift.cc (dump_object_metadata)
    return header == WHOLE_MD5 or (
        header == _CEPH_LARGE and is_large(headers) and headers[header].lower() == "true"
    )


def checksums(headers: Mapping[str, str], etag: str | None) -> dict[str, str]:
    """Return the digests of the whole object that an answer tells."""
    if etag is None or not _MD5.fullmatch(etag):
        return {}
    if is_large(headers):
        # The ETag is that of the manifest. Who copies the object may take our header along.
        bound, _, digest = headers.get(WHOLE_MD5, "").partition(":")
        return {"md5": digest} if bound == etag and _MD5.fullmatch(digest) else {}
    return {} if "x-object-manifest" in headers else {"md5": etag}


def version(headers: Mapping[str, str]) -> str | None:
    """Return the version; objects from before versions were kept have one called null."""
    told = headers.get("x-object-version-id")
    return None if told == "null" else told


def _moment(headers: Mapping[str, str]) -> datetime | None:
    """Return when an object was written; Last-Modified is the same, rounded up to a second."""
    return parse_epoch(headers.get("x-timestamp")) or parse_date(headers.get("last-modified"))


def container_info(name: str, headers: Mapping[str, str]) -> ContainerInfo:
    """Return all that the answer to HEAD tells of a container."""
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


def rows_of(told: object) -> Rows:
    """Return the rows of a listing; one without a body has none."""
    if told is None:
        return ()
    if not isinstance(told, list) or not all(map(_is_row, told)):
        raise ServiceError("the service answered with something else than a listing")
    return told


def name_of(row: Mapping[str, Any]) -> str:
    """Return the name in a row."""
    name = row.get("name")
    if not isinstance(name, str):
        raise ServiceError("the service lists something that has no name")
    return name


def _is_row(row: object) -> bool:
    """Return whether this can be a row of a listing, or of a manifest, which may have data."""
    return isinstance(row, dict) and ("name" in row or "subdir" in row or "data" in row)


@understood
def next_marker(rows: Rows, marker: str | None) -> str | None:
    """
    Return the marker of the page that follows; `None` if this one, being empty, is the last.

    A page that is shorter than the limit says nothing: Ceph's gateway serves at most 1,000 rows a
    page whatever the limit is, and its ``/info`` says 10,000.
    https://docs.openstack.org/swift/latest/api/pagination.html

    Args:
        marker: That of this page.

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


@understood
def list_page(rows: Rows, query: ListQuery, marker: str | None) -> Page[ObjectInfo | Prefix]:
    """Return the objects and prefixes of one page."""
    items: list[ObjectInfo | Prefix] = [
        Prefix(row_name(row)) if "subdir" in row else listed(row)
        for row in rows
        if row_name(row) != marker
    ]
    # A prefix is told also where it sorts before what names below it do.
    items = [item for item in items if item.name > query.start_after]
    return Page(items, next_marker(rows, marker))


def listed(row: Mapping[str, Any]) -> ObjectInfo:
    """Return what a row of a listing tells."""
    digest, large = text_of(row.get("hash")), text_of(row.get("slo_etag"))
    size = parse_size(row.get("bytes"))
    etag = clean_etag(large) if large else digest
    checksums = {"md5": digest} if digest and not large and _MD5.fullmatch(digest) else {}
    if row.get("symlink_path") or (size == 0 and digest == _NOTHING):
        # A dynamic large object looks like an empty one here, and so does a symlink.
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


@understood
def container_rows(rows: Rows) -> list[ContainerInfo]:
    """Return the containers of a listing."""
    # The counts in it are told to the account by a daemon now and then, so they are not taken:
    # https://docs.openstack.org/swift/latest/overview_architecture.html#updaters
    return [ContainerInfo(name_of(row)) for row in rows]
