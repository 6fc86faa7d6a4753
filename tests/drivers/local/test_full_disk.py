"""A full disk raises StorageFullError, and leaves the old object and no temporary files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from drivers.local.support import Kept, run_python

# What each program below ends with: the tree before and after, as other programs see it.
_TREE = """
import json, os, sys
def tree(top):
    seen = {}
    for directory, folders, files in os.walk(top):
        for name in folders:
            seen[os.path.join(directory, name)] = None
        for name in files:
            with open(os.path.join(directory, name), "rb") as file:
                seen[os.path.join(directory, name)] = hash(file.read())
    return seen
"""

_LIMITED = (
    _TREE
    + """
import resource
from libstore import StorageFullError, TransferOptions, get_driver
root, kept, name, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
transfer = TransferOptions(part_size=20_000, multipart_threshold=20_000, concurrency=3)
driver = get_driver("local")(root, attributes=kept, transfer=transfer)
container = driver.create_container("c")
container.upload_object(b"old", "old")
container.upload_object(bytes(size), "large")
before = tree(root)
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, resource.RLIM_INFINITY))
def put():
    container.upload_object(bytes(size), name)
def stream():
    container.upload_object((bytes(1000) for _ in range(size // 1000)), name)
def write():
    with container.open(name, "wb") as file:
        for _ in range(size // 1000):
            file.write(bytes(1000))
def copy():
    container.get_object("large").copy("c", name)
for act in (put, stream, write, copy):
    try:
        act()
    except StorageFullError as error:
        assert isinstance(error, OSError), error
        assert error.container == "c", error
        print(act.__name__, error.__class__.__name__)
    assert before == tree(root), (act, before, tree(root))
    assert [] == list(container.list_uploads())
assert container.read_object("old") == b"old"
"""
)


@pytest.mark.parametrize("size", [18_000, 90_000], ids=["put", "parts"])
@pytest.mark.parametrize("name", ["old", "x/y/new"])
@pytest.mark.parametrize("kept", ["auto", "file"])
def test_file_size_limit_is_storage_full(tmp_path: Path, kept: Kept, name: str, size: int) -> None:
    """A limit on the size of files is StorageFullError for each kind of writing."""
    printed = run_python(_LIMITED, tmp_path, kept, name, size).split()
    assert ["put", "stream", "write", "copy"] == printed[::2]
    assert {"StorageFullError"} == set(printed[1::2])


_DOWNLOAD = (
    _TREE
    + """
import resource
from libstore import LocalFileError, TransferOptions, get_driver
top, size = sys.argv[1], int(sys.argv[2])
transfer = TransferOptions(part_size=20_000, multipart_threshold=20_000, concurrency=3)
driver = get_driver("local")(top + "/root", transfer=transfer)
obj = driver.create_container("c").upload_object(bytes(size), "a")
with open(top + "/there", "wb") as file:
    file.write(b"there before")
before = tree(top)
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, resource.RLIM_INFINITY))
for name in ("new", "there"):
    try:
        obj.download(os.path.join(top, name), overwrite=True)
    except LocalFileError as error:
        assert name in str(error) and error.filename == os.path.join(top, name), error
        print(error.__class__.__name__)
    assert before == tree(top), (before, tree(top))
"""
)


@pytest.mark.parametrize("size", [18_000, 90_000], ids=["one request", "ranges"])
def test_download_to_a_full_disk_is_a_local_file_error(tmp_path: Path, size: int) -> None:
    """A full destination is LocalFileError, and an existing file stays."""
    assert ["LocalFileError"] * 2 == run_python(_DOWNLOAD, tmp_path, size).split()


_SMALL_DRIVE = (
    _TREE
    + """
import subprocess
mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sys.argv[1]]
if subprocess.run(mount, capture_output=True).returncode:
    sys.exit(print("no mount"))
from libstore import StorageFullError, TransferOptions, get_driver
transfer = TransferOptions(part_size=100_000, multipart_threshold=300_000, concurrency=3)
driver = get_driver("local")(sys.argv[1], attributes=sys.argv[2], transfer=transfer)
container = driver.create_container("c")
container.upload_object(bytes(250_000), "old")
container.upload_object(bytes(400_000), "d/large")
before = tree(sys.argv[1])
def small():
    for number in range(10):
        container.upload_object(os.urandom(200_000), f"x/y/{number}")
def parts():
    container.upload_object(bytes(900_000), "old")
def endless():
    container.upload_object((bytes(1000) for _ in iter(int, 1)), "x/endless")
def copy():
    for number in range(5):
        container.get_object("d/large").copy("c", f"x/y/{number}")
for act in (small, parts, endless, copy):
    try:
        act()
    except StorageFullError:
        print(act.__name__)
    container.delete_objects(list(container.list_objects("x/")))
    assert before == tree(sys.argv[1]), (act, before, tree(sys.argv[1]))
    assert [] == list(container.list_uploads())
container.upload_object(bytes(300_000), "fits")
container.delete()
print(os.listdir(sys.argv[1]))
"""
)


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_full_disk_is_storage_full(tmp_path: Path, kept: Kept) -> None:
    """On a drive of one megabyte, whatever does not fit is StorageFullError and leaves nothing."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare, which gives us a file system of our own, is not there")
    try:
        printed = run_python(_SMALL_DRIVE, tmp_path, kept, prefix=["unshare", "-Urm"])
    except AssertionError as error:
        if str(error).startswith("unshare:"):
            pytest.skip("this machine lets us have no name space of our own")
        raise
    if printed.strip() == "no mount":
        pytest.skip("this machine lets us mount no file system of our own")
    assert ["small", "parts", "endless", "copy", "[]"] == printed.split()


def test_device_is_rejected_as_destination(tmp_path: Path) -> None:
    """What is no file, such as /dev/full, is refused as a destination before a byte is read."""
    if not os.path.exists("/dev/full"):
        pytest.skip("the system has no /dev/full")
    program = """
import sys
from libstore import InvalidOptionError, get_driver
obj = get_driver("local")(sys.argv[1]).create_container("c").upload_object(b"1", "a")
try:
    obj.download("/dev/full", overwrite=True)
except InvalidOptionError as error:
    print("/dev/full" in str(error))
"""
    assert "True" == run_python(program, tmp_path).strip()
