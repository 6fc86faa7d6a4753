"""The driver: how it is made, and what the hooks of containers ask of Swift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from ...errors import (
    AccessDeniedError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    InvalidNameError,
    ServiceError,
)
from ...http.environment import Environment
from ...options import constructor
from ...rest.operation import Operation
from ...values import ContainerInfo, Limits, ListQuery, ObjectInfo, Page, Prefix
from . import dialect, operations
from .client import SwiftClient
from .info import DEFAULTS
from .large_objects import LargeObjects, is_segments_container
from .options import CONTAINER, UPLOAD
from .public_access import SharingHooks
from .settings import Settings

# How often a container that others keep filling is emptied before we give up.
_ROUNDS = 3


class SwiftDriver(SharingHooks):
    """
    OpenStack Swift, or a service that speaks its API.

    Without any credentials, those of the environment are taken: ``OS_USERNAME``, ``OS_PASSWORD``
    and what else OpenStack's tools read, or ``ST_AUTH``, ``ST_USER`` and ``ST_KEY``.

    Raises:
        CredentialsNotFoundError: There is nobody to log in, or nowhere.
        InvalidOptionError: An option cannot work, or does not go with another.
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
        self._client = SwiftClient(self._settings, self.transfer.concurrency, lambda: self.retry)
        self._large = LargeObjects(self._client)

    @override
    def __repr__(self) -> str:
        if not hasattr(self, "_client"):  # its arguments were refused
            return super().__repr__()
        return f"<{type(self).__name__} {self._client.shown}>"

    # ------------------------------------------------------------------ which store it is

    @override
    def _identity(self) -> tuple[object, ...]:
        return self._settings.identity_of_account

    @override
    def _is_configured_for(self, operation: str) -> bool:
        return operation != "sign_url" or self._has_temp_url_key()

    # ------------------------------------------------------------------ names

    @override
    def _check_container_name(self, name: str) -> None:
        dialect.check_container_name(name)

    @override
    def _check_object_name(self, name: str) -> None:
        dialect.check_object_name(name)

    # ------------------------------------------------------------------ containers

    @override
    def _create_container(self, name: str, extra: Mapping[str, object]) -> ContainerInfo:
        if is_segments_container(name):
            raise InvalidNameError(
                "containers of this name have the segments of another container's large objects"
            )
        headers = {}
        if "storage_policy" in extra:
            headers["x-storage-policy"] = str(extra["storage_policy"])

        def create() -> ContainerInfo:
            try:
                response = self._client.send(
                    operations.PUT_CONTAINER, name, headers=headers, idempotent=False
                )
            except ServiceError as error:
                if error.status != 409:  # one that is there, of another policy
                    raise
                raise ContainerAlreadyExistsError(
                    "you have a container of this name", status=409, request_id=error.request_id
                ) from None
            response.close()
            if response.status == 202:
                raise ContainerAlreadyExistsError("you have a container of this name", status=202)
            return ContainerInfo(name)

        return self._client.confirmer.create_container(create, lambda: self._head_container(name))

    @override
    def _head_container(self, name: str) -> ContainerInfo:
        try:
            response = self._client.send(operations.HEAD_CONTAINER, name)
        except AccessDeniedError as error:
            if error.status != 301:  # a web site, which is there, and tells no more of itself
                raise
            return ContainerInfo(name, complete=True)
        return dialect.container_info(name, response.headers)

    @override
    def _list_containers(self, token: str | None) -> Page[ContainerInfo]:
        query = {"format": "json", "limit": str(self.limits.page_size)}
        if token is not None:
            query["marker"] = token
        rows = self._rows(operations.LIST_ACCOUNT, "", query)
        found = dialect.container_rows(rows)
        return Page(
            [info for info in found if not is_segments_container(info.name)],
            dialect.next_marker(rows, token),
        )

    def _rows(self, operation: Operation, container: str, query: dict[str, str]) -> dialect.Rows:
        """Return the rows of a page; a limit that the cluster does not take becomes its own."""
        try:
            return dialect.rows_of(self._client.send_json(operation, container, query=query))
        except ServiceError as error:
            if error.status != 412:
                raise
            listing = self._client.info.listing
            if int(query["limit"]) <= listing:
                raise
        self.limits = self._client.info.limits(self.limits)
        query["limit"] = str(listing)
        return dialect.rows_of(self._client.send_json(operation, container, query=query))

    @override
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        if "\0" in query.prefix:  # no name has one
            self._require_container(container)
            return Page([])
        asked = dialect.list_query(query, token, min(limit, self.limits.page_size))
        rows = self._rows(operations.LIST_CONTAINER, container, asked)
        return dialect.list_page(rows, query, token)

    @override
    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        query = dialect.version_query(prefix, token, min(limit, self.limits.page_size))
        return dialect.version_page(self._rows(operations.LIST_CONTAINER, container, query), token)

    # ------------------------------------------------------------------ deleting

    @override
    def _delete_container(self, name: str) -> None:
        self._client.confirmer.delete_container(
            lambda: self._client.send(operations.DELETE_CONTAINER, name, idempotent=False).close(),
            lambda: self._head_container(name),
        )
        if not is_segments_container(name):
            self._large.drop_container(name)

    @override
    def _delete_full_container(self, name: str) -> None:
        for attempt in range(_ROUNDS):
            self._empty_container(name)
            try:
                self._delete_container(name)
            except ContainerNotEmptyError:
                if attempt == _ROUNDS - 1:
                    raise
                self._end_versions(name)
            else:
                return

    def _end_versions(self, name: str) -> None:
        """Have a container keep no versions in another container, which others may use too."""
        # https://docs.openstack.org/swift/latest/middleware.html#object-versioning: a delete would
        # bring back the last version from there.
        headers = self._client.send(operations.HEAD_CONTAINER, name).headers
        if headers.get("x-versions-location") or headers.get("x-history-location"):
            change = {"x-remove-versions-location": "true", "x-remove-history-location": "true"}
            self._client.send(operations.POST_CONTAINER, name, headers=change).close()
