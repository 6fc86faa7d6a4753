"""The requests of the Swift driver for large objects, versions and expiry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drivers.rich_server import CONTENT, RichServer, Sent, missing, play
from drivers.swift.support import PART
from scripted import Play

from libstore import (
    IntegrityError,
    NotSupportedError,
    RetryPolicy,
    StorageDriver,
    TransferOptions,
    get_driver,
)

BOX = "/v1/AUTH_test/bucket"
SEGMENTS = "/v1/AUTH_test/bucket_libstore_segments"
OWN = f"segments/{hashlib.sha256(b'name').hexdigest()[:32]}/id/00000001"
MD5 = hashlib.md5(CONTENT).hexdigest()
#: The ETag of a large object of one segment, and what the driver that wrote it keeps beside.
WHOLE = hashlib.md5(MD5.encode()).hexdigest()
LARGE = {"x-static-large-object": "True", "ETag": f'"{WHOLE}"', "x-trans-id": "R1"}


@pytest.fixture
def server() -> Iterator[RichServer]:
    server = RichServer("swift")
    yield server
    server.close()


@pytest.fixture
def driver(server: RichServer) -> Iterator[StorageDriver]:
    with get_driver("swift")(token="token", storage_url=f"{server.url}/v1/AUTH_test") as driver:
        driver.retry = RetryPolicy(2, base=0.0)
        driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
        yield driver


Before = Callable[[Sent], Play | None]


def manifest(*rows: dict[str, Any]) -> bytes:
    return json.dumps(
        [{"bytes": len(CONTENT), "hash": MD5, **row} for row in rows or ({"name": "/x/y"},)]
    ).encode()


def be_large(server: RichServer, entries: bytes, **headers: str) -> None:
    """Have every object of the container be a large one of these segments."""
    fields = {**LARGE, **headers}

    def before(sent: Sent) -> Play | None:
        if not sent.path.startswith(f"{BOX}/") or sent.method not in {"GET", "HEAD"}:
            return None
        if sent.query.get("multipart-manifest") == "get" and sent.method == "GET":
            return play(200, fields, entries)
        found = play(200, fields, CONTENT)
        if sent.method == "HEAD":
            found.data = found.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return found

    server.before = before


# ---------------------------------------------------------------------- large objects


def test_each_segment_is_sent_with_its_digest(server: RichServer, driver: StorageDriver) -> None:
    content = bytes(2 * PART)
    digest = hashlib.md5(bytes(PART)).hexdigest()
    driver.upload_object(content, "bucket", "name")
    line = f"PUT {SEGMENTS}/segments/* | etag: {digest}"
    assert [] == missing(server, f"{line}\n{line}\nPUT {BOX}/name?multipart-manifest=put")


def test_segments_expire_an_hour_after_their_object(
    server: RichServer, driver: StorageDriver
) -> None:
    """They get their expiry before the manifest names them."""
    for extra, header in (
        ({"delete_after": 60}, "x-delete-after: 3660"),
        ({"delete_at": 1_900_000_000}, "x-delete-at: 1900003600"),
    ):
        server.requested.clear()
        driver.upload_object(bytes(2 * PART), "bucket", "name", extra=extra)
        line = f"POST {SEGMENTS}/segments/* | {header}"
        assert [] == missing(server, f"{line}\n{line}\nPUT {BOX}/name?multipart-manifest=put")


def test_digest_of_another_manifest_is_not_compared(
    server: RichServer, driver: StorageDriver
) -> None:
    """The object may be replaced between the requests for its bytes and its manifest."""
    be_large(server, manifest({"name": "/x/y", "hash": "0" * 32}))
    assert CONTENT == driver.object("bucket", "name").read()
    be_large(server, manifest())
    assert CONTENT == driver.object("bucket", "name").read()


def test_metadata_change_keeps_a_large_object(server: RichServer, driver: StorageDriver) -> None:
    """A POST drops what it does not name: the digest of the whole, and a dynamic manifest."""
    own = {"x-object-meta-libstore-md5": f"{WHOLE}:{MD5}"}
    be_large(server, manifest(), **own)
    obj = driver.update_metadata(driver.object("bucket", "name"), {"new": "1"})
    assert MD5 == obj.object_hash
    assert [] == missing(
        server, f"POST {BOX}/name | x-object-meta-new: 1"
        f" | x-object-meta-libstore-md5: {WHOLE}:{MD5}",
    )  # fmt: skip
    be_large(server, b"", **{"x-object-manifest": "other/a%20b", "x-static-large-object": ""})
    driver.update_metadata(driver.object("bucket", "name"), {"new": "2"})
    line = f"POST {BOX}/name | x-object-meta-new: 2 | x-object-manifest: other/a%20b"
    assert [] == missing(server, line)


@pytest.mark.parametrize("versions", ["", "true", "false"])
def test_segments_go_with_their_object_unless_versions_are_kept(
    server: RichServer, driver: StorageDriver, versions: str
) -> None:
    """Those that its newest manifest names and that were written for it."""
    names = [
        f"bucket_libstore_segments/{OWN}",
        f"other_libstore_segments/{OWN}",
        "bucket_libstore_segments/segments/another/id/00000001",
    ]
    be_large(server, manifest(*({"name": f"/{name}"} for name in names)))
    large: Before = server.before

    def before(sent: Sent) -> Play | None:
        if versions and sent.method == "HEAD" and sent.path == BOX:
            return play(204, {"x-trans-id": "R1", "x-versions-enabled": versions})
        return large(sent)

    server.before = before
    driver.object("bucket", "name").delete()
    assert [] == missing(
        server, f"GET {BOX}/name?multipart-manifest=get | x-newest: true\nDELETE {BOX}/name"
    )
    deleted = [sent.path for sent in server.requested if sent.method == "DELETE"]
    gone = [] if versions else [f"{SEGMENTS}/{OWN}"]
    assert [f"{BOX}/name", *gone] == deleted


# ---------------------------------------------------------------------- copies, versions


def test_corrupted_copy_is_detected(server: RichServer, driver: StorageDriver) -> None:
    def before(sent: Sent) -> Play | None:
        if sent.method == "PUT":
            return play(201, {"x-trans-id": "R1", "ETag": "0" * 32})
        if sent.method == "HEAD" and sent.path == f"{BOX}/name":
            return play(200, {"x-trans-id": "R1", "ETag": MD5})
        return None

    server.before = before
    with pytest.raises(IntegrityError, match="differs from the source"):
        driver.object("bucket", "name").copy("bucket", "copy")


def test_container_is_deleted_with_versions_on_two_pages(
    server: RichServer, driver: StorageDriver
) -> None:
    refused = [409]

    def before(sent: Sent) -> Play | None:
        if sent.method == "DELETE" and sent.path == BOX and refused:
            return play(refused.pop(), {"x-trans-id": "R1"})
        if sent.method == "HEAD" and sent.path == BOX:
            return play(204, {"x-trans-id": "R1", "x-versions-enabled": "true"})
        return None

    server.before = before
    driver.delete_container("bucket")
    assert [] == missing(server, f"""
        GET {BOX}?versions | !?marker
        GET {BOX}?versions&marker=a&version_marker=1
        GET {BOX}?versions&marker=a&version_marker=2
        DELETE {BOX}/a?version-id=1
        DELETE {BOX}/a?version-id=2
        DELETE {BOX}
    """), server.requested  # fmt: skip


def test_manifest_with_lost_response_keeps_its_own_segments(
    server: RichServer, driver: StorageDriver
) -> None:
    """The object that the second attempt replaces is the one that the first has written."""
    written: list[bytes] = []

    def before(sent: Sent) -> Play | None:
        if sent.query.get("multipart-manifest") == "put":
            written.append(sent.body)
            if len(written) == 1:
                return Play(then="close")
            return play(412, {"x-trans-id": "R1"}) if "if-none-match" in sent.headers else None
        if not written or sent.path != f"{BOX}/name" or sent.method not in {"GET", "HEAD"}:
            return None
        rows = [
            {"name": row["path"], "hash": row["etag"], "bytes": row["size_bytes"]}
            for row in json.loads(written[0])
        ]
        body = json.dumps(rows).encode() if sent.method == "GET" else b""
        return play(200, {**LARGE, "ETag": '"another"'}, body)

    server.before = before
    driver.upload_object(bytes(PART + 1), "bucket", "name")
    assert len(written) > 1
    deleted = [sent.path for sent in server.requested if sent.method == "DELETE"]
    assert not [path for path in deleted if path.startswith(f"{SEGMENTS}/segments/")]


# ---------------------------------------------------------------------- expiry and symlinks


def test_copy_with_its_own_expiry_does_not_keep_that_of_the_source(
    server: RichServer, driver: StorageDriver
) -> None:
    obj = driver.object("bucket", "name")
    driver.copy_object(obj, "bucket", "copy", extra={"delete_after": 60})
    line = f"PUT {BOX}/copy | x-delete-after: 60 | !x-delete-at"
    assert [] == missing(server, line), server.requested


def test_metadata_of_a_symlink_cannot_be_changed(
    server: RichServer, driver: StorageDriver
) -> None:
    """The request would change the symlink's own metadata, and reads show that of its target."""
    target = {"Content-Location": "/v1/AUTH_test/bucket/target", "ETag": "abc", "x-trans-id": "R1"}
    server.before = lambda sent: play(200, target) if sent.method == "HEAD" else None
    with pytest.raises(NotSupportedError, match="target"):
        driver.update_metadata(driver.object("bucket", "name"), {"a": "b"})
    assert "POST" not in {sent.method for sent in server.requested}


def test_batch_deletes_large_objects_one_by_one(server: RichServer, driver: StorageDriver) -> None:
    """A bulk request would leave their segments."""
    prefix = OWN.rpartition("/id/")[0]

    def before(sent: Sent) -> Play | None:
        if sent.path == SEGMENTS and sent.method == "GET":
            rows = [] if "marker" in sent.query else [{"subdir": f"{prefix}/"}]
            return play(200, {"x-trans-id": "R1"}, json.dumps(rows).encode())
        if sent.path.startswith(f"{BOX}/") and sent.method in {"GET", "HEAD"}:
            entries = manifest({"name": f"/bucket_libstore_segments/{OWN}"})
            return play(200, LARGE, entries if sent.method == "GET" else b"")
        return None

    server.before = before
    driver.delete_objects([driver.object("bucket", "name")])
    assert [] == missing(server, f"DELETE {BOX}/name\nDELETE {SEGMENTS}/{OWN}"), server.requested
