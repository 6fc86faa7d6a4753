"""What tests of all kinds need."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the root of the repository."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_vectors() -> Path:
    """Return the folder of published test data that lies beside the repository, where it does."""
    folder = PROJECT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no folder shared/vectors beside the project, with its published test data")
    return folder
