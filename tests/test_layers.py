"""
The layers of the library: which module may import which.

An entry is a module of `libstore`, or a package with everything in it. It may import the entries
that are listed beside it, and nothing else of the library. All of those are in lower layers, so
no import points upwards. Imports for type checkers (``if TYPE_CHECKING:``) count like all others.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import libstore

PACKAGE = Path(libstore.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: From the bottom to the top. "transfer" is that package, "transfer.options" one module of it,
#: and "libstore" the package's own `__init__`.
LAYERS: tuple[dict[str, str], ...] = (
    {
        "readonly": "",
        "errors": "",
        "forks": "",
        "content_types": "",
        "redaction": "",
        "version": "",
        "notebooks": "",
    },
    {
        "values": "readonly errors",
        "patterns": "errors",
        "error_context": "errors redaction",
    },
    {
        "storage_url": "errors redaction",
        "progress_bars": "errors",
        "arguments": "values errors",
        "buffers": "values",
    },
    {
        "retry": "values errors arguments forks",
        "listing": "values errors arguments notebooks",
    },
    {
        "transfer": "values errors arguments forks retry buffers",
        "http": "values errors arguments forks retry buffers redaction version",
    },
    {
        "options": "values errors arguments redaction retry transfer.options",
        "auth": "values arguments errors forks http redaction retry",
        "files": "values errors transfer buffers",
        "deleting": "values errors listing transfer.options transfer.workers",
    },
    {
        "hooks": "values errors retry options transfer.options transfer.payload",
    },
    {
        "core": "values errors content_types arguments deleting hooks listing options retry"
        " transfer.digests transfer.pacing",
    },
    {
        "operations": "readonly values errors patterns error_context redaction arguments options"
        " listing transfer files core",
    },
    {
        "sync": "values errors transfer patterns",
    },
    {
        "handles": "readonly values errors redaction error_context notebooks listing transfer"
        " files operations sync",
    },
    {
        "driver": "values errors error_context redaction arguments storage_url options retry"
        " listing transfer files handles core deleting operations sync",
    },
    {
        "self_signing": "values error_context redaction auth handles driver",
        "rest": "values errors arguments forks options redaction retry listing hooks core driver"
        " http auth transfer.aborting transfer.options transfer.part_sizes transfer.payload"
        " transfer.workers",
    },
    {
        "s3api": "values errors redaction retry hooks rest http auth transfer.payload"
        " transfer.workers",
    },
    {
        "drivers": "self_signing values errors error_context arguments content_types forks options"
        " readonly redaction retry listing hooks handles driver rest s3api http auth"
        " transfer.aborting transfer.local_files transfer.options transfer.part_sizes"
        " transfer.payload transfer.workers",
    },
    {
        "registry": "arguments errors driver drivers",
    },
    {
        "urls": "errors options redaction storage_url driver handles registry",
    },
    {
        "libstore": "version driver operations errors files handles listing progress_bars registry"
        " retry sync transfer urls values",
    },
    {
        "testing": "libstore",
    },
)
ALLOWED = {entry: set(below.split()) for layer in LAYERS for entry, below in layer.items()}

#: Imports that point upwards. Nothing may be added here.
UPWARD = {
    "handles": {"driver"},  # for type checkers only: a handle gets its driver passed in
}

#: The modules that import each other in a circle, because of the imports above.
CIRCLES = [{"driver", "handles"}]

#: Packages besides Python's own and libstore that an entry may import; "" is for every entry.
THIRD_PARTY = {
    "": {"typing_extensions"},
    "http": {"requests", "urllib3"},
    "rest": {"_typeshed"},  # exists for type checkers only
    "testing": {"pytest", "requests"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_what_its_layer_allows(path: Path) -> None:
    entry = entry_of(dotted(path))
    allowed = ALLOWED[entry] | UPWARD.get(entry, set())

    forbidden = sorted(
        target
        for target in own_imports(path)
        if entry_of(target) != entry and not allowed & {target, entry_of(target)}
    )

    assert [] == forbidden


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_the_third_party_packages_that_are_listed(path: Path) -> None:
    listed = THIRD_PARTY[""] | THIRD_PARTY.get(entry_of(dotted(path)), set())

    assert [] == sorted(set(other_imports(path)) - listed - sys.stdlib_module_names)


def test_layers_list_imports_of_lower_layers_only() -> None:
    below: set[str] = set()
    for layer in LAYERS:
        for entry, allowed in layer.items():
            assert {name.partition(".")[0] for name in allowed.split()} <= below, entry
        below |= layer.keys()


def test_every_upward_import_is_still_there() -> None:
    found: dict[str, set[str]] = {}
    for path in MODULES:
        targets = map(entry_of, own_imports(path))
        found.setdefault(entry_of(dotted(path)), set()).update(targets)

    assert {} == {entry: targets for entry, targets in UPWARD.items() if targets - found[entry]}


def test_design_page_shows_these_layers(project: Path) -> None:
    page = (project / "docs/design.md").read_text("utf-8")
    rows = re.findall(r"^\| +(\d+) +\|([^|]+)\|", page, re.MULTILINE)

    shown = {int(number): set(re.findall(r"`(\w+)/?`", names)) for number, names in rows}
    assert dict(enumerate(map(set, LAYERS))) == shown


def test_imports_are_found_wherever_they_are() -> None:
    source = """
import a
if TYPE_CHECKING:
    import b
else:
    import c
def f():
    try:
        from . import d
    except ImportError:
        import e
"""
    found = [node.names[0].name for node in imports(ast.parse(source))]

    assert list("abcde") == sorted(found)


def test_every_module_is_in_a_layer() -> None:
    assert {entry_of(dotted(path)) for path in MODULES} == ALLOWED.keys()


@pytest.mark.parametrize("package", ["drivers", "operations"])
def test_members_of_a_package_do_not_import_each_other(package: str) -> None:
    for path in (PACKAGE / package).rglob("*.py"):
        own = dotted(path).split(".")
        for target in own_imports(path):
            parts = target.split(".")
            if parts[0] == package:
                assert own[:2] == parts[:2], f"{path} imports {target}"


def test_modules_import_each_other_in_no_circle_but_the_known_ones() -> None:
    graph = {dotted(path): set(own_imports(path)) for path in MODULES}
    reached = {module: reachable(module, graph) for module in graph}

    circles = {
        frozenset(other for other in targets if module in reached[other])
        for module, targets in reached.items()
        if module in targets
    }

    assert CIRCLES == sorted(circles, key=sorted)


def dotted(path: Path) -> str:
    """Return a module's name within libstore; "libstore" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return name or "libstore"


def entry_of(module: str) -> str:
    return module.partition(".")[0]


def reachable(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, directly or through others."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def own_imports(path: Path) -> Iterator[str]:
    """Yield the modules of libstore that a module imports."""
    package = list(path.relative_to(PACKAGE).parts[:-1])  # a relative import starts here
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


def other_imports(path: Path) -> Iterator[str]:
    """Yield the top-level packages, Python's own included, that a module imports."""
    for node in imports(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [] if node.level else [node.module or ""]
        yield from (root for name in names if (root := name.partition(".")[0]) != "libstore")


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports, also those in functions and for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node


def is_module(parts: list[str]) -> bool:
    path = PACKAGE.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
