"""Threads and processes on one tree: no partial state is visible, and conditions hold."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import pytest
from drivers.local.support import (
    TIMEOUT,
    Kept,
    local_driver,
    md5,
    names,
    new_container,
    python_running,
    snapshot,
)

from libstore import (
    Container,
    ContainerNotEmptyError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ServiceError,
    TransferOptions,
)

_PARTS = TransferOptions(part_size=16_000, multipart_threshold=16_000, concurrency=2)
_SIZES = (1, 5_000, 70_000)
_SECONDS = 1.5

# Writes versions whose content shows whether they are whole, until its input ends.
_WRITER = """
import random, sys, threading
from libstore import TransferOptions, get_driver
root, kept, seed = sys.argv[1:4]
transfer = TransferOptions(part_size=16_000, multipart_threshold=16_000, concurrency=2)
driver = get_driver("local")(root, attributes=kept, fsync=False, transfer=transfer)
dice = random.Random(seed)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
print("ready", flush=True)
count = 0
while not ended.is_set():
    letter = bytes([dice.randrange(65, 91)])
    content = letter * dice.choice([1, 5_000, 70_000])
    metadata = {"version": f"{letter.decode()}{len(content)}"}
    driver.upload_object(content, "c", "d/a", metadata=metadata)
    count += 1
print(count, flush=True)
"""


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_reader_gets_a_whole_version(tmp_path: Path, kept: Kept) -> None:
    """While four processes overwrite an object, no reader gets a short or a mixed version."""
    container = new_container(tmp_path / "root", attributes=kept, transfer=_PARTS)
    container.upload_object(b"A", "d/a", metadata={"version": "A1"})
    seen: set[str] = set()
    with ExitStack() as stack:
        writers = [
            stack.enter_context(python_running(_WRITER, tmp_path / "root", kept, seed))
            for seed in range(4)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert b"ready\n" == writer.stdout.readline()
        until = monotonic() + _SECONDS

        def read(number: int) -> None:
            driver = local_driver(tmp_path / "root", attributes=kept, transfer=_PARTS)
            while monotonic() < until:
                for content in _readings(driver.get_container("c"), tmp_path / str(number)):
                    seen.add(_version(content))
                assert ["d/a"] == names(driver.list_objects("c"))
                assert driver.get_object("c", "d/a").metadata["version"][0].isupper()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read, range(4)))
        counts = [int(writer.communicate(timeout=60)[0]) for writer in writers]
    assert min(counts) > 3
    assert len(seen) > 10
    assert [] == list(container.list_uploads())
    assert {"c", "c/d", "c/d/a"} == {
        path for path in snapshot(tmp_path / "root") if ".libstore-attributes" not in path
    }


def _readings(container: Container, destination: Path) -> Iterator[bytes]:
    """Read an object in every way that is one version's by contract."""
    yield container.read_object("d/a")
    yield b"".join(container.stream_object("d/a", chunk_size=1000))
    # A read in several requests must fail if the object is replaced between two.
    with suppress(ObjectChangedError):
        yield container.download_object("d/a", destination, overwrite=True).read_bytes()
    with suppress(ObjectChangedError), container.open("d/a") as file:
        yield file.read()


def _version(content: bytes) -> str:
    assert len(content) in _SIZES
    assert content == content[:1] * len(content)
    return f"{content[:1].decode()}{len(content)}"


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_concurrent_writes_and_deletes_in_one_directory(tmp_path: Path, kept: Kept) -> None:
    """Threads that fill and empty the same directories never fail for each other's sake."""
    container = new_container(tmp_path, attributes=kept, fsync=False)
    folders = ("d", "d/e", "d/e/f")

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for number in range(60):
            name = f"{dice.choice(folders)}/{seed}"
            content = b"%d" % number
            container.upload_object(content, name)
            assert content == container.read_object(name)
            if number % 3:
                container.delete_object(name)
            else:
                assert [None] == [found.error for found in container.delete_objects([name])]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert [] == names(container)
    assert {"c"} == {path for path in snapshot(tmp_path) if ".libstore-attributes" not in path}


