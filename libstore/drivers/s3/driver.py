"""The driver: how it is made, and what the hooks of buckets ask of S3."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, ClassVar

from typing_extensions import override

from ...driver import StorageDriver
from ...errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    StorageError,
)
from ...hooks import CDN_HOOKS, MULTIPART_HOOKS
from ...http.environment import Environment
from ...options import Check, constructor
from ...rest.confirming import KnownObjects
from ...values import (
    ContainerInfo,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
)
from . import dialect, listings, operations
from .client import S3Client
from .copying import Copier
from .endpoints import check_bucket_name, check_new_bucket_name
from .google_headers import GoogleClient
from .options import CONTAINER, UPLOAD, bucket_headers
from .public_access import PublicHooks
from .services import AWS, Service
from .settings import Settings
from .unverified_conditions import Doubts
from .uploads import Uploads
from .xml import location_body

_LISTED = frozenset({"Contents", "CommonPrefixes"})
# The second one is sent by servers that ignore ?versions.
_VERSION_LISTS = ("ListVersionsResult", "ListVersionResult", "ListBucketResult")
_VERSIONS = frozenset({"Version", "DeleteMarker"})


class S3Driver(PublicHooks):
    """
    Amazon S3, or the service at an endpoint that you name.

    Raises:
        CredentialsNotFoundError: There is no key, and `anonymous` was not asked for.
        InvalidOptionError: An option cannot work, or does not go with another.
    """

    name: ClassVar[str] = "s3"
    options: ClassVar[frozenset[str]] = AWS.options
    upload_extras: ClassVar[Mapping[str, Check]] = UPLOAD
    container_extras: ClassVar[Mapping[str, Check]] = CONTAINER

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        settings = settings.completed(self.service, Environment())
        super().__init__(settings)
        self.service = service = settings.service_of(self.service)
        self.limits = service.limits
        self.digests = (service.digest,)
        endpoint, region = settings.endpoint_of(service), settings.first_region(service)
        url = endpoint.place(None, region).url
        make = partial(GoogleClient, project=settings.account) if service.google else S3Client
        self._client = make(
            endpoint,
            settings.transport(self.transfer.concurrency, url),
            settings.access_key(),
            region,
            fixed=settings.region is not None,
            retry=lambda: self.retry,
        )
        self._reads = settings.reads
        self._begun = {}
        self._known = KnownObjects()
        self._doubts = Doubts(
            service.guarded,
            lambda bucket, name: self._peek(bucket, name, None, self._reads),
            generations=service.google,
        )
        self._uploads = Uploads(
            self._client, service, settings, self._look, self._uploads_of, self._has_parts
        )
        self._copier = Copier(
            self._client, service, settings, self._uploads,
            self._look, self._look_again, self._protection,
        )  # fmt: skip

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        place = self._client.endpoint.place(None, self._client.region)
        return f"<{type(self).__name__} {place.url}{place.prefix.rstrip('/')}>"

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> tuple[str | None, ...]:
        place = self._client.endpoint.place(None, self._client.region)
        return place.url, place.prefix, self._settings.key

    @override
    def _store_id(self) -> str | None:
        return self._client.endpoint.store_id(self._client.region)

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._client.credentials is not None

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        check_bucket_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        dialect.check_name(name, self.service)

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        check_new_bucket_name(name)
        asked = extra.get("region")
        region = asked if isinstance(asked, str) else self._client.region
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: in us-east-1 a
        # bucket that one has already is answered as if it had been made, and its ACLs are reset.
        looked = self.service.recreates or region == "us-east-1"
        if looked:
            self._require_absent(name)
        # Where all regions have one host, the body alone says which of them is meant.
        here = region if self._client.endpoint.regional else self._client.region
        located = region != "us-east-1" and (self.service.location or region != here)
        self._client.note_region(name, here)
        told = region if located else "us-east-1"

        info = ContainerInfo(name, extra={"region": region})

        def create() -> ContainerInfo:
            self._put_bucket(name, told, region, extra)
            return info

        try:
            self._client.confirmer.create_container(
                create, lambda: self._head_container(name), was_absent=looked
            )
        except StorageError:
            self._client.forget(name)
            raise
        return info

    def _put_bucket(self, name: str, told: str, region: str, extra: Mapping[str, object]) -> None:
        """
        Make a bucket.

        Args:
            told: The region that the service is told in so many words; us-east-1 goes unsaid.
            region: The one that is meant.
        """
        located = told != "us-east-1"
        headers = {"content-type": "application/xml"} if located else {}
        try:
            self._client.send(
                operations.CREATE_BUCKET, name,
                headers=headers | bucket_headers(extra),
                content=location_body(told) if located else None,
            ).close()  # fmt: skip
        except StorageError as error:
            # An endpoint that nobody knows may want to be told, as Amazon's own; most do not.
            if error.code != "IllegalLocationConstraintException" or told == region:
                raise
            self._put_bucket(name, region, region, extra)

    def _require_absent(self, name: str) -> None:
        try:
            self._head_container(name)
        except ContainerNotFoundError:
            return
        raise ContainerAlreadyExistsError("you already own a bucket of this name")

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        def head() -> ContainerInfo:
            response = self._client.send(operations.HEAD_BUCKET, name)
            response.close()
            region = response.headers.get("x-amz-bucket-region", self._client.known_region(name))
            return ContainerInfo(name, extra={"region": region}, complete=True)

        def look() -> ContainerInfo:
            self._list_objects(name, ListQuery(), None, 1)
            return ContainerInfo(name, extra={"region": self._client.known_region(name)})

        return self._client.confirmer.prove(head, look)

    @override
    def _delete_container(self, name: str) -> None:
        self._client.confirmer.delete_container(
            lambda: self._client.send(operations.DELETE_BUCKET, name).close(),
            lambda: self._head_container(name),
        )
        self._client.forget(name)

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = listings.bucket_query(token)
        page = self._page(
            operations.LIST_BUCKETS, "", "ListAllMyBucketsResult", ("Bucket",), query
        )
        return listings.bucket_page(page)

    # ------------------------------------------------------------------ listing

    @override
    def _can_fold(self, delimiter: str) -> bool:
        kind = self.service.delimiters
        return kind == "any" or delimiter == "/" or (kind == "characters" and len(delimiter) == 1)

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        asked = listings.list_query(query, token, limit, self.service)
        version = self.service.list_version
        operation = operations.LIST_OBJECTS_V2 if version == 2 else operations.LIST_OBJECTS
        page = self._page(operation, container, "ListBucketResult", _LISTED, asked)
        return listings.list_page(page, query, token)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        if not self.service.versions:
            raise self._unsupported("list versions")
        query = listings.version_query(prefix, token, limit, self.service)
        page = self._page(
            operations.LIST_OBJECT_VERSIONS, container, _VERSION_LISTS, _VERSIONS, query
        )
        if "Contents/Key" in page.fields:
            raise self._unsupported("list versions at this endpoint")
        return listings.version_page(page)


def driver_class(service: Service, name: str | None = None) -> type[S3Driver]:
    """
    Return the driver of a service.

    Args:
        service: Its record; one of your own works like those of this library.
        name: What the class is called.
    """
    lacking: dict[str, Any] = {}
    hooks = (
        *(() if service.batches else ("_delete_objects",)),
        *(() if service.versions else ("_list_versions",)),
        *(() if service.parts else (*MULTIPART_HOOKS, "_list_parts")),
        *(() if service.public else CDN_HOOKS),
        *(() if service.public and service.object_acls else ("_enable_object_cdn",)),
    )
    for hook in hooks:
        lacking[hook] = getattr(StorageDriver, hook)
    label = name or "".join(map(str.capitalize, service.name.split("-"))) + "Driver"
    members = {
        "__module__": __package__,
        "__doc__": f"\n    {service.title}.\n\n    The arguments are those of `S3Driver`.\n    ",
        "name": service.name,
        "options": service.options,
        "upload_extras": _among(UPLOAD, service.extras),
        "container_extras": _among(CONTAINER, service.extras | {"region"}),
        "service": service,
        **lacking,
    }
    return type(label, (S3Driver,), members)


def _among(known: Mapping[str, Check], names: Collection[str]) -> dict[str, Check]:
    return {name: check for name, check in known.items() if name in names}
