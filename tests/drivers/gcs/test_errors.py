"""What the driver makes of Google's answers that are late, lost, wrong or not Google's."""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.gcs.support import BIG, BUSY, PART, TOKEN, Once, credentials, made, noise
from scripted import Server, answer

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerNotFoundError,
    CredentialsNotFoundError,
    IntegrityError,
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServiceError,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.gcs import GCSDriver
from servers import gcs_json
from servers.gcs_model import KEY, SECRET, Model, RefusedError, Request, serve


@pytest.fixture
def model() -> Iterator[Model]:
    with serve(Model(), gcs_json.answer) as made:
        yield made


@pytest.fixture
def driver(model: Model) -> Iterator[GCSDriver]:
    with made(model) as driver:
        driver.create_container("box")
        model.seen.clear()
        yield driver


# ---------------------------------------------------------------------- resumable uploads


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Once("PUT .*bytes 262144-"), id="lost answer"),
        pytest.param(Once("PUT .*bytes 262144-", BUSY), id="503"),
        pytest.param(Once("PUT .*bytes 262144-", BUSY, times=3), id="503 again and again"),
        pytest.param(Once("POST .*uploadType=resumable"), id="lost session"),
    ],
)
def test_interrupted_upload_is_resumed(model: Model, driver: GCSDriver, fault: Once) -> None:
    content = noise(5 * PART + 77)
    model.before = fault
    obj = driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data
    assert {"md5": hashlib.md5(content).hexdigest()}.items() <= dict(obj.checksums).items()
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert ranges[-1] == f"bytes {5 * PART}-{5 * PART + 76}/{5 * PART + 77}"
    # Nothing begins anew.
    assert 1 >= sum(one.startswith("bytes 0-") for one in ranges)


def test_stored_bytes_are_not_sent_again(model: Model, driver: GCSDriver) -> None:
    model.before = Once("PUT .*bytes 262144-", 0)
    driver.upload_object(noise(3 * PART), "box", "big")
    ranges = [one["content-range"] for one in model.headers if "content-range" in one]
    assert "bytes */*" in ranges
    assert len(ranges) == len(set(ranges))


@pytest.mark.parametrize("kept", [0, PART])
def test_session_that_lost_bytes_is_an_error(model: Model, driver: GCSDriver, kept: int) -> None:
    """What was sent with an earlier request is not there to be sent again."""

    def lose(request: Request) -> None:
        if "bytes 786432-" in request.headers.get("content-range", ""):
            (session,) = model.sessions.values()
            del session.data[kept:]
            raise BUSY

    model.before = lose
    with pytest.raises(ServiceError, match="lost bytes"):
        driver.upload_object(noise(6 * PART), "box", "big")
    assert not model.buckets["box"].live


def test_attempts_are_restored_by_progress_of_an_upload(model: Model, driver: GCSDriver) -> None:
    """An upload may break off more often than there are tries, if each brings it on."""
    broken: list[str] = []

    def take_some(request: Request) -> None:
        span = request.headers.get("content-range", "")
        if request.method == "PUT" and not span.startswith("bytes */"):
            (session,) = model.sessions.values()
            session.data += request.body[:PART]
            if not session.done and len(request.body) > PART:
                broken.append(span)
                raise BUSY

    model.before = take_some
    driver.transfer = TransferOptions(part_size=12 * PART, multipart_threshold=PART)
    content = noise(12 * PART)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data
    assert len(broken) > driver.retry.attempts


def test_completion_of_a_session_with_lost_response_is_checked(
    model: Model, driver: GCSDriver
) -> None:
    size = 3 * PART + 5
    model.before = Once(rf"PUT .*/{size}$")
    obj = driver.upload_object(noise(size), "box", "big", if_absent=True)
    assert obj.etag == str(model.buckets["box"].live["big"].generation)
    assert f"bytes */{size}" in [one.get("content-range") for one in model.headers]


def test_uneven_writes_are_sent_in_multiples(model: Model, driver: GCSDriver) -> None:
    content = noise(1_000_000)
    with driver.open_object("box", "big", "wb") as file:
        for start in range(0, len(content), 33_333):
            file.write(content[start : start + 33_333])
    assert content == driver.object("box", "big").read()


