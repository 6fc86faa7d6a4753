"""Versions: keep, list, read, restore and delete them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore import Container, ContainerNotFoundError, StorageDriver

from .base import Topic, fill, fresh_name, names_of


class Versions(Topic):
    """Test list_versions and enable_versioning."""

    @pytest.fixture
    def versioned(self, driver: StorageDriver) -> Iterator[Container]:
        """Provide an empty container that keeps versions, and delete it after the test."""
        if not (driver.supports("enable_versioning") and driver.supports("list_versions")):
            pytest.skip("the driver does not support enable_versioning and list_versions")
        container = driver.create_container(fresh_name())
        try:
            container.enable_versioning()
            yield container
        finally:
            container.delete()

    def test_a_replaced_object_is_read_and_restored(self, versioned: Container) -> None:
        """The handle of an old version reads it, and its copy to the same name restores it."""
        versioned.upload_object(b"old", "a")
        versioned.upload_object(b"newer", "a")
        found = {obj.read(): obj for obj in versioned.list_versions()}
        assert {b"old", b"newer"} == set(found)
        assert found[b"old"].is_current is not True

        found[b"old"].copy(versioned, "a")

        assert b"old" == versioned.read_object("a")

    def test_a_deleted_version_is_not_listed(self, versioned: Container) -> None:
        """The other versions stay."""
        versioned.upload_object(b"old", "a")
        versioned.upload_object(b"newer", "a")
        found = list(versioned.list_versions())
        (old,) = (obj for obj in found if obj.read() == b"old")

        old.delete(version=old.version)

        left = {obj.version for obj in versioned.list_versions()}
        assert {obj.version for obj in found} - {old.version} == left
        assert b"newer" == versioned.read_object("a")

    def test_a_deleted_object_is_kept_as_a_version(self, versioned: Container) -> None:
        """It can be restored; deleting all versions and markers leaves nothing."""
        versioned.upload_object(b"old", "a").delete()
        assert not versioned.object_exists("a")
        (old,) = (obj for obj in versioned.list_versions() if not obj.is_delete_marker)
        assert b"old" == old.read()

        for obj in list(versioned.list_versions()):
            obj.delete(version=obj.version)

        assert [] == list(versioned.list_versions())

    @pytest.mark.usefixtures("two_by_two")
    def test_versions_are_listed_by_name_and_prefix(self, versioned: Container) -> None:
        """The pages of a listing have every version once, sorted by name."""
        for _ in range(2):
            fill(versioned, "a/1", "a/2", "b +%\u00fc")
        found = list(versioned.list_versions())
        names = names_of(found)
        assert sorted(names) == names
        assert {"a/1", "a/2", "b +%\u00fc"} == set(names)
        assert 6 <= len({obj.version for obj in found}) == len(found)
        below = [obj.version for obj in versioned.list_versions("a/")]
        assert [obj.version for obj in found if obj.name.startswith("a/")] == below

    def test_versions_of_a_missing_container(self, driver: StorageDriver) -> None:
        """Both operations raise ContainerNotFoundError."""
        missing = driver.container(fresh_name())
        if driver.supports("list_versions"):
            with pytest.raises(ContainerNotFoundError):
                list(missing.list_versions())
        if driver.supports("enable_versioning"):
            with pytest.raises(ContainerNotFoundError):
                missing.enable_versioning()
