"""
Multipart objects for which the service stores a digest of the parts' digests only.

To verify one, the sizes of its parts must be known, which services return for one part at a time.
Nearly always all parts but the last have one size: if the first and the last part fit that, and
the sum is exact, so do all others.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..errors import StorageError
from ..http.headers import clean_etag, parse_content_range, parse_size
from ..transfer.workers import map_concurrently
from ..values import HASH_PREFERENCE, Composite, ObjectInfo
from . import operations
from .client import S3Client

# Where the sizes differ, each part costs a request; an object of more parts is not verified.
_MAX_UNEQUAL_PARTS = 100
# No service allows as many, and their sizes alone would need much memory.
_TOO_MANY_PARTS = 100_000
# Statuses of services that have objects, but not their parts.
_UNSUPPORTED = (400, 404, 405, 416, 501)


def find_composite(
    client: S3Client,
    container: str,
    info: ObjectInfo,
    headers: Mapping[str, str],
    concurrency: int,
) -> Composite | None:
    """Return how to verify an object that has a digest of its parts' digests only."""
    digests = info.extra.get("composite")
    if not isinstance(digests, dict):
        return None
    algorithm = next(known for known in HASH_PREFERENCE if known in digests)
    combined, _, count = digests[algorithm].partition("-")
    size_of = partial(_part_size, client, container, info, headers)
    sizes = _sizes(size_of, info.size or 0, int(count), concurrency)
    return Composite(algorithm, sizes, combined=combined) if sizes else None


def _part_size(
    client: S3Client, container: str, info: ObjectInfo, headers: Mapping[str, str], number: int
) -> int:
    """Return the size of one part; 0 if the service does not return it."""
    query = {"partNumber": str(number)}
    if info.version is not None:
        query["versionId"] = info.version
    try:
        response = client.send(
            operations.HEAD_OBJECT, container, info.name, query=query, headers=headers
        )
    except StorageError as error:
        if error.retryable or error.status not in _UNSUPPORTED:
            raise
        return 0
    response.close()
    fields = response.headers
    if clean_etag(fields.get("etag")) != info.etag:
        return 0  # the object was replaced meanwhile
    span = (parse_content_range(fields.get("content-range")) or (None, None))[0]
    if span is not None and span.stop is not None:
        return span.stop - span.start
    return parse_size(fields.get("content-length")) or 0


def _sizes(
    size_of: Callable[[int], int], size: int, count: int, concurrency: int
) -> Sequence[int]:
    """Return the sizes of all parts; none if they cannot be found out."""
    if count == 1:
        return (size,)
    first = size_of(1) if count <= _TOO_MANY_PARTS else 0
    if not 0 < first < size:  # a service without parts returns the size of the object
        return ()
    if count == 2:
        return (first, size - first)
    last = size - first * (count - 1)
    if 0 < last <= first and size_of(count) == last:
        return (*[first] * (count - 1), last)
    if count > _MAX_UNEQUAL_PARTS:
        return ()
    sizes = (first, *map_concurrently(size_of, range(2, count + 1), concurrency))
    return sizes if sum(sizes) == size else ()
