"""The fixtures and small functions that all topics of the suite share."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pytest

from libstore import (
    Container,
    Object,
    ObjectWriter,
    Prefix,
    StorageDriver,
    TransferOptions,
    Upload,
    WriteOptions,
)

from .container_pool import ContainerPool, container_pool_of, fresh_name

__all__ = [
    "CONTENT",
    "WRITE_OPTIONS",
    "Topic",
    "fill",
    "fresh_name",
    "names_of",
    "noise",
    "pickled",
    "unfinished",
]

T = TypeVar("T")

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
_SMALL_PART = 64 * 1024


# Valid values of options whose values are not any text.
_VALUES = {
    "cache_control": "max-age=60, private",
    "content_disposition": 'attachment; filename="a.txt"',
    "content_encoding": "identity",
    "content_language": "de-AT",
}


def _example(name: str, kind: object) -> Any:
    if name in _VALUES:
        return _VALUES[name]
    return "example" if kind == str | None else {"name": "example"}


#: A value of each option of a write that not every service supports.
WRITE_OPTIONS: Mapping[str, Any] = {
    item.name: _example(item.name, get_type_hints(WriteOptions)[item.name])
    for item in dataclasses.fields(WriteOptions)
    if item.default is None
}


class _GivenUp(Exception):
    """Ends an upload that was started only so that it is unfinished."""


class Topic:
    """The fixtures that all topics share; the adopter provides `driver`."""

    @pytest.fixture
    def container_pool(
        self, request: pytest.FixtureRequest, driver: StorageDriver
    ) -> ContainerPool:
        """Return the pool of containers, for other fixtures."""
        return container_pool_of(request, driver)

    @pytest.fixture
    def container(
        self, request: pytest.FixtureRequest, driver: StorageDriver, container_pool: ContainerPool
    ) -> Iterator[Container]:
        """Provide an empty container, and empty or delete it after the test."""
        with container_pool.lent(driver, uploads="part_size" in request.fixturenames) as container:
            yield container

    @pytest.fixture
    def other_container(
        self, request: pytest.FixtureRequest, driver: StorageDriver, container_pool: ContainerPool
    ) -> Iterator[Container]:
        """Provide a second container, and empty or delete it after the test."""
        with container_pool.lent(driver, uploads="part_size" in request.fixturenames) as container:
            yield container

    @pytest.fixture
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return an empty directory for files; the driver under test may use `tmp_path`."""
        return tmp_path_factory.mktemp("files")

    @pytest.fixture
    def part_size(self, driver: StorageDriver) -> Iterator[int]:
        """Reduce the part size of the driver, and return it."""
        before = driver.transfer
        size = max(driver.limits.min_part, _SMALL_PART)
        driver.transfer = TransferOptions(part_size=size, multipart_threshold=size, concurrency=4)
        yield size
        driver.transfer = before

    @pytest.fixture
    def half_written(self, container: Container, part_size: int) -> Iterator[ObjectWriter]:
        """Start an upload of three parts, and abort it after the test."""
        with suppress(_GivenUp), container.open("half/of it", "wb") as file:
            file.write(noise(3 * part_size))
            yield file
            raise _GivenUp

    @pytest.fixture
    def two_by_two(self, driver: StorageDriver) -> Iterator[None]:
        """Set the page size and the batch size of the driver to two."""
        before = driver.limits
        driver.limits = dataclasses.replace(before, page_size=2, batch_size=2)
        yield
        driver.limits = before


def noise(size: int) -> bytes:
    """Return pseudo-random bytes, the same for the same size."""
    return random.Random(size).randbytes(size)


def names_of(items: Iterable[Object | Prefix]) -> list[str]:
    """Return the names of listed objects and prefixes."""
    return [item.name for item in items]


def fill(container: Container, *names: str) -> None:
    """Upload one object for each name, with its name as content."""
    for name in names:
        container.upload_object(name.encode(), name)


def pickled(value: T) -> T:
    """Return a copy of a value by pickle."""
    again: T = pickle.loads(pickle.dumps(value))
    return again


def unfinished(container: Container) -> list[Upload]:
    """Return the unfinished uploads; none if the service has no multipart uploads."""
    if not container.driver.supports("list_uploads"):
        return []
    return list(container.list_uploads())
