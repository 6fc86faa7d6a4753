"""What a driver is made with: checked once, and turned into what requests need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ...auth.keystone import Identity, auth_version
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...http.transport import Transport
from ...rest.settings import (
    check_types,
    found_endpoint,
    hide_fields,
    make_transport,
    pickled,
    split_endpoint,
)
from .info import TEMP_URL_DIGESTS

_SECRETS = ("secret", "token", "temp_url_key")
_INTERFACES = ("public", "internal", "admin")
_WHO = ("user", "secret", "user_id", "application_credential", "token")
_VERSION = re.compile(r"(.*?)/v\d[\d.]*(?:/|$)", re.ASCII)

# https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html, and the older
# names that python-swiftclient knows besides; what is named first is looked at first.
_ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "user": ("OS_USERNAME",),
    "secret": ("OS_PASSWORD",),
    "user_id": ("OS_USER_ID",),
    "user_domain": ("OS_USER_DOMAIN_NAME",),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "project": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_domain": ("OS_PROJECT_DOMAIN_NAME",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "token": ("OS_TOKEN", "OS_AUTH_TOKEN"),
}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "auth_url": ("OS_AUTH_URL", "ST_AUTH"),
    "storage_url": ("OS_STORAGE_URL",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where something is.

    Attributes:
        url: ``scheme://host[:port]``.
        path: What follows, percent-encoded, without a slash at its end.
    """

    url: str
    path: str

    @property
    def parent(self) -> str:
        """The path above the API's version, where ``/info`` is."""
        found = _VERSION.match(self.path)
        return found[1] if found else ""


