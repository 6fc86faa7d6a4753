"""Each name is a file of its own, and no name is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from drivers.local.support import Kept, hostile_names, names, new_container, shown, snapshot

from libstore import (
    Container,
    InvalidNameError,
    LocalFileIsADirectoryError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    TransferOptions,
)
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver

_SMALL_PARTS = TransferOptions(part_size=4, multipart_threshold=4, concurrency=2)


@pytest.fixture
def naughty(shared_vectors: Path) -> list[str]:
    """Return the published strings that break programs."""
    file = shared_vectors / "naughty-strings" / "blns.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not among the test data")
    strings: list[str] = json.loads(file.read_text(encoding="utf-8"))
    assert len(strings) > 500
    return list(dict.fromkeys(strings))


def _store_all(container: Container, candidates: list[str]) -> set[str]:
    """Store each name with itself as content, and return those that were taken."""
    taken: set[str] = set()
    for name in candidates:
        content = name.encode(errors="surrogatepass")
        try:
            container.upload_object(content, name)
        except InvalidNameError:
            continue
        except ObjectNameConflictError:
            assert _collides(name, taken), shown(name)
            continue
        taken.add(name)
    return taken


def _collides(name: str, taken: set[str]) -> bool:
    """Return whether one of two names goes on behind the other with a slash."""
    return any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in taken)


def _check_all(container: Container, root: Path, taken: set[str]) -> None:
    expected = sorted(taken, key=lambda name: name.encode())
    assert expected == names(container)
    for name in taken:
        assert name.encode() == container.read_object(name), shown(name)
    files = [entry for entry in snapshot(root).values() if entry.startswith("-")]
    assert len(taken) == len(files)


def test_hostile_names_are_different_objects(tmp_path: Path) -> None:
    """All names that are taken keep their own content, and the listing has them all, sorted."""
    container = new_container(tmp_path, fsync=False, transfer=_SMALL_PARTS, attributes="xattr")
    taken = _store_all(container, hostile_names())
    assert len(taken) > 100
    _check_all(container, tmp_path, taken)


def test_naughty_strings_are_different_objects(tmp_path: Path, naughty: list[str]) -> None:
    """The published awkward strings are exact, or refused, and no two are on one file."""
    container = new_container(tmp_path, fsync=False, attributes="xattr")
    taken = _store_all(container, naughty)
    assert len(taken) > 400
    _check_all(container, tmp_path, taken)
    for name in set(naughty) - taken - {""}:
        pieces = name.split("/")
        impossible = {"", ".", ".."} & set(pieces) or any(len(p.encode()) > 255 for p in pieces)
        assert impossible or "\0" in name or _collides(name, taken), shown(name)


def test_rejected_name_changes_nothing(tmp_path: Path, naughty: list[str]) -> None:
    """A name that the file system cannot hold is refused before anything is written."""
    container = new_container(tmp_path)
    before = snapshot(tmp_path)
    refused = 0
    for name in naughty + hostile_names():
        try:
            container.object(name)
        except InvalidNameError:
            with pytest.raises(InvalidNameError):
                container.upload_object(b"x", name)
            refused += 1
    assert before == snapshot(tmp_path)
    assert refused > 80


@pytest.mark.parametrize("attributes", ["xattr", "file"])
@pytest.mark.parametrize("content", [b"1", b"123456789"], ids=["put", "parts"])
@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("a", "a/b"),
        ("a", "a/b/c"),
        ("a/b", "a"),
        ("a/b/c", "a"),
        ("a/b/c", "a/b"),
        ("a/b", "a/b/c"),
    ],
)
def test_name_below_another_object_is_a_conflict(
    tmp_path: Path, attributes: Kept, taken: str, wanted: str, content: bytes
) -> None:
    """`a` and `a/b` are a conflict both ways, and everything stays as it was."""
    container = new_container(tmp_path, transfer=_SMALL_PARTS, attributes=attributes)
    first = container.upload_object(content, taken)
    other = container.upload_object(content, "other")
    before = snapshot(tmp_path)
    with pytest.raises(ObjectNameConflictError) as caught:
        container.upload_object(content, wanted)
    assert isinstance(caught.value, FileExistsError)
    assert wanted == caught.value.object
    with pytest.raises(ObjectNameConflictError):
        container.upload_object(content, wanted, if_absent=True)
    with pytest.raises(ObjectNameConflictError):
        other.copy(container, wanted)
    with pytest.raises(ObjectNameConflictError):
        other.move(container, wanted)
    with pytest.raises(ObjectNameConflictError):
        first.move(container, wanted)
    with pytest.raises(ObjectNameConflictError), container.open(wanted, "wb") as file:
        file.write(content)
    with pytest.raises(ObjectNotFoundError):
        container.get_object(wanted)
    container.delete_object(wanted)
    assert before == snapshot(tmp_path)


def test_deleted_name_can_be_reused(tmp_path: Path) -> None:
    """Once `a` is gone there can be `a/b`, and once that is gone there can be `a` again."""
    container = new_container(tmp_path)
    for name in ("a", "a/b", "a/b/c", "a"):
        container.upload_object(b"1", name)
        assert [name] == names(container)
        container.delete_object(name)
    assert {"c"} == set(snapshot(tmp_path))


def test_empty_directory_does_not_occupy_a_name(tmp_path: Path) -> None:
    """An empty directory holds no object, so its name is free for one."""
    container = new_container(tmp_path)
    (tmp_path / "c" / "a" / "b").mkdir(parents=True)
    container.upload_object(b"1", "a")
    assert ["a"] == names(container)


def test_names_that_differ_in_case_or_form_are_different(tmp_path: Path) -> None:
    """Names that differ in case or composition only are two objects, or the second is refused."""
    container = new_container(tmp_path)
    for first, second in (("readme", "README"), ("é", "e\u0301"), ("d/x", "D/x")):
        container.upload_object(b"1", first)
        try:
            container.upload_object(b"2", second)
        except ObjectNameConflictError:
            assert [first] == names(container)
        else:
            assert sorted([first, second]) == names(container)
            assert b"2" == container.read_object(second)
            container.delete_object(second)
        assert b"1" == container.read_object(first)
        container.delete_object(first)


def test_case_insensitive_file_system_is_detected(tmp_path: Path) -> None:
    """Where another spelling of a name finds the file, entries are compared letter by letter."""
    container = new_container(tmp_path)
    (tmp_path / "c" / "TWIN").write_bytes(b"")
    (tmp_path / "c" / "twin").write_bytes(b"")
    assert isinstance(container.driver, LocalDriver)
    tree = container.driver._tree
    directory = os.open(tmp_path / "c", os.O_RDONLY)
    try:
        tree.probe("twin", directory)
    finally:
        os.close(directory)
    assert tree._folds
    container.upload_object(b"1", "d/a")
    container.upload_object(b"2", "d/A")
    assert [b"2", b"1"] == [container.read_object(name) for name in ("d/A", "d/a")]
    with pytest.raises(ObjectNotFoundError):
        container.read_object("D/a")
    assert ["TWIN", "d/A", "d/a", "twin"] == names(container)


@pytest.mark.parametrize("body", [b"", b"content"])
@pytest.mark.parametrize("operation", ["copy", "move", "upload", "download"])
def test_folder_marker_of_another_driver_is_refused(
    tmp_path: Path, operation: str, body: bytes
) -> None:
    """It stays where it is, and no file and no directory is created."""
    container = new_container(tmp_path / "root")
    source = MemoryDriver().create_container("c")
    marker = source.upload_object(body, "a/")
    source.upload_object(b"1", "a/b")
    calls: dict[str, Callable[[], object]] = {
        "copy": lambda: marker.copy(container),
        "move": lambda: marker.move(container),
        "upload": lambda: container.upload_object(body, "a/"),
        "download": lambda: marker.download(tmp_path),
    }
    is_download = operation == "download"

    match = "is a directory|ends with" if is_download else "skip such names"
    with pytest.raises(
        LocalFileIsADirectoryError if is_download else InvalidNameError, match=match
    ):
        calls[operation]()
    assert ["a/", "a/b"] == names(source)
    assert {"root", "root/c"} == set(snapshot(tmp_path))
