"""Options of uploads, copies and buckets: encryption, ACL, tags, storage class, region."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from libstore import (
    AccessDeniedError,
    InvalidOptionError,
    InvalidTypeError,
    StorageDriver,
    StorageError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.s3 import S3Driver
from libstore.s3api.options import ObjectSettings, tag_headers
from servers.s3 import S3Server, client_of, server_among
from servers.s3_recorder import CONTENT, Recorder

KEY = bytes(range(32))
_SSE = "x-amz-server-side-encryption"


def test_write_without_options_uses_the_settings_of_the_driver() -> None:
    settings = ObjectSettings(encryption="AES256", acl="private")

    assert settings is settings.overridden({"tags": {"a": "b"}})
    assert {_SSE: "AES256", "x-amz-acl": "private"} == settings.writes


def test_key_of_a_write_replaces_the_encryption_of_the_driver() -> None:
    settings = ObjectSettings(encryption="aws:kms", kms_key="id", acl="private")
    found = settings.overridden({"customer_key": KEY})

    assert ObjectSettings(customer_key=KEY, acl="private") == found
    assert KEY.hex() not in repr(found)
    assert f"{_SSE}-customer-key" in found.reads
    assert "x-amz-copy-source-server-side-encryption-customer-key" in found.copy_source


def test_encryption_of_a_write_replaces_the_key_of_the_driver() -> None:
    found = ObjectSettings(customer_key=KEY).overridden({"encryption": "aws:kms", "kms_key": "id"})

    assert {_SSE: "aws:kms", f"{_SSE}-aws-kms-key-id": "id"} == found.writes
    assert {_SSE: "AES256"} == found.overridden({"encryption": "AES256"}).writes


@pytest.mark.parametrize(
    "extra", [{"kms_key": "id"}, {"encryption": "AES256", "customer_key": KEY}]
)
def test_encryptions_that_exclude_each_other_are_refused(extra: dict[str, object]) -> None:
    with pytest.raises(InvalidOptionError):
        ObjectSettings().overridden(extra)


def test_requester_pays_is_in_every_request() -> None:
    settings = ObjectSettings(requester_pays=True)

    for headers in (settings.payer, settings.access, settings.reads, settings.writes):
        assert "requester" == headers["x-amz-request-payer"]


def test_tags_are_written_like_a_query() -> None:
    assert {"x-amz-tagging": "a%20b=c%26d&e="} == tag_headers({"a b": "c&d", "e": ""})
    assert {} == tag_headers({}) == tag_headers(None)


# ---------------------------------------------------------------------- extras


PART = 5 * 1024 * 1024
CUSTOMER = "x-amz-server-side-encryption-customer-"
SOURCE = "x-amz-copy-source-server-side-encryption-customer-"


def made(recorder: Recorder, **options: Any) -> S3Driver:
    driver = S3Driver("AKID", "secret", endpoint=recorder.url, **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
    return driver


@pytest.fixture
def driver(recorder: Recorder) -> Iterator[S3Driver]:
    with made(recorder) as driver:
        yield driver


def headers(recorder: Recorder) -> list[dict[str, str]]:
    return [sent for _, _, sent in recorder.seen]


# ---------------------------------------------------------------------- sent


def test_put_sends_its_own_options(recorder: Recorder, driver: S3Driver) -> None:
    extra = {
        "acl": "bucket-owner-full-control",
        "encryption": "aws:kms",
        "kms_key": "alias/mine",
        "tags": {"colour": "red & blue", "ä+b": ""},
    }
    driver.upload_object(CONTENT, "bucket", "a", extra=extra)
    (sent,) = headers(recorder)
    assert sent["x-amz-acl"] == "bucket-owner-full-control"
    assert sent["x-amz-server-side-encryption"] == "aws:kms"
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/mine"
    assert sent["x-amz-tagging"] == "colour=red%20%26%20blue&%C3%A4%2Bb="


def test_multipart_upload_sends_its_own_options_at_the_start(
    recorder: Recorder, driver: S3Driver
) -> None:
    """A key of the customer's goes along with every part, and only with those of this upload."""
    extra = {"customer_key": KEY, "tags": {"a": "b"}, "acl": "private"}
    driver.upload_object(bytes(PART + 1), "bucket", "a", extra=extra, storage_class="GLACIER")
    start, *parts, complete = headers(recorder)
    assert ("a=b", "private", "GLACIER") == (
        start["x-amz-tagging"], start["x-amz-acl"], start["x-amz-storage-class"],
    )  # fmt: skip
    for sent in (start, *parts, complete):
        assert b64encode(KEY).decode() == sent[f"{CUSTOMER}key"]
    assert 2 == len(parts)
    assert all("x-amz-tagging" not in sent and "x-amz-acl" not in sent for sent in parts)
    recorder.seen.clear()
    driver.upload_object(bytes(PART + 1), "bucket", "a")
    assert all(f"{CUSTOMER}key" not in sent for sent in headers(recorder))


