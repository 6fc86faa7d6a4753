"""Digests by name, computed while the bytes pass."""

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

#: What a download is verified with when several digests are known: what proves most comes first,
#: and what may have to be computed in Python last.
VERIFY_ORDER = ("sha512", "sha256", "sha1", "md5", "crc32", "crc64nvme", "crc32c")


class _Hasher(Protocol):
    def update(self, data: Buffer, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Crc:
    """A CRC in hashlib's form, which can also go on with what another one has seen."""

    def __init__(self, algorithm: str) -> None:
        self._algorithm = algorithm
        self._function = crc_function(algorithm)
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._function(memoryview(data), self._value)

    def append(self, other: _Crc, size: int) -> None:
        self._value = crc_combine(self._algorithm, self._value, other._value, size)

    def hexdigest(self) -> str:
        return f"{self._value:0{_HEX_LENGTH[self._algorithm]}x}"


def _hasher(algorithm: str) -> _Hasher:
    if algorithm in POLYNOMIALS:
        return _Crc(algorithm)
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)  # several times as fast as new("md5")
    return hashlib.new(algorithm, usedforsecurity=False)


class Digests:
    """
    Several digests of one stream of bytes.

    Attributes:
        size: Bytes so far.
    """

    __slots__ = ("_hashers", "size")

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers = {name: _hasher(name) for name in algorithms}
        self.size = 0

    @property
    def algorithms(self) -> Sequence[str]:
        """What they are of."""
        return tuple(self._hashers)

    @property
    def separable(self) -> bool:
        """Whether digests of neighbours can be appended."""
        return all(isinstance(hasher, _Crc) for hasher in self._hashers.values())

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        for hasher in self._hashers.values():
            hasher.update(data)
        self.size += data.nbytes

    def append(self, other: Digests) -> None:
        """Take the bytes that other digests, of the same algorithms and separable, have taken."""
        for name, hasher in self._hashers.items():
            following = other._hashers[name]
            assert isinstance(hasher, _Crc)
            assert isinstance(following, _Crc)
            hasher.append(following, other.size)
        self.size += other.size

    def hexdigests(self) -> dict[str, str]:
        """Return what the bytes so far come to, by algorithm."""
        return {name: hasher.hexdigest() for name, hasher in self._hashers.items()}


def parse_checksum(value: object) -> tuple[str, str] | None:
    """Return the algorithm and the lower-case digest of ``"sha256:9f86…"``, or `None`."""
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
            f"checksum must be an algorithm of {', '.join(_HEX_LENGTH)}, a colon and the"
            f" digest in hexadecimal, such as 'md5:900150983cd24fb0d6963f7d28e17f72': {value!r}"
        )
    return algorithm, digest


def is_known(algorithm: str) -> bool:
    """Return whether we can compute a digest."""
    return algorithm in _HEX_LENGTH


def verifiable(checksums: Mapping[str, str]) -> tuple[str, ...]:
    """Return the algorithm to verify a download with, if there is one that we can compute."""
    return tuple(name for name in VERIFY_ORDER if name in checksums)[:1]


def compare(expected: Mapping[str, str], computed: Mapping[str, str], what: str) -> None:
    """Raise `IntegrityError` where both sides know a digest and it differs."""
    for algorithm, digest in computed.items():
        told = expected.get(algorithm)
        if told is not None and told != digest:
            raise IntegrityError(f"{what}: its {algorithm} should be {told}, but is {digest}")
