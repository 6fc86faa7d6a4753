"""Drivers with an HMAC key."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from time import time

import pytest
from drivers.gcs.support import (
    BUSY,
    HMAC,
    Once,
    made,
)
from scripted import Play, Server, answer

from libstore import (
    AuthenticationError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
)
from libstore.drivers.gcs import GCSDriver
from servers.gcs_model import KEY, SECRET, Model


def test_hmac_key_makes_objects_public_by_acls(model: Model) -> None:
    with made(model, token=None, key=KEY, secret=SECRET) as driver:
        assert isinstance(driver, GCSDriver)
        box = driver.create_container("box")
        box.upload_object(b"1", "a")
        box.enable_cdn()
        assert model.buckets["box"].live["a"].public
        assert model.buckets["box"].default_public


def test_wrong_hmac_key_is_reported(model: Model) -> None:
    for key, secret in ((KEY, "wrong-secret"), ("WRONG", SECRET)):
        with made(model, token=None, key=key, secret=secret) as driver:
            with pytest.raises(AuthenticationError) as caught:
                driver.create_container("box")
            assert 403 == caught.value.status
            assert secret not in str(caught.value) + repr(driver)


def xml(code: str, status: int, off: float = 0.0) -> Play:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
    return answer(body.encode(), status, Date=formatdate(time() + off, usegmt=True))


def test_wrong_clock_is_corrected_in_presigned_urls() -> None:
    listing = b"<?xml version='1.0'?><ListAllMyBucketsResult></ListAllMyBucketsResult>"
    server = Server(xml("RequestTimeTooSkewed", 403, 86_400), default=answer(listing))
    with made(server, **HMAC) as driver:
        assert [] == list(driver.list_containers())
        day = (datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y%m%d")
        assert f"X-Goog-Date={day}T" in driver.object("box", "a").sign_url()
    assert 2 == len(server.seen)
    server.close()


def test_copy_with_lost_response_is_checked_with_an_hmac_key(model: Model) -> None:
    """Each write gives another generation, so the same request cannot come twice."""
    with made(model, **HMAC) as driver:
        box = driver.create_container("box")
        obj = box.upload_object(b"1", "a", metadata={"old": "1"})
        model.before = Once("PUT ")
        changed = obj.update_metadata({"new": "2"}, if_match=obj.etag)
        assert {"new": "2"} == dict(box.get_object("a").metadata)
        assert changed.etag == str(model.buckets["box"].live["a"].generation)
        model.before = Once("PUT ")
        driver.copy_object(changed, "box", "b", if_absent=True)
        model.before = Once("PUT ", BUSY)
        with pytest.raises(ObjectAlreadyExistsError):
            driver.copy_object(box.upload_object(b"2", "c"), "box", "b", if_absent=True)
        model.before = Once("PUT ", BUSY)
        with pytest.raises(ObjectChangedError):
            changed.update_metadata({}, if_match=obj.etag)
