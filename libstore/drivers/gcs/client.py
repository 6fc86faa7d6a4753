"""Requests to the JSON API and, for multipart uploads, to the XML API with the same token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import Unpack, override

from ...errors import ContainerNotFoundError, ObjectNotFoundError, StorageError
from ...http.message import Response, Signer
from ...http.transport import Transport
from ...http.xml import Listing
from ...redaction import HiddenBytes
from ...rest.client import Location, RequestOptions, ServiceClient
from ...rest.operation import Operation, unproven
from ...retry import RetryPolicy
from . import operations
from .endpoints import Place
from .errors import VagueNotFoundError, error_mapper

# Empty JSON documents, which fake-gcs-server sends where Google sends an empty body.
_EMPTY = frozenset({b"null", b"{}"})


class GCSClient(ServiceClient):
    """
    Sends requests to the service.

    Args:
        payer: The project that pays for requests to buckets of others.
        secrets: Returns what must not be in a message.
    """

    def __init__(
        self,
        place: Place,
        transport: Transport,
        signer: Signer,
        payer: str | None,
        secrets: Callable[[], Iterable[str]],
        retry: Callable[[], RetryPolicy],
    ) -> None:
        super().__init__(transport, error_mapper(), retry)
        self.place = place
        self._known_secrets = secrets
        self._signer = signer
        self._payer = payer
        # The Server header of responses with Google's documents.
        self._server: str | None = None

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return tuple(self._known_secrets())

    @override
    def locate(self, container: str, name: str) -> Location:
        place = self.place
        if name:
            return Location(place.url, place.object(container, name))
        return Location(place.url, place.bucket(container) if container else place.buckets())

    @override
    def signer(self, location: Location) -> Signer:
        return self._signer

    @override
    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        if "?" in path:  # the address of an upload session, which knows who pays
            return path
        if self._payer is not None:
            # https://cloud.google.com/storage/docs/requester-pays
            query = {**(query or {}), "userProject": self._payer}
        return super().target(path, query)

    @override
    def send(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        **options: Unpack[RequestOptions],
    ) -> Response:
        try:
            return super().send(operation, container, name, **options)
        except VagueNotFoundError as error:
            raise self._explained(error, container) from None

    @override
    def check(self, operation: Operation, response: Response) -> Response:
        if operation.method != "DELETE" or response.status != 200:
            return super().check(operation, response)
        # Google responds to a deletion with status 204, and other servers with an empty document.
        body = HiddenBytes(response.read(self.max_document).strip())
        if body in _EMPTY or 200 in operation.success:
            return response
        error = unproven(response.status)
        # Google's storage-testbench and gcp-storage-emulator send status 200 and nothing else.
        server = response.headers.get("server")
        error.likely = bool(not body and server and server == self._server)
        raise error

    @override
    def read_json(self, operation: Operation, response: Response) -> dict[str, Any]:
        document = super().read_json(operation, response)
        if document is not None and not isinstance(document, dict):
            raise unproven(response.status, "the response is not a JSON object")
        if document and "kind" in document:
            self._server = response.headers.get("server")
        return document or {}

    @override
    def unexpected(
        self,
        document: Listing,
        roots: Sequence[str],
        response: Response,
        headers: Mapping[str, str] | None,
    ) -> StorageError:
        error = super().unexpected(document, roots, response, headers)
        code = document.head.get("Code")
        if code is not None:
            error.message += f": {code[:80]}"
            error.retryable = code in {"InternalError", "SlowDown"}
        return error

    def missing(self, bucket: str) -> ContainerNotFoundError | None:
        """Return the error of a bucket that does not exist; `None` if it does, or may."""
        try:
            self.send(operations.GET_BUCKET, bucket).close()
        except ContainerNotFoundError as error:
            error.container = bucket
            return error
        except StorageError as error:
            if error.status == 404:  # by another server than Google's
                raise
            # Permission to read objects does not include the bucket.
        return None

    def _explained(self, error: VagueNotFoundError, bucket: str) -> StorageError:
        """Return the error for whichever is missing, bucket or object."""
        found: StorageError | None = None
        try:
            found = self.missing(bucket) if bucket else None
        except StorageError as other:
            if error.code is None:  # then the first response was hardly Google's either
                return other
        return found or ObjectNotFoundError(
            error.message, status=error.status, code=error.code, request_id=error.request_id
        )
