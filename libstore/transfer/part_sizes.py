"""How large the parts of a transfer are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from ..errors import NotSupportedError
from ..values import Limits, MiB, Span
from .options import TransferOptions

# An upload of unknown length doubles its parts each time it has used up an eleventh of their
# number, but for the first: with 8 MiB and 10,000 parts that is enough for 7 TiB, more than S3
# takes, and the first 14 GiB travel in small parts; with Swift's 1,000 parts it is 720 GiB, and
# the first 1.4 GiB.
_STEPS = 11


def part_sizes(size: int | None, options: TransferOptions, limits: Limits) -> Iterator[int]:
    """
    Yield the sizes to cut an upload into; the last part may be smaller.

    Where the length is unknown they end after as many parts as the service takes.

    Raises:
        NotSupportedError: The service has no room for so many bytes in one object.
    """
    smallest = min(max(options.part_size, limits.min_part), limits.max_part)
    if size is not None:
        return _equal_parts(size, smallest, limits)
    if limits.equal_parts:
        return repeat(smallest, limits.max_parts)
    per_step = max(1, limits.max_parts // _STEPS)
    return (
        min(smallest << max(0, number // per_step - 1), limits.max_part)
        for number in range(limits.max_parts)
    )


def _equal_parts(size: int, smallest: int, limits: Limits) -> Iterator[int]:
    needed = -(-size // limits.max_parts)
    part_size = smallest if needed <= smallest else -(-needed // MiB) * MiB
    if part_size > limits.max_part:
        part_size = needed
    if part_size > limits.max_part:
        raise NotSupportedError(
            f"this service takes objects of up to {limits.max_part * limits.max_parts} bytes;"
            f" the source has {size}"
        )
    return repeat(part_size, max(1, -(-size // part_size)))


def ranges(span: Span, size: int) -> Iterator[Span]:
    """Yield the pieces of `size` bytes that a span with a known end falls into."""
    assert span.stop is not None
    for start in range(span.start, span.stop, size):
        yield Span(start, min(start + size, span.stop))
