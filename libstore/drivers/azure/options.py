"""The options of an upload, a copy or a new container that only Azure has."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import InvalidOptionError
from ...options import Option
from ...rest.options import key, one_of, optional, tags, text

# https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tags#remarks
_TAG = re.compile(r"[A-Za-z0-9 +\-./:=_]*", re.ASCII)


def _tags(value: object, label: str) -> dict[str, str]:
    """Return the tags of a blob."""
    found = tags(value, label)
    if not all(_TAG.fullmatch(name + item) for name, item in found.items()):
        raise InvalidOptionError(
            f"{label}: tags may contain only ASCII letters, digits, spaces and + - . / : = _"
        )
    return found


CUSTOMER_KEY = Option(
    "A key of 32 bytes that encrypts what is written and decrypts what is read. The service does"
    " not keep it.",
    key,
    secret=True,
)
ENCRYPTION_SCOPE = Option("The encryption scope that encrypts what is written.", text)

#: The options of an upload or a copy.
UPLOAD: Mapping[str, Option] = {
    "access_tier": Option(
        '``"Hot"``, ``"Cool"``, ``"Cold"`` or ``"Archive"``; the same as `storage_class`.', text
    ),
    "customer_key": CUSTOMER_KEY,
    "encryption_scope": ENCRYPTION_SCOPE,
    "tags": Option("A mapping of at most 10 tags, which are indexed.", _tags),
}
#: The options of a new container.
CONTAINER: Mapping[str, Option] = {
    "public_access": Option(
        '``"blob"`` allows anonymous reads, ``"container"`` also anonymous listings.',
        optional(one_of("blob", "container")),
    )
}
