"""Containers of the local driver: creation, deletion, and files that are not objects."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from drivers.local.support import Kept, local_driver, names, new_container, snapshot

from libstore import (
    Container,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    StorageError,
    TransferOptions,
)
from libstore.drivers.local import content


@pytest.fixture
def specials(tmp_path: Path) -> Iterator[list[str]]:
    """Return the names of special files: a FIFO, a socket, and a FIFO further down."""
    container = tmp_path / "root" / "c"
    (container / "d").mkdir(parents=True)
    os.mkfifo(container / "fifo")
    os.mkfifo(container / "d" / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(container)  # the path of a socket must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        yield ["fifo", "d/fifo", "socket"]


@pytest.mark.parametrize("attributes", ["auto", "file"])
def test_container_is_deleted_with_its_content(tmp_path: Path, attributes: Kept) -> None:
    """Deleting a container removes objects, leftovers, and directories that were empty."""
    transfer = TransferOptions(part_size=10, multipart_threshold=10)
    container = new_container(tmp_path, attributes=attributes, transfer=transfer)
    for name in ("a", "d/b", "d/e/c"):
        container.upload_object(b"1", name, metadata={"k": "v"})
    (tmp_path / "c" / "empty" / "below").mkdir(parents=True)
    (tmp_path / "c" / ".libstore-0123456789abcdef").write_bytes(b"left by a crash")
    writer = container.open("never closed", "wb")
    writer.write(bytes(1000))
    container.delete()
    assert {} == snapshot(tmp_path)
    with suppress(StorageError):
        writer.close()
    assert {} == snapshot(tmp_path)


def test_full_container_is_kept(tmp_path: Path) -> None:
    """With recursive=False a container with objects is ContainerNotEmptyError, and unchanged."""
    container = new_container(tmp_path)
    container.upload_object(b"1", "d/a")
    before = snapshot(tmp_path)
    with pytest.raises(ContainerNotEmptyError):
        container.delete(recursive=False)
    assert before == snapshot(tmp_path)
    (tmp_path / "c" / "d" / "a").unlink()
    container.delete(recursive=False)
    assert {} == snapshot(tmp_path)


def test_file_is_not_a_container(tmp_path: Path) -> None:
    """A file below the root is no container, and cannot become one."""
    driver = local_driver(tmp_path)
    (tmp_path / "c").write_bytes(b"theirs")
    with pytest.raises(ContainerNotFoundError):
        driver.get_container("c")
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("c")
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("c")
    with pytest.raises(ContainerNotFoundError):
        driver.upload_object(b"1", "c", "a")
    assert b"theirs" == (tmp_path / "c").read_bytes()


def test_empty_directories_are_removed_with_the_last_object(tmp_path: Path) -> None:
    """The last object below a directory takes it away, and never the container."""
    container = new_container(tmp_path)
    for name in ("d/e/f/a", "d/e/b", "g/c"):
        container.upload_object(b"1", name)
    container.delete_object("d/e/f/a")
    assert {"c", "c/d", "c/d/e", "c/d/e/b", "c/g", "c/g/c"} == set(snapshot(tmp_path))
    container.delete_objects(["d/e/b"])
    assert {"c", "c/g", "c/g/c"} == set(snapshot(tmp_path))
    container.get_object("g/c").move(container, "h/c")
    assert {"c", "c/h", "c/h/c"} == set(snapshot(tmp_path))
    container.delete_object("h/c")
    assert {"c"} == set(snapshot(tmp_path))


def test_directory_with_other_files_is_kept(tmp_path: Path) -> None:
    """A directory that has more than the deleted object stays, with what it has."""
    container = new_container(tmp_path)
    container.upload_object(b"1", "d/a")
    (tmp_path / "c" / "d" / "link").symlink_to("nowhere")
    container.delete_object("d/a")
    assert {"c", "c/d", "c/d/link"} == set(snapshot(tmp_path))


def test_special_files_are_not_objects(tmp_path: Path, specials: list[str]) -> None:
    """A FIFO or a socket is in no listing, cannot be read, and blocks neither."""
    container = local_driver(tmp_path / "root").get_container("c")
    container.upload_object(b"1", "d/a")
    assert ["d/a"] == names(container)
    for name in specials:
        assert not container.object_exists(name)
        with pytest.raises(ObjectNotFoundError):
            container.read_object(name)
        with pytest.raises(ObjectNotFoundError):
            container.open(name).read()
        with pytest.raises(ObjectNotFoundError):
            container.object(name).copy(container, "copy")
        with pytest.raises(ObjectNameConflictError):
            container.upload_object(b"1", name)
        container.delete_object(name)
    assert {*specials, "d/a", "d"} == {path[2:] for path in snapshot(tmp_path / "root")} - {""}


def test_special_files_are_deleted_with_their_container(
    tmp_path: Path, specials: list[str]
) -> None:
    """A container with special files is deleted as a whole."""
    container = local_driver(tmp_path / "root").get_container("c")
    container.upload_object(b"1", "a")
    container.delete()
    assert {} == snapshot(tmp_path / "root")


def test_special_file_is_not_a_leftover(tmp_path: Path) -> None:
    """A FIFO in the place of an unfinished upload does not block the listing of uploads."""
    container = new_container(tmp_path)
    os.mkfifo(tmp_path / "c" / ".libstore-0123456789abcdef")
    assert [] == list(container.list_uploads())
    assert [] == container.abort_uploads()


def test_missing_container_is_reported(tmp_path: Path) -> None:
    """Operations on a container that was deleted meanwhile are ContainerNotFoundError."""
    container = new_container(tmp_path)
    obj = container.upload_object(b"1", "d/a")
    (tmp_path / "c" / "d" / "a").unlink()
    (tmp_path / "c" / "d").rmdir()
    (tmp_path / "c").rmdir()
    operations: list[Callable[[], object]] = [
        *(obj.read, obj.refresh, obj.delete, container.delete, container.refresh),
        lambda: container.upload_object(b"1", "a"),
        lambda: list(container),
        lambda: list(container.list_uploads()),
    ]
    for operation in operations:
        with pytest.raises(ContainerNotFoundError):
            operation()
    [result] = container.delete_objects(["a"])
    assert isinstance(result.error, ContainerNotFoundError)
    assert {} == snapshot(tmp_path)


def test_container_deleted_during_an_upload_is_reported(tmp_path: Path) -> None:
    """An upload into a container that is deleted meanwhile fails, and makes no container."""
    transfer = TransferOptions(part_size=10, multipart_threshold=10)
    container = new_container(tmp_path, transfer=transfer)

    def chunks() -> Iterator[bytes]:
        yield bytes(100)
        container.delete()
        yield bytes(100)

    with pytest.raises(StorageError):
        container.upload_object(chunks(), "d/a")
    assert {} == snapshot(tmp_path)


def test_handles_of_one_container_are_equal(tmp_path: Path) -> None:
    """A container that was deleted and made again is empty for handles of before too."""
    before: Container = new_container(tmp_path)
    before.upload_object(b"1", "a")
    before.driver.delete_container("c")
    new_container(tmp_path)
    assert [] == names(before)
    before.upload_object(b"2", "b")
    assert ["b"] == names(before)


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"caf\xe9.txt", r"b'caf\xe9.txt'"),
        (b"a/b/\xff", r"b'a/b/\xff'"),
        (b"\xfe/a", r"b'\xfe/a'"),
        (
            b"d" * 200 + b"/" + b"\xe9" * 50,
            rf"{b'd' * 69 + b'/' + bytes([0xE9]) * 50!r} (its end)",
        ),
    ],
)
def test_name_that_is_not_utf_8_is_reported_if_it_keeps_a_container(
    tmp_path: Path, path: bytes, shown: str, recursive: bool
) -> None:
    """Such a file is no object: the container lists as empty."""
    container = new_container(tmp_path)
    full = os.path.join(os.fsencode(tmp_path), b"c", path)
    try:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        open(full, "wb").close()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    assert [] == list(container.list_objects())
    with pytest.raises(ContainerNotEmptyError) as caught:
        container.delete(recursive=recursive)
    assert shown in caught.value.message
    os.remove(full)
    container.delete()


@pytest.mark.skipif(sys.platform != "linux", reason="it compares with stat of Linux")
def test_container_has_the_birth_time_of_its_directory(tmp_path: Path) -> None:
    container = new_container(tmp_path)
    command = ["stat", "--format=%W", str(tmp_path / "c")]
    born = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    expected = None if born in {"0", "-"} else int(born)

    for handle in (
        container,
        container.driver.get_container("c"),
        container.driver.container("c"),
    ):
        created = handle.created
        assert expected == (None if created is None else int(created.timestamp()))


@pytest.mark.skipif(sys.platform != "linux", reason="os.stat reports it on other systems")
def test_birth_time_that_cannot_be_found_out_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull, "rb") as device:
        number = device.fileno()
    assert content._statx_birth_time(number) is None  # a closed descriptor
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert new_container(tmp_path).driver.get_container("c").created is None
