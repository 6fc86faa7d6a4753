"""Blobs that are encrypted with a scope or a customer-provided key."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from drivers.azure.fake import FakeAzure, FakeResponse, Sent, error, fake_azure

from libstore import ObjectError, RetryPolicy, get_driver
from libstore.drivers.azure import AzureDriver

KEY = base64.b64encode(b"a key that nobody knows").decode()
SECRET = b"k" * 32
CONTENT = b"The quick brown fox jumps over the lazy dog.\n"


class Encrypted(FakeAzure):
    """A service that wants to hear again how a blob is encrypted, as Azure does."""

    how: str = ""

    def respond(self, sent: Sent) -> FakeResponse:
        key_id = sent.headers.get("x-ms-encryption-scope", "")
        key_id = key_id or sent.headers.get("x-ms-encryption-key-sha256", "")
        comp, there = sent.query.get("comp", ""), sent.path in self.blobs
        scoped = self.how.startswith("scope")
        if there and comp == "metadata" and key_id != self.how:
            return error(409, "BlobUsesCustomerSpecifiedEncryption")
        if there and comp == "properties" and key_id != ("" if scoped else self.how):
            return error(409, "BlobUsesCustomerSpecifiedEncryption")
        if there and sent.method in {"GET", "HEAD"} and key_id != ("" if scoped else self.how):
            return error(409, "BlobUsesCustomerSpecifiedEncryption")
        status, headers, body = super().respond(sent)
        if sent.method == "PUT" and comp in {"", "blocklist"} and status < 300:
            self.how = key_id
        if sent.method == "HEAD" and scoped:
            headers = {**headers, "x-ms-encryption-scope": self.how}
        return status, headers, body


@pytest.fixture
def service() -> Iterator[FakeAzure]:
    with fake_azure(Encrypted()) as service:
        yield service


def made(service: FakeAzure, **options: Any) -> AzureDriver:
    return get_driver("azure")(
        key=KEY, endpoint=service.url, retry=RetryPolicy(2, base=0.0), **options
    )


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        ({}, {}),
        ({"encryption_scope": "scope1"}, {}),
        ({}, {"encryption_scope": "scope2"}),
        ({"encryption_scope": "scope1"}, {"encryption_scope": "scope2"}),
        ({"customer_key": SECRET}, {}),
    ],
)
def test_metadata_of_an_encrypted_blob_can_be_changed(
    service: FakeAzure, options: dict[str, Any], extra: dict[str, Any]
) -> None:
    """A change of metadata needs the scope, which is read from the blob."""
    with made(service, **options) as driver:
        obj = driver.upload_object(CONTENT, "box", "a", metadata={"a": "1"}, extra=extra)
        assert dict(obj.update_metadata({"b": "2"}).metadata) == {"b": "2"}
        assert obj.update_metadata(content_type="text/x-b").content_type == "text/x-b"
        both = obj.update_metadata({"c": "3"}, content_type="text/x-c")
        assert (dict(both.metadata), both.content_type) == ({"c": "3"}, "text/x-c")


def test_metadata_of_a_blob_without_the_drivers_scope_can_be_changed(service: FakeAzure) -> None:
    with made(service) as owner, made(service, encryption_scope="scope1") as driver:
        owner.upload_object(CONTENT, "box", "a")
        assert dict(driver.object("box", "a").update_metadata({"b": "2"}).metadata) == {"b": "2"}


def test_change_of_metadata_sends_no_extra_requests(service: FakeAzure) -> None:
    with made(service, encryption_scope="scope1") as driver:
        obj = driver.upload_object(CONTENT, "box", "a")
        service.seen.clear()
        obj.update_metadata({"a": "1"})
        assert ["PUT", "HEAD"] == [sent.method for sent in service.seen]


def test_metadata_cannot_be_changed_without_the_key(service: FakeAzure) -> None:
    with made(service, customer_key=SECRET) as owner, made(service) as driver:
        owner.upload_object(CONTENT, "box", "a")
        with pytest.raises(ObjectError, match="customer_key="):
            driver.object("box", "a").update_metadata({"a": "1"})


@pytest.mark.parametrize("options", [{"encryption_scope": "scope1"}, {}])
def test_a_scope_stays_when_a_tier_changes(service: FakeAzure, options: dict[str, Any]) -> None:
    """A copy onto itself is how a tier changes; Copy Blob would leave the scope behind."""
    with made(service, **options) as driver:
        obj = driver.upload_object(CONTENT, "box", "a", extra={"encryption_scope": "scope1"})
        obj.copy("box", "a", storage_class="Cool")
        assert isinstance(service, Encrypted)
        assert (service.how, obj.read()) == ("scope1", CONTENT)


def test_lost_upload_with_a_scope_is_checked_without_the_customer_key(
    service: FakeAzure,
) -> None:
    """A request with a key fails for a blob that has none."""

    def lose(sent: Sent) -> FakeResponse | None:
        if sent.method != "PUT":
            return None
        service.guard = lambda _: None
        service.respond(sent)
        return error(500, "InternalError")

    service.guard = lose
    with made(service, customer_key=SECRET) as driver:
        extra = {"encryption_scope": "scope1"}
        obj = driver.upload_object(CONTENT, "box", "a", if_absent=True, extra=extra)
        assert obj.etag is not None
