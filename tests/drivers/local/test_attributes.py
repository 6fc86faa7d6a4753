"""Content type, metadata and headers: where they are stored, and how invalid ones are read."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.local.support import (
    Kept,
    has_extended_attributes,
    local_driver,
    md5,
    names,
    new_container,
    run_python,
    snapshot,
)

from libstore import Container, InvalidOptionError, Object, TransferOptions

_SMALL_PARTS = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=3)
_KEPT: dict[str, Any] = {
    "content_type": "text/x-test; charset=utf-8",
    "metadata": {"key": "value", "quoted": '"\\', "other": "Grüße 🎈", "empty": ""},
    "cache_control": "max-age=60",
    "content_disposition": 'attachment; filename="x"',
    "content_encoding": "identity",
    "content_language": "de",
}
_HEADERS = {
    label: value
    for label, value in _KEPT.items()
    if label
    not in (
        "content_type",
        "metadata",
    )
}


@pytest.fixture(params=["xattr", "file"])
def attributes(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Return where attributes are kept."""
    kept: Kept = request.param
    if kept == "xattr" and not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    return kept


def _seen(obj: Object) -> dict[str, Any]:
    return {"content_type": obj.content_type, "metadata": obj.metadata, **_stored_extra(obj)}


def _stored_extra(obj: Object) -> dict[str, object]:
    """Return the attributes in `extra` that are stored with the file."""
    return {label: value for label, value in obj.extra.items() if label != "path"}


def _side_files(container: Path) -> list[str]:
    return sorted(os.listdir(container / ".libstore-attributes"))


@pytest.mark.parametrize("size", [5, 2500], ids=["put", "parts"])
def test_all_attributes_are_stored(tmp_path: Path, attributes: Kept, size: int) -> None:
    """All that can be kept with an object is there for another driver, in head and listing."""
    container = new_container(tmp_path, attributes=attributes, transfer=_SMALL_PARTS)
    container.upload_object(bytes(size), "a/b", **_KEPT)
    again = local_driver(tmp_path, attributes=attributes).get_container("c")
    assert _KEPT == _seen(again.get_object("a/b"))
    assert _KEPT == _seen(again.list_objects()[0])


@pytest.mark.parametrize("size", [5, 2500], ids=["small", "large"])
@pytest.mark.parametrize("verb", ["copy", "move"])
def test_copy_and_move_keep_all_attributes(
    tmp_path: Path, attributes: Kept, verb: str, size: int
) -> None:
    """A copy, and an object that is moved, have all that the object had."""
    container = new_container(tmp_path, attributes=attributes, transfer=_SMALL_PARTS)
    container.driver.create_container("d")
    obj = container.upload_object(bytes(size), "a", **_KEPT)
    getattr(obj, verb)("d", "sub/b")
    got = local_driver(tmp_path, attributes=attributes).get_object("d", "sub/b")
    assert _KEPT == _seen(got)
    assert md5(bytes(size)) == got.object_hash
    assert (verb == "copy") == container.object_exists("a")


