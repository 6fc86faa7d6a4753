"""Pages of S3's listings: the parameters that ask for them, and what is read from them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from ...errors import ServiceError
from ...http.headers import clean_etag, parse_size, parse_timestamp
from ...rest.checksums import hex_digest
from ...values import ContainerInfo, ListQuery, ObjectInfo, Page, Part, Prefix, Upload
from .client import Answer
from .services import Service

_DIGESTS = ("crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256")
# What the token of a page begins with that is asked for by the name before it.
_BEHIND = "\n"


def list_query(
    query: ListQuery, token: str | None, limit: int, service: Service
) -> dict[str, str]:
    """Return the parameters of one page, sorted by name as signatures want them."""
    asked = {"max-keys": str(limit), "prefix": query.prefix, "delimiter": query.delimiter}
    if service.encoded_lists:
        asked["encoding-type"] = "url"
    if token is None:
        start = "start-after" if service.list_version == 2 else "marker"
        asked[start] = query.start_after
    elif token.startswith(_BEHIND):
        asked["marker"] = token.removeprefix(_BEHIND)
    else:
        asked["continuation-token"] = token
    if service.list_version == 2 and "marker" not in asked:
        asked["list-type"] = "2"
    return {name: value for name, value in sorted(asked.items()) if value}


def list_page(
    answer: Answer, query: ListQuery, token: str | None = None
) -> Page[ObjectInfo | Prefix]:
    """
    Return the objects and prefixes of one page, in the order of their names.

    Args:
        token: The one that the page was asked for with.
    """
    told = answer.told
    decode = _decoder(told)
    items: list[ObjectInfo | Prefix] = [
        Prefix(decode(row.get("Prefix", ""))) if tag == "CommonPrefixes" else _listed(row, decode)
        for tag, row in answer.rows
    ]
    # Objects and prefixes are told one after the other, and a prefix also where it sorts before
    # what names below it do. Strings sort by code points, which is how UTF-8 sorts.
    last = max((item.name for item in items), default="")
    items = [item for item in items if item.name > query.start_after]
    items.sort(key=lambda item: item.name)
    if not _is_truncated(told, "NextContinuationToken", "NextMarker"):
        return Page(items)
    following = told.get("NextContinuationToken")
    if not following:
        # The first version of the listing, asked for or all that the service knows. NextMarker is
        # told with a delimiter alone; without one the last name stands for it:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
        marker = decode(told.get("NextMarker", "")) or last
        following = _BEHIND + marker if marker else None
    if following in {None, token}:
        raise _nowhere()
    return Page(items, following)


def _is_truncated(told: Mapping[str, str], *markers: str) -> bool:
    """Return whether a page is not the last one; if it does not say so, by its markers."""
    flag = told.get("IsTruncated", "").strip().lower()
    return flag in {"true", "1"} or (not flag and any(told.get(marker) for marker in markers))


def _nowhere() -> ServiceError:
    return ServiceError("the service says that there is another page, but not where")


class _Decoder:
    """Reads names as the page says that they are written."""

    def __init__(self, encoded: bool) -> None:
        self._encoded = encoded

    def __call__(self, text: str) -> str:
        # Spaces come as plus signs: names that have a plus themselves come with %2B.
        return unquote(text.replace("+", " ")) if self._encoded else text


def _decoder(told: Mapping[str, str]) -> _Decoder:
    return _Decoder(told.get("EncodingType") == "url")


def _listed(told: Mapping[str, str], decode: _Decoder) -> ObjectInfo:
    # The ETag may be that of an encrypted object here, so it proves nothing.
    return ObjectInfo(
        name=decode(told.get("Key", "")),
        size=parse_size(told.get("Size")),
        etag=clean_etag(told.get("ETag")),
        last_modified=parse_timestamp(told.get("LastModified")),
        storage_class=told.get("StorageClass") or "STANDARD",
    )


def bucket_query(token: str | None) -> dict[str, str] | None:
    """Return the parameters of one page of buckets."""
    if not token:
        return None
    if token.startswith(_BEHIND):
        return {"marker": token.removeprefix(_BEHIND)}
    return {"continuation-token": token}


def bucket_page(answer: Answer) -> Page[ContainerInfo]:
    """Return the buckets of an answer to ListBuckets, sorted by name."""
    buckets = [_bucket(row) for _, row in answer.rows]
    token = answer.told.get("ContinuationToken")
    if not token and _is_truncated(answer.told) and answer.told.get("NextMarker"):
        # https://www.alibabacloud.com/help/en/oss/developer-reference/listbuckets
        token = _BEHIND + answer.told["NextMarker"]
    return Page(sorted(buckets, key=lambda info: info.name), token or None)


def _bucket(told: Mapping[str, str]) -> ContainerInfo:
    region = told.get("BucketRegion")
    return ContainerInfo(
        told.get("Name", ""),
        created=parse_timestamp(told.get("CreationDate")),
        extra={"region": region} if region else {},
    )


def upload_page(answer: Answer, container: str) -> Page[Upload]:
    """Return one page of the uploads that are under way."""
    told = answer.told
    decode = _decoder(told)
    uploads = [_upload(row, decode, container) for _, row in answer.rows]
    if not _is_truncated(told, "NextKeyMarker"):
        return Page(uploads)
    last = uploads[-1] if uploads else Upload(container, "", "")
    marker = decode(told.get("NextKeyMarker", "")) or last.name
    upload_id = told.get("NextUploadIdMarker", last.id if marker == last.name else "")
    if not marker:
        raise _nowhere()
    return Page(uploads, f"{upload_id}\n{marker}")


def _upload(told: Mapping[str, str], decode: _Decoder, container: str) -> Upload:
    return Upload(
        container,
        decode(told.get("Key", "")),
        told.get("UploadId", ""),
        parse_timestamp(told.get("Initiated")),
    )


def version_page(answer: Answer) -> Page[tuple[str, str | None]]:
    """Return the names and ids of the versions and delete markers on one page."""
    told = answer.told
    decode = _decoder(told)
    found: list[tuple[str, str | None]] = [
        (decode(row.get("Key", "")), row.get("VersionId", "null")) for _, row in answer.rows
    ]
    if not _is_truncated(told, "NextKeyMarker"):
        return Page(found)
    name, version_id = found[-1] if found else ("", "")
    marker = decode(told.get("NextKeyMarker", "")) or name
    if not marker:
        raise _nowhere()
    version_marker = told.get("NextVersionIdMarker") or (version_id if marker == name else "")
    return Page(found, f"{version_marker}\n{marker}")


def version_query(token: str) -> dict[str, str]:
    """Return the parameters that ask for the page of versions behind a token."""
    version_marker, _, marker = token.partition("\n")
    return {"key-marker": marker} | (
        {"version-id-marker": version_marker} if version_marker else {}
    )


def part_page(answer: Answer, token: str | None) -> Page[Part]:
    """
    Return one page of the parts of an upload.

    Args:
        token: The last page's: the number and the end of its last part.
    """
    behind, _, end = (token or "0 0").partition(" ")
    offset, parts = int(end), []
    for _, row in answer.rows:
        number, size = row.get("PartNumber", ""), parse_size(row.get("Size"))
        if size is None or not parse_size(number):
            raise ServiceError("the service tells no number or no size of a part")
        if int(number) <= int(behind):
            raise ServiceError(f"the service's listing of parts does not advance behind {behind}")
        etag = clean_etag(row.get("ETag")) or ""
        parts.append(Part(int(number), offset, size, etag, _row_checksums(row)))
        offset += size
    if not _is_truncated(answer.told):
        return Page(parts)
    last = str(parts[-1].number) if parts else answer.told.get("NextPartNumberMarker", "")
    if not parse_size(last):
        raise _nowhere()
    return Page(parts, f"{last} {offset}")


def _row_checksums(row: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that XML tells of a part."""
    told = {name: hex_digest(name, row.get(f"Checksum{name.upper()}")) for name in _DIGESTS}
    return {name: digest for name, digest in told.items() if digest is not None}
