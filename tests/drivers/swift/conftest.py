"""A driver of Swift on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.swift.support import let_sign

from libstore import get_driver
from libstore.drivers.swift import SwiftDriver
from servers.openstack import SwiftServer


@pytest.fixture(scope="session")
def swift_driver(swift_server: SwiftServer) -> Iterator[SwiftDriver]:
    """Return a driver of Swift that a token of its own lets in, and whose account signs URLs."""
    with get_driver("swift")(
        swift_server.key, swift_server.secret, auth_url=swift_server.auth_url
    ) as driver:
        let_sign(driver)
        yield driver
