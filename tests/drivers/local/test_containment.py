"""No name and no planted link leads out of the root of the local driver."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from drivers.local.support import (
    TIMEOUT,
    hostile_names,
    local_driver,
    names,
    new_container,
    python_running,
    shown,
    snapshot,
)

from libstore import (
    Container,
    ContainerNotFoundError,
    InvalidNameError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    StorageError,
    TransferOptions,
)

_NAMES = hostile_names()
_SECRET = b"what is outside of the root"
_SMALL_PARTS = TransferOptions(part_size=10, multipart_threshold=10, concurrency=2)

# Whatever writes below a name; the content is never the secret.
_WRITES: dict[str, Callable[[Container, str], object]] = {
    "put": lambda container, name: container.upload_object(b"ours", name),
    "parts": lambda container, name: container.upload_object(b"ours" * 9, name),
    "absent": lambda container, name: container.upload_object(b"ours", name, if_absent=True),
    "copy": lambda container, name: container.get_object("ours").copy(container, name),
    "move": lambda container, name: container.upload_object(b"ours", "m").move(container, name),
}
# Whatever reads or changes what is below a name.
_READS: dict[str, Callable[[Container, str], Any]] = {
    "read": lambda container, name: container.read_object(name),
    "stream": lambda container, name: b"".join(container.stream_object(name)),
    "open": lambda container, name: container.open(name).read(),
    "head": lambda container, name: container.get_object(name).object_hash,
    "metadata": lambda container, name: container.object(name).update_metadata({"k": "v"}),
    "copy": lambda container, name: container.object(name).copy(container, "stolen").read(),
}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """Return a container with one object "ours", beside a tree that must not be changed."""
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    for path in ("secret", "x", "sub/secret", "sub/x"):
        (outside / path).write_bytes(_SECRET)
    container = new_container(tmp_path / "root", fsync=False, transfer=_SMALL_PARTS)
    container.upload_object(b"ours", "ours")
    return container


@pytest.fixture(autouse=True)
def untouched(tmp_path: Path, container: Container) -> Iterator[None]:
    """Compare what lies outside of the root before and after each test."""
    before = {path: entry for path, entry in snapshot(tmp_path).items() if path[:4] != "root"}
    modified = (tmp_path / "outside" / "secret").stat()
    yield
    after = {path: entry for path, entry in snapshot(tmp_path).items() if path[:4] != "root"}
    assert before == after
    assert modified.st_mtime_ns == (tmp_path / "outside" / "secret").stat().st_mtime_ns


def _is_refused(container: Container, name: str) -> bool:
    try:
        container.object(name)
    except InvalidNameError:
        return True
    return False


@contextmanager
def _planted(container: Path, name: str, target: Path) -> Iterator[None]:
    """Have a symbolic link at the place of an object."""
    path = os.path.join(container, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)
    yield
    assert os.readlink(path) == str(target)
    os.unlink(path)
    with suppress(OSError):
        os.removedirs(os.path.dirname(path))


def test_list_of_hostile_names_is_complete(container: Container) -> None:
    """Two hundred hostile names are the least, and both kinds are among them."""
    assert len(_NAMES) >= 200
    refused = [name for name in _NAMES if _is_refused(container, name)]
    assert 80 <= len(refused) <= len(_NAMES) - 100


@pytest.mark.parametrize("write", _WRITES)
def test_hostile_name_is_exact_or_rejected(
    container: Container, tmp_path: Path, write: str
) -> None:
    """A name is kept as it is, or refused before anything is written."""
    before = snapshot(tmp_path)
    for name in _NAMES:
        try:
            _WRITES[write](container, name)
        except InvalidNameError:
            container.delete_object("m")
            assert before == snapshot(tmp_path), shown(name)
            continue
        assert sorted(["ours", name]) == names(container), shown(name)
        assert container.read_object(name) in (b"ours", b"ours" * 9), shown(name)
        container.delete_object(name)
        assert before == snapshot(tmp_path), shown(name)


@pytest.mark.parametrize("read", _READS)
def test_hostile_name_reads_nothing(container: Container, read: str) -> None:
    """Where nothing was stored, a hostile name is refused or missing."""
    for name in _NAMES:
        with pytest.raises((InvalidNameError, ObjectNotFoundError)):
            _READS[read](container, name)


def test_hostile_container_name_is_exact_or_rejected(container: Container, tmp_path: Path) -> None:
    """A container's name is kept as it is, or refused before anything is made."""
    before = snapshot(tmp_path)
    driver = container.driver
    for name in _NAMES:
        for operation in (driver.get_container, driver.delete_container):
            with pytest.raises((InvalidNameError, ContainerNotFoundError)):
                operation(name)
        try:
            created = driver.create_container(name)
        except InvalidNameError:
            assert before == snapshot(tmp_path), shown(name)
            continue
        assert sorted(["c", name]) == [found.name for found in driver.list_containers()]
        assert sorted(["c", name]) == sorted(os.listdir(tmp_path / "root"))
        created.delete()
    assert before == snapshot(tmp_path)


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_planted_link_is_not_followed(container: Container, tmp_path: Path, kind: str) -> None:
    """A link at or on the way to an object is never read, written through or replaced."""
    target = tmp_path / "outside" / ("sub" if kind == "directory" else "secret")
    accepted = [name for name in _NAMES if not _is_refused(container, name)]
    for name in accepted:
        with _planted(tmp_path / "root" / "c", name, target):
            below = [f"{name}/secret", f"{name}/new"]
            for victim in (name, *(path for path in below if not _is_refused(container, path))):
                _check_closed(container, victim)
            assert ["ours"] == names(container), shown(name)
    assert len(accepted) > 100


