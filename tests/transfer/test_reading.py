"""Reading an object, whatever happens to the connection."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    MiB,
    break_always,
    break_off,
    flip_bit,
    replace_after,
    replace_always,
    send_more,
    set_digest,
    small_parts,
    stored,
    trickle,
    without_etag,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libstore import (
    IntegrityError,
    Object,
    ObjectChangedError,
    ObjectNotFoundError,
    Reading,
    RetryPolicy,
    ServiceError,
    Span,
    TransferOptions,
    TransportError,
)

CONTENT = hashlib.shake_128(b"libstore").digest(100 * KiB)


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with one object."""
    driver = FaultyDriver()
    stored(driver, CONTENT)
    return driver


@pytest.fixture
def obj(driver: FaultyDriver) -> Object:
    """Return the object, of which nothing is known yet."""
    return driver.object("c", "a")


def _streamed(obj: Object, **span: Any) -> bytes:
    return b"".join(obj.stream(chunk_size=7_000, **span))


def _as_file(obj: Object, start: int = 0, stop: int | None = None) -> bytes:
    with obj.as_file() as file:
        file.seek(start)
        return file.read(-1 if stop is None else stop - start)


_WAYS = pytest.mark.parametrize(
    "way", [Object.read, _streamed, _as_file], ids=["read", "stream", "as_file"]
)


# ---------------------------------------------------------------------- requests


def test_read_sends_one_request(driver: FaultyDriver, obj: Object) -> None:
    """Neither a read nor a stream sends anything before, least of all for a HEAD."""
    assert CONTENT == obj.read()
    assert CONTENT == _streamed(obj)
    assert CONTENT[5:10] == obj.read(start=5, stop=10)
    assert ["_get_object"] * 3 == driver.hooks()
    assert [(0, None), (0, None), (5, 10)] == driver.spans()


def test_empty_span_sends_one_head_request(driver: FaultyDriver, obj: Object) -> None:
    """An empty span reads as empty; it still finds out whether the object is there."""
    assert b"" == obj.read(start=7, stop=7)
    assert b"" == obj.read(start=10**9)
    assert b"" == _streamed(obj, start=10**9)
    assert [] == list(obj.stream(start=7, stop=7))
    with pytest.raises(ObjectNotFoundError):
        driver.object("c", "missing").read(start=7, stop=7)


def test_stream_sends_its_request_when_read(driver: FaultyDriver, obj: Object) -> None:
    """Making a stream sends nothing, and closing it early gives the connection back."""
    closed: list[int] = []

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        return replace(real(*arguments), close=lambda: closed.append(1))

    driver.around("_get_object", get)
    stream = obj.stream(chunk_size=10)
    assert [] == driver.calls
    assert CONTENT[:10] == next(stream)
    assert [] == closed
    stream.close()
    assert [1] == closed


@pytest.mark.parametrize("chunk_size", [1, 7, 1000, len(CONTENT) - 1, len(CONTENT), 10**9])
def test_all_chunks_but_the_last_have_one_size(driver: FaultyDriver, chunk_size: int) -> None:
    """All chunks but the last are as large as requested, however the bytes arrive."""
    content = CONTENT[:20_000]
    stored(driver, content, "b")
    trickle(driver, 333)
    chunks = list(driver.object("c", "b").stream(chunk_size=chunk_size))
    assert content == b"".join(chunks)
    assert all(len(chunk) == chunk_size for chunk in chunks[:-1])
    assert 0 < len(chunks[-1]) <= chunk_size


@_WAYS
def test_bytes_received_one_by_one_are_joined(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """Bytes that arrive one by one are joined."""
    trickle(driver, 17)
    assert CONTENT == way(obj)


@given(size=st.integers(0, 60), start=st.integers(0, 80), length=st.none() | st.integers(0, 80))
@settings(max_examples=100, deadline=None)
def test_read_of_a_span_equals_the_slice(size: int, start: int, length: int | None) -> None:
    """Any span of any object reads as the same slice of its bytes."""
    driver = FaultyDriver()
    stored(driver, CONTENT[:size])
    obj = driver.object("c", "a")
    stop = None if length is None else start + length
    expected = CONTENT[:size][start:stop]
    assert expected == obj.read(start=start, stop=stop)
    assert expected == b"".join(obj.stream(start=start, stop=stop, chunk_size=7))


# ---------------------------------------------------------------------- resuming


@pytest.mark.parametrize("ends", [False, True], ids=["reset", "ended too early"])
@_WAYS
def test_broken_body_is_resumed_at_the_next_byte(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes], ends: bool
) -> None:
    """Exactly the missing bytes are requested, of the same version."""
    etag = driver.get_object("c", "a").etag
    driver.calls.clear()
    break_off(driver, 10_000, 5_000, ends=ends)
    assert CONTENT == way(obj)
    (_, stop), *resumed = driver.spans()
    assert [(10_000, stop), (15_000, stop)] == [
        (start, stop if end == len(CONTENT) else end) for start, end in resumed
    ]
    conditions = [call[3].if_match for call in driver.requested("_get_object")]
    assert [None, etag, etag] == conditions


