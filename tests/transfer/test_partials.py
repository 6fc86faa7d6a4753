"""Downloads that continue where an earlier one ended, and the removal of what others left."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyDriver, KiB, fail, set_digest, stored

from libstore import (
    Container,
    IntegrityError,
    InvalidOptionError,
    LocalFileError,
    LocalFileNotFoundError,
    ObjectChangedError,
    Reading,
    Span,
    TransferCancelledError,
    TransferOptions,
    TransportError,
    clean_partials,
    get_driver,
)

PART = 10 * KiB
CONTENT = hashlib.shake_128(b"content").digest(20 * PART + 5)
OTHER = hashlib.shake_128(b"other").digest(20 * PART + 5)

#: A process that is killed when it has received so many bytes; it writes down how many it got.
CHILD = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from libstore import TransferOptions, get_driver
from libstore.drivers.local import LocalDriver

store, target, log, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
count = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
received = 0


class Body:
    def __init__(self, body):
        self._body = body

    def readinto(self, view):
        global received
        size = self._body.readinto(view)
        os.write(count, b"x" * size)
        received += size
        if limit <= received:
            os.kill(os.getpid(), signal.SIGKILL)
        return size

    def close(self):
        self._body.close()


class Counting(LocalDriver):
    def _get_object(self, *arguments):
        reading = super()._get_object(*arguments)
        return replace(reading, body=Body(reading.body))


driver = Counting(store, transfer=TransferOptions(10240, 20480, 2))
driver.container("c").download_object("name", target, resume=True)
"""


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with an object that is fetched in ranges, one after another."""
    driver = FaultyDriver(transfer=TransferOptions(PART, 2 * PART, 1))
    stored(driver, CONTENT, "name")
    return driver


@pytest.fixture
def container(driver: FaultyDriver) -> Container:
    """Return the container with the object."""
    found: Container = driver.get_container("c")
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the destination, in an empty directory."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "file"


def interrupt(driver: FaultyDriver, container: Container, target: Path, **options: Any) -> None:
    """Download until the fifth range, whose connection breaks."""
    left = iter(range(4))

    def around(real: Callable[..., Reading], *arguments: Any) -> Reading:
        if next(left, None) is None:
            raise TransportError("the connection broke")
        return real(*arguments)

    driver.around("_get_object", around)
    with pytest.raises(TransportError):
        container.download_object("name", target, resume=True, **options)
    driver.around("_get_object", lambda real, *arguments: real(*arguments))
    driver.calls.clear()


def fetched(driver: FaultyDriver) -> list[Span]:
    return [call.arguments[2] for call in driver.calls if call.hook == "_get_object"]


def test_finished_ranges_are_not_fetched_again(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    done: list[tuple[int, int | None]] = []

    container.download_object("name", target, resume=True, progress=lambda *at: done.append(at))

    assert CONTENT == target.read_bytes()
    assert 5 * PART == min(span.start for span in fetched(driver))
    assert (len(CONTENT), len(CONTENT)) == done[-1]
    assert [target] == list(target.parent.iterdir())


def test_partial_file_is_kept_if_the_next_download_fails_at_once(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    left = set(target.parent.iterdir())
    fail(driver, "_head_object", TransportError("no connection"))

    with pytest.raises(TransportError):
        container.download_object("name", target, resume=True)

    assert left == set(target.parent.iterdir())


def test_range_of_an_object_is_continued(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target, start=3, stop=15 * PART)

    container.download_object("name", target, resume=True, start=3, stop=15 * PART)

    assert CONTENT[3 : 15 * PART] == target.read_bytes()
    assert 3 + 5 * PART == fetched(driver)[0].start


def test_other_range_starts_anew(driver: FaultyDriver, container: Container, target: Path) -> None:
    interrupt(driver, container, target)

    container.download_object("name", target, resume=True, start=1)

    assert CONTENT[1:] == target.read_bytes()


def test_changed_object_starts_anew(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    stored(driver, OTHER, "name")

    container.download_object("name", target, resume=True)

    assert OTHER == target.read_bytes()


def test_changed_object_is_not_read_with_if_match(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    etag = container.get_object("name").etag
    interrupt(driver, container, target, if_match=etag)
    stored(driver, OTHER, "name")

    with pytest.raises(ObjectChangedError):
        container.download_object("name", target, resume=True, if_match=etag)


def test_changed_bytes_on_disk_are_fetched_again(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    partial = next(target.parent.glob("*.libstore-partial"))
    with partial.open("r+b") as file:
        file.seek(3 * PART)
        file.write(b"damaged")

    container.download_object("name", target, resume=True)

    assert CONTENT == target.read_bytes()
    assert [Span(3 * PART, 4 * PART)] == [
        span for span in fetched(driver) if span.start < 5 * PART
    ]


@pytest.mark.parametrize(
    "tail",
    [b"[512", b"[1, 2]\n", b"\xff\n", b"[-1, 5, 0]\n", b"[9, 3, 0]\n", b'{"a": 1}\n', b"[" * 9999],
)
def test_journal_with_other_content_is_no_error(
    driver: FaultyDriver, container: Container, target: Path, tail: bytes
) -> None:
    interrupt(driver, container, target)
    journal = next(target.parent.glob("*.libstore-journal"))
    journal.write_bytes(journal.read_bytes() + tail)
    interrupt(driver, container, target)

    container.download_object("name", target, resume=True)

    assert CONTENT == target.read_bytes()
    assert 9 * PART == min(span.start for span in fetched(driver))


@pytest.mark.parametrize(
    "content", [b"", b"null\n", b"[]\n[0, 5, 0]\n", b"{}\n[0, 5, 0]\n", b"\0" * 50]
)
def test_other_journal_starts_anew(
    driver: FaultyDriver, container: Container, target: Path, content: bytes
) -> None:
    interrupt(driver, container, target)
    next(target.parent.glob("*.libstore-journal")).write_bytes(content)

    container.download_object("name", target, resume=True)

    assert CONTENT == target.read_bytes()


def test_object_with_another_digest_is_fetched_anew_and_refused(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    set_digest(driver, "_head_object", md5="0" * 32)
    set_digest(driver, "_get_object", md5="0" * 32)

    with pytest.raises(IntegrityError):
        container.download_object("name", target, resume=True)

    assert [] == list(target.parent.iterdir())


def test_interrupted_plain_download_leaves_nothing(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    fail(driver, "_get_object", TransportError("no connection"), after=4)

    with pytest.raises(TransportError):
        container.download_object("name", target)

    assert [] == list(target.parent.iterdir())


def test_cancelled_download_is_continued(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    cancel = threading.Event()
    with pytest.raises(TransferCancelledError):
        container.download_object(
            "name", target, resume=True, cancel=cancel, progress=lambda *at: cancel.set()
        )
    driver.calls.clear()

    container.download_object("name", target, resume=True)

    assert CONTENT == target.read_bytes()
    assert 0 < fetched(driver)[0].start


def test_second_download_to_the_same_file_is_refused(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    refused: list[str] = []

    def again(done: int, total: int | None) -> None:
        if not refused:
            assert [] == clean_partials(target.parent)
            with pytest.raises(LocalFileError) as error:
                container.download_object("name", target, resume=True)
            refused.append(str(error.value))

    container.download_object("name", target, resume=True, progress=again)

    assert CONTENT == target.read_bytes()
    assert "another download with resume=True is writing to" in refused[0]


def test_existing_destination_is_kept(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    target.write_bytes(b"existing")

    with pytest.raises(LocalFileError):
        container.download_object("name", target, resume=True)
    container.download_object("name", target, resume=True, overwrite=True)

    assert CONTENT == target.read_bytes()


@pytest.mark.posix
def test_link_in_place_of_the_partial_file_is_not_followed(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    partial = next(target.parent.glob("*.libstore-partial"))
    victim = target.parent.parent / "victim"
    victim.write_bytes(b"content")
    partial.unlink()
    os.link(victim, partial)

    with pytest.raises(LocalFileError, match="is a link or not a file of this user"):
        container.download_object("name", target, resume=True)

    assert b"content" == victim.read_bytes()


def test_file_object_cannot_be_resumed(container: Container) -> None:
    with pytest.raises(InvalidOptionError, match="needs the path of a file"):
        container.download_object("name", io.BytesIO(), resume=True)


def test_small_object_leaves_nothing(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    stored(driver, CONTENT[:PART], "name")

    container.download_object("name", target, resume=True)

    assert CONTENT[:PART] == target.read_bytes()
    assert [target] == list(target.parent.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("moment", [1, PART, 5 * PART, 11 * PART + 7, 19 * PART, len(CONTENT)])
def test_killed_process_is_continued(tmp_path: Path, target: Path, moment: int) -> None:
    store, log = tmp_path / "store", tmp_path / "log"
    store.mkdir()
    get_driver("local")(store).create_container("c").upload_object(CONTENT, "name")
    codes = []

    for limit in (moment, 1 << 60):
        command = [sys.executable, "-c", CHILD, str(store), str(target), str(log), str(limit)]
        codes.append(subprocess.run(command, check=False).returncode)

    assert [-signal.SIGKILL, 0] == codes
    assert CONTENT == target.read_bytes()
    # Two ranges are received at once; the first has the size of two.
    assert len(CONTENT) + 4 * PART >= log.stat().st_size
    assert [target] == list(target.parent.iterdir())


def test_clean_partials_deletes_nothing_else(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    left = set(target.parent.iterdir())
    plain = target.parent / "below" / ".cat.jpg.0123456789ab.part"
    plain.parent.mkdir()
    plain.write_bytes(b"half")
    kept = [
        target.parent / name
        for name in (
            "file.part",
            ".cat.jpg.0123456789AB.part",
            ".cat.jpg.0123456789ab.part.txt",
            "cat.0123456789ab.part",
            ".0123456789ab.part",
            "journal.libstore-journal",
        )
    ]
    for path in kept:
        path.write_bytes(b"mine")
    link = target.parent / ".cat.0123456789ab.part"
    link.symlink_to(kept[0])
    folder = target.parent / ".dog.0123456789ab.part"
    folder.mkdir()

    assert [] == clean_partials(target.parent, older_than=timedelta(hours=1))
    assert left | {plain} == set(clean_partials(target.parent))
    assert {*kept, link, folder, plain.parent} == set(target.parent.iterdir())


def test_clean_partials_finds_old_files(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)
    left = set(target.parent.iterdir())
    for path in left:
        os.utime(path, (time.time() - 100, time.time() - 100))

    assert [] == clean_partials(target.parent, older_than=200)
    assert left == set(clean_partials(target.parent, older_than=50))


def test_clean_partials_keeps_the_file_of_a_running_download(
    container: Container, target: Path
) -> None:
    found: list[Path] = []

    container.download_object(
        "name", target, progress=lambda *at: found.extend(clean_partials(target.parent))
    )

    assert [] == found
    assert CONTENT == target.read_bytes()


def test_clean_partials_of_no_directory(tmp_path: Path) -> None:
    with pytest.raises(LocalFileNotFoundError):
        clean_partials(tmp_path / "missing")


def test_journal_has_the_version_and_the_ranges(
    driver: FaultyDriver, container: Container, target: Path
) -> None:
    interrupt(driver, container, target)

    header, *pieces = map(
        json.loads, next(target.parent.glob("*.libstore-journal")).read_text().splitlines()
    )

    assert container.get_object("name").etag == header["etag"]
    assert [[0, 2 * PART], [2 * PART, 3 * PART], [3 * PART, 4 * PART], [4 * PART, 5 * PART]] == [
        piece[:2] for piece in pieces
    ]
