"""Test moves between two drivers that may reach the same object."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from libstore import (
    Conditions,
    Container,
    Object,
    ObjectChangedError,
    ObjectInfo,
    ServiceError,
    get_driver,
)
from libstore.drivers.memory import MemoryDriver
from libstore.retry import Retrier
from libstore.values import WriteOptions

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"


class Address(MemoryDriver):
    """
    A store at one of its addresses, with checksums as ETags and times in whole seconds.

    Attributes:
        now: The seconds of the store's clock.
        requested: The hooks that were called.
        waited: The seconds of all waits.
        copied: Called after each write by this driver.

    Args:
        other: The same store at another address.
    """

    options: ClassVar[frozenset[str]] = frozenset()
    timed = True
    unique = False

    def __init__(self, other: Address | None = None) -> None:
        super().__init__()
        self.now = [1_000_000.0]
        if other is not None:
            self._store, self.now = other._store, other.now
        self.requested: list[str] = []
        self.waited: list[float] = []
        self.copied: Callable[[], object] = lambda: None

    @override
    def _store_id(self) -> Any:
        return None

    @property
    @override
    def _retrier(self) -> Retrier:
        return Retrier(lambda: self.retry, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now[0] += seconds

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        self.requested.append("head")
        info = super()._head_object(container, name, version)
        return info if self.timed else replace(info, last_modified=None)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self.requested.append("delete")
        super()._delete_object(container, name, conditions, version)

    @override
    def _write(
        self, container: str, name: str, content: bytes, options: WriteOptions
    ) -> ObjectInfo:
        info = super()._write(container, name, content, options)
        when = datetime.fromtimestamp(int(self.now[0]), timezone.utc)
        etag = info.etag if self.unique else info.checksums["md5"]
        info = replace(info, etag=etag, last_modified=when)
        self._bucket(container).put(info, content)
        self.copied()
        return info


class UniqueETags(Address):
    """The same, with a new ETag for each write and conditional deletes."""

    options: ClassVar[frozenset[str]] = frozenset({"if_match", "delete_if_match"})
    unique = True


def one_store(kind: type[Address] = Address) -> tuple[Address, Address]:
    """Return two drivers that reach one store at two addresses."""
    here = kind()
    here.create_container("bucket")
    return here, kind(here)


def two_stores(kind: type[Address] = Address) -> tuple[Address, Address]:
    """Return two drivers of two stores, with containers of the same name."""
    here, there = kind(), kind()
    there.now = here.now
    here.create_container("bucket")
    there.create_container("bucket")
    return here, there


def stored(driver: Any, content: bytes = CONTENT) -> Object:
    obj: Object = driver.upload_object(content, "bucket", "name", metadata={"a": "b"})
    driver.requested.clear()
    return obj


def bucket(driver: Address) -> Container:
    return driver.object("bucket", "name").container


@pytest.mark.parametrize("kind", [Address, UniqueETags])
@pytest.mark.parametrize("age", [0.0, 0.9, 1.0, 3600.0])
def test_move_onto_itself_at_another_address_deletes_nothing(
    kind: type[Address], age: float
) -> None:
    here, there = one_store(kind)
    obj = stored(here)
    here.now[0] += age
    moved = obj.move(bucket(there))

    assert moved.driver is there
    assert CONTENT == moved.read() == obj.read()
    assert {"a": "b"} == obj.refresh().metadata
    assert "delete" not in here.requested


@pytest.mark.parametrize("kind", [Address, UniqueETags])
@pytest.mark.parametrize("age", [0.0, 3600.0])
@pytest.mark.parametrize(
    "before", [None, b"", b"x" * len(CONTENT), CONTENT], ids=["none", "empty", "other", "equal"]
)
def test_move_to_the_same_names_in_another_store_deletes_the_source(
    kind: type[Address], age: float, before: bytes | None
) -> None:
    here, there = two_stores(kind)
    obj = stored(here)
    if before is not None:
        stored(there, before)
    here.now[0] += age
    moved = obj.move(bucket(there))

    assert CONTENT == moved.read()
    assert {"a": "b"} == moved.refresh().metadata
    assert [] == list(here.list_objects("bucket"))
    undecided = before == CONTENT and not age
    assert ([2.0] if undecided else []) == here.waited


def test_move_of_indistinguishable_objects_raises_and_deletes_nothing() -> None:
    """The objects are equal and have no times."""
    here, there = two_stores()
    here.timed = there.timed = False
    obj = stored(here)
    stored(there)
    with pytest.raises(ServiceError, match="was not deleted") as caught:
        obj.move(bucket(there))

    assert ("move_object", "bucket", "name") == (
        caught.value.operation, caught.value.container, caught.value.object,
    )  # fmt: skip
    assert CONTENT == obj.read() == there.object("bucket", "name").read()


def test_source_replaced_during_a_move_is_kept() -> None:
    here, there = two_stores()
    obj = stored(here)

    def replace_source() -> None:
        there.copied = lambda: None
        here.upload_object(b"of another writer", "bucket", "name")

    there.copied = replace_source
    with pytest.raises(ObjectChangedError, match="was replaced while it was moved"):
        obj.move(bucket(there))

    assert b"of another writer" == obj.read()
    assert CONTENT == there.object("bucket", "name").read()


def test_source_deleted_during_a_move_counts_as_moved() -> None:
    here, there = two_stores()
    obj = stored(here)
    there.copied = lambda: here._store.buckets["bucket"].remove("name")

    assert CONTENT == obj.move(bucket(there)).read()
    assert "delete" not in here.requested


def test_move_to_other_names_sends_no_extra_requests() -> None:
    here, there = two_stores()
    stored(here).move(bucket(there), "another name")

    assert ["head", "delete"] == here.requested
    assert [] == there.requested


# ---------------------------------------------------------------------- directories


def local(root: Path, **options: Any) -> Any:
    return get_driver("local")(root, **options)


def test_link_to_the_root_is_the_same_store(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    here, there = local(tmp_path / "real"), local(tmp_path / "link")
    obj = here.create_container("c").upload_object(CONTENT, "a/b")
    etag = obj.etag
    moved = obj.move(there.get_container("c"))

    assert here != there
    assert etag == moved.refresh().etag
    assert CONTENT == obj.read() == moved.read()


def test_file_below_a_nested_root_is_the_same_object(tmp_path: Path) -> None:
    outer, inner = local(tmp_path), local(tmp_path / "c")
    obj = outer.create_container("c").upload_object(CONTENT, "d/e")
    moved = obj.move(inner.get_container("d"), "e")

    assert CONTENT == moved.read() == obj.read()
    back = moved.move(outer.get_container("c"), "d/e")
    assert CONTENT == back.read() == moved.read()


def test_link_within_the_root_is_the_same_object(tmp_path: Path) -> None:
    driver = local(tmp_path, follow_symlinks=True)
    container = driver.create_container("c")
    obj = container.upload_object(CONTENT, "folder/a")
    (tmp_path / "c" / "link").symlink_to("folder")

    assert CONTENT == obj.move(container, "link/a").read() == obj.read()


def test_hard_link_in_another_store_is_another_object(tmp_path: Path) -> None:
    here, there = local(tmp_path / "here"), local(tmp_path / "there")
    obj = here.create_container("c").upload_object(CONTENT, "a")
    target = there.create_container("c")
    os.link(tmp_path / "here" / "c" / "a", tmp_path / "there" / "c" / "a")

    assert CONTENT == obj.move(target).read()
    assert [] == list(here.list_objects("c"))


def test_two_directories_are_two_stores(tmp_path: Path) -> None:
    here, there = local(tmp_path / "here"), local(tmp_path / "there")
    obj = here.create_container("c").upload_object(CONTENT, "a")

    assert CONTENT == obj.move(there.create_container("c")).read()
    assert [] == list(here.list_objects("c"))
    assert not (tmp_path / "here" / "c" / "a").exists()


# ---------------------------------------------------------------------- known services

S3 = ("AKID", "secret")
KNOWN: dict[str, Callable[[], Any]] = {
    "amazon eu": lambda: get_driver("s3")(*S3, region="eu-west-1"),
    "amazon us": lambda: get_driver("s3")("OTHER", "secret", region="us-east-1"),
    "amazon dual": lambda: get_driver("s3")(*S3, region="us-east-1", dualstack=True),
    "amazon by name": lambda: get_driver("s3")(*S3, endpoint="https://s3.amazonaws.com"),
    "amazon fast": lambda: get_driver("s3")(*S3, region="us-east-1", accelerate=True),
    "amazon cn": lambda: get_driver("s3")(*S3, region="cn-north-1"),
    "google": lambda: get_driver("gcs")(token="token"),
    "google hmac": lambda: get_driver("gcs")("key", "secret"),
    "google s3": lambda: get_driver("s3")(*S3, endpoint="https://storage.googleapis.com"),
    "google gcs-s3": lambda: get_driver("gcs-s3")(*S3),
    "azure": lambda: get_driver("azure")("account", "a2V5"),
    "azure sas": lambda: get_driver("azure")("account", sas_token="sv=1&sig=a"),
    "azure second": lambda: get_driver("azure")(
        anonymous=True, endpoint="https://account-secondary.blob.core.windows.net"
    ),
    "azure other": lambda: get_driver("azure")("another", "a2V5"),
}
UNKNOWN: dict[str, Callable[[], Any]] = {
    "minio": lambda: get_driver("minio")(*S3, endpoint="https://minio.example"),
    "alias of amazon": lambda: get_driver("s3")(*S3, endpoint="https://files.example.com"),
    "private endpoint": lambda: get_driver("azure")(
        "account", "a2V5", endpoint="https://account.privatelink.blob.core.windows.net"
    ),
    "own domain": lambda: get_driver("azure")("account", "a2V5", endpoint="https://blobs.example"),
    "emulator": lambda: get_driver("gcs")(anonymous=True, endpoint="http://127.0.0.1:4443"),
    "swift": lambda: get_driver("swift")(token="t", storage_url="https://swift.example/v1/A"),
    "local": lambda: get_driver("local")("."),
}
NAMES = ("bucket", "name")


@pytest.mark.parametrize("one", KNOWN)
@pytest.mark.parametrize("other", KNOWN)
def test_endpoints_of_known_services_are_different_stores(one: str, other: str) -> None:
    same = one.split(maxsplit=1)[0] == other.split(maxsplit=1)[0]
    same = same and ("amazon cn" in {one, other}) == (one == other == "amazon cn")
    same = same and ("azure other" in {one, other}) == (one == other == "azure other")

    assert same is KNOWN[one]()._is_same_object(*NAMES, KNOWN[other](), *NAMES)
    assert KNOWN[one]()._is_same_object(*NAMES, KNOWN[other](), "bucket", "x") is False


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("other", [*KNOWN, *UNKNOWN])
def test_unknown_endpoints_may_be_the_same_store(unknown: str, other: str) -> None:
    one, two = UNKNOWN[unknown](), {**KNOWN, **UNKNOWN}[other]()
    expected = True if unknown == other else None

    assert expected is one._is_same_object(*NAMES, two, *NAMES)
    assert expected is two._is_same_object(*NAMES, one, *NAMES)
    for here, there in ((one, two), (two, one)):
        if unknown != other:
            assert here._is_same_object("outer", "bucket/name", there, *NAMES) is None
        assert here._is_same_object("outer", "abucket/name", there, *NAMES) is False
