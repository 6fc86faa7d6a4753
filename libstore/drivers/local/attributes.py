"""
What a file cannot say of itself: content type, metadata, and the digest of its content.

It is kept in extended attributes of the file, which follow it wherever it is renamed to, or, where
a file system has none, in side files that are called by the number of the file's inode.

The digest is kept apart, under a *seal* that tells of which state of the file it is. A file whose
size, time of modification or time of change is not the seal's is taken for changed, and its digest
for unknown. The time of change is the one that no program can set back, but keeping the seal in an
attribute moves it; so the seal gives the latest that it may be, and that moment is waited for.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain

from typing_extensions import override

from ...errors import InvalidOptionError
from ...transfer.local_files import write_all
from .tree import RESERVED

RECORD = "user.libstore"
SEAL = "user.libstore.hash"

_DIRECTORY = RESERVED + "attributes"
_VERSION = "1"
_DIGEST = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UNSUPPORTED = (errno.ENOTSUP, errno.ENOSYS)
# ext4 has 4 KiB for all attributes of a file; what is longer than this does not fit for sure.
_LONGEST = 3_500
# How far behind its writing a seal's latest moment lies, in nanoseconds; the first that holds.
_SLACK = (0, 20_000, 200_000)
# How far before that moment the time of change may lie; coarse clocks move in steps of 10 ms.
_WINDOW = 1_000_000_000


@dataclass(frozen=True)
class Record:
    """
    What is kept with an object beside its content.

    Attributes:
        started: When the upload in parts was begun; `None` for what is complete.
    """

    name: str
    content_type: str
    metadata: Mapping[str, str]
    extra: Mapping[str, str]
    started: datetime | None = None

    def dump(self) -> bytes:
        """Return the record's text: NUL cannot be in any field, and nothing is escaped."""
        started = "" if self.started is None else self.started.isoformat()
        pairs = chain(*self.metadata.items(), *self.extra.items())
        head = (_VERSION, self.name, self.content_type, started, str(len(self.metadata)))
        return "\0".join(chain(head, pairs)).encode()

    @classmethod
    def load(cls, data: bytes | None) -> Record | None:
        """Return what was kept, or `None` if it is nothing that we wrote."""
        try:
            version, name, content_type, started, count, *rest = (data or b"").decode().split("\0")
            pairs = list(zip(rest[::2], rest[1::2], strict=True))
            if version != _VERSION or not name:
                return None
            return cls(
                name,
                content_type,
                dict(pairs[: int(count)]),
                dict(pairs[int(count) :]),
                datetime.fromisoformat(started).astimezone(timezone.utc) if started else None,
            )
        except (ValueError, OverflowError):
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
        """Return the seal's text."""
        return f"{self.md5} {self.size} {self.modified} {self.until}".encode()

    @classmethod
    def load(cls, data: bytes | None) -> Seal | None:
        """Return the seal that was kept, or `None` if it is nothing that we wrote."""
        try:
            md5, size, modified, until = (data or b"").decode().split(" ")
            seal = cls(md5, int(size), int(modified), int(until))
        except ValueError:
            return None
        return seal if _DIGEST.fullmatch(md5) else None


class Attributes(ABC):
    """Where values are kept with a file; `container` is the descriptor of its container."""

    @abstractmethod
    def get(self, descriptor: int, container: int, key: str) -> bytes | None:
        """Return a value, or `None`."""

    @abstractmethod
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        """Keep a value."""

    @abstractmethod
    def drop(self, inode: int, container: int) -> None:
        """Forget the values of a file that is gone; its inode must not be free yet."""

    @abstractmethod
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> None:
        """Keep the digest of a file whose content was of this status when it was computed."""

    def record(self, name: str, descriptor: int, container: int) -> Record | None:
        """Return what is kept with the file of an object."""
        return Record.load(self.get(descriptor, container, RECORD))

    def digest(self, descriptor: int, container: int, status: os.stat_result) -> str | None:
        """Return the digest of a file's content, if it is known."""
        seal = Seal.load(self.get(descriptor, container, SEAL))
        return seal.md5 if seal is not None and seal.holds(status) else None


