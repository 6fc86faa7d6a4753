"""A digest is computed once for each content, and never belongs to another content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from drivers.local.support import (
    Kept,
    has_extended_attributes,
    local_driver,
    md5,
    new_container,
    run_python,
)

from libstore import Container, StorageDriver, TransferOptions
from libstore.drivers import local
from libstore.drivers.local import content
from libstore.drivers.local.attributes import Attributes, ExtendedAttributes, SideFiles

_SMALL_PARTS = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=3)


@pytest.fixture(params=["xattr", "file"])
def attributes(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """Return where attributes are kept."""
    kept: Kept = request.param
    if kept == "xattr" and not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    return kept


@pytest.fixture
def hashings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an item whenever the driver hashes a file."""
    calls: list[int] = []
    real = content.md5_of

    def counting(descriptor: int) -> str:
        calls.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(local, "md5_of", counting)
    return calls


def _digest(driver: StorageDriver, name: str = "a") -> str | None:
    return driver.get_object("c", name).object_hash


def _age(path: Path) -> os.stat_result:
    """Return a file's status after the clock that stamps files has moved on."""
    status = path.stat()
    probe = path.parent / "clock"
    while True:
        probe.touch()
        if probe.stat().st_mtime_ns > status.st_ctime_ns + 1_000_000:
            probe.unlink()
            return status


def _change(path: Path, content: bytes, restore: os.stat_result | None = None) -> None:
    """Write into a file in place, and set its times back."""
    with open(path, "r+b", buffering=0) as file:
        file.write(content)
    if restore is not None:
        os.utime(path, ns=(restore.st_atime_ns, restore.st_mtime_ns))
        assert restore.st_mtime_ns == path.stat().st_mtime_ns


@pytest.mark.parametrize("other", [False, True], ids=["ours", "other"])
@pytest.mark.parametrize("restored", [False, True], ids=["", "times set back"])
def test_changed_file_has_a_new_digest(
    tmp_path: Path, attributes: Kept, other: bool, restored: bool
) -> None:
    """A file changed in place, to the same size and with its times set back, is hashed again."""
    driver = local_driver(tmp_path, attributes=attributes)
    container = driver.create_container("c")
    path = tmp_path / "c" / "a"
    if other:
        path.write_bytes(b"before")
    else:
        container.upload_object(b"before", "a")
    assert md5(b"before") == _digest(driver)
    status = _age(path)
    _change(path, b"behind", status if restored else None)
    assert md5(b"behind") == _digest(driver)
    assert md5(b"behind") == _digest(local_driver(tmp_path, attributes=attributes))
    assert md5(b"behind") == container.list_objects()[0].object_hash
    assert b"behind" == container.read_object("a")


@pytest.mark.parametrize(
    "store", [ExtendedAttributes(), SideFiles(fsync=False)], ids=["xattr", "file"]
)
def test_change_right_after_the_seal_is_detected(tmp_path: Path, store: Attributes) -> None:
    """A change right after the digest was kept, with the times set back, is not missed."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    directory = os.open(tmp_path, os.O_RDONLY)
    missed = 0
    for number in range(300):
        descriptor = os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT)
        os.write(descriptor, b"before")
        status = os.fstat(descriptor)
        store.seal(descriptor, directory, md5(b"before"), status)
        os.pwrite(descriptor, b"behind", 0)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        missed += store.digest(descriptor, directory, os.fstat(descriptor)) is not None
        os.close(descriptor)
    os.close(directory)
    assert 0 == missed


def test_reverted_change_is_detected(tmp_path: Path, attributes: Kept) -> None:
    """The digest follows the content through many changes with the times set back."""
    driver = local_driver(tmp_path, attributes=attributes)
    path = tmp_path / "c" / "a"
    driver.create_container("c").upload_object(b"0000", "a")
    first = path.stat()
    for number in (1, 2, 1, 3, 1):
        _age(path)
        _change(path, b"%04d" % number, first)
        assert md5(b"%04d" % number) == _digest(driver)


def test_file_renamed_over_another_has_its_own_digest(tmp_path: Path, attributes: Kept) -> None:
    """A rename over an object, with equal size and times, does not leave the old digest."""
    driver = local_driver(tmp_path, attributes=attributes)
    driver.create_container("c").upload_object(b"before", "a")
    path = tmp_path / "c" / "a"
    status = path.stat()
    other = tmp_path / "other"
    other.write_bytes(b"behind")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(other, path)
    assert md5(b"behind") == _digest(driver)


def test_file_with_a_reused_inode_has_its_own_digest(tmp_path: Path, attributes: Kept) -> None:
    """A file that gets the inode number of one that others deleted does not get its digest."""
    driver = local_driver(tmp_path, attributes=attributes)
    container = driver.create_container("c")
    path = tmp_path / "c" / "a"
    reused = 0
    for _ in range(10):
        container.upload_object(b"before", "a")
        assert md5(b"before") == _digest(driver)
        status = path.stat()
        path.unlink()
        path.write_bytes(b"behind")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        reused += path.stat().st_ino == status.st_ino
        assert md5(b"behind") == _digest(driver)
        path.unlink()
    if not reused:
        pytest.skip("this file system did not use an inode number again")


@pytest.mark.parametrize("how", ["put", "parts", "writer", "copy", "parts copied"])
def test_uploaded_file_is_not_hashed_again(
    tmp_path: Path, attributes: Kept, hashings: list[int], how: str
) -> None:
    """The digest of an upload is computed while the bytes pass, and known to every driver."""
    container = new_container(tmp_path, attributes=attributes, transfer=_SMALL_PARTS)
    content = os.urandom(300 if how in ("put", "copy") else 5_500)
    _store(container, content, how)
    again = local_driver(tmp_path, attributes=attributes)
    assert [md5(content)] * 3 == [_digest(again), _digest(container.driver), _digest(again)]
    assert [] == hashings


def _store(container: Container, content: bytes, how: str) -> None:
    if how == "writer":
        with container.open("a", "wb") as file:
            file.write(content)
    elif "cop" in how:
        container.upload_object(content, "b").copy(container, "a")
    else:
        container.upload_object(content, "a")


def test_file_changed_while_hashed_has_no_digest(
    tmp_path: Path, attributes: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read may be half of one content and half of another; it is hashed again later."""
    driver = local_driver(tmp_path, attributes=attributes)
    driver.create_container("c")
    path = tmp_path / "c" / "a"
    path.write_bytes(b"before")
    _age(path)
    read = os.pread

    def read_and_write(descriptor: int, size: int, position: int) -> bytes:
        data = read(descriptor, size, position)
        if data == b"before":
            _change(path, b"behind")
        return data

    monkeypatch.setattr(os, "pread", read_and_write)
    assert _digest(driver) is None
    assert md5(b"behind") == _digest(driver)


