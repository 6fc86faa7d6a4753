"""A strict parser for the head of a response, which rejects ambiguous heads."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..redaction import HiddenDict
from .headers import clean_etag, parse_size
from .network_errors import MalformedResponseError

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?", re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
#: The size of a response whose Content-Length is not a number; an error unless it has no body.
BAD_SIZE = -1
# Headers with a single value, which describes an object or verifies its bytes.
_SINGLE = frozenset(
    {
        "content-length",
        "content-md5",
        "content-range",
        "etag",
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-md5",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
        "x-amz-checksum-sha512",
        "x-amz-checksum-type",
        "x-amz-server-side-encryption",
        "x-amz-version-id",
        "x-goog-generation",
        "x-goog-stored-content-encoding",
        "x-goog-stored-content-length",
        "x-ms-blob-content-md5",
        "x-ms-blob-type",
        "x-ms-version-id",
        "x-object-meta-libstore-md5",
        "x-object-version-id",
        "x-static-large-object",
    }
)
# It has one line per algorithm, or one line for all:
# https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash
_HASHES = "x-goog-hash"
_CHECKED = _SINGLE | {_HASHES}
_ETAG = re.compile(r'(?:W/)?"[^"]*"|[^",\s]+')
_ETAGS = re.compile(rf"(?:{_ETAG.pattern})(?:[ \t]*,[ \t]*(?:{_ETAG.pattern}))*")


class Head(NamedTuple):
    """
    The head of a response.

    Attributes:
        headers: By lower-case name; repeated headers are joined with commas.
        size: The value of Content-Length, or `BAD_SIZE`.
        chunked: Whether the body is chunked.
        keep: Whether the connection may be reused.
        conflict: The name of a single-valued header that was sent with different values.
    """

    status: int
    headers: dict[str, str]
    size: int | None
    chunked: bool
    keep: bool
    conflict: str | None = None


def parse_head(data: bytes) -> Head:
    """
    Parse the head of a response, without the blank line at its end.

    Raises:
        MalformedResponseError: The head is invalid or ambiguous.
    """
    text = data.decode("latin-1")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    first, *lines = text.split("\r\n")
    ends = len(lines)
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise MalformedResponseError("its head contains control characters")
    status = _STATUS.fullmatch(first)
    if not status:
        raise MalformedResponseError("its first line is not a status line")
    ascii_only = text.isascii()
    headers: dict[str, str] = {}
    repeated = False
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedResponseError("a line of its head is not a header")
        value = value.strip(" \t")
        if not ascii_only:
            name, value = _text(name), _text(value)
        name = name.lower()
        if name in headers:
            if name == "transfer-encoding":
                raise MalformedResponseError(f"it has two {name} headers")
            value = f"{headers[name]}, {value}"
        repeated |= "," in value and name in _CHECKED
        headers[name] = value
    names = "".join(headers)
    if " " in names or "\t" in names or "" in headers:
        raise MalformedResponseError("a line of its head is not a header")
    conflict = _join_repeated(headers) if repeated else None
    size, chunked = _framing(headers)
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if status[1] == "1" else "keep-alive" in connection
    return Head(
        int(status[2]), HiddenDict(headers), size, chunked, keep and size != BAD_SIZE, conflict
    )


def _text(latin: str) -> str:
    """
    Decode a name or a value as UTF-8, or as Latin-1 if it is not valid UTF-8.

    Many clients write metadata as UTF-8, which S3, Azure, Google and Swift return unchanged.

    Args:
        latin: The bytes, decoded as Latin-1.
    """
    if latin.isascii():
        return latin
    try:
        return latin.encode("latin-1").decode()
    except UnicodeDecodeError:
        return latin


def _join_repeated(headers: dict[str, str]) -> str | None:
    """
    Merge equal values of single-valued headers, and return the name of one with different values.

    Repeated values are on separate lines or, from a proxy, on one line with commas.
    """
    conflict = None
    for name in _SINGLE.intersection(headers):
        value = headers[name]
        if "," in value:
            values = _etags(value) if name == "etag" else value.split(",")
            headers[name] = values[0].strip(" \t")
            if len({clean_etag(one.strip(" \t")) for one in values}) > 1:
                if name == "content-length":
                    raise MalformedResponseError(f"it has two different {name} headers")
                conflict = name
    if _HASHES in headers:
        hashes = {piece.strip(" \t") for piece in headers[_HASHES].split(",")}
        if len({piece.partition("=")[0] for piece in hashes}) < len(hashes):
            conflict = _HASHES
    return conflict


def _etags(text: str) -> list[str]:
    """Split a header into ETags, which may contain commas."""
    return _ETAG.findall(text) if _ETAGS.fullmatch(text) else [text]


def _framing(headers: dict[str, str]) -> tuple[int | None, bool]:
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise MalformedResponseError("it has both a length and a transfer encoding")
        if coding.lower() != "chunked":
            raise MalformedResponseError("its transfer encoding is not supported")
        return None, True
    if length is None:
        return None, False
    size = parse_size(length)
    return BAD_SIZE if size is None else size, False