_DELETER = """
import sys
from libstore import get_driver
driver = get_driver("local")(sys.argv[1], attributes=sys.argv[2], fsync=False)
me = sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    driver.upload_object(b"1", "c", f"d/e/{me}")
    driver.delete_object(driver.object("c", f"d/e/{me}"))
print("done", flush=True)
"""


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_concurrent_processes_in_one_directory(tmp_path: Path, kept: Kept) -> None:
    """Processes that fill and empty the same directory never fail for each other's sake."""
    new_container(tmp_path)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(python_running(_DELETER, tmp_path, kept, me)) for me in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert b"ready\n" == process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        for process in processes:
            printed, _ = process.communicate(timeout=60)
            assert b"done\n" == printed
            assert 0 == process.returncode
    assert {"c"} == {path for path in snapshot(tmp_path) if ".libstore-attributes" not in path}


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_metadata_stays_with_its_content(tmp_path: Path, kept: Kept) -> None:
    """Threads that replace and delete neighbours do not mix up what is kept with the files."""
    container = new_container(tmp_path, attributes=kept, fsync=False)

    def work(seed: int) -> None:
        for number in range(80):
            content = b"%d.%d" % (seed, number)
            metadata = {"of": content.decode()}
            container.upload_object(content, f"{seed}", metadata=metadata, content_type="x/y")
            obj = container.get_object(f"{seed}")
            assert (metadata, "x/y", md5(content)) == (
                obj.metadata,
                obj.content_type,
                obj.object_hash,
            )
            if number % 2:
                obj.delete()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_listing_while_files_are_created_and_deleted(tmp_path: Path) -> None:
    """The listing has all files that exist during the whole listing."""
    container = new_container(tmp_path, fsync=False)
    stay = sorted(f"{folder}/stay" for folder in ("a", "b/c", "d/e/f"))
    for name in stay:
        container.upload_object(b"1", name)
    ended = threading.Event()

    def churn(seed: int) -> int:
        dice = random.Random(seed)
        count = 0
        while not ended.is_set():
            name = f"{dice.choice(['a', 'b', 'b/c', 'd', 'd/e/f', 'x/y'])}/{seed}{count % 7}"
            container.upload_object(b"1", name)
            container.delete_object(name)
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(churn, seed) for seed in range(3)]
        try:
            for _ in range(100):
                found = [(obj.name, obj.size) for obj in container.list_objects()]
                assert sorted(found) == found
                assert {(name, 1) for name in stay} <= set(found)
                assert {size for _, size in found} == {1}
        finally:
            ended.set()
        assert min(future.result() for future in running) > 0


@pytest.mark.parametrize("kept", ["auto", "file"])
def test_container_is_deleted_while_others_write(tmp_path: Path, kept: Kept) -> None:
    """One who deletes a container again and again and others who fill it get our errors alone."""
    driver = local_driver(tmp_path, attributes=kept, fsync=False)
    ended = threading.Event()
    stored: list[int] = []

    def fill(seed: int) -> None:
        while not ended.is_set():
            try:
                driver.upload_object(b"1", "c", f"d{seed}/{len(stored) % 3}", metadata={"k": "v"})
                stored.append(seed)
            except FileNotFoundError:
                continue  # the container is gone

    deleted = 0
    until = monotonic() + TIMEOUT
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(fill, seed) for seed in range(2)]
        try:
            while (deleted < 30 or len(stored) < 30) and monotonic() < until:
                driver.create_container("c", exist_ok=True)
                with suppress(ContainerNotEmptyError):
                    driver.delete_container("c")
                    deleted += 1
        finally:
            ended.set()
        assert [None, None] == [future.result() for future in running]
    assert deleted >= 30
    assert len(stored) >= 30


# ---------------------------------------------------------------------- conditions


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


def _send_line(process: subprocess.Popen[bytes], word: str) -> None:
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
                _send_line(process, name)
            lines = [_line(process) for process in processes]
            assert 1 == lines.count("won")
            assert _PROCESSES - 1 == lines.count("lost")
            winner = str(lines.index("won"))
            obj = container.get_object(name)
            assert (winner.encode() * size, {"by": winner}) == (obj.read(), obj.metadata)
    assert [] == list(container.list_uploads())
    assert _ROUNDS == len(container.list_objects())


@_KINDS
def test_no_update_of_concurrent_processes_is_lost(tmp_path: Path, kept: Kept, fsync: int) -> None:
    """A counter that processes add to with if_match ends at the number of additions."""
    container = new_container(tmp_path, attributes=kept)
    container.upload_object(b"%06d" % 0, "counter")
    with ExitStack() as stack:
        processes = _start(stack, _COUNT, tmp_path, kept, fsync, _STEPS)
        for process in processes:
            _send_line(process, "go")
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
    """Other programs take no lock: what they write after the check is still not overwritten."""
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
