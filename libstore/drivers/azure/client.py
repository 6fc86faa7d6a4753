"""Requests to one account of Azure Blob Storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from typing_extensions import override

from ...http.message import Content, Signer
from ...http.transport import Transport
from ...redaction import Hidden
from ...rest.client import Location, ServiceClient
from ...retry import RetryPolicy
from . import operations
from .dialect import Encryption
from .errors import error_mapper
from .settings import Access

#: The version of the REST API. It is the oldest one with all features that are used here: the tier
#: Cold since 2021-12-02, names that XML cannot carry since 2021-02-12, tokens for the sources of
#: copies since 2020-10-02, blocks of 4,000 MiB and tags since 2019-12-12. More services support an
#: older version: emulators, Azure Stack, other clouds.
#: https://learn.microsoft.com/en-us/rest/api/storageservices/previous-azure-storage-service-versions
VERSION = "2021-12-02"

#: The rows of a page of a listing.
PAGE_SIZE = 5_000


class AzureClient(ServiceClient):
    """Sends requests to one account."""

    used_up: ClassVar[frozenset[str]] = frozenset({"InvalidBlockList", "ContainerBeingDeleted"})

    def __init__(
        self,
        access: Access,
        encryption: Encryption,
        transport: Transport,
        retry: Callable[[], RetryPolicy],
    ) -> None:
        super().__init__(transport, error_mapper(), retry)
        self.access = access
        self.encryption = encryption

    def head_container(self, name: str) -> Mapping[str, str]:
        """Return the headers that describe a container."""
        query = {"restype": "container"}
        response = self.send(operations.GET_CONTAINER, name, query=query)
        response.close()
        return response.headers

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return self.access.secrets()

    @override
    def locate(self, container: str, name: str) -> Location:
        endpoint = self.access.endpoint
        return Location(endpoint.url, endpoint.path(container, name))

    @override
    def signer(self, location: Location) -> Signer:
        return self.access.signer

    @override
    def complete_headers(
        self, headers: Mapping[str, str] | None, content: bytes | Content | None
    ) -> Mapping[str, str]:
        return {"x-ms-version": VERSION, **(headers or {})}

    @override
    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        target, sas = super().target(path, query), self.access.sas
        return Hidden(f"{target}{'&' if query else '?'}{sas}") if sas else target
