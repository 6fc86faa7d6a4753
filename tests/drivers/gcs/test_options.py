"""The options of one upload or copy."""

from __future__ import annotations

import base64
from datetime import datetime, timezone

import pytest
from drivers.gcs.support import (
    BIG,
    HMAC,
    PART,
    made,
    noise,
)

from libstore import (
    InvalidOptionError,
    StorageError,
    TransferOptions,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import Model


def test_upload_options_are_sent(model: Model, driver: GCSDriver) -> None:

    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    key = bytes(range(32))
    for size in (10, 3 * PART):
        model.seen.clear()
        driver.upload_object(
            noise(size), "box", "a", storage_class="NEARLINE",
            extra={"acl": "public-read", "custom_time": when, "kms_key": "projects/p/k"},
        )  # fmt: skip
        stored = model.buckets["box"].live["a"]
        assert ("NEARLINE", True) == (stored.fields["storageClass"], stored.public)
        assert "2026-01-02T03:04:05.000000Z" == stored.fields["customTime"]
        assert "kmsKeyName=projects%2Fp%2Fk" in model.seen[0]
        driver.upload_object(noise(size), "box", "secret", extra={"customer_key": key})
        with pytest.raises(StorageError):
            driver.object("box", "secret").read()
        with made(model, customer_key=key) as other:
            assert noise(size) == other.object("box", "secret").read()
            assert "customer_key" not in repr(other)


def test_kms_key_of_an_upload_replaces_the_customer_key(model: Model) -> None:
    with made(model, customer_key=bytes(32), parallel_uploads=True) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        for size in (1, BIG + 1):
            model.headers.clear()
            box.upload_object(noise(size), "a", extra={"kms_key": "projects/p/k"})
            sent = [name for one in model.headers for name in one if "encryption-key" in name]
            assert [] == sent
        with pytest.raises(InvalidOptionError, match="exclude"):
            box.upload_object(b"", "a", extra={"kms_key": "k", "customer_key": bytes(32)})


def test_written_object_is_checked_with_its_own_key(model: Model) -> None:
    """Google refuses the key of another object, and that of one that has none."""
    own, other = b"k" * 32, b"z" * 32
    with made(model, customer_key=own, **HMAC) as driver:
        driver.transfer = TransferOptions(part_size=BIG, multipart_threshold=BIG)
        box = driver.create_container("box")
        box.upload_object(b"1", "a")
        model.headers.clear()
        for extra in ({"customer_key": other}, {"kms_key": "a-key"}):
            box.upload_object(noise(BIG + 1), "b", extra=extra)
            box.object("a").copy("box", "c", extra=extra)
            sent = {one.get("x-goog-encryption-key") for one in model.headers}
            given = extra.get("customer_key")
            assert {base64.b64encode(given).decode() if given else None} == sent
            model.headers.clear()
