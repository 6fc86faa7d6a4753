"""Pickles: a driver goes to another process, or says why it does not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from libstore import Container, Object, StorageDriver, StorageError

from .base import CONTENT, Topic, pickled


class Pickles(Topic):
    """Drivers and handles in pickles."""

    @pytest.fixture
    def obj(self, driver: StorageDriver, container: Container) -> Object:
        """Return an object, if its driver pickles; what refuses has to be a StorageError."""
        try:
            pickled(driver).close()
        except StorageError as error:
            pytest.skip(f"the driver does not go into a pickle: {error}")
        return container.upload_object(CONTENT, "a")

    def test_a_driver_pickles_or_says_why_not(self, obj: Object) -> None:
        """A copy of a driver reaches the same objects; one that cannot be made is StorageError."""
        with pickled(obj.driver) as driver:
            assert CONTENT == driver.get_object(obj.container.name, "a").read()

    def test_a_handle_pickles_like_its_driver(self, obj: Object) -> None:
        """A copy of a handle reaches the same object, with what was told of it."""
        again, container = pickled(obj), pickled(obj.container)
        with again.driver, container.driver:
            assert ("a", len(CONTENT)) == (again.name, again.size)
            assert CONTENT == again.read()
            assert ["a"] == [found.name for found in container]

    def test_copies_are_equal(self, obj: Object) -> None:
        """A driver, a container and an object equal their copies, and so do their hashes."""
        for value in (obj.driver, obj.container, obj):
            for again in (pickled(value), copy.copy(value), copy.deepcopy(value)):
                assert value == again
                assert hash(value) == hash(again)
                assert {value: 1} == {again: 1}
        assert obj != pickled(obj.container.object("b"))

    def test_handles_of_a_copy_are_taken(self, obj: Object) -> None:
        """A driver takes the handles of an equal driver as its own."""
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
    def test_a_listing_says_why_it_does_not_pickle(
        self, driver: StorageDriver, container: Container, copy: Callable[[object], object]
    ) -> None:
        """A lazy list belongs to its driver; what was read of it goes anywhere."""
        for listing in (container.list_objects(), driver.list_containers()):
            with pytest.raises(StorageError, match="pickle"):
                copy(listing)

    def test_results_pickle(self, container: Container) -> None:
        """What became of a batch can be told elsewhere."""
        results = container.delete_objects(["a", "b"])
        assert results == pickled(results)
