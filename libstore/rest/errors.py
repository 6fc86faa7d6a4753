"""How the error responses of a service become exceptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TypeAlias, TypeVar

from typing_extensions import ParamSpec

from ..errors import (
    AuthenticationError,
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectNotModifiedError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    StorageFullError,
)
from ..http.headers import is_html
from ..http.json import parse_json
from ..http.message import Fault, Request, Response
from ..redaction import redact, sent_secrets
from .operation import ACCOUNT, CONTAINER, JSON, OBJECT, XML, Operation, ServiceRequest, unproven

P = ParamSpec("P")
T = TypeVar("T")

# Longer messages of a service are cut off.
_MAX_MESSAGE = 300
_CONTENT_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,60}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    The meaning of an error code or of a status.

    Attributes:
        kind: The class of the error.
        message: What happened, on what, and what to do.
        retry: Another attempt may succeed.
        renew: Fetch new credentials and try once more.
        skewed: The local clock is wrong: correct it by the response's date and try once more.
        throttled: The service limits the rate of requests; it has not carried out this one.
    """

    kind: type[StorageError]
    message: str = ""
    retry: bool = False
    renew: bool = False
    skewed: bool = False
    throttled: bool = False


# ---------------------------------------------------------------------- meanings for all services

#: `ServiceUnavailableError`; another attempt may succeed.
BUSY = Meaning(
    ServiceUnavailableError, "the service is temporarily unavailable; try again later", retry=True
)
#: `RateLimitedError`; nothing was done, and another attempt may succeed.
SLOWER = Meaning(
    RateLimitedError,
    "the service limits the rate of requests; send fewer at the same time",
    retry=True,
    throttled=True,
)
#: `IntegrityError`: the digest or the length was another one; another attempt may succeed.
DAMAGED = Meaning(
    IntegrityError, "the service received different bytes than were sent; try again", retry=True
)
#: `AuthenticationError` because of a wrong clock, which is corrected for another attempt.
CLOCK = Meaning(AuthenticationError, "the clock of this machine is wrong; correct it", skewed=True)
#: `StorageFullError` of the service.
FULL = Meaning(StorageFullError, "the service has no space left")
#: `StorageFullError` of the account or the container.
QUOTA = Meaning(StorageFullError, "a quota is exceeded; raise it or delete something")
#: `NotSupportedError`.
LACKING = Meaning(NotSupportedError, "the service does not support this operation")
#: `ServiceError`: another attempt would fail too.
REFUSED = Meaning(ServiceError, "the service rejected the request")
#: `ObjectAlreadyExistsError`.
EXISTS = Meaning(ObjectAlreadyExistsError, "an object of this name already exists")
#: `ObjectChangedError`.
CHANGED = Meaning(ObjectChangedError, "the object was changed: its ETag is a different one")
#: `ObjectNotFoundError`.
NO_OBJECT = Meaning(ObjectNotFoundError, "the object does not exist")
#: `ContainerNotFoundError` of a service that has buckets.
NO_BUCKET = Meaning(ContainerNotFoundError, "the bucket does not exist")
#: `ContainerNotFoundError`.
NO_CONTAINER = Meaning(ContainerNotFoundError, "the container does not exist")
#: The response did not come from the service; the mapper adds the message.
UNEXPECTED = Meaning(ServiceError)
#: Statuses that mean by themselves that another attempt may succeed. Load balancers and proxies
#: send them too, with any body or none. Each `ErrorMapper` has them.
PASSING: Mapping[int, Meaning] = {
    408: BUSY, 429: SLOWER, 500: BUSY, 502: BUSY, 503: BUSY, 504: BUSY,
}  # fmt: skip
_NOT_MODIFIED = Meaning(ObjectNotModifiedError, "the object still has the ETag of if_none_match")
_PROXY = Meaning(
    ServiceError, "the proxy requires authentication; pass the user and password in its URL"
)


