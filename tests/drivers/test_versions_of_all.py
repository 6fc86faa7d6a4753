"""Versions of objects, on servers that keep them: they are read and deleted by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drivers.gcs.support import credentials

from libstore import (
    Container,
    InvalidOptionError,
    Object,
    ObjectChangedError,
    StorageError,
    get_driver,
)
from libstore.drivers.swift import operations
from libstore.testing import fresh_name
from servers.gcs_json import respond
from servers.gcs_model import KEY, SECRET, Model, serve
from servers.s3 import client_of

OLD, NEW = b"the first content", b"the second"


def _s3(request: pytest.FixtureRequest) -> Iterator[Container]:
    server = request.getfixturevalue("moto_server")
    with get_driver("s3")(server.key, server.secret, endpoint=server.endpoint) as driver:
        container = driver.create_container(fresh_name())
        client_of(server).put_bucket_versioning(
            Bucket=container.name, VersioningConfiguration={"Status": "Enabled"}
        )
        yield container


def _gcs(**arguments: Any) -> Callable[[pytest.FixtureRequest], Iterator[Container]]:
    def made(request: pytest.FixtureRequest) -> Iterator[Container]:
        model = Model()
        model.tokens = {"a-token"}
        with serve(model, respond):
            admin = get_driver("gcs")(credentials=credentials(), endpoint=model.url, project="p")
            admin.create_container("photos", extra={"versioning": True})
            given = arguments or {"credentials": credentials()}
            with get_driver("gcs")(**given, endpoint=model.url, project="p") as driver:
                yield driver.container("photos")

    return made


def _swift(request: pytest.FixtureRequest) -> Iterator[Container]:
    server = request.getfixturevalue("swift_server")
    with get_driver("swift")(server.key, server.secret, auth_url=server.auth_url) as driver:
        container = driver.create_container(fresh_name())
        headers = {"x-versions-enabled": "true"}
        driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
        yield container


_STORES = {
    "s3": _s3,
    "gcs": _gcs(),
    "gcs-hmac": _gcs(key=KEY, secret=SECRET),
    "swift": _swift,
}


@pytest.fixture(
    params=[
        pytest.param("s3", marks=[pytest.mark.server, pytest.mark.xdist_group("moto")]),
        "gcs",
        "gcs-hmac",
        pytest.param("swift", marks=[pytest.mark.server, pytest.mark.xdist_group("swift")]),
    ]
)
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    """Provide a container that keeps versions, with two of an object."""
    yield from _STORES[request.param](request)


@pytest.fixture
def versions(container: Container) -> tuple[str, str]:
    """Return the ids of the old version of an object and of the current one."""
    ids = tuple(container.upload_object(content, "a").version for content in (OLD, NEW))
    old, new = ids
    assert old is not None
    assert new is not None
    assert old != new
    return old, new


def test_version_is_read_in_each_way(
    container: Container, versions: tuple[str, str], tmp_path: Path
) -> None:
    old, new = versions
    obj = container.object("a")

    assert OLD == obj.read(version=old) == b"".join(obj.stream(version=old))
    assert OLD[4:9] == obj.read(start=4, stop=9, version=old)
    assert OLD[-7:] == obj.read(start=-7, version=old)
    assert OLD == obj.download(tmp_path / "old", version=old).read_bytes()
    with obj.open("rb", version=old) as file:
        assert OLD == file.read()
    found = container.get_object("a", version=old)
    assert (len(OLD), old) == (found.size, found.version)
    assert NEW == obj.read() == obj.read(version=new)
    with pytest.raises(ObjectChangedError):
        obj.read(version=old, if_match=container.get_object("a").etag)


def test_reading_a_version_does_not_change_what_the_handle_knows(
    container: Container, versions: tuple[str, str]
) -> None:
    current = container.get_object("a")
    current.read(version=versions[0])
    assert (len(NEW), versions[1]) == (current.info.size, current.info.version)


def test_version_is_deleted_for_good(container: Container, versions: tuple[str, str]) -> None:
    old, new = versions
    obj = container.object("a")
    obj.delete(version=old)
    with pytest.raises(StorageError):
        obj.read(version=old)
    assert NEW == obj.read(version=new) == obj.read()
    obj.delete(version=old)  # a missing one is no error
    with pytest.raises(StorageError):
        obj.delete(version=old, missing_ok=False)
    assert NEW == obj.read()


def test_deleting_without_a_version_keeps_the_versions(
    container: Container, versions: tuple[str, str]
) -> None:
    container.delete_object("a")
    assert not container.object_exists("a")
    assert OLD == container.read_object("a", version=versions[0])
    container.delete()
    assert not container.exists()


def test_handle_of_a_version_stands_for_it(
    container: Container, versions: tuple[str, str], tmp_path: Path
) -> None:
    """No way of reading returns the current object, whatever was read before."""
    old, new = versions
    obj = container.get_object("a", version=old)

    assert OLD == obj.read() == b"".join(obj.stream()) == obj.as_file().read()
    assert [OLD[4:9]] == obj.read_ranges([(4, 9)])
    assert OLD == obj.download(tmp_path / "old").read_bytes()
    assert (len(OLD), old) == (obj.refresh().size, obj.version)
    assert obj.exists()
    assert NEW == obj.read(version=new)
    assert (len(OLD), old) == (obj.info.size, obj.info.version)
    assert obj != container.object("a")
    assert old in repr(obj)


def test_version_is_restored_by_copying_its_handle(
    container: Container, versions: tuple[str, str]
) -> None:
    old, _ = versions
    restored = container.get_object("a", version=old).copy(container, "a")
    assert OLD == restored.read() == container.read_object("a")
    assert restored.version != old


_REFUSED: dict[str, Callable[[Object], object]] = {
    "delete": Object.delete,
    "delete_objects": lambda obj: obj.container.delete_objects([obj]),
    "move": lambda obj: obj.move(obj.container, "b"),
    "open": lambda obj: obj.open("wb"),
    "sign_url": Object.sign_url,
    "get_cdn_url": Object.get_cdn_url,
    "enable_cdn": Object.enable_cdn,
    "update_metadata": lambda obj: obj.update_metadata({"a": "b"}),
}


@pytest.mark.parametrize("operation", _REFUSED)
def test_handle_of_a_version_cannot_change_the_current_object(
    container: Container, versions: tuple[str, str], operation: str
) -> None:
    obj = container.get_object("a", version=versions[0])
    with pytest.raises(InvalidOptionError, match="stands for the version"):
        _REFUSED[operation](obj)
    assert NEW == container.read_object("a")
    obj.delete(version=obj.version)
    assert not obj.exists()
