"""How large the parts of a transfer are."""

from __future__ import annotations

from itertools import islice

import pytest
from faulty import KiB, MiB, narrow
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore import InvalidOptionError, Limits, NotSupportedError, Span, TransferOptions
from libstore.transfer.part_sizes import part_sizes, ranges

GiB = 1024 * MiB
TiB = 1024 * GiB

_LIMITS = st.builds(
    Limits,
    min_part=st.integers(1, 6 * MiB),
    max_part=st.integers(6 * MiB, 5 * GiB),
    max_parts=st.integers(1, 10_000),
    equal_parts=st.booleans(),
)
_OPTIONS = st.builds(TransferOptions, part_size=st.integers(1, 6 * GiB))


def _cut(size: int, sizes: list[int]) -> list[int]:
    """Return the parts that an upload of so many bytes really has."""
    parts = []
    for part in sizes:
        if not size:
            break
        parts.append(min(part, size))
        size -= parts[-1]
    assert not size, f"{size} bytes have no part"
    return parts


@given(size=st.integers(1, 6 * TiB), options=_OPTIONS, limits=_LIMITS)
@settings(max_examples=300, deadline=None)
def test_part_sizes_of_known_length_are_within_the_limits(
    size: int, options: TransferOptions, limits: Limits
) -> None:
    """The parts cover every byte, are within all limits, and are of one size but the last."""
    if size > limits.max_part * limits.max_parts:
        with pytest.raises(NotSupportedError, match=f"the source has {size}"):
            part_sizes(size, options, limits)
        return
    sizes = list(part_sizes(size, options, limits))
    assert 1 <= len(sizes) <= limits.max_parts
    assert 1 == len(set(sizes))
    parts = _cut(size, sizes)
    assert len(parts) == len(sizes)
    assert all(limits.min_part <= part for part in parts[:-1])
    assert max(parts) <= limits.max_part
    # No part is larger than requested, unless a limit requires it.
    needed = -(-size // limits.max_parts)
    assert sizes[0] <= max(options.part_size, limits.min_part, needed + MiB)


@given(options=_OPTIONS, limits=_LIMITS)
@settings(max_examples=50, deadline=None)
def test_part_sizes_of_unknown_length_grow_within_the_limits(
    options: TransferOptions, limits: Limits
) -> None:
    """Parts never shrink, never pass a limit, and end with the number of parts."""
    sizes = list(part_sizes(None, options, limits))
    assert limits.max_parts == len(sizes)
    assert sorted(sizes) == sizes
    assert limits.min_part <= sizes[0]
    assert sizes[-1] <= limits.max_part
    if limits.equal_parts:
        assert 1 == len(set(sizes))


def test_five_tib_fit_into_ten_thousand_parts() -> None:
    """The largest object of S3 fits into its number of parts, with parts of whole MiB."""
    sizes = list(part_sizes(5 * TiB, TransferOptions(), Limits()))
    assert {525 * MiB} == set(sizes)
    assert len(sizes) <= 10_000
    assert sum(_cut(5 * TiB, sizes)) == 5 * TiB


def test_size_beyond_the_limits_is_rejected() -> None:
    """The message has both numbers."""
    limits = narrow(max_part=100, max_parts=3)
    assert [100, 100, 100] == list(part_sizes(300, TransferOptions(), limits))
    with pytest.raises(
        NotSupportedError,
        match=r"the source has 301 bytes; this service allows objects of at most 300 bytes",
    ):
        part_sizes(301, TransferOptions(), limits)


@pytest.mark.parametrize(
    ("size", "part", "max_parts", "expected"),
    [
        (0, 10, 100, [10]),
        (1, 10, 100, [10]),
        (10, 10, 100, [10]),
        (11, 10, 100, [10, 10]),
        (100, 10, 10, [10] * 10),
    ],
)
def test_part_sizes_of_small_uploads(
    size: int, part: int, max_parts: int, expected: list[int]
) -> None:
    """Around a multiple of the part size there is no part too many."""
    limits = narrow(max_parts=max_parts)
    assert expected == list(part_sizes(size, TransferOptions(part), limits))


def test_growing_part_sizes_are_whole_mebibytes() -> None:
    """Where the number of parts requires larger ones, their size is round."""
    sizes = list(part_sizes(101 * KiB, TransferOptions(KiB), narrow(max_parts=100)))
    assert [MiB] == sizes
    tight = narrow(max_parts=10, max_part=1001)
    assert [1001] * 10 == list(part_sizes(10_001, TransferOptions(10), tight))


@pytest.mark.parametrize(("number", "least"), [(10_000, 5 * TiB), (1000, 700 * GiB)])
def test_part_sizes_of_unknown_length_begin_small_and_suffice(number: int, least: int) -> None:
    """More than 1 GiB travels in parts of 8 MiB, and the largest objects fit."""
    sizes = list(part_sizes(None, TransferOptions(), Limits(max_parts=number)))
    step = number // 11
    assert {8 * MiB} == set(sizes[: 2 * step])
    assert 16 * MiB == sizes[2 * step]
    assert 2 * step * 8 * MiB > GiB
    assert sum(sizes) > least


def test_part_size_is_at_least_the_minimum_of_the_service() -> None:
    """A part size that was chosen too small or too large is brought to the limit."""
    limits = narrow(min_part=5 * MiB, max_part=10 * MiB)
    assert 5 * MiB == next(part_sizes(GiB, TransferOptions(1), limits))
    assert 10 * MiB == next(part_sizes(GiB, TransferOptions(GiB), limits))
    assert [5 * MiB] * 3 == list(islice(part_sizes(None, TransferOptions(1), limits), 3))


@given(start=st.integers(0, 1000), length=st.integers(0, 1000), size=st.integers(1, 300))
def test_ranges_cover_a_span_once(start: int, length: int, size: int) -> None:
    """The pieces lie end to end; only the last is shorter."""
    pieces = list(ranges(Span(start, start + length), size))
    position = start
    for piece in pieces:
        assert position == piece.start
        assert piece.stop is not None
        position = piece.stop
    assert start + length == position
    assert all(piece.stop - piece.start == size for piece in pieces[:-1] if piece.stop)
    assert all(piece.stop != piece.start for piece in pieces)


@pytest.mark.parametrize("label", ["part_size", "multipart_threshold", "concurrency"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "8", None, True])
def test_invalid_transfer_option_is_rejected(label: str, value: object) -> None:
    """The message names the option."""
    with pytest.raises(InvalidOptionError, match=label):
        TransferOptions(**{label: value})
