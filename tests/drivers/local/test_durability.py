"""With fsync, content is on disk before its name; a killed process leaves a whole object."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from drivers.local.support import (
    Kept,
    local_driver,
    md5,
    names,
    new_container,
    python_running,
    snapshot,
)

from libstore import Container, Object, TransferOptions

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


# ---------------------------------------------------------------------- crashes


_SIZES = (3_000, 40_000, 150_000)
_PARTS = TransferOptions(part_size=16_000, multipart_threshold=16_000, concurrency=3)
_KILLS = 40  # for each kind of attributes

# A program that lends us processes: for each line that it is sent it forks one, which says its
# number first. At the next line it waits for that one's end, so that the number stays its own
# until then. Starting an interpreter for each victim would take all the time.
_LENDER = """
import os, sys
from drivers.local import test_durability as victims
for line in iter(sys.stdin.readline, ""):
    victim = os.fork()
    if not victim:
        os.write(1, b"pid %d\\n" % os.getpid())
        act, *arguments = line.split()
        getattr(victims, act)(*arguments)
        os._exit(0)
    sys.stdin.readline()
    os.waitpid(victim, 0)
    os.write(1, b"dead 0\\n")
"""


@pytest.fixture(scope="module")
def lender() -> Iterator[subprocess.Popen[bytes]]:
    """Return the program that lends us processes."""
    with python_running(_LENDER) as process:
        yield process


def _live_and_die(
    lender: subprocess.Popen[bytes], line: str, lines: int | None = None, delay: float = 0.0
) -> list[tuple[str, int]]:
    """Have a process do something, and return what it says; after so many lines, kill it."""
    _send(lender, line)
    said = _said(lender)
    word, pid = next(said)
    assert word == "pid"
    heard: list[tuple[str, int]] = []
    try:
        if lines is not None:
            heard += islice(said, lines)
            until = perf_counter() + delay
            while perf_counter() < until:
                pass
    finally:
        if lines is not None:
            os.kill(pid, signal.SIGKILL)
        _send(lender, "wait")
        heard += said
    return heard


def _send(lender: subprocess.Popen[bytes], line: str) -> None:
    assert lender.stdin is not None
    lender.stdin.write(f"{line}\n".encode())


def _said(lender: subprocess.Popen[bytes]) -> Iterator[tuple[str, int]]:
    """Yield the word and the number of each line, up to the victim's end."""
    assert lender.stdout is not None
    while True:
        word, number = lender.stdout.readline().decode().split()
        if word == "dead":
            return
        yield word, int(number)


@lru_cache(maxsize=16)
def _content(number: int) -> bytes:
    size = _SIZES[number % len(_SIZES)]
    return number.to_bytes(8, "big") + random.Random(number).randbytes(size)


def _check_whole(obj: Object) -> int:
    """Check that an object is one version in all respects, and return its number."""
    content = obj.read()
    number = int.from_bytes(content[:8], "big")
    assert content == _content(number)
    assert md5(content) == obj.object_hash
    assert {"number": str(number)} == obj.metadata
    assert f"x/{number}" == obj.content_type
    return number


def _put(container: Container, name: str, number: int, *, talking: bool = False) -> Object:
    return container.upload_object(
        _content(number),
        name,
        metadata={"number": str(number)},
        content_type=f"x/{number}",
        progress=(lambda done, total: _say(b"moved %d" % done)) if talking else None,
    )


def _say(line: bytes) -> None:
    os.write(1, line + b"\n")


# ---------------------------------------------------------------------- at a random moment


def overwrite(root: str, attributes: Kept, fsync: str) -> None:
    """Be the victim: replace "d/a" again and again, and print when and by which version."""
    driver = local_driver(root, attributes=attributes, fsync=fsync == "1", transfer=_PARTS)
    container = driver.get_container("c")
    last = int(container.get_object("d/a").metadata["number"])
    for number in range(last + 1, last + 1000):
        if number % 4:
            _say(b"begin %d" % number)
            _put(container, "d/a", number, talking=True)
        else:
            source = _put(container, "d/source", number, talking=True)
            _say(b"begin %d" % number)
            source.copy(container, "d/a")
        _say(b"done %d" % number)


@pytest.mark.parametrize("attributes", ["auto", "file"])
def test_kill_at_a_random_moment_keeps_a_whole_object(
    tmp_path: Path, attributes: Kept, lender: subprocess.Popen[bytes]
) -> None:
    """After kill -9 the object is the last one confirmed or the one begun, and whole."""
    container = new_container(tmp_path, attributes=attributes)
    _put(container, "d/a", 0)
    _put(container, "d/source", 0)
    dice = random.Random(20_26)
    found, last = 0, 0
    for kill in range(_KILLS):
        line = f"overwrite {tmp_path} {attributes} {kill % 2}"
        said = _live_and_die(lender, line, dice.randrange(1, 30), dice.random() * 0.003)
        possible = {_latest(said, "begin", last), _latest(said, "done", last)}
        assert ["d/a", "d/source"] == names(container)
        last = _check_whole(container.get_object("d/a"))
        assert last in possible
        _check_whole(container.get_object("d/source"))
        found += _clean_up(container)
    assert found > 0
    assert {"c", "c/d", "c/d/a", "c/d/source"} == _files(tmp_path)


