"""
The driver of Google Cloud Storage on gcp-storage-emulator.

Unlike fake-gcs-server it compares digests. It has no conditions, makes paths of names, and never
forgets an upload that was given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import ClassVar

import pytest
import requests
from drivers.gcs.support import credentials
from drivers.s3_faults import ASSERTIONS, Faulty, Raised, cases
from typing_extensions import override

from libstore import (
    Container,
    ContainerNotEmptyError,
    IntegrityError,
    InvalidNameError,
    NotSupportedError,
    ObjectChangedError,
    RetryPolicy,
    ServiceError,
    TransportError,
    get_driver,
)
from libstore.drivers.gcs import GCSDriver
from libstore.testing import DriverConformance
from libstore.testing.container_pool import ContainerPool, container_pool_of
from libstore.transfer.payload import BufferPayload
from libstore.values import WriteOptions
from servers.gcs import GCSServer

_CONDITIONS = "gcp-storage-emulator passes over conditions"
_UNVERSIONED = "gcp-storage-emulator sends no generation with an object's bytes"
_SUFFIX = "gcp-storage-emulator sends nothing for a range that counts from the end"
_NO_HASH = "gcp-storage-emulator sends no digest along with an object's bytes"
_COPIES = "gcp-storage-emulator gives a copy all that its source has, and ignores the options"
_PATHS = "gcp-storage-emulator makes paths of names, and two names may be one path"
_DOTS = "gcp-storage-emulator ends the connection over a name that is no path"
_FOLDER = "gcp-storage-emulator has no objects at addresses that end with a slash"
_NO_DELETE = "gcp-storage-emulator has no DELETE of the XML API, where signed URLs lead"
_NO_HEAD = "gcp-storage-emulator has no HEAD of the XML API, where signed URLs lead"
_EMPTY = "gcp-storage-emulator ends the connection over an empty body of the XML API"
_NO_VERSIONS = "gcp-storage-emulator keeps no versions"
_SIGNATURE = "gcp-storage-emulator verifies no signatures"
_ACL = "gcp-storage-emulator has no access control lists of objects"
_LINE_FEED = "Google takes no line feeds in names, so the driver refuses them"
_UPLOADS = "gcp-storage-emulator keeps a bucket in which an upload was given up"


@pytest.fixture(scope="module")
def shared_driver(gcs_emulator_server: GCSServer) -> Iterator[GCSDriver]:
    """Return a driver that knows the server, by the variable that Google's own clients read."""
    server = gcs_emulator_server
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", server.endpoint.removeprefix("http://"))
        patch.setenv("GOOGLE_CLOUD_PROJECT", server.project)
        made = get_driver("gcs")(credentials=credentials(), retry=RetryPolicy(3, base=0.01))
    with made as driver:
        yield driver


class _ServerPool(ContainerPool):
    """Lends no bucket again in which an upload may have been given up, and cannot delete it."""

    @override
    def emptied(self, container: Container, *, uploads: bool) -> bool:
        return super().emptied(container, uploads=uploads) and not uploads

    @override
    def delete(self, container: Container) -> None:
        with suppress(ContainerNotEmptyError):
            super().delete(container)


