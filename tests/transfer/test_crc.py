"""CRCs that the standard library lacks, compared with known values and compiled functions."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore.transfer import crc
from libstore.transfer.crc import POLYNOMIALS, crc_combine, crc_function, portable_function

MADE_HERE = ("crc32c", "crc64nvme")
# More than a block, and no power of two in it.
LONG = bytes(range(251)) * 1_100

CASES = json.loads(Path(__file__).with_name("checksums.json").read_text("utf-8"))["cases"]
RECIPES = {66560: b"a" * 66560, 1048576: bytes(range(256)) * 4096}
RECIPES[32000] = hashlib.sha256(b"x").digest() * 1000


@pytest.fixture
def forget() -> Iterator[None]:
    """Search for compiled functions again, before and after."""
    crc_function.cache_clear()
    yield
    crc_function.cache_clear()


def compiled(algorithm: str) -> Callable[[bytes, int], int]:
    function: Callable[[bytes, int], int]
    function = getattr(pytest.importorskip("awscrt.checksums"), algorithm)
    return function


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["length"]))
@pytest.mark.parametrize("function", [crc_function, portable_function])
@pytest.mark.parametrize("algorithm", MADE_HERE)
def test_crcs_equal_known_values(
    algorithm: str, function: Callable[[str], crc.CrcFunction], case: dict[str, Any]
) -> None:
    encoded = case["input_b64"]
    content = RECIPES[case["length"]] if encoded is None else base64.b64decode(encoded)

    assert int(case[algorithm], 16) == function(algorithm)(memoryview(content), 0)


@pytest.mark.parametrize("algorithm", MADE_HERE)
def test_multiple_is_divisible_by_the_polynomial(algorithm: str) -> None:
    """The powers of x that the method takes to add up to nothing do so, modulo the polynomial."""
    polynomial = POLYNOMIALS[algorithm]
    total, power = 0, 1 << (polynomial.width - 1)
    for exponent in range(polynomial.multiple[0] + 1):
        if exponent in polynomial.multiple:
            total ^= power
        power = crc._times_x(polynomial, power)

    assert 0 == total
    assert all(larger > smaller for larger, smaller in pairwise(polynomial.multiple))


@pytest.mark.parametrize("algorithm", MADE_HERE)
def test_all_lengths_around_the_step_from_table_to_folding(algorithm: str) -> None:
    bits = POLYNOMIALS[algorithm].multiple[0]
    function, reference = portable_function(algorithm), compiled(algorithm)
    lengths = [length for n in (1, 2, 4) for length in range(n * bits // 8 - 9, n * bits // 8 + 9)]

    for length in [*range(9), *lengths]:
        content = LONG[:length]
        assert reference(content, 0) == function(memoryview(content), 0), length


@pytest.mark.parametrize("algorithm", MADE_HERE)
@given(data=st.data())
@settings(deadline=None)
def test_crc_of_any_pieces_equals_the_compiled_function(
    algorithm: str, data: st.DataObject
) -> None:
    """Whatever the seed, the length and the cuts: the same as the compiled function."""
    seed = data.draw(st.binary(max_size=200))
    content = (seed + LONG)[: data.draw(st.integers(0, 300_000))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    value = 0
    for start, stop in pairwise([0, *cuts, len(content)]):
        value = portable_function(algorithm)(memoryview(content)[start:stop], value)

    assert compiled(algorithm)(content, 0) == value


@given(content=st.binary(max_size=2_000), value=st.integers(0, 2**32 - 1))
def test_crc_equals_another_compiled_function(content: bytes, value: int) -> None:
    module = pytest.importorskip("google_crc32c")

    assert module.extend(value, content) == portable_function("crc32c")(memoryview(content), value)


@pytest.mark.parametrize("algorithm", POLYNOMIALS)
@given(first=st.binary(max_size=100), second=st.binary(max_size=100), zeros=st.integers(0, 5_000))
@settings(deadline=None)
def test_crcs_of_adjacent_blocks_are_combined(
    algorithm: str, first: bytes, second: bytes, zeros: int
) -> None:
    function = crc_function(algorithm)
    second += bytes(zeros)
    whole = function(memoryview(first + second), 0)
    before, after = (function(memoryview(part), 0) for part in (first, second))

    assert whole == crc_combine(algorithm, before, after, len(second))


def test_crcs_of_large_blocks_are_combined() -> None:
    """The length of what follows may be that of any object there is."""
    beyond = pytest.importorskip("awscrt.checksums")
    for algorithm in POLYNOMIALS:
        combine = getattr(beyond, f"combine_{algorithm}")
        for length in (2**32 - 1, 2**32, 5 * 2**40 + 7, 2**62):
            assert combine(7, 9, length) == crc_combine(algorithm, 7, 9, length)


def test_crc32_is_that_of_zlib() -> None:
    assert zlib.crc32 is crc_function("crc32")


@pytest.mark.parametrize(
    ("algorithm", "missing"),
    [
        ("crc32c", ()),
        ("crc32c", ("awscrt.checksums",)),
        ("crc32c", ("awscrt.checksums", "google_crc32c")),
        ("crc64nvme", ("awscrt.checksums",)),
    ],
)
@pytest.mark.usefixtures("forget")
def test_installed_accelerator_is_used(
    monkeypatch: pytest.MonkeyPatch, algorithm: str, missing: tuple[str, ...]
) -> None:
    """With one accelerator, the other or none the result is the same; writable memory will do."""
    expected = portable_function(algorithm)(memoryview(LONG), 0)
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    content = memoryview(bytearray(LONG))
    half = len(LONG) // 2
    function = crc_function(algorithm)

    assert expected == function(content[half:], function(content[:half], 0))
    assert 0 == function(content[:0], 0)


@pytest.mark.usefixtures("forget")
def test_slow_accelerator_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What google_crc32c does without its compiled part is slower than the one in Python."""
    slow = SimpleNamespace(implementation="python")
    monkeypatch.setitem(sys.modules, "awscrt.checksums", None)
    monkeypatch.setitem(sys.modules, "google_crc32c", slow)

    assert portable_function("crc32c") is crc_function("crc32c")


def test_accelerators_are_imported_lazily() -> None:
    script = "import sys, libstore.transfer.digests, libstore.drivers.s3; print(*sys.modules)"
    names = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()

    assert not [name for name in names if name.startswith(("awscrt", "google_crc32c", "_awscrt"))]
