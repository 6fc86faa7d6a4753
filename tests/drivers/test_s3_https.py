"""The S3 driver over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from libstore import TransferOptions, TransportError
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


def test_all_goes_over_tls(tls_server: S3Server, authority: tuple[Path, Path]) -> None:
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


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: S3Server) -> None:
    with S3Driver(tls_server.key, tls_server.secret, endpoint=tls_server.endpoint) as driver:
        with pytest.raises(TransportError, match="certificate") as caught:
            driver.get_container("over-tls")
    assert not caught.value.retryable
    assert tls_server.secret not in str(caught.value)
