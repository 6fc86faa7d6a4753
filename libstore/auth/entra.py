"""
Tokens of Microsoft Entra ID by azure-identity, which finds credentials by itself.

https://learn.microsoft.com/en-us/azure/developer/python/sdk/authentication/credential-chains
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from typing_extensions import override

from ..forks import renew_after_fork
from ..http.transport import Transport
from ..redaction import Hidden, redact
from .bearer import Token
from .entra_transport import IdentityTransport
from .searched import not_found

#: The name for `StorageDriver.credentials_source`.
SOURCE = "DefaultAzureCredential of azure-identity"
#: How to install azure-identity.
INSTALL = "pip install 'libstore[azure]'"

_AUTHORITY = "AZURE_AUTHORITY_HOST"
_FABRIC = "IDENTITY_SERVER_THUMBPRINT"
# The names of the credentials to try, which are no secret.
_CHAIN = "AZURE_TOKEN_CREDENTIALS"
# https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud
_AUTHORITIES = {
    "core.chinacloudapi.cn": "login.chinacloudapi.cn",
    "core.usgovcloudapi.net": "login.microsoftonline.us",
}
# A line of the message of DefaultAzureCredential: a credential, and the first sentence about it.
_ATTEMPT = re.compile(r"^\s+(\w+): (.{1,200}?)(?:\.(?=\s|$)|$)", re.MULTILINE)


def is_installed() -> bool:
    """Return whether azure-identity can be imported."""
    try:
        return find_spec("azure.identity") is not None
    except ImportError:  # there is no package azure
        return False


class DefaultCredential:
    """
    Tokens of azure-identity's ``DefaultAzureCredential``, made when the first one is needed.

    Args:
        domain: The domain of the cloud, which has its own login.
        advice: What to pass or to set, for the error.
        searched: The lines of the error about the places that were searched before.
        transport: Returns a transport for the requests of tokens.
    """

    def __init__(
        self,
        domain: str | None,
        environ: Mapping[str, str],
        advice: str,
        searched: list[str],
        transport: Callable[[], Transport] = Transport,
    ) -> None:
        self._authority = None if environ.get(_AUTHORITY) else _AUTHORITIES.get(domain or "")
        self._environ = environ
        self._advice = advice
        self._searched = searched
        self._transport = transport
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Drop the credential, whose connections belong to the parent process."""
        self._made: Any = None

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultCredential) and self._authority == other._authority

    @override
    def __hash__(self) -> int:
        return hash(self._authority)

    def get_token(self, *scopes: str) -> Token:
        """
        Request a token.

        Raises:
            CredentialsNotFoundError: No credential of azure-identity provides one.
        """
        attempts: list[str] = []
        try:
            token: Token = self._credential().get_token(*scopes)
        except Exception as error:  # noqa: BLE001 - its classes are those of an optional package
            attempts = list(self._attempts(error))
        else:
            return token
        # Here there is no context, whose text and variables may have secrets.
        raise not_found(self._advice, [*self._searched, *attempts])

    def _credential(self) -> Any:
        """Return the credential of azure-identity, which is made when it is first needed."""
        if self._made is None:
            given: dict[str, Any] = {"authority": self._authority} if self._authority else {}
            # Service Fabric has a certificate of its own, whose thumbprint azure-identity checks.
            if not self._environ.get(_FABRIC):
                given["transport"] = IdentityTransport(self._transport())
            self._made = import_module("azure.identity").DefaultAzureCredential(**given)
        return self._made

    def _attempts(self, error: Exception) -> Iterator[str]:
        """Yield a line for each credential that azure-identity tried."""
        secrets = [
            value
            for name, value in self._environ.items()
            if name == "IDENTITY_HEADER" or (isinstance(value, Hidden) and name != _CHAIN)
        ]
        text = redact(str(error), secrets)
        found = _ATTEMPT.findall(text)
        for name, sentence in found:
            yield f"azure-identity, {name}: {sentence.removeprefix(name).strip()}"
        if not found:
            yield f"azure-identity: {type(error).__name__}"
