"""Test what importing the library imports."""

from __future__ import annotations

import json
import subprocess
import sys

WIRE = {"requests", "urllib3", "ssl", "http.client"}


def modules_after(code: str) -> set[str]:
    """Return the modules that a new interpreter has imported after running some code."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\n{report}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return set(json.loads(output))


def test_driver_without_a_network_imports_no_http() -> None:
    loaded = modules_after("import libstore; libstore.get_driver('local')")

    assert set() == loaded & WIRE
    assert "libstore.drivers.memory" not in loaded


def test_importing_the_library_imports_no_submodules() -> None:
    loaded = modules_after("import libstore")

    own = {name for name in loaded if name.startswith("libstore")}
    assert {"libstore", "libstore.version"} == own


def test_values_and_errors_import_only_readonly() -> None:
    loaded = modules_after("import libstore.values, libstore.errors")

    own = {name.partition("libstore.")[2] for name in loaded if name.startswith("libstore.")}
    assert {"version", "values", "errors", "readonly"} == own
