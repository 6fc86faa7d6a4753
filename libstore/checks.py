"""
Arguments are looked at here, once, before anything is sent.

Each function returns the value in the form that the rest of the library uses, or raises an error
that says what was wrong and what would be right.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from .errors import InvalidNameError, InvalidOptionError, InvalidTypeError, StorageError
from .values import LARGEST, Limits, Span

T = TypeVar("T")

# RFC 9110 section 5.6.2: what the name of a header may be made of, in lower case.
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# RFC 3986, without a query or a fragment, and what stands for a container and an object's name.
_ADDRESS = re.compile(
    r"(?i:https?)://(?:[\w.~:/@!$&'()*+,;=\[\]-]|%[\dA-Fa-f]{2}|\{container\})+(?:/\{name\})?",
    re.ASCII,
)


def object_name(name: object, limits: Limits) -> str:
    """Return a name that some object could have on a service with these limits."""
    text = _name(name, "an object")
    size = len(text.encode())
    if size > limits.max_name:
        raise InvalidNameError(
            f"the name {shorten(text)} has {size} bytes in UTF-8;"
            f" this service takes at most {limits.max_name}"
        )
    return text


def container_name(name: object) -> str:
    """Return a name that some container could have on some service."""
    text = _name(name, "a container")
    if "/" in text:
        raise InvalidNameError(f"the name of a container has no '/': {shorten(text)}")
    return text


def _name(name: object, what: str) -> str:
    if not isinstance(name, str):
        raise InvalidTypeError(f"the name of {what} must be a str, not {_kind(name)}")
    if not name:
        raise InvalidNameError(f"the name of {what} must not be empty")
    _encodable(name, f"the name of {what}", InvalidNameError)
    return name


def text(value: object, label: str) -> str:
    """Return a string that can be sent, empty or not: a prefix, a delimiter, a marker."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    _encodable(value, label)
    return value


def _encodable(
    value: str, label: str, error_type: type[StorageError] = InvalidOptionError
) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise error_type(
            f"{label} must be text that UTF-8 can hold; {shorten(value)} has a lone surrogate"
            f" at index {error.start}"
        ) from None


def span(start: object, stop: object) -> Span:
    """Return the half-open range of bytes from `start` to `stop`."""
    first = _offset(start, "start")
    if stop is None:
        return Span(first)
    last = _offset(stop, "stop")
    if last < first:
        raise InvalidOptionError(f"stop must not be below start: start={first}, stop={last}")
    return Span(first, last)


def pair(value: object) -> tuple[object, object]:
    """Return the two ends of a range."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidTypeError(f"a range must be a pair (start, stop), not {value!r}")
    return value[0], value[1]


def _offset(value: object, label: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTypeError(f"{label} must be an int, a number of bytes, not {_kind(value)}")
    if value < 0:
        raise InvalidOptionError(
            f"{label} must not be negative: {max(value, -LARGEST)}. Offsets count from the"
            " object's beginning"
        )
    return min(value, LARGEST)  # no object is larger, and services count in 64 bits


def positive_size(value: object, label: str) -> int:
    """Return a number of bytes, or of things, that is at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTypeError(f"{label} must be an int, not {_kind(value)}")
    if value < 1:
        raise InvalidOptionError(f"{label} must be at least 1, not {max(value, -LARGEST)}")
    return min(value, LARGEST)


def seconds(value: object, label: str) -> float:
    """Return a time of 0 or more seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidTypeError(f"{label} must be a number of seconds, not {_kind(value)}")
    if not value >= 0:
        shown = max(value, -LARGEST)
        raise InvalidOptionError(f"{label} must be 0 or more seconds, not {shown!r}")
    return float(value) if value < LARGEST else math.inf


def public_address(value: object, label: str) -> str | None:
    """Return an address that objects can be fetched below; `None` stays `None`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if not _ADDRESS.fullmatch(value) or not _is_public(value):
        shown = "" if "@" in value else f": {shorten(value)}"  # whose password it may be
        raise InvalidOptionError(
            f"{label} must be an address such as 'https://cdn.example.com/base', without user and"
            " query, in the characters of a URL (others percent-encoded, a host in ASCII); it may"
            f" have '{{container}}', and '/{{name}}' at its end{shown}"
        )
    return value