def test_copy_between_kinds_of_storage_keeps_all_attributes(
    tmp_path: Path, attributes: Kept
) -> None:
    """A copy from a driver with one kind of attributes to one with the other keeps all."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    other: Kept = "file" if attributes == "xattr" else "xattr"
    source = new_container(tmp_path / "1", attributes=attributes)
    target = new_container(tmp_path / "2", attributes=other)
    source.upload_object(b"content", "a", **_KEPT).copy(target)
    assert _KEPT == _seen(target.get_object("a"))


def test_replaced_object_has_only_the_new_attributes(tmp_path: Path, attributes: Kept) -> None:
    """What was kept with an object does not outlive its replacement."""
    container = new_container(tmp_path, attributes=attributes)
    container.upload_object(b"old", "a.txt", **_KEPT)
    container.upload_object(b"new", "a.txt")
    assert {"content_type": "text/plain", "metadata": {}} == _seen(container.get_object("a.txt"))


def test_new_object_does_not_inherit_attributes_of_a_deleted_one(
    tmp_path: Path, attributes: Kept
) -> None:
    """A file of another program under a freed name has nothing of the old object."""
    container = new_container(tmp_path, attributes=attributes)
    container.upload_object(b"old", "a.txt", **_KEPT).delete()
    (tmp_path / "c" / "a.txt").write_bytes(b"new")
    assert {"content_type": "text/plain", "metadata": {}} == _seen(container.get_object("a.txt"))


def test_update_keeps_other_attributes(tmp_path: Path, attributes: Kept) -> None:
    """update_metadata changes metadata or content type, and everything else stays."""
    container = new_container(tmp_path, attributes=attributes)
    obj = container.upload_object(b"content", "a", **_KEPT)
    obj = obj.update_metadata({"new": "1"})
    assert {**_KEPT, "metadata": {"new": "1"}} == _seen(obj)
    obj = obj.update_metadata(content_type="x/y")
    expected = {**_HEADERS, "metadata": {"new": "1"}, "content_type": "x/y"}
    assert expected == _seen(obj)
    again = local_driver(tmp_path, attributes=attributes).get_object("c", "a")
    assert expected == _seen(again)
    assert (b"content", md5(b"content")) == (again.read(), again.object_hash)


def test_update_metadata_supports_if_match(tmp_path: Path, attributes: Kept) -> None:
    """The ETag depends on the content only, so it is kept."""
    container = new_container(tmp_path, attributes=attributes)
    obj = container.upload_object(b"content", "a", **_KEPT)
    again = obj.update_metadata({"n": "1"}, if_match=obj.etag)
    assert again.etag == obj.etag
    assert {"n": "1"} == container.get_object("a").metadata


@pytest.mark.parametrize("name", ["a", "d/e/b"])
def test_side_file_is_deleted_with_its_object(tmp_path: Path, name: str) -> None:
    """A deleted object leaves no side file, and a replaced one leaves those of the new one."""
    container = new_container(tmp_path, attributes="file")
    container.upload_object(b"stays", "z")
    before = _side_files(tmp_path / "c")
    container.upload_object(b"1", name)
    both = _side_files(tmp_path / "c")
    assert set(before) < set(both)
    for number in range(5):
        container.upload_object(b"%d" % number, name)
    assert len(both) == len(_side_files(tmp_path / "c"))
    container.delete_object(name)
    assert before == _side_files(tmp_path / "c")
    container.upload_object(b"1", name)
    container.delete_objects([name])
    assert before == _side_files(tmp_path / "c")


def test_file_rewritten_by_another_program_has_no_old_attributes(tmp_path: Path) -> None:
    """Side files say which state of the file they are about; a later file is another one."""
    container = new_container(tmp_path, attributes="file")
    obj = container.upload_object(b"ours", "a.txt", **_KEPT)
    path = tmp_path / "c" / "a.txt"
    kept = path.stat()
    with path.open("r+b") as file:
        file.write(b"them")
    os.utime(path, ns=(kept.st_atime_ns, time.time_ns() + 1_000_000_000))
    assert {"content_type": "text/plain", "metadata": {}} == _seen(container.get_object("a.txt"))
    assert (b"them", md5(b"them")) == (obj.read(), container.get_object("a.txt").object_hash)


def test_side_files_are_not_listed(tmp_path: Path) -> None:
    """Side files are in no listing, with or without delimiter, and no name reaches them."""
    container = new_container(tmp_path, attributes="file")
    container.upload_object(b"1", "a", **_KEPT)
    assert ["a"] == [item.name for item in container.list_objects()]
    assert ["a"] == [item.name for item in container.list_objects(delimiter="/")]
    assert [] == list(container.list_objects(".libstore-"))
    [(_, prefixes, [_])] = list(container.walk())
    assert [] == prefixes


def test_failed_uploads_leave_no_side_files(tmp_path: Path) -> None:
    """An upload that fails takes back its side files, small or in parts."""
    container = new_container(tmp_path, attributes="file", transfer=_SMALL_PARTS)
    container.upload_object(b"1", "a", **_KEPT)
    before = snapshot(tmp_path)
    for size in (10, 5000):
        with pytest.raises(FileExistsError):
            container.upload_object(iter([bytes(size)]), "a", if_absent=True)
        with pytest.raises(ZeroDivisionError):
            container.upload_object(_broken(size), "b")
    assert before == snapshot(tmp_path)


def _broken(size: int) -> Iterator[bytes]:
    yield bytes(size)
    raise ZeroDivisionError


def test_container_is_deleted_with_its_side_files(tmp_path: Path) -> None:
    """A container that had objects with side files is deleted as a whole, recursive or not."""
    for recursive in (True, False):
        container = new_container(tmp_path, attributes="file")
        container.upload_object(b"1", "a", **_KEPT)
        if not recursive:
            container.delete_object("a")
        container.delete(recursive=recursive)
        assert {} == snapshot(tmp_path)


def test_file_system_without_attributes_gets_side_files(tmp_path: Path) -> None:
    """attributes="auto" keeps everything, on a file system without extended attributes too."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare, which gives us a file system of our own, is not there")
    program = """
import os, subprocess, sys
if subprocess.run(["mount", "-t", "ramfs", "ramfs", sys.argv[1]], capture_output=True).returncode:
    sys.exit(print("no mount"))
from libstore import get_driver
open(sys.argv[1] + "/probe", "w").close()
try:
    os.setxattr(sys.argv[1] + "/probe", "user.x", b"1")
    sys.exit(print("has attributes"))
except OSError:
    os.unlink(sys.argv[1] + "/probe")
container = get_driver("local")(sys.argv[1]).create_container("c")
container.upload_object(b"content", "a", metadata={"k": "v"}, content_type="x/y")
obj = get_driver("local")(sys.argv[1]).get_object("c", "a")
print(obj.metadata, obj.content_type, obj.object_hash, len(container.list_objects()))
container.delete()
print(os.listdir(sys.argv[1]))
"""
    try:
        printed = run_python(program, tmp_path, prefix=["unshare", "-Urm"])
    except AssertionError as error:
        if "unshare" in str(error):
            pytest.skip("this machine lets us have no name space of our own")
        raise
    if printed.strip() in ("no mount", "has attributes"):
        pytest.skip(f"no file system without extended attributes: {printed.strip()}")
    assert [f"{{'k': 'v'}} x/y {md5(b'content')} 1", "[]"] == printed.splitlines()


