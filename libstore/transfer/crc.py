"""
Cyclic redundancy checks that the standard library lacks, and their combination.

A CRC is the remainder of the content, read as a polynomial over GF(2), modulo a fixed one, P.
Python's integers are such polynomials already: ``^`` adds them, ``<<`` multiplies by a power of x,
and both take hundreds of kilobytes at once. What is missing is a cheap remainder.

It comes from a multiple of P that has very few terms, such as ``x^6777 + x^484 + x^100 + 1`` for
CRC-32C. Modulo P this says that the first bits of the content may be taken away if they are added
again 6777 - 484, 6777 - 100 and 6777 places further on: three shifts for thousands of bits.
Squaring doubles the exponents and leaves the number of terms as it is, ``(a + b)^2 = a^2 + b^2``,
so that every step can take away about half of what there is, however long that is. The last
thousand bytes or so go through the usual table.

The multiples were found by search: sums of two (or three) powers of x modulo P are sorted until
two of them differ by a third one. That they are multiples is all that matters, and is tested.
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

#: Continues a CRC: takes the next bytes and the value so far, which is 0 at first.
CrcFunction = Callable[[memoryview, int], int]

# As much as stays in the processor's caches while it is folded.
_BLOCK = 128 * KiB


@dataclass(frozen=True)
class Polynomial:
    """
    What defines a CRC whose bits are reflected, begins with ones and is inverted at the end.

    Attributes:
        width: Bits of the result.
        terms: The polynomial without its highest term; the lowest bit is the highest power.
        multiple: The exponents of a multiple with few terms, falling.
    """

    width: int
    terms: int
    multiple: tuple[int, ...] = ()

    @property
    def ones(self) -> int:
        """A value of nothing but ones."""
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
    """Return the fastest function there is for an algorithm of `POLYNOMIALS`."""
    if algorithm == "crc32":
        return zlib.crc32
    return _awscrt(algorithm) or _google(algorithm) or portable_function(algorithm)


@cache
def portable_function(algorithm: str) -> CrcFunction:
    """Return the function that needs nothing but the standard library."""
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
    # What goes before is multiplied by x for each bit that follows; ones at the beginning and the
    # inversion at the end cancel each other.
    for place in range(length.bit_length()):
        if length >> place & 1:
            first = _multiply(polynomial, first, _power(algorithm, place))
    return first ^ second


def _fold(block: memoryview | bytes, register: int, multiple: tuple[int, ...]) -> bytes:
    """Return shorter content that, from a register of 0, comes to the same."""
    # Little-endian, the lowest bit is the first one of the content: the highest power of x.
    number = int.from_bytes(block, "little") ^ register
    length = 8 * len(block)
    degree, *others = multiple
    for doublings in reversed(range((length // degree).bit_length())):
        kept = degree << doublings
        while length > kept:
            # No more at once than what reappears behind the bits that are taken away.
            cut = min(length - kept, kept - (others[0] << doublings))
            head = number & ((1 << cut) - 1)
            number >>= cut
            length -= cut
            for exponent in others:
                number ^= head << (kept - (exponent << doublings) - cut)
    padding = -length % 8
    return (number << padding).to_bytes((length + padding) // 8, "little")


def _table(polynomial: Polynomial) -> list[int]:
    """Return what each byte does to the register."""
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
    """Return a module if it is installed and works."""
    try:
        with warnings.catch_warnings():
            # google_crc32c warns where its compiled part is missing; then we do without it.
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
        for start in range(0, data.nbytes, _BLOCK):  # it takes bytes only: copy some at a time
            value = module.extend(value, bytes(data[start : start + _BLOCK]))
        return value

    return update
