"""
Requests to one S3 service: addressed, signed, sent, and sent again where a bucket has moved.

The wire below tries again what can be sent twice. What cannot, a write with a condition above
all, is tried again here, by somebody who can look what became of the first try.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from ...auth.sigv4 import (
    EMPTY_SHA256,
    PAYLOAD_HEADER,
    UNSIGNED,
    Anonymous,
    Credentials,
    HeaderSigner,
    SigV4,
)
from ...errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    RateLimitedError,
    ServiceError,
    StorageError,
    TransportError,
)
from ...http.client import LONGEST_WAIT, Client
from ...http.headers import retry_after
from ...http.message import Request, Response, Signer
from ...http.names import encode_path, encode_query, host_header
from ...http.transport import Transport
from ...retry import RetryPolicy
from ...transfer.payload import Payload
from . import google
from .endpoints import Endpoint, Place, is_region
from .errors import ErrorReader, WrongRegionError, is_page
from .markup import MAX_ANSWER, parse

T = TypeVar("T")

#: Elements that there may be many of: each with its name, and with the texts in it by their path.
Rows: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]

_EXPECTED = frozenset({200, 201, 204, 206})
# How many buckets' regions are remembered.
_MOST_PLACES = 4_096
# A bucket is looked for in so many regions before we give up.
_MOST_MOVES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of XML that was read.

    Attributes:
        told: The texts in it, by their path below the root.
        rows: What it has many of.
    """

    told: Mapping[str, str]
    rows: Rows
    headers: Mapping[str, str]


