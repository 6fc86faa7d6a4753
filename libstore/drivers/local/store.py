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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from typing_extensions import Self

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
from ...readonly import ReadOnlyDict, no_pairs
from ...transfer.local_files import rename_new
from ...values import (
    UNCONDITIONAL,
    Conditions,
    CopyOptions,
    ListQuery,
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
from .system import O_NOFOLLOW, O_NONBLOCK, Locked
from .tree import (
    RESERVED,
    AtPath,
    Closing,
    OSErrors,
    Tree,
    converted,
    remove_empty_directory,
)

#: The attributes that are stored with an object beside content type and metadata.
EXTRAS = ("cache_control", "content_disposition", "content_encoding", "content_language")


# With O_PATH, opening a file needs no permission to read it.
_HOLD = O_NOFOLLOW | O_NONBLOCK | getattr(os, "O_PATH", os.O_RDONLY)
_NOTHING = nullcontext()
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

    def container(self, name: str) -> OpenContainer:
        """Return a container's directory, which a ``with`` statement opens."""
        return OpenContainer(self, name)

    def entry(self, container: str, name: str) -> tuple[int, int, str] | None:
        """Return a key that identifies an object's file, independent of the path to it."""
        try:
            with self.container(container) as opened:
                with self.tree.parent(opened.descriptor, name) as (parent, leaf):
                    status = os.fstat(parent)
        except (FileNotFoundError, NotADirectoryError, StorageError):
            return None
        return status.st_dev, status.st_ino, leaf

    def open_object(
        self, opened: OpenContainer, name: str, *, in_lock: bool = False
    ) -> tuple[int, ObjectInfo]:
        """
        Open an object's file; return its descriptor and its attributes.

        Args:
            in_lock: The caller holds the container's lock.
        """
        if not in_lock and opened.attributes is not self._extended:
            with self.steady(opened):
                return self.open_object(opened, name, in_lock=True)
        try:
            with self.tree.parent(opened.descriptor, name) as (parent, leaf):
                descriptor, status = self.tree.open_file(leaf, parent)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFoundError("the object does not exist") from error
        try:
            return descriptor, self.info(opened, name, descriptor, status)
        except BaseException:
            os.close(descriptor)
            raise

    def steady(self, opened: OpenContainer) -> AbstractContextManager[None]:
        """Keep files and their side files consistent; extended attributes need no lock."""
        if opened.attributes is self._extended:
            return _NOTHING
        return Locked(opened.descriptor, needed=False, shared=True)

    def info(
        self, opened: OpenContainer, name: str, descriptor: int, status: os.stat_result
    ) -> ObjectInfo:
        """Return the attributes of an open file with this status."""
        store = opened.attributes
        record = store.record(name, descriptor, opened.descriptor)
        md5 = store.digest(descriptor, opened.descriptor, status)
        return self._info(opened.name, name, status, record, md5)

    def _info(
        self,
        container: str,
        name: str,
        status: os.stat_result,
        record: Record | None,
        md5: str | None,
    ) -> ObjectInfo:
        path = f"{self.tree.root}/{container}/{name}"
        extra = {**record.extra, "path": path} if record and record.extra else {"path": path}
        return ObjectInfo(
            name,
            status.st_size,
            etag_of(status),
            no_pairs() if md5 is None else ReadOnlyDict(md5=md5),
            utc_time(status.st_mtime),
            record.content_type if record else guess_content_type(name),
            record.metadata if record else no_pairs(),
            extra=ReadOnlyDict(extra),
            complete=True,
        )

    def infos(
        self, opened: OpenContainer, query: ListQuery, files: Iterable[tuple[str, int, str]]
    ) -> Iterator[ObjectInfo]:
        """Yield the attributes of listed files, without those that were removed meanwhile."""
        begin = len(query.prefix)
        for name, parent, leaf in files:
            if query.delimiter and query.delimiter in name[begin:]:
                yield ObjectInfo(name)  # only its prefix is listed
                continue
            info = self._listed(opened, name, leaf, parent)
            if info is not None:
                yield info

    def folder(
        self,
        opened: OpenContainer,
        folder: str,
        parent: int,
        entries: Sequence[tuple[str, bool]],
    ) -> Iterator[ObjectInfo | Prefix]:
        """Yield the attributes of the objects in a folder, and its subfolders."""
        for leaf, is_directory in entries:
            if is_directory:
                yield Prefix(f"{folder}{leaf}/")
                continue
            info = self._listed(opened, folder + leaf, leaf, parent)
            if info is not None:
                yield info

    def _listed(
        self, opened: OpenContainer, name: str, leaf: str, parent: int
    ) -> ObjectInfo | None:
        """Return the attributes of a listed object; `None` if it was removed meanwhile."""
        try:
            descriptor, status = self.tree.open_file(leaf, parent)
            try:
                return self.info(opened, name, descriptor, status)
            finally:
                os.close(descriptor)
        except PermissionError:
            return ObjectInfo(name)  # reading its attributes will raise an error
        except (FileNotFoundError, NotADirectoryError):
            return None

    def require(self, opened: OpenContainer, name: str, conditions: Conditions) -> None:
        """Check the name and the conditions of a write."""
        try:
            with self.tree.parent(opened.descriptor, name) as (parent, leaf):
                self._require(parent, leaf, conditions)
        except FileNotFoundError:
            _check(conditions, None)
        except NotADirectoryError as error:
            raise _conflict(error) from error

    def _require(self, parent: int, leaf: str, conditions: Conditions) -> None:
        _check(conditions, self.tree.file_status(leaf, parent))

    def publish(
        self,
        opened: OpenContainer,
        descriptor: int,
        temporary: str,
        record: Record,
        conditions: Conditions,
        md5: str,
    ) -> ObjectInfo:
        """Rename a complete file to the object's name."""
        self.sync(descriptor)
        status = os.fstat(descriptor)
        name, directory = record.name, opened.descriptor
        above = self.tree.parent(directory, name)
        try:
            with Locked(directory, needed=conditions != UNCONDITIONAL):
                try:
                    try:
                        parent, leaf = above.open(make=True, sync=self.fsync)
                    except NotADirectoryError as error:
                        raise _conflict(error) from error
                    with AtPath(name):
                        self._require(parent, leaf, conditions)
                        with self._forgetting(opened, parent, leaf):
                            self._rename(temporary, leaf, directory, parent, conditions.if_absent)
                except BaseException:
                    self.tree.remove_empty_parents(directory, name)
                    raise
            self.sync(parent)
        finally:
            above.close()
        try:
            sealed = opened.attributes.seal(descriptor, directory, md5, status)
        except OSError:
            sealed = False  # the object is published; its digest can be computed again
        return self._info(opened.name, name, status, record, md5 if sealed else None)

    def _rename(
        self, temporary: str, leaf: str, directory: int, parent: int, is_new: bool
    ) -> None:
        try:
            self._rename_once(temporary, leaf, directory, parent, is_new)
        except (FileExistsError, IsADirectoryError):
            with suppress(OSError):  # if it is not an empty directory, the rename fails again
                remove_empty_directory(leaf, parent)
            try:
                self._rename_once(temporary, leaf, directory, parent, is_new)
            except FileExistsError as error:
                raise ObjectAlreadyExistsError("the object already exists") from error

    def _rename_once(
        self, temporary: str, leaf: str, directory: int, parent: int, is_new: bool
    ) -> None:
        if is_new:
            rename_new(temporary, leaf, directory, parent)
        else:
            os.replace(temporary, leaf, src_dir_fd=directory, dst_dir_fd=parent)

    def _forgetting(
        self, opened: OpenContainer, parent: int, leaf: str
    ) -> AbstractContextManager[None]:
        """Delete the side files of a file that is replaced or removed in the block."""
        if opened.attributes is self._extended:
            return _NOTHING
        return self._dropping(opened, parent, leaf)

    @contextmanager
    def _dropping(self, opened: OpenContainer, parent: int, leaf: str) -> Iterator[None]:
        try:
            # While it is open, its inode number is not reused.
            descriptor = os.open(leaf, _HOLD, dir_fd=parent)
        except OSError:
            yield  # the file does not exist
            return
        with Closing(descriptor):
            yield
            opened.attributes.drop(os.fstat(descriptor).st_ino, opened.descriptor)

    def remove(self, opened: OpenContainer, name: str, conditions: Conditions) -> None:
        """Remove an object's file, and the directories that are empty afterwards."""
        with Locked(opened.descriptor, needed=conditions.if_match is not None):
            self._remove(opened, name, conditions)
            self._sync_parents(opened.descriptor, [name])

    def remove_all(self, opened: OpenContainer, names: Sequence[str]) -> list[StorageError | None]:
        """Remove the files of objects, and return for each an error, or `None`."""
        errors: list[StorageError | None] = []
        with Locked(opened.descriptor, needed=False):
            for name in names:
                try:
                    with OSErrors(self.tree.root, opened.name):
                        self._remove(opened, name, UNCONDITIONAL)
                except StorageError as error:
                    errors.append(error)
                else:
                    errors.append(None)
            self._sync_parents(opened.descriptor, names)
        return errors

    def _remove(self, opened: OpenContainer, name: str, conditions: Conditions) -> None:
        wanted = conditions.if_match
        try:
            with self.tree.parent(opened.descriptor, name) as (parent, leaf):
                status = self.tree.file_status(leaf, parent)
                etag = None if status is None else etag_of(status)
                if wanted not in (None, etag):
                    raise changed(conditions, etag)
                if status is None:
                    return
                with self._forgetting(opened, parent, leaf):
                    os.unlink(leaf, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError, ObjectNameConflictError) as error:
            if wanted is not None:
                raise changed(conditions, None) from error
            return
        self.tree.remove_empty_parents(opened.descriptor, name)

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

    def temporary_file(self, opened: OpenContainer) -> TemporaryFile:
        """Return a temporary file, which a ``with`` statement creates."""
        return TemporaryFile(self, opened)

    def discard(self, temporary: str, descriptor: int, opened: OpenContainer) -> None:
        """Remove a temporary file, unless it was published."""
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=opened.descriptor)
        status = os.fstat(descriptor)
        if not status.st_nlink:
            opened.attributes.drop(status.st_ino, opened.descriptor)

    def attributes(self, directory: int) -> Attributes:
        """Return the storage of attributes for a container."""
        if self._kind == "auto":
            extended = has_extended_attributes(directory)
        else:
            extended = self._kind == "xattr"
        return self._extended if extended else self._side_files

    def keep_record(
        self,
        opened: OpenContainer,
        descriptor: int,
        name: str,
        options: WriteOptions,
        *,
        started: datetime | None = None,
        same_content: bool = False,
    ) -> Record:
        """Store the attributes of an object with its open file, and return them."""
        extras = {
            label: value for label in EXTRAS if (value := getattr(options, label)) is not None
        }
        record = Record(
            name,
            options.content_type,
            dict(options.metadata),
            extras,
            started,
        )
        if not same_content:
            stamp(descriptor)
        opened.attributes.set(descriptor, opened.descriptor, RECORD, record.dump())
        return record

    def create_upload(self, opened: OpenContainer, name: str, options: WriteOptions) -> str:
        """Create the file of a multipart upload, and return the upload's id."""
        upload_id = secrets.token_hex(8)
        temporary = RESERVED + upload_id
        started = datetime.now(timezone.utc)
        with Closing(create(temporary, opened.descriptor)) as descriptor:
            self.tree.probe(temporary, opened.descriptor)
            try:
                self.keep_record(opened, descriptor, name, options, started=started)
            except BaseException:
                self.discard(temporary, descriptor, opened)
                raise
        return upload_id

    def open_upload(self, upload: Upload, opened: OpenContainer) -> tuple[int, os.stat_result]:
        """Open the file of a multipart upload; return its descriptor and its status."""
        try:
            return self.tree.open_file(temporary_name(upload), opened.descriptor, os.O_RDWR)
        except FileNotFoundError as error:
            raise InvalidOptionError(
                f"the upload {upload.id} does not exist; it was finished or aborted"
            ) from error

    def remove_upload(self, upload: Upload, opened: OpenContainer) -> None:
        """Remove the file of a multipart upload, if it exists."""
        temporary = temporary_name(upload)
        with suppress(FileNotFoundError):
            descriptor, _ = self.tree.open_file(temporary, opened.descriptor)
            with Closing(descriptor):
                self.discard(temporary, descriptor, opened)

    def uploads(self, opened: OpenContainer) -> Iterator[Upload]:
        """Yield the multipart uploads that have a file."""
        for temporary in os.listdir(opened.descriptor):
            upload_id = temporary[len(RESERVED) :]
            if not temporary.startswith(RESERVED) or not _UPLOAD_ID.fullmatch(upload_id):
                continue
            try:
                descriptor, status = self.tree.open_file(temporary, opened.descriptor)
            except FileNotFoundError:
                continue  # it was finished meanwhile
            with Closing(descriptor):
                kept = opened.attributes.get(descriptor, opened.descriptor, RECORD)
            record = Record.load(kept)
            started = utc_time(status.st_mtime)
            if record is not None and record.started is not None:
                started = record.started
            yield Upload(opened.name, record.name if record else temporary, upload_id, started)

    def sync(self, descriptor: int) -> None:
        """Write a file or directory to disk, if `fsync` is enabled."""
        if self.fsync:
            os.fsync(descriptor)


