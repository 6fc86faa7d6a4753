"""
Uploads in parts that travel side by side, as the XML API has them.

https://cloud.google.com/storage/docs/multipart-uploads

Requests are signed with the same token as those of the JSON API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import unquote

from ...errors import IntegrityError, ObjectNotFoundError, ServiceError, StorageError
from ...http.headers import clean_etag, parse_size, parse_timestamp
from ...http.xml import write
from ...rest.checksums import base64_of
from ...rest.dialect import with_token
from ...rest.header_text import encode_text
from ...rest.operation import Operation
from ...rest.upload_starts import Starts
from ...transfer.payload import Payload
from ...values import MiB, Page, Part, Upload, WriteOptions
from . import dialect, operations
from .client import GCSClient

META = "x-goog-meta-"
#: What a document says, its rows, and the headers of the response.
_Document: TypeAlias = "tuple[Mapping[str, str], Sequence[Mapping[str, str]], Mapping[str, str]]"

_MAX_DOCUMENT = 16 * MiB
_HEADERS = {
    "cache_control": "cache-control",
    "content_disposition": "content-disposition",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "storage_class": "x-goog-storage-class",
}


class Multipart:
    """The parallel uploads of one driver."""

    def __init__(self, client: GCSClient) -> None:
        self._client = client
        self._starts = Starts(client, self._open, self._has_parts, self._drop)

    def start(
        self, bucket: str, name: str, options: WriteOptions, headers: Mapping[str, str]
    ) -> str:
        """Begin an upload, and return its id."""
        sent = {**write_headers(options), **headers}

        def send() -> str:
            told = self._xml(
                operations.START_MULTIPART, bucket, name, {"uploads": ""}, sent,
                root="InitiateMultipartUploadResult",
            )[0]  # fmt: skip
            if not told.get("UploadId"):
                raise ServiceError("Google tells no id of the upload that was begun", status=200)
            return told["UploadId"]

        return self._starts.begin(bucket, name, send)

    def end(self, upload: Upload) -> None:
        """Drop what lost requests for an upload have begun, now that it has ended itself."""
        self._starts.end(upload)

    def put(
        self,
        upload: Upload,
        number: int,
        offset: int,
        payload: Payload,
        headers: Mapping[str, str],
    ) -> Part:
        """Send one part."""
        md5 = payload.digest("md5")
        response = self._client.send(
            operations.PUT_PART, upload.container,
            path=self._path(upload.container, upload.name),
            query={"partNumber": str(number), "uploadId": upload.id},
            headers={**headers, "content-md5": base64_of(md5)},
            content=payload,
        )  # fmt: skip
        response.close()
        etag = clean_etag(response.headers.get("etag"))
        if etag is None:
            raise ServiceError("Google tells no ETag of a part", retryable=True)
        told = dialect.header_digests(response.headers.get("x-goog-hash")).get("md5")
        if told not in {None, md5}:
            raise IntegrityError(
                f"Google has stored another part {number} than was sent: its md5 should be {md5},"
                f" but is {told}"
            )
        return Part(number, offset, payload.size, etag, {"md5": md5})

    def finish(self, upload: Upload, parts: Sequence[Part], headers: Mapping[str, str]) -> None:
        """Put the parts together; sent again, it has no effect."""
        body = write(
            "CompleteMultipartUpload",
            [
                ("Part", [("PartNumber", str(part.number)), ("ETag", f'"{part.token}"')])
                for part in parts
            ],
        )
        self._xml(
            operations.FINISH_MULTIPART, upload.container, upload.name, {"uploadId": upload.id},
            {**headers, "content-type": "application/xml"},
            root="CompleteMultipartUploadResult", content=body,
        )  # fmt: skip

    def abort(self, upload: Upload) -> None:
        """Drop an upload, and what lost requests for it have begun; a missing one is no error."""
        try:
            self._drop(upload)
        finally:
            self.end(upload)

    def _drop(self, upload: Upload) -> None:
        def send() -> bool:
            self._client.send(
                operations.ABORT_MULTIPART, path=self._path(upload.container, upload.name),
                query={"uploadId": upload.id},
            ).close()  # fmt: skip
            return True

        def look() -> bool | None:
            try:
                self.parts(upload, None)
            except ObjectNotFoundError:
                return True
            return None

        try:
            self._client.confirmer.prove(send, look)
        except StorageError as error:
            if error.status != 404:
                raise

    def _open(self, bucket: str, name: str) -> tuple[Sequence[Upload], Mapping[str, str]]:
        """Return the uploads of a name that are under way, and the headers of the response."""
        query = {"encoding-type": "url", "max-uploads": "1000", "prefix": name, "uploads": ""}
        _, found, headers = self._listed(bucket, query)
        return found, headers

    def _listed(
        self, bucket: str, query: Mapping[str, str]
    ) -> tuple[Mapping[str, str], list[Upload], Mapping[str, str]]:
        """Return what a page says, the uploads on it, and the headers of the response."""
        told, rows, headers = self._xml(
            operations.LIST_MULTIPARTS, bucket, "", query, {},
            root="ListMultipartUploadsResult", row="Upload",
        )  # fmt: skip
        encoded = told.get("EncodingType") == "url"
        found = [
            Upload(
                bucket,
                _name(row.get("Key", ""), encoded),
                row.get("UploadId", ""),
                parse_timestamp(row.get("Initiated")),
            )
            for row in rows
        ]
        return told, found, headers

    def _has_parts(self, upload: Upload) -> bool:
        try:
            return bool(self.parts(upload, None).items)
        except ObjectNotFoundError:  # it has ended since it was listed
            return True

    def uploads(self, bucket: str, token: str | None) -> Page[Upload]:
        """Return one page of the uploads that are under way."""
        # XML cannot hold every name: https://cloud.google.com/storage/docs/xml-api/get-bucket-uploads
        query = {"encoding-type": "url", "max-uploads": "1000", "uploads": ""}
        if token is not None:
            upload_id, _, query["key-marker"] = token.partition("\n")
            if upload_id:  # an empty marker is refused
                query["upload-id-marker"] = upload_id
        told, found, _ = self._listed(bucket, query)
        encoded = told.get("EncodingType") == "url"
        if told.get("IsTruncated") != "true":
            return Page(found)
        last = found[-1] if found else Upload(bucket, "", "")
        marker = _name(told.get("NextKeyMarker", ""), encoded) or last.name
        upload_id = told.get("NextUploadIdMarker", last.id if marker == last.name else "")
        if not marker:
            raise _nowhere()
        return Page(found, f"{upload_id}\n{marker}")

    def parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return one page of the parts that have arrived."""
        number, _, offset = (token or "0:0").rpartition(":")
        query = {"max-parts": "1000", "uploadId": upload.id}
        if token is not None:
            query["part-number-marker"] = number
        told, rows, _ = self._xml(
            operations.LIST_PARTS, upload.container, upload.name, query, {},
            root="ListPartsResult", row="Part",
        )  # fmt: skip
        found = []
        at = int(offset)
        for row in rows:
            size, part = parse_size(row.get("Size")), parse_size(row.get("PartNumber"))
            if size is None or not part:
                raise ServiceError("the service tells no number or no size of a part")
            if part <= int(number):
                raise ServiceError(f"Google's listing of parts does not advance behind {number}")
            etag = clean_etag(row.get("ETag")) or ""
            found.append(Part(part, at, size, etag))
            at += size
        if told.get("IsTruncated") != "true":
            return Page(found)
        last = str(found[-1].number) if found else told.get("NextPartNumberMarker", "")
        if not parse_size(last):
            raise _nowhere()
        return Page(found, f"{last}:{at}")

    # ------------------------------------------------------------------ beneath

    def _path(self, bucket: str, name: str) -> str:
        return self._client.endpoint.public(bucket, name)

    def _xml(
        self,
        operation: Operation,
        bucket: str,
        name: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        root: str,
        row: str = "-",
        content: bytes | None = None,
    ) -> _Document:
        response = self._client.send_xml(
            operation, bucket,
            root=root, rows={row}, limit=_MAX_DOCUMENT,
            path=self._path(bucket, name), query=query, headers=headers, content=content,
        )  # fmt: skip
        return response.fields, [fields for _, fields in response.rows], response.headers


def _nowhere() -> ServiceError:
    return ServiceError("Google says that there is another page, but not where")


def _name(text: str, encoded: bool) -> str:
    """Return a name as it is."""
    return unquote(text.replace("+", " ")) if encoded else text


def write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what is kept with an object."""
    headers = {"content-type": options.content_type}
    for ours, theirs in _HEADERS.items():
        value = getattr(options, ours)
        if value is not None:
            headers[theirs] = encode_text(value)
    for key, value in options.metadata.items():
        headers[META + key] = encode_text(value)
    headers = with_token(headers, options.conditions, META, dialect.MAX_METADATA)
    if "custom_time" in options.extra:
        headers["x-goog-custom-time"] = str(options.extra["custom_time"])
    if "acl" in options.extra:
        headers["x-goog-acl"] = str(options.extra["acl"])
    return headers
