"""
Partial files of downloads that can be resumed, and the removal of what killed downloads left.

A partial file lies beside the destination, under a name that depends on the destination only. Its
journal, a file of JSON lines, begins with the version and the range of the object; then it has a
line for each finished piece: where it begins and ends, and its CRC-32. A line is written after the
bytes of its piece were flushed to the disk, and its piece is compared with the CRC before it is
used. The process that uses both files holds a lock on the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Self, override

from .. import arguments
from ..errors import LocalFileError
from ..values import MiB, Span
from .local_files import (
    DESTINATION,
    UnpublishedFile,
    local_errors,
    read_at,
    temporary_path,
    try_lock,
    write_all,
)

_DATA, _JOURNAL, _LOCK = ".libstore-partial", ".libstore-journal", ".libstore-lock"
_RESUMABLE = re.compile(
    rf"(?s)(\..{{1,25}}\.[0-9a-f]{{12}})(?:{re.escape(_DATA)}|{re.escape(_JOURNAL)}"
    rf"|{re.escape(_LOCK)})"
)
_PLAIN = re.compile(r"(?s)\..{1,25}\.[0-9a-f]{12}\.part")
_FORMAT = 1
_OPEN = (
    os.O_RDWR
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


class _Piece(NamedTuple):
    """A range of the object that was written to the partial file, and its CRC-32."""

    start: int
    stop: int
    crc: int


class PartialFile(UnpublishedFile):
    """A file beside the destination that is renamed to it, or kept with its journal."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        digest = hashlib.sha256(os.fsencode(os.path.basename(path))).hexdigest()
        self._base = temporary_path(path, digest[:12])
        self._temporary = self._base + _DATA
        self._descriptor = -1
        self._first = 0
        self._kept = False

    def __enter__(self) -> Self:
        with local_errors(self._path, DESTINATION):
            lock = _Lock.acquire(self._base)
            if lock is None:
                raise LocalFileError(
                    f"another download with resume=True is writing to {self._path!r}; wait for"
                    " its end, or choose another destination"
                )
            self._lock = lock
            try:
                self._descriptor = _open_own(self._temporary)
            except BaseException:
                lock.release()
                raise
        return self

    def has_pieces(self) -> bool:
        """Return whether an earlier download has left finished pieces."""
        with local_errors(self._path, DESTINATION):
            self._kept = _parse(self._lock.descriptor).pinned is not None
        return self._kept

    def restore(
        self, pinned: Mapping[str, object], span: Span, checkpoint: Callable[[], None]
    ) -> list[Span]:
        """
        Return the finished pieces whose bytes are in the file, in order and without overlaps.

        There are none if the journal is of another version or range than `pinned`.
        """
        with local_errors(self._path, DESTINATION):
            journal = _parse(self._lock.descriptor)
            if journal.pinned != {"libstore": _FORMAT, **pinned}:
                return []
            os.ftruncate(self._lock.descriptor, journal.length)  # remove an unfinished line
            self._first = span.start
            found: list[Span] = []
            position = span.start
            end = span.stop
            assert end is not None
            for piece in sorted(journal.pieces):
                if not position <= piece.start < piece.stop <= end:
                    continue
                if self._matches(piece, checkpoint):
                    found.append(Span(piece.start, piece.stop))
                    position = piece.stop
        return found

    def begin(self, pinned: Mapping[str, object], span: Span) -> None:
        """Start anew, with pieces of another version or range."""
        self.clear()
        self._first = span.start
        header = json.dumps({"libstore": _FORMAT, **pinned}) + "\n"
        with local_errors(self._path, DESTINATION):
            write_all(self._lock.descriptor, memoryview(header.encode()), 0)
            os.fsync(self._lock.descriptor)

    def clear(self) -> None:
        """Forget all pieces."""
        self._kept = False
        with local_errors(self._path, DESTINATION):
            os.ftruncate(self._lock.descriptor, 0)
            os.ftruncate(self._descriptor, 0)

    def flush(self) -> None:
        """Wait until all written bytes are on the disk."""
        with local_errors(self._path, DESTINATION):
            os.fsync(self._descriptor)

    def record(self, span: Span, crc: int) -> None:
        """Add a piece, whose bytes were flushed, to the journal."""
        line = json.dumps([span.start, span.stop, crc]) + "\n"
        journal = self._lock.descriptor
        with local_errors(self._path, DESTINATION):
            write_all(journal, memoryview(line.encode()), os.fstat(journal).st_size)
        self._kept = True

    def __exit__(self, *exception: object) -> None:
        self._close()
        if not self._published and not self._kept:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
        if self._published or not self._kept:
            self._lock.remove()
        else:
            self._lock.release()

    @override
    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _matches(self, piece: _Piece, checkpoint: Callable[[], None]) -> bool:
        position = piece.start
        crc = 0
        while position < piece.stop:
            checkpoint()
            size = min(MiB, piece.stop - position)
            block = read_at(self._descriptor, size, position - self._first)
            if not block:
                return False
            crc = zlib.crc32(block, crc)
            position += len(block)
        return crc == piece.crc


