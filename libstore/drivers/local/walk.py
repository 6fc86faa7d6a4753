"""The names of the objects below a directory, in the order of a listing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...values import ListQuery
from .tree import RESERVED, Tree, closing


def object_names(tree: Tree, container: int, query: ListQuery, token: str | None) -> Iterator[str]:
    """
    Yield the names of regular files in the order of UTF-8 bytes.

    What sorts before the token or `query.start_after` is left out as far as that saves work, and
    of a directory that the query folds only the first name is given.
    """
    return _Walk(tree, query, max(token or "", query.start_after)).below(container, "", ())


class _Walk:
    def __init__(self, tree: Tree, query: ListQuery, after: str) -> None:
        self._tree = tree
        self._query = query
        self._after = after

    def below(
        self, directory: int, here: str, ancestors: tuple[tuple[int, int], ...]
    ) -> Iterator[str]:
        ancestors = (*ancestors, _identity(directory))
        for name, is_directory in self._entries(directory, top=not here):
            full = here + name
            if not is_directory:
                if full > self._after and full.startswith(self._query.prefix):
                    yield full
            elif self._is_wanted(full + "/"):
                yield from self._inside(directory, name, full + "/", ancestors)

    def _inside(
        self, directory: int, name: str, folder: str, ancestors: tuple[tuple[int, int], ...]
    ) -> Iterator[str]:
        try:
            descriptor = self._tree.open_directory(name, directory)
        except (FileNotFoundError, NotADirectoryError):
            return  # it went away, or became something else, after we saw it
        with closing(descriptor):
            if _identity(descriptor) in ancestors:
                return  # a link that leads back up
            names = self.below(descriptor, folder, ancestors)
            if self._is_folded(folder):
                first = next(names, None)
                if first is not None:
                    yield first
            else:
                yield from names

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
                and (
                    (is_directory := entry.is_dir(follow_symlinks=follow))
                    or entry.is_file(follow_symlinks=follow)
                )
            ]
        found.sort(key=lambda entry: entry[0] + "/" if entry[1] else entry[0])
        return found


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
