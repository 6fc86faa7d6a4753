"""
Bearer tokens of credentials such as those of azure-identity and google-auth.

A token is requested once, by the first thread that needs it, and again before it expires or when
the service rejects it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..errors import AuthenticationError, StorageError
from ..http.message import Request
from ..redaction import Hidden, without_frames
from .renewal import Lease, Renewing

# A token is renewed this many seconds before it expires, or after nine tenths of its lifetime,
# whichever is later, because a request may take long to arrive.
_WINDOW = 300.0
_SHARE = 0.1


class Token(Protocol):
    """A token and its expiry in seconds since 1970, such as azure-core's ``AccessToken``."""

    @property
    def token(self) -> str:
        """The token."""
        ...

    @property
    def expires_on(self) -> int:
        """The time at which it expires, in seconds since 1970."""
        ...


class TokenCredential(Protocol):
    """A source of tokens, such as the credentials of azure-identity."""

    def get_token(self, *scopes: str) -> Token:
        """Request a new token for these scopes; return it with its expiry."""
        ...


class TokenCache(Renewing[str]):
    """
    The current token of a credential, shared by all threads.

    Args:
        credential: Its `get_token` is called once for each token, by the first thread that needs
            one.
        scope: What `get_token` is called with; empty if the service has no scopes.
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
        super().__init__(self._request, "tokens", window=_WINDOW, share=_SHARE, clock=clock)

    def _request(self) -> Lease[str]:
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
        text = token.value
        if not text or not text.isascii() or not text.isprintable():
            raise AuthenticationError(
                "the token that the credential returned must be printable ASCII, without line"
                " breaks, and not empty"
            )
        return token


def _hidden_token(token: object) -> Lease[str] | str:
    """Return the token of a credential; the name of its type if it is not a token."""
    text, end = getattr(token, "token", None), getattr(token, "expires_on", None)
    if isinstance(text, str) and isinstance(end, (int, float)) and not math.isnan(end):
        return Lease(Hidden(text), end)
    return type(token).__name__


class BearerSigner:
    """
    A signer that sends a bearer token with each attempt.

    Args:
        tokens: Where the token is from; all signers of a client share it.
    """

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
