"""Large objects of Swift, and their segments."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from drivers.swift.support import (
    CONTENT,
    LARGE,
    PART,
    lent,
    listening,
    losing,
    methods,
    segments_of,
)

from libstore import (
    Container,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    StorageError,
    TransferOptions,
)
from libstore.drivers.swift import SwiftDriver, operations
from libstore.drivers.swift.large_objects import segments_container
from libstore.values import Conditions, Span, Upload

MD5 = hashlib.md5(LARGE).hexdigest()

OTHER = LARGE[::-1]


@pytest.fixture
def driver(swift_driver: SwiftDriver) -> Iterator[SwiftDriver]:
    before = swift_driver.transfer
    swift_driver.transfer = TransferOptions(part_size=PART * 4, multipart_threshold=PART * 4)
    yield swift_driver
    swift_driver.transfer = before


@pytest.fixture
def container(driver: SwiftDriver) -> Iterator[Container]:
    with lent(driver) as container:
        yield container


def put_segments(container: Container, *pieces: bytes) -> list[dict[str, Any]]:
    """Store pieces as another client would, and return the entries of a manifest of them."""
    entries = []
    for number, piece in enumerate(pieces):
        container.driver._client.send(
            operations.PUT_OBJECT, container.name, f"theirs/{number:04}", content=piece
        ).close()
        entries.append({"path": f"/{container.name}/theirs/{number:04}", "size_bytes": len(piece)})
    return entries


def put_manifest(container: Container, name: str, entries: list[dict[str, Any]]) -> None:
    driver = container.driver
    assert isinstance(driver, SwiftDriver)
    driver._client.send(operations.PUT_OBJECT, container.name, name,
        query={"multipart-manifest": "put"}, content=json.dumps(entries).encode(),
    ).close()  # fmt: skip


def test_a_large_object_has_the_hash_of_its_content(container: Container) -> None:
    """Its MD5 is kept with the manifest, hidden from the user's metadata."""
    uploaded = container.upload_object(LARGE, "a", metadata={"owner": "me"})
    found = container.get_object("a")
    assert MD5 == uploaded.object_hash == found.object_hash
    assert {"owner": "me"} == dict(found.metadata)
    assert found.extra["static_large_object"] is True
    assert LARGE == found.read()


