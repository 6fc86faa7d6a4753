"""Test lazy lists: list behaviour, requests and memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from faulty import FaultyDriver, narrow
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore import (
    Container,
    ContainerNotFoundError,
    InvalidTypeError,
    LazyList,
    ListQuery,
    ObjectInfo,
    Page,
    Prefix,
    WriteOptions,
    fold_page,
)
from libstore.notebooks import readable_size

_MANY = 20_000


class _Pages:
    """A listing of given items that records its requests."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.limits: list[int] = []

    def fetch(self, token: str | None, limit: int) -> Page[Any]:
        self.limits.append(limit)
        start = int(token or 0)
        stop = start + limit
        return Page(self.items[start:stop], str(stop) if stop < len(self.items) else None)

    def as_list(self, page_size: int = 10) -> LazyList[Any]:
        return LazyList(self.fetch, page_size, "test items")


@pytest.fixture(scope="module")
def full_driver() -> FaultyDriver:
    """Return a driver with 20,000 objects in one container."""
    driver = FaultyDriver()
    container = driver.create_container("c")
    for number in range(_MANY):
        driver._write(container.name, f"{number:06}", b"", WriteOptions())
    return driver


@pytest.fixture
def full(full_driver: FaultyDriver) -> Container:
    """Return a container with 20,000 objects; no call is recorded yet."""
    full_driver.calls.clear()
    return full_driver.get_container("c")


def _limits(container: Container) -> list[int]:
    driver = container.driver
    assert isinstance(driver, FaultyDriver)
    return [arguments[3] for arguments in driver.requested("_list_objects")]


# ---------------------------------------------------------------------- patterns


def test_pattern_sends_its_literal_prefix(full: Container) -> None:
    found = full.list_objects(pattern="0000*[05]")

    assert 20 == len(found)
    assert "000005" == found[1].name
    assert "matching '0000*[05]'" in repr(found)
    driver = full.driver
    assert isinstance(driver, FaultyDriver)
    assert {"0000"} == {query.prefix for _, query, *_ in driver.requested("_list_objects")}


def test_match_is_found_behind_more_than_a_thousand_pages_without_one() -> None:
    items = [ObjectInfo(f"{number:06}") for number in range(3_000)]
    pages = _Pages(items)

    found = LazyList(pages.fetch, 1, "test items", keep=lambda item: item.name == "002999")

    assert [items[-1]] == list(found)
    assert [items[-1]] == found[:1]


# ---------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("use", "pages"),
    [
        (lambda lst: lst[0], [1]),
        (lambda lst: lst[999], [1000]),
        (lambda lst: lst[1000], [1000, 1]),
        (lambda lst: lst[:20], [20]),
        (lambda lst: lst[:20:3], [20]),
        (lambda lst: lst[5:20], [20]),
        (lambda lst: lst[:0], []),
        (lambda lst: lst[:1500], [1000, 500]),
        (bool, [1]),
        (repr, []),
        (lambda lst: next(iter(lst)), [1000]),
        (lambda lst: list(itertools.islice(lst, 1001)), [1000, 1000]),
    ],
    ids=[
        "[0]",
        "[999]",
        "[1000]",
        "[:20]",
        "[:20:3]",
        "[5:20]",
        "[:0]",
        "[:1500]",
        "bool",
        "repr",
        "next",
        "islice",
    ],
)
def test_index_and_slice_request_only_their_pages(
    full: Container, use: Callable[[Any], object], pages: list[int]
) -> None:
    """No page is larger than needed."""
    use(full.list_objects())
    assert pages == _limits(full)


@pytest.mark.parametrize(
    "use",
    [
        len,
        list,
        tuple,
        lambda lst: sorted(lst, key=lambda obj: obj.name),
        set,
        lambda lst: [*lst],
        lambda lst: list(reversed(lst)),
        lambda lst: lst[-1],
        lambda lst: lst[-20:],
        lambda lst: lst[::-1],
        lambda lst: lst[10:],
        lambda lst: lst[:],
        lambda lst: lst[-1] in lst[:0],
        lambda lst: lst.count(None),
        lambda lst: sum(1 for _ in lst),
    ],
    ids=[
        "len",
        "list",
        "tuple",
        "sorted",
        "set",
        "unpack",
        "reversed",
        "[-1]",
        "[-20:]",
        "[::-1]",
        "[10:]",
        "[:]",
        "in",
        "count",
        "for",
    ],
)
def test_complete_use_requests_each_page_once(
    full: Container, use: Callable[[Any], object]
) -> None:
    use(full.list_objects())
    assert [1000] * 20 == _limits(full)


