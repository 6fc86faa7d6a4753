"""Which bytes of an object a response has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from libstore import Conditions, ObjectChangedError, ObjectInfo, ServiceError, Span
from libstore.rest.reading import past_the_end, read_headers, sent_span, size_of_head
from libstore.values import Body

ETAG = {"etag": '"e"'}


class FixedResponse:
    """A response of which only the head is read; see `libstore.http.message.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], size: int | None) -> None:
        self.status = status
        self.headers = headers
        self.size = size
        self.closed = False

    @property
    def body(self) -> Body:
        raise AssertionError("the body is not read")

    def read(self, limit: int) -> bytes:
        raise AssertionError("the body is not read")

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("span", "conditions", "expected"),
    [
        (Span(), Conditions(), {}),
        (Span(2, 5), Conditions(), {"range": "bytes=2-4"}),
        (Span(2), Conditions(if_match="e"), {"range": "bytes=2-", "if-match": '"e"'}),
    ],
)
def test_headers_of_a_read(span: Span, conditions: Conditions, expected: dict[str, str]) -> None:
    assert read_headers(span, conditions) == expected


@pytest.mark.parametrize(
    ("status", "content_range", "size", "expected"),
    [
        (200, None, 9, (Span(0, 9), 9)),
        (200, None, None, (Span(), None)),
        (206, "bytes 2-4/9", 3, (Span(2, 5), 9)),
        (206, "bytes 2-4/9", None, (Span(2, 5), 9)),
        (206, "bytes 2-4/*", 3, (Span(2, 5), None)),
        # Some servers send a range with status 200, others its header with the whole object.
        (200, "bytes 2-4/9", 3, (Span(2, 5), 9)),
        (200, "bytes 2-4/9", 9, (Span(0, 9), 9)),
        # Bytes that are named and missing are an interrupted response.
        (206, "bytes 2-4/9", 0, (Span(2, 5), 9)),
    ],
)
def test_span_that_is_sent(
    status: int, content_range: str | None, size: int | None, expected: tuple[Span, int | None]
) -> None:
    named = {} if content_range is None else {"content-range": content_range}
    response = FixedResponse(status, {**ETAG, **named}, size)
    assert sent_span(response) == expected
    assert not response.closed


def test_stored_size_stands_for_a_size_that_is_not_sent() -> None:
    assert sent_span(FixedResponse(200, ETAG, None), 9) == (Span(0, 9), 9)
    ranged = {**ETAG, "content-range": "bytes 2-4/*"}
    assert sent_span(FixedResponse(206, ranged, 3), 9) == (Span(2, 5), 9)


@pytest.mark.parametrize(
    ("status", "headers", "size", "reported"),
    [
        (204, ETAG, 0, 204),
        (200, {"content-type": "text/html"}, 9, 200),
        (206, ETAG, 3, 206),
        (206, {**ETAG, "content-range": "bytes 4-2/9"}, 3, 206),
        (206, {**ETAG, "content-range": "bytes 2-4/9", "content-encoding": "gzip"}, 2, 206),
        (206, {**ETAG, "content-range": "bytes */9"}, 0, 416),
        (206, ETAG, 0, 416),
    ],
)
def test_response_without_known_bytes_is_an_error(
    status: int, headers: Mapping[str, str], size: int, reported: int
) -> None:
    response = FixedResponse(status, headers, size)
    with pytest.raises(ServiceError) as caught:
        sent_span(response)
    assert caught.value.status == reported
    assert response.closed


@pytest.mark.parametrize("length", ["9", "many", None])
def test_size_of_a_head(length: str | None) -> None:
    headers = ETAG if length is None else {**ETAG, "content-length": length}
    response = FixedResponse(200, headers, 0)
    assert size_of_head(response) == (9 if length == "9" else None)
    assert response.closed


def test_head_of_a_page_is_an_error() -> None:
    with pytest.raises(ServiceError):
        size_of_head(FixedResponse(200, {"content-length": "9"}, 0))


def test_read_past_the_end_has_no_bytes() -> None:
    reading = past_the_end(ObjectInfo("name", 9, "e"), Conditions(if_match="e"))
    assert reading.span == Span(9, 9)
    assert reading.body.readinto(memoryview(bytearray(1))) == 0
    with pytest.raises(ObjectChangedError):
        past_the_end(ObjectInfo("name", 9, "other"), Conditions(if_match="e"))
