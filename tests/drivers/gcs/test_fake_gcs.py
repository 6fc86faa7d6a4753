"""The driver of Google Cloud Storage on fake-gcs-server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.gcs.support import credentials
from drivers.s3_faults import Faulty, Raised, cases

from libstore import InvalidNameError, ServiceError, get_driver
from libstore.drivers.gcs import GCSDriver
from libstore.testing import DriverConformance
from servers.gcs import GCSServer

_CONDITIONS = "fake-gcs-server passes over conditions but those of uploads in one request"
_PATCH = "fake-gcs-server keeps an empty text of metadata that was taken away"
_FOLDED_PAGES = "fake-gcs-server passes over maxResults where it folds"
_VERSIONS = "fake-gcs-server keeps a version that is deleted"
_SIGNATURE = "fake-gcs-server verifies no signatures"
_POLICY = "fake-gcs-server has no policies"
_LINE_FEED = "Google takes no line feeds in names, so the driver refuses them"


@pytest.fixture(scope="module")
def shared_driver(fake_gcs_server: GCSServer) -> Iterator[GCSDriver]:
    """Return a driver that knows the server."""
    server = fake_gcs_server
    with get_driver("gcs")(
        credentials=credentials(), endpoint=server.endpoint, project=server.project
    ) as driver:
        yield driver


class TestFakeGCS(Faulty, DriverConformance):
    """All that the driver does, on the emulator."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_copy_with_if_absent_keeps_an_existing_object": _CONDITIONS,
        "test_move_with_if_absent_keeps_both_objects": _CONDITIONS,
        "test_if_absent_keeps_an_existing_object[in parts]": _CONDITIONS,
        "test_if_absent_is_checked_at_the_end_of_an_upload[in parts]": _CONDITIONS,
        "test_if_match_with_an_outdated_etag_raises[in parts]": _CONDITIONS,
        "test_if_match_is_checked_at_the_end_of_an_upload[in parts]": _CONDITIONS,
        "test_delete_with_an_outdated_etag_raises": _CONDITIONS,
        "test_supported_option_is_stored[storage_class-in parts]": (
            "fake-gcs-server ignores the storage class of resumable uploads"
        ),
        "test_copy_with_empty_metadata_has_none": "fake-gcs-server copies the metadata",
        "test_new_metadata_replaces_all_pairs": _PATCH,
        "test_empty_metadata_removes_all_pairs": _PATCH,
        "test_listing_of_many_pages_has_each_item_once[-/-]": _FOLDED_PAGES,
        "test_listing_of_many_pages_has_each_item_once[-/-a]": _FOLDED_PAGES,
        "test_listing_of_many_pages_has_each_item_once[-/-a/]": _FOLDED_PAGES,
        "test_a_deleted_version_is_not_listed": _VERSIONS,
        "test_a_deleted_object_is_kept_as_a_version": _VERSIONS,
        "test_a_signed_url_is_for_one_method": _SIGNATURE,
        "test_a_signed_url_is_for_one_object": _SIGNATURE,
        "test_signed_length_limits_an_upload": _SIGNATURE,
        **cases("test_request_without_signed_headers_is_refused", _SIGNATURE, "none", "other"),
        "test_objects_of_a_public_container_are_readable_without_credentials": _POLICY,
        "test_publishing_a_missing_container_or_object_raises": _POLICY,
        "test_a_public_url_leads_to_the_object_or_is_refused": _POLICY,
        r"test_different_names_are_different_objects['a\n'-'a\r\n']": _LINE_FEED,
        r"test_a_name_is_not_found_under_another['a\n'-'a\r\n']": _LINE_FEED,
    }

    raising: ClassVar[Mapping[str, Raised]] = {
        _POLICY: ServiceError,
        _LINE_FEED: InvalidNameError,
    }

    @pytest.fixture
    def driver(self, shared_driver: GCSDriver) -> GCSDriver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "NEARLINE"
