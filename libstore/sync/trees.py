"""The two kinds of trees: a local directory, and the objects below a prefix of a container."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ..errors import InvalidNameError, InvalidOptionError, LocalFileError, StorageError
from ..transfer.local_files import is_file_name, is_text, local_errors
from ..transfer.partials import is_temporary
from ..values import ObjectInfo

#: What is done with symbolic links of a local directory.
Symlinks: TypeAlias = Literal["skip", "follow", "error"]

# The longest file name of usual file systems, in bytes.
_MAX_COMPONENT = 255
_ROLE = "directory"


class ObjectHandle(Protocol):
    """The part of `Object` that a sync uses."""

    _info: ObjectInfo
    name: str

    @property
    def metadata(self) -> Any: ...
    @property
    def checksums(self) -> Any: ...
    def copy(self, container: Any, name: str, *, cancel: Any = None) -> Any: ...
    def download(self, destination: str, *, overwrite: bool, cancel: Any = None) -> Any: ...


class ContainerHandle(Protocol):
    """The part of `Container` that a sync uses."""

    name: str

    @property
    def driver(self) -> Any: ...
    def object(self, name: str) -> Any: ...
    def list_objects(self, prefix: str) -> Iterable[Any]: ...
    def upload_object(
        self, source: str, name: str, *, metadata: dict[str, str] | None, cancel: Any = None
    ) -> Any: ...
    def delete_objects(self, objs: list[Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A file or an object.

    Attributes:
        name: The name below the root of the tree.
        modified: The time of the last modification, in seconds since 1970.
        changed: The time of the last change of a file, also of its attributes.
        skipped: Why it takes no part by choice; empty if it does.
        error: Why it cannot take part.
        info: The attributes of an object.
    """

    name: str
    size: int | None = None
    modified: float | None = None
    changed: float | None = None
    skipped: str = ""
    error: StorageError | None = None
    info: ObjectInfo | None = None


