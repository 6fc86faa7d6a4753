"""
How much memory the S3 driver takes for large objects, each measured in a process of its own.

`LIBSTORE_LARGE=1024` measures with objects of 1 GiB; the number is in MiB.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import trustme

from libstore import NotSupportedError, TransferOptions, get_driver
from libstore.drivers.s3.services import AWS, OTHER, SERVICES, Service
from libstore.transfer.part_sizes import part_sizes
from servers.s3_blackhole import MIB, Drain

SIZE = int(os.environ.get("LIBSTORE_LARGE", "144")) * MIB
PART, CONCURRENCY = 8 * MIB, 8
GIB = 1024 * MIB
SLACK = 40 * MIB

_BEFORE = """
import os, sys
from libstore import get_driver

MIB = 1024 * 1024
url, verify, folder, SIZE = sys.argv[1], sys.argv[2] or True, sys.argv[3], int(sys.argv[4])
source, copy = os.path.join(folder, "source"), os.path.join(folder, "copy")

def peak():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024

block = bytes(range(256)) * (MIB // 256)
def blocks():
    for _ in range(SIZE // MIB):
        yield block[:-1]
        yield block[-1:]

driver = get_driver("s3")("AKID", "secret", endpoint=url, verify=verify, proxies={})
large = driver.object("bucket", "large")
container = large.container
container.upload_object(b"warm", "warm")
large.read(stop=10)
before = peak()
"""

UPLOADS = {
    "path": "container.upload_object(source, 'large')",
    "file": "with open(source, 'rb') as file: container.upload_object(file, 'large')",
    "iterator": "container.upload_object(blocks(), 'large')",
    "writer": "with container.open('large', 'wb') as file: file.writelines(blocks())",
}
DOWNLOADS = {
    "download": ("assert large.download(copy).stat().st_size == SIZE", CONCURRENCY * PART + SLACK),
    "stream": ("assert sum(map(len, large.stream())) == SIZE", 16 * MIB),
    "open": (
        """
        total = 0
        with large.open("rb") as file:
            while piece := file.read(300_000):
                total += len(piece)
        assert total == SIZE
        """,
        SLACK,
    ),
}

needs_proc = pytest.mark.skipif(
    not os.path.exists("/proc/self/status"), reason="the peak is read from /proc"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a file that takes no space, and an authority for TLS."""
    folder = tmp_path_factory.mktemp("large")
    with (folder / "source").open("wb") as file:
        file.truncate(SIZE)
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture(scope="module", params=["http", "https"])
def drain(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Drain, str]]:
    """Return a service, and the authority of its certificate, which may be empty."""
    context, verify = None, ""
    if request.param == "https":
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        verify = str(folder / "authority.pem")
        authority.cert_pem.write_to_path(verify)
    with Drain(SIZE, context) as drain:
        yield drain, verify


def extra(drain: tuple[Drain, str], folder: Path, code: str, crowd: int) -> int:
    """Return by how many bytes the peak of memory grew, while the code ran in a new process."""
    server, verify = drain
    server.forget(crowd)
    (folder / "copy").unlink(missing_ok=True)
    script = f"{_BEFORE}\n{textwrap.dedent(code)}\nprint(peak() - before)\n"
    command = [sys.executable, "-c", script, server.url, verify, str(folder), str(SIZE)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    print(f"{server.url}: {code.strip()[:60]}: {int(done.stdout) / MIB:.1f} MiB, {server.most}")
    return int(done.stdout)


@needs_proc
@pytest.mark.parametrize("source", UPLOADS)
def test_upload_memory_is_limited_to_its_parts(
    drain: tuple[Drain, str], folder: Path, source: str
) -> None:
    """No more than concurrency + 1 parts are in memory, and several travel at once."""
    taken = extra(drain, folder, UPLOADS[source], CONCURRENCY)
    server = drain[0]
    assert sum(server.parts.values()) == SIZE
    assert list(range(1, len(server.parts) + 1)) == sorted(server.parts)
    assert taken <= (CONCURRENCY + 1) * PART + SLACK
    assert server.most["PUT"] == CONCURRENCY
    assert server.connections <= 16


@needs_proc
@pytest.mark.parametrize("way", DOWNLOADS)
def test_download_memory_is_limited_to_its_buffers(
    drain: tuple[Drain, str], folder: Path, way: str
) -> None:
    """The bytes are verified and never held; a download has several ranges on their way."""
    code, bound = DOWNLOADS[way]
    crowd = CONCURRENCY if way == "download" else 1
    assert extra(drain, folder, code, crowd) <= bound
    assert drain[0].most["GET"] == crowd


# ---------------------------------------------------------------------- plans


@pytest.mark.parametrize("service", [AWS, OTHER, *SERVICES.values()], ids=lambda one: one.title)
def test_every_service_has_part_sizes_for_large_objects(service: Service) -> None:
    """5 TiB fit into the parts that a service takes, and so do 48.9 GiB of unknown length."""
    limits = service.limits
    largest = limits.max_part * limits.max_parts
    if largest < 5 * 1024 * GIB:
        with pytest.raises(NotSupportedError):
            part_sizes(5 * 1024 * GIB, TransferOptions(), limits)
    known = list(part_sizes(min(largest, 5 * 1024 * GIB), TransferOptions(), limits))
    assert len(known) <= limits.max_parts
    assert limits.min_part <= known[0] <= limits.max_part
    unknown = list(part_sizes(None, TransferOptions(), limits))
    assert len(unknown) == limits.max_parts
    assert limits.min_part <= min(unknown) <= max(unknown) <= limits.max_part
    assert sum(unknown) >= 489 * GIB // 10


def test_parts_grow_when_the_size_is_unknown() -> None:
    """The server gets the parts that were planned, and no number of them twice."""
    with Drain(0) as drain, get_driver("s3")("AKID", "secret", endpoint=drain.url) as driver:
        driver.transfer = TransferOptions(part_size=1000, multipart_threshold=1000)
        driver.limits = type(driver.limits)(max_parts=20)
        planned = [*islice(part_sizes(None, driver.transfer, driver.limits), 11), 500]
        driver.upload_object((bytes(100) for _ in range(sum(planned) // 100)), "bucket", "name")
    assert planned == [drain.parts[number] for number in sorted(drain.parts)]
    assert planned[-2] > planned[0]