def test_an_upload_in_parts_costs_three_requests_more(container: Container) -> None:
    """The mark of the upload, the manifest, the mark again; the first one makes a container."""
    container.upload_object(LARGE, "first")
    parts = -(-len(LARGE) // (4 * PART))
    with listening(container.driver) as seen:
        container.upload_object(LARGE, "a")
    assert ["PUT"] * (parts + 2) + ["DELETE"] == methods(seen)


def test_the_container_of_segments_is_not_listed(
    driver: SwiftDriver, container: Container
) -> None:
    container.upload_object(LARGE, "a")
    names = [found.name for found in driver.list_containers()]
    assert container.name in names
    assert segments_container(container.name) not in names
    assert ["a"] == [found.name for found in container]
    with pytest.raises(ValueError, match="segments"):
        driver.create_container(segments_container("photos"))


def test_two_uploads_share_no_segment(container: Container) -> None:
    """Also if they are of one name and one content."""
    container.upload_object(LARGE, "a")
    first = set(segments_of(container))
    container.upload_object(LARGE, "b")
    container.upload_object(LARGE, "a")
    assert first
    assert not first & set(segments_of(container))


_REPLACEMENTS: dict[str, Callable[[Container], object]] = {
    "small": lambda box: box.upload_object(CONTENT, "a"),
    "middle": lambda box: box.upload_object(bytes(200_000), "a"),
    "delete": lambda box: box.delete_object("a"),
    "batch": lambda box: box.delete_objects(["small", "a", "missing"]),
    "copy": lambda box: box.object("small").copy(box, "a"),
    "move": lambda box: box.object("a").move(box, "small"),
}


@pytest.mark.parametrize("how", _REPLACEMENTS)
def test_segments_are_deleted_with_their_object(container: Container, how: str) -> None:
    """Whatever takes the place of a large object, nothing of it is left."""
    container.upload_object(CONTENT, "small")
    container.upload_object(LARGE, "a")
    assert segments_of(container)
    _REPLACEMENTS[how](container)
    assert [] == segments_of(container)


def test_a_large_object_in_place_of_another_removes_the_old_one(container: Container) -> None:
    container.upload_object(LARGE, "a")
    old = segments_of(container)
    container.upload_object(OTHER, "a")
    assert len(old) == len(segments_of(container))
    assert OTHER == container.read_object("a")


def test_segments_are_deleted_with_their_container(
    driver: SwiftDriver, container: Container
) -> None:
    container.upload_object(LARGE, "a")
    container.upload_object(CONTENT, "b")
    beside = segments_container(container.name)
    container.delete()
    with pytest.raises(FileNotFoundError):
        driver.get_container(beside)
    driver.create_container(container.name)


def test_a_failed_upload_leaves_no_segment(container: Container) -> None:
    def source() -> Iterator[bytes]:
        yield LARGE
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        container.upload_object(source(), "a")
    assert [] == segments_of(container)
    with pytest.raises(IntegrityError):
        container.upload_object(LARGE, "a", checksum="md5:" + "0" * 32)
    assert [] == segments_of(container)


def test_a_failed_overwrite_leaves_the_old_object_whole(container: Container) -> None:
    container.upload_object(LARGE, "a")
    before = segments_of(container)
    with pytest.raises(IntegrityError):
        container.upload_object(OTHER, "a", checksum="md5:" + "0" * 32)
    with pytest.raises(ObjectAlreadyExistsError):
        container.upload_object(OTHER, "a", if_absent=True)
    with pytest.raises(StorageError):
        container.upload_object(CONTENT, "a", metadata={"note": "v" * 300})
    assert before == segments_of(container)
    assert LARGE == container.read_object("a")


def test_published_upload_is_not_aborted(driver: SwiftDriver, container: Container) -> None:
    """A mark that was left behind, and even an abort, do no harm to the object."""
    container.upload_object(LARGE, "a")
    upload_id = segments_of(container)[0].split("/")[2]
    driver._uploads._mark(Upload(container.name, "a", upload_id))
    (upload,) = container.abort_uploads()
    assert upload.name == "a"
    assert [] == list(container.list_uploads())
    assert LARGE == container.read_object("a")


def test_an_upload_of_the_longest_name_is_found_again(container: Container) -> None:
    name = "ä" * 512
    with container.open(name, "wb") as file:
        file.write(LARGE)
        (upload,) = container.list_uploads()
        assert name == upload.name
    assert LARGE == container.read_object(name)


def test_the_parts_of_an_upload_are_listed(driver: SwiftDriver, container: Container) -> None:
    with container.open("a", "wb") as file:
        file.write(LARGE)
        (upload,) = container.list_uploads()
        for part in driver.list_parts(upload):
            start = part.offset
            digest = hashlib.md5(LARGE[start : start + part.size]).hexdigest()
            assert digest == part.checksums["md5"]
    with pytest.raises(FileNotFoundError):
        list(driver.list_parts(upload))


def test_segments_expire_after_their_object(
    driver: SwiftDriver, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the local clock says."""
    monkeypatch.setattr(driver._client, "clock", lambda: time.time() - 86_400.0)
    obj = container.upload_object(LARGE, "a", extra={"delete_after": 7200})
    ends = container.get_object("a").extra["delete_at"]
    beside = container.driver.get_container(segments_container(container.name))
    assert driver._client.clock() < time.time() - 80_000
    for segment in beside.list_objects("segments/"):
        later = segment.refresh().extra["delete_at"] - ends
        assert timedelta(0) < later <= timedelta(hours=2)
    assert LARGE == obj.read()


@pytest.mark.parametrize("before", [None, CONTENT, OTHER], ids=["none", "small", "large"])
def test_manifest_with_lost_response_keeps_its_segments(
    container: Container, before: bytes | None
) -> None:
    """The second attempt finds the object of the first one, and does not replace it by itself."""
    if before is not None:
        container.upload_object(before, "a")
    with losing(container.driver, "multipart-manifest=put"):
        container.upload_object(LARGE, "a")
    assert LARGE == container.read_object("a")
    assert 4 == len(segments_of(container))


def test_only_the_last_of_two_uploads_keeps_segments(
    driver: SwiftDriver, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is published after the other has found what it replaces, and before it writes."""
    container.upload_object(CONTENT, "a")
    other = container.open("a", "wb")
    other.write(OTHER)
    segments = driver._large.segments
    open_yet = [other]

    def replaced(container: str, name: str) -> list[str]:
        found = segments(container, name)
        while open_yet:
            open_yet.pop().close()
        return found

    monkeypatch.setattr(driver._large, "segments", replaced)
    container.upload_object(LARGE, "a")
    assert LARGE == container.read_object("a")
    assert 4 == len(segments_of(container))


def test_first_of_two_uploads_removes_unused_segments(
    driver: SwiftDriver, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is published while the other is, which has no marker any more at its second check."""
    container.upload_object(CONTENT, "a")
    other = container.open("a", "wb")
    other.write(OTHER)
    unmark = driver._uploads._unmark
    open_yet = [other]

    def late(upload: Upload) -> None:
        while open_yet:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(driver._large, "segments", lambda container, name: [])
                open_yet.pop().close()
        unmark(upload)

    monkeypatch.setattr(driver._uploads, "_unmark", late)
    container.upload_object(LARGE, "a")
    assert OTHER == container.read_object("a")
    assert 4 == len(segments_of(container))


def test_versions_keep_their_segments_when_no_more_are_kept(
    driver: SwiftDriver, container: Container
) -> None:
    headers = {"x-versions-enabled": "true"}
    driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    first = container.upload_object(LARGE, "a").version
    headers = {"x-versions-enabled": "false"}
    driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    container.upload_object(CONTENT, "a")
    reading = driver._get_object(container.name, "a", Span(0, None), Conditions(), first)
    begin = bytearray(9)
    assert 9 == reading.body.readinto(memoryview(begin))
    assert LARGE[:9] == begin
    reading.close()


def test_new_metadata_leaves_a_large_object_as_it_is(container: Container) -> None:
    container.upload_object(
        LARGE, "a", content_encoding="identity", content_disposition="inline",
        extra={"delete_after": 86_400},
    )  # fmt: skip
    before = container.get_object("a")
    container.object("a").update_metadata({"owner": "me"})
    container.object("a").update_metadata(content_type="text/x-new")
    found = container.get_object("a")
    assert ({"owner": "me"}, "text/x-new") == (dict(found.metadata), found.content_type)
    assert before.extra == found.extra
    assert (MD5, before.etag) == (found.object_hash, found.etag)
    assert LARGE == found.read()


def test_large_object_of_another_client_is_verified_by_its_segments(container: Container) -> None:
    entries = put_segments(container, LARGE[:PART], LARGE[PART:])
    put_manifest(container, "whole", entries)
    found = container.get_object("whole")
    assert found.object_hash is None
    assert LARGE == found.read()
    assert LARGE == found.copy(container, "copy").read()
    assert MD5 == container.get_object("copy").object_hash
    found.delete()
    assert LARGE[:PART] == container.read_object("theirs/0000")


def test_replaced_segment_is_detected(container: Container) -> None:
    entries = put_segments(container, LARGE[:PART], LARGE[PART:])
    put_manifest(container, "whole", entries)
    container.upload_object(OTHER[:PART], "theirs/0000")
    with pytest.raises(StorageError):
        container.read_object("whole")


def test_a_manifest_of_ranges_and_manifests_is_read(container: Container) -> None:
    entries = put_segments(container, LARGE[: 2 * PART], LARGE[PART:])
    put_manifest(container, "inner", entries[1:])
    put_manifest(
        container, "outer",
        [{**entries[0], "range": f"0-{PART - 1}"}, {"path": f"/{container.name}/inner"}],
    )  # fmt: skip
    assert LARGE == container.read_object("outer")


def test_a_dynamic_large_object_is_read_whole(container: Container) -> None:
    """A listing that says that it is empty is not trusted."""
    put_segments(container, LARGE[:PART], LARGE[PART:])
    container.driver._client.send(operations.PUT_OBJECT, container.name, "dynamic",
        headers={"x-object-manifest": f"{container.name}/theirs/"},
    ).close()  # fmt: skip
    (listed,) = container.list_objects("dynamic")
    assert len(LARGE) == listed.size
    assert LARGE == listed.read()
    with listed.as_file() as file:
        file.seek(-17, 2)
        assert LARGE[-17:] == file.read()
    listed.update_metadata({"a": "b"})
    assert LARGE == container.read_object("dynamic")
    assert LARGE == listed.copy(container, "copy").read()


def test_symlink_is_read_as_its_target(container: Container) -> None:
    container.upload_object(LARGE, "a")
    container.driver._client.send(operations.PUT_OBJECT, container.name, "link",
        headers={"x-symlink-target": f"{container.name}/a"},
    ).close()  # fmt: skip
    (link,) = container.list_objects("link")
    assert (len(LARGE), MD5) == (link.size, link.object_hash)
    assert LARGE == link.read()
    assert f"{container.name}/a" == container.get_object("link").extra["symlink_target"]
    with pytest.raises(NotSupportedError, match="symlink"):
        link.update_metadata({"a": "b"})
    link.delete()
    assert LARGE == container.read_object("a")


def test_symlink_is_deleted_without_its_target(driver: SwiftDriver, container: Container) -> None:
    """Also if that is gone already, or its segments are named as if they were the symlink's."""
    with lent(driver, f"{container.name}_segments") as beside:
        beside.upload_object(CONTENT, "a/b/1/2/3/00000000")
        entries = [{"path": f"/{beside.name}/a/b/1/2/3/00000000"}]
        put_manifest(container, "a/b", entries)
        for name, target in (("a", "a/b"), ("c", "nothing")):
            headers = {"x-symlink-target": f"{container.name}/{target}"}
            driver._client.send(
                operations.PUT_OBJECT, container.name, name, headers=headers
            ).close()
        container.delete_object("a")
        container.delete_object("c")
        assert ["a/b"] == [found.name for found in container]
        assert CONTENT == container.read_object("a/b")