def test_options_of_a_finished_upload_are_forgotten(recorder: Recorder, driver: S3Driver) -> None:
    driver.upload_object(bytes(PART + 1), "bucket", "a", extra={"customer_key": KEY})
    with pytest.raises(ZeroDivisionError):
        driver.upload_object(
            (bytes(PART) if number else 1 // number for number in (1, 1, 0)),
            "bucket", "a", extra={"customer_key": KEY},
        )  # fmt: skip
    assert not driver._uploads._open


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {"x-amz-server-side-encryption": "aws:kms", "x-amz-acl": "private"}),
        ({"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        ({"encryption": None}, {}),
        ({"acl": None}, {"x-amz-server-side-encryption-aws-kms-key-id": "a-key"}),
        ({"kms_key": "b"}, {"x-amz-server-side-encryption-aws-kms-key-id": "b"}),
        ({"customer_key": KEY}, {f"{CUSTOMER}algorithm": "AES256"}),
    ],
)
def test_options_of_an_upload_replace_those_of_the_driver(
    recorder: Recorder, extra: dict[str, object], expected: dict[str, str]
) -> None:
    """One way to encrypt takes the place of any other; the key of another goes with it."""
    with made(recorder, encryption="aws:kms", kms_key="a-key", acl="private") as driver:
        driver.upload_object(CONTENT, "bucket", "a", extra=extra)
    (sent,) = headers(recorder)
    assert expected.items() <= sent.items()
    kms = "x-amz-server-side-encryption-aws-kms-key-id"
    assert (kms in sent) == (sent.get("x-amz-server-side-encryption") == "aws:kms")
    if "customer_key" in extra or extra == {"encryption": None}:
        assert "x-amz-server-side-encryption" not in sent
    if extra == {"acl": None}:
        assert "x-amz-acl" not in sent


def test_copy_sends_its_own_options_on_s3(recorder: Recorder) -> None:
    """Its source is read with the driver's key, the copy is written with its own."""
    with made(recorder, customer_key=bytes(32)) as driver:
        driver.object("bucket", "a").copy(
            "bucket", "b", storage_class="STANDARD_IA",
            extra={"customer_key": KEY, "tags": {"a": "b"}, "acl": "private"},
        )  # fmt: skip
    (sent,) = headers(recorder)
    assert ("REPLACE", "a=b") == (sent["x-amz-tagging-directive"], sent["x-amz-tagging"])
    assert ("STANDARD_IA", "private") == (sent["x-amz-storage-class"], sent["x-amz-acl"])
    assert b64encode(KEY).decode() == sent[f"{CUSTOMER}key"]
    assert "A" * 43 + "=" == sent[f"{SOURCE}key"]
    assert "x-amz-metadata-directive" not in sent


def test_tags_can_be_removed_by_a_copy(recorder: Recorder, driver: S3Driver) -> None:
    driver.object("bucket", "a").copy("bucket", "b", extra={"tags": {}})
    (sent,) = headers(recorder)
    assert "REPLACE" == sent["x-amz-tagging-directive"]
    assert "x-amz-tagging" not in sent


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"storage_class": "GLACIER"}, "x-amz-storage-class", "GLACIER"),
        ({"extra": {"tags": {"a": "b"}}}, "x-amz-tagging", "a=b"),
        ({"extra": {"encryption": "AES256"}}, "x-amz-server-side-encryption", "AES256"),
    ],
)
def test_a_copy_onto_itself_changes_how_an_object_is_kept(
    recorder: Recorder, driver: S3Driver, options: dict[str, Any], header: str, value: str
) -> None:
    driver.object("bucket", "a").copy("bucket", "a", **options)
    _, copy = headers(recorder)
    assert recorder.methods == ["HEAD", "PUT"]
    assert (value, "REPLACE") == (copy[header], copy["x-amz-metadata-directive"])


def test_bucket_creation_sends_its_options(recorder: Recorder, driver: S3Driver) -> None:
    """Where all regions have one host, the body says which is meant."""
    recorder.status["HEAD"] = 404
    extra = {"region": "eu-west-1", "ownership": "ObjectWriter", "acl": "public-read"}
    container = driver.create_container("bucket", extra=extra)
    sent = headers(recorder)[-1]
    assert ("ObjectWriter", "public-read") == (sent["x-amz-object-ownership"], sent["x-amz-acl"])
    assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in recorder.bodies[-1]
    assert "/us-east-1/s3/" in sent["authorization"]
    assert "eu-west-1" == container.extra["region"]