def test_uneven_part_sizes_are_accepted(model: Model, driver: GCSDriver) -> None:
    driver.transfer = TransferOptions(part_size=300_001, multipart_threshold=1)
    content = noise(1_234_567)
    driver.upload_object(content, "box", "big")
    assert content == model.buckets["box"].live["big"].data


def test_aborted_upload_cancels_its_session(model: Model, driver: GCSDriver) -> None:
    def broken() -> Iterator[bytes]:
        yield noise(5 * PART)
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="gone"):
        driver.upload_object(broken(), "box", "big")
    assert not model.sessions
    assert not model.buckets["box"].live
    assert any(line.startswith("DELETE /upload") for line in model.seen)


def test_active_upload_is_not_aborted_as_old(driver: GCSDriver) -> None:
    """Google tells of no session when it was begun; the driver knows."""
    upload_id = driver._start_upload("box", "big", _options())
    (upload,) = driver.list_uploads("box")
    assert upload.started is not None
    assert [] == driver.abort_uploads("box", older_than=3600.0)
    assert [upload_id] == [gone.id for gone in driver.abort_uploads("box")]


def test_completion_with_a_wrong_digest_is_refused(model: Model, driver: GCSDriver) -> None:
    upload = driver._start_upload("box", "big", _options())
    from libstore.transfer.payload import BufferPayload
    from libstore.values import Upload

    record = Upload("box", "big", upload)
    part = driver._put_part(record, 1, 0, BufferPayload([memoryview(noise(PART))]))
    with pytest.raises(IntegrityError):
        driver._finish_upload(record, [part], _options(), {"md5": "0" * 32})
    assert not model.buckets["box"].live


def _options() -> Any:
    from libstore.values import WriteOptions

    return WriteOptions()


