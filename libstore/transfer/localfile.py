"""Failures of the file on this side of a transfer, told apart from failures of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import (
    LocalFileError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    LocalFilePermissionError,
    StorageError,
    set_os_fields,
)

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
        wrapped = kind(f"{role} {path!r}: {error.strerror or error}")
        set_os_fields(wrapped, error.errno, error.strerror, path)
        raise wrapped from error
