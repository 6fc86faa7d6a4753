"""The headers of objects, and the records that they are made from and read into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from ..errors import InvalidOptionError
from ..http.headers import parse_date
from ..values import (
    LARGEST,
    TOKEN_KEY,
    Conditions,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    WriteOptions,
)
from .header_text import decode_text, encode_text

_DEFAULT_TYPE = "application/octet-stream"
#: The headers of HTTP that services store with an object, by the names of the write options.
CONTENT_HEADERS: Mapping[str, str] = {
    "content_type": "content-type",
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
}
#: The names in `ObjectInfo.extra` of these headers of responses, by header.
CONTENT_EXTRAS: Mapping[str, str] = {
    header: option for option, header in CONTENT_HEADERS.items() if option != "content_type"
}


def ascii_value(value: str, option: str) -> str:
    """Return the value of a header that services read as ASCII; refuse other characters."""
    if not value.isascii():
        raise InvalidOptionError(
            f"{option} must be ASCII, because it is sent in a header; write a file name with other"
            " characters as filename*=UTF-8''… (RFC 6266)"
        )
    return value


def quoted_etag(etag: str) -> str:
    """Return the ETag of a condition in quotes, as headers have it."""
    return f'"{ascii_value(etag, "if_match")}"'


def condition_headers(conditions: Conditions, prefix: str = "") -> dict[str, str]:
    """
    Return the header ``If-None-Match`` or ``If-Match``, or none.

    Args:
        prefix: The beginning of the name, for services with conditions on a second object.
    """
    if conditions.if_absent:
        return {f"{prefix}if-none-match": "*"}
    if conditions.if_match is not None:
        return {f"{prefix}if-match": quoted_etag(conditions.if_match)}
    return {}


def with_token(
    headers: Mapping[str, str], conditions: Conditions, prefix: str, limit: int = LARGEST
) -> dict[str, str]:
    """
    Return headers with the token of a conditional write, if the metadata leaves space for it.

    Args:
        prefix: The beginning of the names of metadata headers.
        limit: The maximum size of metadata in bytes, without that prefix.
    """
    found = dict(headers)
    if conditions.token is not None:
        found[prefix + TOKEN_KEY] = conditions.token
        if metadata_size(found, prefix) > limit:
            del found[prefix + TOKEN_KEY]
    return found


def metadata_size(headers: Mapping[str, str], prefix: str) -> int:
    """Return the bytes of all metadata among headers, without the prefix of their names."""
    return sum(
        len(name) - len(prefix) + len(value.encode())
        for name, value in headers.items()
        if name.startswith(prefix)
    )


def parameters(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """Return the parameters of a query without those that are empty."""
    return {name: value for name, value in pairs.items() if value}


def sorted_page(
    items: list[ObjectInfo | Prefix], query: ListQuery, token: str | None = None
) -> Page[ObjectInfo | Prefix]:
    """
    Return a page of a listing sorted by name, without names up to `ListQuery.start_after`.

    Services list objects and prefixes separately. They list a prefix before `start_after` if names
    below it come after, and some list `start_after` itself.
    """
    start = query.start_after
    items = [item for item in items if item.name > start]
    # Strings sort by code points, which is the order of their bytes in UTF-8.
    items.sort(key=attrgetter("name"))
    return Page(items, token)


@dataclass(frozen=True, slots=True)
class HeaderDialect:
    """
    The header names of one service for an object's metadata and options.

    Attributes:
        metadata_prefix: The beginning of the names of user metadata headers, such as
            ``x-amz-meta-``.
        content: The headers of requests that write, by the names of the write options.
        storage_class: The header of the storage class, in requests and responses.
        default_class: The storage class of an object whose response has no such header.
        version: The header of the object's version in responses.
        extra: The names in `ObjectInfo.extra` of other headers of responses, by header.
        kept: The headers, in addition to `content`, that a request must repeat to keep their
            values when it replaces the metadata; by their names in `ObjectInfo.extra`.
        encode_key: Converts a metadata key to the end of a header's name.
        decode_key: Reverses `encode_key`.
        encode_value: Converts a metadata value to a header's value; the default writes text that a
            header cannot contain as encoded words of RFC 2047.
        decode_value: Reverses `encode_value`.
    """

    metadata_prefix: str
    content: Mapping[str, str] = field(default_factory=lambda: CONTENT_HEADERS)
    storage_class: str = ""
    default_class: str | None = None
    version: str = ""
    extra: Mapping[str, str] = field(default_factory=lambda: CONTENT_EXTRAS)
    kept: Mapping[str, str] = field(default_factory=dict)
    encode_key: Callable[[str], str] = str
    decode_key: Callable[[str], str] = str
    encode_value: Callable[[str], str] = encode_text
    decode_value: Callable[[str], str] = decode_text

    # ------------------------------------------------------------------ requests

    def write_headers(self, options: WriteOptions) -> dict[str, str]:
        """Return the headers with the content type, metadata and options of a new object."""
        headers = {}
        for option, header in self.content.items():
            value: str | None = getattr(options, option)
            if value is not None:
                headers[header] = value if value.isascii() else ascii_value(value, option)
        if options.storage_class is not None:
            headers |= self.storage_class_headers(options.storage_class)
        if options.metadata:
            headers |= self.metadata_headers(options.metadata)
        return headers

    def storage_class_headers(self, storage_class: str | None) -> dict[str, str]:
        """Return the header of a storage class; none for the service's default."""
        if storage_class is None or not self.storage_class:
            return {}
        return {self.storage_class: ascii_value(storage_class, "storage_class")}

    def metadata_headers(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of user metadata."""
        return {
            self.metadata_prefix + self.encode_key(key): self.encode_value(value)
            for key, value in metadata.items()
        }

    def kept_headers(
        self, info: ObjectInfo, metadata: Mapping[str, str] | None, content_type: str | None
    ) -> dict[str, str]:
        """
        Return the headers that store an object's content headers and metadata again.

        Args:
            metadata: Replaces the object's own, unless it is `None`; so does `content_type`.
        """
        kept_type = info.content_type or _DEFAULT_TYPE
        if content_type:
            kept_type = ascii_value(content_type, "content_type")
        headers = {self.content["content_type"]: kept_type}
        headers |= self.metadata_headers((info.metadata or {}) if metadata is None else metadata)
        for label, header in (*self.content.items(), *self.kept.items()):
            value = info.extra.get(label)
            if isinstance(value, str):
                headers[header] = value
        return headers

    # ------------------------------------------------------------------ responses

    def object_info(
        self,
        name: str,
        headers: Mapping[str, str],
        size: int | None,
        *,
        etag: str | None,
        checksums: Mapping[str, str],
        last_modified: datetime | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> ObjectInfo:
        """
        Return the object's attributes from the response to a GET or HEAD request.

        Args:
            last_modified: A more exact time than ``Last-Modified``, if the service has one.
            extra: Attributes that the driver has read from the headers.
        """
        metadata: dict[str, str] = {}
        more: dict[str, object] = {}
        prefix, labels = self.metadata_prefix, self.extra
        # Most responses have neither metadata nor other headers to return.
        if prefix in " ".join(headers) or not labels.keys().isdisjoint(headers):
            for header, value in headers.items():
                if header in labels:
                    more[labels[header]] = value
                elif header.startswith(prefix):
                    key = self.decode_key(header[len(prefix) :])
                    metadata[key] = self.decode_value(value)
        if extra:
            more.update(extra)
        return ObjectInfo(
            name,
            size,
            etag,
            checksums,
            last_modified or parse_date(headers.get("last-modified")),
            headers.get("content-type"),
            metadata,
            self.version_of(headers),
            headers.get(self.storage_class, self.default_class),
            more,
            complete=True,
        )

    def version_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the version of an object; `None` without versioning, when it is ``null``."""
        version = headers.get(self.version)
        return None if version == "null" else version
