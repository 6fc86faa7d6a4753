"""Test that the library needs no POSIX system, apart from the local driver."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PORTABLE = (
    "tests/on_windows.py",
    "tests/drivers/test_memory.py",
    "tests/drivers/s3/test_transfers.py",
    "tests/transfer/test_download.py",
    "tests/transfer/test_partials.py",
    "tests/transfer/test_payload.py",
    "tests/transfer/test_sources.py",
    "tests/transfer/test_workers.py",
)

LOCAL = ("tests/on_macos.py", "tests/drivers/local/test_driver.py::TestLocalDriver")


@pytest.mark.skipif(sys.platform == "win32", reason="these tests run there as they are")
def test_drivers_transfer_without_posix(project: Path, tmp_path: Path) -> None:
    """The other tests of memory, of S3 and of transfers pass without what Windows lacks."""
    _run(
        project,
        tmp_path,
        *("-p", "windows", "--noconftest", "-m", "not server and not posix"),
        *PORTABLE,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="these tests run there as they are")
def test_local_driver_runs_with_what_macos_has(project: Path, tmp_path: Path) -> None:
    """The conformance suite passes on the local driver without what Linux alone has."""
    _run(project, tmp_path, "-p", "macos", *LOCAL)


def _run(project: Path, tmp_path: Path, *arguments: str) -> None:
    """Run tests in a process of their own."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
        *("--basetemp", str(tmp_path / "files")),
        *arguments,
    ]
    ended = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == ended.returncode, ended.stdout[-10_000:] + ended.stderr[-2_000:]
    assert re.search(r"\d{3} passed", ended.stdout)
