"""The steps of an upload in parts, whether its parts are sent or copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import IntegrityError, ServiceError, StorageError
from ...http.headers import clean_etag
from ...rest.reading import range_of
from ...rest.upload_starts import Find, Starts
from ...values import ObjectInfo, Part, Span, Upload
from . import dialect, operations
from .client import S3Client
from .services import Service
from .settings import Settings

# The second one is sent by gofakes3, which is in rclone and in many test servers.
_STARTED = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
#: The second one is sent by moto.
PARTS = ("ListPartsResult", "ListPartsResponse")


class Uploads:
    """
    Starts, finishes and aborts the uploads in parts of one driver.

    Args:
        head: Returns an object of a bucket, in one version or the current one, with the headers
            of reads.
        find: Lists the open uploads of a name.
        has_parts: Returns whether an upload has any parts.
    """

    def __init__(
        self,
        client: S3Client,
        service: Service,
        settings: Settings,
        head: Callable[[str, str, str | None, Mapping[str, str]], ObjectInfo],
        find: Find,
        has_parts: Callable[[Upload], bool],
    ) -> None:
        self._client = client
        self._service = service
        self._settings = settings
        self._head = head
        self._starts = Starts(client, find, has_parts, self.drop)

    def start(self, container: str, name: str, headers: Mapping[str, str]) -> str:
        """Start an upload and return its id."""

        def send() -> str:
            document = self._client.send_xml(
                operations.CREATE_MULTIPART_UPLOAD, container, name,
                root=_STARTED, query={"uploads": ""}, headers=headers,
            )  # fmt: skip
            upload_id = document.fields.get("UploadId")
            if not upload_id:
                raise ServiceError(
                    "the response has no id of the upload that was begun", status=200
                )
            return upload_id

        return self._starts.begin(container, name, send)

    def finish(
        self,
        upload: Upload,
        body: bytes,
        headers: Mapping[str, str],
        settings: Settings,
        write: Callable[[Callable[[], ObjectInfo]], ObjectInfo],
    ) -> ObjectInfo:
        """
        Complete an upload, and abort others that lost requests to start it have left.

        Args:
            body: The parts.
            settings: Those that the upload was started with.
            write: Sends the request by the function that it gets, until its outcome is known.
        """

        def send() -> ObjectInfo:
            return self._complete(upload, body, headers, settings)

        info = write(send)
        self._starts.end(upload)
        return info

    def _complete(
        self, upload: Upload, body: bytes, headers: Mapping[str, str], settings: Settings
    ) -> ObjectInfo:
        document = self._client.send_xml(
            operations.COMPLETE_MULTIPART_UPLOAD, upload.container, upload.name,
            root="CompleteMultipartUploadResult",
            query={"uploadId": upload.id},
            headers={"content-type": "application/xml", **settings.access, **headers},
            content=body,
        )  # fmt: skip
        info = dialect.result_info(upload.name, document, self._service)
        if info.etag is not None:
            return info
        # Some releases of Ceph return none, though the object has one:
        # https://github.com/ceph/ceph/pull/68364
        try:
            found = self._head(upload.container, upload.name, None, settings.reads)
        except StorageError:  # the upload is complete all the same
            return info
        if found.etag is None:
            raise IntegrityError("the response has no ETag of the object that was put together")
        return found

    def abort(self, upload: Upload) -> None:
        """Abort an upload, and others that lost requests to start it have left."""
        try:
            self.drop(upload)
        finally:
            self._starts.end(upload)

    def drop(self, upload: Upload) -> None:
        """Abort an upload; one that does not exist is no error."""

        def send() -> bool:
            self._client.send(
                operations.ABORT_MULTIPART_UPLOAD, upload.container, upload.name,
                query={"uploadId": upload.id}, headers=self._settings.payer,
            ).close()  # fmt: skip
            return True

        def is_gone() -> bool | None:
            try:
                self._client.send_xml(
                    operations.LIST_PARTS, upload.container, upload.name,
                    root=PARTS, query={"max-parts": "1", "uploadId": upload.id},
                    headers=self._settings.payer,
                )  # fmt: skip
            except StorageError as error:
                return True if _is_ended(error) else None
            return None

        try:
            self._client.confirmer.prove(send, is_gone)
        except StorageError as error:
            if not _is_ended(error):
                raise

    def copy_part(
        self, upload: Upload, number: int, span: Span, headers: Mapping[str, str]
    ) -> Part:
        """Have the service copy one part; the headers name its source."""
        assert span.stop is not None
        ranged = {**headers, "x-amz-copy-source-range": range_of(span)}
        document = self._client.send_xml(
            operations.UPLOAD_PART_COPY, upload.container, upload.name,
            root="CopyPartResult",
            query={"partNumber": str(number), "uploadId": upload.id}, headers=ranged,
        )  # fmt: skip
        etag = clean_etag(document.fields.get("ETag"))
        if etag is None:
            raise ServiceError("the response has no ETag of the part that was copied")
        return Part(number, span.start, span.stop - span.start, etag)


def _is_ended(error: StorageError) -> bool:
    """Return whether an error says that the upload does not exist any more."""
    return error.code == "NoSuchUpload" or error.status == 404
