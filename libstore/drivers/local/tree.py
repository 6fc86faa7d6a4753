"""
Files and directories below one root, reached by directory descriptors alone.

A name is taken apart at its slashes, and every piece is opened relative to the descriptor of the
directory before it, without following symbolic links unless that was asked for. So no name and no
link that somebody plants, at whatever moment, leads out of the root.
"""

from __future__ import annotations

import errno
import fcntl
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

#: What the names of our own files in a container begin with; no object may be called so.
RESERVED = ".libstore-"
#: POSIX file systems take names of this many bytes.
MAX_COMPONENT = 255

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
# What opening a piece of a name says when it is no directory, or a link that is not followed.
_BLOCKED = (errno.ENOTDIR, errno.ELOOP)
# What a file system without locks says.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.EINVAL, errno.ENOSYS)


def component_problem(component: str) -> str | None:
    """Return why no file can be called so, or `None`."""
    if component in ("", ".", ".."):
        return "an empty piece, '.' or '..' between slashes names no file of its own"
    if "\0" in component:
        return "a NUL character cannot be in the name of a file"
    size = len(component.encode())
    if size > MAX_COMPONENT:
        return f"a piece between slashes has {size} bytes; file systems take {MAX_COMPONENT}"
    return None


@contextmanager
def at_path(path: str) -> Iterator[None]:
    """Have an error of the operating system name a path, and not the last piece of it alone."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, StorageError):
            error.filename = path
        raise


@contextmanager
def os_errors(*where: str) -> Iterator[None]:
    """
    Raise what the operating system says as one of the library's errors.

    Args:
        where: The path that the paths in errors begin at, in pieces.
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
            raise StorageFullError(f"there is no room left: {text}") from error
        if error.errno in _NOT_ALLOWED:
            raise AccessDeniedError(
                f"the operating system does not allow it: {text}; check the owner and the mode of"
                " this path and of the directories above it"
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidNameError(f"the file system cannot hold this name: {text}") from error
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
    The way from names to descriptors.

    Args:
        root: The directory that everything is in; a link to it is followed.
        follow_symlinks: Follow links inside the root, wherever they lead.
    """

    def __init__(self, root: str, follow_symlinks: bool) -> None:
        self.root = root
        self.follow_symlinks = follow_symlinks
        self._no_follow = 0 if follow_symlinks else os.O_NOFOLLOW
        self._folds: bool | None = None
        self._probed = False

    def make_root(self, sync: bool) -> None:
        """Make the root, and what is missing of the way to it."""
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
        return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open_directory(self, name: str, directory: int) -> int:
        """Open a directory in a directory."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | self._no_follow
        descriptor = os.open(name, flags, dir_fd=directory)
        if not self._is_exact(name, directory):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return descriptor

    @contextmanager
    def parent(self, container: int, name: str) -> Iterator[tuple[int, str]]:
        """
        Open the directory that an object's file is in; give it with the file's own name.

        Errors of the operating system name the path from the container on.

        Raises:
            FileNotFoundError: It is not there.
            NotADirectoryError: A piece of the name is no directory, or a link.
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
        """Do what `parent` does, and make the directories that are missing."""
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
        """Open a directory in a directory in exchange for the latter."""
        try:
            below = self.open_directory(piece, directory)
        except OSError as error:
            if error.errno in _BLOCKED:
                raise NotADirectoryError(
                    errno.ENOTDIR, f"{piece!r} is in the way: a file, or a link", piece
                ) from error
            raise
        os.close(directory)
        return below

    def open_file(self, name: str, directory: int, flags: int = os.O_RDONLY) -> int:
        """
        Open a regular file in a directory.

        Raises:
            FileNotFoundError: There is none; a directory, a device or a link is none.
        """
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        # A FIFO that nobody writes to would block without O_NONBLOCK.
        flags |= os.O_CLOEXEC | os.O_NONBLOCK | self._no_follow
        try:
            descriptor = os.open(name, flags, dir_fd=directory)
        except OSError as error:
            if error.errno in (*_BLOCKED, errno.EISDIR, errno.ENXIO):
                raise missing from error
            raise
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and self._is_exact(name, directory):
            return descriptor
        os.close(descriptor)
        raise missing

    def file_status(self, name: str, directory: int) -> os.stat_result | None:
        """
        Return the status of a regular file in a directory, `None` where nothing is.

        Directories without any file are nothing; `make_way` removes them.

        Raises:
            ObjectNameConflictError: Something else is there.
        """
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=self.follow_symlinks)
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(status.st_mode) and _has_no_files(name, directory):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNameConflictError(
                f"{name!r} is a {_kind(status.st_mode)} on the file system, so no object can have"
                " this name"
            )
        self._refuse_other_spelling(name, directory)
        return status

    def remove_empty_parents(self, container: int, name: str) -> None:
        """Remove the directories that an object's file was in, as far as they are empty."""
        directories = name.split("/")[:-1]
        while directories:
            try:
                with self.parent(container, "/".join(directories)) as (directory, leaf):
                    os.rmdir(leaf, dir_fd=directory)
            except OSError:
                return
            directories.pop()

    def probe(self, name: str, directory: int) -> None:
        """Find out, by a file that was just made, whether names that differ in case are one."""
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
                f"this file system does not tell {name!r} from a name that differs in case or"
                " form only, and that is taken"
            )

    def _is_exact(self, name: str, directory: int) -> bool:
        """Return whether an entry that was found is really called so, letter by letter."""
        if self._folds is None:
            self._folds = _folds_case(self.root)
        return not self._folds or name in os.listdir(directory)


@contextmanager
def locked(container: int, *, needed: bool, shared: bool = False) -> Iterator[None]:
    """
    Let no other thread or process change names in a container meanwhile.

    Args:
        needed: Raise where the file system has no locks; otherwise go on without.
        shared: Let others do so who only read, too.
    """
    try:
        fcntl.flock(container, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except OSError as error:
        if needed or error.errno not in _NO_LOCKS:
            raise
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(container, fcntl.LOCK_UN)


def directories_below(directory: int, name: str) -> Iterator[tuple[list[str], list[str]]]:
    """
    Yield a directory in a directory and all below it, each before what is in it.

    Each comes as the pieces of its path, with the names of what is in it and is no directory. No
    link is followed, and there is no recursion: trees may go deeper than Python's stack.
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
            continue  # it went away after we saw it
        yield pieces, [below for below, is_directory in found if not is_directory]
        waiting += [[*pieces, below] for below, is_directory in found if is_directory]


def remove_directories(directory: int, trees: Iterable[list[str]]) -> None:
    """Remove empty directories, given as the pieces of their paths, parents first."""
    for pieces in reversed(list(trees)):
        with opened_down(directory, pieces[:-1]) as descriptor:
            os.rmdir(pieces[-1], dir_fd=descriptor)


def make_way(name: str, directory: int) -> None:
    """Remove a directory in which there are no files but only directories."""
    remove_directories(directory, [pieces for pieces, _ in directories_below(directory, name)])


def _has_no_files(name: str, directory: int) -> bool:
    try:
        return not any(files for _, files in directories_below(directory, name))
    except OSError:
        return False  # a link, which is something


@contextmanager
def opened_down(directory: int, pieces: Iterable[str]) -> Iterator[int]:
    """Open a directory piece by piece, without following links."""
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
    """Return whether the file system takes names that differ in case only for one."""
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
