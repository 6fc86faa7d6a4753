"""One program on all drivers: only the line that makes the driver is another."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from drivers.all_drivers import ALL_DRIVERS, Way

from servers.gcs_json import respond
from servers.gcs_model import KEY, SECRET, Model, serve

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("all_drivers")]

# fake-gcs-server keeps a key with an empty value where metadata are taken away.
_FAULTS = {"gcs": (", ('note', '')", "")}
_LINE = re.compile(r"^driver = .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def program(project: Path) -> str:
    return (project / "docs/examples/portable.py").read_text("utf-8")


@pytest.fixture(scope="module")
def printed(program: str) -> str:
    """Return what the program prints as it is."""
    return run("-c", program)


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", *command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout


def test_a_program_runs_with_an_hmac_key_of_google(program: str, printed: str) -> None:
    """No server that others wrote takes such keys; this one follows Google's documentation."""
    with serve(Model(), respond) as model:
        way = Way("gcs", (KEY, SECRET), {"endpoint": model.url, "project": "project"})
        other = _LINE.sub(lambda found: f"driver = {way.line}", program)

        assert printed == run("-c", other)


@pytest.mark.parametrize("name", ALL_DRIVERS)
def test_a_program_runs_on_every_driver(
    request: pytest.FixtureRequest, program: str, printed: str, name: str
) -> None:
    """It prints the same, whatever stands in its one line."""
    line = f"driver = {ALL_DRIVERS[name](request).line}"
    other, count = _LINE.subn(lambda found: line, program)
    assert 1 == count

    assert printed == run("-c", other).replace(*_FAULTS.get(name, ("\0", "")))
    assert "ObjectAlreadyExistsError" in printed


@pytest.mark.parametrize("name", ALL_DRIVERS)
def test_the_quickstart_runs_on_every_driver(
    request: pytest.FixtureRequest, project: Path, tmp_path: Path, name: str
) -> None:
    """It takes the driver, and what makes it, from its command line."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "notes.txt").write_text("first\nlast\n", "utf-8")
    (tmp_path / "deep/large.bin").write_bytes(bytes(range(256)) * 5_000)

    output = run(
        str(project / "docs/examples/quickstart.py"),
        str(tmp_path),
        *ALL_DRIVERS[name](request).words,
    )

    assert "Verified 2 downloads" in output
    assert "Deleted" in output
