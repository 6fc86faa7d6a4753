"""
The keys of IAM Identity Center, requested with the token that ``aws sso login`` has stored.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha1

from ...errors import AuthenticationError, CredentialsNotFoundError, ServiceError
from ...http.client import Client, HeaderSigner
from ...http.encoding import encode_query
from ...http.headers import parse_epoch, parse_timestamp
from ...http.message import Fault, Request
from ...http.transport import Transport
from ...redaction import Hidden, HiddenDict, hide
from ...retry import RetryPolicy
from .endpoints import Address, suffix
from .keys import (
    BUSY,
    MAX_DOCUMENT,
    Clock,
    Key,
    busy,
    check_valid,
    document,
    local_time,
    read_key,
)

_CACHE = "~/.aws/sso/cache"
_RETRY = RetryPolicy(attempts=3)


@dataclass(frozen=True)
class SSOLogin:
    """
    A login, whose token is in a file.

    Attributes:
        session: The name of the section ``[sso-session]`` or, without one, the start URL.
        profile: The profile, for the command that logs in.
    """

    session: str
    profile: str
    clock: Clock = time.time

    def token(self) -> str | None:
        """
        Return the token; `None` if it has expired.

        Raises:
            CredentialsNotFoundError: There is no token.
        """
        # The name is not secret; the SDKs have chosen this digest for it.
        name = sha1(self.session.encode(), usedforsecurity=False).hexdigest()
        try:
            with open(os.path.expanduser(f"{_CACHE}/{name}.json"), encoding="utf-8") as file:
                fields = document(Hidden(file.read(MAX_DOCUMENT)))
        except (OSError, UnicodeDecodeError):
            fields = HiddenDict[str, object]()
        token, end = hide(fields.get("accessToken")), fields.get("expiresAt")
        # Older versions of the AWS CLI wrote UTC in place of Z.
        expires = parse_timestamp(end.replace("UTC", "Z") if isinstance(end, str) else end)
        if not isinstance(token, str) or not token or expires is None:
            raise CredentialsNotFoundError(f"there is no token in {_CACHE}; {self.advice()}")
        return token if expires.timestamp() > self.clock() else None

    def advice(self) -> str:
        """Return how to log in."""
        return f"log in with: aws sso login --profile {shlex.quote(self.profile)}"


@dataclass(frozen=True)
class SSOSource:
    """
    The keys of a role in an account.

    Attributes:
        renewed: Returns a key if the token has expired, by a package that can renew the token.
    """

    name: str
    login: SSOLogin
    account: str
    role: str
    address: Address
    transport: Transport
    renewed: Callable[[], Key]

    def __call__(self) -> Key:
        """Request a key from the portal."""
        token = self.login.token()
        if token is None:
            return self.renewed()
        query = encode_query({"role_name": self.role, "account_id": self.account})
        signer = HeaderSigner({"x-amz-sso_bearer_token": token})
        clock = self.login.clock
        client = Client(self.transport, signer, self._read_error, _RETRY, clock)
        request = Request(
            "GET", self.address.origin, f"{self.address.path}/federation/credentials?{query}",
            expected=frozenset({200}), operation="GetRoleCredentials",
        )  # fmt: skip
        response = client.request(request)
        fields = document(response.read(MAX_DOCUMENT)).get("roleCredentials")
        if not isinstance(fields, HiddenDict):
            raise _unexpected(response.status)
        milliseconds, now = fields.get("expiration"), clock()
        when = parse_epoch(milliseconds / 1000 if isinstance(milliseconds, int) else None)
        if when is None:
            raise _unexpected(response.status)
        names = ("accessKeyId", "secretAccessKey", "sessionToken")
        where = "IAM Identity Center"
        expires = local_time(when, now, response.headers)
        return check_valid(read_key(fields, where, names, expires), now, where)

    def _read_error(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        if status in BUSY:
            return busy("IAM Identity Center", status)
        if status == 401:
            text = f"the token of the login is not valid any more; {self.login.advice()}"
            return Fault(AuthenticationError(text, status=status))
        if "message" not in document(body):
            return Fault(_unexpected(status))
        text = (
            f"IAM Identity Center refused keys of the role {self.role!r} in the account"
            f" {self.account}; check sso_role_name and sso_account_id, and that the role is"
            " assigned to you"
        )
        return Fault(AuthenticationError(text, status=status))


def portal_address(region: str) -> Address:
    """Return the address of the portal in a region."""
    return Address(f"https://portal.sso.{region}.{suffix(region)}")


def _unexpected(status: int) -> ServiceError:
    return ServiceError(
        "unexpected response to the request to IAM Identity Center, which is not from AWS; check"
        " any proxy or login page",
        status=status,
    )
