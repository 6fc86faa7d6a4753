"""Reading, writing, changing and deleting single objects, and deleting many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ... import rest
from ...errors import (
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    StorageError,
)
from ...rest.client import StartedRequest
from ...rest.copying import changed_info
from ...transfer.payload import Payload
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
from .client import ITSELF, SwiftClient
from .large_objects import LargeObjects, prefix_of

# Larger objects are not sent before it is known whether they replace one.
_OPTIMISTIC = MiB


class Objects:
    """The objects of one account."""

    def __init__(self, client: SwiftClient, large: LargeObjects) -> None:
        self._client = client
        self._large = large

    # ------------------------------------------------------------------ reading

    def head(
        self, container: str, name: str, version: str | None = None, *, newest: bool = False
    ) -> ObjectInfo:
        """Return all attributes of an object; `newest` compares all of its replicas."""
        # https://docs.openstack.org/api-ref/object-store/#show-object-metadata
        response = self._client.send_to_object(
            operations.HEAD_OBJECT, container, name,
            query={"version-id": version} if version else None,
            headers=dialect.NEWEST if newest else None,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, rest.size_of_head(response))

    def start(self, container: str, name: str, version: str | None) -> StartedRequest | None:
        """Send the request of `open` for the whole object."""
        return self._client.start(
            operations.GET_OBJECT, container, name,
            query={"version-id": version} if version else None, headers={},
        )  # fmt: skip

    def open(
        self,
        container: str,
        name: str,
        span: Span,
        conditions: Conditions,
        version: str | None,
        started: StartedRequest | None = None,
    ) -> Reading:
        """Open an object for reading, unless `start` has done so."""
        response = self._client.send_to_object(
            operations.GET_OBJECT, container, name,
            query={"version-id": version} if version else None,
            headers=rest.read_headers(span, conditions), started=started,
        )  # fmt: skip
        if dialect.has_unknown_size(response.headers):
            response.close()
            raise NotSupportedError(
                "a dynamic large object of more segments than the cluster lists on one page cannot"
                f" be read; read the segments, {response.headers['x-object-manifest']}*"
            )
        sent, size = rest.sent_span(response)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response, response.close)

    def require_absent(self, container: str, name: str) -> None:
        """Raise `ObjectAlreadyExistsError` if there is an object of this name."""
        if self._client.has_object(container, name, ITSELF):  # even a symlink without a target
            raise ObjectAlreadyExistsError("an object of this name already exists")

    # ------------------------------------------------------------------ writing

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write an object with one request; delete the segments of the one that it replaces."""
        headers = self.checked(dialect.write_headers(options))
        headers = dialect.with_own(headers, dialect.TOKEN, options.conditions.token)
        md5 = headers["etag"] = payload.digest("md5")

        return self.write(
            container, name, payload, headers, options.conditions,
            lambda response: dialect.written_info(name, response.headers),
            rest.Written(payload.size, md5), optimistic=payload.size <= _OPTIMISTIC,
        )  # fmt: skip

    def write(
        self, container: str, name: str, content: bytes | Payload, headers: Mapping[str, str],
        conditions: Conditions, read: Callable[[rest.Response], ObjectInfo],
        written: rest.Written, *, query: Mapping[str, str] | None = None,
        optimistic: bool = True, own: str | None = None,
        before_replacing: Callable[[], object] | None = None,
    ) -> ObjectInfo:  # fmt: skip
        """
        Write an object, and delete the segments of the one that it replaces.

        Args:
            optimistic: Try first to write where no object exists.
            own: The beginning of the names of segments to keep, since the object to replace may
                have been written by an attempt whose response was lost.
            before_replacing: Called if an object may have to be replaced.
        """
        enforced = self._client.enforces_conditions
        write = partial(
            self._client.write, operations.PUT_OBJECT, container, name, read,
            partial(self.head_written, container, name), written.matches,
            content=content, query=query,
        )  # fmt: skip
        new = {**headers, "if-none-match": "*"}
        if conditions.if_absent:
            if not enforced:
                self.require_absent(container, name)
            protection = rest.Protection(checks_first=not enforced)
            return write(conditions, headers.get(dialect.TOKEN), protection, headers=new)
        if enforced and optimistic:
            try:
                return write(headers=new)
            except ObjectAlreadyExistsError:  # perhaps by an earlier attempt of this write
                pass
        if before_replacing is not None:
            before_replacing()
        segments = self._large.segments(container, name) or ()
        info = write(headers=headers)
        self._large.deleter.remove(path for path in segments if own is None or own not in path)
        return info

    def head_written(self, container: str, name: str) -> ObjectInfo:
        """Return the object that is stored after a write, from its newest copy."""
        response = self._client.send(
            operations.HEAD_OBJECT, container, name, headers=dialect.NEWEST
        )
        return dialect.object_info(name, response.headers, rest.size_of_head(response))

    def checked(self, headers: dict[str, str]) -> dict[str, str]:
        """Return headers; raise `InvalidOptionError` if the cluster cannot store the metadata."""
        if dialect.WHOLE_MD5 in headers:
            raise InvalidOptionError(
                "the metadata key 'libstore-md5' is reserved for this library"
            )
        # A cluster may allow more than Swift by default.
        if dialect.metadata_fault(headers):
            fault = dialect.metadata_fault(headers, self._client.info)
            if fault:
                raise InvalidOptionError(fault)
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
        headers = dialect.with_own(headers, dialect.TOKEN, info.write_token)
        if info.extra.get("static_large_object"):
            headers = dialect.with_whole_md5(headers, info.etag, info.checksums.get("md5"))
        manifest = info.extra.get("dynamic_large_object")
        if isinstance(manifest, str):
            headers["x-object-manifest"] = rest.encode_path(manifest)
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
            self._large.deleter.delete_one(container, name, version)
        except ObjectNotFoundError:
            return
        self._large.deleter.remove(segments)

    def delete_many(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        """Delete objects; those that have segments are left to be deleted one by one."""
        large = self._large.prefixes(container)
        batch = [name for name in names if prefix_of(name) not in large]
        errors: dict[str, StorageError | None] = {}
        if batch:
            deleted = self._large.deleter.delete([f"/{container}/{name}" for name in batch])
            if not deleted.existing:
                self._client.require_container(container)
            errors = dict(zip(batch, deleted.errors, strict=True))
        return [errors.get(name, Undecided()) for name in names]

    def delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        """Delete objects in batches, large ones without their segments; leave the versions."""
        names = [info.name for info in versions if info.version is None]
        found = self._large.deleter.delete([f"/{container}/{name}" for name in names]).errors
        errors = dict(zip(names, found, strict=True))
        return [errors[info.name] if info.version is None else Undecided() for info in versions]
