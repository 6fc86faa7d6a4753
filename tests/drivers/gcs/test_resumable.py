"""Resumable uploads: interrupted, resumed, lost and aborted."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from drivers.gcs.support import (
    BIG,
    BUSY,
    HMAC,
    PART,
    TOKEN,
    Once,
    made,
    noise,
)
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    IntegrityError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ServiceError,
    TransferCancelledError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.gcs import GCSDriver
from libstore.transfer.payload import BufferPayload
from libstore.values import MiB, Upload, WriteOptions
from servers import gcs_json
from servers.gcs_model import Model, RefusedError, Reply, Request

SIZE = 3 * PART + 7


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Once("PUT .*bytes 262144-"), id="lost response"),
        pytest.param(Once("PUT .*bytes 262144-", BUSY), id="503"),
        pytest.param(Once("PUT .*bytes 262144-", BUSY, times=3), id="503 again and again"),
        pytest.param(Once("POST .*uploadType=resumable"), id="lost session"),
    ],
)
def test_interrupted_upload_is_resumed(model: Model, driver: GCSDriver, fault: Once) -> None:
    content = noise(5 * PART + 77)
    model.before = fault
    obj = driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data
    assert {"md5": hashlib.md5(content).hexdigest()}.items() <= dict(obj.checksums).items()
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert ranges[-1] == f"bytes {5 * PART}-{5 * PART + 76}/{5 * PART + 77}"
    # Nothing begins anew.
    assert 1 >= sum(one.startswith("bytes 0-") for one in ranges)


def test_stored_bytes_are_not_sent_again(model: Model, driver: GCSDriver) -> None:
    model.before = Once("PUT .*bytes 262144-", 0)
    driver.upload_object(noise(3 * PART), "box", "big")
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert "bytes */*" in ranges
    assert len(ranges) == len(set(ranges))


@pytest.mark.parametrize("kept", [0, PART, 9 * PART])
def test_session_with_other_bytes_is_an_error(model: Model, driver: GCSDriver, kept: int) -> None:
    """What was sent with an earlier request is not there to be sent again."""

    def lose(request: Request) -> None:
        if "bytes 786432-" in request.headers.get("content-range", ""):
            (session,) = model.sessions.values()
            session.data[:] = bytes(kept)
            raise BUSY

    model.before = lose
    with pytest.raises(ServiceError, match="lost bytes"):
        driver.upload_object(noise(6 * PART), "box", "big")
    assert not model.buckets["box"].live


def test_attempts_are_restored_by_progress_of_an_upload(model: Model, driver: GCSDriver) -> None:
    """An upload may break off more often than there are tries, if each brings it on."""
    broken: list[str] = []

    def take_some(request: Request) -> None:
        span = request.headers.get("content-range", "")
        if request.method == "PUT" and not span.startswith("bytes */"):
            (session,) = model.sessions.values()
            session.data += request.body[:PART]
            if not session.done and len(request.body) > PART:
                broken.append(span)
                raise BUSY

    model.before = take_some
    driver.transfer = TransferOptions(part_size=12 * PART, multipart_threshold=PART)
    content = noise(12 * PART)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data
    assert len(broken) > driver.retry.attempts


def test_completion_of_a_session_with_lost_response_is_checked(
    model: Model, driver: GCSDriver
) -> None:
    size = 3 * PART + 5
    model.before = Once(rf"PUT .*/{size}$")
    obj = driver.upload_object(noise(size), "box", "big", if_absent=True)
    assert obj.etag == str(model.buckets["box"].live["big"].generation)
    ends = [one.get("content-range", "") for one in model.headers]
    assert [f"bytes */{size}"] == [span for span in ends if span.endswith(f"/{size}")][1:]


def test_uneven_writes_are_sent_in_multiples(model: Model, driver: GCSDriver) -> None:
    content = noise(1_000_000)
    with driver.open_object("box", "big", "wb") as file:
        for start in range(0, len(content), 33_333):
            file.write(content[start : start + 33_333])
    assert content == driver.object("box", "big").read()


def test_uneven_part_sizes_are_accepted(model: Model, driver: GCSDriver) -> None:
    driver.transfer = TransferOptions(part_size=300_001, multipart_threshold=1)
    content = noise(1_234_567)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data


def test_aborted_upload_cancels_its_session(model: Model, driver: GCSDriver) -> None:
    def broken() -> Iterator[bytes]:
        yield noise(5 * PART)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="gone"):
        driver.upload_object(broken(), "box", "big")
    assert not model.sessions
    assert not model.buckets["box"].live
    assert any(line.startswith("DELETE /upload") for line in model.seen)


def test_active_upload_is_not_aborted_as_old(driver: GCSDriver) -> None:
    """Google does not say when a session began; the driver knows."""
    upload_id = driver._start_upload("box", "big", WriteOptions())
    (upload,) = driver.list_uploads("box")
    assert upload.started is not None
    assert [] == driver.abort_uploads("box", older_than=3600.0)
    assert [upload_id] == [gone.id for gone in driver.abort_uploads("box")]


def test_completion_with_a_wrong_digest_is_refused(model: Model, driver: GCSDriver) -> None:
    upload = driver._start_upload("box", "big", WriteOptions())
    record = Upload("box", "big", upload)
    part = driver._put_part(record, 1, 0, BufferPayload([memoryview(noise(PART))]))
    with pytest.raises(IntegrityError):
        driver._finish_upload(record, [part], WriteOptions(), {"md5": "0" * 32})
    assert not model.buckets["box"].live


@pytest.mark.parametrize("number", range(4))
def test_changed_bit_in_any_request_is_refused(
    model: Model, driver: GCSDriver, number: int
) -> None:
    """The last request has the digest of the whole, and nothing is published before."""
    start = number * PART

    def damage(request: Request) -> None:
        if request.headers.get("content-range", "").startswith(f"bytes {start}-"):
            request.body = bytes([request.body[0] ^ 1]) + request.body[1:]

    model.before = damage
    with pytest.raises(IntegrityError):
        driver.upload_object(noise(SIZE), "box", "big")
    assert not model.buckets["box"].live


def test_large_uploads_have_few_requests_by_default(model: Model) -> None:
    """Each of them waits for the one before it."""
    with get_driver("gcs")(token=TOKEN, endpoint=model.url, project="p") as driver:
        driver.create_container("box").upload_object(bytes(64 * MiB), "big")
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert 5 == len(ranges)


def test_url_of_a_session_is_not_logged(
    model: Model, driver: GCSDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    writer = driver.open_object("box", "big", "wb")
    writer.write(noise(3 * PART))
    shown = repr(list(driver.list_uploads("box")))
    (number,) = model.sessions
    assert number not in shown + caplog.text
    writer.close()


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("at", ["bytes 262144-", f"/{SIZE}$"], ids=["on the way", "at the end"])
def test_missing_session_is_reported(
    model: Model, driver: GCSDriver, status: int, at: str
) -> None:
    gone = RefusedError(status, "gone", "Gone")
    model.before = Once(f"PUT .*{at}", gone, times=9)
    with pytest.raises(ServiceError, match="start it again") as caught:
        driver.upload_object(noise(SIZE), "box", "big")
    assert (status, False) == (caught.value.status, caught.value.retryable)
    assert not model.buckets["box"].live
    assert not list(driver.list_uploads("box"))


@pytest.mark.parametrize("way", [{}, HMAC], ids=["oauth", "hmac"])
@pytest.mark.parametrize("key", [None, bytes(32)], ids=["no key", "own key"])
def test_completed_session_that_is_gone_is_checked(
    model: Model, way: Mapping[str, Any], key: bytes | None
) -> None:
    lost, gone = Once(rf"PUT .*-\d+/{SIZE}$"), RefusedError(410, "gone", "Gone")
    after = Once(rf"PUT .*bytes \*/{SIZE}$", gone, times=9)

    def before(request: Request) -> int | None:
        after(request)
        return lost(request)

    with made(model, **way) as driver:
        driver.create_container("box")
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=PART)
        model.before = before
        extra = {} if key is None else {"customer_key": key}
        obj = driver.upload_object(noise(SIZE), "box", "big", if_absent=True, extra=extra)
        assert obj.etag == str(model.buckets["box"].live["big"].generation)
        model.before = None
        assert not list(driver.list_uploads("box"))
    checked = "HEAD /box/big" if way else "GET /storage/v1/b/box/o/big"
    (check,) = [
        one for line, one in zip(model.seen, model.headers, strict=True) if checked in line
    ]
    assert (key is not None) == ("x-goog-encryption-key" in check)


@pytest.mark.parametrize("condition", [{"if_absent": True}, {"if_match": "1"}], ids=str)
def test_condition_that_fails_at_the_end_is_the_error(
    model: Model, driver: GCSDriver, condition: dict[str, Any]
) -> None:
    refused = RefusedError(412, "conditionNotMet", "At least one condition did not hold.")
    model.before = Once(rf"PUT .*-\d+/{SIZE}$", refused)
    kind = ObjectAlreadyExistsError if "if_absent" in condition else ObjectChangedError
    with pytest.raises(kind) as caught:
        driver.upload_object(noise(SIZE), "box", "big", **condition)
    assert type(caught.value) is kind


@pytest.mark.parametrize("if_absent", [False, True], ids=["unconditional", "conditional"])
def test_session_that_is_gone_without_an_object_is_an_error(
    model: Model, driver: GCSDriver, if_absent: bool
) -> None:
    gone = RefusedError(410, "gone", "Gone")
    query = Once(rf"PUT .*bytes \*/{SIZE}$", gone, times=9)
    end = Once(rf"PUT .*-\d+/{SIZE}$", BUSY)

    def before(request: Request) -> None:
        query(request)
        end(request)

    model.before = before
    model.seen.clear()
    with pytest.raises(ServiceError, match="start it again"):
        driver.upload_object(noise(SIZE), "box", "big", if_absent=if_absent)
    # The last bytes, the query, and a check of the object.
    assert ["PUT", "PUT", "GET", "DELETE"] == [line.split(" ")[0] for line in model.seen[-4:]]
    assert not model.buckets["box"].live


def test_session_without_progress_is_an_error(
    model: Model, driver: GCSDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google may take less than was sent, but not for ever nothing."""
    taken = gcs_json.resume
    requested: list[str] = []

    def resume(request: Request) -> Reply:
        if request.method != "PUT":
            return taken(request)
        requested.append(request.headers["content-range"])
        return Reply(308)

    monkeypatch.setattr(gcs_json, "resume", resume)
    with pytest.raises(ServiceError, match="accepts no more") as caught:
        driver.upload_object(noise(SIZE), "box", "big")
    assert caught.value.retryable
    assert 10 > len(requested)
    assert not model.sessions