def test_list_call_does_not_request_the_length(full: Container) -> None:
    """`list()` calls `len()` as a hint, which sends no requests."""
    lst = full.list_objects()
    assert _MANY == len(list(lst))
    assert _MANY == len(list(lst))
    assert 40 == len(_limits(full))


def test_type_error_of_a_driver_is_raised_by_list() -> None:
    """`list()` ignores a TypeError of `len()`, and would return an empty list."""

    def fetch(token: str | None, limit: int) -> Page[int]:
        raise TypeError("a mistake")

    lst = LazyList(fetch, 10, "test items")
    for read in (list, len, bool, sorted, tuple):
        with pytest.raises(TypeError, match="a mistake"):
            read(lst)


@pytest.mark.parametrize("read", [list, len, bool, sorted, tuple])
def test_type_error_of_a_driver_is_raised(read: Callable[[Any], object]) -> None:
    """`list()` ignores a TypeError of `len()`, and would return an empty list."""

    def fetch(token: str | None, limit: int) -> Page[int]:
        raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        read(LazyList(fetch, 10, "test items"))


def test_len_during_iteration_does_not_affect_the_loop(full: Container) -> None:
    lst = full.list_objects()
    loop = iter(lst)
    assert "000000" == next(loop).name
    assert _MANY == len(lst)
    assert "000001" == next(loop).name
    assert _MANY - 2 == sum(1 for _ in loop)


def test_iterations_are_independent(full: Container) -> None:
    """Each loop starts at the beginning, nested ones too."""
    lst = full.list_objects()
    names = [obj.name for obj in lst]
    assert names == [obj.name for obj in lst]
    assert _MANY == len(names)
    pairs = zip(lst, lst, strict=True)
    assert all(left.name == right.name for left, right in itertools.islice(pairs, 2500))


def test_list_shows_current_objects() -> None:
    """The same list shows objects that were added later."""
    container = FaultyDriver().create_container("c")
    lst = container.list_objects()
    assert not lst
    assert 0 == len(lst)
    container.upload_object(b"", "a")
    assert lst
    assert ["a"] == [obj.name for obj in lst]


def test_missing_container_raises_when_the_list_is_read() -> None:
    """Creating the list sends nothing."""
    driver = FaultyDriver()
    lst = driver.list_objects("nowhere")
    assert [] == driver.calls
    with pytest.raises(ContainerNotFoundError) as caught:
        bool(lst)
    assert ("list_objects", "nowhere") == (caught.value.operation, caught.value.container)


def test_listed_objects_share_their_container(full: Container) -> None:
    assert full is full.list_objects()[0].container


_PEAK = """
import sys, tracemalloc
from libstore import WriteOptions
from libstore.drivers.memory import MemoryDriver
driver = MemoryDriver()
container = driver.create_container("c")
for number in range({count}):
    driver._write("c", f"{{number:06}}", b"", WriteOptions())
tracemalloc.start()
seen = sum(1 for _ in container.list_objects())
assert {count} == seen
print(tracemalloc.get_traced_memory()[1])
"""


def test_iteration_holds_one_page() -> None:
    """The peak of memory is the same for 2,000 and 20,000 objects."""
    peaks = []
    for count in (2_000, _MANY):
        script = [sys.executable, "-c", _PEAK.format(count=count)]
        out = subprocess.run(script, check=True, capture_output=True, text=True)
        peaks.append(int(out.stdout))
    few, many = peaks
    assert many < few * 1.1 + 16 * 1024


def test_slice_holds_only_its_items(full: Container) -> None:
    """A short slice does not keep pages that it does not need."""
    lst = full.list_objects()
    tracemalloc.start()
    try:
        found = lst[:20]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 20 == len(found)
    assert peak < 128 * 1024


