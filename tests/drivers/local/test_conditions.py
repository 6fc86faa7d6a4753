"""Conditional writes on the local driver are right between processes and between threads."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from drivers.local.support import Kept, local_driver, new_container, python_running, snapshot

from libstore import (
    Container,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ServiceError,
    TransferOptions,
)

_PROCESSES = 4
_ROUNDS = 25
_STEPS = 25

# Each program says that it is ready and waits for a word, so that all begin at once.
_RACE = """
import sys
from libstore import ObjectAlreadyExistsError, TransferOptions, get_driver
root, kept, fsync, size, me = sys.argv[1:6]
transfer = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=2)
driver = get_driver("local")(root, attributes=kept, fsync=fsync == "1", transfer=transfer)
print("ready", flush=True)
for line in sys.stdin:
    content = me.encode() * int(size)
    try:
        driver.upload_object(content, "c", line.strip(), if_absent=True, metadata={"by": me})
        print("won", flush=True)
    except ObjectAlreadyExistsError:
        print("lost", flush=True)
"""

_COUNT = """
import sys
from libstore import ObjectChangedError, get_driver
root, kept, fsync, steps = sys.argv[1:5]
driver = get_driver("local")(root, attributes=kept, fsync=fsync == "1")
print("ready", flush=True)
sys.stdin.readline()
done = lost = 0
while done < int(steps):
    obj = driver.get_object("c", "counter")
    try:
        value = b"%06d" % (int(obj.read()) + 1)
        driver.upload_object(value, "c", "counter", if_match=obj.etag)
        done += 1
    except ObjectChangedError:
        lost += 1
print(lost, flush=True)
"""

_KINDS = pytest.mark.parametrize(
    ("kept", "fsync"), [("auto", 1), ("auto", 0), ("file", 0)], ids=["", "no fsync", "side files"]
)


def _start(stack: ExitStack, program: str, *arguments: object) -> list[subprocess.Popen[bytes]]:
    processes = [
        stack.enter_context(python_running(program, *arguments, number))
        for number in range(_PROCESSES)
    ]
    for process in processes:
        assert "ready" == _line(process)
    return processes


def _line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def _tell(process: subprocess.Popen[bytes], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n".encode())


@_KINDS
@pytest.mark.parametrize("size", [10, 3500], ids=["put", "parts"])
def test_one_process_creates_a_free_name(
    tmp_path: Path, kept: Kept, fsync: int, size: int
) -> None:
    """Of processes that write one name with if_absent, exactly one wins, and its object stays."""
    container = new_container(tmp_path, attributes=kept)
    with ExitStack() as stack:
        processes = _start(stack, _RACE, tmp_path, kept, fsync, size)
        for number in range(_ROUNDS):
            name = f"d{number % 3}/{number}"
            for process in processes:
                _tell(process, name)
            told = [_line(process) for process in processes]
            assert 1 == told.count("won")
            assert _PROCESSES - 1 == told.count("lost")
            winner = str(told.index("won"))
            obj = container.get_object(name)
            assert (winner.encode() * size, {"by": winner}) == (obj.read(), obj.metadata)
    assert [] == list(container.list_uploads())
    assert _ROUNDS == len(container.list_objects())


@_KINDS
def test_no_update_of_concurrent_processes_is_lost(tmp_path: Path, kept: Kept, fsync: int) -> None:
    """A counter that processes add to with if_match comes to the number of additions."""
    container = new_container(tmp_path, attributes=kept)
    container.upload_object(b"%06d" % 0, "counter")
    with ExitStack() as stack:
        processes = _start(stack, _COUNT, tmp_path, kept, fsync, _STEPS)
        for process in processes:
            _tell(process, "go")
        lost = sum(int(_line(process)) for process in processes)
    assert _PROCESSES * _STEPS == int(container.read_object("counter"))
    assert lost > 0, "the processes never met"
    assert [] == list(container.list_uploads())


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_no_update_of_concurrent_threads_is_lost(tmp_path: Path, kept: Kept) -> None:
    """A counter that threads of one driver add to with if_match loses nothing either."""
    container = new_container(tmp_path, attributes=kept, fsync=False)
    container.upload_object(b"0", "counter")

    def add(_: int) -> None:
        while True:
            obj = container.get_object("counter")
            try:
                value = b"%d" % (int(obj.read()) + 1)
                container.upload_object(value, "counter", if_match=obj.etag)
            except ObjectChangedError:
                continue
            return

    with ThreadPoolExecutor(_PROCESSES) as pool:
        list(pool.map(add, range(100)))
    assert b"100" == container.read_object("counter")


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_versions_have_different_etags(tmp_path: Path, kept: Kept) -> None:
    """Versions of one size that follow each other within a clock's tick have their own ETags."""
    container = new_container(tmp_path, attributes=kept, fsync=False)
    tags = [container.upload_object(b"%06d" % number, "a").etag for number in range(500)]
    assert 500 == len(set(tags))


