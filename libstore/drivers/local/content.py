"""Operations on open files: read, write, copy, hash, and clean up."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import stat
import struct
import time
from contextlib import suppress

from ...arguments import shorten
from ...transfer.local_files import write_all
from ...values import MiB
from .attributes import remove_side_files
from .system import O_NOFOLLOW
from .tree import RESERVED, OSErrors, directories_below, opened_down, remove_directories

# The most bytes of a path that an error shows.
_SHOWN = 120
# Arguments of statx: the file is the descriptor itself, and its birth time is wanted.
_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800


class FileBody:
    """The content of an open file, as a `Body` that raises the library's errors."""

    def __init__(self, file: io.FileIO, *path: str) -> None:
        self._file = file
        self._errors = OSErrors(*path)

    def readinto(self, buffer: memoryview, /) -> int:
        with self._errors:
            return self._file.readinto(buffer) or 0


def create(name: str, directory: int) -> int:
    """Create a file that must not exist, with the mode 0666 minus the umask."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | O_NOFOLLOW
    return os.open(name, flags, 0o666, dir_fd=directory)


def stamp(descriptor: int) -> None:
    """
    Set the modification time of a file to the current nanosecond.

    Many systems record the time of a write in steps of up to 10 ms, so two versions could have the
    same ETag.
    """
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))


def etag_of(status: os.stat_result) -> str:
    """
    Return the ETag of a file: its modification time, size and inode.

    A digest would have to be computed for each file that another program wrote.
    """
    return f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"


def birth_time(descriptor: int) -> float | None:
    """Return when a file was created, in seconds since 1970, if the file system reports it."""
    # os.stat reports it on macOS and BSD.
    born: float | None = getattr(os.fstat(descriptor), "st_birthtime", None)
    return _statx_birth_time(descriptor) if born is None else born


def _statx_birth_time(descriptor: int) -> float | None:
    """
    Request the birth time by a system call of Linux, which Python has only from 3.15 on.

    https://man7.org/linux/man-pages/man2/statx.2.html describes the call; the offsets are those of
    ``struct statx`` in ``linux/stat.h``.
    """
    try:
        ctypes = importlib.import_module("ctypes")  # loaded on first use
    except ImportError:
        return None  # some builds of Python lack it
    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:
        return None
    found = ctypes.create_string_buffer(256)
    if statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, found):
        return None
    (known,) = struct.unpack_from("=I", found, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", found, 80)
    return seconds + nanoseconds / 1e9 if known & _STATX_BTIME else None


def copy_content(origin: int, target: int) -> None:
    """Copy the content of a file, inside the kernel if possible."""
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
    """Return the MD5 digest of an open file."""
    digest = hashlib.md5(usedforsecurity=False)
    position = 0
    while block := os.pread(descriptor, MiB, position):
        digest.update(block)
        position += len(block)
    return digest.hexdigest()


def remove_leftovers(container: int) -> None:
    """Remove everything but objects: empty directories, temporary files, links, special files."""
    remove_side_files(container)
    trees = list(directories_below(container, "."))
    for pieces, names in trees:
        for name in names:
            # If this fails, the container cannot be removed, and that raises an error.
            with suppress(OSError), opened_down(container, pieces) as directory:
                mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
                reserved = pieces == ["."] and name.startswith(RESERVED)
                if reserved or not stat.S_ISREG(mode):
                    os.unlink(name, dir_fd=directory)
    for pieces, _ in reversed(trees[1:]):
        with suppress(OSError):
            remove_directories(container, [pieces])


def what_is_left(container: int) -> str:
    """Return an error message that names a file in a container without objects."""
    with suppress(OSError):
        for pieces, names in directories_below(container, "."):
            if names:
                path = os.fsencode("/".join([*pieces[1:], min(names)]))
                try:
                    return (
                        f"another program created {shorten(path.decode())} in the container"
                        " meanwhile; delete it first"
                    )
                except UnicodeDecodeError:
                    shown = repr(path) if len(path) <= _SHOWN else f"{path[-_SHOWN:]!r} (its end)"
                    return (
                        f"the container holds {shown}, which is not an object, because its name is"
                        " not UTF-8; delete or rename it with another program"
                    )
    return "the container holds files that are not objects, or another program created objects"
