"""The driver that the tests of Azure run on a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from drivers.azure.support import made

from libstore.drivers.azure import AzureDriver

if TYPE_CHECKING:
    from scripted import Server


@pytest.fixture
def driver(server: Server) -> Iterator[AzureDriver]:
    with made(server) as driver:
        yield driver
