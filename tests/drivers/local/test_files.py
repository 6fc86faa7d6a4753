"""Objects of the local driver are plain files, and plain files are objects."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from drivers.local.support import (
    Kept,
    local_driver,
    md5,
    names,
    new_container,
    run_python,
    snapshot,
)

from libstore import IntegrityError, ObjectChangedError, ObjectNotFoundError, TransferOptions

_SMALL_PARTS = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=3)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 10_500])
def test_other_programs_can_read_the_objects(tmp_path: Path, size: int) -> None:
    """Each object is a file of its name with just its content, however it was uploaded."""
    content = os.urandom(size)
    container = new_container(tmp_path, transfer=_SMALL_PARTS)
    container.upload_object(content, "a/b/c.bin")
    assert content == (tmp_path / "c" / "a" / "b" / "c.bin").read_bytes()


def test_tree_contains_only_the_objects(tmp_path: Path) -> None:
    """With extended attributes, a container's directory holds the objects' files alone."""
    container = new_container(tmp_path, attributes="xattr", transfer=_SMALL_PARTS)
    container.upload_object(b"1", "small", metadata={"k": "v"})
    container.upload_object(bytes(5000), "deep/large").copy(container, "deep/copy")
    assert {"c", "c/small", "c/deep", "c/deep/large", "c/deep/copy"} == set(snapshot(tmp_path))


def test_truncated_parts_are_not_published(tmp_path: Path) -> None:
    """What was sent and what lies there are compared before the object is seen."""
    container = new_container(tmp_path, transfer=_SMALL_PARTS)

    def cut(done: int, total: int | None) -> None:
        if done == 10_000:  # the last part has been written
            (own,) = filter(Path.is_file, (tmp_path / "c").glob(".libstore-*"))
            os.truncate(own, 500)

    with pytest.raises(IntegrityError, match="their file has 500"):
        container.upload_object(bytes(10_000), "a", progress=cut)
    assert ([], []) == (list(container.list_objects()), list(container.list_uploads()))


@pytest.mark.parametrize("verb", ["copy", "move"])
@pytest.mark.parametrize("kernel", [True, False], ids=["in the kernel", "by hand"])
def test_source_changed_during_a_copy_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, kernel: bool
) -> None:
    """The copy would be a mixture of two versions."""
    container = new_container(tmp_path)
    obj = container.upload_object(b"old " * 1000, "a")
    name = "copy_file_range" if kernel else "pread"
    real = getattr(os, name)

    def copy_and_change(*arguments: int) -> object:
        copied = real(*arguments)
        (tmp_path / "c" / "a").write_bytes(b"new " * 1000)
        return copied

    if not kernel:
        monkeypatch.delattr(os, "copy_file_range")
    monkeypatch.setattr(os, name, copy_and_change)
    with pytest.raises(ObjectChangedError, match="changed while it was being copied"):
        getattr(obj, verb)(container, "b")
    assert {"c", "c/a"} == set(snapshot(tmp_path))


def test_copy_is_a_separate_file(tmp_path: Path) -> None:
    """A program that writes into a copy in place does not change the object it was made of."""
    container = new_container(tmp_path)
    container.upload_object(b"original", "a").copy(container, "b")
    with open(tmp_path / "c" / "b", "r+b") as file:
        file.write(b"O")
    assert b"original" == container.read_object("a")
    assert b"Original" == container.read_object("b")


@pytest.mark.parametrize("attributes", ["xattr", "file"])
def test_files_of_other_programs_are_objects(tmp_path: Path, attributes: Kept) -> None:
    """Files that other programs put there are listed, described, read and hashed."""
    container = new_container(tmp_path, attributes=attributes)
    (tmp_path / "c" / "photos").mkdir()
    (tmp_path / "c" / "photos" / "cat.jpg").write_bytes(b"meow")
    (tmp_path / "c" / "notes").write_bytes(b"")
    assert ["notes", "photos/cat.jpg"] == names(container)
    for obj in (container.get_object("photos/cat.jpg"), container.list_objects()[1]):
        assert (4, "image/jpeg", {}, {}) == (obj.size, obj.content_type, obj.metadata, obj.extra)
        assert (md5(b"meow"), "md5") == (obj.object_hash, obj.hash_algorithm)
        assert b"meow" == obj.read()
    assert md5(b"") == container.get_object("notes").object_hash


def test_directories_of_other_programs_are_containers(tmp_path: Path) -> None:
    """A directory that another program makes below the root is a container."""
    (tmp_path / "dropped" / "empty").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"no container")
    driver = local_driver(tmp_path)
    assert ["dropped"] == [container.name for container in driver.list_containers()]
    assert [] == list(driver.get_container("dropped").list_objects())


def test_file_of_another_program_can_be_replaced_and_deleted(tmp_path: Path) -> None:
    """What others dropped in is replaced, copied, moved and deleted like any object."""
    container = new_container(tmp_path)
    for name in ("a", "b", "d/c"):
        (tmp_path / "c" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "c" / name).write_bytes(b"foreign")
    assert b"ours" == container.upload_object(b"ours", "a").read()
    assert b"foreign" == container.get_object("b").copy(container, "b2").read()
    assert b"foreign" == container.get_object("d/c").move(container, "c").read()
    container.delete_object("b")
    assert ["a", "b2", "c"] == names(container)
    assert not (tmp_path / "c" / "d").exists()


def test_file_moved_by_another_program_is_found(tmp_path: Path) -> None:
    """A rename by another program is seen at once, with what extended attributes hold."""
    container = new_container(tmp_path, attributes="xattr")
    container.upload_object(b"content", "old", metadata={"k": "v"}, content_type="x/y")
    os.rename(tmp_path / "c" / "old", tmp_path / "c" / "new")
    assert ["new"] == names(container)
    moved = container.get_object("new")
    assert ({"k": "v"}, "x/y", md5(b"content")) == (
        moved.metadata,
        moved.content_type,
        moved.object_hash,
    )
    with pytest.raises(ObjectNotFoundError):
        container.get_object("old")


def test_copied_container_has_the_objects(tmp_path: Path) -> None:
    """A backup by another program is a container of the same objects."""
    container = new_container(tmp_path)
    container.upload_object(b"content", "a/b")
    shutil.copytree(tmp_path / "c", tmp_path / "backup")
    backup = container.driver.get_container("backup").get_object("a/b")
    assert (b"content", md5(b"content")) == (backup.read(), backup.object_hash)


def test_other_processes_see_stored_objects(tmp_path: Path) -> None:
    """Another process with a driver of its own finds everything that this one stored."""
    container = new_container(tmp_path)
    container.upload_object(b"content", "a b/ü", metadata={"k": "wert"}, content_type="x/y")
    program = """
import sys
from libstore import get_driver
[obj] = get_driver("local")(sys.argv[1]).get_container("c").list_objects()
print(ascii([obj.name, obj.read(), obj.metadata, obj.content_type, obj.object_hash]))
"""
    expected = ["a b/ü", b"content", {"k": "wert"}, "x/y", md5(b"content")]
    assert ascii(expected) == run_python(program, tmp_path).strip()
