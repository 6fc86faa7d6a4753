"""The containers that tests use."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from libstore import Container, ContainerNotFoundError, StorageDriver


class ContainerPool:
    """
    The containers of the tests of one class.

    If tests share a driver, a container is emptied and reused by the next test, which is faster
    on most services than deleting it and creating another. A driver that the previous test did
    not use belongs to one test only, and its containers are deleted after the test.
    """

    def __init__(self) -> None:
        self._driver: StorageDriver | None = None
        self._shared = False
        self._free: list[Container] = []
        self._stock: dict[str, Container] = {}

    def serve(self, driver: StorageDriver) -> None:
        """Set the driver of the next test."""
        self._shared = driver is self._driver
        if not self._shared:
            self.clear()
            self._driver = driver

    @contextmanager
    def lent(self, driver: StorageDriver, *, uploads: bool) -> Iterator[Container]:
        """
        Provide an empty container for one test.

        Args:
            uploads: Whether the test may leave unfinished uploads.
        """
        container = self._free.pop() if self._free else driver.create_container(fresh_name())
        yield container
        if self._shared and self.emptied(container, uploads=uploads):
            self._free.append(container)
        else:
            self.delete(container)

    @contextmanager
    def stocked(
        self, driver: StorageDriver, what: str, stock: Callable[[Container], object]
    ) -> Iterator[Container]:
        """
        Provide a container with given content to a test that does not change it.

        Args:
            what: The name of the content; tests with the same name share the container.
            stock: Uploads the content.
        """
        container = self._stock.get(what)
        if container is None:
            container = driver.create_container(fresh_name())
            stock(container)
            if self._shared:
                self._stock[what] = container
        yield container
        if not self._shared:
            self.delete(container)

    def emptied(self, container: Container, *, uploads: bool) -> bool:
        """
        Empty a container, and return whether it can be reused.

        Args:
            uploads: Whether there may be unfinished uploads.
        """
        try:
            results = container.delete_objects(container.list_objects())
            if uploads and container.driver.supports("list_uploads"):
                container.abort_uploads()
        except ContainerNotFoundError:
            return False
        return all(result.ok for result in results)

    def delete(self, container: Container) -> None:
        """Delete a container if it exists."""
        with suppress(ContainerNotFoundError):
            container.delete()

    def clear(self) -> None:
        """Delete all containers."""
        for container in (*self._free, *self._stock.values()):
            self.delete(container)
        self._free.clear()
        self._stock.clear()


_KEY = pytest.StashKey[ContainerPool]()


def container_pool_of(
    request: pytest.FixtureRequest,
    driver: StorageDriver,
    kind: type[ContainerPool] = ContainerPool,
) -> ContainerPool:
    """Return the container pool of a test's class; it is cleared after the class."""
    node: pytest.Item = request.node
    place = node.getparent(pytest.Class) or node
    if _KEY not in place.stash:
        # A fixture of class scope might outlive the driver.
        place.stash[_KEY] = kind()
        place.addfinalizer(place.stash[_KEY].clear)
    container_pool = place.stash[_KEY]
    container_pool.serve(driver)
    return container_pool


def fresh_name() -> str:
    """Return a unique name that every service allows."""
    return f"libstore-{uuid.uuid4().hex}"
