"""Requests to one account: addressed, signed, sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, TypeVar

from typing_extensions import override

from ...errors import ServiceError, StorageError
from ...http.client import Client
from ...http.encoding import encode_query
from ...http.message import Content, Response
from ...http.transport import Transport
from ...http.xml import Listing, read_listing
from ...redaction import Hidden
from ...rest.client import ServiceClient
from ...rest.operation import SUCCESSES, Operation, ServiceRequest
from ...rest.proofs import mark, require
from ...retry import RetryPolicy
from ...values import MiB
from .errors import ErrorReader, foreign, is_foreign
from .settings import Access

T = TypeVar("T")

#: The version of the interface that all requests are made in. It is the oldest one that has all
#: that is used here: the tier Cold since 2021-12-02, names that XML cannot carry since 2021-02-12,
#: tokens for sources of copies since 2020-10-02, blocks of 4,000 MiB and tags since 2019-12-12.
#: An older one is understood by more services: emulators, Azure Stack, other clouds.
#: https://learn.microsoft.com/en-us/rest/api/storageservices/previous-azure-storage-service-versions
VERSION = "2021-12-02"

#: The largest page of a listing: 5,000 names of 1,024 characters, and what stands around them.
MAX_PAGE = 32 * MiB
#: A list of 50,000 blocks has the most bytes of all other answers.
MAX_ANSWER = 16 * MiB


class AzureClient(ServiceClient):
    """Sends requests to one account, from any number of threads."""

    used_up: ClassVar[frozenset[str]] = frozenset({"InvalidBlockList", "ContainerBeingDeleted"})

    def __init__(
        self, access: Access, transport: Transport, retry: Callable[[], RetryPolicy]
    ) -> None:
        super().__init__(transport, retry)
        self.access = access
        self.errors = ErrorReader(access.secrets)

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return self.access.secrets()

    # ------------------------------------------------------------------ one request

    def send(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Content | None = None,
        idempotent: bool = True,
    ) -> Response:
        """Return the answer to a request for a container, a blob in it, or the account."""
        request = ServiceRequest(
            operation.method,
            self.access.place.url,
            self.target(container, name, query),
            {"x-ms-version": VERSION, **(headers or {})},
            content,
            idempotent and operation.idempotent,
            SUCCESSES,
            operation.name,
            operation,
        )
        response = self.client.request(request)
        if is_foreign(operation.name, operation.method, response):
            response.close()
            raise mark(foreign(response.status).error(response.status))
        require(operation, response)
        return response

    def send_xml(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        root: str,
        rows: Collection[str] = (),
        limit: int = MAX_ANSWER,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Listing:
        """
        Return an answer of XML; it is asked for again where it breaks off or makes no sense.

        Args:
            root: The name of the root element.
            rows: The names of the elements that there may be many of.
            limit: The most bytes that are read.
        """

        def send() -> Listing:
            response = self.send(
                operation, container, name, query=query, headers=headers, content=content
            )
            try:
                # A byte order mark stands before what the service itself writes.
                document = read_listing(response.read(limit).removeprefix(b"\xef\xbb\xbf"), rows)
                if document.tag != root:
                    raise ServiceError(
                        f"the service's answer should be <{root}>, but is <{document.tag[:40]}>;"
                        " look whether the endpoint is right"
                    )
            except StorageError as error:
                error.status = error.status or response.status
                error.request_id = error.request_id or response.headers.get("x-ms-request-id")
                raise
            return document

        return self.persist(send)

    def target(self, container: str, name: str, query: Mapping[str, str] | None) -> str:
        """Return path and query as they go on the wire."""
        path = self.access.place.path(container, name)
        pieces = [encode_query(query)] if query else []
        if self.access.sas:
            pieces.append(self.access.sas)
        target = f"{path}?{'&'.join(pieces)}" if pieces else path
        return Hidden(target) if self.access.sas else target

    @property
    def client(self) -> Client:
        """What sends requests, by the policy that is set now."""
        return self.client_of("", lambda: self.access.signer, self.errors)
