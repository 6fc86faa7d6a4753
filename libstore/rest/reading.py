"""Reading an object: the range that a request names, and the range that a response has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import ObjectChangedError, ServiceError
from ..http.headers import parse_content_range, parse_size
from ..http.message import Response
from ..values import (
    UNCONDITIONAL,
    WHOLE,
    Conditions,
    ObjectInfo,
    Reading,
    Span,
    StartedRead,
)
from .client import StartedRequest
from .dialect import condition_headers, quoted_etag
from .errors import unexpected_message


def range_of(span: Span) -> str:
    """Return the value of the header ``Range``; RFC 9110 section 14.1.2."""
    if span.start < 0:
        return f"bytes={span.start}"
    last = "" if span.stop is None else span.stop - 1
    return f"bytes={span.start}-{last}"


def read_headers(span: Span, conditions: Conditions) -> dict[str, str]:
    """Return the header ``Range`` of a read, and those of its conditions."""
    headers = {} if conditions.if_match is None else condition_headers(conditions)
    if conditions.if_none_match is not None:
        headers["if-none-match"] = quoted_etag(conditions.if_none_match)
    if not span.is_whole:
        headers["range"] = range_of(span)
    return headers


def require_object(response: Response) -> None:
    """Raise `ServiceError` if a response does not describe an object, whatever its status is."""
    # All services send the time or the version of an object. A proxy or a captive portal may
    # respond in their place, and may send 200 or 204 to every request.
    headers = response.headers
    if "etag" in headers or "last-modified" in headers:
        return
    if not any(name.startswith("x-goog-") for name in headers):
        response.close()
        raise _unexpected(response)


def _unexpected(response: Response) -> ServiceError:
    message = unexpected_message(response.status, response.headers)
    return ServiceError(message, status=response.status)


def require_stored_form(response: Response) -> None:
    """Raise `ServiceError` if Google, or a proxy, has compressed or decompressed an object."""
    stored = response.headers.get("x-goog-stored-content-encoding", "")
    received = response.headers.get("content-encoding")
    if stored and (stored == "gzip") != (received == "gzip"):
        response.close()
        # https://cloud.google.com/storage/docs/transcoding
        raise ServiceError(
            "the object was not sent in the form in which it is stored; to have Google send it"
            " unchanged, store it with cache_control='no-transform' or without content_encoding"
        )


def size_of_head(response: Response) -> int | None:
    """Close the response to a HEAD request of an object; return the object's size if known."""
    require_object(response)
    response.close()
    return parse_size(response.headers.get("content-length"))


def sent_span(response: Response, stored_size: int | None = None) -> tuple[Span, int | None]:
    """
    Return the span that the body of a response has, and the size of the whole object.

    Args:
        stored_size: The object's size, if the service sends it in a separate header.

    Raises:
        ServiceError: The response does not have bytes of an object, or does not say which. Its
            status is 416 if the object has no bytes in the requested range.
    """
    status, size = response.status, response.size
    if status not in {200, 206}:
        response.close()
        raise _unexpected(response)
    text = response.headers.get("content-range")
    content_range = parse_content_range(text) if text else None
    span, whole = content_range or (None, None)
    if status == 206 and size == 0 and span is None:  # Azurite and emulators of Google
        response.close()
        raise ServiceError("the range begins after the last byte of the object", status=416)
    if "etag" not in response.headers and (status == 200 or content_range is None):
        require_object(response)  # a proxy's page has no Content-Range
    if span is not None and span.stop is not None:
        length = span.stop - span.start
        if size not in {None, length} and "content-encoding" in response.headers:
            response.close()
            raise ServiceError(
                f"the service sent {size} bytes as the range from {span.start} to {span.stop};"
                " check whether a proxy compresses responses",
                status=status,
            )
        # Some servers send Content-Range with status 200, and some of them the whole object.
        if status == 206 or size in {None, length}:
            return span, stored_size if whole is None else whole
    if status == 206:
        response.close()
        raise ServiceError(
            "the response does not say which range of the object it has", status=206
        )
    if stored_size is not None:
        size = stored_size
    return Span(0, size), size


def past_the_end(info: ObjectInfo, conditions: Conditions) -> Reading:
    """
    Return an empty reading, for a read that begins after the last byte of the object.

    Raises:
        ObjectChangedError: The conditions do not hold.
    """
    if conditions.if_match not in {None, info.etag}:
        raise ObjectChangedError("the object has another ETag")
    size = info.size or 0
    return Reading(info, Span(size, size), _EmptyBody())


def started_read(
    started: StartedRequest | None, receive: Callable[..., Reading], container: str, name: str,
    version: str | None,
) -> StartedRead | None:  # fmt: skip
    """
    Return what `_start_read` returns, after a request that `ServiceClient.start` has sent.

    Args:
        receive: Opens an object as `_open_object` does, with the request as `started`.
    """
    if started is None:
        return None
    return StartedRead(
        partial(receive, container, name, WHOLE, UNCONDITIONAL, version, started=started),
        started.exchange.close,
    )


class _EmptyBody:
    def readinto(self, buffer: memoryview, /) -> int:
        return 0
