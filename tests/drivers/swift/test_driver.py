"""Containers of Swift, on a real server."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from drivers.swift.support import (
    CONTENT,
    LARGE,
    lent,
    segments_of,
)

from libstore import (
    Container,
    ContainerNotFoundError,
    StorageFullError,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver, operations

Swift = get_driver("swift")


@pytest.mark.parametrize("stem", ["...", ".a", "a b", "ä%2F", "?#&", "x" * 200, "\n\t"])
def test_any_container_name_is_returned_unchanged(swift_driver: SwiftDriver, stem: str) -> None:
    name = f"{stem}{uuid.uuid4().hex}"
    container = swift_driver.create_container(name)
    container.upload_object(CONTENT, "a")
    assert name in [found.name for found in swift_driver.list_containers()]
    assert CONTENT == container.read_object("a")
    container.delete()


@pytest.mark.usefixtures("small_parts")
def test_a_container_of_the_longest_name_takes_large_objects(swift_driver: SwiftDriver) -> None:
    container = swift_driver.create_container((uuid.uuid4().hex * 8)[:256])
    container.upload_object(LARGE, "a")
    assert LARGE == container.read_object("a")
    assert segments_of(container)
    container.delete()


def test_container_has_its_count_and_size(swift_driver: SwiftDriver, container: Container) -> None:
    container.upload_object(CONTENT, "a")
    container.upload_object(b"12345", "b")
    found = swift_driver.get_container(container.name)
    assert (2, len(CONTENT) + 5) == (found.object_count, found.size)
    assert "Policy-0" == found.extra["storage_policy"]
    assert found.created is not None
    assert abs(found.created - datetime.now(timezone.utc)) < timedelta(minutes=5)
    listed = next(one for one in swift_driver.list_containers() if one == container)
    assert 2 == listed.object_count


def test_storage_policy_of_a_new_container(swift_driver: SwiftDriver) -> None:
    name = f"libstore-{uuid.uuid4().hex}"
    container = swift_driver.create_container(name, extra={"storage_policy": "Policy-0"})
    assert "Policy-0" == swift_driver.get_container(name).extra["storage_policy"]
    container.delete()
    with pytest.raises(Exception, match="Policy"):
        swift_driver.create_container(name, extra={"storage_policy": "no such"})


@pytest.mark.parametrize("header", ["x-versions-enabled", "x-versions-location"])
@pytest.mark.usefixtures("small_parts")
def test_a_container_with_versions_is_deleted_with_all_of_them(
    swift_driver: SwiftDriver, header: str
) -> None:
    """And no segment goes before, of which an old version may be made."""
    with lent(swift_driver) as archive:
        container = swift_driver.create_container(f"libstore-{uuid.uuid4().hex}")
        value = "true" if header.endswith("enabled") else archive.name
        swift_driver._client.send(
            operations.POST_CONTAINER, container.name, headers={header: value}
        ).close()
        container.upload_object(LARGE, "a")
        first = container.get_object("a").version
        container.upload_object(b"two", "a")
        container.upload_object(b"three", "a")
        container.delete_object("b")
        assert segments_of(container)
        if header.endswith("enabled"):
            reading = swift_driver._head_object(container.name, "a", first)
            assert len(LARGE) == reading.size
        container.delete()
        with pytest.raises(ContainerNotFoundError):
            swift_driver.get_container(container.name)


def test_exceeded_quota_is_reported(swift_driver: SwiftDriver, container: Container) -> None:
    headers = {"x-container-meta-quota-bytes": "10"}
    swift_driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    with pytest.raises(StorageFullError) as caught:
        container.upload_object(CONTENT, "a")
    assert 413 == caught.value.status
    assert caught.value.request_id
