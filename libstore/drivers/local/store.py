"""
Find, describe, publish and remove the files of objects.

New content is written to a temporary file at the top of its container. When it is complete, the
file is renamed under the container's lock, so that conditions hold between threads and processes.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from typing import Any

from ...content_types import guess_content_type
from ...errors import (
    ContainerNotFoundError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    StorageError,
)
from ...transfer.local_files import rename_new
from ...values import (
    Conditions,
    CopyOptions,
    ObjectInfo,
    Prefix,
    Upload,
    WriteOptions,
    utc_time,
)
from .attributes import (
    RECORD,
    Attributes,
    ExtendedAttributes,
    Record,
    SideFiles,
    has_extended_attributes,
)
from .content import create, etag_of, stamp
from .system import O_NOFOLLOW, O_NONBLOCK, locked
from .tree import RESERVED, Tree, at_path, closing, os_errors, remove_empty_directory

#: The attributes that are stored with an object beside content type and metadata.
EXTRAS = ("cache_control", "content_disposition", "content_encoding", "content_language")


# With O_PATH, opening a file needs no permission to read it.
_HOLD = O_NOFOLLOW | O_NONBLOCK | getattr(os, "O_PATH", os.O_RDONLY)
_UPLOAD_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


class FileStore:
    """
    The files of objects below one root.

    Args:
        fsync: Write content and names to disk before a method returns.
        attributes: ``"xattr"``, ``"file"`` or ``"auto"``.
    """

    def __init__(self, tree: Tree, fsync: bool, attributes: str) -> None:
        self.tree = tree
        self.fsync = fsync
        self._kind = attributes
        self._side_files = SideFiles(fsync)
        self._extended = ExtendedAttributes()

    @contextmanager
    def container(self, name: str) -> Iterator[int]:
        """Open a container's directory."""
        with os_errors(self.tree.root, name):
            try:
                with closing(self.tree.open_root()) as root, at_path(""):
                    descriptor = self.tree.open_directory(name, root)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise ContainerNotFoundError(
                        "the container does not exist", container=name
                    ) from error
                raise
            with closing(descriptor):
                try:
                    yield descriptor
                except FileNotFoundError as error:
                    if isinstance(error, StorageError):
                        raise
                    raise ContainerNotFoundError(
                        "the container was deleted meanwhile", container=name
                    ) from error

    def entry(self, container: str, name: str) -> tuple[int, int, str] | None:
        """Return a key that identifies an object's file, independent of the path to it."""
        try:
            with self.container(container) as directory:
                with self.tree.parent(directory, name) as (parent, leaf):
                    status = os.fstat(parent)
        except (FileNotFoundError, NotADirectoryError, StorageError):
            return None
        return status.st_dev, status.st_ino, leaf

    @contextmanager
    def opened(
        self, container: str, name: str, *, in_lock: bool = False
    ) -> Iterator[tuple[int, int, ObjectInfo]]:
        """
        Open an object's file; yield it with its container's directory and its attributes.

        Args:
            in_lock: The caller holds the container's lock.
        """
        with ExitStack() as stack:
            directory = stack.enter_context(self.container(container))
            with nullcontext() if in_lock else self.steady(directory):
                try:
                    with self.tree.parent(directory, name) as (parent, leaf):
                        descriptor = self.tree.open_file(leaf, parent)
                except (FileNotFoundError, NotADirectoryError) as error:
                    raise ObjectNotFoundError("the object does not exist") from error
                stack.enter_context(closing(descriptor))
                info = self.info(container, name, descriptor, directory)
            yield descriptor, directory, info

    @contextmanager
    def steady(self, directory: int) -> Iterator[None]:
        """Keep files and their side files consistent; extended attributes need no lock."""
        if self.attributes(directory) is self._extended:
            yield
        else:
            with locked(directory, needed=False, shared=True):
                yield

    def info(self, container: str, name: str, descriptor: int, directory: int) -> ObjectInfo:
        """Return the attributes of an open file."""
        status = os.fstat(descriptor)
        store = self.attributes(directory)
        record = store.record(name, descriptor, directory)
        md5 = store.digest(descriptor, directory, status)
        return ObjectInfo(
            name=name,
            size=status.st_size,
            etag=etag_of(status),
            checksums={} if md5 is None else {"md5": md5},
            last_modified=utc_time(status.st_mtime),
            content_type=record.content_type if record else guess_content_type(name),
            metadata=record.metadata if record else {},
            extra={**(record.extra if record else {}), "path": self._path(container, name)},
            complete=True,
        )

    def _path(self, container: str, name: str) -> str:
        """Return the absolute path of an object's file."""
        return os.path.join(self.tree.root, container, name)

    def with_status(
        self, container: str, directory: int, items: Sequence[ObjectInfo | Prefix]
    ) -> Iterator[ObjectInfo | Prefix]:
        """Yield the attributes of listed objects, without those that were removed meanwhile."""
        for item in items:
            if isinstance(item, Prefix):
                yield item
                continue
            try:
                with self.tree.parent(directory, item.name) as (parent, leaf):
                    info = self._listed(container, item.name, leaf, parent, directory)
            except PermissionError:
                info = item
            except (FileNotFoundError, NotADirectoryError):
                continue
            if info is not None:
                yield info

    def folder(
        self,
        container: str,
        directory: int,
        parent: int,
        folder: str,
        entries: Sequence[tuple[str, bool]],
    ) -> Iterator[ObjectInfo | Prefix]:
        """Yield the attributes of the objects in a folder, and its subfolders."""
        for leaf, is_directory in entries:
            if is_directory:
                yield Prefix(f"{folder}{leaf}/")
                continue
            info = self._listed(container, folder + leaf, leaf, parent, directory)
            if info is not None:
                yield info

    def _listed(
        self, container: str, name: str, leaf: str, parent: int, directory: int
    ) -> ObjectInfo | None:
        """Return the attributes of a listed object; `None` if it was removed meanwhile."""
        try:
            with closing(self.tree.open_file(leaf, parent)) as descriptor:
                return self.info(container, name, descriptor, directory)
        except PermissionError:
            return ObjectInfo(name)  # reading its attributes will raise an error
        except (FileNotFoundError, NotADirectoryError):
            return None

    def require(self, directory: int, name: str, conditions: Conditions) -> os.stat_result | None:
        """Check the name and the conditions of a write; return the status of an existing file."""
        try:
            with self.tree.parent(directory, name) as (parent, leaf):
                status = self.tree.file_status(leaf, parent)
        except FileNotFoundError:
            status = None
        except NotADirectoryError as error:
            raise ObjectNameConflictError(
                f"{error.filename!r} is a file or a link on the file system, so names that"
                " continue it with a slash are not possible"
            ) from error
        if conditions.if_absent and status is not None:
            raise ObjectAlreadyExistsError("the object already exists")
        etag = None if status is None else etag_of(status)
        if conditions.if_match not in (None, etag):
            raise changed(conditions, etag)
        return status

    def publish(
        self,
        descriptor: int,
        directory: int,
        temporary: str,
        container: str,
        name: str,
        conditions: Conditions,
        md5: str,
    ) -> ObjectInfo:
        """Rename a complete file to the object's name."""
        self.sync(descriptor)
        written = os.fstat(descriptor)
        conditional = conditions != Conditions()
        with ExitStack() as stack:
            with locked(directory, needed=conditional):
                self.require(directory, name, conditions)
                try:
                    parent, leaf = stack.enter_context(
                        self.tree.made_parent(directory, name, self.fsync)
                    )
                    with self._forgetting(directory, parent, leaf):
                        self._rename(temporary, leaf, directory, parent, conditions.if_absent)
                except BaseException:
                    self.tree.remove_empty_parents(directory, name)
                    raise
            self.sync(parent)
        with suppress(OSError):  # the object is published; its digest can be computed again
            self.attributes(directory).seal(descriptor, directory, md5, written)
        return self.info(container, name, descriptor, directory)

    def _rename(
        self, temporary: str, leaf: str, directory: int, parent: int, is_new: bool
    ) -> None:
        with suppress(OSError):  # usually there is none; if one remains, the rename fails
            remove_empty_directory(leaf, parent)
        if not is_new:
            os.replace(temporary, leaf, src_dir_fd=directory, dst_dir_fd=parent)
            return
        try:
            rename_new(temporary, leaf, directory, parent)
        except FileExistsError as error:
            raise ObjectAlreadyExistsError("the object already exists") from error

    @contextmanager
    def _forgetting(self, directory: int, parent: int, leaf: str) -> Iterator[None]:
        """Delete the side files of a file that is replaced or removed in the block."""
        store = self.attributes(directory)
        if store is self._extended:
            yield
            return
        try:
            # While it is open, its inode number is not reused.
            descriptor = os.open(leaf, _HOLD, dir_fd=parent)
        except OSError:
            yield  # the file does not exist
            return
        with closing(descriptor):
            yield
            store.drop(os.fstat(descriptor).st_ino, directory)

    def remove(self, directory: int, name: str, conditions: Conditions) -> None:
        """Remove an object's file, and the directories that are empty afterwards."""
        with locked(directory, needed=conditions.if_match is not None):
            self._remove(directory, name, conditions)
            self._sync_parents(directory, [name])

    def remove_all(
        self, directory: int, container: str, names: Sequence[str]
    ) -> list[StorageError | None]:
        """Remove the files of objects, and return for each an error, or `None`."""
        errors: list[StorageError | None] = []
        with locked(directory, needed=False):
            for name in names:
                try:
                    with os_errors(self.tree.root, container):
                        self._remove(directory, name, Conditions())
                except StorageError as error:
                    errors.append(error)
                else:
                    errors.append(None)
            self._sync_parents(directory, names)
        return errors

    def _remove(self, directory: int, name: str, conditions: Conditions) -> None:
        wanted = conditions.if_match
        try:
            with self.tree.parent(directory, name) as (parent, leaf):
                status = self.tree.file_status(leaf, parent)
                etag = None if status is None else etag_of(status)
                if wanted not in (None, etag):
                    raise changed(conditions, etag)
                if status is None:
                    return
                with self._forgetting(directory, parent, leaf):
                    os.unlink(leaf, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError, ObjectNameConflictError) as error:
            if wanted is not None:
                raise changed(conditions, None) from error
            return
        self.tree.remove_empty_parents(directory, name)

    def _sync_parents(self, directory: int, names: Sequence[str]) -> None:
        """Write the removal of files to disk: sync their remaining parent directories."""
        folders = {name.rpartition("/")[0] for name in names} if self.fsync else set()
        while folders:
            folder = folders.pop()
            try:
                with self.tree.parent(directory, f"{folder}/x" if folder else "x") as (parent, _):
                    os.fsync(parent)
            except (FileNotFoundError, NotADirectoryError):
                folders.add(folder.rpartition("/")[0])

    @contextmanager
    def temporary_file(self, directory: int) -> Iterator[tuple[int, str]]:
        """Create a temporary file, and remove it at the end unless it was renamed."""
        name = RESERVED + secrets.token_hex(8)
        with closing(create(name, directory)) as descriptor:
            self.tree.probe(name, directory)
            try:
                yield descriptor, name
            finally:
                self._discard(name, descriptor, directory)

    def _discard(self, temporary: str, descriptor: int, directory: int) -> None:
        """Remove a temporary file, unless it was published."""
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        status = os.fstat(descriptor)
        if not status.st_nlink:
            self.attributes(directory).drop(status.st_ino, directory)

    def attributes(self, directory: int) -> Attributes:
        """Return the storage of attributes for a container."""
        if self._kind == "auto":
            extended = has_extended_attributes(directory)
        else:
            extended = self._kind == "xattr"
        return self._extended if extended else self._side_files

    def keep_record(
        self,
        descriptor: int,
        directory: int,
        name: str,
        options: WriteOptions,
        *,
        started: datetime | None = None,
        same_content: bool = False,
    ) -> None:
        """Store the attributes of an object with its open file."""
        extras = {label: getattr(options, label) for label in EXTRAS}
        record = Record(
            name,
            options.content_type,
            dict(options.metadata),
            {label: value for label, value in extras.items() if value is not None},
            started,
        )
        if not same_content:
            stamp(descriptor)
        store = self.attributes(directory)
        store.set(descriptor, directory, RECORD, record.dump())

    def create_upload(self, directory: int, name: str, options: WriteOptions) -> str:
        """Create the file of a multipart upload, and return the upload's id."""
        upload_id = secrets.token_hex(8)
        temporary = RESERVED + upload_id
        started = datetime.now(timezone.utc)
        with closing(create(temporary, directory)) as descriptor:
            self.tree.probe(temporary, directory)
            try:
                self.keep_record(descriptor, directory, name, options, started=started)
            except BaseException:
                self._discard(temporary, descriptor, directory)
                raise
        return upload_id

    def open_upload(self, upload: Upload, directory: int) -> int:
        """Open the file of a multipart upload."""
        try:
            return self.tree.open_file(temporary_name(upload), directory, os.O_RDWR)
        except FileNotFoundError as error:
            raise InvalidOptionError(
                f"the upload {upload.id} does not exist; it was finished or aborted"
            ) from error

    def remove_upload(self, upload: Upload, directory: int) -> None:
        """Remove the file of a multipart upload, if it exists."""
        temporary = temporary_name(upload)
        with suppress(FileNotFoundError):
            with closing(self.tree.open_file(temporary, directory)) as descriptor:
                self._discard(temporary, descriptor, directory)

    def uploads(self, container: str, directory: int) -> Iterator[Upload]:
        """Yield the multipart uploads that have a file."""
        for temporary in os.listdir(directory):
            upload_id = temporary[len(RESERVED) :]
            if not temporary.startswith(RESERVED) or not _UPLOAD_ID.fullmatch(upload_id):
                continue
            try:
                descriptor = self.tree.open_file(temporary, directory)
            except FileNotFoundError:
                continue  # it was finished meanwhile
            with closing(descriptor):
                kept = self.attributes(directory).get(descriptor, directory, RECORD)
                modified = os.fstat(descriptor).st_mtime
            record = Record.load(kept)
            started = utc_time(modified)
            if record is not None and record.started is not None:
                started = record.started
            yield Upload(container, record.name if record else temporary, upload_id, started)

    def sync(self, descriptor: int) -> None:
        """Write a file or directory to disk, if `fsync` is enabled."""
        if self.fsync:
            os.fsync(descriptor)


def changed(conditions: Conditions, etag: str | None) -> ObjectChangedError:
    """Return the error of an ``if_match`` that does not hold."""
    if etag is None:
        return ObjectChangedError(f"if_match is {conditions.if_match}, but there is no object")
    return ObjectChangedError(f"if_match is {conditions.if_match}, but the ETag is {etag}")


def copied_options(info: ObjectInfo, options: CopyOptions) -> WriteOptions:
    """Return the attributes of a copy."""
    extras: dict[str, Any] = {label: info.extra.get(label) for label in EXTRAS}
    return WriteOptions(
        content_type=options.content_type or info.content_type or "",
        metadata=(info.metadata or {}) if options.metadata is None else options.metadata,
        **extras,
    )


def temporary_name(upload: Upload) -> str:
    """Return the name of the file of a multipart upload."""
    if not _UPLOAD_ID.fullmatch(upload.id):
        raise InvalidOptionError(f"{upload.id!r} is not an upload id of this driver")
    return RESERVED + upload.id