# ---------------------------------------------------------------------- records


_GARBAGE = [
    *(b"", b"\xff\xfe", b"{", b"[]", b"7", b'"x"', b"{}", b'{"x":1}', b"null", b"[" * 3000),
    *(b"\0", b"\0" * 5, b"\0" * 6, b"1\0a.txt\0x\0\0x", b"1\0a.txt\0x\0\0001\0k"),
    *(b"2\0a.txt\0x\0\0000", b"1\0a.txt\0x\0yesterday\0000"),
    *(b"   ", b"a b c d", b"x" * 32 + b" 7 1 1", b"0" * 32 + b" 7 1", b"0" * 32 + b" 7 x 1"),
]


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """Return a container of a driver that keeps extended attributes."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    return new_container(tmp_path, attributes="xattr")


def _attributes_of(container: Container) -> tuple[Any, ...]:
    obj = container.get_object("a.txt")
    return (obj.content_type, obj.metadata, _stored_extra(obj), obj.object_hash, obj.read())


@pytest.mark.parametrize("key", ["user.libstore", "user.libstore.hash"])
@pytest.mark.parametrize("garbage", _GARBAGE, ids=lambda value: ascii(value[:24]))
def test_invalid_attributes_are_ignored(
    container: Container, tmp_path: Path, key: str, garbage: bytes
) -> None:
    """An attribute that we did not write is as good as none, and a new upload mends it."""
    container.upload_object(b"content", "a.txt")
    os.setxattr(tmp_path / "c" / "a.txt", key, garbage)
    expected: tuple[Any, ...] = ("text/plain", {}, {}, md5(b"content"), b"content")
    assert expected == _attributes_of(container)
    container.upload_object(b"content", "a.txt")
    assert expected == _attributes_of(container)


@pytest.mark.parametrize("size", [6, 8])
@pytest.mark.parametrize("until", ["0", "-1", "9" * 40])
def test_outdated_seal_is_ignored(
    container: Container, tmp_path: Path, size: int, until: str
) -> None:
    """A digest whose seal does not fit the file is not believed."""
    container.upload_object(b"content", "a.txt")
    path = tmp_path / "c" / "a.txt"
    seal = f"{'0' * 32} {size} {path.stat().st_mtime_ns} {until}"
    os.setxattr(path, "user.libstore.hash", seal.encode())
    assert md5(b"content") == container.get_object("a.txt").object_hash


@pytest.mark.parametrize("started", ["", "yesterday", "2026-01-01T00:00:00+00:00"])
def test_invalid_upload_record_is_listed_and_deleted(
    container: Container, tmp_path: Path, started: str
) -> None:
    """An unfinished upload is found and dropped, whatever its record says of its beginning."""
    path = tmp_path / "c" / ".libstore-0123456789abcdef"
    path.write_bytes(b"")
    os.setxattr(path, "user.libstore", f"1\0a\0x/y\0{started}\0000".encode())
    [upload] = container.list_uploads()
    assert upload.started is not None
    assert upload.started.tzinfo is not None
    assert 1 == len(container.abort_uploads())
    assert {"c"} == set(snapshot(tmp_path))


def test_file_with_a_reused_inode_has_no_old_attributes(tmp_path: Path) -> None:
    """With side files, a file on a freed inode number has nothing of the object before it."""
    container = new_container(tmp_path, attributes="file")
    container.upload_object(b"ours", "a", metadata={"of": "a"}, content_type="x/y")
    inode = (tmp_path / "c" / "a").stat().st_ino
    (tmp_path / "c" / "a").unlink()
    (tmp_path / "c" / "b").write_bytes(b"theirs")
    if (tmp_path / "c" / "b").stat().st_ino != inode:
        pytest.skip("this file system did not use the inode number again")
    os.utime(tmp_path / "c" / "b", (1e9, 1e9))
    obj = container.get_object("b")
    assert ({}, "application/octet-stream") == (obj.metadata, obj.content_type)


@pytest.mark.parametrize("attributes", ["auto", "file"])
def test_unfinished_upload_has_the_name_of_its_object(tmp_path: Path, attributes: Kept) -> None:
    """An upload that has parts is listed by its object's name, not by that of its file."""
    transfer = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=1)
    container = new_container(tmp_path, attributes=attributes, transfer=transfer)
    with container.open("some/name", "wb") as file:
        until = time.monotonic() + 0.05  # longer than a tick of the clock that stamps files
        while time.monotonic() < until:
            file.write(bytes(1000))
        assert ["some/name"] == [upload.name for upload in container.list_uploads()]


