"""Changes of the metadata and the content type of a blob, which leave its content where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import ObjectError, StorageError
from ...http.headers import clean_etag
from ...rest.checksums import base64_of
from ...rest.confirming import StoredObject, Written
from ...rest.copying import changed_info, require_etag
from ...rest.dialect import ascii_value, condition_headers
from ...rest.operation import Operation
from ...values import Conditions, ObjectInfo
from . import dialect, operations
from .client import AzureClient

# The codes of errors if a change is not encrypted as the blob is.
_OTHER_ENCRYPTION = frozenset(
    {
        "BlobCustomerSpecifiedEncryptionMismatch",
        "BlobDoesNotUseCustomerSpecifiedEncryption",
        "BlobUsesCustomerSpecifiedEncryption",
    }
)


class MetadataChanger:
    """
    Changes the metadata and content types of the blobs of one account.

    Args:
        head: Returns a blob of a container, in one version or the current one.
        access: The headers of the encryption of what is read and changed.
        encryption: The headers of the encryption of what is written.
    """

    def __init__(
        self,
        client: AzureClient,
        head: Callable[[str, str, str | None], ObjectInfo],
        access: Mapping[str, str],
        encryption: Mapping[str, str],
    ) -> None:
        self._client = client
        self._head = head
        self._access = access
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
            info: Known attributes, for the result if the changed blob cannot be read.
            conditions: The user's.
            pin: The ETag that the blob must have, for a change that is part of another one.
        """
        if metadata is None and content_type is None:
            return info
        if metadata is not None:
            etag = self._replace_metadata(place, metadata, conditions, pin).etag
            info = replace(info, etag=etag, last_modified=None)
            conditions, pin = Conditions(), etag
        if content_type is not None:
            info = self._replace_type(place, content_type, conditions, pin)
        try:
            return self._head(*place, None)
        except StorageError:
            return changed_info(info, metadata, content_type)

    def _replace_metadata(
        self,
        place: tuple[str, str],
        metadata: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
    ) -> ObjectInfo:
        headers = dialect.metadata_headers(metadata, conditions)

        def send(encryption: Mapping[str, str]) -> ObjectInfo:
            return self._send_once(
                operations.SET_BLOB_METADATA, "metadata", place, {**headers, **encryption},
                conditions, pin, Written(metadata=metadata),
            )  # fmt: skip

        return self._send_encrypted(place, self._encryption, send)

    def _replace_type(
        self, place: tuple[str, str], content_type: str, conditions: Conditions, pin: str | None
    ) -> ObjectInfo:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-properties: what the
        # request does not name is removed.
        info = self._head(*place, None)
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

        def send(encryption: Mapping[str, str]) -> ObjectInfo:
            return self._send_once(
                operations.SET_BLOB_PROPERTIES, "properties", place, {**headers, **encryption},
                conditions, info.etag, Written(content_type=content_type),
            )  # fmt: skip

        done = self._send_encrypted(place, {}, send)
        return replace(info, etag=done.etag, last_modified=None)

    def _send_encrypted(
        self,
        place: tuple[str, str],
        encryption: Mapping[str, str],
        send: Callable[[Mapping[str, str]], ObjectInfo],
    ) -> ObjectInfo:
        """Send a change, and once more with the blob's own encryption if that was not the same."""
        # Reading needs no scope, but a change of metadata does; that of a content type may need
        # the key: https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/storage/
        # azure-storage-blob/tests/test_cpk_n.py and
        # https://learn.microsoft.com/en-us/azure/storage/blobs/encryption-customer-provided-keys
        try:
            return send(encryption)
        except ObjectError as error:
            if error.code not in _OTHER_ENCRYPTION:
                raise
            wanted = self._access or self._scope_of(place)
            if wanted == encryption:
                raise
        return send(wanted)

    def _scope_of(self, place: tuple[str, str]) -> Mapping[str, str]:
        """Return the header of the scope that encrypts a blob, if one does."""
        scope = self._head(*place, None).extra.get("encryption_scope")
        return {} if scope is None else {"x-ms-encryption-scope": str(scope)}

    def _send_once(
        self,
        operation: Operation,
        component: str,
        place: tuple[str, str],
        headers: Mapping[str, str],
        conditions: Conditions,
        pin: str | None,
        written: Written,
    ) -> ObjectInfo:
        required = conditions if pin is None else Conditions(if_match=pin)
        bound = required != Conditions()
        all_headers = {**headers, **condition_headers(required)}

        def send() -> ObjectInfo:
            response = self._client.send(
                operation, *place,
                query={"comp": component}, headers=all_headers, idempotent=not bound,
            )  # fmt: skip
            response.close()
            return ObjectInfo(place[1], etag=clean_etag(response.headers.get("etag")))

        return self._client.confirmer.write(
            send,
            lambda: StoredObject(self._head(*place, None)),
            written.matches, conditions, headers.get(dialect.TOKEN),
            once=bound,
        )  # fmt: skip
