"""The base class of drivers of services with the S3 API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from typing_extensions import override

from ..errors import NotSupportedError
from ..rest.driver import ComposedDriver, SupportsUploads
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
    Reading,
    SigningOptions,
    Span,
)
from . import dialect
from .buckets import Buckets, can_fold
from .client import S3Client
from .copying import Copier
from .multipart import Uploads
from .objects import Objects
from .options import ObjectSettings
from .part_checksums import find_composite
from .service import Service

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
            settings: How objects are stored and read.
            digests: The names of the digests that are computed of what is sent; the first one is
                that of multipart uploads. By default, only that with which the service verifies.
        """
        self.service = service
        self.limits = service.limits
        self.digests = digests or (service.digest,)
        self._client = client
        self._object_settings = settings
        self._buckets = Buckets(client, service, settings)
        self._objects = Objects(client, service, settings, self.digests, self._buckets)
        self._uploads = uploads = Uploads(self._objects)
        self._copier = Copier(self._objects, uploads)

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._client.credentials is not None

    @override
    def _check_object_name(self, name: str) -> None:
        if self.service.tree or self.service.forbidden:
            dialect.check_name(name, self.service)

    # ------------------------------------------------------------------ buckets

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        return self._buckets.head(name)

    @override
    def _delete_container(self, name: str) -> None:
        self._buckets.delete(name)

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        return self._buckets.list(token)

    @override
    def _can_fold(self, delimiter: str) -> bool:
        return can_fold(self.service, delimiter)

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        return self._buckets.list_objects(container, query, token, limit)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        return self._buckets.list_versions(container, prefix, token, limit)

    # ------------------------------------------------------------------ objects

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        threshold = self.transfer.multipart_threshold
        return self._objects.open(container, name, span, conditions, version, threshold)

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
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        if self._client.credentials is None:
            raise NotSupportedError("an anonymous driver cannot sign URLs; pass credentials")
        return self._client.sign_url(container, name, options, self._object_settings.payer)
