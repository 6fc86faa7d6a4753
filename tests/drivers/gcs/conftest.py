"""A model of Google Cloud Storage, and a driver with one bucket in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.gcs.support import made

from libstore.drivers.gcs import GCSDriver
from servers import gcs_json
from servers.gcs_model import Model, serve


@pytest.fixture
def model() -> Iterator[Model]:
    with serve(Model(), gcs_json.respond) as model:
        yield model


@pytest.fixture
def driver(model: Model) -> Iterator[GCSDriver]:
    with made(model) as driver:
        driver.create_container("box")
        model.seen.clear()
        model.headers.clear()
        yield driver
