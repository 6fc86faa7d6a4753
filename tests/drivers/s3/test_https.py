"""The S3 driver over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import Server, respond
from urllib3.exceptions import InsecureRequestWarning

from libstore import RetryPolicy, TransferOptions, TransportError, __version__
from libstore.drivers.s3 import S3Driver
from servers.moto import moto
from servers.s3 import S3Server

PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the files of an authority of our own, and of a certificate for this machine."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "authority.pem", folder / "server.pem"


@pytest.fixture(scope="module")
def tls_server(
    authority: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    with moto(tmp_path_factory.mktemp("moto-tls"), authority[1]) as server:
        yield server


def test_all_operations_use_tls(tls_server: S3Server, authority: tuple[Path, Path]) -> None:
    """Small and large objects, with the authority named; bodies are not signed then."""
    with S3Driver(
        tls_server.key, tls_server.secret, endpoint=tls_server.endpoint, verify=str(authority[0])
    ) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container("over-tls")
        container.upload_object(b"small", "small")
        content = bytes(range(256)) * (12 * 1024 * 4)
        container.upload_object(content, "large")
        assert container.read_object("small") == b"small"
        assert container.read_object("large") == content
        container.delete()


# ---------------------------------------------------------------------- arguments of the wire


def test_unverified_certificate_emits_a_warning(tls_server: S3Server) -> None:
    with S3Driver(
        tls_server.key, tls_server.secret, endpoint=tls_server.endpoint, verify=False
    ) as driver:
        with pytest.warns(InsecureRequestWarning, match="not checked"):
            names = [container.name for container in driver.list_containers()]
    assert "over-tls" not in names


def test_client_certificate_is_sent(tmp_path: Path) -> None:
    """It is sent one, in one file or in two, and turns away who has none."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    own = authority.issue_cert("somebody.test")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    server = Server(default=respond(b"content", ETag='"e"'), tls=context)
    try:
        for cert in (str(tmp_path / "both.pem"), (f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")):
            assert b"content" == read_over(server, tmp_path, cert=cert)
        with pytest.raises(TransportError):
            read_over(server, tmp_path)
    finally:
        server.close()


def read_over(server: Server, folder: Path, **options: Any) -> bytes:
    with S3Driver(
        "KEY", "SECRET", endpoint=server.url, verify=str(folder / "authority.pem"),
        retry=RetryPolicy(1), **options,
    ) as driver:  # fmt: skip
        return driver.object("bucket", "a").read()


def test_proxy_is_used() -> None:
    """A plain one is sent the whole URL; the service itself is never spoken to."""
    proxy = Server(default=respond(b"content", ETag='"e"'))
    try:
        with S3Driver(
            "KEY", "SECRET", endpoint="http://bucket.invalid", insecure=True,
            proxies={"http": proxy.url},
        ) as driver:  # fmt: skip
            assert b"content" == driver.object("bucket", "a").read()
    finally:
        proxy.close()
    assert "GET http://bucket.invalid/bucket/a HTTP/1.1" == proxy.seen[0].line
    assert ("user-agent", f"libstore/{__version__}") in proxy.seen[0].headers
