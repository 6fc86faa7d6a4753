"""The driver with an HMAC key."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from scripted import Server, answer

from libstore import InvalidNameError, NotSupportedError, get_driver
from libstore.drivers.gcs import GCSDriver
from libstore.s3api.driver import S3APIDriver


def test_driver_with_an_hmac_key_is_a_gcs_driver_on_the_s3_api() -> None:
    driver = get_driver("gcs")("KEY", "secret")

    assert isinstance(driver, GCSDriver)
    assert isinstance(driver, S3APIDriver)
    assert issubclass(type(driver), get_driver("gcs"))
    assert not isinstance(get_driver("gcs")(anonymous=True), S3APIDriver)


def test_bucket_names_are_those_of_google(server: Server) -> None:
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        server.steps.append(answer(Location="/a_b"))
        driver.create_container("a_b")
        with pytest.raises(InvalidNameError):
            driver.create_container("A-b")

    assert ["PUT /a_b HTTP/1.1"] == [request.line for request in server.seen]


def test_custom_time_is_refused_for_every_upload(server: Server) -> None:
    extra = {"custom_time": datetime(2026, 1, 2, tzinfo=timezone.utc)}
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        for if_absent in (False, True):
            with pytest.raises(NotSupportedError, match="service account"):
                driver.upload_object(b"x", "bucket", "name", if_absent=if_absent, extra=extra)
