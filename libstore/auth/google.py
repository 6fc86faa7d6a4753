"""
Google's credentials: sources of tokens, and signers of URLs.

The credentials of google-auth can be passed. Those that this library has itself, of a service
account (`libstore.auth.google_accounts`) and of a machine (`libstore.auth.google_metadata`), have
the same interface.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from ..errors import (
    AccessDeniedError,
    AuthenticationError,
    CredentialsNotFoundError,
    NotSupportedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
)
from ..http.client import Client, Unsigned
from ..http.headers import parse_date
from ..http.json import parse_json
from ..http.message import Fault, Request
from ..http.transport import Transport
from ..redaction import Hidden, hide, without_frames
from ..retry import RetryPolicy
from .bearer import BearerSigner, TokenCache

#: The scope of tokens: https://cloud.google.com/storage/docs/oauth-scopes
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
#: The scope of tokens for signing by IAM, without a private key.
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_IAM = "https://iamcredentials.googleapis.com"
_RESPONSE_LIMIT = 1 << 20
# Google accepts a clock skew of some minutes.
_MAX_SKEW = 240.0
# The expiry of a token without one: the year 2100.
_ENDLESS = 4_102_444_800


class GoogleToken(NamedTuple):
    """A token and its expiry in seconds since 1970."""

    token: str
    expires_on: int


class TokenFunction:
    """
    A credential that calls a function for tokens, or has a fixed token.

    Args:
        source: The token, or a function that returns it: a str, or a pair of a str and its expiry,
            which is an aware datetime or seconds since 1970.
    """

    def __init__(self, source: str | Callable[[], object]) -> None:
        self._source = hide(source)

    def get_token(self, *scopes: str) -> GoogleToken:
        """Return the token, from the function if there is one."""
        token, end = self._call()
        if not isinstance(token, str) or not (token and token.isascii() and token.isprintable()):
            raise AuthenticationError(
                "token= must be a token of printable ASCII characters, or a function that returns"
                " one"
            )
        if isinstance(end, datetime):
            if end.tzinfo is None:  # google-auth's are in UTC, most others in local time
                raise AuthenticationError(
                    "the expiry that token= returned is a naive datetime; return an aware one"
                )
            end = end.timestamp()
        if end is not None and not isinstance(end, (int, float)):
            raise AuthenticationError(
                "the expiry that token= returned must be an aware datetime, or seconds since 1970,"
                f" not {type(end).__name__}"
            )
        if end is not None and not math.isfinite(end):
            end = None
        return GoogleToken(token, _ENDLESS if end is None else int(end))

    def _call(self) -> tuple[object, object]:
        result = self._source if isinstance(self._source, str) else self._source()
        if isinstance(result, tuple) and len(result) == 2:
            return hide(result[0]), result[1]
        return hide(result), None


class GoogleCredential:
    """
    A credential that gets its tokens from google-auth's credentials, or compatible ones.

    Args:
        find: Returns the credentials. It is called once, when the first token is needed.
    """

    def __init__(self, find: Callable[[], Any], transport: Transport) -> None:
        self._find = find
        self._found: Any = None
        self._send = AuthRequest(transport)
        self._last_token = ""

    @property
    def credentials(self) -> Any:
        """The credentials of google-auth."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def get_token(self, *scopes: str) -> GoogleToken:
        """Return a token; a new one if the last one was returned before, or is invalid."""
        credentials = self.credentials
        token = hide(getattr(credentials, "token", None))
        if not token or not getattr(credentials, "valid", True) or token == self._last_token:
            if getattr(credentials, "requires_scopes", False):
                credentials = self._found = credentials.with_scopes(list(scopes))
            self._send.last = None
            refusal: StorageError | None = None
            try:
                credentials.refresh(self._send)
            except StorageError as error:
                # Remove the frames of google-auth, whose variables hold secrets.
                raise error.with_traceback(None) from None
            except Exception as error:
                # Its text may repeat secrets of the request, so it is not kept.
                refusal = _refusal(error, self._send.last)
            if refusal is not None:
                raise refusal
            token = hide(credentials.token)
        if not isinstance(token, str) or not token:
            raise AuthenticationError(
                "the refreshed credentials have no token; check that credentials= can refresh"
            )
        self._last_token = token
        return GoogleToken(token, _expiry(credentials))


def _expiry(credentials: Any) -> int:
    expiry = getattr(credentials, "expiry", None)
    if not isinstance(expiry, datetime):
        return _ENDLESS
    # google-auth uses naive datetimes in UTC.
    return int((expiry if expiry.tzinfo else expiry.replace(tzinfo=timezone.utc)).timestamp())


