"""What moving does where two drivers are at one and the same store, for every network driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drivers.test_errors_of_all import DRIVERS
from scripted import Server, answer

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("label", DRIVERS)
def test_a_move_onto_itself_by_another_driver_deletes_nothing(server: Server, label: str) -> None:
    """The copy would be the object itself, and its ETag may be what it was before."""
    body = b'{"name": "name", "bucket": "bucket", "size": "45"}' if label == "gcs" else CONTENT
    server.default = answer(
        body, ETag='"e"', Content_Type="application/json", X_Trans_Id="t", X_Timestamp="1"
    )
    with DRIVERS[label](server.url) as here, DRIVERS[label](server.url) as there:
        moved = here.object("bucket", "name").move(there.object("bucket", "name").container)
        assert (moved.name, moved.driver) == ("name", there)
        assert {seen.line.split(" ")[0] for seen in server.seen} <= {"GET", "HEAD"}
        assert len(server.seen) == 1
