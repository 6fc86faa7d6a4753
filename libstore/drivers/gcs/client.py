"""Requests to the JSON API: addressed, signed, sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from typing_extensions import override

from ...errors import ContainerNotFoundError, ObjectNotFoundError, ServiceError, StorageError
from ...http.client import Client
from ...http.encoding import encode_query
from ...http.json import parse_json
from ...http.message import Content, Response, Signer
from ...http.transport import Transport
from ...redaction import HiddenBytes
from ...rest.client import ServiceClient
from ...rest.operation import SUCCESSES, Operation, ServiceRequest
from ...rest.proofs import mark, mark_likely, require
from ...retry import RetryPolicy
from ...values import MiB
from . import operations
from .endpoints import Place
from .errors import REQUEST_ID, ErrorReader, VagueNotFoundError

T = TypeVar("T")

#: A page has 1,000 resources of some KiB each.
MAX_ANSWER = 64 * MiB

# Empty documents of JSON, as fake-gcs-server has them where Google has an empty body.
_NOTHING = frozenset({b"null", b"{}"})


class GCSClient(ServiceClient):
    """
    Sends requests to the service, from any number of threads.

    Args:
        payer: The project that pays for requests to buckets of others.
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
        super().__init__(transport, retry)
        self.place = place
        self._known_secrets = secrets
        self.errors = ErrorReader(secrets)
        self._signer = signer
        self._payer = payer
        # What answers with Google's documents calls itself.
        self._server: str | None = None

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        return tuple(self._known_secrets())

    # ------------------------------------------------------------------ one request

    def send(
        self,
        operation: Operation,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Content | None = None,
        idempotent: bool = True,
        expected: frozenset[int] = frozenset(),
        bucket: str = "",
    ) -> Response:
        """
        Return the answer to a request.

        Args:
            expected: Statuses beside those of success that are no error.
            bucket: Looked for if an answer does not say what it is that is missing.
        """
        request = ServiceRequest(
            operation.method, self.place.url, self.target(path, query), headers or {}, content,
            idempotent and operation.idempotent, SUCCESSES | expected, operation.name, operation,
        )  # fmt: skip
        try:
            response = self.client.request(request)
        except VagueNotFoundError as error:
            raise self._explained(error, bucket) from None
        if response.status in SUCCESSES:
            self._require_proof(operation, response)
        return response

    def _require_proof(self, operation: Operation, response: Response) -> None:
        """Raise if a response of success does not show what was done."""
        # What Google deletes it answers with 204; others say as little in other words.
        deleted = operation.method == "DELETE" and response.status == 200
        body = HiddenBytes(response.read(MAX_ANSWER).strip() if deleted else b"")
        if deleted and body in _NOTHING:
            return
        try:
            require(operation, response)
        except ServiceError as error:
            # Google's storage-testbench and gcp-storage-emulator answer 200 and nothing else.
            server = response.headers.get("server")
            if deleted and not body and server and server == self._server:
                mark_likely(error)
            raise

    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        """Return path and query as they go on the wire."""
        if "?" in path:  # the address of a session, which knows who pays
            return path
        pairs = {**(query or {})}
        if self._payer is not None:
            # https://cloud.google.com/storage/docs/requester-pays
            pairs["userProject"] = self._payer
        return f"{path}?{encode_query(pairs)}" if pairs else path

    def send_json(
        self,
        operation: Operation,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return an answer of JSON; it is asked for again where it breaks off."""
        if body is not None:
            options["content"] = json.dumps(body).encode()
            options["headers"] = {**options.get("headers", {}), "content-type": "application/json"}

        def send() -> dict[str, Any]:
            response = self.send(operation, path, **options)
            told = read_json(response)
            if "kind" in told:
                self._server = response.headers.get("server")
            return told

        idempotent = operation.idempotent and options.get("idempotent", True)
        return self.persist(send) if idempotent else send()

    def missing(self, bucket: str) -> ContainerNotFoundError | None:
        """Return the error that tells that there is no such bucket, if there is none."""
        try:
            self.send(operations.GET_BUCKET, self.place.bucket(bucket)).close()
        except ContainerNotFoundError as error:
            error.container = bucket
            return error
        except StorageError as error:
            if error.status == 404:  # by somebody else than Google
                raise
            # Whoever may read objects may not read buckets.
        return None

    def _explained(self, error: VagueNotFoundError, bucket: str) -> StorageError:
        found: StorageError | None = None
        try:
            found = self.missing(bucket) if bucket else None
        except StorageError as foreign:
            if error.code is None:  # then the first one was hardly Google's either
                return foreign
        return found or ObjectNotFoundError(
            error.message, status=error.status, code=error.code, request_id=error.request_id
        )

    @property
    def client(self) -> Client:
        """What sends requests, by the policy that is set now."""
        return self.client_of("", lambda: self._signer, self.errors)


def read_json(response: Response) -> dict[str, Any]:
    """Return what an answer says."""
    request_id = response.headers.get(REQUEST_ID)
    data = b""
    try:
        data = response.read(MAX_ANSWER)
        told = parse_json(data)
        if not isinstance(told, dict) and told is not None:
            raise mark(ServiceError("Google's answer is no object of JSON"))
    except ValueError:
        error = ServiceError(
            "the answer is not the JSON that Google sends; look whether the endpoint is right, and"
            " whether a proxy answers in its place",
            status=response.status,
            request_id=request_id,
            retryable=data.startswith(b"{"),  # it was cut on its way
        )
        raise mark(error) from None
    except StorageError as error:
        error.status = error.status or response.status
        error.request_id = error.request_id or request_id
        raise
    return told or {}
