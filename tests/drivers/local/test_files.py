"""Objects are plain files, with the modes of the umask, and plain files are objects."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
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
from libstore.drivers.local import LocalDriver

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
        assert (4, "image/jpeg", {}) == (obj.size, obj.content_type, obj.metadata)
        assert {"path": str(tmp_path / "c/photos/cat.jpg")} == obj.extra
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


# ---------------------------------------------------------------------- permissions


_PROGRAM = """
import os, sys
from libstore import TransferOptions, get_driver
root, umask, attributes = sys.argv[1], int(sys.argv[2], 8), sys.argv[3]
os.umask(umask)
transfer = TransferOptions(part_size=1000, multipart_threshold=1000)
driver = get_driver("local")(root + "/made/root", attributes=attributes, transfer=transfer)
container = driver.create_container("c")
container.upload_object(b"1", "d/e/put")
container.upload_object(bytes(3000), "d/f/parts")
container.upload_object(b"1", "absent", if_absent=True)
container.get_object("d/e/put").copy("c", "g/copy")
container.get_object("absent").move("c", "h/moved")
container.upload_object(b"1", "replaced")
os.chmod(root + "/made/root/c/replaced", 0o640)
container.upload_object(b"2", "replaced").update_metadata({"k": "v"})
with container.open("i/writer", "w") as file:
    file.write("x")
container.get_object("d/f/parts").download(root + "/made/download")
for directory, folders, files in os.walk(root + "/made"):
    for name in folders + files:
        path = os.path.join(directory, name)
        kind = "d" if name in folders else "f"
        print(kind, oct(os.stat(path).st_mode & 0o7777), os.path.relpath(path, root))
"""


@pytest.mark.parametrize("attributes", ["auto", "file"])
@pytest.mark.parametrize("umask", ["000", "022", "027", "077"])
def test_modes_respect_the_umask(tmp_path: Path, umask: str, attributes: Kept) -> None:
    """Each file has 0666 and each directory 0777 without the umask's bits, however it is made."""
    lines = run_python(_PROGRAM, tmp_path, umask, attributes).splitlines()
    left = {"f": oct(0o666 & ~int(umask, 8)), "d": oct(0o777 & ~int(umask, 8))}
    seen = {path: mode == left[kind] for kind, mode, path in map(str.split, lines)}
    assert {
        "made/root/c/d/e/put",
        "made/root/c/d/f/parts",
        "made/root/c/g/copy",
        "made/root/c/h/moved",
        "made/root/c/replaced",
        "made/root/c/i/writer",
        "made/download",
    } <= set(seen)
    assert [] == [path for path, right in seen.items() if not right]


_DENIED = """
import os, sys
from libstore import get_driver
from libstore.errors import AccessDeniedError
root = sys.argv[1]
driver = get_driver("local")(root, attributes="file")
container = driver.create_container("c")
for name in ("d/e/read", "d/closed/in/it", "d/fixed/name"):
    container.upload_object(b"1", name)
os.chmod(root + "/c/d/e/read", 0)
os.chmod(root + "/c/d/closed", 0)
os.chmod(root + "/c/d/fixed", 0o555)
os.chmod(root, 0o555)
if not os.getuid():
    for directory, _, files in os.walk(root):
        for path in (directory, *(os.path.join(directory, file) for file in files)):
            os.chown(path, 65534, 65534)
    os.setuid(65534)

def delete_many():
    (result,) = container.delete_objects(["d/fixed/name"])
    raise result.error

operations = {
    "read": lambda: container.read_object("d/e/read"),
    "stat": lambda: container.get_object("d/closed/in/it"),
    "list": lambda: list(container.list_objects()),
    "list prefix": lambda: list(container.list_objects("d/closed/in")),
    "walk": lambda: list(container.walk()),
    "upload": lambda: container.upload_object(b"1", "d/fixed/new"),
    "upload below": lambda: container.upload_object(b"1", "d/fixed/new/one"),
    "delete": lambda: container.object("d/fixed/name").delete(),
    "delete many": delete_many,
    "create": lambda: driver.create_container("other"),
}
for name, operation in operations.items():
    try:
        operation()
    except AccessDeniedError as error:
        print(name, "|", error.message.replace(root, "ROOT"))
"""


def test_permission_error_names_the_path() -> None:
    """The whole path, and not the name of the last directory alone."""
    root = tempfile.mkdtemp()
    try:
        os.chmod(root, 0o755)
        lines = run_python(_DENIED, Path(root)).splitlines()
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", root], check=True)
        shutil.rmtree(root)
    results = {
        name.strip(): message for name, _, message in (line.partition("|") for line in lines)
    }
    paths = {
        "read": "ROOT/c/d/e/read",
        "stat": "ROOT/c/d/closed",
        "list": "ROOT/c/d/closed",
        "list prefix": "ROOT/c/d/closed",
        "walk": "ROOT/c/d/closed",
        "upload": "ROOT/c/d/fixed/new",
        "upload below": "ROOT/c/d/fixed/new",
        "delete": "ROOT/c/d/fixed/name",
        "delete many": "ROOT/c/d/fixed/name",
        "create": "ROOT/other",
    }
    assert dict.fromkeys(paths, True) == {
        name: f"'{path}'" in results.get(name, "") for name, path in paths.items()
    }, results


def test_every_handle_has_the_path_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is absolute, also if that of the root is not."""
    monkeypatch.chdir(tmp_path)
    container = LocalDriver("root").create_container("c")
    obj = container.upload_object(b"1", "a/b", cache_control="no-store")
    handles = [
        obj,
        container.get_object("a/b"),
        container.object("a/b"),
        obj.update_metadata({"k": "v"}),
        *container.list_objects(),
        *(found for _, _, objs in container.walk() for found in objs),
        container.get_object("a/b").copy(container, "a/b"),
    ]

    paths = {obj.extra["path"] for obj in handles}
    assert {str(tmp_path / "root/c/a/b")} == paths
    assert "no-store" == obj.extra["cache_control"]
    assert obj.copy(container, "d").extra["path"] == str(tmp_path / "root/c/d")
    with container.open("e", "wb") as file:
        file.write(bytes(20_000_000))
    assert file.object is not None
    assert str(tmp_path / "root/c/e") == file.object.extra["path"]
