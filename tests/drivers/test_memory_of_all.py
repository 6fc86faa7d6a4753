"""
How much memory large objects take on real servers, each measured in a process of its own.

`LIBSTORE_LARGE=1024` measures with objects of 1 GiB; the number is in MiB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from drivers.all_drivers import ALL_DRIVERS

MIB = 1024 * 1024
SIZE = int(os.environ.get("LIBSTORE_LARGE", "144")) * MIB
PART, CONCURRENCY = 8 * MIB, 8
SLACK = 40 * MIB

#: By driver, what it knows of an object in parts that a service keeps as it is.
KNOWN = {"azure": {"md5"}, "gcs": {"crc32c", "md5"}, "swift": {"md5"}}

_SCRIPT = """
import json, os, sys
from libstore import get_driver

SIZE, MIB = int(sys.argv[1]), 1024 * 1024
copy = os.path.join(sys.argv[2], "copy")

def peak():
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024

def grown(work):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    done = work()
    return done, peak() - base

block = bytes(range(256)) * (MIB // 256)
driver = {line}
container = driver.create_container("libstore-memory", exist_ok=True)
container.upload_object(b"warm", "warm").read()
base = peak()
uploaded, up = grown(
    lambda: container.upload_object((block for _ in range(SIZE // MIB)), "large")
)
found = container.get_object("large")
downloaded, down = grown(lambda: found.download(copy).stat().st_size)
streamed, stream = grown(lambda: sum(map(len, found.stream())))
print(json.dumps({{
    "up": up, "down": down, "stream": stream, "sizes": [downloaded, streamed],
    "checksums": [dict(uploaded.checksums), dict(found.checksums)],
}}))
container.delete(recursive=True)
"""

pytestmark = [
    pytest.mark.server,
    pytest.mark.xdist_group("all_drivers"),
    pytest.mark.skipif(
        not os.path.exists("/proc/self/clear_refs"), reason="peaks are read from /proc"
    ),
]


@pytest.mark.parametrize("name", KNOWN)
def test_large_objects_are_held_in_pieces(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    """
    Up: concurrency + 1 parts; down: concurrency parts; streamed: a chunk; and some slack.

    What one leaves to the allocator counts for the next, so streaming has no bound of its own.
    """
    script = _SCRIPT.format(line=ALL_DRIVERS[name](request).line)
    done = subprocess.run(
        [sys.executable, "-c", script, str(SIZE), str(tmp_path)],
        check=False, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    result = json.loads(done.stdout)
    print({key: result[key] // MIB for key in ("up", "down", "stream")})
    assert [SIZE, SIZE] == result["sizes"]
    assert all(KNOWN[name] <= set(checksums) for checksums in result["checksums"])
    assert result["up"] <= (CONCURRENCY + 1) * PART + SLACK
    assert result["down"] <= CONCURRENCY * PART + SLACK
    assert result["stream"] <= max(result["up"], result["down"])