def test_broken_range_is_resumed_within_it(driver: FaultyDriver, obj: Object) -> None:
    """The end of a span stays where it was."""
    break_off(driver, 100, 0, 50)
    assert CONTENT[1_000:2_000] == obj.read(start=1_000, stop=2_000)
    assert [(1_000, 2_000), (1_100, 2_000), (1_100, 2_000), (1_150, 2_000)] == driver.spans()


def test_no_byte_is_requested_twice(driver: FaultyDriver, obj: Object) -> None:
    """However often a stream breaks, what was served is the object once."""
    cuts = [1_000, 1, 20_000, 3_333]
    break_off(driver, *cuts)
    assert CONTENT == _streamed(obj)
    starts = [start for start, _ in driver.spans()]
    assert [0, *itertools.accumulate(cuts)] == starts


@_WAYS
def test_read_fails_after_all_attempts(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """The tries are those of the policy; then the last failure is raised."""
    driver.retry = RetryPolicy(attempts=4, base=0)
    break_always(driver, 0)
    with pytest.raises(TransportError, match="once more") as caught:
        way(obj)
    assert 4 == len(driver.calls)
    assert "c" == caught.value.container


def test_policy_of_one_attempt_disables_resumption(driver: FaultyDriver, obj: Object) -> None:
    """A policy of one attempt turns resuming off."""
    driver.retry = RetryPolicy(attempts=1)
    break_off(driver, 10)
    with pytest.raises(TransportError):
        obj.read()
    assert 1 == len(driver.calls)


def test_progress_of_a_stream_restores_its_attempts() -> None:
    """A megabyte of progress renews the tries: a long download survives many breaks."""
    driver = FaultyDriver(retry=RetryPolicy(attempts=2, base=0))
    content = bytes(MiB) * 6
    stored(driver, content)
    break_always(driver, MiB)
    assert len(content) == len(driver.object("c", "a").read())
    assert 6 == len(driver.calls)


def test_little_progress_does_not_restore_attempts() -> None:
    """A connection that drips and breaks is given up in the end."""
    driver = FaultyDriver(retry=RetryPolicy(attempts=3, base=0))
    stored(driver, bytes(2 * MiB))
    break_always(driver, MiB // 2)
    with pytest.raises(TransportError):
        driver.object("c", "a").read()
    assert 3 == len(driver.calls)


def test_failed_request_during_resumption_is_retried(driver: FaultyDriver, obj: Object) -> None:
    """Not only bodies break: the request that goes on may fail, too, and is repeated."""
    outcomes = iter(["cut", "refused", "refused", "whole"])

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        outcome = next(outcomes)
        if outcome == "refused":
            raise TransportError("connection refused")
        if outcome == "cut":
            break_off(driver, 5_000)
            cutting = driver._around.pop("_get_object")
            driver.around("_get_object", get)
            return cutting(real, *arguments)
        return real(*arguments)

    driver.around("_get_object", get)
    assert CONTENT == obj.read()
    assert [0, 5_000, 5_000, 5_000] == [start for start, _ in driver.spans()]


def test_stream_without_progress_ends_after_the_total_time(
    driver: FaultyDriver, obj: Object
) -> None:
    """However many tries the policy has, all of them together take no longer than it says."""
    driver.retry = RetryPolicy(attempts=100, base=0, total=0.05)
    break_off(driver, 10)
    cut = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        if len(driver.calls) == 1:
            return cut(real, *arguments)
        time.sleep(0.03)
        raise TransportError("nothing comes")

    driver.around("_get_object", get)
    with pytest.raises(TransportError, match="nothing comes"):
        obj.read()
    assert 2 <= len(driver.calls) <= 4


@_WAYS
def test_object_without_etag_is_not_resumed(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """The rest could be of another version."""
    without_etag(driver)
    real_get = driver._around["_get_object"]
    break_off(driver, 10_000)
    cut = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: cut(lambda *a: real_get(real, *a), *rest))
    with pytest.raises(TransportError):
        way(obj)
    assert 1 == len(driver.calls)


def test_each_response_is_closed_once(driver: FaultyDriver, obj: Object) -> None:
    """No connection is lost and none is given back twice, whatever happens to it."""
    opened: list[list[int]] = []
    break_off(driver, 10, 20, 30)
    broken = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        closes: list[int] = []
        opened.append(closes)
        return replace(broken(real, *arguments), close=lambda: closes.append(1))

    driver.around("_get_object", get)
    assert CONTENT == obj.read()
    assert [[1]] * 4 == opened


# ---------------------------------------------------------------------- other versions


@_WAYS
def test_bytes_of_two_versions_are_not_mixed(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """An object that is replaced is read anew, or an error if some of it was handed on."""
    replace_after(driver, 1, CONTENT[::-1], cut=10_000)
    if way is _streamed:
        with pytest.raises(ObjectChangedError):
            way(obj)
    else:
        assert CONTENT[::-1] == way(obj)


@_WAYS
def test_repeatedly_replaced_object_is_an_error(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """A read begins three times in all, a stream of which something was handed on once."""
    replace_always(driver, CONTENT)
    changed = driver._around["_get_object"]
    driver._around.clear()
    break_always(driver, 10_000)
    cut = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: cut(lambda *a: changed(real, *a), *rest))
    with pytest.raises(ObjectChangedError):
        way(obj)
    begun = [call for call in driver.requested("_get_object") if call[2].start == 0]
    assert (1 if way is _streamed else 3) == len(begun)


@_WAYS
def test_service_that_ignores_if_match_is_detected(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """The ETag of the response is compared, too."""
    replace_after(driver, 1, CONTENT[::-1], cut=10_000)
    careless = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        container, name, span, conditions, version = arguments
        return careless(real, container, name, span, replace(conditions, if_match=None), version)

    driver.around("_get_object", get)
    if way is _streamed:
        with pytest.raises(ObjectChangedError, match="replaced while it was being read"):
            way(obj)
    else:
        assert CONTENT[::-1] == way(obj)


def test_object_deleted_during_a_read_is_not_found(driver: FaultyDriver, obj: Object) -> None:
    """What cannot be resumed says why."""
    break_off(driver, 10_000)
    cut = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = cut(real, *arguments)
        driver._store.buckets["c"].remove("a")
        return reading

    driver.around("_get_object", get)
    with pytest.raises((ObjectNotFoundError, ObjectChangedError)):
        obj.read()


# ---------------------------------------------------------------------- what the service sends


@pytest.mark.parametrize(("before", "after"), [(10**9, 0), (0, 10**9), (10, 10), (10**9, 10**9)])
@_WAYS
def test_bytes_outside_of_the_span_are_dropped(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes], before: int, after: int
) -> None:
    """A service that ignores the span, or rounds it, gives the bytes that were requested."""
    send_more(driver, before, after)
    assert CONTENT[20_000:30_000] == way(obj, start=20_000, stop=30_000)
    assert CONTENT == way(obj)


def test_resumption_with_a_whole_response_skips_bytes(driver: FaultyDriver, obj: Object) -> None:
    """What was delivered already is skipped, not delivered twice."""
    break_off(driver, 10_000)
    cut = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        container, name, _, *rest = arguments
        return cut(real, container, name, Span(), *rest)

    driver.around("_get_object", get)
    assert CONTENT == _streamed(obj)


def test_response_with_fewer_bytes_than_requested_is_an_error(
    driver: FaultyDriver, obj: Object
) -> None:
    """Bytes may be missing at the beginning or at the end."""
    for wrong in (Span(0, 10), Span(5, 100), Span(50, 60)):

        def get(
            real: Callable[..., Reading],
            container: str,
            name: str,
            span: Span,
            *rest: Any,
            wrong: Span = wrong,
        ) -> Reading:
            return real(container, name, wrong, *rest)

        driver.around("_get_object", get)
        with pytest.raises(ServiceError, match=r"were requested, but the service sent"):
            obj.read(start=0, stop=100)


def test_response_without_size_is_an_error(driver: FaultyDriver, obj: Object) -> None:
    """A truncated body could not be detected."""

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, info=replace(reading.info, size=None))

    driver.around("_get_object", get)
    with pytest.raises(ServiceError, match="size"):
        obj.read()


# ---------------------------------------------------------------------- verification


@pytest.mark.parametrize("position", [0, 1, 50_000, len(CONTENT) - 1])
@_WAYS
def test_changed_bit_is_an_integrity_error(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes], position: int
) -> None:
    """A read of the whole object is compared with the digest that the service keeps."""
    flip_bit(driver, position)
    with pytest.raises(IntegrityError, match="md5"):
        way(obj)


@pytest.mark.parametrize("position", [0, 1, 50_000, len(CONTENT) - 1])
@_WAYS
def test_damaged_read_is_repeated_once(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes], position: int
) -> None:
    """Unless some of it was handed on already."""
    flip_bit(driver, position, times=1)
    if way is _streamed:
        with pytest.raises(IntegrityError, match="md5"):
            way(obj)
        assert obj.verified_by is None
    else:
        assert CONTENT == way(obj)
        assert "md5" == obj.verified_by
        assert 2 == len(driver.calls)


