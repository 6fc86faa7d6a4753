"""Where the containers of the tests come from, and where they go."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from libstore import Container, ContainerNotFoundError, StorageDriver


class ContainerPool:
    """
    The containers that the tests of a class have in common.

    Where tests share a driver, a container is emptied and lent to the next test, since on most
    services that is quicker than to delete it and create another. A driver that was not there
    in the test before is taken for one of that test alone: what it has is deleted with the test.
    """

    def __init__(self) -> None:
        self._driver: StorageDriver | None = None
        self._shared = False
        self._free: list[Container] = []
        self._stock: dict[str, Container] = {}

    def serve(self, driver: StorageDriver) -> None:
        """Take note of the driver of the test that begins."""
        self._shared = driver is self._driver
        if not self._shared:
            self.clear()
            self._driver = driver

    @contextmanager
    def lent(self, driver: StorageDriver, *, uploads: bool) -> Iterator[Container]:
        """
        Lend an empty container for the time of a test.

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
        Lend a container that has something in it, to a test that changes nothing of it.

        Args:
            what: Tells apart what containers have in them.
            stock: Puts it there.
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
        Empty a container, and return whether it is now as good as a new one.

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
        """Delete a container, if it is still there."""
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
    """Return the container_pool of the class that a test is in; it is cleared after the class."""
    node: pytest.Item = request.node
    place = node.getparent(pytest.Class) or node
    if _KEY not in place.stash:
        # Not a fixture of the class: that might outlive the driver, where it is one too.
        place.stash[_KEY] = kind()
        place.addfinalizer(place.stash[_KEY].clear)
    container_pool = place.stash[_KEY]
    container_pool.serve(driver)
    return container_pool


def fresh_name() -> str:
    """Return a name that no container has yet, and that every service takes."""
    return f"libstore-{uuid.uuid4().hex}"
