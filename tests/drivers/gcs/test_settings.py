"""Credentials, tokens and other arguments of the driver."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
from drivers.gcs.support import (
    BIG,
    PART,
    TOKEN,
    account,
    credentials,
    made,
    noise,
)
from scripted import Play, Server, respond

from libstore import (
    AuthenticationError,
    CredentialsNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.auth.google import IAM_SCOPE, SCOPE, GoogleCredential, for_iam
from libstore.drivers.gcs import GCSDriver
from libstore.http.transport import Transport
from servers.gcs_model import KEY, SECRET, Model, Request

_NAIVE = datetime(2030, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None)
_SHORT = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
)


@pytest.mark.parametrize("parallel", [False, True], ids=["resumable", "parallel"])
def test_expired_token_is_renewed_once_during_a_transfer(
    model: Model, parallel: bool, tmp_path: Path
) -> None:
    given: list[str] = []

    def token() -> str:
        given.append(f"token-{len(given)}")
        model.tokens = {given[-1]}
        return given[-1]

    driver = made(model, token=token, parallel_uploads=parallel)
    driver.create_container("box")
    size = BIG if parallel else PART
    driver.transfer = TransferOptions(part_size=size, multipart_threshold=size, concurrency=8)
    content = noise(20 * size)
    counter = iter(range(1_000_000))

    def expire(request: Request) -> None:
        if next(counter) == 9:
            model.tokens = set()

    model.before = expire
    driver.upload_object(content, "box", "big")
    assert ["token-0", "token-1"] == given
    counter = iter(range(1_000_000))
    driver.object("box", "big").download(tmp_path / "big")
    assert content == (tmp_path / "big").read_bytes()
    assert 3 == len(given)
    driver.close()


def test_expired_token_is_renewed_once(model: Model) -> None:
    import time

    given: list[int] = []

    def token() -> tuple[str, float]:
        given.append(1)
        return f"token-{len(given)}", time.time() + (0.0 if len(given) == 1 else 3600.0)

    with made(model, token=token) as driver:
        driver.create_container("box")
        driver.object_exists("box", "a")
        driver.object_exists("box", "a")
    assert 2 == len(given)
    tokens = {one["authorization"] for one in model.headers[1:]}
    assert {"Bearer token-2"} == tokens


def test_refused_token_is_an_authentication_error(model: Model) -> None:
    model.tokens = {"another"}
    with made(model) as driver, pytest.raises(AuthenticationError) as caught:
        driver.create_container("box")
    assert (401, "authError") == (caught.value.status, caught.value.code)
    assert TOKEN not in str(caught.value) + repr(caught.value) + repr(driver)


def test_credentials_of_google_auth_are_refreshed_by_the_transport(model: Model) -> None:
    server = Server(default=respond(b'{"access_token": "fresh", "expires_in": 3600}'))
    given = credentials()
    given.token = None
    given.expiry = None
    given._token_uri = f"{server.url}/token"
    model.tokens = {"fresh"}
    with made(model, token=None, credentials=given) as driver:
        driver.create_container("box")
    (seen,) = server.seen
    assert b"assertion=" in seen.body
    server.close()


def test_default_credentials_are_used(
    model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("google.auth")
    import json

    from drivers.gcs.support import account

    server = Server(default=respond(b'{"access_token": "fresh", "expires_in": 3600}'))
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**account(), "token_uri": f"{server.url}/token"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with get_driver("gcs")() as driver:
        assert not server.seen
        tokens = driver._access.tokens
        assert tokens is not None
        assert "fresh" == tokens.get()
        assert "test-project" == driver._access.project()
        assert driver.object("box", "a").sign_url().startswith("https://storage.googleapis.com/")
        assert driver.limits.min_part == BIG
    assert 1 == len(server.seen)
    server.close()
    path.unlink()
    with get_driver("gcs")() as driver, pytest.raises(CredentialsNotFoundError, match="gcloud"):
        driver.get_container("box")


def test_token_error_of_a_wrong_clock_is_reported(model: Model) -> None:
    body = b'{"error": "invalid_grant", "error_description": "Invalid JWT: Token must be short"}'
    server = Server(default=respond(body, status=400))
    given = credentials()
    given.token = None
    given.expiry = None
    given._token_uri = f"{server.url}/token"
    with made(model, token=None, credentials=given) as driver:
        with pytest.raises(AuthenticationError, match="local clock is wrong"):
            driver.create_container("box")
    server.close()


def test_invalid_settings_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gcs = get_driver("gcs")
    for options in (
        {"key": "k", "secret": "s", "token": "t"},
        {"token": "t", "endpoint": "http://example.com"},
        {"token": "t", "endpoint": "https://example.com?x"},
        {"token": "t", "customer_key": b"short"},
        {"token": "t", "customer_key": bytes(32), "kms_key": "k"},
        {"credentials": object()},
        {"token": 5},
        {"token": "t", "timeout": 0},
    ):
        with pytest.raises(InvalidOptionError):
            gcs(**options)
    with pytest.raises(CredentialsNotFoundError):
        gcs(service_account="/nowhere/key.json")
    with pytest.raises(CredentialsNotFoundError) as caught:
        gcs("me@p.iam.gserviceaccount.com", "-----BEGIN PRIVATE KEY-----\nsecret")
    assert "nsecret" not in str(caught.value)
    with pytest.raises(InvalidOptionError, match="project="), gcs(token="t") as driver:
        driver.create_container("box-of-nobody")


def test_driver_without_secrets_is_pickled(tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    import json
    import pickle

    from drivers.gcs.support import account

    path = tmp_path / "key.json"
    path.write_text(json.dumps(account()))
    with get_driver("gcs")(service_account=path) as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert isinstance(again, GCSDriver)
        assert "test-project" == again._access.project()
        again.close()
    with get_driver("gcs")(KEY, SECRET) as driver, pytest.raises(NotSupportedError):
        pickle.dumps(driver)
    with get_driver("gcs")(KEY, SECRET, pickle_secret=True) as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert type(driver) is type(again)
        again.close()


def test_anonymous_credentials_send_no_token(model: Model, driver: GCSDriver) -> None:
    anonymous = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    with made(model, token=None, credentials=anonymous) as other:
        other.get_container("box")
    assert "authorization" not in model.headers[-1]


@pytest.mark.parametrize("given", ["", ("t", _NAIVE)], ids=["empty", "naive"])
def test_invalid_token_is_refused(model: Model, given: Any) -> None:
    with made(model, token=lambda: given) as driver, pytest.raises(AuthenticationError):
        driver.get_container("box")
    with pytest.raises(InvalidOptionError):
        made(model, token="")


def grant(error: str, text: str, off: float = 0.0) -> Callable[[], Play]:
    """Return a refusal of the token endpoint, whose clock is ahead by some seconds."""
    body = f'{{"error": "{error}", "error_description": "{text}"}}'.encode()
    return lambda: respond(body, 400, Date=formatdate(time() + off, usegmt=True))


@pytest.mark.parametrize(
    ("play", "kind", "text"),
    [
        (grant("invalid_grant", _SHORT, 86_400), AuthenticationError, "clock.*wrong by 86"),
        (
            grant("invalid_grant", "No account", -86_400),
            AuthenticationError,
            "clock.*wrong by 86",
        ),
        (grant("invalid_grant", "Invalid JWT Signature."), AuthenticationError, "private key"),
        (grant("invalid_grant", "None associated"), AuthenticationError, "log in again"),
        (respond(b"<html>Log in</html>", 200), ServiceError, "proxy"),
        (respond(b"<html>Denied</html>", 403), ServiceError, "proxy"),
        (respond(b"", 302, Location="http://127.0.0.1:9/"), ServiceError, "proxy"),
    ],
    ids=["clock behind", "clock ahead", "key", "account", "page", "denied", "elsewhere"],
)
def test_reason_of_a_refused_token_is_reported(
    model: Model, play: Play | Callable[[], Play], kind: type[StorageError], text: str
) -> None:
    pytest.importorskip("google.auth")
    server = Server(default=play if isinstance(play, Play) else play())
    given = {**account(), "token_uri": f"{server.url}/token"}
    with made(model, token=None, service_account=given) as driver:
        with pytest.raises(kind, match=text) as caught:
            driver.get_container("box")
    assert caught.value.status is not None
    assert not caught.value.retryable
    assert 1 == len(server.seen)
    server.close()


class _Failing:
    """Credentials of which the token ends soon and that cannot be refreshed."""

    def __init__(self, refuse: Callable[[Any], None]) -> None:
        self.token, self.valid = TOKEN, True
        self.expiry = datetime.now(timezone.utc) + timedelta(seconds=1)
        self.refresh = refuse


def test_token_is_used_until_it_expires_when_refresh_fails(model: Model) -> None:
    def refuse(request: Any) -> None:
        raise ServiceUnavailableError("later")

    model.tokens = {TOKEN}
    with made(model, token=None, credentials=_Failing(refuse)) as driver:
        tokens = driver._access.tokens
        assert tokens is not None
        assert TOKEN == tokens.get()
        tokens._renewal = 0.0
        driver.create_container("box")


def _claims(body: bytes) -> Mapping[str, Any]:
    from urllib.parse import parse_qs

    (assertion,) = parse_qs(body.decode())["assertion"]
    piece = assertion.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
    return claims


def test_scopes_are_added_to_credentials() -> None:
    requested: list[bytes] = []

    def sent(given: Any, scope: str) -> bytes:
        server = Server(default=respond(b'{"access_token": "fresh", "expires_in": 3600}'))
        given._token_uri = f"{server.url}/token"
        transport = Transport()
        assert "fresh" == GoogleCredential(lambda: given, transport).get_token(scope).token
        transport.close()
        server.close()
        return server.seen[0].body

    given = credentials()
    given.token = None
    requested = [sent(given, SCOPE), sent(for_iam(given.with_scopes([SCOPE])), IAM_SCOPE)]
    for body, scope in zip(requested, (SCOPE, IAM_SCOPE), strict=True):
        assert scope == _claims(body)["scope"]
