"""
A plugin for pytest that takes away what macOS does not have, for the tests of the local driver.

It must be imported before libstore, and is for a process of its own: `pytest -p macos`.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import Any

import pytest

#: Names of `os` that are those of Linux: https://docs.python.org/3/library/os.html
MISSING = ("O_PATH", "copy_file_range", "getxattr", "listxattr", "removexattr", "setxattr")
_open, _unlink = os.open, os.unlink


def _mode(path: Any, dir_fd: int | None) -> int:
    """Return the mode of a file; 0 if it does not exist."""
    try:
        return os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
    except OSError:
        return 0


def checked_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    found = _mode(path, dir_fd)
    if stat.S_ISSOCK(found):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
    if stat.S_ISLNK(found) and flags & os.O_NOFOLLOW:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return _open(path, flags, mode, dir_fd=dir_fd)


def checked_unlink(path: Any, *, dir_fd: int | None = None) -> None:
    if stat.S_ISDIR(_mode(path, dir_fd)):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
    _unlink(path, dir_fd=dir_fd)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Install it before libstore is imported."""
    assert "libstore" not in sys.modules
    for name in MISSING:
        if hasattr(os, name):
            delattr(os, name)
    os.supports_dir_fd.update({checked_open, checked_unlink})
    for name, value in (
        ("open", checked_open),
        ("unlink", checked_unlink),
        ("remove", checked_unlink),
    ):
        setattr(os, name, value)
