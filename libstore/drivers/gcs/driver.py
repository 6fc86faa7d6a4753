"""The driver: its collaborators, its hooks, and the requests about buckets and listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import Signature, signature
from typing import Any, ClassVar, cast

from typing_extensions import Self, override

from ...errors import InvalidOptionError
from ...http.environment import Environment
from ...options import constructor
from ...redaction import HiddenDict
from ...rest.driver import ComposedDriver, SupportsUploads
from ...rest.reading import started_read
from ...transfer.options import TransferOptions
from ...values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    GiB,
    Limits,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Prefix,
    StartedRead,
    TiB,
)
from . import dialect, operations, public_access
from .base import GoogleDriver
from .batches import MAX_BATCH, Batches
from .client import GCSClient
from .copying import Copier
from .endpoints import PUBLIC_URL
from .hmac import HMACDriver
from .multipart import MixedUploads, ParallelUploads
from .objects import Objects
from .options import Encryption
from .resumable import QUANTUM, Resumable
from .settings import Settings, is_account, multipart_digests

# https://cloud.google.com/storage/quotas
_LIMITS = Limits(
    min_part=5 * MiB,
    max_part=5 * GiB,
    max_parts=10_000,
    max_put=5 * GiB,
    page_size=1_000,
    batch_size=MAX_BATCH,
    max_name=1_024,
    max_metadata=dialect.MAX_METADATA,
    max_expires=7 * 86_400.0,
)
# The limits of a resumable upload, which takes 5 TiB in any number of parts.
_ORDERED = replace(
    _LIMITS, min_part=QUANTUM, max_part=5 * TiB, max_parts=1_000_000, ordered_parts=True
)
# One part is read while one is sent, which takes less memory than the parts that other uploads
# send at once, and each request of a session waits for the one before it.
_LARGE_PARTS = TransferOptions(part_size=16 * MiB)


class GCSDriver(
    GoogleDriver[GCSClient], ComposedDriver[GCSClient, Settings, Objects, SupportsUploads]
):
    """
    Google Cloud Storage.

    Without any credentials, the driver uses Application Default Credentials, as Google's own
    programs do. Some of them need ``libstore[gcs]``.

    Raises:
        CredentialsNotFoundError: There are no credentials, and `anonymous` is false.
        InvalidOptionError: An option is invalid, or cannot be combined with another.
    """

    options: ClassVar[frozenset[str]] = frozenset(
        {
            "cache_control",
            "content_disposition",
            "content_encoding",
            "content_language",
            "delete_if_match",
            "if_absent",
            "if_match",
            "sign_headers",
            "sign_response_headers",
            "storage_class",
        }
    )
    limits = _LIMITS

    def __new__(cls, *given: Any, **options: Any) -> Self:
        """Return a driver for the interface that accepts these credentials."""
        # Masked and without other variables, because a traceback shows those of this frame too.
        named = HiddenDict({**dict(zip(("key", "secret"), given, strict=False)), **options})
        misplaced = len(given) > 2
        del given, options
        key = named.get("key")
        if (
            cls is not GCSDriver
            or misplaced
            or key is None
            or is_account(key, named.get("secret"))
        ):
            return object.__new__(cls)
        return cast("Self", HMACDriver(**named))

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        environ = Environment()
        settings = settings.completed(environ)
        super().__init__(settings)
        self._endpoint = address = settings.address()
        transport = settings.transport(self.transfer.concurrency, address.url)
        self._access = access = settings.access(transport, environ)
        self._url_signer = access.url_signer
        self._client = client = GCSClient(
            address, transport, access.signer, settings.user_project,
            lambda: (*settings.given_secrets(), *access.secrets()), lambda: self.retry,
        )  # fmt: skip
        parallel = settings.parallel_uploads
        if parallel is None:
            parallel = address.url == PUBLIC_URL and access.tokens is not None
        if parallel:
            self.digests = multipart_digests()
        else:
            self.limits = _ORDERED
            if settings.transfer is None:
                self.transfer = _LARGE_PARTS
        encryption = Encryption(settings.customer_key, settings.kms_key)
        self._objects = objects = Objects(client, encryption, self.digests)
        self._copier = Copier(client, objects, encryption)
        self._uploads = resumable = Resumable(client, objects.start_session, objects.head_written)
        if parallel:
            uploads = ParallelUploads(client, objects, encryption)
            self._uploads = MixedUploads(resumable, uploads, uploads.accepts)
        self._batches = Batches(client)

    # The signature of __init__, because __new__ accepts anything.
    __signature__ = Signature(list(signature(__init__).parameters.values())[1:])

    @property
    @override
    def credentials_source(self) -> str | None:
        return self._access.origin

    @override
    def _request_path(self, container: str, name: str) -> str:
        if container:
            return super()._request_path(container, name)
        return f"{self._client.endpoint.prefix}/storage/v1"

    # ------------------------------------------------------------------ buckets

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        query = {"project": self._project()}

        def create() -> ContainerInfo:
            document = self._client.send_json(
                operations.CREATE_BUCKET, body=dialect.new_bucket(name, extra), query=query
            )
            dialect.require_name(document, name)
            return dialect.bucket_info(document)

        return self._client.confirmer.create_container(create, lambda: self._head_container(name))

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        return dialect.bucket_info(self._client.send_json(operations.GET_BUCKET, name))

    @override
    def _delete_container(self, name: str) -> None:
        self._client.delete_container(
            operations.DELETE_BUCKET, name, lambda: self._head_container(name)
        )

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"project": self._project()}
        if token is not None:
            query["pageToken"] = token
        document = self._client.send_json(operations.LIST_BUCKETS, query=query)
        found = [dialect.bucket_info(one) for one in dialect.listed(document, "items")]
        found.sort(key=lambda info: info.name)
        return Page(found, dialect.next_token(document))

    def _project(self) -> str:
        project = self._access.project()
        if not project:
            raise InvalidOptionError(
                "creating and listing buckets requires a project; pass project=, or set"
                " GOOGLE_CLOUD_PROJECT"
            )
        return project

    # ------------------------------------------------------------------ many objects

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        document = self._list(container, dialect.list_query(query, token, limit))
        return dialect.list_page(document, query)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        query = dialect.list_query(ListQuery(prefix), token, limit)
        document = self._list(container, {**query, "versions": "true"})
        found = [dialect.version_info(one) for one in dialect.listed(document, "items")]
        return Page(found, dialect.next_token(document))

    @override
    def _enable_versioning(self, container: str) -> None:
        # https://cloud.google.com/storage/docs/using-object-versioning
        document = self._client.send_json(
            operations.PATCH_BUCKET, container, body={"versioning": {"enabled": True}}
        )
        dialect.require_name(document, container)

    def _list(self, container: str, query: Mapping[str, str]) -> Any:
        path = f"{self._client.endpoint.path(container)}/o"
        return self._client.send_json(operations.LIST_OBJECTS, container, path=path, query=query)

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._batches.delete(container, [(name, None) for name in names])

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return self._batches.delete(container, [(info.name, info.version) for info in versions])

    # ------------------------------------------------------------------ single objects

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        return self._objects.set_metadata(container, name, metadata, content_type, conditions)

    @override
    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead | None:
        started = self._objects.start(container, name, version)
        return started_read(started, self._objects.open, container, name, version)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo:
        return self._copier.copy((source_container, source), (container, name), options)

    @override
    def _enable_container_cdn(self, container: str) -> None:
        public_access.publish_bucket(self._client, container)

    @override
    def _enable_object_cdn(self, container: str, name: str) -> None:
        public_access.publish_object(self._client, container, name)


# isinstance() gives the same result for all kinds of credentials.
GCSDriver.register(HMACDriver)
