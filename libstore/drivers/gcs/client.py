"""Requests to the JSON API and, for multipart uploads, to the XML API with the same token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import Unpack, override

from ...errors import ContainerNotFoundError, ObjectNotFoundError, StorageError
from ...http.message import Response, Signer
from ...http.transport import Transport
from ...redaction import HiddenBytes
from ...rest.client import Location, RequestOptions, ServiceClient
from ...rest.operation import UPLOAD, XML, Operation, unproven
from ...retry import RetryPolicy
from ...s3api.google_headers import GoogleResponse
from ...s3api.operations import UPLOAD_PART
from . import operations
from .endpoints import Endpoint
from .errors import VagueNotFoundError, error_mapper

# Empty JSON documents, which fake-gcs-server sends where Google sends an empty body.
_EMPTY = frozenset({b"null", b"{}"})


class GCSClient(ServiceClient):
    """
    Sends requests to the service.

    Args:
        payer: The project that pays for requests to requester-pays buckets.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        signer: Signer,
        payer: str | None,
        secrets: Callable[[], tuple[str | bytes, ...]],
        retry: Callable[[], RetryPolicy],
    ) -> None:
        super().__init__(transport, error_mapper(), retry)
        self.endpoint = endpoint
        self._known_secrets = secrets
        self._signer = signer
        self._payer = payer
        # The header "server" of the service's own documents.
        self._server: str | None = None

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return self._known_secrets()

    @override
    def locate(self, container: str, name: str) -> Location:
        return Location(self.endpoint.url, self.endpoint.path(container, name))

    @override
    def signer(self, location: Location) -> Signer:
        return self._signer

    @override
    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        if "?" in path:  # the URL of a resumable upload, which needs nothing else
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
        if "path" not in options and (
            operation.subject is UPLOAD or operation.response is XML
        ):  # of the XML API
            options["path"] = self.endpoint.public(container, name)
            name = ""
        try:
            return super().send(operation, container, name, **options)
        except VagueNotFoundError as error:
            raise self._explain(error, container) from None

    @override
    def check(self, operation: Operation, response: Response) -> Response:
        if operation is UPLOAD_PART:
            renamed = GoogleResponse(super().check(operation, response))
            # The ETag of a part is not a generation, which is what it is renamed from.
            renamed.headers = {**renamed.headers, "etag": response.headers["etag"]}
            return renamed
        if operation.method != "DELETE" or response.status != 200:
            return super().check(operation, response)
        # Google responds to a delete with status 204, and other servers with an empty document.
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

    def require_bucket(self, bucket: str) -> None:
        """Raise `ContainerNotFoundError` if a bucket does not exist."""
        self.send_json(operations.GET_BUCKET, bucket)

    def _explain(self, error: VagueNotFoundError, bucket: str) -> StorageError:
        """Return the error for whichever is missing, bucket or object."""
        try:
            if bucket:
                self.require_bucket(bucket)
        except ContainerNotFoundError as missing:
            return missing
        except StorageError as other:
            # Permission to read objects does not include their bucket. But if the service does
            # not know the request for a bucket, it sent neither response.
            if other.status == 404 and error.code is None:
                return other
        return ObjectNotFoundError(
            error.message, status=error.status, code=error.code, request_id=error.request_id
        )
