"""
Store content type, metadata and checksum with a file.

They are stored in extended attributes, which stay with a file when it is renamed, or, if the file
system does not support these, in side files whose names are inode numbers.

The digest is stored in a separate *seal*, together with the state of the file. If the file's size,
modification time or change time differs from the seal's, the digest is unknown. No program can set
back the change time, but storing the seal in an attribute updates it; therefore the seal contains
the latest allowed change time, and the method that writes it waits until then.
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
from datetime import datetime, timezone
from itertools import chain
from typing import NamedTuple

from typing_extensions import override

from ...errors import InvalidOptionError
from ...readonly import no_pairs
from ...transfer.local_files import write_all
from .system import O_DIRECTORY, O_NOFOLLOW
from .tree import RESERVED

RECORD = "user.libstore"
SEAL = "user.libstore.hash"

_DIRECTORY = RESERVED + "attributes"
_VERSION = "1"
_DIGEST = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UNSUPPORTED = (errno.ENOTSUP, errno.ENOSYS)
# ext4 has 4 KiB for all attributes of a file, so a longer value may not fit.
_LONGEST = 3_500
# The time from writing a seal to its latest change time, in nanoseconds; tried in this order.
_SLACK = (0, 20_000, 200_000)
# How long before that time the change time may be; coarse clocks advance in steps of 10 ms.
_WINDOW = 1_000_000_000


# The temporary file of `_advance_file_clock`, while no thread uses it.
_clocks: list[tuple[int, tuple[int, int]]] = []


class Record(NamedTuple):
    """
    The attributes that are stored with an object.

    Attributes:
        started: The start of a multipart upload; `None` for a complete object.
    """

    name: str
    content_type: str
    metadata: Mapping[str, str]
    extra: Mapping[str, str]
    started: datetime | None = None

    def dump(self) -> bytes:
        """Serialize the record, with NUL as separator, which no field can contain."""
        started = "" if self.started is None else self.started.isoformat()
        pairs = chain(*self.metadata.items(), *self.extra.items())
        head = (_VERSION, self.name, self.content_type, started, str(len(self.metadata)))
        return "\0".join(chain(head, pairs)).encode()

    @classmethod
    def load(cls, data: bytes | None) -> Record | None:
        """Parse a record; `None` if it is missing or invalid."""
        try:
            version, name, content_type, started, count, *rest = (data or b"").decode().split("\0")
            last = int(count)
            if version != _VERSION or not name:
                return None
            begun = datetime.fromisoformat(started).astimezone(timezone.utc) if started else None
            if not rest:
                return cls(name, content_type, no_pairs(), no_pairs(), begun)
            pairs = list(zip(rest[::2], rest[1::2], strict=True))
            return cls(name, content_type, dict(pairs[:last]), dict(pairs[last:]), begun)
        except (ValueError, OverflowError):
            return None


class Seal(NamedTuple):
    """
    A digest, and the state of the file for which it is valid.

    Attributes:
        until: The latest allowed change time, in nanoseconds.
    """

    md5: str
    size: int
    modified: int
    until: int

    def holds(self, status: os.stat_result) -> bool:
        """Return whether the digest is valid for a file with this status."""
        return (
            status.st_size == self.size
            and status.st_mtime_ns == self.modified
            and self.until - _WINDOW <= status.st_ctime_ns <= self.until
        )

    def dump(self) -> bytes:
        """Serialize the seal."""
        return f"{self.md5} {self.size} {self.modified} {self.until}".encode()

    @classmethod
    def load(cls, data: bytes | None) -> Seal | None:
        """Parse a seal; `None` if it is missing or invalid."""
        try:
            md5, size, modified, until = (data or b"").decode().split(" ")
            seal = cls(md5, int(size), int(modified), int(until))
        except ValueError:
            return None
        return seal if _DIGEST.fullmatch(md5) else None


class Attributes(ABC):
    """Values that are stored with a file; `container` is the descriptor of its container."""

    @abstractmethod
    def get(self, descriptor: int, container: int, key: str) -> bytes | None:
        """Return a value, or `None`."""

    @abstractmethod
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        """Store a value."""

    @abstractmethod
    def drop(self, inode: int, container: int) -> None:
        """Delete the values of a removed file, whose inode must not be free yet."""

    @abstractmethod
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> bool:
        """
        Store the digest of a file, with the status at the time of its computation.

        Returns:
            Whether the digest is valid, which it is not if the file was changed meanwhile.
        """

    def record(self, name: str, descriptor: int, container: int) -> Record | None:
        """Return the record of an object's file."""
        return Record.load(self.get(descriptor, container, RECORD))

    def digest(self, descriptor: int, container: int, status: os.stat_result) -> str | None:
        """Return the stored digest of a file, if it is valid."""
        seal = Seal.load(self.get(descriptor, container, SEAL))
        return seal.md5 if seal is not None and seal.holds(status) else None