@dataclass(frozen=True)
class LocalTree:
    """
    The files below a directory.

    Attributes:
        root: The path of the directory.
        missing_ok: Whether a directory that does not exist counts as empty.
    """

    root: str
    symlinks: Symlinks = "skip"
    missing_ok: bool = False

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.root, *name.split("/"))

    def entries(self) -> Iterator[Entry]:
        """Yield the files in the order of their names' UTF-8 bytes."""
        if self.missing_ok and not os.path.lexists(self.root):
            return
        levels = [(self._listed(""), os.stat(self.root))]
        while levels:
            found = next(levels[-1][0], None)
            if found is None:
                levels.pop()
                continue
            name, status, entry = found
            if entry is not None:
                yield entry
            elif any(os.path.samestat(status, above) for _, above in levels):
                yield Entry(name, skipped="a symbolic link to a parent directory")
            else:
                try:
                    levels.append((self._listed(name + "/"), status))
                except LocalFileError as error:
                    yield Entry(name, error=error)

    def _listed(self, folder: str) -> Iterator[tuple[str, os.stat_result, Entry | None]]:
        """Return the content of a directory: directories have no entry."""
        path = self.path(folder.removesuffix("/")) if folder else self.root
        with local_errors(path, _ROLE), os.scandir(path) as entries:
            found = [
                (item.name + "/" if self._is_directory(item) else item.name, item)
                for item in entries
                if not is_temporary(item.name)
            ]
        found.sort(key=lambda pair: pair[0].encode("utf-8", "surrogateescape"))
        return (self._entry(folder + item.name, item) for _, item in found)

    def _is_directory(self, item: os.DirEntry[str]) -> bool:
        try:
            return item.is_dir(follow_symlinks=self.symlinks == "follow")
        except OSError:
            return False  # a link to itself

    def _entry(
        self, name: str, item: os.DirEntry[str]
    ) -> tuple[str, os.stat_result, Entry | None]:
        follow = self.symlinks == "follow"
        try:
            if item.is_symlink() and not follow:
                return name, item.stat(follow_symlinks=False), self._of_link(name)
            # On Windows, the status from the directory has no inode.
            status = os.stat(item.path, follow_symlinks=follow)
        except OSError as error:
            problem = LocalFileError(f"file {item.path!r}: {error.strerror or error}")
            return name, os.stat(self.root), Entry(name, error=problem)
        if not is_text(name):
            shown = InvalidNameError(f"the file name {item.path!r} is not UTF-8")
            return name, status, Entry(ascii(name), error=shown)
        if stat.S_ISDIR(status.st_mode):
            return name, status, None
        if not stat.S_ISREG(status.st_mode):
            return name, status, Entry(name, skipped="not a regular file")
        return name, status, Entry(name, status.st_size, status.st_mtime, status.st_ctime)

    def _of_link(self, name: str) -> Entry:
        if self.symlinks == "error":
            refusal = InvalidOptionError(
                f"{self.path(name)!r} is a symbolic link; pass symlinks='follow' or 'skip'"
            )
            return Entry(name, error=refusal)
        return Entry(name, skipped="a symbolic link")

    def check_name(self, name: str) -> None:
        """
        Refuse a name that no file below this directory can have.

        Raises:
            InvalidNameError: The name has a component that is no file name.
        """
        if name.endswith("/") or not name:
            raise InvalidNameError(
                f"{name!r} is a folder marker; a directory is created for the files in it"
            )
        for piece in name.split("/"):
            if not is_file_name(piece):
                raise InvalidNameError(
                    f"{name!r} cannot be the path of a file: {piece!r} is not a file name"
                )
            if len(piece.encode("utf-8", "surrogatepass")) > _MAX_COMPONENT:
                raise InvalidNameError(
                    f"{name!r} cannot be the path of a file: a component has more than"
                    f" {_MAX_COMPONENT} bytes"
                )

    def prepare(self, name: str, *, create: bool = True) -> str:
        """
        Return the path that a file will have, after creating its directory.

        Args:
            create: False to check the path only.

        Raises:
            InvalidNameError: A symbolic link is in the way, or another kind of file.
        """
        self.check_name(name)
        path = self.root
        if create:
            with local_errors(path, _ROLE):
                os.makedirs(path, exist_ok=True)
        *folders, last = name.split("/")
        for piece in folders:
            path = os.path.join(path, piece)
            self._check_link(path, name)
            if create:
                with local_errors(path, _ROLE):
                    try:
                        os.mkdir(path)
                    except FileExistsError:
                        pass
            if os.path.exists(path) and not os.path.isdir(path):
                raise InvalidNameError(
                    f"{name!r} cannot be stored: {path!r} exists and is not a directory"
                )
        path = os.path.join(path, last)
        self._check_link(path, name)
        if os.path.isdir(path):
            raise InvalidNameError(f"{name!r} cannot be stored: {path!r} is a directory")
        return path

    def _check_link(self, path: str, name: str) -> None:
        """Refuse a symbolic link that leads out of the directory, or that is not followed."""
        if not os.path.islink(path):
            return
        root = os.path.realpath(self.root)
        inside = os.path.commonpath([root, os.path.realpath(path)]) == root
        if self.symlinks != "follow" or not inside:
            raise InvalidNameError(
                f"{name!r} cannot be stored: {path!r} is a symbolic link"
                + ("" if inside else " that leads out of the directory")
            )

    def delete(self, name: str) -> None:
        """Delete a file, and the directories above it that are empty then."""
        path = self.prepare(name)
        with local_errors(path, "file"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
        folder = name.rpartition("/")[0]
        while folder:
            try:
                os.rmdir(self.path(folder))
            except OSError:
                return  # it is not empty
            folder = folder.rpartition("/")[0]


@dataclass(frozen=True)
class ObjectTree:
    """
    The objects below a prefix.

    Attributes:
        prefix: Empty, or a text that ends with a slash.
    """

    container: ContainerHandle
    prefix: str = ""

    def entries(self) -> Iterator[Entry]:
        """Yield the objects in the order of their names' UTF-8 bytes."""
        for obj in self.container.list_objects(self.prefix):
            info: ObjectInfo = obj._info
            modified = info.last_modified
            yield Entry(
                info.name[len(self.prefix) :],
                info.size,
                None if modified is None else modified.timestamp(),
                info=info,
            )

    def check_name(self, name: str) -> None:
        """
        Refuse a name that the service cannot store.

        Raises:
            InvalidNameError: The service has no such names.
        """
        self.container.driver._valid_name(self.prefix + name)

    def handle(self, info: ObjectInfo) -> ObjectHandle:
        """Return the handle of an object with known attributes."""
        handle: ObjectHandle = self.container.object(info.name)
        handle._info = info
        return handle


@dataclass(frozen=True)
class NoTree:
    """A source without anything: all of the target is to be deleted."""

    def entries(self) -> Iterator[Entry]:
        """Yield nothing."""
        return iter(())


Tree: TypeAlias = "LocalTree | ObjectTree"
