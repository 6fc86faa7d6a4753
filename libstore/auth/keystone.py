"""
OpenStack's tokens: login requests, and their responses.

It supports Keystone's identity API v3, and the API v1 of Swift's TempAuth and of compatible
services. The response with a token also contains the URL of the account's storage.
https://docs.openstack.org/api-ref/identity/v3/
https://docs.openstack.org/swift/latest/overview_auth.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    AuthenticationError,
    InvalidOptionError,
    NotSupportedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ..http.client import Client
from ..http.headers import is_html, parse_size, parse_timestamp
from ..http.json import parse_json
from ..http.message import Fault, Request
from ..redaction import Hidden, HiddenBytes, hide
from .bearer import TokenCache

_LIMIT = 4 * 1024 * 1024
# The assumed lifetime of a token without an expiry; the service rejects it when it has expired.
_ASSUMED_LIFE = 3600
_STORAGE = "object-store"
# The paths of TempAuth, and of compatible services such as Ceph:
# https://docs.ceph.com/en/latest/radosgw/swift/auth/
_V1_ENDINGS = ("/v1", "/v1.0", "/auth", "/auth/1.0")

# The arguments that may be wrong if a login is rejected; no service reports the reason.
_LOGIN_V1 = "the user and the key"
_LOGIN_V3 = "the user and the secret, or the token, the project, and the domains of both"


@dataclass(frozen=True, slots=True)
class Access:
    """
    The result of a login.

    Attributes:
        expires_on: The expiry of the token in seconds since 1970.
        storage_url: The URL of the account's storage, if the response contains it.
    """

    token: str = field(repr=False)
    expires_on: int
    storage_url: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", hide(self.token))


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The credentials and the scope of a login.

    Attributes:
        user: The user's name; a `user_id` needs no domain.
        secret: The password, or the secret of the application credential.
        application_credential: Its id, or its name if a user is given.
        region: The region of the storage; any by default.
        interface: ``"public"``, ``"internal"`` or ``"admin"``.
    """

    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    user_id: str | None = None
    user_domain: str | None = None
    user_domain_id: str | None = None
    project: str | None = None
    project_id: str | None = None
    project_domain: str | None = None
    project_domain_id: str | None = None
    application_credential: str | None = None
    token: str | None = field(default=None, repr=False)
    region: str | None = None
    interface: str = "public"

    def __post_init__(self) -> None:
        for name in ("secret", "token"):
            object.__setattr__(self, name, hide(getattr(self, name)))


# ---------------------------------------------------------------------- pure


def auth_version(path: str) -> int:
    """
    Return the version of the API at a path of an authentication service.

    Raises:
        NotSupportedError: The version is 2, which Keystone removed in 2018.
    """
    path = path.rstrip("/")
    if path.endswith(("/v2", "/v2.0")):
        raise NotSupportedError(
            "auth_url is a URL of Keystone's API v2, which was removed; pass the URL of v3"
        )
    return 1 if path.endswith(_V1_ENDINGS) else 3


def v1_headers(identity: Identity) -> dict[str, str]:
    """Return the headers of a login by v1."""
    return {"x-auth-user": identity.user or "", "x-auth-key": Hidden(identity.secret or "")}


def v3_body(identity: Identity) -> bytes:
    """Return the body of a login by v3."""
    body: dict[str, Any] = {"identity": _v3_identity(identity)}
    scope = _v3_scope(identity)
    if scope is not None:
        body["scope"] = scope
    return HiddenBytes(json.dumps({"auth": body}).encode())


def _v3_identity(identity: Identity) -> dict[str, Any]:
    if identity.token is not None:
        return {"methods": ["token"], "token": {"id": identity.token}}
    if identity.application_credential is not None:
        credential: dict[str, Any] = {"secret": identity.secret}
        if identity.user is None and identity.user_id is None:
            credential["id"] = identity.application_credential
        else:
            credential |= {"name": identity.application_credential, "user": _v3_user(identity)}
        return {"methods": ["application_credential"], "application_credential": credential}
    user = {**_v3_user(identity), "password": identity.secret}
    return {"methods": ["password"], "password": {"user": user}}


def _v3_user(identity: Identity) -> dict[str, Any]:
    if identity.user_id is not None:
        return {"id": identity.user_id}
    return {
        "name": identity.user,
        "domain": _v3_domain(identity.user_domain, identity.user_domain_id),
    }


def _v3_domain(name: str | None, domain_id: str | None) -> dict[str, str]:
    # "default" is the id of the domain that every Keystone has:
    # https://docs.openstack.org/keystone/latest/admin/manage-domains.html
    return {"name": name} if name is not None else {"id": domain_id or "default"}


def _v3_scope(identity: Identity) -> dict[str, Any] | None:
    if identity.application_credential is not None:  # it is for one project already
        return None
    if identity.project_id is not None:
        return {"project": {"id": identity.project_id}}
    if identity.project is not None:
        domain = _v3_domain(identity.project_domain, identity.project_domain_id)
        if identity.project_domain is None and identity.project_domain_id is None:
            domain = _v3_domain(identity.user_domain, identity.user_domain_id)
        return {"project": {"name": identity.project, "domain": domain}}
    return None


def read_v1(headers: Mapping[str, str], now: float) -> Access:
    """Parse the response to a login by v1."""
    token = hide(headers.get("x-auth-token") or headers.get("x-storage-token"))
    if not token:
        raise ServiceError(
            "the response to the login has no token; check that auth_url is the URL of Swift's"
            " authentication, such as https://host/auth/v1.0"
        )
    left = parse_size(headers.get("x-auth-token-expires"))
    life = _ASSUMED_LIFE if left is None else left
    return Access(token, int(now) + life, headers.get("x-storage-url"))


