"""The names of the objects below a directory, in the order of a listing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...transfer.local_files import is_text
from ...values import ListQuery
from .tree import RESERVED, AtPath, Tree, component_problem

# The maximum number of parent directories that stay open during a walk.
_KEPT_OPEN = 16


def object_files(
    tree: Tree, container: int, query: ListQuery, token: str | None
) -> Iterator[tuple[str, int, str]]:
    """
    Yield the names of regular files in the order of their UTF-8 bytes.

    With each name come the descriptor of the open parent directory, and the file's name in it.

    Names before the token or `query.start_after` are skipped where that saves work, and only the
    first name of a folded directory is yielded.
    """
    return _Walk(tree, query, max(token or "", query.start_after)).files(container)


@dataclass
class _Level:
    """A directory on the path of the walk."""

    descriptor: int
    folder: str
    identity: tuple[int, int]
    entries: Iterator[tuple[str, bool]]


class _Walk:
    def __init__(self, tree: Tree, query: ListQuery, after: str) -> None:
        self._tree = tree
        self._query = query
        self._after = after
        # The directories on the path, to detect links to a parent directory.
        self._identities: set[tuple[int, int]] = set()

    def files(self, container: int) -> Iterator[tuple[str, int, str]]:
        # No recursion: names may be deeper than Python's stack.
        levels: list[_Level] = []
        try:
            self._begin(container, levels)
            while levels:
                here = levels[-1]
                name, is_directory = next(here.entries, ("", False))
                if not name:
                    self._leave(levels)
                elif is_directory:
                    self._enter(name, levels)
                elif self._is_listed(full := here.folder + name):
                    yield full, here.descriptor, name
                    if self._query.delimiter == "/":
                        self._leave_folded(levels)
        finally:
            for level in levels:
                os.close(level.descriptor)

    def _begin(self, container: int, levels: list[_Level]) -> None:
        """Open the directory of the prefix, without reading its parent directories."""
        descriptor, folder = os.dup(container), ""
        try:
            for piece in self._query.prefix.split("/")[:-1]:
                self._identities.add(_identity(descriptor))
                if component_problem(piece) or (not folder and piece.startswith(RESERVED)):
                    return
                below = self._open(piece, descriptor, folder)
                if below is None:
                    return
                os.close(descriptor)
                descriptor, folder = below, f"{folder}{piece}/"
            if _identity(descriptor) not in self._identities:
                levels.append(self._level(os.dup(descriptor), folder))
        finally:
            os.close(descriptor)

    def _level(self, descriptor: int, folder: str) -> _Level:
        try:
            identity = _identity(descriptor)
            with AtPath(folder):
                entries = _entries(descriptor, not folder, self._tree.follow_symlinks)
        except BaseException:
            os.close(descriptor)
            raise
        self._identities.add(identity)
        return _Level(descriptor, folder, identity, iter(entries))

    def _open(self, name: str, directory: int, folder: str) -> int | None:
        try:
            with AtPath(folder + name):
                return self._tree.open_directory(name, directory)
        except (FileNotFoundError, NotADirectoryError):
            return None  # it was removed or replaced meanwhile

    def _enter(self, name: str, levels: list[_Level]) -> None:
        here = levels[-1]
        folder = here.folder + name + "/"
        if not self._is_wanted(folder):
            return
        descriptor = self._open(name, here.descriptor, here.folder)
        if descriptor is None:
            return
        if _identity(descriptor) in self._identities:
            os.close(descriptor)  # a link to a parent directory
        else:
            levels.append(self._level(descriptor, folder))

    def _leave(self, levels: list[_Level]) -> None:
        level = levels.pop()
        self._identities.discard(level.identity)
        os.close(level.descriptor)

    def _leave_folded(self, levels: list[_Level]) -> None:
        """Leave a folded directory; only its first name is needed."""
        if self._is_folded(levels[-1].folder):  # so are all directories in it
            while self._is_folded(levels[-1].folder):
                self._leave(levels)

    def _is_listed(self, full: str) -> bool:
        return full > self._after and full.startswith(self._query.prefix)

    def _is_wanted(self, folder: str) -> bool:
        prefix = self._query.prefix
        if not (folder.startswith(prefix) or prefix.startswith(folder)):
            return False
        return folder > self._after or self._after.startswith(folder)

    def _is_folded(self, folder: str) -> bool:
        prefix = self._query.prefix
        return folder.startswith(prefix) and len(folder) > len(prefix)


class Folders:
    """
    List the directories of a container one after the other, each in constant time.

    A directory is listed only if there is a file below it. What was found out about the
    directories in between is kept until they are listed, and some directories stay open, so that
    no walk starts at the top again.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._has_files: dict[str, bool] = {}
        self._open: list[tuple[str, int]] = []

    def close(self) -> None:
        """Close all directories."""
        while self._open:
            os.close(self._open.pop()[1])

    def entries(self, container: int, folder: str) -> tuple[int, list[tuple[str, bool]]] | None:
        """
        Return an open directory, and its entries: files, and directories with files below them.

        Args:
            folder: The path, which ends with a slash, or an empty string for the container.

        Returns:
            `None` if the directory does not exist.
        """
        descriptor = self._opened(container, folder)
        if descriptor is None:
            return None
        with AtPath(folder):
            found = _entries(descriptor, not folder, follow=False)
        return descriptor, [
            (name, is_directory)
            for name, is_directory in found
            if not is_directory or self._is_shown(descriptor, folder, name)
        ]

    def _opened(self, container: int, folder: str) -> int | None:
        while self._open and not folder.startswith(self._open[-1][0]):
            os.close(self._open.pop()[1])
        here, descriptor = self._open[-1] if self._open else ("", container)
        for piece in folder[len(here) :].split("/")[:-1]:
            if component_problem(piece) or (not here and piece.startswith(RESERVED)):
                return None
            try:
                with AtPath(here + piece):
                    descriptor = self._tree.open_directory(piece, descriptor)
            except (FileNotFoundError, NotADirectoryError):
                return None
            here += piece + "/"
            self._open.append((here, descriptor))
            if len(self._open) > _KEPT_OPEN:
                os.close(self._open.pop(0)[1])
        return descriptor

    def _is_shown(self, directory: int, folder: str, name: str) -> bool:
        """Return whether there is a file below a subdirectory, at any depth."""
        begin = f"{folder}{name}/"
        if begin not in self._has_files:
            self._explore(directory, folder, name)
        return self._has_files.pop(begin, False)

    def _explore(self, directory: int, folder: str, name: str) -> None:
        """Search for a file, and record for each visited directory whether it has one."""
        waiting = [(directory, folder, iter([name]))]
        found = False
        try:
            while waiting and not found:
                above, here, names = waiting[-1]
                below = next(names, None)
                if below is None:
                    self._note(waiting, has_files=False)
                    continue
                inner = f"{here}{below}/"
                try:
                    with AtPath(inner):
                        descriptor = self._tree.open_directory(below, above)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                waiting.append((descriptor, inner, iter(())))
                with AtPath(inner):
                    entries = _entries(descriptor, top=False, follow=False)
                directories = [entry for entry, is_directory in entries if is_directory]
                found = len(directories) < len(entries)
                waiting[-1] = descriptor, inner, iter(directories)
        finally:
            while waiting:
                self._note(waiting, has_files=found)

    def _note(self, waiting: list[tuple[int, str, Iterator[str]]], *, has_files: bool) -> None:
        descriptor, folder, _ = waiting.pop()
        if waiting:  # the first one is the directory that is listed
            self._has_files[folder] = has_files
            os.close(descriptor)


def _entries(directory: int, top: bool, follow: bool) -> list[tuple[str, bool]]:
    """Return the names of files and directories, sorted like their content."""
    try:
        with os.scandir(directory) as entries:
            found = [
                (entry.name, is_directory)
                for entry in entries
                if not (top and entry.name.startswith(RESERVED))
                and is_text(entry.name)
                and (is_directory := _is_directory(entry, follow)) is not None
            ]
    except FileNotFoundError:
        return []  # it was removed after it was opened
    found.sort(key=lambda entry: entry[0] + "/" if entry[1] else entry[0])
    return found


def _is_directory(entry: os.DirEntry[str], follow: bool) -> bool | None:
    """Return `True` for a directory, `False` for a regular file, and `None` for the rest."""
    try:
        if entry.is_dir(follow_symlinks=follow):
            return True
        return False if entry.is_file(follow_symlinks=follow) else None
    except OSError:
        return None  # a link to itself


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
