"""An upload: its parts and their order, what it holds, and what stops it."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    OnePutDriver,
    breaking,
    fail,
    narrow,
    set_digest,
    small_parts,
    stored,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore import (
    IntegrityError,
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectInfo,
    Part,
    ServiceError,
    TransferCancelledError,
    TransferOptions,
    TransportError,
)
from libstore.drivers.local import LocalDriver

PART = 10 * KiB
_TIMEOUT = 30


class _BrokenError(Exception):
    """What a source or a callback of these tests raises."""


def _noise(size: int) -> bytes:
    return hashlib.shake_128(b"libstore").digest(size)


def _driver(concurrency: int = 4, threshold: int = 2 * PART) -> FaultyDriver:
    driver = FaultyDriver(transfer=TransferOptions(PART, threshold, concurrency))
    driver.create_container("c")
    driver.calls.clear()
    return driver


def _unknown(content: bytes, block: int = 3_333) -> Iterator[bytes]:
    for start in range(0, len(content), block):
        yield content[start : start + block]


def _as_is(content: bytes) -> bytes:
    return content


_LENGTHS = pytest.mark.parametrize("wrap", [_as_is, _unknown], ids=["known", "unknown"])


def _parts(driver: FaultyDriver) -> list[tuple[int, int, int]]:
    """Return number, offset and size of all parts that were sent, by number."""
    return sorted(
        (number, offset, size) for _, number, offset, size in driver.requested("_put_part")
    )


# ---------------------------------------------------------------------- requests


@_LENGTHS
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART - 1, 2 * PART])
def test_small_source_is_uploaded_with_one_request(wrap: Callable[..., Any], size: int) -> None:
    """Up to the threshold, the threshold included, an upload is one put and nothing else."""
    driver = _driver()
    driver.upload_object(wrap(_noise(size)), "c", "a")
    assert ["_put_object"] == driver.hooks()
    assert [size] == [call[2] for call in driver.requested("_put_object")]


@_LENGTHS
@pytest.mark.parametrize("more", [1, PART - 1, PART, PART + 1, 7 * PART + 5])
def test_large_source_is_uploaded_in_parts(wrap: Callable[..., Any], more: int) -> None:
    """Above the threshold it is one start, the parts, one finish: n parts are n + 2 requests."""
    driver = _driver()
    content = _noise(2 * PART + more)
    obj = driver.upload_object(wrap(content), "c", "a")
    expected = [
        (number + 1, start, min(PART, len(content) - start))
        for number, start in enumerate(range(0, len(content), PART))
    ]
    assert expected == _parts(driver)
    assert len(expected) + 2 == len(driver.calls)
    assert ("_start_upload", "_finish_upload") == (driver.hooks()[0], driver.hooks()[-1])
    assert content == obj.read()


@given(
    size=st.integers(0, 120),
    part=st.integers(6, 30),
    threshold=st.integers(1, 60),
    concurrency=st.integers(1, 4),
    block=st.integers(1, 50),
    known=st.booleans(),
    max_put=st.integers(1, 60),
)
@settings(max_examples=100, deadline=None)
def test_any_size_with_any_options_is_transferred(
    size: int, part: int, threshold: int, concurrency: int, block: int, known: bool, max_put: int
) -> None:
    """The object has the source's bytes, no request passes a limit, and nothing is left over."""
    driver = FaultyDriver(transfer=TransferOptions(part, threshold, concurrency))
    driver.limits = narrow(max_put=max_put)
    container = driver.create_container("c")
    content = _noise(size)
    obj = container.upload_object(content if known else _unknown(content, block), "a")
    assert content == obj.read()
    assert size == obj.size == container.get_object("a").size
    sizes = [size for _, _, size in _parts(driver)]
    assert sizes[:-1] == [part] * max(0, len(sizes) - 1)
    assert all(put <= min(threshold, max_put) for _, _, put, _ in driver.requested("_put_object"))
    assert [] == list(container.list_uploads())


def test_finished_parts_are_listed_in_order() -> None:
    """However the parts overtake each other, the last request lists them by number."""
    driver = _driver(concurrency=3)
    later = threading.Event()

    def put(real: Callable[..., Part], upload: Any, number: int, *rest: Any) -> Part:
        if number == 1:
            later.wait(_TIMEOUT)
        if number == 3:
            later.set()
        return real(upload, number, *rest)

    driver.around("_put_part", put)
    content = _noise(9 * PART + 1)
    obj = driver.upload_object(content, "c", "a")
    ((_, parts, _, checksums),) = driver.requested("_finish_upload")
    assert list(range(1, 11)) == [part.number for part in parts]
    assert {"md5": hashlib.md5(content).hexdigest()} == checksums
    assert content == obj.read()


