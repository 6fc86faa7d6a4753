"""What the hooks of uploads in parts ask of Swift: segments, and the manifest that joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from ...errors import (
    IntegrityError,
    NotSupportedError,
    ServiceError,
)
from ...http.headers import clean_etag, parse_size
from ...transfer.crew import run_all
from ...transfer.payload import Payload
from ...values import ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect
from .large import manifest_body, manifest_etag, segment_name, segments_container
from .objects import ObjectHooks

# Clocks differ, and a reader that began in time may come to the end later.
_EXPIRY_MARGIN = 3_600


class PartHooks(ObjectHooks):
    """The hooks of uploads in parts."""

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        self._checked(dialect.write_headers(options))
        info = self._calls.info
        if not info.has("slo"):
            raise NotSupportedError("this cluster has no static large objects")
        self.limits = info.limits(self.limits)
        return self._large.start(container, name)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        if number > self.limits.max_parts:
            raise NotSupportedError(
                f"this cluster takes no more than {self.limits.max_parts} segments; give a larger"
                " part_size in TransferOptions"
            )
        digest = payload.digest("md5")
        response = self._calls.ask(
            "PUT", "PutObject", segments_container(upload.container),
            segment_name(upload, number),
            headers={"etag": digest, "content-type": "application/octet-stream"},
            content=payload,
        )  # fmt: skip
        response.close()
        etag = clean_etag(response.headers.get("etag"))
        if etag != digest:
            raise IntegrityError(
                f"the service has stored another part {number} than was sent: its MD5 should be"
                f" {digest}, but is {etag}"
            )
        return Part(number, offset, payload.size, digest, {"md5": digest})

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        headers = dialect.write_headers(options)
        return self._publish(upload, parts, headers, checksums.get("md5"),
                             if_absent=options.conditions.if_absent)  # fmt: skip

    def _publish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        headers: Mapping[str, str],
        md5: str | None,
        *,
        if_absent: bool,
    ) -> ObjectInfo:
        """Write the manifest; then remove the segments of what it replaces, and the mark."""
        container, name = upload.container, upload.name
        etag = manifest_etag(parts)
        sent = {**headers, "etag": etag}
        if md5 is not None:
            sent[dialect.WHOLE_MD5] = f"{etag}:{md5}"
        self._expire_segments(upload, parts, headers)
        body = manifest_body(segments_container(container), upload, parts)

        def put(condition: Mapping[str, str], idempotent: bool) -> ObjectInfo:
            response = self._calls.ask(
                "PUT", "PutObject", container, name, query={"multipart-manifest": "put"},
                headers={**sent, **condition}, content=body, idempotent=idempotent,
            )  # fmt: skip
            response.close()
            told = clean_etag(response.headers.get("etag"))
            if told != etag:
                raise IntegrityError(
                    f"the service has put together other parts than were sent: the ETag should be"
                    f" {etag}, but is {told}"
                )
            return ObjectInfo(name, etag=told, checksums={"md5": md5} if md5 else {},
                              version=dialect.version(response.headers))  # fmt: skip

        if if_absent:
            info = self._put_new(container, name, put, lambda info: info.etag == etag)
        else:
            info = self._put_over(container, name, put, len(body))
        self._large.unmark(upload)
        return info

    def _expire_segments(
        self, upload: Upload, parts: Sequence[Part], headers: Mapping[str, str]
    ) -> None:
        """Have the segments of an object that expires do so too, after it."""
        ends = parse_size(headers.get("x-delete-at"))
        if ends is None:
            after = parse_size(headers.get("x-delete-after"))
            if after is None:
                return
            ends = int(self._calls.now()) + after
        place = segments_container(upload.container)
        told = {"x-delete-at": str(ends + _EXPIRY_MARGIN)}

        def expire(part: Part) -> None:
            self._calls.ask(
                "POST", "PostObject", place, segment_name(upload, part.number), headers=told
            ).close()

        run_all(expire, parts, self.transfer.concurrency)

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._large.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        return self._large.uploads(container, token, self.limits.page_size)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        self._large.require_mark(upload)
        parts = []
        offset = 0
        for row in self._large.segments(upload):
            digest = str(row.get("hash", ""))
            number = str(row["name"]).rpartition("/")[2]
            if not number.isdigit():
                raise ServiceError("there is something else among the segments of an upload")
            size = int(row.get("bytes", 0))
            parts.append(Part(int(number), offset, size, digest, {"md5": digest}))
            offset += size
        return Page(parts)
