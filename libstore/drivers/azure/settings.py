"""What a driver is made with: checked once, and turned into what requests need."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from ... import arguments
from ...auth.bearer import BearerSigner, TokenCache, TokenCredential
from ...auth.sharedkey import SharedKey, SharedKeySigner
from ...errors import CredentialsNotFoundError, InvalidOptionError
from ...http.client import Unsigned
from ...http.message import Signer
from ...http.transport import Transport
from ...redaction import Hidden, HiddenBytes, HiddenDict
from ...rest import options
from ...rest.settings import check_types, hide_fields, make_transport, pickled, ways_of
from .endpoints import Place, account_at, find_place

#: What tokens are asked for, in all clouds:
#: https://learn.microsoft.com/en-us/azure/storage/blobs/authorize-access-azure-active-directory
SCOPE = "https://storage.azure.com/.default"

_WAYS = ("key", "sas_token", "credential", "connection_string")
# A credential may have a secret in it, and nobody can see whether it has.
_SECRETS = ("key", "sas_token", "connection_string", "credential", "customer_key")
# What UseDevelopmentStorage=true stands for; the key is public, and the same everywhere:
# https://learn.microsoft.com/en-us/azure/storage/common/storage-connect-azurite
_EMULATOR = {
    "accountname": "devstoreaccount1",
    "accountkey": (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ),
}
# What of a connection string is no secret.
_SHOWN = ("accountname", "blobendpoint", "defaultendpointsprotocol", "endpointsuffix",
          "usedevelopmentstorage", "developmentstorageproxyuri", "")  # fmt: skip
_EMULATOR_PORT = 10_000


@dataclass(frozen=True)
class Settings:
    """
    The arguments of `AzureDriver`, which describes them.

    Attributes:
        from_environment: The credentials were found in the environment.
    """

    account: str | None = None
    key: str | None = field(default=None, repr=False)
    sas_token: str | None = field(default=None, repr=False)
    connection_string: str | None = field(default=None, repr=False)
    credential: TokenCredential | None = field(default=None, repr=False)
    anonymous: bool = False
    endpoint: str | None = None
    endpoint_suffix: str | None = None
    insecure: bool = False
    customer_key: bytes | None = field(default=None, repr=False)
    encryption_scope: str | None = None
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
        ways = ways_of(self, _WAYS, anonymous=self.anonymous)
        found = self
        if not ways and not self.anonymous:
            found = self._with_environment(environ)
        found._check()
        return found

    def _with_environment(self, environ: Mapping[str, str]) -> Settings:
        # https://learn.microsoft.com/en-us/azure/storage/blobs/authorize-data-operations-cli
        account = environ.get("AZURE_STORAGE_ACCOUNT") or None
        found: dict[str, Any] = {}
        if self.account in {None, account}:
            found = {
                "account": account,
                "key": environ.get("AZURE_STORAGE_KEY") or None,
                "sas_token": environ.get("AZURE_STORAGE_SAS_TOKEN") or None,
            }
        text = environ.get("AZURE_STORAGE_CONNECTION_STRING")
        if text and not (found.get("key") or found.get("sas_token")):
            named = _read_connection_string(text).get("accountname")
            if self.account in {None, named}:
                found = {"connection_string": text}
        if found.get("key"):
            found.pop("sas_token")
        if not any(found.get(name) for name in _WAYS):
            raise CredentialsNotFoundError(
                "give an account and its key, sas_token=, connection_string= or credential=, or"
                " set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or"
                " AZURE_STORAGE_CONNECTION_STRING; anonymous=True does without them"
            )
        return replace(self, **found, from_environment=True)

    def _check(self) -> None:
        if self.customer_key is not None:
            options.key(self.customer_key, "customer_key")
        if self.customer_key is not None and self.encryption_scope is not None:
            raise InvalidOptionError("customer_key and encryption_scope exclude each other")
        if self.credential is not None and not callable(
            getattr(self.credential, "get_token", None)
        ):
            raise InvalidOptionError(
                "credential must have a method get_token(scope), as those of azure-identity have"
            )

    # ------------------------------------------------------------------ for requests

    def access(self) -> Access:
        """Return where the account is, and how its requests are signed."""
        account, endpoint, suffix = self.account, self.endpoint, self.endpoint_suffix
        key, token = self.key, self.sas_token
        if self.connection_string is not None:
            told = _read_connection_string(self.connection_string)
            account = account or told.get("accountname")
            endpoint = endpoint or told.get("blobendpoint")
            suffix = suffix or told.get("endpointsuffix")
            key, token = told.get("accountkey"), told.get("sharedaccesssignature")
            if endpoint is None and told.get("defaultendpointsprotocol", "https") != "https":
                raise InvalidOptionError(
                    "the connection string asks for http; name the endpoint, with insecure=True"
                )
            if token is None and key is None:
                raise InvalidOptionError(
                    "the connection string has neither AccountKey nor SharedAccessSignature"
                )
        label = "endpoint" if endpoint == self.endpoint else "BlobEndpoint"
        place = find_place(account, endpoint, suffix, label, insecure=self.insecure)
        # https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key: a
        # signature names the account, also where its second location is asked.
        account = (account or account_at(place)).removesuffix("-secondary")
        if key is not None:
            shared = SharedKey(account, _decoded_key(key))
            return Access(place, account, SharedKeySigner(shared), key=_decoded_key(key))
        if token is not None:
            return Access(place, account, Unsigned(), sas=_checked_sas(token))
        if self.credential is not None:
            if not place.secure and not self.insecure:
                raise InvalidOptionError("credential= needs https://, for its token is a secret")
            tokens = TokenCache(self.credential, SCOPE)
            return Access(place, account, BearerSigner(tokens), tokens=tokens)
        return Access(place, account, Unsigned())

    def transport(self, concurrency: int) -> Transport:
        """Return what makes connections."""
        return make_transport(
            concurrency, timeout=self.timeout, verify=self.verify, proxies=self.proxies
        )

    # ------------------------------------------------------------------ pickles

    def pickled(self) -> dict[str, Any]:
        """Return the arguments that make the same driver elsewhere; see `_settings.pickled`."""
        named = ("from_environment", "key", "sas_token", "connection_string")
        return pickled(
            self,
            _SECRETS,
            found=named if self.from_environment else (),
            allowed=self.pickle_secret,
            what="a literal secret, or a credential that may have one",
        )


@dataclass(frozen=True)
class Access:
    """
    Where an account is, and how its requests are signed.

    Attributes:
        key: The account's key, decoded.
        sas: A shared access signature, which is part of each request's query.
        tokens: Where bearer tokens come from.
    """

    place: Place
    account: str
    signer: Signer
    key: bytes | None = field(default=None, repr=False)
    sas: str = field(default="", repr=False)
    tokens: TokenCache | None = None

    @property
    def way(self) -> str:
        """The kind of credentials that requests are sent with."""
        if self.key is not None:
            return "key"
        return "credential" if self.tokens is not None else "sas" if self.sas else "anonymous"

    def secrets(self) -> tuple[str | bytes, ...]:
        """Return what must not stand in a message, even if the service says it."""
        found = [base64.b64encode(self.key).decode()] if self.key is not None else []
        found += [value for name, value in parse_qsl(self.sas) if name == "sig"]
        found += [part[4:] for part in self.sas.split("&") if part.startswith("sig=")]
        if self.tokens is not None and self.tokens.known:
            found.append(self.tokens.known)
        return tuple(found)


def _read_connection_string(text: str) -> Mapping[str, str]:
    """Return what a connection string says, by names in lower case: in it they may have any."""
    # https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string
    pieces = text.strip().split(";")
    if not all("=" in piece for piece in pieces if piece):
        pieces.clear()
        raise InvalidOptionError(
            "the connection string must be Name=value;Name=value, as the portal shows it"
        )
    found = HiddenDict(map(_read_piece, pieces))
    pieces.clear()  # no traceback shall show them
    if found.get("usedevelopmentstorage", "").lower() != "true":
        return found
    # Of a proxy the scheme and the host count, and no port.
    given = found.get("developmentstorageproxyuri") or "http://127.0.0.1"
    proxy = arguments.address(given, "DevelopmentStorageProxyUri in the connection string")
    origin = proxy._replace(port=_EMULATOR_PORT).origin
    return {**_EMULATOR, "blobendpoint": f"{origin}/{_EMULATOR['accountname']}"}


def _read_piece(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    secret = name.strip().lower() not in _SHOWN
    return name.strip().lower(), Hidden(value.strip()) if secret else value.strip()


def _decoded_key(key: object) -> bytes:
    try:
        if isinstance(key, str) and key:
            return HiddenBytes(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        pass
    raise InvalidOptionError("key must be the account's key, in base64, as the portal shows it")


def _checked_sas(token: object) -> str:
    text = Hidden(token.strip().lstrip("?") if isinstance(token, str) else "")
    unfit = not text.isascii() or not text.isprintable() or not {" ", "?"}.isdisjoint(text)
    if unfit or "sig=" not in text:
        raise InvalidOptionError(
            "sas_token must be a shared access signature: a query such as 'sv=…&sig=…'"
        )
    return text
