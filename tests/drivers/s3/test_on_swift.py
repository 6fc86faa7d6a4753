"""The S3 driver on OpenStack Swift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty, Raised

from libstore import ServiceError, get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from servers.s3 import S3Server

_NUL = "Swift takes no NUL, not even in what a listing begins behind"


@pytest.fixture(scope="module")
def shared_driver(swift_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows the server."""
    server = swift_server
    with get_driver("swift-s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestSwift(Faulty, DriverConformance):
    """All that the driver does, on the strictest server."""

    faults: ClassVar[Mapping[str, str]] = {
        "test_start_after_omits_earlier_names[\\x00]": _NUL,
    }
    raising: ClassVar[Mapping[str, Raised]] = {_NUL: ServiceError}
    sometimes: ClassVar[Mapping[str, str]] = {
        "test_one_of_many_conditional_creates_succeeds": "Swift checks before it writes",
    }

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver
