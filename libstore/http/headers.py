"""Parse and format header values (dates, ETags, ranges), and reject unsafe ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from .. import arguments
from ..arguments import shorten
from ..errors import InvalidOptionError
from ..values import LARGEST, Span, utc_time

# RFC 9110 section 5.6.2 (token) and 5.5 (field-value, here without obs-text's control characters).
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
# The names that were found valid; those of metadata are many.
_known_names: set[str] = set()
_MAX_KNOWN_NAMES = 256
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
# A year, because some system calls do not support longer timeouts.
_LONGEST_WAIT = 365 * 86_400.0
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ((?!24)[0-9]{2}:[0-9]{2}:[0-9]{2}) GMT"
)
_MAIL_DATE = re.compile(r"[A-Za-z0-9:, -]+(?:[+-][0-9]{4})?")
_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


#: Remove the quotes of an ETag and the mark of a weak one; `None` if it is empty.
clean_etag = arguments.clean_etag


def check(headers: Mapping[str, str]) -> None:
    """
    Check that headers can be sent, and that no value can inject another header.

    Values are sent as UTF-8, which `libstore.http.response_head` decodes, too.

    Raises:
        InvalidOptionError: A name or a value cannot be sent. Nothing was sent.
    """
    # A check of all values together is fast; each header is checked only if it fails.
    text = "".join(headers.values())
    if text.isascii() and text.isprintable() and headers.keys() <= _known_names:
        return
    del text  # so that no traceback shows it
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise InvalidOptionError(f"{shorten(name)} is not a valid header name")
        if len(_known_names) < _MAX_KNOWN_NAMES:
            _known_names.add(name)
        found = _NOT_IN_A_VALUE.search(value)
        if found:
            raise InvalidOptionError(
                f"the value of the header {name} has a character that cannot be sent:"
                f" U+{ord(found[0]):04X} at index {found.start()}"
            )


def http_date(seconds: float) -> str:
    """Format seconds since 1970 for a header such as `Date`."""
    when = datetime.fromtimestamp(seconds, timezone.utc)
    month = next(name for name, number in _MONTHS.items() if number == when.month)
    return f"{_DAYS[when.weekday()]}, {when.day:02} {month} {when.year:04} {when:%H:%M:%S} GMT"


def is_html(headers: Mapping[str, str]) -> bool:
    """Return whether a response is a web page, by its content type."""
    return headers.get("content-type", "").lower().startswith("text/html")


def parse_date(text: object) -> datetime | None:
    """Parse the date of a header to UTC; `None` if it is invalid."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        # The format of RFC 9110, such as Sun, 06 Nov 1994 08:49:37 GMT, without email's parser.
        match = _HTTP_DATE.fullmatch(text)
        if match:
            day, month, year, clock = match.groups()
            return datetime.fromisoformat(f"{year}-{_MONTHS[month]:02}-{day}T{clock}+00:00")
        return _in_utc(parsedate_to_datetime(text)) if _MAIL_DATE.fullmatch(text) else None
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def parse_timestamp(text: object) -> datetime | None:
    """Parse an ISO 8601 time such as ``2026-01-31T23:59:59.000Z`` to UTC; `None` if invalid."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        if sys.version_info >= (3, 11):
            when = datetime.fromisoformat(text)
            return when if when.tzinfo is timezone.utc else _in_utc(when)
        # Python 3.10 supports neither the Z nor fractions of other than 3 or 6 digits.
        if text.endswith("Z"):
            body, _, fraction = text[:-1].partition(".")
            when = datetime.fromisoformat(f"{body}.{fraction[:6]:0<6}" if fraction else body)
        else:
            when = datetime.fromisoformat(text)
        return _in_utc(when)
    except (ArithmeticError, ValueError):
        return None


def _in_utc(when: datetime) -> datetime:
    """Convert a time to UTC; raises `OverflowError` if the year is out of range."""
    return (
        when.replace(tzinfo=timezone.utc) if when.tzinfo is None else when.astimezone(timezone.utc)
    )


def parse_epoch(value: object) -> datetime | None:
    """Parse seconds since 1970, a number or a text, to UTC; `None` if they are invalid."""
    if isinstance(value, str):
        return utc_time(float(value)) if _SECONDS.fullmatch(value) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return utc_time(value)
    return None


def parse_content_range(text: str | None) -> tuple[Span | None, int | None] | None:
    """
    Parse `Content-Range` to the span and the total size, each `None` if it is absent.

    The result is `None` if the header is missing or invalid.
    """
    match = _CONTENT_RANGE.fullmatch(text) if text else None
    if not match:
        return None
    first, last, size = match.groups()
    whole = None if size == "*" else int(size)
    if first is None:
        return None, whole
    span = Span(int(first), int(last) + 1)
    assert span.stop is not None
    if span.stop <= span.start or max(span.stop, whole or 0) > LARGEST:
        return None
    if whole is not None and span.stop > whole:
        return None
    return span, whole


def parse_size(value: object) -> int | None:
    """Parse a size or a count from a header, XML or JSON; `None` if it is invalid."""
    if isinstance(value, str):
        if len(value) <= 19 and value.isascii() and value.isdigit():
            size = int(value)
            return size if size <= LARGEST else None
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return value
    return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return the delay in seconds before a retry, from ``Retry-After``; `None` if it is absent.

    ``x-ms-retry-after-ms`` (Azure) and ``x-amz-retry-after`` (AWS), both in milliseconds, are
    supported, too.
    """
    for name in ("x-ms-retry-after-ms", "x-amz-retry-after"):
        milliseconds = parse_size(headers.get(name))
        if milliseconds is not None:
            return min(milliseconds / 1000, _LONGEST_WAIT)
    text = headers.get("retry-after")
    seconds = parse_size(text)
    if seconds is not None:
        return min(float(seconds), _LONGEST_WAIT)
    when = parse_date(text)
    return None if when is None else min(max(0.0, when.timestamp() - now), _LONGEST_WAIT)
