"""
Tokens of the service account of a machine at Google, by its metadata server.

https://cloud.google.com/compute/docs/metadata/querying-metadata
https://cloud.google.com/docs/authentication/rest#metadata-server
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from urllib.parse import quote

from .. import arguments
from ..errors import (
    CredentialsNotFoundError,
    InvalidOptionError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransportError,
    TransportTimeoutError,
)
from ..http.client import Client, Unsigned
from ..http.message import Fault, Request
from ..http.transport import Transport
from ..redaction import Hidden
from ..retry import Budget, RetryPolicy
from .google import IAM_SCOPE, SCOPE, AuthRequest
from .google_accounts import json_object

_HOST = "metadata.google.internal"
_VARIABLES = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT")
_ADDRESS = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_FLAVOR = {"metadata-flavor": "Google"}
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
_PROJECT = "/computeMetadata/v1/project/project-id"
_SIZE = 1 << 20
# The server is on the same machine. It may need some seconds for the first token of a container:
# https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#limitations
_CONNECT, _READ = 1.0, 5.0
_RETRY = RetryPolicy(attempts=3, cap=1.0, total=15.0)


class MetadataServer:
    """
    The metadata server of this machine.

    Attributes:
        host: Its host and its port, if it is not 80.

    Raises:
        InvalidOptionError: A variable names a server that is not near this machine.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        variable = next((name for name in _VARIABLES if environ.get(name)), None)
        self.host = _HOST if variable is None else environ[variable]
        if variable is not None:
            # The token is sent by plain http, so another machine must not be named.
            plain = _ADDRESS.fullmatch(self.host)
            host = arguments.address(f"http://{self.host}", variable).host if plain else ""
            if not (host == _HOST or host.startswith("169.254.") or arguments.is_loopback(host)):
                raise InvalidOptionError(
                    f"{variable} must be {_HOST}, a link-local address or this machine, with or"
                    " without a port"
                )
        transport = Transport(
            pool_size=1, connect_timeout=_CONNECT, read_timeout=_READ, proxies={}
        )
        self._client = Client(transport, Unsigned(), self._read_error, _RETRY)

    @property
    def name(self) -> str:
        """The name for `StorageDriver.credentials_source`."""
        return f"metadata server at {self.host}"

    def get(self, path: str) -> str:
        """
        Return what the server has at a path.

        Raises:
            CredentialsNotFoundError: The server responds with status 404.
            TransportError: There is no server.
            ServiceError: The server is not Google's, or is temporarily unavailable.
        """
        request = Request("GET", f"http://{self.host}", path, _FLAVOR,
                          expected=frozenset({200}), operation="GetMetadata")  # fmt: skip
        with Budget(self._client.retrier):
            response = self._client.request(request)
            text = Hidden(response.read(_SIZE).decode("utf-8", "replace").strip())
        # A proxy or a router may respond at this address, too.
        if response.headers.get("metadata-flavor") != "Google":
            raise self._unexpected(response.status)
        return text

    def token(self, scopes: Sequence[str]) -> tuple[str, float]:
        """Return a token, and the seconds for which it is valid."""
        wanted = quote(",".join(scopes), safe="")
        found = json_object(self.get(f"{_ACCOUNT}/token?scopes={wanted}"))
        token, life = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(life, (int, float)):
            raise self._unexpected(200)
        return Hidden(token), float(life)

    def email(self) -> str:
        """Return the address of the service account."""
        return str(self.get(f"{_ACCOUNT}/email"))

    def project(self) -> str | None:
        """Return the project of the machine, if the server knows it."""
        try:
            return str(self.get(_PROJECT)) or None
        except StorageError:
            return None

    def _unexpected(self, status: int) -> ServiceError:
        return ServiceError(
            f"unexpected response of the {self.name}, which is not Google's; check any proxy",
            status=status,
        )

    def _read_error(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        if status >= 500 or status in {408, 429}:
            text = f"the {self.name} is temporarily unavailable; try again later"
            return Fault(ServiceUnavailableError(text, status=status), retry=True)
        if status == 404 and headers.get("metadata-flavor") == "Google":
            return Fault(CredentialsNotFoundError("the machine has no service account"))
        return Fault(self._unexpected(status))


class MetadataCredentials:
    """
    The credentials of a machine, with the interface of google-auth's.

    Attributes:
        service_account_email: The account; ``"default"`` until a token for IAM was requested.
        valid: False, because the caller keeps a token for as long as it is valid.

    Args:
        fail: Returns the error for a line that says why there is no token.
    """

    valid = False

    def __init__(
        self,
        server: MetadataServer,
        fail: Callable[[str], StorageError],
        scopes: Sequence[str] = (SCOPE,),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.service_account_email = "default"
        self.token: str | None = None
        self.expiry: datetime | None = None
        self._server = server
        self._fail = fail
        self._scopes = tuple(scopes)
        self._clock = clock

    def with_scopes(self, scopes: Sequence[str]) -> MetadataCredentials:
        """Return the credentials with other scopes."""
        return MetadataCredentials(self._server, self._fail, scopes, self._clock)

    def refresh(self, request: AuthRequest) -> None:
        """Request a token, with a transport for this server alone."""
        reason, now = "", self._clock()
        try:
            self.token, life = self._server.token(self._scopes)
            self.expiry = datetime.fromtimestamp(now + life, timezone.utc)
            if IAM_SCOPE in self._scopes:
                self.service_account_email = self._server.email()
        except (TransportError, CredentialsNotFoundError, ServiceError) as error:
            if self.token is not None:
                raise
            reason = _reason(error)
        if reason:
            raise self._fail(f"{self._server.name}: {reason}")


def _reason(error: StorageError) -> str:
    if isinstance(error, TransportTimeoutError):
        return f"no response within {_CONNECT:g} s to connect or {_READ:g} s to read"
    return "not reachable" if isinstance(error, TransportError) else error.message
