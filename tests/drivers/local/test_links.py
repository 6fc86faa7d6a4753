"""Symbolic links on the local driver: ignored by default, followed on request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drivers.local.support import md5, names, new_container, snapshot

from libstore import Container, ObjectNameConflictError, ObjectNotFoundError


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return a tree outside of the root."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "file").write_bytes(b"file")
    (elsewhere / "sub" / "deep").write_bytes(b"deep")
    return elsewhere


@pytest.fixture
def following(tmp_path: Path) -> Container:
    """Return a container of a driver that follows links."""
    return new_container(tmp_path / "root", follow_symlinks=True)


@pytest.fixture
def plain(tmp_path: Path) -> Container:
    """Return a container of a driver that does not follow links."""
    return new_container(tmp_path / "root")


def _link(tmp_path: Path, name: str, target: Path | str) -> Path:
    path = tmp_path / "root" / "c" / name
    path.symlink_to(target)
    return path


def test_links_are_ignored_by_default(plain: Container, tmp_path: Path, elsewhere: Path) -> None:
    """By default a link is no object, wherever it leads, within the container too."""
    plain.upload_object(b"1", "real")
    _link(tmp_path, "inside", "real")
    _link(tmp_path, "outside", elsewhere / "file")
    _link(tmp_path, "folder", elsewhere)
    _link(tmp_path, "nowhere", "missing")
    assert ["real"] == names(plain)
    assert ["real"] == [item.name for item in plain.list_objects(delimiter="/")]
    for name in ("inside", "outside", "folder/file", "nowhere"):
        assert not plain.object_exists(name)
        with pytest.raises(ObjectNotFoundError):
            plain.read_object(name)
        with pytest.raises(ObjectNameConflictError, match="link"):
            plain.upload_object(b"1", name)


def test_links_are_followed_on_request(
    following: Container, tmp_path: Path, elsewhere: Path
) -> None:
    """With follow_symlinks, links to files are objects and links to directories have objects."""
    _link(tmp_path, "a", elsewhere / "file")
    _link(tmp_path, "d", elsewhere)
    assert ["a", "d/file", "d/sub/deep"] == names(following)
    assert b"file" == following.read_object("a")
    assert md5(b"deep") == following.get_object("d/sub/deep").object_hash
    following.upload_object(b"new", "d/sub/new")
    assert b"new" == (elsewhere / "sub" / "new").read_bytes()


def test_link_to_a_directory_is_a_container(
    following: Container, tmp_path: Path, elsewhere: Path
) -> None:
    """With follow_symlinks, a link to a directory is a container."""
    (tmp_path / "root" / "link").symlink_to(elsewhere)
    driver = following.driver
    assert ["c", "link"] == [container.name for container in driver.list_containers()]
    assert ["file", "sub/deep"] == names(driver.get_container("link"))


def test_upload_replaces_a_link_and_not_its_target(
    following: Container, tmp_path: Path, elsewhere: Path
) -> None:
    """An upload to the name of a link to a file leaves the file that the link led to."""
    link = _link(tmp_path, "a", elsewhere / "file")
    following.upload_object(b"new", "a")
    assert not link.is_symlink()
    assert b"new" == link.read_bytes()
    assert b"file" == (elsewhere / "file").read_bytes()


def test_delete_removes_a_link_and_not_its_target(
    following: Container, tmp_path: Path, elsewhere: Path
) -> None:
    """Deleting what a link to a file leads to takes the link away, and nothing else."""
    _link(tmp_path, "a", elsewhere / "file")
    before = snapshot(elsewhere)
    following.delete_object("a")
    assert [] == names(following)
    assert before == snapshot(elsewhere)


def test_listing_of_circular_links_ends(following: Container, tmp_path: Path) -> None:
    """A listing that follows links ends, though links lead back up."""
    following.upload_object(b"1", "d/e/a")
    following.upload_object(b"1", "f/b")
    os.symlink("..", tmp_path / "root" / "c" / "d" / "up")
    os.symlink("../..", tmp_path / "root" / "c" / "d" / "e" / "top")
    os.symlink(".", tmp_path / "root" / "c" / "f" / "here")
    os.symlink("../d", tmp_path / "root" / "c" / "f" / "over")
    os.symlink("../f", tmp_path / "root" / "c" / "d" / "back")
    found = names(following)
    assert {"d/e/a", "f/b", "f/over/e/a", "d/back/b"} <= set(found)
    assert sorted(found) == found
    assert [] == [name for name in found if len(name) > 40]


def test_dangling_links_are_ignored(following: Container, tmp_path: Path) -> None:
    """A dangling link is no object, and does not keep others from being listed."""
    following.upload_object(b"1", "a")
    _link(tmp_path, "dangling", "missing")
    assert ["a"] == names(following)
    with pytest.raises(ObjectNotFoundError):
        following.read_object("dangling")


def test_link_to_itself_is_ignored(following: Container, tmp_path: Path) -> None:
    """A link that leads to itself is left out of a listing."""
    following.upload_object(b"1", "a")
    _link(tmp_path, "self", "self")
    assert ["a"] == names(following)
    with pytest.raises(ObjectNotFoundError):
        following.read_object("self")


@pytest.mark.parametrize("follow", [False, True])
def test_deleted_container_keeps_the_targets_of_links(
    tmp_path: Path, elsewhere: Path, follow: bool
) -> None:
    """Deleting a container that has links to files removes the links, never their targets."""
    container = new_container(tmp_path / "root", follow_symlinks=follow)
    container.upload_object(b"1", "d/a")
    _link(tmp_path, "file", elsewhere / "file")
    _link(tmp_path, "d/file", elsewhere / "sub" / "deep")
    _link(tmp_path, "dangling", "missing")
    if not follow:
        _link(tmp_path, "folder", elsewhere)
        _link(tmp_path, "d/up", "..")
    before = snapshot(elsewhere)
    container.delete()
    assert {} == snapshot(tmp_path / "root")
    assert before == snapshot(elsewhere)


def test_empty_directory_behind_a_link_is_kept(tmp_path: Path) -> None:
    """An upload to the name of a link to an empty directory leaves what the link led to."""
    following = new_container(tmp_path / "root", follow_symlinks=True)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "empty" / "below").mkdir(parents=True)
    (tmp_path / "root" / "c" / "a").symlink_to(elsewhere / "empty")
    before = snapshot(elsewhere)
    with pytest.raises(ObjectNameConflictError):
        following.upload_object(b"1", "a")
    assert before == snapshot(elsewhere)
