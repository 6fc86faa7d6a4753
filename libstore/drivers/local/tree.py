"""
Open files and directories below a root, with directory descriptors.

A name is split at its slashes, and each component is opened relative to the descriptor of its
parent directory, without following symbolic links unless that is enabled. Therefore neither a name
nor a link that another program creates at any time can lead out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ...arguments import shorten
from ...errors import (
    AccessDeniedError,
    InvalidNameError,
    ObjectNameConflictError,
    ServiceError,
    StorageError,
    StorageFullError,
)
from .system import O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK

#: The prefix of the driver's own files in a container, which object names must not have.
RESERVED = ".libstore-"
#: The maximum length of a file name on POSIX file systems, in bytes.
MAX_COMPONENT = 255

_DIRECTORY = os.O_RDONLY | O_DIRECTORY | O_NOFOLLOW
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
# The errors of opening a component that is not a directory, or is a link that is not followed.
_BLOCKED = (errno.ENOTDIR, errno.ELOOP)
# The errors of directories and sockets that are opened as files; the last one is that of macOS.
_NO_FILE = (errno.EISDIR, errno.ENXIO, errno.EOPNOTSUPP)


def component_problem(component: str) -> str | None:
    """Return why a component of a name cannot be a file name, or `None`."""
    if component in ("", ".", ".."):
        return "a component between slashes must not be empty, '.' or '..'"
    if "\0" in component:
        return "it contains a NUL character"
    size = len(component.encode())
    if size > MAX_COMPONENT:
        return (
            f"a component between slashes has {size} bytes; file systems allow at most"
            f" {MAX_COMPONENT}"
        )
    return None


@contextmanager
def at_path(path: str) -> Iterator[None]:
    """Set the path of errors of the operating system, which name the last component only."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, StorageError):
            error.filename = path
        raise


