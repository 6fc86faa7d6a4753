"""The benchmarks run; what they say is not tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.posix
def test_benchmarks_measure_the_drivers_that_need_no_server() -> None:
    options = ["--rows", "memory-get,local-put", "--clients", "libstore"]
    command = [sys.executable, "-m", "tests.benchmarks", *options]

    done = subprocess.run(
        [*command, "--rounds", "1", "--seconds", "0.01"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert ["memory:", "libstore", "local:", "libstore"] == [line.split()[0] for line in lines], (
        done.stderr
    )
