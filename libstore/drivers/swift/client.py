"""Requests to one account, whose address comes from the login unless the caller passed it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from typing_extensions import Unpack, override

from ... import rest
from ...auth.keystone import GivenToken, Login, TokenSigner, auth_version, read_auth_error
from ...errors import ObjectNotFoundError, StorageError, TransportError
from ...http.client import Client
from ...http.json import parse_json
from ...listing import iterate_pages
from ...rest.copying import find_missing
from ...rest.operation import ServiceRequest
from ...retry import RetryPolicy
from ...values import ListQuery, Page
from . import operations
from .dialect import Row, next_marker, page_query, rows_of
from .endpoints import parse_endpoint, path_of
from .errors import error_mapper
from .info import Info, parse_info
from .settings import Settings

#: The query that addresses a symlink or a manifest itself, and not what it refers to, which may be
#: missing: https://docs.openstack.org/swift/latest/middleware.html#symlink
#: https://docs.openstack.org/swift/latest/middleware.html#dynamic-large-objects
ITSELF: Mapping[str, str] = {"symlink": "get", "multipart-manifest": "get"}


# The path above the API's version, where /info is.
_VERSION = re.compile(r"(.*?)/v\d[\d.]*(?:/|$)", re.ASCII)


class SwiftClient(rest.ServiceClient):
    """Sends requests to one account, whose address and tokens come from a login."""

    def __init__(
        self, settings: Settings, concurrency: int, retry: Callable[[], RetryPolicy]
    ) -> None:
        login, self._given = settings.endpoint("auth_url"), settings.endpoint("storage_url")
        first = login or self._given
        assert first is not None  # the settings have been checked
        errors = error_mapper(anonymous=settings.anonymous)
        super().__init__(settings.transport(concurrency, first.url), errors, retry)
        self._settings = settings
        self._login: Login | None = None
        self._tokens: rest.TokenCache | None = None
        if settings.token is not None and self._given is not None:
            self._tokens = rest.TokenCache(GivenToken(settings.token), "", self.now)
        elif login is not None and not settings.anonymous:
            client = Client(
                self.transport, rest.Unsigned(), read_auth_error, self.retrier, self.now
            )
            version = auth_version(login.path)
            self._login = Login(client, login.url, login.path, version, settings.identity)
            self._tokens = rest.TokenCache(self._login, "", self.now)
        self._signer: rest.Signer = TokenSigner(self._tokens) if self._tokens else rest.Unsigned()
        self._info: Info | None = None

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        access = self._login.access if self._login else None
        return (*self._settings.given_secrets(), *([access.token] if access else []))

    @property
    def endpoint(self) -> rest.Location:
        """The address of the account, from the login unless it was given."""
        if self._given is not None:
            return self._given
        assert self._tokens is not None
        assert self._login is not None
        self._tokens.get()
        url, insecure = self._login.storage_url(), self._settings.insecure
        return parse_endpoint(url, "the storage's address", insecure=insecure)

    @property
    def enforces_conditions(self) -> bool:
        """Whether conditional writes work, as far as the address shows."""
        # Ceph's gateway writes whatever If-None-Match says. It is usually below /swift:
        # https://github.com/ceph/ceph/pull/64341
        # https://docs.ceph.com/en/latest/radosgw/config-ref/#swift-settings
        return not self.endpoint.path.startswith("/swift/")

    @property
    def info(self) -> Info:
        """The features of the cluster, which are requested when something first needs them."""
        if self._info is None:  # it does no harm if two threads request it
            self._info = self._fetch_info()
        return self._info

    def _fetch_info(self) -> Info:
        url, path, _ = self.endpoint
        above = _VERSION.match(path)
        client = Client(self.transport, rest.Unsigned(), self.errors, self.retrier, self.now)
        kind = operations.GET_INFO
        request = ServiceRequest(
            kind.method, url, f"{above[1] if above else ''}/info",
            expected=frozenset(kind.success), operation=kind.name, kind=kind,
        )  # fmt: skip
        try:
            return parse_info(parse_json(client.request(request).read(self.max_document)))
        except (ValueError, StorageError) as error:
            if isinstance(error, StorageError) and (
                error.retryable or isinstance(error, TransportError)
            ):
                raise  # an outage says nothing about the cluster, and must not be remembered
            return Info()  # a cluster may hide it: its response is an error, or a page

    @override
    def locate(self, container: str, name: str) -> rest.Location:
        url, path, _ = self.endpoint
        return rest.Location(url, path + path_of(container, name))

    @override
    def signer(self, location: rest.Location) -> rest.Signer:
        return self._signer

    def send_to_object(
        self,
        operation: rest.Operation,
        container: str,
        name: str,
        **options: Unpack[rest.RequestOptions],
    ) -> rest.Response:
        """Send a request about an object; if it is missing, check whether the container is."""
        try:
            return self.send(operation, container, name, **options)
        except ObjectNotFoundError:
            self.require_container(container)
            raise

    def has_object(
        self, container: str, name: str, query: Mapping[str, str] | None = None
    ) -> bool:
        """Return whether one request shows that an object exists."""
        try:
            self.send(operations.HEAD_OBJECT, container, name, query=query).close()
        except ObjectNotFoundError:
            return False
        return True

    def head_container(self, container: str) -> Mapping[str, str]:
        """Return the headers of a container."""
        return self.send(operations.HEAD_CONTAINER, container).headers

    def require_container(self, container: str) -> None:
        """Raise `ContainerNotFoundError` if the service says that there is no such container."""
        missing = find_missing([container], self.head_container)
        if missing is not None:
            raise missing

    def rows(self, container: str, prefix: str = "", delimiter: str = "") -> Iterator[Row]:
        """Yield the rows of all objects whose names begin with a prefix."""
        query = ListQuery(prefix, delimiter=delimiter)
        pages = iterate_pages(
            lambda token: self.page(container, query, token), f"objects in {container!r}"
        )
        for page in pages:
            yield from page.items

    def page(self, container: str, query: ListQuery, marker: str | None) -> Page[Row]:
        """Return one page of rows, of the size that the cluster chooses."""
        sent = page_query(query, marker)
        rows = rows_of(self.send_json(operations.LIST_CONTAINER, container, query=sent))
        return Page(rows, next_marker(rows, marker))
