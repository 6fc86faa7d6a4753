"""Copies whose source or target changes meanwhile, and what a copy sets anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from drivers.rich_server import ETAG, GENERATION, RichServer, Sent, missing
from drivers.service_errors import error_of
from rest.test_requests import MAKERS, patient, served

from libstore import ObjectAlreadyExistsError, ObjectChangedError, StorageDriver

if TYPE_CHECKING:
    from scripted import Play

_OBJECT = "/storage/v1/b/bucket/o/name"
#: What each service responds with where a condition of a copy does not hold.
REFUSED: Mapping[str, tuple[str, int]] = {
    "s3": ("PreconditionFailed", 412),
    "gcs": ("conditionNotMet", 412),
}


@pytest.fixture
def server(label: str) -> Iterator[RichServer]:
    server = served(label)
    yield server
    server.close()


@pytest.fixture
def driver(label: str, server: RichServer) -> Iterator[StorageDriver]:
    with MAKERS[label](server.url) as driver:
        yield patient(driver)


def is_copy(sent: Sent) -> bool:
    return "x-amz-copy-source" in sent.headers or "rewriteTo" in sent.path


@pytest.mark.parametrize("label", REFUSED)
@pytest.mark.parametrize("replaced", [True, False], ids=["source", "target"])
def test_refused_copy_says_which_condition_does_not_hold(
    label: str, server: RichServer, driver: StorageDriver, replaced: bool
) -> None:
    """The response is the same for the source's condition and for the target's."""
    respond = server.respond
    refused: list[Sent] = []

    def before(sent: Sent) -> Play:
        if is_copy(sent):
            refused.append(sent)
            return error_of(label, *REFUSED[label])
        found = respond(sent)
        if refused and replaced:
            for old, new in ((f'"{ETAG}"', '"other"'), (f'"{GENERATION}"', '"18"')):
                found.data = found.data.replace(old.encode(), new.encode())
        return found

    server.before = before
    obj = driver.object("bucket", "name")
    kind = ObjectChangedError if replaced else ObjectAlreadyExistsError
    with pytest.raises(kind):
        driver.copy_object(obj, "bucket", "copy", content_type="text/x-new", if_absent=True)
    assert 1 == len(refused)


@pytest.mark.parametrize(
    ("label", "extra", "line"),
    [
        ("s3", {"acl": "public-read"}, "PUT /bucket/copy | x-amz-acl: public-read"),
        (
            "gcs",
            {"acl": "public-read"},
            f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy?destinationPredefinedAcl=publicRead",
        ),
        ("gcs-hmac", {"acl": "public-read"}, "PUT /bucket/copy | x-goog-acl: public-read"),
        (
            "gcs",
            {"kms_key": "k"},
            f"POST {_OBJECT}/rewriteTo/b/bucket/o/copy?destinationKmsKeyName=k",
        ),
    ],
)
def test_copy_sends_its_own_options(
    server: RichServer, driver: StorageDriver, extra: dict[str, Any], line: str
) -> None:
    driver.copy_object(driver.object("bucket", "name"), "bucket", "copy", extra=extra)
    assert [] == missing(server, line), server.requested


@pytest.mark.parametrize("label", ["s3"])
@pytest.mark.parametrize(
    ("encryption", "sent"),
    [
        (None, "x-amz-server-side-encryption: aws:kms | {key}: key"),
        ("AES256", "x-amz-server-side-encryption: AES256 | !{key}"),
    ],
)
def test_metadata_change_keeps_the_encryption_unless_the_driver_has_its_own(
    label: str, server: RichServer, encryption: str | None, sent: str
) -> None:
    """S3 changes metadata by a copy, which is encrypted anew."""
    key = "x-amz-server-side-encryption-aws-kms-key-id"
    respond = server.respond

    def before(sent: Sent) -> Play:
        found = respond(sent)
        if sent.method == "HEAD":
            kept = f"\r\nx-amz-server-side-encryption: aws:kms\r\n{key}: key\r\n\r\n"
            found.data = found.data.replace(b"\r\n\r\n", kept.encode())
        return found

    server.before = before
    options = {} if encryption is None else {"encryption": encryption}
    with MAKERS[label](server.url, **options) as driver:
        patient(driver).update_metadata(driver.object("bucket", "name"), {"new": "1"})
    assert [] == missing(server, f"PUT /bucket/name | {sent.format(key=key)}"), server.requested


def change_metadata(driver: StorageDriver) -> object:
    obj = driver.object("bucket", "name")
    return driver.update_metadata(obj, {"new": "1"}, content_type="text/x-new")


def copy_onto_itself(driver: StorageDriver) -> object:
    obj = driver.object("bucket", "name")
    return obj.copy("bucket", "name", metadata={"new": "1"}, content_type="text/x-new")


@pytest.mark.parametrize("label", ["azure"])
@pytest.mark.parametrize("change", [change_metadata, copy_onto_itself])
def test_content_type_is_changed_only_if_nothing_changed_since_the_metadata(
    server: RichServer, driver: StorageDriver, change: Callable[[StorageDriver], object]
) -> None:
    """Azure changes the two by two requests, and the blob has another ETag than the first set."""
    with pytest.raises(ObjectChangedError):
        change(driver)
    changed = [sent.query["comp"] for sent in server.requested if sent.method == "PUT"]
    assert ["metadata"] == changed
