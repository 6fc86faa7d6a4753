"""The head of an answer, read strictly: two readers must not see two different answers in it."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..redaction import HiddenDict
from .headers import clean_etag, parse_size
from .network_errors import MalformedAnswerError

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?", re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
#: The size of an answer whose Content-Length is no number, which matters where there is a body.
BAD_SIZE = -1
# Each of these has one value, which says what an object is or how its bytes are verified.
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
# One line for each algorithm, or all on one line:
# https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash
_HASHES = "x-goog-hash"
_ETAG = re.compile(r'(?:W/)?"[^"]*"|[^",\s]+')
_ETAGS = re.compile(rf"(?:{_ETAG.pattern})(?:[ \t]*,[ \t]*(?:{_ETAG.pattern}))*")


class Head(NamedTuple):
    """
    The head of an answer.

    Attributes:
        headers: By lower-case name; what was sent more than once is joined with commas.
        size: The value of Content-Length, or `BAD_SIZE`.
        chunked: Whether the body comes in chunks.
        keep: Whether the connection may be used again.
        conflict: The name of a header that must have one value and has several different ones.
    """

    status: int
    headers: dict[str, str]
    size: int | None
    chunked: bool
    keep: bool
    conflict: str | None = None


def parse_head(data: bytes) -> Head:
    """
    Read the head of an answer, without the blank line at its end.

    Raises:
        MalformedAnswerError: It is none, or it can be understood in two ways.
    """
    text = data.decode("latin-1")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    first, *lines = text.split("\r\n")
    ends = len(lines)
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise MalformedAnswerError("there are control characters in its head")
    status = _STATUS.fullmatch(first)
    if not status:
        raise MalformedAnswerError("its first line is no status line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedAnswerError("a line of its head is no header")
        name = _text(name).lower()
        value = _text(value.strip(" \t"))
        if name in headers:
            if name == "transfer-encoding":
                raise MalformedAnswerError(f"it has two headers {name}")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    names = "".join(headers)
    if " " in names or "\t" in names or "" in headers:
        raise MalformedAnswerError("a line of its head is no header")
    conflict = _join_repeated(headers)
    size, chunked = _framing(headers)
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if status[1] == "1" else "keep-alive" in connection
    return Head(
        int(status[2]), HiddenDict(headers), size, chunked, keep and size != BAD_SIZE, conflict
    )


def _text(latin: str) -> str:
    """
    Return what the bytes of a name or a value stand for: UTF-8 if they are UTF-8, else Latin-1.

    Many clients write metadata as UTF-8, which S3, Azure, Google and Swift send as it was written.

    Args:
        latin: The bytes, each as one character.
    """
    if latin.isascii():
        return latin
    try:
        return latin.encode("latin-1").decode()
    except UnicodeDecodeError:
        return latin


def _join_repeated(headers: dict[str, str]) -> str | None:
    """
    Keep one of equal values of the headers that have a single value.

    They may come on lines of their own or, from a proxy, on one line with commas. Return the name
    of a header whose values differ.
    """
    conflict = None
    for name in _SINGLE.intersection(headers):
        value = headers[name]
        if "," in value:
            values = _etags(value) if name == "etag" else value.split(",")
            headers[name] = values[0].strip(" \t")
            if len({clean_etag(one.strip(" \t")) for one in values}) > 1:
                if name == "content-length":
                    raise MalformedAnswerError(f"it has two different headers {name}")
                conflict = name
    hashes = {piece.strip(" \t") for piece in headers.get(_HASHES, "").split(",")}
    if len({piece.partition("=")[0] for piece in hashes}) < len(hashes):
        conflict = _HASHES
    return conflict


def _etags(text: str) -> list[str]:
    """Return the ETags of a header; a comma may also be part of one."""
    return _ETAG.findall(text) if _ETAGS.fullmatch(text) else [text]


def _framing(headers: dict[str, str]) -> tuple[int | None, bool]:
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise MalformedAnswerError("it has both a length and a transfer encoding")
        if coding.lower() != "chunked":
            raise MalformedAnswerError("its transfer encoding is not known")
        return None, True
    if length is None:
        return None, False
    size = parse_size(length)
    return BAD_SIZE if size is None else size, False
