"""The S3 driver on SeaweedFS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore import get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing import DriverConformance
from servers.s3 import S3Server


@pytest.fixture(scope="module")
def shared_driver(seaweedfs_server: S3Server) -> Iterator[S3Driver]:
    """Return a driver that knows the server."""
    server = seaweedfs_server
    with get_driver("seaweedfs")(server.key, server.secret, endpoint=server.endpoint) as driver:
        yield driver


class TestSeaweedFS(DriverConformance):
    """All that the driver does, on a server that keeps conditions and checks what arrives."""

    @pytest.fixture
    def driver(self, shared_driver: S3Driver) -> S3Driver:
        """Return the driver that all tests share."""
        return shared_driver
