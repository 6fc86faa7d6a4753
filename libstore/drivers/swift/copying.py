"""Copies within an account: of the content and all metadata; no two objects share segments."""

from __future__ import annotations

from typing_extensions import override

from ...errors import (
    IntegrityError,
    NotSupportedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceUnavailableError,
)
from ...http.encoding import encode_path
from ...http.headers import clean_etag
from ...rest.confirming import Protection
from ...rest.copying import check_copy_onto_itself, copy_in_parts, find_missing, require_etag
from ...rest.dialect import condition_headers
from ...rest.reading import range_of
from ...values import Conditions, CopyOptions, GiB, ObjectInfo, Part, Span, Upload
from . import dialect, operations
from .large_objects import segment_name, segments_container
from .multipart import PartHooks

# The proxy copies the bytes, and sends nothing until it has written the last one.
_WHOLE = GiB
_WORKERS = 4
_FRESH = {"x-fresh-metadata": "true"}


class CopyHooks(PartHooks):
    """The hook of copies."""

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo | None:
        info = self._head_object(source_container, source, None)
        require_etag(info, options.if_source_match)
        if (source_container, source) == (container, name):
            return self._copy_onto_itself(container, info, options)
        if "static_large_object" in info.extra and not self._client.heeds_conditions:
            # It would copy the manifest, and two objects would have the same segments.
            raise NotSupportedError(
                "Ceph's gateway copies no large objects; read the object and upload it"
            )
        segments: list[str] = []
        if options.conditions.if_absent:  # If-None-Match would be about the source
            self._require_absent(container, name)
        else:
            segments = self._large.replaced(container, name)
        headers = dialect.kept_headers(info, options.metadata, options.content_type)
        headers |= dialect.extra_headers(options.extra)
        if "delete_after" in options.extra:
            headers.pop("x-delete-at", None)
        headers = self._checked(headers)
        place, target = (source_container, source), (container, name)
        try:
            if (info.size or 0) > min(_WHOLE, self.limits.max_put):
                done = self._copy_parts(place, info, target, headers, options)
            else:
                done = self._copy_whole(place, info, target, headers, options.conditions)
        except ObjectChangedError as error:
            if error.status != 412 or not self._has_etag(*place, None, info.etag):
                raise
            return None  # the service refuses the ETag that it reports, so the copy has no pin
        self._large.remove(segments)
        return done

    def _copy_onto_itself(
        self, container: str, info: ObjectInfo, options: CopyOptions
    ) -> ObjectInfo:
        changes = check_copy_onto_itself(info, options)
        if options.extra:
            raise NotSupportedError(
                "a copy onto itself cannot change when an object expires; copy it to another name"
            )
        if not changes:
            return info
        return self._set_metadata(
            container, info.name, options.metadata, options.content_type, Conditions()
        )

    def _copy_whole(
        self,
        source: tuple[str, str],
        info: ObjectInfo,
        target: tuple[str, str],
        headers: dict[str, str],
        conditions: Conditions,
    ) -> ObjectInfo:
        expected = info.checksums.get("md5")
        sent = {**dialect.with_token(headers, conditions.token), **_FRESH}

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
                    "the service copied other content than that of the source: the MD5 should be"
                    f" {expected}, but is {etag}"
                )
            return ObjectInfo(target[1], size=info.size, etag=etag,
                              checksums=dialect.checksums({}, etag))  # fmt: skip

        def matches(found: ObjectInfo) -> bool:
            same = found.size == info.size and expected is not None and found.etag == expected
            kept = dialect.kept_headers(found, None, None).items() <= headers.items()
            return same and kept

        # No header protects what another client has written since the name was free.
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
        """Have the service copy an object, or a range of it; return the copy's ETag."""
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
            containers = (target[0], source[0])
            raise find_missing(containers, self._require_container) or error from None
        response.close()
        return clean_etag(response.headers.get("etag"))

    def _copy_parts(
        self,
        source: tuple[str, str],
        info: ObjectInfo,
        target: tuple[str, str],
        headers: dict[str, str],
        options: CopyOptions,
    ) -> ObjectInfo:
        """Copy a large object as segments."""
        self.limits = self._client.info.limits(self.limits)
        upload = Upload(*target, self._large.start(*target))
        place = segments_container(target[0])
        plain = {"content-type": "application/octet-stream", **_FRESH}

        def copy(number: int, span: Span) -> Part:
            assert span.stop is not None
            segment = (place, segment_name(upload, number))
            etag = self._copy_bytes(source, info, segment, plain, span)
            return Part(number, span.start, span.stop - span.start, etag or "")

        return copy_in_parts(
            upload, info, self.limits, options.checkpoint,
            copy=copy,
            finish=lambda parts: self._publish(
                upload, parts, headers, info.checksums.get("md5"), options.conditions
            ),
            abort=self._large.abort,
            workers=_WORKERS,
        )  # fmt: skip
