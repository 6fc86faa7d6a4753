"""
The key in environment variables, which may be temporary.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html, and
https://github.com/boto/botocore/blob/develop/botocore/credentials.py for the names of all
variables.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import AuthenticationError
from ..renewal import Lease
from ..sigv4 import Credentials
from .keys import Clock, Fixed, Key, check_valid, read_expiry

_KEY, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
#: The variables with the session token; the first one is its former name.
TOKENS = ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
#: The variable with the expiry of the key.
EXPIRATION = "AWS_CREDENTIAL_EXPIRATION"
_NAME = f"environment variable {_KEY}"


@dataclass(frozen=True)
class EnvironmentSource:
    """The temporary key of the environment, which is read again when it expires."""

    environ: Mapping[str, str] = field(repr=False)
    clock: Clock = time.time
    name: str = _NAME

    def __call__(self) -> Key:
        """Read the key."""
        found, now = _credentials(self.environ), self.clock()
        if found is None:
            raise AuthenticationError(f"{_KEY} and {_SECRET} are not set any more")
        expires = read_expiry(self.environ.get(EXPIRATION), now, EXPIRATION)
        return check_valid(Lease(found, expires), now, f"{_KEY} ({EXPIRATION})")


def environment_key(
    environ: Mapping[str, str], clock: Clock = time.time
) -> Fixed | EnvironmentSource | None:
    """Return the source of the key in the environment; `None` if it has no complete key."""
    found = _credentials(environ)
    if found is None:
        return None
    if environ.get(EXPIRATION):
        return EnvironmentSource(environ, clock)
    return Fixed(_NAME, found)


def _credentials(environ: Mapping[str, str]) -> Credentials | None:
    key, secret = environ.get(_KEY), environ.get(_SECRET)
    if not key or not secret:
        return None
    return Credentials(key, secret, next(filter(None, map(environ.get, TOKENS)), None))
