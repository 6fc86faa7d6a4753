"""The names of the objects below a directory, in the order of a listing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...values import ListQuery
from .tree import RESERVED, Tree


def object_names(tree: Tree, container: int, query: ListQuery, token: str | None) -> Iterator[str]:
    """
    Yield the names of regular files in the order of UTF-8 bytes.

    What sorts before the token or `query.start_after` is left out as far as that saves work, and
    of a directory that the query folds only the first name is given.
    """
    return _Walk(tree, query, max(token or "", query.start_after)).names(container)


@dataclass
class _Level:
    """A directory that the walk is in."""

    descriptor: int
    folder: str
    identity: tuple[int, int]
    entries: Iterator[tuple[str, bool]]


class _Walk:
    def __init__(self, tree: Tree, query: ListQuery, after: str) -> None:
        self._tree = tree
        self._query = query
        self._after = after

    def names(self, container: int) -> Iterator[str]:
        # No recursion: names may go deeper than Python's stack.
        levels = [self._level(os.dup(container), "")]
        try:
            while levels:
                here = levels[-1]
                name, is_directory = next(here.entries, ("", False))
                if not name:
                    os.close(levels.pop().descriptor)
                elif is_directory:
                    self._enter(name, levels)
                elif self._is_listed(here.folder + name):
                    yield here.folder + name
                    self._leave_folded(levels)
        finally:
            for level in levels:
                os.close(level.descriptor)

    def _level(self, descriptor: int, folder: str) -> _Level:
        try:
            entries = self._entries(descriptor, top=not folder)
            return _Level(descriptor, folder, _identity(descriptor), iter(entries))
        except BaseException:
            os.close(descriptor)
            raise

    def _enter(self, name: str, levels: list[_Level]) -> None:
        folder = levels[-1].folder + name + "/"
        if not self._is_wanted(folder):
            return
        try:
            descriptor = self._tree.open_directory(name, levels[-1].descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return  # it went away, or became something else, after we saw it
        level = self._level(descriptor, folder)
        if level.identity in [above.identity for above in levels]:
            os.close(descriptor)  # a link that leads back up
        else:
            levels.append(level)

    def _leave_folded(self, levels: list[_Level]) -> None:
        """Leave the directory that the query folds; its first name was all that is needed."""
        folded = [index for index, level in enumerate(levels) if self._is_folded(level.folder)]
        while folded and len(levels) > folded[0]:
            os.close(levels.pop().descriptor)

    def _is_listed(self, full: str) -> bool:
        return full > self._after and full.startswith(self._query.prefix)

    def _is_wanted(self, folder: str) -> bool:
        prefix = self._query.prefix
        if not (folder.startswith(prefix) or prefix.startswith(folder)):
            return False
        return folder > self._after or self._after.startswith(folder)

    def _is_folded(self, folder: str) -> bool:
        prefix = self._query.prefix
        inside = folder.startswith(prefix) and len(folder) > len(prefix)
        return self._query.delimiter == "/" and inside

    def _entries(self, directory: int, top: bool) -> list[tuple[str, bool]]:
        """Return the names of files and directories, a directory where its content sorts."""
        follow = self._tree.follow_symlinks
        with os.scandir(directory) as entries:
            found = [
                (entry.name, is_directory)
                for entry in entries
                if not (top and entry.name.startswith(RESERVED))
                and is_text(entry.name)
                and (is_directory := _is_directory(entry, follow)) is not None
            ]
        found.sort(key=lambda entry: entry[0] + "/" if entry[1] else entry[0])
        return found


def _is_directory(entry: os.DirEntry[str], follow: bool) -> bool | None:
    """Return whether an entry is a directory or, if not, a regular file; `None` for the rest."""
    try:
        if entry.is_dir(follow_symlinks=follow):
            return True
        return False if entry.is_file(follow_symlinks=follow) else None
    except OSError:
        return None  # a link that leads to itself


def is_text(name: str) -> bool:
    """Return whether the name of a file is UTF-8, and so can be the name of an object."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
