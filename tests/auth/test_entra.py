"""Tokens of azure-identity, whose managed identity is a server on loopback."""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import Play, Server, respond

from libstore.auth.entra import DefaultCredential, is_installed
from libstore.auth.entra_transport import IdentityTransport
from libstore.errors import CredentialsNotFoundError
from libstore.http.environment import Environment
from libstore.http.transport import Transport

SCOPE = "https://storage.azure.com/.default"
SECRET = "s3cret.of-the~machine_that-nobody-sees"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return the managed identity of an App Service."""
    pytest.importorskip("azure.identity")
    found = Server()
    token = {"access_token": "entra-token", "expires_on": str(int(time.time()) + 86_400),
             "resource": "https://storage.azure.com", "token_type": "Bearer"}  # fmt: skip
    found.default = respond(json.dumps(token).encode(), Content_Type="application/json")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{found.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", SECRET)
    yield found
    found.close()


def made(domain: str | None = None) -> DefaultCredential:
    return DefaultCredential(domain, Environment(), "nothing was found", ["VARIABLE: not set"])


def test_credential_is_made_for_the_first_token(server: Server) -> None:
    credential = made()
    assert credential._made is None
    assert credential.get_token(SCOPE).token == "entra-token"
    headers = {name.lower(): value for name, value in server.seen[0].headers}
    assert headers["x-identity-header"] == SECRET


def test_error_has_a_line_for_each_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("azure.identity")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(CredentialsNotFoundError) as caught:
        made().get_token(SCOPE)
    assert caught.value.message == (
        "nothing was found. These places were searched:\n"
        "  VARIABLE: not set\n"
        "  azure-identity, EnvironmentCredential: authentication unavailable"
    )
    assert caught.value.__context__ is None


def test_error_repeats_no_secret(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("MY_SECRET", SECRET)
    server.default = respond(json.dumps({"message": f"no: {SECRET}"}).encode(), 400)
    with pytest.raises(CredentialsNotFoundError) as caught:
        made().get_token(SCOPE)
    assert "azure-identity, ManagedIdentityCredential: " in str(caught.value)
    assert SECRET not in str(caught.value)


def test_unknown_error_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    assert not is_installed()
    with pytest.raises(CredentialsNotFoundError, match="azure-identity: ModuleNotFoundError"):
        made().get_token(SCOPE)


@pytest.mark.parametrize(
    ("domain", "variable", "authority"),
    [
        (None, None, None),
        ("core.windows.net", None, None),
        ("core.chinacloudapi.cn", None, "login.chinacloudapi.cn"),
        ("core.chinacloudapi.cn", "login.microsoftonline.com", None),
    ],
)
def test_cloud_has_its_own_login(
    monkeypatch: pytest.MonkeyPatch,
    domain: str | None,
    variable: str | None,
    authority: str | None,
) -> None:
    if variable is not None:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", variable)
    assert made(domain)._authority == authority


def test_credentials_are_equal_by_their_login() -> None:
    assert made() == made("core.windows.net")
    assert hash(made()) == hash(made("core.windows.net"))
    assert made() != made("core.chinacloudapi.cn")


# ---------------------------------------------------------------------- the settings of the driver


@pytest.fixture
def authority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Server, Callable[..., DefaultCredential]]]:
    """Return a login with a certificate of its own, and a function for credentials that use it."""
    pytest.importorskip("azure.identity")
    issuer, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    issuer.cert_pem.write_to_path(str(bundle))
    server = Server(tls=context)
    url = server.url.replace("127.0.0.1", "localhost")
    configuration = {"authorization_endpoint": f"{url}/adfs/authorize", "issuer": f"{url}/adfs",
                     "token_endpoint": f"{url}/adfs/token"}  # fmt: skip
    token = {"access_token": "entra-token", "expires_in": 3600, "token_type": "Bearer"}

    def issued(fields: dict[str, Any]) -> Play:
        return respond(json.dumps(fields).encode(), Content_Type="application/json")

    server.steps.append(issued(configuration))
    server.default = issued(token)
    monkeypatch.setattr(IdentityTransport, "sleep", lambda self, seconds: None)
    # The tenant of AD FS, whose login is not looked up at Microsoft's.
    for name, value in (
        ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"), ("AZURE_TENANT_ID", "adfs"),
        ("AZURE_CLIENT_ID", "the-client"), ("AZURE_CLIENT_SECRET", SECRET),
        ("AZURE_AUTHORITY_HOST", url), ("NO_PROXY", ""), ("no_proxy", ""),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)

    def create(**options: Any) -> DefaultCredential:
        options = {"verify": str(bundle), "proxies": {}, **options}
        return DefaultCredential(
            None, Environment(), "nothing was found", [], lambda: Transport(**options)
        )

    yield server, create
    server.close()


def test_login_uses_the_certificates_of_the_driver(authority: Any) -> None:
    server, create = authority
    assert create().get_token(SCOPE).token == "entra-token"
    assert server.seen[-1].line.startswith("POST /adfs/token")
    assert f"client_secret={SECRET}".encode() in server.seen[-1].body


def test_login_uses_the_proxy_of_the_driver(authority: Any) -> None:
    server, create = authority
    proxy = Server(default=respond(b"", 407))
    with pytest.raises(CredentialsNotFoundError, match="the proxy"):
        create(proxies={"https": proxy.url}).get_token(SCOPE)
    assert proxy.seen[0].line.startswith("CONNECT localhost:")
    assert server.seen == []
    proxy.close()


def test_metadata_service_uses_no_proxy(server: Server) -> None:
    def nowhere() -> Transport:
        return Transport(proxies={"all": "http://127.0.0.1:1"})

    made = DefaultCredential(None, Environment(), "nothing was found", [], nowhere)
    assert made.get_token(SCOPE).token == "entra-token"


def test_login_has_the_timeouts_of_the_driver(
    authority: Any,
) -> None:
    server, create = authority
    server.steps.clear()
    server.default = Play(then="stall")
    with pytest.raises(CredentialsNotFoundError, match=r"within 0\.05 s") as caught:
        create(read_timeout=0.05).get_token(SCOPE)
    assert SECRET not in str(caught.value)


def test_certificate_of_service_fabric_is_left_to_azure_identity(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_SERVER_THUMBPRINT", "0" * 40)

    def unused() -> Transport:
        raise AssertionError

    DefaultCredential(None, Environment(), "nothing was found", [], unused)._credential()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_makes_its_own(server: Server) -> None:
    credential: Any = made()
    credential.get_token(SCOPE)
    child = os.fork()
    if not child:
        ok = credential._made is None and credential.get_token(SCOPE).token == "entra-token"
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert credential._made is not None