class ExtendedAttributes(Attributes):
    """Values in the file's own extended attributes."""

    @override
    def get(self, descriptor: int, container: int, key: str) -> bytes | None:
        try:
            return os.getxattr(descriptor, key)
        except OSError as error:
            if error.errno in (errno.ENODATA, *_UNSUPPORTED):
                return None
            raise

    @override
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        try:
            os.setxattr(descriptor, key, value)
        except OSError as error:
            if len(value) <= _LONGEST:
                raise
            raise InvalidOptionError(
                f"metadata and headers have {len(value)} bytes together, which is more than this"
                " file system keeps with a file; attributes='file' has no such limit"
            ) from error

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
                # What is changed from now on must have a later time of change.
                while time.time_ns() <= until:
                    continue
                _advance_file_clock()
                return


def _advance_file_clock() -> None:
    """
    Have the next change of any file stamped with a time that is not before now.

    Linux stamps changes with the time of its last tick, or with the latest exact stamp that any
    file was given; it gives an exact one where the file was looked at since its last change and
    would get no later time else. So a file of our own is changed until it gets one.
    https://docs.kernel.org/filesystems/multigrain-ts.html
    """
    if not hasattr(os, "memfd_create"):
        return
    descriptor = os.memfd_create("libstore")
    try:
        for _ in range(2):
            os.fstat(descriptor)
            os.utime(descriptor)
    finally:
        os.close(descriptor)


class SideFiles(Attributes):
    """
    Values in files of ours, by the number of the inode.

    A number is used again for another file after its file is gone. So a record counts only for
    the name that it was kept for, and for a file that is as it was then: one that others changed
    is a new file to us.

    Args:
        fsync: Have the values on disk before a method returns.
    """

    def __init__(self, fsync: bool) -> None:
        self._fsync = fsync

    @override
    def get(self, descriptor: int, container: int, key: str) -> bytes | None:
        found = self._read(descriptor, container, key)
        return None if found is None else found[0]

    @override
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        with suppress(FileExistsError):
            os.mkdir(_DIRECTORY, dir_fd=container)
            self._sync(container)
        name = _side_name(os.fstat(descriptor).st_ino, key)
        with _side_directory(container) as directory:
            temporary = f"{name}.{secrets.token_hex(8)}"
            try:
                self._write(temporary, directory, value)
                os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
                raise
            self._sync(directory)

    @override
    def drop(self, inode: int, container: int) -> None:
        for key in (RECORD, SEAL):
            with suppress(FileNotFoundError), _side_directory(container) as directory:
                os.unlink(_side_name(inode, key), dir_fd=directory)

    @override
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> None:
        changed = os.fstat(descriptor).st_ctime_ns
        seal = Seal(md5, status.st_size, status.st_mtime_ns, changed)
        self.set(descriptor, container, SEAL, seal.dump())

    @override
    def record(self, name: str, descriptor: int, container: int) -> Record | None:
        found = self._read(descriptor, container, RECORD)
        if found is None:
            return None
        record, kept = Record.load(found[0]), found[1]
        unchanged = kept >= os.fstat(descriptor).st_mtime_ns
        return record if record is not None and record.name == name and unchanged else None

    def _read(self, descriptor: int, container: int, key: str) -> tuple[bytes, int] | None:
        """Return a value and when it was kept, in nanoseconds."""
        try:
            with _side_directory(container) as directory:
                return _read(_side_name(os.fstat(descriptor).st_ino, key), directory)
        except FileNotFoundError:
            return None

    def _write(self, name: str, directory: int, value: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(name, flags, 0o666, dir_fd=directory)
        try:
            write_all(descriptor, memoryview(value))
            now = time.time_ns()
            os.utime(descriptor, ns=(now, now))  # as exact as the time of the file it is about
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _sync(self, descriptor: int) -> None:
        if self._fsync:
            os.fsync(descriptor)


def has_extended_attributes(descriptor: int) -> bool:
    """Return whether files beside this one can have extended attributes."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.getxattr(descriptor, RECORD)
    except OSError as error:
        return error.errno not in _UNSUPPORTED
    return True


def remove_side_files(container: int) -> None:
    """Remove all side files of a container."""
    with suppress(OSError):  # what cannot be removed keeps the container, which is then told
        with _side_directory(container) as directory:
            for name in os.listdir(directory):
                os.unlink(name, dir_fd=directory)
        os.rmdir(_DIRECTORY, dir_fd=container)


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


def _read(name: str, directory: int) -> tuple[bytes, int]:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=directory)
    with open(descriptor, "rb") as file:
        return file.read(), os.fstat(descriptor).st_mtime_ns
