"""The base class of drivers of services with the S3 API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from typing_extensions import override

from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    NotSupportedError,
    StorageError,
)
from ..rest.checksums import check_key_is_sent
from ..rest.driver import ComposedDriver, SupportsUploads
from ..rest.reading import started_read
from ..rest.settings import RestSettings
from ..values import (
    Composite,
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    RawRequest,
    RawResponse,
    Reading,
    SigningOptions,
    Span,
    StartedRead,
)
from . import dialect, listings, operations
from .client import S3Client
from .copying import Copier
from .multipart import Uploads
from .objects import Objects
from .options import CUSTOMER_KEY, ObjectSettings
from .part_checksums import find_composite
from .service import Service
from .xml import location_body, versioning_body

_DEFAULT_REGION = "us-east-1"
# The second one is Ceph's; the third one is sent by servers that ignore ?versions.
_VERSION_LISTS = ("ListVersionsResult", "ListVersionResult", "ListBucketResult")

S = TypeVar("S", bound=RestSettings)


class S3APIDriver(ComposedDriver[S3Client, S, Objects, SupportsUploads]):
    """
    A driver of a service with the S3 API.

    A subclass has a constructor, which calls `_connect`, the hook `_create_container`, and the
    hooks of public access if the service has it.

    Attributes:
        service: How the service differs from Amazon S3.
    """

    service: Service

    def _connect(
        self,
        service: Service,
        client: S3Client,
        settings: ObjectSettings,
        digests: tuple[str, ...] | None = None,
    ) -> None:
        """
        Create the parts of the driver.

        Args:
            digests: The names of the digests that are computed of what is sent. By default, only
                that with which the service verifies, and of a whole multipart upload only if the
                service can confirm it.
        """
        self.service = service
        self.limits = service.limits
        self.digests = digests or (service.digest,)
        if digests is None and not (service.whole_crc32 or service.whole_md5):
            self.multipart_digests = ()
        self._client = client
        self._object_settings = settings
        self._objects = Objects(client, service, settings, self.digests, self._head_container)
        self._uploads = uploads = Uploads(self._objects)
        self._copier = Copier(self._objects, uploads)

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._client.credentials is not None

    @override
    def _check_object_name(self, name: str) -> None:
        if self.service.tree or self.service.forbidden:
            dialect.check_name(name, self.service)

    @override
    def _request(self, container: str, name: str, request: RawRequest) -> RawResponse:
        """Send a request, with the digest that Amazon requires for most documents."""
        headers, content = request.headers, request.content
        if content is not None and not any(map(_is_digest, headers)):
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
            request = replace(request, headers={**headers, **dialect.md5_header(content)})
        return super()._request(container, name, request)

    # ------------------------------------------------------------------ buckets

    def _create_bucket(
        self, name: str, region: str | None, headers: Mapping[str, str]
    ) -> ContainerInfo:
        """Create a bucket in a region; `None` is the region of the driver."""
        client, service = self._client, self.service
        region = region or client.region
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: in us-east-1 the
        # request succeeds for a bucket that the account has already, and resets its ACLs.
        checked = service.recreates or region == _DEFAULT_REGION
        if checked and self._has_container(name):
            raise ContainerAlreadyExistsError("you already own a bucket of this name")
        # Where all regions have one host, only the body names the region.
        here = region if client.endpoint.regional else client.region
        client.note_region(name, here)
        named = region != _DEFAULT_REGION and (service.location or region != here)

        def send() -> ContainerInfo:
            try:
                self._send_create(name, region if named else "", headers)
            except StorageError as error:
                refused = error.code == "IllegalLocationConstraintException"
                if not refused or named or region == _DEFAULT_REGION:
                    raise
                # Some services require the region in the body; most do not.
                self._send_create(name, region, headers)
            return ContainerInfo(name, extra={"region": region})

        try:
            return client.confirmer.create_container(
                send, lambda: self._head_container(name), was_absent=checked
            )
        except StorageError:
            client.forget(name)
            raise

    def _send_create(self, name: str, location: str, headers: Mapping[str, str]) -> None:
        content = None
        if location:
            content = location_body(location)
            headers = {"content-type": "application/xml", **headers}
        self._client.send(operations.CREATE_BUCKET, name, headers=headers, content=content).close()

    def _has_container(self, name: str) -> bool:
        try:
            self._head_container(name)
        except ContainerNotFoundError:
            return False
        return True

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        client = self._client

        def send() -> ContainerInfo:
            response = client.send(operations.HEAD_BUCKET, name)
            response.close()
            region = response.headers.get("x-amz-bucket-region", client.known_region(name))
            return ContainerInfo(name, extra={"region": region}, complete=True)

        def check() -> ContainerInfo:
            self._list_page(name, ListQuery(), None, 1)
            return ContainerInfo(name, extra={"region": client.known_region(name)})

        return client.confirmer.prove(send, check)

    @override
    def _delete_container(self, name: str) -> None:
        client = self._client
        client.delete_container(operations.DELETE_BUCKET, name, lambda: self._head_container(name))
        client.forget(name)

    # ------------------------------------------------------------------ listings

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        document = self._client.send_xml(
            operations.LIST_BUCKETS,
            root="ListAllMyBucketsResult", rows=("Bucket",),
            query=listings.bucket_query(token), headers=self._object_settings.payer,
        )  # fmt: skip
        return listings.bucket_page(document)

    @override
    def _can_fold(self, delimiter: str) -> bool:
        kind = self.service.delimiters
        return kind == "any" or delimiter == "/" or (kind == "characters" and len(delimiter) == 1)

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        v2 = self.service.list_version == 2
        document = self._client.send_xml(
            operations.LIST_OBJECTS_V2 if v2 else operations.LIST_OBJECTS, container,
            root="ListBucketResult", rows=("Contents", "CommonPrefixes"),
            query=listings.list_query(query, token, limit, self.service),
            headers=self._object_settings.payer,
        )  # fmt: skip
        return listings.list_page(document, query, token)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        if not self.service.versions:
            raise NotSupportedError(f"{self.service.title} has no versions of objects")
        document = self._client.send_xml(
            operations.LIST_OBJECT_VERSIONS, container,
            root=_VERSION_LISTS, rows=("Version", "DeleteMarker"),
            query=listings.version_query(prefix, token, limit, self.service),
            headers=self._object_settings.payer,
        )  # fmt: skip
        if "Contents/Key" in document.fields:  # a listing of objects: the query was ignored
            raise NotSupportedError("the endpoint does not list versions of objects")
        return listings.version_page(document)

    @override
    def _enable_versioning(self, container: str) -> None:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
        client, payer, body = self._client, self._object_settings.payer, versioning_body()

        def send() -> bool:
            client.send(
                operations.PUT_BUCKET_VERSIONING, container, query={"versioning": ""},
                headers={**payer, **dialect.body_headers(body)}, content=body,
            ).close()  # fmt: skip
            return True

        def check() -> bool | None:
            document = client.send_xml(
                operations.GET_BUCKET_VERSIONING, container,
                root="VersioningConfiguration", query={"versioning": ""}, headers=payer,
            )  # fmt: skip
            return document.fields.get("Status") == "Enabled" or None

        client.confirmer.prove(send, check)

    # ------------------------------------------------------------------ objects

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        threshold = self.transfer.multipart_threshold
        return self._objects.open(container, name, span, conditions, version, threshold)

    @override
    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead | None:
        started = self._objects.start(container, name, version)
        return started_read(started, self._objects.open, container, name, version)

    @override
    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        reads, workers = self._object_settings.reads, self.transfer.concurrency
        return find_composite(self._client, container, info, reads, workers)

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._objects.delete_batch(container, [(name, None) for name in names])

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        targets = [(info.name, info.version) for info in versions]
        return self._objects.delete_batch(container, targets)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        return self._copier.copy((source_container, source), (container, name), options)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        place = (container, name)
        options = CopyOptions(content_type, metadata, conditions=conditions)
        return self._copier.copy(place, place, options)

    @override
    def _signed_headers(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        if method == "DELETE":
            return headers
        check_key_is_sent(self._object_settings.customer_key, CUSTOMER_KEY, headers)
        if method != "PUT":
            return headers
        required = self._object_settings.signed
        if any(map(_is_encryption, headers)):  # that of the program replaces the driver's
            required = {name: text for name, text in required.items() if not _is_encryption(name)}
        return {**required, **headers}

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if self._client.credentials is None:
            raise NotSupportedError("an anonymous driver cannot sign URLs; pass credentials")
        return self._client.sign_url(container, name, options, self._object_settings.payer)


def _is_encryption(header: str) -> bool:
    return header.startswith("x-amz-server-side-encryption")


def _is_digest(header: str) -> bool:
    return header == "content-md5" or header.startswith("x-amz-checksum-")
