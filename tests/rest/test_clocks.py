"""What every driver of a network does where the clock of this machine is wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from drivers.network_drivers import DRIVERS
from scripted import Play, Server, respond

from libstore import AccessDeniedError, RetryPolicy, StorageDriver, StorageError, get_driver
from libstore.http.headers import parse_timestamp

NOW = 1_800_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
#: The drivers that sign by the time; a token has nothing to do with clocks.
SIGNING = ["s3", "azure", "gcs-hmac"]
FOUND: Mapping[str, str] = {
    "ETag": '"0x1"',
    "Last_Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    "x_ms_request_id": "R1",
    "x_goog_generation": "1",
    "X_Trans_Id": "R1",
}
OPERATIONS: Mapping[str, Callable[[StorageDriver], Any]] = {
    "get_object": lambda driver: driver.get_object("bucket", "name"),
    "object_exists": lambda driver: driver.object_exists("bucket", "name"),
    "read_object": lambda driver: driver.object("bucket", "name").read(),
    "upload_object": lambda driver: driver.upload_object(b"content", "bucket", "name"),
}


class Clock:
    """A clock that can be set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture(params=SIGNING)
def driver(request: pytest.FixtureRequest, server: Server, clock: Clock) -> Iterator[Any]:
    with DRIVERS[request.param](server.url) as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        set_clock(driver, clock)
        yield driver


def set_clock(driver: Any, clock: Clock) -> None:
    for one in (driver, getattr(driver, "_inner", None)):
        if one is not None:
            one._client.clock = clock


def good(moment: float, driver: StorageDriver, operation: str) -> Play:
    created = driver.name == "azure" and operation == "upload_object"
    status = 201 if created else 200
    return respond(b"", status, Date=formatdate(moment, usegmt=True), **FOUND)


def refused(moment: float) -> Play:
    """Return a refusal that does not say why."""
    return respond(b"", 403, Date=formatdate(moment, usegmt=True))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("ahead", [DAY, -DAY, HOUR, -HOUR])
def test_denied_request_is_checked_for_a_wrong_clock(
    server: Server,
    driver: StorageDriver,
    operation: str,
    ahead: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One more request is signed by the service's time; a warning says that the clock is wrong."""
    server.steps.append(refused(NOW + ahead))
    server.default = good(NOW + ahead, driver, operation)
    with caplog.at_level(logging.WARNING):
        OPERATIONS[operation](driver)
    assert len(server.seen) == 2
    assert len({dict(seen.headers)["authorization"] for seen in server.seen}) == 2
    assert "clock is off by" in caplog.text


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("step", [DAY, -DAY, HOUR, -HOUR])
def test_a_clock_that_is_set_wrong_after_a_good_request(
    server: Server, driver: StorageDriver, clock: Clock, operation: str, step: float
) -> None:
    """What was found out about the clock before is found out anew, as often as it is set."""
    server.default = good(NOW, driver, operation)
    OPERATIONS[operation](driver)
    for _ in range(3):
        clock.now += step
        server.seen.clear()
        server.steps.append(refused(NOW))
        OPERATIONS[operation](driver)
        assert len(server.seen) == 2
        OPERATIONS[operation](driver)
        assert len(server.seen) == 3


def test_conditional_write_is_repeated_with_the_right_clock(
    server: Server, driver: StorageDriver
) -> None:
    """A refused request was not carried out."""
    if driver.name == "s3":  # checks first whether the object exists, as the service is unknown
        server.steps.append(respond(b"", 404))
    server.steps.append(refused(NOW + DAY))
    server.default = good(NOW + DAY, driver, "upload_object")
    driver.upload_object(b"content", "bucket", "name", if_absent=True)
    assert [seen.line[:3] for seen in server.seen[-2:]] == ["PUT", "PUT"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("off", [0.0, 600.0, -600.0])
def test_small_clock_difference_is_ignored(
    server: Server, driver: StorageDriver, operation: str, off: float
) -> None:
    server.default = good(NOW, driver, "get_object")
    driver.get_object("bucket", "name")
    server.seen.clear()
    server.default = refused(NOW + off)
    with pytest.raises(StorageError) as caught:
        OPERATIONS[operation](driver)
    assert caught.value.status == 403
    assert isinstance(caught.value, AccessDeniedError) or driver.name == "azure"
    assert len(server.seen) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refusal_of_every_attempt_is_reported(
    server: Server, driver: StorageDriver, operation: str
) -> None:
    server.default = good(NOW, driver, "get_object")
    driver.get_object("bucket", "name")
    server.seen.clear()
    server.default = refused(NOW + DAY)
    with pytest.raises(StorageError) as caught:
        OPERATIONS[operation](driver)
    assert caught.value.status == 403
    assert len(server.seen) == 2


def _swift(url: str) -> StorageDriver:
    return get_driver("swift")(
        token="token", temp_url_key="temp key", temp_url_digest="sha256",
        storage_url=f"{url}/v1/AUTH_test",
    )  # fmt: skip


def _end(url: str) -> float:
    """Return when a signed URL ends."""
    requested = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if "temp_url_expires" in requested:
        return float(requested["temp_url_expires"])
    if "se" in requested:
        end = parse_timestamp(requested["se"])
        assert end is not None
        return end.timestamp()
    kind = "X-Amz" if "X-Amz-Date" in requested else "X-Goog"
    begin = datetime.strptime(requested[f"{kind}-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    return begin.timestamp() + float(requested[f"{kind}-Expires"])


SIGNERS = {**{label: DRIVERS[label] for label in SIGNING}, "swift": _swift}


@pytest.fixture(params=SIGNERS)
def url_signer(request: pytest.FixtureRequest, server: Server, clock: Clock) -> Iterator[Any]:
    with SIGNERS[request.param](server.url) as driver:
        set_clock(driver, clock)
        yield driver


@pytest.mark.parametrize("ahead", [0.0, 600.0, -600.0, DAY, -DAY])
def test_urls_are_signed_with_the_time_of_the_service(
    server: Server, clock: Clock, url_signer: StorageDriver, ahead: float
) -> None:
    """The user of a URL cannot correct a clock, and would find the URL expired."""
    obj = url_signer.object("bucket", "name")
    assert _end(obj.sign_url(expires=60.0)) == NOW + 60.0
    server.default = good(NOW + ahead, url_signer, "object_exists")
    url_signer.object_exists("bucket", "name")
    clock.now += 10.0
    assert _end(obj.sign_url(expires=60.0)) == NOW + ahead + 70.0


def test_cached_date_is_ignored(server: Server, url_signer: StorageDriver) -> None:
    server.default = respond(b"", Age="86400", Date=formatdate(NOW - DAY, usegmt=True), **FOUND)
    url_signer.object_exists("bucket", "name")
    url = url_signer.object("bucket", "name").sign_url(expires=60.0)
    assert _end(url) == NOW + 60.0
