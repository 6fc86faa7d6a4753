"""The public names: complete, sorted, documented, and the same wherever they are listed."""

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


def test_public_names_are_sorted_and_said_once() -> None:
    assert sorted(set(libstore.__all__)) == libstore.__all__


@pytest.mark.parametrize("name", libstore.__all__)
def test_a_public_name_can_be_had_and_is_documented(name: str) -> None:
    value = getattr(libstore, name)

    assert value is getattr(importlib.import_module(value.__module__), name)
    assert inspect.getdoc(value)


def test_a_star_import_brings_every_public_name() -> None:
    names: dict[str, object] = {}

    exec("from libstore import *", names)

    assert set(libstore.__all__) <= names.keys()


def test_dir_tells_of_names_that_are_not_loaded_yet() -> None:
    assert "__version__" in dir(libstore)


def test_dir_tells_of_nothing_that_is_not_public() -> None:
    assert libstore.errors.__name__ == "libstore.errors"

    assert libstore.__all__ == [name for name in dir(libstore) if not name.startswith("_")]


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = libstore.nothing


def test_the_lazy_table_and_the_type_checkers_imports_agree() -> None:
    seen = {
        (node.module, alias.name)
        for block in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text("utf-8")))
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lazy = {(room, name) for room, names in libstore._ROOMS.items() for name in names}

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


def test_every_driver_is_in_the_registry_under_its_own_name() -> None:
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


def test_type_checkers_know_the_class_of_every_driver() -> None:
    """There is one overload of `get_driver` for each, and one for all others."""
    tree = ast.parse((PACKAGE / "registry.py").read_text("utf-8"))
    told = {
        ast.unparse(node.args.args[0].annotation or node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "get_driver"
    }

    drivers = {f"Literal[{name!r}]" for name in registry._BUILTIN}
    assert drivers | {"S3Service", "str"} == told


def test_no_two_topics_of_the_conformance_suite_share_a_test() -> None:
    """Of two tests of one name in one class, pytest would run one and nobody would know."""
    testing = importlib.import_module("libstore.testing")

    names = Counter(
        name
        for topic in testing.DriverConformance.__mro__
        for name in vars(topic)
        if name.startswith("test")
    )

    assert [] == [name for name, count in names.items() if count > 1]


def test_the_reference_has_every_public_name(project: Path) -> None:
    reference = (project / "docs/api.md").read_text("utf-8")

    missing = [name for name in libstore.__all__ if f":: {name}\n" not in reference]
    assert [] == missing