def test_file_of_another_program_is_hashed_once(
    tmp_path: Path, attributes: Kept, hashings: list[int]
) -> None:
    """A file that others wrote is hashed when its digest is first needed, and never again."""
    driver = local_driver(tmp_path, attributes=attributes)
    container = driver.create_container("c")
    path = tmp_path / "c" / "a"
    path.write_bytes(b"foreign")
    _age(path)
    for obj in container.list_objects():
        assert (7, "a") == (obj.size, obj.name)
    assert [] == hashings
    assert md5(b"foreign") == _digest(driver)
    assert 1 == len(hashings)
    assert md5(b"foreign") == _digest(driver)
    assert md5(b"foreign") == _digest(local_driver(tmp_path, attributes=attributes))
    assert md5(b"foreign") == container.list_objects()[0].object_hash
    assert 1 == len(hashings)


def test_file_of_another_program_is_hashed_once_by_all_processes(
    tmp_path: Path, attributes: Kept, hashings: list[int]
) -> None:
    """What one process hashed, the others need not hash."""
    new_container(tmp_path)
    path = tmp_path / "c" / "a"
    path.write_bytes(b"foreign")
    _age(path)
    program = """
import sys
from libstore import get_driver
driver = get_driver("local")(sys.argv[1], attributes=sys.argv[2])
print(driver.get_object("c", "a").object_hash)
"""
    assert md5(b"foreign") == run_python(program, tmp_path, attributes).strip()
    assert md5(b"foreign") == _digest(local_driver(tmp_path, attributes=attributes))
    assert [] == hashings


def test_change_of_metadata_does_not_hash_again(
    tmp_path: Path, attributes: Kept, hashings: list[int]
) -> None:
    """Changing metadata keeps the digest, also when the attributes around it move."""
    container = new_container(tmp_path, attributes=attributes)
    obj = container.upload_object(b"content", "a")
    for number in range(5):
        obj.update_metadata({"n": str(number)})
    assert md5(b"content") == _digest(local_driver(tmp_path, attributes=attributes))
    assert [] == hashings


def test_file_with_a_new_mode_or_link_keeps_its_digest(tmp_path: Path, attributes: Kept) -> None:
    """What moves a file's time of change, but not its content, never makes the digest wrong."""
    container = new_container(tmp_path, attributes=attributes)
    container.upload_object(b"content", "a")
    path = tmp_path / "c" / "a"
    path.chmod(0o600)
    assert md5(b"content") == _digest(container.driver)
    os.link(path, tmp_path / "c" / "b")
    assert md5(b"content") == _digest(container.driver, "b")


def test_read_only_file_has_a_digest(tmp_path: Path, attributes: Kept) -> None:
    """A file that we may read and not write is hashed, though the digest cannot be kept."""
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
    new_container(tmp_path)
    path = tmp_path / "c" / "a"
    path.write_bytes(b"content")
    path.chmod(0o444)
    (tmp_path / "c").chmod(0o555)
    program = """
import os, sys
from libstore import get_driver
root = os.open(sys.argv[1], os.O_RDONLY)
driver = get_driver("local")(f"/proc/self/fd/{root}", attributes=sys.argv[2])
if os.getuid() == 0:  # root can read everything, so become another user
    driver.get_object("c", "a").refresh()
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open(f"/proc/self/fd/{root}/c/a", "r+b")
except PermissionError:
    print(driver.get_object("c", "a").object_hash, driver.get_object("c", "a").object_hash)
"""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the system does not show descriptors as paths")
    digest = md5(b"content")
    assert f"{digest} {digest}" == run_python(program, tmp_path, attributes).strip()


def test_digest_is_kept_after_all_descriptors_were_closed(tmp_path: Path) -> None:
    """A program may close every descriptor, as daemons do; files that it opens then stay as is."""
    if not has_extended_attributes(tmp_path):
        pytest.skip("the file system of the temporary directory has no extended attributes")
    program = """
import os, sys
from libstore import get_driver
container = get_driver("local")(sys.argv[1], attributes="xattr").create_container("c")
container.upload_object(b"before", "a")
os.closerange(3, 64)
others = [os.open(sys.argv[2], os.O_RDWR | os.O_CREAT) for _ in range(8)]
before = os.stat(sys.argv[2]).st_ctime_ns
container.upload_object(b"behind", "a")
assert before == os.stat(sys.argv[2]).st_ctime_ns
print(container.get_object("a").object_hash)
"""
    assert md5(b"behind") == run_python(program, tmp_path / "root", tmp_path / "other").strip()
