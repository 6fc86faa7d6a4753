"""Local files of transfers, and their errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..arguments import shorten
from ..errors import (
    LocalFileError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    LocalFilePermissionError,
    StorageError,
    set_os_fields,
)

# A longer path is most likely content that was passed as a path.
_LONGEST_SHOWN = 1_000
# The errors of a file system without hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

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
        kind = next((kind for base, kind in _KINDS if isinstance(error, base)), LocalFileError)
        shown = repr(path) if len(path) <= _LONGEST_SHOWN else shorten(path)
        wrapped = kind(f"{role} {shown}: {error.strerror or error}")
        set_os_fields(wrapped, error.errno, error.strerror, path)
        raise wrapped from error


def write_all(descriptor: int, view: memoryview, offset: int | None = None) -> None:
    """Write all bytes at the current position or at an offset, with as many calls as needed."""
    while view.nbytes:
        if offset is None:
            written = os.write(descriptor, view)
        else:
            written = os.pwrite(descriptor, view, offset)
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
