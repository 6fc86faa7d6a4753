"""Certificate authorities from the environment and from `verify`, with every network driver."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from drivers.network_drivers import DRIVERS
from scripted import Server, respond

from libstore import (
    InvalidOptionError,
    InvalidTypeError,
    RetryPolicy,
    StorageError,
    TransportError,
)

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    found = Server(default=respond(b"", status=404), tls=context)
    yield found
    found.close()


@pytest.fixture(params=sorted(DRIVERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reaches(kind: str, server: Server, **options: object) -> bool:
    """Return whether a request of a new driver arrives at the server."""
    with DRIVERS[kind](server.url, retry=RetryPolicy(attempts=1), **options) as driver:
        with pytest.raises(StorageError) as raised:
            driver.get_object("bucket", "name")
    return not isinstance(raised.value, TransportError) and bool(server.seen)


def test_file_of_the_environment_is_used(
    kind: str, server: Server, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not reaches(kind, server)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert reaches(kind, server)


def test_path_object_is_used_instead_of_the_environment(
    kind: str, server: Server, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert not reaches(kind, server)
    assert reaches(kind, server, verify=bundle)


def test_client_certificate_is_a_path_object_or_a_pair(
    kind: str, authority: trustme.CA, bundle: Path, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = authority.issue_cert("joe.test")
    both, cert, key = tmp_path / "joe.pem", tmp_path / "joe.crt", tmp_path / "joe.key"
    own.private_key_and_cert_chain_pem.write_to_path(str(both))
    own.cert_chain_pems[0].write_to_path(str(cert))
    own.private_key_pem.write_to_path(str(key))
    server = Server(default=respond(b"", status=404), tls=context)
    try:
        assert reaches(kind, server, verify=bundle, cert=both)
        assert reaches(kind, server, verify=os.fspath(bundle), cert=(cert, os.fspath(key)))
    finally:
        server.close()


def test_other_values_are_refused(kind: str, bundle: Path) -> None:
    make = DRIVERS[kind]
    with pytest.raises(InvalidTypeError, match="verify must be True, False or the path"):
        make("http://127.0.0.1:9", verify=3)
    with pytest.raises(InvalidTypeError, match="cert must be the path of a file, or a pair"):
        make("http://127.0.0.1:9", cert=3)
    with pytest.raises(InvalidTypeError, match="cert must be the path of a file, or a pair"):
        make("http://127.0.0.1:9", cert=(bundle, 3))
    with pytest.raises(InvalidOptionError, match="pair of paths, not 3 of them"):
        make("http://127.0.0.1:9", cert=(bundle,) * 3)