@dataclass(frozen=True)
class Settings:
    """
    The arguments of `SwiftDriver`, which describes them.

    Attributes:
        from_environment: The credentials were found in the environment.
    """

    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    auth_url: str | None = None
    project: str | None = None
    project_id: str | None = None
    project_domain: str | None = None
    project_domain_id: str | None = None
    user_id: str | None = None
    user_domain: str | None = None
    user_domain_id: str | None = None
    application_credential: str | None = None
    token: str | None = field(default=None, repr=False)
    region: str | None = None
    interface: str | None = None
    storage_url: str | None = None
    anonymous: bool = False
    temp_url_key: str | None = field(default=None, repr=False)
    temp_url_digest: str | None = None
    insecure: bool = False
    verify: bool | str = True
    timeout: float | tuple[float, float] | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    pickle_secret: bool = False
    from_environment: bool = False

    def __post_init__(self) -> None:
        hide_fields(self)

    # ------------------------------------------------------------------ from the arguments

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with what the environment adds, and checked."""
        check_types(self)
        found = self._with_environment(environ)
        found._check_who()
        for label in ("auth_url", "storage_url"):
            value = getattr(found, label)
            if value is not None:
                parse_place(value, label, insecure=found.insecure)
        if found.auth_url is not None:
            auth_version(parse_place(found.auth_url, "auth_url", insecure=True).path)
        if found.interface not in {None, *_INTERFACES}:
            raise InvalidOptionError(f"interface must be one of {', '.join(_INTERFACES)}")
        if found.temp_url_digest not in {None, *TEMP_URL_DIGESTS}:
            raise InvalidOptionError(
                f"temp_url_digest must be one of {', '.join(TEMP_URL_DIGESTS)}"
            )
        return found

    def _with_environment(self, environ: Mapping[str, str]) -> Settings:
        found = self
        if not self.anonymous and all(getattr(self, name) is None for name in _WHO):
            found = found._with_identity(environ)
        added: dict[str, Any] = {}
        if found.region is None and (value := _first(environ, ("OS_REGION_NAME",))):
            added["region"] = value
        if found.auth_url is None:  # a token of one cloud is nothing for another
            for label, names in _PLACES.items():
                if getattr(found, label) is None:
                    added[label] = found_endpoint(environ, names, found.insecure)
            if found.verify is True and environ.get("OS_CACERT"):
                added["verify"] = environ["OS_CACERT"]
        if found.interface is None:
            # Older tools call it publicURL.
            value = _first(environ, ("OS_INTERFACE", "OS_ENDPOINT_TYPE"))
            if value:
                added["interface"] = value.removesuffix("URL")
        return replace(found, **added) if added else found

    def _with_identity(self, environ: Mapping[str, str]) -> Settings:
        found: dict[str, Any] = {
            label: value
            for label, names in _ENVIRONMENT.items()
            if getattr(self, label) is None and (value := _first(environ, names))
        }
        credential = _first(
            environ, ("OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME")
        )
        if credential:
            found |= {
                "application_credential": credential,
                "secret": environ.get("OS_APPLICATION_CREDENTIAL_SECRET"),
            }
            if environ.get("OS_APPLICATION_CREDENTIAL_ID"):  # an id needs no user
                for label in ("user", "user_id"):
                    found.pop(label, None)
        if not any(found.get(label) for label in _WHO):
            found = {"user": environ.get("ST_USER"), "secret": environ.get("ST_KEY")}
        if found.get("secret"):
            found.pop("token", None)
        if not any(found.get(label) for label in _WHO):
            return self
        return replace(self, **found, from_environment=True)

    def _check_who(self) -> None:
        if self.anonymous:
            if any(getattr(self, name) is not None for name in _WHO):
                raise InvalidOptionError("anonymous=True and credentials exclude each other")
            if self.storage_url is None:
                raise InvalidOptionError("anonymous=True needs storage_url=")
            return
        named = self.user or self.user_id or self.application_credential
        if not self.token and not (named and self.secret):
            raise CredentialsNotFoundError(
                "give a user and a secret, an application credential and its secret, or a token;"
                " or set OS_USERNAME and OS_PASSWORD, or ST_USER and ST_KEY;"
                " anonymous=True does without them"
            )
        if self.token and self.secret:
            raise InvalidOptionError("token and secret exclude each other")
        if self.auth_url is None and not (self.token and self.storage_url):
            raise CredentialsNotFoundError(
                "say where to log in with auth_url=, or set OS_AUTH_URL or ST_AUTH; a token needs"
                " none if storage_url= is given with it"
            )
        for label in (*_WHO, "temp_url_key"):
            value = getattr(self, label)
            if value is not None and not (isinstance(value, str) and value.isprintable()):
                raise InvalidOptionError(f"{label} must be printable text")

    # ------------------------------------------------------------------ for requests

    @property
    def identity(self) -> Identity:
        """Who logs in, and for what."""
        return Identity(
            self.user, self.secret, self.user_id, self.user_domain, self.user_domain_id,
            self.project, self.project_id, self.project_domain, self.project_domain_id,
            self.application_credential, self.token, self.region, self.interface or "public",
        )  # fmt: skip

    @cached_property
    def identity_of_account(self) -> tuple[object, ...]:
        """Where the account is, and who uses it, without secrets."""
        places = (
            value and parse_place(value, label, insecure=True)
            for label, value in (("auth_url", self.auth_url), ("storage_url", self.storage_url))
        )
        who = self.identity
        kind = "token" if self.token is not None else "anonymous" if self.anonymous else "secret"
        return (kind, *places, replace(who, secret=None, token=None))

    def transport(self, concurrency: int) -> Transport:
        """Return what makes connections."""
        return make_transport(
            concurrency, timeout=self.timeout, verify=self.verify, proxies=self.proxies
        )

    # ------------------------------------------------------------------ pickles

    def pickled(self) -> dict[str, Any]:
        """Return the arguments that make the same driver elsewhere; see `_settings.pickled`."""
        found = ("from_environment", *_WHO) if self.from_environment else ()
        return pickled(self, _SECRETS, found=found, allowed=self.pickle_secret)


def parse_place(value: str, label: str, *, insecure: bool) -> Place:
    """
    Return an address in its two pieces.

    Raises:
        InvalidOptionError: It is none, or one that would be spoken to in clear.
    """
    return Place(*split_endpoint(value, label, insecure=insecure))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)
