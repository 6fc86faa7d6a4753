"""Test that the page of features matches the drivers."""

from __future__ import annotations

import runpy
from pathlib import Path

from libstore import list_drivers
from libstore.hooks import CAPABILITIES, OPTIONS

#: What services cannot do, by their documentation; all else a driver must not lack without a
#: reason, since the conformance suite passes over what a driver says that it lacks.
LACKING = {
    "local": {
        "list_parts", "request", "enable_container_cdn", "enable_object_cdn", "storage_class",
        "list_versions", "enable_versioning",
    },
    "memory": {
        "request", "enable_container_cdn", "enable_object_cdn", "list_versions",
        "enable_versioning",
    },
    "s3": set(),
    # A signature of a version that could bind headers is newer than what emulators know.
    "azure": {"enable_object_cdn", "enable_versioning", "sign_headers"},
    "gcs": set(),
    "gcs (HMAC)": set(),
    "swift": {
        "delete_if_match", "enable_object_cdn", "if_match", "sign_headers", "storage_class",
    },
}  # fmt: skip


def test_tables_match_the_drivers(project: Path) -> None:
    program = runpy.run_path(str(project / "docs/features.py"))

    for path, page in program["pages"]().items():
        assert page == path.read_text("utf-8"), "run `python docs/features.py`"


def test_drivers_support_what_their_services_support(project: Path) -> None:
    program = runpy.run_path(str(project / "docs/features.py"))
    found = {
        name: {one for one in (*CAPABILITIES, *OPTIONS) if not driver.supports(one)}
        for name, driver in program["made_drivers"]().items()
    }
    assert found == LACKING


def test_every_driver_is_in_the_tables(project: Path) -> None:
    program = runpy.run_path(str(project / "docs/features.py"))
    page = (project / "docs/features.md").read_text("utf-8")
    named = {*program["made_drivers"](), *program["SERVICES"]}
    assert {name.partition(" ")[0] for name in named} == set(list_drivers())
    assert all(f"`{name}` |" in page for name in named)
