"""The page of features says what the drivers say."""

from __future__ import annotations

import runpy
from pathlib import Path

from libstore import list_drivers


def test_the_tables_are_what_the_drivers_tell(project: Path) -> None:
    """Run `python docs/features.py` where they are not."""
    page = (project / "docs/features.md").read_text("utf-8")
    program = runpy.run_path(str(project / "docs/features.py"))

    assert program["filled"](page) == page, "run `python docs/features.py`"


def test_every_driver_is_in_the_tables(project: Path) -> None:
    program = runpy.run_path(str(project / "docs/features.py"))
    page = (project / "docs/features.md").read_text("utf-8")
    named = {*program["made_drivers"](), *program["SERVICES"]}
    assert {name.partition(" ")[0] for name in named} == set(list_drivers())
    assert all(f"`{name}` |" in page for name in named)