def _is_public(address: str) -> bool:
    try:
        parts = urlsplit(address)
        valid = parts.port != 0
    except ValueError:
        return False
    host = parts.netloc
    return valid and bool(host) and "@" not in host and "{name}" not in host


def header_name(value: object, label: str) -> str:
    """Return the name of a header in lower case."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must map str to str, not {value!r}")
    if not value.isascii() or not _TOKEN.fullmatch(value.lower()):
        raise InvalidOptionError(f"{shorten(value)} in {label} cannot be the name of a header")
    return value.lower()


def header_value(value: object, label: str) -> str | None:
    """Return what can stand in a header, or `None`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if not value or _CONTROL.search(value):
        raise InvalidOptionError(
            f"{label} must be text without control characters, not {shorten(value)}"
        )
    _encodable(value, label)
    return value


def etag(value: object, label: str) -> str | None:
    """Return an ETag without its quotes, or `None`."""
    checked = header_value(value, label)
    if checked is None:
        return None
    if len(checked) >= 2 and checked[0] == checked[-1] == '"':
        return checked[1:-1]
    return checked


def metadata(pairs: object, limits: Limits) -> dict[str, str]:
    """Return the user's metadata with lower-case keys."""
    if pairs is None:
        return {}
    if not isinstance(pairs, Mapping):
        raise InvalidTypeError(f"metadata must be a mapping of str to str, not {_kind(pairs)}")
    checked: dict[str, str] = {}
    for key, value in pairs.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidTypeError(f"metadata must map str to str, not {key!r} to {_kind(value)}")
        lower = key.lower()
        if not key.isascii() or not _TOKEN.fullmatch(lower):
            raise InvalidOptionError(
                f"the metadata key {shorten(key)} cannot be sent: use ASCII letters, digits,"
                " '-', '_' and '.'"
            )
        if lower in checked:
            raise InvalidOptionError(f"the metadata key {key!r} is given twice (case is ignored)")
        if _CONTROL.search(value):
            raise InvalidOptionError(f"the metadata value of {key!r} has a control character")
        _encodable(value, f"the metadata value of {key!r}")
        checked[lower] = value
    size = sum(len(key) + len(value.encode()) for key, value in checked.items())
    if size > limits.max_metadata:
        raise InvalidOptionError(
            f"the metadata has {size} bytes; this service takes at most {limits.max_metadata}"
        )
    return checked


def instance(value: T, kind: type[T], label: str) -> T:
    """Return a value that is of a class."""
    if not isinstance(value, kind):
        raise InvalidTypeError(f"{label} must be a {kind.__name__}, not {_kind(value)}")
    return value


def callback(value: object, label: str) -> None:
    """Refuse what cannot be called."""
    if value is not None and not callable(value):
        raise InvalidTypeError(f"{label} must be a function, not {_kind(value)}")


def flag(value: object, label: str) -> None:
    """Refuse what cannot be asked whether it is set."""
    if value is not None and not callable(getattr(value, "is_set", None)):
        raise InvalidTypeError(
            f"{label} must have a method is_set(), as a threading.Event has, not be a"
            f" {_kind(value)}"
        )


def text_settings(encoding: object, errors: object, newline: object) -> str:
    """Return the encoding, if text can be read and written with these settings."""
    for label, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None and not isinstance(value, str):
            raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise InvalidOptionError(f"newline must be '', '\\n', '\\r' or '\\r\\n', not {newline!r}")
    try:
        codecs.lookup(str(encoding or "utf-8"))
        codecs.lookup_error(str(errors or "strict"))
    except LookupError as error:
        raise InvalidOptionError(f"encoding or errors cannot work: {error}") from None
    return str(encoding or "utf-8")


def shorten(value: str) -> str:
    """Return the text as a literal that fits into a message."""
    return repr(value) if len(value) <= 80 else f"{value[:77]!r}…"


def _kind(value: object) -> str:
    return type(value).__name__
