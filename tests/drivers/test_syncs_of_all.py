"""What a second sync sends to each service: nothing."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from drivers.all_drivers import ALL_DRIVERS

from libstore import get_driver


@pytest.mark.server
@pytest.mark.xdist_group("all_drivers")
@pytest.mark.parametrize("name", ALL_DRIVERS)
def test_second_sync_sends_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    driver = ALL_DRIVERS[name](request).driver()
    container = driver.create_container(f"sync-{uuid.uuid4().hex[:12]}")
    memory = get_driver("memory")().create_container("c")
    source, copy = tmp_path / "source", tmp_path / "copy"
    for number in range(40):
        (source / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        (source / f"d{number % 3}" / f"{number}.txt").write_bytes(b"%d" % number)
    try:
        ends = [(source, container), (container, copy), (container, memory)]
        first = [driver.sync(*each) for each in ends]
        second = [driver.sync(*each, delete=True) for each in ends]
        (source / "d0/0.txt").write_bytes(b"changed")
        (source / "d1/1.txt").unlink()
        third = [driver.sync(*each, delete=True) for each in ends]
    finally:
        driver.delete_container(container)

    assert [40] * 3 == [report.transferred for report in first], first
    assert [(0, 40, 0)] * 3 == [
        (report.transferred, report.unchanged, report.deleted) for report in second
    ]
    assert [(1, 38, 1)] * 3 == [
        (report.transferred, report.unchanged, report.deleted) for report in third
    ]
    assert b"changed" == (copy / "d0/0.txt").read_bytes()
