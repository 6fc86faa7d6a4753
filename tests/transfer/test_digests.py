"""Digests by name, computed while the bytes pass."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import InvalidOptionError, InvalidTypeError
from libstore.errors import IntegrityError
from libstore.transfer.crc import portable_function
from libstore.transfer.digests import Digests, compare, parse_checksum, verifiable

_ALL = ("crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512")


@given(blocks=st.lists(st.binary(max_size=50)))
def test_digests_do_not_depend_on_where_the_blocks_end(blocks: list[bytes]) -> None:
    """Piece by piece or at once, each algorithm has its known result."""
    digests = Digests(_ALL)
    for block in blocks:
        digests.update(memoryview(block))
    whole = b"".join(blocks)
    assert len(whole) == digests.size
    expected = {name: hashlib.new(name, whole).hexdigest() for name in _ALL if "crc" not in name}
    expected["crc32"] = f"{zlib.crc32(whole):08x}"
    expected["crc32c"] = f"{portable_function('crc32c')(memoryview(whole), 0):08x}"
    expected["crc64nvme"] = f"{portable_function('crc64nvme')(memoryview(whole), 0):016x}"
    assert expected == digests.hexdigests()


def test_crc32_keeps_its_leading_zeros() -> None:
    """A CRC-32 always has eight digits."""
    content = next(
        b"%d" % number for number in range(10_000) if zlib.crc32(b"%d" % number) < 2**24
    )
    digests = Digests(["crc32"])
    digests.update(memoryview(content))
    assert 8 == len(digests.hexdigests()["crc32"])
    assert digests.hexdigests()["crc32"].startswith("00")


@pytest.mark.parametrize("algorithm", _ALL)
def test_checksum_is_parsed(algorithm: str) -> None:
    """Case does not matter; every algorithm has its length."""
    digests = Digests([algorithm])
    digests.update(memoryview(b"abc"))
    digest = digests.hexdigests()[algorithm]
    assert (algorithm, digest) == parse_checksum(f"{algorithm}:{digest}")
    assert (algorithm, digest) == parse_checksum(f"{algorithm.upper()}:{digest.upper()}")
    with pytest.raises(InvalidOptionError, match="hexadecimal"):
        parse_checksum(f"{algorithm}:{digest}0")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "md5",
        "md5:",
        ":",
        "0" * 32,
        "md4:" + "0" * 32,
        "md5:" + "g" * 32,
        "md5:" + "\u0660" * 32,
        "md5: " + "0" * 31,
        "md5:0x" + "0" * 30,
        "md5:" + "0" * 31 + "\n",
    ],
)
def test_invalid_checksum_is_rejected(value: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(InvalidOptionError, match="such as 'md5:"):
        parse_checksum(value)


@pytest.mark.parametrize("value", [5, b"md5:", ("md5", "0"), True])
def test_checksum_of_another_type_is_rejected(value: Any) -> None:
    """Bytes and pairs are refused by their type."""
    assert parse_checksum(None) is None
    with pytest.raises(InvalidTypeError, match="checksum must be a str"):
        parse_checksum(value)


def test_strongest_digest_is_verified() -> None:
    """One digest is computed, the strongest; one that we cannot compute is left out."""
    assert ("sha256",) == verifiable({"md5": "x", "sha256": "y", "crc32": "z"})
    assert ("crc32",) == verifiable({"crc64nvme": "x", "crc32": "z"})
    assert ("crc64nvme",) == verifiable({"crc64nvme": "x", "crc32c": "y"})
    assert ("crc32c",) == verifiable({"xxh3": "x", "crc32c": "y"})
    assert () == verifiable({"xxh3": "x"})
    assert () == verifiable({})


def test_only_common_digests_are_compared() -> None:
    """One side's digest alone proves nothing and refutes nothing."""
    compare({"md5": "1"}, {"sha1": "2"}, "x")
    compare({"md5": "1", "sha1": "2"}, {"sha1": "2"}, "x")
    with pytest.raises(IntegrityError, match="it all: expected md5 1, got 2"):
        compare({"md5": "1", "sha1": "3"}, {"md5": "2"}, "it all")
