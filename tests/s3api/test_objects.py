"""The requests that the S3 driver sends."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libstore import Container, NotSupportedError, StorageDriver, TransferOptions, get_driver
from libstore.http.xml import read_listing
from libstore.testing.names import has_dots
from servers.s3_recorder import CONTENT, Recorder

PART = 5 * 1024 * 1024


@pytest.fixture
def driver(recorder: Recorder) -> Iterator[StorageDriver]:
    with get_driver("s3")("AKID", "secret", endpoint=recorder.url) as driver:
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART)
        yield driver


@pytest.fixture
def container(driver: StorageDriver) -> Container:
    return driver.object("bucket", "any").container


# ---------------------------------------------------------------------- how many


def test_operations_send_no_extra_requests(recorder: Recorder, container: Container) -> None:
    """A small put, a read, a page, a delete, a batch, a copy, a first byte: one request each."""
    container.upload_object(CONTENT, "a")
    assert recorder.methods == ["PUT"]
    recorder.seen.clear()
    assert container.read_object("a") == CONTENT
    assert recorder.methods == ["GET"]
    recorder.seen.clear()
    assert len(container.list_objects()[:20]) == 20
    assert recorder.methods == ["GET"]
    assert "max-keys=20" in recorder.seen[0][1]
    recorder.seen.clear()
    container.delete_object("a")
    assert recorder.methods == ["DELETE"]
    recorder.seen.clear()
    container.delete_objects([f"name {number}" for number in range(1000)])
    assert recorder.methods == ["POST"]
    recorder.seen.clear()
    container.object("a").copy(container, "b")
    assert recorder.methods == ["PUT"]
    recorder.seen.clear()
    with container.open("a", "rb") as file:
        assert file.read(1) == CONTENT[:1]
    assert recorder.methods == ["GET"]
    recorder.seen.clear()
    container.upload_object(bytes(3 * PART - 1), "large")
    assert recorder.methods == ["POST", "PUT", "PUT", "PUT", "POST"]


# ---------------------------------------------------------------------- which bytes

_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
_AWKWARD = (
    ".", "..", "../other/secret", "a/../b", "//", "/a", "a/", "%2e%2e", "%2F", "a+b c",
    "a?b=c#d&e",
    "\0", "\r\n", "\t", "\x7f", "\x85", "\ufffe", "😀", "ä/日本", "~", "'\"<>&;:@$,!*()[]{}|\\^`",
)  # fmt: skip


def check_name(recorder: Recorder, container: Container, name: str) -> None:
    recorder.seen.clear()
    recorder.bodies.clear()
    container.upload_object(CONTENT, name)
    container.read_object(name)
    container.get_object(name)
    container.object(name).copy(container, "copy")
    container.delete_object(name)
    container.delete_objects([name])
    target = f"/bucket/{quote(name, safe='/')}"
    methods = ["PUT", "GET", "HEAD", "PUT", "DELETE"]
    assert methods == recorder.methods[:5]
    targets = [path for _, path, _ in recorder.seen]
    assert [target, target, target, "/bucket/copy", target] == targets[:5]
    assert recorder.seen[3][2]["x-amz-copy-source"] == target
    if recorder.seen[5][0] == "POST":
        document = read_listing(recorder.bodies[5], {"Object"})
        assert [("Object", {"Key": name})] == list(document.rows)
    else:
        assert ("DELETE", target) == recorder.seen[5][:2]
    if has_dots(name):
        with pytest.raises(NotSupportedError):
            container.object(name).sign_url()
        return
    signed = container.object(name).sign_url()
    path = signed.removeprefix(container.driver._client.endpoint.place(None, "x").url)
    assert unquote(path.partition("?")[0]) == f"/bucket/{name}"


@pytest.mark.parametrize("name", _AWKWARD)
def test_awkward_name_is_encoded_exactly(
    recorder: Recorder, container: Container, name: str
) -> None:
    check_name(recorder, container, name)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=_names)
def test_any_name_is_encoded_exactly(recorder: Recorder, container: Container, name: str) -> None:
    check_name(recorder, container, name)


# ---------------------------------------------------------------------- which headers


def test_driver_settings_are_sent_with_requests(recorder: Recorder) -> None:
    """Encryption, who pays and ACLs are headers of the requests that they are for."""
    with get_driver("s3")(
        "AKID", "secret", endpoint=recorder.url, encryption="aws:kms", kms_key="a-key",
        acl="public-read", requester_pays=True,
    ) as driver:  # fmt: skip
        obj = driver.upload_object(CONTENT, "bucket", "a", storage_class="STANDARD_IA")
        obj.read()
    put, get = (headers for _, _, headers in recorder.seen)
    assert put["x-amz-server-side-encryption"] == "aws:kms"
    assert put["x-amz-server-side-encryption-aws-kms-key-id"] == "a-key"
    assert put["x-amz-acl"] == "public-read"
    assert put["x-amz-storage-class"] == "STANDARD_IA"
    assert put["x-amz-request-payer"] == get["x-amz-request-payer"] == "requester"
    assert "x-amz-acl" not in get


def test_customer_key_is_sent_for_source_and_target_of_a_copy(recorder: Recorder) -> None:
    with get_driver("s3")(
        "AKID", "secret", endpoint=recorder.url, customer_key=bytes(32)
    ) as driver:
        obj = driver.upload_object(CONTENT, "bucket", "a")
        obj.read()
        obj.copy("bucket", "b")
    put, get, copy = (headers for _, _, headers in recorder.seen)
    for headers in (put, get, copy):
        assert headers["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
        assert headers["x-amz-server-side-encryption-customer-key"] == "A" * 43 + "="
    assert "x-amz-copy-source-server-side-encryption-customer-key" in copy


def test_body_is_signed_over_plain_http(recorder: Recorder, container: Container) -> None:
    """A digest of the body is part of the signature, and there is only one."""
    container.upload_object(CONTENT, "a", metadata={"note": "grüße", "plain": " edges "})
    headers = recorder.seen[0][2]
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert "SignedHeaders=content-md5;" in headers["authorization"]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert headers["x-amz-meta-note"] == "=?UTF-8?B?Z3LDvMOfZQ==?="
    assert headers["x-amz-meta-plain"].startswith("=?UTF-8?B?")


def test_anonymous_requests_are_not_signed(recorder: Recorder) -> None:
    with get_driver("s3")(anonymous=True, endpoint=recorder.url) as driver:
        assert driver.object("bucket", "a").read() == CONTENT
    assert "authorization" not in recorder.seen[0][2]
