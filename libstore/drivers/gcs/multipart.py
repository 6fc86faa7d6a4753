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
    IntegrityError,
    ObjectNotFoundError,
    StorageError,
)
from ...rest.dialect import CONTENT_HEADERS, HeaderDialect
from ...rest.driver import SupportsUploads
from ...rest.header_text import encode_text
from ...s3api.google_headers import SERVICE
from ...s3api.multipart import UploadRequests
from ...s3api.xml import complete_body
from ...transfer.payload import Payload
from ...values import Conditions, ObjectInfo, Page, Part, Upload, WriteOptions
from .client import GCSClient
from .objects import Objects
from .options import Encryption
from .resumable import PREFIX, Resumable

_HEADERS = HeaderDialect("x-goog-meta-", storage_class="x-goog-storage-class")


class MixedUploads:
    """
    The uploads of a driver that sends them in either way.

    Args:
        parallel: The uploads through the XML API.
        is_parallel: Returns whether an upload with these options goes through the XML API.
    """

    def __init__(
        self,
        resumable: Resumable,
        parallel: SupportsUploads,
        is_parallel: Callable[[WriteOptions], bool],
    ) -> None:
        self._resumable = resumable
        self._parallel = parallel
        self._is_parallel = is_parallel

    def _of(self, upload: Upload) -> SupportsUploads:
        return self._resumable if upload.id.startswith(PREFIX) else self._parallel

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Start an upload, and return its id."""
        way = self._parallel if self._is_parallel(options) else self._resumable
        return way.start(container, name, options)

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send a part."""
        return self._of(upload).put_part(upload, number, offset, payload)

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Publish the object that consists of the parts."""
        return self._of(upload).finish(upload, parts, options, checksums)

    def abort(self, upload: Upload) -> None:
        """Abort an upload; a missing one is not an error."""
        self._of(upload).abort(upload)

    def list(self, container: str, token: str | None) -> Page[Upload]:
        """Return one page of the unfinished uploads of a bucket."""
        sessions = [] if token else self._resumable.sessions_of(container)
        page = self._parallel.list(container, token)
        return replace(page, items=[*sessions, *page.items])

    def list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        """Return one page of the parts of an upload."""
        return self._of(upload).list_parts(upload, token)


class ParallelUploads:
    """Multipart uploads through the XML API, with the token of the JSON API."""

    def __init__(self, client: GCSClient, objects: Objects, encryption: Encryption) -> None:
        self._client = client
        self._objects = objects
        self._encryption = encryption
        self._requests = UploadRequests(client, SERVICE, ("md5",), {})
        self.abort = self._requests.abort
        self.list = self._requests.list
        self.list_parts = self._requests.list_parts

    def accepts(self, options: WriteOptions) -> bool:
        """Return whether a multipart upload can have these options."""
        extra = options.extra
        own_key = "customer_key" in extra or (self._encryption.customer_key and "kms_key" in extra)
        texts = [getattr(options, name) for name in CONTENT_HEADERS] + [*options.metadata.values()]
        is_plain = all(text is None or (text and encode_text(text) == text) for text in texts)
        return options.conditions == Conditions() and not own_key and is_plain

    def start(self, container: str, name: str, options: WriteOptions) -> str:
        """Start an upload, and return its id."""
        extra = options.extra
        headers = _HEADERS.write_headers(options)
        if "custom_time" in extra:
            headers["x-goog-custom-time"] = str(extra["custom_time"])
        if "acl" in extra:
            headers["x-goog-acl"] = str(extra["acl"])
        key = self._encryption.headers(extra)
        kms = self._encryption.kms_name(extra)
        if kms is not None and not key:
            key = {"x-goog-encryption-kms-key-name": kms}
        return self._requests.create(container, name, {**headers, **key})

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        """Send a part."""
        key = self._encryption.headers({})
        return self._requests.put_part(upload, number, offset, payload, key)

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        """Publish the object that consists of the parts."""
        size = sum(part.size for part in parts)

        def check() -> ObjectInfo | None:
            info = self._objects.head(upload.container, upload.name)
            crc = checksums.get("crc32c")
            same = info.size == size and crc in {None, info.checksums.get("crc32c")}
            return info if same and not self._is_open(upload) else None

        info = self._requests.complete(
            upload, complete_body(parts), self._encryption.headers({}),
            lambda send: self._client.confirmer.prove(send, check, once=True),
        )  # fmt: skip
        if info.size is None:  # the response to the completion has no generation either
            try:
                info = self._objects.head(upload.container, upload.name)
            except StorageError:
                # https://cloud.google.com/storage/docs/access-control/iam-roles: an Object
                # Creator may not read the attributes of its objects.
                return ObjectInfo(upload.name, size=size)
        if info.size != size:
            raise IntegrityError(f"{size} bytes were sent, but Google has stored {info.size}")
        return info

    def _is_open(self, upload: Upload) -> bool:
        try:
            self._requests.list_parts(upload, None)
        except ObjectNotFoundError:
            return False
        return True
