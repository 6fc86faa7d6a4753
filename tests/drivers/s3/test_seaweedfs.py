"""The S3 driver on SeaweedFS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty, Raised, cases
from typing_extensions import override

from libstore import Container, InvalidNameError, ServiceUnavailableError, get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from libstore.testing.container_pool import ContainerPool, container_pool_of
from servers.s3 import S3Server

_ORDER = "SeaweedFS sorts a folder by its name without the slash: a/1 comes behind a-b"
_NO_TARGET = "SeaweedFS responds with 500 where the bucket to copy to is missing"
_BACKSLASH = "SeaweedFS makes slashes of backslashes"


@pytest.fixture(scope="module")
def shared_driver(seaweedfs_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows the server."""
    server = seaweedfs_server
    with get_driver("seaweedfs")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class _ServerPool(ContainerPool):
    """Does not lend a bucket again that shows folders, as SeaweedFS does if they are empty."""

    @override
    def emptied(self, container: Container, *, uploads: bool) -> bool:
        return super().emptied(container, uploads=uploads) and not container.list_objects(
            delimiter="/"
        )


class TestSeaweedFS(Faulty, DriverConformance):
    """All that the driver does, on a server that keeps conditions and checks what arrives."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_start_after_omits_earlier_names[a]": _ORDER,
        **cases("test_start_after_with_a_delimiter", _ORDER, "a"),
        **cases(
            "test_listing_of_many_pages_has_each_item_once",
            _ORDER,
            "----",
            "--",
            "-/-",
            "-/-a",
            "a--",
        ),
        "test_an_index_gives_one_item[1]": _ORDER,
        **cases(
            "test_a_slice_is_that_of_a_list",
            _ORDER,
            "slice(None, None, None)",
            "slice(None, 3, None)",
            "slice(3, 7, None)",
            "slice(0, 100, None)",
            "slice(None, -2, None)",
            "slice(2, -2, None)",
            "slice(None, None, 2)",
            "slice(1, 9, 3)",
            "slice(None, None, -1)",
            "slice(8, 2, -2)",
        ),
        "test_length_truth_and_reversal_are_those_of_a_list": _ORDER,
        "test_two_iterations_do_not_disturb_each_other": _ORDER,
        "test_objects_can_be_deleted_while_they_are_listed": _ORDER,
        "test_a_copy_into_a_missing_container_raises": _NO_TARGET,
        "test_a_move_into_a_missing_container_leaves_the_source": _NO_TARGET,
        "test_every_operation_raises_for_a_missing_container[copy into]": _NO_TARGET,
        "test_every_operation_raises_for_a_missing_container[move into]": _NO_TARGET,
        "test_the_content_type_is_guessed_from_the_name[.html-application/octet-stream]": (
            "SeaweedFS does not keep application/octet-stream, and guesses by the name"
        ),
        "test_an_ordinary_name_comes_back_unchanged['back\\\\\\\\slash']": _BACKSLASH,
        "test_an_ordinary_name_comes_back_unchanged['back\\\\\\\\..\\\\\\\\slash']": _BACKSLASH,
        "test_the_last_object_of_a_folder_leaves_nothing_behind": (
            "SeaweedFS lists folders that are empty"
        ),
    }

    raising: ClassVar[Mapping[str, Raised]] = {
        _NO_TARGET: ServiceUnavailableError,
        _BACKSLASH: InvalidNameError,
    }
    sometimes: ClassVar[Mapping[str, str]] = {
        "test_deleting_a_container_deletes_unfinished_uploads": (
            "SeaweedFS makes a bucket again for a part that was under way when it was deleted"
        ),
    }

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "STANDARD_IA"

    @pytest.fixture
    def container_pool(self, request: pytest.FixtureRequest, driver: S3Driver) -> ContainerPool:
        """Return a pool of buckets; the first write into a new one takes 0.2 seconds."""
        return container_pool_of(request, driver, _ServerPool)
