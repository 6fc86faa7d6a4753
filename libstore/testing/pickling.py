"""Pickles: a driver can be sent to another process, or raises a StorageError."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from libstore import Container, Object, StorageDriver, StorageError

from .base import CONTENT, Topic, pickled


class Pickles(Topic):
    """Test drivers and handles in pickles."""

    @pytest.fixture
    def obj(self, driver: StorageDriver, container: Container) -> Object:
        """Return an object of a driver that can be pickled; skip the test otherwise."""
        try:
            pickled(driver).close()
        except StorageError as error:
            pytest.skip(f"the driver cannot be pickled: {error}")
        return container.upload_object(CONTENT, "a")

    def test_driver_can_be_pickled_or_raises_storage_error(self, obj: Object) -> None:
        """A copy of a driver reaches the same objects."""
        with pickled(obj.driver) as driver:
            assert CONTENT == driver.get_object(obj.container.name, "a").read()

    def test_a_handle_pickles_like_its_driver(self, obj: Object) -> None:
        """A copy of a handle reaches the same object, and has the same attributes."""
        again, container = pickled(obj), pickled(obj.container)
        with again.driver, container.driver:
            assert ("a", len(CONTENT)) == (again.name, again.size)
            assert CONTENT == again.read()
            assert ["a"] == [found.name for found in container]

    def test_copies_are_equal(self, obj: Object) -> None:
        """A driver, a container and an object equal their copies, and their hashes too."""
        for value in (obj.driver, obj.container, obj):
            for again in (pickled(value), copy.copy(value), copy.deepcopy(value)):
                assert value == again
                assert hash(value) == hash(again)
                assert {value: 1} == {again: 1}
        assert obj != pickled(obj.container.object("b"))

    def test_handles_of_an_equal_driver_are_accepted(self, obj: Object) -> None:
        driver, again = obj.driver, pickled(obj)
        assert CONTENT == driver.read_object(again)
        assert again.container.driver.read_object(obj) == CONTENT
        assert ["a"] == [found.name for found in driver.list_objects(again.container)]
        copied = driver.upload_object(CONTENT, again.container, "b")
        assert copied.driver is driver
        assert copied == again.container.get_object("b")

    def test_a_move_onto_itself_by_a_copy_of_the_driver_deletes_nothing(self, obj: Object) -> None:
        """The copy reaches the same store, so there is nothing to move."""
        assert obj == obj.move(pickled(obj.container))
        assert CONTENT == obj.refresh().read()

    @pytest.mark.parametrize("copy", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_pickling_a_lazy_list_raises(
        self, driver: StorageDriver, container: Container, copy: Callable[[object], object]
    ) -> None:
        """The message says how to pickle its items."""
        for listing in (container.list_objects(), driver.list_containers()):
            with pytest.raises(StorageError, match="pickle"):
                copy(listing)

    def test_delete_results_can_be_pickled(self, container: Container) -> None:
        results = container.delete_objects(["a", "b"])
        assert results == pickled(results)
