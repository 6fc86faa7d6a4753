"""Blobs: how they are read, written, changed and deleted, and the rows of their listings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ... import rest
from ...errors import AuthenticationError, ContainerNotFoundError, ObjectError, StorageError
from ...rest.batches import read_batch, write_batch
from ...rest.client import StartedRequest
from ...rest.copying import changed_info, require_etag
from ...rest.dialect import parameters
from ...transfer.payload import Payload
from ...values import (
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    DeleteOutcome,
    ListQuery,
    ObjectInfo,
    Page,
    Reading,
    Span,
    Undecided,
    WriteOptions,
)
from . import dialect, operations
from .client import PAGE_SIZE, AzureClient
from .dialect import Row
from .endpoints import check_root_name

_log = logging.getLogger(__name__)


class Objects:
    """The blobs of one account."""

    def __init__(self, client: AzureClient) -> None:
        self._client = client

    # ------------------------------------------------------------------ reading

    def head(
        self,
        container: str,
        name: str,
        version: str | None = None,
        encryption: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Return the attributes of a blob, which may have its own encryption."""
        reads = self._client.encryption.reads if encryption is None else encryption
        response = self._client.send(
            operations.GET_BLOB_PROPERTIES, container, name,
            query=_version_query(version), headers=reads,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, rest.size_of_head(response))

    def head_written(self, container: str, name: str, encryption: Mapping[str, str]) -> ObjectInfo:
        """Return the blob that is stored after a write with these headers of its encryption."""
        # Reading needs no scope, and is refused with a key that is not the blob's.
        reads = encryption if "x-ms-encryption-key" in encryption else {}
        return self.head(container, name, None, reads)

    def start(self, container: str, name: str, version: str | None) -> StartedRequest | None:
        """Send the request of `open` for the whole blob."""
        return self._client.start(
            operations.GET_BLOB, container, name,
            query=_version_query(version), headers=self._client.encryption.reads,
        )  # fmt: skip

    def open(
        self,
        container: str,
        name: str,
        span: Span,
        conditions: Conditions,
        version: str | None,
        started: StartedRequest | None = None,
    ) -> Reading:
        """Request the content of a blob, unless `start` has done so."""
        if span.start < 0:
            # There are no ranges that count from the end:
            # https://learn.microsoft.com/en-us/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations
            head = self.head(container, name, version)
            span = span.clamp(head.size) if head.size else WHOLE
            if conditions == UNCONDITIONAL:
                conditions = Conditions(if_match=head.etag)
        response = self._client.send(
            operations.GET_BLOB, container, name,
            query=_version_query(version),
            headers={**self._client.encryption.reads, **rest.read_headers(span, conditions)},
            started=started,
        )  # fmt: skip
        sent, size = rest.sent_span(response)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response, response.close)

    # ------------------------------------------------------------------ writing

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        """Write a blob with one request."""
        check_root_name(container, name)
        conditions = options.conditions
        encryption = self._client.encryption.of(options.extra)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "content-md5": rest.base64_of(payload.digest("md5")),
            **dialect.write_headers(options),
            **encryption,
            **rest.condition_headers(conditions),
        }

        def read(response: rest.Response) -> ObjectInfo:
            md5 = rest.hex_digest("md5", response.headers.get("content-md5"))
            return dialect.written_info(name, response.headers, md5)

        return self._client.write(
            operations.PUT_BLOB, container, name, read,
            lambda: self.head_written(container, name, encryption),
            rest.Written(content=payload).matches,
            conditions, headers.get(dialect.TOKEN), headers=headers, content=payload,
        )  # fmt: skip

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        """Delete a blob or one of its versions."""
        headers = rest.condition_headers(conditions)
        if version is None:
            # https://learn.microsoft.com/en-us/rest/api/storageservices/delete-blob: a blob that
            # has snapshots is deleted together with them, or not at all.
            headers["x-ms-delete-snapshots"] = "include"
        self._client.delete(
            operations.DELETE_BLOB, container, name,
            lambda: self.head(container, name), conditions,
            query=_version_query(version), headers=headers,
        )  # fmt: skip

    def delete_many(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        """Delete blobs with one request; those that are not known to be deleted are undecided."""
        deleted: set[int | None] = set()
        if len(names) > 1:
            try:
                # A blob that was not deleted is deleted by itself, which also shows the reason.
                # With a hierarchical namespace it may be a directory that was not empty yet, since
                # a batch deletes in any order:
                # https://learn.microsoft.com/en-us/azure/storage/blobs/data-lake-storage-known-issues
                deleted = self._delete_batch(container, names)
            except (ContainerNotFoundError, AuthenticationError):
                raise
            except StorageError as error:
                # Some accounts, signatures and emulators do not support batches.
                _log.debug("the batch failed, so blobs are deleted one by one: %s", error)
        return [None if number in deleted else Undecided() for number in range(len(names))]

    def _delete_batch(self, container: str, names: Sequence[str]) -> set[int | None]:
        """Send a batch, and return the numbers of the blobs that are deleted."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch
        headers, content = write_batch(
            (str(number), self._batched_delete(container, name))
            for number, name in enumerate(names)
        )
        response = self._client.send(
            operations.DELETE_BATCH, container,
            query={"comp": "batch", "restype": "container"},
            headers=headers, content=content,
        )  # fmt: skip
        return {
            one.number
            for one in read_batch(response, self._client.max_document)
            if one.status == 202 or (one.status == 404 and b"BlobNotFound" in one.content)
        }

    def _batched_delete(self, container: str, name: str) -> str:
        """Return one request of a batch, which has a signature of its own."""
        access = self._client.access
        target = self._client.target(access.endpoint.path(container, name), None)
        headers = {"x-ms-delete-snapshots": "include"}
        request = rest.Request("DELETE", access.endpoint.url, target, headers)
        signed = access.signer.sign(request, self._client.signing_time())
        lines = [f"{name}: {value}\r\n" for name, value in signed.items()]
        return f"DELETE {target} HTTP/1.1\r\n{''.join(lines)}content-length: 0\r\n"

    # ------------------------------------------------------------------ changing

    def change(
        self,
        place: tuple[str, str],
        info: ObjectInfo,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
        pin: str | None = None,
    ) -> ObjectInfo:
        """
        Replace metadata and content type of a blob; `None` leaves either as it is.

        Args:
            info: Known attributes, for the result if the changed blob cannot be read.
            pin: The ETag that the blob must have, for a change that is part of another one.
        """
        if metadata is None and content_type is None:
            return info
        if metadata is not None:
            etag = self._set_metadata(place, metadata, conditions, pin)
            info = replace(info, etag=etag, last_modified=None)
            conditions, pin = Conditions(), etag
        if content_type is not None:
            info = self._set_content_type(place, content_type, conditions, pin)
        try:
            return self.head(*place)
        except StorageError:
            return changed_info(info, metadata, content_type)

    def _set_metadata(
        self,
        place: tuple[str, str],
        metadata: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
    ) -> str | None:
        headers = dialect.metadata_headers(metadata, conditions)
        headers.update(self._client.encryption.writes)
        written = rest.Written(metadata=metadata)
        try:
            return self._send_change("metadata", place, headers, conditions, pin, written)
        except ObjectError as error:
            if "CustomerSpecifiedEncryption" not in (error.code or ""):
                raise
            # Reading needs no scope, but a change of metadata needs the one of the blob:
            # https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/storage/
            # azure-storage-blob/tests/test_cpk_n.py
            scope = self.head(*place).extra.get("encryption_scope")
            if scope == headers.pop("x-ms-encryption-scope", None):
                raise
        if scope is not None:
            headers["x-ms-encryption-scope"] = str(scope)
        return self._send_change("metadata", place, headers, conditions, pin, written)

    def _set_content_type(
        self, place: tuple[str, str], content_type: str, conditions: Conditions, pin: str | None
    ) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-properties: what the
        # request does not name is removed.
        info = self.head(*place)
        for etag in (conditions.if_match, pin):
            require_etag(info, etag)
        headers = dialect.HEADERS.kept_headers(info, {}, content_type)
        headers.update(self._client.encryption.reads)
        md5 = info.extra.get("content_md5")  # not trusted as a checksum, but kept
        if "md5" in info.checksums:
            md5 = rest.base64_of(info.checksums["md5"])
        if md5 is not None:
            headers["x-ms-blob-content-md5"] = str(md5)
        written = rest.Written(content_type=content_type)
        etag = self._send_change("properties", place, headers, conditions, info.etag, written)
        return replace(info, etag=etag, last_modified=None)

    def _send_change(
        self,
        component: str,
        place: tuple[str, str],
        headers: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
        written: rest.Written,
    ) -> str | None:
        """Send a change, and return the new ETag."""
        required = conditions if pin is None else Conditions(if_match=pin)
        headers = {**headers, **rest.condition_headers(required)}
        return self._client.write(
            operations.CHANGES[component], *place,
            lambda response: dialect.written_info(place[1], response.headers),
            lambda: self.head(*place),
            written.matches, conditions, headers.get(dialect.TOKEN),
            query={"comp": component}, headers=headers, idempotent=required == Conditions(),
        ).etag  # fmt: skip

    # ------------------------------------------------------------------ listing

    def rows(
        self,
        container: str,
        query: ListQuery,
        token: str | None,
        limit: int = PAGE_SIZE,
        include: str = "",
    ) -> Page[Row]:
        """Return the rows of one page."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
        fields = {
            "comp": "list",
            "delimiter": query.delimiter,
            "include": include,
            "marker": token or "",
            "maxresults": str(min(limit, PAGE_SIZE)),
            "prefix": query.prefix,
            "restype": "container",
        }
        page = self._client.send_xml(
            operations.LIST_BLOBS, container,
            root="EnumerationResults", rows=("Blob", "BlobPrefix"),
            query=parameters(fields),
        )  # fmt: skip
        return Page(page.rows, page.fields.get("NextMarker") or None)


def _version_query(version: str | None) -> dict[str, str] | None:
    return {"versionid": version} if version else None
