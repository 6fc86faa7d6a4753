"""The arguments of the driver, and how its requests are signed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple

from typing_extensions import override

from ...auth.bearer import BearerSigner, TokenCache
from ...auth.google import (
    IAM_SCOPE,
    SCOPE,
    AccountSigner,
    GoogleCredential,
    TokenFunction,
    URLSigner,
    for_iam,
)
from ...auth.google_accounts import service_account_credentials
from ...auth.google_default import DefaultCredentials
from ...errors import CredentialsNotFoundError, InvalidOptionError, InvalidTypeError
from ...http.client import Unsigned
from ...http.message import Signer
from ...http.transport import Transport
from ...options import option, string
from ...redaction import hide
from ...rest.header_text import text_of
from ...rest.options import credential, text
from ...rest.settings import RestSettings, split_endpoint
from . import options
from .endpoints import Endpoint

_EMULATOR = "STORAGE_EMULATOR_HOST"


def _endpoint(value: object, label: str) -> str:
    """Return an address; that of an emulator may lack the scheme."""
    address = string(value, label)
    return f"http://{address}" if label == _EMULATOR and "://" not in address else address


def _token(value: object, label: str) -> object:
    if not isinstance(value, str) and not callable(value):
        raise InvalidTypeError(f"{label} must be a str, or a function that returns one")
    if value == "":
        raise InvalidOptionError(f"{label} must not be empty")
    return value


def _credentials(value: object, label: str) -> object:
    if not callable(getattr(value, "refresh", None)):
        raise InvalidOptionError(
            f"{label} must be credentials of google-auth, or an object with token, valid and"
            " refresh(request); pass the key of a service account as service_account="
        )
    return value


# https://cloud.google.com/docs/authentication/client-libraries and the variables of gcloud
class Settings(RestSettings):
    """The arguments of `GCSDriver`."""

    credential_options: ClassVar[tuple[str, ...]] = (
        "key",
        "token",
        "credentials",
        "service_account",
    )
    reread: ClassVar[tuple[str, ...]] = ("endpoint",)

    key: str | None = option(
        "The id of an HMAC key, or the e-mail address of a service account.",
        text, default=None, kw_only=False
    )  # fmt: skip
    secret: str | None = option(
        "The secret of the HMAC key, or the private key of the service account in PEM.",
        default=None, secret=True, kw_only=False
    )  # fmt: skip
    project: str | None = option(
        "The project in which buckets are created and listed; without it and the variables, the"
        " project of the credentials.",
        text, default=None, variables=["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]
    )  # fmt: skip
    credentials: Any = option(
        "Credentials of google-auth.", _credentials, default=None, secret=True
    )
    token: str | Callable[[], object] | None = option(
        "An access token, or a function that returns a token or a pair of a token and its expiry.",
        _token, default=None, secret=True
    )  # fmt: skip
    service_account: str | os.PathLike[str] | Mapping[str, str] | None = option(
        "The JSON file of a service account's key, or its content as a mapping.",
        default=None, secret=True
    )  # fmt: skip
    signing_account: str | None = option(
        "The service account for which IAM signs URLs, for credentials without a private key.",
        text, default=None
    )  # fmt: skip
    anonymous: bool = option("Send requests without credentials.", default=False)
    endpoint: str | None = option(
        "The address of the service, as ``https://host[:port]``.",
        _endpoint, default=None, variables=[_EMULATOR]
    )  # fmt: skip
    user_project: str | None = option(
        "The project that pays for requests to requester-pays buckets.", text, default=None
    )
    kms_key: str | None = option(options.KMS_KEY, default=None)
    customer_key: bytes | None = option(options.CUSTOMER_KEY, default=None)
    parallel_uploads: bool | None = option(
        "Whether large uploads are sent in parallel parts through the XML API, or as one resumable"
        " stream; by default, in parallel if the endpoint is Google's own.",
        default=None
    )  # fmt: skip

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with those of the environment added, checked together."""
        found = self
        if (self.key is None) != (self.secret is None):
            raise CredentialsNotFoundError(
                "key and secret must be passed together; pass both or neither, and the name of a"
                " project as project="
            )
        self.given_credentials(anonymous=self.anonymous)
        if self.customer_key is not None and self.kms_key is not None:
            raise InvalidOptionError("customer_key and kms_key exclude each other; pass one")
        if is_account(self.key, self.secret):
            account = hide({"client_email": self.key, "private_key": self.secret})
            found = self.replaced(key=None, secret=None).with_found("key", service_account=account)
        elif self.secret is not None:
            credential(self.secret, "secret")
        found = found.with_variables(environ, "project", "endpoint")
        found.address()
        return found

    @property
    def emulated(self) -> bool:
        """Whether the endpoint is that of ``STORAGE_EMULATOR_HOST``."""
        return "endpoint" in self.sources

    def address(self) -> Endpoint:
        """Return the address of the service, checked."""
        if self.endpoint is None:
            return Endpoint()
        insecure = self.insecure or self.emulated
        return Endpoint(*split_endpoint(self.endpoint, self.label("endpoint"), insecure=insecure))

    @property
    def account(self) -> tuple[str, str | None]:
        """The kind of credentials, and their account if it is known without a request."""
        if self.key is not None:
            return "key", self.key
        if self.service_account is not None:
            given = self.service_account
            account = given["client_email"] if isinstance(given, Mapping) else os.fspath(given)
            return "service_account", account
        if self.credentials is not None:
            kind = type(self.credentials)
            # Credentials of a machine at Google get their address later.
            fixed = kind.__module__ == "google.oauth2.service_account"
            email = getattr(self.credentials, "service_account_email", None) if fixed else None
            return f"{kind.__module__}.{kind.__qualname__}", email
        return "token" if self.token is not None else "default" if not self.anonymous else "", None

    @override
    def pickled(self, public: Collection[str] = ()) -> dict[str, Any]:
        literal = isinstance(self.service_account, Mapping)
        return super().pickled(public if literal else {"service_account"})

    # ------------------------------------------------------------------ access

    def access(self, transport: Transport, environ: Mapping[str, str]) -> Access:
        """Return how requests are signed; refuse to send tokens over plain http."""
        found = self._tokens(transport, environ)
        if found is None:
            return Access(Unsigned(), lambda: self.project, self.credentials_source())
        source, find_project, origin = found
        address = self.address()
        if not (address.is_encrypted or address.is_local or self.insecure):
            raise InvalidOptionError(
                "a token is sent with each request, so the endpoint must use https://; pass"
                " insecure=True to let anyone on the network path read it"
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
        project = self.project
        return Access(
            BearerSigner(tokens), lambda: project or find_project(), origin, tokens, signer
        )

    def _tokens(self, transport: Transport, environ: Mapping[str, str]) -> _Tokens | None:
        """Return the source of tokens, its project and its name; `None` for unsigned requests."""
        origin = self.credentials_source()
        if self.token is not None:
            return _Tokens(TokenFunction(self.token), lambda: None, origin)
        if self.credentials is not None:
            given = self.credentials
            if any(base.__name__ == "AnonymousCredentials" for base in type(given).__mro__):
                return None
            source = GoogleCredential(lambda: given, transport)
            return _Tokens(source, lambda: text_of(getattr(given, "project_id", None)), origin)
        if self.service_account is not None:
            made = service_account_credentials(self.service_account)
            return _Tokens(
                GoogleCredential(lambda: made, transport), lambda: made.project_id, origin
            )
        address = self.address()
        local = self.endpoint is not None and address.is_local and not address.is_encrypted
        # With an HMAC key, the S3 dialect signs requests.
        if self.anonymous or self.emulated or local or self.key is not None:
            return None
        default = DefaultCredentials(transport, environ)
        source = GoogleCredential(default.credentials, transport)
        return _Tokens(source, default.project, default.source)


class _Tokens(NamedTuple):
    """A source of tokens, a function for its project, and its name."""

    source: TokenFunction | GoogleCredential
    project: Callable[[], str | None]
    origin: str | None


@dataclass(frozen=True)
class Access:
    """
    How requests are signed.

    Attributes:
        project: Returns the project of new buckets and of listings, if it is known.
        origin: The value of `StorageDriver.credentials_source`.
    """

    signer: Signer
    project: Callable[[], str | None]
    origin: str | None
    tokens: TokenCache | None = None
    url_signer: URLSigner | None = None

    def secrets(self) -> tuple[str, ...]:
        """Return the token that was sent last, if there is one."""
        known = self.tokens.known if self.tokens is not None else ""
        return (known,) if known else ()


def multipart_digests() -> tuple[str, ...]:
    """Return the digests to compute of what is sent; the second one needs ``google-crc32c``."""
    # CRC-32C is the only digest that Google stores of a multipart upload.
    try:
        found = find_spec("google_crc32c") is not None
    except ImportError:  # an import hook forbids it
        found = False
    return ("md5", "crc32c") if found else ("md5",)


def is_account(key: object, secret: object) -> bool:
    """Return whether a pair is the e-mail address and the private key of a service account."""
    pair = isinstance(key, str) and isinstance(secret, str) and (key, secret)
    return bool(pair and "@" in pair[0] and "PRIVATE KEY-----" in pair[1])