# ---------------------------------------------------------------------- list behaviour

_INDEX = st.none() | st.integers(-60, 60)
_ITEMS = st.integers(0, 45).map(range)


@given(items=_ITEMS, page=st.integers(1, 50), start=_INDEX, stop=_INDEX, step=_INDEX)
@settings(max_examples=300, deadline=None)
def test_slice_equals_that_of_a_list(
    items: range, page: int, start: int | None, stop: int | None, step: int | None
) -> None:
    """For any bounds, step and page size."""
    lazy = _Pages(items).as_list(page)
    wanted = slice(start, stop, step)
    if step == 0:
        with pytest.raises(ValueError, match="zero"):
            lazy[wanted]
    else:
        assert list(items)[wanted] == lazy[wanted]


@given(items=_ITEMS, page=st.integers(1, 50), index=st.integers(-60, 60))
def test_index_equals_that_of_a_list(items: range, page: int, index: int) -> None:
    """An index out of range raises IndexError."""
    lazy = _Pages(items).as_list(page)
    if -len(items) <= index < len(items):
        assert items[index] == lazy[index]
    else:
        with pytest.raises(IndexError, match=f"index {index} is out of range"):
            lazy[index]


@given(items=_ITEMS, page=st.integers(1, 50))
def test_length_truth_order_and_membership_equal_those_of_a_list(items: range, page: int) -> None:
    lazy = _Pages(items).as_list(page)
    real = list(items)
    assert real == list(lazy)
    assert len(real) == len(lazy)
    assert bool(real) == bool(lazy)
    assert real[::-1] == list(reversed(lazy))
    assert (44 in real) == (44 in lazy)
    assert real.count(3) == lazy.count(3)


@given(items=_ITEMS, page=st.integers(1, 50), start=_INDEX, stop=st.integers(0, 60))
def test_slice_requests_no_items_beyond_its_end(
    items: range, page: int, start: int | None, stop: int
) -> None:
    pages = _Pages(items)
    pages.as_list(page)[slice(abs(start or 0), stop)]
    assert sum(pages.limits) <= stop
    assert all(limit <= page for limit in pages.limits)


def test_object_with_index_method_is_an_index() -> None:
    """For example an integer of NumPy."""

    class Two:
        def __index__(self) -> int:
            return 2

    lazy = _Pages(range(5)).as_list()
    assert 2 == lazy[Two()]
    assert 1 == lazy[True]
    for index in ("0", 1.0, None):
        with pytest.raises(InvalidTypeError, match="must be an int or a slice"):
            lazy[index]


def test_empty_page_with_a_token_is_not_the_last() -> None:
    """Services send one after searching for a while."""
    pages = {None: Page([], "1"), "1": Page([7], "2"), "2": Page([], "3"), "3": Page([8])}
    lazy: LazyList[int] = LazyList(lambda token, limit: pages[token], 10, "x")
    assert [7, 8] == list(lazy)
    assert lazy
    assert 7 == lazy[0]
    assert [7, 8] == lazy[:2]
    assert 8 == lazy[-1]


def test_page_may_be_shorter_than_requested() -> None:
    items = list(range(10))

    def fetch(token: str | None, limit: int) -> Page[int]:
        start = int(token or 0)
        return Page(items[start : start + 2], str(start + 2) if start + 2 < 10 else None)

    lazy: LazyList[int] = LazyList(fetch, 10, "x")
    assert items[:5] == lazy[:5]
    assert 7 == lazy[7]
    assert items == list(lazy)


def test_repr_names_the_listing_and_sends_nothing() -> None:
    """A debugger that shows a list sends no request."""
    driver = FaultyDriver()
    lst = driver.list_objects("c", "2026/")
    assert "<LazyList of objects in 'c' below '2026/'>" == repr(lst)
    assert "<LazyList of containers of <FaultyDriver>>" == repr(driver.list_containers())
    assert [] == driver.calls


# ---------------------------------------------------------------------- fold_page

_NAME = st.text("ab/", min_size=1, max_size=6)
_WILD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


