"""
How much memory the Azure driver takes for large objects, each measured in a process of its own.

`LIBSTORE_LARGE=1024` measures with objects of 1 GiB; the number is in MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from servers.azurite import AzureServer

MIB = 1024 * 1024
SIZE = int(os.environ.get("LIBSTORE_LARGE", "144")) * MIB
PART, CONCURRENCY = 8 * MIB, 8
SLACK = 40 * MIB

_SCRIPT = """
import os, sys
from libstore import get_driver

endpoint, account, key, folder, size = sys.argv[1:]
SIZE, MIB = int(size), 1024 * 1024
copy = os.path.join(folder, "copy")

def peak():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024

def forget():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

block = bytes(range(256)) * (MIB // 256)
driver = get_driver("azure")(account, key, endpoint=endpoint)
container = driver.create_container("libstore-memory", exist_ok=True)
container.upload_object(b"warm", "warm").read()
before = peak()
large = container.upload_object((block for _ in range(SIZE // MIB)), "large")
print(peak() - before)
forget()
before = peak()
assert large.download(copy).stat().st_size == SIZE
print(peak() - before)
forget()
before = peak()
assert sum(map(len, large.stream())) == SIZE
print(peak() - before)
container.delete()
"""


@pytest.mark.skipif(
    not os.path.exists("/proc/self/clear_refs"), reason="peaks are read from /proc"
)
def test_large_objects_are_held_in_pieces(azurite_server: AzureServer, tmp_path: Path) -> None:
    """Up: concurrency + 1 parts; down: concurrency parts; streamed: a chunk; and some slack."""
    server = azurite_server
    command = [
        sys.executable, "-c", textwrap.dedent(_SCRIPT), server.endpoint, server.account,
        server.key, str(tmp_path), str(SIZE),
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert 0 == done.returncode, done.stderr
    upload, download, stream = map(int, done.stdout.split())
    assert upload <= (CONCURRENCY + 1) * PART + SLACK
    assert download <= CONCURRENCY * PART + SLACK
    assert stream <= 16 * MIB
