"""
Text as encoded words of RFC 2047, for metadata in headers that can have ASCII only.

S3 itself encodes text beyond ASCII like this:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
Text with blanks at its ends, which a header would lose, is encoded too, and so is text in the form
of an encoded word.
"""

from __future__ import annotations

import base64
import quopri
import re

_ENCODED = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=(?:\s+=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=)*")
#: The encoded word for an empty text, where a header must not be empty.
EMPTY = "=?UTF-8?B??="
_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?\s]*)\?=")


def encode_text(value: str) -> str:
    """Return a text in ASCII, encoded if necessary."""
    if value.isascii() and value == value.strip() and not _ENCODED.fullmatch(value):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="


def text_of(value: object) -> str | None:
    """Return a text from JSON; `None` if it is empty or not a string."""
    return value or None if isinstance(value, str) else None


def decode_text(value: str) -> str:
    """Return the text of a header's value, which is returned unchanged if it is not encoded."""
    if not value.startswith("=?") or not _ENCODED.fullmatch(value):
        return value
    try:
        text = "".join(_decode_word(*match.groups()) for match in _WORD.finditer(value))
        text.encode()  # some codecs give lone surrogates
    except (LookupError, ValueError):
        return value
    return text


def _decode_word(charset: str, encoding: str, text: str) -> str:
    if "escape" in charset.lower():
        raise LookupError(f"{charset} is not a character set")
    if encoding in "bB":
        return base64.b64decode(text, validate=True).decode(charset)
    return quopri.decodestring(text.encode(), header=True).decode(charset)
