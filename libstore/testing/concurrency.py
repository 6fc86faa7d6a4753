"""Concurrency: any number of threads can use one driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from libstore import Container, ObjectAlreadyExistsError, StorageDriver

from .base import Topic, fill, names_of, noise, unfinished

R = TypeVar("R")
_THREADS = 8


def _at_once(job: Callable[[int], R], count: int = _THREADS) -> list[R]:
    """Run a job in a number of threads that start together; return the results."""
    barrier = threading.Barrier(count, timeout=60)

    def begin(number: int) -> R:
        barrier.wait()
        return job(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


class Concurrency(Topic):
    """Test one driver in many threads."""

    def test_threads_do_not_disturb_each_other(self, container: Container, folder: Path) -> None:
        """Eight threads upload, list, read, copy, download and delete their own objects."""

        def work(number: int) -> list[bytes]:
            content = noise(10_000 + number)
            obj = container.upload_object(content, f"{number}/a", metadata={"number": str(number)})
            copied = obj.copy(container, f"{number}/b")
            found = container.get_object(f"{number}/b")
            assert str(number) == found.metadata["number"]
            assert [obj.name, copied.name] == names_of(container.list_objects(f"{number}/"))
            path = copied.download(folder / str(number))
            with obj.as_file() as file:
                contents = [obj.read(), path.read_bytes(), b"".join(copied.stream()), file.read()]
            obj.delete()
            return contents

        for number, contents in enumerate(_at_once(work)):
            assert [noise(10_000 + number)] * 4 == contents
        assert [f"{number}/b" for number in range(_THREADS)] == names_of(container.list_objects())

    def test_concurrent_multipart_uploads_do_not_mix(
        self, container: Container, part_size: int
    ) -> None:
        """The parts of concurrent uploads belong to their own objects."""

        def upload(number: int) -> None:
            container.upload_object(noise(2 * part_size + number), f"n{number}")

        _at_once(upload, 3)
        for number in range(3):
            assert noise(2 * part_size + number) == container.read_object(f"n{number}")
        assert [] == unfinished(container)

    def test_the_last_writer_of_a_name_wins_as_a_whole(self, container: Container) -> None:
        """After many uploads to one name, the object is one of them, complete."""
        contents = {number: bytes([number]) * 20_000 for number in range(_THREADS)}
        _at_once(lambda number: container.upload_object(contents[number], "a"))
        assert container.read_object("a") in contents.values()
        assert ["a"] == names_of(container.list_objects())

    def test_one_of_many_conditional_creates_succeeds(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Exactly one of many uploads with if_absent to one name succeeds."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")

        def claim(number: int) -> bytes | None:
            try:
                return container.upload_object(noise(100 + number), "a", if_absent=True).read()
            except ObjectAlreadyExistsError:
                return None

        won = [content for content in _at_once(claim) if content is not None]
        assert [container.read_object("a")] == won

    def test_threads_can_share_a_handle(self, container: Container) -> None:
        """Threads that read ranges through one handle get their ranges."""
        content = noise(80_000)
        obj = container.upload_object(content, "a")

        def read(number: int) -> bytes:
            return obj.read(start=number * 10_000, stop=(number + 1) * 10_000)

        assert content == b"".join(_at_once(read))

    def test_listing_during_uploads_has_all_older_objects(self, container: Container) -> None:
        """Objects that existed before the listing are listed, whatever is uploaded meanwhile."""
        fill(container, *(f"old{number}" for number in range(5)))

        def work(number: int) -> Iterable[str]:
            fill(container, f"new{number}")
            return names_of(container.list_objects("old"))

        expected = [f"old{number}" for number in range(5)]
        assert [expected] * _THREADS == _at_once(work)
        assert 5 + _THREADS == len(container.list_objects())

    def test_concurrent_deletes_of_one_object_succeed(self, container: Container) -> None:
        """Threads that delete the same object all succeed."""
        fill(container, "a", "b")

        def delete(_: int) -> None:
            container.delete_object("a")

        _at_once(delete)
        assert ["b"] == names_of(container.list_objects())
