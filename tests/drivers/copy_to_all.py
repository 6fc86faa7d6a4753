"""
Copies an object from one driver to others, and prints what that took. Run as a program.

Its argument is JSON: ``transfer`` has the options of transfers; ``source``, a name, arguments and
options, makes the one driver; ``targets`` has the same of the others; ``size`` is the object's. It
prints the result of each, in their order.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from typing import Any

from libstore import Container, Object, TransferOptions, get_driver

MIB = 1024 * 1024
KEPT = {
    "cache_control": "max-age=60",
    "content_disposition": 'attachment; filename="large.bin"',
    "content_encoding": "br",
    "content_language": "de",
}
METADATA = {"colour": "grey", "note": "größer"}
TYPE = "application/x-large"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes the files that this process opens for writing, while it is entered."""

    def __init__(self) -> None:
        self._on = False
        self._opened: list[str] = []
        sys.addaudithook(self._note)

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *exception: object) -> None:
        self._on = False

    def taken(self) -> list[str]:
        """Return what was noted, and forget it."""
        opened, self._opened = self._opened, []
        return sorted(set(opened))

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._on and (
            event.startswith("tempfile.") or (event == "open" and arguments[2] & _WRITES)
        ):
            self._opened.append(f"{event} {os.fsdecode(arguments[0])}")


def main() -> None:
    """Copy the object, and check each copy."""
    order = json.loads(sys.argv[1])
    transfer = TransferOptions(**order["transfer"])
    watch = Watch()
    source = made(order["source"], transfer)
    before = peak()
    size = order["size"]
    original = stored(source, size)
    found = []
    for way in order["targets"]:
        container = made(way, transfer)
        began = time.monotonic()
        with watch:
            copy = original.copy(container, "folder/copy").refresh()
        result = {
            "took": time.monotonic() - began,
            "grown": peak() - before,
            "opened": watch.taken(),
            "same": copy.size == size and same(copy.stream(), size),
            "type": copy.content_type,
            "metadata": dict(copy.metadata or {}),
            "kept": {name: copy.extra.get(name) for name in KEPT},
        }
        found.append(result)
        container.delete()
    source.delete()
    print(json.dumps(found))


def made(way: list[Any], transfer: TransferOptions) -> Container:
    """Return a new container of the driver that is made this way."""
    name, arguments, options = way
    driver = get_driver(name)(*arguments, **options, transfer=transfer)
    container: Container = driver.create_container(f"copies-{secrets.token_hex(4)}")
    return container


def stored(container: Container, size: int) -> Object:
    """Store an object with all that can be kept with it."""
    return container.upload_object(
        blocks(size), "original", content_type=TYPE, metadata=METADATA, **KEPT
    )


def blocks(size: int) -> Iterator[bytes]:
    """Yield the content, in which no two blocks are alike."""
    rest = bytes(range(256)) * (MIB // 256)
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + rest[8:]


def same(chunks: Iterator[bytes], size: int) -> bool:
    """Return whether chunks of one block each are the content."""
    return all(one == other for one, other in zip(chunks, blocks(size), strict=True))


def peak() -> int:
    """Return the most memory that this process ever had."""
    with open("/proc/self/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
