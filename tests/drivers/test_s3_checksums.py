"""Checksums as Amazon keeps them, on a server that keeps and checks them too."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from libstore import Container, ObjectAlreadyExistsError, TransferOptions
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


def test_a_small_object_is_known_by_its_crc(container: Container) -> None:
    obj = container.upload_object(b"small", "a")
    crc = f"{zlib.crc32(b'small'):08x}"
    assert crc == obj.checksums["crc32"] == container.get_object("a").checksums["crc32"]
    assert container.read_object("a") == b"small"


def test_an_object_in_parts_is_known_by_the_crc_of_the_whole(
    container: Container, tmp_path: Path
) -> None:
    """The service checks each part and the whole; a download in ranges is verified by it."""
    obj = container.upload_object(CONTENT, "a")
    assert {"crc32": f"{zlib.crc32(CONTENT):08x}"} == obj.checksums
    assert obj.checksums == container.get_object("a").checksums
    assert container.object("a").download(tmp_path / "a").read_bytes() == CONTENT


def test_a_copy_takes_a_condition(container: Container) -> None:
    obj = container.upload_object(b"small", "a")
    obj.copy(container, "b", if_absent=True)
    with pytest.raises(ObjectAlreadyExistsError):
        obj.copy(container, "b", if_absent=True)
