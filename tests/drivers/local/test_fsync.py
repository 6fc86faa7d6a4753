"""With fsync, content and names are on disk before the local driver says so, in that order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drivers.local.support import local_driver, new_container

from libstore import Container, TransferOptions

_SMALL_PARTS = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=3)

# What a call did, and to which path relative to the root; temporary names are shown as "new".
Call = tuple[str, str]


def _write(container: Container) -> None:
    with container.open("d/a", "wb") as file:
        file.write(bytes(1500))


_WRITES: dict[str, Callable[[Container], object]] = {
    "put": lambda container: container.upload_object(b"1", "d/a"),
    "overwrite": lambda container: container.upload_object(b"1", "d/old"),
    "parts": lambda container: container.upload_object(bytes(3500), "d/a"),
    "absent": lambda container: container.upload_object(b"1", "d/a", if_absent=True),
    "absent, parts": lambda container: container.upload_object(bytes(3500), "d/a", if_absent=True),
    "copy": lambda container: container.get_object("d/old").copy(container, "d/a"),
    "writer": _write,
}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Return a list that every call with an effect on disk is added to, in order."""
    seen: list[Call] = []
    top = str(tmp_path / "root")

    def place(descriptor: int | None, name: str = "") -> str:
        directory = "" if descriptor is None else os.readlink(f"/proc/self/fd/{descriptor}")
        path = os.path.relpath(os.path.join(directory, name), top)
        folder, leaf = os.path.split(path)
        is_new = leaf.startswith(".libstore-") and leaf != ".libstore-attributes"
        return os.path.join(folder, "new" if is_new else leaf)

    def record(name: str, where: Callable[..., str]) -> None:
        real = getattr(os, name)

        def recording(*arguments: Any, **options: Any) -> Any:
            seen.append((name, where(*arguments, **options)))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, recording)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the system does not show descriptors as paths")
    record("fsync", place)
    record("write", lambda descriptor, data: place(descriptor))
    record("pwrite", lambda descriptor, data, offset: place(descriptor))
    record("mkdir", lambda name, mode=0o777, *, dir_fd=None: place(dir_fd, name))
    record("unlink", lambda name, *, dir_fd=None: place(dir_fd, name))
    record("replace", lambda old, new, *, src_dir_fd, dst_dir_fd: place(dst_dir_fd, new))
    record("link", lambda old, new, *, src_dir_fd, dst_dir_fd, **_: place(dst_dir_fd, new))
    return seen


@pytest.fixture
def container(tmp_path: Path, calls: list[Call]) -> Container:
    """Return a container with an object "d/old"; what happened so far is forgotten."""
    container = new_container(tmp_path / "root", transfer=_SMALL_PARTS, attributes="auto")
    container.upload_object(b"old", "d/old")
    calls.clear()
    return container


def _position(calls: list[Call], *wanted: Call) -> int:
    positions = [index for index, call in enumerate(calls) if call in wanted]
    assert positions, f"none of {wanted} in {calls}"
    return positions[-1]


@pytest.mark.parametrize("write", _WRITES)
def test_content_is_synced_before_its_name(
    container: Container, calls: list[Call], write: str
) -> None:
    """The file is synced between its last byte and its name, its directory after the name."""
    _WRITES[write](container)
    name = "c/d/old" if write == "overwrite" else "c/d/a"
    synced = calls.index(("fsync", "c/new"))
    named = _position(calls, ("replace", name), ("link", name))
    assert synced < named < _position(calls, ("fsync", "c/d"))
    assert not {("write", "c/new"), ("pwrite", "c/new")} & set(calls[synced:])


def test_parents_of_new_directories_are_synced(container: Container, calls: list[Call]) -> None:
    """Of each directory that is made, the one that it is in is synced."""
    container.upload_object(b"1", "x/y/a")
    for made, parent in (("c/x", "c"), ("c/x/y", "c/x")):
        assert calls.index(("mkdir", made)) < _position(calls, ("fsync", parent))
    assert ("fsync", "c/x/y") == calls[_position(calls, ("fsync", "c/x/y"))]


def test_new_container_is_synced(tmp_path: Path, calls: list[Call]) -> None:
    """The root is synced after a container was made in it or removed from it."""
    local_driver(tmp_path / "root").create_container("c")
    assert ("fsync", ".") == calls[-1]
    assert calls.index(("mkdir", "c")) < len(calls) - 1
    calls.clear()
    local_driver(tmp_path / "root").delete_container("c")
    assert ("fsync", ".") == calls[-1]


def test_new_root_is_synced(tmp_path: Path, calls: list[Call]) -> None:
    """Of each directory that is made for the root, the one that it is in is synced."""
    local_driver(tmp_path / "root" / "a" / "b").create_container("c")
    for made, parent in ((".", ".."), ("a", "."), ("a/b", "a"), ("a/b/c", "a/b")):
        assert calls.index(("mkdir", made)) < _position(calls, ("fsync", parent))


def test_side_files_are_synced(tmp_path: Path, calls: list[Call]) -> None:
    """A side file is synced before it is renamed, and its directory behind that."""
    container = new_container(tmp_path / "root", attributes="file")
    container.upload_object(b"1", "a", metadata={"k": "v"})
    inode = (tmp_path / "root" / "c" / "a").stat().st_ino
    side = f"c/.libstore-attributes/{inode:x}"
    renamed = calls.index(("replace", side))
    [synced] = [index for index, call in enumerate(calls) if _is_sync_of_new(call, side)]
    assert synced < renamed < _position(calls, ("fsync", "c/.libstore-attributes"))
    assert renamed < calls.index(("replace", "c/a"))


def _is_sync_of_new(call: Call, side: str) -> bool:
    return call[0] == "fsync" and call[1].startswith(f"{side}.") and ".hash" not in call[1]


@pytest.mark.parametrize("batch", [False, True])
def test_deletion_is_synced(container: Container, calls: list[Call], batch: bool) -> None:
    """What is left of a deleted object's directories is synced after it was removed."""
    container.upload_object(b"1", "d/a")
    calls.clear()
    for name, remaining in (("d/a", "c/d"), ("d/old", "c")):
        if batch:
            container.delete_objects([name])
        else:
            container.delete_object(name)
        assert calls.index(("unlink", f"c/{name}")) < _position(calls, ("fsync", remaining))


@pytest.mark.parametrize("write", _WRITES)
def test_nothing_is_synced_without_fsync(tmp_path: Path, calls: list[Call], write: str) -> None:
    """With fsync=False no operation waits for the disk."""
    container = new_container(tmp_path / "root", fsync=False, transfer=_SMALL_PARTS)
    container.upload_object(b"old", "d/old")
    _WRITES[write](container)
    container.get_object("d/old").update_metadata({"k": "v"})
    container.delete()
    assert [] == [call for call in calls if call[0] == "fsync"]
    assert {"mkdir", "unlink"} < {call[0] for call in calls}
