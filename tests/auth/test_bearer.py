"""Tokens: requested once, renewed in time, and once more when they are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from libstore import AccessDeniedError, AuthenticationError
from libstore.auth.bearer import BearerSigner, TokenCache
from libstore.http.message import Request

REQUEST = Request("GET", "https://host", "/", {"a": "b"})


@dataclass(frozen=True)
class Token:
    token: str
    expires_on: int


class Issuer:
    """A credential that returns numbered tokens with a lifetime."""

    def __init__(self, life: float = 3600.0) -> None:
        self.now = 1_800_000_000.0
        self.life = life
        self.requested: list[tuple[str, ...]] = []
        self.fault: Exception | None = None
        self.before: Callable[[], object] = lambda: None

    def clock(self) -> float:
        return self.now

    def get_token(self, *scopes: str) -> Token:
        self.before()
        self.requested.append(scopes)
        if self.fault is not None:
            raise self.fault
        return Token(f"token-{len(self.requested)}", int(self.now + self.life))


def test_token_is_requested_once() -> None:
    issuer = Issuer()
    cache = TokenCache(issuer, "scope", issuer.clock)
    assert ["token-1"] * 3 == [cache.get() for _ in range(3)]
    assert [("scope",)] == issuer.requested


@pytest.mark.parametrize(("life", "early"), [(3600.0, 299.0), (60.0, 5.0)])
def test_token_is_renewed_before_it_expires(life: float, early: float) -> None:
    issuer = Issuer(life)
    cache = TokenCache(issuer, "scope", issuer.clock)
    cache.get()
    issuer.now += life - early
    assert cache.get() == "token-2"


def test_token_that_cannot_be_renewed_is_used_until_it_expires() -> None:
    issuer = Issuer()
    cache = TokenCache(issuer, "scope", issuer.clock)
    cache.get()
    issuer.fault = OSError("no network, and a secret")
    issuer.now += 3500.0
    assert cache.get() == "token-1"
    issuer.now += 200.0
    with pytest.raises(AuthenticationError, match="OSError") as caught:
        cache.get()
    assert "secret" not in str(caught.value)


def test_storage_error_of_token_function_is_raised_unchanged() -> None:
    issuer = Issuer()
    issuer.fault = AccessDeniedError("no")
    with pytest.raises(AccessDeniedError):
        TokenCache(issuer, "scope", issuer.clock).get()


def test_rejected_token_is_replaced_once_for_all_threads() -> None:
    """One of eight threads requests the new token."""
    issuer = Issuer()
    signer = BearerSigner(TokenCache(issuer, "scope", issuer.clock))
    signed = threading.Barrier(8)
    seen = []

    def work() -> None:
        signer.sign(REQUEST, 0.0)
        signed.wait()
        assert signer.renew(REQUEST)
        seen.append(signer.sign(REQUEST, 0.0)["authorization"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["Bearer token-2"] * 8 == seen
    assert len(issuer.requested) == 2


def test_same_token_again_is_not_a_renewal() -> None:
    class Stubborn(Issuer):
        def get_token(self, *scopes: str) -> Token:
            return Token("the same", int(self.now + 3600))

    signer = BearerSigner(TokenCache(Stubborn(), "scope", lambda: 1_800_000_000.0))
    assert signer.sign(REQUEST, 0.0) == {"a": "b", "authorization": "Bearer the same"}
    assert not signer.renew(REQUEST)


def test_forked_process_gets_a_new_lock() -> None:
    """Another thread may hold the lock during the fork."""
    issuer = Issuer()
    cache = TokenCache(issuer, "scope", issuer.clock)
    issuer.before = cache.after_fork  # as in the child, while the parent requests a token
    assert cache.get() == "token-1"
    assert cache.replace("token-1")


@pytest.mark.parametrize("given", [None, "token", object()], ids=["none", "a text", "anything"])
def test_invalid_token_is_rejected(given: Any) -> None:
    class Careless:
        def get_token(self, *scopes: str) -> Any:
            return given

    with pytest.raises(AuthenticationError, match="not a token"):
        TokenCache(Careless(), "scope").get()


@pytest.mark.parametrize(
    ("token", "end", "message"),
    [
        ("", 2e9, "must be printable ASCII"),
        ("s3cret\n", 2e9, "must be printable ASCII"),
        ("s3cret\u00e9", 2e9, "must be printable ASCII"),
        ("s3cret", float("nan"), "not a token"),
    ],
)
def test_token_that_cannot_be_sent_is_rejected(token: str, end: float, message: str) -> None:
    class Careless:
        def get_token(self, *scopes: str) -> Any:
            return Token(token, end)  # type: ignore[arg-type]

    with pytest.raises(AuthenticationError, match=message) as caught:
        TokenCache(Careless(), "scope").get()
    assert "s3cret" not in str(caught.value)
