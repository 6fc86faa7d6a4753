"""What the tests of the local driver share: pictures of a tree, and programs of their own."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import libstore
from libstore import Container, Object, StorageDriver, get_driver

Kept = Literal["xattr", "file"]

# How long a program of ours may take before a test gives up on it.
PATIENCE = 60.0


def local_driver(root: str | Path, **options: Any) -> StorageDriver:
    """Return a local driver; the type that the registry gives away is the general one."""
    return get_driver("local")(str(root), **options)


def new_container(root: Path, **options: Any) -> Container:
    """Return an empty container called "c" below a root."""
    return local_driver(root, **options).create_container("c")


def has_extended_attributes(directory: Path) -> bool:
    """Return whether files below a directory can have extended attributes."""
    if not hasattr(os, "setxattr"):
        return False
    probe = directory / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.probe", b"1")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def picture(top: Path) -> dict[str, str]:
    """Return all that can be seen of a tree: kind, mode, content and links, by relative path."""
    seen: dict[str, str] = {}
    for directory, folders, files in os.walk(os.fsencode(top)):
        for name in folders + files:
            path = os.path.join(directory, name)
            seen[os.fsdecode(os.path.relpath(path, os.fsencode(top)))] = _look(path)
    return seen


def _look(path: bytes) -> str:
    mode = os.lstat(path).st_mode
    shown = stat.filemode(mode)
    if stat.S_ISLNK(mode):
        return f"{shown} -> {os.fsdecode(os.readlink(path))}"
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            return f"{shown} {hashlib.sha256(file.read()).hexdigest()}"
    return shown


def md5(content: bytes) -> str:
    """Return the digest that the local driver keeps."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def names(objects: Iterable[Object]) -> list[str]:
    """Return the names of objects."""
    return [obj.name for obj in objects]


def start_python(program: str, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start a Python program that can import the library; it talks through its pipes."""
    return subprocess.Popen(
        _command(program, arguments),
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,
    )


def run_python(program: str, *arguments: object, prefix: Iterable[str] = ()) -> str:
    """Run a Python program to its end and return what it printed."""
    done = subprocess.run(
        [*prefix, *_command(program, arguments)],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _command(program: str, arguments: Iterable[object]) -> list[str]:
    return [sys.executable, "-c", program, *map(str, arguments)]


def _environment() -> dict[str, str]:
    # So that the programs find the same library and the modules beside this one.
    paths = [Path(libstore.__file__).parents[1], Path(__file__).parents[1]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