class Calls:
    """
    Sends requests to one service, from any number of threads.

    Args:
        credentials: `None` sends requests without a signature.
        region: Where buckets are looked for first.
        fixed: Whether they are looked for nowhere else.
        google: The service is Google's, which has other names for things.
        project: Whose buckets are made and listed there.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        credentials: Credentials | None,
        region: str,
        *,
        fixed: bool,
        retry: Callable[[], RetryPolicy],
        google: bool = False,
        project: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.credentials = credentials
        self.region = region
        self.clock: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep
        self._google = google
        self._project = project
        #: The project that pays for requests to buckets of others, if it is another one.
        self.payer: str | None = None
        self._fixed = fixed
        self._retry = retry
        secrets = (credentials.secret, credentials.token) if credentials else ()
        self.errors = ErrorReader(tuple(secret for secret in secrets if secret))
        self._places: dict[str | None, Place] = {}
        # Whether the service has taken a request of ours.
        self._accepted = False
        self._clients: dict[str, tuple[RetryPolicy, Client]] = {}

    # ------------------------------------------------------------------ one request

    def ask(
        self,
        method: str,
        operation: str,
        bucket: str | None,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | Payload | None = None,
        idempotent: bool = True,
    ) -> Response:
        """
        Return the answer to a request for a bucket, an object in it, or neither.

        Args:
            query: Sorted by name.
        """
        response = self._send(
            method, operation, bucket, name, query, headers, content, idempotent=idempotent
        )
        if "content-type" in response.headers and is_page(method, operation, response):
            response.close()
            raise self.errors.strange(response.status)
        return response

    def _send(
        self,
        method: str,
        operation: str,
        bucket: str | None,
        name: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        content: bytes | Payload | None,
        *,
        idempotent: bool,
    ) -> Response:
        target = encode_path(name)
        if self._google:
            query = google.asked(query)
        if query:
            target += f"?{encode_query(query)}"
        signed = {**headers} if headers else {}
        signed[PAYLOAD_HEADER] = UNSIGNED if self.endpoint.secure else _sha256(content)
        moves = 0
        while True:
            place = self._places.get(bucket) or self.settle(bucket, self.region)
            request = Request(
                method, place.url, place.prefix + target, signed, content, idempotent,
                _EXPECTED, operation,
            )  # fmt: skip
            try:
                response = self._client(place.region).request(request)
            except WrongRegionError as wrong:
                found = wrong
            else:
                self._accepted = True
                return google.Told(response) if self._google else response
            moves += 1
            if (
                moves > _MOST_MOVES
                or operation == "CreateBucket"
                or not self._move(bucket, place, found, method)
            ):
                raise found.error

    def ask_xml(
        self,
        method: str,
        operation: str,
        bucket: str | None,
        name: str = "",
        *,
        expected: tuple[str, ...],
        rows: Collection[str] = (),
        limit: int = MAX_ANSWER,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        idempotent: bool = True,
    ) -> Answer:
        """
        Return an answer whose body decides whether it is one: status 200 may be an error.

        Args:
            expected: The names that the root element may have.
            rows: The names of the elements that there may be many of.
            limit: The most bytes that are read of the body.
        """
        response = self._send(
            method, operation, bucket, name, query, headers, content, idempotent=idempotent
        )
        told_id = response.headers.get("x-amz-request-id")
        try:
            document = parse(response.read(limit), rows, *expected, "Error")
            if document.tag == "Error":
                raise self.errors.inside(document.head, response.status, told_id)
        except StorageError as error:
            error.status = error.status or response.status
            error.request_id = error.request_id or told_id
            error.retry_after = retry_after(response.headers, self.clock())
            # Some services say of XML that it is HTML, so it is looked at only now.
            unread = isinstance(error, ServiceError) and error.code is None
            if unread and is_page(method, operation, response):
                raise self.errors.strange(response.status) from None
            raise
        rows_told: Rows = document.rows
        if self._google:
            rows_told = [(tag, google.row(told)) for tag, told in rows_told]
        return Answer(document.head, rows_told, response.headers)

    # ------------------------------------------------------------------ several tries

    def persist(self, send: Callable[[], T]) -> T:
        """
        Try again where an answer of status 200 is an error or breaks off.

        All other faults are the wire's, which has tried again already.
        """
        patience = _Patience(self)
        while True:
            try:
                return send()
            except (ServiceError, TransportError) as error:
                if not _in_success(error) or not patience.waits(error):
                    raise

    def persist_once(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """
        Try again what must take effect once.

        After a try of which nobody knows whether it took effect, a condition that does not hold
        may be our own doing.

        Args:
            send: Sends a request that the wire does not send again by itself.
            look: Returns the result if the request took effect, `None` if it did not.
        """
        patience = _Patience(self)
        lost = False
        while True:
            try:
                return send()
            except (ObjectAlreadyExistsError, ObjectChangedError):
                found = _seen(look) if lost else None
                if found is None:
                    raise
                return found
            except (ServiceError, TransportError) as error:
                gone = error.code == "NoSuchUpload"
                lost = lost or gone or error.retryable
                throttled = isinstance(error, RateLimitedError) and not _in_success(error)
                if gone or throttled or not patience.waits(error):
                    found = _seen(look) if lost else None
                    if found is None:
                        raise
                    return found

    # ------------------------------------------------------------------ where

    def known_region(self, bucket: str) -> str:
        """Return the region of a bucket as far as it is known; nothing is sent."""
        place = self._places.get(bucket)
        return place.region if place else self.region

    def settle(self, bucket: str | None, region: str) -> Place:
        """Take note of a bucket's region."""
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        place = self._places[bucket] = self.endpoint.place(bucket, region)
        return place

    def forget(self, bucket: str) -> None:
        """Forget where a bucket is, for it is no more."""
        self._places.pop(bucket, None)

    def signed_url(
        self,
        method: str,
        bucket: str,
        name: str,
        expires: int,
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        """Return a URL that works without credentials, for requests with just these headers."""
        assert self.credentials is not None
        place = self.endpoint.place(bucket, self.known_region(bucket))
        target = place.prefix + encode_path(name)
        if query:
            target += f"?{encode_query(query)}"
        sigv4 = SigV4(self.credentials, place.region)
        now = self._client(place.region).now()
        host = host_header(place.url)
        return place.url + sigv4.sign_query(method, host, target, headers, expires, now)

    def close(self) -> None:
        """Give back all connections."""
        self.transport.close()

    def _client(self, region: str) -> Client:
        retry = self._retry()
        known = self._clients.get(region)
        if known is not None and known[0] is retry:
            return known[1]
        signer: Signer = Anonymous()
        if self.credentials is not None and self._google:
            signer = google.GoogleSigner(self.credentials, self._project, self.payer)
        elif self.credentials is not None:
            signer = HeaderSigner(SigV4(self.credentials, region))
        client = Client(
            self.transport,
            signer,
            self.errors,
            retry,
            clock=self.clock,
            sleep=self.sleep,
        )
        if known is not None:
            client.skew = known[1].skew
        self._clients[region] = (retry, client)
        return client

    def _move(
        self, bucket: str | None, place: Place, wrong: WrongRegionError, method: str
    ) -> bool:
        """
        Take note of where a bucket really is; return whether there is news.

        The service is believed a region's name, and nothing else.
        """
        if bucket is None and self._fixed:
            return False
        hint = wrong.hint
        if hint is None and method == "HEAD":
            if wrong.error.status == 403 and self._accepted:
                return False  # it is not who we are, nor the clock
            skew = self._client(place.region).skew
            hint = self._ask_why(bucket, place, wrong.error.status)
            if hint is None:
                return skew != self._client(place.region).skew
        if hint == "EU":  # what some services still call it:
            hint = "eu-west-1"  # https://docs.aws.amazon.com/general/latest/gr/s3.html
        if hint is None or not is_region(hint) or hint == place.region:
            return False
        self.settle(bucket, hint)
        return True

    def _ask_why(self, bucket: str | None, place: Place, status: int | None) -> str | None:
        """
        Ask by a request whose answer has a body why one to HEAD was refused; return a region.

        The clock is corrected on the way, if it is that. What is refused in the same way raises
        what its answer tells.
        """
        request = Request(
            "GET", place.url, f"{place.prefix}?location=", {PAYLOAD_HEADER: EMPTY_SHA256},
            operation="GetBucketLocation",
        )  # fmt: skip
        try:
            self._client(place.region).request(request).close()
        except WrongRegionError as wrong:
            if wrong.hint is None and wrong.error.status == status:
                raise wrong.error from None
            return wrong.hint
        except StorageError as error:
            if error.status == status:
                raise
        return None


class _Patience:
    """How long a call is tried again, by the rules that the wire has for its tries."""

    def __init__(self, calls: Calls) -> None:
        retry = calls._retry()
        self._calls = calls
        self._delays = retry.delays()
        self._deadline = calls.clock() + retry.total

    def waits(self, error: StorageError) -> bool:
        """Wait for the next try after this error; return whether there is one."""
        delay = next(self._delays, None)
        if delay is None or not error.retryable:
            return False
        delay = max(delay, min(error.retry_after or 0.0, LONGEST_WAIT))
        if self._calls.clock() + delay > self._deadline:
            return False
        self._calls.sleep(delay)
        return True


def _sha256(content: bytes | Payload | None) -> str:
    if content is None:
        return EMPTY_SHA256
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return content.digest("sha256")


def _in_success(error: StorageError) -> bool:
    """Return whether the error came in an answer that said that all was well."""
    return error.status is not None and error.status < 300


def _seen(look: Callable[[], T | None]) -> T | None:
    """Return what is found; an error in looking is not the one to be told."""
    try:
        return look()
    except StorageError:
        return None