def test_damaged_stream_of_one_chunk_is_repeated(driver: FaultyDriver, obj: Object) -> None:
    """Nothing of it was handed on before it was verified."""
    flip_bit(driver, 5, times=1)
    assert [CONTENT] == list(obj.stream())


@pytest.mark.parametrize("position", [3, 9_999, 10_000, 10_001, 90_000])
@_WAYS
def test_changed_bit_is_detected_across_a_resumption(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes], position: int
) -> None:
    """The digest is that of the bytes of all responses."""
    flip_bit(driver, position)
    flipped = driver._around["_get_object"]
    break_off(driver, 10_000)
    cut = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: cut(lambda *a: flipped(real, *a), *rest))
    with pytest.raises(IntegrityError, match="md5"):
        way(obj)
    assert (2 if way is _streamed else 3) == len(driver.calls)


@pytest.mark.parametrize(
    "algorithm", ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512"]
)
def test_every_supported_digest_is_verified(
    driver: FaultyDriver, obj: Object, algorithm: str
) -> None:
    """Whatever the service keeps is used."""
    from libstore.transfer.digests import Digests

    digests = Digests([algorithm])
    digests.update(memoryview(CONTENT))
    right = digests.hexdigests()[algorithm]
    set_digest(driver, "_get_object", **{algorithm: right})
    assert CONTENT == obj.read()
    set_digest(driver, "_get_object", **{algorithm: right[::-1]})
    with pytest.raises(IntegrityError, match=algorithm):
        obj.read()


