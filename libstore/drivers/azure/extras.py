"""The options that only Azure has, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping

from ...checks import header_value, instance
from ...errors import InvalidOptionError, InvalidTypeError
from ...hooks import Check

_PUBLIC = ("blob", "container")
# https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tags
_MOST_TAGS = 10


def _tags(value: object, label: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) for pair in value.items() for text in pair
    ):
        raise InvalidTypeError(f"{label} must map str to str")
    if len(value) > _MOST_TAGS or not all(
        1 <= len(key) <= 128 and len(text) <= 256 for key, text in value.items()
    ):
        raise InvalidOptionError(
            f"{label} may have {_MOST_TAGS} tags, with keys of 1 to 128 and values of up to 256"
            " characters"
        )
    return dict(value)


def _text(value: object, label: str) -> str:
    checked = header_value(value, label)
    if checked is None or not checked.isascii():
        raise InvalidOptionError(f"{label} must be a text of ASCII")
    return checked


def _key(value: object, label: str) -> bytes:
    # The value is a secret, so no message has it.
    if not isinstance(value, bytes):
        raise InvalidTypeError(f"{label} must be bytes")
    if len(value) != 32:
        raise InvalidOptionError(f"{label} must be 32 bytes")
    return value


def _public(value: object, label: str) -> str | None:
    if value is None:
        return None
    text = instance(value, str, label)
    if text not in _PUBLIC:
        raise InvalidOptionError(f"{label} must be 'blob', 'container' or None, not {text!r}")
    return text


UPLOAD_EXTRAS: Mapping[str, Check] = {
    "access_tier": _text,
    "customer_key": _key,
    "encryption_scope": _text,
    "tags": _tags,
}
CONTAINER_EXTRAS: Mapping[str, Check] = {"public_access": _public}