@pytest.mark.parametrize("attributes", ["xattr", "file"])
@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("/".join(["\x01" * 255] * 4), {}),
        ("/".join(['"' * 255] * 4), {"k": "\\" * 2000}),
        ("a", {"k": '"' * 2000}),
        ("é" * 100, {"k": "é" * 1000}),
    ],
    ids=["control", "quotes", "metadata", "wide"],
)
def test_longest_names_and_metadata_are_stored(
    tmp_path: Path, attributes: Kept, name: str, metadata: dict[str, str]
) -> None:
    """The longest names and the most metadata that the limits allow are kept."""
    container = new_container(tmp_path, attributes=attributes)
    container.upload_object(b"1", name, metadata=metadata)
    again = local_driver(tmp_path, attributes=attributes).get_object("c", name)
    assert (b"1", metadata) == (again.read(), again.metadata)


def test_long_header_is_stored_or_rejected(tmp_path: Path) -> None:
    """A header that is longer than an extended attribute can be is kept, or refused as such."""
    container = new_container(tmp_path)
    try:
        obj = container.upload_object(b"1", "a", content_disposition="x" * 6000)
    except InvalidOptionError:
        assert [] == names(container)
    else:
        assert "x" * 6000 == obj.refresh().extra["content_disposition"]


@pytest.mark.parametrize("planted", ["link", "file"])
def test_planted_side_directory_is_ignored(tmp_path: Path, planted: str) -> None:
    """Where extended attributes are used, what stands in the side files' place is no matter."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    container = new_container(tmp_path, attributes="xattr")
    container.upload_object(b"1", "a")
    if planted == "link":
        (tmp_path / "c" / ".libstore-attributes").symlink_to(tmp_path)
    else:
        (tmp_path / "c" / ".libstore-attributes").write_bytes(b"")
    container.upload_object(b"2", "a")
    assert b"2" == container.read_object("a")
    container.delete_object("a")
    assert [] == names(container)
    container.delete()
    assert {} == snapshot(tmp_path)


def test_upload_record_with_a_naive_time_is_listed_and_deleted(tmp_path: Path) -> None:
    """An unfinished upload whose record has a time without a zone is found and dropped."""
    container = new_container(tmp_path, attributes="xattr")
    path = tmp_path / "c" / ".libstore-0123456789abcdef"
    path.write_bytes(b"")
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    os.setxattr(path, "user.libstore", b"1\0a\0x/y\x002026-01-01T00:00:00\x000")
    assert ["a"] == [upload.name for upload in container.list_uploads()]
    assert 1 == len(container.abort_uploads())
