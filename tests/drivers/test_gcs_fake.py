"""The driver of Google Cloud Storage on fake-gcs-server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.gcs_support import credentials
from drivers.s3_faults import Faulty, Raised

from libstore import InvalidNameError, ServiceError, get_driver
from libstore.drivers.gcs import GCSDriver
from libstore.testing import DriverConformance
from servers.gcs import GCSServer

_CONDITIONS = "fake-gcs-server passes over conditions but those of uploads in one request"
_PATCH = "fake-gcs-server keeps an empty text of metadata that was taken away"
_FOLDED_PAGES = "fake-gcs-server passes over maxResults where it folds"
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
        "test_a_copy_if_absent_leaves_what_is_there": _CONDITIONS,
        "test_a_move_onto_a_taken_name_leaves_both": _CONDITIONS,
        "test_if_absent_leaves_what_is_there[in parts]": _CONDITIONS,
        "test_if_absent_holds_at_the_end_of_an_upload[in parts]": _CONDITIONS,
        "test_if_match_leaves_what_was_changed[in parts]": _CONDITIONS,
        "test_if_match_holds_at_the_end_of_an_upload[in parts]": _CONDITIONS,
        "test_what_was_changed_is_not_deleted": _CONDITIONS,
        "test_metadata_can_be_left_behind": "fake-gcs-server takes no metadata for the source's",
        "test_new_metadata_replaces_all_pairs": _PATCH,
        "test_no_metadata_takes_all_pairs_away": _PATCH,
        "test_pages_do_not_show[-/-]": _FOLDED_PAGES,
        "test_pages_do_not_show[-/-a]": _FOLDED_PAGES,
        "test_pages_do_not_show[-/-a/]": _FOLDED_PAGES,
        "test_a_signed_url_is_for_one_method": _SIGNATURE,
        "test_a_signed_url_is_for_one_object": _SIGNATURE,
        "test_everybody_reads_a_public_container": _POLICY,
        "test_what_is_missing_cannot_be_made_public": _POLICY,
        "test_a_public_url_leads_to_the_object_or_is_refused": _POLICY,
        r"test_no_name_stands_for_another['a\n'-'a\r\n']": _LINE_FEED,
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