# ---------------------------------------------------------------------- responses


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """
    The content of an error response.

    Attributes:
        code: The service's error code.
        message: The service's message for people.
        request_id: The id of the request, if it is not in a header.
        fields: Other fields that the driver needs.
        recognized: Whether the content has the form of the service's errors.
    """

    code: str | None = None
    message: str = ""
    request_id: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    recognized: bool = False


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response, and the request that it is for."""

    operation: Operation
    request: Request
    status: int
    headers: Mapping[str, str]
    body: bytes
    document: ErrorDocument


#: An entry of a table: a meaning, or a function for a meaning that depends on the request.
Entry: TypeAlias = Meaning | Callable[[ErrorResponse], Meaning]


def json_errors(
    code: str, message: str = ""
) -> Callable[[Mapping[str, str], bytes], ErrorDocument]:
    """
    Return the `parse` of an `ErrorMapper` for errors that are JSON objects.

    Args:
        code: The name of the member that has the error code.
        message: The name of the member that has a message for people.
    """

    def parse(_headers: Mapping[str, str], body: bytes) -> ErrorDocument:
        try:
            document = parse_json(body)
        except ValueError:
            return ErrorDocument()
        if not isinstance(document, dict) or not isinstance(document.get(code), str):
            return ErrorDocument()
        text = document.get(message)
        return ErrorDocument(
            document[code], text if isinstance(text, str) else "", recognized=True
        )

    return parse


def not_found(response: ErrorResponse) -> Meaning:
    """
    Return the meaning of status 404 from the request alone: what is missing.

    If the request creates its subject, the container of it is missing; otherwise the subject is.
    If a service sends the same response for a missing container, check for the container then.
    """
    required = response.operation.required
    if required is ACCOUNT:
        return UNEXPECTED
    return NO_CONTAINER if required is CONTAINER else NO_OBJECT


def precondition_failed(response: ErrorResponse) -> Meaning:
    """Return which condition failed by the request's headers, as an entry for status 412."""
    sent = response.request.headers
    if sent.get("if-none-match") == "*":
        return EXISTS
    return CHANGED if "if-match" in sent else REFUSED


_OTHER = Operation("", "GET", OBJECT)
_DOCUMENTS = frozenset({JSON, XML})


