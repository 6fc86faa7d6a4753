"""Copies within an account: the content and all that is kept with it, and no segment shared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from typing_extensions import override

from ...errors import (
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceUnavailableError,
    StorageError,
)
from ...http.encoding import encode_path
from ...http.headers import clean_etag
from ...rest.confirming import Protection
from ...rest.dialect import condition_headers
from ...rest.reading import range_of
from ...transfer.aborting import abort_after_error
from ...transfer.part_sizes import ranges
from ...transfer.workers import map_concurrently
from ...values import Conditions, CopyOptions, GiB, MiB, ObjectInfo, Part, Span, Upload
from . import dialect, operations
from .large_objects import segment_name, segments_container
from .multipart import PartHooks

# The proxy reads and writes the bytes, and says nothing until the last one is written.
_WHOLE = GiB
_PART = 256 * MiB
_SIDE_BY_SIDE = 4


class CopyHooks(PartHooks):
    """The hook of copies."""

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo | None:
        info = self._head_object(source_container, source, None)
        if options.if_source_match not in {None, info.etag}:
            raise ObjectChangedError(f"the object has another ETag, {info.etag}")
        if (source_container, source) == (container, name):
            return self._copy_onto_itself(container, info, options)
        if "static_large_object" in info.extra and not self._client.heeds_conditions:
            # What is copied there is the manifest, and the segments would be those of two objects.
            raise NotSupportedError(
                "Ceph's gateway copies no large objects; read it and upload it"
            )
        segments = self._of_target(container, name, options.conditions)
        headers = dialect.kept_headers(info, options.metadata, options.content_type)
        headers |= dialect.extra_headers(options.extra)
        if "delete_after" in options.extra:
            headers.pop("x-delete-at", None)
        headers = {**self._checked(headers), "x-fresh-metadata": "true"}
        place = (source_container, source)
        target = (container, name)
        try:
            if (info.size or 0) > min(_WHOLE, self.limits.max_put):
                done = self._copy_parts(place, info, target, headers, options)
            else:
                done = self._copy_whole(place, info, target, headers, options.conditions)
        except ObjectChangedError as error:
            if error.status != 412 or not self._has_etag(*place, None, info.etag):
                raise
            return None  # the service refuses its own ETag, so it cannot pin the copy
        self._large.remove(segments)
        return done

    def _copy_onto_itself(
        self, container: str, info: ObjectInfo, options: CopyOptions
    ) -> ObjectInfo:
        if options.conditions.if_absent:
            raise ObjectAlreadyExistsError("there is an object of this name already")
        if options.extra:
            raise NotSupportedError(
                "an object that is there keeps its expiry; copy it to another name"
            )
        if options.metadata is None and options.content_type is None:
            return info
        return self._set_metadata(
            container, info.name, options.metadata, options.content_type, Conditions()
        )

    def _of_target(self, container: str, name: str, conditions: Conditions) -> list[str]:
        """Return the segments of what is replaced, which is to be nothing if it is asked for."""
        # A copy with If-None-Match would ask that of its source.
        if conditions.if_absent:
            self._require_absent(container, name)
            return []
        return self._large.replaced(container, name)

    def _copy_whole(
        self,
        source: tuple[str, str],
        info: ObjectInfo,
        target: tuple[str, str],
        headers: dict[str, str],
        conditions: Conditions,
    ) -> ObjectInfo:
        expected = info.checksums.get("md5")
        sent = dialect.with_token(headers, conditions.token)

        def copy() -> ObjectInfo:
            idempotent = not conditions.if_absent
            try:
                etag = self._copy_bytes(source, info, target, sent, None, idempotent=idempotent)
            except ServiceUnavailableError as error:
                if error.status == 409 and conditions.if_absent:  # another write was faster
                    self._require_absent(*target)
                raise
            if expected is not None and etag != expected:
                raise IntegrityError(
                    "the service has copied something else: the copy's MD5 should be"
                    f" {expected}, but is {etag}"
                )
            return ObjectInfo(target[1], size=info.size, etag=etag,
                              checksums=dialect.checksums({}, etag))  # fmt: skip

        def matches(found: ObjectInfo) -> bool:
            same = found.size == info.size and expected is not None and found.etag == expected
            kept = dialect.kept_headers(found, None, None).items() <= headers.items()
            return same and kept

        # No request protects what another client has written since the name was free.
        return self._client.confirmer.write(
            copy, lambda: self._head_written(*target), matches,
            conditions, sent.get(dialect.TOKEN), Protection(checks_first=True),
        )  # fmt: skip

    def _copy_bytes(
        self,
        source: tuple[str, str],
        info: ObjectInfo,
        target: tuple[str, str],
        headers: dict[str, str],
        span: Span | None,
        *,
        idempotent: bool = True,
    ) -> str | None:
        """Have the service copy an object, or some of it, and return the copy's ETag."""
        # https://docs.openstack.org/swift/latest/middleware.html#module-swift.common.middleware.copy
        sent = {"x-copy-from": f"/{encode_path(source[0])}/{encode_path(source[1])}", **headers}
        sent |= condition_headers(Conditions(if_match=info.etag))
        if span is not None:
            sent["range"] = range_of(span)
        try:
            response = self._client.send(
                operations.COPY_OBJECT, *target, headers=sent, idempotent=idempotent
            )
        except ObjectNotFoundError as error:
            raise self._missing(source[0], target[0], error) from None
        response.close()
        return clean_etag(response.headers.get("etag"))

    def _missing(self, source: str, target: str, error: StorageError) -> StorageError:
        """Return what it is that there is not: one of two containers, or the source."""
        for container in (target, source):
            try:
                self._require_container(container)
            except ContainerNotFoundError as missing:
                missing.container = container
                return missing
        return error

    def _copy_parts(
        self,
        source: tuple[str, str],
        info: ObjectInfo,
        target: tuple[str, str],
        headers: dict[str, str],
        options: CopyOptions,
    ) -> ObjectInfo:
        """Copy what is too much for one request: segment by segment, several at once."""
        size = info.size or 0
        self.limits = self._client.info.limits(self.limits)
        step = max(_PART, -(-size // self.limits.max_parts))
        upload = Upload(*target, self._large.start(*target))
        place = segments_container(target[0])
        plain: dict[str, Any] = {
            "content-type": "application/octet-stream",
            "x-fresh-metadata": "true",
        }

        def copy(one: tuple[int, Span]) -> Part:
            options.checkpoint()
            number, span = one
            assert span.stop is not None
            etag = self._copy_bytes(
                source, info, (place, segment_name(upload, number)), plain, span
            )
            return Part(number, span.start, span.stop - span.start, etag or "")

        try:
            numbered = list(enumerate(ranges(Span(0, size), step), 1))
            parts = map_concurrently(copy, numbered, _SIDE_BY_SIDE)
            options.checkpoint()
            kept = {
                label: value for label, value in headers.items() if label != "x-fresh-metadata"
            }
            md5 = info.checksums.get("md5")
            done = self._publish(upload, parts, kept, md5, options.conditions)
        except BaseException:
            abort_after_error(lambda: self._large.abort(upload), upload)
            raise
        return replace(done, size=size)
