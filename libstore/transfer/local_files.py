"""What is done with files of this machine, and how their failures are told from the store's."""

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

# A longer path is most likely content that was given in place of one.
_LONGEST_SHOWN = 1_000
# What a file system without hard links says.
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
    """Raise what the operating system says of `path` as a `LocalFileError` that names it."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), LocalFileError)
        shown = repr(path) if len(path) <= _LONGEST_SHOWN else shorten(path)
        wrapped = kind(f"{role} {shown}: {error.strerror or error}")
        set_os_fields(wrapped, error.errno, error.strerror, path)
        raise wrapped from error


def write_all(descriptor: int, view: memoryview, offset: int | None = None) -> None:
    """Write all bytes, at the end or at an offset; one call may write fewer."""
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
    Rename a file unless something has the new name already, even if it came this moment.

    Args:
        source_directory: The descriptor of the directory that a relative source is in.
        target_directory: The descriptor of the directory that a relative target is in.

    Raises:
        FileExistsError: Something has the new name.
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
        # Without hard links, an empty file takes the name first, and is then replaced.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, dir_fd=target_directory))
        os.replace(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory)
    else:
        os.unlink(source, dir_fd=source_directory)
