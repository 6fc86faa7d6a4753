"""What a program may pass as ``credentials=`` in place of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ...errors import InvalidTypeError
from ...redaction import type_name

#: What a function that provides a key must return.
KEY_HELP = (
    "a mapping, an object with attributes, or a tuple: key, secret and, if it is temporary, token"
    " and expiry (an aware datetime, or seconds since 1970)"
)


@runtime_checkable
class FrozenCredentials(Protocol):
    """Credentials of botocore, which renew themselves."""

    def get_frozen_credentials(self) -> Any:
        """Return the present key, with the attributes access_key, secret_key and token."""
        ...


@runtime_checkable
class CredentialsSession(Protocol):
    """A session of boto3 or botocore."""

    def get_credentials(self) -> Any:
        """Return the session's `FrozenCredentials`, or `None`."""
        ...


#: What ``credentials=`` accepts: a function that returns a key, or a session or credentials of
#: boto3 or botocore.
AWSCredentials: TypeAlias = Callable[[], object] | FrozenCredentials | CredentialsSession


def check_given(value: object, label: str) -> object:
    """Return a value that `given_source` accepts."""
    if isinstance(value, (FrozenCredentials, CredentialsSession)) or callable(value):
        return value
    raise InvalidTypeError(
        f"{label} must be a function that returns {KEY_HELP}, or a session or credentials of boto3"
        f" or botocore, not {type_name(value)}"
    )


def region_of(value: object) -> str | None:
    """Return the region that a session of boto3 or botocore has, or `None`."""
    if not isinstance(value, CredentialsSession):
        return None
    region = getattr(value, "region_name", None)  # of boto3
    if region is None and callable(configured := getattr(value, "get_config_variable", None)):
        region = configured("region")  # of botocore
    return region if isinstance(region, str) else None
