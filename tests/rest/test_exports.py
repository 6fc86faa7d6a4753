"""Test the public names of the toolkit: complete, sorted and documented."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import libstore
from libstore import rest


def test_public_names_are_sorted_and_unique_constants_first() -> None:
    assert sorted(set(rest.__all__), key=lambda name: (not name.isupper(), name)) == rest.__all__


def test_every_import_of_the_package_is_a_public_name() -> None:
    imported = [
        alias.name
        for node in ast.parse(Path(rest.__file__).read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]

    assert sorted(imported) == sorted(rest.__all__)


def test_no_public_name_is_also_one_of_the_library() -> None:
    assert set() == {*rest.__all__} & {*libstore.__all__}


@pytest.mark.parametrize("name", rest.__all__)
def test_public_name_is_documented(name: str, project: Path) -> None:
    reference = (project / "docs/reference/rest.md").read_text("utf-8")

    assert inspect.getdoc(getattr(rest, name))
    assert f":: {name}\n" in reference