def test_url_of_a_session_is_not_logged(
    model: Model, driver: GCSDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    writer = driver.open_object("box", "big", "wb")
    writer.write(noise(3 * PART))
    shown = repr(list(driver.list_uploads("box")))
    (number,) = model.sessions
    assert number not in shown + caplog.text
    writer.close()


@pytest.mark.parametrize("fault", [0, BUSY], ids=["done", "not done"])
@pytest.mark.parametrize(
    "way", [{"parallel_uploads": True}, {"token": None, "key": KEY, "secret": SECRET}]
)
def test_completion_of_parallel_parts_with_lost_response_is_checked(
    model: Model, way: dict[str, Any], fault: Any
) -> None:
    if "key" in way:  # which has no other way to know what came in parts
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


# ---------------------------------------------------------------------- conditions and retries


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
            stored.told["metadata"] = {"theirs": "2"}

    model.before = meddle
    obj.update_metadata({"mine": "3"})
    assert {"mine": "3"} == stored.told["metadata"]


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


# ---------------------------------------------------------------------- tokens


@pytest.mark.parametrize("parallel", [False, True], ids=["resumable", "parallel"])
def test_expired_token_is_renewed_once_during_a_transfer(
    model: Model, parallel: bool, tmp_path: Path
) -> None:
    given: list[str] = []

    def token() -> str:
        given.append(f"token-{len(given)}")
        model.tokens = {given[-1]}
        return given[-1]

    driver = made(model, token=token, parallel_uploads=parallel)
    driver.create_container("box")
    size = BIG if parallel else PART
    driver.transfer = TransferOptions(part_size=size, multipart_threshold=size, concurrency=8)
    content = noise(20 * size)
    counter = iter(range(1_000_000))

    def expire(request: Request) -> None:
        if next(counter) == 9:
            model.tokens = set()

    model.before = expire
    driver.upload_object(content, "box", "big")
    assert ["token-0", "token-1"] == given
    counter = iter(range(1_000_000))
    driver.object("box", "big").download(tmp_path / "big")
    assert content == (tmp_path / "big").read_bytes()
    assert 3 == len(given)
    driver.close()


def test_expired_token_is_renewed_once(model: Model) -> None:
    import time

    given: list[int] = []

    def token() -> tuple[str, float]:
        given.append(1)
        return f"token-{len(given)}", time.time() + (0.0 if len(given) == 1 else 3600.0)

    with made(model, token=token) as driver:
        driver.create_container("box")
        driver.object_exists("box", "a")
        driver.object_exists("box", "a")
    assert 2 == len(given)
    tokens = {one["authorization"] for one in model.headers[1:]}
    assert {"Bearer token-2"} == tokens


def test_refused_token_is_an_authentication_error(model: Model) -> None:
    model.tokens = {"another"}
    with made(model) as driver, pytest.raises(AuthenticationError) as caught:
        driver.create_container("box")
    assert (401, "authError") == (caught.value.status, caught.value.code)
    assert TOKEN not in str(caught.value) + repr(caught.value) + repr(driver)


def test_credentials_of_google_auth_are_refreshed_by_the_transport(model: Model) -> None:
    server = Server(default=answer(b'{"access_token": "fresh", "expires_in": 3600}'))
    given = credentials()
    given.token = None
    given.expiry = None
    given._token_uri = f"{server.url}/token"
    model.tokens = {"fresh"}
    with made(model, token=None, credentials=given) as driver:
        driver.create_container("box")
    (seen,) = server.seen
    assert b"assertion=" in seen.body
    server.close()


def test_default_credentials_are_used(
    model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("google.auth")
    import json

    from drivers.gcs.support import account

    server = Server(default=answer(b'{"access_token": "fresh", "expires_in": 3600}'))
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**account(), "token_uri": f"{server.url}/token"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with get_driver("gcs")() as driver:
        assert not server.seen
        tokens = driver._access.tokens
        assert tokens is not None
        assert "fresh" == tokens.get()
        assert "test-project" == driver._access.project()
        assert driver.object("box", "a").sign_url().startswith("https://storage.googleapis.com/")
        assert driver.limits.min_part == BIG
    assert 1 == len(server.seen)
    server.close()
    path.unlink()
    with get_driver("gcs")() as driver, pytest.raises(CredentialsNotFoundError, match="gcloud"):
        driver.get_container("box")


def test_token_error_of_a_wrong_clock_is_reported(model: Model) -> None:
    body = b'{"error": "invalid_grant", "error_description": "Invalid JWT: Token must be short"}'
    server = Server(default=answer(body, status=400))
    given = credentials()
    given.token = None
    given.expiry = None
    given._token_uri = f"{server.url}/token"
    with made(model, token=None, credentials=given) as driver:
        with pytest.raises(AuthenticationError, match="local clock is wrong"):
            driver.create_container("box")
    server.close()


# ---------------------------------------------------------------------- what is stored


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


def test_large_copy_is_continued_until_done(model: Model, driver: GCSDriver) -> None:
    model.write("box", "a", noise(9 * 1024 * 1024), {"metadata": {"k": "v"}}, {})
    copied = driver.object("box", "a").copy("box", "b")
    assert 3 == sum("rewriteTo" in line for line in model.seen)
    assert {"k": "v"} == dict(copied.metadata)


@pytest.mark.parametrize("way", [{}, {"token": None, "key": KEY, "secret": SECRET}])
def test_bucket_is_deleted_with_its_versions(
    model: Model, driver: GCSDriver, way: dict[str, Any]
) -> None:
    driver.create_container("kept", extra={"versioning": True, "location": "EU"})
    model.before = Once("GET .*[?&]versions=", 5)  # an answer that breaks off
    with made(model, **way) as other:
        box = other.get_container("kept")
        for number in range(3):
            box.upload_object(str(number).encode(), "a b")
        box.upload_object(b"", "b")
        box.delete_object("b")
        box.delete()
    assert "kept" not in model.buckets


def test_upload_options_are_sent(model: Model, driver: GCSDriver) -> None:
    from datetime import datetime, timezone

    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    key = bytes(range(32))
    for size in (10, 3 * PART):
        model.seen.clear()
        driver.upload_object(
            noise(size), "box", "a", storage_class="NEARLINE",
            extra={"acl": "public-read", "custom_time": when, "kms_key": "projects/p/k"},
        )  # fmt: skip
        stored = model.buckets["box"].live["a"]
        assert ("NEARLINE", True) == (stored.told["storageClass"], stored.public)
        assert "2026-01-02T03:04:05.000000Z" == stored.told["customTime"]
        assert "kmsKeyName=projects%2Fp%2Fk" in model.seen[0]
        driver.upload_object(noise(size), "box", "secret", extra={"customer_key": key})
        with pytest.raises(StorageError):
            driver.object("box", "secret").read()
        with made(model, customer_key=key) as other:
            assert noise(size) == other.object("box", "secret").read()
            assert "customer_key" not in repr(other)


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


# ---------------------------------------------------------------------- public reading, signing


def test_objects_and_buckets_are_made_public(model: Model, driver: GCSDriver) -> None:
    import urllib.request

    model.tokens = {TOKEN}
    obj = driver.upload_object(b"1", "box", "a b/ü")
    assert f"{model.url}/box/a%20b/%C3%BC" == obj.get_cdn_url()
    with urllib.request.urlopen(obj.enable_cdn()) as reply:
        assert b"1" == reply.read()
    model.buckets["box"].told["iamConfiguration"] = {"uniformBucketLevelAccess": True}
    with pytest.raises(NotSupportedError, match="uniform access"):
        obj.enable_cdn()
    model.buckets["box"].told["iamConfiguration"] = {"publicAccessPrevention": "enforced"}
    with pytest.raises(AccessDeniedError, match="public access prevention"):
        obj.container.enable_cdn()
    text = "One or more users named in the policy do not belong to a permitted customer."
    model.before = Once(
        "(PUT|POST) .*/(iam|acl)", RefusedError(412, "conditionNotMet", text), times=2
    )
    for enable in (obj.container.enable_cdn, obj.enable_cdn):
        with pytest.raises(AccessDeniedError, match="organisation"):
            enable()


def test_hmac_key_makes_objects_public_by_acls(model: Model) -> None:
    with made(model, token=None, key=KEY, secret=SECRET) as driver:
        assert isinstance(driver, GCSDriver)
        box = driver.create_container("box")
        box.upload_object(b"1", "a")
        box.enable_cdn()
        assert model.buckets["box"].live["a"].public
        assert model.buckets["box"].default_public


def test_iam_signs_where_there_is_no_private_key(model: Model) -> None:
    from libstore.auth.google import AccountSigner

    server = Server(default=answer(b'{"signedBlob": "c2lnbmVk"}'))
    with made(model, signing_account="me@p.iam.gserviceaccount.com") as driver:
        signer = driver._access.url_signer
        assert isinstance(signer, AccountSigner)
        signer._iam = server.url
        url = driver.object("box", "a").sign_url()
    assert url.endswith("&X-Goog-Signature=" + b"signed".hex())
    (seen,) = server.seen
    assert "/v1/projects/-/serviceAccounts/me@p.iam.gserviceaccount.com:signBlob" == seen.target
    assert ("authorization", f"Bearer {TOKEN}") in seen.headers
    server.close()


# ---------------------------------------------------------------------- errors


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


def test_wrong_hmac_key_is_reported(model: Model) -> None:
    for key, secret in ((KEY, "wrong-secret"), ("WRONG", SECRET)):
        with made(model, token=None, key=key, secret=secret) as driver:
            with pytest.raises(AuthenticationError) as caught:
                driver.create_container("box")
            assert 403 == caught.value.status
            assert secret not in str(caught.value) + repr(driver)


def test_invalid_settings_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gcs = get_driver("gcs")
    for options in (
        {"key": "k", "secret": "s", "token": "t"},
        {"token": "t", "endpoint": "http://example.com"},
        {"token": "t", "endpoint": "https://example.com?x"},
        {"token": "t", "customer_key": b"short"},
        {"token": "t", "customer_key": bytes(32), "kms_key": "k"},
        {"credentials": object()},
        {"token": 5},
        {"token": "t", "timeout": 0},
    ):
        with pytest.raises(InvalidOptionError):
            gcs(**options)
    with pytest.raises(CredentialsNotFoundError):
        gcs(service_account="/nowhere/key.json")
    with pytest.raises(CredentialsNotFoundError) as caught:
        gcs("me@p.iam.gserviceaccount.com", "-----BEGIN PRIVATE KEY-----\nsecret")
    assert "nsecret" not in str(caught.value)
    with pytest.raises(InvalidOptionError, match="project="), gcs(token="t") as driver:
        driver.create_container("box-of-nobody")


def test_driver_without_secrets_is_pickled(tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    import json
    import pickle

    from drivers.gcs.support import account

    path = tmp_path / "key.json"
    path.write_text(json.dumps(account()))
    with get_driver("gcs")(service_account=path) as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert isinstance(again, GCSDriver)
        assert "test-project" == again._access.project()
        again.close()
    with get_driver("gcs")(KEY, SECRET) as driver, pytest.raises(NotSupportedError):
        pickle.dumps(driver)
    with get_driver("gcs")(KEY, SECRET, pickle_secret=True) as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert type(driver) is type(again)
        again.close()
