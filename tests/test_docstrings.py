"""
Docstrings of public names have the form that contributing.md describes.

A docstring of one line is one sentence. In a longer one the quotes have lines of their own, the
first sentence stands in the first line alone, and sections are Google's, without types. The
drivers' classes are public too, though `get_driver` is the way to them; and hooks are documented
for those who write drivers.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libstore
from libstore import get_driver, registry, rest

#: The modules whose `__all__` is public.
PUBLIC = (libstore, rest)
SECTIONS = {"Args", "Attributes", "Example", "Raises", "Returns", "Yields"}
#: What other styles, or a slip of the finger, would write.
MISSPELT = re.compile(
    r"^(args|arg|arguments?|params?|parameters?|raise|raises|returns?|yields?|notes?|examples?|"
    r"attributes?|attrs?|todo|warnings?) ?:?$",
    re.IGNORECASE,
)
ENTRY = re.compile(r"(\*{0,2}[A-Za-z_]\w*)( \([^)]*\))?:(?: |$)")
MAX_WIDTH = 99


def public_classes() -> list[type]:
    exported = [getattr(module, name) for module in PUBLIC for name in module.__all__]
    drivers = [get_driver(name) for name in registry._BUILTIN]
    return [value for value in [*exported, *drivers] if isinstance(value, type)]


def documented() -> Iterator[tuple[str, Any]]:
    """Yield the public things that need a docstring, by name."""
    for module in PUBLIC:
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield name, value
    for cls in public_classes():
        yield cls.__name__, cls
        for name, member in members(cls):
            if not (name.startswith("_") or overrides(cls, name)):
                yield f"{cls.__name__}.{name}", member


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what is defined in a class of the library or in a private base of it."""
    public = set(public_classes())
    for ancestor in cls.__mro__:
        if not ancestor.__module__.startswith("libstore"):
            continue
        if ancestor is not cls and ancestor in public:
            continue
        for name, value in vars(ancestor).items():
            plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if isinstance(plain, property) or inspect.isfunction(plain):
                yield name, plain


def overrides(cls: type, name: str) -> bool:
    """Return whether a method is described in a base class."""
    owner = next(ancestor for ancestor in cls.__mro__ if name in vars(ancestor))
    return any(name in vars(ancestor) for ancestor in owner.__mro__[1:])


THINGS = dict(documented())
HOOKS = {
    name: member
    for name, member in members(libstore.StorageDriver)
    if getattr(member, "__qualname__", "").startswith("DriverHooks._")
    and name != "_unsupported"  # it is there for hooks, and is none itself
}
every_thing = pytest.mark.parametrize("name", [*THINGS, *HOOKS])