def test_stream_is_verified_before_its_last_chunk(driver: FaultyDriver, obj: Object) -> None:
    """The last chunk is not handed out before the whole was verified."""
    flip_bit(driver, 5)
    seen: list[bytes] = []
    with pytest.raises(IntegrityError):
        seen.extend(obj.stream(chunk_size=10_000))
    assert len(CONTENT) > len(b"".join(seen))


def test_range_is_not_verified(driver: FaultyDriver, obj: Object) -> None:
    """The digest of the whole says nothing of a range."""
    set_digest(driver, "_get_object", md5="0" * 32)
    assert CONTENT[1:] == obj.read(start=1)
    assert CONTENT[:-1] == obj.read(stop=len(CONTENT) - 1)


def test_range_of_the_whole_object_is_verified(driver: FaultyDriver, obj: Object) -> None:
    """What counts is what was read, not how it was requested."""
    set_digest(driver, "_get_object", md5="0" * 32)
    for stop in (None, len(CONTENT), 10**9):
        with pytest.raises(IntegrityError):
            obj.read(start=0, stop=stop)


# ---------------------------------------------------------------------- several ranges


def test_close_ranges_are_read_with_one_request(driver: FaultyDriver, obj: Object) -> None:
    """What lies close together is fetched together, and cut apart."""
    spans = [(0, 10), (100, 200), (50, 60), (5, 20), (100, 200)]
    expected = [CONTENT[start:stop] for start, stop in spans]
    assert expected == obj.read_ranges(spans)
    assert [(0, 200)] == driver.spans()


def test_distant_ranges_are_read_with_separate_requests() -> None:
    """What lies between is not fetched if it is more than a megabyte."""
    driver = FaultyDriver(transfer=small_parts())
    content = CONTENT * 40
    stored(driver, content)
    spans = [(3 * MiB, 3 * MiB + 10), (0, 10), (3 * MiB + 100, None)]
    expected = [content[start:stop] for start, stop in spans]
    assert expected == driver.object("c", "a").read_ranges(spans)
    assert [(0, 10), (3 * MiB, None)] == driver.spans()