@dataclass(frozen=True)
class ErrorMapper:
    """
    Maps the error responses of one service to exceptions.

    It recognizes responses of proxies and login pages, decides what may be retried, and removes
    secrets from the service's messages.

    Attributes:
        service: The name of the service in messages.
        parse: Returns the content of an error response, given its headers and its body.
        codes: The meaning of each error code.
        by_status: The meaning of each status in a response without a known code, in addition to
            `PASSING`.
        genuine: The beginnings of names of headers that only the service sends.
        strict: Each response of the service has one of these headers.
        request_id: The names of headers that may have the request's id.
        secrets: Returns the secrets of the driver, which no message may contain. A
            `ServiceClient` uses its own.
        is_unexpected: Returns whether a response did not come from the service. By default that
            is a page of HTML with neither an error code nor a genuine header.
        trusted: Statuses that determine the class of the error even of an unexpected response, in
            addition to those that mean that another attempt may succeed.
        unsure: Returns whether a wrong clock may be the reason for an error.
    """

    service: str
    parse: Callable[[Mapping[str, str], bytes], ErrorDocument]
    codes: Mapping[str, Entry]
    by_status: Mapping[int, Entry]
    genuine: tuple[str, ...] = ()
    strict: bool = False
    request_id: tuple[str, ...] = ()
    secrets: Callable[[], Iterable[str | bytes]] = tuple
    is_unexpected: Callable[[ErrorResponse], bool] | None = None
    trusted: frozenset[int] = frozenset()
    unsure: Callable[[ErrorResponse], bool] | None = None

    def __call__(
        self, request: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> Fault:
        """Return the error for a response, and whether to retry, renew or correct the clock."""
        operation = request.kind if isinstance(request, ServiceRequest) else _OTHER
        document = self.parse(headers, body)
        return self.fault(ErrorResponse(operation, request, status, headers, body, document))

    def fault(self, response: ErrorResponse) -> Fault:
        """Return the error for a parsed response; a driver may override this."""
        meaning, error = self._read(response)
        return Fault(
            error, meaning.retry, meaning.renew, meaning.skewed, meaning.throttled,
            unsure=self.unsure is not None and self.unsure(response),
        )  # fmt: skip

    def error(
        self, operation: Operation, status: int, headers: Mapping[str, str], body: bytes
    ) -> StorageError:
        """Return the error for one response of many, as in a batch."""
        request = Request(operation.method, "", "")
        document = self.parse(headers, body)
        return self._read(ErrorResponse(operation, request, status, headers, body, document))[1]

    def embedded(
        self,
        document: ErrorDocument,
        status: int | None,
        headers: Mapping[str, str],
        sent: Mapping[str, str] | None = None,
    ) -> StorageError:
        """
        Return the error for an error document in a response with a status of success.

        Args:
            status: The response's status; `None` if the error is about one row of many.
            headers: The headers of the response.
            sent: The headers of the request.
        """
        request = Request("", "", "", sent or {})
        _, error = self._read(ErrorResponse(_OTHER, request, 200, headers, b"", document))
        error.status = status
        return error

    def error_in(
        self, body: bytes, response: Response, sent: Mapping[str, str] | None = None
    ) -> StorageError | None:
        """Return the error that a 2xx response has as its body, if it is one; see `embedded`."""
        document = self.parse(response.headers, body)
        if not document.recognized:
            return None
        return self.embedded(document, response.status, response.headers, sent)

    def check_genuine(
        self, operation: Operation, response: Response, size: int | None = None
    ) -> None:
        """
        Raise `ServiceError` if a 2xx response does not prove that the operation was carried out.

        A document proves itself where it is parsed, since some servers label it as HTML.

        Args:
            size: The size of the body, if it is not in the response's headers.
        """
        if self.strict or (operation.response not in _DOCUMENTS and is_html(response.headers)):
            page = self.page(operation, response, size)
            if page is not None:
                response.close()
                raise page
        if not operation.is_proved_by(response.status, response.headers):
            response.close()
            raise unproven(response.status)

    def page(
        self, operation: Operation, response: Response, size: int | None = None
    ) -> ServiceError | None:
        """Return the error of a 2xx response that is a web page, such as a login page."""
        status, headers = response.status, response.headers
        size = response.size if size is None else size
        if has_prefix(headers, self.genuine):
            return None
        if not (self.strict or has_html(operation.method, headers, size)):
            return None
        return unproven(status, unexpected_message(status, headers, self.service))

    def id_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the service's id of a request, for its support."""
        return next(filter(None, map(headers.get, self.request_id)), None)

    # ------------------------------------------------------------------ details

    def _read(self, response: ErrorResponse) -> tuple[Meaning, StorageError]:
        document, status, headers = response.document, response.status, response.headers
        is_unexpected = self.is_unexpected or self._is_html
        meaning = UNEXPECTED if is_unexpected(response) else self._meaning(response)
        message = document.message
        if meaning is UNEXPECTED:
            meaning, message = self._unexpected(status, headers), ""
        text = meaning.message
        secrets = (*self.secrets(), *sent_secrets())
        shown = " ".join(redact(message, secrets).split())[:_MAX_MESSAGE]
        if shown:
            text += f" (the service says: {shown})"
        request_id = self.id_of(headers) or document.request_id
        error = meaning.kind(
            text,
            status=status,
            code=redact(document.code, secrets) if document.code else document.code,
            request_id=redact(request_id, secrets) if request_id else request_id,
            retryable=meaning.retry or None,
        )
        return meaning, error

    def _is_html(self, response: ErrorResponse) -> bool:
        known = response.document.recognized or has_prefix(response.headers, self.genuine)
        size = len(response.body)
        return not known and has_html(response.request.method, response.headers, size)

    def _meaning(self, response: ErrorResponse) -> Meaning:
        status, document = response.status, response.document
        if status == 304:  # Azure has the code of a condition that does not hold
            return _NOT_MODIFIED
        entry = self.codes.get(document.code or "") or self._by_status(status)
        if entry is None:
            known = document.recognized or has_prefix(response.headers, self.genuine)
            return REFUSED if known else UNEXPECTED
        return entry if isinstance(entry, Meaning) else entry(response)

    def _by_status(self, status: int) -> Entry | None:
        known = self.by_status.get(status) or PASSING.get(status)
        return known or (BUSY if status >= 500 or status < 300 else None)

    def _unexpected(self, status: int, headers: Mapping[str, str]) -> Meaning:
        if status == 407:
            return _PROXY
        text = unexpected_message(status, headers, self.service)
        known = self._by_status(status)
        if isinstance(known, Meaning) and (
            status in self.trusted or (known.retry and (status >= 500 or status in PASSING))
        ):
            return replace(known, message=text, renew=False)
        return Meaning(ServiceError, text)


# ---------------------------------------------------------------------- proof


def unexpected_message(
    status: int, headers: Mapping[str, str], service: str = "the service"
) -> str:
    """Return the message about a response that did not come from the service."""
    found = _CONTENT_TYPE.match(headers.get("content-type", ""))
    kind = f", {found[0].lower()}" if found else ""
    return (
        f"unexpected response (HTTP {status}{kind}) that is not from {service};"
        " check the endpoint and any proxy"
    )


def has_prefix(headers: Mapping[str, str], prefixes: tuple[str, ...]) -> bool:
    """Return whether the name of a header begins with one of the prefixes."""
    return any(name.startswith(prefixes) for name in headers)


def has_html(method: str, headers: Mapping[str, str], size: int | None) -> bool:
    """
    Return whether a response has a body of HTML, by its headers.

    The content type alone is not enough: frameworks send it with empty bodies too.

    Args:
        size: The size of the body; `None` if unknown.
    """
    if not is_html(headers):
        return False
    # In a response to HEAD, Content-Length is that of the body that a GET would have.
    return str(headers.get("content-length") if method == "HEAD" else size) != "0"


def rejects_malformed(parse: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that parses JSON: another structure raises `ServiceError`."""

    @wraps(parse)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(*args, **kwargs)
        except StorageError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise ServiceError(
                "the response does not have the structure that the service documents;"
                " check the endpoint and any proxy"
            ) from None

    return wrapped