def test_change_by_another_program_changes_the_etag(tmp_path: Path) -> None:
    """A file that another program changed is not replaced by who knows the old content."""
    container = new_container(tmp_path)
    obj = container.upload_object(b"ours", "a")
    (tmp_path / "c" / "a").write_bytes(b"theirs")
    with pytest.raises(ObjectChangedError):
        container.upload_object(b"new", "a", if_match=obj.etag)
    with pytest.raises(ObjectChangedError):
        obj.delete(if_match=obj.etag)
    with pytest.raises(ObjectChangedError):
        obj.update_metadata({"k": "v"}, if_match=obj.etag)
    assert b"theirs" == container.read_object("a")
    container.upload_object(b"new", "a", if_match=container.get_object("a").etag)
    assert b"new" == container.read_object("a")


@pytest.mark.parametrize("size", [10, 3500], ids=["put", "parts"])
def test_if_absent_keeps_a_file_of_another_program(tmp_path: Path, size: int) -> None:
    """A file that another program puts there before the last byte is not replaced."""
    transfer = TransferOptions(part_size=1000, multipart_threshold=1000, concurrency=2)
    container = new_container(tmp_path, transfer=transfer)
    with pytest.raises(ObjectAlreadyExistsError):
        _write_too_late(container, tmp_path / "c" / "a", size)
    assert {"c", "c/a"} == set(snapshot(tmp_path))
    assert b"theirs" == container.read_object("a")


def _write_too_late(container: Container, path: Path, size: int) -> None:
    with container.open("a", "xb") as file:
        file.write(bytes(size))
        path.write_bytes(b"theirs")


def test_if_absent_keeps_a_file_created_at_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs take no lock: what they write after our look is still not written over."""
    container = new_container(tmp_path)
    real = os.mkdir

    def make_and_write(name: str, *arguments: int, dir_fd: int) -> None:
        real(name, *arguments, dir_fd=dir_fd)
        (tmp_path / "c/x/a").write_bytes(b"theirs")

    monkeypatch.setattr(os, "mkdir", make_and_write)
    with pytest.raises(ObjectAlreadyExistsError):
        container.upload_object(b"ours", "x/a", if_absent=True)
    assert b"theirs" == container.read_object("x/a")
    assert {"c", "c/x", "c/x/a"} == set(snapshot(tmp_path))


def test_condition_requires_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no locks, nothing says that a condition still holds: it raises."""
    container = new_container(tmp_path)
    obj = container.upload_object(b"1", "a")

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = snapshot(tmp_path)
    for attempt in (
        lambda: container.upload_object(b"2", "b", if_absent=True),
        lambda: container.upload_object(b"2", "a", if_match=obj.etag),
        lambda: container.upload_object(iter([b"2"]), "b", if_absent=True),
        lambda: container.driver.copy_object(obj, container, "b", if_absent=True),
        lambda: obj.update_metadata({"k": "v"}, if_match=obj.etag),
        lambda: obj.delete(if_match=obj.etag),
    ):
        with pytest.raises(ServiceError, match="No locks available") as caught:
            attempt()
        assert "ENOLCK" == caught.value.code
    assert before == snapshot(tmp_path)
    container.upload_object(b"2", "a")
    container.delete_object("a")
    assert [] == list(container.list_objects())


def test_failed_condition_creates_no_directory(tmp_path: Path) -> None:
    """A condition that does not hold leaves no directory behind."""
    container = new_container(tmp_path)
    with pytest.raises(ObjectChangedError):
        container.upload_object(b"1", "x/y/a", if_match="none")
    assert {"c"} == set(snapshot(tmp_path))
    assert [] == list(local_driver(tmp_path).list_objects("c"))
