"""Requests to one S3 service: addressed, signed, sent, and sent again where a bucket has moved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, TypeVar

from typing_extensions import override

from ...auth.sigv4 import (
    EMPTY_SHA256,
    PAYLOAD_HEADER,
    UNSIGNED,
    Anonymous,
    Credentials,
    HeaderSigner,
    SigV4,
)
from ...errors import ServiceError, StorageError
from ...http.client import Client
from ...http.encoding import encode_path, encode_query, host_header
from ...http.headers import retry_after
from ...http.message import Response, Signer
from ...http.transport import Transport
from ...redaction import Hidden
from ...rest.client import ServiceClient
from ...rest.operation import SUCCESSES, Operation, ServiceRequest
from ...rest.proofs import mark, require
from ...retry import RetryPolicy
from ...transfer.payload import Payload
from . import google_headers, operations
from .endpoints import Endpoint, Place, is_region
from .errors import ErrorReader, WrongRegionError, is_page, strange
from .xml import MAX_ANSWER, parse

T = TypeVar("T")

#: Elements that there may be many of: each with its name, and with the texts in it by their path.
Rows: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]

# What Swift's S3 API answers whose object was replaced by a newer write in the meantime:
# https://github.com/openstack/swift/blob/master/swift/common/middleware/s3api/s3response.py
_SUPERSEDED = b"<h1>Accepted</h1>"
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
        root: The name of the root element.
    """

    told: Mapping[str, str]
    rows: Rows
    headers: Mapping[str, str]
    root: str = ""


class S3Client(ServiceClient):
    """
    Sends requests to one service, from any number of threads.

    Args:
        credentials: `None` sends requests without a signature.
        region: Where buckets are looked for first.
        fixed: Whether they are looked for nowhere else.
        google: The service is Google's, which has other names for things.
        project: Whose buckets are made and listed there.
    """

    used_up: ClassVar[frozenset[str]] = frozenset({"NoSuchUpload"})

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
        super().__init__(transport, retry)
        self.endpoint = endpoint
        self.credentials = credentials
        self.region = region
        self._google = google
        self._project = project
        #: The project that pays for requests to buckets of others, if it is another one.
        self.payer: str | None = None
        self._fixed = fixed
        self.errors = ErrorReader(self.secrets())
        self._places: dict[str | None, Place] = {}
        # Whether the service has taken a request of ours.
        self._accepted = False

    @override
    def secrets(self) -> tuple[str | bytes, ...]:
        known = self.credentials
        return tuple(secret for secret in (known.secret, known.token) if secret) if known else ()

    # ------------------------------------------------------------------ one request

    def send(
        self,
        operation: Operation,
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
            operation, bucket, name, query, headers, content, idempotent=idempotent
        )
        if operation.method in {"GET", "HEAD"}:
            page = is_page(operation.method, operation.name, response.headers, response.size)
        else:
            body = self._body_without_error(response)
            if _SUPERSEDED in body and "x-amz-request-id" in response.headers:
                return response
            page = is_page(operation.method, operation.name, response.headers, len(body))
        if page:
            response.close()
            raise mark(strange(response.status).error(response.status))
        require(operation, response)
        return response

    def _send(
        self,
        operation: Operation,
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
            query = google_headers.asked(query)
        asked = f"?{encode_query(query)}" if query else ""
        signed = {**headers} if headers else {}
        signed[PAYLOAD_HEADER] = UNSIGNED if self.endpoint.secure else _sha256(content)
        moves = 0
        while True:
            place = self._places.get(bucket) or self.settle(bucket, self.region)
            path = place.prefix + target if name else place.top
            request = ServiceRequest(
                operation.method, place.url, path + asked, signed, content,
                idempotent and operation.idempotent, SUCCESSES, operation.name, operation,
            )  # fmt: skip
            try:
                response = self._client(place.region).request(request)
            except WrongRegionError as wrong:
                found = wrong
            else:
                self._accepted = True
                return google_headers.told(response, operation) if self._google else response
            moves += 1
            if (
                moves > _MOST_MOVES
                or operation is operations.CREATE_BUCKET
                or not self._move(bucket, place, found, operation.method)
            ):
                raise found.error

    def send_xml(
        self,
        operation: Operation,
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
            operation, bucket, name, query, headers, content, idempotent=idempotent
        )
        told_id = response.headers.get("x-amz-request-id")
        try:
            require(operation, response)
            document = parse(response.read(limit), rows, *expected, "Error")
            if document.tag == "Error":
                raise self.errors.inside(document.head, response.status, told_id, headers)
        except StorageError as error:
            error.status = error.status or response.status
            error.request_id = error.request_id or told_id
            error.retry_after = retry_after(response.headers, self.clock())
            unread = isinstance(error, ServiceError) and error.code is None
            # Some services say of XML that it is HTML, so it is looked at only now.
            if unread and is_page(
                operation.method, operation.name, response.headers, response.size
            ):
                raise mark(strange(response.status).error(response.status)) from None
            if unread:
                mark(error)
            raise
        rows_told: Rows = document.rows
        if self._google:
            rows_told = [(tag, google_headers.row(told)) for tag, told in rows_told]
        return Answer(document.head, rows_told, response.headers, document.tag)

    def _body_without_error(self, response: Response) -> bytes:
        """Read the body of a response that has no document; raise the error that it may be."""
        told = response.headers
        if response.size == 0 or "etag" in told:
            return b""
        told_id = told.get("x-amz-request-id")
        try:
            body = response.read(MAX_ANSWER)
            if b"<Error" in body[:1024]:
                document = parse(body, (), "Error")
                raise self.errors.inside(document.head, response.status, told_id)
        except StorageError as error:
            error.status = error.status or response.status
            raise
        return body

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
        now = self._client(place.region).now_there()
        host = host_header(place.url)
        return Hidden(place.url + sigv4.sign_query(method, host, target, headers, expires, now))

    def now_there(self) -> float:
        """Return the service's time, as far as it was told."""
        return self._client(self.region).now_there()

    def _client(self, region: str) -> Client:
        return self.client_of(region, lambda: self._signer(region), self.errors)

    def _signer(self, region: str) -> Signer:
        if self.credentials is None:
            return Anonymous()
        if self._google:
            return google_headers.GoogleSigner(self.credentials, self._project, self.payer)
        return HeaderSigner(SigV4(self.credentials, region))

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
        kind = operations.GET_BUCKET_LOCATION
        request = ServiceRequest(
            kind.method, place.url, f"{place.top}?location=", {PAYLOAD_HEADER: EMPTY_SHA256},
            operation=kind.name, kind=kind,
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


def _sha256(content: bytes | Payload | None) -> str:
    if content is None:
        return EMPTY_SHA256
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return content.digest("sha256")