def _refusal(error: Exception, response: AuthResponse | None) -> StorageError:
    """Return the error for a token that Google refused with its last response."""
    text = str(error)
    status = response.status if response is not None else None
    if response is not None and not _is_json_object(response):
        return ServiceError(
            "unexpected response to the request for a token, which is not from Google; check any"
            " proxy or login page",
            status=status,
        )
    off = _clock_error(response)
    # https://developers.google.com/identity/protocols/oauth2/service-account#error-codes
    if off or (off is None and re.search(r"Invalid JWT:|\biat\b|timeframe", text)):
        by = f" by {abs(off):.0f} seconds" if off else ""
        return AuthenticationError(
            f"Google refused to issue a token: the local clock is wrong{by}; correct it",
            status=status,
        )
    if "JWT Signature" in text:
        return AuthenticationError(
            "Google refused to issue a token: the private key does not belong to the service"
            " account, or was deleted; create a new key",
            status=status,
        )
    return AuthenticationError(
        f"Google refused to issue a token ({type(error).__name__}); check that the credentials are"
        " still valid, or log in again with: gcloud auth application-default login",
        status=status,
    )


def _clock_error(response: AuthResponse | None) -> float | None:
    """Return the skew of the local clock in seconds, 0 if it is small, `None` if unknown."""
    when = parse_date(response.headers.get("date")) if response is not None else None
    if response is None or when is None or response.status not in {400, 401, 403}:
        return None
    off = time.time() - when.timestamp()
    return off if abs(off) > _MAX_SKEW else 0.0


def _is_json_object(response: AuthResponse) -> bool:
    """Return whether a response is a JSON object, as all of Google's are."""
    try:
        return isinstance(parse_json(response.data), dict)
    except ValueError:
        return False


# ---------------------------------------------------------------------- requests for tokens


@dataclass(frozen=True)
class AuthResponse:
    """A response to a request for a token, in the form that google-auth expects."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


class AuthRequest:
    """
    A transport for google-auth with this library's certificates, proxies and timeouts.

    Attributes:
        last: The last response.
    """

    def __init__(self, transport: Transport) -> None:
        self._client = Client(transport, Unsigned(), _busy, RetryPolicy(attempts=3))
        self.last: AuthResponse | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> AuthResponse:
        parts = urlsplit(url)
        body = hide(body)
        content = hide(body.encode() if isinstance(body, str) else body)
        lower = {name.lower(): Hidden(value) for name, value in (headers or {}).items()}
        lower.pop("content-length", None)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = Request(
            method, f"{parts.scheme}://{parts.netloc}", target, lower, content,
            expected=_ALL, operation="GetToken",
        )  # fmt: skip
        response = self._client.request(request)
        data = response.read(_RESPONSE_LIMIT)
        self.last = last = AuthResponse(response.status, response.headers, data)
        return last


_BUSY = frozenset({408, 429, *range(500, 600)})
_ALL = frozenset(range(200, 600)) - _BUSY


def _busy(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    # Retried here because google-auth's own retries would not share the budget of the request.
    error = ServiceUnavailableError(
        "Google's token service is temporarily unavailable; try again later", status=status
    )
    return Fault(error, retry=True)


# ---------------------------------------------------------------------- signers


class URLSigner(Protocol):
    """Signs URLs."""

    algorithm: str

    def is_ready(self) -> bool:
        """Return whether there are credentials for signing. It sends no request."""
        ...

    def identity(self) -> str:
        """Return the signer's e-mail address, or the id of its key."""
        ...

    def sign(self, text: bytes, day: str) -> str:
        """Return the signature in hexadecimal; `day` is like ``"20260131"``."""
        ...


class HMACSigner:
    """Signs with the secret of an HMAC key."""

    algorithm = "GOOG4-HMAC-SHA256"

    def __init__(self, key: str, derive: Callable[[str], bytes]) -> None:
        self._key = key
        self._derive = derive

    def is_ready(self) -> bool:
        """Return `True`: there is a key."""
        return True

    def identity(self) -> str:
        """Return the id of the key."""
        return self._key

    def sign(self, text: bytes, day: str) -> str:
        """Return the signature in hexadecimal."""
        return hmac.digest(self._derive(day), text, "sha256").hex()


def for_iam(credentials: Any) -> Any:
    """Return credentials with the scope of IAM, which rejects tokens for storage only."""
    with_scopes = getattr(credentials, "with_scopes", None)
    return credentials if with_scopes is None else with_scopes([IAM_SCOPE])


