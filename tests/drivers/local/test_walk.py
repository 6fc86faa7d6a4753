"""Listings are in the order of UTF-8 bytes, and deep trees are listed and deleted."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.local.support import Kept, local_driver, names, new_container, snapshot

from libstore import Container, Object, Prefix


def _fill(top: Path, wanted: list[str]) -> None:
    for name in wanted:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def _paged(container: Container, size: int) -> Container:
    container.driver.limits = dataclasses.replace(container.driver.limits, page_size=size)
    return container


# Names in whose order the slash matters: a directory sorts as its name with a slash does.
_TRICKY = [
    *("a", "a!", "a-b", "a.b", "a0", "aa", "b", "b!/x", "b-/x", "b/", "b0/x", "c!", "c/d", "c0"),
    *("c-d/e", "c.d/e", "c/d-e", "c.", "d/é", "d/z", "d/\U0001f388", "d/\uff5e", "e\u0301", "é"),
    *(" ", "d/ ", "d/\x7f", "d/\x01", "~", "A", "Z/a", "_", "\U0001f388/x", "\uffee/x"),
    *("\ud7ff/x"),
]  # fmt: skip


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 1000])
def test_names_are_sorted_by_their_bytes(tmp_path: Path, page_size: int) -> None:
    """Pages of any size go through nested directories in the order of the names' UTF-8 bytes."""
    container = _paged(new_container(tmp_path), page_size)
    wanted = [name for name in _TRICKY if not name.endswith("/") and name != "b"]
    _fill(tmp_path / "c", wanted)
    expected = sorted(wanted, key=lambda name: name.encode())
    assert expected == names(container)
    assert [name.encode() for name in expected] == [obj.read() for obj in container]
    assert expected[3:9] == names(container.list_objects()[3:9])


@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_prefix_and_start_after_select_names(tmp_path: Path, page_size: int) -> None:
    """A prefix and start_after of any form give just the names that they should."""
    container = _paged(new_container(tmp_path), page_size)
    wanted = sorted(name for name in _TRICKY if not name.endswith("/") and name != "b")
    _fill(tmp_path / "c", wanted)
    for name in [
        *_TRICKY,
        "",
        "b",
        "b/",
        "d/",
        "c",
        "c/d/",
        "x",
        "a/b",
        "d",
        "c.d/",
        "\U0010ffff",
    ]:
        expected = [found for found in wanted if found.startswith(name)]
        assert expected == names(container.list_objects(name)), ascii(name)
        expected = [found for found in wanted if found > name]
        assert expected == names(container.list_objects(start_after=name)), ascii(name)
        expected = [found for found in expected if found.startswith("d")]
        assert expected == names(container.list_objects("d", start_after=name)), ascii(name)


@pytest.mark.parametrize("page_size", [1, 3, 1000])
@pytest.mark.parametrize("delimiter", ["/", "-", "d/"])
def test_delimiter_folds_names_into_prefixes(
    tmp_path: Path, delimiter: str, page_size: int
) -> None:
    """With a delimiter, a listing has objects and prefixes in order, as the names alone say."""
    container = _paged(new_container(tmp_path), page_size)
    wanted = sorted(name for name in _TRICKY if not name.endswith("/") and name != "b")
    _fill(tmp_path / "c", wanted)
    (tmp_path / "c" / "empty" / "folder").mkdir(parents=True)
    for prefix in ("", "a", "b", "c", "c/", "c.d/", "d/", "Z", "empty/"):
        listed = container.list_objects(prefix, delimiter=delimiter)
        found = [(type(item), item.name) for item in listed]
        assert list(_folded(wanted, prefix, delimiter)) == found, prefix


def _folded(wanted: list[str], prefix: str, delimiter: str) -> Iterator[tuple[type, str]]:
    seen = set()
    for name in wanted:
        if not name.startswith(prefix):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter)
        item = (Prefix, prefix + head + found) if found else (Object, name)
        if item not in seen:
            seen.add(item)
            yield item


def test_large_tree_is_listed_in_order(tmp_path: Path) -> None:
    """Two thousand files in a random tree are listed once each, in order, on many pages."""
    dice = random.Random(8)
    container = _paged(new_container(tmp_path), 97)
    wanted = sorted(
        {
            "/".join(f"{dice.choice('aàz-.!0')}{dice.randrange(4)}" for _ in range(depth)) + ".x"
            for depth in dice.choices(range(1, 6), k=2500)
        }
    )
    assert len(wanted) > 1000
    _fill(tmp_path / "c", wanted)
    assert wanted == names(container)
    assert wanted[-1] == container.list_objects()[-1].name
    [total] = {len(container.list_objects())}
    assert len(wanted) == total


