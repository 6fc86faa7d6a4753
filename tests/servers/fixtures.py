"""
The fixtures of all servers: real ones, started when a test first needs them, and scripted ones.

`tests/conftest.py` loads this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from scripted import Server, respond

from servers.azurite import AzureServer, azurite
from servers.gcs import GCSServer, fake_gcs, gcs_emulator
from servers.keystone import KeystoneServer, keystone
from servers.moto import moto
from servers.openstack import SwiftServer, swift
from servers.rclone import rclone
from servers.s3 import S3Server
from servers.s3_recorder import Recorder, recording
from servers.seaweedfs import seaweedfs

# The groups of tests that take longest come first, so that no process is left with one at the end.
_LONGEST_FIRST = (
    "TestKeystone", "TestSwift", "TestTempAuth", "all_drivers", "swift", "seaweedfs",
    "TestSeaweedFS", "TestMoto", "TestEmulator", "keystone", "moto", "TestRclone",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Mark what needs one of the servers, so that it can be run, or left out, as one.

    With `pytest --dist loadgroup`, each suite is run by one process, and so is all the rest that
    needs the same server.
    """
    for item in items:
        server = _server_of(item)
        if server is not None and item.get_closest_marker("server") is None:
            suite = getattr(item, "cls", None)
            item.add_marker("server")
            item.add_marker(pytest.mark.xdist_group(suite.__name__ if suite else server))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    name = group.args[0] if group else ""
    return _LONGEST_FIRST.index(name) if name in _LONGEST_FIRST else len(_LONGEST_FIRST)


def _server_of(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)  # absent where a test has no parameters
    chosen = call.params.get("server", call.params.get("s3_server")) if call else None
    if chosen is not None:
        return str(chosen)
    fixtures = getattr(item, "fixturenames", ())
    named = [name.removesuffix("_server") for name in fixtures if name.endswith("_server")]
    return min(named) if named else None


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """Run Azurite."""
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run moto."""
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run SeaweedFS."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run rclone."""
    with rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """Run OpenStack Swift, with its own API and that of S3."""
    with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def played() -> Iterator[Server]:
    """Run a server that fails the test unless every one of its steps was used."""
    with contextlib.closing(Server(default=respond(b"", status=500))) as server:
        yield server
        assert [] == [step.data[:80] for step in server.steps], "these were not requested"


@pytest.fixture
def server(played: Server) -> Server:
    """Return the same, for tests without another server."""
    return played


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Run a server that records its requests and stores nothing."""
    with recording() as recorder:
        yield recorder


@pytest.fixture(scope="session")
def fake_gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCSServer]:
    """Run fake-gcs-server."""
    with fake_gcs(tmp_path_factory.mktemp("fake-gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def gcs_emulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCSServer]:
    """Run gcp-storage-emulator."""
    with gcs_emulator(tmp_path_factory.mktemp("gcs-emulator")) as server:
        yield server


@pytest.fixture(scope="session")
def keystone_server(
    tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer
) -> Iterator[KeystoneServer]:
    """Run OpenStack Keystone, and a proxy of Swift that takes its tokens."""
    with keystone(tmp_path_factory.mktemp("keystone"), swift_server) as server:
        yield server
