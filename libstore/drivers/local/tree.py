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
from types import TracebackType

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


class AtPath:
    """Sets the path of errors of the operating system, which name the last component only."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            error.filename = self._path


class OSErrors:
    """
    Converts errors of the operating system to those of the library.

    Args:
        where: The components of the directory that paths in errors are relative to.
    """

    __slots__ = ("_where",)

    def __init__(self, *where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise converted(error, *self._where) from error


def converted(error: OSError, *where: str) -> StorageError:
    """Return the error of the library for one of the operating system. See `OSErrors`."""
    text = f"{error.strerror or error}"
    path = os.path.join(*where, error.filename if isinstance(error.filename, str) else "")
    if path:
        text += f": {shorten(path.rstrip('/'))}"
    if error.errno in _NO_ROOM:
        return StorageFullError(f"no space is left: {text}")
    if error.errno in _NOT_ALLOWED:
        return AccessDeniedError(
            f"the operating system denied access: {text}; check the owner and the mode of this"
            " path and of its parent directories"
        )
    if error.errno == errno.ENAMETOOLONG:
        return InvalidNameError(f"the name is too long for the file system: {text}")
    return ServiceError(f"the file system failed: {text}", code=_code(error))


def _code(error: OSError) -> str | None:
    return None if error.errno is None else errno.errorcode.get(error.errno)


class Closing:
    """Closes a descriptor at the end."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)


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
                with Closing(os.open(os.path.dirname(directory), os.O_RDONLY)) as above:
                    os.fsync(above)

    def open_root(self) -> int:
        """Open the root."""
        return os.open(self.root, os.O_RDONLY | O_DIRECTORY)

    def open_container(self, name: str) -> int:
        """Open a directory in the root."""
        # Links in the path of the root are followed; its last component is the container.
        flags = os.O_RDONLY | O_DIRECTORY | self._no_follow
        descriptor = os.open(f"{self.root}/{name}", flags)
        return self._exact(descriptor, name, self.root)

    def open_directory(self, name: str, directory: int) -> int:
        """Open a directory in a directory."""
        flags = os.O_RDONLY | O_DIRECTORY | self._no_follow
        return self._exact(os.open(name, flags, dir_fd=directory), name, directory)

    def _exact(self, descriptor: int, name: str, directory: int | str) -> int:
        """Return the descriptor of an entry if it has exactly this name, otherwise close it."""
        if not self._is_exact(name, directory):
            os.close(descriptor)
            raise _missing(name)
        return descriptor

    def parent(self, container: int, name: str) -> Parent:
        """Return the parent directory of an object's file; a ``with`` statement opens it."""
        return Parent(self, container, name)

    def descend(self, piece: str, directory: int) -> int:
        """Open a subdirectory."""
        try:
            return self.open_directory(piece, directory)
        except OSError as error:
            if error.errno in _BLOCKED:
                raise NotADirectoryError(
                    errno.ENOTDIR, f"{piece!r} is a file or a link, not a directory", piece
                ) from error
            raise

    def make_directory(self, piece: str, directory: int, sync: bool) -> None:
        """Create a subdirectory, unless it exists."""
        try:
            os.mkdir(piece, dir_fd=directory)
            if sync:
                os.fsync(directory)
        except FileExistsError:
            self._refuse_other_spelling(piece, directory)

    def open_file(
        self, name: str, directory: int, flags: int = os.O_RDONLY
    ) -> tuple[int, os.stat_result]:
        """
        Open a regular file in a directory, and return its descriptor and its status.

        Raises:
            FileNotFoundError: The file does not exist, or is a directory, a device or a link.
        """
        # Without O_NONBLOCK, opening a FIFO without a writer would block.
        flags |= O_NONBLOCK | self._no_follow
        try:
            descriptor = os.open(name, flags, dir_fd=directory)
        except OSError as error:
            if error.errno in (*_BLOCKED, *_NO_FILE):
                raise _missing(name) from error
            raise
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and self._is_exact(name, directory):
            return descriptor, status
        os.close(descriptor)
        raise _missing(name)

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

    def _is_exact(self, name: str, directory: int | str) -> bool:
        """Return whether an entry that was found has exactly this name."""
        if self._folds is None:
            self._folds = _folds_case(self.root)
        return not self._folds or name in os.listdir(directory)


class Parent:
    """
    The parent directory of an object's file, as a context manager.

    Errors of the operating system contain the path relative to the container.

    Attributes:
        descriptor: The directory, when it is open.

    Raises:
        FileNotFoundError: The directory does not exist.
        NotADirectoryError: A component of the name is not a directory, or is a link.
    """

    __slots__ = ("_container", "_name", "_tree", "descriptor")

    def __init__(self, tree: Tree, container: int, name: str) -> None:
        self._tree = tree
        self._container = self.descriptor = container
        self._name = name

    def __enter__(self) -> tuple[int, str]:
        return self.open()

    def open(self, *, make: bool = False, sync: bool = False) -> tuple[int, str]:
        """
        Open the directory, component by component, and return it with the file's own name.

        Args:
            make: Create the components that are missing.
            sync: Write those to disk.
        """
        if "/" not in self._name:
            return self.descriptor, self._name
        tree = self._tree
        *directories, leaf = self._name.split("/")
        here = ""
        try:
            for piece in directories:
                here += piece
                try:
                    below = tree.descend(piece, self.descriptor)
                except FileNotFoundError:
                    if not make:
                        raise
                    tree.make_directory(piece, self.descriptor, sync)
                    below = tree.descend(piece, self.descriptor)
                self.close()
                self.descriptor = below
                here += "/"
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                error.filename = here
            raise
        return self.descriptor, leaf

    def close(self) -> None:
        """Close the directory, unless it is the container's."""
        descriptor, self.descriptor = self.descriptor, self._container
        if descriptor != self._container:
            os.close(descriptor)

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            error.filename = self._name


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


def _missing(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "directory"
    return "symbolic link" if stat.S_ISLNK(mode) else "special file"
