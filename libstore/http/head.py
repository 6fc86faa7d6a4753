"""The head of an answer, read strictly: two readers must not see two different answers in it."""

from __future__ import annotations

import re
from typing import NamedTuple

from .faults import MalformedAnswerError

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?", re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
# These say where the answer ends: said twice, they say nothing.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class Head(NamedTuple):
    """
    The head of an answer.

    Attributes:
        headers: By lower-case name; what was sent more than once is joined with commas.
        size: The value of Content-Length.
        chunked: Whether the body comes in chunks.
        keep: Whether the connection may be used again.
    """

    status: int
    headers: dict[str, str]
    size: int | None
    chunked: bool
    keep: bool


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
        name = name.lower()
        value = value.strip(" \t")
        if name in headers:
            if name in _FRAMING:
                raise MalformedAnswerError(f"it has two headers {name}")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    names = "".join(headers)
    if " " in names or "\t" in names or "" in headers:
        raise MalformedAnswerError("a line of its head is no header")
    size, chunked = _framing(headers)
    connection = headers.get("connection", "").lower()
    keep = "close" not in connection if status[1] == "1" else "keep-alive" in connection
    return Head(int(status[2]), headers, size, chunked, keep)


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
    if not (length.isascii() and length.isdigit() and len(length) <= 19):
        raise MalformedAnswerError("its length is no number")
    return int(length), False