class TestEmulator(Faulty, DriverConformance):
    """All that the driver does, on an emulator that compares digests."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_copy_with_if_absent_keeps_an_existing_object": _CONDITIONS,
        "test_move_with_if_absent_keeps_both_objects": _CONDITIONS,
        "test_if_match_of_a_missing_object_raises": _CONDITIONS,
        "test_one_of_many_conditional_creates_succeeds": _CONDITIONS,
        "test_delete_with_an_outdated_etag_raises": _CONDITIONS,
        "test_large_download_if_none_match": _CONDITIONS,
        **cases(
            "test_read_if_match_of_another_object_raises",
            _CONDITIONS, "read", "stream", "open", "download",
        ),
        **cases(
            "test_read_if_none_match_of_the_object_raises",
            _CONDITIONS, "read", "stream", "open", "download",
        ),
        "test_read_adds_to_the_known_attributes": _UNVERSIONED,
        "test_reader_has_its_object": _UNVERSIONED,
        **cases("test_negative_start_reads_the_end", _SUFFIX, "-1", "-8", "-45", "-1000"),
        **cases("test_download_of_a_range", _SUFFIX, "-7-None", "-200000-None"),
        **cases("test_if_absent_keeps_an_existing_object", _CONDITIONS, "small", "in parts"),
        **cases(
            "test_if_absent_is_checked_at_the_end_of_an_upload", _CONDITIONS, "small", "in parts"
        ),
        **cases("test_if_match_with_an_outdated_etag_raises", _CONDITIONS, "small", "in parts"),
        **cases(
            "test_if_match_is_checked_at_the_end_of_an_upload", _CONDITIONS, "small", "in parts"
        ),
        "test_bytes_of_two_versions_are_never_mixed": _UNVERSIONED,
        "test_an_object_can_be_the_source_of_another": _UNVERSIONED,
        "test_a_copy_onto_itself_can_replace_metadata": _COPIES,
        "test_copy_with_empty_metadata_has_none": _COPIES,
        "test_metadata_can_be_replaced": _COPIES,
        "test_the_content_type_can_be_replaced": _COPIES,
        **cases(
            "test_different_names_are_different_objects",
            _PATHS,
            "'a/b'-'a//b'", "'a'-'a/'", "'a'-'/a'", "'a'-'./a'", "'a'-'a/.'", r"'a/b'-'a\b'",
        ),
        r"test_different_names_are_different_objects['a\n'-'a\r\n']": _LINE_FEED,
        r"test_a_name_is_not_found_under_another['a\n'-'a\r\n']": _LINE_FEED,
        "test_signed_url_has_its_method[DELETE]": _NO_DELETE,
        "test_signed_url_has_its_method[HEAD]": _NO_HEAD,
        "test_a_signed_url_uploads_the_object[empty]": _EMPTY,
        "test_a_signed_url_is_for_one_object": _SIGNATURE,
        "test_signed_length_limits_an_upload": _SIGNATURE,
        **cases("test_request_without_signed_headers_is_refused", _SIGNATURE, "none", "other"),
        **cases(
            "test_public_object_is_readable_without_credentials",
            _ACL,
            "a", "folder/a b", "100%", "a+b?c#d&e", "%2F", r"\xe4/\u65e5\u672c/\U0001f600",
        ),
        "test_publishing_a_missing_container_or_object_raises": _ACL,
        "test_a_public_url_leads_to_the_object_or_is_refused": _DOTS,
        **cases("test_a_signed_url_leads_to_the_object_or_is_refused", _FOLDER, "'a/'", "'/'"),
        "test_deleting_a_container_deletes_unfinished_uploads": _UPLOADS,
        "test_a_replaced_object_is_read_and_restored": _NO_VERSIONS,
        "test_a_deleted_version_is_not_listed": _NO_VERSIONS,
        "test_a_deleted_object_is_kept_as_a_version": _NO_VERSIONS,
        "test_versions_are_listed_by_name_and_prefix": _NO_VERSIONS,
        "test_sequentially_read_file_sets_verified_by": _NO_HASH,
    }  # fmt: skip
    raising: ClassVar[Mapping[str, Raised]] = {
        _SUFFIX: ServiceError,
        _UNVERSIONED: (*ASSERTIONS, ObjectChangedError),
        _PATHS: IntegrityError,
        _LINE_FEED: InvalidNameError,
        _NO_VERSIONS: (*ASSERTIONS, NotSupportedError, ValueError),
        _NO_DELETE: PermissionError,
        _NO_HEAD: PermissionError,
        _EMPTY: requests.ConnectionError,
        _FOLDER: PermissionError,
        _ACL: NotSupportedError,
        _DOTS: TransportError,
        _UPLOADS: ContainerNotEmptyError,
    }
    unfit: ClassVar[Mapping[str, str]] = {
        **cases("test_an_ordinary_name_comes_back_unchanged", _DOTS, r"'back\..\slash'"),
        **cases(
            "test_a_difficult_name_comes_back_unchanged_or_is_refused",
            _DOTS,
            "'../a'", "'a/..'", "'a/../b'",
        ),
        **cases("test_different_names_are_different_objects", _DOTS, "'b'-'a/../b'"),
        **cases(
            "test_a_signed_url_leads_to_the_object_or_is_refused",
            _DOTS,
            "'../a'", "'a/..'", "'a/../b'", r"'..\\a'", r"'a\\..\\b'",
        ),
        **cases("test_a_name_is_not_found_under_another", _DOTS, "'b'-'a/../b'"),
    }  # fmt: skip

    @pytest.fixture
    def container_pool(self, request: pytest.FixtureRequest, driver: GCSDriver) -> ContainerPool:
        """Return a pool of buckets."""
        return container_pool_of(request, driver, _ServerPool)

    @pytest.fixture
    def driver(self, shared_driver: GCSDriver) -> GCSDriver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "NEARLINE"


class _Damaged(BufferPayload):
    """A payload that arrives as something else than it was when its digest was computed."""

    def digest(self, algorithm: str) -> str:
        return BufferPayload([memoryview(b"what was meant")]).digest(algorithm)


def test_server_refuses_corrupted_content(shared_driver: GCSDriver) -> None:
    """The digests of a small upload travel along with it, and the server compares them."""
    shared_driver.create_container("damaged")
    payload = _Damaged([memoryview(b"what was sent!")])
    with pytest.raises(IntegrityError) as caught:
        shared_driver._put_object("damaged", "a", payload, WriteOptions())
    assert 400 == caught.value.status
    assert not shared_driver.object_exists("damaged", "a")


def test_emulator_needs_no_credentials(
    gcs_emulator_server: GCSServer, shared_driver: GCSDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An emulator that the variable names is used without credentials, if there are none."""
    box = shared_driver.create_container("nobody")
    box.upload_object(b"1", "a")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator_server.endpoint)
    with get_driver("gcs")() as driver:
        assert b"1" == driver.get_container("nobody").read_object("a")


def test_batch_deletion_reports_each_object(shared_driver: GCSDriver) -> None:
    """The emulator's batch responses have a form of their own, which is read too."""
    box = shared_driver.create_container("batches")
    box.upload_object(b"1", "a")
    box.upload_object(b"2", "b")
    results = box.delete_objects(["a", "missing", "b"])
    assert [True, True, True] == [result.ok for result in results]
    assert [] == list(box.list_objects())
