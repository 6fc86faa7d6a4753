"""Test the public names: complete, sorted, documented, and equal wherever they are listed."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections import Counter
from pathlib import Path

import pytest

import libstore
from libstore import StorageDriver, get_driver, list_drivers, registry

PACKAGE = Path(libstore.__file__).parent


def test_public_names_are_sorted_and_unique() -> None:
    assert sorted(set(libstore.__all__)) == libstore.__all__


@pytest.mark.parametrize("name", libstore.__all__)
def test_public_name_is_importable_and_documented(name: str) -> None:
    value = getattr(libstore, name)

    assert value is getattr(importlib.import_module(value.__module__), name)
    assert inspect.getdoc(value)


def test_star_import_has_every_public_name() -> None:
    names: dict[str, object] = {}

    exec("from libstore import *", names)

    assert set(libstore.__all__) <= names.keys()


def test_dir_lists_names_that_are_not_loaded() -> None:
    assert "__version__" in dir(libstore)


def test_dir_lists_public_names_only() -> None:
    assert libstore.errors.__name__ == "libstore.errors"

    assert libstore.__all__ == [name for name in dir(libstore) if not name.startswith("_")]


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = libstore.nothing


def test_lazy_names_match_the_imports_for_type_checkers() -> None:
    seen = {
        (node.module, alias.name)
        for block in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text("utf-8")))
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lazy = {(module, name) for module, names in libstore._NAMES.items() for name in names}

    assert seen == lazy
    assert set(libstore.__all__) == {name for _, name in lazy}


def test_every_error_is_public() -> None:
    errors = importlib.import_module("libstore.errors")

    assert set(errors.__all__) <= set(libstore.__all__)
    assert set(errors.__all__) == {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, libstore.StorageError)
    }


def test_every_driver_is_registered_under_its_name() -> None:
    modules = {
        path.stem
        for path in (PACKAGE / "drivers").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or path.is_dir())
    }

    assert modules == registry._BUILTIN.keys()
    for name, target in registry._BUILTIN.items():
        assert target.startswith(f"libstore.drivers.{name}:")
        cls: type[StorageDriver] = get_driver(name)
        assert issubclass(cls, StorageDriver)
        assert name == cls.name
    assert modules <= set(list_drivers())


def test_get_driver_has_an_overload_for_every_driver() -> None:
    """`get_driver` has one overload for each driver, and one for all others."""
    tree = ast.parse((PACKAGE / "registry.py").read_text("utf-8"))
    annotations = {
        ast.unparse(node.args.args[0].annotation or node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "get_driver"
    }

    drivers = {f"Literal[{name!r}]" for name in registry._BUILTIN}
    assert drivers | {"S3Service", "str"} == annotations


def test_conformance_tests_have_unique_names() -> None:
    """Of two tests with one name in one class, pytest would run only one."""
    testing = importlib.import_module("libstore.testing")

    names = Counter(
        name
        for topic in testing.DriverConformance.__mro__
        for name in vars(topic)
        if name.startswith("test")
    )

    assert [] == [name for name, count in names.items() if count > 1]


def test_api_reference_has_every_public_name(project: Path) -> None:
    pages = (project / "docs/reference").glob("*.md")
    reference = "".join(page.read_text("utf-8") for page in pages)

    missing = [name for name in libstore.__all__ if f":: {name}\n" not in reference]
    assert [] == missing
