"""The Azure driver on Azurite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from drivers.s3_faults import Faulty, Raised

from libstore import InvalidNameError, get_driver
from libstore.drivers.azure import AzureDriver
from libstore.testing import DriverConformance
from servers.azurite import AzureServer

_BACKSLASH = "Azure makes slashes of backslashes, so the driver refuses them"
_CONTROL = "Azure takes no control characters, so the driver refuses them"


@pytest.fixture(scope="module")
def shared_driver(azurite_server: AzureServer) -> Iterator[AzureDriver]:
    """Return a driver that knows the server."""
    server = azurite_server
    with get_driver("azure")(
        server.account, server.key, endpoint=server.endpoint, pickle_secret=True
    ) as driver:
        yield driver


class TestAzurite(Faulty, DriverConformance):
    """All that the driver does, on the emulator."""

    faults: ClassVar[Mapping[str, str]] = {
        r"test_an_ordinary_name_comes_back_unchanged['back\\slash']": _BACKSLASH,
        r"test_an_ordinary_name_comes_back_unchanged['back\\..\\slash']": _BACKSLASH,
        r"test_different_names_are_different_objects['a\n'-'a\r\n']": _CONTROL,
        r"test_a_name_is_not_found_under_another['a\n'-'a\r\n']": _CONTROL,
    }

    raising: ClassVar[Mapping[str, Raised]] = {
        _BACKSLASH: InvalidNameError,
        _CONTROL: InvalidNameError,
    }

    @pytest.fixture
    def driver(self, shared_driver: AzureDriver) -> AzureDriver:
        """Return the driver that all tests share."""
        return shared_driver

    @pytest.fixture
    def storage_class(self) -> str:
        """Return a class that is not the default one."""
        return "Cool"
