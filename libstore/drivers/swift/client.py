"""
Requests to one account: addressed, with a token, and sent.

The address of the account comes from the login, unless the caller passed it. The features of the
cluster come from ``/info``, which is requested once, when something first depends on it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from typing_extensions import Unpack, override

from ...auth.bearer import TokenCache
from ...auth.keystone import GivenToken, Login, TokenSigner, auth_version, read_auth_error
from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    NotSupportedError,
    ServiceError,
)
from ...http.client import Client, Unsigned
from ...http.encoding import encode_path
from ...http.json import parse_json
from ...http.message import Signer
from ...rest.client import Location, RequestOptions, ServiceClient
from ...rest.operation import Operation, ServiceRequest
from ...retry import RetryPolicy
from . import operations
from .errors import error_mapper
from .info import Info
from .settings import Place, Settings, parse_place


class SwiftClient(ServiceClient):
    """Sends requests to one account, whose address and tokens come from a login."""

    def __init__(
        self, settings: Settings, concurrency: int, retry: Callable[[], RetryPolicy]
    ) -> None:
        url = parse_place(
            settings.auth_url or settings.storage_url or "", "auth_url", insecure=True
        ).url
        errors = error_mapper(anonymous=settings.anonymous)
        super().__init__(settings.transport(concurrency, url), errors, retry)
        self._settings = settings
        self._given = (
            parse_place(settings.storage_url, "storage_url", insecure=settings.insecure)
            if settings.storage_url
            else None
        )
        self._login = self._make_login()
        self._tokens = self._make_tokens()
        self._signer: Signer = TokenSigner(self._tokens) if self._tokens else Unsigned()
        self._found: tuple[str, Place] | None = None
        self._info: Info | None = None
        self.after_fork()
        _all_clients.add(self)

    def after_fork(self) -> None:
        """Take a lock that no thread of another process holds."""
        self._lock = threading.Lock()

    def _make_login(self) -> Login | None:
        settings = self._settings
        if settings.auth_url is None or settings.anonymous:
            return None
        if settings.token is not None and self._given is not None:
            return None  # nothing is needed from it
        place = parse_place(settings.auth_url, "auth_url", insecure=settings.insecure)
        client = Client(self.transport, Unsigned(), read_auth_error, self.retrier, self.now)
        version = auth_version(place.path)
        return Login(client, place.url, place.path, version, settings.identity)

    def _make_tokens(self) -> TokenCache | None:
        if self._login is not None:
            return TokenCache(self._login, "", self.now)
        if self._settings.token is not None:
            return TokenCache(GivenToken(self._settings.token), "", self.now)
        return None

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        access = self._login.access if self._login else None
        return (*self._settings.given_secrets(), *([access.token] if access else []))

    # ------------------------------------------------------------------ where

    @property
    def place(self) -> Place:
        """The address of the account, from the login unless it was given."""
        if self._given is not None:
            return self._given
        assert self._tokens is not None
        assert self._login is not None
        self._tokens.get()
        url = self._login.storage_url()
        found = self._found
        if found is None or found[0] != url:
            insecure = self._settings.insecure
            found = url, parse_place(url, "the storage's address", insecure=insecure)
            self._found = found
        return found[1]

    @property
    def heeds_conditions(self) -> bool:
        """Whether conditional writes work, as far as the address shows."""
        # Ceph's gateway writes whatever If-None-Match says. It is usually below /swift:
        # https://github.com/ceph/ceph/pull/64341
        # https://docs.ceph.com/en/latest/radosgw/config-ref/#swift-settings
        return not self.place.path.startswith("/swift/")

    @property
    def shown(self) -> str:
        """The name of the account in a `repr`."""
        return self._settings.storage_url or self._settings.auth_url or ""

    @property
    def info(self) -> Info:
        """The features of the cluster."""
        if self._info is None:
            with self._lock:
                if self._info is None:
                    self._info = self._fetch_info()
        return self._info

    def _fetch_info(self) -> Info:
        place = self.place
        client = Client(self.transport, Unsigned(), self.errors, self.retrier, self.now)
        kind = operations.GET_INFO
        request = ServiceRequest(
            kind.method, place.url, f"{place.parent}/info", expected=frozenset(kind.success),
            operation=kind.name, kind=kind,
        )  # fmt: skip
        try:
            found = parse_json(client.request(request).read(self.max_document))
        except (ValueError, ServiceError, AuthenticationError, AccessDeniedError,
                NotSupportedError) as error:  # fmt: skip
            if isinstance(error, ServiceError) and error.retryable:
                raise  # an outage says nothing about the cluster, and must not be remembered
            found = {}  # a cluster may hide it: its response is an error, or a page
        return Info(found if isinstance(found, dict) else {})

    # ------------------------------------------------------------------ one request

    @override
    def locate(self, container: str, name: str) -> Location:
        place = self.place
        return Location(place.url, place.path + target_of(container, name))

    @override
    def signer(self, location: Location) -> Signer:
        return self._signer

    @override
    def send_json(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        body: object = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        options["headers"] = {"accept": "application/json", **(options.get("headers") or {})}
        return super().send_json(operation, container, name, body=body, **options)


def target_of(container: str, name: str = "") -> str:
    """Return the path of a container or an object below the account's, percent-encoded."""
    if not container:
        return ""
    return (
        f"/{encode_path(container)}/{encode_path(name)}" if name else f"/{encode_path(container)}"
    )


_all_clients: weakref.WeakSet[SwiftClient] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_all_clients):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
