"""
Google's credentials: where tokens come from, and who signs URLs.

What needs an RSA key is done by the package google-auth, which ``libstore[gcs]`` installs; its
own credentials are taken as they are. Tokens that somebody else hands out need nothing of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import import_module
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from .. import arguments
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

#: What tokens are asked for: https://cloud.google.com/storage/docs/oauth-scopes
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
#: Wanted besides for signing by IAM, where there is no private key.
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
_ENDPOINT = "https://oauth2.googleapis.com/token"
_IAM = "https://iamcredentials.googleapis.com"
_ANSWER_LIMIT = 1 << 20
_EXTRA = "install it with: pip install 'libstore[gcs]'"
# Google takes what is dated some minutes off.
_MOST_SKEW = 240.0
# How long a token whose end nobody tells is believed in.
_ENDLESS = 4_102_444_800


class GoogleToken(NamedTuple):
    """A token, and when it ends in seconds since 1970."""

    token: str
    expires_on: int


class TokenFunction:
    """
    Tokens of a function, or one fixed token.

    Args:
        source: The token, or what returns one: a str, or a pair of it and its end, which is an
            aware datetime or seconds since 1970.
    """

    def __init__(self, source: str | Callable[[], object]) -> None:
        self._source = hide(source)

    def get_token(self, *scopes: str) -> GoogleToken:
        """Return what the function gives."""
        token, end = self._given()
        if not isinstance(token, str) or not (token and token.isascii() and token.isprintable()):
            raise AuthenticationError("token must be, or return, a token: printable ASCII text")
        if isinstance(end, datetime):
            if end.tzinfo is None:  # google-auth's are in UTC, most others in local time
                raise AuthenticationError("the end of a token must be an aware datetime")
            end = end.timestamp()
        if end is not None and not isinstance(end, (int, float)):
            raise AuthenticationError("the end of a token must be a datetime or a number")
        if end is not None and not math.isfinite(end):
            end = None
        return GoogleToken(token, _ENDLESS if end is None else int(end))

    def _given(self) -> tuple[object, object]:
        told = self._source if isinstance(self._source, str) else self._source()
        if isinstance(told, tuple) and len(told) == 2:
            return hide(told[0]), told[1]
        return hide(told), None


class GoogleCredential:
    """
    Tokens of google-auth's credentials, or of what has the same attributes.

    Args:
        find: Returns the credentials. It is called once, when a token is first wanted.
    """

    def __init__(self, find: Callable[[], Any], transport: Transport) -> None:
        self._find = find
        self._found: Any = None
        self._send = _AuthRequest(transport)
        self._given = ""

    @property
    def credentials(self) -> Any:
        """The credentials themselves."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def get_token(self, *scopes: str) -> GoogleToken:
        """Return a token, a new one if the last was given away before or is no longer valid."""
        credentials = self.credentials
        token = hide(getattr(credentials, "token", None))
        if not token or not getattr(credentials, "valid", True) or token == self._given:
            if getattr(credentials, "requires_scopes", False):
                credentials = self._found = credentials.with_scopes(list(scopes))
            self._send.last = None
            refusal: StorageError | None = None
            try:
                credentials.refresh(self._send)
            except StorageError as error:
                # The frames between are google-auth's, which have the secret of whoever asks.
                raise error.with_traceback(None) from None
            except Exception as error:
                # Its text may repeat what was sent, so nothing of it is kept.
                refusal = _refusal(error, self._send.last)
            if refusal is not None:
                raise refusal
            token = hide(credentials.token)
        if not isinstance(token, str) or not token:
            raise AuthenticationError("the credentials have no token after they were refreshed")
        self._given = token
        return GoogleToken(token, _expiry(credentials))


def _expiry(credentials: Any) -> int:
    expiry = getattr(credentials, "expiry", None)
    if not isinstance(expiry, datetime):
        return _ENDLESS
    # google-auth's times are in UTC and do not say so.
    return int((expiry if expiry.tzinfo else expiry.replace(tzinfo=timezone.utc)).timestamp())


def _refusal(error: Exception, answer: _AuthAnswer | None) -> StorageError:
    """Return what it means that google-auth got no token; `answer` is the last it was given."""
    text = str(error)
    status = answer.status if answer is not None else None
    if answer is not None and _foreign(answer):
        return ServiceError(
            "what answers where tokens are given is not Google; look whether a proxy or a login"
            " page answers in its place",
            status=status,
        )
    off = _clock_error(answer)
    # https://developers.google.com/identity/protocols/oauth2/service-account#error-codes
    if off or (off is None and re.search(r"Invalid JWT:|\biat\b|timeframe", text)):
        by = f", by {abs(off):.0f} seconds" if off else ""
        return AuthenticationError(
            f"Google gives no token: the clock of this machine is wrong{by}; set it", status=status
        )
    if "JWT Signature" in text:
        return AuthenticationError(
            "Google gives no token: the private key is not one of the service account's, or was"
            " deleted",
            status=status,
        )
    return AuthenticationError(
        f"Google gives no token ({type(error).__name__}); look whether the credentials are still"
        " valid, and log in again with: gcloud auth application-default login",
        status=status,
    )


