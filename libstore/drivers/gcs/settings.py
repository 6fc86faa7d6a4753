"""What a driver is made with: checked once, and turned into what requests need."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ...auth.bearer import BearerSigner, TokenCache
from ...auth.google import (
    SCOPE,
    AccountSigner,
    GoogleCredential,
    TokenFunction,
    URLSigner,
    default_credentials,
    service_account_credentials,
)
from ...errors import InvalidOptionError, InvalidTypeError, NotSupportedError
from ...http.client import Unsigned
from ...http.message import Signer
from ...http.transport import Transport
from . import extras
from .places import Place, emulator_endpoint, find_place

_WAYS = ("key", "token", "credentials", "service_account")
_SECRETS = ("secret", "token", "customer_key", "credentials")
_DEFAULT_TIMEOUT = (5.0, 60.0)
# Connections that are kept to one host, unless transfers want more.
_CONNECTIONS = 16
# https://cloud.google.com/docs/authentication/client-libraries and what gcloud sets
_PROJECTS = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")


@dataclass(frozen=True)
class Settings:
    """
    The arguments of `GCSDriver`, which describes them.

    Attributes:
        emulated: The endpoint is that of ``STORAGE_EMULATOR_HOST``.
    """

    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    project: str | None = None
    credentials: Any = field(default=None, repr=False)
    token: str | Callable[[], object] | None = field(default=None, repr=False)
    service_account: str | Mapping[str, str] | None = field(default=None, repr=False)
    signing_account: str | None = None
    anonymous: bool = False
    endpoint: str | None = None
    insecure: bool = False
    user_project: str | None = None
    kms_key: str | None = None
    customer_key: bytes | None = field(default=None, repr=False)
    parallel_uploads: bool | None = None
    verify: bool | str = True
    timeout: float | tuple[float, float] | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    pickle_secret: bool = False
    emulated: bool = False

    # ------------------------------------------------------------------ from the arguments

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with what the environment adds, and checked."""
        found = self
        for label in ("key", "secret"):
            if not isinstance(getattr(self, label), (str, type(None))):
                raise InvalidTypeError(f"{label} must be a str")
        if (self.key is None) != (self.secret is None):
            raise InvalidOptionError("key and secret go together; give both, or neither")
        ways = [name for name in _WAYS if getattr(self, name) is not None]
        if len(ways) + self.anonymous > 1:
            given = " and ".join([*ways, "anonymous"] if self.anonymous else ways)
            raise InvalidOptionError(f"{given} exclude each other; give one of them")
        if self.key is not None and self.secret is not None and is_account(self.key, self.secret):
            account = {"client_email": self.key, "private_key": self.secret}
            found = replace(found, key=None, secret=None, service_account=account)
        host = environ.get("STORAGE_EMULATOR_HOST")
        if found.endpoint is None and host:
            found = replace(found, endpoint=emulator_endpoint(host), emulated=True)
        if found.project is None:
            named = (environ.get(name) for name in _PROJECTS)
            found = replace(found, project=next((name for name in named if name), None))
        found._check()
        return found

    def _check(self) -> None:
        if self.customer_key is not None:
            extras.key(self.customer_key, "customer_key")
            if self.kms_key is not None:
                raise InvalidOptionError("customer_key and kms_key exclude each other")
        if self.key is not None and self.secret is not None:
            extras.text(self.key, "key")
            if not (self.secret.isascii() and self.secret.isprintable() and self.secret):
                raise InvalidOptionError("secret must be printable ASCII")
        for label in ("project", "user_project", "kms_key", "signing_account"):
            value = getattr(self, label)
            if value is not None:
                extras.text(value, label)
        if self.token is not None and not isinstance(self.token, str) and not callable(self.token):
            raise InvalidTypeError("token must be a str, or a function that returns one")
        if self.credentials is not None and not callable(
            getattr(self.credentials, "refresh", None)
        ):
            raise InvalidOptionError(
                "credentials must have token, valid and refresh(request), as google-auth's have"
            )

    # ------------------------------------------------------------------ for requests

    def place(self) -> Place:
        """Return where the service is."""
        return find_place(self.endpoint, insecure=self.insecure or self.emulated)

    def access(self, transport: Transport) -> Access:
        """Return how requests are signed."""
        place = self.place()

        def project() -> str | None:
            return self.project

        if self.token is not None:
            return self._bearer(place, TokenFunction(self.token), project, transport)
        if self.credentials is not None:
            given = self.credentials
            told = getattr(given, "project_id", None)
            found = self.project or (told if isinstance(told, str) else None)
            source = GoogleCredential(lambda: given, transport)
            return self._bearer(place, source, lambda: found, transport)
        if self.service_account is not None:
            made, named = service_account_credentials(self.service_account)
            source = GoogleCredential(lambda: made, transport)
            return self._bearer(place, source, lambda: self.project or named, transport)
        local = self.endpoint is not None and not place.secure and place.loopback
        # With a key, requests are signed by the S3 dialect.
        if self.anonymous or self.emulated or local or self.key is not None:
            return Access(place, Unsigned(), project)
        find, find_project = default_credentials(transport)
        source = GoogleCredential(find, transport)
        return self._bearer(place, source, lambda: self.project or find_project(), transport)

    def _bearer(
        self,
        place: Place,
        source: TokenFunction | GoogleCredential,
        project: Callable[[], str | None],
        transport: Transport,
    ) -> Access:
        if not place.secure and not place.loopback and not self.insecure:
            raise InvalidOptionError("a token is a secret, and needs an endpoint of https://")
        tokens = TokenCache(source, SCOPE)

        def credentials() -> Any:
            return source.credentials if isinstance(source, GoogleCredential) else None

        signer: URLSigner = AccountSigner(credentials, self.signing_account, tokens.get, transport)
        return Access(place, BearerSigner(tokens), project, tokens, signer)

    def transport(self, concurrency: int) -> Transport:
        """Return what makes connections."""
        timeout = _DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if not (connect > 0 and read > 0):
            raise InvalidOptionError("timeout must be above 0 seconds")
        return Transport(
            pool_size=max(_CONNECTIONS, concurrency),
            connect_timeout=float(connect),
            read_timeout=float(read),
            verify=self.verify,
            proxies=self.proxies,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in a message, even if the service says it."""
        found = [self.secret] if self.secret is not None else []
        if isinstance(self.token, str):
            found.append(self.token)
        if self.customer_key is not None:
            found.append(base64.b64encode(self.customer_key).decode())
        return tuple(found)

    # ------------------------------------------------------------------ pickles

    def pickled(self) -> dict[str, Any]:
        """
        Return the arguments that make the same driver elsewhere.

        Raises:
            NotSupportedError: They have a secret, and nobody allowed to take it along.
        """
        given = {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) != item.default
        }
        if given.pop("emulated", False):
            given.pop("endpoint", None)
        literal = any(name in given for name in _SECRETS) or isinstance(
            given.get("service_account"), Mapping
        )
        if literal and not self.pickle_secret:
            raise NotSupportedError(
                "this driver was given a literal secret, which does not go into pickles; name the"
                " file of a service account, use Application Default Credentials, or make the"
                " driver with pickle_secret=True where pickles are kept as safe as the secret"
            )
        return given


@dataclass(frozen=True)
class Access:
    """
    Where the service is, and how its requests are signed.

    Attributes:
        project: Returns whose buckets are made and listed, as far as anybody knows.
        tokens: Where bearer tokens come from.
        url_signer: Who signs URLs.
    """

    place: Place
    signer: Signer
    project: Callable[[], str | None]
    tokens: TokenCache | None = None
    url_signer: URLSigner | None = None


def is_account(key: object, secret: object) -> bool:
    """Return whether a pair is the e-mail address and the private key of a service account."""
    pair = isinstance(key, str) and isinstance(secret, str) and (key, secret)
    return bool(pair and "@" in pair[0] and "PRIVATE KEY-----" in pair[1])
