"""Checksums by algorithm name, computed incrementally."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from typing_extensions import Buffer

from ..errors import IntegrityError, InvalidOptionError, InvalidTypeError
from .crc import POLYNOMIALS, crc_combine, crc_function

_HEX_LENGTH = {
    "crc32": 8,
    "crc32c": 8,
    "crc64nvme": 16,
    "md5": 32,
    "sha1": 40,
    "sha256": 64,
    "sha512": 128,
}

#: The algorithms that have a name here.
ALGORITHMS = frozenset(_HEX_LENGTH)

#: Which digest verifies a download if more than one is known: the strongest first, and those that
#: may have to be computed in Python last.
VERIFY_ORDER = ("sha512", "sha256", "sha1", "md5", "crc32", "crc64nvme", "crc32c")


class Hasher(Protocol):
    """The interface of hashlib's objects."""

    def update(self, data: Buffer, /) -> None: ...
    def hexdigest(self) -> str: ...


class Crc:
    """A CRC with the interface of hashlib, which can be combined with that of the next bytes."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._function = crc_function(algorithm)
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._function(memoryview(data), self._value)

    def append(self, other: Crc, size: int) -> None:
        """Append the CRC of the next `size` bytes, which was computed separately."""
        self._value = crc_combine(self.algorithm, self._value, other._value, size)

    def hexdigest(self) -> str:
        return f"{self._value:0{_HEX_LENGTH[self.algorithm]}x}"


def new_hasher(algorithm: str) -> Hasher:
    """Return an object that computes a checksum, with the interface of hashlib."""
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)  # much faster than new("md5")
    if algorithm in POLYNOMIALS:
        return Crc(algorithm)
    return hashlib.new(algorithm, usedforsecurity=False)


def combined_crc(algorithm: str, pieces: Iterable[tuple[str, int]]) -> str:
    """Return the CRC of a content, from the CRC and the size of each piece of it."""
    value = 0
    for digest, size in pieces:
        value = crc_combine(algorithm, value, int(digest, 16), size)
    return f"{value:0{_HEX_LENGTH[algorithm]}x}"


class Digests:
    """
    The digests of one stream of bytes, by algorithm.

    Attributes:
        size: The number of bytes so far.
    """

    __slots__ = ("_hashers", "size")

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers: dict[str, Hasher] = {}
        for name in algorithms:
            self._hashers[name] = new_hasher(name)
        self.size = 0

    @property
    def algorithms(self) -> Sequence[str]:
        """The names of the algorithms."""
        return tuple(self._hashers)

    def update(self, data: memoryview) -> None:
        """Add the next bytes."""
        for hasher in self._hashers.values():
            hasher.update(data)
        self.size += data.nbytes

    def hexdigests(self) -> dict[str, str]:
        """Return the digests of the bytes so far, by algorithm."""
        found = {}
        for name, hasher in self._hashers.items():
            found[name] = hasher.hexdigest()
        return found


def parse_checksum(value: object) -> tuple[str, str] | None:
    """Parse a checksum such as ``"sha256:9f86…"`` into algorithm and lower-case digest."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidTypeError(
            f"checksum must be a str such as 'sha256:9f86…', not {type(value).__name__}"
        )
    algorithm, _, digest = value.lower().partition(":")
    length = _HEX_LENGTH.get(algorithm)
    if length is None or len(digest) != length or not set(digest) <= set("0123456789abcdef"):
        raise InvalidOptionError(
            f"checksum must be '<algorithm>:<hexadecimal digest>', such as"
            f" 'md5:900150983cd24fb0d6963f7d28e17f72', with one of {', '.join(_HEX_LENGTH)};"
            f" not {value!r}"
        )
    return algorithm, digest


def is_known(algorithm: str) -> bool:
    """Return whether an algorithm is supported."""
    return algorithm in _HEX_LENGTH


def verifiable(checksums: Mapping[str, str]) -> tuple[str, ...]:
    """Return the algorithm to verify a download with, if one is supported."""
    for name in VERIFY_ORDER:
        if name in checksums:
            return (name,)
    return ()


def compare(expected: Mapping[str, str], computed: Mapping[str, str], what: str) -> None:
    """
    Compare the digests of the algorithms that are in both mappings.

    Args:
        what: The compared content, for the error message.

    Raises:
        IntegrityError: A digest differs.
    """
    for algorithm, digest in computed.items():
        wanted = expected.get(algorithm)
        if wanted is not None and wanted != digest:
            raise IntegrityError(f"{what}: expected {algorithm} {wanted}, got {digest}")
