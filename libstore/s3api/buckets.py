"""The requests about buckets: creating, deleting and listing."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    NotSupportedError,
    StorageError,
)
from ..values import ContainerInfo, ListQuery, ObjectInfo, Page, Prefix
from . import listings, operations
from .client import S3Client
from .options import ObjectSettings
from .service import Service
from .xml import MAX_PAGE, location_body

_DEFAULT_REGION = "us-east-1"
_LISTED = frozenset({"Contents", "CommonPrefixes"})
# The second one is Ceph's; the third one is sent by servers that ignore ?versions.
_VERSION_LISTS = ("ListVersionsResult", "ListVersionResult", "ListBucketResult")
_VERSIONS = frozenset({"Version", "DeleteMarker"})


class Buckets:
    """The buckets of one driver."""

    def __init__(self, client: S3Client, service: Service, settings: ObjectSettings) -> None:
        self._client = client
        self._service = service
        self._payer = settings.payer

    # ------------------------------------------------------------------ buckets

    def create(self, name: str, region: str | None, headers: Mapping[str, str]) -> ContainerInfo:
        """
        Create a bucket.

        Args:
            region: The region of the bucket; `None` is the region of the driver.
            headers: The headers of further options.
        """
        client, service = self._client, self._service
        region = region or client.region
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: in us-east-1 the
        # request succeeds for a bucket that the account has already, and resets its ACLs.
        checked = service.recreates or region == _DEFAULT_REGION
        if checked:
            self._require_absent(name)
        # Where all regions have one host, only the body names the region.
        here = region if client.endpoint.regional else client.region
        client.note_region(name, here)
        named = region != _DEFAULT_REGION and (service.location or region != here)
        info = ContainerInfo(name, extra={"region": region})

        def send() -> ContainerInfo:
            self._send_create(name, region, region if named else "", headers)
            return info

        try:
            client.confirmer.create_container(send, lambda: self.head(name), was_absent=checked)
        except StorageError:
            client.forget(name)
            raise
        return info

    def _send_create(
        self, name: str, region: str, location: str, headers: Mapping[str, str]
    ) -> None:
        """
        Send CreateBucket.

        Args:
            location: The region that the body names; empty sends no body.
        """
        kind = {"content-type": "application/xml"} if location else {}
        try:
            self._client.send(
                operations.CREATE_BUCKET, name,
                headers={**kind, **headers},
                content=location_body(location) if location else None,
            ).close()  # fmt: skip
        except StorageError as error:
            refused = error.code == "IllegalLocationConstraintException"
            if not refused or location or region == _DEFAULT_REGION:
                raise
            # Some services require the region in the body; most do not.
            self._send_create(name, region, region, headers)

    def _require_absent(self, name: str) -> None:
        try:
            self.head(name)
        except ContainerNotFoundError:
            return
        raise ContainerAlreadyExistsError("you already own a bucket of this name")

    def head(self, name: str) -> ContainerInfo:
        """Return a bucket, with its region."""
        client = self._client

        def send() -> ContainerInfo:
            response = client.send(operations.HEAD_BUCKET, name)
            response.close()
            region = response.headers.get("x-amz-bucket-region", client.known_region(name))
            return ContainerInfo(name, extra={"region": region}, complete=True)

        def check() -> ContainerInfo:
            self.list_objects(name, ListQuery(), None, 1)
            return ContainerInfo(name, extra={"region": client.known_region(name)})

        return client.confirmer.prove(send, check)

    def delete(self, name: str) -> None:
        """Delete a bucket, which must be empty."""
        client = self._client
        client.confirmer.delete_container(
            lambda: client.send(operations.DELETE_BUCKET, name).close(), lambda: self.head(name)
        )
        client.forget(name)

    # ------------------------------------------------------------------ listings

    def list(self, token: str | None) -> Page[ContainerInfo]:
        """Return one page of the buckets of the account."""
        document = self._client.send_xml(
            operations.LIST_BUCKETS,
            root="ListAllMyBucketsResult", rows=("Bucket",), limit=MAX_PAGE,
            query=listings.bucket_query(token), headers=self._payer,
        )  # fmt: skip
        return listings.bucket_page(document)

    def list_objects(
        self, bucket: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """Return one page of objects and prefixes."""
        v2 = self._service.list_version == 2
        document = self._client.send_xml(
            operations.LIST_OBJECTS_V2 if v2 else operations.LIST_OBJECTS, bucket,
            root="ListBucketResult", rows=_LISTED, limit=MAX_PAGE,
            query=listings.list_query(query, token, limit, self._service), headers=self._payer,
        )  # fmt: skip
        return listings.list_page(document, query, token)

    def list_versions(
        self, bucket: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        """Return one page of versions and delete markers."""
        if not self._service.versions:
            raise NotSupportedError(f"{self._service.title} has no versions of objects")
        document = self._client.send_xml(
            operations.LIST_OBJECT_VERSIONS, bucket,
            root=_VERSION_LISTS, rows=_VERSIONS, limit=MAX_PAGE,
            query=listings.version_query(prefix, token, limit, self._service),
            headers=self._payer,
        )  # fmt: skip
        if "Contents/Key" in document.fields:  # a listing of objects: the query was ignored
            raise NotSupportedError("the endpoint does not list versions of objects")
        return listings.version_page(document)


def can_fold(service: Service, delimiter: str) -> bool:
    """Return whether the service groups names by this delimiter."""
    kind = service.delimiters
    return kind == "any" or delimiter == "/" or (kind == "characters" and len(delimiter) == 1)
