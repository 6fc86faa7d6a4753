"""What a read asks for, and which bytes the answer has."""

from __future__ import annotations

from ..errors import ObjectChangedError, ServiceError
from ..http.headers import parse_content_range
from ..http.message import Response
from ..values import Conditions, ObjectInfo, Reading, Span
from .errors import foreign


def range_of(span: Span) -> str:
    """Return what asks for some bytes; RFC 9110 section 14.1.2."""
    last = "" if span.stop is None else span.stop - 1
    return f"bytes={span.start}-{last}"


def range_header(span: Span) -> dict[str, str]:
    """Return the header of a read, which there is none of if all is read."""
    return {} if span == Span() else {"range": range_of(span)}


def require_object(response: Response) -> None:
    """
    Raise `ServiceError` if an answer does not tell of an object, whatever its status says.

    All services tell when an object was written or which version it is. What stands between us
    and them may answer in their place, and may say 200 or 204 to everything.
    """
    headers = response.headers
    told = "etag" in headers or "last-modified" in headers
    if not (told or any(map(_is_googles, headers))):
        response.close()
        raise foreign(response.status, "the service").error(response.status)


def require_stored_form(response: Response) -> None:
    """Raise `ServiceError` if Google, or a proxy, has compressed or decompressed an object."""
    stored = response.headers.get("x-goog-stored-content-encoding", "")
    sent_form = response.headers.get("content-encoding")
    if stored and (stored == "gzip") != (sent_form == "gzip"):
        response.close()
        # https://cloud.google.com/storage/docs/transcoding
        raise ServiceError(
            "the object came in another form than it is stored in; to have Google send it as it"
            " is, store it with cache_control='no-transform', or without content_encoding"
        )


def _is_googles(header: str) -> bool:
    return header.startswith("x-goog-")


def sent(response: Response, stored: int | None = None) -> tuple[Span, int | None]:
    """
    Return which bytes an answer has, and the size of the whole object.

    Args:
        stored: The size, where the service tells it apart from what it sends.

    Raises:
        ServiceError: The answer has no bytes of an object, or does not tell which it has.
    """
    if response.status not in {200, 206}:
        response.close()
        raise foreign(response.status, "the service").error(response.status)
    told = parse_content_range(response.headers.get("content-range"))
    if response.status == 200 or told is None:  # nobody sends a range for a page
        require_object(response)
    if told is not None and told[0] is not None:  # whatever the status is: some say 200
        _refuse_compressed(response, told[0])
    if told is not None and told[0] is not None and _is_sent(response, told[0]):
        return told[0], stored if told[1] is None else told[1]
    if response.status == 206:
        response.close()
        raise ServiceError("the service sends a range and does not say which", status=206)
    size = response.size if stored is None else stored
    return Span(0, size), size


def _is_sent(response: Response, span: Span) -> bool:
    """Return whether a response has the bytes that it names; one of status 200 may have all."""
    assert span.stop is not None
    return response.status == 206 or response.size in {None, span.stop - span.start}


def _refuse_compressed(response: Response, span: Span) -> None:
    """Raise if a range has another length than it says, as what was compressed on its way has."""
    size = response.size
    assert span.stop is not None
    if "content-encoding" in response.headers and size not in {None, span.stop - span.start}:
        response.close()
        raise ServiceError(
            f"the service sends {size} bytes as those from {span.start} to {span.stop}; perhaps a"
            " proxy compresses them",
            status=response.status,
        )


def past_the_end(info: ObjectInfo, conditions: Conditions) -> Reading:
    """
    Return no bytes of an object, for a read that begins behind its last one.

    Args:
        info: Asked for by itself, since an answer without bytes tells little.

    Raises:
        ObjectChangedError: The conditions do not hold.
    """
    if conditions.if_match not in {None, info.etag}:
        raise ObjectChangedError("the object has another ETag")
    size = info.size or 0
    return Reading(info, Span(size, size), _Nothing())


class _Nothing:
    """The body of an answer that has none."""

    def readinto(self, buffer: memoryview, /) -> int:
        return 0