@pytest.mark.parametrize("concurrency", [1, 2, 5])
@_LENGTHS
def test_parts_are_sent_concurrently(wrap: Callable[..., Any], concurrency: int) -> None:
    """As many parts are under way as the options allow, and never more."""
    driver = _driver(concurrency)
    together = threading.Barrier(concurrency)
    lock = threading.Lock()
    running, most = 0, 0

    def put(real: Callable[..., Part], *arguments: Any) -> Part:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(_TIMEOUT)
        with lock:
            running -= 1
        return real(*arguments)

    driver.around("_put_part", put)
    driver.upload_object(wrap(_noise(4 * concurrency * PART)), "c", "a")
    assert concurrency == most


def _most_blocks_ahead(concurrency: int, write: bool) -> int:
    """Return how many parts at most were read and not yet stored, while storing waits."""
    driver = FaultyDriver(transfer=TransferOptions(PART, PART, concurrency))
    container = driver.create_container("c")
    given_bytes = stored_bytes = most = 0
    lock = threading.Lock()

    def put(real: Callable[..., Part], *arguments: Any) -> Part:
        nonlocal stored_bytes
        part = real(*arguments)
        with lock:
            stored_bytes += part.size
        return part

    def source() -> Iterator[bytes]:
        nonlocal given_bytes, most
        for _ in range(40 * PART // KiB):
            with lock:
                given_bytes += KiB
                most = max(most, given_bytes - stored_bytes)
            yield bytes(KiB)

    driver.around("_put_part", put)
    if write:
        with container.open("a", "wb") as file:
            file.writelines(source())
    else:
        container.upload_object(source(), "a")
    return -(-most // PART)


@pytest.mark.parametrize("concurrency", [1, 2, 4])
@pytest.mark.parametrize("write", [False, True], ids=["upload_object", "open"])
def test_number_of_buffered_parts_is_limited(concurrency: int, write: bool) -> None:
    """At most concurrency + 1 parts were read and are not stored."""
    assert _most_blocks_ahead(concurrency, write) <= concurrency + 1


def test_parts_grow_if_their_number_is_limited() -> None:
    """A stream of unknown length that goes on and on is cut into ever larger parts."""
    driver = _driver()
    driver.limits = narrow(max_parts=20)
    content = _noise(60 * PART)
    obj = driver.upload_object(_unknown(content), "c", "a")
    sizes = [size for _, _, size in _parts(driver)]
    assert [PART, PART, 2 * PART, 4 * PART, 8 * PART] == sizes[:5]
    assert len(sizes) <= 20
    assert content == obj.read()


def test_equal_parts_have_one_size() -> None:
    """A service that wants parts of one size gets them, for unknown lengths too."""
    driver = _driver()
    driver.limits = narrow(max_parts=20, equal_parts=True)
    driver.upload_object(_unknown(_noise(19 * PART + 1)), "c", "a")
    sizes = [size for _, _, size in _parts(driver)]
    assert [PART] * 19 + [1] == sizes


# ---------------------------------------------------------------------- too large


@pytest.mark.parametrize("driver_class", [FaultyDriver, OnePutDriver])
def test_too_large_source_is_rejected_at_once(
    driver_class: type[FaultyDriver], tmp_path: Path
) -> None:
    """Where the length is known, nothing is sent, and the path's file is closed again."""
    driver = driver_class(transfer=small_parts(part_size=PART))
    driver.limits = narrow(max_put=PART, max_part=PART, max_parts=3)
    driver.create_container("c")
    driver.calls.clear()
    content = _noise(3 * PART + 1)
    path = tmp_path / "large"
    path.write_bytes(content)
    for source in (content, io.BytesIO(content), path):
        with pytest.raises(NotSupportedError, match=r"objects of at most \d+ bytes"):
            driver.upload_object(source, "c", "a")
    assert [] == driver.calls


@pytest.mark.parametrize("driver_class", [FaultyDriver, OnePutDriver])
def test_stream_that_becomes_too_large_publishes_nothing(
    driver_class: type[FaultyDriver],
) -> None:
    """Where the length is not known, the upload is given up when the limit is reached."""
    driver = driver_class(transfer=TransferOptions(PART, PART))
    driver.limits = narrow(max_put=3 * PART, max_part=PART, max_parts=3, equal_parts=True)
    container = driver.create_container("c")
    assert 3 * PART == container.upload_object(_unknown(_noise(3 * PART)), "fits").size
    with pytest.raises(NotSupportedError):
        container.upload_object(_unknown(_noise(3 * PART + 1)), "a")
    assert not container.object_exists("a")
    assert (
        [] == driver.requested("_put_part")[3:]
        or not driver.supports("list_uploads")
        or ([] == list(container.list_uploads()))
    )


@_LENGTHS
def test_large_source_without_parts_is_sent_with_one_request(wrap: Callable[..., Any]) -> None:
    """A service that takes no parts gets one put, from a temporary file."""
    driver = OnePutDriver(transfer=small_parts(part_size=PART))
    driver.create_container("c")
    driver.calls.clear()
    content = _noise(9 * PART + 7)
    assert content == driver.upload_object(wrap(content), "c", "a").read()
    assert ["_put_object", "_get_object"] == driver.hooks()


def test_file_without_parts_is_sent_directly(tmp_path: Path) -> None:
    """A path needs no temporary file, and an expected digest is checked before it is sent."""
    driver = OnePutDriver(transfer=small_parts(part_size=PART))
    container = driver.create_container("c")
    content = _noise(9 * PART + 7)
    path = tmp_path / "large"
    path.write_bytes(content)
    right = hashlib.sha1(content).hexdigest()
    assert content == container.upload_object(path, "a", checksum=f"sha1:{right}").read()
    driver.calls.clear()
    with pytest.raises(IntegrityError):
        container.upload_object(path, "b", checksum=f"sha1:{right[::-1]}")
    assert [] == driver.calls


# ---------------------------------------------------------------------- progress


@pytest.mark.parametrize("size", [0, 1, 2 * PART, 2 * PART + 1, 11 * PART + 5])
@_LENGTHS
def test_progress_reports_confirmed_bytes(wrap: Callable[..., Any], size: int) -> None:
    """It increases, is never more than the service has, and ends with the size."""
    driver = _driver()
    confirmed = 0
    reports: list[tuple[int, int | None]] = []

    def put(real: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal confirmed
        result = real(*arguments)
        confirmed += result.size
        return result

    def progress(done: int, total: int | None) -> None:
        assert done <= confirmed
        reports.append((done, total))

    driver.transfer = TransferOptions(PART, 2 * PART, 1)
    driver.around("_put_part", put)
    driver.around("_put_object", put)
    driver.upload_object(wrap(_noise(size)), "c", "a", progress=progress)
    done = [call[0] for call in reports]
    assert sorted(done) == done
    assert size == done[-1]
    total = None if wrap is _unknown else size
    assert all(call[1] == total for call in reports if call[0] < size)
    assert reports[-1][1] in {total, size}


def test_progress_is_called_in_the_thread_of_the_caller() -> None:
    """A callback may touch what belongs to the thread that uploads, such as a widget."""
    threads = set()
    driver = _driver()
    driver.upload_object(
        _noise(9 * PART), "c", "a", progress=lambda *_: threads.add(threading.get_ident())
    )
    assert {threading.get_ident()} == threads


# ---------------------------------------------------------------------- failures


def _old_and_nothing_else(driver: FaultyDriver) -> None:
    """Check that the object is the one from before, and that no part is left."""
    driver._around.clear()
    assert b"old" == driver.read_object(driver.object("c", "a"))
    assert ["a"] == [obj.name for obj in driver.list_objects("c")]
    assert [] == list(driver.list_uploads("c"))


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with an object that an upload is to replace."""
    driver = _driver()
    stored(driver, b"old")
    return driver


_ERRORS = pytest.mark.parametrize(
    "error",
    [_BrokenError("mine"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()],
    ids=["Exception", "KeyboardInterrupt", "SystemExit", "GeneratorExit"],
)
_SIZES = pytest.mark.parametrize(
    "size", [0, PART // 2, 2 * PART, 8 * PART + 1], ids=["none", "little", "small", "parts"]
)


@_ERRORS
@_SIZES
def test_source_that_raises_publishes_nothing(
    driver: FaultyDriver, error: BaseException, size: int
) -> None:
    """An exception of the source is raised unchanged; the old object stays, no part does."""
    with pytest.raises(type(error)) as caught:
        driver.upload_object(breaking(_noise(size), error), "c", "a")
    assert error is caught.value
    _old_and_nothing_else(driver)


@_ERRORS
@pytest.mark.parametrize("hook", ["_start_upload", "_put_part", "_finish_upload"])
def test_hook_that_raises_publishes_nothing(
    driver: FaultyDriver, error: BaseException, hook: str
) -> None:
    """A failure in whichever request, in whichever thread, takes back what was sent."""
    fail(driver, hook, error, after=3 if hook == "_put_part" else 0)
    with pytest.raises(type(error)) as caught:
        driver.upload_object(_noise(8 * PART), "c", "a")
    assert error is caught.value
    assert (hook == "_start_upload") == ([] == driver.requested("_abort_upload"))
    _old_and_nothing_else(driver)


@_ERRORS
def test_progress_that_raises_stops_the_upload(driver: FaultyDriver, error: BaseException) -> None:
    """A callback that raises while parts travel stops them."""

    def progress(done: int, total: int | None) -> None:
        raise error

    with pytest.raises(type(error)):
        driver.upload_object(_noise(8 * PART), "c", "a", progress=progress)
    _old_and_nothing_else(driver)


def test_failed_upload_can_be_repeated(driver: FaultyDriver) -> None:
    """Nothing of a failure stays in the driver."""
    with pytest.raises(_BrokenError):
        driver.upload_object(breaking(_noise(5 * PART), _BrokenError()), "c", "a")
    content = _noise(5 * PART)
    assert content == driver.upload_object(content, "c", "a").read()


def test_no_part_is_sent_after_the_abort(driver: FaultyDriver) -> None:
    """The abort waits for the parts that are under way, or it would leave them behind."""
    begun, aborted = threading.Event(), threading.Event()
    too_early: list[bool] = []

    def put(real: Callable[..., Part], upload: Any, number: int, *rest: Any) -> Part:
        if number == 1:
            begun.set()
            too_early.append(aborted.wait(0.2))
            return real(upload, number, *rest)
        begun.wait(_TIMEOUT)
        raise ServiceError("no")

    def abort(real: Callable[..., None], *arguments: Any) -> None:
        aborted.set()
        real(*arguments)

    driver.around("_put_part", put)
    driver.around("_abort_upload", abort)
    with pytest.raises(ServiceError):
        driver.upload_object(_noise(8 * PART), "c", "a")
    assert [False] == too_early
    assert "_abort_upload" == driver.hooks()[-1]
    _old_and_nothing_else(driver)


def test_failed_abort_does_not_hide_the_error(
    driver: FaultyDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """The error that stopped the upload is raised; the log names the remaining upload."""
    fail(driver, "_abort_upload", TransportError("reset"))
    with caplog.at_level(logging.WARNING, "libstore"), pytest.raises(_BrokenError):
        driver.upload_object(breaking(_noise(5 * PART), _BrokenError()), "c", "a")
    driver._around.clear()
    (upload,) = driver.list_uploads("c")
    (record,) = caplog.records
    message = record.getMessage()
    assert upload.id in message
    assert "'a' in 'c'" in message
    assert "reset" in message


def test_error_names_operation_container_and_object(driver: FaultyDriver) -> None:
    """An error from a part's thread carries operation, container and object."""
    fail(driver, "_put_part", ServiceError("no", code="Broken"))
    with pytest.raises(ServiceError) as caught:
        driver.upload_object(_noise(8 * PART), "c", "a")
    error = caught.value
    assert ("upload_object", "c", "a", "Broken") == (
        error.operation,
        error.container,
        error.object,
        error.code,
    )


# ---------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("driver_class", [FaultyDriver, OnePutDriver])
@pytest.mark.parametrize("size", [0, PART, 8 * PART])
def test_cancelled_upload_sends_nothing(
    driver_class: type[FaultyDriver], size: int, tmp_path: Path
) -> None:
    """A cancelled upload makes no request that writes."""
    driver = driver_class(transfer=small_parts(part_size=PART))
    driver.create_container("c")
    driver.calls.clear()
    flag = threading.Event()
    flag.set()
    path = tmp_path / "source"
    path.write_bytes(_noise(size))
    for source in (_noise(size), _unknown(_noise(size)), path):
        with pytest.raises(TransferCancelledError):
            driver.upload_object(source, "c", "a", cancel=flag)
    assert [] == driver.calls


def test_other_thread_can_cancel(driver: FaultyDriver) -> None:
    """A flag that is set while parts travel stops them; all is taken back."""
    flag = threading.Event()
    sent = threading.Event()

    def put(real: Callable[..., Part], upload: Any, number: int, *rest: Any) -> Part:
        sent.set()
        return real(upload, number, *rest)

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(PART)

    def cancel() -> None:
        sent.wait(_TIMEOUT)
        flag.set()

    driver.around("_put_part", put)
    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(TransferCancelledError) as caught:
        driver.upload_object(endless(), "c", "a", cancel=flag)
    thread.join()
    assert "upload_object" == caught.value.operation
    _old_and_nothing_else(driver)


def test_flag_is_checked_before_publishing(driver: FaultyDriver) -> None:
    """A flag that is set with the last part still keeps the object from being published."""
    flag = threading.Event()

    def put(real: Callable[..., Part], *arguments: Any) -> Part:
        part = real(*arguments)
        if part.offset + part.size == 4 * PART:
            flag.set()
        return part

    driver.around("_put_part", put)
    with pytest.raises(TransferCancelledError):
        driver.upload_object(_noise(4 * PART), "c", "a", cancel=flag)
    _old_and_nothing_else(driver)


# ---------------------------------------------------------------------- digests


@pytest.mark.parametrize(
    "algorithm", ["crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256", "sha512"]
)
@pytest.mark.parametrize("size", [0, PART, 2 * PART + 1, 9 * PART])
@_LENGTHS
def test_expected_digest_is_checked(
    driver: FaultyDriver, wrap: Callable[..., Any], algorithm: str, size: int
) -> None:
    """The right one lets the upload through; a wrong one publishes nothing."""
    from libstore.transfer.digests import Digests

    content = _noise(size)
    digests = Digests([algorithm])
    digests.update(memoryview(content))
    right = digests.hexdigests()[algorithm]
    wrong = ("0" if right[0] != "0" else "1") + right[1:]
    with pytest.raises(IntegrityError, match=f"expected {algorithm} {wrong}, got {right}"):
        driver.upload_object(wrap(content), "c", "a", checksum=f"{algorithm}:{wrong}")
    assert [] == driver.requested("_put_object")
    _old_and_nothing_else(driver)
    obj = driver.upload_object(wrap(content), "c", "a", checksum=f"{algorithm}:{right}")
    assert content == obj.read()


def test_invalid_checksum_is_rejected_before_the_source_is_read(driver: FaultyDriver) -> None:
    """A digest of the wrong form is a mistake of the caller's, and nothing happens."""
    source = io.BytesIO(b"abc")
    with pytest.raises(InvalidOptionError, match="checksum"):
        driver.upload_object(source, "c", "a", checksum="md5:abc")
    assert 0 == source.tell()
    assert [] == driver.calls


@pytest.mark.parametrize(
    ("hook", "size"), [("_put_object", PART), ("_finish_upload", 5 * PART)], ids=["put", "parts"]
)
def test_digest_of_the_service_is_compared(driver: FaultyDriver, hook: str, size: int) -> None:
    """A different digest means that other bytes were stored."""
    set_digest(driver, hook, md5="0" * 32)
    with pytest.raises(IntegrityError, match="stored different bytes"):
        driver.upload_object(_noise(size), "c", "a")


@pytest.mark.parametrize(
    ("hook", "size"), [("_put_object", PART), ("_finish_upload", 5 * PART)], ids=["put", "parts"]
)
def test_digest_that_was_not_computed_is_ignored(
    driver: FaultyDriver, hook: str, size: int
) -> None:
    """Only what both sides know can be compared."""
    set_digest(driver, hook, crc64nvme="0" * 16)
    assert size == driver.upload_object(_noise(size), "c", "a").size


@pytest.mark.parametrize(("hook", "size"), [("_put_object", PART), ("_finish_upload", 5 * PART)])
def test_different_stored_size_is_an_error(driver: FaultyDriver, hook: str, size: int) -> None:
    """A service that says it stored fewer bytes is believed."""
    driver.around(hook, lambda real, *arguments: ObjectInfo("a", size=size - 1))
    with pytest.raises(IntegrityError, match=f"{size} bytes were sent, .* stored {size - 1}"):
        driver.upload_object(_noise(size), "c", "a")


# ---------------------------------------------------------------------- conditions and result


@pytest.mark.parametrize("size", [PART, 5 * PART])
def test_condition_applies_to_puts_and_parts(driver: FaultyDriver, size: int) -> None:
    """A condition that does not hold publishes nothing, however the bytes travel."""
    with pytest.raises(ObjectAlreadyExistsError):
        driver.upload_object(_noise(size), "c", "a", if_absent=True)
    with pytest.raises(ObjectChangedError):
        driver.upload_object(_noise(size), "c", "a", if_match="another")
    _old_and_nothing_else(driver)
    etag = driver.get_object("c", "a").etag
    obj = driver.upload_object(_noise(size), "c", "a", if_match=etag)
    assert obj.etag != etag


def test_condition_is_checked_when_parts_are_published() -> None:
    """`if_absent` holds at the moment of publishing, not only at the beginning."""
    driver = _driver()

    def finish(real: Callable[..., Any], *arguments: Any) -> Any:
        driver._around.clear()
        driver.upload_object(b"other", "c", "a")
        return real(*arguments)

    driver.around("_finish_upload", finish)
    with pytest.raises(ObjectAlreadyExistsError):
        driver.upload_object(_noise(5 * PART), "c", "a", if_absent=True)
    assert b"other" == driver.object("c", "a").read()
    assert [] == list(driver.list_uploads("c"))


@pytest.mark.parametrize("size", [PART, 5 * PART])
def test_result_of_an_upload_needs_no_request(size: int) -> None:
    """The object has size, type, metadata, digest and ETag from the response."""
    driver = _driver()
    content = _noise(size)
    obj = driver.upload_object(content, "c", "a.txt", metadata={"Owner": "me"})
    driver.calls.clear()
    assert size == obj.size
    assert "text/plain" == obj.content_type
    assert {"owner": "me"} == obj.metadata
    assert hashlib.md5(content).hexdigest() == obj.object_hash
    assert obj.etag
    assert [] == driver.calls


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_failed_upload_leaves_no_file(kind: str, tmp_path: Path) -> None:
    """Also the local driver has nothing of a failed upload, neither object nor part."""
    transfer = small_parts(part_size=PART)
    driver: Any = FaultyDriver(transfer=transfer)
    if kind == "local":
        driver = LocalDriver(tmp_path, fsync=False, transfer=transfer)
    container = driver.create_container("c")
    container.upload_object(b"old", "a")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    for size in (0, PART, 5 * PART):
        for error in (_BrokenError(), KeyboardInterrupt()):
            with pytest.raises(type(error)):
                container.upload_object(breaking(_noise(size), error), "a")
            with pytest.raises(type(error)):
                container.upload_object(breaking(_noise(size), error), "new/b")
    assert b"old" == container.read_object("a")
    assert ["a"] == [obj.name for obj in container.list_objects()]
    assert [] == list(container.list_uploads())
    assert before == sorted(str(path) for path in tmp_path.rglob("*"))


def _most_parts_in_memory(known: bool, concurrency: int) -> int:
    driver = _driver(concurrency)
    taken = stored_bytes = most = 0
    lock = threading.Lock()

    def put(real: Callable[..., Part], *arguments: Any) -> Part:
        nonlocal stored_bytes
        part = real(*arguments)
        with lock:
            stored_bytes += part.size
        return part

    class Source:
        position = 0

        def read(self, size: int) -> bytes:
            nonlocal taken, most
            with lock:
                taken += min(size, 20 * PART - self.position)
                most = max(most, taken - stored_bytes)
            count = min(size, 20 * PART - self.position)
            self.position += count
            return bytes(count)

        if known:

            def seekable(self) -> bool:
                return True

            def tell(self) -> int:
                return self.position

            def seek(self, offset: int, whence: int = 0) -> int:
                return 20 * PART if whence == 2 else offset

    driver.around("_put_part", put)
    driver.upload_object(Source(), "c", "a")
    return -(-most // PART)


@pytest.mark.parametrize("known", [True, False])
def test_memory_below_the_threshold_is_bounded_by_concurrency(known: bool) -> None:
    """With `concurrency=1` at most two parts are in memory, whatever the threshold is."""
    assert _most_parts_in_memory(known, 1) <= 2
