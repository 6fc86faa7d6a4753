"""Containers: create, get, list and delete."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from libstore import (
    Container,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidTypeError,
    StorageDriver,
)

from .base import CONTENT, Topic, fill, fresh_name, names_of


class Containers(Topic):
    """Test containers."""

    def test_a_new_container_is_returned_with_its_name(self, driver: StorageDriver) -> None:
        """create_container returns a handle of the new container."""
        name = fresh_name()
        container = driver.create_container(name)
        try:
            assert isinstance(container, Container)
            assert name == container.name
            assert container.driver is driver
        finally:
            driver.delete_container(name)

    def test_a_new_container_is_empty(self, driver: StorageDriver) -> None:
        """A new container has no objects."""
        container = driver.create_container(fresh_name())
        try:
            assert [] == list(container.list_objects())
        finally:
            container.delete()

    def test_get_container_finds_it_by_name(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """get_container returns a handle equal to that of create_container."""
        assert container == driver.get_container(container.name)

    def test_get_container_of_a_missing_one_raises(self, driver: StorageDriver) -> None:
        """A missing container raises ContainerNotFoundError, a FileNotFoundError."""
        with pytest.raises(ContainerNotFoundError) as caught:
            driver.get_container(fresh_name())
        assert isinstance(caught.value, FileNotFoundError)

    def test_container_is_listed_once(self, driver: StorageDriver, container: Container) -> None:
        """list_containers has every container once."""
        assert 1 == [found.name for found in driver.list_containers()].count(container.name)

    def test_containers_are_listed_in_the_order_of_their_names(
        self, driver: StorageDriver, container: Container, other_container: Container
    ) -> None:
        """list_containers is sorted by name."""
        names = [found.name for found in driver.list_containers()]
        assert {container.name, other_container.name} <= set(names)
        assert sorted(names) == names

    def test_listed_containers_work_like_any_other(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """A handle of list_containers reads the container's objects."""
        fill(container, "a")
        found = next(item for item in driver.list_containers() if item == container)
        assert ["a"] == names_of(found.list_objects())

    def test_creating_an_existing_container_raises(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """An existing container raises ContainerAlreadyExistsError, a FileExistsError."""
        with pytest.raises(ContainerAlreadyExistsError) as caught:
            driver.create_container(container.name)
        assert isinstance(caught.value, FileExistsError)

    def test_exist_ok_returns_an_existing_container(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The container and its objects do not change."""
        fill(container, "a")
        again = driver.create_container(container.name, exist_ok=True)
        assert container == again
        assert ["a"] == names_of(again.list_objects())

    def test_exist_ok_creates_a_missing_container(self, driver: StorageDriver) -> None:
        """exist_ok=True creates a container that does not exist."""
        container = driver.create_container(fresh_name(), exist_ok=True)
        try:
            assert container == driver.get_container(container.name)
        finally:
            container.delete()

    def test_a_deleted_container_is_gone(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """A deleted container is neither found nor listed."""
        driver.delete_container(container)
        with pytest.raises(ContainerNotFoundError):
            driver.get_container(container.name)
        assert container.name not in [found.name for found in driver.list_containers()]

    def test_deleting_a_container_deletes_its_objects(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """delete_container deletes the objects by default."""
        fill(container, "a", "b/c", "b/d")
        driver.delete_container(container)
        with pytest.raises(ContainerNotFoundError):
            driver.get_container(container.name)

    @pytest.mark.usefixtures("two_by_two")
    def test_deleting_a_container_deletes_many_pages_of_objects(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The delete covers all pages and batches."""
        fill(container, *(f"n{number}" for number in range(7)))
        container.delete()
        with pytest.raises(ContainerNotFoundError):
            driver.get_container(container.name)

    @pytest.mark.usefixtures("half_written")
    def test_deleting_a_container_deletes_unfinished_uploads(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """An unfinished upload does not prevent the delete."""
        driver.delete_container(container)
        with pytest.raises(ContainerNotFoundError):
            driver.get_container(container.name)

    def test_a_full_container_is_kept_if_deleting_is_not_recursive(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """recursive=False refuses a container with objects, and deletes none of them."""
        fill(container, "a", "b")
        with pytest.raises(ContainerNotEmptyError):
            driver.delete_container(container, recursive=False)
        assert ["a", "b"] == names_of(container.list_objects())

    def test_an_empty_container_is_deleted_if_deleting_is_not_recursive(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """recursive=False deletes an empty container."""
        container.delete(recursive=False)
        with pytest.raises(ContainerNotFoundError):
            driver.get_container(container.name)

    @pytest.mark.parametrize("recursive", [True, False])
    def test_deleting_a_missing_container_raises(
        self, driver: StorageDriver, recursive: bool
    ) -> None:
        """It raises ContainerNotFoundError."""
        with pytest.raises(ContainerNotFoundError):
            driver.delete_container(fresh_name(), recursive=recursive)

    def test_deleting_a_container_keeps_other_containers(
        self, driver: StorageDriver, container: Container, other_container: Container
    ) -> None:
        """Objects of the same name in another container remain."""
        fill(container, "a")
        fill(other_container, "a")
        driver.delete_container(container)
        assert b"a" == other_container.read_object("a")

    def test_object_is_in_its_container_only(
        self, container: Container, other_container: Container
    ) -> None:
        """An object is in the container that it was uploaded to and in no other."""
        container.upload_object(CONTENT, "a")
        assert [] == list(other_container.list_objects())
        assert not other_container.object_exists("a")

    def test_object_count_and_size_are_correct_or_none(
        self, driver: StorageDriver, container: Container
    ) -> None:
        fill(container, "one", "three")
        fresh = driver.get_container(container.name)
        assert fresh.object_count in (None, 2)
        assert fresh.size in (None, 8)

    def test_the_time_of_creation_is_aware(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """`created` is in UTC or None."""
        created = driver.get_container(container.name).created
        assert created is None or created.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("name", ["", "a/b", "/", "lone\udc80"], ids=ascii)
    def test_invalid_container_name_is_refused(self, driver: StorageDriver, name: str) -> None:
        """A name that no service allows raises InvalidNameError."""
        with pytest.raises(InvalidNameError):
            driver.create_container(name)
        with pytest.raises(InvalidNameError):
            driver.get_container(name)

    @pytest.mark.parametrize("name", [None, 5, b"bytes"], ids=ascii)
    def test_a_container_name_of_another_type_is_refused(
        self, driver: StorageDriver, name: Any
    ) -> None:
        """A container's name is a str; anything else raises InvalidTypeError, a TypeError."""
        with pytest.raises(InvalidTypeError) as caught:
            driver.create_container(name)
        assert isinstance(caught.value, TypeError)
