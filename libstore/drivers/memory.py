"""
Store objects in memory. This driver is the reference for the meaning of each operation.

Each ``MemoryDriver()`` has its own store, which lives as long as the driver. Unpickling a driver
in the same process returns the same driver; in another process it raises an error.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import itertools
import secrets
import threading
import time
import weakref
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import accumulate
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from typing_extensions import override

from ..driver import StorageDriver
from ..error_context import ErrorContext
from ..errors import (
    AccessDeniedError,
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
from ..options import DriverOptions, constructor
from ..transfer.payload import Payload
from ..values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    Reading,
    SigningOptions,
    Span,
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


class MemoryDriver(StorageDriver):
    """
    Store objects in memory, for tests and experiments.

    Presigned URLs have the scheme ``memory://``; use them with `redeem_url`.
    """

    name: ClassVar[str] = "memory"
    options: ClassVar[frozenset[str]] = frozenset(
        {"if_absent", "if_match", "delete_if_match", "storage_class", *_EXTRAS}
    )

    @constructor(DriverOptions)
    def __init__(self, options: DriverOptions) -> None:
        self._set_options(options)
        self._lock = threading.RLock()
        self._buckets: dict[str, _Bucket] = {}
        self._uploads: dict[str, _Pending] = {}
        self._versions = itertools.count(1)
        self._secret = secrets.token_bytes(32)
        self._id = secrets.token_hex(8)
        _stores[self._id] = self

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._id,)

    @override
    def _identity(self) -> str:
        return self._id

    @override
    def _store_id(self) -> str:
        return f"memory:{self._id}"

    def redeem_url(self, url: str, *, method: str = "GET", content: bytes = b"") -> bytes:
        """
        Use a presigned URL as an HTTP client would, and return the body of the response.

        Args:
            url: The result of `sign_url`.
            method: The method of the request.
            content: The body of a PUT.

        Raises:
            AccessDeniedError: The URL was changed, is for another method, or has expired.
            ObjectNotFoundError: The object of a GET or HEAD does not exist.
        """
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        container, _, name = (unquote(piece) for piece in parts.path[1:].partition("/"))
        with ErrorContext(self, "redeem_url", container, name):
            expires = query.get("expires", "")
            expected = self._signature(container, name, method, expires)
            signed = parts.netloc == self._id and query.get("method") == method
            if not signed or not hmac.compare_digest(query.get("signature", ""), expected):
                raise AccessDeniedError("the signature of the URL does not match this request")
            if time.time() > float(expires):
                raise AccessDeniedError("the presigned URL has expired")
            return self._redeem(method, self.object(container, name), content)

    def _redeem(self, method: str, obj: Any, content: bytes) -> bytes:
        if method == "PUT":
            self.upload_object(content, obj.container, obj.name)
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
        with self._lock:
            if name in self._buckets:
                raise ContainerAlreadyExistsError("the container already exists")
            self._buckets[name] = _Bucket(_now())
            return self._head_container(name)

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        with self._lock:
            bucket = self._bucket(name)
            size = sum(len(content) for _, content in bucket.objects.values())
            return ContainerInfo(name, len(bucket.objects), size, bucket.created, complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        with self._lock:
            if self._bucket(name).objects:
                raise ContainerNotEmptyError("the container is not empty; empty it first")
            del self._buckets[name]

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        with self._lock:
            names = sorted(name for name in self._buckets if token is None or name > token)
            page = names[: self.limits.page_size]
            more = page[-1] if len(names) > len(page) else None
            return Page([self._head_container(name) for name in page], more)

    # ------------------------------------------------------------------ objects

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        with self._lock:
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
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        return self._store(container, name, payload.read(), options)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        with self._lock:
            bucket = self._bucket(container)
            _require_match(bucket.objects.get(name, (None, b""))[0], conditions)
            bucket.remove(name)

    @override
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        with self._lock:
            bucket = self._bucket(container)
            for name in names:
                bucket.remove(name)
        return [None] * len(names)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        with self._lock:
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
            return self._store(container, name, content, write)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        with self._lock:
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
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        method = options.method
        until = f"{time.time() + options.expires:.3f}"
        query = urlencode(
            {
                "method": method,
                "expires": until,
                "signature": self._signature(container, name, method, until),
            }
        )
        return f"memory://{self._id}/{quote(container, safe='')}/{quote(name)}?{query}"

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        with self._lock:
            self._require(container, name, options.conditions)
            upload = Upload(container, name, secrets.token_hex(8), _now())
            self._uploads[upload.id] = _Pending(upload)
            return upload.id

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        content = payload.read()
        with self._lock:
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
        with self._lock:
            kept = self._pending(upload).parts
            content = b"".join(kept[part.number] for part in parts)
            info = self._store(upload.container, upload.name, content, options)
            del self._uploads[upload.id]
            return info

    @override
    def _abort_upload(self, upload: Upload) -> None:
        with self._lock:
            self._uploads.pop(upload.id, None)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        with self._lock:
            self._bucket(container)
            uploads = [pending.upload for pending in self._uploads.values()]
        mine = [upload for upload in uploads if upload.container == container]
        return Page(sorted(mine, key=lambda upload: (upload.name, upload.id)))

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        with self._lock:
            pending = self._uploads.get(upload.id)
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
        bucket = self._buckets.get(name)
        if bucket is None:
            raise ContainerNotFoundError("the container does not exist", container=name)
        return bucket

    def _find(self, container: str, name: str) -> tuple[ObjectInfo, bytes]:
        with self._lock:
            found = self._bucket(container).objects.get(name)
        if found is None:
            raise ObjectNotFoundError("the object does not exist")
        return found

    def _pending(self, upload: Upload) -> _Pending:
        pending = self._uploads.get(upload.id)
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

    def _store(
        self, container: str, name: str, content: bytes, options: WriteOptions
    ) -> ObjectInfo:
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        with self._lock:
            self._require(container, name, options.conditions)
            extra = {label: getattr(options, label) for label in _EXTRAS}
            info = ObjectInfo(
                name=name,
                size=len(content),
                etag=f"{digest}-{next(self._versions)}",
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

    def _signature(self, container: str, name: str, method: str, expires: str) -> str:
        message = "\n".join((method, quote(container, safe=""), quote(name, safe=""), expires))
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()


def _require_match(info: ObjectInfo | None, conditions: Conditions) -> None:
    wanted = conditions.if_match
    if wanted is not None and (info is None or info.etag != wanted):
        found = "there is no object" if info is None else f"the ETag is {info.etag}"
        raise ObjectChangedError(f"if_match is {wanted}, but {found}")


def _now() -> datetime:
    return datetime.now(timezone.utc)


_stores: weakref.WeakValueDictionary[str, MemoryDriver] = weakref.WeakValueDictionary()


def _attach(store: str) -> MemoryDriver:
    driver = _stores.get(store)
    if driver is None:
        raise InvalidOptionError(
            "cannot unpickle a MemoryDriver of another process, or one that was deleted; use"
            " LocalDriver to share objects between processes"
        )
    return driver
