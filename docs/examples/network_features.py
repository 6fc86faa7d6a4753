"""
Optional hooks for the driver in network_driver.py.

That driver is complete without them. Each hook adds a feature, if the service has requests for it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from network_driver import ERRORS, HEADERS, ExampleDriver, object_info
from typing_extensions import Unpack, override

from libstore import (
    Conditions,
    CopyOptions,
    Limits,
    NotSupportedError,
    ObjectInfo,
    Page,
    Part,
    Payload,
    SigningOptions,
    StorageError,
    Upload,
    WriteOptions,
    rest,
)
from libstore.rest import CONTAINER, JSON, OBJECT, UPLOAD, Operation

START_UPLOAD = Operation("StartUpload", "POST", OBJECT, creates=True, response=JSON)
PUT_PART = Operation("PutPart", "PUT", UPLOAD, response=JSON)
FINISH_UPLOAD = Operation("FinishUpload", "POST", UPLOAD, idempotent=False, response=JSON)
ABORT_UPLOAD = Operation("AbortUpload", "DELETE", UPLOAD, response=JSON)
LIST_UPLOADS = Operation("ListUploads", "GET", CONTAINER, response=JSON)
LIST_PARTS = Operation("ListParts", "GET", UPLOAD, response=JSON)
COPY_OBJECT = Operation("CopyObject", "PUT", OBJECT, creates=True, response=JSON)
UPDATE_OBJECT = Operation("UpdateObject", "PATCH", OBJECT, response=JSON)
DELETE_OBJECTS = Operation("DeleteObjects", "POST", CONTAINER, response=JSON)
PUBLISH_BUCKET = Operation("PublishBucket", "PUT", CONTAINER, response=JSON)


class FullDriver(ExampleDriver):
    """ExampleService, with all of its features."""

    options: ClassVar[frozenset[str]] = ExampleDriver.options | {"sign_response_headers"}
    limits: Limits = replace(ExampleDriver.limits, max_parts=1_000)

    def _write(
        self,
        operation: Operation,
        container: str,
        name: str,
        conditions: Conditions,
        written: rest.Written,
        **options: Unpack[rest.RequestOptions],
    ) -> ObjectInfo:
        """Send a write with the headers of its conditions, until its outcome is known."""
        headers = {**(options.get("headers") or {}), **rest.condition_headers(conditions)}
        options["headers"] = rest.with_token(headers, conditions, HEADERS.metadata_prefix)
        return self._client.write(
            operation,
            container,
            name,
            lambda response: object_info(self._client.read_json(operation, response)),
            partial(self._head_object, container, name, None),
            written.matches,
            conditions,
            conditions.token,
            **options,
        )

    # ------------------------------------------------------------------ uploads in parts

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        headers = HEADERS.write_headers(options)
        headers = rest.with_token(headers, options.conditions, HEADERS.metadata_prefix)
        found = self._client.send_json(
            START_UPLOAD, container, name, query={"begin": ""}, headers=headers
        )
        return str(found)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        md5 = payload.digest("md5")
        response = self._client.send(
            PUT_PART,
            upload.container,
            upload.name,
            query={"upload": upload.id, "part": str(number)},
            headers={"content-md5": rest.base64_of(md5)},
            content=payload,
        )
        response.close()
        return Part(number, offset, payload.size, checksums={"md5": md5})

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        numbers = ",".join(str(part.number) for part in parts)
        return self._write(
            FINISH_UPLOAD,
            upload.container,
            upload.name,
            options.conditions,
            rest.Written(sum(part.size for part in parts), checksums=checksums),
            query={"upload": upload.id},
            content=f"[{numbers}]".encode(),
        )

    @override
    def _abort_upload(self, upload: Upload) -> None:
        query = {"upload": upload.id}
        self._client.send(ABORT_UPLOAD, upload.container, upload.name, query=query).close()

    @override
    @rest.rejects_malformed
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        found = self._client.send_json(LIST_UPLOADS, container, query={"uploads": ""})
        uploads = [
            Upload(container, item["name"], item["id"], rest.parse_epoch(item["begun"]))
            for item in found
        ]
        return Page(uploads)

    @override
    @rest.rejects_malformed
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        query = {"upload": upload.id}
        found = self._client.send_json(LIST_PARTS, upload.container, upload.name, query=query)
        parts = [
            Part(item["number"], item["offset"], item["size"], checksums={"md5": item["md5"]})
            for item in found
        ]
        return Page(parts)

    # ------------------------------------------------------------------ copies and metadata

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        query = {"from-bucket": source_container, "from": source}
        try:
            return self._describe(COPY_OBJECT, container, name, query, options)
        except StorageError as error:
            if error.code in {"no-bucket", "exists", "changed"}:  # about the target
                error.container, error.object = container, name
            raise

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        options = CopyOptions(content_type, metadata, conditions=conditions)
        return self._describe(UPDATE_OBJECT, container, name, {}, options)

    def _describe(
        self,
        operation: Operation,
        container: str,
        name: str,
        query: Mapping[str, str],
        options: CopyOptions,
    ) -> ObjectInfo:
        """Send a write without content; `None` keeps the metadata or the content type."""
        conditions = options.conditions
        headers = {"content-type": options.content_type} if options.content_type else {}
        if options.metadata is None:  # a token would not be stored
            conditions = replace(conditions, token=None)
        else:
            query = {**query, "metadata": "new"}
            headers |= HEADERS.metadata_headers(options.metadata)
        written = rest.Written(metadata=options.metadata, content_type=options.content_type)
        return self._write(
            operation, container, name, conditions, written, query=query, headers=headers
        )

    # ------------------------------------------------------------------ batches

    @override
    @rest.rejects_malformed
    def _delete_objects(
        self, container: str, names: Sequence[str]
    ) -> Sequence[StorageError | None]:
        kept: dict[str, str] = self._client.send_json(
            DELETE_OBJECTS, container, query={"delete": ""}, body=list(names)
        )
        errors = {
            name: ERRORS.embedded(rest.ErrorDocument(code, recognized=True), None, {})
            for name, code in kept.items()
        }
        return [errors.get(name) for name in names]

    # ------------------------------------------------------------------ URLs

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if not options.response_headers.keys() <= {"content-disposition"}:
            raise NotSupportedError("signed URLs can set the header Content-Disposition only")
        query = {
            "method": options.method,
            "expires": f"{self._client.service_time() + options.expires:.0f}",
            "show-as": options.response_headers.get("content-disposition", ""),
        }
        text = "\n".join((container, name, *query.values()))
        key = self._settings.token.encode()
        query["signature"] = hmac.new(key, text.encode(), "sha256").hexdigest()
        path = self._client.locate(container, name).path
        return rest.Hidden(self._client.url + self._client.target(path, query))

    @override
    def _enable_container_cdn(self, container: str) -> None:
        self._client.send(PUBLISH_BUCKET, container, query={"public": ""}).close()

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._get_object_cdn_url(container, "")

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._client.url + self._client.locate(container, name).path
