"""Objects of which only the parts have digests, and CRCs of ranges that are downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyDriver, KiB, break_off, flip_bit, send_more, set_digest, stored
from hypothesis import given
from hypothesis import strategies as st

from libstore import (
    AccessDeniedError,
    IntegrityError,
    Object,
    ObjectInfo,
    RetryPolicy,
    ServiceError,
    TransferOptions,
)
from libstore.transfer.crc import POLYNOMIALS
from libstore.transfer.digests import Digests
from libstore.transfer.verification import verification
from libstore.values import Composite

PART = 10 * KiB
CONTENT = hashlib.shake_128(b"composite").digest(9 * PART + 5)
# Neither the ranges of a download nor the chunks of a stream end where these do.
SIZES = (17_000, 0, 1, 40_000, len(CONTENT) - 57_001)


def digest_of(algorithm: str, content: bytes) -> str:
    digests = Digests([algorithm])
    digests.update(memoryview(content))
    return digests.hexdigests()[algorithm]


def composite_of(algorithm: str, content: bytes, sizes: Sequence[int]) -> Composite:
    stops = list(accumulate(sizes))
    parts = [content[stop - size : stop] for size, stop in zip(sizes, stops, strict=True)]
    digests = [digest_of(algorithm, part) for part in parts]
    combined = digest_of(algorithm, b"".join(map(bytes.fromhex, digests)))
    return Composite(algorithm, sizes, digests, combined)


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with an object that has no digest of the whole."""
    driver = FaultyDriver(
        retry=RetryPolicy(base=0.0),
        transfer=TransferOptions(part_size=PART, multipart_threshold=2 * PART, concurrency=3),
    )
    stored(driver, CONTENT)

    def get(real: Callable[..., Any], *arguments: Any) -> Any:
        reading = real(*arguments)
        return replace(reading, info=with_digest(reading.info))

    driver.around("_get_object", get)
    return driver


def with_digest(info: ObjectInfo) -> ObjectInfo:
    return replace(info, checksums={}, extra={"composite": True})


def beside(driver: FaultyDriver, fault: Callable[..., None], *arguments: Any) -> None:
    """Add a fault to the responses."""
    first = driver._around["_get_object"]
    fault(driver, *arguments)
    second = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: second(lambda *a: first(real, *a), *rest))


def respond_with(driver: FaultyDriver, composite: Composite | None) -> None:
    driver.around("_find_composite", lambda real, *arguments: composite)


def read(obj: Object, folder: Path) -> bytes:
    return obj.read()


def stream(obj: Object, folder: Path) -> bytes:
    return b"".join(obj.stream(chunk_size=7_000))


def download(obj: Object, folder: Path) -> bytes:
    path = folder / "a"
    try:
        obj.download(path)
        return path.read_bytes()
    finally:
        assert [path.name] * path.exists() == [entry.name for entry in folder.iterdir()]
        path.unlink(missing_ok=True)


WAYS = pytest.mark.parametrize("way", [read, stream, download])
Way = Callable[[Object, Path], bytes]


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "crc32", "crc32c", "crc64nvme"])
@pytest.mark.parametrize("has", ["digests", "combined", "both"])
@WAYS
def test_parts_are_verified(
    driver: FaultyDriver, tmp_path: Path, way: Way, has: str, algorithm: str
) -> None:
    """By their own digests, by the digest of those, or by both."""
    composite = composite_of(algorithm, CONTENT, SIZES)
    if has == "digests":
        composite = replace(composite, combined="")
    elif has == "combined":
        composite = replace(composite, digests=())
    respond_with(driver, composite)
    obj = driver.object("c", "a")

    assert CONTENT == way(obj, tmp_path)
    assert 1 == driver.hooks().count("_find_composite")
    beside(driver, flip_bit, 57_001)
    named = "of the parts of the bytes" if has == "combined" else "part 5 of 5: expected"
    with pytest.raises(IntegrityError, match=named):
        way(obj, tmp_path)


@WAYS
def test_wrong_combined_digest_is_an_error(driver: FaultyDriver, tmp_path: Path, way: Way) -> None:
    """As where parts are missing, or in another order, in what the service combined."""
    respond_with(driver, replace(composite_of("md5", CONTENT, SIZES), combined="0" * 32))

    with pytest.raises(IntegrityError, match="the digests of the parts"):
        way(driver.object("c", "a"), tmp_path)


@pytest.mark.parametrize(
    ("position", "number"), [(0, 1), (16_999, 1), (17_000, 3), (17_001, 4), (92_164, 5)]
)
@WAYS
def test_error_names_the_part(
    driver: FaultyDriver, tmp_path: Path, way: Way, position: int, number: int
) -> None:
    respond_with(driver, composite_of("md5", CONTENT, SIZES))
    beside(driver, flip_bit, position)

    with pytest.raises(IntegrityError, match=f"^part {number} of 5: expected md5"):
        way(driver.object("c", "a"), tmp_path)


@pytest.mark.parametrize("cut", [1, 16_999, 17_000, 17_001, 30_000])
@WAYS
def test_resumed_read_is_verified(
    driver: FaultyDriver, tmp_path: Path, way: Way, cut: int
) -> None:
    """The seam may lie anywhere in a part or between two; the driver gets one request."""
    respond_with(driver, composite_of("md5", CONTENT, SIZES))
    beside(driver, break_off, cut)

    assert CONTENT == way(driver.object("c", "a"), tmp_path)
    assert 1 == driver.hooks().count("_find_composite")


