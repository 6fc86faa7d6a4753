"""Copies by the service: pending, from URLs, between accounts; and tokens that expire."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

import pytest
from drivers.azure.fake import FakeAzure, FakeResponse, Sent, error, fake_azure

from libstore import (
    AuthenticationError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    RetryPolicy,
    ServiceError,
    TransferCancelledError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.azure import AzureDriver, copying
from libstore.drivers.memory import MemoryDriver
from libstore.rest import errors
from libstore.rest.copying import copy_in_parts

KEY = base64.b64encode(b"a key that nobody knows").decode()
CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
PART = 64 * 1024


@pytest.fixture
def service() -> Iterator[FakeAzure]:
    with fake_azure() as service:
        yield service


def made(service: FakeAzure, **options: Any) -> AzureDriver:
    if not {"credential", "sas_token", "anonymous"} & options.keys():
        options["key"] = KEY
    driver = get_driver("azure")(
        endpoint=service.url, insecure=True, retry=RetryPolicy(2, base=0.0), **options
    )
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=4)
    driver._client.sleep = lambda seconds: None
    return driver


@pytest.fixture
def driver(service: FakeAzure) -> Iterator[AzureDriver]:
    with made(service) as driver:
        yield driver


# ---------------------------------------------------------------------- in its own time


def test_a_copy_is_waited_for(service: FakeAzure, driver: AzureDriver) -> None:
    service.copy_polls = 3
    obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
    copy = obj.copy("box", "b")
    assert CONTENT == copy.read()
    polls = [sent for sent in service.seen if sent.method == "HEAD" and sent.path.endswith("/b")]
    assert len(polls) == 3


def test_conditional_copy_has_the_metadata_of_the_version_that_it_copies(
    service: FakeAzure, driver: AzureDriver
) -> None:
    obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
    service.seen.clear()
    copy = obj.copy("box", "b", if_absent=True)
    assert {"owner": "me"} == dict(copy.metadata)
    (sent,) = [sent for sent in service.seen if sent.method == "PUT"]
    assert f'"{obj.etag}"' == sent.headers["x-ms-source-if-match"]


@pytest.mark.parametrize("ending", ["failed", "aborted", ""])
def test_failed_copy_leaves_nothing(service: FakeAzure, driver: AzureDriver, ending: str) -> None:
    service.copy_polls, service.copy_ends = 2, ending
    obj = driver.upload_object(CONTENT, "box", "a")
    with pytest.raises(ServiceError, match=ending or "did not complete"):
        obj.copy("box", "b")
    assert not driver.object_exists("box", "b")


def test_a_copy_that_is_interrupted_is_aborted(service: FakeAzure, driver: AzureDriver) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    service.copy_polls = 100
    driver._client.sleep = interrupt
    obj = driver.upload_object(CONTENT, "box", "a")
    with pytest.raises(KeyboardInterrupt):
        obj.copy("box", "b")
    (abort,) = service.requested("copy")
    assert abort.headers["x-ms-copy-action"] == "abort"
    assert not driver.object_exists("box", "b")


def test_a_copy_that_is_cancelled_is_aborted(service: FakeAzure, driver: AzureDriver) -> None:
    """Neither waiting for the service nor its reading of blocks goes on, and nothing is left."""
    cancel = threading.Event()
    service.copy_polls = 1_000
    obj = driver.upload_object(CONTENT, "box", "a")
    driver._client.sleep = lambda seconds: cancel.set()
    with pytest.raises(TransferCancelledError):
        driver.copy_object(obj, "box", "b", cancel=cancel)
    assert service.requested("copy")
    service.guard = lambda sent: cancel.set() if sent.method == "HEAD" else None
    cancel.clear()
    with pytest.raises(TransferCancelledError):
        driver.copy_object(obj, "box", "b", content_type="text/x-b", cancel=cancel)
    assert (["/account/box/a"], {}) == (list(service.blobs), service.blocks)


@pytest.mark.parametrize("ending", ["failed", "interrupted"])
def test_leftover_of_a_copy_is_deleted_with_its_etag(
    service: FakeAzure, driver: AzureDriver, ending: str
) -> None:
    """A blob that another client writes between the check and the deletion stays."""

    def overwrite(sent: Sent) -> FakeResponse | None:
        if sent.method == "DELETE":
            service.guard = lambda sent: None
            driver.upload_object(b"theirs", "box", "b")
        return None

    def interrupt(seconds: float) -> None:
        if ending == "interrupted":
            raise KeyboardInterrupt

    service.guard = overwrite
    service.copy_polls, service.copy_ends = 2, "failed"
    driver._client.sleep = interrupt
    obj = driver.upload_object(CONTENT, "box", "a")
    with pytest.raises((ObjectChangedError, ServiceError, KeyboardInterrupt)):
        obj.copy("box", "b")
    assert b"theirs" == driver.object("box", "b").read()


def test_missing_source_is_reported(driver: AzureDriver) -> None:
    with pytest.raises(ObjectNotFoundError):
        driver.object("box", "missing").copy("box", "b")


def test_copy_that_was_overwritten_is_reported(service: FakeAzure, driver: AzureDriver) -> None:
    def overwrite(seconds: float) -> None:
        driver.upload_object(b"theirs", "box", "b")

    service.copy_polls = 100
    obj = driver.upload_object(CONTENT, "box", "a")
    driver._client.sleep = overwrite
    with pytest.raises(ObjectChangedError):
        obj.copy("box", "b")
    assert driver.object("box", "b").read() == b"theirs"


def test_copy_onto_itself_copies_no_content(service: FakeAzure, driver: AzureDriver) -> None:
    obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
    service.seen.clear()
    assert obj.copy("box", "a").etag == obj.etag
    assert ["HEAD"] == [sent.method for sent in service.seen]
    with pytest.raises(ObjectAlreadyExistsError):
        obj.copy("box", "a", if_absent=True)
    driver.copy_object(obj, "box", "a", extra={"access_tier": "Cool"})
    assert service.seen[-1].headers["x-ms-access-tier"] == "Cool"
    # A write of another client after the copy of the blocks would be undone.
    driver.copy_object(obj, "box", "a", content_type="text/x-c", extra={"access_tier": "Hot"})
    assert not service.requested("block")
    found = driver.get_object("box", "a")
    assert ("text/x-c", {"owner": "me"}) == (found.content_type, dict(found.metadata))


# ---------------------------------------------------------------------- from a URL


def test_metadata_is_removed_in_the_copy_request(service: FakeAzure, driver: AzureDriver) -> None:
    """The service reads the blob by a signed URL; the copy keeps all else, and the hash."""
    obj = driver.upload_object(
        CONTENT, "box", "a b", metadata={"owner": "me"}, cache_control="no-cache"
    )
    service.seen.clear()
    copy = obj.copy("box", "b", metadata={}, content_type="text/x-b")
    found = driver.get_object("box", "b")
    assert ("text/x-b", {}, "no-cache") == (
        found.content_type, dict(found.metadata), found.extra["cache_control"],
    )  # fmt: skip
    assert (CONTENT, hashlib.md5(CONTENT).hexdigest()) == (copy.read(), found.object_hash)
    (block,) = service.requested("block")
    assert "sig=" in block.headers["x-ms-copy-source"]
    assert block.headers["x-ms-source-if-match"] == f'"{obj.etag}"'
    assert block.headers["x-ms-source-range"] == f"bytes=0-{len(CONTENT) - 1}"


def test_a_large_copy_goes_in_blocks(
    service: FakeAzure, driver: AzureDriver, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr("libstore.rest.copying.PART_SIZE", 1000)
    content = bytes(range(256)) * 40
    obj = driver.upload_object(content, "box", "a")
    copy = obj.copy("box", "b", metadata={})
    assert content == copy.read()
    assert len(service.requested("block")) == 11


def test_failed_copy_in_blocks_leaves_no_block(service: FakeAzure, driver: AzureDriver) -> None:
    obj = driver.upload_object(CONTENT, "box", "a")
    driver.upload_object(b"there", "box", "b")
    with pytest.raises(ObjectAlreadyExistsError):
        obj.copy("box", "b", metadata={}, if_absent=True)
    refuse(service, "blocklist", "InvalidInput")
    with pytest.raises(ServiceError):
        obj.copy("box", "c", metadata={})
    assert "/account/box/c" not in service.blocks


def refuse(service: FakeAzure, comp: str, code: str) -> None:
    def guard(sent: Sent) -> FakeResponse | None:
        wrong = sent.method == "PUT" and sent.query.get("comp") == comp
        return error(400, code) if wrong else None

    service.guard = guard


# ---------------------------------------------------------------------- between accounts


def test_copy_between_accounts(service: FakeAzure) -> None:
    """The other account reads by a signed URL: no byte passes through here."""
    with ExitStack() as stack:
        other_service = stack.enter_context(fake_azure())
        source, target = stack.enter_context(made(service)), made(other_service)
        stack.enter_context(target)
        obj = source.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
        service.seen.clear()
        copy = obj.copy(target.object("archive", "any").container, "b")
        assert ["HEAD", "GET"] == [sent.method for sent in service.seen]
        assert "sig" in service.seen[1].query
        assert CONTENT == copy.read()
        found = target.get_object("archive", "b")
        assert ({"owner": "me"}, obj.object_hash) == (dict(found.metadata), found.object_hash)


@pytest.mark.parametrize("code", ["NotImplemented", "CannotVerifyCopySource"])
def test_copy_from_an_unreadable_account_streams_the_content(
    service: FakeAzure, code: str
) -> None:
    with ExitStack() as stack:
        other_service = stack.enter_context(fake_azure())
        other_service.guard = lambda sent: (
            error(501 if code == "NotImplemented" else 403, code)
            if "x-ms-copy-source" in sent.headers
            else None
        )
        source, target = stack.enter_context(made(service)), made(other_service)
        stack.enter_context(target)
        obj = source.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
        copy = obj.copy(target.object("archive", "any").container, "b")
        assert CONTENT == copy.read()
        assert {"owner": "me"} == dict(target.get_object("archive", "b").metadata)
        assert not other_service.blocks


def test_copy_from_another_service_streams_the_content(driver: AzureDriver) -> None:
    obj = MemoryDriver().create_container("box").upload_object(CONTENT, "a")
    assert CONTENT == obj.copy(driver.object("box", "any").container, "a").read()


def test_copy_with_a_customer_key_streams_the_content(service: FakeAzure) -> None:
    """Azure does not copy it by itself; its key goes with every request instead."""
    with made(service, customer_key=bytes(32)) as driver:
        obj = driver.upload_object(CONTENT, "box", "a")
        driver.upload_object(bytes(3 * PART), "box", "large")
        assert CONTENT == obj.copy("box", "b").read()
    assert all(sent.headers["x-ms-encryption-algorithm"] == "AES256" for sent in service.seen)
    assert not any("x-ms-copy-source" in sent.headers for sent in service.seen)


def test_copy_with_a_long_url_streams_the_content(service: FakeAzure, driver: AzureDriver) -> None:
    """Azure takes 2 KiB for the address of a source."""
    name = "日" * 300
    obj = driver.upload_object(CONTENT, "box", name, metadata={"owner": "me"})
    for target in ("b", "c"):
        options: Any = {"content_type": "text/x-b"} if target == "c" else {}
        copy = driver.copy_object(obj, "box", target, **options)
        assert (CONTENT, {"owner": "me"}) == (copy.read(), dict(copy.metadata))
    assert driver.copy_object(obj, "box", name, storage_class="Cool").read() == CONTENT
    assert not any("x-ms-copy-source" in sent.headers for sent in service.seen)
    driver.object("box", "b").copy("box", name)
    assert "x-ms-copy-source" in service.seen[-1].headers


def test_customer_key_of_an_upload_is_sent_with_every_block(
    service: FakeAzure, driver: AzureDriver
) -> None:
    extra = {"customer_key": bytes(32)}
    driver.upload_object(bytes(3 * PART), "box", "large", extra=extra)
    assert len(service.seen) == 4
    assert all("x-ms-encryption-key" in sent.headers for sent in service.seen)
    driver.upload_object(CONTENT, "box", "a", extra={"encryption_scope": "scope"})
    assert service.seen[-1].headers["x-ms-encryption-scope"] == "scope"
    assert not driver._uploads.encrypted


def test_a_copy_is_encrypted_by_its_scope(service: FakeAzure, driver: AzureDriver) -> None:
    """Copy Blob takes no scope, so the service reads the blob in blocks, or it is read here."""
    obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
    extra = {"encryption_scope": "scope"}
    for name in ("b", "a"):
        service.seen.clear()
        copy = driver.copy_object(obj, "box", name, extra=extra)
        assert (CONTENT, {"owner": "me"}) == (copy.read(), dict(copy.metadata))
        written = [sent for sent in service.seen if sent.method == "PUT"]
        assert ["block", "blocklist"] == [sent.query.get("comp") for sent in written]
        assert all(sent.headers["x-ms-encryption-scope"] == "scope" for sent in written)
    refuse(service, "block", "FeatureNotSupported")
    service.seen.clear()
    assert CONTENT == driver.copy_object(driver.object("box", "a"), "box", "c", extra=extra).read()
    (put,) = [sent for sent in service.seen if sent.method == "PUT" and "comp" not in sent.query]
    assert "x-ms-copy-source" not in put.headers
    assert put.headers["x-ms-encryption-scope"] == "scope"


def test_a_source_that_the_account_may_not_read_is_copied_and_changed(
    service: FakeAzure, driver: AzureDriver
) -> None:
    """As where a firewall, or a signature for one address, keeps the service out itself."""
    obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
    service.guard = lambda sent: (
        error(403, "CannotVerifyCopySource") if sent.query.get("comp") == "block" else None
    )
    copy = driver.copy_object(obj, "box", "b", content_type="text/x-b")
    assert (CONTENT, "text/x-b") == (copy.read(), driver.get_object("box", "b").content_type)


def test_lost_upload_with_a_customer_key_is_checked_with_it(
    service: FakeAzure, driver: AzureDriver
) -> None:
    """Without the key the service does not describe the blob."""
    lost = 0

    def guard(sent: Sent) -> FakeResponse | None:
        nonlocal lost
        if sent.method == "HEAD" and "x-ms-encryption-key" not in sent.headers:
            return error(409, "BlobUsesCustomerSpecifiedEncryption")
        if sent.headers.get("if-none-match") == "*" and sent.path not in service.blobs:
            lost += 1
            service.guard, kept = (lambda _: None), service.guard
            service.respond(sent)
            service.guard = kept
            return error(500, "InternalError")
        return None

    service.guard = guard
    extra = {"customer_key": bytes(32)}
    driver.upload_object(CONTENT, "box", "small", if_absent=True, extra=extra)
    driver.upload_object(bytes(3 * PART), "box", "large", if_absent=True, extra=extra)
    assert lost == 2


# ---------------------------------------------------------------------- tokens that end


@dataclass(frozen=True)
class Token:
    token: str
    expires_on: int


class Issuer:
    """Hands out numbered tokens, of which the service takes the one that is good now."""

    def __init__(self) -> None:
        self.given = 0
        self.good = 1
        self.lock = threading.Lock()

    def get_token(self, *scopes: str) -> Token:
        with self.lock:
            self.given += 1
            return Token(f"token-{self.given}", int(time.time()) + 3600)

    def guard(self, sent: Sent) -> FakeResponse | None:
        if sent.headers.get("authorization") == f"Bearer token-{self.good}":
            return None
        return error(401, "InvalidAuthenticationInfo")


def test_expired_token_is_renewed_once_during_an_upload(service: FakeAzure) -> None:
    """20 parts up, 20 ranges down; in the middle of each the token ends: nothing is lost."""
    issuer = Issuer()
    count = 0

    def guard(sent: Sent) -> FakeResponse | None:
        nonlocal count
        with issuer.lock:
            count += 1
            if count in {10, 35}:
                issuer.good += 1
        return issuer.guard(sent)

    service.guard = guard
    content = bytes(range(256)) * (20 * PART // 256)
    with made(service, credential=issuer) as driver:
        obj = driver.upload_object(content, "box", "large")
        assert issuer.given == 2
        assert content == obj.read()
        assert len({sent.query["blockid"] for sent in service.requested("block")}) == 20
        whole = b"".join(obj.stream())
        assert content == whole
    assert service.blobs["/account/box/large"].content == content
    assert count > 22


def test_a_parallel_download_renews_once(service: FakeAzure, tmp_path: Any) -> None:
    issuer = Issuer()
    content = bytes(range(256)) * (20 * PART // 256)
    ranges = 0

    def guard(sent: Sent) -> FakeResponse | None:
        nonlocal ranges
        if sent.method == "GET":
            with issuer.lock:
                ranges += 1
                if ranges == 10:
                    issuer.good = 2
        return issuer.guard(sent)

    service.guard = guard
    with made(service, credential=issuer) as driver:
        obj = driver.upload_object(content, "box", "large")
        path = obj.download(tmp_path / "large")
        assert content == path.read_bytes()
    assert issuer.given == 2
    assert ranges >= 20


def test_token_that_stays_refused_is_an_authentication_error(service: FakeAzure) -> None:
    issuer = Issuer()
    issuer.good = 99
    service.guard = issuer.guard
    with made(service, credential=issuer) as driver:
        with pytest.raises(AuthenticationError) as caught:
            driver.object("box", "a").read()
    assert issuer.given == 2
    assert (401, "InvalidAuthenticationInfo") == (caught.value.status, caught.value.code)
    assert "token-" not in f"{caught.value} {caught.value!r}"


def test_copy_from_a_url_sends_the_token(service: FakeAzure) -> None:
    issuer = Issuer()
    service.guard = issuer.guard
    with made(service, credential=issuer) as driver:
        obj = driver.upload_object(CONTENT, "box", "a", metadata={"owner": "me"})
        assert CONTENT == obj.copy("box", "b", metadata={}).read()
    (block,) = service.requested("block")
    assert block.headers["x-ms-copy-source-authorization"] == "Bearer token-1"


def test_each_block_of_a_copy_has_the_current_token(
    service: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libstore.rest.copying.PART_SIZE", 10)
    monkeypatch.setattr(copying, "copy_in_parts", partial(copy_in_parts, workers=1))
    issuer = Issuer()
    with made(service, credential=issuer) as driver:
        obj = driver.upload_object(CONTENT, "box", "a")
        tokens = driver._client.access.tokens
        assert tokens is not None

        def guard(sent: Sent) -> None:
            if len(service.requested("block")) == 3:
                tokens.replace("token-1")

        service.guard = guard
        assert CONTENT == obj.copy("box", "b", content_type="text/x-b").read()
    used = [sent.headers["x-ms-copy-source-authorization"] for sent in service.requested("block")]
    assert used == ["Bearer token-1"] * 3 + ["Bearer token-2"] * 2


# ---------------------------------------------------------------------- secrets


@pytest.mark.parametrize("way", ["key", "credential", "sas_token"])
def test_secrets_in_an_error_of_a_copy_are_hidden(
    service: FakeAzure, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Neither a customer's key nor what opens the source of a copy, nor a token."""

    def guard(sent: Sent) -> FakeResponse | None:
        if sent.method == "HEAD":
            return None
        said = {name: value for name, value in sent.headers.items() if name != "host"}
        body = (
            f"<Error><Code>InvalidHeaderValue</Code><Message>{escape(str(said))}</Message></Error>"
        )
        return 400, {"x-ms-request-id": "REQUEST1"}, body.encode()

    given: Any = {"key": KEY, "credential": Issuer(), "sas_token": "sig=abcdef"}[way]
    monkeypatch.setattr(errors, "_MAX_MESSAGE", 10_000)
    with made(service, **{way: given}) as driver:
        obj = driver.upload_object(CONTENT, "box", "a")
        service.guard = guard
        extra = {"customer_key": bytes(range(32))}
        text = ""
        for attempt in (
            lambda: driver.upload_object(CONTENT, "box", "b", extra=extra),
            lambda: obj.copy("box", "b"),
            lambda: obj.copy("box", "b", content_type="text/x-b"),
        ):
            with pytest.raises(ServiceError) as caught:
                attempt()
            text += f"{caught.value} {caught.value!r}"
    assert text.count("x-ms-version") == 6
    assert base64.b64encode(bytes(range(32))).decode() not in text
    assert "token-" not in text
    assert not re.search(r"sig=[^*]", text)
