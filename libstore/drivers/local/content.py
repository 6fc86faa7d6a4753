"""What is done with open files: reading, writing, copying, naming."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from contextlib import suppress

from ...arguments import shorten
from ...transfer.local_files import write_all
from ...values import MiB
from .attributes import remove_side_files
from .tree import RESERVED, directories_below, opened_down, os_errors, remove_directories

# The most bytes of a path that an error shows.
_SHOWN = 120


class FileBody:
    """The bytes of an open file, with the library's errors."""

    def __init__(self, file: io.FileIO, *path: str) -> None:
        self._file = file
        self._path = path

    def readinto(self, buffer: memoryview, /) -> int:
        with os_errors(*self._path):
            return self._file.readinto(buffer) or 0


def create(name: str, directory: int) -> int:
    """Create a file that must not be there; its mode is what the umask leaves of 0666."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(name, flags, 0o666, dir_fd=directory)


def stamp(descriptor: int) -> None:
    """
    Set a file's time to this nanosecond.

    The clock that stamps writes moves in steps of up to 10 ms on many systems; two versions could
    have one ETag.
    """
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))


def etag_of(status: os.stat_result) -> str:
    """
    Return what tells one state of a file from another.

    It is not the digest: that would have to be computed for files that others wrote.
    """
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def copy_content(origin: int, target: int) -> None:
    """Copy a file's content; within the kernel where that can be done."""
    position = 0
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):
            while count := os.copy_file_range(origin, target, 64 * MiB, position, position):
                position += count
            return
    while block := os.pread(origin, MiB, position):
        write_all(target, memoryview(block), position)
        position += len(block)


def md5_of(descriptor: int) -> str:
    """Return the digest of an open file's content."""
    digest = hashlib.md5(usedforsecurity=False)
    position = 0
    while block := os.pread(descriptor, MiB, position):
        digest.update(block)
        position += len(block)
    return digest.hexdigest()


def remove_leftovers(container: int) -> None:
    """Remove what is no object: empty directories, our own files, links and special files."""
    remove_side_files(container)
    trees = list(directories_below(container, "."))
    for pieces, names in trees:
        for name in names:
            # What cannot be removed keeps the container from being removed, which is then told.
            with suppress(OSError), opened_down(container, pieces) as directory:
                mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
                ours = pieces == ["."] and name.startswith(RESERVED)
                if ours or not stat.S_ISREG(mode):
                    os.unlink(name, dir_fd=directory)
    for pieces, _ in reversed(trees[1:]):
        with suppress(OSError):
            remove_directories(container, [pieces])


def what_is_left(container: int) -> str:
    """Return the message of an error: what keeps a container that has no objects."""
    with suppress(OSError):
        for pieces, names in directories_below(container, "."):
            if names:
                path = os.fsencode("/".join([*pieces[1:], min(names)]))
                try:
                    return f"the container holds {shorten(path.decode())}, put there meanwhile"
                except UnicodeDecodeError:
                    shown = repr(path) if len(path) <= _SHOWN else f"{path[-_SHOWN:]!r} (its end)"
                    return (
                        f"the container holds {shown}, which is no object, for its name is not"
                        " UTF-8; delete it or rename it by another program"
                    )
    return "there are files that are no objects, or others put objects into it"
