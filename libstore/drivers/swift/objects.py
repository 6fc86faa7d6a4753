"""What the hooks of single objects ask of Swift."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from typing_extensions import override

from ...errors import (
    AccessDeniedError,
    ContainerNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.encoding import encode_path
from ...http.headers import parse_size
from ...http.message import Response
from ...rest.confirming import Protection, StoredObject, Written
from ...rest.driver import RestDriver
from ...rest.operation import Operation
from ...rest.reading import read_headers, sent_span, size_of_head
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import (
    Composite,
    Conditions,
    DeleteOutcome,
    MiB,
    ObjectInfo,
    Reading,
    Span,
    Undecided,
    WriteOptions,
)
from . import dialect, operations
from .client import SwiftClient
from .large_objects import ITSELF, LargeObjects, composite_of, etag_of, prefix_of
from .settings import Settings

#: Writes once: with the headers of a condition, and whether it may be sent twice.
Put: TypeAlias = Callable[[Mapping[str, str], bool], ObjectInfo]

_MANIFESTS_AT_ONCE = 4
# What is larger is not sent on the chance that its name is free.
_TRY_AT_ONCE = MiB


def require_written(response: Response) -> None:
    """Raise `ServiceError` where a newer object of another write was met."""
    # The proxy says 202 where a server of objects has one with a later time:
    # https://github.com/openstack/swift/blob/master/swift/proxy/controllers/obj.py
    if response.status == 202:
        raise ServiceError("the service has met a newer object of this name", status=202)


class ObjectHooks(RestDriver[SwiftClient, Settings]):
    """The hooks of single objects, and what all hooks build on."""

    _large: LargeObjects

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        query = {"version-id": version} if version else None
        return self._head(container, name, query=query)

    @override
    def _head_newest(self, container: str, name: str) -> ObjectInfo:
        # https://docs.openstack.org/api-ref/object-store/#show-object-metadata
        return self._head(container, name, headers={"x-newest": "true"})

    def _head(self, container: str, name: str, **options: Mapping[str, str] | None) -> ObjectInfo:
        response = self._of_object(operations.HEAD_OBJECT, container, name, **options)
        size = self._total_size(response.headers, size_of_head(response))
        return dialect.object_info(name, response.headers, size)

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        response = self._of_object(
            operations.GET_OBJECT, container, name,
            query={"version-id": version} if version else None,
            headers=read_headers(span, conditions),
        )  # fmt: skip
        sent, listed_size = sent_span(response)
        size = self._total_size(response.headers, listed_size)
        if sent.stop is None:
            sent = Span(sent.start, size)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response.body, response.close)

    @override
    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        found = composite_of(self._large.manifest(container, name, info.version))
        # Another ETag is that of what somebody has written in its place meanwhile.
        return found if found is not None and etag_of(found.digests) == info.etag else None

    # ------------------------------------------------------------------ writing

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        conditions = options.conditions
        headers = self._checked(dialect.write_headers(options))
        headers = dialect.with_token(headers, conditions.token)
        headers["etag"] = payload.digest("md5")

        def put(condition: Mapping[str, str], idempotent: bool) -> ObjectInfo:
            response = self._client.send(
                operations.PUT_OBJECT, container, name,
                headers={**headers, **condition}, content=payload, idempotent=idempotent,
            )  # fmt: skip
            response.close()
            if not idempotent:
                require_written(response)
            return dialect.written_info(name, response.headers)

        if conditions.if_absent:
            return self._put_new(container, name, put, conditions, headers.get(dialect.TOKEN))
        written = Written(payload.size, headers["etag"])
        confirmed = self._confirmed(container, name, put, written)
        return self._put_over(container, name, confirmed, payload.size)

    def _put_new(
        self, container: str, name: str, put: Put, conditions: Conditions, token: str | None
    ) -> ObjectInfo:
        """Write where nothing is."""
        heeded = self._client.heeds_conditions
        if not heeded:
            self._require_absent(container, name)
        return self._client.confirmer.write(
            lambda: put({"if-none-match": "*"}, False),
            lambda: self._head_written(container, name),
            Written().matches, conditions, token, Protection(checks_first=not heeded),
        )  # fmt: skip

    def _head_written(self, container: str, name: str) -> StoredObject:
        """Return the object that is stored after a write, from its newest copy."""
        # https://docs.openstack.org/api-ref/object-store/#show-object-metadata
        headers = {"x-newest": "true"}
        response = self._client.send(operations.HEAD_OBJECT, container, name, headers=headers)
        return StoredObject(dialect.object_info(name, response.headers, size_of_head(response)))

    def _confirmed(self, container: str, name: str, put: Put, written: Written) -> Put:
        """Return a write that is checked once if its response does not prove it."""
        return lambda *given: self._client.confirmer.write(
            lambda: put(*given), lambda: self._head_written(container, name), written.matches
        )

    def _put_over(
        self,
        container: str,
        name: str,
        put: Put,
        size: int,
    ) -> ObjectInfo:
        """
        Write whatever is there, and then remove the segments of what was there.

        A service that has nothing of this name needs no more than the one request.
        """
        if size <= _TRY_AT_ONCE and self._client.heeds_conditions:
            try:  # that it is there may be our own doing, which does not matter here
                return put({"if-none-match": "*"}, True)
            except ObjectAlreadyExistsError:
                pass
        segments = self._large.replaced(container, name)
        info = put({}, True)
        self._large.remove(segments)
        return info

    def _checked(self, headers: dict[str, str]) -> dict[str, str]:
        """Return headers whose metadata the cluster can keep; it is asked if there is a doubt."""
        try:
            dialect.check_metadata(headers)
        except InvalidOptionError:
            dialect.check_metadata(headers, self._client.info)
        return headers

    # ------------------------------------------------------------------ deleting

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        if version is not None:
            self._delete_version(container, name, version)
            return
        try:
            told = self._of_object(operations.HEAD_OBJECT, container, name, query=ITSELF).headers
        except ObjectNotFoundError:
            return
        except AccessDeniedError:  # who may write need not be able to read
            told = {}
        segments = self._large.owned(container, name) if dialect.is_large(told) else []
        try:
            self._large.delete_one(container, name)
        except ObjectNotFoundError:
            return
        self._large.remove(segments)

    def _delete_version(self, container: str, name: str, version: str) -> None:
        try:
            self._large.delete_one(container, name, version)
        except ObjectNotFoundError:
            pass

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        # Objects that have segments of ours are deleted one by one, together with these.
        large = self._large.large_names(container)
        batch = [name for name in names if prefix_of(name) not in large]
        errors: dict[str, StorageError | None] = {}
        if batch:
            found, gone = self._large.delete([f"/{container}/{name}" for name in batch])
            if not gone:
                self._require_container(container)
            errors = dict(zip(batch, found, strict=True))
        return [errors.get(name, Undecided()) for name in names]

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        # Segments of ours are deleted with the container, those of other programs here.
        large = [info for info in versions if info.extra.get("static_large_object")]
        segments = map_concurrently(
            lambda info: self._large.foreign_segments(container, info), large, _MANIFESTS_AT_ONCE
        )
        names = [info.name for info in versions if info.version is None]
        found, _ = self._large.delete([f"/{container}/{name}" for name in names])
        errors = dict(zip(names, found, strict=True))
        self._large.remove(chain.from_iterable(segments))
        return [errors[info.name] if info.version is None else Undecided() for info in versions]

    # ------------------------------------------------------------------ metadata

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        # A POST replaces all metadata, and drops what it does not name of the rest:
        # https://docs.openstack.org/api-ref/object-store/#create-or-update-object-metadata
        info = self._head_object(container, name, None)
        if "symlink_target" in info.extra:  # the request would change the symlink's own
            raise NotSupportedError(
                "the metadata are those of what the symlink leads to; change them there:"
                f" {info.extra['symlink_target']}"
            )
        headers = self._checked(dialect.kept_headers(info, metadata, content_type))
        headers = dialect.with_token(headers, info.write_token)
        if info.extra.get("static_large_object"):
            headers = dialect.with_whole_md5(headers, info.etag, info.checksums.get("md5"))
        manifest = info.extra.get("dynamic_large_object")
        if isinstance(manifest, str):
            headers["x-object-manifest"] = encode_path(manifest)

        def send() -> bool:
            self._of_object(operations.POST_OBJECT, container, name, headers=headers).close()
            return True

        def look() -> bool | None:
            found = self._head_object(container, name, None)
            same = found.metadata == (info.metadata if metadata is None else metadata)
            return (same and content_type in {None, found.content_type}) or None

        self._client.confirmer.prove(send, look)
        return replace(
            info,
            metadata=info.metadata if metadata is None else dict(metadata),
            content_type=content_type or info.content_type,
            last_modified=None,
            complete=False,
        )

    # ------------------------------------------------------------------ beneath the hooks

    def _require_absent(self, container: str, name: str) -> None:
        """Raise `ObjectAlreadyExistsError` if there is an object of this name."""
        try:  # a symlink that leads nowhere is one, too
            self._client.send(operations.HEAD_OBJECT, container, name, query=ITSELF).close()
        except ObjectNotFoundError:
            return
        raise ObjectAlreadyExistsError("there is an object of this name already")

    def _total_size(self, headers: Mapping[str, str], size: int | None) -> int | None:
        """Return an object's size, which Swift does not send for one of many segments."""
        place = dialect.unlisted(headers)
        if place is None:
            return size
        try:
            total = 0
            for row in self._large.rows(*place):
                segment = parse_size(row.get("bytes"))
                if segment is None:
                    return None
                total += segment
        except AccessDeniedError:  # reading does not require the right to list
            return size
        return total

    def _of_object(
        self,
        operation: Operation,
        container: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Ask for an object; one that is missing may be so for want of its container."""
        try:
            return self._client.send(operation, container, name, query=query, headers=headers)
        except ObjectNotFoundError:
            self._require_container(container)
            raise

    def _require_container(self, container: str) -> None:
        try:
            self._client.send(operations.HEAD_CONTAINER, container).close()
        except ContainerNotFoundError:
            raise
        except StorageError:  # who may not ask for the container can still learn of the object
            pass
