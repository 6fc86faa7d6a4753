"""Objects that libstore and python-swiftclient exchange."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from drivers.swift.support import CONTENT, LARGE, PART, lent, segments_of

from libstore import Container, TransferOptions
from libstore.drivers.swift import SwiftDriver
from servers.openstack import SwiftServer

swiftclient = pytest.importorskip("swiftclient")

NAMES = (
    "plain.txt",
    "a b+c%20&d?e#f",
    "ünïcödé/日本/😀",
    "per%25cent",
    "semi;co,lon:@=",
    "a//b",
)
MD5 = hashlib.md5(LARGE).hexdigest()


@pytest.fixture
def container(swift_driver: SwiftDriver) -> Iterator[Container]:
    before = swift_driver.transfer
    swift_driver.transfer = TransferOptions(part_size=4 * PART, multipart_threshold=4 * PART)
    with lent(swift_driver) as container:
        yield container
    swift_driver.transfer = before


@pytest.fixture
def client(swift_server: SwiftServer) -> Iterator[Any]:
    connection = swiftclient.Connection(
        authurl=swift_server.auth_url, user=swift_server.key, key=swift_server.secret
    )
    yield connection
    connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_swiftclient_reads_objects_of_libstore(
    container: Container, client: Any, name: str
) -> None:
    """Name, content, type, metadata, headers and hash arrive."""
    pairs = {"owner": "me", "note": "grüße 日本", "under_score": "1 2", "blank": " x "}
    obj = container.upload_object(
        CONTENT, name, content_type="text/x-fox", metadata=pairs, cache_control="no-cache"
    )
    headers, content = client.get_object(container.name, name)
    assert CONTENT == content
    assert ("text/x-fox", "no-cache") == (headers["content-type"], headers["cache-control"])
    assert obj.object_hash == headers["etag"]
    assert ("me", "grüße 日本") == (headers["x-object-meta-owner"], headers["x-object-meta-note"])
    assert "1 2" == headers["x-object-meta-under_score"]
    _, listed = client.get_container(container.name)
    assert [(name, len(CONTENT))] == [(item["name"], item["bytes"]) for item in listed]


@pytest.mark.parametrize("name", NAMES)
def test_objects_of_swiftclient_are_read(container: Container, client: Any, name: str) -> None:
    etag = client.put_object(
        container.name, name, CONTENT, content_type="text/x-fox",
        headers={
            "X-Object-Meta-Owner": "me", "X-Object-Meta-Note": "grüße 日本",
            "Content-Disposition": "inline",
        },
    )  # fmt: skip
    (listed,) = container.list_objects()
    obj = container.get_object(name)
    assert CONTENT == obj.read() == listed.read()
    assert etag == obj.object_hash == listed.object_hash
    assert ("text/x-fox", {"owner": "me", "note": "grüße 日本"}) == (
        obj.content_type, dict(obj.metadata),
    )  # fmt: skip
    assert "inline" == obj.extra["content_disposition"]
    assert name == listed.name


def test_swiftclient_reads_large_objects_of_libstore(container: Container, client: Any) -> None:
    container.upload_object(LARGE, "a", metadata={"owner": "me"}, content_type="text/x-a")
    headers, content = client.get_object(container.name, "a")
    assert LARGE == content
    assert ("true", "me") == (
        headers["x-static-large-object"].lower(), headers["x-object-meta-owner"],
    )  # fmt: skip
    manifest = json.loads(
        client.get_object(container.name, "a", query_string="multipart-manifest=get")[1]
    )
    assert len(LARGE) == sum(entry["bytes"] for entry in manifest)


def test_swiftclient_deletes_large_objects_of_libstore(container: Container, client: Any) -> None:
    container.upload_object(LARGE, "a")
    client.delete_object(container.name, "a", query_string="multipart-manifest=delete")
    assert [] == segments_of(container)
    assert [] == list(container.list_objects())


def upload_by_service(
    swift_server: SwiftServer, container: str, path: str, **options: Any
) -> None:
    from swiftclient.service import SwiftService, SwiftUploadObject

    login = {"auth": swift_server.auth_url, "user": swift_server.key, "key": swift_server.secret}
    with SwiftService(login) as service:
        for result in service.upload(
            container, [SwiftUploadObject(path, "large")], {"segment_size": 4 * PART, **options}
        ):
            assert result["success"], result


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_large_objects_of_swiftclient_are_read(
    swift_server: SwiftServer, container: Container, tmp_path: Any, static: bool
) -> None:
    """And with a static one go its segments, as they do in the client."""
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    upload_by_service(swift_server, container.name, str(path), use_slo=static)
    beside = container.driver.get_container(f"{container.name}_segments")
    try:
        obj = container.get_object("large")
        assert len(LARGE) == obj.size
        assert LARGE == obj.read()
        assert LARGE == obj.download(tmp_path / "back").read_bytes()
        assert MD5 == obj.copy(container, "copy").object_hash
        assert list(beside.list_objects())
        obj.delete()
        assert static == (list(beside.list_objects()) == [])
        assert LARGE == container.read_object("copy")
    finally:
        beside.delete()


def test_swiftclient_reads_the_expiry(container: Container, client: Any) -> None:
    container.upload_object(CONTENT, "a", extra={"delete_after": 3600})
    headers = client.head_object(container.name, "a")
    assert int(headers["x-delete-at"]) == container.get_object("a").extra["delete_at"].timestamp()
