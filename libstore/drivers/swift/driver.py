"""The driver: how it is made, and what the hooks of containers ask of Swift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar

from typing_extensions import override

from ...errors import (
    AccessDeniedError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    ServiceError,
)
from ...hooks import Check
from ...http.environment import Environment
from ...listing import iterate_pages
from ...redaction import hide, hide_address
from ...rest.operation import Operation
from ...rest.options import text
from ...retry import RetryPolicy
from ...transfer.options import TransferOptions
from ...transfer.workers import map_concurrently
from ...values import ContainerInfo, Limits, ListQuery, ObjectInfo, Page, Prefix
from . import dialect, operations
from .client import SwiftClient
from .info import DEFAULTS
from .large_objects import LargeObjects, is_segments_container
from .public_access import SharingHooks
from .settings import Settings

# How often a container that others keep filling is emptied before we give up.
_ROUNDS = 3


def _moment(value: object, label: str) -> object:
    """Return a time as Swift writes it, in whole seconds since 1970."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidOptionError(f"{label} must be an aware datetime")
        value = value.astimezone(timezone.utc).timestamp()
    return _seconds(value, label)


def _seconds(value: object, label: str) -> object:
    """Return whole seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidTypeError(f"{label} must be a number of seconds, not {type(value).__name__}")
    if not 0 < value < 2**40:
        raise InvalidOptionError(f"{label} must be above 0 seconds, not {value!r}")
    return -int(-value // 1)


class SwiftDriver(SharingHooks):
    """
    OpenStack Swift, or a service that speaks its API.

    Without any credentials, those of the environment are taken: ``OS_USERNAME``, ``OS_PASSWORD``
    and what else OpenStack's tools read, or ``ST_AUTH``, ``ST_USER`` and ``ST_KEY``.

    Args:
        user: The user's name; ``account:user`` for TempAuth.
        secret: The password, or the application credential's secret.
        auth_url: Where to log in: Keystone's address, as ``https://host:5000/v3``, or that of
            TempAuth, as ``https://host/auth/v1.0``.
        project: The name of the project whose storage it is.
        project_id: Its id, in place of its name.
        project_domain: The name of the project's domain; that of the user by default.
        project_domain_id: Its id, in place of its name.
        user_id: The user's id, in place of the name.
        user_domain: The name of the user's domain; the one whose id is ``default`` by default.
        user_domain_id: Its id, in place of its name.
        application_credential: The id of an application credential, or its name with a user.
        token: A token that you have, to get one for the storage with; with `storage_url` it is
            used as it is.
        region: Which of the catalog's regions to use; the first by default.
        interface: Which of the catalog's addresses to use: ``"public"`` (by default),
            ``"internal"`` or ``"admin"``.
        storage_url: The account's address, in place of the one that the login tells.
        anonymous: Send requests without a token, for what everybody may read.
        temp_url_key: The key that URLs are signed with; by default the account's or the
            container's own, if the user may see it.
        temp_url_digest: ``"sha256"``, ``"sha512"`` or ``"sha1"``, for signed URLs; by default the
            first of these that the cluster says that it takes.
        insecure: Allow ``http://`` to hosts other than this machine.
        verify: Whether the service's certificate is checked, or a file of authorities.
        timeout: Seconds for a connection, and for each answer to go on; or a pair of both. A
            service that is slower than 4 KiB a second for a whole timeout has stalled.
        proxies: URLs of proxies by scheme, in place of those that the environment names.
        pickle_secret: Let pickles of the driver carry a secret that was given literally.
        retry: When to try again after a failure that may pass.
        transfer: How large transfers are cut up, and how many parts travel at once.
        cdn: The public address that containers are served at; the account's own by default.
        write_tokens: Store a random token in the metadata of each object that is written on a
            condition, to know later whether a write whose response was lost took effect.

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
    upload_extras: ClassVar[Mapping[str, Check]] = {
        "delete_at": _moment,
        "delete_after": _seconds,
    }
    container_extras: ClassVar[Mapping[str, Check]] = {"storage_policy": text}

    def __init__(
        self,
        user: str | None = None,
        secret: str | None = None,
        *,
        auth_url: str | None = None,
        project: str | None = None,
        project_id: str | None = None,
        project_domain: str | None = None,
        project_domain_id: str | None = None,
        user_id: str | None = None,
        user_domain: str | None = None,
        user_domain_id: str | None = None,
        application_credential: str | None = None,
        token: str | None = None,
        region: str | None = None,
        interface: str | None = None,
        storage_url: str | None = None,
        anonymous: bool = False,
        temp_url_key: str | None = None,
        temp_url_digest: str | None = None,
        insecure: bool = False,
        verify: bool | str = True,
        timeout: float | tuple[float, float] | None = None,
        proxies: Mapping[str, str] | None = None,
        pickle_secret: bool = False,
        retry: RetryPolicy | None = None,
        transfer: TransferOptions | None = None,
        cdn: str | None = None,
        write_tokens: bool = True,
    ) -> None:
        # From here on no traceback shows them.
        secret, token, temp_url_key = hide(secret), hide(token), hide(temp_url_key)
        auth_url, storage_url = hide_address(auth_url), hide_address(storage_url)
        proxies = hide(proxies)
        super().__init__(retry=retry, transfer=transfer, cdn=cdn, write_tokens=write_tokens)
        given = Settings(
            user, secret, auth_url, project, project_id, project_domain, project_domain_id,
            user_id, user_domain, user_domain_id, application_credential, token, region,
            interface, storage_url, anonymous, temp_url_key, temp_url_digest, insecure, verify,
            timeout, proxies, pickle_secret,
        )  # fmt: skip
        self._settings = given.completed(Environment())
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

        return self._client.create_container(create, lambda: self._head_container(name))

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
            return dialect.rows_of(self._client.send_json(operation, container, query=query)[0])
        except ServiceError as error:
            if error.status != 412:
                raise
            listing = self._client.info.listing
            if int(query["limit"]) <= listing:
                raise
        self.limits = self._client.info.limits(self.limits)
        query["limit"] = str(listing)
        return dialect.rows_of(self._client.send_json(operation, container, query=query)[0])

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

    # ------------------------------------------------------------------ deleting

    @override
    def _delete_container(self, name: str) -> None:
        self._client.delete_container(
            lambda: self._client.send(operations.DELETE_CONTAINER, name, idempotent=False).close(),
            lambda: self._head_container(name),
        )
        if not is_segments_container(name):
            self._large.drop_container(name)

    @override
    def _empty_container(self, name: str) -> None:
        pages = iterate_pages(
            lambda token: self._list_objects(name, ListQuery(), token, self.limits.page_size),
            f"objects in {name!r}",
        )
        for page in pages:
            found = [item for item in page.items if isinstance(item, ObjectInfo)]
            # Segments of ours go with their container; those of others with each manifest.
            foreign = [item.name for item in found if item.extra.get("static_large_object")]
            segments = [
                path
                for paths in map_concurrently(
                    lambda large: self._large.foreign(name, large), foreign, 4
                )
                for path in paths
            ]
            size = self.limits.batch_size
            names = [f"/{name}/{item.name}" for item in found]
            for start in range(0, len(names), size):
                for error in self._large.delete(names[start : start + size])[0]:
                    if error is not None:
                        raise error
            self._large.remove(segments)

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
        """Delete all versions, or have the container keep no more of them."""
        # https://docs.openstack.org/swift/latest/middleware.html#object-versioning
        told = self._client.send(operations.HEAD_CONTAINER, name).headers
        if told.get("x-versions-location") or told.get("x-history-location"):
            # Where the old ones are is another container, which may serve several.
            headers = {"x-remove-versions-location": "true", "x-remove-history-location": "true"}
            self._client.send(operations.POST_CONTAINER, name, headers=headers).close()
        if "x-versions-enabled" in told:
            self._delete_versions(name)

    def _delete_versions(self, name: str) -> None:
        def fetch(token: str | None) -> Page[Mapping[str, Any]]:
            query = {"format": "json", "limit": str(self.limits.page_size), "versions": ""}
            if token is not None:
                query["version_marker"], _, query["marker"] = token.partition("\n")
            rows = self._rows(operations.LIST_CONTAINER, name, query)
            if not rows:
                return Page([])
            return Page(rows, f"{rows[-1].get('version_id', '')}\n{dialect.name_of(rows[-1])}")

        def delete(row: Mapping[str, Any]) -> None:
            self._delete_version(name, dialect.name_of(row), str(row["version_id"]))

        for page in iterate_pages(fetch, f"versions in {name!r}"):
            map_concurrently(delete, [row for row in page.items if row.get("version_id")], 4)
