"""What a driver is made with: checked once, and turned into what requests need."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...auth.bearer import BearerSigner, TokenCache
from ...auth.google import (
    IAM_SCOPE,
    SCOPE,
    AccountSigner,
    GoogleCredential,
    TokenFunction,
    URLSigner,
    default_credentials,
    for_iam,
    service_account_credentials,
)
from ...errors import CredentialsNotFoundError, InvalidOptionError, InvalidTypeError
from ...http.client import Unsigned
from ...http.message import Signer
from ...http.transport import Transport
from ...rest import options
from ...rest.settings import (
    check_types,
    hide_fields,
    make_transport,
    pickled,
    split_endpoint,
    ways_of,
)
from .endpoints import Place, emulator_endpoint, find_place

_WAYS = ("key", "token", "credentials", "service_account")
_SECRETS = ("secret", "token", "customer_key", "credentials")
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

    def __post_init__(self) -> None:
        hide_fields(self)

    # ------------------------------------------------------------------ from the arguments

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with what the environment adds, and checked."""
        check_types(self)
        found = self
        if (self.key is None) != (self.secret is None):
            raise CredentialsNotFoundError("key and secret go together; give both, or neither")
        ways_of(self, _WAYS, anonymous=self.anonymous)
        if self.key is not None and self.secret is not None and is_account(self.key, self.secret):
            account = {"client_email": self.key, "private_key": self.secret}
            found = replace(found, key=None, secret=None, service_account=account)
        host = environ.get("STORAGE_EMULATOR_HOST")
        if found.endpoint is None and host:
            split_endpoint(emulator_endpoint(host), "STORAGE_EMULATOR_HOST", insecure=True)
            found = replace(found, endpoint=emulator_endpoint(host), emulated=True)
        if found.project is None:
            named = (environ.get(name) for name in _PROJECTS)
            found = replace(found, project=next((name for name in named if name), None))
        found._check()
        return found

    def _check(self) -> None:
        if self.customer_key is not None:
            options.key(self.customer_key, "customer_key")
            if self.kms_key is not None:
                raise InvalidOptionError("customer_key and kms_key exclude each other")
        if self.key is not None and self.secret is not None:
            options.text(self.key, "key")
            if not (self.secret.isascii() and self.secret.isprintable() and self.secret):
                raise InvalidOptionError("secret must be printable ASCII")
        for label in ("project", "user_project", "kms_key", "signing_account"):
            value = getattr(self, label)
            if value is not None:
                options.text(value, label)
        if self.token is not None and not isinstance(self.token, str) and not callable(self.token):
            raise InvalidTypeError("token must be a str, or a function that returns one")
        if self.token == "":
            raise InvalidOptionError("token must not be empty")
        if self.credentials is not None and not callable(
            getattr(self.credentials, "refresh", None)
        ):
            raise InvalidOptionError(
                "credentials must have token, valid and refresh(request), as google-auth's have"
            )

    @property
    def who(self) -> tuple[str, str | None]:
        """The kind of credentials, and whose they are if that is known without a request."""
        if self.key is not None:
            return "key", self.key
        if self.service_account is not None:
            named = self.service_account
            return "service_account", named if isinstance(named, str) else named["client_email"]
        if self.credentials is not None:
            kind = type(self.credentials)
            # Those of a machine at Google learn their address later.
            fixed = kind.__module__ == "google.oauth2.service_account"
            email = getattr(self.credentials, "service_account_email", None) if fixed else None
            return f"{kind.__module__}.{kind.__qualname__}", email
        return "token" if self.token is not None else "default" if not self.anonymous else "", None

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
            if any(base.__name__ == "AnonymousCredentials" for base in type(given).__mro__):
                return Access(place, Unsigned(), project)
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
            raise InvalidOptionError(
                "a token is a secret, and needs an endpoint of https://; pass insecure=True where"
                " everybody on the way may know it, such as to an emulator"
            )
        tokens = TokenCache(source, SCOPE)
        if isinstance(source, GoogleCredential):
            own = GoogleCredential(lambda: for_iam(source.credentials), transport)
            for_signing = TokenCache(own, IAM_SCOPE)
        else:
            own, for_signing = None, tokens
        signer = AccountSigner(
            lambda: own.credentials if own is not None else None,
            self.signing_account, for_signing, transport,
        )  # fmt: skip
        return Access(place, BearerSigner(tokens), project, tokens, signer)

    def transport(self, concurrency: int) -> Transport:
        """Return what makes connections."""
        return make_transport(
            concurrency, timeout=self.timeout, verify=self.verify, proxies=self.proxies
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
        """Return the arguments that make the same driver elsewhere; see `_settings.pickled`."""
        literal = isinstance(self.service_account, Mapping)
        return pickled(
            self,
            (*_SECRETS, "service_account") if literal else _SECRETS,
            found=("emulated", "endpoint") if self.emulated else (),
            allowed=self.pickle_secret,
            instead="name the file of a service account, use Application Default Credentials",
        )


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

    def secrets(self) -> tuple[str, ...]:
        """Return the token that was sent last, if there is one."""
        known = self.tokens.known if self.tokens is not None else ""
        return (known,) if known else ()


def is_account(key: object, secret: object) -> bool:
    """Return whether a pair is the e-mail address and the private key of a service account."""
    pair = isinstance(key, str) and isinstance(secret, str) and (key, secret)
    return bool(pair and "@" in pair[0] and "PRIVATE KEY-----" in pair[1])
