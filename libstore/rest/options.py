"""Checks of options that several services have, and not all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from .. import arguments
from ..errors import InvalidOptionError, InvalidTypeError
from ..redaction import HiddenBytes, hide, type_name

T = TypeVar("T")

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html and
# https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tags
_MOST_TAGS, _LONGEST_KEY, _LONGEST_VALUE = 10, 128, 256


def optional(check: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    """Return a check that takes `None` besides."""

    def checked(value: object, label: str) -> T | None:
        return None if value is None else check(value, label)

    return checked


def one_of(*allowed: str) -> Callable[[object, str], str]:
    """Return a check for one of some words."""

    def check(value: object, label: str) -> str:
        if not isinstance(value, str):
            raise InvalidTypeError(f"{label} must be a str, not {type(value).__name__}")
        if value not in allowed:
            raise InvalidOptionError(f"{label} must be one of {', '.join(allowed)}, not {value!r}")
        return value

    return check


def text(value: object, label: str) -> str:
    """Return a text that goes into a header as it is."""
    checked = arguments.header_value(value, label)
    if checked is None or not checked.isascii() or not checked.strip():
        raise InvalidOptionError(f"{label} must be a text of ASCII")
    return checked


def key(value: object, label: str) -> bytes:
    """Return a key that encrypts and that the service does not keep; no message has it."""
    value = hide(value)
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise InvalidTypeError(f"{label} must be bytes, not {type_name(value)}")
    if len(found := HiddenBytes(value)) != 32:
        raise InvalidOptionError(f"{label} must be 32 bytes, not {len(found)}")
    return found


def texts(value: object, label: str) -> dict[str, str]:
    """Return pairs of texts."""
    if not isinstance(value, Mapping):
        raise InvalidTypeError(
            f"{label} must be a mapping of str to str, not {type(value).__name__}"
        )
    for name, item in value.items():
        arguments.text(name, f"a key in {label}")
        arguments.text(item, f"{label}[{name!r}]")
    return dict(value)


def tags(value: object, label: str) -> dict[str, str]:
    """Return the tags of an object."""
    found = texts(value, label)
    if len(found) > _MOST_TAGS:
        raise InvalidOptionError(f"{label} has {len(found)} tags; at most {_MOST_TAGS} are taken")
    for name, item in found.items():
        if not 0 < len(name) <= _LONGEST_KEY or len(item) > _LONGEST_VALUE:
            raise InvalidOptionError(
                f"{label}: a key has 1 to {_LONGEST_KEY} characters and its text at most"
                f" {_LONGEST_VALUE}, other than {arguments.shorten(name)}"
            )
    return found
