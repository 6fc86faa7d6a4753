"""The sizes of the parts of a transfer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from ..errors import NotSupportedError
from ..values import Limits, MiB, Span
from .options import TransferOptions

# An upload of unknown length doubles its part size after each eleventh of the maximum number of
# parts, except the first. With 8 MiB and 10,000 parts that is enough for 7 TiB, more than the
# maximum of S3, and the first 14 GiB have small parts; with Swift's 1,000 parts it is enough for
# 720 GiB, and the first 1.4 GiB have small parts.
_STEPS = 11


def part_sizes(size: int | None, options: TransferOptions, limits: Limits) -> Iterator[int]:
    """
    Yield the sizes of the parts of an upload; the last part may be smaller.

    If the length is unknown, this yields as many sizes as the service allows parts.

    Raises:
        NotSupportedError: The size exceeds the service's maximum size of an object.
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
            f"the source has {size} bytes; this service allows objects of at most"
            f" {limits.max_part * limits.max_parts} bytes"
        )
    return repeat(part_size, max(1, -(-size // part_size)))


def ranges(span: Span, size: int) -> Iterator[Span]:
    """Split a span with a known end into ranges of at most `size` bytes."""
    assert span.stop is not None
    for start in range(span.start, span.stop, size):
        yield Span(start, min(start + size, span.stop))
