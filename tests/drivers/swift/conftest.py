"""A driver of Swift on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.swift.support import PART, lent, let_sign

from libstore import Container, TransferOptions, get_driver
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


@pytest.fixture
def container(swift_driver: SwiftDriver) -> Iterator[Container]:
    """Return a new container, which is deleted at the end."""
    with lent(swift_driver) as container:
        yield container


@pytest.fixture
def small_parts(swift_driver: SwiftDriver) -> Iterator[None]:
    """Have the driver upload objects above 256 KiB in parts."""
    before = swift_driver.transfer
    swift_driver.transfer = TransferOptions(part_size=4 * PART, multipart_threshold=4 * PART)
    yield
    swift_driver.transfer = before
