"""
`Container` and `Object`: the handles that users work with.

Both are thin. A handle has its driver and the attributes that are known so far; every operation is
one call of the driver, so ``obj.delete()`` and ``driver.delete_object(obj)`` are the same. The
docstrings here are the reference of the operations.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, cast, overload

from typing_extensions import Self, Unpack, override

from .error_context import ErrorContext
from .notebooks import table
from .readonly import no_pairs
from .redaction import hide, hide_key_headers, hide_keys
from .values import ContainerInfo, DeleteResult, Extra, ObjectInfo, Prefix, Upload, WriteKeywords

if TYPE_CHECKING:
    from pathlib import Path

    from .driver import StorageDriver
    from .errors import StorageError
    from .files import (
        BufferedObjectReader,
        ObjectTextReader,
        ObjectTextWriter,
        ObjectWriter,
        SeekableObjectWriter,
    )
    from .listing import LazyList
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
    from .sync.planning import Compare
    from .sync.report import SyncAction, SyncReport
    from .sync.trees import Symlinks
    from .transfer.progress import ProgressCallback
    from .transfer.sources import UploadSource
    from .transfer.workers import CancelToken


class Container:
    """
    A container of objects; most services call it a bucket.

    Attributes that are not known yet are fetched on first access, with one request.

    Attributes:
        driver: The driver that carries out every operation.
        name: The container's name.
    """

    __slots__ = ("_info", "driver", "name")

    def __init__(self, driver: StorageDriver, info: ContainerInfo) -> None:
        self.driver = driver
        self.name = info.name
        self._info = info

    @property
    def url(self) -> str:
        """
        The container's URL, without credentials; `libstore.open_url` returns the handle again.

        It has the driver's arguments that name the store, such as the endpoint. The address that
        browsers use is `get_cdn_url`.
        """
        return self.driver._url(self.name)

    @property
    def info(self) -> ContainerInfo:
        """The attributes that are known so far; no request is sent."""
        return self._info

    @property
    def object_count(self) -> int | None:
        """The number of objects; `None` if the service does not count them."""
        return cast("int | None", self._attribute("object_count"))

    @property
    def size(self) -> int | None:
        """The number of bytes of all objects; `None` if the service does not count them."""
        return cast("int | None", self._attribute("size"))

    @property
    def created(self) -> datetime | None:
        """When the container was created; `None` if the service does not report it."""
        return cast("datetime | None", self._attribute("created"))

    @property
    def extra(self) -> Mapping[str, builtins.object]:
        """Attributes that only this service has."""
        return cast("Mapping[str, builtins.object]", self._attribute("extra"))

    def exists(self) -> bool:
        """
        Return whether the container exists, with one request.

        Raises:
            AccessDeniedError: The credentials do not allow the service to reveal it.
        """
        return self.driver.container_exists(self)

    def refresh(self) -> Self:
        """
        Fetch all attributes again, and return this handle.

        Raises:
            ContainerNotFoundError: The container does not exist.
        """
        self._info = self.driver.get_container(self.name)._info
        return self

    @overload
    def list_objects(
        self,
        prefix: Prefix | str = "",
        *,
        delimiter: Literal[""] = "",
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Object]: ...
    @overload
    def list_objects(
        self,
        prefix: Prefix | str = "",
        *,
        delimiter: str,
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Object | Prefix]: ...
    def list_objects(
        self,
        prefix: Prefix | str = "",
        *,
        delimiter: str = "",
        start_after: str = "",
        pattern: str | None = None,
    ) -> LazyList[Any]:
        """
        List the objects lazily, in the order of their names' UTF-8 bytes.

        Pages are requested while the list is read, and again when it is read again.

        Args:
            prefix: List only names that begin with this text, or with that of a `Prefix`.
            delimiter: A text such as ``"/"``. Names that contain it after the prefix are grouped
                into one `Prefix` for each group, like subdirectories.
            start_after: List only names that sort after this one.
            pattern: List only names that match it as a whole, such as ``"2026/**/*.jpg"``. ``*``
                and ``?`` do not stand for slashes, ``**`` stands for any number of levels, and
                ``[...]`` for one of some characters. The names are compared here; the service
                lists those that begin with the pattern's text before its first wildcard.

        Raises:
            ContainerNotFoundError: The container does not exist. It is raised on the first read.
            InvalidOptionError: There is a delimiter beside the pattern, or the pattern is empty.

        Example:
            >>> [item.name for item in photos.list_objects("2026/", delimiter="/")]
            ['2026/cat.jpg', '2026/may/']
            >>> [obj.name for obj in photos.list_objects(pattern="**/d*.jpg")]
            ['2026/may/dog.jpg']
        """
        return self.driver.list_objects(
            self, prefix, delimiter=delimiter, start_after=start_after, pattern=pattern
        )

    def walk(
        self, prefix: Prefix | str = "", *, delimiter: str = "/"
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        """
        Walk the names as a tree from the top, as `os.walk` does; a delimiter separates the levels.

        Each step yields a prefix, the prefixes directly below it, and the objects directly below
        it. Remove prefixes from the list to leave them out.

        Args:
            prefix: The prefix to start at, such as ``"2026/"``; the whole container by default.
            delimiter: The text that separates the levels.

        Raises:
            ContainerNotFoundError: The container does not exist. It is raised at the first step.
            InvalidOptionError: The delimiter is empty.

        Example:
            >>> for prefix, prefixes, objects in photos.walk("2026/"):
            ...     print(prefix, prefixes, [obj.name for obj in objects])
            2026/ ['2026/may/'] ['2026/cat.jpg']
            2026/may/ [] ['2026/may/dog.jpg']
        """
        return self.driver.walk(self, prefix, delimiter=delimiter)

    def list_versions(self, prefix: Prefix | str = "") -> LazyList[Object]:
        """
        List the versions of the objects lazily, sorted by name.

        The current objects are among them. Each handle stands for its version, as one from
        `get_object` with `version` does: reads and `copy` are of this version. A copy to its own
        name restores it. The order of the versions of one name is that of the service.

        A service that keeps a marker in place of a deleted object lists it, too; see
        `Object.is_delete_marker`. Where the container keeps no versions, the list has the current
        objects.

        Args:
            prefix: List only names that begin with this text, or with that of a `Prefix`.

        Raises:
            ContainerNotFoundError: The container does not exist. It is raised on the first read.
            NotSupportedError: The service keeps no versions.
        """
        return self.driver.list_versions(self, prefix)

    def enable_versioning(self) -> None:
        """
        Keep the old versions of objects from now on, when they are replaced or deleted.

        A container that keeps them already is not an error.

        Raises:
            ContainerNotFoundError: The container does not exist.
            NotSupportedError: The service keeps no versions, or they are a setting of the account.
        """
        self.driver.enable_versioning(self)

    def get_object(
        self,
        name: str,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> Object:
        """
        Return an object with all its attributes, with one request.

        Args:
            name: The object's name.
            if_match: Return only an object with this ETag.
            if_none_match: Return only an object with another ETag.
            version: The id of a version, in place of the current object. The handle stands for it:
                reads and `copy` are of this version, and what would change the current object or
                return a URL of it is refused.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ContainerNotFoundError: The container does not exist.
            ObjectChangedError: The object has another ETag than that of `if_match`.
            ObjectNotModifiedError: The object still has the ETag of `if_none_match`.
            NotSupportedError: `version` was given, and the service keeps no versions.

        Example:
            >>> photos.get_object("2026/cat.jpg").content_type
            'image/jpeg'
        """
        return self.driver.get_object(
            self, name, if_match=if_match, if_none_match=if_none_match, version=version
        )

    def object_exists(self, name: str, *, version: str | None = None) -> bool:
        """
        Return whether an object exists, with one request.

        If it is missing, most services need a second request for whether its container exists.

        Args:
            name: The object's name.
            version: The id of a version, in place of the current object.

        Raises:
            ContainerNotFoundError: The container does not exist.
            AccessDeniedError: The credentials do not allow the service to reveal it.
            NotSupportedError: `version` was given, and the service keeps no versions.
        """
        return self.driver.object_exists(self, name, version=version)

    def object(self, name: str) -> Object:
        """
        Return an object's handle without sending a request.

        The object need not exist. Its attributes are fetched on first access.

        Args:
            name: The object's name.

        Example:
            >>> photos.object("2026/cat.jpg").read()
            b'meow'
        """
        return self.driver.object(self, name)

    def upload_object(
        self,
        source: UploadSource,
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
        """
        Store an object, and return it.

        The object appears as a whole when its last byte has arrived, or not at all; until then an
        object that it replaces does not change. What the service has stored is verified. A large
        source is sent in parts, some of them at once; at most ``concurrency + 1`` parts are in
        memory (see `TransferOptions`).

        Args:
            source: A path (`str` or `os.PathLike`), the content itself (bytes or another buffer),
                a binary file object (read from its position and left open), or an iterable of
                bytes.
            name: The object's name.
            content_type: The media type, such as ``"image/jpeg"``. It is guessed from the name by
                default.
            metadata: Pairs of text. Keys are ASCII, and become lower-case.
            storage_class: The service's name of a storage class; its default one if not given.
            cache_control: The header Cache-Control that is sent with the object.
            content_disposition: The header Content-Disposition that is sent with the object.
            content_encoding: The header Content-Encoding that is sent with the object.
            content_language: The header Content-Language that is sent with the object.
            if_absent: Raise `ObjectAlreadyExistsError` if there is an object of this name.
            if_match: Raise `ObjectChangedError` unless the object to replace has this ETag.
            checksum: The digest that the content must have, such as ``"sha256:9f86…"``,
                hexadecimal.
            extra: Options of this service alone; its page lists them.
            progress: Called with the number of bytes that are confirmed so far, and with the total
                or `None`.
            cancel: Stops the upload when set, such as a `threading.Event`.

        Raises:
            ContainerNotFoundError: The container does not exist.
            ObjectAlreadyExistsError: `if_absent` was given, and the object exists.
            ObjectChangedError: The object does not have the ETag `if_match`.
            NotSupportedError: The service does not support an option. Nothing was sent.
            IntegrityError: The content does not have the digest `checksum`, or the service has
                stored different bytes than were sent.
            OutcomeUnknownError: The response to a conditional write was lost, and nothing shows
                whether the object was written.
            TransferCancelledError: `cancel` was set.

        Example:
            >>> obj = photos.upload_object(b"woof", "2026/dog.jpg", metadata={"taken-by": "me"})
            >>> obj.size, obj.content_type
            (4, 'image/jpeg')
        """
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.upload_object(
            source,
            self,
            name,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            content_language=content_language,
            if_absent=if_absent,
            if_match=if_match,
            checksum=checksum,
            extra=extra,
            progress=progress,
            cancel=cancel,
        )

    @overload
    def download_object(
        self,
        obj: Object | str,
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
        obj: Object | str,
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
    def download_object(
        self,
        obj: Object | str,
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
        """
        Write an object to a file, and return the file's path. See `Object.download`.

        Args:
            obj: The object, or its name.
            destination: The path of the file, whose directory must exist, or of an existing
                directory, or a binary file object.
            start: The position of the first byte; a negative one counts from the end, without
                `stop`.
            stop: The position after the last byte; at most, and by default, the end of the object.
            overwrite: Replace the file if it exists.
            resume: Continue the download that an earlier call with `resume` has begun, also in
                another process; and if this one is interrupted, keep its partial file.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.
            progress: Called with the number of bytes that are on disk so far, and with the total.
            cancel: Stops the download when set, such as a `threading.Event`.
        """
        return self.driver.download_object(
            self._handle("download_object", obj),
            cast("str", destination),
            start=start,
            stop=stop,
            overwrite=overwrite,
            resume=resume,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
            progress=progress,
            cancel=cancel,
        )

    def stream_object(
        self,
        obj: Object | str,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk_size: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> Iterator[bytes]:
        """
        Yield an object's bytes in order. See `Object.stream`.

        Args:
            obj: The object, or its name.
            start: The position of the first byte; a range beyond the end is empty. A negative one
                counts from the end, without `stop`.
            stop: The position after the last byte; at most, and by default, the end of the object.
            chunk_size: The number of bytes of each chunk but the last; 1 MiB by default.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.
        """
        return self.driver.stream_object(
            self._handle("stream_object", obj),
            start=start,
            stop=stop,
            chunk_size=chunk_size,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
        )

    def read_object(
        self,
        obj: Object | str,
        *,
        start: int = 0,
        stop: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> bytes:
        """
        Return an object's bytes, or those of a range. See `Object.read`.

        Args:
            obj: The object, or its name.
            start: The position of the first byte; a range beyond the end is empty. A negative one
                counts from the end, without `stop`: ``read(start=-8)`` returns the last 8 bytes.
            stop: The position after the last byte; at most, and by default, the end of the object.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.
        """
        return self.driver.read_object(
            self._handle("read_object", obj),
            start=start,
            stop=stop,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
        )

    def read_objects(
        self, names: Iterable[Object | str], *, concurrency: int = 32
    ) -> Iterator[tuple[str, bytes | StorageError]]:
        """
        Read many small objects, and yield the name and the bytes of each, in their order.

        Requests are sent before the responses to earlier ones have arrived, on connections of
        their own, and each object is verified as by `read`. An object that cannot be read does
        not stop the others: it has its error in place of its bytes. Closing the iterator, also by
        leaving a loop, drops the responses that were not received.

        At most `concurrency` names are taken from `names` ahead of the results, so it may be
        endless. One object at a time is in memory, with what the system buffers of the others;
        with a driver of another package, up to `concurrency` objects.

        Args:
            names: The objects, or their names.
            concurrency: The number of requests that wait for their responses, at most 64. The
                drivers for memory and directories send none, and read one object after another.

        Raises:
            ContainerNotFoundError: The container does not exist. It is raised while the iterator
                is read, and so is `AuthenticationError`.
            AuthenticationError: The service rejected the credentials.

        Example:
            >>> for name, content in photos.read_objects(["2026/cat.jpg", "missing"]):
            ...     print(name, len(content) if isinstance(content, bytes) else content.message)
            2026/cat.jpg 4
            missing the object does not exist
        """
        return self.driver.read_objects(self, names, concurrency=concurrency)

    @overload
    def open(
        self, name: Object | str, mode: BinaryReadMode = "rb", **options: Unpack[ReadKeywords]
    ) -> BufferedObjectReader[Object]: ...
    @overload
    def open(
        self, name: Object | str, mode: BinaryWriteMode, **options: Unpack[WriteKeywords]
    ) -> ObjectWriter[Object]: ...
    @overload
    def open(
        self, name: Object | str, mode: BinaryUpdateMode, **options: Unpack[WriteKeywords]
    ) -> SeekableObjectWriter[Object]: ...
    @overload
    def open(
        self, name: Object | str, mode: TextReadMode, **options: Unpack[TextReadKeywords]
    ) -> ObjectTextReader[Object]: ...
    @overload
    def open(
        self, name: Object | str, mode: TextWriteMode, **options: Unpack[TextKeywords]
    ) -> ObjectTextWriter[Object]: ...
    @overload
    def open(self, name: Object | str, mode: str, **options: Unpack[AnyKeywords]) -> Any: ...
    def open(
        self,
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
        """
        Open an object as a file.

        A file for reading is seekable, holds at most 8 MiB in memory, and requests more the longer
        it is read in order. All reads return the bytes of one version. A file for writing sends
        parts while it is written; with ``"+"`` in its mode it can also seek and be read, and sends
        all at the end. The object appears when the file is closed, and not at all if an exception
        leaves the file's ``with`` block.

        The options of a write are those of `upload_object`.

        Args:
            name: The object's name, or an `Object`. When reading by name, the first bytes are
                requested at once, so that a missing object raises here.
            mode: ``"r"``, ``"w"``, ``"x"``, ``"w+"`` or ``"x+"`` for text, and with ``"b"`` for
                bytes, such as ``"rb"``. A ``"+"`` is for a file that can also seek and be read.
                ``"x"`` is ``"w"`` with `if_absent`, which is checked here too, as by
                `object_exists`.
            encoding: The encoding of text; UTF-8 by default, on every machine.
            errors: How errors of the encoding are handled, as in the builtin `open`.
            newline: How line ends are translated, as in the builtin `open`.
            if_none_match: Read only an object with another ETag.
            version: The id of a version to read, in place of the current object.

        Raises:
            ObjectNotFoundError: There is no such object to read.
            ObjectChangedError: The object to read has another ETag than that of `if_match`.
            ObjectNotModifiedError: The object still has the ETag of `if_none_match`.
            ObjectAlreadyExistsError: The mode has ``"x"``, and the object exists.
            InvalidOptionError: The mode is unknown, or an option cannot be used with it.

        Example:
            >>> with photos.open("notes.txt", "w") as file:
            ...     print("Ünïcode", file=file)
            >>> with photos.open("notes.txt", "r") as file:
            ...     file.read().strip()
            'Ünïcode'
        """
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        return self.driver.open_object(
            self,
            name,
            mode,
            encoding=encoding,
            errors=errors,
            newline=newline,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            content_language=content_language,
            if_absent=if_absent,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
            extra=extra,
        )

    def delete_object(
        self,
        obj: Object | str,
        *,
        if_match: str | None = None,
        missing_ok: bool = True,
        version: str | None = None,
    ) -> None:
        """
        Delete an object; a missing one is not an error. See `Object.delete`.

        Args:
            obj: The object, or its name.
            if_match: Raise `ObjectChangedError` unless the object has this ETag.
            missing_ok: Whether a missing object is no error.
            version: The id of the version to delete for good, in place of the current object.
        """
        self.driver.delete_object(
            self._handle("delete_object", obj),
            if_match=if_match,
            missing_ok=missing_ok,
            version=version,
        )

    def delete_objects(self, objs: Iterable[Object | str]) -> list[DeleteResult]:
        """
        Delete many objects with few requests, and return one result for each.

        A failed object does not stop the others.

        Args:
            objs: The objects, or their names.

        Returns:
            One result for each object, in their order. `DeleteResult.error` is `None` if the
                object is gone.

        Example:
            >>> [result.ok for result in photos.delete_objects(["2026/cat.jpg", "missing"])]
            [True, True]
        """
        return self.driver._delete_in(self, objs)

    def upload_tree(
        self,
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
        """
        Store the files below a directory, and return a report.

        Files whose objects are equal already are not sent; see `StorageDriver.sync`.

        Args:
            path: The path of the directory.
            prefix: The prefix of the objects' names; a slash is added at its end.
            include: Patterns; if there are any, only names that match one take
                part.
            exclude: Patterns of names that do not take part.
            compare: ``"size+mtime"``, ``"hash"`` or ``"both"``.
            symlinks: ``"skip"``, ``"follow"`` or ``"error"``, for links in the directory.
            preserve: Keep modification time and mode of files in the metadata.
            dry_run: Do nothing; the report has what would be done.
            progress: Called with the number of bytes that are done so far.
            executor: Does the transfers; by default, these are 16 threads.
            on_error: Called with each action that failed or was refused, and its error.

        Raises:
            LocalFileNotFoundError: The directory does not exist.
            ContainerNotFoundError: The container does not exist.

        Example:
            >>> photos.download_tree("2026/", "pictures")
            <SyncReport 2 downloaded>
            >>> photos.upload_tree("pictures", "2027/")
            <SyncReport 2 uploaded>
        """
        return self.driver.upload_tree(
            self,
            path,
            prefix,
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

    def download_tree(
        self,
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
        """
        Write the objects below a prefix to files, and return a report.

        Objects whose files are equal already are not requested; see `StorageDriver.sync`. A file
        gets the modification time of its object. Names that no file can have, and those that lead
        out of the directory, are refused in the report.

        Args:
            prefix: The prefix of the objects' names; a slash is added at its end, and an empty one
                stands for the whole container.
            path: The path of the directory, which is created if it does not exist.
            include: Patterns; if there are any, only names that match one take
                part.
            exclude: Patterns of names that do not take part.
            compare: ``"size+mtime"``, ``"hash"`` or ``"both"``.
            symlinks: ``"skip"``, ``"follow"`` or ``"error"``, for links in the directory.
            preserve: Keep modification time and mode of files in the metadata.
            dry_run: Do nothing; the report has what would be done.
            progress: Called with the number of bytes that are done so far.
            executor: Does the transfers; by default, these are 16 threads.
            on_error: Called with each action that failed or was refused, and its error.

        Raises:
            ContainerNotFoundError: The container does not exist.

        Example:
            >>> photos.download_tree("2026/", "pictures")
            <SyncReport 2 downloaded>
        """
        return self.driver.download_tree(
            self,
            prefix,
            path,
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

    def copy_tree(
        self,
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
        """
        Copy the objects below a prefix, also to another service, and return a report.

        Objects whose copies are equal already are left out; see `StorageDriver.sync`.

        Args:
            source_prefix: The prefix of the objects' names; a slash is added at its end.
            target: The container of the copies, which may be of any driver.
            prefix: The prefix of the names of the copies, in place of `source_prefix`.
            include: Patterns; if there are any, only names that match one take
                part.
            exclude: Patterns of names that do not take part.
            compare: ``"size+mtime"``, ``"hash"`` or ``"both"``.
            dry_run: Do nothing; the report has what would be done.
            progress: Called with the number of bytes that are done so far.
            executor: Does the transfers; by default, these are 16 threads.
            on_error: Called with each action that failed or was refused, and its error.

        Raises:
            InvalidOptionError: The copies would be among the objects that are copied.
            ContainerNotFoundError: A container does not exist.

        Example:
            >>> photos.copy_tree("2026/", photos, "backup/")
            <SyncReport 2 copied>
        """
        return self.driver.copy_tree(
            self,
            source_prefix,
            target,
            prefix,
            include=include,
            exclude=exclude,
            compare=compare,
            dry_run=dry_run,
            progress=progress,
            executor=executor,
            on_error=on_error,
        )

    def delete_tree(
        self,
        prefix: Prefix | str,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_delete: int | None = None,
        dry_run: bool = False,
        on_error: Callable[[SyncAction, StorageError], builtins.object] | None = None,
    ) -> SyncReport:
        """
        Delete the objects below a prefix, and return a report.

        An object that cannot be deleted does not stop the others.

        Args:
            prefix: The prefix of the objects' names; a slash is added at its end, and an empty one
                stands for the whole container.
            include: Patterns; if there are any, only names that match one take
                part.
            exclude: Patterns of names that do not take part.
            max_delete: Delete nothing if there is more than this to delete.
            dry_run: Do nothing; the report has what would be done.
            on_error: Called with each action that failed or was refused, and its error.

        Raises:
            ContainerNotFoundError: The container does not exist.

        Example:
            >>> photos.delete_tree("2026/")
            <SyncReport 2 deleted>
        """
        return self.driver.delete_tree(
            self,
            prefix,
            include=include,
            exclude=exclude,
            max_delete=max_delete,
            dry_run=dry_run,
            on_error=on_error,
        )

    def list_uploads(self) -> LazyList[Upload]:
        """
        List the multipart uploads that were started and neither finished nor aborted.

        Raises:
            NotSupportedError: The service has no multipart uploads.
        """
        return self.driver.list_uploads(self)

    def abort_uploads(self, *, older_than: float | timedelta = 0.0) -> list[Upload]:
        """
        Abort unfinished multipart uploads, and return them.

        Abort only uploads that no client is working on: pass an age that no running upload
        reaches.

        Args:
            older_than: The time since the upload was started, in seconds or as a `timedelta`;
                younger uploads are left alone. An upload without a known start counts as old.

        Raises:
            NotSupportedError: The service has no multipart uploads.
        """
        return self.driver.abort_uploads(self, older_than=older_than)

    def request(
        self,
        method: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        path: str = "",
        idempotent: bool | None = None,
    ) -> ServiceResponse:
        """
        Send a request of your own about this container or one of its objects.

        It is addressed, signed and retried as all others, and an error response raises the same
        errors. Its meaning is that of this service alone.

        Args:
            method: ``"GET"``, ``"HEAD"``, ``"OPTIONS"``, ``"PUT"``, ``"DELETE"``, ``"POST"`` or
                ``"PATCH"``.
            name: The name of the object that it is about; empty for the container.
            query: The parameters of the query, in the order in which they are sent. One without a
                value, such as ``?versioning``, has an empty text.
            headers: The headers of the request; those of the connection and of the signature are
                added.
            content: The body.
            path: A percent-encoded path that is appended to that of the container or object, such
                as ``"/iam"`` on Google.
            idempotent: Whether to send the request again if its response was lost. By default,
                all methods are idempotent but POST and PATCH.

        Raises:
            NotSupportedError: The driver sends no requests, as those for memory and directories.
        """
        headers, content = hide(headers), hide(content)  # no traceback shows a key
        return self.driver.request(
            method,
            self,
            name,
            query=query,
            headers=headers,
            content=content,
            path=path,
            idempotent=idempotent,
        )

    def enable_cdn(self) -> str:
        """
        Make all objects public, also future ones, and return the container's public URL.

        The service decides how: by a bucket policy, an access level or an ACL. If it has none of
        these, as on disk and in memory, the driver's option `cdn` is the public URL, and nothing
        is sent.

        Raises:
            NotSupportedError: The service cannot make containers public, and the driver was made
                without `cdn`; or no URL leads to a container of this name.
            AccessDeniedError: The account forbids public access.
            ContainerNotFoundError: The container does not exist.
        """
        return self.driver.enable_container_cdn(self)

    def get_cdn_url(self) -> str:
        """
        Return the public URL of the container, below which its objects are.

        Nothing is sent. A private container has such a URL too; see `enable_cdn`.

        Raises:
            NotSupportedError: The service has no public URLs, and the driver was made without
                `cdn`; or `cdn` has ``{container}`` in its host, where this name is impossible; or
                no URL leads to a container of this name.
        """
        return self.driver.get_container_cdn_url(self)

    def delete(self, *, recursive: bool = True) -> None:
        """
        Delete the container **with all objects in it**, unfinished uploads included.

        Args:
            recursive: Delete the objects too. If false, a container that has objects is left
                alone.

        Raises:
            ContainerNotFoundError: The container does not exist.
            ContainerNotEmptyError: The container has objects, and `recursive` is false; or other
                clients add objects faster than they are deleted.
        """
        self.driver.delete_container(self, recursive=recursive)

    def __iter__(self) -> Iterator[Object]:
        return iter(self.driver.list_objects(self))

    def __contains__(self, name: Object | str) -> bool:
        return self.driver.object_exists(self, name.name if isinstance(name, Object) else name)

    @override
    def __eq__(self, other: builtins.object) -> bool:
        if not isinstance(other, Container):
            return NotImplemented
        return self.name == other.name and self.driver == other.driver

    @override
    def __hash__(self) -> int:
        return hash((self.driver, self.name))

    def __lt__(self, other: Container) -> bool:
        if not isinstance(other, Container):
            return NotImplemented
        return self.name < other.name

    def _repr_html_(self) -> str:
        """Return a table of the attributes that are known, which notebooks show."""
        return table(repr(self), [self])

    @override
    def __repr__(self) -> str:
        return f"<Container {self.name!r} of {self.driver!r}>"

    @property
    def _error_names(self) -> tuple[str, None]:
        """The names that an error about this container has; see `ErrorContext`."""
        return self.name, None

    def _handle(self, operation: str, obj: Object | str) -> Object:
        """Return an object of this container that is given as a handle or by its name."""
        with ErrorContext(self.driver, operation, self, obj):
            return self.driver._object_in(self, obj)

    def _attribute(self, field: str) -> Any:
        if not _is_known(self._info, field):
            self.refresh()
        return getattr(self._info, field)


class Object:
    """
    An object in a container.

    Attributes that are not known yet are fetched on first access, with one request: a listing, for
    example, has no metadata. They are kept until `refresh`. Objects are sorted by container and
    name, and beside prefixes by name.

    Attributes:
        is_prefix: False; it is true for a `Prefix`, which listings have beside objects.
        container: The container that the object is in.
        name: The object's name.
    """

    __slots__ = ("_info", "_pinned", "_verified_by", "container", "name")

    is_prefix: ClassVar[Literal[False]] = False

    def __init__(
        self,
        container: Container,
        info: ObjectInfo,
        verified_by: str | None = None,
        pinned: str | None = None,
    ) -> None:
        self.container = container
        self.name = info.name
        self._info = info
        self._verified_by = verified_by
        self._pinned = pinned

    @property
    def driver(self) -> StorageDriver:
        """The driver that carries out every operation."""
        return self.container.driver

    @property
    def url(self) -> str:
        """
        The object's URL, without credentials; `libstore.open_url` returns the handle again.

        It has the driver's arguments that name the store, such as the endpoint. The addresses that
        browsers use are those of `sign_url` and `get_cdn_url`.

        Example:
            >>> cat.url
            'memory://photos/2026/cat.jpg?store=…'
        """
        return self.driver._url(self.container.name, self.name)

    @property
    def info(self) -> ObjectInfo:
        """
        The attributes that are known so far; no request is sent.

        A read adds those that its response has.
        """
        return self._info

    @property
    def size(self) -> int:
        """The number of bytes."""
        return cast("int", self._attribute("size"))

    @property
    def object_hash(self) -> str | None:
        """
        The hexadecimal digest of the content, by `hash_algorithm`.

        It is `None` if the service has none; see `checksums` for others that it may have.
        """
        checksums = self.checksums
        algorithm = self._info.hash_algorithm
        return None if algorithm is None else checksums[algorithm]

    @property
    def hash_algorithm(self) -> str | None:
        """The algorithm of `object_hash`, such as ``"md5"``."""
        return self._info.hash_algorithm if self.checksums else None

    @property
    def checksums(self) -> Mapping[str, str]:
        """All digests of the content that the service has, hexadecimal, by algorithm."""
        if not self._attribute("checksums"):
            self._info = self.driver._with_checksums(self)
        return self._info.checksums

    @property
    def verified_by(self) -> str | None:
        """
        The digest that verified the last transfer by this handle.

        It is the algorithm of a digest of the whole content, such as ``"md5"``, or ``"composite
        md5"`` for digests of the parts. It is `None` before a transfer has ended, after reading a
        range, and if the service has no digest. No request is sent for it.
        """
        return self._verified_by

    @property
    def etag(self) -> str | None:
        """The ETag, which changes with the content, without quotes."""
        return cast("str | None", self._attribute("etag"))

    @property
    def last_modified(self) -> datetime | None:
        """When the object was written, in UTC."""
        return cast("datetime | None", self._attribute("last_modified"))

    @property
    def content_type(self) -> str | None:
        """The media type, such as ``"image/jpeg"``."""
        return cast("str | None", self._attribute("content_type"))

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata that was stored with the object; the keys are lower-case."""
        return self._attribute("metadata") or no_pairs()

    @property
    def version(self) -> str | None:
        """The id of this version; `None` if the service keeps no versions."""
        return cast("str | None", self._attribute("version"))

    @property
    def is_current(self) -> bool | None:
        """
        Whether a version from `Container.list_versions` was the current one.

        `None` for other handles, and if the service's listing does not say it. No request is sent.
        """
        return cast("bool | None", self._info.extra.get("is_current"))

    @property
    def is_delete_marker(self) -> bool:
        """
        Whether this is a marker that a service keeps in place of a deleted object.

        Only `Container.list_versions` returns markers. No request is sent.
        """
        return self._info.extra.get("delete_marker") is True

    @property
    def storage_class(self) -> str | None:
        """The service's name of the storage class."""
        return cast("str | None", self._attribute("storage_class"))

    @property
    def extra(self) -> Mapping[str, object]:
        """Attributes that only this service has, and headers such as ``"cache_control"``."""
        return cast("Mapping[str, object]", self._attribute("extra"))

    def exists(self, *, version: str | None = None) -> bool:
        """
        Return whether the object exists, with one request.

        If it is missing, most services need a second request for whether its container exists.

        Args:
            version: The id of a version, in place of the current object.

        Raises:
            ContainerNotFoundError: The container does not exist.
            AccessDeniedError: The credentials do not allow the service to reveal it.
            NotSupportedError: `version` was given, and the service keeps no versions.
        """
        wanted = self._pinned if version is None else version
        return self.container.driver.object_exists(self.container, self.name, version=wanted)

    def refresh(self) -> Self:
        """
        Fetch all attributes again, and return this handle.

        Raises:
            ObjectNotFoundError: The object does not exist.
        """
        self._info = self.container.driver.get_object(
            self.container, self.name, version=self._pinned
        )._info
        return self

    @overload
    def download(
        self,
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
    def download(
        self,
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
    def download(
        self,
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
        """
        Write the object to a file, and return the file's path.

        The file appears under its name when its last byte has been verified, or not at all. A
        large object is requested in ranges, some of them at once, all of one version.

        With `resume`, the bytes that arrived before an interruption are not fetched again, if the
        object still has the same ETag. They are in a hidden file beside the destination, which
        `clean_partials` deletes.

        A file object gets the bytes in order, from its position. What is written stays there if
        the download fails.

        Args:
            destination: The path of the file, whose directory must exist, or of an existing
                directory, in which the file gets the last component of the object's name; or a
                binary file object.
            start: The position of the first byte; a negative one counts from the end, without
                `stop`.
            stop: The position after the last byte; at most, and by default, the end of the object.
            overwrite: Replace the file if it exists.
            resume: Continue the download that an earlier call with `resume` has begun, also in
                another process; and if this one is interrupted, keep its partial file.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.
            progress: Called with the number of bytes that are on disk so far, and with the total.
            cancel: Stops the download when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ObjectChangedError: The object has another ETag than that of `if_match`, or was
                replaced during the download, more than once.
            ObjectNotModifiedError: The object still has the ETag of `if_none_match`.
            NotSupportedError: `version` was given, and the service keeps no versions.
            IntegrityError: The bytes do not have the digest that the service keeps, even after a
                second download.
            LocalFileError: The destination exists, is a directory, or cannot be written.
            TransferCancelledError: `cancel` was set.

        Example:
            >>> cat.download("cat.jpg").stat().st_size
            4
        """
        return self.container.driver.download_object(
            self,
            cast("str", destination),
            start=start,
            stop=stop,
            overwrite=overwrite,
            resume=resume,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
            progress=progress,
            cancel=cancel,
        )

    def stream(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk_size: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> Iterator[bytes]:
        """
        Yield the object's bytes in order, without holding them in memory.

        After a lost connection the stream continues at the next byte. A stream of the whole object
        raises at its end if the bytes do not have the digest that the service keeps.

        Args:
            start: The position of the first byte; a range beyond the end is empty. A negative one
                counts from the end, without `stop`.
            stop: The position after the last byte; at most, and by default, the end of the object.
            chunk_size: The number of bytes of each chunk but the last; 1 MiB by default.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.

        Raises:
            ObjectNotFoundError: The object does not exist. It is raised at the first chunk.
            ObjectChangedError: The object has another ETag than that of `if_match`, or was
                replaced while it was read.
            ObjectNotModifiedError: The object still has the ETag of `if_none_match`.
            NotSupportedError: `version` was given, and the service keeps no versions.
            IntegrityError: The bytes do not have the digest that the service keeps.

        Example:
            >>> [chunk for chunk in cat.stream(chunk_size=3)]
            [b'meo', b'w']
        """
        return self.container.driver.stream_object(
            self,
            start=start,
            stop=stop,
            chunk_size=chunk_size,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
        )

    def read(
        self,
        *,
        start: int = 0,
        stop: int | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        version: str | None = None,
    ) -> bytes:
        """
        Return the object's bytes, or those of a range.

        Args:
            start: The position of the first byte; a range beyond the end is empty. A negative one
                counts from the end, without `stop`: ``read(start=-8)`` returns the last 8 bytes.
            stop: The position after the last byte; at most, and by default, the end of the object.
            if_match: Read only the object with this ETag.
            if_none_match: Read only an object with another ETag, such as one that is not in a
                cache yet.
            version: The id of a version to read, in place of the current object.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ObjectNotModifiedError: The object still has the ETag of `if_none_match`.
            NotSupportedError: `version` was given, and the service keeps no versions.
            ObjectChangedError: The object has another ETag than that of `if_match`, or was
                replaced while it was read, more than once.
            IntegrityError: The bytes of the whole object do not have the digest that the service
                keeps, even after a second request.

        Example:
            >>> cat.read(), cat.read(start=1, stop=3)
            (b'meow', b'eo')
        """
        return self.container.driver.read_object(
            self,
            start=start,
            stop=stop,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
        )

    def read_ranges(self, spans: Iterable[tuple[int, int | None]]) -> list[bytes]:
        """
        Return the bytes of many ranges, in their order and all of one version.

        Ranges that are close together are read with one request.

        Args:
            spans: Pairs of the position of the first byte, and the one after the last byte or
                `None`.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ObjectChangedError: The object was replaced between two requests.

        Example:
            >>> cat.read_ranges([(0, 1), (2, None)])
            [b'm', b'ow']
        """
        return self.container.driver.read_ranges(self, spans)

    def as_file(self) -> BufferedObjectReader[Object]:
        """Open the object as a seekable binary file; the same as ``open("rb")``."""
        return self.container.driver.open_object(self.container, self, "rb")

    @overload
    def open(
        self, mode: BinaryReadMode = "rb", **options: Unpack[ReadKeywords]
    ) -> BufferedObjectReader[Object]: ...
    @overload
    def open(
        self, mode: BinaryWriteMode, **options: Unpack[WriteKeywords]
    ) -> ObjectWriter[Object]: ...
    @overload
    def open(
        self, mode: BinaryUpdateMode, **options: Unpack[WriteKeywords]
    ) -> SeekableObjectWriter[Object]: ...
    @overload
    def open(
        self, mode: TextReadMode, **options: Unpack[TextReadKeywords]
    ) -> ObjectTextReader[Object]: ...
    @overload
    def open(
        self, mode: TextWriteMode, **options: Unpack[TextKeywords]
    ) -> ObjectTextWriter[Object]: ...
    @overload
    def open(self, mode: str, **options: Unpack[AnyKeywords]) -> Any: ...
    def open(
        self,
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
        """Open the object as a file. The arguments are those of `Container.open`."""
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        return self.container.driver.open_object(
            self.container,
            self,
            mode,
            encoding=encoding,
            errors=errors,
            newline=newline,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            cache_control=cache_control,
            content_disposition=content_disposition,
            content_encoding=content_encoding,
            content_language=content_language,
            if_absent=if_absent,
            if_match=if_match,
            if_none_match=if_none_match,
            version=version,
            extra=extra,
        )

    def copy(
        self,
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
        """
        Copy the object, also to another service, and return the copy.

        Within one driver the service copies by itself if it can. To a container of another driver
        the bytes pass through this process part by part, and are verified at both ends.

        Args:
            container: The target: a container of any driver, or the name of one of this driver.
            name: The name of the copy; the object's own by default.
            content_type: The content type of the copy; the object's own by default.
            metadata: The metadata of the copy; the object's own by default.
            storage_class: The storage class of the copy; the target's default one by default.
            if_absent: Raise `ObjectAlreadyExistsError` if there is an object of this name.
            extra: Options of the target's service alone; its page lists them.
            progress: Called with the number of bytes that are confirmed so far, and with the
                total.
            cancel: Stops the copy when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ContainerNotFoundError: The container does not exist.
            ObjectAlreadyExistsError: `if_absent` was given, and the target exists.
            IntegrityError: The bytes that were read do not have the object's digest.
            TransferCancelledError: `cancel` was set.

        Example:
            >>> cat.copy("photos", "copy-of-cat.jpg").read()
            b'meow'
        """
        extra = extra and hide_keys(extra)  # from here on no traceback shows a key
        return self.container.driver.copy_object(
            self,
            container,
            name,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            if_absent=if_absent,
            extra=extra,
            progress=progress,
            cancel=cancel,
        )

    def move(
        self,
        container: Container | str,
        name: str | None = None,
        *,
        if_absent: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Object:
        """
        Move the object, also to another service, and return it in its new place.

        The object is copied, and then deleted. Where the service can delete on a condition, only
        the version that was copied is deleted: an object that has been replaced meanwhile stays.
        Moving an object onto itself changes nothing.

        Args:
            container: The target: a container of any driver, or the name of one of this driver.
            name: The new name; the object's own by default.
            if_absent: Raise `ObjectAlreadyExistsError` if there is an object of this name.
            progress: Called with the number of bytes that are confirmed so far, and with the
                total.
            cancel: Stops the copy when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: The object does not exist.
            ContainerNotFoundError: The container does not exist.
            ObjectAlreadyExistsError: `if_absent` was given, and the target exists.
            ObjectChangedError: The object was replaced after it was copied; both exist.
            OutcomeUnknownError: The object was copied, and it is unknown whether the original was
                deleted.
            ServiceError: The object was copied and not deleted, since nothing shows whether the
                two drivers reach the same object.

        Example:
            >>> cat.move("photos", "old/cat.jpg").name
            'old/cat.jpg'
        """
        return self.container.driver.move_object(
            self, container, name, if_absent=if_absent, progress=progress, cancel=cancel
        )

    def delete(
        self,
        *,
        if_match: str | None = None,
        missing_ok: bool = True,
        version: str | None = None,
    ) -> None:
        """
        Delete the object; a missing one is not an error.

        Args:
            if_match: Raise `ObjectChangedError` unless the object has this ETag.
            missing_ok: If false, a missing object raises `ObjectNotFoundError`. Services do not
                report it, so that it takes a second request.
            version: The id of the version to delete for good, in place of the current object. A
                second request checks that the service has this version.

        Raises:
            ContainerNotFoundError: The container does not exist.
            ObjectNotFoundError: The object does not exist, and `missing_ok` is false.
            ObjectChangedError: The object does not have the ETag `if_match`.
            NotSupportedError: The service cannot delete on a condition, or keeps no versions.

        Example:
            >>> cat.delete(if_match=cat.etag)
        """
        self.container.driver.delete_object(
            self, if_match=if_match, missing_ok=missing_ok, version=version
        )

    def update_metadata(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
        if_match: str | None = None,
    ) -> Object:
        """
        Replace the metadata, the content type or both, and return a new handle.

        The content does not change.

        Args:
            metadata: Replaces all pairs; `None` keeps them.
            content_type: The new content type; `None` keeps it.
            if_match: Raise `ObjectChangedError` unless the object has this ETag.

        Raises:
            NotSupportedError: The service cannot change metadata.
            ObjectNotFoundError: The object does not exist.
            ObjectChangedError: The object does not have the ETag `if_match`.

        Example:
            >>> dict(cat.update_metadata({"taken-by": "me"}).metadata)
            {'taken-by': 'me'}
        """
        return self.container.driver.update_metadata(
            self, metadata, content_type=content_type, if_match=if_match
        )

    def sign_url(
        self,
        *,
        method: str = "GET",
        expires: float | timedelta = 3600.0,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
        enforce_headers: bool = True,
    ) -> SignedURL:
        """
        Return a presigned URL: it allows one kind of request for this object, without credentials.

        The object is not requested and need not exist. The URL is a `str` with the attributes
        `method` and `headers`: what its request needs.

        Args:
            method: ``"GET"``, ``"HEAD"``, ``"PUT"`` or ``"DELETE"``.
            expires: How long the URL works, in seconds or as a `timedelta`.
            headers: Headers that the request must have, such as ``{"content-type": "image/png"}``
                for a PUT. Without them the service refuses it.
            response_headers: Headers of the response to a GET or HEAD, in place of those that are
                stored with the object, such as ``{"content-disposition": "attachment"}``. Possible
                are Cache-Control, Content-Disposition, Content-Encoding, Content-Language,
                Content-Type and Expires; some services support fewer.
            enforce_headers: Whether a service that cannot check `headers`, such as Swift, is an
                error. If false, they are in the URL's `headers`, so that a client sends them and
                the service stores them, but it accepts a request without them, too.

        Raises:
            NotSupportedError: The service has no presigned URLs, or does not support these
                headers; or no URL leads to an object of this name, because clients resolve ``.``
                and ``..`` in a path.
            InvalidOptionError: The method is none of these, or `expires` is too long for the
                service.

        Example:
            >>> cat.sign_url(expires=600)
            SignedURL('memory://.../photos/2026/cat.jpg?…')
        """
        headers = hide_key_headers(headers)
        return self.container.driver.sign_url(
            self,
            method=method,
            expires=expires,
            headers=headers,
            response_headers=response_headers,
            enforce_headers=enforce_headers,
        )

    def enable_cdn(self) -> str:
        """
        Make the object public, and return its public URL.

        Raises:
            NotSupportedError: The service cannot make single objects public, and the driver was
                made without `cdn`; or no URL leads to an object of this name.
            AccessDeniedError: The account or the container forbids public access.
            ObjectNotFoundError: The object does not exist.
        """
        return self.container.driver.enable_object_cdn(self)

    def get_cdn_url(self) -> str:
        """
        Return the public URL of the object: the service's own, or one below the driver's `cdn`.

        With ``cdn="https://cdn.example.com/base"`` the URL is
        ``https://cdn.example.com/base/<container>/<name>``. ``{container}`` in `cdn` is replaced
        by the container's name, which is then not added to the path. ``{name}`` at its end is
        replaced by the object's name: ``"https://{container}.example.com/{name}"``. Nothing is
        sent.

        Raises:
            NotSupportedError: The service has no public URLs, and the driver was made without
                `cdn`; or `cdn` has ``{container}`` in its host, where this container's name is
                impossible; or no URL leads to an object of this name, because clients resolve
                ``.`` and ``..`` in a path.
        """
        return self.container.driver.get_object_cdn_url(self)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Object):
            return NotImplemented
        return (
            self.name == other.name
            and self._pinned == other._pinned
            and self.container == other.container
        )

    @override
    def __hash__(self) -> int:
        return hash((self.container, self.name))

    def __lt__(self, other: Object | Prefix) -> bool:
        if isinstance(other, Prefix):
            return self.name < other.name
        if not isinstance(other, Object):
            return NotImplemented
        return (self.container.name, self.name) < (other.container.name, other.name)

    def __gt__(self, other: Object | Prefix) -> bool:
        # A prefix does not know objects, so it leaves the comparison to this method.
        if isinstance(other, Prefix):
            return self.name > other.name
        if not isinstance(other, Object):
            return NotImplemented
        return other < self

    def _repr_html_(self) -> str:
        """Return a table of the attributes that are known, which notebooks show."""
        return table(repr(self), [self])

    @override
    def __repr__(self) -> str:
        version = "" if self._pinned is None else f", version {self._pinned!r}"
        size = "" if self._info.size is None else f", {self._info.size} bytes"
        return f"<Object {self.name!r} in {self.container.name!r}{version}{size}>"

    @property
    def _error_names(self) -> tuple[str, str]:
        """The names that an error about this object has; see `ErrorContext`."""
        return self.container.name, self.name

    def _attribute(self, field: str) -> Any:
        if not _is_known(self._info, field):
            self.refresh()
        return getattr(self._info, field)


def _is_known(info: ContainerInfo | ObjectInfo, field: str) -> bool:
    """Return whether a request could not find out more about a field."""
    if info.complete:
        return True
    value = getattr(info, field)
    return value is not None and (field == "metadata" or value != {})
