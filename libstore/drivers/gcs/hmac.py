"""
The driver with an HMAC key, for Google's XML API, which is the S3 API with other header names.

https://cloud.google.com/storage/docs/authentication/hmackeys
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar

from typing_extensions import override

from ...auth.google import HMACSigner
from ...auth.sigv4 import GOOGLE, Credentials, signing_key
from ...errors import AccessDeniedError, NotSupportedError, StorageError
from ...http.client import Unsigned
from ...http.environment import Environment
from ...listing import iterate_pages
from ...options import constructor
from ...rest.checksums import key_headers
from ...rest.dialect import condition_headers
from ...s3api.client import S3Client
from ...s3api.dialect import TOKEN
from ...s3api.driver import S3APIDriver
from ...s3api.endpoints import Endpoint
from ...s3api.google_headers import SERVICE, GoogleClient
from ...s3api.options import ObjectSettings
from ...s3api.service import ALL, Service
from ...transfer.payload import Payload
from ...values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    ListQuery,
    ObjectInfo,
    Part,
    Undecided,
    Upload,
    WriteOptions,
)
from . import operations
from .base import GoogleDriver
from .client import GCSClient
from .multipart import MixedUploads
from .resumable import Resumable, Started
from .settings import Settings, multipart_digests

T = TypeVar("T", WriteOptions, CopyOptions)


class HMACDriver(GoogleDriver[S3Client], S3APIDriver[Settings]):
    """Google Cloud Storage with an HMAC key; `GCSDriver` creates it if there is one."""

    options: ClassVar[frozenset[str]] = ALL
    service: Service = SERVICE

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        settings = settings.completed(Environment())
        super().__init__(settings)
        key, secret = settings.key, settings.secret
        assert key is not None
        assert secret is not None
        self._endpoint = endpoint = settings.address()
        transport = settings.transport(self.transfer.concurrency, endpoint.url)
        client: S3Client = GoogleClient(
            Endpoint(endpoint.url, endpoint.prefix), transport,
            Credentials(key, secret), SERVICE.region,
            fixed=False, retry=lambda: self.retry,
            project=settings.project, payer=settings.user_project,
        )  # fmt: skip
        objects = ObjectSettings(
            encryption="aws:kms" if settings.kms_key else None,
            kms_key=settings.kms_key,
            customer_key=settings.customer_key,
        )
        self._connect(SERVICE, client, objects, multipart_digests())
        self._url_signer = HMACSigner(
            key, lambda day: signing_key(secret, day, "auto", "storage", GOOGLE)
        )
        sessions = GCSClient(
            endpoint, transport, Unsigned(), settings.user_project,
            settings.given_secrets, lambda: self.retry,
        )  # fmt: skip
        sessions.retrier.bucket = client.retrier.bucket
        self._uploads = MixedUploads(
            Resumable(sessions, self._start_session, self._head_written),
            self._uploads,
            lambda options: options.conditions == Conditions(),
        )

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        unsupported = extra.keys() - {"location"}
        if unsupported:
            raise NotSupportedError(
                f"an HMAC key cannot create a bucket with {min(unsupported)}; use a service"
                " account"
            )
        location = extra.get("location")
        return self._create_bucket(name, str(location).lower() if location else None, {})

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        return replace(super()._head_container(name), extra={})

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return [Undecided()] * len(versions)  # batches of the XML API have no generations

    # ------------------------------------------------------------------ objects

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        return self._objects.put(container, name, payload, _renamed(options))

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        options = _renamed(options)
        info = super()._copy_object(source_container, source, container, name, options)
        return self._with_generation(container, info, options.extra)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        info = super()._set_metadata(container, name, metadata, content_type, conditions)
        return self._with_generation(container, info)

    def _with_generation(
        self, container: str, info: ObjectInfo, extra: Mapping[str, object] | None = None
    ) -> ObjectInfo:
        """Return a written object with its generation, which not every response has."""
        if info.etag is not None and info.etag.isdigit():
            return info
        reads = self._object_settings.overridden(extra or {}).reads
        try:
            return self._objects.head(container, info.name, reads=reads)
        except StorageError:
            # https://cloud.google.com/storage/docs/access-control/iam-roles: an Object Creator
            # cannot read objects.
            return replace(info, etag=None)

    # ------------------------------------------------------------------ multipart uploads

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        return super()._start_upload(container, name, _renamed(options))

    def _start_session(self, container: str, name: str, options: WriteOptions) -> Started:
        """Create the session of a resumable upload, which unlike multipart ones has conditions."""
        # https://cloud.google.com/storage/docs/xml-api/post-object-resumable
        settings = self._object_settings.overridden(options.extra)
        headers = self._objects.write_headers(options, settings)
        headers |= condition_headers(options.conditions)
        response = self._client.send(
            operations.START_UPLOAD, container, name,
            headers={**headers, "x-goog-resumable": "start"},
        )  # fmt: skip
        key = key_headers(settings.customer_key, "x-goog-")
        return Started(response, key, headers.get(TOKEN))

    def _head_written(self, container: str, name: str, extra: Mapping[str, object]) -> ObjectInfo:
        reads = self._object_settings.overridden(extra).reads
        return self._objects.head_stored(container, name, reads)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        options = _renamed(options)
        info = super()._finish_upload(upload, parts, options, checksums)
        return self._with_generation(upload.container, info, options.extra)

    # ------------------------------------------------------------------ public access

    @override
    def _enable_container_cdn(self, container: str) -> None:
        # New objects have the default ACL; the bucket's own ACL is only for listing.
        # https://cloud.google.com/storage/docs/xml-api/put-bucket-acls
        self._publish(container, "", "defaultObjectAcl")
        pages = iterate_pages(
            lambda token: self._list_objects(container, ListQuery(), token, self.limits.page_size),
            f"objects in {container!r}",
        )
        for name in [item.name for page in pages for item in page.items]:
            self._publish(container, name, "acl")

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        self._publish(container, name, "acl")

    def _publish(self, container: str, name: str, setting: str) -> None:
        try:
            self._client.send(
                operations.PUT_ACL, container, name,
                query={setting: ""}, headers={"x-amz-acl": "public-read"},
            ).close()  # fmt: skip
        except StorageError as error:
            if error.status not in {400, 403, 412}:
                raise
            raise AccessDeniedError(
                f"{error.message}; with uniform access or public access prevention an HMAC key"
                " cannot make anything public: use a service account, or the console",
                status=error.status, code=error.code, request_id=error.request_id,
            ) from None  # fmt: skip


def _renamed(options: T) -> T:
    """Return the options of a write with the S3 API's names of its extra options."""
    extra = dict(options.extra)
    if "custom_time" in extra:
        raise NotSupportedError("an HMAC key cannot set custom_time; use a service account")
    if "kms_key" in extra:
        extra["encryption"] = "aws:kms"
    return replace(options, extra=extra)
