"""Requests to one service: addressed, signed, sent, and their responses checked and read."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypedDict, TypeVar

from typing_extensions import Unpack

from ..errors import ContainerNotFoundError, ServiceError, StorageError
from ..http.client import Client
from ..http.encoding import encode_query
from ..http.headers import retry_after
from ..http.json import parse_json
from ..http.message import Content, Request, Response, Signer
from ..http.transport import Exchange, Transport
from ..http.xml import read_listing
from ..redaction import HiddenBytes
from ..retry import Budget, Retrier, RetryPolicy
from ..values import UNCONDITIONAL, Conditions, MiB, ObjectInfo
from .confirming import (
    UNPROTECTED,
    Confirmer,
    Head,
    Protection,
    is_gone,
)
from .errors import ErrorMapper
from .operation import Operation, ServiceRequest

T = TypeVar("T")

# The maximum attempts and seconds of a clean-up.
_CLEANUP_ATTEMPTS = 3
_CLEANUP_TOTAL = 10.0
# How often a request follows a resource to another location.
_MAX_MOVES = 3


class Location(NamedTuple):
    """
    The destination of requests for a container or an object.

    Attributes:
        url: ``scheme://host[:port]``.
        path: The path, percent-encoded.
        key: The value that the signature depends on, such as the region. All requests with the
            same key share a signer and a correction of the clock.
    """

    url: str
    path: str
    key: str = ""


class StartedRequest(NamedTuple):
    """A request that was sent to a location, whose response is received later."""

    location: Location
    exchange: Exchange


class RequestOptions(TypedDict, total=False):
    """
    The options of `ServiceClient.send`, `send_xml` and `send_json`.

    Attributes:
        query: The query parameters, in the order in which they are sent.
        headers: The headers, by lower-case names.
        content: The body.
        path: The path, percent-encoded, of a resource that is neither a container nor an object.
        idempotent: False for a request that must not be sent twice although its operation is
            idempotent, such as one with a condition.
        started: The first attempt, if `start` has sent it already.
    """

    query: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    content: bytes | Content | None
    path: str | None
    idempotent: bool
    started: StartedRequest | None


@dataclass(frozen=True, slots=True)
class XMLResponse:
    """
    An XML document of a response.

    Attributes:
        root: The name of the root element.
        fields: The texts outside the rows, by their path below the root.
        rows: The repeated elements in their order: name, and texts by path below it; the text of
            an element without children has the path ``""``.
        headers: The headers of the response.
    """

    root: str
    fields: Mapping[str, str]
    rows: Sequence[tuple[str, Mapping[str, str]]]
    headers: Mapping[str, str]


class MovedError(Exception):
    """
    The resource is at another location, or may be; see `ServiceClient.follow`.

    Attributes:
        error: The error to raise if the request is not sent elsewhere.
    """

    def __init__(self, error: StorageError) -> None:
        super().__init__(str(error))
        self.error = error


class ServiceClient(ABC):
    """
    Sends the requests of one driver, from any number of threads.

    A subclass implements `locate` and `signer`, and overrides other methods if its service
    differs.

    Attributes:
        used_up: The codes of errors that another attempt cannot change for now; see `Confirmer`.
        max_document: The largest document that is read, in bytes.
        transport: The connections.
        errors: Maps error responses to exceptions.
        confirmer: Determines the outcome of requests whose response was lost.
        retrier: The state that all retries of the driver share.
        sleep: Waits for a number of seconds.
    """

    used_up: ClassVar[frozenset[str]] = frozenset()
    max_document: ClassVar[int] = 64 * MiB

    def __init__(
        self, transport: Transport, errors: ErrorMapper, retry: Callable[[], RetryPolicy]
    ) -> None:
        self.transport = transport
        self.errors = replace(errors, secrets=self.secrets)
        self._clock: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep
        self.retrier = Retrier(retry, sleep=self.wait)
        self.confirmer = Confirmer(self.retrier, self.now, self.used_up)
        self._clients: dict[str, Client] = {}

    # ------------------------------------------------------------------ what a service defines

    @abstractmethod
    def locate(self, container: str, name: str) -> Location:
        """
        Return the location of an object, a container or the account.

        `name` is empty for a container; both are empty for the account.
        """

    @abstractmethod
    def signer(self, location: Location) -> Signer:
        """Return a new signer for requests to all locations with the same key."""

    def target(self, path: str, query: Mapping[str, str] | None) -> str:
        """Return the target of a request: the path and the encoded query."""
        return f"{path}?{encode_query(query)}" if query else path

    def complete_headers(
        self, headers: Mapping[str, str] | None, content: bytes | Content | None
    ) -> Mapping[str, str]:
        """Return the headers of a request, with those that all requests have added."""
        return headers or {}

    def check(self, operation: Operation, response: Response) -> Response:
        """Return a response that proves success; otherwise raise `ServiceError`."""
        self.errors.check_genuine(operation, response)
        return response

    def follow(
        self, operation: Operation, container: str, location: Location, moved: MovedError
    ) -> bool:
        """Return whether to send the request again, to the new location from `locate`."""
        return False

    def secrets(self) -> tuple[str | bytes, ...]:
        """Return the secrets to remove from messages, even if the service repeats them."""
        return ()

    # ------------------------------------------------------------------ sending

    def send(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Content | None = None,
        path: str | None = None,
        idempotent: bool = True,
        started: StartedRequest | None = None,
    ) -> Response:
        """
        Send a request about an object, a container or the account; return the response.

        Its body must be read or closed. See `RequestOptions` for the options.

        Raises:
            StorageError: The request failed, after all retries that may help, or a response of
                success does not prove that it was carried out.
        """
        moves = 0
        while True:
            exchange: Exchange | None = None
            if started is None:
                location = self.locate(container, name)
                request: Request = ServiceRequest(
                    operation.method, location.url,
                    self.target(location.path if path is None else path, query),
                    self.complete_headers(headers, content), content,
                    idempotent and operation.idempotent, operation.expected, operation.name,
                    operation,
                )  # fmt: skip
            else:
                location, exchange = started
                request = exchange.request
            client = self._clients.get(location.key) or self.client_at(location)
            try:
                response = client.request(request, exchange)
            except MovedError as moved:
                if started is not None:
                    started = None
                    if self.locate(container, name) != location:
                        continue  # the new location became known after the request was sent
                moves += 1
                if moves > _MAX_MOVES or not self.follow(operation, container, location, moved):
                    raise moved.error from None
            else:
                return self.check(operation, response)

    def start(
        self,
        operation: Operation,
        container: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> StartedRequest | None:
        """
        Send a request about an object, and return without waiting for the response.

        Pass the result to `send` with the same arguments, which receives the response, or close
        its exchange. `None` if too many such requests wait for that already.
        """
        location = self.locate(container, name)
        request = ServiceRequest(
            operation.method, location.url, self.target(location.path, query),
            self.complete_headers(headers, None), None, operation.idempotent, operation.expected,
            operation.name, operation,
        )  # fmt: skip
        client = self._clients.get(location.key) or self.client_at(location)
        exchange = client.start(request)
        return None if exchange is None else StartedRequest(location, exchange)

    def send_proved(
        self,
        is_done: Callable[[], bool],
        operation: Operation,
        container: str = "",
        name: str = "",
        **options: Unpack[RequestOptions],
    ) -> None:
        """
        Send an idempotent request; if the response does not prove its effect, check that once.

        Args:
            is_done: Sends a request, and returns whether the first one took effect.
        """

        def send() -> bool:
            self.send(operation, container, name, **options).close()
            return True

        self.confirmer.prove(send, lambda: is_done() or None)

    def write(
        self,
        operation: Operation,
        container: str,
        name: str,
        read: Callable[[Response], ObjectInfo],
        head: Head,
        matches: Callable[[ObjectInfo], bool],
        conditions: Conditions = UNCONDITIONAL,
        token: str | None = None,
        protection: Protection = UNPROTECTED,
        **options: Unpack[RequestOptions],
    ) -> ObjectInfo:
        """
        Send a request that writes an object, until its outcome is known; see `Confirmer.write`.

        Args:
            read: Returns what the response says about the new object.
            options: The options of `send`; their headers or query have the conditions and the
                token.
        """
        # A second request with a condition would meet the effect of the first one.
        idempotent = options.setdefault("idempotent", not conditions)

        def send() -> ObjectInfo:
            response = self.send(operation, container, name, **options)
            try:
                return read(response)
            finally:
                response.close()

        return self.confirmer.write(
            send, head, matches, conditions, token, protection,
            once=not (idempotent and operation.idempotent),
        )  # fmt: skip

    def delete(
        self,
        operation: Operation,
        container: str,
        name: str,
        head: Head,
        conditions: Conditions = UNCONDITIONAL,
        protection: Protection = UNPROTECTED,
        **options: Unpack[RequestOptions],
    ) -> None:
        """Delete an object, with the same arguments as `write`; see `Confirmer.delete`."""
        options["idempotent"] = conditions.if_match is None
        self.confirmer.delete(
            lambda: self.send(operation, container, name, **options).close(),
            head, conditions, protection,
        )  # fmt: skip

    def delete_container(
        self,
        operation: Operation,
        container: str,
        head: Callable[[], object],
        **options: Unpack[RequestOptions],
    ) -> None:
        """
        Delete a container; it counts as deleted if it is missing after a lost response.

        Args:
            head: Raises `ContainerNotFoundError` if the container does not exist.
        """
        options["idempotent"] = False

        def send() -> bool:
            self.send(operation, container, **options).close()
            return True

        self.confirmer.prove(send, partial(is_gone, head, ContainerNotFoundError), once=True)

    def send_xml(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        root: str | tuple[str, ...],
        rows: Collection[str] = (),
        **options: Unpack[RequestOptions],
    ) -> XMLResponse:
        """
        Send a request and return the XML document of the response.

        An idempotent request is sent again if the document is cut off.

        Args:
            root: The name of the root element, or the names that it may have.
            rows: The names of the elements that are repeated.
        """
        roots = (root,) if isinstance(root, str) else root

        def send() -> XMLResponse:
            response = self.send(operation, container, name, **options)
            try:
                # Some services send blanks before the document, to keep the connection open, and
                # some a byte order mark.
                body = response.read(self.max_document)
                body = HiddenBytes(body.removeprefix(b"\xef\xbb\xbf").lstrip())
                if body and b"<" not in body[:4]:  # an empty body may have been cut off
                    raise ServiceError("the response is not XML; check the endpoint and any proxy")
                document = read_listing(body, rows)
                if document.tag not in roots:
                    raise self.errors.error_in(body, response, options.get("headers")) or (
                        ServiceError(
                            f"the response should be <{roots[0]}>, but is <{document.tag[:40]}>;"
                            " check the endpoint and any proxy"
                        )
                    )
            except StorageError as error:
                raise self.unread(error, operation, response) from None
            return XMLResponse(document.tag, document.head, document.rows, response.headers)

        return self._repeat(operation, send, options)

    def send_json(
        self,
        operation: Operation,
        container: str = "",
        name: str = "",
        *,
        body: object = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """
        Send a request and return the JSON document of the response; see `read_json`.

        An idempotent request is sent again if the document is cut off.

        Args:
            body: The content, which is sent as JSON.
        """
        if body is not None:
            options["content"] = json.dumps(body).encode()
            headers = options.get("headers") or {}
            options["headers"] = {**headers, "content-type": "application/json"}
        return self._repeat(
            operation,
            lambda: self.read_json(operation, self.send(operation, container, name, **options)),
            options,
        )

    def read_json(self, operation: Operation, response: Response) -> Any:
        """Return the JSON document of a response; `None` if its status is 204."""
        data = b""
        try:
            data = response.read(self.max_document)
            return None if response.status == 204 else parse_json(data)
        except ValueError:
            unread = ServiceError(
                "the response is not the expected JSON; check the endpoint and any proxy",
                retryable=data.startswith((b"{", b"[")),  # it was cut off
            )
            raise self.unread(unread, operation, response) from None
        except StorageError as error:
            raise self.unread(error, operation, response) from None

    def _repeat(self, operation: Operation, send: Callable[[], T], options: RequestOptions) -> T:
        if operation.idempotent and options.get("idempotent", True):
            return self.confirmer.run(send, once=False)
        return send()

    def unread(
        self, error: StorageError, operation: Operation, response: Response
    ) -> StorageError:
        """Return the error of an unreadable document, with the status and id of its response."""
        if isinstance(error, ServiceError) and error.code is None:
            error = self.errors.page(operation, response) or error
            error.unproven = True
        error.status = error.status or response.status
        error.request_id = error.request_id or self.errors.id_of(response.headers)
        error.retry_after = error.retry_after or retry_after(response.headers, self.clock())
        return error

    # ------------------------------------------------------------------ clocks, budgets

    def client_at(self, location: Location) -> Client:
        """Return the client that signs and sends requests to a location."""
        client = self._clients.get(location.key)
        if client is None:
            signer = self.signer(location)
            client = Client(self.transport, signer, self.errors, self.retrier, self._clock)
            # The clock of a service is the same at all locations.
            client.skew = next((known.skew for known in list(self._clients.values())), 0.0)
            self._clients[location.key] = client
        return client

    @property
    def clock(self) -> Callable[[], float]:
        """The function that returns the time in seconds since 1970, by this machine's clock."""
        return self._clock

    @clock.setter
    def clock(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        for client in self._clients.values():
            client.clock = clock

    def wait(self, seconds: float) -> None:
        """Wait before another attempt."""
        self.sleep(seconds)

    def now(self) -> float:
        """Return the time in seconds since 1970, by this machine's clock."""
        return self._clock()

    def signing_time(self) -> float:
        """Return the service's time that the next request is signed with."""
        return self.client_at(self.locate("", "")).now()

    def service_time(self) -> float:
        """Return the service's time by its last response, for URLs that are used later."""
        return self.client_at(self.locate("", "")).now_there()

    def cleanup_budget(self) -> Budget:
        """Return a small budget for the requests of a clean-up, for a ``with`` block."""
        policy = self.retrier.policy()
        small = replace(
            policy,
            attempts=min(policy.attempts, _CLEANUP_ATTEMPTS),
            total=min(policy.total, _CLEANUP_TOTAL),
        )
        shared = self.retrier
        return Budget(Retrier(small, shared.bucket, clock=shared.clock, sleep=shared.sleep))

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()