class _Journal(NamedTuple):
    """
    The complete lines of a journal.

    Attributes:
        pinned: The version and the range; `None` if no piece was recorded.
        length: The number of bytes of these lines.
    """

    pinned: Mapping[str, object] | None
    pieces: list[_Piece]
    length: int


def _parse(descriptor: int) -> _Journal:
    content = b""
    while block := read_at(descriptor, MiB, len(content)):
        content += block
    lines = content.splitlines(keepends=True)
    pieces: list[_Piece] = []
    length = 0
    pinned: Any = None
    for number, line in enumerate(lines):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):  # such as a line of a process that was killed
            break
        if not line.endswith(b"\n"):
            break
        if number == 0:
            pinned = value
        elif _is_piece(value):
            pieces.append(_Piece(*value))
        else:
            break
        length += len(line)
    return _Journal(pinned if pieces and isinstance(pinned, dict) else None, pieces, length)


def _is_piece(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(number) is int and number >= 0 for number in value)
        and value[0] < value[1]
    )


class _Lock:
    """
    A lock on a journal, which ends with the process.

    Attributes:
        descriptor: The open journal.
    """

    def __init__(self, base: str, descriptor: int, held: int | None) -> None:
        self._base = base
        self.descriptor = descriptor
        self._held = held

    @classmethod
    def acquire(cls, base: str) -> _Lock | None:
        """Create and lock a journal; return `None` if another process or thread has locked it."""
        if sys.platform == "win32":
            # Windows deletes the file when it is closed, also by the end of the process.
            flags = _OPEN | os.O_CREAT | os.O_EXCL | getattr(os, "O_TEMPORARY", 0)
            try:
                held = os.open(base + _LOCK, flags)
            except (FileExistsError, PermissionError):
                if not os.path.exists(base + _LOCK):
                    raise
                return None
            return cls(base, _open_own(base + _JOURNAL), held)
        while True:
            descriptor = _open_own(base + _JOURNAL)
            if not _locks(descriptor):
                os.close(descriptor)
                return None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(base + _JOURNAL)):
                    return cls(base, descriptor, None)
            os.close(descriptor)  # the download that held the lock has removed the journal

    def remove(self) -> None:
        """Delete the journal, and release the lock."""
        if sys.platform == "win32":  # which deletes no open file
            os.close(self.descriptor)
            with suppress(FileNotFoundError):
                os.unlink(self._base + _JOURNAL)
            self._release_held()
        else:
            with suppress(FileNotFoundError):
                os.unlink(self._base + _JOURNAL)
            os.close(self.descriptor)

    def release(self) -> None:
        """Release the lock, and keep the journal."""
        os.close(self.descriptor)
        self._release_held()

    def _release_held(self) -> None:
        if self._held is not None:
            os.close(self._held)
            with suppress(FileNotFoundError):
                os.unlink(self._base + _LOCK)


