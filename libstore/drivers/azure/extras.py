"""The options that only Azure has, and how they are checked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import InvalidOptionError
from ...hooks import Check
from ...rest.options import key, one_of, optional, tags, text

# https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tags#remarks
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]*", re.ASCII)


def _tags(value: object, label: str) -> dict[str, str]:
    """Return the tags of a blob."""
    found = tags(value, label)
    if not all(_TAG.fullmatch(name + item) for name, item in found.items()):
        raise InvalidOptionError(
            f"{label}: Azure takes ASCII letters, digits, spaces and + - . / : = _ in tags"
        )
    return found


UPLOAD_EXTRAS: Mapping[str, Check] = {
    "access_tier": text,
    "customer_key": key,
    "encryption_scope": text,
    "tags": _tags,
}
CONTAINER_EXTRAS: Mapping[str, Check] = {"public_access": optional(one_of("blob", "container"))}