def _reference(names: set[str], query: ListQuery) -> list[str]:
    """Return the items of a listing by its definition, without regard to cost."""
    found: set[str] = set()
    for name in names:
        if not name.startswith(query.prefix):
            continue
        rest = name[len(query.prefix) :]
        head, delimiter, _ = rest.partition(query.delimiter) if query.delimiter else (rest, "", "")
        found.add(query.prefix + head + delimiter)
    return sorted(
        (item for item in found if item > query.start_after), key=lambda item: item.encode()
    )


def _all_pages(names: set[str], query: ListQuery, limit: int) -> Iterator[Page[Any]]:
    infos = [ObjectInfo(name) for name in sorted(names)]
    token = None
    for _ in range(len(names) + 1):
        page = fold_page(iter(infos), query, token, limit)
        yield page
        token = page.token
        if token is None:
            return
    raise AssertionError("the pages do not come to an end")


@given(
    names=st.sets(_NAME, max_size=25) | st.sets(_WILD, max_size=25),
    prefix=st.just("") | _NAME | _WILD,
    delimiter=st.sampled_from(["", "/", "//", "a", "ab"]),
    start_after=st.just("") | _NAME | _WILD,
    limit=st.integers(1, 30),
)
@settings(max_examples=400, deadline=None)
def test_fold_page_matches_its_definition(
    names: set[str], prefix: str, delimiter: str, start_after: str, limit: int
) -> None:
    """The pages together have each name once, after the marker, in UTF-8 order."""
    query = ListQuery(prefix, delimiter, start_after)
    pages = list(_all_pages(names, query, limit))
    assert _reference(names, query) == [item.name for page in pages for item in page.items]
    assert all(len(page.items) == limit for page in pages[:-1])
    assert len(pages[-1].items) <= limit


@given(
    names=st.sets(_NAME, min_size=1, max_size=25),
    delimiter=st.sampled_from(["", "/", "b"]),
    prefix=st.sampled_from(["", "a", "a/"]),
)
def test_folded_prefixes_and_objects_are_distinct(
    names: set[str], delimiter: str, prefix: str
) -> None:
    """A prefix ends with the delimiter; an object exists."""
    query = ListQuery(prefix, delimiter)
    (page,) = _all_pages(names, query, 100)
    for item in page.items:
        if isinstance(item, Prefix):
            assert item.name.endswith(delimiter)
            assert any(name.startswith(item.name) for name in names)
        else:
            assert item.name in names


def test_last_full_page_has_no_token() -> None:
    """A listing that exactly fills its last page needs no further request."""
    infos = [ObjectInfo(name) for name in ("a", "b")]
    assert Page(infos, None) == fold_page(infos, ListQuery(), None, 2)
    assert "a" == fold_page(infos, ListQuery(), None, 1).token


