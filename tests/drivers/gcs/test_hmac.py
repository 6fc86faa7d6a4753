"""The driver with an HMAC key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from drivers.gcs.support import BIG, HMAC, made, noise
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    InvalidNameError,
    NotSupportedError,
    ObjectNotFoundError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.gcs import GCSDriver
from libstore.s3api.driver import S3APIDriver
from servers.gcs_model import Model


def test_driver_with_an_hmac_key_is_a_gcs_driver_on_the_s3_api() -> None:
    driver = get_driver("gcs")("KEY", "secret")

    assert isinstance(driver, GCSDriver)
    assert isinstance(driver, S3APIDriver)
    assert issubclass(type(driver), get_driver("gcs"))
    assert not isinstance(get_driver("gcs")(anonymous=True), S3APIDriver)


def test_bucket_names_are_those_of_google(server: Server) -> None:
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        server.steps.append(respond(Location="/a_b"))
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


def test_location_of_a_bucket_is_sent_in_lower_case(server: Server) -> None:
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        server.steps.append(respond(Location="/box"))
        driver.create_container("box", extra={"location": "EU"})
        server.default = respond(x_guploader_uploadid="R", etag="E")
        # The region of signatures is not the bucket's.
        assert {} == driver.get_container("box").extra

    assert b"<LocationConstraint>eu</LocationConstraint>" in server.seen[0].body


def test_kms_key_of_the_driver_is_sent_with_all_writes(model: Model) -> None:
    with made(model, kms_key="projects/p/k", **HMAC) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        for content, if_absent in ((b"1", False), (noise(BIG + 1), False), (noise(BIG + 1), True)):
            model.headers.clear()
            box.upload_object(content, "c" if if_absent else "a", if_absent=if_absent)
            name = "x-goog-encryption-kms-key-name"
            assert "projects/p/k" in {one.get(name) for one in model.headers}


def test_all_requests_of_a_session_have_the_key_of_the_upload(model: Model) -> None:
    """Also the one that cancels it."""
    key = bytes(range(32))
    with made(model, **HMAC) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        model.headers.clear()
        box.upload_object(noise(BIG + 1), "a", if_absent=True, extra={"customer_key": key})
        with pytest.raises(OSError, match="gone"):
            box.upload_object(_broken(), "b", if_absent=True, extra={"customer_key": key})
    assert "DELETE" in {line.partition(" ")[0] for line in model.seen}
    assert all("x-goog-encryption-key" in one for one in model.headers)


def _broken() -> Iterator[bytes]:
    yield noise(2 * BIG)
    raise OSError("the source is gone")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidArgument", AccessDeniedError),
        (403, "AccessDenied", AccessDeniedError),
        (412, "PreconditionFailed", AccessDeniedError),
        (404, "NoSuchKey", ObjectNotFoundError),
    ],
)
def test_refused_acl_of_an_object_names_another_way(
    server: Server, status: int, code: str, kind: type[StorageError]
) -> None:
    body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
    server.default = respond(body, status, x_guploader_uploadid="R")
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        with pytest.raises(kind) as caught:
            driver.object("box", "a").enable_cdn()
    assert ("service account" in caught.value.message) == (kind is AccessDeniedError)


def test_sessions_share_the_attempts_of_the_driver(server: Server) -> None:
    with get_driver("gcs")("KEY", "secret", endpoint=server.url) as driver:
        sessions = driver._uploads._resumable._client
        assert driver._client.retrier.bucket is sessions.retrier.bucket
