"""Names that buckets cannot have."""

from __future__ import annotations

import pytest

from libstore import (
    InvalidNameError,
)
from libstore.drivers.gcs import GCSDriver


@pytest.mark.parametrize("name", ["x" * 64, f"{'x' * 64}.y", "192.168.5.4", "a..b", "ab.", "Abc"])
def test_invalid_bucket_names_are_refused(driver: GCSDriver, name: str) -> None:
    with pytest.raises(InvalidNameError):
        driver.create_container(name)
