"""Keys from what a program passes as ``credentials=``: a function, or a session of boto3."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from ...errors import AuthenticationError, CredentialsNotFoundError, StorageError
from ...forks import renew_after_fork
from ...http.headers import parse_timestamp
from ...redaction import HiddenDict, hide, type_name, without_frames
from ..renewal import Lease
from ..sigv4 import Credentials
from .keys import Clock, Key, check_valid
from .sessions import KEY_HELP, AWSCredentials, CredentialsSession, FrozenCredentials

# The names of the parts of a key, those of this library first, then botocore's and STS's.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "key": ("key", "access_key", "AccessKeyId"),
    "secret": ("secret", "secret_key", "SecretAccessKey"),
    "token": ("token", "SessionToken", "Token"),
    "expiry": ("expiry", "expiry_time", "Expiration"),
}
# The end of a time in ISO 8601 that has an offset.
_AWARE = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$")
# The seconds for which a key of botocore is used without calling it again. It renews its keys at
# least ten minutes before they expire.
_RECHECK = 60.0


class FunctionSource:
    """The keys that a function returns."""

    name = "argument credentials"

    def __init__(self, function: Callable[[], object], clock: Clock = time.time) -> None:
        self._function = function
        self._clock = clock

    def __call__(self) -> Key:
        """Call the function."""
        label = "the function credentials="
        parts, kind = _parts(_called(self._function, label))
        known = _credentials(parts, label)
        if known is None:
            raise AuthenticationError(f"{label} must return {KEY_HELP}, not {kind}")
        expires = _expiry(parts["expiry"], label)
        return check_valid(Lease(known, expires), self._clock(), label)


class DelegatedSource:
    """
    The keys of botocore's credentials, which renew themselves when they are used.

    Attributes:
        name: The name for `StorageDriver.credentials_source`.

    Args:
        find: Returns the credentials, or `None`; it is called once in each process.
    """

    def __init__(
        self, find: Callable[[], Any], name: str, label: str, clock: Clock = time.time
    ) -> None:
        self.name = name
        self._find = find
        self._label = label
        self._clock = clock
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the credentials, whose locks a thread of the parent process may have held."""
        self._credentials: Any = None

    def __call__(self) -> Key:
        """Return the present key."""
        if self._credentials is None:
            found = _called(self._find, self._label)
            if found is None:
                raise CredentialsNotFoundError(f"{self._label} has no credentials")
            if not isinstance(found, FrozenCredentials):
                raise AuthenticationError(
                    f"the credentials of {self._label} have no get_frozen_credentials(), as those"
                    f" of botocore have; they are of the type {type_name(found)}"
                )
            self._credentials = found
        frozen = _called(self._credentials.get_frozen_credentials, self._label)
        known = _credentials(_parts(frozen)[0], self._label)
        if known is None:
            raise CredentialsNotFoundError(f"{self._label} has no complete key")
        return Lease(known, self._clock() + _RECHECK)


def given_source(
    value: AWSCredentials, clock: Clock = time.time
) -> FunctionSource | DelegatedSource:
    """Return the source of the keys that a program passes."""
    label = "credentials="
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    name = f"{FunctionSource.name} ({kind})"
    if isinstance(value, FrozenCredentials):
        return DelegatedSource(lambda: value, name, label, clock)
    if isinstance(value, CredentialsSession):
        return DelegatedSource(value.get_credentials, name, label, clock)
    return FunctionSource(value, clock)


def botocore_credentials(profile: str, why: str) -> Any:
    """
    Return botocore's credentials of a profile.

    Args:
        why: Why they are needed, for the error if botocore is not installed.
    """
    try:
        session = import_module("botocore.session")
    except ImportError:
        raise CredentialsNotFoundError(
            f"{why}; botocore, which renews logins, is installed with: pip install 'libstore[aws]'"
        ) from None
    return session.Session(profile=profile).get_credentials()


def _called(function: Callable[[], Any], label: str) -> Any:
    """Call a function of the program, and convert its errors."""
    try:
        return function()
    except StorageError:
        raise
    except Exception as error:
        # Its text may repeat a secret, so it is not part of the message.
        raise AuthenticationError(
            f"{label} failed to provide a key ({type(error).__name__})"
        ) from without_frames(error)


def _parts(found: object) -> tuple[dict[str, object], str]:
    """Return the parts of a key by the names of this library, hidden, and what they are from."""
    if isinstance(found, Mapping) and isinstance(found.get("Credentials"), Mapping):
        found = found["Credentials"]  # the whole response of STS
    kind = type_name(found)
    named = hasattr(found, "_fields")
    if isinstance(found, (tuple, list)) and not named and 2 <= len(found) <= len(_NAMES):
        found = HiddenDict(zip(_NAMES, found, strict=False))
    parts: dict[str, object] = HiddenDict()
    for part, names in _NAMES.items():
        for name in names:
            value = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
            if value is not None:
                parts[part] = hide(value)
                break
        else:
            parts[part] = None
    return parts, kind


def _credentials(parts: Mapping[str, object], label: str) -> Credentials | None:
    """Return a key of its parts, checked; `None` if a part is missing."""
    key, secret, token = parts["key"], parts["secret"], parts["token"] or None
    if not isinstance(key, str) or not isinstance(secret, str) or not (key and secret):
        return None
    if token is not None and not isinstance(token, str):
        raise AuthenticationError(
            f"the token that {label} returned must be a str, not {type_name(token)}"
        )
    for name, value in (("key", key), ("secret", secret), ("token", token or "")):
        if not value.isascii() or not value.isprintable():
            raise AuthenticationError(
                f"the {name} that {label} returned must be printable ASCII, without line breaks"
            )
    return Credentials(key, secret, token)


def _expiry(value: object, label: str) -> float:
    if value is None:
        return math.inf
    if isinstance(value, str):
        value = parse_timestamp(value) if _AWARE.search(value) else None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    if isinstance(value, (int, float)) and not (isinstance(value, bool) or math.isnan(value)):
        return float(value)
    raise AuthenticationError(
        f"the expiry that {label} returned must be an aware datetime, or seconds since 1970"
    )
