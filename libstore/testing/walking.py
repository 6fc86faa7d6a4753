"""Walking the folders that a delimiter makes of names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from libstore import Container, InvalidOptionError, StorageDriver

from .base import Topic, fill, names_of
from .container_pool import ContainerPool

_Step = tuple[str, list[str], list[str]]


class Walks(Topic):
    """Test walk."""

    @pytest.fixture
    def forest(self, driver: StorageDriver, container_pool: ContainerPool) -> Iterator[Container]:
        """Provide a container with a small tree of names, which tests do not change."""
        with container_pool.stocked(driver, "forest", _plant) as container:
            yield container

    def test_walk_is_top_down(self, forest: Container) -> None:
        """Each step has the prefixes and objects directly below one prefix."""
        assert [
            ("", ["a/", "c/"], ["top"]),
            ("a/", ["a/b/"], ["a/3"]),
            ("a/b/", [], ["a/b/1", "a/b/2"]),
            ("c/", [], ["c/4"]),
        ] == _steps(forest)

    def test_walk_begins_at_a_prefix(self, forest: Container) -> None:
        assert ["a/", "a/b/"] == [prefix for prefix, _, _ in _steps(forest, "a/")]

    def test_walk_skips_prefixes_that_are_removed(self, forest: Container) -> None:
        """The caller changes the list of prefixes, as with os.walk."""
        seen = []
        for prefix, prefixes, _ in forest.walk():
            seen.append(prefix)
            if "a/" in prefixes:
                prefixes.remove("a/")
        assert ["", "c/"] == seen

    def test_walk_accepts_any_delimiter(self, container: Container) -> None:
        fill(container, "x--1", "x--y--2", "z/3")
        assert [
            ("", ["x--"], ["z/3"]),
            ("x--", ["x--y--"], ["x--1"]),
            ("x--y--", [], ["x--y--2"]),
        ] == _steps(container, delimiter="--")

    def test_walk_of_an_empty_container_is_one_step(self, container: Container) -> None:
        assert [("", [], [])] == _steps(container)

    @pytest.mark.usefixtures("two_by_two")
    def test_walk_reads_all_pages(self, container: Container) -> None:
        """Prefixes and objects of many pages are in one step."""
        fill(container, *(f"{letter}/1" for letter in "abcde"), *"vwxyz")
        prefix, prefixes, objects = _steps(container)[0]
        assert "" == prefix
        assert ["a/", "b/", "c/", "d/", "e/"] == prefixes
        assert list("vwxyz") == objects

    def test_an_empty_delimiter_is_refused(self, container: Container) -> None:
        """Without a delimiter there are no folders."""
        with pytest.raises(InvalidOptionError):
            container.walk(delimiter="")


def _plant(container: Container) -> None:
    fill(container, "a/b/1", "a/b/2", "a/3", "c/4", "top")


def _steps(container: Container, prefix: str = "", delimiter: str = "/") -> list[_Step]:
    return [
        (here, list(prefixes), names_of(objects))
        for here, prefixes, objects in container.walk(prefix, delimiter=delimiter)
    ]
