"""
Bearer tokens of credentials such as those of azure-identity and google-auth.

A token is requested once, by the first thread that needs it, and again before it expires or when
the service rejects it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ..errors import AuthenticationError, StorageError
from ..forks import renew_after_fork
from ..http.message import Request
from ..redaction import Hidden, without_frames

# A token is renewed this many seconds before it expires, or after nine tenths of its lifetime,
# whichever is later, because a request may take long to arrive.
_MARGIN = 300.0


class Token(Protocol):
    """A token and its expiry in seconds since 1970, such as azure-core's ``AccessToken``."""

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class TokenCredential(Protocol):
    """A source of tokens, such as the credentials of azure-identity."""

    def get_token(self, *scopes: str) -> Token:
        """Request a new token for these scopes."""
        ...


class TokenCache:
    """
    The current token of a credential, shared by all threads.

    Args:
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        credential: TokenCredential,
        scope: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credential = credential
        self._scope = scope
        self._clock = clock
        self._token: _HiddenToken | None = None
        self._renewal = 0.0
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    @property
    def known(self) -> str:
        """The last token, or an empty string; no request is sent."""
        return self._token.token if self._token is not None else ""

    def get(self) -> str:
        """Return a token that does not expire soon, and request one if necessary."""
        token = self._token
        if token is None or self._clock() >= self._renewal:
            with self._lock:
                token = self._token
                if token is None or self._clock() >= self._renewal:
                    token = self._renewed(token)
        return token.token

    def replace(self, rejected: str) -> bool:
        """Replace a token that the service rejected; return whether there is another one."""
        with self._lock:
            token = self._token
            if token is None or token.token == rejected:
                token = self._request()
            return token.token != rejected

    def _renewed(self, old: _HiddenToken | None) -> _HiddenToken:
        try:
            return self._request()
        except StorageError:
            # The old token is still valid, so the next request can try again.
            if old is None or self._clock() >= old.expires_on:
                raise
            return old

    def _request(self) -> _HiddenToken:
        try:
            token = _hidden_token(self._credential.get_token(self._scope))
        except StorageError:
            raise
        except Exception as error:
            without_frames(error)
            raise AuthenticationError(
                f"the credential failed to provide a token ({type(error).__name__}); check that it"
                " is configured as its documentation requires"
            ) from error
        if isinstance(token, str):
            raise AuthenticationError(
                f"get_token() of the credential returned {token}, which is not a token; it must"
                " have the attributes token, a str, and expires_on, in seconds since 1970"
            )
        left = token.expires_on - self._clock()
        self._renewal = token.expires_on - min(_MARGIN, left / 10)
        self._token = token
        return token


class _HiddenToken(NamedTuple):
    """A token with a masked `repr`, and its expiry."""

    token: Hidden
    expires_on: float


def _hidden_token(token: object) -> _HiddenToken | str:
    """Return the token of a credential; the name of its type if it is not a token."""
    text, end = getattr(token, "token", None), getattr(token, "expires_on", None)
    if isinstance(text, str) and isinstance(end, (int, float)):
        return _HiddenToken(Hidden(text), end)
    return type(token).__name__


class BearerSigner:
    """A signer that sends a bearer token with each attempt."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens
        self._used = threading.local()

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """Return the request's headers with the token."""
        token = self._used.token = self._tokens.get()
        return {**request.headers, "authorization": Hidden(f"Bearer {token}")}

    def renew(self, request: Request, /) -> bool:
        """Replace the token that this thread sent last."""
        return self._tokens.replace(self._used.token)
