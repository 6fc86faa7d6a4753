"""Uploads in parts: segments, and the manifest that joins them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, unquote

from ... import rest
from ...errors import (
    AccessDeniedError,
    ContainerNotFoundError,
    NotSupportedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
)
from ...listing import iterate_pages
from ...rest.checksums import require_digest
from ...rest.confirming import is_lost
from ...transfer.payload import Payload
from ...transfer.workers import map_concurrently
from ...values import ListQuery, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect, operations
from .client import SwiftClient
from .large_objects import (
    MARKERS,
    LargeObjects,
    etag_of,
    is_made_of,
    manifest_body,
    prefix_of,
    segment_name,
    segments_container,
)
from .objects import Objects

_log = logging.getLogger("libstore")

_TYPE = "application/octet-stream"
# Begins the object's name in the content type of a marker.
_NAME = "libstore-name="
# Clocks differ, and a reader that began in time may reach the end later.
_EXPIRY_MARGIN = 3_600
_EXPIRING_AT_ONCE = 8


class Uploads:
    """The uploads in parts of one account."""

    def __init__(self, client: SwiftClient, large: LargeObjects, objects: Objects) -> None:
        self._client = client
        self._large = large
        self._objects = objects

    # ------------------------------------------------------------------ beginnings

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Begin an upload, if the cluster can store the object, and return its id."""
        self._objects.checked(dialect.write_headers(options))
        if not self._client.info.has("slo"):
            raise NotSupportedError("this cluster has no static large objects")
        return self.begin(container, name)

    def begin(self, container: str, name: str) -> str:
        """Write the marker of an upload, and return the upload's id."""
        upload = Upload(container, name, secrets.token_hex(12))
        try:
            try:
                self._mark(upload)
            except ContainerNotFoundError:
                self._create_segments_container(container)
                self._mark(upload)
        except BaseException as error:
            if not isinstance(error, StorageError) or is_lost(error):
                with self._client.cleanup_budget():
                    self._unmark(upload)
            raise
        return upload.id

    def _create_segments_container(self, container: str) -> None:
        headers = self._client.head_container(container)
        # The segments of an object need the same access rights as the object.
        kept = {
            name: headers[name]
            for name in ("x-container-read", "x-container-write", "x-storage-policy")
            if headers.get(name)
        }
        place = segments_container(container)
        self._client.send(operations.PUT_CONTAINER, place, headers=kept).close()

    def _mark(self, upload: Upload) -> None:
        headers = {"content-type": f"{_TYPE};{_NAME}{quote(upload.name, safe='')}"}
        place = segments_container(upload.container)
        self._client.send(
            operations.PUT_OBJECT, place, MARKERS + upload.id, headers=headers
        ).close()

    def _unmark(self, upload: Upload) -> None:
        """Delete the marker of an upload that has ended; log a failure."""
        self._large.deleter.remove(
            [f"/{segments_container(upload.container)}/{MARKERS}{upload.id}"]
        )

    # ------------------------------------------------------------------ parts

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Write one segment."""
        digest = payload.digest("md5")
        response = self._client.send(
            operations.PUT_OBJECT, segments_container(upload.container),
            segment_name(upload, number), headers={"etag": digest, "content-type": _TYPE},
            content=payload,
        )  # fmt: skip
        response.close()
        etag = rest.clean_etag(response.headers.get("etag"))
        require_digest(
            digest, etag, f"the service stored different bytes for part {number}: their MD5"
        )
        return Part(number, offset, payload.size, digest, {"md5": digest})

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return the segments of an unfinished upload."""
        if not self._large.is_unfinished(upload):
            raise ObjectNotFoundError(
                "the upload does not exist; it was finished or aborted", status=404
            )
        parts = []
        offset = 0
        for row in self._rows(upload):
            name, digest = dialect.name_of(row), str(row.get("hash", ""))
            size = rest.parse_size(row.get("bytes"))
            number = rest.parse_size(name.rpartition("/")[2])
            if number is None or size is None:
                raise ServiceError(f"the segment {name!r} of an upload has no number or no size")
            parts.append(Part(number, offset, size, digest, {"md5": digest}))
            offset += size
        return Page(parts)

    def _segments(self, upload: Upload) -> Iterator[str]:
        """Return the paths of the segments of an upload."""
        place = segments_container(upload.container)
        return (f"/{place}/{dialect.name_of(row)}" for row in self._rows(upload))

    def _rows(self, upload: Upload) -> Iterator[dialect.Row]:
        prefix = prefix_of(upload.name, upload.id)
        return self._client.rows(segments_container(upload.container), prefix)

    # ------------------------------------------------------------------ the end

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """
        Write the manifest; then delete the marker, and the segments of the replaced object.

        Args:
            headers: The headers of the object, if they are not those of the options.
        """
        headers = dialect.write_headers(options) if headers is None else headers
        etag, md5 = etag_of(part.token for part in parts), checksums.get("md5")
        headers = dialect.with_own(headers, dialect.TOKEN, options.conditions.token)
        headers = dialect.with_whole_md5(headers, etag, md5, self._client.info)
        self._expire_segments(upload, parts, headers)

        def read(response: rest.Response) -> ObjectInfo:
            info = dialect.written_info(upload.name, response.headers)
            # The ETag is not sent, because Ceph's gateway would compare it with that of the
            # manifest's text: https://github.com/ceph/ceph/blob/main/src/rgw/rgw_op.cc
            require_digest(etag, info.etag, "the service combined different parts: the ETag")
            return replace(info, checksums={"md5": md5} if md5 else {})

        rivals: list[Upload] = []
        try:
            info = self._objects.write(
                upload.container, upload.name, manifest_body(upload, parts), headers,
                options.conditions, read, rest.Written(etag=etag),
                query={"multipart-manifest": "put"}, own=prefix_of(upload.name, upload.id),
                before_replacing=lambda: rivals.extend(self._rivals(upload)),
            )  # fmt: skip
        except ServiceError as error:
            if error.status == 400:  # segments are missing if the container was deleted meanwhile
                self._client.require_container(upload.container)
            raise
        self._unmark(upload)
        self._remove_superseded(upload, rivals)
        return info

    def _expire_segments(
        self, upload: Upload, parts: Sequence[Part], headers: Mapping[str, str]
    ) -> None:
        """Have the segments of an object that expires do so after it."""
        # A time from now on is counted by the service's clock, which may differ from this one.
        expiry = {
            name: str(seconds + _EXPIRY_MARGIN)
            for name in ("x-delete-at", "x-delete-after")
            if (seconds := rest.parse_size(headers.get(name))) is not None
        }
        if not expiry:
            return
        place = segments_container(upload.container)

        def expire(part: Part) -> None:
            name = segment_name(upload, part.number)
            self._client.send(operations.POST_OBJECT, place, name, headers=expiry).close()

        map_concurrently(expire, parts, _EXPIRING_AT_ONCE)

    # ------------------------------------------------------------------ concurrent uploads

    def _rivals(self, upload: Upload) -> list[Upload]:
        """Return the other unfinished uploads of the same object."""
        pages = iterate_pages(
            lambda token: self.list(upload.container, token), f"uploads in {upload.container!r}"
        )
        try:
            found = [one for page in pages for one in page.items if one.name == upload.name]
        except AccessDeniedError:
            return []
        return [one for one in found if one.id != upload.id]

    def _remove_superseded(self, upload: Upload, rivals: Sequence[Upload]) -> None:
        """Delete the segments of the uploads that lost, if two or more replaced one object."""
        # Each of them deletes the segments of the object that it found, which may not be those of
        # another one's object. So each checks once more after its own marker is deleted: the last
        # one to do so knows which uploads have ended, and which segments the object has.
        try:
            if not rivals or self._large.keeps_versions(upload.container):
                return
            ended = [one for one in (upload, *rivals) if not self._large.is_unfinished(one)]
            entries = self._large.manifest(upload.container, upload.name)
            if entries is not None:
                for one in ended:
                    if not is_made_of(entries, one):
                        self._large.deleter.remove(self._segments(one))
        except StorageError as error:
            _log.warning("could not check for segments that belong to no object: %s", error)

    # ------------------------------------------------------------------ unfinished uploads

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads that have a marker."""
        try:
            page = self._client.page(segments_container(container), ListQuery(MARKERS), token)
        except ContainerNotFoundError:
            self._client.require_container(container)
            return Page([])
        uploads = [
            Upload(
                container,
                unquote(str(row.get("content_type", "")).rpartition(_NAME)[2]),
                dialect.name_of(row).removeprefix(MARKERS),
                rest.parse_timestamp(str(row.get("last_modified"))),
            )
            for row in page.items
        ]
        return Page(uploads, page.token)

    def abort(self, upload: Upload) -> None:
        """Delete the marker of an upload, and its segments unless the object consists of them."""
        try:
            paths = list(self._segments(upload))
        except ContainerNotFoundError:
            return
        if paths:
            entries = self._large.manifest(upload.container, upload.name)
            if entries is not None and not is_made_of(entries, upload):
                for error in self._large.deleter.delete(paths).errors:
                    if error is not None:
                        raise error
        self._unmark(upload)
        try:
            self._client.require_container(upload.container)
        except ContainerNotFoundError:  # its container of segments may have been created since
            with suppress(StorageError):  # it is in use, or deleted
                place = segments_container(upload.container)
                self._client.send(operations.DELETE_CONTAINER, place).close()
