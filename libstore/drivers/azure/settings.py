"""The arguments of the driver, their checks, and the credentials that they contain."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar
from urllib.parse import parse_qsl

from ... import arguments, rest
from ...auth import entra
from ...auth.searched import not_found, variable_line
from ...auth.sharedkey import SharedKey, SharedKeySigner
from ...errors import InvalidOptionError
from ...redaction import Hidden, HiddenBytes, HiddenDict
from . import options
from .dialect import Encryption, encryption_headers
from .endpoints import Endpoint, account_at, find_endpoint

#: The scope of tokens, in all clouds:
#: https://learn.microsoft.com/en-us/azure/storage/blobs/authorize-access-azure-active-directory
SCOPE = "https://storage.azure.com/.default"

# The meaning of UseDevelopmentStorage=true; the key is public and the same everywhere:
# https://learn.microsoft.com/en-us/azure/storage/common/storage-connect-azurite
_EMULATOR = {
    "accountname": "devstoreaccount1",
    "accountkey": (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ),
}
_EMULATOR_PORT = 10_000
_CREDENTIALS = ("key", "sas_token", "credential", "connection_string")
_ACCOUNT, _STRING = "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING"
_NAME = "accountname"  # the field of a connection string
_ADVICE = (
    "no Azure credentials were found; pass account= and key=, sas_token= or credential=, or pass"
    " connection_string=, or anonymous=True to send requests without credentials"
)


def _credential(value: object, label: str) -> object:
    if not callable(getattr(value, "get_token", None)):
        raise InvalidOptionError(
            f"{label} must have a method get_token(scope), like the credentials of azure-identity;"
            " pass an account key as key=, and a shared access signature as sas_token="
        )
    return value


# https://learn.microsoft.com/en-us/azure/storage/blobs/authorize-data-operations-cli
class Settings(rest.RestSettings):
    """The arguments of `AzureDriver`; without any credentials, the environment is read."""

    credential_options: ClassVar[tuple[str, ...]] = _CREDENTIALS
    reread: ClassVar[tuple[str, ...]] = _CREDENTIALS

    account: str | None = rest.option(
        "The name of the storage account. With the suffix ``-secondary``, requests go to the"
        " read-only secondary location.",
        default=None, variables=[_ACCOUNT], kw_only=False
    )  # fmt: skip
    key: str | None = rest.option(
        "One of the account's keys in base64, as the portal shows it.",
        default=None, variables=["AZURE_STORAGE_KEY"], secret=True, kw_only=False
    )  # fmt: skip
    sas_token: str | None = rest.option(
        "A shared access signature of the account or of a container.",
        default=None, variables=["AZURE_STORAGE_SAS_TOKEN"], secret=True
    )  # fmt: skip
    connection_string: str | None = rest.option(
        "The account, its URL and its credentials in one text, as the portal shows it.",
        default=None, variables=[_STRING], secret=True
    )  # fmt: skip
    credential: rest.TokenCredential | None = rest.option(
        "An object with a method ``get_token(scope)``, such as the credentials of azure-identity."
        " It may contain a secret, so pickling requires ``pickle_secret=True``.",
        _credential, default=None, secret=True
    )  # fmt: skip
    anonymous: bool = rest.option("Send requests without credentials.", default=False)
    endpoint: str | None = rest.option(
        "The URL of the account, as ``https://host[:port][/account]``, or a SAS URL of it, whose"
        " query is the shared access signature; by default, the account's URL in the domain"
        " `endpoint_suffix`.",
        default=None
    )  # fmt: skip
    endpoint_suffix: str | None = rest.option(
        "The domain of another cloud, such as ``core.chinacloudapi.cn``; ``core.windows.net`` by"
        " default.",
        default=None
    )  # fmt: skip
    customer_key: bytes | None = rest.option(options.CUSTOMER_KEY, default=None)
    encryption_scope: str | None = rest.option(options.ENCRYPTION_SCOPE, default=None)

    # ------------------------------------------------------------------ from the arguments

    def completed(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with the credentials that were found, checked together."""
        given = self._with_endpoint_split()
        if given.given_credentials(anonymous=given.anonymous) or given.anonymous:
            return given
        found, named = given, environ.get(_ACCOUNT) or None
        if given.account in {None, named}:
            found = found.with_variables(environ, "account", "key")
            if found.key is None:
                found = found.with_variables(environ, "sas_token")
        if found.key is None and found.sas_token is None:
            text = environ.get(_STRING)
            if text and given.account in {None, _read_connection_string(text, _STRING).get(_NAME)}:
                found = given.with_variables(environ, "connection_string")
        if found.given_credentials(anonymous=False):
            return found
        return found._with_default_credential(environ)

    def _with_endpoint_split(self) -> Settings:
        """Return the settings with a SAS URL split into the URL and the SAS."""
        url, mark, query = (self.endpoint or "").partition("?")
        if not mark or "sig=" not in query:
            return self
        query, given = Hidden(query), self.given_credentials(anonymous=self.anonymous)
        if given or self.anonymous:
            raise InvalidOptionError(
                f"endpoint has a shared access signature, so {(*given, 'anonymous')[0]} cannot be"
                " passed too; pass one of them"
            )
        return self.replaced(endpoint=url).with_found("endpoint", sas_token=query)

    def _with_default_credential(self, environ: Mapping[str, str]) -> Settings:
        """Return the settings with the credentials of azure-identity, if they can be used."""
        searched, reason = self._searched(environ), self._reason_against_default()
        if reason:
            raise not_found(_ADVICE, [*searched, f"azure-identity: {reason}"])
        credential = entra.DefaultCredential(
            self.endpoint_suffix, environ, _ADVICE, searched, partial(self.transport, 1)
        )
        return self.with_found(entra.SOURCE, credential=credential)

    def _reason_against_default(self) -> str:
        """Return why azure-identity cannot be used, or an empty text."""
        if self.account is None and self.endpoint is None:
            return f"not used without an account; pass account= or set {_ACCOUNT}"
        label = self.label("account") if self.endpoint is None else "endpoint"
        found = find_endpoint(
            self.account, self.endpoint, self.endpoint_suffix, label, insecure=self.insecure
        )
        # The credentials of a machine are not sent to a server that is not Microsoft's.
        if not (found.is_azure or (found.is_local and self.insecure)):
            return (
                f"not used for {found.url}, which is not a URL of Azure; pass"
                " credential=DefaultAzureCredential() to use it"
            )
        return "" if entra.is_installed() else f"not installed; {entra.INSTALL}"

    def _searched(self, environ: Mapping[str, str]) -> list[str]:
        """Return the places where credentials were searched in vain."""
        named = environ.get(_ACCOUNT)
        other = f"for the account {named!r}" if named else f"{_ACCOUNT} is not"
        text = environ.get(_STRING)
        inside = _read_connection_string(text, _STRING).get(_NAME, "")
        return [
            variable_line(environ, "AZURE_STORAGE_KEY", other),
            variable_line(environ, "AZURE_STORAGE_SAS_TOKEN", other),
            variable_line(environ, _STRING, f"for the account {str(inside)!r}"),
        ]

    def _fields(self) -> Mapping[str, str]:
        """Return the fields of the connection string by lower-case name; none without one."""
        return _read_connection_string(self.connection_string, self.label("connection_string"))

    def addresses(self) -> dict[str, str]:
        """Return the options for what a connection string that was passed says of the address."""
        if "connection_string" in self.found_again():
            return {}
        fields = self._fields()
        named = {"account": _NAME, "endpoint": "blobendpoint"}
        if "blobendpoint" not in fields:
            named["endpoint_suffix"] = "endpointsuffix"
        return {name: str(fields[field]) for name, field in named.items() if fields.get(field)}

    # ------------------------------------------------------------------ for requests

    def encryption(self) -> Encryption:
        """Return the headers of the encryption of all blobs."""
        given = {"customer_key": self.customer_key, "encryption_scope": self.encryption_scope}
        headers = encryption_headers(given)
        return Encryption({} if self.customer_key is None else headers, headers)

    def access(self) -> Access:
        """Return the URL of the account, and how its requests are signed."""
        fields, string = self._fields(), self.label("connection_string")
        key = fields.get("accountkey", self.key)
        token = fields.get("sharedaccesssignature", self.sas_token)
        if self.connection_string is not None and key is None and token is None:
            raise InvalidOptionError(f"{string} has neither AccountKey nor SharedAccessSignature")
        account = self.account or fields.get(_NAME)
        endpoint = self.endpoint or fields.get("blobendpoint")
        if self.connection_string is not None and not account and not endpoint:
            raise InvalidOptionError(f"{string} has neither AccountName nor BlobEndpoint")
        suffix = self.endpoint_suffix or fields.get("endpointsuffix")
        if endpoint is None:
            label = self.label("account") if self.account else "AccountName"
        else:
            label = "endpoint" if endpoint == self.endpoint else "BlobEndpoint"
        found = find_endpoint(account, endpoint, suffix, label, insecure=self.insecure)
        # https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key: the
        # signature contains the name of the account, also for its second location.
        account = (account or account_at(found)).removesuffix("-secondary")
        if key is not None:
            label = self.label("key") if key is self.key else f"AccountKey in {string}"
            secret = _decoded_key(key, label)
            return Access(found, account, SharedKeySigner(SharedKey(account, secret)), key=secret)
        if token is not None:
            inside = f"SharedAccessSignature in {string}"
            sas = _checked_sas(
                token, self.label("sas_token") if token is self.sas_token else inside
            )
            return Access(found, account, rest.Unsigned(), sas=sas)
        if self.credential is not None:
            if not found.secure and not self.insecure:
                raise InvalidOptionError(
                    "credential= requires https://, because its token is a secret; pass"
                    " insecure=True to allow plain http"
                )
            tokens = rest.TokenCache(self.credential, SCOPE)
            return Access(found, account, rest.BearerSigner(tokens), tokens=tokens)
        return Access(found, account, rest.Unsigned())


