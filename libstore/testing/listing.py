"""Listings: order, prefixes, delimiters, pages and lazy lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    InvalidTypeError,
    LazyList,
    Object,
    ObjectNameConflictError,
    Prefix,
    StorageDriver,
)

from .base import CONTENT, Topic, fill, fresh_name, names_of
from .container_pool import ContainerPool

_TREE = (
    "1",
    "a-b",
    "a/1",
    "a/2",
    "a/b/3",
    "a0",
    "b",
    "b--1",
    "b--2--3",
    "c/d/e/4",
    "c/d/f/5",
    "z",
)
_INDICES = (
    slice(None),
    slice(0, 0),
    slice(0, 1),
    slice(3),
    slice(3, 7),
    slice(5, None),
    slice(0, 100),
    slice(50, 60),
    slice(None, None, 2),
    slice(1, 9, 3),
    slice(-2, None),
    slice(None, -2),
    slice(2, -2),
    slice(-5, 9),
    slice(None, None, -1),
    slice(8, 2, -2),
)


class Listings(Topic):
    """Test listing objects."""

    @pytest.fixture
    def tree(self, driver: StorageDriver, container_pool: ContainerPool) -> Iterator[Container]:
        """Provide a container with a small tree of names, which tests do not change."""
        with container_pool.stocked(driver, "tree", _plant) as container:
            yield container

    def test_an_empty_container_lists_nothing(self, container: Container) -> None:
        """The list is empty, false, and of length 0."""
        listing = container.list_objects()
        assert [] == list(listing)
        assert 0 == len(listing)
        assert not listing
        with pytest.raises(IndexError):
            listing[0]

    def test_every_object_is_listed_once_in_order(self, tree: Container) -> None:
        """A listing has all objects in the order of their names."""
        assert list(_TREE) == names_of(tree.list_objects())

    def test_the_order_is_that_of_utf8_bytes(self, container: Container) -> None:
        """Names sort by the bytes of UTF-8, not by case, locale or UTF-16."""
        names = ["B", "a", "ab", "b", "z", "~", "é", "\uff5e", "\U0001f600"]
        fill(container, *reversed(names))
        assert names == sorted(names, key=str.encode)
        assert names == names_of(container.list_objects())

    def test_listed_objects_have_size_time_and_etag(self, container: Container) -> None:
        """The time is in UTC and the ETag has no quotes."""
        uploaded = container.upload_object(CONTENT, "a")
        obj = container.list_objects()[0]
        assert len(CONTENT) == obj.size
        assert obj.last_modified is not None
        assert obj.last_modified.utcoffset() == timedelta(0)
        assert uploaded.etag == obj.etag

    @pytest.mark.parametrize(
        "prefix", ["a", "a/", "a/b", "b--", "c/d/", "z", "zz", "A", "", "/", "a/2", "c/d/e/45"]
    )
    def test_prefix_selects_names_that_begin_with_it(self, tree: Container, prefix: str) -> None:
        """The prefix may end with any character."""
        expected = [name for name in _TREE if name.startswith(prefix)]
        assert expected == names_of(tree.list_objects(prefix))

    @pytest.mark.parametrize("prefix", ["100%", "a b", "a+b", "ä", "a&b", "[x]", "*", "_", "#"])
    def test_a_prefix_is_taken_literally(self, container: Container, prefix: str) -> None:
        """No character of a prefix is a pattern or an escape."""
        fill(container, f"{prefix}/1", "x", "other", "a-b")
        assert [f"{prefix}/1"] == names_of(container.list_objects(prefix))

    @pytest.mark.parametrize(
        ("prefix", "delimiter"),
        [
            ("", "/"),
            ("a", "/"),
            ("a/", "/"),
            ("a/b", "/"),
            ("c/", "/"),
            ("c/d/", "/"),
            ("none/", "/"),
            ("", "-"),
            ("", "--"),
            ("b", "--"),
            ("b--", "--"),
            ("", "/d/"),
            ("", "a"),
            ("", "not there"),
        ],
    )
    def test_delimiter_groups_names_into_prefixes(
        self, tree: Container, prefix: str, delimiter: str
    ) -> None:
        """A Prefix ends with the first delimiter after the requested prefix."""
        listing = tree.list_objects(prefix, delimiter=delimiter)
        assert _folded(prefix, delimiter) == [(item.name, type(item)) for item in listing]

    def test_prefixes_and_objects_are_sorted_together(self, tree: Container) -> None:
        """A Prefix is listed between the objects, by its name."""
        expected = ["1", "a-b", "a/", "a0", "b", "b--1", "b--2--3", "c/", "z"]
        assert expected == names_of(tree.list_objects(delimiter="/"))

    def test_a_prefix_may_have_the_name_of_an_object(self, container: Container) -> None:
        """An object `a` and objects below `a/` are both listed, or one is refused."""
        fill(container, "a/1")
        try:
            fill(container, "a")
        except ObjectNameConflictError:
            assert ["a/1"] == names_of(container.list_objects())
        else:
            assert ["a", "a/1"] == names_of(container.list_objects())
            assert ["a", "a/"] == names_of(container.list_objects(delimiter="/"))

    @pytest.mark.parametrize("start", ["", "a", "a/", "a/1", "a/zzz", "b--", "z", "zz", "\0"])
    def test_start_after_omits_earlier_names(self, tree: Container, start: str) -> None:
        """start_after need not be an existing name."""
        expected = [name for name in _TREE if name > start]
        assert expected == names_of(tree.list_objects(start_after=start))

    def test_start_after_with_a_prefix(self, tree: Container) -> None:
        """Both apply, wherever start_after sorts relative to the prefix."""
        assert ["a/2", "a/b/3"] == names_of(tree.list_objects("a/", start_after="a/1"))
        assert ["a/1", "a/2", "a/b/3"] == names_of(tree.list_objects("a/", start_after="Z"))
        assert [] == names_of(tree.list_objects("a/", start_after="b"))

    @pytest.mark.parametrize("start", ["a", "a/", "a/1", "b", "c/", "c/d/"])
    def test_start_after_with_a_delimiter(self, tree: Container, start: str) -> None:
        """Objects and prefixes are listed if they sort after start_after."""
        expected = [name for name, _ in _folded("", "/") if name > start]
        assert expected == names_of(tree.list_objects(delimiter="/", start_after=start))

    @pytest.mark.usefixtures("two_by_two")
    @pytest.mark.parametrize(
        ("prefix", "delimiter", "start"),
        [
            ("", "", ""),
            ("a", "", ""),
            ("a/", "", "a/1"),
            ("", "/", ""),
            ("", "--", ""),
            ("c/", "/", ""),
            ("", "/", "a"),
            ("", "/", "a/"),
        ],
    )
    def test_listing_of_many_pages_has_each_item_once(
        self, tree: Container, prefix: str, delimiter: str, start: str
    ) -> None:
        """The rule holds for every combination of arguments."""
        expected = [name for name, _ in _folded(prefix, delimiter) if name > start]
        listing = tree.list_objects(prefix, delimiter=delimiter, start_after=start)
        assert expected == names_of(listing)
        assert len(expected) == len(listing)

    @pytest.mark.usefixtures("two_by_two")
    def test_many_objects_behind_one_prefix_are_one_item(self, container: Container) -> None:
        """A prefix whose objects fill many pages is listed once, and later items are not lost."""
        fill(container, *(f"f/{number}" for number in range(5)), "g", "h/1", "h/2", "h/3")
        assert ["f/", "g", "h/"] == names_of(container.list_objects(delimiter="/"))

    @pytest.mark.usefixtures("two_by_two")
    def test_pages_continue_after_names_with_special_characters(
        self, container: Container
    ) -> None:
        names = sorted(["a b", "a%20b", "a&b", "a+b", "a#b", "ä", "日本", "😀", "<x>", "a=b?"])
        fill(container, *names)
        assert names == names_of(container.list_objects())
        assert names[3:] == names_of(container.list_objects(start_after=names[2]))

    # ------------------------------------------------------------------ the lazy list

    def test_listing_a_missing_container_raises_on_reading(self, container: Container) -> None:
        """Creating the list raises nothing."""
        listing = container.driver.list_objects(fresh_name())
        assert isinstance(listing, LazyList)
        with pytest.raises(FileNotFoundError):
            list(listing)

    @pytest.mark.parametrize("index", [0, 1, 5, 11, -1, -3, -12])
    def test_an_index_gives_one_item(self, tree: Container, index: int) -> None:
        """An index counts from the front, a negative one from the end."""
        assert _TREE[index] == tree.list_objects()[index].name

    @pytest.mark.parametrize("index", [12, 500, -13, -500])
    def test_an_index_out_of_range_raises(self, tree: Container, index: int) -> None:
        """It raises IndexError."""
        with pytest.raises(IndexError):
            tree.list_objects()[index]

    @pytest.mark.parametrize("index", ["a", 1.0, None], ids=ascii)
    def test_an_index_of_another_type_raises(self, tree: Container, index: Any) -> None:
        """An index is an int or a slice."""
        with pytest.raises(TypeError):
            tree.list_objects()[index]

    @pytest.mark.usefixtures("two_by_two")
    @pytest.mark.parametrize("index", _INDICES, ids=str)
    def test_a_slice_is_that_of_a_list(self, tree: Container, index: slice) -> None:
        """A slice has the same items as that of a list."""
        sliced = tree.list_objects()[index]
        assert isinstance(sliced, list)
        assert list(_TREE[index]) == names_of(sliced)

    @pytest.mark.usefixtures("two_by_two")
    def test_length_truth_and_reversal_are_those_of_a_list(self, tree: Container) -> None:
        """len(), bool() and reversed() have the same results as for a list."""
        listing = tree.list_objects()
        assert len(_TREE) == len(listing)
        assert listing
        assert list(reversed(_TREE)) == names_of(reversed(listing))

    def test_an_object_is_in_the_list(self, tree: Container) -> None:
        """`in`, index() and count() compare handles."""
        listing = tree.list_objects()
        assert tree.object("a/2") in listing
        assert tree.object("missing") not in listing
        assert 3 == listing.index(tree.object("a/2"))
        assert 1 == listing.count(tree.object("z"))

    def test_list_can_be_read_again_and_shows_current_objects(self, container: Container) -> None:
        """Each iteration requests the pages again."""
        fill(container, "a", "b")
        listing = container.list_objects()
        assert ["a", "b"] == names_of(listing)
        fill(container, "c")
        container.delete_object("a")
        assert ["b", "c"] == names_of(listing)
        assert 2 == len(listing)

    @pytest.mark.usefixtures("two_by_two")
    def test_two_iterations_do_not_disturb_each_other(self, tree: Container) -> None:
        """Iterators of one list are independent."""
        listing = tree.list_objects()
        first, second = iter(listing), iter(listing)
        assert ["1", "a-b", "a/1"] == [next(first).name for _ in range(3)]
        assert "1" == next(second).name
        assert "a/2" == next(first).name

    @pytest.mark.usefixtures("two_by_two")
    def test_objects_can_be_deleted_while_they_are_listed(self, container: Container) -> None:
        """Deleting listed objects does not lose later ones."""
        _plant(container)
        seen = []
        for obj in container.list_objects():
            obj.delete()
            seen.append(obj.name)
        assert list(_TREE) == seen
        assert [] == list(container.list_objects())

    def test_repr_of_a_list_names_the_container(self, container: Container) -> None:
        """It sends no request."""
        assert container.name in repr(container.list_objects())

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*", ["1", "a-b", "a0", "b", "b--1", "b--2--3", "z"]),
            ("**", list(_TREE)),
            ("**/[0-3]", ["1", "a/1", "a/2", "a/b/3"]),
            ("a/?", ["a/1", "a/2"]),
            ("a/**", ["a/1", "a/2", "a/b/3"]),
            ("c/**/[!4]", ["c/d/f/5"]),
            ("b", ["b"]),
            ("zz*", []),
        ],
    )
    def test_pattern_selects_names(
        self, tree: Container, pattern: str, expected: list[str]
    ) -> None:
        """A pattern matches whole names, and only `**` stands for slashes."""
        assert expected == names_of(tree.list_objects(pattern=pattern))

    @pytest.mark.usefixtures("two_by_two")
    def test_pages_without_a_match_are_passed_over(self, tree: Container) -> None:
        """The list goes on to the last page, for indexes, slices and lengths, too."""
        listing = tree.list_objects(pattern="**/[35z]")
        expected = ["a/b/3", "c/d/f/5", "z"]
        assert expected == names_of(listing)
        assert expected[1:] == names_of(listing[1:])
        assert ("a/b/3", "z", 3) == (listing[0].name, listing[-1].name, len(listing))

    def test_pattern_is_combined_with_prefix_and_start(self, tree: Container) -> None:
        """A name has to match everything."""
        assert ["a/b/3"] == names_of(tree.list_objects("a/b", pattern="a/**"))
        assert ["a/b/3"] == names_of(tree.list_objects("a", pattern="a/b/*"))
        assert ["a/2"] == names_of(tree.list_objects(pattern="a/*", start_after="a/1"))
        assert [] == names_of(tree.list_objects("b", pattern="a/*"))

    def test_pattern_with_a_delimiter_is_refused(self, container: Container) -> None:
        """A pattern compares objects, and prefixes are none."""
        with pytest.raises(InvalidOptionError, match="delimiter"):
            container.list_objects(pattern="*", delimiter="/")

    @pytest.mark.parametrize("argument", ["prefix", "delimiter", "start_after"])
    @pytest.mark.parametrize("value", [None, 5, b"a"], ids=ascii)
    def test_an_argument_of_another_type_is_refused(
        self, container: Container, argument: str, value: Any
    ) -> None:
        """Prefix, delimiter and start_after are str; anything else raises InvalidTypeError."""
        arguments: dict[str, Any] = {argument: value}
        with pytest.raises(InvalidTypeError):
            container.list_objects(**arguments)


def _plant(container: Container) -> None:
    fill(container, *reversed(_TREE))


def _folded(prefix: str, delimiter: str) -> list[tuple[str, type[Object | Prefix]]]:
    """Return the expected names and types of a listing of the tree."""
    items: dict[str, type[Object | Prefix]] = {}
    for name in _TREE:
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter or name + ".")
            items[prefix + head + found if found else name] = Prefix if found else Object
    return list(items.items())
