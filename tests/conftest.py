"""Fixtures and hooks for all tests."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

pytest_plugins = ["servers.fixtures"]

PROJECT = Path(__file__).parents[1]

# A background job of a shell ignores SIGINT, and so do the processes that it starts; Python then
# installs no handler for it. Tests interrupt themselves and their children.
if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test uses credentials or settings of the machine, nor the metadata service that a machine in
# a cloud has.
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "GCE_", "OS_", "ST_")
for _name in [name for name in os.environ if name.startswith(_CLOUDS)]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = os.environ["NO_GCE_CHECK"] = "true"
os.environ["CLOUDSDK_CONFIG"] = os.devnull + ".none"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull + ".none"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a value whose `repr()` has an address by its type, so that processes agree on names."""
    return f"{argname}-{type(val).__name__}" if " at 0x" in repr(val) else None


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the root of the repository."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """Return the directory of published test data beside the repository, if it exists."""
    folder = PROJECT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no folder shared/vectors beside the project, with its published test data")
    return folder
