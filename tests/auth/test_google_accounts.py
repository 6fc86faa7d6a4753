"""Tokens and signatures of service accounts, without google-auth."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from drivers.gcs.support import account, credentials
from scripted import Server, respond

from libstore.auth.google import IAM_SCOPE, SCOPE, GoogleCredential
from libstore.auth.google_accounts import service_account_credentials
from libstore.errors import AuthenticationError, CredentialsNotFoundError
from libstore.http.transport import Transport

FRESH = b'{"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"}'


def claims_of(assertion: str) -> list[dict[str, Any]]:
    parts = assertion.split(".")[:2]
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts]


def test_service_account_is_read_from_file_or_mapping(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account()))
    made = service_account_credentials(str(path))
    assert ("test-project", account()["client_email"]) == (made.project_id, made.signer_email)
    pair = {name: account()[name] for name in ("client_email", "private_key")}
    assert service_account_credentials(pair).project_id is None
    for wrong in ({"client_email": "a@b"}, {**pair, "private_key": "PRIVATE KEY"}):
        with pytest.raises(CredentialsNotFoundError) as caught:
            service_account_credentials(wrong)
        assert "PRIVATE KEY" not in str(caught.value)
    with pytest.raises(CredentialsNotFoundError, match=r"pass json\.loads\(text\)") as caught:
        service_account_credentials(json.dumps(account()))
    assert "PRIVATE KEY" not in str(caught.value)
    path.write_text("no json")
    with pytest.raises(CredentialsNotFoundError):
        service_account_credentials(str(path))


def test_key_of_another_algorithm_is_refused() -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(CredentialsNotFoundError, match="must be an RSA key in PEM"):
        service_account_credentials({**account(), "private_key": key.decode()})


@pytest.mark.parametrize("scope", [SCOPE, IAM_SCOPE])
def test_request_for_a_token_is_that_of_google_auth(scope: str) -> None:
    """The assertions differ in nothing but the time."""
    bodies = []
    for made in (service_account_credentials(account()), credentials()):
        server, transport = Server(default=respond(FRESH)), Transport()
        made._token_uri = made.token = None
        fields = {**account(), "token_uri": f"{server.url}/token"}
        made._fields, made._token_uri = fields, fields["token_uri"]
        scoped = made.with_scopes([scope])
        assert "fresh" == GoogleCredential(lambda one=scoped: one, transport).get_token().token  # type: ignore[misc]
        bodies.append(parse_qs(server.seen[0].body.decode()))
        transport.close()
        server.close()
    assert bodies[0]["grant_type"] == bodies[1]["grant_type"]
    (header, claims), (their_header, their_claims) = (
        claims_of(body["assertion"][0]) for body in bodies
    )
    assert header == their_header
    kept = ("iss", "scope")
    assert [claims[name] for name in kept] == [their_claims[name] for name in kept]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["aud"].endswith("/token")


def test_signature_is_that_of_google_auth(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = credentials().sign_bytes(b"text")
    assert expected == service_account_credentials(account()).sign_bytes(b"text")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.rsa", None)
    assert expected == service_account_credentials(account()).sign_bytes(b"text")


def test_missing_extra_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    given = account()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.rsa", None)
    monkeypatch.setitem(sys.modules, "google.auth.crypt", None)
    with pytest.raises(CredentialsNotFoundError, match=r"pip install 'libstore\[gcs\]'"):
        service_account_credentials(given)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}', "private"),
        (b'{"error": "invalid_grant"}', "still valid"),
        (b'{"access_token": ""}', "still valid"),
    ],
)
def test_refused_token_is_reported(body: bytes, message: str) -> None:
    server, transport = Server(default=respond(body, status=400)), Transport()
    made = service_account_credentials({**account(), "token_uri": f"{server.url}/token"})
    with pytest.raises(AuthenticationError, match=message):
        GoogleCredential(lambda: made, transport).get_token()
    transport.close()
    server.close()