def _check_closed(container: Container, name: str) -> None:
    """Check that a name behind or at a link is no object, and cannot become one."""
    for write in _WRITES.values():
        with pytest.raises(ObjectNameConflictError):
            write(container, name)
        container.delete_object("m")
    for read in _READS.values():
        with pytest.raises(ObjectNotFoundError):
            read(container, name)
    assert not container.object_exists(name)
    container.delete_object(name)
    assert [None] == [result.error for result in container.delete_objects([name])]


def test_link_is_not_a_container(container: Container, tmp_path: Path) -> None:
    """A link to a directory outside is no container, and its name is taken."""
    driver = container.driver
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    assert ["c"] == [found.name for found in driver.list_containers()]
    with pytest.raises(ContainerNotFoundError):
        driver.upload_object(b"ours", "link", "new")
    with pytest.raises(ContainerNotFoundError):
        list(driver.list_objects("link"))
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("link")
    with pytest.raises(FileExistsError):
        driver.create_container("link")


@pytest.mark.parametrize("planted", ["directory", "dangling"])
@pytest.mark.parametrize("attributes", ["xattr", "file"])
def test_link_in_place_of_the_private_directory_is_not_followed(
    container: Container, tmp_path: Path, attributes: str, planted: str
) -> None:
    """A link in the place of the side files' directory is not followed."""
    target = tmp_path / "outside" if planted == "directory" else tmp_path / "outside" / "none"
    (tmp_path / "root" / "d").mkdir()
    (tmp_path / "root" / "d" / ".libstore-attributes").symlink_to(target)
    victim = local_driver(tmp_path / "root", attributes=attributes).get_container("d")
    for _ in range(2):
        with suppress(StorageError):
            victim.upload_object(b"ours", "a", metadata={"k": "v"})
        with suppress(StorageError):
            assert b"ours" == victim.read_object("a")
    with suppress(StorageError):
        victim.delete_object("a")
    with suppress(StorageError):
        victim.delete()


_SWAPPER = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
count = 0
def swap():
    global count
    while True:
        if libc.renameat2(-100, b"door", -100, b"link", 2):
            os._exit(3)
        count += 1
os.chdir(sys.argv[1])
threading.Thread(target=swap, daemon=True).start()
print("on", flush=True)
sys.stdin.read()
print(count, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("kind", ["sub", "secret"], ids=["directory", "file"])
def test_link_created_during_an_operation_is_not_followed(
    container: Container, tmp_path: Path, kind: str
) -> None:
    """While another process swaps a directory and a link, nothing goes through the link."""
    if not hasattr(ctypes.CDLL(None), "renameat2"):
        pytest.skip("the system cannot exchange two names in one step")
    top = tmp_path / "root" / "c"
    (top / "door").mkdir()
    (top / "door" / "keep").write_bytes(b"ours")
    (top / "link").symlink_to(tmp_path / "outside" / kind)
    door = [f"door/{name}" for name in (*_NAMES, "secret", "x", "sub/x")]
    door = [name for name in door if not _is_refused(container, name)]
    outcomes: set[str] = set()
    with python_running(_SWAPPER, top) as swapper:
        assert swapper.stdout is not None
        assert b"on\n" == swapper.stdout.readline()
        for _ in range(50):
            for name in door:
                outcomes |= _pass_through(container, name)
            if {"stored", "ObjectNameConflictError"} <= outcomes:
                break
        printed, _ = swapper.communicate(timeout=TIMEOUT)
    assert {"stored", "ObjectNameConflictError"} <= outcomes
    assert int(printed) > 1000
    assert len(door) >= 100


def _pass_through(container: Container, name: str) -> set[str]:
    """Do everything to a name behind a door that opens and shuts; return what became of it."""
    seen: set[str] = set()
    for write in _WRITES.values():
        try:
            write(container, name)
            seen.add("stored")
        except StorageError as error:
            seen.add(type(error).__name__)
    for read in _READS.values():
        with suppress(StorageError):
            assert read(container, name) != _SECRET
    with suppress(StorageError):
        for obj in container.list_objects():
            assert obj.size != len(_SECRET), obj
    with suppress(StorageError):
        container.delete_object(name)
    return seen