def docstring(name: str) -> str:
    found = (THINGS | HOOKS)[name].__doc__
    assert found, f"{name} has no docstring"
    return str(found)


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section, by its title; "" for those before the first."""
    found: dict[str, list[str]] = {"": []}
    title = ""
    for line in inspect.cleandoc(text).splitlines():
        if line.endswith(":") and line[:-1] in SECTIONS:
            title = line[:-1]
            assert title not in found, f"two sections {title!r}"
            found[title] = []
        else:
            found[title].append(line)
    return found


def entries(lines: list[str]) -> list[str]:
    """Return the names that the entries of a section describe."""
    tops = [line for line in lines if line.startswith("    ") and not line.startswith("     ")]
    matches = [ENTRY.match(line.strip()) for line in tops]
    for line, match in zip(tops, matches, strict=True):
        assert match, f"not of the form 'name: text': {line!r}"
        assert match[2] is None, f"annotations have the types: {line!r}"
    return [match[1].lstrip("*") for match in matches if match]


@every_thing
def test_first_sentence_is_on_its_own_line(name: str) -> None:
    lines = inspect.cleandoc(docstring(name)).splitlines()

    assert lines[0].endswith(".")
    assert lines[0][0].isupper() or not lines[0][0].isalpha()
    assert not lines[1:] or lines[1] == ""


@every_thing
def test_quotes_of_long_docstrings_are_on_their_own_lines(name: str) -> None:
    text = docstring(name)

    if "\n" in text:
        assert text.startswith("\n")
        assert text.rstrip(" ").endswith("\n")
    assert not text.startswith(" ")


@every_thing
def test_sections_are_known_and_not_empty(name: str) -> None:
    text = inspect.cleandoc(docstring(name))
    odd = [
        line for line in text.splitlines() if MISSPELT.match(line) and line[:-1] not in SECTIONS
    ]

    assert [] == odd
    for title, lines in sections(text).items():
        assert "".join(lines).strip(), f"the section {title!r} is empty"


@every_thing
def test_described_arguments_exist(name: str) -> None:
    thing = (THINGS | HOOKS)[name]
    found = sections(docstring(name))

    if "Args" in found:
        assert set(entries(found["Args"])) <= set(inspect.signature(thing).parameters)
    if "Raises" in found:
        for error in entries(found["Raises"]):
            assert error in libstore.__all__, f"{error} is no public error"
    if "Attributes" in found:
        assert isinstance(thing, type)
        entries(found["Attributes"])


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_described_attributes_exist(cls: type) -> None:
    lines = sections(cls.__doc__ or "").get("Attributes", [])

    assert [] == [one for one in entries(lines) if not (hasattr(cls, one) or one in assigned(cls))]


def assigned(cls: type) -> set[str]:
    """Return the attributes that a class and its bases in the library declare or set on `self`."""
    found: set[str] = set()
    for ancestor in cls.__mro__:
        if not ancestor.__module__.startswith("libstore"):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(ancestor)))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and ast.unparse(node.value) == "self"
            ):
                found.add(node.attr)
    return found


# ---------------------------------------------------------------------- handles and their driver


#: Operations that only the driver has, and methods that only handles have.
OF_DRIVERS = {
    "abort_upload",
    "close",
    "container",
    "create_container",
    "get_container",
    "list_containers",
    "list_parts",
    "supports",
    "sync",
}
OF_HANDLES = {"as_file", "refresh"}
#: The arguments of a driver's method in whose place a handle's method is called.
TAKEN = {
    libstore.Container: [("container",), ()],
    libstore.Object: [("obj",), ("container", "name")],
}


def methods(cls: type) -> dict[str, Callable[..., Any]]:
    return {
        name: getattr(cls, name)
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }


OPERATIONS = methods(libstore.StorageDriver)
METHODS = {
    f"{cls.__name__}.{name}": (cls, function)
    for cls in (libstore.Container, libstore.Object)
    for name, function in methods(cls).items()
    if name not in OF_HANDLES
}
REFERENCES = {
    name: set(re.findall(r"`((?:Container|Object)\.\w+)`", operation.__doc__ or ""))
    for name, operation in OPERATIONS.items()
}


def operation_of(method: str) -> str:
    """Return the driver's operation that a handle's method calls."""
    named = (operation for operation, methods in REFERENCES.items() if method in methods)
    return next(named, method.partition(".")[2])


def test_each_operation_has_its_reference_at_a_handle() -> None:
    assert OF_DRIVERS == {name for name, methods in REFERENCES.items() if not methods}
    assert set().union(*REFERENCES.values()) <= METHODS.keys()
    assert sum(map(len, REFERENCES.values())) == len(set().union(*REFERENCES.values()))
    assert OPERATIONS.keys() >= {operation_of(method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_handle_and_driver_have_the_same_signature(method: str) -> None:
    cls, function = METHODS[method]
    operation = inspect.signature(OPERATIONS[operation_of(method)])
    own = inspect.signature(function)
    expected = list(operation.parameters.values())[1:]
    candidates = [
        [
            str(each).replace("Object | str", "Object")
            for each in expected
            if each.name not in taken
        ]
        for taken in TAKEN[cls]
    ]

    given = [str(each).replace("Object | str", "Object") for each in own.parameters.values()]
    assert given[1:] in candidates
    assert own.return_annotation == operation.return_annotation


@pytest.mark.parametrize("method", METHODS)
def test_reference_of_a_handle_describes_each_argument(method: str) -> None:
    _, function = METHODS[method]
    described = set(entries(sections(function.__doc__ or "").get("Args", [])))
    rest = set(inspect.signature(function).parameters) - described - {"self"}
    if rest:
        text = " ".join((function.__doc__ or "").split())
        match = re.search(r"(?:arguments|options of a write) are those of `([\w.]+)`", text)
        assert match, f"not described: {', '.join(sorted(rest))}"
        name = match[1] if "." in match[1] else f"Container.{match[1]}"
        other = METHODS[name][1].__doc__ or ""
        assert rest <= set(entries(sections(other).get("Args", []))) | elsewhere(other)


def elsewhere(text: str) -> set[str]:
    """Return the arguments that a docstring leaves to that of `Container.upload_object`."""
    if "those of `upload_object`" not in " ".join(text.split()):
        return set()
    return set(entries(sections(libstore.Container.upload_object.__doc__ or "")["Args"]))


@pytest.mark.parametrize(
    "method",
    [name for name, (_, function) in METHODS.items() if ">>>" in (function.__doc__ or "")],
)
def test_examples_of_a_handle_run(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    driver = get_driver("memory")()
    photos = driver.create_container("photos")
    cat = photos.upload_object(b"meow", "2026/cat.jpg")
    photos.upload_object(b"woof", "2026/may/dog.jpg")
    names = {"driver": driver, "photos": photos, "cat": cat}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)

    for test in doctest.DocTestFinder().find(METHODS[method][1], method, globs=names):
        report: list[str] = []
        runner.run(test, out=report.append)
        assert not report, "".join(report)