def test_bucket_is_created_in_the_given_region() -> None:
    driver = S3Driver("AKID", "secret", region="eu-west-1")
    requested: list[tuple[str, bytes | None]] = []

    def send(operation: object, name: str, **rest: Any) -> Any:
        requested.append((driver._client._places[name].url, rest["content"]))
        raise AccessDeniedError("no")

    driver._client.send = send
    with pytest.raises(AccessDeniedError):
        driver.create_container("bucket", extra={"region": "ap-south-1"})
    ((url, body),) = requested
    assert "https://bucket.s3.ap-south-1.amazonaws.com" == url
    assert body is not None
    assert b"ap-south-1" in body
    assert "eu-west-1" == driver._client.known_region("bucket")


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "extra",
    [
        {"acl": "pubic-read"},
        {"encryption": "rot13"},
        {"kms_key": "a-key"},
        {"kms_key": ""},
        {"kms_key": "ü", "encryption": "aws:kms"},
        {"kms_key": "a", "encryption": "AES256"},
        {"customer_key": b"short"},
        {"customer_key": "x" * 32},
        {"customer_key": KEY, "encryption": "AES256"},
        {"tags": "a=b"},
        {"tags": {"a": 1}},
        {"tags": {1: "a"}},
        {"tags": {"": "a"}},
        {"tags": {"k" * 129: "a"}},
        {"tags": {"a": "v" * 257}},
        {"tags": {str(number): "" for number in range(11)}},
        {"nobody": "knows"},
        {"region": "eu-west-1"},
    ],
)
def test_invalid_options_are_refused_before_a_request(
    recorder: Recorder, driver: S3Driver, extra: dict[str, object]
) -> None:
    for size in (1, PART + 1):
        with pytest.raises((InvalidOptionError, InvalidTypeError)):
            driver.upload_object(bytes(size), "bucket", "a", extra=extra)
    with pytest.raises((InvalidOptionError, InvalidTypeError)):
        driver.object("bucket", "a").copy("bucket", "b", extra=extra)
    assert not recorder.seen


@pytest.mark.parametrize(
    "extra", [{"region": "EU!"}, {"ownership": "mine"}, {"acl": 1}, {"tags": {}}]
)
def test_invalid_bucket_options_are_refused(
    recorder: Recorder, driver: S3Driver, extra: dict[str, object]
) -> None:
    with pytest.raises(InvalidOptionError):
        driver.create_container("bucket", extra=extra)
    assert not recorder.seen


@pytest.mark.parametrize("label", ["acl", "encryption", "kms_key", "customer_key"])
def test_invalid_driver_settings_are_refused(label: str) -> None:
    with pytest.raises(StorageError):
        S3Driver("AKID", "secret", **{label: "ü"})


# ---------------------------------------------------------------------- kept


server = server_among("seaweedfs", "moto")


@pytest.fixture
def client(server: S3Server) -> Any:
    return client_of(server)


@pytest.fixture
def real(server: S3Server) -> Iterator[StorageDriver]:
    with get_driver("s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.mark.parametrize("size", [7, PART + 1])
def test_a_server_keeps_tags_and_class(real: StorageDriver, client: Any, size: int) -> None:
    """In one piece and in parts, and a copy has them or its own."""
    container = real.create_container(f"libstore-{uuid.uuid4().hex}")
    tags = {"colour": "red = blue/+@", "b c": "d"}
    obj = container.upload_object(
        bytes(size), "a b", storage_class="STANDARD_IA", extra={"tags": tags}
    )
    obj.copy(container, "same")
    obj.copy(container, "other", extra={"tags": {"x": "y"}}, storage_class="ONEZONE_IA")

    def tags_of(name: str) -> dict[str, str]:
        response = client.get_object_tagging(Bucket=container.name, Key=name)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in response}

    assert [tags, tags, {"x": "y"}] == [tags_of(name) for name in ("a b", "same", "other")]
    assert ["STANDARD_IA", "ONEZONE_IA"] == [
        container.get_object(name).storage_class for name in ("a b", "other")
    ]
    container.delete()


def test_customer_key_is_required_for_reading(server: S3Server) -> None:
    """What was written with it is read by a driver that was made with it, whole and in parts."""
    make = get_driver("s3")
    with (
        make(server.key, server.secret, endpoint=server.endpoint) as without,
        make(server.key, server.secret, endpoint=server.endpoint, customer_key=KEY) as having,
    ):
        without.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        container = without.create_container(f"libstore-{uuid.uuid4().hex}")
        large = bytes(range(256)) * (PART // 200)
        container.upload_object(CONTENT, "small", extra={"customer_key": KEY})
        container.upload_object(large, "large", extra={"customer_key": KEY})
        assert CONTENT == having.object(container.name, "small").read()
        assert large == having.object(container.name, "large").read()
        container.delete()
