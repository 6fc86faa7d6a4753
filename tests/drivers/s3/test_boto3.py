"""Objects that libstore and boto3 exchange."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from libstore import Container, TransferOptions, get_driver
from servers.s3 import S3Server, client_of, server_among

PART = 5 * 1024 * 1024
CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
LARGE = bytes(range(256)) * (11 * 1024 * 4) + b"and a little more"
NAMES = (
    "plain.txt",
    "a b+c%20&d?e#f",
    "ünïcödé/日本/😀",
    "per%25cent",
    "~tilde'(quote)*!",
    "semi;co,lon:@=",
)


server = server_among("seaweedfs", "moto", "swift")


@pytest.fixture
def container(server: S3Server) -> Iterator[Container]:
    with get_driver("s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


@pytest.fixture
def client(server: S3Server) -> Any:
    return client_of(server)


@pytest.mark.parametrize("name", NAMES)
def test_boto3_reads_objects_of_libstore(container: Container, client: Any, name: str) -> None:
    """Name, content, type, metadata, headers and hash arrive."""
    obj = container.upload_object(
        CONTENT, name, content_type="text/x-fox", metadata={"owner": "me", "n": "1 2"}
    )
    response = client.get_object(Bucket=container.name, Key=name)
    assert response["Body"].read() == CONTENT
    assert response["ContentType"] == "text/x-fox"
    assert {"owner": "me", "n": "1 2"} == response["Metadata"]
    assert f'"{obj.etag}"' == response["ETag"]
    listed = client.list_objects_v2(Bucket=container.name)["Contents"]
    assert [(name, len(CONTENT))] == [(item["Key"], item["Size"]) for item in listed]


@pytest.mark.parametrize("name", NAMES)
def test_objects_of_boto3_are_read(container: Container, client: Any, name: str) -> None:
    """Also with the checksum that it adds by itself, which is verified."""
    client.put_object(
        Bucket=container.name, Key=name, Body=CONTENT, ContentType="text/x-fox",
        Metadata={"Owner": "me"}, CacheControl="no-cache",
    )  # fmt: skip
    obj = container.get_object(name)
    assert obj.read() == CONTENT
    assert ("text/x-fox", {"owner": "me"}) == (obj.content_type, obj.metadata)
    assert obj.extra["cache_control"] == "no-cache"
    assert hashlib.md5(CONTENT).hexdigest() == obj.checksums["md5"]
    assert [name] == [item.name for item in container.list_objects()]


def test_multipart_uploads_are_read_by_both_clients(
    container: Container, client: Any, tmp_path: Any
) -> None:
    """Large objects, in parts of either client, and read in ranges."""
    container.upload_object(LARGE, "ours")
    assert LARGE == client.get_object(Bucket=container.name, Key="ours")["Body"].read()
    source = tmp_path / "large"
    source.write_bytes(LARGE)
    client.upload_file(str(source), container.name, "theirs")
    path = container.get_object("theirs").download(tmp_path / "back")
    assert LARGE == path.read_bytes()
    assert container.get_object("theirs").etag != hashlib.md5(LARGE).hexdigest()
