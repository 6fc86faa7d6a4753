"""
Requests to one account: addressed, with a token, and sent.

Where the account is, the login tells, unless the caller did. What the cluster can do, ``/info``
tells; it is asked for once, when something first depends on it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import override

from ...auth.bearer import TokenCache
from ...auth.keystone import GivenToken, Login, TokenSigner, auth_version, read_auth_error
from ...errors import (
    AccessDeniedError,
    AuthenticationError,
    NotSupportedError,
    ServiceError,
    StorageError,
)
from ...http.client import Client, Unsigned
from ...http.encoding import encode_path, encode_query
from ...http.json import parse_json
from ...http.message import Response, Signer
from ...rest.client import ServiceClient
from ...rest.operation import SUCCESSES, Operation, ServiceRequest
from ...rest.proofs import mark, require
from ...retry import RetryPolicy
from ...transfer.payload import Payload
from ...values import MiB
from . import operations
from .errors import ErrorReader, foreign, is_swift, request_id
from .info import Info
from .settings import Place, Settings, parse_place

# A page of 10,000 objects whose names are as long as they may be.
_MAX_ANSWER = 64 * MiB


class SwiftClient(ServiceClient):
    """Sends requests to one account, from any number of threads."""

    def __init__(
        self, settings: Settings, concurrency: int, retry: Callable[[], RetryPolicy]
    ) -> None:
        url = parse_place(
            settings.auth_url or settings.storage_url or "", "auth_url", insecure=True
        ).url
        super().__init__(settings.transport(concurrency, url), retry)
        self._settings = settings
        self._given = (
            parse_place(settings.storage_url, "storage_url", insecure=settings.insecure)
            if settings.storage_url
            else None
        )
        self._login = self._make_login()
        self._tokens = self._make_tokens()
        self._signer: Signer = TokenSigner(self._tokens) if self._tokens else Unsigned()
        self._errors = ErrorReader(self.secrets, anonymous=settings.anonymous)
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
            return None  # there is nothing to ask for
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
        settings = self._settings
        access = self._login.access if self._login else None
        known = (settings.secret, settings.token, settings.temp_url_key, access and access.token)
        return tuple(secret for secret in known if secret)

    # ------------------------------------------------------------------ where

    @property
    def place(self) -> Place:
        """Where the account is; the login tells."""
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
        """Whether a write may be made on a condition, as far as the address tells."""
        # Ceph's gateway writes whatever If-None-Match says. It is usually below /swift:
        # https://github.com/ceph/ceph/pull/64341
        # https://docs.ceph.com/en/latest/radosgw/config-ref/#swift-settings
        return not self.place.path.startswith("/swift/")

    @property
    def shown(self) -> str:
        """What to call the account in a `repr`."""
        return self._settings.storage_url or self._settings.auth_url or ""

    @property
    def info(self) -> Info:
        """What the cluster can do."""
        if self._info is None:
            with self._lock:
                if self._info is None:
                    self._info = self._ask_info()
        return self._info

    def _ask_info(self) -> Info:
        place = self.place
        client = Client(self.transport, Unsigned(), self._errors, self.retrier, self.now)
        kind = operations.GET_INFO
        request = ServiceRequest(
            kind.method, place.url, f"{place.parent}/info", expected=frozenset(kind.success),
            operation=kind.name, kind=kind,
        )  # fmt: skip
        try:
            told = parse_json(client.request(request).read(_MAX_ANSWER))
        except (ValueError, ServiceError, AuthenticationError, AccessDeniedError,
                NotSupportedError) as error:  # fmt: skip
            if isinstance(error, ServiceError) and error.retryable:
                raise  # an outage says nothing about the cluster, and must not be remembered
            told = {}  # a cluster may keep it to itself: its response is an error, or a page
        return Info(told if isinstance(told, dict) else {})

    # ------------------------------------------------------------------ one request

    def send(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Payload | None = None,
        idempotent: bool = True,
    ) -> Response:
        """Return the answer to a request for the account, a container, or an object in it."""
        place = self.place
        target = place.path + target_of(container, name)
        if query:
            target += f"?{encode_query(query)}"
        request = ServiceRequest(
            operation.method, place.url, target, headers or {}, content,
            idempotent and operation.idempotent, SUCCESSES, operation.name, operation,
        )  # fmt: skip
        response = self.client.request(request)
        if not is_swift(response.headers):
            response.close()
            raise mark(foreign(response.status).error(response.status))
        require(operation, response)
        return response

    @property
    def client(self) -> Client:
        """What sends requests, by the policy that is set now."""
        return self.client_of("", lambda: self._signer, self._errors)

    def send_json(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> tuple[Any, Mapping[str, str]]:
        """
        Return what an answer says in JSON, and its headers; one without a body says `None`.

        It is asked for again where it breaks off, which deletes what is gone already, or lists.
        """
        asked = {"accept": "application/json", **(headers or {})}

        def send() -> tuple[Any, Mapping[str, str]]:
            return _read_json(
                self.send(operation, container, name, query=query, headers=asked,
                         content=content)
            )  # fmt: skip

        return self.persist(send)


def _read_json(response: Response) -> tuple[Any, Mapping[str, str]]:
    told = response.headers
    try:
        body = response.read(_MAX_ANSWER)
        return (parse_json(body) if body.strip() else None), told
    except ValueError:
        raise ServiceError(
            "the service answered with something else than JSON",
            status=response.status, request_id=request_id(told), retryable=True,
        ) from None  # fmt: skip
    except StorageError as error:
        error.status = error.status or response.status
        error.request_id = error.request_id or request_id(told)
        raise


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
