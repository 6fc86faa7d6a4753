"""Keys with an expiry, as documents of AWS's services and of commands contain them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from ...errors import AuthenticationError, ServiceUnavailableError
from ...http.headers import parse_date, parse_timestamp
from ...http.json import parse_json
from ...http.message import Fault
from ...redaction import HiddenDict, hide
from ..renewal import Lease
from ..sigv4 import Credentials

#: A key with its expiry.
Key: TypeAlias = Lease[Credentials]

#: The longest document that is read.
MAX_DOCUMENT = 1 << 20

#: The errors of a service that another attempt may not meet.
BUSY = frozenset({408, 429, *range(500, 600)})


class Source(Protocol):
    """
    Where keys come from; calling it returns one that has not expired.

    Attributes:
        name: The name for `StorageDriver.credentials_source`, without secrets.
    """

    @property
    def name(self) -> str: ...

    def __call__(self) -> Key:
        """Return the present key, or a newer one if the service has one."""
        ...


@dataclass(frozen=True)
class Fixed:
    """The source of a key that does not expire."""

    name: str
    credentials: Credentials

    def __call__(self) -> Key:
        return Lease(self.credentials)


def document(body: bytes | str) -> HiddenDict[str, object]:
    """Return a JSON object, with its values hidden; an empty one if the text is none."""
    try:
        found = parse_json(body)
    except ValueError:
        return HiddenDict()
    return found if isinstance(found, HiddenDict) else HiddenDict()


def read_key(
    fields: Mapping[str, object],
    where: str,
    names: tuple[str, str, str] = ("AccessKeyId", "SecretAccessKey", "SessionToken"),
    expires: float = math.inf,
) -> Key:
    """
    Return the key in a document.

    Args:
        where: What the document is from, for messages.
        names: The names of its fields: the id, the secret and the session token.
        expires: The expiry in seconds since 1970.

    Raises:
        AuthenticationError: The document has no complete key.
    """
    key, secret, token = (hide(fields.get(name)) for name in names)
    for name, value in ((names[0], key), (names[1], secret)):
        if not isinstance(value, str) or not value:
            raise AuthenticationError(f"{where} has no text {name}, so there is no key in it")
    session = token if isinstance(token, str) and token else None
    return Lease(Credentials(str(key), str(secret), session), expires)


def read_expiry(
    text: object, now: float, where: str, headers: Mapping[str, str] | None = None
) -> float:
    """
    Return an expiry by the local clock, in seconds since 1970; infinity if there is none.

    Args:
        text: The time in ISO 8601.
        where: What the time is from, for messages.
        headers: The headers of the response; their date shows how far the clocks are apart.

    Raises:
        AuthenticationError: The text is not a time.
    """
    text = hide(text)  # until it is known to be a time
    if text is None or text == "":
        return math.inf
    when = parse_timestamp(text)
    if when is None:
        raise AuthenticationError(
            f"the expiry of the key from {where} is not a time in ISO 8601, such as"
            " 2026-01-31T23:59:59Z"
        )
    return local_time(when, now, headers)


def local_time(when: datetime, now: float, headers: Mapping[str, str] | None = None) -> float:
    """Return a service's time by the local clock; see `read_expiry`."""
    sent = parse_date((headers or {}).get("date"))
    return when.timestamp() + (now - sent.timestamp() if sent is not None else 0.0)


def check_valid(key: Key, now: float, where: str) -> Key:
    """Return a key, or raise `AuthenticationError` if it has expired."""
    if key.expires <= now:
        raise AuthenticationError(
            f"the key from {where} has expired; check the clock, or get a new one"
        )
    return key


def busy(what: str, status: int) -> Fault:
    """Return the fault of a service that is temporarily unavailable."""
    error = ServiceUnavailableError(
        f"{what} is temporarily unavailable; try again later", status=status
    )
    return Fault(error, retry=True, throttled=status == 429)


#: Returns the time in seconds since 1970.
Clock: TypeAlias = Callable[[], float]