class OpenContainer:
    """
    A container's directory, which is open in a ``with`` block.

    Errors of the operating system in the block become those of the library.

    Attributes:
        name: The container's name.
        descriptor: The open directory.
    """

    __slots__ = ("_attributes", "_store", "descriptor", "name")

    def __init__(self, store: FileStore, name: str) -> None:
        self._store = store
        self._attributes: Attributes | None = None
        self.name = name

    @property
    def attributes(self) -> Attributes:
        """Where the attributes of the container's objects are stored."""
        if self._attributes is None:
            self._attributes = self._store.attributes(self.descriptor)
        return self._attributes

    def __enter__(self) -> Self:
        tree = self._store.tree
        try:
            self.descriptor = tree.open_container(self.name)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise ContainerNotFoundError(
                    "the container does not exist", container=self.name
                ) from error
            error.filename = ""
            raise converted(error, tree.root, self.name) from error
        return self

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
        if isinstance(error, FileNotFoundError) and not isinstance(error, StorageError):
            raise ContainerNotFoundError(
                "the container was deleted meanwhile", container=self.name
            ) from error
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise converted(error, self._store.tree.root, self.name) from error


class TemporaryFile:
    """A file that is created at the beginning of a block, and removed if that raises an error."""

    __slots__ = ("_descriptor", "_name", "_opened", "_store")

    def __init__(self, store: FileStore, opened: OpenContainer) -> None:
        self._store = store
        self._opened = opened
        self._name = RESERVED + secrets.token_hex(8)

    def __enter__(self) -> tuple[int, str]:
        directory = self._opened.descriptor
        self._descriptor = create(self._name, directory)
        try:
            self._store.tree.probe(self._name, directory)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self._descriptor, self._name

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            if kind is not None:
                self._store.discard(self._name, self._descriptor, self._opened)
        finally:
            os.close(self._descriptor)


def _check(conditions: Conditions, status: os.stat_result | None) -> None:
    """Check the conditions of a write, for an existing file with this status."""
    if conditions.if_absent and status is not None:
        raise ObjectAlreadyExistsError("the object already exists")
    if conditions.if_match is not None:
        etag = None if status is None else etag_of(status)
        if conditions.if_match != etag:
            raise changed(conditions, etag)


def _conflict(error: OSError) -> ObjectNameConflictError:
    return ObjectNameConflictError(
        f"{error.filename!r} is a file or a link on the file system, so names that continue it"
        " with a slash are not possible"
    )


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
