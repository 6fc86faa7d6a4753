"""
The floors of the house: who may import whom.

A room is a module of `libstore`, or a package of it with all that is in it. Each may import what
is listed beside it and nothing else of ours, and all of that lies on lower floors; so no arrow
runs up and none in a circle. What only a type checker reads (``if TYPE_CHECKING:``) is free.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import libstore

PACKAGE = Path(libstore.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: From the ground up: rooms, and what they may import of ours. "transfer" is all of that package,
#: "transfer.options" one module of it, "libstore" the public names.
FLOORS: tuple[dict[str, str], ...] = (
    {
        "readonly": "",
    },
    {
        "values": "readonly",
        "errors": "",
        "content_types": "",
        "redaction": "",
        "version": "",
    },
    {
        "arguments": "values errors",
        "buffers": "values",
    },
    {
        "retry": "values errors arguments",
        "listing": "values errors arguments",
        "registry": "arguments errors",
    },
    {
        "transfer": "values errors arguments retry buffers",
        "http": "values errors arguments retry buffers redaction version",
    },
    {
        "auth": "arguments errors http redaction retry",
        "files": "values errors transfer buffers",
        "handles": "readonly values errors redaction",
    },
    {
        "deleting": "values errors listing",
    },
    {
        "hooks": "values errors retry listing transfer deleting",
    },
    {
        "core": "values errors content_types arguments handles hooks redaction",
    },
    {
        "capabilities": "values errors redaction arguments listing transfer files handles core",
    },
    {
        "base": "values errors redaction arguments retry listing transfer handles core"
        " capabilities deleting",
    },
    {
        "rest": "values errors arguments redaction retry listing hooks base http auth"
        " transfer.options transfer.payload",
    },
    {
        "drivers": "values errors arguments content_types redaction retry listing registry hooks"
        " base rest http auth transfer.aborting transfer.workers transfer.local_files"
        " transfer.options transfer.payload transfer.part_sizes",
    },
    {
        "libstore": "version",
    },
    {
        "testing": "libstore",
    },
)
ROOMS = {room: set(allowed.split()) for floor in FLOORS for room, allowed in floor.items()}

#: What may be imported that is neither ours nor Python's own, by room; "" is for every room.
FOREIGN = {
    "": {"typing_extensions"},
    "http": {"requests", "urllib3"},
    "testing": {"pytest", "requests"},
}

_FOR_CHECKERS = {"TYPE_CHECKING", "typing.TYPE_CHECKING"}

MAX_FILE = 550
MAX_FUNCTION = 40


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(dotted(path))
    allowed = ROOMS[room]

    forbidden = sorted(
        target
        for target in own_imports(path)
        if room_of(target) != room and not allowed & {target, room_of(target)}
    )

    assert [] == forbidden


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_nothing_foreign_but_what_it_may(path: Path) -> None:
    allowed = FOREIGN[""] | FOREIGN.get(room_of(dotted(path)), set()) | sys.stdlib_module_names

    assert [] == sorted(set(foreign_imports(path)) - allowed)


def test_every_room_imports_from_lower_floors_only() -> None:
    below: set[str] = set()
    for floor in FLOORS:
        for room, allowed in floor.items():
            assert {name.partition(".")[0] for name in allowed.split()} <= below, room
        below |= floor.keys()


def test_imports_are_found_wherever_they_are() -> None:
    """All but those that only a type checker reads."""
    source = """
import a
if TYPE_CHECKING:
    import none
else:
    import b
if not TYPE_CHECKING:
    import c
if TYPE_CHECKING or x:
    import d
def f():
    try:
        from . import e
    except ImportError:
        import f
"""
    found = [node.names[0].name for node in imports(ast.parse(source))]

    assert list("abcdef") == found


def test_every_module_is_in_a_room() -> None:
    assert {room_of(dotted(path)) for path in MODULES} <= ROOMS.keys()


@pytest.mark.parametrize("package", ["drivers", "capabilities"])
def test_a_driver_or_capability_knows_no_other(package: str) -> None:
    for path in (PACKAGE / package).rglob("*.py"):
        own = dotted(path).split(".")
        for target in own_imports(path):
            parts = target.split(".")
            if parts[0] == package:
                assert own[:2] == parts[:2], f"{path} imports {target}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {dotted(path): set(own_imports(path)) for path in MODULES}
    while free := {module for module, targets in graph.items() if not targets & graph.keys()}:
        graph = {module: targets for module, targets in graph.items() if module not in free}

    assert {} == graph


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path: Path) -> None:
    """A function is as long as what it does: its signature and docstring are not counted."""
    source = path.read_text("utf-8")
    too_long = {
        node.name: length
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := length_of(node)) > MAX_FUNCTION
    }

    assert len(source.splitlines()) <= MAX_FILE
    assert {} == too_long


def dotted(path: Path) -> str:
    """Return a module's name within libstore; "libstore" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return name or "libstore"


def room_of(module: str) -> str:
    return module.partition(".")[0]


def own_imports(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a module imports."""
    # Where a relative import of one dot begins.
    package = list(path.relative_to(PACKAGE).parts[:-1])
    for node in imports(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base += node.module.split(".") if node.module else []
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "libstore":
            base = (node.module or "").split(".")[1:]
        else:
            names = [alias.name.split(".") for alias in node.names]
            yield from (
                ".".join(name[1:]) or "libstore" for name in names if name[0] == "libstore"
            )
            continue
        for alias in node.names:
            deeper = [*base, alias.name]
            yield ".".join(deeper if is_module(deeper) else base) or "libstore"


def foreign_imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages, Python's own included, that a module imports."""
    for node in imports(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [] if node.level else [node.module or ""]
        yield from (root for name in names if (root := name.partition(".")[0]) != "libstore")


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports, those in functions too, but not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test) in _FOR_CHECKERS:
            for child in node.orelse:
                yield from imports(ast.Module([child], []))
        else:
            yield from imports(node)


def is_module(parts: list[str]) -> bool:
    place = PACKAGE.joinpath(*parts)
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def length_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body, without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
