"""
The driver of Google Cloud Storage on gcp-storage-emulator.

It passes over all conditions, keeps a bucket for every upload that was given up, and takes few
connections at once. So it is asked for what it does well: single objects, their bytes in ranges,
their metadata, and that it compares digests, which fake-gcs-server does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty

from libstore import IntegrityError, get_driver, testing
from libstore.drivers.gcs import GCSDriver
from libstore.transfer.payload import BufferPayload
from libstore.values import WriteOptions
from servers.gcs import GCSServer

_UNVERSIONED = "gcp-storage-emulator tells no generation along with an object's bytes"
_PATCH = "gcp-storage-emulator keeps a null of metadata that was taken away"


@pytest.fixture(scope="module")
def shared_driver(gcs_emulator_server: GCSServer) -> Iterator[GCSDriver]:
    """Return a driver that knows the server, by the variable that Google's own clients read."""
    server = gcs_emulator_server
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", server.endpoint.removeprefix("http://"))
        patch.setenv("GOOGLE_CLOUD_PROJECT", server.project)
        made = get_driver("gcs")()
    with made as driver:
        yield driver


class TestEmulator(
    Faulty,
    testing.Objects,
    testing.Ranges,
    testing.Sources,
    testing.Downloads,
    testing.Readers,
    testing.MetadataPairs,
    testing.Deletes,
    testing.Handles,
):
    """What the emulator does as Google does it."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_new_metadata_replaces_all_pairs": _PATCH,
        "test_no_metadata_takes_all_pairs_away": _PATCH,
        "test_bytes_of_two_versions_are_never_mixed": _UNVERSIONED,
        "test_an_object_can_be_the_source_of_another": _UNVERSIONED,
    }

    @pytest.fixture
    def driver(self, shared_driver: GCSDriver) -> GCSDriver:
        """Return the driver that all tests share."""
        return shared_driver


class _Damaged(BufferPayload):
    """A payload that arrives as something else than it was when its digest was computed."""

    def digest(self, algorithm: str) -> str:
        return BufferPayload([memoryview(b"what was meant")]).digest(algorithm)


def test_the_server_refuses_bytes_that_changed_on_their_way(shared_driver: GCSDriver) -> None:
    """The digests of a small upload travel along with it, and the server compares them."""
    shared_driver.create_container("damaged")
    payload = _Damaged([memoryview(b"what was sent!")])
    with pytest.raises(IntegrityError) as caught:
        shared_driver._put_object("damaged", "a", payload, WriteOptions())
    assert 400 == caught.value.status
    assert not shared_driver.object_exists("damaged", "a")


def test_batches_delete_and_tell_of_each(shared_driver: GCSDriver) -> None:
    """The emulator's batches are answered in a form of their own, which is understood too."""
    box = shared_driver.create_container("batches")
    box.upload_object(b"1", "a")
    box.upload_object(b"2", "b")
    results = box.delete_objects(["a", "missing", "b"])
    assert [True, True, True] == [result.ok for result in results]
    assert [] == list(box.list_objects())
