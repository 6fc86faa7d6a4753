"""Reading, writing, changing and deleting single objects, and deleting many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from ...errors import (
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...http.encoding import encode_path
from ...http.message import Response
from ...rest.confirming import Protection, Written
from ...rest.copying import changed_info
from ...rest.reading import read_headers, sent_span, size_of_head
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import (
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
from .batches import Deleter
from .client import ITSELF, SwiftClient
from .large_objects import LargeObjects, prefix_of

#: Writes once, given the header of a condition and whether the request may be sent twice.
Put: TypeAlias = Callable[[Mapping[str, str], bool], ObjectInfo]

# Larger objects are not sent before it is known whether they replace one.
_OPTIMISTIC = MiB
_MANIFESTS_AT_ONCE = 4
_IF_ABSENT = {"if-none-match": "*"}


def require_written(response: Response) -> None:
    """Raise `ServiceError` if the object that is stored is the newer one of another write."""
    # The proxy sends 202 where a server of objects has one with a later time:
    # https://github.com/openstack/swift/blob/master/swift/proxy/controllers/obj.py
    if response.status == 202:
        raise ServiceError("the service has a newer object of this name", status=202)


class Objects:
    """The objects of one account."""

    def __init__(self, client: SwiftClient, deleter: Deleter, large: LargeObjects) -> None:
        self._client = client
        self._deleter = deleter
        self._large = large

    # ------------------------------------------------------------------ reading

    def head(
        self, container: str, name: str, version: str | None = None, *, newest: bool = False
    ) -> ObjectInfo:
        """
        Return all attributes of an object.

        Args:
            newest: Request all copies of the object, and return the newest one.
        """
        # https://docs.openstack.org/api-ref/object-store/#show-object-metadata
        response = self._client.send_to_object(
            operations.HEAD_OBJECT, container, name,
            query={"version-id": version} if version else None,
            headers=dialect.NEWEST if newest else None,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, size_of_head(response))

    def open(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """Open an object for reading."""
        response = self._client.send_to_object(
            operations.GET_OBJECT, container, name,
            query={"version-id": version} if version else None,
            headers=read_headers(span, conditions),
        )  # fmt: skip
        if dialect.has_unknown_size(response.headers):
            response.close()
            raise NotSupportedError(
                "a dynamic large object of more segments than the cluster lists on one page cannot"
                f" be read; read the segments, {response.headers['x-object-manifest']}*"
            )
        sent, size = sent_span(response)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response, response.close)

    def require_absent(self, container: str, name: str) -> None:
        """Raise `ObjectAlreadyExistsError` if there is an object of this name."""
        try:  # also if it is a symlink without a target
            self._client.send(operations.HEAD_OBJECT, container, name, query=ITSELF).close()
        except ObjectNotFoundError:
            return
        raise ObjectAlreadyExistsError("an object of this name already exists")

    # ------------------------------------------------------------------ writing

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write an object with one request; delete the segments of the one that it replaces."""
        conditions = options.conditions
        headers = self.checked(dialect.write_headers(options))
        headers = dialect.with_token(headers, conditions.token)
        md5 = headers["etag"] = payload.digest("md5")

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
            token = headers.get(dialect.TOKEN)
            return self.write_new(container, name, put, conditions, token)
        write = self.confirmed(container, name, put, Written(payload.size, md5))
        info = self.try_new(write) if payload.size <= _OPTIMISTIC else None
        if info is None:
            segments = self._large.segments(container, name)
            info = write({}, True)
            self._deleter.remove(segments or ())
        return info

    def write_new(
        self, container: str, name: str, put: Put, conditions: Conditions, token: str | None
    ) -> ObjectInfo:
        """Write where no object may exist."""
        enforced = self._client.enforces_conditions
        if not enforced:
            self.require_absent(container, name)
        return self._client.confirmer.write(
            lambda: put(_IF_ABSENT, False), lambda: self.head_written(container, name),
            Written().matches, conditions, token, Protection(checks_first=not enforced),
        )  # fmt: skip

    def try_new(self, put: Put) -> ObjectInfo | None:
        """Write if no object exists; otherwise, or if conditions do not work, return `None`."""
        if not self._client.enforces_conditions:
            return None
        try:
            return put(_IF_ABSENT, True)
        except ObjectAlreadyExistsError:  # perhaps by an earlier attempt, which does not matter
            return None

    def confirmed(self, container: str, name: str, put: Put, written: Written) -> Put:
        """Return a write that is checked once if its response does not prove it."""
        return lambda *given: self._client.confirmer.write(
            lambda: put(*given), lambda: self.head_written(container, name), written.matches
        )

    def head_written(self, container: str, name: str) -> ObjectInfo:
        """Return the object that is stored after a write, from its newest copy."""
        response = self._client.send(
            operations.HEAD_OBJECT, container, name, headers=dialect.NEWEST
        )
        return dialect.object_info(name, response.headers, size_of_head(response))

    def checked(self, headers: dict[str, str]) -> dict[str, str]:
        """Return headers if the cluster can store their metadata; see `dialect.check_metadata`."""
        try:
            dialect.check_metadata(headers)
        except InvalidOptionError:  # unless this cluster allows more
            dialect.check_metadata(headers, self._client.info)
        return headers

    def set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
    ) -> ObjectInfo:
        """Replace the metadata or the content type of an object."""
        # A POST replaces all metadata, and deletes some other headers that it does not have:
        # https://docs.openstack.org/api-ref/object-store/#create-or-update-object-metadata
        info = self.head(container, name)
        if "symlink_target" in info.extra:  # the request would change the symlink's own
            raise NotSupportedError(
                "a symlink has no metadata of its own; change those of its target:"
                f" {info.extra['symlink_target']}"
            )
        headers = self.checked(dialect.kept_headers(info, metadata, content_type))
        headers = dialect.with_token(headers, info.write_token)
        if info.extra.get("static_large_object"):
            headers = dialect.with_whole_md5(headers, info.etag, info.checksums.get("md5"))
        manifest = info.extra.get("dynamic_large_object")
        if isinstance(manifest, str):
            headers["x-object-manifest"] = encode_path(manifest)

        changed = changed_info(info, metadata, content_type)

        def is_changed() -> bool:
            found = self.head(container, name)
            same_type = content_type in {None, found.content_type}
            return same_type and found.metadata == changed.metadata

        self._client.send_proved(
            is_changed, operations.POST_OBJECT, container, name, headers=headers
        )
        return replace(changed, last_modified=None)

    # ------------------------------------------------------------------ deleting

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """Delete an object with its segments, or one version of it; it need not exist."""
        segments = [] if version else self._large.segments(container, name)
        if segments is None:
            self._client.require_container(container)
            return
        try:
            self._deleter.delete_one(container, name, version)
        except ObjectNotFoundError:
            return
        self._deleter.remove(segments)

    def delete_many(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        """Delete objects; those that have segments are left to be deleted one by one."""
        large = self._large.prefixes(container)
        batch = [name for name in names if prefix_of(name) not in large]
        errors: dict[str, StorageError | None] = {}
        if batch:
            deleted = self._deleter.delete([f"/{container}/{name}" for name in batch])
            if not deleted.existing:
                self._client.require_container(container)
            errors = dict(zip(batch, deleted.errors, strict=True))
        return [errors.get(name, Undecided()) for name in names]

    def delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        """
        Delete the objects of a container that is about to be deleted, and leave their versions.

        Segments of other programs are deleted here, and this library's with their container.
        """
        large = [info for info in versions if info.extra.get("static_large_object")]
        segments = map_concurrently(
            lambda info: self._large.segments_elsewhere(container, info),
            large, _MANIFESTS_AT_ONCE,
        )  # fmt: skip
        names = [info.name for info in versions if info.version is None]
        found = self._deleter.delete([f"/{container}/{name}" for name in names]).errors
        errors = dict(zip(names, found, strict=True))
        self._deleter.remove(chain.from_iterable(segments))
        return [errors[info.name] if info.version is None else Undecided() for info in versions]
