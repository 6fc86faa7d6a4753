"""
Seven drivers, each with a service that is really there: what all of them must agree on.

They are those for a directory, for memory, and for Amazon's, Microsoft's, Google's and OpenStack's
services; the seventh is OpenStack's again, by the dialect of S3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from libstore import StorageDriver, get_driver

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Way:
    """What `get_driver` is called with, and then the driver."""

    name: str
    arguments: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def driver(self, **more: Any) -> StorageDriver:
        """Return a driver."""
        made: StorageDriver = get_driver(self.name)(*self.arguments, **self.options, **more)
        return made

    @property
    def line(self) -> str:
        """The expression that makes a driver."""
        given = [*map(repr, self.arguments), *(f"{k}={v!r}" for k, v in self.options.items())]
        return f"get_driver({self.name!r})({', '.join(given)})"

    @property
    def words(self) -> list[str]:
        """The same, for the command line of the quickstart."""
        return [self.name, *self.arguments, *(f"{k}={v}" for k, v in self.options.items())]


def _local(request: pytest.FixtureRequest) -> Way:
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return Way("local", (str(factory.mktemp("local")),))


def _memory(request: pytest.FixtureRequest) -> Way:
    return Way("memory")


def _s3(request: pytest.FixtureRequest) -> Way:
    server = request.getfixturevalue("seaweedfs_server")
    return Way("seaweedfs", (server.key, server.secret), {"endpoint": server.endpoint})


def _azure(request: pytest.FixtureRequest) -> Way:
    server = request.getfixturevalue("azurite_server")
    return Way("azure", (server.account, server.key), {"endpoint": server.endpoint})


def _gcs(request: pytest.FixtureRequest) -> Way:
    server = request.getfixturevalue("fake_gcs_server")
    return Way("gcs", (), {"endpoint": server.endpoint, "project": server.project})


def _swift(request: pytest.FixtureRequest) -> Way:
    server = request.getfixturevalue("swift_server")
    return Way("swift", (server.key, server.secret), {"auth_url": server.auth_url})


def _swift_s3(request: pytest.FixtureRequest) -> Way:
    server = request.getfixturevalue("swift_server")
    return Way("swift-s3", (server.key, server.secret), {"endpoint": server.endpoint})


ALL_DRIVERS: Mapping[str, Callable[[pytest.FixtureRequest], Way]] = {
    "local": _local,
    "memory": _memory,
    "s3": _s3,
    "azure": _azure,
    "gcs": _gcs,
    "swift": _swift,
    "swift-s3": _swift_s3,
}
