"""Test the project's files: versions, requirements and commands agree."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import libstore

if sys.version_info >= (3, 11):
    import tomllib

    def load_toml(path: Path) -> dict[str, Any]:
        return tomllib.loads(path.read_text("utf-8"))
else:

    def load_toml(path: Path) -> dict[str, Any]:
        pytest.skip("Python 3.10 cannot read TOML by itself")


@pytest.fixture
def pyproject(project: Path) -> dict[str, Any]:
    return load_toml(project / "pyproject.toml")


@pytest.fixture
def tox(project: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(project / "tox.ini", "utf-8")
    return parser


def lowest_pins(tox: configparser.ConfigParser) -> dict[str, str]:
    pins = tox["testenv:lowest"]["deps"].split()
    return dict(pin.split("==") for pin in pins)


def test_lowest_environment_has_the_lower_bounds(
    pyproject: dict[str, Any], tox: configparser.ConfigParser
) -> None:
    bounds = dict(bound.split(">=") for bound in pyproject["project"]["dependencies"])

    assert bounds == lowest_pins(tox)


@pytest.mark.skipif(
    "LIBSTORE_EXPECT_LOWEST" not in os.environ, reason="only in the environment 'lowest' of tox"
)
def test_lowest_environment_runs_the_lowest_versions(tox: configparser.ConfigParser) -> None:
    pins = lowest_pins(tox)

    assert pins == {name: metadata.version(name) for name in pins}


def test_only_two_packages_are_required(pyproject: dict[str, Any]) -> None:
    names = {
        re.split("[<>=!~]", bound)[0].strip() for bound in pyproject["project"]["dependencies"]
    }

    assert {"requests", "typing-extensions"} == names


def test_version_has_one_source(pyproject: dict[str, Any], project: Path) -> None:
    assert "version" in pyproject["project"]["dynamic"]
    assert "libstore/version.py" == pyproject["tool"]["hatch"]["version"]["path"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", libstore.__version__)
    assert f"## {libstore.__version__} " in (project / "docs/changelog.md").read_text("utf-8")


def test_every_supported_python_has_an_environment(
    pyproject: dict[str, Any], tox: configparser.ConfigParser
) -> None:
    pattern = re.compile(r"Programming Language :: Python :: 3\.(\d+)")
    named = filter(None, map(pattern.fullmatch, pyproject["project"]["classifiers"]))
    environments = {name.strip() for name in tox["tox"]["env_list"].split(",")}

    assert {f"py3{match[1]}" for match in named} == {
        name for name in environments if re.fullmatch(r"py3\d+", name)
    }


def test_source_distribution_has_all_files_that_its_tests_need(pyproject: dict[str, Any]) -> None:
    """README.md, LICENSE and pyproject.toml are always included."""
    included = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]

    assert {"/libstore", "/tests", "/docs", "/tox.ini", "/.ci"} == set(included)


def test_readme_and_ci_run_the_same_command(project: Path) -> None:
    command = "pip install tox && tox"

    assert f"\n{command}\n" in (project / "README.md").read_text("utf-8")
    assert command == (project / ".ci/run").read_text("utf-8").splitlines()[-1]


def test_top_level_has_only_the_expected_files(project: Path) -> None:
    assert {
        *("libstore", "tests", "docs"),
        *("pyproject.toml", "README.md", "LICENSE", "tox.ini"),
    } == {name for name in top_level(project) if not name.startswith(".")}


def top_level(project: Path) -> set[str]:
    """Return the top-level names that git tracks, or that a source archive has."""
    git = shutil.which("git")
    if git is not None and (project / ".git").exists():
        command = [git, "-C", str(project), "ls-files", "-z"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode and done.stdout:
            return {name.partition("/")[0] for name in done.stdout.split("\0") if name}
    # An archive of the sources has no history. What is made in one is no part of it.
    made = {"build", "dist", "node_modules", "__pycache__", "PKG-INFO"}
    return {
        path.name
        for path in project.iterdir()
        if path.name not in made
        and path.suffix != ".egg-info"
        and not (path / "pyvenv.cfg").exists()
    }


@pytest.mark.parametrize("tracked", [True, False])
def test_virtual_environment_in_the_checkout_is_ignored(tmp_path: Path, tracked: bool) -> None:
    """A source archive has no git."""
    for name in ("libstore/a.py", "venv/pyvenv.cfg", "env/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    if tracked:
        git = shutil.which("git") or pytest.skip("git is not installed")
        for command in (["init", "-q"], ["add", "libstore"]):
            subprocess.run([git, "-C", str(tmp_path), *command], check=True)
        (tmp_path / "untracked").touch()

    assert {"libstore"} == {name for name in top_level(tmp_path) if not name.startswith(".")}


def test_readme_links_to_no_file(project: Path) -> None:
    """PyPI shows it without the other files."""
    links = re.findall(r"\]\(([^)]+)\)", (project / "README.md").read_text("utf-8"))

    assert [] == [link for link in links if not link.startswith("https://")]


def test_readme_and_install_page_list_all_extras(pyproject: dict[str, Any], project: Path) -> None:
    for page in ("README.md", "docs/install.md"):
        listed = set(
            re.findall(r"\| `[^`]*libstore\[(\w+)\]", (project / page).read_text("utf-8"))
        )

        assert pyproject["project"]["optional-dependencies"].keys() == listed


def test_links_between_pages_have_targets(project: Path) -> None:
    pages = [project / "README.md", *(project / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(project)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^):\s]+)\)", page.read_text("utf-8"))
        if not has_target(page, target)
    ]

    assert [] == broken


def has_target(page: Path, target: str) -> bool:
    """Return whether a link from a page names a file and, if it has a fragment, a heading."""
    path, _, fragment = target.partition("#")
    linked = page.parent / path if path else page
    if not linked.exists():
        return False
    if not fragment:
        return True
    prose = re.sub(r"^```.*?^```$", "", linked.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,3} (.+)$", prose, re.MULTILINE)
    return fragment in {
        re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings
    }