def test_wrong_part_ends_a_stream_early(driver: FaultyDriver) -> None:
    """The parts after a corrupted one are not awaited."""
    respond_with(driver, composite_of("md5", CONTENT, SIZES))
    beside(driver, flip_bit, 100)
    seen: list[bytes] = []

    with pytest.raises(IntegrityError):
        seen.extend(driver.object("c", "a").stream(chunk_size=1_000))
    assert 16_000 == len(b"".join(seen))


def test_error_holds_no_buffer(driver: FaultyDriver) -> None:
    """The user's buffer can be resized while the error is alive."""
    respond_with(driver, composite_of("md5", CONTENT, SIZES))
    beside(driver, flip_bit, 100)
    expected = verification(driver, "c", "a", with_digest(ObjectInfo("a", size=len(CONTENT))))
    assert expected is not None
    buffer = bytearray(len(CONTENT))

    with pytest.raises(IntegrityError) as raised, memoryview(buffer) as view:
        expected.update(view)
    buffer.append(0)
    assert "part 1 of 5" in str(raised.value)


@pytest.mark.parametrize(
    ("start", "stop", "whole"), [(1, None, False), (0, 50_000, False), (0, len(CONTENT), True)]
)
def test_only_a_whole_read_requests_the_parts(
    driver: FaultyDriver, start: int, stop: int | None, whole: bool
) -> None:
    """A range costs no second request."""
    respond_with(driver, None)
    obj = driver.object("c", "a")

    assert CONTENT[start:stop] == obj.read(start=start, stop=stop)
    assert [CONTENT[3:9]] == obj.read_ranges([(3, 9)])
    assert whole == ("_find_composite" in driver.hooks())


@WAYS
def test_parts_are_not_requested_if_the_whole_has_a_digest(
    driver: FaultyDriver, tmp_path: Path, way: Way
) -> None:
    beside(driver, lambda driver: set_digest(driver, "_get_object", crc32c="0" * 8))

    with pytest.raises(IntegrityError, match="crc32c"):
        way(driver.object("c", "a"), tmp_path)
    assert "_find_composite" not in driver.hooks()


def test_parts_of_an_empty_object_are_not_requested(driver: FaultyDriver) -> None:
    stored(driver, b"", "empty")

    assert b"" == driver.object("c", "empty").read()
    assert "_find_composite" not in driver.hooks()


@pytest.mark.parametrize("composite", [None, Composite("xxh3", [len(CONTENT)], ["0" * 16])])
@WAYS
def test_unsupported_algorithm_is_not_verified(
    driver: FaultyDriver, tmp_path: Path, way: Way, composite: Composite | None
) -> None:
    respond_with(driver, composite)

    assert CONTENT == way(driver.object("c", "a"), tmp_path)


@pytest.mark.parametrize(
    "composite",
    [
        Composite("md5", [len(CONTENT) - 1], combined="0" * 32),
        Composite("md5", [len(CONTENT)], ["0" * 32, "0" * 32]),
        Composite("md5", [], combined="0" * 32),
    ],
)
@WAYS
def test_parts_of_another_total_size_are_an_error(
    driver: FaultyDriver, tmp_path: Path, way: Way, composite: Composite
) -> None:
    respond_with(driver, composite)

    with pytest.raises(ServiceError, match="in total for an object of 92165 bytes"):
        way(driver.object("c", "a"), tmp_path)


@WAYS
def test_error_of_find_composite_is_raised(driver: FaultyDriver, tmp_path: Path, way: Way) -> None:
    """A driver that wants to go on says `None`; what it raises is the read's error."""

    def refuse(real: Any, *arguments: Any) -> None:
        raise AccessDeniedError("no")

    driver.around("_find_composite", refuse)

    with pytest.raises(AccessDeniedError):
        way(driver.object("c", "a"), tmp_path)


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    flip=st.integers(0, 400),
)
def test_parts_are_verified_in_any_pieces(sizes: list[int], cuts: list[int], flip: int) -> None:
    content = bytearray(CONTENT[: sum(sizes)])
    composite = composite_of("crc32", bytes(content), sizes)
    driver = FaultyDriver()
    respond_with(driver, composite)

    def run() -> None:
        expected = verification(driver, "c", "a", with_digest(ObjectInfo("a", size=len(content))))
        if expected is not None:
            for piece in pieces(content, sorted(cuts)):
                expected.update(memoryview(piece))
            expected.finish("x")

    run()
    if flip < len(content):
        content[flip] ^= 1
        with pytest.raises(IntegrityError, match="part"):
            run()


def pieces(content: bytearray, cuts: list[int]) -> Iterable[bytes]:
    for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True):
        yield bytes(content[start:stop])


@pytest.mark.parametrize("algorithm", POLYNOMIALS)
def test_crcs_of_ranges_are_combined(
    driver: FaultyDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """A download in ranges does not read its file again, and notices one changed bit."""
    from libstore.transfer.local_files import UnpublishedFile

    monkeypatch.delattr(UnpublishedFile, "read")
    digest = digest_of(algorithm, CONTENT)
    beside(driver, lambda driver: set_digest(driver, "_get_object", **{algorithm: digest}))
    obj = driver.object("c", "a")

    assert CONTENT == download(obj, tmp_path)
    beside(driver, send_more, 100, 100)
    beside(driver, break_off, 5_000, 300)
    assert CONTENT == download(obj, tmp_path)
    for position in (0, 2 * PART - 1, 2 * PART, len(CONTENT) - 1):
        beside(driver, flip_bit, position)
        with pytest.raises(IntegrityError, match=f"downloaded: expected {algorithm}"):
            download(obj, tmp_path)
        beside(driver, flip_bit, position)
