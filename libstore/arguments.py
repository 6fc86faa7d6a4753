"""
Check arguments once, before anything is sent.

Each function returns the value in the form that the rest of the library uses, or raises an error
that names the argument and says what it must be.
"""

from __future__ import annotations

import codecs
import ipaddress
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, SupportsIndex, TypeVar, cast

from .errors import (
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    StorageError,
)
from .values import LARGEST, TOKEN_KEY, WHOLE, Limits, Prefix, Span

T = TypeVar("T")

# The characters of a header's name, in lower case: RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_DOTS = frozenset({".", ".."})
_ENCODED_DOT = re.compile(r"(?i:%2e)", re.ASCII)
# RFC 3986 section 3.3, and other characters that clients do not change. A backslash is not among
# them: browsers convert it to a slash.
_URL_PATH = re.compile(r"(?:[\w.~/!$&'()*+,;=:@\[\]-]|%[\dA-Fa-f]{2})*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# RFC 3986, without user, query and fragment. A host is ASCII, as in DNS.
_ADDRESS = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>\[[\dA-Fa-f:.]+\]|[\w-]+(?:\.[\w-]+)*\.?)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>(?:/(?:[\w.~:/@!$&'()*+,;=\[\]-]|%[\dA-Fa-f]{2})*)?)",
    re.ASCII,
)
_PORTS = {"http": 80, "https": 443}


def object_name(name: object, limits: Limits) -> str:
    """Check the name of an object against a service's limits."""
    if isinstance(name, str) and name.isascii() and 0 < len(name) <= limits.max_name:
        return name
    text = _name(name, "an object")
    size = len(text.encode())
    if size > limits.max_name:
        raise InvalidNameError(
            f"the object name {shorten(text)} has {size} bytes in UTF-8;"
            f" this service allows at most {limits.max_name}"
        )
    return text


def container_name(name: object) -> str:
    """Check the name of a container, without the rules of a particular service."""
    text = _name(name, "a container")
    if text in _DOTS:
        raise InvalidNameError(
            f"a container must not be named {text!r}: clients and proxies resolve it in a path"
        )
    if "/" in text:
        raise InvalidNameError(f"the name of a container must not contain '/': {shorten(text)}")
    return text


def _name(name: object, what: str) -> str:
    if not isinstance(name, str):
        raise InvalidTypeError(f"the name of {what} must be a str, not {_kind(name)}")
    if not name:
        raise InvalidNameError(f"the name of {what} must not be empty")
    if not name.isascii():
        _encodable(name, f"the name of {what}", InvalidNameError)
    return name


def text(value: object, label: str) -> str:
    """Check a string, possibly empty, that is sent: a prefix, a delimiter, a marker."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    _encodable(value, label)
    return value


def prefix(value: object) -> str:
    """Check a prefix of names, given as a str or as a `Prefix` of a listing."""
    return text(value.name if isinstance(value, Prefix) else value, "prefix")


def _encodable(
    value: str, label: str, error_type: type[StorageError] = InvalidOptionError
) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise error_type(
            f"{label} must be text that can be encoded as UTF-8; {shorten(value)} has a lone"
            f" surrogate at index {error.start}"
        ) from None


def span(start: object, stop: object) -> Span:
    """Return the half-open range of bytes from `start` to `stop`; `start` may be negative."""
    first = _offset(start, "start")
    if first < 0:
        if stop is not None:
            raise InvalidOptionError(
                f"start={first} counts from the object's end, so stop must be None"
            )
        return Span(first)
    if stop is None:
        return Span(first) if first else WHOLE
    last = _offset(stop, "stop")
    if last < 0:
        raise InvalidOptionError(
            f"stop must not be negative: {last}. Offsets count from the object's beginning"
        )
    if last < first:
        raise InvalidOptionError(f"stop must not be less than start: start={first}, stop={last}")
    return Span(first, last)


def read_conditions(if_match: object, if_none_match: object) -> tuple[str | None, str | None]:
    """Check the ETags of a conditional read, of which one may be given."""
    if if_match is not None and if_none_match is not None:
        raise InvalidOptionError("if_match and if_none_match exclude each other; pass one")
    return etag(if_match, "if_match"), etag(if_none_match, "if_none_match")


def pair(value: object) -> tuple[object, object]:
    """Return the two ends of a range."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InvalidTypeError(f"a range must be a pair (start, stop), not {value!r}")
    return value[0], value[1]


def _offset(value: object, label: str) -> int:
    number = value if type(value) is int else _integer(value)
    if number is None:
        raise InvalidTypeError(f"{label} must be an int, a number of bytes, not {_kind(value)}")
    # No object is larger, and services use 64-bit numbers.
    return max(-LARGEST, min(number, LARGEST))


def positive_size(value: object, label: str) -> int:
    """Check a size or a count, which must be at least 1."""
    number = value if type(value) is int else _integer(value)
    if number is None:
        raise InvalidTypeError(f"{label} must be an int, not {_kind(value)}")
    if number < 1:
        raise InvalidOptionError(f"{label} must be at least 1, not {max(number, -LARGEST)}")
    return min(number, LARGEST)


def seconds(value: object, label: str) -> float:
    """Check a duration of 0 or more seconds."""
    number = _number(value)
    if number is None:
        raise InvalidTypeError(f"{label} must be a number of seconds, not {_kind(value)}")
    if not number >= 0:
        shown = max(number, -LARGEST)
        raise InvalidOptionError(f"{label} must be 0 or more seconds, not {shown!r}")
    return float(number) if number < LARGEST else math.inf


def duration(value: object, label: str) -> float:
    """Return a duration in seconds, given as a number of seconds or as a timedelta."""
    if isinstance(value, timedelta):
        return seconds(value.total_seconds(), label)
    if _number(value) is None:
        raise InvalidTypeError(
            f"{label} must be a number of seconds or a timedelta, not {_kind(value)}"
        )
    return seconds(value, label)


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else _integer(value)


def _integer(value: object) -> int | None:
    """Return an integer, also one of NumPy, as an int; `None` if the value is not an integer."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        with suppress(TypeError):  # arrays have the method, too
            return int(value.__index__())
    return None


class Address(NamedTuple):
    """
    The parts of a service's URL.

    Attributes:
        host: In lower case; IPv6 without brackets.
        path: Percent-encoded, without a trailing slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, without the scheme's default port."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{name}{port}"


def address(value: object, label: str, form: str = "https://host[:port][/path]") -> Address:
    """
    Parse a URL that a user gave. Errors do not repeat it, because it may hold secrets.

    Args:
        form: The expected form, for error messages.

    Raises:
        InvalidOptionError: The URL is invalid, or has a user, a query, a fragment or dot segments.
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
            raise InvalidOptionError(
                f"{label} must be {form}; its host is not a valid IPv6 address"
            ) from None
    if not _DOTS.isdisjoint(_ENCODED_DOT.sub(".", found["path"]).split("/")):
        raise InvalidOptionError(f"{label} must not have '.' or '..' segments in its path")
    return Address(scheme, host, port, found["path"].rstrip("/"))


def check_secure(scheme: str, host: str, label: str, *, insecure: bool) -> None:
    """Raise `InvalidOptionError` for plain http to another machine without `insecure`."""
    if scheme == "http" and not insecure and not is_loopback(host):
        raise InvalidOptionError(
            f"{label} is http://, so anyone on the network path can read and change what is sent;"
            " use https://, or pass insecure=True"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, judged by its name alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _flaw(value: str) -> str:
    """Describe what is wrong with a URL, without repeating it."""
    scheme, separator, rest = value.partition("://")
    if not value.isascii() or not value.isprintable() or " " in value:
        return "; it contains spaces, control characters or non-ASCII characters"
    if not separator or scheme.lower() not in _PORTS:
        return ", and begin with https:// (or http://)"
    host = re.split(r"[/?#]", rest)[0]
    for sign, part, what in (("@", host, "a user"), ("?", rest, "a query"), ("#", rest, "a '#'")):
        if sign in part:
            return f"; it contains {what}"
    return ""


def public_address(value: object, label: str) -> str | None:
    """Check a public base URL of objects; `None` stays `None`."""
    if value is None:
        return None
    plain = value
    if isinstance(value, str):
        plain = value.replace("{container}", "container").removesuffix("/{name}")
    form = (
        "a URL such as 'https://cdn.example.com/base' (percent-encoded, with an ASCII host); it"
        " may contain '{container}', and end with '/{name}'"
    )
    address(plain, label, form)
    return str(value)


def reachable_name(container: str, name: str = "") -> None:
    """
    Reject names that cannot be in a URL, because clients resolve dot segments of its path.

    Raises:
        NotSupportedError: A segment of a name is ``.`` or ``..``.
    """
    for what, text in (("container", container), ("object", name)):
        if not _DOTS.isdisjoint(text.split("/")):
            raise NotSupportedError(
                f"the {what} {shorten(text)} has no URL: browsers, curl and requests resolve '.'"
                " and '..' in the path and would request another object; use the driver to read it"
            )


def stable_url(url: str) -> str:
    """
    Check that clients request a URL unchanged.

    Clients resolve dot segments (https://url.spec.whatwg.org/#path-state), even if a dot is
    percent-encoded. They keep double slashes; that some releases of requests merge those at the
    beginning of a path was a bug: https://github.com/psf/requests/pull/7315

    Raises:
        NotSupportedError: Clients would request another URL.
    """
    target = url.partition("?")[0].partition("://")[2]
    path = target[target.find("/") :] if "/" in target else ""
    segments = _ENCODED_DOT.sub(".", path).split("/")
    if not _DOTS.isdisjoint(segments) or not _URL_PATH.fullmatch(path):
        raise NotSupportedError(
            f"no URL can have the path {shorten(path)}: browsers, curl and requests would change"
            " it and request another object; use the driver to read it"
        )
    return url


def header_name(value: object, label: str) -> str:
    """Check the name of a header and return it in lower case."""
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must map str to str, not {value!r}")
    if not value.isascii() or not _TOKEN.fullmatch(value.lower()):
        raise InvalidOptionError(f"{shorten(value)} in {label} is not a valid header name")
    return value.lower()


def header_value(value: object, label: str) -> str | None:
    """Check the value of a header; `None` stays `None`."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if not value or _CONTROL.search(value):
        raise InvalidOptionError(
            f"{label} must be non-empty text without control characters, not {shorten(value)}"
        )
    _encodable(value, label)
    return value


def headers(given: object, label: str) -> dict[str, str]:
    """Return headers by their lower-case names."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"{label} must be a mapping of str to str, not {_kind(given)}")
    checked: dict[str, str] = {}
    for name, value in given.items():
        text, lower = header_value(value, f"{label}[{name!r}]"), header_name(name, label)
        if lower in checked:
            raise InvalidOptionError(f"{label} has {name!r} twice (case is ignored)")
        checked[lower] = text or ""
    return checked


def etag(value: object, label: str) -> str | None:
    """
    Check an ETag and return it in the form of `Object.etag`; `None` stays `None`.

    The form of a header is accepted, too: quoted, and marked as weak. ``*`` is rejected, because
    it stands for any object (RFC 9110 section 13.1.1), and Azurite treats ``"*"`` the same way.
    """
    checked = header_value(value, label)
    if checked is None:
        return None
    plain = clean_etag(checked.strip(" "))
    if not plain or plain == "*" or '"' in plain:
        raise InvalidOptionError(
            f"{label} must be one ETag, such as Object.etag, not {shorten(checked)}; '*' and lists"
            " of ETags are not supported"
        )
    return plain


def clean_etag(text: str | None) -> str | None:
    """Remove the quotes of an ETag and the mark of a weak one; `None` if it is empty."""
    if not text:
        return None
    if text.startswith('W/"'):
        text = text[2:]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return text or None


def metadata(pairs: object, limits: Limits) -> dict[str, str]:
    """Check the user's metadata and return it with lower-case keys."""
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
                f"invalid metadata key {shorten(key)}: use ASCII letters, digits, '-', '_' and '.'"
            )
        if lower == TOKEN_KEY:
            raise InvalidOptionError(
                f"the metadata key {key!r} is reserved: this library uses it to store the tokens"
                " of conditional writes"
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
            f"the metadata has {size} bytes; this service allows at most {limits.max_metadata}"
        )
    return checked


def instance(value: T, kind: type[T], label: str) -> T:
    """Check that a value is an instance of a class."""
    if not isinstance(value, kind):
        raise InvalidTypeError(f"{label} must be a {kind.__name__}, not {_kind(value)}")
    return value


def callback(value: object, label: str) -> None:
    """Check that a value is callable or `None`."""
    if value is not None and not callable(value):
        raise InvalidTypeError(f"{label} must be a function, not {_kind(value)}")


def progress(value: object) -> None:
    """Check that a value can be called with two numbers of bytes, or is `None`."""
    callback(value, "progress")
    if value is None:
        return
    import inspect  # noqa: PLC0415 - few transfers report their progress

    try:
        signature = inspect.signature(cast("Callable[..., object]", value))
    except ValueError:
        return  # a function in C that does not say what it takes
    try:
        signature.bind(0, 0)
    except TypeError:
        raise InvalidTypeError(
            "progress must be a function of two arguments, the number of bytes so far and the"
            " total or None, such as progress_bar(); a Callback of boto3 has one, the number of"
            " bytes since its last call"
        ) from None


def flag(value: object, label: str) -> None:
    """Check that a value has a method `is_set`, or is `None`."""
    if value is not None and not callable(getattr(value, "is_set", None)):
        raise InvalidTypeError(
            f"{label} must be a threading.Event, or have a method is_set(); {_kind(value)} has"
            " none"
        )


def text_settings(encoding: object, errors: object, newline: object) -> str:
    """Check the settings of a text file, and return the encoding."""
    for label, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None and not isinstance(value, str):
            raise InvalidTypeError(f"{label} must be a str, not {_kind(value)}")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise InvalidOptionError(f"newline must be '', '\\n', '\\r' or '\\r\\n', not {newline!r}")
    try:
        codecs.lookup(str(encoding or "utf-8"))
        codecs.lookup_error(str(errors or "strict"))
    except LookupError as error:
        raise InvalidOptionError(f"invalid encoding or errors: {error}") from None
    return str(encoding or "utf-8")


# The names that boto3, azure-storage-blob and Libcloud have for what one object is written with.
_WRITTEN_ELSEWHERE: Mapping[str, str] = {
    "content_type": "contentsettings mimetype",
    "customer_key": "cpk ssecustomerkey",
    "encryption": "serversideencryption",
    "kms_key": "kmskeyname ssekmskeyid",
    "metadata": "usermetadata",
    "region": "createbucketconfiguration locationconstraint",
    "storage_class": "exstorageclass standardblobtier",
    "tags": "tagging tagset",
}


def own_name(name: object, known: Collection[str]) -> str | None:
    """Return the known name of what another library writes as ``ContentType``, if there is one."""
    plain = re.sub("[^a-z]", "", str(name).lower())
    for own in known:
        if plain == own.replace("_", "") or plain in _WRITTEN_ELSEWHERE.get(own, "").split():
            return own
    return None


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a misspelt one, if any is."""
    import difflib  # noqa: PLC0415 - only messages need it

    found = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.65)
    return next(iter(found), None)


def shorten(value: str) -> str:
    """Return the text as a quoted literal that is short enough for a message."""
    return repr(value) if len(value) <= 80 else f"{value[:77]!r}…"


def _kind(value: object) -> str:
    return type(value).__name__
