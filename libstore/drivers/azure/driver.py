"""The driver: its collaborators, its hooks, and the requests about containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from typing_extensions import override

from ... import rest
from ...errors import ContainerNotEmptyError, NotSupportedError
from ...hooks import DriverHooks
from ...http.environment import Environment
from ...listing import iterate_pages
from ...rest.driver import ComposedDriver
from ...rest.reading import started_read
from ...values import (
    Conditions,
    ContainerInfo,
    CopyOptions,
    DeleteOutcome,
    Limits,
    ListQuery,
    MiB,
    ObjectInfo,
    Page,
    Prefix,
    SigningOptions,
    StartedRead,
)
from . import dialect, operations
from .client import PAGE_SIZE, AzureClient
from .copying import Copier
from .endpoints import check_blob_name, check_container_name
from .multipart import Uploads
from .objects import Objects
from .options import CONTAINER, UPLOAD
from .settings import Settings
from .signing import MAX_EXPIRES, URLSigner

_CONTAINER = {"restype": "container"}
_ACL = {"comp": "acl", "restype": "container"}
_PUBLIC = frozenset({"blob", "container"})


class AzureDriver(ComposedDriver[AzureClient, Settings, Objects, Uploads]):
    """
    Azure Blob Storage, and emulators of it.

    Raises:
        CredentialsNotFoundError: There are no credentials, and `anonymous` is not set.
        InvalidOptionError: An option is invalid, or excludes another.
    """

    name: ClassVar[str] = "azure"
    confirms_whole: ClassVar[bool] = False
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
    upload_extras = UPLOAD
    container_extras = CONTAINER
    # https://learn.microsoft.com/en-us/rest/api/storageservices/understanding-block-blobs--append-blobs--and-page-blobs
    limits = Limits(
        min_part=1,
        max_part=4_000 * MiB,
        max_parts=50_000,
        max_put=5_000 * MiB,
        page_size=PAGE_SIZE,
        batch_size=256,
        max_name=4_096,
        max_metadata=8_192,
        max_expires=3_650 * 86_400.0,
    )

    @override
    def _url_options(self) -> Mapping[str, str]:
        return {**self._settings.addresses(), **super()._url_options()}

    @rest.constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        settings = settings.completed(Environment())
        super().__init__(settings)
        access = settings.access()
        transport = settings.transport(self.transfer.concurrency, access.endpoint.url)
        self._client = AzureClient(access, settings.encryption(), transport, lambda: self.retry)
        self._objects = Objects(self._client)
        self._uploads = Uploads(self._client, self._objects, lambda: self.transfer.concurrency)
        self._copier = Copier(self._client, self._objects, self._uploads)
        self._signer = URLSigner(self._client, settings.customer_key, settings.encryption_scope)
        if access.tokens is not None:
            self.limits = replace(self.limits, max_expires=MAX_EXPIRES)

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        endpoint = self._client.access.endpoint
        return f"<{type(self).__name__} {endpoint.url}{endpoint.prefix.rstrip('/')}>"

    # ------------------------------------------------------------------ identity, names

    @override
    def _identity(self) -> tuple[str, ...]:
        access = self._client.access
        return access.endpoint.url, access.endpoint.prefix, access.account, access.way

    @override
    def _store_id(self) -> str | None:
        return self._client.access.endpoint.store_id

    @override
    def _is_configured_for(self, operation: str) -> bool:
        way = self._client.access.way
        if operation == "sign_headers":  # the account's key signs no headers
            return way == "credential"
        if operation == "enable_versioning":
            return False
        return operation != "sign_url" or way in {"key", "credential"}

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
            return self._client.head_container(name).get(dialect.TOKEN) == token

        def create() -> ContainerInfo:
            self._client.send(
                operations.CREATE_CONTAINER, name, query=_CONTAINER, headers=headers
            ).close()
            return ContainerInfo(name, extra={"public_access": public})

        def head() -> ContainerInfo:
            info = self._head_container(name)
            changed = info.extra.get("last_modified")  # the creation time of a new container
            return replace(info, created=changed if isinstance(changed, datetime) else None)

        return self._client.confirmer.create_container(create, head, has_token if token else None)

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        headers = self._client.head_container(name)
        public, modified = headers.get("x-ms-blob-public-access"), headers.get("last-modified")
        return replace(dialect.container_info(name, public, modified), complete=True)

    @override
    def _delete_container(self, name: str) -> None:
        # Azure deletes containers that are not empty, so the driver checks that first.
        pages = iterate_pages(
            lambda token: self._list_objects(name, ListQuery(), token, 1), f"blobs in {name!r}"
        )
        if any(page.items for page in pages):
            raise ContainerNotEmptyError("the container still contains blobs")
        self._delete_full_container(name)

    @override
    def _delete_full_container(self, name: str) -> None:
        self._client.delete_container(
            operations.DELETE_CONTAINER, name, lambda: self._head_container(name), query=_CONTAINER
        )

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"comp": "list", "marker": token} if token else {"comp": "list"}
        page = self._client.send_xml(
            operations.LIST_CONTAINERS,
            root="EnumerationResults", rows=("Container",), query=query,
        )  # fmt: skip
        return dialect.container_page(page)

    @override
    def _enable_container_cdn(self, container: str) -> None:
        # https://learn.microsoft.com/en-us/rest/api/storageservices/set-container-acl: the access
        # policies of a container are removed unless the request repeats them.
        policies, public = self._public_access(container)
        if public not in _PUBLIC:
            self._client.send_proved(
                lambda: self._public_access(container)[1] in _PUBLIC,
                operations.SET_CONTAINER_ACL, container, query=_ACL, content=policies,
                headers={"content-type": "application/xml", "x-ms-blob-public-access": "blob"},
            )  # fmt: skip

    def _public_access(self, container: str) -> tuple[bytes, str | None]:
        """Return the access policies of a container, and what everyone can read."""
        response = self._client.send(operations.GET_CONTAINER_ACL, container, query=_ACL)
        policies = response.read(self._client.max_document)
        return policies, response.headers.get("x-ms-blob-public-access")

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._client.access.endpoint.url_of(container)

    # ------------------------------------------------------------------ blobs

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return one page of blobs and prefixes, sorted by name.

        Azure cannot start after a name, so pages are read up to that name. The page that has it
        is read again for the items that did not fit: a token is Azure's own and the last name.
        """
        if not query.start_after:
            rows = self._objects.rows(container, query, token, limit)
            return rest.sorted_page(dialect.list_items(rows.items), query, rows.token)
        marker, _, last = (token or "").partition("\n")
        after = replace(query, start_after=max(query.start_after, last))

        def fetch(token: str | None) -> Page[dialect.Row]:
            return self._objects.rows(container, query, token or marker)

        items: Sequence[ObjectInfo | Prefix] = []
        for page in iterate_pages(fetch, f"blobs in {container!r}"):
            items = rest.sorted_page(dialect.list_items(page.items), after).items
            if len(items) > limit:
                return Page(items[:limit], f"{marker}\n{items[limit - 1].name}")
            if items and page.token is not None:
                return Page(items, f"{page.token}\n")
            marker = page.token or marker
        return Page(items)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        page = self._objects.rows(container, ListQuery(prefix), token, limit, "versions")
        return Page([dialect.version_info(row) for _, row in page.items], page.token)

    @override
    def _enable_versioning(self, container: str) -> None:
        # https://learn.microsoft.com/en-us/azure/storage/blobs/versioning-enable
        raise NotSupportedError(
            "Azure keeps versions for a whole account, and its owner enables them there: az"
            " storage account blob-service-properties update --enable-versioning true"
        )

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        place, info = (container, name), ObjectInfo(name)
        return self._objects.change(place, info, metadata, content_type, conditions)

    @override
    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead | None:
        started = self._objects.start(container, name, version)
        return started_read(started, self._objects.open, container, name, version)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo | None:
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
        if not isinstance(source_driver, AzureDriver):
            return None
        place, target = (source_container, source), (container, name)
        return self._copier.copy_across(source_driver._copier, place, target, options)

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._objects.delete_many(container, names)

    @override
    def _signed_headers(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return self._signer.headers(method, headers)

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        return self._signer.url(container, name, options)

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self._client.access.endpoint.url_of(container, name)
