"""What moving does where two drivers are at one and the same store, for every network driver."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from drivers.all_drivers import ALL_DRIVERS, Way
from drivers.network_drivers import DRIVERS
from scripted import Server, respond

from libstore import Object, ObjectChangedError, ServiceError, StorageDriver, get_driver
from libstore.rest.driver import RestDriver
from servers.rclone import rclone

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
    server.default = respond(
        body, ETag='"e"', Content_Type="application/json", X_Trans_Id="t", X_Timestamp="1"
    )
    with DRIVERS[label](server.url) as here, DRIVERS[label](server.url) as there:
        moved = here.object("bucket", "name").move(there.object("bucket", "name").container)
        assert (moved.name, moved.driver) == ("name", there)
        assert {seen.line.split(" ")[0] for seen in server.seen} <= {"GET", "HEAD"}
        assert len(server.seen) == 1


# ---------------------------------------------------------------------- one server, two addresses


def _elsewhere(way: Way) -> Way:
    """Return the same server by its other name."""
    options = dict(way.options)
    for name in options.keys() & {"endpoint", "auth_url"}:
        options[name] = options[name].replace("127.0.0.1", "localhost")
    return replace(way, options=options)


@pytest.mark.server
@pytest.mark.xdist_group("all_drivers")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((name, name) for name in ("s3", "azure", "gcs", "swift", "swift-s3")),
        ("swift", "swift-s3"),
        ("swift-s3", "swift"),
    ],
)
def test_a_move_onto_itself_by_another_address_of_a_server_deletes_nothing(
    request: pytest.FixtureRequest, one: str, other: str
) -> None:
    """By a host name and by its address, by the service's own interface and by that of S3."""
    here, there = (
        ALL_DRIVERS[one](request).driver(),
        _elsewhere(ALL_DRIVERS[other](request)).driver(),
    )
    assert here != there
    container = here.create_container(f"libstore-{uuid.uuid4().hex}")
    try:
        _check_stays(here, there, container.upload_object(CONTENT, "a/b", metadata={"a": "b"}))
    finally:
        container.delete()


@pytest.mark.server
def test_a_directory_and_the_server_on_it_are_one_store(tmp_path: Path) -> None:
    """Also where a bucket is a directory within a container."""
    with rclone(tmp_path) as server:
        served = get_driver("rclone")(server.key, server.secret, endpoint=server.endpoint)
        for root in (tmp_path / "data", tmp_path):
            directory = get_driver("local")(root)
            served.create_container("bucket").upload_object(CONTENT, "a/b")
            place = ("bucket", "a/b") if root.name == "data" else ("data", "bucket/a/b")
            _check_stays(served, directory, served.object("bucket", "a/b"), place)
            _check_stays(directory, served, directory.object(*place), ("bucket", "a/b"))
            served.delete_container("bucket")


def _check_stays(
    here: StorageDriver, there: StorageDriver, obj: Object, place: tuple[str, str] | None = None
) -> None:
    """Move an object by a driver that reaches it by another address; it has to be there still."""
    for driver in (here, there):
        if isinstance(driver, RestDriver):
            driver._client.retrier.sleep = lambda _: None
    container, name = place or (obj.container.name, obj.name)
    # In the same second it may not be known whether it is one object, or which write was last.
    with suppress(ServiceError, ObjectChangedError):
        assert there is obj.move(there.object(container, name).container, name).driver
    assert CONTENT == obj.read() == there.object(container, name).read()


@pytest.mark.server
@pytest.mark.xdist_group("all_drivers")
@pytest.mark.parametrize("other", ["local", "s3", "gcs"])
@pytest.mark.parametrize("one", ALL_DRIVERS)
def test_a_move_to_the_same_names_at_another_server_deletes_the_source(
    request: pytest.FixtureRequest, one: str, other: str
) -> None:
    if ("swift" in one and "swift" in other) or one == other:
        pytest.skip("it is the same server")
    here, there = ALL_DRIVERS[one](request).driver(), ALL_DRIVERS[other](request).driver()
    name = f"libstore-{uuid.uuid4().hex}"
    source, target = here.create_container(name), there.create_container(name)
    try:
        for content in (CONTENT, b"longer than what is there now, " + CONTENT):
            moved = source.upload_object(content, "a/b").move(target)
            assert content == moved.read()
            assert [] == list(source.list_objects())
    finally:
        source.delete()
        target.delete()