@pytest.mark.parametrize("depth", [1, 20, 200, 300])
def test_deep_tree_is_listed_and_deleted(tmp_path: Path, depth: int) -> None:
    """Objects below hundreds of directories are stored, listed, folded and deleted."""
    container = new_container(tmp_path, fsync=False)
    folder = "d/" * depth
    container.upload_object(b"deep", f"{folder}a")
    container.upload_object(b"flat", "e")
    assert [f"{folder}a", "e"] == names(container)
    assert ["d/", "e"] == [item.name for item in container.list_objects(delimiter="/")]
    assert [f"{folder}a"] == names(container.list_objects(folder))
    assert b"deep" == container.read_object(f"{folder}a")
    if depth <= 20:
        assert depth + 1 == len(list(container.walk()))
    container.delete_object(f"{folder}a")
    assert ["e"] == os.listdir(tmp_path / "c")
    container.upload_object(b"deep", f"{folder}a")
    container.delete()
    assert [] == os.listdir(tmp_path)


def test_deepest_name_is_listed_and_deleted(tmp_path: Path) -> None:
    """A name of as many pieces as fit into 1,024 bytes is listed and goes with its container."""
    container = new_container(tmp_path, fsync=False)
    name = "/".join("v" * 512)
    container.upload_object(b"deep", name)
    assert [name] == names(container)
    assert b"deep" == container.read_object(name)
    container.delete()
    assert {} == snapshot(tmp_path)


def test_names_that_are_not_utf_8_are_ignored(tmp_path: Path) -> None:
    """Files, directories and containers whose names are not UTF-8 are no objects."""
    container = new_container(tmp_path)
    container.upload_object(b"1", "a")
    top = os.fsencode(tmp_path / "c")
    try:
        os.mkdir(os.path.join(top, b"\xff"))
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    for name in (b"\xe9t\xe9", b"\xff/a", b"b\x80", b"\xed\xa0\x80"):
        with open(os.path.join(top, name), "wb") as file:
            file.write(b"theirs")
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"\xfe"))
    assert ["a"] == names(container)
    assert ["a"] == [item.name for item in container.list_objects(delimiter="/")]
    assert ["c"] == [found.name for found in container.driver.list_containers()]


def test_files_deleted_while_listing_are_left_out(tmp_path: Path) -> None:
    """Files and directories that go away between two pages are left out of the second."""
    container = _paged(new_container(tmp_path), 2)
    _fill(tmp_path / "c", ["a", "b", "c/d", "c/e", "f", "g/h", "i"])
    listing = iter(container.list_objects())
    found = [next(listing).name, next(listing).name]
    (tmp_path / "c" / "c" / "d").unlink()
    (tmp_path / "c" / "c" / "e").unlink()
    (tmp_path / "c" / "c").rmdir()
    (tmp_path / "c" / "f").unlink()
    (tmp_path / "c" / "f").mkdir()
    (tmp_path / "c" / "f" / "new").write_bytes(b"1")
    found += [obj.name for obj in listing]
    assert ["a", "b", "f/new", "g/h", "i"] == found


def test_listed_objects_can_be_deleted_during_the_iteration(tmp_path: Path) -> None:
    """Objects can be deleted one by one while they are listed, page after page."""
    container = _paged(new_container(tmp_path, fsync=False), 3)
    _fill(tmp_path / "c", [f"{number % 5}/{number}" for number in range(20)])
    for obj in container.list_objects():
        obj.delete()
    assert [] == names(container)
    assert [] == os.listdir(tmp_path / "c")


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_containers_are_sorted(tmp_path: Path, page_size: int) -> None:
    """Containers are listed in the order of their names, on pages of any size."""
    driver = local_driver(tmp_path)
    driver.limits = dataclasses.replace(driver.limits, page_size=page_size)
    wanted = sorted(["b", "a", "a-b", "a.b", "Z", "é", "e\u0301", "\U0001f388", "\uff5e", "a b"])
    for name in random.Random(1).sample(wanted, len(wanted)):
        driver.create_container(name)
    assert wanted == [container.name for container in driver.list_containers()]


# ---------------------------------------------------------------------- walks


