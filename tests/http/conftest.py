"""A scripted server, a client of it, and a clock that tests advance."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import Connect, Get, Play, Serve, Server, Time

from libstore.errors import ServiceError
from libstore.http.client import Client, Unsigned
from libstore.http.message import ErrorReader, Fault, Request, Response, Signer
from libstore.http.transport import Transport
from libstore.retry import Retrier, RetryPolicy


def read_error(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Convert an error response whose body begins with its code."""
    code = body.split(b" ")[0].decode("latin-1")
    return Fault(
        ServiceError("refused", status=status, code=code),
        retry=status in {429, 500, 502, 503, 504},
        renew=code == "Expired",
        skewed=code == "Skewed",
        throttled=status in {429, 503},
    )


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ignore this machine's proxies, certificate authorities and netrc file."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    bundles = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*bundles, "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server with the given steps."""
    servers = []

    def start(*steps: Play, **options: Any) -> Server:
        servers.append(Server(*steps, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    for server in servers:
        assert [] == [step.data[:80] for step in server.steps], "these were not requested"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def connect(time: Time) -> Iterator[Connect]:
    """Return a function that makes a client with the given transport options."""
    clients = []

    def make(
        signer: Signer | None = None,
        retry: RetryPolicy | None = None,
        read_error: ErrorReader = read_error,
        **options: Any,
    ) -> Client:
        client = Client(
            Transport(**{"read_timeout": 5.0, **options}),
            signer or Unsigned(),
            read_error,
            Retrier(retry or RetryPolicy(), clock=time.clock, sleep=time.sleep),
            time.clock,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def get(connect: Connect) -> Get:
    """Return a function that gets one target from a server and returns the open response."""

    def fetch(
        server: Server,
        target: str = "/x",
        method: str = "GET",
        client: Client | None = None,
        **fields: Any,
    ) -> Response:
        return (client or connect(retry=RetryPolicy(attempts=1))).request(
            Request(method, server.url, target, **fields)
        )

    return fetch


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return the TLS context of a server at 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file of the certificate authority that signed the server's certificate."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
