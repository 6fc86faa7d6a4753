"""The Swift driver on OpenStack Swift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty

from libstore import get_driver
from libstore.drivers.swift import SwiftDriver
from libstore.testing import DriverConformance
from servers.openstack import SwiftServer

KEY = "a key for signed URLs"


@pytest.fixture(scope="module")
def shared_driver(swift_server: SwiftServer) -> Iterator[SwiftDriver]:
    """Return a driver that knows the server."""
    server = swift_server
    with get_driver("swift")(server.key, server.secret, auth_url=server.auth_url) as driver:
        headers = {"x-account-meta-temp-url-key": KEY}
        driver._calls.ask("POST", "PostAccount", headers=headers).close()
        yield driver


class TestTempAuth(Faulty, DriverConformance):
    """All that the driver does, with tokens of Swift's own."""

    sometimes: ClassVar[Mapping[str, str]] = {
        "test_one_thread_wins_a_free_name": "Swift looks, and then writes: two may win",
    }

    @pytest.fixture
    def driver(self, shared_driver: SwiftDriver) -> SwiftDriver:
        """Return the driver that all tests share."""
        return shared_driver
