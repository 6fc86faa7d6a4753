"""What every topic of the suite builds on: its fixtures, and the few words it speaks in."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from libstore import (
    Container,
    Object,
    ObjectWriter,
    Prefix,
    StorageDriver,
    TransferOptions,
    Upload,
)

from .container_pool import ContainerPool, container_pool_of, fresh_name

__all__ = [
    "CONTENT",
    "Topic",
    "fill",
    "fresh_name",
    "names_of",
    "noise",
    "pickled",
    "unfinished",
]

# Assertions outside of test modules show both sides only where pytest was told before the import.
pytest.register_assert_rewrite(
    *(
        f"{__package__}.{topic}"
        for topic in (
            "concurrency",
            "conditions",
            "containers",
            "copying",
            "deleting",
            "downloads",
            "errors",
            "handles",
            "integrity",
            "listing",
            "metadata",
            "names",
            "objects",
            "pickling",
            "ranges",
            "readers",
            "signing",
            "sources",
            "uploads",
            "walking",
            "writers",
        )
    )
)

T = TypeVar("T")

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
_SMALL_PART = 64 * 1024


class _GivenUp(Exception):
    """What ends an upload that was begun so that it could be seen."""


class Topic:
    """The fixtures that the tests of all topics share; the adopter supplies `driver`."""

    @pytest.fixture
    def container_pool(
        self, request: pytest.FixtureRequest, driver: StorageDriver
    ) -> ContainerPool:
        """Return where containers come from, for fixtures."""
        return container_pool_of(request, driver)

    @pytest.fixture
    def container(
        self, request: pytest.FixtureRequest, driver: StorageDriver, container_pool: ContainerPool
    ) -> Iterator[Container]:
        """Lend an empty container, and take it back with all that the test left in it."""
        with container_pool.lent(driver, uploads="part_size" in request.fixturenames) as container:
            yield container

    @pytest.fixture
    def other_container(
        self, request: pytest.FixtureRequest, driver: StorageDriver, container_pool: ContainerPool
    ) -> Iterator[Container]:
        """Lend a second container, and take it back with all that the test left in it."""
        with container_pool.lent(driver, uploads="part_size" in request.fixturenames) as container:
            yield container

    @pytest.fixture
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Make an empty directory for files; `tmp_path` may hold what the driver keeps."""
        return tmp_path_factory.mktemp("files")

    @pytest.fixture
    def part_size(self, driver: StorageDriver) -> Iterator[int]:
        """Have whatever is larger than one small part travel in parts; return a part's size."""
        before = driver.transfer
        size = max(driver.limits.min_part, _SMALL_PART)
        driver.transfer = TransferOptions(part_size=size, multipart_threshold=size, concurrency=4)
        yield size
        driver.transfer = before

    @pytest.fixture
    def half_written(self, container: Container, part_size: int) -> Iterator[ObjectWriter]:
        """Begin an upload of three parts, and give it up when the test has ended."""
        with suppress(_GivenUp), container.open("half/of it", "wb") as file:
            file.write(noise(3 * part_size))
            yield file
            raise _GivenUp

    @pytest.fixture
    def two_by_two(self, driver: StorageDriver) -> Iterator[None]:
        """Have listings come in pages of two, and batches go in twos."""
        before = driver.limits
        driver.limits = dataclasses.replace(before, page_size=2, batch_size=2)
        yield
        driver.limits = before


def noise(size: int) -> bytes:
    """Return bytes in which no two stretches are alike, the same ones for the same size."""
    return random.Random(size).randbytes(size)


def names_of(items: Iterable[Object | Prefix]) -> list[str]:
    """Return the names of what a listing gave."""
    return [item.name for item in items]


def fill(container: Container, *names: str) -> None:
    """Put an object with its own name as content into the container for each name."""
    for name in names:
        container.upload_object(name.encode(), name)


def pickled(value: T) -> T:
    """Return what comes out of a pickle of a value."""
    again: T = pickle.loads(pickle.dumps(value))
    return again


def unfinished(container: Container) -> list[Upload]:
    """Return the uploads in parts that the service still keeps; none if it takes no parts."""
    if not container.driver.supports("list_uploads"):
        return []
    return list(container.list_uploads())
