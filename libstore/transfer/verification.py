"""
Verify the bytes of a whole object with its checksum, or with the checksums of its parts.

A `Verification` receives all bytes in order, and raises `IntegrityError` if they do not match.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from typing_extensions import override

from ..errors import ServiceError, StorageError
from ..values import Composite, ObjectInfo
from .digests import Crc, Digests, compare, is_known, new_hasher, verifiable


class CompositeHooks(Protocol):
    """The hooks of a driver that verification calls."""

    def _find_composite(self, container: str, name: str, info: ObjectInfo) -> Composite | None: ...
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo: ...


def composite_of(algorithm: str) -> str:
    """Return the `Object.verified_by` of an object that has checksums of its parts only."""
    return f"composite {algorithm}"


class Verification(ABC):
    """
    Compare the bytes of one object with its checksums, incrementally.

    Attributes:
        by: The checksum, such as ``"md5"`` or ``"composite md5"``.
    """

    by: str

    @property
    def crc(self) -> Crc | None:
        """The digest of the bytes so far, if that of the next bytes can be appended to it."""
        return None

    @abstractmethod
    def update(self, data: memoryview) -> None:
        """
        Add the next bytes.

        Raises:
            IntegrityError: They complete a part, and the part does not match its checksum.
        """

    @abstractmethod
    def finish(self, what: str) -> None:
        """
        Compare the checksum after the last byte.

        Args:
            what: A description of the bytes, for the error message.

        Raises:
            IntegrityError: The bytes do not match the checksum.
        """


def verification(
    driver: CompositeHooks, container: str, name: str, info: ObjectInfo
) -> Verification | None:
    """Return the verification of the whole object, with at most one request."""
    algorithms = verifiable(info.checksums)
    if algorithms:
        return _WholeVerification(info.checksums, algorithms[0])
    if not info.size or not info.extra.get("composite"):
        return None
    composite = driver._find_composite(container, name, info)
    if composite is None or not is_known(composite.algorithm):
        return None
    counts = {len(composite.sizes), len(composite.digests or composite.sizes)}
    if sum(composite.sizes) != info.size or len(counts) != 1:
        raise ServiceError(
            f"the service reported {len(composite.sizes)} parts with {sum(composite.sizes)} bytes"
            f" in total for an object of {info.size} bytes, so it cannot be verified"
        )
    return _PartsVerification(composite)


def with_checksums(
    driver: CompositeHooks, container: str, name: str, version: str | None, info: ObjectInfo
) -> ObjectInfo:
    """
    Add the checksums of the whole object to the attributes of a ranged response.

    Some services send them with a range; others need one more request. If it fails, the object is
    not verified: the requests for its ranges will report the error.
    """
    if verifiable(info.checksums) or info.extra.get("composite") or info.etag is None:
        return info
    try:
        known = driver._head_object(container, name, version)
    except StorageError:
        return info
    return known if known.etag == info.etag else info


class _WholeVerification(Verification):
    """Verification with the checksum of the whole object."""

    def __init__(self, checksums: Mapping[str, str], algorithm: str) -> None:
        self.by = algorithm
        self._checksums = checksums
        self._hasher = new_hasher(algorithm)

    @property
    @override
    def crc(self) -> Crc | None:
        return self._hasher if isinstance(self._hasher, Crc) else None

    @override
    def update(self, data: memoryview) -> None:
        self._hasher.update(data)

    @override
    def finish(self, what: str) -> None:
        found = self._hasher.hexdigest()
        if found != self._checksums[self.by]:
            compare(self._checksums, {self.by: found}, what)


class _PartsVerification(Verification):
    """Verification with the checksums of the parts, and the checksum of those."""

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
            # Release slices at once: a traceback that holds one would hold the buffer.
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
        """Compare the completed part, and empty parts that follow it."""
        sizes, digests = self._composite.sizes, self._composite.digests
        while self._number < len(sizes) and self._part.size == sizes[self._number]:
            found = self._part.hexdigests()
            if digests:
                what = f"part {self._number + 1} of {len(sizes)}"
                compare({self._algorithm: digests[self._number]}, found, what)
            self._combined.update(memoryview(bytes.fromhex(found[self._algorithm])))
            self._part = Digests((self._algorithm,))
            self._number += 1
