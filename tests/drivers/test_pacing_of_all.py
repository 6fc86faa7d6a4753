"""That the limit of the rate counts what real servers receive and send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drivers.all_drivers import ALL_DRIVERS

from libstore import TransferOptions
from libstore.values import MiB

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("all_drivers")]

NOW = 1000.0
SMALL, LARGE = b"content" * 100_000, bytes(range(256)) * 4096 * 12
WITH_CLIENT = [label for label in ALL_DRIVERS if label not in {"local", "memory"}]


@pytest.mark.parametrize("label", WITH_CLIENT)
def test_all_bytes_are_counted_and_intact(
    request: pytest.FixtureRequest, label: str, tmp_path: Path
) -> None:
    """The clock stands still, so the limit adds up the seconds of all bytes."""
    options = TransferOptions(5 * MiB, 6 * MiB, 4, max_bytes_per_second=MiB)
    driver: Any = ALL_DRIVERS[label](request).driver(transfer=options)
    waits: list[float] = []
    driver._client.sleep = waits.append
    driver._client.retrier.clock = lambda: NOW
    container = driver.create_container(f"paced-{label}")

    container.upload_object(SMALL, "small")
    container.upload_object(LARGE, "large")
    sent = driver._pacing.limit.reserve(0.0, NOW)
    assert SMALL == container.object("small").read()
    assert {"small": SMALL} == dict(container.read_objects(["small"]))
    assert LARGE == b"".join(container.object("large").stream())
    container.object("large").download(tmp_path / "large")

    assert LARGE == (tmp_path / "large").read_bytes()
    small, large = len(SMALL) / MiB, len(LARGE) / MiB
    assert pytest.approx(small + large - 0.1, abs=0.5) == sent
    received = driver._pacing.limit.reserve(0.0, NOW) - sent
    assert pytest.approx(2 * small + 2 * large, abs=0.5) == received
    assert 0 < max(waits) <= 0.1

    container.delete()
