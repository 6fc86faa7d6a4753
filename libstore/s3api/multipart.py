"""Multipart uploads: their steps, and the listings of uploads and parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from ..errors import NotSupportedError, ObjectNotFoundError, ServiceError, StorageError
from ..http.headers import clean_etag
from ..rest.checksums import require_digest
from ..rest.client import ServiceClient, XMLResponse
from ..rest.confirming import Written
from ..rest.dialect import condition_headers
from ..rest.reading import range_of
from ..transfer.payload import Payload
from ..values import Conditions, ObjectInfo, Page, Part, Span, Upload, WriteOptions
from . import dialect, listings, operations
from .objects import Objects, compare
from .options import ObjectSettings
from .service import Service
from .upload_starts import Starts
from .xml import complete_body

T = TypeVar("T")

# The second one is sent by gofakes3, which is in rclone and in many test servers.
_STARTED = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
# The second one is sent by moto.
_PARTS = ("ListPartsResult", "ListPartsResponse")
# Digests of parts' digests that hashlib makes.
_COMBINED = frozenset({"md5", "sha1", "sha256"})


class UploadRequests:
    """
    The requests of multipart uploads.

    Args:
        headers: The headers of requests without content.
    """

    def __init__(
        self,
        client: ServiceClient,
        service: Service,
        digests: Sequence[str],
        headers: Mapping[str, str],
    ) -> None:
        self._client = client
        self._service = service
        self._digests = digests
        self._headers = headers
        self._starts = Starts(client, self._find, self._has_parts, self._abort)

    def create(self, container: str, name: str, headers: Mapping[str, str]) -> str:
        """Start an upload with these headers and return its id."""

        def send() -> str:
            document = self._client.send_xml(
                operations.CREATE_MULTIPART_UPLOAD, container, name,
                root=_STARTED, query={"uploads": ""}, headers=headers,
            )  # fmt: skip
            upload_id = document.fields.get("UploadId")
            if not upload_id:
                raise ServiceError("the response has no upload id", status=200)
            return upload_id

        return self._starts.begin(container, name, send)

    def put_part(
        self,
        upload: Upload,
        number: int,
        offset: int,
        payload: Payload,
        headers: Mapping[str, str],
    ) -> Part:
        """Send one part."""
        service = self._service
        checksum = dialect.checksum_headers(service, payload.digest(service.digest))
        response = self._client.send(
            operations.UPLOAD_PART, upload.container, upload.name,
            query={"partNumber": str(number), "uploadId": upload.id},
            headers={**headers, **checksum}, content=payload,
        )  # fmt: skip
        response.close()
        info = dialect.written_info(upload.name, response.headers, service)
        if info.etag is None:
            raise ServiceError("the response has no ETag of the part", retryable=True)
        compare(payload, info, f"part {number}", self._digests)
        digests = {algorithm: payload.digest(algorithm) for algorithm in self._digests}
        return Part(number, offset, payload.size, info.etag, digests)

    def copy_part(
        self, upload: Upload, number: int, span: Span, headers: Mapping[str, str]
    ) -> Part:
        """Have the service copy one part; the headers name its source."""
        assert span.stop is not None
        document = self._client.send_xml(
            operations.UPLOAD_PART_COPY, upload.container, upload.name,
            root="CopyPartResult",
            query={"partNumber": str(number), "uploadId": upload.id},
            headers={**headers, "x-amz-copy-source-range": range_of(span)},
        )  # fmt: skip
        etag = clean_etag(document.fields.get("ETag"))
        if etag is None:
            raise ServiceError("the response has no ETag of the copied part")
        return Part(number, span.start, span.stop - span.start, etag)

    def complete(
        self,
        upload: Upload,
        body: bytes,
        headers: Mapping[str, str],
        write: Callable[[Callable[[], ObjectInfo]], T],
    ) -> T:
        """
        Complete an upload, and abort others that lost requests to start it have left.

        Args:
            write: Sends the request by the function that it gets, until its outcome is known.
        """

        def send() -> ObjectInfo:
            document = self._client.send_xml(
                operations.COMPLETE_MULTIPART_UPLOAD, upload.container, upload.name,
                root="CompleteMultipartUploadResult",
                query={"uploadId": upload.id},
                headers={"content-type": "application/xml", **headers}, content=body,
            )  # fmt: skip
            return dialect.result_info(upload.name, document, self._service)

        info = write(send)
        self._starts.end(upload)
        return info

    def abort(self, upload: Upload) -> None:
        """Abort an upload, and others that lost requests to start it have left."""
        try:
            self._abort(upload)
        finally:
            self._starts.end(upload)

    def _abort(self, upload: Upload) -> None:
        """Abort an upload; a missing one is not an error."""
        try:
            self._client.send_proved(
                lambda: self._is_gone(upload),
                operations.ABORT_MULTIPART_UPLOAD, upload.container, upload.name,
                query={"uploadId": upload.id}, headers=self._headers,
            )  # fmt: skip
        except StorageError as error:
            if not _is_ended(error):
                raise

    def _is_gone(self, upload: Upload) -> bool:
        try:
            self.list_parts(upload, None)
        except StorageError as error:
            return _is_ended(error)
        return False

    # ------------------------------------------------------------------ listings

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the unfinished uploads."""
        query = {"max-uploads": "1000", "uploads": ""}
        if token is not None:
            upload_id, _, query["key-marker"] = token.partition("\n")
            if upload_id:  # an empty marker is refused
                query["upload-id-marker"] = upload_id
        document = self._list(container, query)
        return Page([]) if document is None else listings.upload_page(document, container)

    def _find(self, container: str, name: str) -> tuple[Sequence[Upload], Mapping[str, str]]:
        """Return the unfinished uploads of a name, and the headers of the response."""
        document = self._list(container, {"max-uploads": "1000", "prefix": name, "uploads": ""})
        if document is None:
            return [], {}
        return listings.upload_page(document, container).items, document.headers

    def _list(self, container: str, query: Mapping[str, str]) -> XMLResponse | None:
        """Return one page of unfinished uploads; `None` if there are none."""
        encoding = {"encoding-type": "url"} if self._service.encoded_lists else {}
        try:
            document = self._send_list(container, {**query, **encoding})
            if _is_ambiguous(document):
                document = self._send_list(container, query)
        except ServiceError as error:
            if error.code != "NoSuchUpload":  # gofakes3 sends it if there are none
                raise
            return None
        if document.root == "ListBucketResult":  # the query was ignored
            raise NotSupportedError(f"{self._service.title} does not list unfinished uploads")
        return document

    def _send_list(self, container: str, query: Mapping[str, str]) -> XMLResponse:
        return self._client.send_xml(
            operations.LIST_MULTIPART_UPLOADS, container,
            root=("ListMultipartUploadsResult", "ListBucketResult"), rows=("Upload",),
            query=dict(sorted(query.items())), headers=self._headers,
        )  # fmt: skip

    def _has_parts(self, upload: Upload) -> bool:
        try:
            return bool(self.list_parts(upload, None).items)
        except ObjectNotFoundError:  # it has ended since it was listed
            return True

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return one page of the parts of an unfinished upload."""
        query = {"max-parts": "1000", "uploadId": upload.id}
        if token is not None:
            query["part-number-marker"] = token.partition(" ")[0]
        document = self._client.send_xml(
            operations.LIST_PARTS, upload.container, upload.name,
            root=_PARTS, rows=("Part",),
            query=dict(sorted(query.items())), headers=self._headers,
        )  # fmt: skip
        return listings.part_page(document, token)


class Uploads:
    """The multipart uploads of one driver."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._service = objects.service
        self._settings = objects.settings
        self.requests = UploadRequests(
            objects.client, objects.service, objects.digests, objects.settings.payer
        )
        # The settings of uploads that have options of their own, which their parts need, by id.
        self._open: dict[str, ObjectSettings] = {}

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Start an upload and return its id."""
        settings = self._settings.overridden(options.extra)
        headers = self._objects.write_headers(options, settings)
        headers |= dialect.started_headers(self._service)
        upload_id = self.requests.create(container, name, headers)
        if settings is not self._settings:
            self._open[upload_id] = settings
        return upload_id

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send one part."""
        settings = self._open.get(upload.id, self._settings)
        return self.requests.put_part(upload, number, offset, payload, settings.access)

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Complete an upload."""
        objects, conditions = self._objects, options.conditions
        objects.check_conditions(upload.container, upload.name, conditions)
        settings = self._settings.overridden(options.extra)
        token = objects.write_headers(options, settings).get(dialect.TOKEN)
        info = self.complete(upload, parts, checksums, settings, conditions, token)
        self._open.pop(upload.id, None)
        _compare_composite(info, parts)
        return objects.known.note(upload.container, replace(info, write_token=token))

    def complete(
        self,
        upload: Upload,
        parts: Sequence[Part],
        checksums: Mapping[str, str],
        settings: ObjectSettings,
        conditions: Conditions,
        token: str | None,
    ) -> ObjectInfo:
        """Complete an upload; without checksums, the service has copied its parts."""
        objects, place = self._objects, (upload.container, upload.name)
        # The checksums of parts that the service has copied are not known.
        algorithm = dialect.part_checksum(self._service) if parts[0].checksums else ""
        whole = dialect.finished_headers(self._service, checksums)
        etag = dialect.composite_etag([part.token for part in parts])
        matches = Written(sum(part.size for part in parts), etag, checksums).matches
        info = self.requests.complete(
            upload,
            complete_body(parts, algorithm),
            {**settings.access, **condition_headers(conditions), **whole},
            lambda send: objects.write(
                send, *place, settings, matches, conditions, token, once=True
            ),
        )
        if info.etag is None:
            # Some releases of Ceph return none, though the object has one:
            # https://github.com/ceph/ceph/pull/68364
            with suppress(StorageError):  # the upload is complete all the same
                info = objects.head(*place, reads=settings.reads)
        return info

    def abort(self, upload: Upload) -> None:
        """Abort an upload; a missing one is not an error."""
        self._open.pop(upload.id, None)
        self.requests.abort(upload)

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the unfinished uploads."""
        return self.requests.list(container, token)

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return one page of the parts of an unfinished upload."""
        return self.requests.list_parts(upload, token)


def _is_ended(error: StorageError) -> bool:
    """Return whether an error says that the upload does not exist any more."""
    return error.code == "NoSuchUpload" or error.status == 404


def _is_ambiguous(document: XMLResponse) -> bool:
    """Return whether names may be encoded; Ceph does not say so in this listing alone."""
    return "EncodingType" not in document.fields and any(
        "%" in row.get("Key", "") for _, row in document.rows
    )


def _compare_composite(info: ObjectInfo, parts: Sequence[Part]) -> None:
    """Raise `IntegrityError` if the service combined different parts than were sent."""
    digests = info.extra.get("composite")
    if not isinstance(digests, dict):
        return
    for algorithm, digest in digests.items():
        known = [
            part.token if algorithm == "md5" else part.checksums.get(algorithm, "")
            for part in parts
        ]
        if algorithm not in _COMBINED or not all(map(dialect.is_digest, known)):
            continue
        expected = dialect.combined(algorithm, known)
        what = f"the service combined different parts than were sent: their {algorithm}"
        require_digest(expected, digest, what)
