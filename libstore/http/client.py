"""
Send a request until there is a response: sign each attempt, and retry where that is safe.

Whether a retry is safe depends on what the service has received. If no connection could be made,
nothing was sent. A request without a response is sent again only if it is idempotent. A response
that rejects a request (wrong credentials, wrong clock, too many requests) shows that the request
had no effect.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping
from typing import NoReturn

from ..errors import StorageError, TransportError
from ..redaction import Hidden, HiddenBytes
from ..retry import Budget, Retrier, RetryPolicy, current_budget
from ..values import KiB
from . import headers as header_rules
from .message import ErrorReader, Request, Response, Signer
from .network_errors import OutageError
from .response import WireResponse
from .transport import Exchange, Transport

_logger = logging.getLogger(__name__)

_ERROR_LIMIT = 64 * KiB
# No service rejects a request because of a smaller clock skew.
_MIN_SKEW = 30.0
# The clock skew that all services accept. It matters for those that do not report the reason:
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
# https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
_ACCEPTED_SKEW = 900.0


# The statuses of responses that may refuse a signature.
_REFUSALS = frozenset({400, 401, 403})


class Unsigned:
    """A signer that sends requests unsigned."""

    def sign(self, request: Request, _now: float, /) -> Mapping[str, str]:
        """Return the request's own headers."""
        return request.headers

    def renew(self, _request: Request, /) -> bool:
        """Return `False`: there are no credentials."""
        return False


class HeaderSigner:
    """
    A signer that sends the same headers with each request, such as a token or an API key.

    Args:
        headers: Their values are not shown in tracebacks.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name: Hidden(value) for name, value in headers.items()}

    def sign(self, request: Request, _now: float, /) -> Mapping[str, str]:
        """Return the request's headers with those of this signer."""
        return {**request.headers, **self._headers}

    def renew(self, _request: Request, /) -> bool:
        """Return `False`: there are no other credentials."""
        return False


class Client:
    """
    Send requests to a service, with signatures and retries.

    Args:
        read_error: Converts a response with an unexpected status to a `Fault`.
        retry: The policy, or the retry state of the driver.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        transport: Transport,
        signer: Signer,
        read_error: ErrorReader,
        retry: RetryPolicy | Retrier,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.transport = transport
        self.signer = signer
        self.retrier = retry if isinstance(retry, Retrier) else Retrier(retry)
        self.clock = clock
        self.read_error = read_error
        #: The seconds by which the service's clock is ahead of the local one.
        self.skew = 0.0
        self._last: tuple[Mapping[str, str], float] = ({}, 0.0)

    def now(self) -> float:
        """Return the service's time: the local clock, corrected if the service rejected it."""
        return self.clock() + self.skew

    def now_there(self, tolerance: float = _MIN_SKEW) -> float:
        """
        Return the service's time according to its last response.

        It is for presigned URLs, whose clock cannot be corrected by a retry.

        Args:
            tolerance: Ignore a difference from the corrected clock of fewer seconds than this.
        """
        headers, received = self._last
        when = None if "age" in headers else header_rules.parse_date(headers.get("date"))
        ahead = self.skew if when is None else when.timestamp() - received
        return self.clock() + (self.skew if abs(ahead - self.skew) < tolerance else ahead)

    def start(self, request: Request) -> Exchange | None:
        """
        Send a request that has no body, and return without waiting for the response.

        `request` receives it. `None` if too many such requests wait for that already.
        """
        skew = self.skew
        exchange = self.transport.start(request, self.signer.sign(request, self.clock() + skew))
        if exchange is not None:
            exchange.skew = skew
        return exchange

    def request(self, request: Request, started: Exchange | None = None) -> Response:
        """
        Send a request and return its response, which has one of the expected statuses.

        Args:
            started: The first attempt, if it was sent already.

        Raises:
            TransportError: No attempt received a response.
        """
        budget = current_budget()
        if budget is None:
            with Budget(self.retrier):
                return self.request(request, started)
        budget.operation = request.operation
        attempts: _Attempts | None = None
        while True:
            exchange, started = started, None
            skew = self.skew if exchange is None else exchange.skew
            try:
                if exchange is None:
                    headers = self.signer.sign(request, self.clock() + skew)
                    response = self.transport.send(request, headers)
                else:
                    response = exchange.receive()
            except OutageError as outage:
                attempts = attempts or _Attempts(self, request, budget)
                attempts.after_outage(outage)
                continue
            self._last = response.headers, self.clock()
            if response.status in request.expected:
                return response
            if exchange is not None and response.status in _REFUSALS:
                # The key or the clock may have been corrected since it was signed.
                response.close()
                continue
            attempts = attempts or _Attempts(self, request, budget)
            attempts.after_error(response, skew)

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()


