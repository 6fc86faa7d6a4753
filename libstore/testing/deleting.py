"""Deleting one or many objects."""

from __future__ import annotations

import pytest

from libstore import Container, ContainerNotFoundError, InvalidTypeError, StorageDriver

from .base import CONTENT, Topic, fill, fresh_name, names_of


class Deletes(Topic):
    """Test delete_object and delete_objects."""

    def test_a_deleted_object_is_gone(self, container: Container) -> None:
        """A deleted object is neither found nor listed; other objects are."""
        fill(container, "a", "b", "c")
        container.delete_object("b")
        assert not container.object_exists("b")
        assert ["a", "c"] == names_of(container.list_objects())

    def test_deleting_a_missing_object_succeeds(self, container: Container) -> None:
        """Deleting a missing object is not an error."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        obj.delete()
        container.delete_object("never there")

    def test_deleting_a_folder_deletes_nothing(self, container: Container) -> None:
        """A delete applies to a name, not to a prefix."""
        fill(container, "a/b", "ab")
        container.delete_object("a")
        assert ["a/b", "ab"] == names_of(container.list_objects())

    def test_delete_objects_returns_results_in_order(self, container: Container) -> None:
        """delete_objects returns one result for each object, in order."""
        fill(container, "a", "b", "c", "kept")
        results = container.delete_objects(["c", "a", "b"])
        assert ["c", "a", "b"] == [result.name for result in results]
        assert [container.name] * 3 == [result.container for result in results]
        assert [(True, None)] * 3 == [(result.ok, result.error) for result in results]
        assert ["kept"] == names_of(container.list_objects())

    def test_delete_objects_succeeds_for_missing_objects(self, container: Container) -> None:
        """The result of a missing object has no error."""
        fill(container, "a", "b")
        results = container.delete_objects(["a", "missing", "b", "also missing"])
        assert [True] * 4 == [result.ok for result in results]
        assert [] == list(container.list_objects())

    def test_delete_objects_returns_a_result_for_each_repetition(
        self, container: Container
    ) -> None:
        """A repeated name has a result each time."""
        fill(container, "a", "b")
        results = container.delete_objects(["a", "b", "a"])
        assert [("a", True), ("b", True), ("a", True)] == [
            (result.name, result.ok) for result in results
        ]

    def test_delete_objects_of_nothing_returns_an_empty_list(self, driver: StorageDriver) -> None:
        assert [] == driver.delete_objects([])

    @pytest.mark.usefixtures("two_by_two")
    def test_more_than_one_batch_is_deleted(self, container: Container) -> None:
        """More objects than a batch can have are deleted in several."""
        names = [f"n{number}" for number in range(7)]
        fill(container, *names)
        results = container.delete_objects(names)
        assert names == [result.name for result in results]
        assert [] == list(container.list_objects())

    def test_delete_objects_accepts_objects_of_many_containers(
        self, driver: StorageDriver, container: Container, other_container: Container
    ) -> None:
        """The objects may be of any containers of the driver, in any order."""
        objs = [
            place.upload_object(CONTENT, name)
            for place, name in (
                (container, "a"),
                (other_container, "a"),
                (container, "b"),
            )
        ]
        results = driver.delete_objects(objs)
        assert [(obj.container.name, obj.name, True) for obj in objs] == [
            (result.container, result.name, result.ok) for result in results
        ]
        assert [] == [*container, *other_container]

    def test_a_listing_can_be_deleted(self, driver: StorageDriver, container: Container) -> None:
        """A listing can be passed to delete_objects."""
        fill(container, "a/1", "a/2", "b")
        driver.delete_objects(container.list_objects("a/"))
        assert ["b"] == names_of(container.list_objects())

    def test_result_of_a_failed_delete_has_the_error(self, driver: StorageDriver) -> None:
        """The error is in the result and is not raised."""
        gone = driver.create_container(fresh_name())
        gone.delete()
        (result,) = gone.delete_objects(["a"])
        assert not result.ok
        assert isinstance(result.error, ContainerNotFoundError)
        assert (gone.name, "a") == (result.error.container, result.error.object)
        assert "delete_objects" == result.error.operation

    def test_delete_objects_refuses_a_str(self, container: Container) -> None:
        """Its letters are not deleted."""
        fill(container, "a", "b", "ab")
        with pytest.raises(InvalidTypeError):
            container.delete_objects("ab")
        assert ["a", "ab", "b"] == names_of(container.list_objects())
