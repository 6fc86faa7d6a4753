"""Copies within an account: the content and all that is stored with it, but no shared segments."""

from __future__ import annotations

from dataclasses import dataclass

from ... import rest
from ...errors import (
    NotSupportedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceUnavailableError,
)
from ...rest.checksums import require_digest
from ...rest.copying import (
    check_copy_onto_itself,
    copy_in_parts,
    find_missing,
    require_source,
)
from ...rest.reading import read_headers
from ...values import (
    Conditions,
    CopyOptions,
    GiB,
    Limits,
    ObjectInfo,
    Part,
    Span,
    Upload,
    WriteOptions,
)
from . import dialect, operations
from .client import SwiftClient
from .info import DEFAULTS
from .large_objects import LargeObjects, segment_name, segments_container
from .multipart import Uploads
from .objects import Objects

# The proxy reads and writes the content, and sends no response until the end.
_MAX_WHOLE = GiB
_PARTS_AT_ONCE = 4
_FRESH = {"x-fresh-metadata": "true"}


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy to make; source and target are container and name, the headers the target's."""

    source: tuple[str, str]
    info: ObjectInfo
    target: tuple[str, str]
    headers: dict[str, str]
    options: CopyOptions


class Copier:
    """Copies the objects of one account."""

    def __init__(
        self, client: SwiftClient, large: LargeObjects, objects: Objects, uploads: Uploads
    ) -> None:
        self._client = client
        self._large = large
        self._objects = objects
        self._uploads = uploads

    def copy(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        options: CopyOptions,
        limits: Limits,
    ) -> ObjectInfo | None:
        """Copy an object; `None` if the service cannot pin the copy to the source's ETag."""
        info = self._objects.head(*source)
        if source == target:
            changes = check_copy_onto_itself(info, options)
            if options.extra:
                raise NotSupportedError(
                    "the expiry of an existing object cannot be changed; copy it to another name"
                )
            if not changes:
                return info
            return self._objects.set_metadata(*target, options.metadata, options.content_type)
        if "static_large_object" in info.extra and not self._client.enforces_conditions:
            # It would copy the manifest, and both objects would consist of the same segments.
            raise NotSupportedError(
                "Ceph's gateway cannot copy large objects; download and upload it"
            )
        in_parts = (info.size or 0) > min(_MAX_WHOLE, limits.max_put)
        segments: list[str] | None = None
        if options.conditions.if_absent:  # Swift would compare If-None-Match with the source
            self._objects.require_absent(*target)
        elif not in_parts:
            segments = self._large.segments(*target)
        headers = dialect.kept_headers(info, options.metadata, options.content_type)
        headers |= dialect.extra_headers(options.extra)
        if "delete_after" in options.extra:
            headers.pop("x-delete-at", None)
        copy = _Copy(source, info, target, self._objects.checked(headers), options)
        try:
            copied = self._copy_parts(copy) if in_parts else self._copy_whole(copy)
        except ObjectChangedError as error:
            if error.status != 412:
                raise
            require_source(info.etag, lambda: self._objects.head(*source))
            return None  # the service rejects its own ETag
        self._large.deleter.remove(segments or ())
        return copied

    def _copy_whole(self, copy: _Copy) -> ObjectInfo:
        info, conditions = copy.info, copy.options.conditions
        expected = info.checksums.get("md5")
        sent = dialect.with_own({**copy.headers, **_FRESH}, dialect.TOKEN, conditions.token)

        def send() -> ObjectInfo:
            try:
                etag = self._copy_content(
                    copy, copy.target, sent, Span(), idempotent=not conditions.if_absent
                )
            except ServiceUnavailableError as error:
                if error.status == 409 and conditions.if_absent:  # another write was faster
                    self._objects.require_absent(*copy.target)
                raise
            require_digest(expected, etag, "the copy differs from the source: its MD5")
            return ObjectInfo(copy.target[1], size=info.size, etag=etag,
                              checksums=dialect.checksums({}, etag))  # fmt: skip

        def matches(found: ObjectInfo) -> bool:
            same = found.size == info.size and expected is not None and found.etag == expected
            kept = dialect.kept_headers(found, None, None).items() <= copy.headers.items()
            return same and kept

        # No request protects an object that another client wrote after the check.
        return self._client.confirmer.write(
            send, lambda: self._objects.head_written(*copy.target), matches,
            conditions, sent.get(dialect.TOKEN), rest.Protection(checks_first=True),
        )  # fmt: skip

    def _copy_content(
        self,
        copy: _Copy,
        target: tuple[str, str],
        headers: dict[str, str],
        span: Span,
        *,
        idempotent: bool = True,
    ) -> str | None:
        """Have the service copy a span of the source, and return the ETag of what it stored."""
        # https://docs.openstack.org/swift/latest/middleware.html#module-swift.common.middleware.copy
        container, name = copy.source
        sent = {"x-copy-from": f"/{rest.encode_path(container)}/{rest.encode_path(name)}"}
        sent |= {**headers, **read_headers(span, Conditions(if_match=copy.info.etag))}
        try:
            response = self._client.send(
                operations.COPY_OBJECT, *target, headers=sent, idempotent=idempotent
            )
        except ObjectNotFoundError as error:
            containers = (target[0], container)
            raise find_missing(containers, self._client.head_container) or error from None
        response.close()
        return rest.clean_etag(response.headers.get("etag"))

    def _copy_parts(self, copy: _Copy) -> ObjectInfo:
        """Copy an object that is too large for one request, segment by segment."""
        upload = Upload(*copy.target, self._uploads.begin(*copy.target))
        place = segments_container(upload.container)
        plain = {"content-type": "application/octet-stream", **_FRESH}

        def copy_part(number: int, span: Span) -> Part:
            assert span.stop is not None
            segment = (place, segment_name(upload, number))
            etag = self._copy_content(copy, segment, plain, span)
            return Part(number, span.start, span.stop - span.start, etag or "")

        options = WriteOptions(conditions=copy.options.conditions)
        return copy_in_parts(
            upload, copy.info, self._client.info.limits(DEFAULTS), copy.options.checkpoint,
            copy=copy_part,
            finish=lambda parts: self._uploads.finish(
                upload, parts, options, copy.info.checksums, copy.headers
            ),
            abort=self._uploads.abort,
            workers=_PARTS_AT_ONCE,
        )  # fmt: skip
