"""
Requests to the JSON API: addressed, signed, sent.

The wire below tries again what can be sent twice. What cannot, a write with a condition above
all, is tried again here, by somebody who can look what became of the first try.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ...errors import (
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    StorageError,
    TransportError,
)
from ...http.client import Client
from ...http.message import Content, Request, Response, Signer
from ...http.names import encode_query
from ...http.transport import Transport
from ...retry import RetryPolicy
from ...values import MiB
from .errors import REQUEST_ID, ErrorReader, VagueNotFoundError, foreign
from .places import Place

T = TypeVar("T")

#: A page has 1,000 resources of some KiB each.
MAX_ANSWER = 64 * MiB

_EXPECTED = frozenset({200, 201, 204, 206})


class Calls:
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
        secrets: tuple[str, ...],
        retry: Callable[[], RetryPolicy],
    ) -> None:
        self.place = place
        self.transport = transport
        self.clock: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep
        self.errors = ErrorReader(secrets)
        self._signer = signer
        self._payer = payer
        self._retry = retry
        self._client: tuple[RetryPolicy, Client] | None = None

    # ------------------------------------------------------------------ one request

    def ask(
        self,
        method: str,
        operation: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Content | None = None,
        idempotent: bool = True,
        expected: frozenset[int] = _EXPECTED,
        bucket: str = "",
    ) -> Response:
        """
        Return the answer to a request.

        Args:
            bucket: Looked for if an answer does not say what it is that is missing.
        """
        request = Request(
            method, self.place.url, self.target(path, query), headers or {}, content,
            idempotent, expected, operation,
        )  # fmt: skip
        try:
            response = self.client.request(request)
        except VagueNotFoundError as error:
            raise self._explained(error, bucket) from None
        # What is read may be a web page; whatever else Google answers is JSON, if anything.
        if method != "GET" and response.headers.get("content-type", "").startswith("text/html"):
            response.close()
            raise ServiceError(foreign(response.status), status=response.status)
        return response

    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        """Return path and query as they go on the wire."""
        pairs = {**(query or {})}
        if self._payer is not None:
            # https://cloud.google.com/storage/docs/requester-pays
            pairs["userProject"] = self._payer
        return f"{path}?{encode_query(pairs)}" if pairs else path

    def ask_json(
        self,
        method: str,
        operation: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return an answer of JSON; it is asked for again where it breaks off."""
        if body is not None:
            options["content"] = json.dumps(body).encode()
            options["headers"] = {**options.get("headers", {}), "content-type": "application/json"}
        if not options.get("idempotent", True):
            return read_json(self.ask(method, operation, path, **options))
        delays = self._retry().delays()
        while True:
            try:
                return read_json(self.ask(method, operation, path, **options))
            except (ServiceError, TransportError) as error:
                # All other faults are the wire's, which has tried again already.
                if not in_success(error) or not self.may_wait(delays, error):
                    raise

    def missing(self, bucket: str) -> ContainerNotFoundError | None:
        """Return the error that tells that there is no such bucket, if there is none."""
        try:
            self.ask("GET", "GetBucket", self.place.bucket(bucket)).close()
        except ContainerNotFoundError as error:
            error.container = bucket
            return error
        except StorageError:  # whoever may read objects may not read buckets
            pass
        return None

    def _explained(self, error: VagueNotFoundError, bucket: str) -> StorageError:
        found = self.missing(bucket) if bucket else None
        return found or ObjectNotFoundError(
            error.message, status=error.status, code=error.code, request_id=error.request_id
        )

    # ------------------------------------------------------------------ several tries

    def persist_once(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """
        Try again what must take effect once.

        After a try of which nobody knows whether it took effect, a condition that does not hold
        may be our own doing.

        Args:
            send: Sends a request that the wire does not send again by itself.
            look: Returns the result if the request took effect, `None` if it did not.
        """
        delays = self._retry().delays()
        lost = False
        while True:
            try:
                return send()
            except (ObjectAlreadyExistsError, ObjectChangedError):
                found = seen(look) if lost else None
                if found is None:
                    raise
                return found
            except (ServiceError, TransportError) as error:
                lost = lost or error.retryable
                throttled = isinstance(error, RateLimitedError)
                if throttled or not self.may_wait(delays, error):
                    found = seen(look) if lost else None
                    if found is None:
                        raise
                    return found

    def delays(self) -> Iterator[float]:
        """Return how long to wait before each further try."""
        return self._retry().delays()

    def may_wait(self, delays: Iterator[float], error: StorageError) -> bool:
        """Wait for the next try, and return whether there is one."""
        delay = next(delays, None)
        if delay is None or not error.retryable:
            return False
        self.sleep(delay)
        return True

    # ------------------------------------------------------------------ the wire

    @property
    def client(self) -> Client:
        """What sends requests, by the policy that is set now."""
        retry = self._retry()
        known = self._client
        if known is not None and known[0] is retry:
            return known[1]
        client = Client(
            self.transport, self._signer, self.errors, retry, clock=self.clock, sleep=self.sleep
        )
        if known is not None:
            client.skew = known[1].skew
        self._client = (retry, client)
        return client

    def close(self) -> None:
        """Give back all connections."""
        self.transport.close()


def read_json(response: Response) -> dict[str, Any]:
    """Return what an answer says."""
    request_id = response.headers.get(REQUEST_ID)
    try:
        data = response.read(MAX_ANSWER)
        told = json.loads(data) if data else {}
        if not isinstance(told, dict) and told is not None:
            raise ServiceError("Google's answer is no object of JSON")
    except ValueError:
        raise ServiceError(
            "the answer is not the JSON that Google sends; look whether the endpoint is right, and"
            " whether a proxy answers in its place",
            status=response.status,
            request_id=request_id,
        ) from None
    except StorageError as error:
        error.status = error.status or response.status
        error.request_id = error.request_id or request_id
        raise
    return told or {}


def in_success(error: StorageError) -> bool:
    """Return whether the error came in an answer that said that all was well."""
    return error.status is not None and error.status < 300


def seen(look: Callable[[], T | None]) -> T | None:
    """Return what is found; an error in looking is not the one to be told."""
    try:
        return look()
    except StorageError:
        return None