def _locks(descriptor: int) -> bool:
    try:
        return try_lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _open_own(path: str) -> int:
    """Open a regular file of this user, or create it; the name can be guessed by others."""
    descriptor = os.open(path, _OPEN | os.O_CREAT, 0o666)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or not _is_own(status):
        os.close(descriptor)
        raise LocalFileError(
            f"{path!r}, the partial file of a download, is a link or not a file of this user;"
            " remove it, or choose another destination"
        )
    return descriptor


def _is_own(status: os.stat_result) -> bool:
    return sys.platform == "win32" or status.st_uid == os.geteuid()


def is_temporary(name: str) -> bool:
    """Return whether a file name is one of those that downloads give to their temporary files."""
    return any(pattern.fullmatch(name) for pattern in (_PLAIN, _RESUMABLE))


def clean_partials(
    folder: str | os.PathLike[str], *, older_than: float | timedelta = 0.0
) -> list[Path]:
    """
    Delete what interrupted downloads have left in a directory, and return the deleted files.

    These are partial files and journals of downloads with ``resume=True``, and temporary files of
    other downloads whose process was killed. They are found by their names, also in directories
    below; links are not followed. Files that a running download uses, and those of other users,
    are kept.

    Args:
        folder: The directory.
        older_than: The time since the last write to a file, in seconds or as a `timedelta`;
            younger files are kept.

    Raises:
        LocalFileError: The directory does not exist or cannot be read, or a file cannot be
            deleted.
    """
    age = arguments.duration(older_than, "older_than")
    root = os.fsdecode(folder)
    latest = None if not age else time.time() - age
    deleted: list[Path] = []
    with local_errors(root, "directory"):
        for directory, names in _directories(root):
            deleted += _clean(directory, names, latest)
    return deleted


def _directories(root: str) -> Iterator[tuple[str, list[str]]]:
    def fail(error: OSError) -> None:
        raise error

    for directory, _, names in os.walk(root, onerror=fail):
        yield directory, sorted(names)


def _clean(directory: str, names: list[str], latest: float | None) -> Iterator[Path]:
    """Delete the files of one directory that were last written before a time, and yield them."""
    bases: dict[str, list[str]] = {}
    for name in names:
        path = os.path.join(directory, name)
        resumable = _RESUMABLE.fullmatch(name)
        if resumable is not None:
            bases.setdefault(os.path.join(directory, resumable[1]), []).append(path)
        elif _PLAIN.fullmatch(name) is not None and _is_old(path, latest) and _delete_plain(path):
            yield Path(path)
    for base, paths in bases.items():
        if not all(_is_old(path, latest) for path in paths):
            continue
        lock = _Lock.acquire(base)
        if lock is None:
            continue
        for path in paths:
            if not path.endswith(_JOURNAL):
                with suppress(FileNotFoundError):
                    os.unlink(path)
        lock.remove()
        yield from map(Path, paths)


def _is_old(path: str, latest: float | None) -> bool:
    """Return whether a path is a regular file of this user that was not written lately."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    regular = stat.S_ISREG(status.st_mode) and _is_own(status)
    return regular and (latest is None or status.st_mtime <= latest)


def _delete_plain(path: str) -> bool:
    """Delete the temporary file of a download, unless one uses it."""
    if sys.platform == "win32":
        try:
            os.unlink(path)
        except PermissionError:  # Windows deletes no open file
            return False
        return True
    try:
        descriptor = os.open(path, _OPEN)
    except FileNotFoundError:
        return False
    try:
        if not try_lock(descriptor):
            return False
        os.unlink(path)
    except FileNotFoundError:
        return False
    finally:
        os.close(descriptor)
    return True
