"""Single objects: reads, writes and changes of metadata."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from drivers.gcs.support import (
    BUSY,
    HMAC,
    PART,
    Once,
    made,
    noise,
)
from scripted import Server, respond

from libstore import (
    IntegrityError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ServiceError,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import Model, Request


def test_other_object_after_a_lost_response_is_a_conflict(model: Model, driver: GCSDriver) -> None:
    driver.upload_object(b"theirs", "box", "a")
    model.before = Once("POST /upload", BUSY)
    with pytest.raises(ObjectAlreadyExistsError) as caught:
        driver.upload_object(b"mine", "box", "a", if_absent=True)
    assert (412, "conditionNotMet", "REQUEST1") == (
        caught.value.status, caught.value.code, caught.value.request_id,
    )  # fmt: skip


def test_metadata_change_is_repeated_after_a_concurrent_change(
    model: Model, driver: GCSDriver
) -> None:
    obj = driver.upload_object(b"1", "box", "a", metadata={"old": "1"})
    stored = model.buckets["box"].live["a"]

    def meddle(request: Request) -> None:
        if request.method == "PATCH" and stored.metageneration == 1:
            stored.metageneration += 1
            stored.fields["metadata"] = {"theirs": "2"}

    model.before = meddle
    obj.update_metadata({"mine": "3"})
    assert {"mine": "3"} == stored.fields["metadata"]


def test_ranges_are_pinned_to_one_generation(
    model: Model, driver: GCSDriver, tmp_path: Path
) -> None:
    content = noise(4 * PART)
    driver.upload_object(content, "box", "a")

    def replace(request: Request) -> None:
        if "ifGenerationMatch" in request.target:
            model.before = None
            model.write("box", "a", b"other" * PART, {}, {})

    model.before = replace
    driver.object("box", "a").download(tmp_path / "a")
    assert b"other" * PART == (tmp_path / "a").read_bytes()


def test_interrupted_read_is_resumed(model: Model, driver: GCSDriver) -> None:
    content = noise(2 * PART)
    driver.upload_object(content, "box", "a")
    model.before = Once("GET .*alt=media", 1000)
    assert content == b"".join(driver.object("box", "a").stream())
    assert "bytes=1000-" in [one.get("range", "")[:11] for one in model.headers]


def test_invalid_generation_matches_nothing(driver: GCSDriver, model: Model) -> None:
    driver.upload_object(b"1", "box", "a")
    before = len(model.seen)
    with pytest.raises(ObjectChangedError):
        driver.upload_object(b"2", "box", "a", if_match="CAE=")
    assert before == len(model.seen)


def test_compressed_object_is_read_as_stored(
    model: Model, driver: GCSDriver, tmp_path: Path
) -> None:
    content = gzip.compress(noise(3 * PART))
    driver.upload_object(content, "box", "a.gz", content_encoding="gzip")
    obj = driver.object("box", "a.gz")
    assert content == obj.read()
    assert content[10:99] == driver.read_object(obj, start=10, stop=99)
    obj.download(tmp_path / "a.gz")
    assert content == (tmp_path / "a.gz").read_bytes()
    assert len(content) == driver.get_object("box", "a.gz").size
    assert "gzip" == driver.get_object("box", "a.gz").extra["content_encoding"]


def test_objects_without_md5_are_verified_by_crc32c(model: Model, driver: GCSDriver) -> None:
    stored = model.write("box", "a", noise(PART), {}, {}, composite=True)
    obj = driver.get_object("box", "a")
    assert "crc32c" == obj.hash_algorithm
    crc = stored.digests["crc32c"]
    stored.data = stored.data[:-1] + b"?"
    type(stored).digests, kept = property(lambda self: {"crc32c": crc}), type(stored).digests
    try:
        with pytest.raises(IntegrityError):
            obj.read()
    finally:
        type(stored).digests = kept


def test_lost_upload_is_checked_with_its_own_key(model: Model, driver: GCSDriver) -> None:
    """Google sends digests only to clients that have the key."""
    model.before = Once("POST .*uploadType=multipart")  # the response is lost
    key = b"z" * 32
    driver.upload_object(b"1", "box", "a", if_absent=True, extra={"customer_key": key})
    checked = [
        headers.get("x-goog-encryption-key")
        for line, headers in zip(model.seen, model.headers, strict=True)
        if line.startswith("GET ")
    ]
    assert [base64.b64encode(key).decode()] == checked


@pytest.mark.parametrize("way", [{}, HMAC], ids=["oauth", "hmac"])
def test_decompressed_content_is_an_error(way: Mapping[str, Any]) -> None:
    """Google decompresses what says twice that it is compressed, whatever was requested."""
    fields = {"X_Goog_Generation": "5", "X_Goog_Stored_Content_Length": "25"}
    server = Server(default=respond(b"hello", **fields, X_Goog_Stored_Content_Encoding="gzip"))
    with made(server, **way) as driver:
        for options in ({}, {"start": 1, "stop": 3}):
            with pytest.raises(ServiceError, match="no-transform"):
                driver.object("box", "a").read(**options)
    server.close()
