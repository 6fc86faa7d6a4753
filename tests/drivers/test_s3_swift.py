"""The S3 driver on OpenStack Swift."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore import get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from servers.s3 import S3Server


@pytest.fixture(scope="module")
def shared_driver(swift_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows the server."""
    server = swift_server
    with get_driver("swift-s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestSwift(DriverConformance):
    """All that the driver does, on the strictest server."""

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver
