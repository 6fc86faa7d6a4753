"""Blocks: committed, lost, and deleted when an upload is aborted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from drivers.azure.support import (
    BIG,
    BIG_MD5,
    CONTENT,
    document,
    error,
    forbidding,
    head_of,
    lost,
    requests,
    stored,
)

from libstore import (
    ServiceError,
)
from libstore.drivers.azure import AzureDriver

if TYPE_CHECKING:
    from scripted import Server


def test_commit_with_lost_response_is_checked(server: Server, driver: AzureDriver) -> None:
    """The blocks are gone because the first try took them."""
    server.steps.extend(
        [stored(), stored(), lost(), error("InvalidBlockList", 400), head_of(BIG, "0x9")]
    )
    obj = driver.upload_object(BIG, "box", "name")
    assert (len(BIG), "0x9") == (obj.size, obj.etag)


def test_commit_with_lost_response_is_repeated(server: Server, driver: AzureDriver) -> None:
    """A second try finds the blocks committed by the first one, for it names the latest."""
    server.steps.extend([stored(), stored(), lost(), stored("0x9")])
    assert driver.upload_object(BIG, "box", "name").etag == "0x9"
    assert server.seen[2].body == server.seen[3].body
    assert b"<Latest>" in server.seen[3].body
    assert ("x-ms-blob-content-md5", BIG_MD5) in server.seen[3].headers


def test_commit_without_its_blocks_is_an_aborted_upload(
    server: Server, driver: AzureDriver
) -> None:
    server.steps.extend([stored(), stored(), error("InvalidBlockList", 400)])
    server.default = forbidding("BlobNotFound", 404)
    with pytest.raises(ServiceError, match="aborted"):
        driver.upload_object(BIG, "box", "name")


def test_block_with_a_bad_digest_is_sent_again(server: Server, driver: AzureDriver) -> None:
    server.steps.extend([error("Md5Mismatch", 400), stored(), stored(), stored("0x9")])
    assert driver.upload_object(BIG, "box", "name").etag == "0x9"


def test_failed_upload_deletes_nothing_else(server: Server, driver: AzureDriver) -> None:
    """Only under a lease, and only if there is no blob and no block of anybody else."""
    server.steps.extend([stored(), error("InvalidMd5", 400)])
    with pytest.raises(ServiceError):
        driver.upload_object(BIG, "box", "name")  # the next responses are errors
    assert not any(line.startswith("DELETE") for line in requests(server))


def waiting(*ids: str) -> Any:
    rows = "".join(f"<Block><Name>{one}</Name><Size>5</Size></Block>" for one in ids)
    return document(f"<UncommittedBlocks>{rows}</UncommittedBlocks>", "BlockList")


def begun(server: Server, driver: AzureDriver) -> tuple[Any, str]:
    """Return an upload with one block, and the block's id."""
    from libstore import Upload
    from libstore.transfer.payload import BufferPayload
    from libstore.values import WriteOptions

    upload_id = driver._start_upload("box", "name", WriteOptions())
    upload = Upload("box", "name", upload_id)
    server.steps.append(stored())
    part = driver._put_part(upload, 1, 0, BufferPayload([memoryview(b"block")]))
    server.seen.clear()
    return upload, part.token


def test_blocks_are_listed_also_for_a_blob_with_an_etag_and_no_content(
    server: Server, driver: AzureDriver
) -> None:
    """Azurite lists a name that has nothing but blocks as an empty blob."""
    upload, block = begun(server, driver)
    properties = "<Properties><Etag>0x1</Etag><Content-Length>0</Content-Length></Properties>"
    row = f"<Blob><Name>name</Name>{properties}</Blob>"
    listing = document(f"<Blobs>{row}</Blobs><NextMarker/>")
    server.steps.extend([listing, forbidding("BlobNotFound", 404), waiting(block)])
    assert [upload.id] == [found.id for found in driver.list_uploads("box")]


def test_blocks_are_deleted_under_a_lease(server: Server, driver: AzureDriver) -> None:
    upload, block = begun(server, driver)
    absent = forbidding("BlobNotFound", 404)
    gone = stored(status=202)
    server.steps.extend([absent, waiting(block), stored(), absent, waiting(block), gone])
    driver.abort_upload(upload)
    assert requests(server) == [
        "HEAD", "GET blocklist", "PUT lease", "HEAD", "GET blocklist", "DELETE",
    ]  # fmt: skip
    acquired, deleted = dict(server.seen[2].headers), dict(server.seen[5].headers)
    assert acquired["x-ms-proposed-lease-id"] == deleted["x-ms-lease-id"]


def test_blob_written_meanwhile_is_not_deleted(server: Server, driver: AzureDriver) -> None:
    upload, block = begun(server, driver)
    absent = forbidding("BlobNotFound", 404)
    server.steps.extend([absent, waiting(block), stored(), head_of(CONTENT), stored()])
    driver.abort_upload(upload)
    assert requests(server) == ["HEAD", "GET blocklist", "PUT lease", "HEAD", "PUT lease"]
    assert ("x-ms-lease-action", "release") in server.seen[4].headers


@pytest.mark.parametrize(
    "there",
    [
        [head_of(CONTENT)],
        [forbidding("BlobUsesCustomerSpecifiedEncryption", 409)],
        [forbidding("BlobNotFound", 404), waiting("Zm9yZWlnbg==")],
        [forbidding("BlobNotFound", 404), error("BlobNotFound", 404)],
        [forbidding("ContainerNotFound", 404)],
    ],
    ids=["a blob", "a sealed blob", "others' blocks", "nothing", "no container"],
)
def test_blocks_are_not_deleted_with_anything_else(
    server: Server, driver: AzureDriver, there: list[Any]
) -> None:
    upload, _ = begun(server, driver)
    server.steps.extend(there)
    driver.abort_upload(upload)
    assert not any(line.startswith(("DELETE", "PUT")) for line in requests(server))


def test_blocks_of_two_aborted_uploads_to_one_name_are_deleted(
    server: Server, driver: AzureDriver
) -> None:
    """The first one leaves its blocks because of the second one's."""
    first, first_block = begun(server, driver)
    second, second_block = begun(server, driver)
    absent, both = forbidding("BlobNotFound", 404), waiting(first_block, second_block)
    server.steps.extend([absent, both])
    driver.abort_upload(first)
    assert requests(server) == ["HEAD", "GET blocklist"]
    server.seen.clear()
    server.steps.extend([absent, both, stored(), absent, both, stored(status=202)])
    driver.abort_upload(second)
    assert requests(server)[-1] == "DELETE"


def test_aborted_upload_is_not_listed(server: Server, driver: AzureDriver) -> None:
    """The service may still have its blocks, as here where another upload has some."""
    aborted, aborted_block = begun(server, driver)
    other, block = begun(server, driver)
    absent, both = forbidding("BlobNotFound", 404), waiting(aborted_block, block)
    listing = document("<Blobs><Blob><Name>name</Name></Blob></Blobs><NextMarker/>")
    server.steps.extend([listing, absent, both])
    assert {aborted.id, other.id} == {found.id for found in driver.list_uploads("box")}
    server.steps.extend([absent, both])
    driver.abort_upload(aborted)
    server.steps.extend([listing, absent, both])
    assert [other.id] == [found.id for found in driver.list_uploads("box")]


def test_aborted_upload_cannot_be_completed_later(server: Server, driver: AzureDriver) -> None:
    from libstore.values import Part, WriteOptions

    upload, block = begun(server, driver)
    server.steps.append(head_of(CONTENT))
    driver.abort_upload(upload)
    server.seen.clear()
    with pytest.raises(ServiceError, match="aborted"):
        driver._finish_upload(upload, [Part(1, 0, 5, block)], WriteOptions(), {})
    assert not server.seen
