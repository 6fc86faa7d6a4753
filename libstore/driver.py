"""
`StorageDriver`: every operation that a user has, on every service.

The operations are written here once, in terms of the hooks of `libstore.hooks`, and sealed: a
driver fills in hooks and cannot change what an operation means. A method turns its arguments into
checked names and records, calls a hook or a function of `libstore.transfer`, `libstore.listing`
or `libstore.operations`, and returns handles. The reference of most operations is the docstring of
the handle's method, which the method here names.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, Union, overload

from typing_extensions import Self, Unpack, final, override

from . import arguments
from .core import CHECKED, DriverCore
from .deleting import delete_many, delete_names
from .error_context import ErrorContext
from .errors import (
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    ObjectNotFoundError,
    StorageError,
)
from .files import (
    BufferedObjectReader,
    ObjectTextReader,
    ObjectTextWriter,
    ObjectWriter,
    SeekableObjectWriter,
)
from .handles import Container, Object
from .listing import LazyList, as_page
from .operations import (
    copying,
    opening,
    public_access,
    requesting,
    signing,
    unfinished_uploads,
    versions,
)
from .operations.listings import narrowed
from .operations.metadata import update as update_metadata
from .operations.opening import (
    AnyKeywords,
    BinaryReadMode,
    BinaryUpdateMode,
    BinaryWriteMode,
    ReadKeywords,
    TextKeywords,
    TextReadKeywords,
    TextReadMode,
    TextWriteMode,
)
from .operations.requesting import ServiceResponse
from .operations.signing import SignedURL
from .operations.walking import walk
from .options import DriverOptions, constructor
from .redaction import hide, hide_key_headers, hide_keys
from .storage_url import StorageURL
from .transfer import reading
from .transfer.digests import parse_checksum
from .transfer.download import (
    DownloadRequest,
    checked_destination,
    download,
    download_to_stream,
    writer_of,
)
from .transfer.progress import ProgressCallback
from .transfer.read_ahead import read_many
from .transfer.reading import Wanted
from .transfer.sources import UploadSource, open_source
from .transfer.upload import UploadRequest, upload
from .transfer.workers import CancelToken
from .values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteResult,
    Extra,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Upload,
    WriteKeywords,
)

if TYPE_CHECKING:
    from .sync.planning import Compare
    from .sync.report import SyncAction, SyncReport
    from .sync.trees import Symlinks

#: The path of a directory, a container, or a container and a prefix.
SyncEnd: TypeAlias = Union[str, "os.PathLike[str]", Container, "tuple[Container, Prefix | str]"]

_CHUNK_SIZE = MiB
# The most requests of `read_objects` that wait for their responses; each needs a connection.
_MAX_READS = 64
# The errors that all objects of a container would have.
_OF_ALL = (AuthenticationError, ContainerNotFoundError)


class StorageDriver(DriverCore):
    """
    One service, with credentials and settings: every operation is one of its methods.

    A driver can be used from any number of threads. It is a context manager that closes its
    connections at the end; using it as one is optional.
    """

    @constructor(DriverOptions)
    def __init__(self, options: DriverOptions) -> None:
        self._set_options(options)

    def _set_options(self, options: DriverOptions) -> None:
        """Set the attributes that are options of every driver, where they were given."""
        if not hasattr(self, "name"):
            raise InvalidTypeError(
                f'{type(self).__name__} needs the class attribute name, such as "sqlite"'
            )
        self._has_options = True
        for name, known in DriverOptions.table.items():
            if (value := getattr(options, name)) != known.default:
                setattr(self, name, value)

    if not TYPE_CHECKING:  # for type checkers it would mean that any attribute can be set

        @override
        def __setattr__(self, name: str, value: object) -> None:
            known = CHECKED.get(name)
            checked = value if known is None else known(value, name)
            try:
                super().__setattr__(name, checked)
            except AttributeError as error:
                if name not in ("url", "credentials_source"):
                    raise
                raise AttributeError(
                    f"{name} is a property of every driver; give the attribute of"
                    f" {type(self).__name__} another name, such as _{name}"
                ) from error

    # ------------------------------------------------------------------ containers

    @final
    def create_container(
        self, name: str, *, exist_ok: bool = False, extra: Extra | None = None
    ) -> Container:
        """
        Create a container.

        Args:
            name: The container's name. Services have rules of their own for it.
            exist_ok: Return the container of this name if you have one already.
            extra: Options of this service alone; its page lists them.

        Raises:
            ContainerAlreadyExistsError: There is a container of this name.
            InvalidNameError: The service cannot have a container of this name.
        """
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        with ErrorContext(self, "create_container", name):
            checked, options = (
                self._valid_container(name),
                self._extra(extra, self.container_extras),
            )
            try:
                return Container(self, self._create_container(checked, options))
            except ContainerAlreadyExistsError:
                if not exist_ok:
                    raise
                return Container(self, self._head_container(checked))

    @final
    def get_container(self, name: str) -> Container:
        """
        Return a container with all attributes that the service has of it.

        Args:
            name: The container's name.

        Raises:
            ContainerNotFoundError: There is no container of this name.
        """
        with ErrorContext(self, "get_container", name):
            return Container(self, self._head_container(self._container_name(name)))

    @final
    def container(self, name: str) -> Container:
        """
        Return a container's handle without sending a request.

        The container need not exist. Its attributes are fetched on first access.

        Args:
            name: The container's name.
        """
        with ErrorContext(self, "container", name):
            return Container(self, ContainerInfo(self._container_name(name)))

    @final
    def container_exists(self, container: Container | str) -> bool:
        """Return whether a container exists. See `Container.exists`."""
        with ErrorContext(self, "container_exists", container):
            try:
                self._head_container(self._container_name(container))
            except ContainerNotFoundError:
                return False
        return True

    @final
    def list_containers(self) -> LazyList[Container]:
        """List the containers lazily, sorted by name."""

        def fetch(token: str | None, limit: int) -> Page[Container]:
            page = as_page(self._list_containers(token))
            return Page([Container(self, info) for info in page.items], page.token)

        context = ErrorContext(self, "list_containers")
        return LazyList(fetch, self.limits.page_size, f"containers of {self!r}", context)

    @final
    def delete_container(self, container: Container | str, *, recursive: bool = True) -> None:
        """Delete a container **with all objects in it**. See `Container.delete`."""
        with ErrorContext(self, "delete_container", container):
            delete = self._delete_full_container if recursive else self._delete_container
            delete(self._container_name(container))

    # ------------------------------------------------------------------ listing

    @overload
    def list_objects(
        self,
        container: Container | str,
        prefix: Prefix | str = "",
        *,
        delimiter: Literal[""] = "",
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Object]: ...
    @overload
    def list_objects(
        self,
        container: Container | str,
        prefix: Prefix | str = "",
        *,
        delimiter: str,
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Object | Prefix]: ...
    @final
    def list_objects(
        self,
        container: Container | str,
        prefix: Prefix | str = "",
        *,
        delimiter: str = "",
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Any]:
        """List objects lazily, in the order of their names. See `Container.list_objects`."""
        with ErrorContext(self, "list_objects", container):
            handle = self._container_handle(container)
            query = ListQuery(
                arguments.prefix(prefix),
                arguments.text(delimiter, "delimiter"),
                arguments.text(start_after, "start_after"),
            )
            sent, matches = (query, None) if pattern is None else narrowed(query, pattern)

        def fetch(token: str | None, limit: int) -> Page[Object | Prefix]:
            page = as_page(self._list_objects(handle.name, sent, token, limit))
            items = [
                item if isinstance(item, Prefix) else Object(handle, item) for item in page.items
            ]
            return Page(items, page.token)

        label = f"objects in {handle.name!r}" + (
            f" below {query.prefix!r}" if query.prefix else ""
        )
        context = ErrorContext(self, "list_objects", handle)
        if matches is None:
            return LazyList(fetch, self.limits.page_size, label, context)
        label += f" matching {arguments.shorten(str(pattern))}"
        return LazyList(fetch, self.limits.page_size, label, context, matches)

    @final
    def walk(
        self, container: Container | str, prefix: Prefix | str = "", *, delimiter: str = "/"
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        """Walk the tree of names that a delimiter makes. See `Container.walk`."""
        with ErrorContext(self, "walk", container):
            handle = self._container_handle(container)
            if not arguments.text(delimiter, "delimiter"):
                raise InvalidOptionError("delimiter must not be empty: it separates the levels")
            return self._walk(handle, arguments.prefix(prefix), delimiter)

    def _walk(
        self, container: Container, prefix: str, delimiter: str
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        with closing(walk(self, container.name, prefix, delimiter)) as steps:
            for here, prefixes, infos in steps:
                yield here, prefixes, [Object(container, info) for info in infos]

    @final
    def list_versions(
        self, container: Container | str, prefix: Prefix | str = ""
    ) -> LazyList[Object]:
        """List the versions of objects lazily, sorted by name. See `Container.list_versions`."""
        with ErrorContext(self, "list_versions", container):
            handle = self._container_handle(container)
            fetch = versions.pages(self, handle.name, arguments.prefix(prefix))

        def fetch_objects(token: str | None, limit: int) -> Page[Object]:
            page = fetch(token, limit)
            found = [Object(handle, info, pinned=info.version) for info in page.items]
            return Page(found, page.token)

        context = ErrorContext(self, "list_versions", handle)
        label = f"versions in {handle.name!r}"
        return LazyList(fetch_objects, self.limits.page_size, label, context)

    @final
    def enable_versioning(self, container: Container | str) -> None:
        """Keep the old versions of objects from now on. See `Container.enable_versioning`."""
        with ErrorContext(self, "enable_versioning", container):
            self._enable_versioning(self._container_name(container))

    # ------------------------------------------------------------------ one object

    @final
    def get_object(
        self,
        container: Container | str,
        name: str,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> Object:
        """Return an object with all its attributes. See `Container.get_object`."""
        with ErrorContext(self, "get_object", container, name):
            handle = self._container_handle(container)
            wanted = _wanted(
                (handle.name, self._valid_name(name)), if_match, if_none_match, version
            )
            info = self._head_object(wanted.container, wanted.name, wanted.version)
            wanted.check(info)
            return Object(handle, info, pinned=wanted.version)

    @final
    def object_exists(
        self, container: Container | str, name: str, *, version: str | None = None
    ) -> bool:
        """Return whether an object exists. See `Container.object_exists`, `Object.exists`."""
        with ErrorContext(self, "object_exists", container, name):
            names = self._container_name(container), self._valid_name(name)
            wanted = _wanted(names, None, None, version)
            try:
                wanted.check(self._head_object(*names, wanted.version))
            except ObjectNotFoundError:
                return False
        return True

    @final
    def object(self, container: Container | str, name: str) -> Object:
        """Return a handle without sending a request. See `Container.object`."""
        with ErrorContext(self, "object", container, name):
            return Object(self._container_handle(container), ObjectInfo(self._valid_name(name)))

    # ------------------------------------------------------------------ uploads

    @final
    def upload_object(
        self,
        source: UploadSource,
        container: Container | str,
        name: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        content_language: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        checksum: str | None = None,
        extra: Extra | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """Store an object, and return it. See `Container.upload_object`."""
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        with ErrorContext(self, "upload_object", container, name):
            handle = self._container_handle(container)
            options = self._write_options(
                self._valid_name(name),
                content_type,
                metadata,
                self._conditions(if_absent, if_match),
                extra,
                storage_class=storage_class,
                cache_control=cache_control,
                content_disposition=content_disposition,
                content_encoding=content_encoding,
                content_language=content_language,
            )
            expected = parse_checksum(checksum)
            request = UploadRequest(handle.name, name, options, expected, progress, cancel)
            return Object(handle, *upload(self, request, open_source(source)))

    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: BinaryReadMode = "rb",
        **options: Unpack[ReadKeywords],
    ) -> BufferedObjectReader[Object]: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: BinaryWriteMode,
        **options: Unpack[WriteKeywords],
    ) -> ObjectWriter[Object]: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: BinaryUpdateMode,
        **options: Unpack[WriteKeywords],
    ) -> SeekableObjectWriter[Object]: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: TextReadMode,
        **options: Unpack[TextReadKeywords],
    ) -> ObjectTextReader[Object]: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: TextWriteMode,
        **options: Unpack[TextKeywords],
    ) -> ObjectTextWriter[Object]: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: str,
        **options: Unpack[AnyKeywords],
    ) -> Any: ...
    @final
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        content_language: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
        extra: Extra | None = None,
    ) -> Any:
        """Open an object as a file. See `Container.open` and `Object.open`."""
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        context = ErrorContext(self, "open_object", container, name)
        with context:
            obj = self._object_in(container, name)
            parsed = opening.parse_mode(mode, encoding, errors, newline)
            headers = {
                "storage_class": storage_class,
                "cache_control": cache_control,
                "content_disposition": content_disposition,
                "content_encoding": content_encoding,
                "content_language": content_language,
            }
            if parsed.action == "r":
                opening.refuse_options(
                    mode,
                    "writing",
                    content_type=content_type,
                    metadata=metadata,
                    if_absent=if_absent,
                    extra=extra,
                    **headers,
                )
                wanted = _wanted(self._target(obj), if_match, if_none_match, version, obj._pinned)
                obj._verified_by = None
                learn = partial(_learn, obj, wanted)
                return opening.open_reader(
                    self, obj, wanted, obj._info, parsed.text, context, learn
                )
            opening.refuse_options(mode, "reading", if_none_match=if_none_match, version=version)
            self._current(obj)
            conditions = self._conditions(if_absent or parsed.action == "x", if_match)
            options = self._write_options(
                obj.name, content_type, metadata, conditions, extra, **headers
            )
            request = UploadRequest(obj.container.name, obj.name, options)
            return opening.open_writer(
                self, request, parsed, context, lambda stored: Object(obj.container, *stored)
            )

    # ------------------------------------------------------------------ downloads

    @overload
    def download_object(
        self,
        obj: Object,
        destination: str | os.PathLike[str],
        *,
        start: int = 0,
        stop: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Path: ...
    @overload
    def download_object(
        self,
        obj: Object,
        destination: BinaryIO,
        *,
        start: int = 0,
        stop: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> None: ...
    @final
    def download_object(
        self,
        obj: Object,
        destination: str | os.PathLike[str] | BinaryIO,
        *,
        start: int = 0,
        stop: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Path | None:
        """Write an object to a file, and return the file's path. See `Object.download`."""
        with ErrorContext(self, "download_object", obj):
            wanted = _wanted(self._target(obj), if_match, if_none_match, version, obj._pinned)
            span = arguments.span(start, stop)
            request = DownloadRequest(wanted, span, obj._info.size, progress, cancel)
            obj._verified_by = None
            if isinstance(destination, (str, os.PathLike)):
                file, path = checked_destination(os.fsdecode(destination), overwrite, obj.name)
                _learn(obj, wanted, *download(self, request, path, overwrite, resume=resume))
                return Path(file)
            if resume:
                raise InvalidOptionError("resume=True needs the path of a file as destination")
            _learn(obj, wanted, *download_to_stream(self, request, writer_of(destination)))
            return None

    @final
    def stream_object(
        self,
        obj: Object,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk_size: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> Iterator[bytes]:
        """Yield an object's bytes in order. See `Object.stream`."""
        context = ErrorContext(self, "stream_object", obj)
        with context:
            wanted = _wanted(self._target(obj), if_match, if_none_match, version, obj._pinned)
            span = arguments.span(start, stop)
            size = _CHUNK_SIZE
            if chunk_size is not None:
                size = arguments.positive_size(chunk_size, "chunk_size")

        def chunks() -> Iterator[bytes]:
            with context:
                obj._verified_by = None
                learn = partial(_learn, obj, wanted)
                yield from reading.iterate(self, wanted, span, size, learn)

        return chunks()

    @final
    def read_object(
        self,
        obj: Object,
        *,
        start: int = 0,
        stop: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> bytes:
        """Return an object's bytes, or those of a range. See `Object.read`."""
        with ErrorContext(self, "read_object", obj):
            wanted = _wanted(self._target(obj), if_match, if_none_match, version, obj._pinned)
            obj._verified_by = None
            found = reading.read(self, wanted, arguments.span(start, stop))
            obj._verified_by = found.verified_by
            if wanted.version == obj._pinned:  # not by _learn, for speed
                info = found.info
                obj._info = info if info.complete else info.completed_by(obj._info)
        return found.content

    @final
    def read_objects(
        self,
        container: Container | str,
        names: Iterable[Object | str],
        *,
        concurrency: int = 32,
    ) -> Iterator[tuple[str, bytes | StorageError]]:
        """Yield the names and bytes of many objects. See `Container.read_objects`."""
        with ErrorContext(self, "read_objects", container):
            handle = self._container_handle(container)
            size = arguments.positive_size(concurrency, "concurrency")
            if isinstance(names, (str, bytes, Object)) or not isinstance(names, Iterable):
                raise InvalidTypeError(
                    f"names must be an iterable of names, not {type(names).__name__};"
                    " read_object() reads a single object"
                )
            return self._read_objects(handle, names, size)

    def _read_objects(
        self, container: Container, names: Iterable[Object | str], size: int
    ) -> Iterator[tuple[str, bytes | StorageError]]:
        def targets() -> Iterator[tuple[Object | str, Wanted | StorageError]]:
            for item in names:
                try:
                    if isinstance(item, Object):
                        obj = self._object_in(container, item)
                        yield obj, Wanted(container.name, obj.name, version=obj._pinned)
                    else:
                        yield item, Wanted(container.name, self._valid_name(item))
                except InvalidNameError as error:
                    yield item, error

        with (
            ErrorContext(self, "read_objects", container),
            closing(read_many(self, targets(), min(size, _MAX_READS))) as results,
        ):
            for item, found in results:
                name = item.name if isinstance(item, Object) else item
                if isinstance(found, StorageError):
                    ErrorContext(self, "read_objects", container, name).complete(found)
                    if isinstance(found, _OF_ALL):
                        raise found
                    yield name, found
                    continue
                if isinstance(item, Object):
                    item._verified_by = found.verified_by
                    item._info = found.info.completed_by(item._info)
                yield name, found.content

    @final
    def read_ranges(self, obj: Object, spans: Iterable[tuple[int, int | None]]) -> list[bytes]:
        """Return the bytes of ranges, all of one version. See `Object.read_ranges`."""
        with ErrorContext(self, "read_ranges", obj):
            wanted = _wanted(self._target(obj), None, None, None, obj._pinned)
            if not isinstance(spans, Iterable):
                raise InvalidTypeError(
                    f"spans must be an iterable of pairs, not {type(spans).__name__}"
                )
            checked = [arguments.span(*arguments.pair(span)) for span in spans]
            if any(span.start < 0 for span in checked):
                raise InvalidOptionError(
                    "the ranges of read_ranges() must begin at 0 or more; read(start=-8) reads the"
                    " end of an object"
                )
            obj._verified_by = None
            return reading.read_ranges(self, wanted, checked)

    # ------------------------------------------------------------------ copying

    @final
    def copy_object(
        self,
        obj: Object,
        container: Container | str,
        name: str | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        if_absent: bool = False,
        extra: Extra | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """Copy an object, also to another service, and return the copy. See `Object.copy`."""
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        options = CopyOptions(
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            conditions=Conditions(if_absent=if_absent),
            extra={} if extra is None else extra,
        )
        source, handle, target = self._copy_ends("copy_object", obj, container, name)
        source = source._replace(version=obj._pinned)
        size = obj._info.size
        request = copying.CopyRequest(
            "copy_object", source, target, options, size, progress, cancel
        )
        return Object(handle, *copying.copy(request))

    @final
    def move_object(
        self,
        obj: Object,
        container: Container | str,
        name: str | None = None,
        *,
        if_absent: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """Move an object, also to another service, and return it. See `Object.move`."""
        with ErrorContext(self, "move_object", obj):
            self._current(obj)
        source, handle, target = self._copy_ends("move_object", obj, container, name)
        options = CopyOptions(conditions=Conditions(if_absent=if_absent))
        size = obj._info.size
        request = copying.CopyRequest(
            "move_object", source, target, options, size, progress, cancel
        )
        return Object(handle, *copying.move(request))

    def _copy_ends(
        self, operation: str, obj: Object, container: Container | str, name: str | None
    ) -> tuple[copying.ObjectRef, Container, copying.ObjectRef]:
        """Return the source of a copy, and the container and the place that it goes to."""
        with ErrorContext(self, operation, obj):
            source = copying.ObjectRef(self, *self._target(obj))
        driver = container.driver if isinstance(container, Container) else self
        name = source.name if name is None else name
        with ErrorContext(driver, operation, container, name):
            handle = driver._container_handle(container)
            return source, handle, copying.ObjectRef(driver, handle.name, driver._valid_name(name))

    # ------------------------------------------------------------------ metadata and URLs

    @final
    def update_metadata(
        self,
        obj: Object,
        metadata: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
        if_match: str | None = None,
    ) -> Object:
        """Replace an object's metadata or content type. See `Object.update_metadata`."""
        with ErrorContext(self, "update_metadata", obj):
            names = self._current(obj)
            info = update_metadata(self, *names, metadata, content_type, if_match)
            return Object(obj.container, info)

    @final
    def sign_url(
        self,
        obj: Object,
        *,
        method: str = "GET",
        expires: float | timedelta = 3600.0,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
        enforce_headers: bool = True,
    ) -> SignedURL:
        """Return a presigned URL of an object. See `Object.sign_url`."""
        headers = hide_key_headers(headers)
        with ErrorContext(self, "sign_url", obj):
            return signing.sign(
                self,
                *self._current(obj),
                method=method,
                expires=expires,
                headers=headers,
                response_headers=response_headers,
                enforce_headers=enforce_headers,
            )

    @final
    def enable_container_cdn(self, container: Container | str) -> str:
        """Make a container's objects public, and return its URL. See `Container.enable_cdn`."""
        with ErrorContext(self, "enable_container_cdn", container):
            return public_access.enable_container(self, self._container_name(container))

    @final
    def enable_object_cdn(self, obj: Object) -> str:
        """Make one object public, and return its URL. See `Object.enable_cdn`."""
        with ErrorContext(self, "enable_object_cdn", obj):
            return public_access.enable_object(self, *self._current(obj))

    @final
    def get_container_cdn_url(self, container: Container | str) -> str:
        """Return the public URL of a container. See `Container.get_cdn_url`."""
        with ErrorContext(self, "get_container_cdn_url", container):
            return public_access.container_url(self, self._container_name(container))

    @final
    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the public URL of an object. See `Object.get_cdn_url`."""
        with ErrorContext(self, "get_object_cdn_url", obj):
            return public_access.object_url(self, *self._current(obj))

    # ------------------------------------------------------------------ deleting

    @final
    def delete_object(
        self,
        obj: Object,
        *,
        if_match: str | None = None,
        missing_ok: bool = True,
        version: str | None = None,
    ) -> None:
        """Delete an object; a missing one is not an error. See `Object.delete`."""
        with ErrorContext(self, "delete_object", obj):
            names = self._current(obj) if version is None else self._target(obj)
            wanted = _wanted(names, None, None, version)
            conditions = self._delete_conditions(obj._info, if_match)
            # A service returns no attributes of a delete marker.
            marker = version is not None and version == obj._pinned and obj.is_delete_marker
            if not marker and (not missing_ok or version is not None):
                try:
                    wanted.check(self._head_object(wanted.container, wanted.name, version))
                except ObjectNotFoundError:
                    if not missing_ok:
                        raise
                    return
            self._delete_object(wanted.container, wanted.name, conditions, version)

    @final
    def delete_objects(self, objs: Iterable[Object]) -> list[DeleteResult]:
        """
        Delete objects, also of more than one container, and return one result for each.

        See `Container.delete_objects`.
        """
        with ErrorContext(self, "delete_objects"):
            targets = [self._current(obj) for obj in _many(objs)]
            return delete_many(self, targets, self._complete_deletion)

    def _delete_in(self, container: Container, objs: Iterable[Object | str]) -> list[DeleteResult]:
        """Delete objects of a container, given as handles or by their names."""
        with ErrorContext(self, "delete_objects", container):
            names = self._names_in(container, objs)
        with ErrorContext(self, "delete_objects"):
            return delete_names(self, container.name, names, self._complete_deletion)

    def _complete_deletion(self, error: StorageError, container: str, name: str) -> None:
        ErrorContext(self, "delete_objects", container, name).complete(error)

    # ------------------------------------------------------------------ trees

    @final
    def sync(
        self,
        source: SyncEnd,
        target: SyncEnd,
        *,
        delete: bool = False,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: Compare = "size+mtime",
        max_delete: int | None = None,
        symlinks: Symlinks = "skip",
        preserve: bool = False,
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
        executor: Executor | None = None,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """
        Make a directory, a container or a prefix equal to another one, and return a report.

        Files and objects that are equal already are not sent. Source and target are listed once,
        in the same order, so memory does not depend on their number. Deletions are the last
        actions, and there is none if anything has failed.

        Args:
            source: The path of a directory, a container, or a container and a prefix as a tuple.
                Source or target, or both, are of this driver; the other container may be of
                any driver.
            target: As `source`. A directory is created if it does not exist.
            delete: Delete from the target what the source does not have.
            include: Patterns such as ``"*.jpg"`` or ``"2026/**"``; if there are any, only names
                that match one take part. A pattern without a slash is about the last component.
            exclude: Patterns of names that do not take part, and are not deleted either.
            compare: ``"size+mtime"``, ``"hash"`` (size and digest; the modification time where a
                service has no digest in common with the other side) or ``"both"``.
            max_delete: Delete nothing if there is more than this to delete.
            symlinks: ``"skip"``, ``"follow"`` or ``"error"``, for links in a local directory.
            preserve: Store modification time and mode of files in the metadata of objects, and
                restore them.
            dry_run: Do nothing; the report has what would be done.
            progress: Called with the number of bytes that are done so far, and at the end with
                the total, too.
            executor: Does the transfers; by default, these are 16 threads. With one of processes,
                the drivers are pickled.
            on_error: Called with each action that failed or was refused, and its error; what it
                raises ends the sync.

        Returns:
            The counts, and the action of each name. An error of one name is there, and does not
                stop the others.

        Raises:
            ContainerNotFoundError: A container does not exist.
            LocalFileNotFoundError: The directory of the source does not exist.
            InvalidOptionError: Neither end is of this driver, or one is within the other.
        """
        from .sync import engine

        with ErrorContext(self, "sync"):
            options = engine.SyncOptions(
                delete=delete,
                include=include,
                exclude=exclude,
                compare=compare,
                max_delete=max_delete,
                symlinks=symlinks,
                preserve=preserve,
                dry_run=dry_run,
                progress=progress,
                executor=executor,
                on_error=on_error,
            )
            ends = (
                self._sync_tree(source, options),
                self._sync_tree(target, options, missing_ok=True),
            )
            if not any(self._owns_tree(end) for end in ends):
                raise InvalidOptionError(
                    "neither source nor target is a container of this driver; use the driver of"
                    " one of them"
                )
            return engine.sync(*ends, options)

    @final
    def upload_tree(
        self,
        container: Container | str,
        path: str | os.PathLike[str],
        prefix: Prefix | str = "",
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: Compare = "size+mtime",
        symlinks: Symlinks = "skip",
        preserve: bool = False,
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
        executor: Executor | None = None,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """Store the files below a directory. See `Container.upload_tree`."""
        from .sync import engine

        with ErrorContext(self, "upload_tree", container):
            handle = self._container_handle(container)
            options = engine.SyncOptions(
                include=include,
                exclude=exclude,
                compare=compare,
                symlinks=symlinks,
                preserve=preserve,
                dry_run=dry_run,
                progress=progress,
                executor=executor,
                on_error=on_error,
            )
            source = engine.local_tree(path, options)
            return engine.sync(
                source, engine.object_tree(handle, arguments.prefix(prefix)), options
            )

    @final
    def download_tree(
        self,
        container: Container | str,
        prefix: Prefix | str,
        path: str | os.PathLike[str],
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: Compare = "size+mtime",
        symlinks: Symlinks = "skip",
        preserve: bool = False,
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
        executor: Executor | None = None,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """Write the objects below a prefix to files. See `Container.download_tree`."""
        from .sync import engine

        with ErrorContext(self, "download_tree", container):
            handle = self._container_handle(container)
            options = engine.SyncOptions(
                include=include,
                exclude=exclude,
                compare=compare,
                symlinks=symlinks,
                preserve=preserve,
                dry_run=dry_run,
                progress=progress,
                executor=executor,
                on_error=on_error,
            )
            target = engine.local_tree(path, options, missing_ok=True)
            return engine.sync(
                engine.object_tree(handle, arguments.prefix(prefix)), target, options
            )

    @final
    def copy_tree(
        self,
        container: Container | str,
        source_prefix: Prefix | str,
        target: Container,
        prefix: Prefix | str = "",
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: Compare = "size+mtime",
        dry_run: bool = False,
        progress: ProgressCallback | None = None,
        executor: Executor | None = None,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """Copy the objects below a prefix. See `Container.copy_tree`."""
        from .sync import engine

        with ErrorContext(self, "copy_tree", container):
            handle = self._container_handle(container)
            options = engine.SyncOptions(
                include=include,
                exclude=exclude,
                compare=compare,
                dry_run=dry_run,
                progress=progress,
                executor=executor,
                on_error=on_error,
            )
            if not isinstance(target, Container):
                raise InvalidTypeError(f"target must be a Container, not {type(target).__name__}")
            source = engine.object_tree(handle, arguments.prefix(source_prefix))
            to = engine.object_tree(target, arguments.prefix(prefix))
            return engine.sync(source, to, options)

    @final
    def delete_tree(
        self,
        container: Container | str,
        prefix: Prefix | str,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_delete: int | None = None,
        dry_run: bool = False,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """Delete the objects below a prefix. See `Container.delete_tree`."""
        from .sync import engine

        with ErrorContext(self, "delete_tree", container):
            handle = self._container_handle(container)
            options = engine.SyncOptions(
                include=include,
                exclude=exclude,
                max_delete=max_delete,
                dry_run=dry_run,
                on_error=on_error,
                delete=True,
            )
            target = engine.object_tree(handle, arguments.prefix(prefix))
            return engine.sync(engine.NO_TREE, target, options)

    def _sync_tree(self, end: builtins.object, options: Any, *, missing_ok: bool = False) -> Any:
        """Return the tree that an end of a sync stands for."""
        from .sync import engine

        container, prefix = end if isinstance(end, tuple) and len(end) == 2 else (end, "")
        if isinstance(container, Container):
            return engine.object_tree(container, arguments.prefix(prefix))
        if isinstance(end, (str, os.PathLike)):
            return engine.local_tree(end, options, missing_ok=missing_ok)
        raise InvalidTypeError(
            "source and target must each be a path, a Container, or a Container and a prefix as a"
            f" tuple, not {type(end).__name__}"
        )

    def _owns_tree(self, tree: Any) -> bool:
        container = getattr(tree, "container", None)
        return container is not None and container.driver == self

    # ------------------------------------------------------------------ unfinished uploads

    @final
    def list_uploads(self, container: Container | str) -> LazyList[Upload]:
        """List multipart uploads that were not finished. See `Container.list_uploads`."""
        with ErrorContext(self, "list_uploads", container):
            name = self._container_name(container)
            return unfinished_uploads.list_uploads(self, "list_uploads", name)

    @final
    def list_parts(self, upload: Upload) -> LazyList[Part]:
        """
        List the parts of an unfinished upload lazily, sorted by number.

        Args:
            upload: An upload from `list_uploads`.

        Raises:
            NotSupportedError: The service has no multipart uploads, or does not list parts.
            ObjectNotFoundError: There is no such upload any more. It is raised when the list is
                read.
        """
        with ErrorContext(self, "list_parts"):
            return unfinished_uploads.list_parts(self, upload)

    @final
    def abort_upload(self, upload: Upload) -> None:
        """
        Delete one unfinished upload and its parts; a missing one is not an error.

        Args:
            upload: An upload from `list_uploads`, or made of `StorageError.upload_id`.

        Raises:
            NotSupportedError: The service has no multipart uploads.
        """
        with ErrorContext(self, "abort_upload"):
            unfinished_uploads.abort(self, upload)

    @final
    def abort_uploads(
        self, container: Container | str, *, older_than: float | timedelta = 0.0
    ) -> list[Upload]:
        """Delete the unfinished uploads of a container. See `Container.abort_uploads`."""
        with ErrorContext(self, "abort_uploads", container):
            name = self._container_name(container)
            return unfinished_uploads.abort_all(self, name, older_than)

    # ------------------------------------------------------------------ other requests

    @final
    def request(
        self,
        method: str,
        container: Container | str = "",
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        path: str = "",
        idempotent: bool | None = None,
    ) -> ServiceResponse:
        """
        Send a request of your own to the service, for what no operation does.

        It is addressed, signed and retried as all others, and an error response raises the same
        errors. Its meaning is that of this service alone. See `Container.request`, whose
        arguments it has.

        Args:
            method: ``"GET"``, ``"HEAD"``, ``"OPTIONS"``, ``"PUT"``, ``"DELETE"``, ``"POST"`` or
                ``"PATCH"``.
            container: The container that it is about; empty for the account.
            name: The name of the object that it is about; empty for the container or the account.

        Raises:
            NotSupportedError: The driver sends no requests, as those for memory and directories.
        """
        headers = hide(headers)  # from here on no traceback shows a key
        content = hide(content)
        guard = ErrorContext(self, "request", container or None, name or None)
        with guard:
            return requesting.request(
                self,
                method,
                self._container_name(container) if container != "" else "",
                self._valid_name(name) if name != "" else "",
                query=query,
                headers=headers,
                content=content,
                path=path,
                idempotent=idempotent,
                guard=guard,
            )

    # ------------------------------------------------------------------ handles and names

    def _container_name(self, container: builtins.object) -> str:
        """Return the checked name of a container, given as a handle or by its name."""
        if isinstance(container, Container):
            if container.driver is not self and container.driver != self:
                raise InvalidOptionError(
                    f"{container!r} belongs to another driver; pass its name, or use its driver"
                )
            return container.name
        if not isinstance(container, str):
            raise InvalidTypeError(
                f"container must be a Container or a str, not {type(container).__name__}"
            )
        return self._valid_container(container)

    def _container_handle(self, container: Container | str) -> Container:
        """Return a checked handle of this driver."""
        if isinstance(container, Container) and container.driver is self:
            return container
        name = self._container_name(container)
        info = container._info if isinstance(container, Container) else ContainerInfo(name)
        return Container(self, info)

    def _target(self, obj: builtins.object) -> tuple[str, str]:
        """Return the names of an object's container and of the object."""
        if not isinstance(obj, Object):
            raise InvalidTypeError(
                f"obj must be an Object, not {type(obj).__name__};"
                " driver.object(container, name) creates one from a name"
            )
        container = obj.container
        if container.driver is not self and container.driver != self:
            raise InvalidOptionError(f"{obj!r} belongs to another driver; use obj.driver")
        return container.name, obj.name

    def _current(self, obj: Object) -> tuple[str, str]:
        """Return the names of an object for an operation that versions do not have."""
        names = self._target(obj)
        if obj._pinned is not None:
            raise InvalidOptionError(
                f"the handle stands for the version {obj._pinned!r}, which can be read, copied and"
                " deleted with version=; for the current object, use container.object(name)"
            )
        return names

    def _object_in(self, container: Container | str, obj: builtins.object) -> Object:
        """Return an object of a container, given as a handle or by its name."""
        handle = self._container_handle(container)
        if not isinstance(obj, Object):
            return Object(handle, ObjectInfo(self._valid_name(obj)))
        if self._target(obj)[0] != handle.name:
            raise InvalidOptionError(f"{obj!r} is not in {handle.name!r}")
        return obj

    def _names_in(self, container: Container, objs: Iterable[Object | str]) -> list[str]:
        """Return the names of a container's objects, given as handles or by their names."""
        valid = self._valid_name
        return [
            self._current(self._object_in(container, obj))[1]
            if isinstance(obj, Object)
            else valid(obj)
            for obj in _many(objs)
        ]

    def _with_checksums(self, obj: Object) -> ObjectInfo:
        """Return an object's attributes, with digests if any can be computed."""
        with ErrorContext(self, "checksums", obj):
            return replace(obj._info, checksums=self._compute_checksums(*self._target(obj)))

    # ------------------------------------------------------------------ the driver itself

    @property
    def url(self) -> str:
        """The URL of the driver, without credentials; see `libstore.open_url`."""
        return self._url()

    def _url(self, container: str = "", name: str = "") -> str:
        return str(StorageURL(self.name, container, name, self._url_options()))

    @property
    def credentials_source(self) -> str | None:
        """
        What the credentials are from, such as ``profile 'prod' of ~/.aws/credentials``.

        It contains no secret. `None` for requests without credentials, and for drivers that have
        none.
        """
        return None

    def close(self) -> None:
        """Close all connections; the driver can still be used, and closed again."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _wanted(
    names: tuple[str, str],
    if_match: object,
    if_none_match: object,
    version: object,
    pinned: str | None = None,
) -> Wanted:
    """Return the object that is to be read, with checked conditions."""
    if version is None:
        version = pinned
    if if_match is None and if_none_match is None and version is None:
        return Wanted(*names)
    etags = arguments.read_conditions(if_match, if_none_match)
    return Wanted(*names, *etags, arguments.header_value(version, "version"))


def _learn(obj: Object, wanted: Wanted, info: ObjectInfo, verified_by: str | None) -> None:
    """Keep in a handle what a response says about its object."""
    obj._verified_by = verified_by
    if wanted.version == obj._pinned:
        obj._info = info.completed_by(obj._info)


def _many(objs: object) -> Iterable[Any]:
    """Refuse a single object or name where an iterable of them is expected."""
    if isinstance(objs, (str, bytes, Object)) or not isinstance(objs, Iterable):
        raise InvalidTypeError(
            f"objs must be an iterable of objects, not {type(objs).__name__};"
            " delete_object() deletes a single one, and list_objects(prefix) returns those below a"
            " prefix"
        )
    return objs
