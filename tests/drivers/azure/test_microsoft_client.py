"""Objects that libstore and Microsoft's client exchange."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from libstore import Container, ObjectError, TransferOptions, get_driver
from servers.azurite import AzureServer

blob = pytest.importorskip("azure.storage.blob")

PART = 256 * 1024
CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
LARGE = bytes(range(256)) * (4 * 1024) + b"and a little more"
NAMES = (
    "plain.txt",
    "a b+c%20&d?e#f",
    "ünïcödé/日本/😀",
    "per%25cent",
    "~tilde'(quote)*!",
    "semi;co,lon:@=",
    "a//b/",
)


@pytest.fixture
def container(azurite_server: AzureServer) -> Iterator[Container]:
    server = azurite_server
    with get_driver("azure")(server.account, server.key, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = driver.create_container(f"libstore-{uuid.uuid4().hex}")
        yield container
        container.delete()


@pytest.fixture
def client(azurite_server: AzureServer, container: Container) -> Iterator[Any]:
    service = blob.BlobServiceClient.from_connection_string(
        azurite_server.connection_string,
        max_block_size=PART,
        max_single_put_size=PART,
        max_single_get_size=PART,
        max_chunk_get_size=PART,
    )
    with service:
        yield service.get_container_client(container.name)


@pytest.mark.parametrize("name", NAMES)
def test_microsoft_client_reads_objects_of_libstore(
    container: Container, client: Any, name: str
) -> None:
    container.upload_object(
        CONTENT, name, metadata={"owner": "me"}, content_type="text/x-fox",
        cache_control="no-cache", content_disposition="inline", content_language="de",
    )  # fmt: skip
    theirs = client.get_blob_client(name)
    properties = theirs.get_blob_properties()
    settings = properties.content_settings
    assert CONTENT == theirs.download_blob().readall()
    assert {"owner": "me"} == properties.metadata
    assert ("text/x-fox", "no-cache", "inline", "de") == (
        settings.content_type,
        settings.cache_control,
        settings.content_disposition,
        settings.content_language,
    )
    assert hashlib.md5(CONTENT).digest() == bytes(settings.content_md5)
    assert [name] == [found.name for found in client.list_blobs()]


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["at once", "in blocks"])
def test_microsoft_client_reads_tags_of_libstore(
    container: Container, client: Any, content: bytes
) -> None:
    tags = {"a b": "c+d e", "x/y:z": "=_.-", "empty": ""}
    container.upload_object(content, "a", extra={"tags": tags})
    assert tags == client.get_blob_client("a").get_blob_tags()


@pytest.mark.parametrize("name", NAMES)
def test_objects_of_the_microsoft_client_are_read(
    container: Container, client: Any, name: str
) -> None:
    settings = blob.ContentSettings(
        content_type="text/x-fox", cache_control="no-cache", content_encoding="identity"
    )
    client.upload_blob(name, CONTENT, metadata={"owner": "me"}, content_settings=settings)
    found = container.get_object(name)
    assert CONTENT == found.read()
    assert ({"owner": "me"}, "text/x-fox") == (dict(found.metadata), found.content_type)
    assert ("no-cache", "identity") == (
        found.extra["cache_control"],
        found.extra["content_encoding"],
    )
    assert hashlib.md5(CONTENT).hexdigest() == found.object_hash
    (listed,) = container.list_objects()
    assert (name, found.object_hash, found.etag) == (listed.name, listed.object_hash, listed.etag)


def test_large_object_has_an_md5_for_the_microsoft_client(
    container: Container, client: Any
) -> None:
    """Blocks are committed, and an MD5 of the whole is kept with them."""
    own = container.upload_object(iter([LARGE]), "large", metadata={"owner": "me"})
    theirs = client.get_blob_client("large")
    properties = theirs.get_blob_properties()
    assert LARGE == theirs.download_blob(validate_content=True).readall()
    assert hashlib.md5(LARGE).digest() == bytes(properties.content_settings.content_md5)
    assert {"owner": "me"} == properties.metadata
    assert own.etag == properties.etag.strip('"')
    committed, waiting = theirs.get_block_list("all")
    assert (-(-len(LARGE) // PART), 0) == (len(committed), len(waiting))


def test_large_object_of_the_microsoft_client_is_read(container: Container, client: Any) -> None:
    """Their uploads in blocks keep no hash, unless they are given one."""
    client.upload_blob("large", LARGE)
    assert LARGE == container.read_object("large")
    assert container.get_object("large").object_hash is None
    md5 = hashlib.md5(LARGE).digest()
    client.upload_blob(
        "hashed", LARGE, content_settings=blob.ContentSettings(content_md5=bytearray(md5))
    )
    assert container.get_object("hashed").object_hash == md5.hex()
    assert LARGE == container.read_object("hashed")


@pytest.mark.parametrize("key", ["with-dash", "a.b", "0digit", "libstore_x", "~", "plain_one"])
def test_metadata_key_that_is_no_identifier_is_kept(
    container: Container, client: Any, key: str
) -> None:
    """They see an identifier; what is one already they see unchanged."""
    container.upload_object(CONTENT, "a", metadata={key: "grüße"})
    assert {key: "grüße"} == dict(container.get_object("a").metadata)
    (seen,) = client.get_blob_client("a").get_blob_properties().metadata
    assert seen.isidentifier()
    assert (seen == key) == (key == "plain_one")


def test_upload_is_not_disturbed_by_the_microsoft_client(
    container: Container, client: Any
) -> None:
    """Uploads to one name never mix; the last commit wins."""
    theirs = client.get_blob_client("a")
    # As long as those of libstore: Azure does not mix ids of different lengths.
    identity = "x" * 32
    theirs.stage_block(identity, b"their block")
    container.upload_object(LARGE, "a")
    assert LARGE == container.read_object("a")
    theirs.stage_block(identity, b"their block")
    theirs.commit_block_list([blob.BlobBlock(identity)])
    assert container.read_object("a") == b"their block"


def test_blocks_of_other_clients_are_listed_and_kept(container: Container, client: Any) -> None:
    theirs = client.get_blob_client("a")
    theirs.stage_block("x" * 32, b"their block")
    writer = container.open("a", "wb")
    writer.write(LARGE)
    own, others = container.list_uploads()
    assert (own.name, others.name, others.id) == ("a", "a", "uncommitted")
    with pytest.raises(RuntimeError), writer:
        raise RuntimeError  # aborts only the upload of libstore
    (left,) = container.list_uploads()
    assert (left.name, left.id) == ("a", "uncommitted")
    assert not container.object_exists("a")
    container.abort_uploads()
    assert [] == list(container.list_uploads())


def test_block_ids_of_another_length_are_reported_and_can_be_aborted(
    container: Container, client: Any
) -> None:
    client.get_blob_client("a").stage_block("short", b"their block")
    with pytest.raises(ObjectError, match="abort"):
        container.upload_object(LARGE, "a")
    assert ["uncommitted"] == [upload.id for upload in container.abort_uploads()]
    assert [] == list(container.list_uploads())


def test_blob_is_deleted_with_its_snapshots(container: Container, client: Any) -> None:
    container.upload_object(CONTENT, "a")
    client.get_blob_client("a").create_snapshot()
    container.upload_object(CONTENT, "b")
    client.get_blob_client("b").create_snapshot()
    container.delete_object("a")
    assert [True] == [result.ok for result in container.delete_objects(["b"])]
    assert [] == list(client.list_blobs(include=["snapshots"]))


def test_page_and_append_blobs_are_read(container: Container, client: Any) -> None:
    """A hash that an append blob once had says nothing of what was appended."""
    append = client.get_blob_client("append")
    settings = blob.ContentSettings(content_md5=bytearray(hashlib.md5(b"").digest()))
    append.create_append_blob(content_settings=settings)
    append.append_block(CONTENT)
    assert CONTENT == container.read_object("append")
    found = container.get_object("append")
    assert (None, settings.content_md5) == (
        found.object_hash,
        base64.b64decode(found.extra["content_md5"]),
    )
    found.update_metadata(content_type="text/x-a")
    kept = append.get_blob_properties().content_settings
    assert ("text/x-a", settings.content_md5) == (kept.content_type, kept.content_md5)
    page = client.get_blob_client("page")
    page.create_page_blob(512)
    assert bytes(512) == container.read_object("page")


def test_presigned_url_equals_that_of_the_microsoft_client(
    container: Container, azurite_server: AzureServer
) -> None:
    container.upload_object(CONTENT, "a b")
    url = container.object("a b").sign_url(response_headers={"content-type": "text/x-b"})
    with blob.BlobClient.from_blob_url(str(url)) as theirs:
        stream = theirs.download_blob()
        assert CONTENT == stream.readall()
        assert stream.properties.content_settings.content_type == "text/x-b"