@given(
    size=st.integers(0, 40),
    spans=st.lists(
        st.tuples(st.integers(0, 60), st.none() | st.integers(0, 60)).map(
            lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
        ),
        max_size=6,
    ),
    gap=st.sampled_from([0, 3, MiB]),
)
@example(size=40, spans=[(0, 40), (10, 20)], gap=0)  # one within another
@settings(max_examples=200, deadline=None)
def test_read_ranges_equal_the_slices(
    size: int,
    spans: list[tuple[int, int | None]],
    gap: int,
) -> None:
    """Any ranges, overlapping, empty, past the end and in any order, are the slices."""
    from libstore.transfer import reading

    driver = FaultyDriver(transfer=TransferOptions(concurrency=2))
    content = CONTENT[:size]
    stored(driver, content)
    before = reading._COALESCE
    reading._COALESCE = gap
    try:
        found = driver.object("c", "a").read_ranges(spans)
    finally:
        reading._COALESCE = before
    assert [content[start:stop] for start, stop in spans] == found


@pytest.mark.parametrize("reported", [-5, 5])
def test_two_sizes_of_one_object_are_an_error(reported: int) -> None:
    """The size of the first response limits the other ranges."""
    driver = FaultyDriver()
    content = CONTENT * 40
    stored(driver, content)

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)
        wrong = len(content) + (reported if len(driver.calls) == 1 else 0)
        return replace(reading, info=replace(reading.info, size=wrong))

    driver.around("_get_object", get)
    with pytest.raises(ServiceError, match="two different sizes"):
        driver.object("c", "a").read_ranges([(0, 10), (3 * MiB, len(content))])
    driver.calls.clear()
    with driver.object("c", "a").as_file() as file:
        file.read(10)
        file.seek(2 * MiB)
        with pytest.raises(ServiceError, match="two different sizes"):
            file.read(10)


@_WAYS
def test_missing_size_is_requested_with_a_range(
    driver: FaultyDriver, obj: Object, way: Callable[..., bytes]
) -> None:
    """A proxy that sends on in chunks drops the length, and leaves Content-Range alone."""

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = real(*arguments)
        whole = arguments[2] == Span()
        return replace(reading, info=replace(reading.info, size=None)) if whole else reading

    driver.around("_get_object", get)
    assert CONTENT == way(obj)
    assert len(driver.calls) <= 2


def test_body_with_content_encoding_is_not_resumed(driver: FaultyDriver, obj: Object) -> None:
    """It ends early, and the rest of the object is not the rest of that body."""
    break_off(driver, 1_000, ends=True)
    short = driver._around["_get_object"]

    def get(real: Callable[..., Reading], *arguments: Any) -> Reading:
        reading = short(real, *arguments)
        return replace(reading, info=replace(reading.info, extra={"content_encoding": "gzip"}))

    driver.around("_get_object", get)
    with pytest.raises(ServiceError, match="too early"):
        obj.read(start=5_000, stop=90_000)
    assert 1 == len(driver.calls)


def test_ranges_of_two_versions_are_an_error() -> None:
    """An object that is replaced between two requests is an error."""
    driver = FaultyDriver()
    content = CONTENT * 40
    stored(driver, content)
    replace_after(driver, 1, content[::-1], cut=None)
    with pytest.raises(ObjectChangedError):
        driver.object("c", "a").read_ranges([(0, 10), (3 * MiB, 3 * MiB + 10)])


def test_no_ranges_send_no_request(driver: FaultyDriver, obj: Object) -> None:
    """An empty list sends nothing."""
    assert [] == obj.read_ranges([])
    assert [] == driver.calls


def test_empty_response_for_an_object_with_a_digest_is_an_error(driver: FaultyDriver) -> None:
    """A digest of other content than the empty one is an `IntegrityError`."""
    container = stored(driver, b"", "b")
    set_digest(driver, "_get_object", md5=hashlib.md5(b"what was stored").hexdigest())
    with pytest.raises(IntegrityError):
        container.read_object("b")


def test_break_before_the_first_requested_byte_is_resumed(
    driver: FaultyDriver, obj: Object
) -> None:
    """A response that starts too early and ends before the requested range is resumed."""
    send_more(driver, 10**9, 0)
    sends = driver._around["_get_object"]
    break_off(driver, 5_000)
    cuts = driver._around["_get_object"]
    driver.around("_get_object", lambda real, *rest: cuts(lambda *a: sends(real, *a), *rest))
    assert CONTENT[20_000:] == obj.read(start=20_000)
