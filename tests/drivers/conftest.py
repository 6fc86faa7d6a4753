"""The servers that drivers are tested on, each started once, when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.s3_recorder import Recorder, recording

from servers.azurite import AzureServer, azurite
from servers.moto import moto
from servers.openstack import SwiftServer, swift
from servers.rclone import rclone
from servers.s3 import S3Server
from servers.seaweedfs import seaweedfs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs one of the servers, so that it can be run, or left out, as one."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if any(name.endswith("_server") for name in fixtures):
            item.add_marker("server")


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
def recorder() -> Iterator[Recorder]:
    """Run a server that keeps nothing but what it was asked."""
    with recording() as recorder:
        yield recorder


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Run a server that keeps nothing but what it was asked."""
    with recording() as recorder:
        yield recorder
