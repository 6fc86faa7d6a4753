"""
Copies between any two of the seven drivers.

Each copies 100 MiB to each of the others; `LIBSTORE_LARGE=1024` copies 1 GiB, for the number is in
MiB.

Each process that copies is one of its own, so that what it takes of memory, and which files it
opens, is that of the copies alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from drivers.all_drivers import ALL_DRIVERS
from drivers.copy_to_all import KEPT, METADATA, MIB, TYPE

SIZE = int(os.environ.get("LIBSTORE_LARGE", "100")) * MIB
PART, CONCURRENCY = 5 * MIB, 4
SLACK = 40 * MIB

# What is in memory at the end takes the size of the objects; it is last, when that is known.
TARGETS = ("local", "s3", "azure", "gcs", "swift", "swift-s3", "memory")

pytestmark = [
    pytest.mark.server,
    pytest.mark.xdist_group("all_drivers"),
    pytest.mark.skipif(
        not os.path.exists("/proc/self/status"), reason="the peak is read from /proc"
    ),
]

#: Copies from one driver to all others, once, and reports each copy.
Copies: TypeAlias = Callable[[str], Mapping[str, Any]]


@pytest.fixture(scope="module")
def copies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Return what copies from one driver to all others, and keeps the results."""
    scratch = tmp_path_factory.mktemp("scratch")

    @cache
    def way(name: str) -> Sequence[Any] | None:
        try:
            found = ALL_DRIVERS[name](request)
        except pytest.skip.Exception:
            return None
        return found.name, found.arguments, dict(found.options)

    @cache
    def copy(source: str) -> Mapping[str, Any]:
        targets = [name for name in TARGETS if name != source and way(name)]
        order = {
            "transfer": {
                "part_size": PART, "multipart_threshold": PART, "concurrency": CONCURRENCY,
            },
            "source": way(source),
            "targets": [way(name) for name in targets],
            "size": SIZE,
        }  # fmt: skip
        results = run(order, scratch) if order["source"] else []
        return dict(zip(targets, results, strict=False))

    return copy


def run(order: Mapping[str, Any], scratch: Path) -> Sequence[Any]:
    """Return what a process of its own found out."""
    script = Path(__file__).with_name("copy_to_all.py")
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(order)],
        check=False, capture_output=True, text=True, env=environment, timeout=600,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    found: Sequence[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in product(TARGETS, TARGETS) if len({*pair}) == 2]
)
def test_a_copy_is_whole_and_takes_no_more_than_its_parts(
    copies: Copies, source: str, target: str
) -> None:
    """The bytes, what is kept with them, the memory that they took, and no file on their way."""
    results = copies(source)
    if target not in results:
        pytest.skip("one of the two servers is not there")
    found = results[target]

    assert found["same"]
    assert (TYPE, METADATA, KEPT) == (found["type"], found["metadata"], found["kept"])
    assert found["grown"] <= (CONCURRENCY + 1) * PART + SLACK or "memory" in {source, target}
    # A local driver writes into a file of its own beside the others, which becomes the object.
    own = "open .libstore-" if target == "local" else "nothing"
    assert [] == [name for name in found["opened"] if not name.startswith(own)]
