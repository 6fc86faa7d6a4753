"""The S3 driver on moto, as on any endpoint that nobody here has heard of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from servers.s3 import S3Server


@pytest.fixture(scope="module")
def shared_driver(moto_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows nothing of the server but its address."""
    server = moto_server
    with S3Driver(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestMoto(DriverConformance):
    """All that the driver does, on a server that checks little and has much."""

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver
