"""
Store objects in memory. This driver is the reference for the meaning of each operation.

Each ``MemoryDriver()`` has its own store, which lives as long as the driver; a store with a name
lives as long as the process. Unpickling a driver in the same process returns the same driver; in
another process it raises an error.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import secrets
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from typing_extensions import override

from ..auth.hmac_url import URLSigner
from ..error_context import ErrorContext
from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
)
from ..listing import fold_page
from ..options import BASE_URL, DriverOptions, constructor, option
from ..redaction import hide
from ..self_signing import SelfSigningDriver
from ..transfer.payload import Payload
from ..values import (
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    ContainerInfo,
    CopyOptions,
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
)

_EXTRAS = ("cache_control", "content_disposition", "content_encoding", "content_language")


@dataclass
class _Bucket:
    """A container: its objects by name, and the sorted names."""

    created: datetime
    objects: dict[str, tuple[ObjectInfo, bytes]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def put(self, info: ObjectInfo, content: bytes) -> None:
        if info.name not in self.objects:
            self.names.insert(bisect_left(self.names, info.name), info.name)
        self.objects[info.name] = (info, content)

    def remove(self, name: str) -> None:
        if self.objects.pop(name, None) is not None:
            del self.names[bisect_left(self.names, name)]


@dataclass
class _Pending:
    """An unfinished multipart upload."""

    upload: Upload
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(eq=False)
class _Store:
    """The state that drivers with the same store share."""

    name: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    buckets: dict[str, _Bucket] = field(default_factory=dict)
    uploads: dict[str, _Pending] = field(default_factory=dict)
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    signer: URLSigner = field(default_factory=lambda: URLSigner(secrets.token_bytes(32)))


# The stores in use; the named ones, which are never removed; and the drivers in use, by their ids.
_stores: WeakValueDictionary[str, _Store] = WeakValueDictionary()
_named: dict[str, _Store] = {}
_drivers: WeakValueDictionary[str, MemoryDriver] = WeakValueDictionary()
_lock = threading.Lock()
_UNNAMED = "unnamed-"
#: The store of URLs that name none.
DEFAULT_STORE = "default"


def _open_store(name: str | None) -> _Store:
    """Return the store of a name; without a name, a new one."""
    with _lock:
        store = None if name is None else _stores.get(name)
        if store is None:
            if name is not None and name.startswith(_UNNAMED):
                raise InvalidOptionError(
                    f"the store {name!r} is that of a driver that no longer exists, or is in"
                    " another process; give the store a name, such as store='test'"
                )
            store = _Store(name or f"{_UNNAMED}{secrets.token_hex(8)}")
            _stores[store.name] = store
            if name is not None:
                _named[name] = store
        return store


class Settings(DriverOptions):
    """The arguments of `MemoryDriver`."""

    store: str | None = option(
        "The name of a store that all drivers of this process with the same name share, until the"
        " process ends. By default the driver has a store of its own. In a URL, the default is the"
        " store ``default``.",
        default=None
    )  # fmt: skip
    base_url: str | None = option(BASE_URL, default=None)


class MemoryDriver(SelfSigningDriver):
    """
    Store objects in memory, for tests and experiments.

    Presigned URLs begin with `base_url`. Without it they have the scheme ``memory://``; use them
    with `redeem_url`.

    Attributes:
        base_url: The argument, which can be set later.
    """

    name: ClassVar[str] = "memory"
    options: ClassVar[frozenset[str]] = frozenset(
        {
            "delete_if_match",
            "if_absent",
            "if_match",
            "sign_headers",
            "sign_response_headers",
            "storage_class",
            *_EXTRAS,
        }
    )

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        self._set_options(settings)
        self._store = _open_store(settings.store)
        self.base_url = settings.base_url
        self._id = secrets.token_hex(8)
        _drivers[self._id] = self

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._id,)

    @override
    def _identity(self) -> str:
        return self._store.name

    @override
    def _store_id(self) -> str:
        return f"memory:{self._store.name}"

    @override
    def _url_options(self) -> Mapping[str, str]:
        options = {"store": "" if self._store.name == DEFAULT_STORE else self._store.name}
        options["base_url"] = self.base_url or ""
        return {name: value for name, value in options.items() if value}

    def redeem_url(
        self,
        url: str,
        *,
        method: str = "GET",
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """
        Use a presigned URL as an HTTP client would, and return the body of the response.

        Args:
            url: The result of `sign_url`.
            method: The method of the request.
            content: The body of a PUT.
            headers: The headers of the request; the content type of a PUT is stored.

        Raises:
            AccessDeniedError: The URL was changed, is for another method, has expired, or the
                request does not have the headers that were signed.
            ObjectNotFoundError: The object of a GET or HEAD does not exist.
        """
        url = hide(url)
        obj, _ = self.verify_url(url, method=method, headers=headers)
        with ErrorContext(self, "redeem_url", obj):
            if method == "PUT":
                sent = {name.lower(): text for name, text in (headers or {}).items()}
                content_type = sent.get("content-type") or WriteOptions().content_type
                self.upload_object(content, obj.container, obj.name, content_type=content_type)
            elif method == "DELETE":
                self.delete_object(obj)
            elif method == "HEAD":
                self.get_object(obj.container, obj.name)
            else:
                return self.read_object(obj)
            return b""

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        with self._store.lock:
            if name in self._store.buckets:
                raise ContainerAlreadyExistsError("the container already exists")
            self._store.buckets[name] = _Bucket(_now())
            return self._head_container(name)

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        with self._store.lock:
            bucket = self._bucket(name)
            size = sum(len(content) for _, content in bucket.objects.values())
            return ContainerInfo(name, len(bucket.objects), size, bucket.created, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        with self._store.lock:
            if self._bucket(name).objects:
                raise ContainerNotEmptyError("the container is not empty; empty it first")
            del self._store.buckets[name]

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        with self._store.lock:
            names = sorted(name for name in self._store.buckets if token is None or name > token)
            page = names[: self.limits.page_size]
            more = page[-1] if len(names) > len(page) else None
            return Page([self._head_container(name) for name in page], more)

    # ------------------------------------------------------------------ objects

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        with self._store.lock:
            bucket = self._bucket(container)
            first = bisect_left(bucket.names, max(query.prefix, query.start_after, token or ""))
            infos = (
                bucket.objects[name][0] for name in itertools.islice(bucket.names, first, None)
            )
            within = itertools.takewhile(lambda info: info.name.startswith(query.prefix), infos)
            return fold_page(within, query, token, limit)

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return self._find(container, name)[0]

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        info, content = self._find(container, name)
        _require_match(info, conditions)
        sent = span.clamp(len(content))
        return Reading(info, sent, io.BytesIO(memoryview(content)[sent.start : sent.stop]))

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
        return self._write(container, name, payload.read(), options)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        with self._store.lock:
            bucket = self._bucket(container)
            _require_match(bucket.objects.get(name, (None, b""))[0], conditions)
            bucket.remove(name)

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        with self._store.lock:
            bucket = self._bucket(container)
            for name in names:
                bucket.remove(name)
        return [None] * len(names)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        with self._store.lock:
            info, content = self._find(source_container, source)
            kept: dict[str, Any] = {
                label: value for label in _EXTRAS if (value := info.extra.get(label)) is not None
            }
            write = WriteOptions(
                content_type=options.content_type or info.content_type or "",
                metadata=(info.metadata or {}) if options.metadata is None else options.metadata,
                storage_class=options.storage_class or info.storage_class,
                conditions=options.conditions,
                **kept,
            )
            return self._write(container, name, content, write)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        with self._store.lock:
            info, content = self._find(container, name)
            _require_match(info, conditions)
            info = replace(
                info,
                metadata=info.metadata if metadata is None else dict(metadata),
                content_type=content_type or info.content_type,
                last_modified=_now(),
            )
            self._bucket(container).put(info, content)
            return info

    @override
    def _signing(self) -> tuple[str, URLSigner]:
        return self.base_url or f"memory://{self._store.name}", self._store.signer

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        with self._store.lock:
            self._require(container, name, options.conditions)
            upload = Upload(container, name, secrets.token_hex(8), _now())
            self._store.uploads[upload.id] = _Pending(upload)
            return upload.id

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        content = payload.read()
        with self._store.lock:
            self._pending(upload).parts[number] = content
        return Part(number, offset, len(content))

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        with self._store.lock:
            kept = self._pending(upload).parts
            content = b"".join(kept[part.number] for part in parts)
            info = self._write(upload.container, upload.name, content, options)
            del self._store.uploads[upload.id]
            return info

    @override
    def _abort_upload(self, upload: Upload) -> None:
        with self._store.lock:
            self._store.uploads.pop(upload.id, None)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        with self._store.lock:
            self._bucket(container)
            uploads = [pending.upload for pending in self._store.uploads.values()]
        mine = [upload for upload in uploads if upload.container == container]
        return Page(sorted(mine, key=lambda upload: (upload.name, upload.id)))

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        with self._store.lock:
            pending = self._store.uploads.get(upload.id)
            kept = sorted(pending.parts.items()) if pending is not None else []
        if pending is None:
            raise ObjectNotFoundError(
                f"the upload {upload.id} does not exist; it was finished or aborted"
            )
        offsets = accumulate((len(content) for _, content in kept), initial=0)
        return Page(
            [
                Part(number, offset, len(content))
                for (number, content), offset in zip(kept, offsets, strict=False)
            ]
        )

    # ------------------------------------------------------------------ private

    def _bucket(self, name: str) -> _Bucket:
        bucket = self._store.buckets.get(name)
        if bucket is None:
            raise ContainerNotFoundError("the container does not exist", container=name)
        return bucket

    def _find(self, container: str, name: str) -> tuple[ObjectInfo, bytes]:
        with self._store.lock:
            found = self._bucket(container).objects.get(name)
        if found is None:
            raise ObjectNotFoundError("the object does not exist")
        return found

    def _pending(self, upload: Upload) -> _Pending:
        pending = self._store.uploads.get(upload.id)
        if pending is None:
            raise InvalidOptionError(
                f"the upload {upload.id} does not exist; it was finished or aborted"
            )
        return pending

    def _require(self, container: str, name: str, conditions: Conditions) -> None:
        found = self._bucket(container).objects.get(name)
        if conditions.if_absent and found is not None:
            raise ObjectAlreadyExistsError("the object already exists")
        _require_match(found[0] if found else None, conditions)

    def _write(
        self, container: str, name: str, content: bytes, options: WriteOptions
    ) -> ObjectInfo:
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        with self._store.lock:
            self._require(container, name, options.conditions)
            extra = {label: getattr(options, label) for label in _EXTRAS}
            info = ObjectInfo(
                name=name,
                size=len(content),
                etag=f"{digest}-{next(self._store.versions)}",
                checksums={"md5": digest},
                last_modified=_now(),
                content_type=options.content_type,
                metadata=dict(options.metadata),
                storage_class=options.storage_class,
                extra={label: value for label, value in extra.items() if value is not None},
                complete=True,
            )
            self._bucket(container).put(info, content)
            return info


def _require_match(info: ObjectInfo | None, conditions: Conditions) -> None:
    wanted = conditions.if_match
    if wanted is not None and (info is None or info.etag != wanted):
        found = "there is no object" if info is None else f"the ETag is {info.etag}"
        raise ObjectChangedError(f"if_match is {wanted}, but {found}")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _unpickled(driver_id: str) -> MemoryDriver:
    driver = _drivers.get(driver_id)
    if driver is None:
        raise InvalidOptionError(
            "cannot unpickle a MemoryDriver of another process, or one that was deleted; use"
            " LocalDriver to share objects between processes"
        )
    return driver
