"""
Tokens that somebody else hands out, as azure-identity and google-auth do.

A token is asked for once, by whichever thread needs it first, and again before it expires, or
when the service refuses it.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ..errors import AuthenticationError, StorageError
from ..http.message import Request
from ..redaction import Hidden, without_frames

# A token is renewed so many seconds before its end, or when nine tenths of its life are over: a
# request may take long to arrive.
_MARGIN = 300.0


class Token(Protocol):
    """A token, and when it ends in seconds since 1970; azure-core's ``AccessToken`` is one."""

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class TokenCredential(Protocol):
    """What hands out tokens; the credentials of azure-identity do."""

    def get_token(self, *scopes: str) -> Token: ...


class TokenCache:
    """
    The token of one credential, shared by all threads.

    Args:
        clock: The time in seconds since 1970.
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
        self._token: _Known | None = None
        self._renewal = 0.0
        self.after_fork()
        _caches.add(self)

    def after_fork(self) -> None:
        """Take a lock that no thread of another process holds."""
        self._lock = threading.Lock()

    @property
    def known(self) -> str:
        """The token that was handed out last, if there is one; nothing is asked for."""
        return self._token.token if self._token is not None else ""

    def get(self) -> str:
        """Return a token that does not expire soon."""
        token = self._token
        if token is None or self._clock() >= self._renewal:
            with self._lock:
                token = self._token
                if token is None or self._clock() >= self._renewal:
                    token = self._renewed(token)
        return token.token

    def replace(self, refused: str) -> bool:
        """Get another token in place of one that was refused; return whether there is one."""
        with self._lock:
            token = self._token
            if token is None or token.token == refused:
                token = self._ask()
            return token.token != refused

    def _renewed(self, old: _Known | None) -> _Known:
        try:
            return self._ask()
        except StorageError:
            # There is time left to try again.
            if old is None or self._clock() >= old.expires_on:
                raise
            return old

    def _ask(self) -> _Known:
        try:
            known = _known(self._credential.get_token(self._scope))
        except StorageError:
            raise
        except Exception as error:
            without_frames(error)
            raise AuthenticationError(
                f"the credential gave no token: {type(error).__name__}; look whether it is set up"
                " as its own documentation asks"
            ) from error
        if isinstance(known, str):
            raise AuthenticationError(
                f"the credential gave no token: {known} has not both token, a text, and"
                " expires_on, its end in seconds since 1970"
            )
        left = known.expires_on - self._clock()
        self._renewal = known.expires_on - min(_MARGIN, left / 10)
        self._token = known
        return known


class _Known(NamedTuple):
    """A token that no variable of a frame shows, and when it ends."""

    token: Hidden
    expires_on: float


def _known(token: object) -> _Known | str:
    """Return what a credential has handed out; the name of its type if it is no token."""
    text, end = getattr(token, "token", None), getattr(token, "expires_on", None)
    if isinstance(text, str) and isinstance(end, (int, float)):
        return _Known(Hidden(text), end)
    return type(token).__name__


_caches: weakref.WeakSet[TokenCache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_caches):
        cache.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class BearerSigner:
    """Sends a token along with each try."""

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens
        self._used = threading.local()

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """Return the request's headers and the token."""
        token = self._used.token = self._tokens.get()
        return {**request.headers, "authorization": Hidden(f"Bearer {token}")}

    def renew(self, request: Request, /) -> bool:
        """Get another token than the one that this thread sent last."""
        return self._tokens.replace(self._used.token)
