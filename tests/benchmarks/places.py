"""The servers that rows need: each is started and filled before the first of its rows."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from .clients import DRIVERS
from .endpoint import null_endpoint
from .place import BUCKET, MIB, PROJECT, NotAvailableError, Place, key, listing_bucket


@contextmanager
def place(
    service: str, folder: Path, objects: Iterable[tuple[str, int]], listings: Iterable[int]
) -> Iterator[Place]:
    """
    Run the server of a service, with all that its rows need.

    Args:
        folder: An empty one.
        objects: Names and sizes.
        listings: Numbers of keys, for each of which there is a bucket.

    Raises:
        NotAvailableError: The server is not installed.
    """
    (folder / BUCKET).mkdir()
    (folder / "scratch").mkdir()
    written: dict[int, Path] = {}
    for name, size in objects:
        path = folder / BUCKET / name
        path.parent.mkdir(exist_ok=True)
        if size in written:
            os.link(written[size], path)
        else:
            _write(path, size)
            written[size] = path
    if service == "s3":
        with null_endpoint(folder, listings) as found:
            yield found
        return
    with ExitStack() as stack:
        try:
            found = stack.enter_context(_SERVERS[service](folder))
        except ImportError as error:
            raise NotAvailableError(str(error)) from error
        if service != "memory":
            _fill(service, found, listings)
        yield found


def _write(path: Path, size: int) -> None:
    block = random.Random(size).randbytes(min(size, MIB))
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)


def _fill(service: str, found: Place, listings: Iterable[int]) -> None:
    """Upload the objects with the library itself."""
    driver = DRIVERS[service](found)
    if service != "local":
        container = driver.create_container(BUCKET)
        for path in (found.folder / BUCKET).iterdir():
            container.upload_object(path, path.name)
    for count in listings:
        put = partial(driver.create_container(listing_bucket(count)).upload_object, b"x")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, map(key, range(count))))


@contextmanager
def _azurite(folder: Path) -> Iterator[Place]:
    from ..servers.azurite import azurite

    with azurite(folder) as server:
        yield Place(server.endpoint, folder)


@contextmanager
def _fake_gcs(folder: Path) -> Iterator[Place]:
    from ..servers.gcs import fake_gcs

    with fake_gcs(folder) as server:
        assert server.project == PROJECT
        yield Place(server.endpoint, folder)


@contextmanager
def _swift(folder: Path) -> Iterator[Place]:
    from ..servers.openstack import swift

    with swift(folder) as server:
        yield Place(server.auth_url, folder)


@contextmanager
def _no_server(folder: Path) -> Iterator[Place]:
    yield Place("", folder)


_SERVERS: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "azure": _azurite,
    "gcs": _fake_gcs,
    "swift": _swift,
    "local": _no_server,
    "memory": _no_server,
}
