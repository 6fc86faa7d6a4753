"""The S3 driver on rclone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty, Raised, cases

from libstore import InvalidNameError, ServiceError, ServiceUnavailableError, get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from libstore.testing.container_pool import ContainerPool
from servers.s3 import S3Server

_MTIME = "rclone adds its mtime to the metadata of copies, and keeps what is to be replaced"
_SLASH = "rclone keeps files, and no name begins with a slash"
_BACKSLASH = "rclone's names are paths, and a backslash is none of theirs"
_FOLDER = "rclone keeps files: where one is, no folder can be"
_UPLOADS = "rclone forgets unfinished uploads and cannot delete their bucket any more"
_START = "rclone repeats start-after in XML that cannot carry it"
_SUFFIX = "rclone sends nothing for the last bytes of an object that has fewer"
_FORMS = "rclone takes the normal forms of Unicode for one another"


@pytest.fixture(scope="module")
def shared_driver(rclone_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows the server."""
    server = rclone_server
    with get_driver("rclone")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestRclone(Faulty, DriverConformance):
    """All that the driver does, on a server that keeps files."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_a_copy_is_like_its_source": _MTIME,
        "test_negative_start_reads_the_end[-1000]": _SUFFIX,
        "test_a_copy_keeps_its_name_by_default": _MTIME,
        "test_copy_replaces_an_existing_object": _MTIME,
        **cases("test_a_large_object_is_copied_whole", _MTIME, "0", "1"),
        "test_a_move_leaves_nothing_behind": _MTIME,
        "test_copy_with_empty_metadata_has_none": _MTIME,
        "test_metadata_can_be_replaced": _MTIME,
        "test_the_container_may_be_given_by_name": _MTIME,
        "test_the_content_type_can_be_replaced": _MTIME,
        "test_prefix_selects_names_that_begin_with_it[/]": _SLASH,
        **cases(
            "test_a_name_is_not_found_under_another",
            _FORMS,
            r"'\xe9'-'e\u0301'",
            r"'\u212b'-'\xc5'",
        ),
        **cases(
            "test_an_ordinary_name_comes_back_unchanged",
            _BACKSLASH,
            r"'back\slash'",
            r"'back\..\slash'",
        ),
        "test_parts_are_put_together_in_order": "rclone keeps no composite ETag",
        r"test_start_after_omits_earlier_names[\x00]": _START,
        "test_deleting_a_folder_deletes_nothing": _FOLDER,
    }
    raising: ClassVar[Mapping[str, Raised]] = {
        _SUFFIX: ServiceError,
        _BACKSLASH: InvalidNameError,
        _FOLDER: ServiceUnavailableError,
        _START: ServiceError,
    }
    unfit: ClassVar[Mapping[str, str]] = {
        "test_a_prefix_may_have_the_name_of_an_object": _FOLDER,
        "test_aborting_an_upload_twice_succeeds": _UPLOADS,
        "test_deleting_a_container_deletes_unfinished_uploads": _UPLOADS,
        "test_unfinished_uploads_are_listed_and_aborted": _UPLOADS,
        "test_the_parts_of_an_unfinished_upload_are_listed": _UPLOADS,
        "test_abort_uploads_keeps_recent_uploads": _UPLOADS,
        "test_the_last_writer_of_a_name_wins_as_a_whole": (
            "rclone lists a name twice that two wrote at once, and cannot delete the bucket then"
        ),
    }

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def container_pool(self) -> ContainerPool:
        """
        Return what makes a container for each test.

        What rclone keeps of unfinished uploads would be there for the next test.
        """
        return ContainerPool()
