"""Whatever stands in the place of what the local driver keeps, it is read with care."""

from __future__ import annotations

import os
import time
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
    snapshot,
)

from libstore import Container, InvalidOptionError, TransferOptions

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


def _seen(container: Container) -> tuple[Any, ...]:
    obj = container.get_object("a.txt")
    return (obj.content_type, obj.metadata, obj.extra, obj.object_hash, obj.read())


@pytest.mark.parametrize("key", ["user.libstore", "user.libstore.hash"])
@pytest.mark.parametrize("garbage", _GARBAGE, ids=lambda value: ascii(value[:24]))
def test_invalid_attributes_are_ignored(
    container: Container, tmp_path: Path, key: str, garbage: bytes
) -> None:
    """An attribute that we did not write is as good as none, and a new upload mends it."""
    container.upload_object(b"content", "a.txt")
    os.setxattr(tmp_path / "c" / "a.txt", key, garbage)
    expected: tuple[Any, ...] = ("text/plain", {}, {}, md5(b"content"), b"content")
    assert expected == _seen(container)
    container.upload_object(b"content", "a.txt")
    assert expected == _seen(container)


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
