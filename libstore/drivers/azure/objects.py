"""What the hooks of single blobs ask of Azure."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from ...hooks import DriverHooks
from ...rest.checksums import base64_of, hex_digest
from ...rest.confirming import StoredObject, Written
from ...rest.dialect import condition_headers
from ...rest.driver import RestDriver
from ...rest.reading import read_headers, sent_span, size_of_head
from ...transfer.payload import Payload
from ...values import Conditions, CopyOptions, ObjectInfo, Reading, Span, WriteOptions
from . import dialect, operations
from .client import AzureClient
from .copying import Copier
from .endpoints import check_root_name
from .metadata import MetadataChanger
from .settings import Settings


class BlobHooks(RestDriver[AzureClient, Settings]):
    """
    The hooks of single blobs, and what all hooks build on.

    Attributes:
        _access: The headers of how what is read or changed is encrypted.
        _encryption: The headers of how what is written is encrypted, unless an upload says so.
    """

    _copier: Copier
    _metadata: MetadataChanger
    _access: Mapping[str, str]
    _encryption: Mapping[str, str]

    # ------------------------------------------------------------------ read

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return self._head(container, name, version, self._access)

    def _head(
        self, container: str, name: str, version: str | None, access: Mapping[str, str]
    ) -> ObjectInfo:
        response = self._client.send(
            operations.GET_BLOB_PROPERTIES, container, name,
            query=_of_version(version), headers=access,
        )  # fmt: skip
        return dialect.object_info(name, response.headers, size_of_head(response))

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        response = self._client.send(
            operations.GET_BLOB, container, name,
            query=_of_version(version),
            headers={**self._access, **read_headers(span, conditions)},
        )  # fmt: skip
        sent, size = sent_span(response)
        info = dialect.object_info(name, response.headers, size)
        return Reading(info, sent, response.body, response.close)

    # ------------------------------------------------------------------ written

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        check_root_name(container, name)
        conditions = options.conditions
        md5 = payload.digest("md5")
        encryption = dialect.encryption_headers(options.extra) or self._encryption
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "content-md5": base64_of(md5),
            **dialect.write_headers(options),
            **encryption,
            **condition_headers(conditions),
        }
        bound = conditions != Conditions()

        def put() -> ObjectInfo:
            response = self._client.send(
                operations.PUT_BLOB, container, name,
                headers=headers, content=payload, idempotent=not bound,
            )  # fmt: skip
            response.close()
            told = hex_digest("md5", response.headers.get("content-md5"))
            return dialect.written_info(name, response.headers, told)

        return self._client.confirmer.write(
            put,
            lambda: self._head_written(container, name, encryption),
            Written(content=payload).matches,
            conditions, headers.get(dialect.TOKEN),
        )  # fmt: skip

    def _head_written(
        self, container: str, name: str, encryption: Mapping[str, str]
    ) -> StoredObject:
        """Return the blob that is stored after a write that was encrypted like this."""
        # A scope needs nothing to be read, and the driver's own key would be refused.
        access = encryption if "x-ms-encryption-key" in encryption else {}
        return StoredObject(self._head(container, name, None, access))

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        headers = condition_headers(conditions)
        if version is None:
            # https://learn.microsoft.com/en-us/rest/api/storageservices/delete-blob: without
            # this a blob that has snapshots stays.
            headers["x-ms-delete-snapshots"] = "include"
        self._client.confirmer.delete(
            lambda: self._client.send(
                operations.DELETE_BLOB, container, name,
                query=_of_version(version), headers=headers,
                idempotent=conditions.if_match is None,
            ).close(),
            lambda: StoredObject(self._head_object(container, name, None)),
            conditions,
        )  # fmt: skip

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo | None:
        check_root_name(container, name)
        return self._copier.copy((source_container, source), (container, name), options)

    @override
    def _copy_across(
        self,
        source_driver: DriverHooks,
        source_container: str,
        source: str,
        container: str,
        name: str,
        options: CopyOptions,
    ) -> ObjectInfo | None:
        check_root_name(container, name)
        if not isinstance(source_driver, BlobHooks):
            return None
        place, target = (source_container, source), (container, name)
        return self._copier.copy_across(source_driver._copier, place, target, options)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        return self._metadata.replace(
            (container, name), ObjectInfo(name), metadata, content_type, conditions
        )


def _of_version(version: str | None) -> dict[str, str] | None:
    return {"versionid": version} if version else None
