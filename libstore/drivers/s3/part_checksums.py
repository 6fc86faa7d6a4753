"""
Objects that came in parts, of which the service keeps a digest of the parts' digests.

Where the parts end it does not say outright, but of a single part it tells how large it is. Parts
are nearly always of one size but for the last: if the first and the last one are, and the sum
is right to the byte, so are all.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing_extensions import override

from ...errors import StorageError
from ...http.headers import clean_etag, parse_content_range, parse_size
from ...transfer.workers import map_concurrently
from ...values import HASH_PREFERENCE, Composite, ObjectInfo
from . import operations
from .objects import ObjectHooks

# Each part costs a request where their sizes differ; an object of more parts is not verified.
_MOST_PARTS = 100
# No service takes as many, and their sizes alone would take much memory.
_TOO_MANY_PARTS = 100_000
# What services answer that know objects, but not their parts.
_UNKNOWN = (400, 404, 405, 416, 501)


class CompositeHooks(ObjectHooks):
    """The hook that finds out how an object was put together."""

    @override
    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None:
        told = info.extra.get("composite")
        if not isinstance(told, dict):
            return None
        algorithm = next(known for known in HASH_PREFERENCE if known in told)
        combined, _, count = told[algorithm].partition("-")

        def size_of(number: int) -> int:
            return self._size_of_part(container, name, info, number)

        sizes = _sizes(size_of, info.size or 0, int(count), self.transfer.concurrency)
        return Composite(algorithm, sizes, combined=combined) if sizes else None

    def _size_of_part(self, container: str, name: str, info: ObjectInfo, number: int) -> int:
        """Return the size of one part; 0 if the service does not tell."""
        query = {"partNumber": str(number)}
        if info.version is not None:
            query["versionId"] = info.version
        try:
            response = self._client.send(
                operations.HEAD_OBJECT, container, name, query=query, headers=self._reads
            )
        except StorageError as error:
            if error.retryable or error.status not in _UNKNOWN:
                raise
            return 0
        response.close()
        told = response.headers
        if clean_etag(told.get("etag")) != info.etag:
            return 0  # it was replaced meanwhile
        span = (parse_content_range(told.get("content-range")) or (None, None))[0]
        if span is not None and span.stop is not None:
            return span.stop - span.start
        return parse_size(told.get("content-length")) or 0


def _sizes(
    size_of: Callable[[int], int], size: int, count: int, concurrency: int
) -> Sequence[int]:
    """Return the sizes of all parts; none if they cannot be found out."""
    if count == 1:
        return (size,)
    first = size_of(1) if count <= _TOO_MANY_PARTS else 0
    if not 0 < first < size:  # the whole is what is told by a service that knows no parts
        return ()
    if count == 2:
        return (first, size - first)
    last = size - first * (count - 1)
    if 0 < last <= first and size_of(count) == last:
        return (*[first] * (count - 1), last)
    if count > _MOST_PARTS:
        return ()
    sizes = (first, *map_concurrently(size_of, range(2, count + 1), concurrency))
    return sizes if sum(sizes) == size else ()
