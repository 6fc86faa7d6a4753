"""
Text in headers that take ASCII alone, for services that have no other place for metadata.

What ASCII cannot hold goes as an encoded word of RFC 2047, which is also how S3 hands out what
others stored: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
So does what a header would lose, blanks at the ends, and what looks like such a word.
"""

from __future__ import annotations

import base64
import quopri
import re

_ENCODED = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=(?:\s+=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)*")
#: The word for a text without characters, where a header must not be empty.
EMPTY = "=?UTF-8?B??="
_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")


def encode_text(value: str) -> str:
    """Return a text as it can stand in a header."""
    if value.isascii() and value == value.strip() and not _ENCODED.fullmatch(value):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def text_of(value: object) -> str | None:
    """Return a text as JSON tells it; `None` for what is none, or is empty."""
    return value or None if isinstance(value, str) else None


def decode_text(value: str) -> str:
    """Return what a header's value stands for."""
    if not value.startswith("=?") or not _ENCODED.fullmatch(value):
        return value
    try:
        text = "".join(_decode_word(*match.groups()) for match in _WORD.finditer(value))
        text.encode()  # some codecs give lone surrogates, which nothing can be made of
    except (LookupError, ValueError):
        return value
    return text


def _decode_word(charset: str, encoding: str, text: str) -> str:
    if "escape" in charset.lower():
        raise LookupError(f"{charset} is not a character set")
    if encoding in "bB":
        return base64.b64decode(text, validate=True).decode(charset)
    return quopri.decodestring(text.encode(), header=True).decode(charset)
