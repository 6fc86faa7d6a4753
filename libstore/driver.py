"""
`StorageDriver`: every operation that a user has, on every service.

The operations are written here once, in terms of the hooks of `libstore.hooks`, and sealed: a
driver fills in hooks and cannot change what an operation means. What an operation does beside
calling one hook lives next door: `libstore.transfer` moves the bytes, `libstore.listing` pages,
and the rooms of `libstore.operations` hold what only some users want.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from typing_extensions import Self, final, override

from . import arguments
from .core import several
from .deleting import delete_many
from .errors import (
    ContainerAlreadyExistsError,
    InvalidOptionError,
    InvalidTypeError,
    ObjectNotFoundError,
    StorageError,
)
from .handles import Container, Object
from .listing import LazyList, prefixes_below
from .operations.copying import Copying
from .operations.metadata import Metadata
from .operations.opening import Files
from .operations.public_access import CDN
from .operations.signing import Signing
from .operations.unfinished_uploads import Uploads
from .redaction import hide_keys
from .retry import RetryPolicy
from .transfer import reading
from .transfer.digests import parse_checksum
from .transfer.download import DownloadOrder, checked_destination, download
from .transfer.options import TransferOptions
from .transfer.progress import ProgressCallback
from .transfer.sources import UploadSource, open_source
from .transfer.upload import UploadRequest, upload
from .transfer.workers import CancelToken
from .values import DeleteResult, Extra, ListQuery, MiB, ObjectInfo, Page, Prefix

_CHUNK_SIZE = MiB


class StorageDriver(Files, Copying, Metadata, Signing, Uploads, CDN):
    """
    One service, with credentials and settings: what every operation goes through.

    A driver may be used from any number of threads. It is a context manager that closes its
    connections at the end; it need not be used as one.

    Args:
        retry: When to try again after a failure that may pass.
        transfer: How large transfers are cut up, and how many parts travel at once.
        cdn: The public address that containers are served at, such as
            ``"https://cdn.example.com/base"``; see `get_object_cdn_url`.
        write_tokens: Store a random token in the metadata of each object that is written on a
            condition. It shows whether a write whose response was lost took effect. Without it
            that is `OutcomeUnknownError`.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy | None = None,
        transfer: TransferOptions | None = None,
        cdn: str | None = None,
        write_tokens: bool = True,
    ) -> None:
        if retry is not None:
            self.retry = arguments.instance(retry, RetryPolicy, "retry")
        if transfer is not None:
            self.transfer = arguments.instance(transfer, TransferOptions, "transfer")
        self.cdn = arguments.public_address(cdn, "cdn")
        self.write_tokens = arguments.instance(write_tokens, bool, "write_tokens")

    # ------------------------------------------------------------------ containers

    @final
    def create_container(
        self, name: str, *, exist_ok: bool = False, extra: Extra | None = None
    ) -> Container:
        """
        Create a container.

        Args:
            exist_ok: Take a container of this name that you have already.
            extra: Options that only this service has; its page lists them.

        Raises:
            ContainerAlreadyExistsError: There is a container of this name.
            InvalidNameError: The service cannot have a container of this name.
        """
        with self._guard("create_container", name):
            checked = self._container_name(name)
            options = self._extra(extra, self.container_extras)
            try:
                info = self._create_container(checked, options)
            except ContainerAlreadyExistsError:
                if not exist_ok:
                    raise
                info = self._head_container(checked)
        return Container(self, info)

    @final
    def get_container(self, name: str) -> Container:
        """
        Return a container with all that the service knows of it.

        Raises:
            ContainerNotFoundError: There is none of this name.
        """
        with self._guard("get_container", name):
            return Container(self, self._head_container(self._container_name(name)))

    @final
    def list_containers(self) -> LazyList[Container]:
        """List the containers lazily, sorted by name."""

        def fetch(token: str | None, limit: int) -> Page[Container]:
            page = self._list_containers(token)
            return Page([Container(self, info) for info in page.items], page.token)

        guard = self._guard("list_containers")
        return LazyList(fetch, self.limits.page_size, f"containers of {self!r}", guard)

    @final
    def delete_container(self, container: Container | str, *, recursive: bool = True) -> None:
        """
        Delete a container **and all objects in it**, unfinished uploads included.

        Args:
            recursive: If false, a container that has objects is left alone.

        Raises:
            ContainerNotFoundError: There is none of this name.
            ContainerNotEmptyError: It has objects, and `recursive` is false; or others put
                objects into it faster than they could be deleted.
        """
        with self._guard("delete_container", container):
            name = self._container_name(container)
            if recursive:
                self._delete_full_container(name)
            else:
                self._delete_container(name)

    # ------------------------------------------------------------------ listing

    @overload
    def list_objects(
        self,
        container: Container | str,
        prefix: str = "",
        *,
        delimiter: Literal[""] = "",
        start_after: str = "",
    ) -> LazyList[Object]: ...
    @overload
    def list_objects(
        self,
        container: Container | str,
        prefix: str = "",
        *,
        delimiter: str,
        start_after: str = "",
    ) -> LazyList[Object | Prefix]: ...
    @final
    def list_objects(
        self,
        container: Container | str,
        prefix: str = "",
        *,
        delimiter: str = "",
        start_after: str = "",
    ) -> LazyList[Any]:
        """
        List objects lazily, in the order of their names' UTF-8 bytes.

        Args:
            prefix: What the names begin with.
            delimiter: Such as ``"/"``: names that go on behind it, after the prefix, are listed
                as one `Prefix` in place of the objects, like the folders of a directory.
            start_after: List only what sorts behind this name.

        Raises:
            ContainerNotFoundError: There is no such container; when the list is read.
        """
        with self._guard("list_objects", container):
            name = self._container_name(container)
            query = ListQuery(
                arguments.text(prefix, "prefix"),
                arguments.text(delimiter, "delimiter"),
                arguments.text(start_after, "start_after"),
            )
        handle = self._container_handle(container)

        def fetch(token: str | None, limit: int) -> Page[Object | Prefix]:
            page = self._list_objects(name, query, token, limit)
            items = [
                item if isinstance(item, Prefix) else Object(handle, item) for item in page.items
            ]
            return Page(items, page.token)

        shown = f" below {prefix!r}" if prefix else ""
        guard = self._guard("list_objects", name)
        return LazyList(fetch, self.limits.page_size, f"objects in {name!r}{shown}", guard)

    @final
    def walk(
        self, container: Container | str, prefix: str = "", *, delimiter: str = "/"
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        """
        Walk the tree that a delimiter makes of the names, from the top, as `os.walk` does.

        Each step yields a prefix, the prefixes right below it, and the objects right below it.
        Prefixes that the caller takes out of the list are not walked into.

        Args:
            prefix: Where to begin; ``"2026/"``, with the delimiter, is what a folder would be.
        """
        with self._guard("walk", container):
            self._container_name(container)
            if not arguments.text(delimiter, "delimiter"):
                raise InvalidOptionError("delimiter must not be empty: it is what makes the tree")
            return self._walk(container, arguments.text(prefix, "prefix"), delimiter)

    def _walk(
        self, container: Container | str, prefix: str, delimiter: str
    ) -> Iterator[tuple[str, list[str], list[Object]]]:
        handle = self._container_handle(container)
        waiting = [prefix]
        with self._list_folders(handle.name, delimiter) as items_of:
            while waiting:
                here = waiting.pop()
                with self._guard("list_objects", handle):
                    items = items_of(here)
                with self._guard("walk", handle):
                    prefixes = prefixes_below(items, here)
                objects = [Object(handle, item) for item in items if isinstance(item, ObjectInfo)]
                yield here, prefixes, objects
                waiting.extend(reversed(prefixes))

    # ------------------------------------------------------------------ one object

    @final
    def get_object(self, container: Container | str, name: str) -> Object:
        """
        Return an object with all that the service knows of it.

        Raises:
            ObjectNotFoundError: There is no such object.
            ContainerNotFoundError: There is no such container.
        """
        with self._guard("get_object", container, name):
            container_name = self._container_name(container)
            info = self._head_object(container_name, self._object_name(name), None)
        return self._object_handle(container, info)

    @final
    def object_exists(self, container: Container | str, name: str) -> bool:
        """
        Return whether there is an object of this name.

        Raises:
            ContainerNotFoundError: There is no such container.
            AccessDeniedError: The service does not tell.
        """
        with self._guard("object_exists", container, name):
            container_name = self._container_name(container)
            try:
                self._head_object(container_name, self._object_name(name), None)
            except ObjectNotFoundError:
                return False
        return True

    @final
    def object(self, container: Container | str, name: str) -> Object:
        """
        Return a handle without asking the service whether there is such an object.

        What the handle does not know, it asks for when somebody wants it.
        """
        with self._guard("object", container, name):
            self._container_name(container)
            return self._object_handle(container, ObjectInfo(self._object_name(name)))

    # ------------------------------------------------------------------ bytes in

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
        """
        Store an object, and return it.

        A large source travels in parts, several at once, of which ``concurrency + 1`` are in
        memory (see `TransferOptions`). The object appears as a whole after the last byte, or not
        at all; until then an object that it replaces stays as it was.

        Args:
            source: A path (`str` or `os.PathLike`), the content itself (bytes or any buffer), a
                binary file object (read from its position, left open) or an iterable of bytes.
            content_type: The media type; guessed from the name by default.
            metadata: Pairs of your own. Keys are ASCII and become lower-case.
            cache_control: It and the three that follow are headers to hand out with the object.
            if_absent: Raise rather than replace an object of this name.
            if_match: Raise unless the object to be replaced has this ETag.
            checksum: What the content must come to, such as ``"sha256:9f86…"``, hexadecimal.
            extra: Options that only this service has; its page lists them.
            progress: Called with the bytes that are confirmed so far and with the total or `None`.
            cancel: Stops the upload when set, such as a `threading.Event`.

        Raises:
            ContainerNotFoundError: There is no such container.
            ObjectAlreadyExistsError: `if_absent` does not hold.
            ObjectChangedError: `if_match` does not hold.
            IntegrityError: The source or what was stored does not match its digest.
        """
        extra = hide_keys(extra)  # from here on no traceback shows a key
        with self._guard("upload_object", container, name):
            target = self._container_name(container), self._object_name(name)
            options = self._write_options(
                name,
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
            order = UploadRequest(*target, options, parse_checksum(checksum), progress, cancel)
            stored = upload(self, order, open_source(source))
        return self._object_handle(container, *stored)

    # ------------------------------------------------------------------ bytes out

    @final
    def download_object(
        self,
        obj: Object,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Path:
        """
        Write an object to a file, and return the file's path.

        The file appears under its name after the last byte was verified, or not at all. Large
        objects come in ranges, several at once, all of one version.

        Args:
            destination: The path of the file; its directory must exist.
            overwrite: Replace a file that is there.
            progress: Called with the bytes that are on disk so far and with the total.
            cancel: Stops the download when set, such as a `threading.Event`.

        Raises:
            ObjectNotFoundError: There is no such object.
            ObjectChangedError: It was replaced while it was read, and again when it was read anew.
            IntegrityError: The bytes do not match the digest that the service keeps; they were
                read twice.
            LocalFileError: The destination exists, is a directory or cannot be written.
            TransferCancelledError: `cancel` was set.
        """
        with self._guard("download_object", obj):
            container, name = self._target(obj)
            if not isinstance(destination, (str, os.PathLike)):
                raise InvalidTypeError(
                    f"destination must be a path, not {type(destination).__name__};"
                    " stream_object() gives the bytes to anything else"
                )
            path = checked_destination(os.fsdecode(destination), overwrite)
            order = DownloadOrder(container, name, obj._info.size, progress, cancel)
            obj._verified_by = None
            obj._verified_by = download(self, order, path, overwrite)
        return Path(destination)

    @final
    def stream_object(
        self,
        obj: Object,
        *,
        start: int = 0,
        stop: int | None = None,
        chunk_size: int | None = None,
    ) -> Iterator[bytes]:
        """
        Yield an object's bytes in order, without holding it in memory.

        A connection that is lost half-way is opened again at the next byte. A stream of the whole
        object raises at its end if the bytes do not match the digest that the service keeps.

        Args:
            start: The first byte.
            stop: The first byte left out; `None` and anything past the end mean the end.
            chunk_size: Bytes of each chunk but the last; 1 MiB by default.

        Raises:
            ObjectNotFoundError: There is no such object; at the first chunk.
            ObjectChangedError: It was replaced while it was read.
            IntegrityError: The bytes do not match the digest that the service keeps.
        """
        guard = self._guard("stream_object", obj)
        with guard:
            container, name = self._target(obj)
            span = arguments.span(start, stop)
            size = _CHUNK_SIZE
            if chunk_size is not None:
                size = arguments.positive_size(chunk_size, "chunk_size")

        def chunks() -> Iterator[bytes]:
            with guard:
                obj._verified_by = None
                yield from reading.iterate(self, container, name, span, size, obj._set_verified)

        return chunks()

    @final
    def read_object(self, obj: Object, *, start: int = 0, stop: int | None = None) -> bytes:
        """
        Return an object's bytes, or those of a range.

        Args:
            start: The first byte; past the end there is nothing to read, which is no error.
            stop: The first byte left out; `None` and anything past the end mean the end.

        Raises:
            ObjectNotFoundError: There is no such object.
            ObjectChangedError: It was replaced while it was read, and again when it was read anew.
            IntegrityError: The object does not match the digest that the service keeps; it was
                read twice.
        """
        with self._guard("read_object", obj):
            container, name = self._target(obj)
            span = arguments.span(start, stop)
            obj._verified_by = None
            content, _, obj._verified_by = reading.read(self, container, name, span)
        return content

    @final
    def read_ranges(self, obj: Object, spans: Iterable[tuple[int, int | None]]) -> list[bytes]:
        """
        Return the bytes of several ranges, in their order and all of one version.

        Ranges that lie close together are fetched with one request.

        Args:
            spans: Pairs of the first byte and the first byte left out.

        Raises:
            ObjectNotFoundError: There is no such object.
            ObjectChangedError: It was replaced between two requests.
        """
        with self._guard("read_ranges", obj):
            container, name = self._target(obj)
            if not isinstance(spans, Iterable):
                raise InvalidTypeError(
                    f"spans must be an iterable of pairs, not {type(spans).__name__}"
                )
            checked = [arguments.span(*arguments.pair(span)) for span in spans]
            obj._verified_by = None
            return reading.read_ranges(self, container, name, checked)

    # ------------------------------------------------------------------ deleting

    @final
    def delete_object(self, obj: Object, *, if_match: str | None = None) -> None:
        """
        Delete an object. That it is gone already is no error.

        Args:
            if_match: The ETag that the object must have.

        Raises:
            ContainerNotFoundError: There is no such container.
            ObjectChangedError: `if_match` does not hold.
            NotSupportedError: The service cannot honour `if_match`.
        """
        with self._guard("delete_object", obj):
            container, name = self._target(obj)
            self._delete_object(container, name, self._delete_conditions(obj, if_match), None)

    @final
    def delete_objects(self, objs: Iterable[Object]) -> list[DeleteResult]:
        """
        Delete many objects with few requests, and tell what became of each.

        One that cannot be deleted does not keep the others from it.

        Returns:
            One result for each object, in their order; `DeleteResult.error` is `None` where the
            object is gone.
        """
        with self._guard("delete_objects"):
            targets = [self._target(obj) for obj in several(objs)]
            return delete_many(self, targets, self._complete_deletion)

    def _complete_deletion(self, error: StorageError, container: str, name: str) -> None:
        self._guard("delete_objects", container, name).complete(error)

    # ------------------------------------------------------------------ the driver itself

    def close(self) -> None:
        """Give back what the driver holds open. It may be called again, and the driver used on."""
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
