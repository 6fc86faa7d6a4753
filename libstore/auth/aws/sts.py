"""
The service STS, which exchanges a key or a token of an identity provider for a role's keys.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from ...errors import (
    AuthenticationError,
    CredentialsNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.client import Client, Unsigned
from ...http.encoding import encode_query
from ...http.message import Fault, Request
from ...http.transport import Transport
from ...http.xml import read_listing
from ...redaction import Hidden, HiddenBytes, HiddenDict, redact, sent_secrets
from ...retry import RetryPolicy
from ..sigv4 import PAYLOAD_HEADER, Credentials, HeaderSigner, SigV4
from .endpoints import Address, suffix
from .keys import BUSY, MAX_DOCUMENT, Clock, Key, busy, check_valid, read_expiry, read_key

_VERSION = "2011-06-15"
_RETRY = RetryPolicy(attempts=3)
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})
_KEY_PATH = "{0}Result/Credentials/{1}"
_TOKEN_LIMIT = 1 << 16


@dataclass(frozen=True)
class STS:
    """The service in one region."""

    transport: Transport
    address: Address
    region: str
    clock: Clock = time.time

    def assume(
        self, action: str, parameters: Mapping[str, str], credentials: Credentials | None = None
    ) -> Key:
        """
        Return the key of a role.

        Args:
            parameters: The parameters of the action besides its name.
            credentials: The key that the request is signed with.
        """
        where = f"STS's response to {action}"
        query = {"Action": action, "Version": _VERSION, **parameters}
        body = HiddenBytes(encode_query(query).encode())
        headers = {"content-type": "application/x-www-form-urlencoded"}
        signer: HeaderSigner | Unsigned = Unsigned()
        if credentials is not None:
            headers[PAYLOAD_HEADER] = sha256(body).hexdigest()
            signer = HeaderSigner(SigV4(credentials, self.region, "sts"))
        secrets: list[str] = [value for value in parameters.values() if isinstance(value, Hidden)]
        if credentials is not None:
            secrets += [value for value in (credentials.secret, credentials.token) if value]
        client = Client(self.transport, signer, partial(_read_error, secrets), _RETRY, self.clock)
        request = Request(
            "POST", self.address.origin, self.address.path + "/", headers, body,
            expected=frozenset({200}), operation=action,
        )  # fmt: skip
        response = client.request(request)
        try:
            found = read_listing(HiddenBytes(response.read(MAX_DOCUMENT)), ()).head
        except ServiceError:
            found = {}
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        paths = [_KEY_PATH.format(action, name) for name in names]
        if paths[0] not in found:
            raise _unexpected(response.status)
        now = self.clock()
        expires = read_expiry(found.get(paths[3]), now, where, response.headers)
        return check_valid(
            read_key(found, where, (paths[0], paths[1], paths[2]), expires), now, where
        )


def regional_address(region: str | None, *, fips: bool) -> tuple[Address, str]:
    """
    Return the address of STS in a region, and the region that its requests are signed for.

    https://docs.aws.amazon.com/general/latest/gr/sts.html
    """
    host = "sts-fips" if fips else "sts"
    if region is None or region == "aws-global":
        return Address("https://sts.amazonaws.com"), "us-east-1"
    return Address(f"https://{host}.{region}.{suffix(region)}"), region


@dataclass(frozen=True)
class Role:
    """
    A role, and how its keys are requested.

    Attributes:
        session: The name of the session, which AWS records; by default one with the time.
        duration: The lifetime of its keys in seconds.
    """

    arn: str
    session: str | None = None
    external_id: str | None = field(default=None, repr=False)
    duration: int | None = None

    def parameters(self, now: float) -> dict[str, str]:
        """Return the parameters of the request."""
        found = HiddenDict(
            {"RoleArn": self.arn, "RoleSessionName": self.session or f"libstore-{int(now)}"}
        )
        if self.external_id is not None:
            found["ExternalId"] = Hidden(self.external_id)
        if self.duration is not None:
            found["DurationSeconds"] = str(self.duration)
        return found


@dataclass(frozen=True)
class RoleSource:
    """
    The keys of a role, requested with another key.

    Attributes:
        base: Returns the key that requests are signed with.
    """

    name: str
    role: Role
    base: Callable[[], Credentials]
    sts: STS

    def __call__(self) -> Key:
        """Request a key from STS."""
        parameters = self.role.parameters(self.sts.clock())
        return self.sts.assume("AssumeRole", parameters, self.base())


@dataclass(frozen=True)
class WebIdentitySource:
    """
    The keys of a role, requested with a token from a file, which is read each time.

    Attributes:
        label: What names the file, for messages.
    """

    name: str
    role: Role
    token_file: str
    label: str
    sts: STS

    def __call__(self) -> Key:
        """Request a key from STS."""
        parameters = self.role.parameters(self.sts.clock())
        parameters["WebIdentityToken"] = self._token()
        return self.sts.assume("AssumeRoleWithWebIdentity", parameters)

    def _token(self) -> str:
        try:
            with open(self.token_file, encoding="utf-8") as file:
                token = Hidden(file.read(_TOKEN_LIMIT).strip())
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise CredentialsNotFoundError(
                f"the token file {self.token_file!r}, which {self.label} names, cannot be read:"
                f" {reason}"
            ) from None
        if not token:
            raise CredentialsNotFoundError(
                f"the token file {self.token_file!r}, which {self.label} names, is empty"
            )
        return token


def _read_error(
    secrets: Sequence[str], request: Request, status: int, headers: Mapping[str, str], body: bytes
) -> Fault:
    try:
        found = read_listing(body, ()).head
    except StorageError:
        found = HiddenDict[str, str]()
    code = found.get("Error/Code", "")
    # https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
    if status in BUSY or code in _THROTTLED or code == "IDPCommunicationError":
        return busy("STS", status)
    if not code:
        return Fault(_unexpected(status))
    text = found.get("Error/Message", "").strip().rstrip(".")
    text = redact(text, (*secrets, *sent_secrets()))
    error = AuthenticationError(
        f"STS refused {request.operation}: {text[:500] or 'no reason'}; check the role, its trust"
        " policy, and the credentials that it is assumed with",
        status=status,
        code=str(code)[:100],
    )
    return Fault(error, unsure=status == 403 or code.startswith("RequestExpired"))


def _unexpected(status: int) -> ServiceError:
    return ServiceError(
        "unexpected response to the request to STS, which is not from AWS; check any proxy or"
        " login page",
        status=status,
    )
