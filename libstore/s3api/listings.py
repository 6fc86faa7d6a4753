"""Pages of S3's listings: the parameters of their requests, and the records in their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import unquote

from ..errors import ServiceError
from ..http.headers import clean_etag, parse_size, parse_timestamp
from ..http.xml import columns
from ..rest.checksums import hex_digest
from ..rest.client import XMLResponse
from ..rest.dialect import parameters, sorted_page
from ..values import ContainerInfo, ListQuery, ObjectInfo, Page, Part, Prefix, Upload
from .dialect import DIGESTS
from .service import Service

_Row: TypeAlias = Mapping[str, str]
_Decoder: TypeAlias = Callable[[str], str]

# The elements of a row that describe an object.
_OBJECT = ("Key", "Size", "ETag", "LastModified", "StorageClass")
# Begins the token of a page that is requested by the last name before it.
_BY_NAME = "\n"


def list_query(
    query: ListQuery, token: str | None, limit: int, service: Service
) -> dict[str, str]:
    """Return the parameters of one page, sorted by name as signatures require."""
    pairs = {"max-keys": str(limit), "prefix": query.prefix, "delimiter": query.delimiter}
    if service.encoded_lists:
        pairs["encoding-type"] = "url"
    if token is None:
        start = "start-after" if service.list_version == 2 else "marker"
        pairs[start] = query.start_after
    else:
        pairs |= _token_query(token)
    if service.list_version == 2 and "marker" not in pairs:
        pairs["list-type"] = "2"
    return parameters(dict(sorted(pairs.items())))


def bucket_query(token: str | None) -> dict[str, str] | None:
    """Return the parameters of one page of buckets."""
    return _token_query(token) if token else None


def _token_query(token: str) -> dict[str, str]:
    if token.startswith(_BY_NAME):
        return {"marker": token.removeprefix(_BY_NAME)}
    return {"continuation-token": token}


def version_query(prefix: str, token: str | None, limit: int, service: Service) -> dict[str, str]:
    """Return the parameters of one page of versions, sorted by name as signatures require."""
    version_marker, _, marker = (token or "").partition("\n")
    pairs = {
        "encoding-type": "url" if service.encoded_lists else "",
        "key-marker": marker,
        "max-keys": str(limit),
        "prefix": prefix,
        "version-id-marker": version_marker,
    }
    return dict(sorted({**parameters(pairs), "versions": ""}.items()))


def list_page(
    document: XMLResponse, query: ListQuery, token: str | None = None
) -> Page[ObjectInfo | Prefix]:
    """Return the objects and prefixes of the page with a token, in the order of their names."""
    fields, decode = document.fields, _decoder(document)
    rows = columns(document.rows, "Contents", _OBJECT)
    items: list[ObjectInfo | Prefix] = [_object(decode, *texts) for texts in rows]
    for (prefix,) in columns(document.rows, "CommonPrefixes", ("Prefix",)):
        items.append(Prefix(decode(prefix or "")))
    following = None
    if _is_truncated(document, "NextContinuationToken", "NextMarker"):
        following = fields.get("NextContinuationToken")
        if not following:
            # Version 1 of the listing. Without a delimiter it has no NextMarker, and the last name
            # is the marker: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
            marker = decode(fields.get("NextMarker", ""))
            marker = marker or max((item.name for item in items), default="")
            following = _BY_NAME + marker if marker else None
        if following in {None, token}:
            raise _no_marker()
    return sorted_page(items, query, following)


def _object(
    decode: _Decoder,
    name: str | None,
    size: str | None,
    etag: str | None,
    modified: str | None,
    storage_class: str | None,
) -> ObjectInfo:
    # The ETag may be that of an encrypted object, so it is no checksum.
    return ObjectInfo(
        decode(name or ""),
        parse_size(size),
        clean_etag(etag),
        last_modified=parse_timestamp(modified),
        storage_class=storage_class or "STANDARD",
    )


def bucket_page(document: XMLResponse) -> Page[ContainerInfo]:
    """Return the buckets of one page, sorted by name."""
    buckets = [
        ContainerInfo(
            row.get("Name", ""),
            created=parse_timestamp(row.get("CreationDate")),
            extra=parameters({"region": row.get("BucketRegion")}),
        )
        for _, row in document.rows
    ]
    token = document.fields.get("ContinuationToken")
    if not token and _is_truncated(document) and document.fields.get("NextMarker"):
        # https://www.alibabacloud.com/help/en/oss/developer-reference/listbuckets
        token = _BY_NAME + document.fields["NextMarker"]
    return Page(sorted(buckets, key=lambda info: info.name), token or None)


def upload_page(document: XMLResponse, container: str) -> Page[Upload]:
    """Return one page of the multipart uploads that are neither completed nor aborted."""
    decode = _decoder(document)
    uploads = [
        Upload(
            container,
            decode(row.get("Key", "")),
            row.get("UploadId", ""),
            parse_timestamp(row.get("Initiated")),
        )
        for _, row in document.rows
    ]
    last = (uploads[-1].name, uploads[-1].id) if uploads else ("", "")
    return Page(uploads, _following(document, "NextUploadIdMarker", last))


def version_page(document: XMLResponse) -> Page[ObjectInfo]:
    """Return the versions and delete markers of one page."""
    decode = _decoder(document)
    found = [_version(tag, row, decode) for tag, row in document.rows]
    last = (found[-1].name, found[-1].version or "") if found else ("", "")
    return Page(found, _following(document, "NextVersionIdMarker", last))


def _version(tag: str, row: _Row, decode: _Decoder) -> ObjectInfo:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html: an object that
    # was written without versioning has the version "null".
    info = _object(decode, *map(row.get, _OBJECT))
    version, extra = row.get("VersionId", "null"), {"is_current": row.get("IsLatest") == "true"}
    if tag != "DeleteMarker":
        return replace(info, version=version, extra=extra)
    extra["delete_marker"] = True
    return replace(info, version=version, storage_class=None, extra=extra)


def part_page(document: XMLResponse, token: str | None) -> Page[Part]:
    """
    Return one page of parts.

    Args:
        token: The number of the last part before the page and the offset of its end.
    """
    before, _, end = (token or "0 0").partition(" ")
    offset, parts = int(end), []
    for _, row in document.rows:
        number, size = row.get("PartNumber", ""), parse_size(row.get("Size"))
        if size is None or not parse_size(number):
            raise ServiceError("the service's listing of parts has no number or size of a part")
        if int(number) <= int(before):
            raise ServiceError(f"the service's listing of parts does not advance after {before}")
        digests = {name: hex_digest(name, row.get(f"Checksum{name.upper()}")) for name in DIGESTS}
        checksums = {name: digest for name, digest in digests.items() if digest is not None}
        etag = clean_etag(row.get("ETag")) or ""
        parts.append(Part(int(number), offset, size, etag, checksums))
        offset += size
    if not _is_truncated(document):
        return Page(parts)
    last = str(parts[-1].number) if parts else document.fields.get("NextPartNumberMarker", "")
    if not parse_size(last):
        raise _no_marker()
    return Page(parts, f"{last} {offset}")


# ---------------------------------------------------------------------- for all pages


def _following(document: XMLResponse, id_marker: str, last: tuple[str, str]) -> str | None:
    """
    Return the token of the next page, made of an id and a name; `None` on the last page.

    Args:
        last: The name and the id in the last row, for services without markers.
    """
    fields = document.fields
    if not _is_truncated(document, "NextKeyMarker"):
        return None
    marker = _decoder(document)(fields.get("NextKeyMarker", "")) or last[0]
    if not marker:
        raise _no_marker()
    return f"{fields.get(id_marker) or (last[1] if marker == last[0] else '')}\n{marker}"


def _is_truncated(document: XMLResponse, *markers: str) -> bool:
    """Return whether another page follows: by the flag, or without one by the markers."""
    fields = document.fields
    flag = fields.get("IsTruncated", "").strip().lower()
    return flag in {"true", "1"} or (not flag and any(fields.get(name) for name in markers))


def _no_marker() -> ServiceError:
    return ServiceError("the service says that another page follows, but not where it begins")


def _decoder(document: XMLResponse) -> _Decoder:
    """Return the function that decodes the names on a page."""
    return _decode if document.fields.get("EncodingType") == "url" else str


def _decode(text: str) -> str:
    # A space is written as a plus sign, and a plus sign as %2B.
    return unquote(text.replace("+", " ")) if "%" in text or "+" in text else text