@contextmanager
def os_errors(*where: str) -> Iterator[None]:
    """
    Convert errors of the operating system to those of the library.

    Args:
        where: The components of the directory that paths in errors are relative to.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        text = f"{error.strerror or error}"
        path = os.path.join(*where, error.filename if isinstance(error.filename, str) else "")
        if path:
            text += f": {shorten(path.rstrip('/'))}"
        if error.errno in _NO_ROOM:
            raise StorageFullError(f"no space is left: {text}") from error
        if error.errno in _NOT_ALLOWED:
            raise AccessDeniedError(
                f"the operating system denied access: {text}; check the owner and the mode of this"
                " path and of its parent directories"
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidNameError(f"the name is too long for the file system: {text}") from error
        raise ServiceError(f"the file system failed: {text}", code=_code(error)) from error


def _code(error: OSError) -> str | None:
    return None if error.errno is None else errno.errorcode.get(error.errno)


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Tree:
    """
    Open files and directories by name.

    Args:
        root: The directory of everything; it may be a symbolic link.
        follow_symlinks: Follow links inside the root, wherever they point.
    """

    def __init__(self, root: str, follow_symlinks: bool) -> None:
        self.root = root
        self.follow_symlinks = follow_symlinks
        self._no_follow = 0 if follow_symlinks else O_NOFOLLOW
        self._folds: bool | None = None
        self._probed = False

    def make_root(self, sync: bool) -> None:
        """Create the root and its missing parent directories."""
        missing: list[str] = []
        path = self.root
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for directory in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(directory)
            if sync:
                with closing(os.open(os.path.dirname(directory), os.O_RDONLY)) as above:
                    os.fsync(above)

    def open_root(self) -> int:
        """Open the root."""
        return os.open(self.root, os.O_RDONLY | O_DIRECTORY)

    def open_directory(self, name: str, directory: int) -> int:
        """Open a directory in a directory."""
        flags = os.O_RDONLY | O_DIRECTORY | self._no_follow
        descriptor = os.open(name, flags, dir_fd=directory)
        if not self._is_exact(name, directory):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return descriptor

    @contextmanager
    def parent(self, container: int, name: str) -> Iterator[tuple[int, str]]:
        """
        Open the parent directory of an object's file; yield it with the file's own name.

        Errors of the operating system contain the path relative to the container.

        Raises:
            FileNotFoundError: The directory does not exist.
            NotADirectoryError: A component of the name is not a directory, or is a link.
        """
        *directories, leaf = name.split("/")
        descriptor = os.dup(container)
        here = ""
        try:
            for piece in directories:
                with at_path(here + piece):
                    descriptor = self._descend(piece, descriptor)
                here += piece + "/"
            with at_path(name):
                yield descriptor, leaf
        finally:
            os.close(descriptor)

    @contextmanager
    def made_parent(self, container: int, name: str, sync: bool) -> Iterator[tuple[int, str]]:
        """Open the parent directory as `parent` does, and create missing directories."""
        *directories, leaf = name.split("/")
        descriptor = os.dup(container)
        here = ""
        try:
            for piece in directories:
                with at_path(here + piece):
                    try:
                        os.mkdir(piece, dir_fd=descriptor)
                        if sync:
                            os.fsync(descriptor)
                    except FileExistsError:
                        self._refuse_other_spelling(piece, descriptor)
                    descriptor = self._descend(piece, descriptor)
                here += piece + "/"
            with at_path(name):
                yield descriptor, leaf
        finally:
            os.close(descriptor)

    def _descend(self, piece: str, directory: int) -> int:
        """Open a subdirectory and close its parent."""
        try:
            below = self.open_directory(piece, directory)
        except OSError as error:
            if error.errno in _BLOCKED:
                raise NotADirectoryError(
                    errno.ENOTDIR, f"{piece!r} is a file or a link, not a directory", piece
                ) from error
            raise
        os.close(directory)
        return below

    def open_file(self, name: str, directory: int, flags: int = os.O_RDONLY) -> int:
        """
        Open a regular file in a directory.

        Raises:
            FileNotFoundError: The file does not exist, or is a directory, a device or a link.
        """
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        # Without O_NONBLOCK, opening a FIFO without a writer would block.
        flags |= O_NONBLOCK | self._no_follow
        try:
            descriptor = os.open(name, flags, dir_fd=directory)
        except OSError as error:
            if error.errno in (*_BLOCKED, *_NO_FILE):
                raise missing from error
            raise
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and self._is_exact(name, directory):
            return descriptor
        os.close(descriptor)
        raise missing

    def file_status(self, name: str, directory: int) -> os.stat_result | None:
        """
        Return the status of a regular file in a directory; `None` if it does not exist.

        A directory without any file counts as missing; `remove_empty_directory` removes it.

        Raises:
            ObjectNameConflictError: The name is that of something other than a regular file.
        """
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=self.follow_symlinks)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(status.st_mode) and _has_no_files(name, directory):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNameConflictError(
                f"{name!r} is a {_kind(status.st_mode)} on the file system, so it cannot be the"
                " name of an object"
            )
        self._refuse_other_spelling(name, directory)
        return status

    def remove_empty_parents(self, container: int, name: str) -> None:
        """Remove the parent directories of a removed file that are empty now."""
        directories = name.split("/")[:-1]
        while directories:
            try:
                with self.parent(container, "/".join(directories)) as (directory, leaf):
                    os.rmdir(leaf, dir_fd=directory)
            except OSError:
                return
            directories.pop()

    def probe(self, name: str, directory: int) -> None:
        """Find out with a new file whether the file system ignores case."""
        if not self._probed:
            try:
                os.stat(name.upper(), dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                self._folds = False
            else:
                self._folds = True
            self._probed = True

    def _refuse_other_spelling(self, name: str, directory: int) -> None:
        if not self._is_exact(name, directory):
            raise ObjectNameConflictError(
                f"this file system does not distinguish {name!r} from an existing name that"
                " differs in case or Unicode form only"
            )

    def _is_exact(self, name: str, directory: int) -> bool:
        """Return whether an entry that was found has exactly this name."""
        if self._folds is None:
            self._folds = _folds_case(self.root)
        return not self._folds or name in os.listdir(directory)


def directories_below(directory: int, name: str) -> Iterator[tuple[list[str], list[str]]]:
    """
    Yield a directory and all directories below it, parents first.

    Each item has the components of its path, and the names of its entries that are not
    directories. Links are not followed, and there is no recursion: trees may be deeper than
    Python's stack.
    """
    waiting = [[name]]
    while waiting:
        pieces = waiting.pop()
        try:
            with opened_down(directory, pieces) as descriptor, os.scandir(descriptor) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            if len(pieces) == 1:
                raise
            continue  # it was removed meanwhile
        yield pieces, [below for below, is_directory in found if not is_directory]
        waiting += [[*pieces, below] for below, is_directory in found if is_directory]


def remove_directories(directory: int, trees: Iterable[list[str]]) -> None:
    """Remove empty directories, given as the components of their paths, parents first."""
    for pieces in reversed(list(trees)):
        with opened_down(directory, pieces[:-1]) as descriptor:
            os.rmdir(pieces[-1], dir_fd=descriptor)


def remove_empty_directory(name: str, directory: int) -> None:
    """Remove a directory that contains only directories and no files."""
    remove_directories(directory, [pieces for pieces, _ in directories_below(directory, name)])


def _has_no_files(name: str, directory: int) -> bool:
    try:
        return not any(files for _, files in directories_below(directory, name))
    except OSError:
        return False  # it is a link


@contextmanager
def opened_down(directory: int, pieces: Iterable[str]) -> Iterator[int]:
    """Open a directory component by component, without following links."""
    descriptor = os.dup(directory)
    try:
        for piece in pieces:
            below = os.open(piece, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _folds_case(path: str) -> bool:
    """Return whether the file system of a path ignores case."""
    directory, name = os.path.split(os.path.realpath(path))
    if name.swapcase() == name:
        return sys.platform == "darwin"
    try:
        return os.path.samefile(os.path.join(directory, name.swapcase()), path)
    except OSError:
        return False


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "directory"
    return "symbolic link" if stat.S_ISLNK(mode) else "special file"
