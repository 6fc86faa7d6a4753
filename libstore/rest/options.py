"""Checks of options that more than one service has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .. import arguments
from ..errors import InvalidOptionError, InvalidTypeError
from ..options import string, texts
from ..redaction import HiddenBytes, hide, type_name

T = TypeVar("T")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html and
# https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tags
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 10, 128, 256


def optional(check: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    """Return a check that also accepts `None`."""

    def checked(value: object, label: str) -> T | None:
        return None if value is None else check(value, label)

    return checked


def one_of(*allowed: str) -> Callable[[object, str], str]:
    """Return a check that accepts only these strings."""

    def check(value: object, label: str) -> str:
        if string(value, label) not in allowed:
            raise InvalidOptionError(f"{label} must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return check


def text(value: object, label: str) -> str:
    """Return a text that is sent unchanged in a header."""
    checked = arguments.header_value(value, label)
    if checked is None or not checked.isascii() or not checked.strip():
        raise InvalidOptionError(f"{label} must be ASCII text that is not blank")
    return checked


def credential(value: object, label: str) -> str:
    """Return a key's id, a password or a token; no message repeats it."""
    checked = string(value, label)
    if not checked.isascii() or not checked.isprintable():
        raise InvalidOptionError(f"{label} must be printable ASCII")
    return checked


def key(value: object, label: str) -> bytes:
    """Return an encryption key of 32 bytes; no message repeats it."""
    value = hide(value)
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidTypeError(f"{label} must be bytes, not {type_name(value)}")
    if len(found := HiddenBytes(value)) != 32:
        raise InvalidOptionError(f"{label} must be 32 bytes, not {len(found)}")
    return found


def tags(value: object, label: str) -> dict[str, str]:
    """Return the tags of an object."""
    found = texts(value, label)
    if len(found) > _MOST_TAGS:
        raise InvalidOptionError(
            f"{label} has {len(found)} tags; at most {_MOST_TAGS} are allowed"
        )
    for name, item in found.items():
        if not 0 < len(name) <= _LONGEST_KEY or len(item) > _LONGEST_VALUE:
            raise InvalidOptionError(
                f"{label}: the key of a tag has 1 to {_LONGEST_KEY} characters and its value at"
                f" most {_LONGEST_VALUE}; {arguments.shorten(name)} does not fit"
            )
    return found
