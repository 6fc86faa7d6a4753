"""Deleting objects, one or many."""

from __future__ import annotations

import pytest

from libstore import Container, ContainerNotFoundError, InvalidTypeError, StorageDriver

from .base import CONTENT, Topic, fill, fresh_name, names_of


class Deletes(Topic):
    """delete_object and delete_objects."""

    def test_a_deleted_object_is_gone(self, container: Container) -> None:
        """A deleted object is neither found nor listed; the others are."""
        fill(container, "a", "b", "c")
        container.delete_object("b")
        assert not container.object_exists("b")
        assert ["a", "c"] == names_of(container.list_objects())

    def test_deleting_what_is_not_there_succeeds(self, container: Container) -> None:
        """To delete an object that is missing, or gone already, is no error."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        obj.delete()
        container.delete_object("never there")

    def test_deleting_a_folder_deletes_nothing(self, container: Container) -> None:
        """A name is deleted, not what begins with it."""
        fill(container, "a/b", "ab")
        container.delete_object("a")
        assert ["a/b", "ab"] == names_of(container.list_objects())

    def test_many_are_deleted_and_told_of_in_order(self, container: Container) -> None:
        """delete_objects gives one result for each object, in the order of the objects."""
        fill(container, "a", "b", "c", "kept")
        results = container.delete_objects(["c", "a", "b"])
        assert ["c", "a", "b"] == [result.name for result in results]
        assert [container.name] * 3 == [result.container for result in results]
        assert [(True, None)] * 3 == [(result.ok, result.error) for result in results]
        assert ["kept"] == names_of(container.list_objects())

    def test_missing_ones_among_many_are_gone(self, container: Container) -> None:
        """An object that is not there is as good as deleted."""
        fill(container, "a", "b")
        results = container.delete_objects(["a", "missing", "b", "also missing"])
        assert [True] * 4 == [result.ok for result in results]
        assert [] == list(container.list_objects())

    def test_one_that_is_named_twice_has_two_results(self, container: Container) -> None:
        """A name that occurs again is told of again."""
        fill(container, "a", "b")
        results = container.delete_objects(["a", "b", "a"])
        assert [("a", True), ("b", True), ("a", True)] == [
            (result.name, result.ok) for result in results
        ]

    def test_none_are_no_results(self, driver: StorageDriver) -> None:
        """delete_objects of nothing is an empty list."""
        assert [] == driver.delete_objects([])

    @pytest.mark.usefixtures("two_by_two")
    def test_more_than_one_batch_is_deleted(self, container: Container) -> None:
        """More objects than a request can take go in several."""
        names = [f"n{number}" for number in range(7)]
        fill(container, *names)
        results = container.delete_objects(names)
        assert names == [result.name for result in results]
        assert [] == list(container.list_objects())

    def test_objects_of_several_containers_go_together(
        self, driver: StorageDriver, container: Container, other_container: Container
    ) -> None:
        """The objects may come from any containers of the driver, in any order."""
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
        """What a listing gives can be handed on as it is."""
        fill(container, "a/1", "a/2", "b")
        driver.delete_objects(container.list_objects("a/"))
        assert ["b"] == names_of(container.list_objects())

    def test_the_result_tells_why_an_object_is_still_there(self, driver: StorageDriver) -> None:
        """What keeps an object from being deleted is in its result, and is not raised."""
        gone = driver.create_container(fresh_name())
        gone.delete()
        (result,) = gone.delete_objects(["a"])
        assert not result.ok
        assert isinstance(result.error, ContainerNotFoundError)
        assert (gone.name, "a") == (result.error.container, result.error.object)
        assert "delete_objects" == result.error.operation

    def test_a_single_name_is_no_list_of_names(self, container: Container) -> None:
        """A str in place of a list is refused; its letters are not deleted."""
        fill(container, "a", "b", "ab")
        with pytest.raises(InvalidTypeError):
            container.delete_objects("ab")
        assert ["a", "ab", "b"] == names_of(container.list_objects())