def _latest(said: list[tuple[str, int]], wanted: str, before: int) -> int:
    return max((number for word, number in said if word == wanted), default=before)


def _clean_up(container: Container) -> int:
    """Drop what the victim left behind, and return how many leftovers were found."""
    found = len(container.list_uploads())
    assert found == len(container.abort_uploads())
    assert [] == list(container.list_uploads())
    return found


def _files(root: Path) -> set[str]:
    return {path for path in snapshot(root) if ".libstore-attributes" not in path}


# ---------------------------------------------------------------------- at each call

_CALLS = (
    *("open", "mkdir", "write", "pwrite", "fsync", "replace", "link", "unlink", "rmdir"),
    *("setxattr", "copy_file_range"),
)
_ACTS: dict[str, Callable[[Container], object]] = {
    "put": lambda container: _put(container, "d/new", 3),
    "overwrite": lambda container: _put(container, "d/a", 3),
    "parts": lambda container: _put(container, "d/a", 4),
    "absent": lambda container: container.upload_object(
        _content(3), "d/new", if_absent=True, metadata={"number": "3"}, content_type="x/3"
    ),
    "copy": lambda container: container.get_object("d/a").copy(container, "d/new"),
    "move": lambda container: container.get_object("d/a").move(container, "d/new"),
    "update": lambda container: container.get_object("d/a").update_metadata({"number": "77"}),
    "delete": lambda container: container.delete_object("d/a"),
    "batch": lambda container: container.delete_objects(["d/a", "d/b"]),
}
_WITH_SIDE_FILES = ("put", "overwrite", "parts", "absent", "update", "delete")


def act_until(root: str, attributes: Kept, act: str, calls: str) -> None:
    """Be the victim: die of SIGKILL behind so many calls to the operating system."""
    driver = local_driver(root, attributes=attributes, transfer=_PARTS)
    container = driver.get_container("c")
    left = int(calls)

    def count(name: str) -> None:
        real = getattr(os, name)

        def counting(*arguments: object, **options: object) -> object:
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*arguments, **options)

        setattr(os, name, counting)

    for name in _CALLS:
        if hasattr(os, name):
            count(name)
    _ACTS[act](container)
    _say(b"survived 1")


@pytest.mark.parametrize(
    ("act", "attributes"),
    [*((act, "auto") for act in _ACTS), *((act, "file") for act in _WITH_SIDE_FILES)],
)
def test_kill_at_each_system_call_keeps_a_whole_object(
    tmp_path: Path, attributes: Kept, act: str, lender: subprocess.Popen[bytes]
) -> None:
    """Whichever call is the last one before kill -9, each object is whole or not there."""
    for calls in range(500):
        root = tmp_path / str(calls)
        container = new_container(root, attributes=attributes, fsync=False)
        _put(container, "d/a", 1)
        _put(container, "d/b", 2)
        said = _live_and_die(lender, f"act_until {root} {attributes} {act} {calls}")
        _check_state(container, root, act)
        if said:
            break
    else:
        pytest.fail("the victim never survived")
    assert calls > 4


def _check_state(container: Container, root: Path, act: str) -> None:
    """Check that what the victim did is done or not begun, before and after cleaning up."""
    seen = {obj.name: _seen(obj) for obj in container}
    assert seen in _possible(act)
    _clean_up(container)
    assert seen == {obj.name: _seen(obj) for obj in container}
    assert {"c", *(f"c/{name}" for name in seen)} == _files(root) - {"c/d"}
    container.delete()
    assert {} == snapshot(root)


def _seen(obj: Object) -> int:
    if obj.metadata == {"number": "77"}:
        assert _content(1) == obj.read()
        return 77
    return _check_whole(obj)


def _possible(act: str) -> list[dict[str, int]]:
    before = {"d/a": 1, "d/b": 2}
    after: dict[str, list[dict[str, int]]] = {
        "put": [before | {"d/new": 3}],
        "absent": [before | {"d/new": 3}],
        "overwrite": [before | {"d/a": 3}],
        "parts": [before | {"d/a": 4}],
        "copy": [before | {"d/new": 1}],
        "move": [before | {"d/new": 1}, {"d/b": 2, "d/new": 1}],
        "update": [before | {"d/a": 77}],
        "delete": [{"d/b": 2}],
        "batch": [{"d/b": 2}, {}],
    }
    return [before, *after[act]]
