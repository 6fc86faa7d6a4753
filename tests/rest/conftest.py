"""The server that the tests of the toolkit use, which plays what a test puts into its steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from scripted import Server, answer


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server that fails the test unless every one of its steps was used."""
    with contextlib.closing(Server(default=answer(b"", status=500))) as server:
        yield server
        assert [] == [step.data[:80] for step in server.steps], "these were not requested"
