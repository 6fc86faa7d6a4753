"""
How much memory large transfers take: each is measured in a process of its own.

`LIBSTORE_LARGE=1024` measures with objects of 1 GiB; the number is in MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

_MIB = 1024 * 1024
_SIZE = int(os.environ.get("LIBSTORE_LARGE", "256")) * _MIB
_PART = 8 * _MIB
_CONCURRENCY = 8

_BEFORE = """
import resource, sys
from libstore import ObjectInfo, Part
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver

MIB = 1024 * 1024
SIZE = int(sys.argv[2])

def peak():
    try:
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

class Drain(MemoryDriver):
    '''A service that keeps nothing of the parts that it is sent.'''
    name = "drain"
    sent = 0
    def _put_part(self, upload, number, offset, payload):
        size = sum(block.nbytes for block in payload.blocks())
        self.sent += size
        return Part(number, offset, size)
    def _finish_upload(self, upload, parts, options, checksums):
        assert SIZE == sum(part.size for part in parts)
        return ObjectInfo(upload.name, SIZE)

block = bytes(range(256)) * (MIB // 256)
def blocks():
    for _ in range(SIZE // MIB):
        yield block[:-1]
        yield block[-1:]

root = sys.argv[1]
local = LocalDriver(root, fsync=False).create_container("c", exist_ok=True)
drain = Drain().create_container("c")
local.upload_object(b"warm", "warm").read()
before = peak()
"""


def _extra(root: Path, code: str) -> int:
    """Return how many bytes the peak of memory grew by, while the code ran in a new process."""
    script = _BEFORE + textwrap.dedent(code) + "\nprint(peak() - before)\n"
    command = [sys.executable, "-c", script, str(root), str(_SIZE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    return int(done.stdout)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the root of a local driver; what is in it goes when the tests are over."""
    root = tmp_path_factory.mktemp("large")
    yield root
    for path in root.rglob("*"):
        if path.is_file():
            path.unlink()


@pytest.fixture(scope="module")
def upload(root: Path) -> int:
    """Upload an object of unknown length, and return what that took."""
    return _extra(root, 'assert SIZE == local.upload_object(blocks(), "large").size')


def test_upload_buffers_only_its_parts(upload: int) -> None:
    """From an iterator: no more than concurrency + 1 parts, and 40 MiB."""
    assert upload <= (_CONCURRENCY + 1) * _PART + 40 * _MIB


def test_stream_buffers_one_chunk(root: Path, upload: int) -> None:
    """Through stream_object: no more than 16 MiB."""
    extra = _extra(root, 'assert SIZE == sum(map(len, local.stream_object("large")))')
    assert extra <= 16 * _MIB


def test_download_buffers_one_block_per_worker(root: Path, upload: int) -> None:
    """To a file: no more than concurrency parts, and 40 MiB."""
    code = """
    import os
    path = local.download_object("large", os.path.join(root, "copy"))
    assert SIZE == path.stat().st_size
    path.unlink()
    """
    assert _extra(root, code) <= _CONCURRENCY * _PART + 40 * _MIB


def test_writer_buffers_only_its_parts(root: Path) -> None:
    """Through open(..., "wb"): no more than concurrency + 1 parts, and 40 MiB."""
    code = """
    with drain.open("large", "wb") as file:
        file.writelines(blocks())
    assert SIZE == drain.driver.sent
    """
    assert _extra(root, code) <= (_CONCURRENCY + 1) * _PART + 40 * _MIB


def test_copy_between_services_buffers_only_its_parts(root: Path, upload: int) -> None:
    """From one driver to another: no more than concurrency + 1 parts, and 40 MiB."""
    code = """
    assert SIZE == local.object("large").copy(drain).size
    assert SIZE == drain.driver.sent
    """
    assert _extra(root, code) <= (_CONCURRENCY + 1) * _PART + 40 * _MIB


def test_reader_buffers_a_few_blocks(root: Path, upload: int) -> None:
    """Through as_file(), read in small pieces: no more than 40 MiB."""
    code = """
    total = 0
    with local.object("large").as_file() as file:
        while piece := file.read(300_000):
            total += len(piece)
    assert SIZE == total
    """
    assert _extra(root, code) <= 40 * _MIB


def test_read_allocates_the_content_once(root: Path, upload: int) -> None:
    """Memory that grows as bytes arrive: no more than the object, and 40 MiB."""
    extra = _extra(root, 'assert SIZE == len(local.read_object("large"))')
    assert extra <= _SIZE + 40 * _MIB


def test_short_writers_and_uploads_take_little_memory(root: Path) -> None:
    """200 writers, and as many uploads of unknown length, of one byte each: 16 MiB in all."""
    code = """
    writers = [drain.open(str(number), "wb") for number in range(200)]
    for writer in writers:
        writer.write(b"x")
    for number in range(200):
        drain.upload_object(iter([b"x"]), f"u{number}")
    for writer in writers:
        writer.close()
    """
    assert _extra(root, code) <= 16 * _MIB