class ExtendedAttributes(Attributes):
    """Values in extended attributes of the file."""

    @override
    def get(self, descriptor: int, container: int, key: str) -> bytes | None:
        try:
            value: bytes = os.getxattr(descriptor, key)  # type: ignore[attr-defined, unused-ignore]
        except OSError as error:
            if error.errno in (errno.ENODATA, *_UNSUPPORTED):
                return None
            raise
        return value

    @override
    def set(self, descriptor: int, container: int, key: str, value: bytes) -> None:
        try:
            os.setxattr(descriptor, key, value)  # type: ignore[attr-defined, unused-ignore]
        except OSError as error:
            if len(value) <= _LONGEST:
                raise
            raise InvalidOptionError(
                f"metadata and headers have {len(value)} bytes in total, which exceeds the limit"
                " of this file system's extended attributes; pass attributes='file' to the driver"
            ) from error

    @override
    def drop(self, inode: int, container: int) -> None:
        return

    @override
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> bool:
        for slack in _SLACK:
            until = time.time_ns() + slack
            seal = Seal(md5, status.st_size, status.st_mtime_ns, until)
            self.set(descriptor, container, SEAL, seal.dump())
            if seal.holds(os.fstat(descriptor)):
                # All later changes must have a later change time.
                while time.time_ns() <= until:
                    continue
                _advance_file_clock()
                return True
        return False


def _advance_file_clock() -> None:
    """
    Make sure that the next change of any file gets a timestamp that is not before now.

    Linux uses the time of its last tick, or the latest fine-grained timestamp that any file got. A
    file gets a fine-grained one if its timestamp was queried since its last change, and would not
    advance otherwise. This function changes a temporary file until it gets one.
    https://docs.kernel.org/filesystems/multigrain-ts.html

    The file stays open for the next call.
    """
    if not hasattr(os, "memfd_create"):
        return
    descriptor, identity = _kept_clock() or _new_clock(os.memfd_create("libstore"))
    try:
        for _ in range(2):
            os.fstat(descriptor)
            os.utime(descriptor)
    finally:
        if _clocks:
            os.close(descriptor)
        else:
            _clocks.append((descriptor, identity))


def _kept_clock() -> tuple[int, tuple[int, int]] | None:
    """Return a temporary file that no other thread uses, and what identifies it."""
    with suppress(IndexError, OSError):
        descriptor, identity = _clocks.pop()
        # The program may have closed all descriptors, as daemons do, and opened other files since.
        if _identity(descriptor) == identity:
            return descriptor, identity
    return None


def _new_clock(descriptor: int) -> tuple[int, tuple[int, int]]:
    return descriptor, _identity(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


class SideFiles(Attributes):
    """
    Values in side files, named after the inode number of the file.

    The file system may reuse the number of a removed file. Therefore a record is valid only for
    the name and the state of the file for which it was stored: a file that another program has
    changed counts as a new file.

    Args:
        fsync: Write the values to disk before a method returns.
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
    def seal(self, descriptor: int, container: int, md5: str, status: os.stat_result) -> bool:
        now = os.fstat(descriptor)
        seal = Seal(md5, status.st_size, status.st_mtime_ns, now.st_ctime_ns)
        self.set(descriptor, container, SEAL, seal.dump())
        return seal.holds(now)

    @override
    def record(self, name: str, descriptor: int, container: int) -> Record | None:
        found = self._read(descriptor, container, RECORD)
        if found is None:
            return None
        record, kept = Record.load(found[0]), found[1]
        unchanged = kept >= os.fstat(descriptor).st_mtime_ns
        return record if record is not None and record.name == name and unchanged else None

    def _read(self, descriptor: int, container: int, key: str) -> tuple[bytes, int] | None:
        """Return a value and the time when it was stored, in nanoseconds."""
        try:
            with _side_directory(container) as directory:
                return _read(_side_name(os.fstat(descriptor).st_ino, key), directory)
        except FileNotFoundError:
            return None

    def _write(self, name: str, directory: int, value: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_NOFOLLOW
        descriptor = os.open(name, flags, 0o666, dir_fd=directory)
        try:
            write_all(descriptor, memoryview(value))
            now = time.time_ns()
            os.utime(descriptor, ns=(now, now))  # with the precision of the object's own time
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _sync(self, descriptor: int) -> None:
        if self._fsync:
            os.fsync(descriptor)


def has_extended_attributes(descriptor: int) -> bool:
    """Return whether the file system of a file supports extended attributes."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.getxattr(descriptor, RECORD)  # type: ignore[attr-defined, unused-ignore]
    except OSError as error:
        return error.errno not in _UNSUPPORTED
    return True


def remove_side_files(container: int) -> None:
    """Remove all side files of a container."""
    with suppress(OSError):  # if this fails, removing the container raises an error
        with _side_directory(container) as directory:
            for name in os.listdir(directory):
                os.unlink(name, dir_fd=directory)
        os.rmdir(_DIRECTORY, dir_fd=container)


def _side_name(inode: int, key: str) -> str:
    return f"{inode:x}{'.hash' if key == SEAL else ''}"


@contextmanager
def _side_directory(container: int) -> Iterator[int]:
    flags = os.O_RDONLY | O_DIRECTORY | O_NOFOLLOW
    descriptor = os.open(_DIRECTORY, flags, dir_fd=container)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(name: str, directory: int) -> tuple[bytes, int]:
    descriptor = os.open(name, os.O_RDONLY | O_NOFOLLOW, dir_fd=directory)
    with open(descriptor, "rb") as file:
        return file.read(), os.fstat(descriptor).st_mtime_ns
