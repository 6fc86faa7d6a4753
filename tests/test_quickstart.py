"""Test the quickstart program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def quickstart(project: Path) -> Path:
    return project / "docs/examples/quickstart.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of four files, one of them hidden and one larger than a part."""
    folder = tmp_path / "folder"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "empty.bin").write_bytes(b"")
    (folder / "deep/er/notes.txt").write_text("first\nlast\n", "utf-8")
    (folder / "deep/large.bin").write_bytes(bytes(range(256)) * 70_000)
    (folder / ".hidden").write_text("not for the store", "utf-8")
    return folder


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_quickstart_without_arguments_uploads_the_docs(quickstart: Path) -> None:
    result = run(quickstart)

    assert "" == result.stderr
    assert 0 == result.returncode
    assert "Verified" in result.stdout


@pytest.mark.parametrize("driver", ["local", "memory"])
def test_quickstart_accepts_a_folder_and_a_driver(
    quickstart: Path, folder: Path, driver: str
) -> None:
    result = run(quickstart, folder, driver)

    assert "" == result.stderr
    assert 0 == result.returncode
    assert "Stored   3 files (17,920,011 bytes)" in result.stdout
    assert "Listed   3 objects" in result.stdout
    assert "Opened   deep/large.bin" in result.stdout
    assert "Verified 3 downloads" in result.stdout
    assert "Deleted" in result.stdout


def test_quickstart_passes_arguments_to_the_driver_and_deletes_its_container(
    quickstart: Path, folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"

    result = run(quickstart, folder, "local", store, "fsync=false")

    assert 0 == result.returncode
    assert [] == list(store.iterdir())


def test_quickstart_with_keep_leaves_the_objects(
    quickstart: Path, folder: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"

    result = run(quickstart, "--keep", folder, "local", store)

    assert 0 == result.returncode
    assert ["first\nlast\n"] == [path.read_text("utf-8") for path in store.rglob("notes.txt")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-folder"], "is not a folder"),
        ([".", "locl"], "Did you mean 'local'?"),
        ([".", "memory", "surplus"], "positional argument"),
    ],
)
def test_quickstart_reports_errors_without_a_traceback(
    quickstart: Path, arguments: list[str], message: str
) -> None:
    result = run(quickstart, *arguments)

    assert 0 != result.returncode
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_quickstart_help_names_the_arguments(quickstart: Path) -> None:
    result = run(quickstart, "--help")

    assert 0 == result.returncode
    assert all(name in result.stdout for name in ("FOLDER", "DRIVER", "ARGUMENT", "--keep"))
