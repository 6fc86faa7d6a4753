"""As much of memcached as Swift uses: a place for tokens. Run as a program, with a port."""

from __future__ import annotations

import socketserver
import sys
import threading
import time
from typing import BinaryIO

_MONTH = 30 * 86_400
_items: dict[bytes, tuple[bytes, bytes, float]] = {}
_lock = threading.Lock()


def _live(key: bytes) -> tuple[bytes, bytes, float] | None:
    item = _items.get(key)
    if item is not None and item[2] and item[2] < time.time():
        del _items[key]
        return None
    return item


def _end(seconds: bytes) -> float:
    moment = float(seconds)
    return moment + time.time() if 0 < moment <= _MONTH else moment


def _store(words: list[bytes], stream: BinaryIO) -> bytes:
    value = stream.read(int(words[4]) + 2)[:-2]
    if words[0] == b"add" and _live(words[1]):
        return b"NOT_STORED\r\n"
    _items[words[1]] = (words[2], value, _end(words[3]))
    return b"STORED\r\n"


def _get(words: list[bytes], stream: BinaryIO) -> bytes:
    found = [(key, item) for key in words[1:] if (item := _live(key))]
    lines = [
        b"VALUE %b %b %d\r\n%b\r\n" % (key, flags, len(value), value)
        for key, (flags, value, _) in found
    ]
    return b"".join(lines) + b"END\r\n"


def _delete(words: list[bytes], stream: BinaryIO) -> bytes:
    return b"DELETED\r\n" if _items.pop(words[1], None) else b"NOT_FOUND\r\n"


def _count(words: list[bytes], stream: BinaryIO) -> bytes:
    item = _live(words[1])
    if item is None:
        return b"NOT_FOUND\r\n"
    step = int(words[2]) if words[0] == b"incr" else -int(words[2])
    value = b"%d" % max(0, int(item[1]) + step)
    _items[words[1]] = (item[0], value, item[2])
    return value + b"\r\n"


def _flush(words: list[bytes], stream: BinaryIO) -> bytes:
    _items.clear()
    return b"OK\r\n"


_COMMANDS = {
    b"set": _store, b"add": _store, b"get": _get, b"delete": _delete,
    b"incr": _count, b"decr": _count, b"flush_all": _flush,
}  # fmt: skip


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = line.split()
            command = _COMMANDS.get(words[0]) if words else None
            with _lock:
                response = command(words, self.rfile) if command else b"ERROR\r\n"
            if words[-1:] != [b"noreply"]:
                self.wfile.write(response)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


_Server(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
