"""
Shared access signatures, which grant temporary permissions to the holder of a URL.

A service SAS is signed with the account's key, a user delegation SAS with a key that the service
issues to a user.
https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas
https://learn.microsoft.com/en-us/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ..http.encoding import encode, encode_query
from ..redaction import Hidden, hide
from .sharedkey import sign

#: Headers of the response that a signature can set, by the name of its parameter.
OVERRIDES = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}
# Since this version the string to sign of a user delegation SAS has two more fields for users.
_DELEGATED_USERS = "2025-07-05"
#: Since this version it has two more for required headers and query parameters.
BOUND_REQUESTS = "2026-04-06"


@dataclass(frozen=True, slots=True)
class DelegationKey:
    """
    A key that the service issued to a user, and its identification.

    Attributes:
        value: The key, decoded from base64.
    """

    object_id: str
    tenant_id: str
    start: str
    expiry: str
    service: str
    version: str
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", hide(self.value))


@dataclass(frozen=True, slots=True)
class Grant:
    """
    The permissions of a signature.

    Attributes:
        blob: The name of a blob; `None` means all blobs of the container.
        permissions: Letters in the order ``racwdxyltmeop``.
        expiry: The end of the validity in seconds since 1970.
        start: Its start in seconds since 1970; `None` means at once.
        overrides: Headers of the response, by lower-case name.
        scope: The encryption scope that encrypts what is written.
        headers: Headers that the request must have; only a user delegation SAS of the version
            `BOUND_REQUESTS` can require any.
    """

    account: str
    container: str
    blob: str | None
    permissions: str
    expiry: float
    version: str
    start: float | None = None
    protocol: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def timestamp(moment: float) -> str:
    """Format seconds since 1970 for a signature."""
    return f"{datetime.fromtimestamp(int(moment), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def service_sas(grant: Grant, key: bytes) -> str:
    """Return the query of a URL, signed with the account's key."""
    parameters = _parameters(grant)
    lines = [*_beginning(grant, parameters), "", *_ending(parameters)]
    return _signed(parameters, lines, key)


def delegation_sas(grant: Grant, key: DelegationKey) -> str:
    """Return the query of a URL, signed with a user's delegation key."""
    parameters = _parameters(grant)
    known = {
        "skoid": key.object_id,
        "sktid": key.tenant_id,
        "skt": key.start,
        "ske": key.expiry,
        "sks": key.service,
        "skv": key.version,
    }
    parameters |= known
    if grant.headers:
        parameters["srh"] = ",".join(encode(name) for name in grant.headers)
    # Two authorised users and a correlation id, which are not used.
    lines = [*_beginning(grant, parameters), *known.values(), "", "", ""]
    lines += ["", ""] if grant.version >= _DELEGATED_USERS else []
    ending = _ending(parameters)
    if grant.version >= BOUND_REQUESTS:
        # Each header has a line of its own, and an empty line follows.
        bound = "".join(f"{name}:{value}\n" for name, value in grant.headers.items())
        ending[6:6] = [bound, ""]
    return _signed(parameters, lines + ending, key.value)


def _parameters(grant: Grant) -> dict[str, str]:
    parameters = {
        "st": timestamp(grant.start) if grant.start is not None else "",
        "se": timestamp(grant.expiry),
        "sp": grant.permissions,
        "spr": grant.protocol,
        "sv": grant.version,
        "sr": "c" if grant.blob is None else "b",
        "ses": grant.scope,
    }
    parameters |= {name: grant.overrides.get(header, "") for name, header in OVERRIDES.items()}
    return {name: value for name, value in parameters.items() if value}


def _beginning(grant: Grant, parameters: Mapping[str, str]) -> list[str]:
    place = f"/blob/{grant.account}/{grant.container}"
    if grant.blob is not None:
        place += f"/{grant.blob}"
    return [*(parameters.get(name, "") for name in ("sp", "st", "se")), place]


def _ending(parameters: Mapping[str, str]) -> list[str]:
    # An IP address and a snapshot are not used.
    names = ("sip", "spr", "sv", "sr", "snapshot", "ses", *OVERRIDES)
    return [parameters.get(name, "") for name in names]


def _signed(parameters: Mapping[str, str], lines: list[str], key: bytes) -> str:
    return Hidden(encode_query({**parameters, "sig": sign(key, "\n".join(lines))}))


def delegation_key(fields: Mapping[str, str]) -> DelegationKey:
    """Parse the response to Get User Delegation Key; raises `KeyError` for a missing field."""
    return DelegationKey(
        fields["SignedOid"],
        fields["SignedTid"],
        fields["SignedStart"],
        fields["SignedExpiry"],
        fields["SignedService"],
        fields["SignedVersion"],
        base64.b64decode(fields["Value"], validate=True),
    )
