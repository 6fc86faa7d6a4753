"""Ranges: half-open, and clamped to the object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    InvalidTypeError,
    Object,
    ObjectNotFoundError,
    StorageDriver,
)

from .base import Topic, noise
from .container_pool import ContainerPool

_DIGITS = b"0123456789"
_SPANS = [
    (0, None),
    (0, 0),
    (0, 1),
    (0, 10),
    (0, 100),
    (3, 7),
    (5, None),
    (7, 7),
    (9, 10),
    (9, 1000),
    (10, None),
    (10, 20),
    (15, None),
    (15, 20),
    (15, 15),
]
_WRONG_SPANS = [(-5, -1), (-5, 3), (0, -1), (7, 3)]
_WRONG_TYPES = [("1", None), (1.0, None), (None, None), (True, None), (0, "5"), (0, 2.5)]
_KiB = 1024


class Ranges(Topic):
    """Test reading parts of objects."""

    @pytest.fixture
    def digits(self, driver: StorageDriver, container_pool: ContainerPool) -> Iterator[Object]:
        """Provide an object with the ten digits, which tests do not change."""
        with container_pool.stocked(driver, "digits", _put_digits) as container:
            yield container.get_object("digits")

    @pytest.mark.parametrize(("start", "stop"), _SPANS)
    def test_range_equals_a_slice(self, digits: Object, start: int, stop: int | None) -> None:
        """read(start, stop) returns the bytes of the slice, none beyond the end."""
        assert _DIGITS[start:stop] == digits.read(start=start, stop=stop)

    @pytest.mark.parametrize(("start", "stop"), _SPANS)
    def test_stream_of_a_range_equals_a_slice(
        self, digits: Object, start: int, stop: int | None
    ) -> None:
        """stream(start, stop) yields the bytes of the slice."""
        assert _DIGITS[start:stop] == b"".join(digits.stream(start=start, stop=stop))

    @pytest.mark.parametrize(("start", "stop"), _WRONG_SPANS)
    def test_invalid_range_is_refused(self, digits: Object, start: int, stop: Any) -> None:
        """A negative stop, and one below the start, raise InvalidOptionError, a ValueError."""
        with pytest.raises(InvalidOptionError) as caught:
            digits.read(start=start, stop=stop)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(InvalidOptionError):
            digits.stream(start=start, stop=stop)
        with pytest.raises(InvalidOptionError):
            digits.read_ranges([(start, stop)])
        with pytest.raises(InvalidOptionError):
            digits.read_ranges([(-1, None)])

    @pytest.mark.parametrize(("start", "stop"), _WRONG_TYPES)
    def test_a_range_of_another_type_is_refused(
        self, digits: Object, start: Any, stop: Any
    ) -> None:
        """The ends of a range are ints; anything else raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError):
            digits.read(start=start, stop=stop)

    @pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (0, 5), (3, None), (3, 9)])
    def test_every_range_of_an_empty_object_is_empty(
        self, container: Container, start: int, stop: int | None
    ) -> None:
        """An object without bytes has only empty ranges."""
        empty = container.upload_object(b"", "empty")
        assert b"" == empty.read(start=start, stop=stop)
        assert [b""] == empty.read_ranges([(start, stop)])

    @pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (5, 9)])
    def test_every_range_of_a_missing_object_raises(
        self, container: Container, start: int, stop: int | None
    ) -> None:
        """Even an empty range of a missing object raises."""
        with pytest.raises(ObjectNotFoundError):
            container.read_object("missing", start=start, stop=stop)
        with pytest.raises(ObjectNotFoundError):
            list(container.stream_object("missing", start=start, stop=stop))
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").read_ranges([(start, stop)])

    @pytest.mark.parametrize("chunk_size", [1, 3, 5, 10, 11])
    def test_chunks_have_the_requested_size(self, digits: Object, chunk_size: int) -> None:
        """All chunks of a stream but the last have chunk_size bytes."""
        chunks = list(digits.stream(chunk_size=chunk_size))
        expected = [_DIGITS[start : start + chunk_size] for start in range(0, 10, chunk_size)]
        assert expected == chunks

    @pytest.mark.parametrize("chunk_size", [0, -1, "1", 1.5])
    def test_invalid_chunk_size_is_refused(self, digits: Object, chunk_size: Any) -> None:
        """The error is raised before the first chunk."""
        with pytest.raises(InvalidOptionError):
            digits.stream(chunk_size=chunk_size)

    def test_a_stream_may_be_left_early(self, container: Container) -> None:
        """An abandoned stream does not affect the next one."""
        content = noise(300 * _KiB)
        obj = container.upload_object(content, "a")
        for _ in range(3):
            assert content[:_KiB] == next(obj.stream(chunk_size=_KiB))
        assert content[-5:] == obj.read(start=300 * _KiB - 5)

    @pytest.mark.parametrize(
        "spans",
        [
            [(7, 9), (0, 2), (7, 9), (4, 4), (5, None), (3, 6), (8, 50), (20, 30)],
            [(1, 9), (3, 5), (0, 2)],
        ],
        ids=["any", "one within another"],
    )
    def test_read_ranges_returns_results_in_order(
        self, digits: Object, spans: list[tuple[int, int | None]]
    ) -> None:
        """read_ranges returns one result for each range."""
        expected = [_DIGITS[start:stop] for start, stop in spans]
        assert expected == digits.read_ranges(spans)

    def test_read_ranges_of_nothing_returns_an_empty_list(self, digits: Object) -> None:
        assert [] == digits.read_ranges([])

    def test_distant_and_close_ranges_are_correct(self, container: Container) -> None:
        """Both equal the slices."""
        size = 2500 * _KiB
        content = noise(size)
        obj = container.upload_object(content, "a")
        spans = [(size - 9, None), (0, 10), (5, 2000), (1300 * _KiB, 1301 * _KiB), (12, 12)]
        assert [content[start:stop] for start, stop in spans] == obj.read_ranges(spans)

    def test_read_ranges_accepts_an_iterator(self, digits: Object) -> None:
        """The ranges may be any iterable of pairs."""
        assert [b"01", b"23"] == digits.read_ranges((n, n + 2) for n in (0, 2))

    @pytest.mark.parametrize("wrong", [5, (1,), (1, 2, 3), "12"], ids=ascii)
    def test_range_that_is_not_a_pair_is_refused(self, digits: Object, wrong: Any) -> None:
        """It raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError):
            digits.read_ranges([wrong])


def _put_digits(container: Container) -> None:
    container.upload_object(_DIGITS, "digits")