def _steps(walk: Iterable[tuple[str, list[str], list[Object]]]) -> list[Any]:
    return [
        (here, list(prefixes), [(obj.name, obj.size) for obj in objects])
        for here, prefixes, objects in walk
    ]


@pytest.mark.parametrize("attributes", ["auto", "file"])
@pytest.mark.parametrize("seed", range(5))
def test_walk_finds_the_same_as_listings(tmp_path: Path, seed: int, attributes: Kept) -> None:
    """Though it does not begin at the top for each folder."""
    container = new_container(tmp_path, attributes=attributes, fsync=False)
    chance = random.Random(seed)
    for number in range(120):
        depth = chance.choice([1, 2, 3, 20])
        name = "/".join(chance.choice("abc-é") + "x" for _ in range(depth))
        if chance.random() < 0.3:
            (tmp_path / "c" / name).mkdir(parents=True, exist_ok=True)
        else:
            container.upload_object(bytes(number), f"{name}/f{number}")
    (tmp_path / "c" / "link").symlink_to(tmp_path / "c")
    os.mkfifo(tmp_path / "c" / "fifo")
    driver = container.driver

    def generic(prefix: str) -> Iterator[tuple[str, list[str], list[Object]]]:
        items = list(container.list_objects(prefix, delimiter="/"))
        prefixes = [item.name for item in items if isinstance(item, Prefix)]
        yield prefix, prefixes, [item for item in items if isinstance(item, Object)]
        for below in prefixes:
            yield from generic(below)

    for prefix in ("", "ax/", "ax/bx/", "a", "nothing/", "/", "../", "ax//", ".libstore-x/"):
        assert _steps(generic(prefix)) == _steps(container.walk(prefix)), prefix
    assert [""] == [here for here, prefixes, _ in container.walk() if not prefixes.clear()]
    assert _steps(driver.walk("c", "ax/")) == _steps(container.walk("ax/"))


def test_walk_sees_concurrent_changes(tmp_path: Path) -> None:
    """A folder that went away has nothing in it; a new one is listed."""
    container = new_container(tmp_path)
    for name in ("a/b/1", "c/2"):
        container.upload_object(b"1", name)
    walk = container.walk()
    assert ["a/", "c/"] == next(walk)[1]
    shutil.rmtree(tmp_path / "c" / "a")
    container.upload_object(b"1", "c/3")
    assert [("a/", [], []), ("c/", [], [("c/2", 1), ("c/3", 1)])] == _steps(walk)


@pytest.mark.parametrize("files", [True, False])
def test_walk_of_a_deep_tree_opens_each_directory_a_few_times(
    tmp_path: Path, files: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not once for each one below it: 512 took as long as 512 * 512."""
    container = new_container(tmp_path, fsync=False)
    depth = 200
    for level in range(0 if files else depth - 1, depth):
        container.upload_object(b"1", "d/" * level + "f")
    opened = 0
    real = os.open

    def counted(*arguments: Any, **options: Any) -> int:
        nonlocal opened
        opened += 1
        return real(*arguments, **options)

    monkeypatch.setattr(os, "open", counted)
    assert depth == len(list(container.walk()))
    assert opened < 8 * depth


# ---------------------------------------------------------------------- deep


@pytest.fixture
def dig(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Return what makes so many empty directories in one another in "root/c"; remove them."""
    top = tmp_path / "root" / "c"

    def dig(depth: int) -> None:
        here = os.getcwd()
        os.chdir(top)
        for _ in range(depth):
            os.mkdir("e")
            os.chdir("e")
        os.chdir(here)

    yield dig
    # Neither shutil nor pytest gets so deep.
    subprocess.run(["rm", "-rf", str(tmp_path / "root")], check=True)


def test_deep_tree_of_empty_directories_is_replaced_by_an_object(
    tmp_path: Path, dig: Callable[[int], None]
) -> None:
    """An object takes the place of empty directories, however deep they are."""
    container = new_container(tmp_path / "root")
    dig(600)
    container.upload_object(b"1", "e")
    assert ["e"] == names(container)


def test_container_is_deleted_with_a_deep_tree_of_empty_directories(
    tmp_path: Path, dig: Callable[[int], None]
) -> None:
    """A container is deleted with its empty directories, however deep they are."""
    container = new_container(tmp_path / "root")
    dig(1_200)
    assert [] == names(container)
    container.delete()
    assert [] == os.listdir(tmp_path / "root")
