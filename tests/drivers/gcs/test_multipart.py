"""Uploads in parts, parallel and resumable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from drivers.gcs.support import (
    BIG,
    BUSY,
    HMAC,
    Once,
    made,
    noise,
)

from libstore import ContainerNotFoundError, ServiceUnavailableError, TransferOptions
from libstore.values import WriteOptions
from servers.gcs_model import KEY, SECRET, Model, RefusedError, Request


@pytest.mark.parametrize("fault", [0, BUSY], ids=["done", "not done"])
@pytest.mark.parametrize(
    "way", [{"parallel_uploads": True}, {"token": None, "key": KEY, "secret": SECRET}]
)
def test_completion_of_parallel_parts_with_lost_response_is_checked(
    model: Model, way: dict[str, Any], fault: Any
) -> None:
    if "key" in way:  # which cannot otherwise know what was uploaded in parts
        pytest.importorskip("google_crc32c")
    with made(model, **way) as driver:
        driver.create_container("box")
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        model.before = Once("POST .*uploadId=", fault)
        content = noise(2 * BIG + 1)
        obj = driver.upload_object(content, "box", "big")
        stored = model.buckets["box"].live["big"]
        assert (content, str(stored.generation)) == (stored.data, obj.etag)
        assert not model.uploads


@pytest.mark.parametrize("way", [{}, {"parallel_uploads": True}, HMAC], ids=["one", "two", "hmac"])
def test_user_project_is_sent_with_large_uploads(model: Model, way: Mapping[str, Any]) -> None:
    with made(model, user_project="payer", **way) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        content = noise(2 * BIG + 1)
        driver.create_container("box").upload_object(content, "big", if_absent=True)
        assert content == model.buckets["box"].live["big"].data
        # The address of a session is taken as it is.
        assert not any(line.count("?") > 1 for line in model.seen)
        box = driver.object("box", "big").container
        driver.object_exists("box", "none")
        if way is HMAC:
            box.enable_cdn()
        box.delete()
    # https://cloud.google.com/storage/docs/requester-pays: for every request to the bucket.
    for line, headers in zip(model.seen, model.headers, strict=True):
        paid = "userProject=payer" in line or headers.get("x-goog-user-project") == "payer"
        assert paid or "upload_id=" in line


@pytest.mark.parametrize("way", [{}, {"parallel_uploads": True}, HMAC], ids=["one", "two", "hmac"])
def test_writer_without_the_right_to_read_can_upload(model: Model, way: Mapping[str, Any]) -> None:
    """https://cloud.google.com/storage/docs/access-control/iam-roles: as an Object Creator."""
    with made(model, **way) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        forbid = Once("^(GET|HEAD) ", RefusedError(403, "forbidden", "No."), times=99)
        for content, condition in ((b"1", False), (noise(BIG + 1), False), (noise(BIG + 2), True)):
            model.before = forbid
            obj = box.upload_object(content, "a" if condition else "b", if_absent=condition)
            assert len(content) == obj.size
            stored = model.buckets["box"].live[obj.name]
            model.before = None
            assert (content, str(stored.generation)) == (stored.data, obj.etag)
        model.before = forbid
        if not way:
            assert [] == list(driver.list_uploads("box"))


@pytest.mark.parametrize("way", [{"parallel_uploads": True}, HMAC], ids=["oauth", "hmac"])
@pytest.mark.parametrize("name", ["a\x01b", "a+b &<%2F>"], ids=ascii)
def test_uploads_of_any_name_are_listed(model: Model, way: Mapping[str, Any], name: str) -> None:
    with made(model, **way) as driver:
        box = driver.create_container("box")
        driver._start_upload("box", name, WriteOptions())
        assert [name] == [upload.name for upload in driver.list_uploads("box")]
        box.delete()
    assert not model.uploads


@pytest.mark.parametrize("way", [{"parallel_uploads": True}, HMAC], ids=["two", "hmac"])
def test_bucket_that_is_deleted_during_an_upload_is_reported(
    model: Model, way: Mapping[str, Any]
) -> None:
    def delete(request: Request) -> None:
        if "partNumber" in request.target:
            model.buckets.clear()

    with made(model, **way) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        model.before = delete
        with pytest.raises(ContainerNotFoundError):
            box.upload_object(noise(BIG + 1), "big")


def test_older_object_of_equal_content_does_not_prove_a_completion(model: Model) -> None:
    """The upload is still open, so that it has not been completed."""
    with made(model, parallel_uploads=True) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        box.upload_object(noise(BIG + 1), "big")
        model.before = Once("POST .*uploadId=", BUSY, times=9)
        with pytest.raises(ServiceUnavailableError):
            box.upload_object(noise(BIG + 1), "big")