def read_v3(headers: Mapping[str, str], body: bytes, identity: Identity, now: float) -> Access:
    """Parse the response to a login by v3."""
    token = hide(headers.get("x-subject-token"))
    try:
        document = parse_json(body)["token"]
        catalog = document.get("catalog", ())
        ends = parse_timestamp(document.get("expires_at"))
        issued = parse_timestamp(document.get("issued_at"))
        url = _storage_url(catalog, identity)
    except (ValueError, KeyError, TypeError, AttributeError):
        token = None
        ends = issued = url = None
    if not token:
        raise ServiceError(
            "unexpected response to the login, which is not from Keystone; check auth_url and any"
            " proxy"
        )
    if ends is None:
        return Access(token, int(now) + _ASSUMED_LIFE, url)
    # Convert to the local clock, which may differ from that of the service.
    begin = issued.timestamp() if issued else now
    return Access(token, int(now + ends.timestamp() - begin), url)


def _storage_url(catalog: Sequence[Mapping[str, Any]], identity: Identity) -> str | None:
    """Return the URL of the object storage in a catalog."""
    for service in catalog:
        if service["type"] != _STORAGE:
            continue
        for endpoint in service["endpoints"]:
            region = endpoint.get("region_id") or endpoint.get("region")
            if endpoint["interface"] == identity.interface and identity.region in {None, region}:
                return str(endpoint["url"])
    return None


def missing_storage(identity: Identity, version: int) -> StorageError:
    """Return the error for a login without a URL of the storage."""
    if version == 1:
        return ServiceError(
            "the response to the login has no URL of the storage; pass storage_url="
        )
    scoped = identity.project or identity.project_id or identity.application_credential
    if not scoped:
        return InvalidOptionError("the token has no project; pass project= or project_id=")
    region = f" in the region {identity.region!r}" if identity.region else ""
    return InvalidOptionError(
        f"the catalog has no {identity.interface} URL of object storage{region}; check region= and"
        " interface=, or pass storage_url="
    )


def read_auth_error(
    request: Request, status: int, headers: Mapping[str, str], body: bytes
) -> Fault:
    """Convert an error response of an authentication service, without repeating its text."""
    request_id = headers.get("x-openstack-request-id") or headers.get("x-trans-id")
    facts: dict[str, Any] = {"status": status, "request_id": request_id}
    # Keystone responds with 404 if the token has expired.
    refused = status in {401, 403} or (status == 404 and _is_keystone(body))
    if refused and (request_id or not is_html(headers)):
        names = _LOGIN_V1 if request.method == "GET" else _LOGIN_V3
        return Fault(AuthenticationError(f"the login was rejected; check {names}", **facts))
    if status in {408, 429, 498} or status >= 500:
        text = "the authentication service is temporarily unavailable; try again later"
        return Fault(ServiceUnavailableError(text, **facts), retry=True)
    text = (
        f"unexpected response (HTTP {status}) to the login, which is not from an authentication"
        " service; check auth_url and any proxy"
    )
    return Fault(ServiceError(text, **facts))


def _is_keystone(body: bytes) -> bool:
    try:
        return "code" in parse_json(body)["error"]
    except (ValueError, KeyError, TypeError):
        return False


# ---------------------------------------------------------------------- for TokenCache


class Login:
    """
    A credential that logs in for each token.

    Args:
        url: ``scheme://host[:port]`` of the authentication service.
        path: The path of its API, with or without that of the login.

    Attributes:
        access: The result of the last login.
    """

    def __init__(
        self, client: Client, url: str, path: str, version: int, identity: Identity
    ) -> None:
        path = path.rstrip("/")
        if version == 3:
            path = path.removesuffix("/auth/tokens")
            path += "/auth/tokens" if path.endswith("/v3") else "/v3/auth/tokens"
        self._client = client
        self._url = url
        self._path = path
        self._version = version
        self._identity = identity
        self.access: Access | None = None

    def get_token(self, *scopes: str) -> Access:
        """Log in."""
        now = self._client.clock()
        if self._version == 1:
            headers = v1_headers(self._identity)
            request = Request("GET", self._url, self._path, headers, operation="Login",
                              expected=frozenset({200, 204}))  # fmt: skip
            response = self._client.request(request)
            response.close()
            found = read_v1(response.headers, now)
        else:
            request = Request(
                "POST", self._url, self._path,
                {"content-type": "application/json", "accept": "application/json"},
                v3_body(self._identity), operation="Login", expected=frozenset({201}),
            )  # fmt: skip
            response = self._client.request(request)
            found = read_v3(response.headers, response.read(_LIMIT), self._identity, now)
        self.access = found
        return found

    def storage_url(self) -> str:
        """Return the URL of the storage, after a login."""
        url = self.access.storage_url if self.access else None
        if not url:
            raise missing_storage(self._identity, self._version)
        return url


class GivenToken:
    """A credential with a fixed token, which cannot be renewed."""

    def __init__(self, token: str) -> None:
        self._token = hide(token)

    def get_token(self, *scopes: str) -> Access:
        """Return the token."""
        return Access(self._token, 2**62, None)


class TokenSigner:
    """A signer that sends a token with each attempt, in OpenStack's header."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens
        self._used = threading.local()

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """Return the request's headers with the token."""
        token = self._used.token = self._tokens.get()
        return {**request.headers, "x-auth-token": token}

    def renew(self, request: Request, /) -> bool:
        """Replace the token that this thread sent last."""
        return self._tokens.replace(self._used.token)
