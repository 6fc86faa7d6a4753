"""Error responses of Google, and responses of other programs."""

from __future__ import annotations

import gzip
import json

import pytest
from drivers.gcs.support import (
    PART,
    Once,
    made,
    noise,
)
from scripted import Server, respond

from libstore import (
    AccessDeniedError,
    ContainerNotFoundError,
    ObjectNotFoundError,
    ServiceError,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import Model, RefusedError

SIZE = 3 * PART + 7


def test_missing_objects_and_buckets_are_reported(model: Model, driver: GCSDriver) -> None:
    with pytest.raises(ObjectNotFoundError) as missing:
        driver.get_object("box", "a")
    assert (404, "notFound", "REQUEST1") == (
        missing.value.status, missing.value.code, missing.value.request_id,
    )  # fmt: skip
    for call in (
        lambda: driver.get_object("nowhere", "a"),
        lambda: driver.upload_object(b"", "nowhere", "a"),
        lambda: driver.object("nowhere", "a").read(),
        lambda: driver.object("nowhere", "a").delete(),
        lambda: list(driver.list_objects("nowhere")),
    ):
        with pytest.raises(ContainerNotFoundError):
            call()
    driver.upload_object(b"", "box", "a")
    with pytest.raises(ContainerNotFoundError) as nowhere:
        driver.object("box", "a").copy("nowhere", "b")
    assert "nowhere" == nowhere.value.container


def test_policy_that_forbids_a_bucket_is_reported(model: Model, driver: GCSDriver) -> None:
    # https://github.com/terraform-google-modules/terraform-google-event-function/pull/41
    text = "Request violates constraint 'constraints/storage.uniformBucketLevelAccess'"
    model.before = Once("POST /storage/v1/b", RefusedError(412, "conditionNotMet", text))
    with pytest.raises(AccessDeniedError, match="policy"):
        driver.create_container("new", exist_ok=True)


def test_object_name_is_not_taken_for_a_message(driver: GCSDriver) -> None:
    with pytest.raises(ObjectNotFoundError):
        driver.get_object("box", "bucket that does not exist")


@pytest.mark.parametrize("cut", [0, 9])
def test_compressed_error_is_read(cut: int) -> None:
    """Reads accept compressed responses."""
    document = {"error": {"errors": [{"reason": "notFound"}], "message": "No such object: box/a"}}
    body = gzip.compress(json.dumps(document).encode())[cut:]
    server = Server(default=respond(body, 404, Content_Encoding="gzip"))
    kind = ServiceError if cut else ObjectNotFoundError
    with made(server) as driver, pytest.raises(kind):
        driver.object("box", "a").read()
    server.close()


@pytest.mark.parametrize("text", [b"", b"<html></html>", b"Welcome!", b"{}"], ids=ascii)
def test_success_of_another_program_is_an_error(text: bytes) -> None:
    server = Server(default=respond(text))
    with made(server) as driver:
        for call in (
            lambda: driver.create_container("box"),
            lambda: driver.get_container("box"),
            lambda: driver.get_object("box", "a"),
            lambda: driver.upload_object(b"1", "box", "a"),
            lambda: driver.upload_object(noise(SIZE), "box", "a"),
            lambda: driver.object("box", "a").update_metadata({}),
        ):
            with pytest.raises(ServiceError):
                call()
        if text != b"{}":  # which is how little there may be to say
            with pytest.raises(ServiceError):
                list(driver.list_objects("box"))
        if text != b"{}":  # as fake-gcs-server says that something was deleted
            with pytest.raises(ServiceError, match="endpoint"):
                driver.object("box", "a").delete()
    server.close()


@pytest.mark.parametrize(
    "body",
    [
        b"404 page not found",
        b'{"status": 404, "error": "Not Found", "path": "/"}',
        b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>No.</Message></Error>",
    ],
    ids=["text", "json", "xml"],
)
def test_status_404_of_another_program_is_not_a_missing_bucket(body: bytes) -> None:
    server = Server(default=respond(body, 404))
    with made(server) as driver:
        for call in (
            lambda: driver.create_container("box"),
            lambda: driver.get_container("box"),
            lambda: list(driver.list_objects("box")),
            lambda: driver.get_object("box", "a"),
            lambda: driver.object("box", "a").read(),
            lambda: driver.delete_container("box"),
            lambda: driver.upload_object(b"1", "box", "a"),
            lambda: driver.upload_object(noise(SIZE), "box", "a"),
            driver.object("box", "a").container.enable_cdn,
        ):
            with pytest.raises(ServiceError, match="endpoint"):
                call()
    server.close()
