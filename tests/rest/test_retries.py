"""The number and duration of retries of every network driver, over all layers."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from drivers.gcs.support import account
from drivers.network_drivers import DRIVERS, OPERATIONS
from scripted import Play, Server, Time, respond

from libstore import (
    OutcomeUnknownError,
    RateLimitedError,
    RetryEvent,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    StorageDriver,
    StorageError,
    TransportTimeoutError,
    get_driver,
)
from libstore.values import MiB

ATTEMPTS = 4
NOTHING = Play(then="close")
ALL_OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    **OPERATIONS,
    "put_absent": lambda driver: driver.upload_object(b"x", "bucket", "name", if_absent=True),
    "delete_matching": lambda driver: driver.delete_object(
        driver.object("bucket", "name"), if_match="1"
    ),
    "delete_container": lambda driver: driver.delete_container("bucket", recursive=False),
    "download": lambda driver: driver.download_object(
        driver.object("bucket", "name"), "/nowhere/file"
    ),
    "set_metadata": lambda driver: driver.update_metadata(
        driver.object("bucket", "name"), {"a": "b"}
    ),
    "list_uploads": lambda driver: list(driver.list_uploads("bucket")),
}
#: These may be followed by one question for what became of them.
CHECKS = {
    "upload_object", "put_absent", "delete_matching", "create_container", "delete_container",
    "set_metadata",
}  # fmt: skip


@pytest.fixture(params=DRIVERS)
def label(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def driver(label: str, server: Server, time: Time) -> Iterator[StorageDriver]:
    with DRIVERS[label](server.url) as driver:
        driver.retry = RetryPolicy(ATTEMPTS)
        timed(driver, time)
        yield driver


def timed(driver: Any, time: Time) -> None:
    """Have a driver wait by a clock that its waits move on."""
    for one in (driver, getattr(driver, "_inner", None)):
        if one is not None:
            one._client.sleep, one._client.retrier.clock = time.sleep, time.clock


def run(operation: str, driver: StorageDriver) -> StorageError:
    """Return the error of an operation that does not succeed."""
    with pytest.raises(StorageError) as caught:
        ALL_OPERATIONS[operation](driver)
    return caught.value


FAULTS: Mapping[str, Play] = {
    "reset": Play(then="reset"),
    "closed": NOTHING,
    "500": respond(b"", 500),
    "502 page": respond(b"<html>Bad gateway</html>", 502, Content_Type="text/html"),
    "503": respond(b"", 503),
    "429": respond(b"", 429),
}


@pytest.mark.parametrize("operation", ALL_OPERATIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_operation_under_total_outage_sends_no_more_than_its_attempts(
    server: Server, driver: StorageDriver, operation: str, fault: str
) -> None:
    """Whatever layer tries again; one more request may check a write."""
    server.default = FAULTS[fault]
    if operation in {"delete_matching", "list_uploads"} and not driver.supports(
        {"delete_matching": "delete_if_match"}.get(operation, operation)
    ):
        pytest.skip("the service cannot do it")
    error = run(operation, driver)
    assert len(server.seen) <= ATTEMPTS + (operation in CHECKS)
    assert error.retryable or isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize("operation", ["get_object", "read_object", "upload_object", "put_absent"])
def test_too_long_retry_after_ends_an_operation_at_once(
    server: Server, driver: StorageDriver, time: Time, operation: str
) -> None:
    server.default = respond(b"", 503, Retry_After="3600")
    error = run(operation, driver)
    assert 3600.0 == error.retry_after
    assert len(server.seen) <= 1 + (operation in CHECKS)
    assert [] == time.slept


@pytest.mark.parametrize("operation", ["get_object", "read_object", "upload_object", "put_absent"])
def test_no_operation_waits_longer_than_the_total(
    server: Server, driver: StorageDriver, time: Time, operation: str
) -> None:
    driver.retry = RetryPolicy(attempts=50, total=100.0)
    server.default = respond(b"", 503, Retry_After="40")
    run(operation, driver)
    assert [40.0, 40.0] == time.slept


@pytest.mark.parametrize("operation", ["get_object", "object_exists", "read_object"])
@pytest.mark.parametrize("status", [429, 503])
def test_throttling_waits_longer_for_head_too(
    server: Server,
    driver: StorageDriver,
    time: Time,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    status: int,
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    server.default = respond(b"", status)
    run(operation, driver)
    assert [1.0, 2.0, 4.0] == pytest.approx(time.slept)


@pytest.mark.parametrize(("fault", "most"), [("500", 35), ("reset", 35), ("503", 100)])
def test_an_outage_is_not_amplified_once_the_bucket_is_empty(
    server: Server, driver: StorageDriver, fault: str, most: int
) -> None:
    """A retry takes 14 tokens of 500, or 5 after throttling; all calls of a driver share them."""
    server.default = FAULTS[fault]
    for _ in range(200):
        run("get_object", driver)
    assert len(server.seen) == 200 + most


@pytest.mark.parametrize("operation", ["put_absent", "create_container"])
def test_outage_is_not_amplified_by_checks(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    """A request that checks a write takes a token too."""
    server.default = FAULTS["500"]
    for _ in range(200):
        run(operation, driver)
    server.seen.clear()
    for _ in range(100):
        run(operation, driver)
    assert len(server.seen) <= 110


def test_streams_that_break_share_the_bucket(server: Server, driver: StorageDriver) -> None:
    server.default = cut(driver, b"x" * 100, 1_000)
    for _ in range(40):
        run("read_object", driver)
    assert len(server.seen) <= 40 + 35


def cut(
    driver: StorageDriver, sent: bytes, size: int, start: int = 0, then: str = "close"
) -> Play:
    """Return a response that breaks off."""
    head = (
        f"HTTP/1.1 {206 if start else 200} OK\r\nContent-Length: {size - start}\r\n"
        f'ETag: "e1"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Timestamp: 1.0\r\n'
        f"x-goog-generation: 1\r\nx-ms-request-id: R1\r\nX-Trans-Id: R1\r\n"
        f"x-goog-stored-content-length: {size}\r\n"
    )
    if start:
        head += f"Content-Range: bytes {start}-{size - 1}/{size}\r\n"
    return Play(f"{head}\r\n".encode() + sent, then)


def test_a_stream_that_breaks_and_then_meets_resets(server: Server, driver: StorageDriver) -> None:
    """What breaks off without progress, and the requests that go on, count together."""
    server.steps.append(cut(driver, b"x" * 100, 4 * MiB))
    server.default = Play(then="reset")
    run("read_object", driver)
    assert len(server.seen) == ATTEMPTS


def test_progress_of_a_stream_restores_its_attempts(server: Server, driver: StorageDriver) -> None:
    size = 20 * MiB
    server.steps.append(cut(driver, bytes(2 * MiB), size))
    for number in range(1, 8):
        server.steps.append(Play(then="reset"))
        server.steps.append(cut(driver, bytes(2 * MiB), size, number * 2 * MiB))
    server.default = Play(then="reset")
    run("read_object", driver)
    assert len(server.seen) == 1 + 7 * 2 + ATTEMPTS - 1


@pytest.mark.parametrize("operation", ["read_object", "stream"])
def test_slow_body_times_out(label: str, server: Server, operation: str) -> None:
    """Each byte arrives within the timeout; a hundred bytes a second are no progress."""
    with DRIVERS[label](server.url, timeout=0.3) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        server.default = cut(driver, b"x" * 100, 4 * MiB, then="drip")
        obj = driver.object("bucket", "name")
        with pytest.raises(TransportTimeoutError, match="less than 4 KiB per second"):
            obj.read() if operation == "read_object" else list(obj.stream())
    assert len(server.seen) == 2


def test_each_retry_is_reported_once(
    server: Server, driver: StorageDriver, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[RetryEvent] = []
    driver.retry = RetryPolicy(ATTEMPTS, on_retry=events.append)
    server.default = respond(b"", 500)
    with caplog.at_level(logging.DEBUG, logger="libstore"):
        error = run("upload_object", driver)
    assert [1, 2, 3] == [event.attempt for event in events]
    assert time.slept == [event.delay for event in events]
    assert {"status 500"} == {event.reason for event in events}
    assert {500} == {event.error.status for event in events}
    assert all(event.operation[:3] in {"Put", "Ins"} for event in events)
    lines = [record for record in caplog.records if record.name.startswith("libstore")]
    assert [logging.INFO] * 3 == [line.levelno for line in lines]
    assert error.status == 500


def test_error_of_the_callback_reaches_the_caller(server: Server, driver: StorageDriver) -> None:
    def stop(event: RetryEvent) -> None:
        raise KeyError(event.attempt)

    driver.retry = RetryPolicy(on_retry=stop)
    server.default = respond(b"", 500)
    with pytest.raises(KeyError):
        driver.get_object("bucket", "name")
    assert len(server.seen) == 1


def test_the_callback_may_use_the_driver(server: Server, driver: StorageDriver) -> None:
    """Its requests are others than the one that failed, with attempts of their own."""

    def check(event: RetryEvent) -> None:
        driver.retry = RetryPolicy(3, base=0.0)
        run("get_object", driver)

    driver.retry = RetryPolicy(2, base=0.0, on_retry=check)
    server.default = respond(b"", 500)
    run("get_object", driver)
    assert len(server.seen) == 1 + 3 + 1


def test_a_pickle_has_a_full_bucket(server: Server) -> None:
    server.default = respond(b"", 500)
    options = {"endpoint": server.url, "retry": RetryPolicy(ATTEMPTS, base=0.0)}
    with get_driver("s3")("AKID", "secret", pickle_secret=True, **options) as driver:
        while driver._retrier.bucket.take(14):
            pass
        run("get_object", driver)
        assert len(server.seen) == 1
        with pickle.loads(pickle.dumps(driver)) as copy:
            run("get_object", copy)
    assert len(server.seen) == 1 + ATTEMPTS


PAGES: Mapping[str, Mapping[str, Any]] = {
    "page": {"body": b"<html><h1>Too busy</h1></html>", "Content_Type": "text/html"},
    "nothing": {},
    "text": {"body": b"upstream is busy", "Content_Type": "text/plain"},
    "xml": {
        "body": b"<?xml version='1.0'?><Error><Code>Busy</Code><Message>Wait.</Message></Error>",
        "Content_Type": "application/xml",
    },
    "json": {"body": b'{"message": "Too busy"}', "Content_Type": "application/json"},
}


@pytest.mark.parametrize(
    "operation", ["get_object", "read_object", "upload_object", "list_objects"]
)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("page", PAGES)
def test_temporary_status_is_retried_with_any_body(
    server: Server, driver: StorageDriver, operation: str, status: int, page: str
) -> None:
    """A load balancer responds with a page of its own, or with nothing."""
    server.default = respond(status=status, **PAGES[page])
    error = run(operation, driver)
    assert len(server.seen) >= ATTEMPTS
    assert (status, True) == (error.status, error.retryable)
    assert isinstance(error, RateLimitedError if status == 429 else ServiceError)


@pytest.mark.parametrize("page", PAGES)
def test_throttled_conditional_write_is_retried(
    server: Server, driver: StorageDriver, page: str
) -> None:
    """Status 429 says that nothing was done; 408, as 5xx, may be sent after the whole request."""
    server.default = respond(status=429, **PAGES[page])
    run("put_absent", driver)
    assert ATTEMPTS <= len(server.seen) <= ATTEMPTS + 1


def _login(server: Server) -> Play:
    return respond(b"", 200, X_Auth_Token="token", X_Storage_Url=f"{server.url}/v1/AUTH_test")


@pytest.mark.parametrize(
    ("failures", "requests"), [(0, 1 + ATTEMPTS), (2, 1 + ATTEMPTS), (9, ATTEMPTS)]
)
def test_login_shares_the_attempts_of_the_operation(
    server: Server, failures: int, requests: int
) -> None:
    server.steps.extend([respond(b"", 500)] * failures)
    server.steps.append(_login(server))
    server.default = respond(b"", 500)
    with get_driver("swift")(
        "user", "secret", auth_url=f"{server.url}/auth/v1.0", retry=RetryPolicy(ATTEMPTS, base=0.0)
    ) as driver:
        run("get_object", driver)
    assert len(server.seen) == requests


@pytest.mark.parametrize("status", [429, 500, 503])
def test_token_request_shares_the_attempts_of_the_operation(server: Server, status: int) -> None:
    """google-auth tries again by itself what its endpoint refuses for now; it does not get to."""
    pytest.importorskip("google.auth")
    server.default = respond(b"{}", status)
    info = {**account(), "token_uri": f"{server.url}/token"}
    policy = RetryPolicy(ATTEMPTS, base=0.0)
    with get_driver("gcs")(
        service_account=info, endpoint=server.url, project="project", retry=policy
    ) as driver:
        error = run("get_object", driver)
    assert len(server.seen) == ATTEMPTS
    assert isinstance(error, ServiceUnavailableError)
    assert error.retryable
