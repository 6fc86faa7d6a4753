"""What the driver requires of the operating system, and locks of directories."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from ...errors import NotSupportedError

_fcntl: Any
try:
    import fcntl as _module
except ImportError:  # Windows has no such module
    _fcntl = None
else:
    _fcntl = _module

#: Flags of POSIX systems. Python sets close-on-exec itself: https://peps.python.org/pep-0446/
O_DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)
O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)

# The errors of a file system without locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.EINVAL, errno.ENOSYS)
_RELATIVE = ("link", "mkdir", "open", "rename", "rmdir", "stat", "unlink")
_OF_DESCRIPTORS = ("listdir", "scandir", "utime")
_SUPPORTED = (
    all((_fcntl, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK))
    and all(hasattr(os, name) for name in ("pread", "pwrite"))
    and all(getattr(os, name, None) in os.supports_dir_fd for name in _RELATIVE)
    and all(getattr(os, name, None) in os.supports_fd for name in _OF_DESCRIPTORS)
)


def check_system() -> None:
    """
    Check that files can be opened relative to a directory, without following links, and be locked.

    Raises:
        NotSupportedError: The operating system cannot do that.
    """
    if not _SUPPORTED:
        raise NotSupportedError(
            "the local driver requires a POSIX system such as Linux or macOS, with directory"
            f" descriptors and file locks, and this system ({sys.platform}) does not have them;"
            " use another driver, or the Windows Subsystem for Linux"
        )


class Locked:
    """
    Locks a container against changes of names by other threads and processes.

    Args:
        needed: Raise an error if the file system has no locks; otherwise continue without.
        shared: Allow other shared locks, for reading.
    """

    __slots__ = ("_container", "_held", "_needed", "_shared")

    def __init__(self, container: int, *, needed: bool, shared: bool = False) -> None:
        self._container = container
        self._needed = needed
        self._shared = shared

    def __enter__(self) -> None:
        try:
            _fcntl.flock(self._container, _fcntl.LOCK_SH if self._shared else _fcntl.LOCK_EX)
            self._held = True
        except OSError as error:
            if self._needed or error.errno not in _NO_LOCKS:
                raise
            self._held = False

    def __exit__(self, *exception: object) -> None:
        if self._held:
            _fcntl.flock(self._container, _fcntl.LOCK_UN)