class AccountSigner:
    """
    Signs as a service account: with its private key, or by a request to IAM.

    Args:
        email: The account, unless the credentials are those of a service account.
        tokens: Tokens with the scope of IAM.
    """

    algorithm = "GOOG4-RSA-SHA256"

    def __init__(
        self,
        credentials: Callable[[], Any],
        email: str | None,
        tokens: TokenCache,
        transport: Transport,
        iam: str = _IAM,
    ) -> None:
        self._credentials = credentials
        self._email = email
        self._tokens = tokens
        self._client = Client(transport, BearerSigner(tokens), _iam_fault, RetryPolicy())
        self._iam = iam

    def is_ready(self) -> bool:
        """Return whether an account is known. It may load default credentials."""
        try:
            return bool(self._account())
        except CredentialsNotFoundError:
            return False

    def _account(self) -> str | None:
        return self._email or self._text("signer_email") or self._text("service_account_email")

    def identity(self) -> str:
        """Return the account's e-mail address."""
        email = self._account()
        if email == "default":  # the credentials of a machine know it after the first token
            self._tokens.get()
            email = self._text("service_account_email")
        if not email:
            raise NotSupportedError(
                "these credentials cannot sign URLs: pass service_account=, or pass"
                " signing_account= with the service account for which IAM signs"
            )
        return email

    def _text(self, attribute: str) -> str | None:
        value = getattr(self._credentials(), attribute, None)
        return value if isinstance(value, str) else None

    def sign(self, text: bytes, day: str) -> str:
        """Return the signature in hexadecimal."""
        sign: Any = getattr(self._credentials(), "sign_bytes", None)
        signer = self._text("signer_email")
        if sign is not None and signer is not None and self._email in {None, signer}:
            try:
                signature: bytes = sign(text)
                return signature.hex()
            except Exception as error:
                raise AuthenticationError(
                    f"sign_bytes() of credentials= failed ({type(error).__name__})"
                ) from without_frames(error)
        return self._sign_by_iam(text).hex()

    def _sign_by_iam(self, text: bytes) -> bytes:
        # https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
        email = quote(self.identity(), safe="@")
        headers = {"content-type": "application/json"}
        # IAM accepts the tokens of users only with a project for the quota:
        # https://cloud.google.com/docs/authentication/troubleshoot-adc
        project = self._text("quota_project_id")
        if project:
            headers["x-goog-user-project"] = project
        request = Request(
            "POST", self._iam, f"/v1/projects/-/serviceAccounts/{email}:signBlob",
            headers,
            json.dumps({"payload": base64.b64encode(text).decode()}).encode(),
            expected=frozenset({200}), operation="SignBlob",
        )  # fmt: skip
        response = self._client.request(request)
        try:
            document = hide(parse_json(response.read(_RESPONSE_LIMIT)))
            return base64.b64decode(document["signedBlob"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise _iam_error(200) from None


def _iam_fault(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    if status >= 500 or status in {408, 429}:
        unavailable = ServiceUnavailableError(
            "IAM is temporarily unavailable; try again later", status=status
        )
        return Fault(unavailable, retry=True, throttled=status == 429)
    if status == 401:
        return Fault(AuthenticationError("IAM rejected the token", status=status), renew=True)
    if not _is_json_object(AuthResponse(status, headers, body)):
        return Fault(_iam_error(status))
    account = request.target.rpartition("/")[2].partition(":")[0]
    denied = AccessDeniedError(
        f"IAM refused to sign for {account}: give the credentials the role Service Account Token"
        " Creator on it, and enable the API iamcredentials",
        status=status,
    )
    return Fault(denied)


def _iam_error(status: int) -> ServiceError:
    return ServiceError(
        "unexpected response to the request to IAM, which is not from Google; check any proxy or"
        " login page",
        status=status,
    )


# ---------------------------------------------------------------------- V4 signatures


def signed_target(
    signer: URLSigner,
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    expires: float,
    now: float,
) -> str:
    """
    Return path and query of a presigned URL.

    https://cloud.google.com/storage/docs/authentication/canonical-requests

    Args:
        path: The path, percent-encoded.
        query: The parameters, not encoded.
        headers: The headers that the request must have beside `host`, by lower-case name.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{moment[:8]}/auto/storage/goog4_request"
    signed = {name: " ".join(value.split()) for name, value in headers.items()}
    signed["host"] = host
    names = ";".join(sorted(signed))
    parameters = {
        **query,
        "X-Goog-Algorithm": signer.algorithm,
        "X-Goog-Credential": f"{signer.identity()}/{scope}",
        "X-Goog-Date": moment,
        "X-Goog-Expires": str(math.ceil(expires)),
        "X-Goog-SignedHeaders": names,
    }
    pairs = sorted(
        (quote(name, safe="~"), quote(text, safe="~")) for name, text in parameters.items()
    )
    canonical_query = "&".join(f"{name}={text}" for name, text in pairs)
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    payload = signed.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{signer.algorithm}\n{moment}\n{scope}\n{digest}"
    signature = signer.sign(text.encode(), moment[:8])
    return Hidden(f"{path}?{canonical_query}&X-Goog-Signature={signature}")
