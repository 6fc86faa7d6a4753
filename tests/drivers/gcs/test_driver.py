"""Buckets, and what all requests have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drivers.gcs.support import (
    PART,
    Once,
    made,
    noise,
)

from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import KEY, SECRET, Model


@pytest.mark.parametrize("way", [{}, {"token": None, "key": KEY, "secret": SECRET}])
def test_bucket_is_deleted_with_its_versions(
    model: Model, driver: GCSDriver, way: dict[str, Any]
) -> None:
    driver.create_container("kept", extra={"versioning": True, "location": "EU"})
    model.before = Once("GET .*[?&]versions=", 5)  # a response that breaks off
    with made(model, **way) as other:
        box = other.get_container("kept")
        for number in range(3):
            box.upload_object(str(number).encode(), "a b")
        box.upload_object(b"", "b")
        box.delete_object("b")
        box.delete()
    assert "kept" not in model.buckets


def test_user_project_is_sent_with_every_request(model: Model) -> None:
    with made(model, user_project="payer") as driver:
        driver.create_container("box").upload_object(b"", "a")
        driver.object("box", "a").read()
    assert all("userProject=payer" in line for line in model.seen)
    model.headers.clear()
    with made(model, token=None, key=KEY, secret=SECRET, user_project="payer") as driver:
        driver.create_container("other").upload_object(b"", "a")
    first, *others = model.headers
    assert "p" == first["x-goog-project-id"]
    assert all("payer" == one["x-goog-user-project"] for one in others)


def test_requests_are_counted(model: Model, driver: GCSDriver, tmp_path: Path) -> None:
    box = driver.object("box", "a").container
    for call, count in (
        (lambda: box.upload_object(b"1", "a"), 1),
        (lambda: box.read_object("a"), 1),
        (lambda: box.list_objects()[:20], 1),
        (lambda: box.object("a").copy("box", "b"), 1),
        (lambda: box.delete_objects([f"n{number}" for number in range(100)]), 1),
        (lambda: box.delete_object("a"), 1),
        (lambda: box.upload_object(noise(4 * PART), "big"), 1 + 4 + 1),
    ):
        before = len(model.seen)
        call()
        assert count >= len(model.seen) - before
