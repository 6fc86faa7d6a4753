"""Local files of transfers, and their errors."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from ..arguments import shorten
from ..errors import (
    IntegrityError,
    LocalFileError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    LocalFilePermissionError,
    StorageError,
    set_os_fields,
)

if sys.platform != "win32":
    import fcntl

#: What errors call the file that a download writes.
DESTINATION = "download destination"
# A longer path is most likely content that was passed as a path.
_LONGEST_SHOWN = 1_000
# The errors of a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

# What Windows does not allow in the name of a file, a device's name before an extension included:
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NO_WINDOWS_NAME = re.compile(
    r"(?is)(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?"
    r'|.*[<>:"/\\|?*\x00-\x1f].*'
    r"|.*[. ]"
)
# One for each descriptor that was read or written at an offset without pread() and pwrite().
_locks: dict[int, threading.Lock] = {}

_KINDS: tuple[tuple[type[OSError], type[LocalFileError]], ...] = (
    (FileNotFoundError, LocalFileNotFoundError),
    (NotADirectoryError, LocalFileNotFoundError),
    (FileExistsError, LocalFileExistsError),
    (IsADirectoryError, LocalFileIsADirectoryError),
    (PermissionError, LocalFilePermissionError),
)


@contextmanager
def local_errors(path: str, role: str) -> Iterator[None]:
    """Convert errors of the operating system to `LocalFileError` with the path."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if sys.platform == "win32" and isinstance(error, PermissionError) and os.path.isdir(path):
            # Windows reports EACCES where POSIX systems report EISDIR.
            error = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        kind = next((kind for base, kind in _KINDS if isinstance(error, base)), LocalFileError)
        shown = repr(path) if len(path) <= _LONGEST_SHOWN else shorten(path)
        wrapped = kind(f"{role} {shown}: {error.strerror or error}")
        set_os_fields(wrapped, error.errno, error.strerror, path)
        raise wrapped from error


def is_file_name(piece: str) -> bool:
    """Return whether a file in a directory can have this name."""
    if piece in {"", ".", ".."} or "/" in piece or "\0" in piece:
        return False
    return sys.platform != "win32" or _NO_WINDOWS_NAME.fullmatch(piece) is None


def try_lock(descriptor: int) -> bool:
    """
    Lock an open file without waiting; return `False` if it is locked.

    The lock is advisory, and ends when the file is closed or the process ends. Windows has none,
    but deletes no open file.

    Raises:
        OSError: The file system has no locks.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def is_text(name: str) -> bool:
    """Return whether a file name is UTF-8, and so can be the name of an object."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def temporary_path(path: str, token: str) -> str:
    """Return a path beside that of a file, of a hidden name that has no ending yet."""
    directory, name = os.path.split(path)
    # 25 characters are at most 100 bytes; a file name has at most 255.
    return os.path.join(directory, f".{name[:25]}.{token}")


class UnpublishedFile(ABC):
    """
    A file beside the destination of a download, which becomes it at the end.

    A subclass opens the file, sets `_temporary` and `_descriptor`, and removes what is left.

    Args:
        path: The destination.
    """

    _temporary: str
    _descriptor: int

    def __init__(self, path: str) -> None:
        self._path = path
        self._published = False

    def write(self, view: memoryview, offset: int) -> None:
        """Write bytes at an offset."""
        with local_errors(self._path, DESTINATION):
            write_all(self._descriptor, view, offset)

    def read(self, size: int, offset: int) -> bytes:
        """Read written bytes."""
        with local_errors(self._path, DESTINATION):
            block = read_at(self._descriptor, size, offset)
        if not block:
            raise IntegrityError("another program truncated the temporary file of the download")
        return block

    def publish(self, overwrite: bool) -> None:
        """Close the file, as Windows requires, and rename it to the destination."""
        with local_errors(self._path, DESTINATION):
            self._close()
            if overwrite:
                os.replace(self._temporary, self._path)
            else:
                rename_new(self._temporary, self._path)
        self._published = True

    @abstractmethod
    def _close(self) -> None:
        """Close the file, if it is open."""


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read at most `size` bytes at an offset; the position of the file does not change."""
    if hasattr(os, "pread"):
        block: bytes = os.pread(descriptor, size, offset)
        return block
    with _moved(descriptor, offset):
        return os.read(descriptor, size)


def _write_at(descriptor: int, view: memoryview, offset: int) -> int:
    """Write bytes at an offset, and return how many; the position of the file does not change."""
    if hasattr(os, "pwrite"):
        written: int = os.pwrite(descriptor, view, offset)
        return written
    with _moved(descriptor, offset):
        return os.write(descriptor, view)


@contextmanager
def _moved(descriptor: int, offset: int) -> Iterator[None]:
    """Move a file to an offset, and back after the block, which one thread at a time enters."""
    with _locks.setdefault(descriptor, threading.Lock()):
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            yield
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)


def write_all(descriptor: int, view: memoryview, offset: int | None = None) -> None:
    """Write all bytes at the current position or at an offset, with as many calls as needed."""
    while view.nbytes:
        if offset is None:
            written = os.write(descriptor, view)
        else:
            written = _write_at(descriptor, view, offset)
            offset += written
        view = view[written:]


def rename_new(
    source: str,
    target: str,
    source_directory: int | None = None,
    target_directory: int | None = None,
) -> None:
    """
    Rename a file atomically, unless the new name exists.

    Args:
        source_directory: The descriptor of the directory of a relative source.
        target_directory: The descriptor of the directory of a relative target.

    Raises:
        FileExistsError: The new name exists.
    """
    if sys.platform == "win32":  # where rename() replaces no file
        os.rename(source, target)
        return
    try:
        os.link(
            source,
            target,
            src_dir_fd=source_directory,
            dst_dir_fd=target_directory,
            follow_symlinks=False,
        )
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links, reserve the name with an empty file, and replace that.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, dir_fd=target_directory))
        os.replace(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory)
    else:
        os.unlink(source, dir_fd=source_directory)
