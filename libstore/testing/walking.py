"""Walking the tree that a delimiter makes of the names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore import Container, InvalidOptionError, StorageDriver

from .base import Topic, fill, names_of
from .container_pool import ContainerPool

_Step = tuple[str, list[str], list[str]]


class Walks(Topic):
    """walk()."""

    @pytest.fixture
    def forest(self, driver: StorageDriver, container_pool: ContainerPool) -> Iterator[Container]:
        """Lend a container with a small tree of names, which tests leave as it is."""
        with container_pool.stocked(driver, "forest", _plant) as container:
            yield container

    def test_it_goes_from_the_top_down(self, forest: Container) -> None:
        """Each step has the prefixes and the objects right below one prefix."""
        assert [
            ("", ["a/", "c/"], ["top"]),
            ("a/", ["a/b/"], ["a/3"]),
            ("a/b/", [], ["a/b/1", "a/b/2"]),
            ("c/", [], ["c/4"]),
        ] == _steps(forest)

    def test_it_begins_at_a_prefix(self, forest: Container) -> None:
        """A prefix is where the walk begins."""
        assert ["a/", "a/b/"] == [prefix for prefix, _, _ in _steps(forest, "a/")]

    def test_prefixes_that_are_taken_out_are_not_walked(self, forest: Container) -> None:
        """The caller prunes the walk by changing the list of prefixes, as with os.walk."""
        seen = []
        for prefix, prefixes, _ in forest.walk():
            seen.append(prefix)
            if "a/" in prefixes:
                prefixes.remove("a/")
        assert ["", "c/"] == seen

    def test_it_takes_any_delimiter(self, container: Container) -> None:
        """The delimiter may be something else than a slash."""
        fill(container, "x--1", "x--y--2", "z/3")
        assert [
            ("", ["x--"], ["z/3"]),
            ("x--", ["x--y--"], ["x--1"]),
            ("x--y--", [], ["x--y--2"]),
        ] == _steps(container, delimiter="--")

    def test_an_empty_container_is_one_step(self, container: Container) -> None:
        """A walk where nothing is yields the top alone."""
        assert [("", [], [])] == _steps(container)

    @pytest.mark.usefixtures("two_by_two")
    def test_it_goes_through_all_pages(self, container: Container) -> None:
        """Prefixes and objects of many pages are all in one step."""
        fill(container, *(f"{letter}/1" for letter in "abcde"), *"vwxyz")
        prefix, prefixes, objects = _steps(container)[0]
        assert "" == prefix
        assert ["a/", "b/", "c/", "d/", "e/"] == prefixes
        assert list("vwxyz") == objects

    def test_an_empty_delimiter_is_refused(self, container: Container) -> None:
        """Without a delimiter there is no tree."""
        with pytest.raises(InvalidOptionError):
            container.walk(delimiter="")


def _plant(container: Container) -> None:
    fill(container, "a/b/1", "a/b/2", "a/3", "c/4", "top")


def _steps(container: Container, prefix: str = "", delimiter: str = "/") -> list[_Step]:
    return [
        (here, list(prefixes), names_of(objects))
        for here, prefixes, objects in container.walk(prefix, delimiter=delimiter)
    ]
