"""The driver: how it is made, its containers and listings, and which part does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from typing_extensions import override

from ... import rest
from ...errors import (
    AccessDeniedError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    InvalidNameError,
    NotSupportedError,
    ServiceError,
)
from ...http.environment import Environment
from ...options import constructor
from ...rest.driver import ComposedDriver
from ...rest.reading import started_read
from ...values import (
    Composite,
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
from .client import SwiftClient
from .copying import Copier
from .endpoints import MAX_CONTAINER_NAME
from .info import DEFAULTS
from .large_objects import SUFFIX, LargeObjects
from .multipart import Uploads
from .objects import Objects
from .options import CONTAINER, UPLOAD
from .public_access import PublicAccess
from .settings import Settings


class SwiftDriver(ComposedDriver[SwiftClient, Settings, Objects, Uploads]):
    """
    OpenStack Swift, or a service that speaks its API.

    Without any credentials, those of the environment are taken: ``OS_USERNAME``, ``OS_PASSWORD``
    and what else OpenStack's tools read, or ``ST_AUTH``, ``ST_USER`` and ``ST_KEY``.

    Raises:
        CredentialsNotFoundError: There are no credentials, or no address to log in at.
        InvalidOptionError: An option is invalid, or excludes another one.
    """

    name: ClassVar[str] = "swift"
    confirms_whole: ClassVar[bool] = False
    limits: Limits = DEFAULTS
    options: ClassVar[frozenset[str]] = frozenset(
        {
            "if_absent",
            "cache_control",
            "content_disposition",
            "content_encoding",
            "content_language",
            "sign_response_headers",
        }
    )
    upload_extras = UPLOAD
    container_extras = CONTAINER

    @constructor(Settings)
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.completed(Environment()))
        client = SwiftClient(self._settings, self.transfer.concurrency, lambda: self.retry)
        self._client = client
        self._large = LargeObjects(client)
        self._objects = Objects(client, self._large)
        self._uploads = Uploads(client, self._large, self._objects)
        self._copier = Copier(client, self._large, self._objects, self._uploads)
        self._public = PublicAccess(client, self._settings)

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        url = self._settings.storage_url or self._settings.auth_url
        return f"<{type(self).__name__} {url}>"

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> tuple[object, ...]:
        return self._settings.identity_of_account

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._public.has_key()

    @override
    def _check_container_name(self, name: str) -> None:
        self._check_object_name(name)
        if len(name.encode()) > MAX_CONTAINER_NAME:
            raise InvalidNameError(
                f"Swift allows container names of at most {MAX_CONTAINER_NAME} bytes"
            )

    @override
    def _check_object_name(self, name: str) -> None:
        if "\0" in name:
            raise InvalidNameError(
                f"Swift cannot store the name {name[:80]!r}: it contains a NUL character"
            )

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        if name.endswith(SUFFIX):
            raise InvalidNameError(
                "this name is reserved for the segments of another container's large objects"
            )
        policy = extra.get("storage_policy")
        headers = {} if policy is None else {"x-storage-policy": str(policy)}

        def create() -> ContainerInfo:
            response = self._client.send(
                operations.PUT_CONTAINER, name, headers=headers, idempotent=False
            )
            response.close()
            if response.status == 202:
                raise ContainerAlreadyExistsError(
                    "you already own a container of this name", status=202
                )
            return ContainerInfo(name)

        return self._client.confirmer.create_container(create, lambda: self._head_container(name))

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        try:
            headers = self._client.head_container(name)
        except AccessDeniedError as error:
            if error.status != 301:  # a web site, which exists, and shows nothing else
                raise
            return ContainerInfo(name, complete=True)
        return dialect.container_info(name, headers)

    @override
    def _delete_container(self, name: str) -> None:
        self._client.delete_container(
            operations.DELETE_CONTAINER, name, lambda: self._head_container(name)
        )
        if not name.endswith(SUFFIX):
            self._large.delete_segments_container(name)

    @override
    def _delete_full_container(self, name: str) -> None:
        self._empty_container(name)
        try:
            self._delete_container(name)
        except ContainerNotEmptyError:
            # Each delete brings back the last version if another container keeps the versions:
            # https://docs.openstack.org/swift/latest/middleware.html#object-versioning
            headers = self._client.head_container(name)
            if headers.get("x-versions-location") or headers.get("x-history-location"):
                names = ("versions", "history")
                change = {f"x-remove-{name}-location": "true" for name in names}
                self._client.send(operations.POST_CONTAINER, name, headers=change).close()
            super()._delete_full_container(name)

    # ------------------------------------------------------------------ listings

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = dialect.page_query(ListQuery(), token, self.limits.page_size)
        rows = self._rows(operations.LIST_ACCOUNT, "", query)
        names = [name for row in rows if not (name := dialect.name_of(row)).endswith(SUFFIX)]
        # The counts of objects and bytes in it are updated by a daemon from time to time:
        # https://docs.openstack.org/swift/latest/overview_architecture.html#updaters
        return Page(list(map(ContainerInfo, names)), dialect.next_marker(rows, token))

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        if "\0" in query.prefix:  # no name has one
            self._client.require_container(container)
            return Page([])
        parameters = dialect.page_query(query, token, min(limit, self.limits.page_size))
        rows = self._rows(operations.LIST_CONTAINER, container, parameters)
        return dialect.list_page(rows, query, token)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        query = dialect.version_query(prefix, token, min(limit, self.limits.page_size))
        return dialect.version_page(self._rows(operations.LIST_CONTAINER, container, query), token)

    @override
    def _enable_versioning(self, container: str) -> None:
        # https://docs.openstack.org/swift/latest/middleware.html#object-versioning
        if not self._client.info.has("object_versioning"):
            raise NotSupportedError(
                "this cluster keeps no versions of objects; ask its operator for the middleware"
                " versioned_writes with allow_object_versioning"
            )
        self._client.send(
            operations.POST_CONTAINER, container, headers={"x-versions-enabled": "true"}
        ).close()

    def _rows(
        self, operation: rest.Operation, container: str, query: dict[str, str]
    ) -> dialect.Rows:
        """Return the rows of a page, which is smaller if the cluster does not accept its limit."""
        try:
            return dialect.rows_of(self._client.send_json(operation, container, query=query))
        except ServiceError as error:
            if error.status != 412:
                raise
            info = self._client.info
            if int(query["limit"]) <= info.page_size:
                raise
            self.limits = info.limits(self.limits)
            return self._rows(operation, container, {**query, "limit": str(info.page_size)})

    # ------------------------------------------------------------------ objects

    @override
    def _head_newest(self, container: str, name: str) -> ObjectInfo:
        return self._objects.head(container, name, newest=True)

    @override
    def _start_read(self, container: str, name: str, version: str | None) -> StartedRead | None:
        started = self._objects.start(container, name, version)
        return started_read(started, self._objects.open, container, name, version)

    @override
    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        return self._large.find_composite(container, name, info)

    @override
    def _set_metadata(
        self,
        container: str,
        name: str,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        conditions: Conditions,
    ) -> ObjectInfo:
        return self._objects.set_metadata(container, name, metadata, content_type)

    @override
    def _copy_object(
        self, source_container: str, source: str, container: str, name: str, options: CopyOptions
    ) -> ObjectInfo | None:
        return self._copier.copy(
            (source_container, source), (container, name), options, self.limits
        )

    @override
    def _delete_objects(self, container: str, names: Sequence[str]) -> Sequence[DeleteOutcome]:
        return self._objects.delete_many(container, names)

    @override
    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        return self._objects.delete_versions(container, versions)

    @override
    def _learn_limits(self, size: int | None) -> None:
        if size is None or size > min(self.transfer.multipart_threshold, MiB):
            self.limits = self._client.info.limits(self.limits)

    # ------------------------------------------------------------------ public access

    @override
    def _sign_url(self, container: str, name: str, options: SigningOptions) -> str:
        return self._public.sign_url(container, name, options)

    @override
    def _enable_container_cdn(self, container: str) -> None:
        self._public.enable(container)

    @override
    def _get_container_cdn_url(self, container: str) -> str:
        return self._get_object_cdn_url(container, "")

    @override
    def _get_object_cdn_url(self, container: str, name: str) -> str:
        url, path, _ = self._client.locate(container, name)
        return url + path
