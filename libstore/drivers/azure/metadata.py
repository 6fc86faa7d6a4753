"""Changes of the metadata and the content type of a blob, without its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from ...errors import ObjectError, StorageError
from ...rest.checksums import base64_of
from ...rest.confirming import Written
from ...rest.copying import changed_info, require_etag
from ...rest.dialect import ascii_value, condition_headers
from ...rest.operation import Operation
from ...values import Conditions, ObjectInfo
from . import dialect, operations
from .client import AzureClient
from .dialect import Encryption
from .objects import Objects

# The codes of errors if a change is not encrypted as the blob is.
_OTHER_ENCRYPTION = frozenset(
    {
        "BlobCustomerSpecifiedEncryptionMismatch",
        "BlobDoesNotUseCustomerSpecifiedEncryption",
        "BlobUsesCustomerSpecifiedEncryption",
    }
)


class Metadata:
    """Changes the metadata and content types of the blobs of one account."""

    def __init__(self, client: AzureClient, objects: Objects, encryption: Encryption) -> None:
        self._client = client
        self._objects = objects
        self._encryption = encryption

    def replace(
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
            place: Container and name.
            info: Known attributes, for the result if the changed blob cannot be read.
            conditions: The user's.
            pin: The ETag that the blob must have, for a change that is part of another one.
        """
        if metadata is None and content_type is None:
            return info
        if metadata is not None:
            etag = self._replace_metadata(place, metadata, conditions, pin)
            info = replace(info, etag=etag, last_modified=None)
            conditions, pin = Conditions(), etag
        if content_type is not None:
            info = self._replace_type(place, content_type, conditions, pin)
        try:
            return self._objects.head(*place)
        except StorageError:
            return changed_info(info, metadata, content_type)

    def _replace_metadata(
        self,
        place: tuple[str, str],
        metadata: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
    ) -> str | None:
        return self._send(
            operations.SET_BLOB_METADATA, "metadata", place,
            dialect.metadata_headers(metadata, conditions), self._encryption.writes,
            conditions, pin, Written(metadata=metadata),
        )  # fmt: skip

    def _replace_type(
        self, place: tuple[str, str], content_type: str, conditions: Conditions, pin: str | None
    ) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-properties: what the
        # request does not name is removed.
        info = self._objects.head(*place)
        for etag in (conditions.if_match, pin):
            require_etag(info, etag)
        headers = {
            header: str(info.extra[option])
            for option, header in dialect.HEADERS.content.items()
            if option in info.extra
        }
        headers["x-ms-blob-content-type"] = ascii_value(content_type, "content_type")
        if "md5" in info.checksums:
            headers["x-ms-blob-content-md5"] = base64_of(info.checksums["md5"])
        elif "content_md5" in info.extra:  # not trusted as a checksum, but kept
            headers["x-ms-blob-content-md5"] = str(info.extra["content_md5"])
        etag = self._send(
            operations.SET_BLOB_PROPERTIES, "properties", place, headers, {},
            conditions, info.etag, Written(content_type=content_type),
        )  # fmt: skip
        return replace(info, etag=etag, last_modified=None)

    def _send(
        self,
        operation: Operation,
        component: str,
        place: tuple[str, str],
        headers: Mapping[str, str],
        encryption: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
        written: Written,
    ) -> str | None:
        """Send a change, and again if the blob is encrypted differently; return the ETag."""
        send = partial(self._send_once, operation, component, place, conditions, pin, written)
        # Reading needs no scope, but a change of metadata does; that of a content type may need
        # the key: https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/storage/
        # azure-storage-blob/tests/test_cpk_n.py and
        # https://learn.microsoft.com/en-us/azure/storage/blobs/encryption-customer-provided-keys
        try:
            return send({**headers, **encryption})
        except ObjectError as error:
            if error.code not in _OTHER_ENCRYPTION:
                raise
            wanted = self._encryption.reads or self._scope_of(place)
            if wanted == encryption:
                raise
        return send({**headers, **wanted})

    def _scope_of(self, place: tuple[str, str]) -> Mapping[str, str]:
        """Return the header of the scope that encrypts a blob, if one does."""
        scope = self._objects.head(*place).extra.get("encryption_scope")
        return {} if scope is None else {"x-ms-encryption-scope": str(scope)}

    def _send_once(
        self,
        operation: Operation,
        component: str,
        place: tuple[str, str],
        conditions: Conditions,
        pin: str | None,
        written: Written,
        headers: Mapping[str, str],
    ) -> str | None:
        required = conditions if pin is None else Conditions(if_match=pin)
        headers = {**headers, **condition_headers(required)}

        return self._client.write(
            operation, *place,
            lambda response: dialect.written_info(place[1], response.headers),
            lambda: self._objects.head(*place),
            written.matches, conditions, headers.get(dialect.TOKEN),
            query={"comp": component}, headers=headers, idempotent=required == Conditions(),
        ).etag  # fmt: skip
