"""
A plugin for pytest that takes away what Windows does not have, and enforces what it enforces.

It must be imported before libstore, and is for a process of its own: `pytest -p windows`. What it
cannot imitate are the paths of Windows.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from types import FrameType
from typing import Any

# What these modules have decided by the platform stays; they are not what is tested.
import hypothesis  # noqa: F401
import pytest
import requests  # noqa: F401

MISSING_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
#: https://docs.python.org/3/library/os.html gives the availability of each function. link() exists
#: on Windows, but not on each of its file systems.
MISSING = (
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_TMPFILE"),
    *("copy_file_range", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"),
    *(
        "getuid",
        "getxattr",
        "killpg",
        "link",
        "listxattr",
        "lockf",
        "mkfifo",
        "mknod",
    ),
    *("pread", "preadv", "pwrite", "pwritev", "register_at_fork", "removexattr", "sendfile"),
    *("set_blocking", "setxattr", "statvfs", "uname"),
)
BINARY = 0x8000_0000
_unlink, _replace, _link, _open = os.unlink, os.replace, os.link, os.open


def _is_open(path: Any) -> bool:
    """Return whether this process has a file open."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and os.path.samestat(found, status):
            return True
    return False


def _refuse_open_files(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function, unless a path that it gets is that of an open file."""
    for path in arguments:
        if _is_open(path):
            raise PermissionError(13, "another process is using the file", path)
    return function(*arguments)


def _refuse_descriptors(options: dict[str, Any]) -> None:
    if any(options.get(name) is not None for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")):
        raise NotImplementedError("dir_fd unavailable on this platform")


def _is_of_library(frame: FrameType) -> bool:
    return str(frame.f_globals["__name__"]).startswith("libstore.")


def checked_unlink(path: Any, **options: Any) -> None:
    _refuse_descriptors(options)
    _refuse_open_files(_unlink, (path,))


def checked_replace(source: Any, target: Any, **options: Any) -> None:
    _refuse_descriptors(options)
    _refuse_open_files(_replace, (source, target))


def checked_rename(source: Any, target: Any, **options: Any) -> None:
    """Rename a file, unless the new name exists."""
    _refuse_descriptors(options)
    _refuse_open_files(_link, (source, target))
    _unlink(source)


def checked_open(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
    _refuse_descriptors(options)
    if _is_of_library(sys._getframe(1)) and not flags & BINARY:
        raise AssertionError(f"{path!r} is opened in text mode, which changes line ends")
    return _open(path, flags & ~BINARY, mode)


def checked_file(file: Any, *arguments: Any, **options: Any) -> Any:
    if not isinstance(file, int) and os.path.isdir(file):
        raise PermissionError(13, "Permission denied", file)
    return io.open(file, *arguments, **options)  # noqa: UP020 - the builtin is replaced


def _replaced() -> list[tuple[Any, str, Any]]:
    """Return modules, names and what they become."""
    return [
        *((os, name, checked_unlink) for name in ("unlink", "remove")),
        (os, "replace", checked_replace),
        (os, "rename", checked_rename),
        (os, "open", checked_open),
        (builtins, "open", checked_file),
        (os, "O_BINARY", BINARY),
        *((os, name, set[Any]()) for name in ("supports_dir_fd", "supports_fd")),
        # Elsewhere a temporary file has no name, because it is removed while it is open.
        (tempfile, "TemporaryFile", tempfile.NamedTemporaryFile),
        (sys, "platform", "win32"),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Install it before libstore is imported."""
    assert "libstore" not in sys.modules
    for module, name, value in _replaced():
        setattr(module, name, value)
    for name in MISSING:
        if hasattr(os, name):
            delattr(os, name)
    sys.modules.update(dict.fromkeys(MISSING_MODULES))  # type: ignore[arg-type]
