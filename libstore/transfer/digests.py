"""Digests by name, computed while the bytes pass."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from typing_extensions import Buffer

from ..errors import IntegrityError, InvalidOptionError, InvalidTypeError

_HEX_LENGTH = {"crc32": 8, "md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}

#: What a download is verified with when several digests are known: what proves most comes first.
VERIFY_ORDER = ("sha512", "sha256", "sha1", "md5", "crc32")


class _Hasher(Protocol):
    def update(self, data: Buffer, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Crc32:
    """CRC-32 as of zlib, in hashlib's form."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def _hasher(algorithm: str) -> _Hasher:
    if algorithm == "crc32":
        return _Crc32()
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)  # several times as fast as new("md5")
    return hashlib.new(algorithm, usedforsecurity=False)


class Digests:
    """Several digests of one stream of bytes."""

    __slots__ = ("_hashers", "size")

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers = {name: _hasher(name) for name in algorithms}
        self.size = 0

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        for hasher in self._hashers.values():
            hasher.update(data)
        self.size += data.nbytes

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


def verifiable(checksums: Mapping[str, str]) -> tuple[str, ...]:
    """Return the algorithm to verify a download with, if there is one that we can compute."""
    return tuple(name for name in VERIFY_ORDER if name in checksums)[:1]


def compare(expected: Mapping[str, str], computed: Mapping[str, str], what: str) -> None:
    """Raise `IntegrityError` where both sides know a digest and it differs."""
    for algorithm, digest in computed.items():
        told = expected.get(algorithm)
        if told is not None and told != digest:
            raise IntegrityError(f"{what}: its {algorithm} should be {told}, but is {digest}")
