"""
What the bytes of a whole object are compared with: its digest, or those of its parts.

Either is fed with all bytes in their order, and raises where they are not what they should be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from ..errors import ServiceError, StorageError
from ..values import Composite, ObjectInfo
from .digests import Digests, compare, is_known, verifiable


class CompositeHooks(Protocol):
    """What verification needs of a driver."""

    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None: ...
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo: ...


def composite_of(algorithm: str) -> str:
    """Return what an object is verified by of which the parts have digests."""
    return f"composite {algorithm}"


class Verification(ABC):
    """
    The comparison of one object's bytes while they pass.

    Attributes:
        by: What is compared, such as ``"md5"`` or ``"composite md5"``.
        whole: Digests of the bytes so far, if those of the next ones can be appended.
    """

    by: str
    whole: Digests | None = None

    @abstractmethod
    def update(self, data: memoryview) -> None:
        """
        Take the next bytes.

        Raises:
            IntegrityError: They end a part, and it is not what it should be.
        """

    @abstractmethod
    def finish(self, what: str) -> None:
        """
        Take the end of the bytes.

        Raises:
            IntegrityError: They are not what they should be; `what` they are it tells.
        """


def verification(
    driver: CompositeHooks, container: str, name: str, info: ObjectInfo
) -> Verification | None:
    """Return how a read of the whole object is verified; the driver is asked only if needed."""
    algorithms = verifiable(info.checksums)
    if algorithms:
        return _WholeVerification(info, algorithms)
    if not info.size or not info.extra.get("composite"):
        return None
    composite = driver._find_composite(container, name, info)
    if composite is None or not is_known(composite.algorithm):
        return None
    counts = {len(composite.sizes), len(composite.digests or composite.sizes)}
    if sum(composite.sizes) != info.size or len(counts) != 1:
        raise ServiceError(
            f"what the service tells of {len(composite.sizes)} parts with"
            f" {sum(composite.sizes)} bytes does not fit the object, which has {info.size}"
        )
    return _PartsVerification(composite)


def with_checksums(
    driver: CompositeHooks, container: str, name: str, info: ObjectInfo
) -> ObjectInfo:
    """
    Return an info of a ranged response with the digests of the whole object.

    Some services send them with a range, others only without one; those are asked once. A
    request that fails leaves the object unverified: the ranges say what is wrong with it.
    """
    if verifiable(info.checksums) or info.extra.get("composite") or info.etag is None:
        return info
    try:
        known = driver._head_object(container, name, None)
    except StorageError:
        return info
    return known if known.etag == info.etag else info


class _WholeVerification(Verification):
    """The digest of the whole."""

    def __init__(self, info: ObjectInfo, algorithms: Sequence[str]) -> None:
        self.by = algorithms[0]
        self._checksums = info.checksums
        self._digests = Digests(algorithms)
        if self._digests.separable:
            self.whole = self._digests

    @override
    def update(self, data: memoryview) -> None:
        self._digests.update(data)

    @override
    def finish(self, what: str) -> None:
        compare(self._checksums, self._digests.hexdigests(), what)


class _PartsVerification(Verification):
    """The digests of the parts, and the digest of those."""

    def __init__(self, composite: Composite) -> None:
        self._composite = composite
        self._algorithm = composite.algorithm
        self.by = composite_of(self._algorithm)
        self._combined = Digests((self._algorithm,))
        self._part = Digests((self._algorithm,))
        self._number = 0
        self._end_parts()

    @override
    def update(self, data: memoryview) -> None:
        start = 0
        while start < data.nbytes:
            stop = start + self._composite.sizes[self._number] - self._part.size
            # A slice is released at once: a traceback that keeps it would keep the buffer.
            with data[start:stop] as piece:
                self._part.update(piece)
                start += piece.nbytes
            self._end_parts()

    @override
    def finish(self, what: str) -> None:
        if self._composite.combined:
            expected = {self._algorithm: self._composite.combined}
            compare(expected, self._combined.hexdigests(), f"the digests of the parts of {what}")

    def _end_parts(self) -> None:
        """Compare the part that is complete, and those without any bytes behind it."""
        sizes, digests = self._composite.sizes, self._composite.digests
        while self._number < len(sizes) and self._part.size == sizes[self._number]:
            found = self._part.hexdigests()
            if digests:
                what = f"part {self._number + 1} of {len(sizes)}"
                compare({self._algorithm: digests[self._number]}, found, what)
            self._combined.update(memoryview(bytes.fromhex(found[self._algorithm])))
            self._part = Digests((self._algorithm,))
            self._number += 1
