"""Google's own client and the driver read what the other wrote."""

from __future__ import annotations

import gzip
import hashlib
import io
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from libstore import Container, TransferOptions, get_driver
from servers.gcs import GCSServer

_PAIRS = {"owner": "me", "note": "grüße"}
_NAMES = [
    "plain",
    "folder/a b",
    "100%",
    "a+b?c#d&e",
    "ä/日本/😀",
    "%2F",
    "a//b",
    "/lead",
    "trail/",
]


@pytest.fixture(scope="module")
def client(fake_gcs_server: GCSServer) -> Iterator[Any]:
    storage = pytest.importorskip("google.cloud.storage")
    auth = pytest.importorskip("google.auth.credentials")
    server = fake_gcs_server
    made = storage.Client(
        project=server.project,
        credentials=auth.AnonymousCredentials(),
        client_options={"api_endpoint": server.endpoint},
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def container(fake_gcs_server: GCSServer) -> Iterator[Container]:
    server = fake_gcs_server
    with get_driver("gcs")(endpoint=server.endpoint, project=server.project) as driver:
        size = 256 * 1024
        driver.transfer = TransferOptions(part_size=size, multipart_threshold=size)
        yield driver.create_container("interop")


@pytest.mark.parametrize("name", _NAMES, ids=ascii)
def test_google_client_reads_objects_of_libstore(
    client: Any, container: Container, name: str
) -> None:
    content = name.encode() * 3
    container.upload_object(
        content, name, metadata=_PAIRS, content_type="text/x-a", cache_control="no-store"
    )
    blob = client.bucket("interop").get_blob(name)
    assert content == blob.download_as_bytes(checksum="md5")
    assert (_PAIRS, "text/x-a", "no-store") == (
        blob.metadata, blob.content_type, blob.cache_control,
    )  # fmt: skip
    assert b64encode(hashlib.md5(content).digest()).decode() == blob.md5_hash


def test_google_client_reads_multipart_objects_of_libstore(
    client: Any, container: Container
) -> None:
    content = hashlib.shake_128(b"x").digest(1_500_000)
    obj = container.upload_object(content, "big", metadata=_PAIRS)
    blob = client.bucket("interop").get_blob("big")
    assert content == blob.download_as_bytes(checksum="crc32c")
    assert (obj.version, _PAIRS) == (str(blob.generation), blob.metadata)


@pytest.mark.parametrize("name", _NAMES, ids=ascii)
def test_objects_of_the_google_client_are_read(
    client: Any, container: Container, name: str
) -> None:
    content = b"from Google: " + name.encode()
    blob = client.bucket("interop").blob(name)
    blob.metadata = _PAIRS
    blob.upload_from_string(content, content_type="text/x-b")
    obj = container.get_object(name)
    assert content == obj.read()
    assert (_PAIRS, "text/x-b") == (dict(obj.metadata), obj.content_type)
    assert hashlib.md5(content).hexdigest() == obj.object_hash
    assert str(blob.generation) == obj.etag == obj.version


def test_multipart_objects_of_the_google_client_are_read(
    client: Any, container: Container
) -> None:
    content = hashlib.shake_128(b"y").digest(1_500_000)
    blob = client.bucket("interop").blob("chunks", chunk_size=256 * 1024)
    blob.upload_from_file(io.BytesIO(content))
    assert content == container.read_object("chunks")


def test_compressed_objects_of_the_google_client_are_read(
    client: Any, container: Container
) -> None:
    content = gzip.compress(b"compressed " * 1_000)
    blob = client.bucket("interop").blob("a.gz")
    blob.content_encoding = "gzip"
    blob.upload_from_string(content)
    obj = container.get_object("a.gz")
    assert (content, len(content)) == (obj.read(), obj.size)
    assert content[5:9] == obj.read(start=5, stop=9)


def test_both_clients_list_the_same(client: Any, container: Container) -> None:
    own = [(obj.name, obj.size, obj.etag) for obj in container.list_objects()]
    theirs = [(one.name, one.size, str(one.generation)) for one in client.list_blobs("interop")]
    assert own == theirs


def test_each_client_deletes_objects_of_the_other(client: Any, container: Container) -> None:
    container.upload_object(b"1", "ours")
    client.bucket("interop").blob("theirs").upload_from_string(b"2")
    client.bucket("interop").delete_blob("ours")
    container.delete_objects(["theirs", "missing"])
    assert not {"ours", "theirs"} & {obj.name for obj in container.list_objects()}
