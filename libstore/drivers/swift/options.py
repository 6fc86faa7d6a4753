"""The options that only Swift has: of one upload or copy, and of a new container."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from ...errors import InvalidOptionError, InvalidTypeError
from ...options import Option
from ...rest.options import text


def _moment(value: object, label: str) -> object:
    """Return a time as Swift writes it, in whole seconds since 1970."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidOptionError(f"{label} must be an aware datetime")
        value = value.astimezone(timezone.utc).timestamp()
    return _seconds(value, label)


def _seconds(value: object, label: str) -> object:
    """Return whole seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidTypeError(f"{label} must be a number of seconds, not {type(value).__name__}")
    if not 0 < value < 2**40:
        raise InvalidOptionError(f"{label} must be above 0 seconds, not {value!r}")
    return -int(-value // 1)


#: The options of an upload or a copy.
UPLOAD: Mapping[str, Option] = {
    "delete_at": Option(
        "When the object expires: an aware datetime, or seconds since 1970.", _moment
    ),
    "delete_after": Option("After how many seconds the object expires.", _seconds),
}
#: The options of a new container.
CONTAINER: Mapping[str, Option] = {
    "storage_policy": Option("The storage policy of all objects in the container.", text)
}
