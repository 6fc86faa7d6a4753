"""
What a file cannot say of itself: content type, metadata, and the digest of its content.

It is kept in extended attributes of the file, which follow it wherever it is renamed to, or, where
a file system has none, in a side file that is called by the number of the file's inode.

The digest is kept apart, under a *seal* that tells of which state of the file it is. A file whose
size, time of modification or time of change is not the seal's is taken for changed, and its digest
for unknown. The time of change is the one that no program can set back, but keeping the seal in an
attribute moves it; so the seal gives the latest that it may be, a moment right after its writing.
"""

from __future__ import annotations

import errno
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import override

from .tree import RESERVED

RECORD = "user.libstore"
SEAL = "user.libstore.hash"

_DIRECTORY = RESERVED + "attributes"
_UNSUPPORTED = (errno.ENOTSUP, errno.ENOSYS)
# How far behind its writing a seal's latest moment lies, in nanoseconds; the first that holds.
_SLACK = (0, 20_000, 200_000)
# How far before that moment the time of change may lie; coarse clocks move in steps of 10 ms.
_WINDOW = 1_000_000_000


@dataclass(frozen=True)
class Record:
    """What is kept with an object beside its content."""

    name: str
    content_type: str
    metadata: Mapping[str, str]
    extra: Mapping[str, str]
    started: str | None = None

    def dump(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes | None) -> Record | None:
        """Return what was kept, or `None` if it is nothing that we wrote."""
        fields = _load_object(data)
        try:
            return None if fields is None else cls(**fields)
        except TypeError:
            return None


@dataclass(frozen=True)
class Seal:
    """
    A digest, and the state of the file that it is of.

    Attributes:
        until: The latest time of change that the file may have, in nanoseconds.
    """

    md5: str
    size: int
    modified: int
    until: int

    def holds(self, status: os.stat_result) -> bool:
        """Return whether a file in this state has the content that the digest is of."""
        return (
            status.st_size == self.size
            and status.st_mtime_ns == self.modified
            and self.until - _WINDOW <= status.st_ctime_ns <= self.until
        )

    def dump(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes | None) -> Seal | None:
        """Return the seal that was kept, or `None` if it is nothing that we wrote."""
        fields = _load_object(data)
        try:
            return None if fields is None else cls(**fields)
        except TypeError:
            return None


class Attributes(ABC):
    """Where values are kept with a file; `container` is the descriptor of its container."""

    @abstractmethod
    def get(
        self, descriptor: int, container: int, key: str, *, growing: bool = False
    ) -> bytes | None:
        """Return a value, or `None`. A `growing` file of ours is written after its values."""

    @abstractmethod
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        """Keep a value."""

    @abstractmethod
    def drop(self, inode: int, container: int) -> None:
        """Forget the values of a file that is gone."""

    @abstractmethod
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> None:
        """Keep the digest of a file whose content was of this status when it was computed."""

    def digest(self, descriptor: int, container: int, status: os.stat_result) -> str | None:
        """Return the digest of a file's content, if it is known."""
        seal = Seal.load(self.get(descriptor, container, SEAL))
        return seal.md5 if seal is not None and seal.holds(status) else None


class ExtendedAttributes(Attributes):
    """Values in the file's own extended attributes."""

    @override
    def get(
        self, descriptor: int, container: int, key: str, *, growing: bool = False
    ) -> bytes | None:
        try:
            return os.getxattr(descriptor, key)
        except OSError as error:
            if error.errno in (errno.ENODATA, *_UNSUPPORTED):
                return None
            raise

    @override
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        os.setxattr(descriptor, key, value)

    @override
    def drop(self, inode: int, container: int) -> None:
        return

    @override
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> None:
        for slack in _SLACK:
            until = time.time_ns() + slack
            seal = Seal(md5, status.st_size, status.st_mtime_ns, until)
            self.set(descriptor, container, SEAL, seal.dump())
            if seal.holds(os.fstat(descriptor)):
                return


class SideFiles(Attributes):
    """
    Values in files of ours, by the number of the inode.

    A number is used again for another file after its file is gone. So values count only for a
    file that was last written before they were: one that others changed is a new file to us.
    """

    @override
    def get(
        self, descriptor: int, container: int, key: str, *, growing: bool = False
    ) -> bytes | None:
        status = os.fstat(descriptor)
        not_before = 0 if growing else status.st_mtime_ns
        try:
            with _side_directory(container) as directory:
                return _read(_side_name(status.st_ino, key), directory, not_before)
        except FileNotFoundError:
            return None

    @override
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        try:
            os.mkdir(_DIRECTORY, dir_fd=container)
        except FileExistsError:
            pass
        name = _side_name(os.fstat(descriptor).st_ino, key)
        with _side_directory(container) as directory:
            temporary = f"{name}.{time.time_ns():x}"
            _write(temporary, directory, value)
            os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)

    @override
    def drop(self, inode: int, container: int) -> None:
        for key in (RECORD, SEAL):
            try:
                with _side_directory(container) as directory:
                    os.unlink(_side_name(inode, key), dir_fd=directory)
            except FileNotFoundError:
                continue

    @override
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> None:
        changed = os.fstat(descriptor).st_ctime_ns
        seal = Seal(md5, status.st_size, status.st_mtime_ns, changed)
        self.set(descriptor, container, SEAL, seal.dump())


def remove_side_files(container: int) -> None:
    """Remove all side files of a container."""
    try:
        with _side_directory(container) as directory:
            for name in os.listdir(directory):
                os.unlink(name, dir_fd=directory)
        os.rmdir(_DIRECTORY, dir_fd=container)
    except (FileNotFoundError, NotADirectoryError):
        return


def has_extended_attributes(descriptor: int) -> bool:
    """Return whether files beside this one can have extended attributes."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.getxattr(descriptor, RECORD)
    except OSError as error:
        return error.errno not in _UNSUPPORTED
    return True


def _load_object(data: bytes | None) -> dict[str, Any] | None:
    try:
        fields = None if data is None else json.loads(data)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _side_name(inode: int, key: str) -> str:
    return f"{inode:x}{'.hash' if key == SEAL else ''}"


@contextmanager
def _side_directory(container: int) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(_DIRECTORY, flags, dir_fd=container)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(name: str, directory: int, not_before: int) -> bytes | None:
    """Return a side file's content, unless it was written before a moment in nanoseconds."""
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    with open(descriptor, "rb") as file:
        return file.read() if os.fstat(descriptor).st_mtime_ns >= not_before else None


def _write(name: str, directory: int, value: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o666, dir_fd=directory)
    with open(descriptor, "wb") as file:
        file.write(value)
