"""How many requests and bytes files that read take, counted by a server on loopback."""

from __future__ import annotations

import io
import os
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drivers.network_drivers import DRIVERS
from drivers.object_server import ObjectServer

KiB, MiB = 1 << 10, 1 << 20
CONTENT = random.Random(1).randbytes(24 * MiB)
_RANGE = re.compile(rb"range: bytes=(\d+)-(\d+)")


@pytest.fixture
def service() -> Iterator[ObjectServer]:
    server = ObjectServer("s3", CONTENT)
    yield server
    server.close()


def fetched(server: ObjectServer, work: Callable[[Any], None]) -> tuple[int, int]:
    """Return the requests and the bytes that the reading of a file takes."""
    with DRIVERS["s3"](server.url, insecure=True, proxies={}) as driver:
        with driver.open_object("bucket", "name") as file:
            work(file)
    ranges = [_RANGE.search(seen.head.lower()) for seen in server.reads]
    size = len(server.content)
    counts = [min(int(found[2]) + 1, size) - int(found[1]) for found in ranges if found]
    assert len(counts) == len(server.reads)
    return len(counts), sum(counts)


def check(file: Any, position: int, count: int = 4 * KiB) -> None:
    file.seek(position)
    assert CONTENT[position : position + count] == file.read(count)


def test_random_reads_fetch_small_blocks(service: ObjectServer) -> None:
    numbers = random.Random(2)
    places = [numbers.randrange(len(CONTENT) - MiB) for _ in range(50)]

    def work(file: Any) -> None:
        for place in places:
            check(file, place)

    requests, size = fetched(service, work)
    assert requests <= 52
    assert size <= 50 * 64 * KiB + 512 * KiB


def test_two_cursors_by_turns_fetch_each_byte_once(service: ObjectServer) -> None:
    def work(file: Any) -> None:
        for step in range(0, 2 * MiB, 4 * KiB):
            check(file, step)
            check(file, 12 * MiB + step)

    requests, size = fetched(service, work)
    assert requests <= 14
    assert size <= 4 * MiB + 2 * 2 * MiB


def test_small_steps_of_two_cursors_fetch_little(service: ObjectServer) -> None:
    def work(file: Any) -> None:
        for step in range(15):
            check(file, step * 4 * KiB)
            check(file, 12 * MiB + step * 4 * KiB)

    requests, size = fetched(service, work)
    assert requests <= 3
    assert size <= 512 * KiB


def test_steps_backwards_fetch_each_byte_once(service: ObjectServer) -> None:
    def work(file: Any) -> None:
        for position in range(8 * MiB - 4 * KiB, 4 * MiB, -4 * KiB):
            check(file, position)

    requests, size = fetched(service, work)
    assert requests <= 9
    assert size <= 4 * MiB + 4 * MiB


def test_sequential_read_takes_few_requests_of_each_byte_once(service: ObjectServer) -> None:
    def work(file: Any) -> None:
        digest = io.BytesIO()
        while block := file.read(10_000):
            digest.write(block)
        assert CONTENT == digest.getvalue()

    requests, size = fetched(service, work)
    assert requests <= 8
    assert size == len(CONTENT)


def test_large_read_at_a_random_position_is_one_request(service: ObjectServer) -> None:
    def work(file: Any) -> None:
        check(file, 10 * MiB, 2 * MiB)

    requests, size = fetched(service, work)
    assert requests <= 3
    assert size <= 2 * MiB + 512 * KiB


def test_directory_of_an_archive_and_one_member_take_little(service: ObjectServer) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for number in range(20):
            made.writestr(str(number), CONTENT[number * MiB : number * MiB + MiB // 2])
    service.replace(archive.getvalue())

    def work(file: Any) -> None:
        with zipfile.ZipFile(file) as opened:
            assert CONTENT[7 * MiB : 7 * MiB + MiB // 2] == opened.read("7")

    requests, size = fetched(service, work)
    assert requests <= 7
    assert size <= 2 * MiB


def test_footer_and_columns_take_one_request_each(service: ObjectServer) -> None:
    """As readers of Parquet do: the length at the end, the footer before it, then columns."""

    def work(file: Any) -> None:
        end = file.seek(0, os.SEEK_END)
        check(file, end - 8, 8)
        check(file, end - 8 - 20 * KiB, 20 * KiB)
        check(file, 3 * MiB, 300 * KiB)
        check(file, 9 * MiB, 300 * KiB)

    requests, size = fetched(service, work)
    assert requests <= 6
    assert size <= 2 * MiB
