"""
Store objects as plain files in a local directory.

A container is a directory below the driver's root, an object is a file in it, and slashes in an
object's name separate directories. Other programs can read the files, and files that they create
are objects. New content is written to a temporary file, which then replaces the object atomically.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Literal

from typing_extensions import override

from ...auth.hmac_url import URLSigner
from ...errors import (
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    IntegrityError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    ObjectChangedError,
    StorageError,
)
from ...hooks import DriverHooks
from ...listing import fold_page
from ...options import BASE_URL, DriverOptions, constructor, option
from ...redaction import type_name
from ...self_signing import SelfSigningDriver
from ...transfer.local_files import is_text, write_all
from ...transfer.payload import Payload
from ...values import (
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    ContainerInfo,
    CopyOptions,
    Limits,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Reading,
    Span,
    StartedRead,
    Upload,
    WriteOptions,
    utc_time,
)
from .content import (
    FileBody,
    birth_time,
    copy_content,
    etag_of,
    md5_of,
    remove_leftovers,
    what_is_left,
)
from .store import EXTRAS, FileStore, changed, copied_options, temporary_name
from .system import Locked, check_system
from .tree import RESERVED, AtPath, Closing, OSErrors, Tree, component_problem
from .walk import Folders, object_files

# The length of a key of 128 bits.
_SHORTEST_KEY = 16


def _root(value: object, label: str) -> object:
    """Return the path of a directory."""
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidTypeError(f"{label} must be a path, not {type(value).__name__}")
    if not os.fspath(value):
        raise InvalidOptionError(f"{label} must not be empty; '.' is the current directory")
    if "\0" in os.fspath(value):
        raise InvalidOptionError(f"{label} {value!r} contains a NUL character; no path can")
    return value


def _attributes(value: object, label: str) -> object:
    """Return where attributes are kept."""
    if value not in ("auto", "xattr", "file"):
        raise InvalidOptionError(f"{label} must be 'auto', 'xattr' or 'file', not {value!r}")
    if value == "xattr" and not hasattr(os, "setxattr"):
        raise NotSupportedError(
            f"{label}='xattr' requires os.setxattr, which this Python does not have; pass"
            " 'auto' or 'file'"
        )
    return value


def _signing_key(value: object, label: str) -> object:
    """Return a key of at least 16 bytes."""
    if not isinstance(value, (str, bytes)):
        raise InvalidTypeError(f"{label} must be str or bytes, not {type_name(value)}")
    if len(value) < _SHORTEST_KEY:
        raise InvalidOptionError(
            f"{label} must have at least {_SHORTEST_KEY} bytes; secrets.token_hex() makes one"
        )
    return value


class Settings(DriverOptions):
    """The arguments of `LocalDriver`."""

    root: str | os.PathLike[str] = option(
        "The directory of the containers; it is created with the first container.",
        _root, kw_only=False
    )  # fmt: skip
    fsync: bool = option(
        "Write content and names to disk before an operation returns, so that they survive a power"
        " failure. Without it, the writes of the last seconds may be lost.",
        default=True
    )  # fmt: skip
    follow_symlinks: bool = option(
        "Follow symbolic links below the root, wherever they point; otherwise they are ignored.",
        default=False
    )  # fmt: skip
    attributes: Literal["auto", "xattr", "file"] = option(
        'Where to store content type, metadata and checksum: in extended attributes (``"xattr"``),'
        ' in side files (``"file"``), or in extended attributes if supported (``"auto"``).',
        _attributes, default="auto"
    )  # fmt: skip
    base_url: str | None = option(BASE_URL, default=None)
    signing_key: str | bytes | None = option(
        "A secret of at least 16 bytes that signs presigned URLs. Processes with the same key"
        " accept each other's URLs. It is left out of pickles.",
        _signing_key, default=None, secret=True
    )  # fmt: skip


class LocalDriver(SelfSigningDriver):
    """
    Store objects as plain files in a local directory.

    It requires a POSIX system. Threads and processes may share one root. Presigned URLs need
    `base_url` and `signing_key`.

    Attributes:
        base_url: The argument, which can be set later.

    Raises:
        NotSupportedError: The system is not a POSIX system, but Windows for example, or has no
            extended attributes, and `attributes` is ``"xattr"``.
        InvalidOptionError: The root exists and is not a directory, or an option is unknown.
    """

    name: ClassVar[str] = "local"
    limits = Limits(page_size=5_000)
    options: ClassVar[frozenset[str]] = frozenset(
        {
            "delete_if_match",
            "if_absent",
            "if_match",
            "sign_headers",
            "sign_response_headers",
            *EXTRAS,
        }
    )

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        check_system()
        self._set_options(settings)
        self._settings = settings
        self.base_url = settings.base_url
        if os.fsdecode(settings.root).split("/", 1)[0] == "~":
            raise InvalidOptionError(
                "root begins with '~', which is not expanded; pass os.path.expanduser(root), or"
                " './~' for a directory of this name"
            )
        self.root = os.path.abspath(settings.root)
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise InvalidOptionError(f"root {self.root!r} is a file; pass a directory")
        self._tree = Tree(self.root, settings.follow_symlinks)
        self._store = FileStore(self._tree, settings.fsync, settings.attributes)

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "root"):  # its arguments were rejected
            return super().__repr__()
        return f"<LocalDriver {self.root!r}>"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_settings": self._settings.replaced(signing_key=None)}

    @override
    def _known_secrets(self) -> Iterable[str | bytes]:
        key = self._settings.signing_key
        return () if key is None else (key,)

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> str:
        return self.root

    @override
    def _url_options(self) -> Mapping[str, str]:
        options = self._settings.texts("base_url")
        if self.base_url is not None:
            options["base_url"] = self.base_url
        return {**options, "root": self.root}

    @override
    def _is_same_object(
        self,
        container: str,
        name: str,
        other: DriverHooks,
        other_container: str,
        other_name: str,
    ) -> bool | None:
        if isinstance(other, LocalDriver):
            here = self._store.entry(container, name)
            if here is not None and here == other._store.entry(other_container, other_name):
                return True
        return super()._is_same_object(container, name, other, other_container, other_name)

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        problem = component_problem(name)
        if problem is None and name.startswith(RESERVED):
            problem = f"names that begin with {RESERVED!r} are reserved for the driver"
        if problem is not None:
            raise InvalidNameError(f"no container can be named {name!r}: {problem}")

    @override
    def _check_object_name(self, name: str) -> None:
        pieces = name.split("/")
        is_marker = len(pieces) > 1 and not pieces[-1]
        problem = next(
            filter(None, map(component_problem, pieces[: -1 if is_marker else None])), None
        )
        if problem is None and pieces[0].startswith(RESERVED):
            problem = f"names that begin with {RESERVED!r} are reserved for the driver"
        if problem is None and is_marker:
            problem = (
                "a name that ends with a slash marks a folder, and a directory is not an object;"
                " directories are created for the objects in them, so skip such names"
            )
        if problem is not None:
            raise InvalidNameError(f"no object can be named {name!r}: {problem}")

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        with OSErrors(self.root):
            self._tree.make_root(self._store.fsync)
            with Closing(self._tree.open_root()) as root:
                try:
                    os.mkdir(name, dir_fd=root)
                except FileExistsError as error:
                    raise ContainerAlreadyExistsError(
                        f"{os.path.join(self.root, name)!r} already exists"
                    ) from error
                self._store.sync(root)
        return self._head_container(name)

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        with self._store.container(name) as opened:
            born = birth_time(opened.descriptor)
        created = None if born is None else utc_time(born)
        return ContainerInfo(name, created=created, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        with self._store.container(name) as opened:
            container = opened.descriptor
            if next(object_files(self._tree, container, ListQuery(), None), None) is not None:
                raise ContainerNotEmptyError("the container is not empty; empty it first")
            remove_leftovers(container)
            with Closing(self._tree.open_root()) as root, AtPath(""):
                try:
                    os.rmdir(name, dir_fd=root)
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                        raise ContainerNotEmptyError(what_is_left(container)) from error
                    raise
                self._store.sync(root)

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        with OSErrors(self.root):
            try:
                root = self._tree.open_root()
            except FileNotFoundError:
                return Page([])
            with Closing(root), os.scandir(root) as entries:
                names = sorted(
                    entry.name
                    for entry in entries
                    if entry.is_dir(follow_symlinks=self._tree.follow_symlinks)
                    and not entry.name.startswith(RESERVED)
                    and is_text(entry.name)
                    and (token is None or entry.name > token)
                )
        page = names[: self.limits.page_size]
        more = page[-1] if len(names) > len(page) else None
        return Page([ContainerInfo(name) for name in page], more)

    # ------------------------------------------------------------------ objects

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        with self._store.container(container) as opened:
            files = object_files(self._tree, opened.descriptor, query, token)
            with self._store.steady(opened):
                return fold_page(self._store.infos(opened, query, files), query, token, limit)

    @override
    @contextmanager
    def _list_folders(
        self, container: str, delimiter: str
    ) -> Iterator[Callable[[str], Sequence[ObjectInfo | Prefix]]]:
        with super()._list_folders(container, delimiter) as one_by_one:
            if delimiter != "/" or self._tree.follow_symlinks:
                yield one_by_one
                return
            folders = Folders(self._tree)

            def items_of(prefix: str) -> Sequence[ObjectInfo | Prefix]:
                if prefix and not prefix.endswith("/"):
                    return one_by_one(prefix)
                with self._store.container(container) as opened:
                    found = folders.entries(opened.descriptor, prefix)
                    if found is None:
                        return []
                    with self._store.steady(opened):
                        return list(self._store.folder(opened, prefix, *found))

            try:
                yield items_of
            finally:
                folders.close()

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        with self._store.container(container) as opened:
            descriptor, info = self._store.open_object(opened, name)
            os.close(descriptor)
        return info

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        with self._store.container(container) as opened:
            descriptor, info = self._store.open_object(opened, name)
            file = io.FileIO(descriptor)
            try:
                if conditions.if_match not in (None, info.etag):
                    raise changed(conditions, info.etag)
                assert info.size is not None
                sent = span.clamp(info.size)
                if sent.start:
                    file.seek(sent.start)
            except BaseException:
                file.close()
                raise
        return Reading(info, sent, FileBody(file, self.root, container, name), file.close)

    @override
    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead:
        # There is no response to wait for.
        return StartedRead(
            partial(self._get_object, container, name, WHOLE, UNCONDITIONAL, version)
        )

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        conditions = options.conditions
        with self._store.container(container) as opened:
            if conditions != UNCONDITIONAL:
                self._store.require(opened, name, conditions)
            with self._store.temporary_file(opened) as (descriptor, temporary):
                for block in payload.blocks():
                    write_all(descriptor, block)
                record = self._store.keep_record(opened, descriptor, name, options)
                md5 = payload.digest("md5")
                return self._store.publish(opened, descriptor, temporary, record, conditions, md5)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        with self._store.container(container) as opened:
            self._store.remove(opened, name, conditions)

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        with self._store.container(container) as opened:
            return self._store.remove_all(opened, names)

    @override
    def _compute_checksums(self, container: str, name: str) -> Mapping[str, str]:
        with self._store.container(container) as opened:
            descriptor, _ = self._store.open_object(opened, name)
            with Closing(descriptor):
                before = os.fstat(descriptor)
                md5 = md5_of(descriptor)
                after = os.fstat(descriptor)
                if etag_of(before) != etag_of(after):
                    return {}  # another program is writing the file, so no digest would stay valid
                # The digest of a file without write permission cannot be stored.
                with suppress(OSError):
                    opened.attributes.seal(descriptor, opened.descriptor, md5, after)
                return {"md5": md5}

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        with self._store.container(source_container) as opened:
            origin, info = self._store.open_object(opened, source)
            with Closing(origin), self._store.container(container) as target:
                self._store.require(target, name, options.conditions)
                with self._store.temporary_file(target) as (descriptor, temporary):
                    copy_content(origin, descriptor)
                    if etag_of(os.fstat(origin)) != info.etag:
                        raise ObjectChangedError(
                            "the source was changed while it was being copied"
                        )
                    write = copied_options(info, options)
                    record = self._store.keep_record(target, descriptor, name, write)
                    md5 = info.checksums.get("md5") or md5_of(descriptor)
                    return self._store.publish(
                        target, descriptor, temporary, record, options.conditions, md5
                    )

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        with self._store.container(container) as opened:
            with Locked(opened.descriptor, needed=conditions.if_match is not None):
                descriptor, info = self._store.open_object(opened, name, in_lock=True)
                with Closing(descriptor):
                    if conditions.if_match not in (None, info.etag):
                        raise changed(conditions, info.etag)
                    copied = CopyOptions(content_type=content_type, metadata=metadata)
                    options = copied_options(info, copied)
                    self._store.keep_record(opened, descriptor, name, options, same_content=True)
                    self._store.sync(descriptor)
                    if "md5" in info.checksums:
                        digest, status = info.checksums["md5"], os.fstat(descriptor)
                        opened.attributes.seal(descriptor, opened.descriptor, digest, status)
                    return self._store.info(opened, name, descriptor, os.fstat(descriptor))

    # ------------------------------------------------------------------ presigned URLs

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or None not in (self.base_url, self._settings.signing_key)

    @override
    def _signing(self) -> tuple[str, URLSigner]:
        key = self._settings.signing_key
        if self.base_url is None or key is None:
            raise NotSupportedError(
                "presigned URLs of the local driver require base_url= and signing_key=; a pickle"
                " does not contain the key"
            )
        return self.base_url, URLSigner(key)

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        with self._store.container(container) as opened:
            self._store.require(opened, name, options.conditions)
            return self._store.create_upload(opened, name, options)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        with self._store.container(upload.container) as opened:
            descriptor, _ = self._store.open_upload(upload, opened)
            with Closing(descriptor):
                position = offset
                for block in payload.blocks():
                    write_all(descriptor, block, position)
                    position += block.nbytes
        return Part(number, offset, payload.size)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        with self._store.container(upload.container) as opened:
            descriptor, status = self._store.open_upload(upload, opened)
            with Closing(descriptor):
                size, expected = status.st_size, sum(part.size for part in parts)
                if size != expected:
                    raise IntegrityError(
                        f"the parts have {expected} bytes in total, but their file has {size}"
                    )
                record = self._store.keep_record(opened, descriptor, upload.name, options)
                md5 = checksums.get("md5") or md5_of(descriptor)
                return self._store.publish(
                    opened, descriptor, temporary_name(upload), record, options.conditions, md5
                )

    @override
    def _abort_upload(self, upload: Upload) -> None:
        with self._store.container(upload.container) as opened:
            self._store.remove_upload(upload, opened)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        with self._store.container(container) as opened:
            uploads = self._store.uploads(opened)
            return Page(sorted(uploads, key=lambda upload: (upload.name, upload.id)))
