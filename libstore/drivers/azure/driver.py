"""The driver: how it is made, and what the hooks of containers ask of Azure."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from ...errors import (
    AuthenticationError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    StorageError,
)
from ...hooks import OPTIONS
from ...http.environment import Environment
from ...listing import iterate_pages
from ...options import constructor
from ...rest.checksums import key_headers
from ...values import (
    Conditions,
    ContainerInfo,
    DeleteOutcome,
    Limits,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Prefix,
    SigningOptions,
    Undecided,
)
from . import dialect, operations
from .batches import delete_together
from .blocks import Blocks
from .client import MAX_PAGE, AzureClient
from .copying import Copier
from .endpoints import check_blob_name, check_container_name
from .listings import Lister
from .metadata import MetadataChanger
from .multipart import PartHooks
from .options import CONTAINER, UPLOAD
from .public_access import make_public
from .settings import Settings
from .signing import Signatures

_log = logging.getLogger(__name__)
_CONTAINER = {"restype": "container"}


class AzureDriver(PartHooks):
    """
    Azure Blob Storage, and emulators of it.

    Raises:
        CredentialsNotFoundError: There are no credentials, and `anonymous` was not asked for.
        InvalidOptionError: An option cannot work, or does not go with another.
    """

    name: ClassVar[str] = "azure"
    confirms_whole: ClassVar[bool] = False
    options: ClassVar[frozenset[str]] = OPTIONS - {"sign_headers"}
    upload_extras = UPLOAD
    container_extras = CONTAINER
    # https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
    limits = Limits(
        min_part=1,
        max_part=4_000 * MiB,
        max_parts=50_000,
        max_put=5_000 * MiB,
        page_size=5_000,
        batch_size=256,
        max_name=4_096,
        max_metadata=8_192,
        max_expires=3_650 * 86_400.0,
    )

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        settings = settings.completed(Environment())
        super().__init__(settings)
        access = settings.access()
        transport = settings.transport(self.transfer.concurrency, access.place.url)
        self._client = AzureClient(access, transport, lambda: self.retry)
        self._access = key_headers(settings.customer_key, "x-ms-")
        scope = settings.encryption_scope
        self._encryption = {"x-ms-encryption-scope": scope} if scope else self._access
        self._blocks = Blocks(self._client)
        self._lister = Lister(self._client)
        self._metadata = MetadataChanger(
            self._client, self._head_object, self._access, self._encryption
        )
        self._copier = Copier(
            self._client, self._blocks, self._head_object, self._metadata,
            self._access, self._encryption,
        )  # fmt: skip
        self._signatures = Signatures(self._client)
        self._encrypted = {}
        if access.tokens is not None:
            self.limits = self._signatures.limited(self.limits)

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        place = self._client.access.place
        return f"<{type(self).__name__} {place.url}{place.prefix.rstrip('/')}>"

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> tuple[str, ...]:
        access = self._client.access
        return access.place.url, access.place.prefix, access.account, access.way

    @override
    def _store_id(self) -> str | None:
        return self._client.access.place.store_id

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._client.access.way in {"key", "credential"}

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        check_container_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        check_blob_name(name)

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        public = extra.get("public_access")
        headers = {"x-ms-blob-public-access": str(public)} if public else {}
        token = Conditions(if_absent=True).with_token().token if self.write_tokens else None
        if token is not None:
            headers[dialect.TOKEN] = token

        def has_token() -> bool:
            response = self._client.send(operations.GET_CONTAINER, name, query=_CONTAINER)
            response.close()
            return response.headers.get(dialect.TOKEN) == token

        def create() -> ContainerInfo:
            self._client.send(
                operations.CREATE_CONTAINER, name, query=_CONTAINER, headers=headers
            ).close()
            return ContainerInfo(name, extra={"public_access": public})

        def head() -> ContainerInfo:
            info = self._head_container(name)
            changed = info.extra.get("last_modified")  # which a new one has not been
            return replace(info, created=changed if isinstance(changed, datetime) else None)

        return self._client.confirmer.create_container(create, head, has_token if token else None)

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        response = self._client.send(operations.GET_CONTAINER, name, query=_CONTAINER)
        response.close()
        return dialect.container_info(name, response.headers)

    @override
    def _delete_container(self, name: str) -> None:
        # Azure deletes full containers as readily as empty ones, so somebody has to look.
        pages = iterate_pages(
            lambda token: self._list_objects(name, ListQuery(), token, 1), f"blobs in {name!r}"
        )
        if any(page.items for page in pages):
            raise ContainerNotEmptyError("the container still has blobs")
        self._delete_full_container(name)

    @override
    def _delete_full_container(self, name: str) -> None:
        self._client.confirmer.delete_container(
            lambda: self._client.send(operations.DELETE_CONTAINER, name, query=_CONTAINER).close(),
            lambda: self._head_container(name),
        )

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"comp": "list", "marker": token} if token else {"comp": "list"}
        page = self._client.send_xml(
            operations.LIST_CONTAINERS,
            root="EnumerationResults", rows=("Container",), limit=MAX_PAGE, query=query,
        )  # fmt: skip
        return dialect.container_page(page)

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        return self._lister.page(container, query, token, limit)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        return self._lister.versions(container, prefix, token, limit)

    # ------------------------------------------------------------------ many blobs

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        left = set(names)
        if len(names) > 1:
            try:
                # What failed is tried by itself, which also finds out what is wrong with it. In
                # accounts with a hierarchical namespace that may be a directory: a batch deletes
                # in no order, and a directory that is not empty cannot be deleted.
                # https://learn.microsoft.com/en-us/azure/storage/blobs/data-lake-storage-known-issues
                left = set(delete_together(self._client, container, names))
            except (ContainerNotFoundError, AuthenticationError):
                raise
            except StorageError as error:
                # Some accounts, signatures and emulators have no batches; single deletes work.
                _log.debug("the batch failed, so blobs are deleted one by one: %s", error)
        return [Undecided() if name in left else None for name in names]

    # ------------------------------------------------------------------ for others

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        return self._signatures.url(container, name, options)

    @override
    def _enable_container_cdn(self, container: str) -> None:
        make_public(self._client, container)

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        place = self._client.access.place
        return place.url + place.path(container)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        place = self._client.access.place
        return place.url + place.path(container, name)
