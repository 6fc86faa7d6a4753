"""Reading many objects with one call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from libstore import (
    Container,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    ObjectNotFoundError,
    StorageDriver,
)

from .base import Topic, fill, fresh_name, noise


class ManyReads(Topic):
    """Test `read_objects`."""

    @pytest.mark.parametrize("concurrency", [1, 3, 32])
    def test_many_objects_are_read_in_order(self, container: Container, concurrency: int) -> None:
        """Each name has its own content, in the order of the names, also a repeated one."""
        contents = {f"{number}/ä b": noise(number * 700) for number in range(12)}
        for name, content in contents.items():
            container.upload_object(content, name)
        names = [*reversed(contents), *contents]
        expected = [(name, contents[name]) for name in names]
        assert expected == list(container.read_objects(names, concurrency=concurrency))

    def test_many_objects_may_be_handles(self, container: Container) -> None:
        """A listing can be read, and the handles learn what verified their content."""
        fill(container, "a", "b")
        handles = list(container.list_objects())
        found = dict(container.read_objects(handles))
        assert {obj.name: obj.read() for obj in handles} == found

    def test_missing_object_does_not_stop_the_others(self, container: Container) -> None:
        """Its error takes the place of its bytes, with the names of everything."""
        fill(container, "a", "b")
        (_, a), (name, error), (_, b) = container.read_objects(["a", "missing", "b"])
        assert isinstance(error, ObjectNotFoundError)
        assert ("missing", "missing", container.name) == (name, error.object, error.container)
        assert "read_objects" == error.operation
        assert isinstance(a, bytes)
        assert isinstance(b, bytes)

    def test_name_that_the_service_cannot_have_does_not_stop_the_others(
        self, container: Container
    ) -> None:
        """Its error takes the place of its bytes."""
        fill(container, "a")
        (_, error), (name, content) = container.read_objects(["", "a"])
        assert isinstance(error, InvalidNameError)
        assert ("a", bytes) == (name, type(content))

    def test_many_objects_of_a_missing_container_raise(self, driver: StorageDriver) -> None:
        """ContainerNotFoundError is raised by the first step, and not yielded."""
        results = driver.container(fresh_name()).read_objects(["a", "b"])
        with pytest.raises(ContainerNotFoundError) as caught:
            next(results)
        assert "read_objects" == caught.value.operation

    def test_names_of_many_objects_may_be_endless(self, container: Container) -> None:
        """No more names are taken than `concurrency` ahead, and an iterator can be left."""
        fill(container, "a", "b")
        taken = 0

        def names() -> Iterator[str]:
            nonlocal taken
            for name in itertools.cycle("ab"):
                taken += 1
                yield name

        results = container.read_objects(names(), concurrency=4)
        assert ["a", "b", "a", "b", "a"] == [name for name, _ in itertools.islice(results, 5)]
        assert taken <= 9
        del results
        assert container.read_object("a")

    def test_reading_no_objects_yields_nothing(self, container: Container) -> None:
        assert [] == list(container.read_objects([]))

    def test_error_of_the_names_is_raised(self, container: Container) -> None:
        """An exception of the iterable of names passes through."""
        fill(container, "a")

        def names() -> Iterator[str]:
            yield "a"
            raise LookupError

        with pytest.raises(LookupError):
            list(container.read_objects(names()))

    def test_other_operations_work_between_results(self, container: Container) -> None:
        """The loop's body may use the driver while more responses are awaited."""
        fill(container, *map(str, range(40)))
        for name, content in container.read_objects(map(str, range(40))):
            assert isinstance(content, bytes)
            container.upload_object(content[::-1], name)
            assert content[::-1] == container.read_object(name)

    @pytest.mark.parametrize("names", ["a", b"a", 5, None], ids=ascii)
    def test_names_of_another_type_are_refused(self, container: Container, names: Any) -> None:
        """The error is raised before the first step."""
        with pytest.raises(InvalidTypeError):
            container.read_objects(names)

    @pytest.mark.parametrize("concurrency", [0, -1, "2", 1.5], ids=ascii)
    def test_invalid_concurrency_is_refused(self, container: Container, concurrency: Any) -> None:
        """The error is raised before the first step."""
        with pytest.raises(InvalidOptionError):
            container.read_objects(["a"], concurrency=concurrency)