def test_end_of_a_session_is_resumed(
    model: Model, driver: GCSDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes are there, and it takes several of the upload's attempts to publish them."""
    taken = gcs_json.resume
    left = [3]

    def resume(request: Request) -> Reply:
        (session,) = model.sessions.values()
        if request.headers.get("content-range", "").endswith(f"/{SIZE}") and left[0]:
            left[0] -= 1
            session.data[3 * PART :] = request.body or session.data[3 * PART :]
            if left[0] % 2:
                raise BUSY
            return Reply(308, b"", {"Range": f"bytes=0-{len(session.data) - 1}"})
        return taken(request)

    monkeypatch.setattr(gcs_json, "resume", resume)
    content = noise(SIZE)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data


def test_waiting_parts_fail_with_the_part_before(model: Model) -> None:
    with made(model, **HMAC) as driver:
        driver.create_container("box")
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG, concurrency=4)
        model.before = Once("PUT .*upload_id", RefusedError(403, "forbidden", "No."))
        with pytest.raises(AccessDeniedError):
            driver.upload_object(noise(4 * BIG), "box", "big", if_absent=True)
    assert not model.sessions


def test_last_request_of_a_session_has_content(model: Model, driver: GCSDriver) -> None:
    """Also where the content ends with a whole part."""
    with driver.open_object("box", "big", "wb") as file:
        file.write(noise(3 * PART))
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert f"bytes {2 * PART}-{3 * PART - 1}/{3 * PART}" == ranges[-1]
    assert noise(3 * PART) == model.buckets["box"].live["big"].data


@pytest.mark.parametrize("location", ["", "sessions", "http://[", "https://example.com"])
def test_session_without_a_path_is_an_error(location: str) -> None:
    server = Server(default=respond(b"", Location=location, x_goog_generation="1"))
    with made(server) as driver, pytest.raises(ServiceError, match="proxy"):
        driver.upload_object(noise(SIZE), "box", "big")
    server.close()


def test_waiting_part_fails_when_its_upload_is_aborted(model: Model, driver: GCSDriver) -> None:
    upload = Upload("box", "big", driver._start_upload("box", "big", WriteOptions()))
    sessions = driver._uploads._sessions
    session = sessions[upload.id]
    driver._abort_upload(upload)
    assert isinstance(session.failure, TransferCancelledError)
    sessions[upload.id] = session  # as a part has it that has begun
    with pytest.raises(TransferCancelledError, match="abort"):
        driver._put_part(upload, 2, PART, BufferPayload([memoryview(noise(PART))]))
