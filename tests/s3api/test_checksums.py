"""Checksums, on a server that stores and checks them as Amazon does."""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import Server, respond

from libstore import (
    Container,
    IntegrityError,
    ObjectAlreadyExistsError,
    StorageDriver,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import driver_class
from libstore.drivers.s3.services import AWS
from servers.s3 import S3Server

PART = 5 * 1024 * 1024
CONTENT = bytes(range(256)) * (12 * 1024 * 4) + b"tail"


@pytest.fixture
def container(seaweedfs_server: S3Server) -> Iterator[Container]:
    """Return a container of a driver that takes the server for Amazon's own."""
    server = seaweedfs_server
    cls = driver_class(replace(AWS, name="amazon-like", path_style=True))
    with cls(server.key, server.secret, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


def test_small_object_is_verified_by_its_crc(container: Container) -> None:
    obj = container.upload_object(b"small", "a")
    crc = f"{zlib.crc32(b'small'):08x}"
    assert crc == obj.checksums["crc32"] == container.get_object("a").checksums["crc32"]
    assert container.read_object("a") == b"small"


def test_multipart_object_is_verified_by_the_crc_of_the_whole(
    container: Container, tmp_path: Path
) -> None:
    """The service checks each part and the whole; a download in ranges is verified by it."""
    obj = container.upload_object(CONTENT, "a")
    assert {"crc32": f"{zlib.crc32(CONTENT):08x}"} == obj.checksums
    assert obj.checksums == container.get_object("a").checksums
    assert container.object("a").download(tmp_path / "a").read_bytes() == CONTENT


def test_copy_sends_its_condition(container: Container) -> None:
    obj = container.upload_object(b"small", "a")
    obj.copy(container, "b", if_absent=True)
    with pytest.raises(ObjectAlreadyExistsError):
        obj.copy(container, "b", if_absent=True)


# ---------------------------------------------------------------------- SHA-256


@pytest.fixture
def sha256(seaweedfs_server: S3Server) -> Iterator[Container]:
    """Return a container of a service that gets the SHA-256 of all that is sent."""
    server = seaweedfs_server
    record = replace(
        AWS, name="wants-sha256", path_style=True, digest="sha256", whole_crc32=False,
        copy_condition=None,
    )  # fmt: skip
    with driver_class(record)(server.key, server.secret, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


def test_small_object_is_verified_by_its_sha256(sha256: Container) -> None:
    obj = sha256.upload_object(b"small", "a")
    digest = hashlib.sha256(b"small").hexdigest()
    assert digest == obj.checksums["sha256"] == sha256.get_object("a").checksums["sha256"]
    assert sha256.read_object("a") == b"small"


def test_parts_are_verified_by_their_sha256(sha256: Container) -> None:
    """The service checks each; the whole is known by the digest of their digests."""
    obj = sha256.upload_object(CONTENT, "a")
    digests = [
        hashlib.sha256(CONTENT[start : start + PART]).digest()
        for start in range(0, len(CONTENT), PART)
    ]
    whole = f"{hashlib.sha256(b''.join(digests)).hexdigest()}-{len(digests)}"
    assert whole == obj.extra["composite"]["sha256"]
    assert CONTENT == sha256.read_object("a")


# ---------------------------------------------------------------------- wrong responses


@pytest.fixture
def driver(server: Server) -> Iterator[StorageDriver]:
    with get_driver("s3")("KEY", "SECRET", endpoint=server.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("crc32", "AAAAAA=="),
        ("crc32c", "AAAAAA=="),
        ("crc64nvme", "AAAAAAAAAAA="),
        ("sha1", "A" * 27 + "="),
        ("sha256", "A" * 43 + "="),
    ],
)
def test_every_checksum_in_a_response_is_compared(
    server: Server, driver: StorageDriver, algorithm: str, digest: str
) -> None:
    """Also one that was not requested."""
    server.steps.append(respond(**{f"x_amz_checksum_{algorithm}": digest}))
    with pytest.raises(IntegrityError, match=algorithm):
        driver.upload_object(b"small", "bucket", "a")


def test_etag_of_an_encrypted_object_is_not_compared(
    server: Server, driver: StorageDriver
) -> None:
    """Neither that of a whole, nor those of parts, which look like MD5s and are none."""
    kms = {"x_amz_server_side_encryption": "aws:kms"}
    server.steps.append(respond(ETag=f'"{"0" * 32}"', **kms))
    driver.upload_object(b"small", "bucket", "a")
    begun = (
        b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
    )
    finished = f"<ETag>&quot;{'2' * 32}-3&quot;</ETag>"
    finished = f"<CompleteMultipartUploadResult>{finished}</CompleteMultipartUploadResult>"
    server.steps.append(respond(begun))
    server.steps.extend([respond(ETag=f'"{"1" * 32}"', **kms)] * 3)
    server.steps.append(respond(finished.encode(), **kms))
    assert f"{'2' * 32}-3" == driver.upload_object(CONTENT, "bucket", "a").etag