@given(names=st.sets(_NAME, max_size=30), page_size=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_walk_visits_every_object_once(names: set[str], page_size: int) -> None:
    """The tree that the delimiter makes has each object in exactly one place."""
    driver = FaultyDriver()
    driver.limits = narrow(page_size=page_size)
    container = driver.create_container("c")
    for name in names:
        container.upload_object(b"", name)
    seen: list[str] = []
    for prefix, prefixes, objects in container.walk():
        for obj in objects:
            assert prefix == obj.name[: obj.name.rfind("/") + 1]
            seen.append(obj.name)
        assert sorted(set(prefixes)) == prefixes
    assert sorted(names) == sorted(seen)


@pytest.mark.parametrize(
    "use",
    [
        lambda lst: lst[: 10**20] == [1, 2, 3],
        lambda lst: lst[1 : 10**20 : 10**20] == [2],
        lambda lst: lst[10**20 :] == [],
    ],
)
def test_slice_bounds_may_exceed_maxsize(use: Callable[[Any], bool]) -> None:
    """As for a list, a bound beyond `sys.maxsize` means the end."""
    lst = LazyList(lambda token, limit: Page([1, 2, 3]), 10, "x")
    assert use([1, 2, 3])
    assert use(lst)


@pytest.mark.parametrize("index", [10**20, -(10**20), 2**63 - 1, -(2**63)])
def test_index_beyond_maxsize_is_out_of_range(index: int) -> None:
    """It raises IndexError, as for a list."""
    lst = LazyList(lambda token, limit: Page([1, 2, 3]), 10, "x")
    with pytest.raises(IndexError):
        lst[index]


def test_index_method_fetches_each_page_once() -> None:
    """`lst.index(x)` iterates once, rather than once for each item."""
    pages = 0

    def fetch(token: str | None, limit: int) -> Page[int]:
        nonlocal pages
        pages += 1
        start = int(token or 0)
        stop = min(start + limit, 1000)
        return Page(range(start, stop), str(stop) if stop < 1000 else None)

    lst = LazyList(fetch, 100, "x")
    assert 900 == lst.index(900)
    assert pages <= 10


# ---------------------------------------------------------------------- repr, notebooks, sorting


def test_repr_shows_the_first_names_of_a_list_that_was_read() -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    lst = container.list_objects()
    assert [] == list(lst)
    assert "<LazyList of objects in 'c': empty>" == repr(lst)
    for number in range(12):
        container.upload_object(b"", f"{number:02}")
    assert lst
    assert "<LazyList of objects in 'c': '00', ...>" == repr(lst)
    assert 12 == len(lst)
    driver.calls.clear()

    names = ", ".join(f"'{number:02}'" for number in range(10))
    assert f"<LazyList of objects in 'c': {names}, ...>" == repr(lst)
    assert [] == driver.calls


def test_notebook_shows_a_table_of_the_first_items_with_one_request() -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    for number in range(12):
        container.upload_object(bytes(2048), f"<b>{number:02}")
    driver.calls.clear()

    html = container.list_objects()._repr_html_()
    assert ["_list_objects"] == driver.hooks()
    assert "<b>" not in html
    assert "<td>&lt;b&gt;09</td><td>2.0 KiB</td>" in html
    assert "&lt;b&gt;10" not in html
    assert "<td>…</td>" in html
    assert "Last modified" in html
    assert "below &#x27;x&#x27;: empty</caption>" in container.list_objects("x")._repr_html_()


def test_notebook_shows_what_is_known_of_a_handle() -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    obj = container.upload_object(b"1", "a&b")
    driver.calls.clear()

    assert "<td>a&amp;b</td><td>1 bytes</td>" in obj._repr_html_()
    assert "<td>a</td></tr>" in container.object("a")._repr_html_()
    assert "<td>c</td>" in container._repr_html_()
    assert [] == driver.calls
    assert "<th>Name</th>" in driver.list_containers()._repr_html_()
    with container.open("d", "wb"):
        assert "<table>" in container.list_uploads()._repr_html_()


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**63 - 1, "8.0 EiB")],
)
def test_size_is_readable(size: int, shown: str) -> None:
    assert shown == readable_size(size)


def test_objects_prefixes_and_containers_are_sorted() -> None:
    driver = FaultyDriver()
    one, two = driver.create_container("1"), driver.create_container("2")
    for name in ("b", "c/d", "a"):
        one.upload_object(b"", name)
    lst = one.list_objects(delimiter="/")

    assert ["a", "b", "c/"] == [item.name for item in sorted([lst[2], lst[1], lst[0]])]
    assert [one.object("b"), two.object("a")] == sorted([two.object("a"), one.object("b")])
    assert [one, two] == sorted([two, one])
    assert [Prefix("a/"), Prefix("b/")] == sorted([Prefix("b/"), Prefix("a/")])
    assert max(lst).is_prefix
    for wrong in (one.object("a"), one, Prefix("a/")):
        with pytest.raises(TypeError):
            sorted([wrong, "a"])  # type: ignore[type-var, list-item]


def test_prefix_of_a_listing_is_listed_and_walked() -> None:
    driver = FaultyDriver()
    container = driver.create_container("c")
    for name in ("a", "b/c", "b/d/e"):
        container.upload_object(b"", name)
    (prefix,) = [item for item in container.list_objects(delimiter="/") if item.is_prefix]

    assert ["b/c", "b/d/e"] == [obj.name for obj in container.list_objects(prefix)]
    assert ["b/c", "b/d/"] == [
        item.name for item in driver.list_objects("c", prefix, delimiter="/")
    ]
    assert ["b/", "b/d/"] == [here for here, _, _ in container.walk(prefix)]
    assert "objects in 'c' below 'b/'" in repr(container.list_objects(prefix))