class _Attempts:
    """The failed attempts of one request, and the decision about the next one."""

    def __init__(self, client: Client, request: Request, budget: Budget) -> None:
        self._client = client
        self._request = request
        self._budget = budget
        self._renewed = False
        self._corrected = False

    def after_outage(self, outage: OutageError) -> None:
        """Wait for the next attempt, or raise the error of the last one."""
        if not outage.passing or (outage.reached and not self._request.idempotent):
            self._give_up(outage.error)
        self._wait(outage.error)

    def after_error(self, response: WireResponse, skew: float) -> None:
        """Correct the cause of an error response, or wait, or raise its error."""
        fault = self._client.read_error(
            self._request, response.status, response.headers, _error_body(response)
        )
        delay = header_rules.retry_after(response.headers, self._client.now())
        if delay is not None and isinstance(fault.error, StorageError):
            fault.error.retry_after = delay
        if fault.skewed and self._correct_clock(response.headers, skew, _MIN_SKEW):
            return
        if fault.unsure and self._correct_clock(response.headers, skew, _ACCEPTED_SKEW):
            return
        if fault.renew and not self._renewed:
            self._renewed = True
            if self._client.signer.renew(self._request):
                _logger.debug("%s: credentials were renewed", self._request.operation)
                return
        # A throttled request had no effect.
        if not fault.retry or not (self._request.idempotent or fault.throttled):
            self._give_up(fault.error)
        self._wait(fault.error, throttled=fault.throttled)

    def _wait(self, error: Exception, *, throttled: bool = False) -> None:
        # Another request may have been sent in between: a login, or a request for the region.
        self._budget.operation = self._request.operation
        if not isinstance(error, StorageError) or not self._budget.retry(
            error, throttled=throttled
        ):
            self._give_up(error)

    def _correct_clock(self, headers: Mapping[str, str], skew: float, least: float) -> bool:
        """
        Adopt the service's clock; return whether it differs from that of this attempt.

        Args:
            least: The smallest difference in seconds.
        """
        when = header_rules.parse_date(headers.get("date"))
        # Other years cannot be signed.
        if when is None or self._corrected or not 1990 <= when.year < 9000:
            return False
        self._corrected = True
        found = when.timestamp() - self._client.clock()
        if abs(found - skew) < least:
            return False
        # Other threads use it from now on. A thread whose request was rejected meanwhile compares
        # with the time that it had signed, and so retries, too.
        self._client.skew = found
        _logger.warning(
            "the local clock is off by %.0f s; requests are signed by the service's clock", -found
        )
        return True

    @staticmethod
    def _give_up(error: Exception) -> NoReturn:
        raise error from None


def _error_body(response: WireResponse) -> bytes:
    """Return the beginning of an error's body, even if the connection breaks."""
    buffer = bytearray(_ERROR_LIMIT if response.size is None else min(response.size, _ERROR_LIMIT))
    view = memoryview(buffer)
    filled = 0
    try:
        while filled < len(buffer):
            count = response.readinto(view[filled:])
            if not count:
                break
            filled += count
    except TransportError:
        pass
    finally:
        response.close()
    body = HiddenBytes(view[:filled])
    return _decompressed(body) if response.headers.get("content-encoding") == "gzip" else body


def _decompressed(body: bytes) -> bytes:
    """Decompress the body of an error, which a service compresses if the request allows gzip."""
    try:
        return HiddenBytes(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, _ERROR_LIMIT))
    except zlib.error:
        return body
