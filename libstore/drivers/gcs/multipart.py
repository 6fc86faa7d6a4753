"""
Uploads in parts: in parallel by the XML API, or as one resumable stream.

The XML API has no conditions for parts, and no text beyond ASCII. Uploads with either, those with
an encryption key of their own, and all uploads to servers without that API are resumable ones:
https://cloud.google.com/storage/docs/request-preconditions and
https://cloud.google.com/storage/docs/multipart-uploads
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...errors import (
    AccessDeniedError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
)
from ...rest.confirming import Written
from ...rest.dialect import HeaderDialect
from ...rest.header_text import encode_text
from ...s3api.google_headers import SERVICE
from ...s3api.multipart import UploadRequests
from ...s3api.xml import complete_body
from ...transfer.payload import Payload
from ...values import Conditions, ObjectInfo, Page, Part, Upload, WriteOptions
from . import dialect
from .client import GCSClient
from .objects import Objects
from .options import Encryption
from .resumable import PREFIX, Resumable

_HEADERS = HeaderDialect("x-goog-meta-", storage_class="x-goog-storage-class")


class Uploads:
    """
    The uploads in parts of one driver.

    Attributes:
        resumable: The resumable uploads.
        parallel: The uploads through the XML API; `None` if the server has none.
    """

    def __init__(
        self, client: GCSClient, objects: Objects, encryption: Encryption, *, parallel: bool
    ) -> None:
        self._client = client
        self._objects = objects
        self._encryption = encryption
        self.resumable = Resumable(client)
        self.parallel = UploadRequests(client, SERVICE, ("md5",), {}) if parallel else None

    def _parallel(self, upload: Upload) -> UploadRequests | None:
        return None if upload.id.startswith(PREFIX) else self.parallel

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Start an upload, and return its id."""
        extra = options.extra
        headers = self._encryption.headers(extra)
        own_key = "customer_key" in extra or (self._encryption.customer_key and "kms_key" in extra)
        plain = options.conditions == Conditions() and not own_key and _is_ascii(options)
        if self.parallel is not None and plain:
            kms = self._encryption.kms_name(extra)
            if kms is not None and not headers:
                headers["x-goog-encryption-kms-key-name"] = kms
            return self.parallel.create(container, name, {**_write_headers(options), **headers})
        query = {**dialect.conditions(options.conditions), **self._encryption.query(extra)}
        return self.resumable.start(container, name, options, query, headers)

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send a part."""
        parallel = self._parallel(upload)
        if parallel is None:
            return self.resumable.put(upload, number, offset, payload)
        return parallel.put_part(upload, number, offset, payload, self._encryption.headers({}))

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Publish the object that consists of the parts."""
        size = sum(part.size for part in parts)
        parallel = self._parallel(upload)
        if parallel is not None:
            return self._finish_parallel(parallel, upload, parts, size, checksums)
        # The session knows whether the object was published. If the session is gone, the object
        # itself is checked.
        info = self._client.confirmer.write(
            self.resumable.finisher(upload, options, checksums),
            lambda: self._objects.head_written(upload.container, upload.name, options.extra),
            Written(size, checksums=checksums).matches,
            options.conditions,
            dialect.token_of(dialect.new_object(upload.name, options)),
            once=True,
        )
        self.resumable.forget(upload)
        return info

    def _finish_parallel(
        self,
        parallel: UploadRequests,
        upload: Upload,
        parts: Sequence[Part],
        size: int,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        container, name = upload.container, upload.name

        def complete(send: Callable[[], ObjectInfo]) -> ObjectInfo | None:
            try:
                send()
            except ObjectNotFoundError as error:
                # An earlier request, whose response was lost, may have published the object.
                raise ObjectChangedError(
                    "the upload does not exist any more: it was finished or aborted",
                    status=error.status, code=error.code, request_id=error.request_id,
                ) from None  # fmt: skip
            return None

        def check() -> ObjectInfo | None:
            info = self._objects.head(container, name)
            crc = checksums.get("crc32c")
            same = info.size == size and crc in {None, info.checksums.get("crc32c")}
            return info if same and not _is_open(parallel, upload) else None

        info = parallel.complete(
            upload, complete_body(parts), self._encryption.headers({}),
            lambda send: self._client.confirmer.once(lambda: complete(send), check),
        )  # fmt: skip
        if info is None:  # the response has neither generation nor CRC-32C
            try:
                info = self._objects.head(container, name)
            except StorageError:
                # https://cloud.google.com/storage/docs/access-control/iam-roles: an Object
                # Creator may not read the attributes of its objects.
                info = ObjectInfo(name, size=size)
        if info.size != size:
            raise IntegrityError(f"{size} bytes were sent, but Google has stored {info.size}")
        return info

    def abort(self, upload: Upload) -> None:
        """Abort an upload; a missing one is not an error."""
        (self._parallel(upload) or self.resumable).abort(upload)

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the unfinished uploads of a bucket."""
        resumable = [] if token else self.resumable.open_sessions(container)
        if self.parallel is not None:
            page = self.parallel.list(container, token)
            return replace(page, items=[*resumable, *page.items])
        try:
            self._client.require_bucket(container)
        except AccessDeniedError:
            pass  # permission to write objects does not include their bucket
        return Page(resumable)

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return one page of the parts of an upload."""
        parallel = self._parallel(upload)
        if parallel is None:
            return self.resumable.parts(upload)
        return parallel.list_parts(upload, token)


def _is_open(parallel: UploadRequests, upload: Upload) -> bool:
    try:
        parallel.list_parts(upload, None)
    except ObjectNotFoundError:
        return False
    return True


def _is_ascii(options: WriteOptions) -> bool:
    """Return whether headers can have the options unchanged."""
    texts = (
        options.content_type,
        options.cache_control or "-",
        options.content_disposition or "-",
        options.content_encoding or "-",
        options.content_language or "-",
        *options.metadata.values(),
    )
    return all(text and encode_text(text) == text for text in texts)


def _write_headers(options: WriteOptions) -> dict[str, str]:
    """Return the headers of what the XML API stores with an object."""
    headers = _HEADERS.write_headers(options)
    if "custom_time" in options.extra:
        headers["x-goog-custom-time"] = str(options.extra["custom_time"])
    if "acl" in options.extra:
        headers["x-goog-acl"] = str(options.extra["acl"])
    return headers
