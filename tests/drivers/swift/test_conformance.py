"""The Swift driver on OpenStack Swift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty
from drivers.swift.support import RACES

from libstore.drivers.swift import SwiftDriver
from libstore.testing import DriverConformance


class TestTempAuth(Faulty, DriverConformance):
    """All that the driver does, with tokens of Swift's own."""

    sometimes: ClassVar[Mapping[str, str]] = RACES

    @pytest.fixture
    def driver(self, swift_driver: SwiftDriver) -> SwiftDriver:
        """Return the driver that all tests share."""
        return swift_driver