@dataclass(frozen=True)
class Access:
    """
    The URL of an account, and how its requests are signed.

    Attributes:
        key: The account's key, decoded.
        sas: A shared access signature, which is part of each request's query.
        tokens: The source of bearer tokens.
    """

    endpoint: Endpoint
    account: str
    signer: rest.Signer
    key: bytes | None = field(default=None, repr=False)
    sas: str = field(default="", repr=False)
    tokens: rest.TokenCache | None = None

    @property
    def way(self) -> str:
        """The kind of credentials that requests are sent with."""
        if self.key is not None:
            return "key"
        return "credential" if self.tokens is not None else "sas" if self.sas else "anonymous"

    def secrets(self) -> tuple[str | bytes, ...]:
        """Return the secrets that no message may contain."""
        found = [base64.b64encode(self.key).decode()] if self.key is not None else []
        found += [value for name, value in parse_qsl(self.sas) if name == "sig"]
        found += [part[4:] for part in self.sas.split("&") if part.startswith("sig=")]
        if self.tokens is not None and self.tokens.known:
            found.append(self.tokens.known)
        return tuple(found)


def _read_connection_string(text: str | None, label: str) -> Mapping[str, str]:
    """Return the fields of a connection string by lower-case name; none without a string."""
    # https://learn.microsoft.com/en-us/azure/storage/common/storage-configure-connection-string
    pieces = (text or "").strip().split(";")
    if not all("=" in piece for piece in pieces if piece):
        pieces.clear()
        raise InvalidOptionError(f"{label} must be Name=value;Name=value, as the portal shows it")
    found = HiddenDict(map(_read_piece, pieces))
    pieces.clear()  # so that no traceback shows them
    if found.get("usedevelopmentstorage", "").lower() != "true":
        return found
    # The scheme and the host of the proxy are used, but not its port.
    given = found.get("developmentstorageproxyuri") or "http://127.0.0.1"
    proxy = arguments.address(given, "DevelopmentStorageProxyUri in the connection string")
    origin = proxy._replace(port=_EMULATOR_PORT).origin
    return {**_EMULATOR, "blobendpoint": f"{origin}/{_EMULATOR['accountname']}"}


def _read_piece(piece: str) -> tuple[str, Hidden]:
    name, _, value = piece.partition("=")
    return name.strip().lower(), Hidden(value.strip())


def _decoded_key(key: object, label: str) -> bytes:
    try:
        if isinstance(key, str) and key:
            return HiddenBytes(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        pass
    raise InvalidOptionError(
        f"{label} must be the account's key in base64, as the portal shows it; pass a shared"
        " access signature as sas_token="
    )


def _checked_sas(token: object, label: str) -> str:
    text = Hidden(token.strip().lstrip("?") if isinstance(token, str) else "")
    label = "the query of endpoint" if label == "endpoint" else label
    unfit = not text.isascii() or not text.isprintable() or not {" ", "?"}.isdisjoint(text)
    if unfit or "sig=" not in text:
        raise InvalidOptionError(
            f"{label} must be a shared access signature: a query such as 'sv=…&sig=…'"
        )
    return text
