"""Errors that say which it was, as real servers bring them about."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import product

import pytest
from drivers.all_drivers import ALL_DRIVERS, Way

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerNotFoundError,
    NotSupportedError,
    ObjectNotFoundError,
    RetryPolicy,
    ServiceError,
    StorageError,
)

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("all_drivers")]

ONCE = RetryPolicy(1)
#: Those whose servers check credentials: fake-gcs-server does not.
GUARDED = ("s3", "azure", "swift", "swift-s3")
REMOTE = (*GUARDED, "gcs")

#: Drivers, and servers of others that understand them. fake-gcs-server reads by S3's addresses.
ALIKE = {
    *(("s3", "swift-s3"), ("swift-s3", "s3")),
    *(("swift", "swift-s3"), ("s3", "swift"), ("swift-s3", "swift")),
    *(("s3", "gcs"), ("swift-s3", "gcs")),
}
TELLING = (ServiceError, AuthenticationError, AccessDeniedError, NotSupportedError)
_WRONG = "d3Jvbmctc2VjcmV0LXRoYXQtaXMtbG9uZw=="

# A process whose clock is a day ahead, from before the first import.
_AHEAD = """
import time
true = time.time
time.time = lambda: true() + 86_400
from libstore import AuthenticationError, get_driver
driver = {line}
try:
    container = driver.create_container("clock-{name}")
    print(container.upload_object(b"content", "a").read().decode(), len(container.list_objects()))
    container.delete()
except AuthenticationError as error:
    print(error.message)
"""


@pytest.fixture
def way(request: pytest.FixtureRequest, name: str) -> Way:
    return ALL_DRIVERS[name](request)


@pytest.mark.parametrize("name", GUARDED)
def test_wrong_secret_raises_its_error(way: Way) -> None:
    wrong = replace(way, arguments=(way.arguments[0], _WRONG))
    with wrong.driver(retry=ONCE) as driver:
        for attempt in (
            lambda: list(driver.list_objects("missing")),
            lambda: driver.object("missing", "name").read(),
            lambda: driver.upload_object(b"content", "missing", "name"),
        ):
            with pytest.raises(AuthenticationError) as caught:
                attempt()
            error = caught.value
            assert error.status in {401, 403}
            assert (driver.name, "missing") == (error.driver, error.container)
            assert any(word in error.message for word in ("secret", "key", "password"))
            assert _WRONG not in f"{error} {error!r}"


@pytest.mark.parametrize("name", REMOTE)
def test_missing_object_and_container_raise_their_errors(way: Way) -> None:
    with way.driver() as driver:
        with pytest.raises(ContainerNotFoundError) as container:
            driver.object("missing-container", "name").read()
        there = driver.create_container("errors-of-servers")
        try:
            with pytest.raises(ObjectNotFoundError) as obj:
                there.object("missing").read()
        finally:
            there.delete()
    assert (404, "missing-container") == (container.value.status, container.value.container)
    assert (404, "errors-of-servers", "missing") == (
        obj.value.status, obj.value.container, obj.value.object,
    )  # fmt: skip


@pytest.mark.parametrize("name", REMOTE)
def test_wrong_clock_is_corrected_or_reported(way: Way, name: str) -> None:
    """The service's time is used where it complains; where it does not, nothing is wrong."""
    script = _AHEAD.format(line=way.line, name=name)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert 0 == done.returncode, done.stderr
    assert "content 1" in done.stdout or "clock" in done.stdout


@pytest.mark.parametrize(
    ("name", "other"),
    [pair for pair in product(REMOTE, REMOTE) if len({*pair}) == 2 and pair not in ALIKE],
)
def test_server_of_another_service_is_reported(
    request: pytest.FixtureRequest, way: Way, other: str
) -> None:
    """No object is missing there: the endpoint is wrong."""
    with replace(way, options=misled(way, ALL_DRIVERS[other](request))).driver(
        retry=ONCE
    ) as driver:
        for attempt in (
            lambda: list(driver.list_objects("bucket")),
            lambda: driver.object("bucket", "name").read(),
            lambda: driver.upload_object(b"content", "bucket", "name"),
        ):
            with pytest.raises(StorageError) as caught:
                attempt()
            assert isinstance(caught.value, TELLING)
            assert caught.value.status is not None


def misled(way: Way, other: Way) -> dict[str, str]:
    """Return the options of a driver, at the address of another's server."""
    address = other.options.get("endpoint") or other.options["auth_url"].removesuffix("/auth/v1.0")
    key = "auth_url" if "auth_url" in way.options else "endpoint"
    return {**way.options, key: f"{address}/auth/v1.0" if key == "auth_url" else address}
