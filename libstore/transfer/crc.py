"""
Cyclic redundancy checks that the standard library lacks, and their combination.

A CRC is the remainder of the content, read as a polynomial over GF(2), modulo a fixed polynomial
P. Python's integers can represent such polynomials: ``^`` adds them, ``<<`` multiplies by a power
of x, and both process hundreds of kilobytes at once. Only a fast remainder is missing.

It uses a multiple of P that has very few terms, such as ``x^6777 + x^484 + x^100 + 1`` for
CRC-32C. Modulo P, the first bits of the content can be removed if they are added again
6777 - 484, 6777 - 100 and 6777 positions later: three shifts for thousands of bits. Squaring
doubles the exponents and keeps the number of terms, ``(a + b)^2 = a^2 + b^2``, so each step can
remove about half of the remaining content. A table handles the last thousand bytes or so.

The multiples were found by search: sums of two (or three) powers of x modulo P are sorted until
two of them differ by a third one. A test checks that they are multiples.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from ..values import KiB

#: Continues a CRC: its arguments are the next bytes and the value so far, which is 0 at first.
CrcFunction = Callable[[memoryview, int], int]

# Small enough for the processor's caches.
_BLOCK = 128 * KiB


@dataclass(frozen=True)
class Polynomial:
    """
    The parameters of a reflected CRC that begins with ones and is inverted at the end.

    Attributes:
        width: The number of bits of the result.
        terms: The polynomial without its highest term; the lowest bit is the highest power.
        multiple: The exponents of a multiple with few terms, in descending order.
    """

    width: int
    terms: int
    multiple: tuple[int, ...] = ()

    @property
    def ones(self) -> int:
        """A value with all bits set."""
        return (1 << self.width) - 1


# CRC-32C: RFC 3720, section 12.1. CRC-64/NVME: NVM Express NVM Command Set Specification,
# section 5.2.1.3.4; Azure's CRC64 is the same.
POLYNOMIALS = {
    "crc32": Polynomial(32, 0xEDB88320),
    "crc32c": Polynomial(32, 0x82F63B78, (6777, 484, 100, 0)),
    "crc64nvme": Polynomial(64, 0x9A6C9329AC4BC9B5, (8377, 4269, 3523, 3054, 1995, 1691, 0)),
}


@cache
def crc_function(algorithm: str) -> CrcFunction:
    """Return the fastest available function for an algorithm of `POLYNOMIALS`."""
    if algorithm == "crc32":
        return zlib.crc32
    return _awscrt(algorithm) or _google(algorithm) or portable_function(algorithm)


@cache
def portable_function(algorithm: str) -> CrcFunction:
    """Return the function that needs only the standard library."""
    polynomial = POLYNOMIALS[algorithm]
    table = _table(polynomial)
    shortest = polynomial.multiple[0] // 8 + 1

    def update(data: memoryview, value: int) -> int:
        register = value ^ polynomial.ones
        for start in range(0, data.nbytes, _BLOCK):
            block: memoryview | bytes = data[start : start + _BLOCK]
            if len(block) > shortest:
                block = _fold(block, register, polynomial.multiple)
                register = 0
            for byte in block:
                register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
        return register ^ polynomial.ones

    return update


def crc_combine(algorithm: str, first: int, second: int, length: int) -> int:
    """Return the CRC of a content whose last `length` bytes have the CRC `second`."""
    polynomial = POLYNOMIALS[algorithm]
    # The first part is multiplied by x for each bit that follows; the initial ones and the final
    # inversion cancel each other.
    for place in range(length.bit_length()):
        if length >> place & 1:
            first = _multiply(polynomial, first, _power(algorithm, place))
    return first ^ second


def _fold(block: memoryview | bytes, register: int, multiple: tuple[int, ...]) -> bytes:
    """Return shorter content that has the same CRC, from a register of 0."""
    # In little-endian order the lowest bit is the first one of the content: the highest power.
    number = int.from_bytes(block, "little") ^ register
    length = 8 * len(block)
    degree, *others = multiple
    for doublings in reversed(range((length // degree).bit_length())):
        kept = degree << doublings
        while length > kept:
            # Never remove more bits at once than those before the place where they reappear.
            cut = min(length - kept, kept - (others[0] << doublings))
            head = number & ((1 << cut) - 1)
            number >>= cut
            length -= cut
            for exponent in others:
                number ^= head << (kept - (exponent << doublings) - cut)
    padding = -length % 8
    return (number << padding).to_bytes((length + padding) // 8, "little")


def _table(polynomial: Polynomial) -> list[int]:
    """Return the effect of each byte on the register."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = _times_x(polynomial, value)
        table.append(value)
    return table


def _times_x(polynomial: Polynomial, value: int) -> int:
    return value >> 1 ^ (polynomial.terms if value & 1 else 0)


def _multiply(polynomial: Polynomial, left: int, right: int) -> int:
    """Return a product modulo the polynomial."""
    product = 0
    for place in reversed(range(polynomial.width)):  # the highest bit is the term 1
        if right >> place & 1:
            product ^= left
        left = _times_x(polynomial, left)
    return product


@cache
def _power(algorithm: str, doublings: int) -> int:
    """Return x to the power of ``8 << doublings``, modulo the polynomial."""
    polynomial = POLYNOMIALS[algorithm]
    if not doublings:
        return 1 << (polynomial.width - 1 - 8)
    root = _power(algorithm, doublings - 1)
    return _multiply(polynomial, root, root)


def _import(name: str) -> Any:
    """Import a module if it is installed."""
    try:
        with warnings.catch_warnings():
            # google_crc32c warns if its compiled part is missing; then it is not used.
            warnings.simplefilter("ignore")
            return import_module(name)
    except ImportError:
        return None


def _awscrt(algorithm: str) -> CrcFunction | None:
    function: CrcFunction | None = getattr(_import("awscrt.checksums"), algorithm, None)
    return function


def _google(algorithm: str) -> CrcFunction | None:
    module: Any = _import("google_crc32c") if algorithm == "crc32c" else None
    if getattr(module, "implementation", None) != "c":
        return None

    def update(data: memoryview, value: int) -> int:
        for start in range(0, data.nbytes, _BLOCK):  # it accepts only bytes: copy block by block
            value = module.extend(value, bytes(data[start : start + _BLOCK]))
        return value

    return update
