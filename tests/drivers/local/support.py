"""Snapshots of a tree, and programs that tests of the local driver run."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import libstore
from libstore import Container, Object, get_driver
from libstore.drivers.local import LocalDriver

Kept = Literal["auto", "xattr", "file"]

# How long a program may take before its test fails.
TIMEOUT = 60.0


def local_driver(root: str | Path, **options: Any) -> LocalDriver:
    """Return a local driver, found by its name as users find it."""
    return get_driver("local")(root, **options)


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


def snapshot(top: Path) -> dict[str, str]:
    """Return all that can be seen of a tree: kind, mode, content and links, by relative path."""
    seen: dict[str, str] = {}
    for directory, folders, files in os.walk(os.fsencode(top)):
        for name in folders + files:
            path = os.path.join(directory, name)
            seen[os.fsdecode(os.path.relpath(path, os.fsencode(top)))] = _entry(path)
    return seen


def _entry(path: bytes) -> str:
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


@contextmanager
def python_running(program: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program that talks through its pipes, and end it at the block's end."""
    with subprocess.Popen(
        _command(program, arguments),
        bufsize=0,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_python(program: str, *arguments: object, prefix: Iterable[str] = ()) -> str:
    """Run a Python program to its end and return what it printed."""
    done = subprocess.run(
        [*prefix, *_command(program, arguments)],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _command(program: str, arguments: Iterable[object]) -> list[str]:
    return [sys.executable, "-c", program, *map(str, arguments)]


def _environment() -> dict[str, str]:
    # So that the programs find the same library and the modules beside this one.
    paths = [Path(libstore.__file__).parents[1], Path(__file__).parents[2]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


# Names without white space are words; those with it stand in hostile_names().
_UP_AND_ABSOLUTE = r"""
    .. . ... .... ./x a/. a/.. a/./b a/../b ../a/.. ..//x /.. /../x //../x a/b/../../../x .a a. ..a
    a.. a/.../b ..;/x / // /// /x //x /etc/passwd //host/share a//b a/ a/b/ a// /dev/null ~ ~root/x
    /proc/self/root/etc/passwd file:///etc/passwd ~/x
"""
_RESERVED = """
    .libstore- .libstore-0123456789abcdef .libstore-attributes .libstore-x/y .libstore-attributes/1
    d/.libstore-x ./.libstore-x .libstore .LIBSTORE-x
"""
_OTHER_SYSTEMS = r"""
    \ ..\ ..\x a\..\..\x C:\x C:/x C:x \\host\share\x \\?\C:\x a\b \..\x ..\/x CON nul.txt x::$DATA
    a:b x. %2e%2e/x %2e%2e%2fx ..%2fx ..%5cx %2e/x ..%252fx %252e%252e/x ..%c0%afx %c0%ae%c0%ae/x
    %00 a%00b %2F % %% %zz a+b a%20b - -- -rf * ? [a] $HOME/x `id` $(id) a;b a|b a&b " ' <x> # !
    a=b
"""
# Letters, dots and slashes that look alike, or that some file system takes for one another.
_ALIKE = (
    "\u2025/x \u2024\u2024/x \u3002\u3002/x \uff0e\uff0e/x ..\u2215x ..\u2044x ..\uff0fx ..\uff3cx"
    " \u202e.. x\u202ey \u00e9 e\u0301 \ufb01 fi K \u212a k \u00df \u1e9e SS ss \u0130 i \u0131 I"
    " \u00c5 \u212b A\u030a A \uff21 \u200b \ufeff \ufeffx .\u200b. a/..\u2060/x \U0001f388"
)


def hostile_names() -> list[str]:
    """Return names that could leave the root, or share a file."""
    words = f"{_UP_AND_ABSOLUTE} {_RESERVED} {_OTHER_SYSTEMS} {_ALIKE}"
    found = [name for name in re.split("[ \n]+", words) if name]
    found += ["../" * depth + "x" for depth in range(1, 21)]
    found += ["a/" * depth + "../" * (depth + 1) + "x" for depth in range(1, 11)]
    found += ["\0", "a\0", "\0a", "a/\0", "a\0/../x", "..\0/x", "../x\0.jpg", "a/b\0c"]
    found += [f"c{chr(code)}d" for code in (*range(1, 32), 127, 128, 0x9F)]
    found += ["x" * 255, "x" * 256, "\u00e9" * 127, "\u00e9" * 128, "\u6f22" * 85, "\u6f22" * 86]
    found += ["/".join(["z" * 255] * 4), "/".join(["z" * 256] * 4), "d/" + "y" * 256, "w" * 1025]
    found += ["/".join("v" * 200), "../" * 341 + "x", "u" * 100_000]
    found += ["\ud800", "\udfff", "a/\udcff", "\udce9/x", "..\ud800", "\udcff/../x", "\ud83d"]
    found += [
        ".. ",
        " ..",
        ". .",
        "..\t",
        "..\n/x",
        "..\u00a0/x",
        "x ",
        " x",
        " ",
        "\u00a0",
        "a b",
    ]
    found += ["\u2028", "a\r\nb: c", "\x1b[2J", "{a, b}"]
    return list(dict.fromkeys(found))


def shown(name: str) -> str:
    """Return a name in a form that can stand in a message."""
    return ascii(name) if len(name) < 80 else f"{name[:60]!a}... ({len(name)})"
