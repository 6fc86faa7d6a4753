"""A scripted server, a client that talks to it, and a time that only moves when it is told to."""

from __future__ import annotations

import ssl

import pytest
import trustme
from scripted import Server

from libstore.errors import ServiceError
from libstore.http.client import Client, Unsigned
from libstore.http.message import Fault, Request
from libstore.http.transport import Transport
from libstore.retry import RetryPolicy


class Time:
    """A clock that a sleep moves on."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def read_error(request, status, headers, body):
    """Read an error as a simple service means it: its code is the body's first word."""
    code = body.split(b" ")[0].decode("latin-1")
    return Fault(
        ServiceError("refused", status=status, code=code),
        retry=status in {429, 500, 502, 503, 504},
        renew=code == "Expired",
        skewed=code == "Skewed",
        throttled=status in {429, 503},
    )


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    """Keep this machine's proxies, authorities and netrc out."""
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def serve():
    """Return a function that starts a server with the given steps."""
    servers = []

    def start(*steps, **options):
        servers.append(Server(*steps, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def connect(time):
    """Return a function that makes a client with the given transport options."""
    clients = []

    def make(signer=None, retry=None, read_error=read_error, **options):
        client = Client(
            Transport(**{"read_timeout": 5.0, **options}),
            signer or Unsigned(),
            read_error,
            retry or RetryPolicy(),
            time.clock,
            time.sleep,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def get(connect):
    """Return a function that gets one target from a server and returns the open answer."""

    def ask(server, target="/x", method="GET", client=None, **fields):
        return (client or connect(retry=RetryPolicy(attempts=1))).request(
            Request(method, server.url, target, **fields)
        )

    return ask


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority):
    """Return what a server needs to speak TLS as 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def bundle(authority, tmp_path_factory):
    """Return a file with the authority that the server's certificate is from."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
