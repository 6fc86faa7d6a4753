"""
One request, until it has an answer: signed afresh for each try, and tried again where that helps.

What may be tried again depends on what the service may have seen. A connection that could not be
made has sent nothing. A request that was sent and not answered is sent again only if doing it
twice does what doing it once does. An answer that refuses a request (wrong credentials, wrong
clock, too many requests) says by itself that nothing was done.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping
from typing import NoReturn

from ..errors import StorageError, TransportError
from ..redaction import HiddenBytes
from ..retry import Budget, Retrier, RetryPolicy
from ..values import KiB
from . import headers as header_rules
from .message import ErrorReader, Request, Response, Signer
from .network_errors import OutageError
from .response import Answer
from .transport import Transport

_logger = logging.getLogger(__name__)

_ERROR_LIMIT = 64 * KiB
# A clock that is wrong by less is not what a service complains of.
_SKEW_THAT_MATTERS = 30.0
# What all services that sign by the time tolerate, where they do not say why they refuse:
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
# https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
_TOLERATED = 900.0


class Unsigned:
    """Sends requests as they are."""

    def sign(self, request: Request, _now: float, /) -> Mapping[str, str]:
        """Return the request's own headers."""
        return request.headers

    def renew(self, _request: Request, /) -> bool:
        """Return that there are no other credentials."""
        return False


class Client:
    """
    Gets answers from a service.

    Args:
        read_error: Says what an answer with an unexpected status means.
        retry: The policy, or what all retries of the driver share.
        clock: The time in seconds since 1970.
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
        #: Seconds by which the service's clock is ahead of ours.
        self.skew = 0.0
        self._last: tuple[Mapping[str, str], float] = ({}, 0.0)

    def now(self) -> float:
        """Return the service's time: ours, corrected by what it told."""
        return self.clock() + self.skew

    def now_there(self) -> float:
        """
        Return the service's time by its last answer.

        It is for signed URLs, which are used later and by others: nobody corrects a clock then,
        and some services never complain of ours.
        """
        headers, came = self._last
        when = None if "age" in headers else header_rules.parse_date(headers.get("date"))
        ahead = self.skew if when is None else when.timestamp() - came
        return self.clock() + (self.skew if abs(ahead - self.skew) < _SKEW_THAT_MATTERS else ahead)

    def request(self, request: Request) -> Response:
        """
        Return the answer, with one of the statuses that the request expects.

        Raises:
            TransportError: There was no answer, however often it was tried.
        """
        with self.retrier.budget() as budget:
            budget.operation = request.operation
            tries: _Tries | None = None
            while True:
                skew = self.skew
                headers = self.signer.sign(request, self.clock() + skew)
                try:
                    response = self.transport.send(request, headers)
                except OutageError as outage:
                    tries = tries or _Tries(self, request, budget)
                    tries.after_outage(outage)
                    continue
                self._last = response.headers, self.clock()
                if response.status in request.expected:
                    return response
                tries = tries or _Tries(self, request, budget)
                tries.after_error(response, skew)

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()


class _Tries:
    """What was tried for one request, and whether there is another try."""

    def __init__(self, client: Client, request: Request, budget: Budget) -> None:
        self._client = client
        self._request = request
        self._budget = budget
        self._renewed = False
        self._corrected = False

    def after_outage(self, outage: OutageError) -> None:
        """Wait for the next try, or raise the error of the last one."""
        if not outage.passing or (outage.reached and not self._request.idempotent):
            self._give_up(outage.error)
        self._wait(outage.error)

    def after_error(self, response: Answer, skew: float) -> None:
        """Set right what an answer complains of, or wait, or raise its error."""
        fault = self._client.read_error(
            self._request, response.status, response.headers, _error_body(response)
        )
        asked = header_rules.retry_after(response.headers, self._client.now())
        if asked is not None and isinstance(fault.error, StorageError):
            fault.error.retry_after = asked
        if fault.skewed and self._correct_clock(response.headers, skew, _SKEW_THAT_MATTERS):
            return
        if fault.unsure and self._correct_clock(response.headers, skew, _TOLERATED):
            return
        if fault.renew and not self._renewed:
            self._renewed = True
            if self._client.signer.renew(self._request):
                _logger.debug("%s: credentials were renewed", self._request.operation)
                return
        # One that asks for fewer requests has not carried out this one.
        if not fault.retry or not (self._request.idempotent or fault.throttled):
            self._give_up(fault.error)
        self._wait(fault.error, throttled=fault.throttled)

    def _wait(self, error: Exception, *, throttled: bool = False) -> None:
        # A request between may have sent another one: a login, or the question for a region.
        self._budget.operation = self._request.operation
        if not isinstance(error, StorageError) or not self._budget.retry(
            error, throttled=throttled
        ):
            self._give_up(error)

    def _correct_clock(self, headers: Mapping[str, str], skew: float, least: float) -> bool:
        """
        Take the service's clock; return whether it is another than this try was signed by.

        Args:
            least: The seconds that make it another one.
        """
        when = header_rules.parse_date(headers.get("date"))
        # By a year beyond these no request and no URL could be signed.
        if when is None or self._corrected or not 1990 <= when.year < 9000:
            return False
        self._corrected = True
        found = when.timestamp() - self._client.clock()
        if abs(found - skew) < least:
            return False
        # Other threads sign by it from now on. One that was refused meanwhile compares with what
        # it had signed by itself, and tries again too.
        self._client.skew = found
        _logger.warning("our clock is off by %.0f s; the service's is used", -found)
        return True

    @staticmethod
    def _give_up(error: Exception) -> NoReturn:
        raise error from None


def _error_body(response: Answer) -> bytes:
    """Return as much of an error's text as is worth reading, even where it breaks off."""
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
    """Return an error's text, which is compressed where whoever asks takes objects that are."""
    try:
        return HiddenBytes(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, _ERROR_LIMIT))
    except zlib.error:
        return body