def _clock_error(answer: _AuthAnswer | None) -> float | None:
    """Return by how many seconds our clock is wrong, 0 if it is right enough to be believed."""
    when = parse_date(answer.headers.get("date")) if answer is not None else None
    if answer is None or when is None or answer.status not in {400, 401, 403}:
        return None
    off = time.time() - when.timestamp()
    return off if abs(off) > _MOST_SKEW else 0.0


def _foreign(answer: _AuthAnswer) -> bool:
    """Return whether an answer is not the JSON that Google sends."""
    try:
        return not isinstance(parse_json(answer.data), dict)
    except ValueError:
        return True


# ---------------------------------------------------------------------- google-auth


def _module(name: str, why: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise CredentialsNotFoundError(f"{why} needs the package google-auth; {_EXTRA}") from None


def default_credentials(
    transport: Transport,
) -> tuple[Callable[[], Any], Callable[[], str | None]]:
    """
    Return what finds Application Default Credentials, and what finds their project.

    Both look when they are called, and once.

    Raises:
        CredentialsNotFoundError: google-auth is not installed.
    """
    auth = _module("google.auth", "to find Application Default Credentials libstore")
    lock = threading.Lock()
    found: list[tuple[Any, str | None]] = []

    def find() -> tuple[Any, str | None]:
        with lock:
            if not found:
                try:
                    # What needs scopes gets them later; people's tokens have all they agreed to.
                    found.append(auth.default(request=_AuthRequest(transport)))
                except Exception as error:
                    without_frames(error)
                    raise CredentialsNotFoundError(
                        "there are no Application Default Credentials; give key= and secret=,"
                        " service_account=, credentials= or token=, set"
                        " GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth"
                        " application-default login; anonymous=True does without"
                    ) from error
            return found[0]

    return lambda: find()[0], lambda: find()[1]


def service_account_credentials(
    account: str | os.PathLike[str] | Mapping[str, str],
) -> tuple[Any, str | None]:
    """
    Return a service account's credentials, and its project.

    Args:
        account: The path of its JSON file, or what stands in it; ``client_email`` and
            ``private_key`` will do.
    """
    account = hide(account) if isinstance(account, Mapping) else account
    module = _module("google.oauth2.service_account", "a service account")
    if isinstance(account, (str, os.PathLike)):
        try:
            with open(account, encoding="utf-8") as file:
                account = hide(parse_json(Hidden(file.read())))
        except (OSError, ValueError) as error:
            raise CredentialsNotFoundError(
                f"service_account names a file that cannot be read ({type(error).__name__});"
                " it must be the JSON file of a service account's key"
            ) from None
    if not isinstance(account, Mapping) or not {"client_email", "private_key"} <= account.keys():
        raise CredentialsNotFoundError(
            "service_account must have client_email and private_key, as the JSON file of a key has"
        )
    told = hide({"token_uri": _ENDPOINT, **account})
    arguments.address(told["token_uri"], "token_uri of the service account")
    try:
        credentials = module.Credentials.from_service_account_info(told, scopes=[SCOPE])
    except Exception as error:
        without_frames(error)
        # Its message may repeat the key.
        raise CredentialsNotFoundError(
            f"the private key of the service account cannot be used ({type(error).__name__}); it"
            " must be PEM, with its line breaks"
        ) from None
    project = told.get("project_id")
    return credentials, project if isinstance(project, str) else None


@dataclass(frozen=True)
class _AuthAnswer:
    """An answer in the form that google-auth reads."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


class _AuthRequest:
    """
    Sends google-auth's requests over our wire, with its certificates, proxies and time-outs.

    Attributes:
        last: The last answer.
    """

    def __init__(self, transport: Transport) -> None:
        self._client = Client(transport, Unsigned(), _busy, RetryPolicy(attempts=3))
        self.last: _AuthAnswer | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _AuthAnswer:
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
        data = response.read(_ANSWER_LIMIT)
        self.last = answer = _AuthAnswer(response.status, response.headers, data)
        return answer


_BUSY = frozenset({408, 429, *range(500, 600)})
_ALL = frozenset(range(200, 600)) - _BUSY


def _busy(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    # google-auth would try again by itself, beside the attempts of the request that needs a token.
    error = ServiceUnavailableError("Google cannot give a token at the moment", status=status)
    return Fault(error, retry=True)


# ---------------------------------------------------------------------- who signs


class URLSigner(Protocol):
    """Signs texts for URLs."""

    algorithm: str

    def is_ready(self) -> bool:
        """Return whether there is anything to sign with. Send nothing."""
        ...

    def identity(self) -> str:
        """Return who signs: an e-mail address, or the id of a key."""
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
        """Return true: there is a key."""
        return True

    def identity(self) -> str:
        """Return the id of the key."""
        return self._key

    def sign(self, text: bytes, day: str) -> str:
        """Return the signature in hexadecimal."""
        return hmac.digest(self._derive(day), text, "sha256").hex()


def for_iam(credentials: Any) -> Any:
    """Return credentials whose tokens IAM takes; those for storage alone it does not."""
    with_scopes = getattr(credentials, "with_scopes", None)
    return credentials if with_scopes is None else with_scopes([IAM_SCOPE])


class AccountSigner:
    """
    Signs as a service account: with its private key, or by asking IAM for it.

    Args:
        email: The account, if the credentials do not tell, or are not a service account's.
        tokens: Those that IAM takes.
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
        """Return whether an account is known; default credentials are looked up for it."""
        try:
            return bool(
                self._email or self._told("signer_email") or self._told("service_account_email")
            )
        except CredentialsNotFoundError:
            return False

    def identity(self) -> str:
        """Return the account's e-mail address."""
        found = self._email or self._told("signer_email") or self._told("service_account_email")
        if found == "default":  # what a machine at Google is called before it has a token
            self._tokens.get()
            found = self._told("service_account_email")
        if not found:
            raise NotSupportedError(
                "these credentials cannot sign URLs by themselves: give service_account=, or say"
                " with signing_account= for which service account IAM shall sign"
            )
        return found

    def _told(self, attribute: str) -> str | None:
        told = getattr(self._credentials(), attribute, None)
        return told if isinstance(told, str) else None

    def sign(self, text: bytes, day: str) -> str:
        """Return the signature in hexadecimal."""
        sign: Any = getattr(self._credentials(), "sign_bytes", None)
        told = self._told("signer_email")
        if sign is not None and told is not None and self._email in {None, told}:
            try:
                signature: bytes = sign(text)
                return signature.hex()
            except Exception as error:
                raise AuthenticationError(
                    f"the credentials cannot sign ({type(error).__name__})"
                ) from without_frames(error)
        return self._sign_by_iam(text).hex()

    def _sign_by_iam(self, text: bytes) -> bytes:
        # https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
        email = quote(self.identity(), safe="@")
        headers = {"content-type": "application/json"}
        # IAM takes people's tokens only with a project whose quota is used:
        # https://cloud.google.com/docs/authentication/troubleshoot-adc
        project = self._told("quota_project_id")
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
            told = hide(parse_json(response.read(_ANSWER_LIMIT)))
            return base64.b64decode(told["signedBlob"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise _iam_error(200) from None


def _iam_fault(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    answer = _AuthAnswer(status, headers, body)
    if status >= 500 or status in {408, 429}:
        busy = ServiceUnavailableError("IAM cannot sign at the moment", status=status)
        return Fault(busy, retry=True, throttled=status == 429)
    if status == 401:
        refused = AuthenticationError("IAM does not accept the token", status=status)
        return Fault(refused, renew=True)
    if _foreign(answer):
        return Fault(_iam_error(status))
    account = request.target.rpartition("/")[2].partition(":")[0]
    denied = AccessDeniedError(
        f"IAM does not sign for {account}: the credentials need the role Service Account Token"
        " Creator on it, and the API iamcredentials must be enabled",
        status=status,
    )
    return Fault(denied)


def _iam_error(status: int) -> ServiceError:
    return ServiceError(
        "what answers in the place of IAM is not Google; look whether a proxy or a login page"
        " answers",
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
    Return path and query of a URL that works without credentials.

    https://cloud.google.com/storage/docs/authentication/canonical-requests

    Args:
        path: Percent-encoded, as it will be sent.
        query: Not encoded yet.
        headers: Those that the request must have, beside `host`; the names in lower case.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    scope = f"{moment[:8]}/auto/storage/goog4_request"
    signed = {name: " ".join(value.split()) for name, value in headers.items()}
    signed["host"] = host
    names = ";".join(sorted(signed))
    asked = {
        **query,
        "X-Goog-Algorithm": signer.algorithm,
        "X-Goog-Credential": f"{signer.identity()}/{scope}",
        "X-Goog-Date": moment,
        "X-Goog-Expires": str(math.ceil(expires)),
        "X-Goog-SignedHeaders": names,
    }
    pairs = sorted((quote(name, safe="~"), quote(text, safe="~")) for name, text in asked.items())
    canonical_query = "&".join(f"{name}={text}" for name, text in pairs)
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    payload = signed.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{signer.algorithm}\n{moment}\n{scope}\n{digest}"
    signature = signer.sign(text.encode(), moment[:8])
    return Hidden(f"{path}?{canonical_query}&X-Goog-Signature={signature}")
