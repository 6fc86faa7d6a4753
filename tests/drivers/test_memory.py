"""The memory driver: the whole suite, and what only it can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from libstore.drivers.memory import MemoryDriver
from libstore.testing import DriverConformance


class TestMemory(DriverConformance):
    """The suite."""

    @pytest.fixture
    def driver(self) -> MemoryDriver:
        """Return a driver with a store of its own."""
        return MemoryDriver()

    @pytest.fixture
    def redeem(self, driver: MemoryDriver) -> Callable[[str, str], bytes]:
        """Redeem signed URLs, which are not HTTP."""
        return lambda url, method: driver.redeem_url(url, method=method)
