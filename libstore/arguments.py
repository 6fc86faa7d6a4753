"""
Arguments are looked at here, once, before anything is sent.

Each function returns the value in the form that the rest of the library uses, or raises an error
that says what was wrong and what would be right.
"""

from __future__ import annotations

import codecs
import ipaddress
import math
import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from .errors import (
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    StorageError,
)
from .values import LARGEST, TOKEN_KEY, Limits, Span

T = TypeVar("T")

# RFC 9110 section 5.6.2: what the name of a header may be made of, in lower case.
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_DOTS = frozenset({".", ".."})
_ENCODED_DOT = re.compile(r"(?i:%2e)", re.ASCII)
# RFC 3986 section 3.3, and what clients leave alone besides; above all no backslash, which
# browsers take for a slash.
_URL_PATH = re.compile(r"(?:[\w.~/!$&'()*+,;=:@\[\]-]|%[\dA-Fa-f]{2})*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# RFC 3986, without user, query and fragment. A host is ASCII, as DNS has it.
_ADDRESS = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>\[[\dA-Fa-f:.]+\]|[\w-]+(?:\.[\w-]+)*\.?)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>(?:/(?:[\w.~:/@!$&'()*+,;=\[\]-]|%[\dA-Fa-f]{2})*)?)",
    re.ASCII,
)
_PORTS = {"http": 80, "https": 443}


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
    if text in _DOTS:
        raise InvalidNameError(
            f"no container can be called {text!r}: clients and proxies resolve it in a path"
        )
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


class Address(NamedTuple):
    """
    Where a service is.

    Attributes:
        host: In lower case; of IPv6 without brackets.
        path: Percent-encoded, without a slash at its end.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, without the scheme's own port."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{name}{port}"


def address(value: object, label: str, form: str = "https://host[:port][/path]") -> Address:
    """
    Return the pieces of an address that a user gave; it is not repeated in errors.

    Args:
        form: How an address should look.

    Raises:
        InvalidOptionError: It is none, or has a user, a query, a fragment or segments of dots.
    """
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    found = _ADDRESS.fullmatch(value)
    if found is None:
        raise InvalidOptionError(f"{label} must be {form}{_flaw(value)}")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = _PORTS[scheme] if found["port"] is None else int(found["port"])
    if not 1 <= port <= 65_535:
        raise InvalidOptionError(f"{label} must have a port from 1 to 65535, not {port}")
    if host.startswith("["):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise InvalidOptionError(f"{label} must be {form}; its host is no address") from None
    if not _DOTS.isdisjoint(_ENCODED_DOT.sub(".", found["path"]).split("/")):
        raise InvalidOptionError(f"{label} must have no segments '.' and '..' in its path")
    return Address(scheme, host, port, found["path"].rstrip("/"))


def _flaw(value: str) -> str:
    """Return what is wrong with an address, in words that do not repeat it."""
    scheme, mark, rest = value.partition("://")
    if not value.isascii() or not value.isprintable() or " " in value:
        return "; it has blanks, control characters or characters beyond ASCII"
    if not mark or scheme.lower() not in _PORTS:
        return ", and begin with https:// (or http://)"
    host = re.split(r"[/?#]", rest)[0]
    for sign, where, what in (("@", host, "a user"), ("?", rest, "a query"), ("#", rest, "a '#'")):
        if sign in where:
            return f"; it has {what}"
    return ""


def public_address(value: object, label: str) -> str | None:
    """Return an address that objects can be fetched below; `None` stays `None`."""
    if value is None:
        return None
    plain = value
    if isinstance(value, str):
        plain = value.replace("{container}", "container").removesuffix("/{name}")
    form = (
        "an address such as 'https://cdn.example.com/base', in the characters of a URL (others"
        " percent-encoded, a host in ASCII); it may have '{container}', and '/{name}' at its end"
    )
    address(plain, label, form)
    return str(value)


def reachable_name(container: str, name: str = "") -> None:
    """
    Refuse names that no URL leads to, because clients resolve them as parts of a path.

    Raises:
        NotSupportedError: A segment of a name is ``.`` or ``..``.
    """
    for what, text in (("the container", container), ("the object", name)):
        if not _DOTS.isdisjoint(text.split("/")):
            raise NotSupportedError(
                f"{what} {shorten(text)} has no URL: browsers, curl and requests resolve '.' and"
                " '..' in the path and would request another object; read it with the driver"
            )


def stable_url(url: str) -> str:
    """
    Return a URL that clients request as it is.

    Segments of dots are resolved by clients (https://url.spec.whatwg.org/#path-state), also where
    a dot is percent-encoded. Double slashes are kept; that some releases of requests make one of
    those that a path begins with was a bug: https://github.com/psf/requests/pull/7315

    Raises:
        NotSupportedError: Clients would request another URL.
    """
    target = url.partition("?")[0].partition("://")[2]
    path = target[target.find("/") :] if "/" in target else ""
    segments = _ENCODED_DOT.sub(".", path).split("/")
    if not _DOTS.isdisjoint(segments) or not _URL_PATH.fullmatch(path):
        raise NotSupportedError(
            f"no URL leads to {shorten(path)}: browsers, curl and requests would change this path"
            " and request another object; read it with the driver"
        )
    return url


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
    """
    Return an ETag as `Object.etag` has it, or `None`.

    It may be given as a header has it, quoted and marked as weak. What services would not take
    for an ETag is refused: ``*`` stands for any object (RFC 9110 section 13.1.1), and Azurite
    takes the ETag ``"*"`` for that too.
    """
    checked = header_value(value, label)
    if checked is None:
        return None
    plain = plain_etag(checked.strip(" "))
    if not plain or plain == "*" or '"' in plain:
        raise InvalidOptionError(
            f"{label} must be one ETag, such as Object.etag, not {shorten(checked)}; '*' and lists"
            " of ETags are not taken"
        )
    return plain


def plain_etag(text: str) -> str:
    """Return an ETag without its quotes and without the mark of a weak one."""
    if text.startswith('W/"'):
        text = text[2:]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text


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
        if lower == TOKEN_KEY:
            raise InvalidOptionError(
                f"the metadata key {key!r} is reserved: this library stores the tokens of"
                " conditional writes under it"
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
