"""What the hooks of uploads in parts ask of Swift: segments, and the manifest that joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from ...errors import IntegrityError, NotSupportedError, ObjectAlreadyExistsError, ServiceError
from ...http.headers import clean_etag, parse_size
from ...http.message import Response
from ...rest.confirming import Written
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import Conditions, MiB, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect, operations
from .large_objects import etag_of, manifest_body, prefix_of, segment_name, segments_container
from .objects import ObjectHooks, Put, require_written

# Clocks differ, and a reader that began in time may come to the end later.
_EXPIRY_MARGIN = 3_600


class PartHooks(ObjectHooks):
    """The hooks of uploads in parts."""

    @override
    def _learn_limits(self, size: int | None) -> None:
        if size is None or size > min(self.transfer.multipart_threshold, MiB):
            self.limits = self._client.info.limits(self.limits)

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        self._checked(dialect.write_headers(options))
        if not self._client.info.has("slo"):
            raise NotSupportedError("this cluster has no static large objects")
        return self._large.start(container, name)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        if number > self.limits.max_parts:
            raise NotSupportedError(
                f"this cluster takes no more than {self.limits.max_parts} segments; give a larger"
                " part_size in TransferOptions"
            )
        digest = payload.digest("md5")
        response = self._client.send(
            operations.PUT_OBJECT, segments_container(upload.container),
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
        return self._publish(upload, parts, headers, checksums.get("md5"), options.conditions)

    def _publish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        headers: Mapping[str, str],
        md5: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        """Write the manifest; then remove the mark, and the segments of what it replaces."""
        container, name = upload.container, upload.name
        etag = etag_of(part.token for part in parts)
        # The ETag is compared with what comes back: Ceph's gateway would take one that is sent for
        # that of the manifest's text. https://github.com/ceph/ceph/blob/main/src/rgw/rgw_op.cc
        tokened = dialect.with_token(headers, conditions.token)
        sent = dialect.with_whole_md5(tokened, etag, md5, self._client.info)
        self._expire_segments(upload, parts, headers)
        body = manifest_body(segments_container(container), upload, parts)

        def put(condition: Mapping[str, str], idempotent: bool) -> ObjectInfo:
            response = self._put_manifest(upload, {**sent, **condition}, body, idempotent)
            if not idempotent:
                require_written(response)
            told = clean_etag(response.headers.get("etag"))
            if told != etag:
                raise IntegrityError(
                    f"the service has put together other parts than were sent: the ETag should be"
                    f" {etag}, but is {told}"
                )
            return ObjectInfo(name, etag=told, checksums={"md5": md5} if md5 else {},
                              version=dialect.HEADERS.version_of(response.headers))  # fmt: skip

        if not conditions.if_absent:
            confirmed = self._confirmed(container, name, put, Written(etag=etag))
            return self._publish_over(upload, confirmed)
        info = self._put_new(container, name, put, conditions, tokened.get(dialect.TOKEN))
        self._large.unmark(upload)
        return info

    def _put_manifest(
        self, upload: Upload, headers: Mapping[str, str], body: bytes, idempotent: bool
    ) -> Response:
        try:
            response = self._client.send(
                operations.PUT_OBJECT, upload.container, upload.name,
                query={"multipart-manifest": "put"}, headers=headers, content=body,
                idempotent=idempotent,
            )  # fmt: skip
        except ServiceError as error:
            if error.status == 400:  # it may lack its segments, which have gone with the container
                self._require_container(upload.container)
            raise
        response.close()
        return response

    def _publish_over(self, upload: Upload, put: Put) -> ObjectInfo:
        """Write a manifest whatever is there, and then remove the segments of what was there."""
        container, name = upload.container, upload.name
        if self._client.heeds_conditions:
            try:
                info = put({"if-none-match": "*"}, True)
            except ObjectAlreadyExistsError:
                pass
            else:
                self._large.unmark(upload)
                return info
        rivals = self._large.rivals(upload)
        # What is there may be our own already, by a try whose answer was lost.
        own = prefix_of(name, upload.id)
        segments = [path for path in self._large.replaced(container, name) if own not in path]
        info = put({}, True)
        self._large.unmark(upload)
        self._large.remove(segments)
        self._large.settle(upload, rivals)
        return info

    def _expire_segments(
        self, upload: Upload, parts: Sequence[Part], headers: Mapping[str, str]
    ) -> None:
        """Have the segments of an object that expires do so too, after it."""
        # By the service's clock where it is counted from now on: ours may be another.
        told = {
            label: str(moment + _EXPIRY_MARGIN)
            for label in ("x-delete-at", "x-delete-after")
            if (moment := parse_size(headers.get(label))) is not None
        }
        if not told:
            return
        place = segments_container(upload.container)

        def expire(part: Part) -> None:
            self._client.send(
                operations.POST_OBJECT, place, segment_name(upload, part.number), headers=told
            ).close()

        map_concurrently(expire, parts, self.transfer.concurrency)

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._large.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        return self._large.uploads(container, token)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        self._large.require_mark(upload)
        parts = []
        offset = 0
        for row in self._large.segments(upload):
            digest = str(row.get("hash", ""))
            number = dialect.name_of(row).rpartition("/")[2]
            part, size = parse_size(number), parse_size(row.get("bytes"))
            if part is None:
                raise ServiceError("there is something else among the segments of an upload")
            if size is None:
                raise ServiceError(f"the service tells no size of segment {part} of an upload")
            parts.append(Part(part, offset, size, digest, {"md5": digest}))
            offset += size
        return Page(parts)
