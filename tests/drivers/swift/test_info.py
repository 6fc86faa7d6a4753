"""Clusters with other limits and features than Swift's defaults, and Ceph."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme
from drivers.swift.support import HTML, PART, TOKEN, batch, lines, made, play, said
from scripted import Play, Server, respond

from libstore import (
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ServiceError,
    StorageError,
    TransferOptions,
    TransportError,
    get_driver,
)
from libstore.auth.tempurl import signature
from libstore.drivers.swift import SwiftDriver

CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def driver(server: Server) -> Iterator[SwiftDriver]:
    with made(server) as driver:
        yield driver


def info(**sections: dict[str, object]) -> Play:
    """Return the response with the features of a cluster."""
    return respond(json.dumps({"swift": {}, **sections}).encode())


def test_part_sizes_follow_the_limits_of_the_cluster(server: Server, driver: SwiftDriver) -> None:
    """Even that of the first part, before which the limits are requested."""
    md5 = hashlib.md5(bytes(PART + 1)).hexdigest()
    play(server, info(slo={"max_manifest_segments": 1}), *[said(201, etag=md5)] * 2)
    server.default = said(500)
    with pytest.raises(ServiceError):
        driver.upload_object(bytes(PART + 1), "c", "a")
    assert 1 == driver.limits.max_parts
    assert bytes(PART + 1) == server.seen[3].body


def test_access_to_a_container_includes_its_segments(server: Server, driver: SwiftDriver) -> None:
    """As it is when the first large object is written."""
    rights = {
        "x-container-read": "them:*",
        "x-container-write": "them:writer",
        "x-storage-policy": "gold",
    }
    play(server, info(slo={}), said(404), said(204, **rights), said(201, etag=MD5))
    server.default = said(500)
    with pytest.raises(StorageError):
        driver.upload_object(bytes(PART + 1), "c", "a")
    assert "PUT /v1/AUTH_test/c_libstore_segments" == lines(server)[4]
    sent = {label.lower(): value for label, value in server.seen[4].headers}
    assert rights.items() <= sent.items()


def test_metadata_at_the_limit_leaves_no_space_for_a_token(
    server: Server, driver: SwiftDriver
) -> None:
    """The content can be verified by the manifest then."""
    pairs = {f"key{number}": "value" for number in range(90)}
    content = bytes(PART + 1)
    digests = [hashlib.md5(piece).hexdigest() for piece in (content[:PART], content[PART:])]
    joined = hashlib.md5("".join(digests).encode()).hexdigest()
    stored = [said(201, etag=MD5), *[said(201, etag=digest) for digest in digests]]
    play(server, info(slo={}), *stored, said(201, etag=f'"{joined}"'), said(204))
    driver.upload_object(content, "c", "a", metadata=pairs)
    manifest = server.seen[5]
    assert "PUT /v1/AUTH_test/c/a?multipart-manifest=put" == lines(server)[5]
    assert 90 == sum(label.lower().startswith("x-object-meta-") for label, _ in manifest.headers)


def test_a_dynamic_large_object_of_many_segments(server: Server, driver: SwiftDriver) -> None:
    """Swift sends neither its size nor its own ETag, nor sends ranges, and sends it in chunks."""
    headers = {"x-object-manifest": "parts/a%20b/", "etag": hashlib.md5().hexdigest()}
    sent = said(200, **headers, transfer_encoding="chunked")
    head = sent.data.replace(b"Content-Length: 0\r\n", b"")
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
    play(server, said(200, **headers), Play(head + body))
    obj = driver.get_object("c", "a")
    assert obj.size is None
    with pytest.raises(NotSupportedError, match=r"parts/a%20b/\*"):
        obj.read()
    assert 3 == len(server.seen)


def test_container_deleted_during_an_upload_is_reported(
    server: Server, driver: SwiftDriver
) -> None:
    """And no container of segments remains that was created meanwhile."""
    content = bytes(PART + 1)
    digests = [hashlib.md5(piece).hexdigest() for piece in (content[:PART], content[PART:])]
    stored = [said(201, etag=MD5), *[said(201, etag=digest) for digest in digests]]
    refused = said(400, b"Errors:\n/c_libstore_segments/segments/1, 404 Not Found\n")
    left = [said(200, b"[]"), said(204), said(404), said(204)]
    play(server, info(slo={}), *stored, refused, said(404), *left)
    with pytest.raises(ContainerNotFoundError):
        driver.upload_object(content, "c", "a")
    assert "DELETE /v1/AUTH_test/c_libstore_segments" == lines(server)[-1]


def test_connection_of_a_refused_response_is_used_again(
    server: Server, driver: SwiftDriver
) -> None:
    digest = hashlib.md5(bytes(PART)).hexdigest()
    stored = [said(201, etag=MD5), *[said(201, etag=digest)] * 2, said(201, b"Created", etag=MD5)]
    play(server, info(slo={}), *stored)
    server.default = said(404)
    with pytest.raises(IntegrityError):
        driver.upload_object(bytes(2 * PART), "c", "a")
    assert {1} == {seen.connection for seen in server.seen}


def test_a_manifest_that_leads_nowhere_is_deleted(server: Server, driver: SwiftDriver) -> None:
    """The segments are not requested, since Swift reports a missing object without them."""
    play(server, said(200, x_object_manifest="gone/a/"), said(204))
    driver.delete_object(driver.object("c", "a"))
    requested, deleted = lines(server)[1:]
    assert "multipart-manifest=get" in requested
    assert "DELETE /v1/AUTH_test/c/a" == deleted


def test_segments_are_no_smaller_than_the_cluster_takes(
    server: Server, driver: SwiftDriver
) -> None:
    play(
        server, info(slo={"min_segment_size": 3 * PART}), said(201, etag=MD5), said(201, etag=MD5)
    )
    server.default = said(500)
    with pytest.raises(StorageError):
        driver.upload_object(bytes(4 * PART), "c", "a")
    assert 3 * PART == len(server.seen[3].body)


def test_object_above_the_put_limit_is_uploaded_in_parts(
    server: Server, driver: SwiftDriver
) -> None:
    driver.transfer = TransferOptions(part_size=PART, concurrency=1)
    play(server, info(swift={"max_file_size": 1_500_000}, slo={}), said(201, etag=MD5))
    server.default = said(500)
    with pytest.raises(ServiceError):
        driver.upload_object(bytes(1_500_001), "c", "a")
    assert "_libstore_segments/uploads/" in lines(server)[2]


def test_stream_with_too_many_segments_is_refused(server: Server, driver: SwiftDriver) -> None:
    first, second = (hashlib.md5(bytes(size)).hexdigest() for size in (PART, 2 * PART))
    play(
        server, info(slo={"max_manifest_segments": 2}), said(201, etag=MD5), said(201, etag=first),
        said(201, etag=second),
    )  # fmt: skip
    server.default = said(204)
    with pytest.raises(NotSupportedError, match="part_size"):
        driver.upload_object(iter([bytes(PART)] * 4), "c", "a")


@pytest.mark.parametrize(
    "step",
    [respond(HTML), respond(HTML, 302), respond(b"", 403), respond(b"", 410), said(401)],
    ids=str,
)
def test_cluster_without_info_has_the_defaults_of_swift(
    server: Server, driver: SwiftDriver, step: Play
) -> None:
    play(server, step, said(404), *[said(500)] * 3)
    with pytest.raises(StorageError):
        driver.upload_object(bytes(3 * PART), "c", "a")
    assert "_libstore_segments/uploads/" in lines(server)[2]


def test_cluster_without_large_objects_refuses_multipart_uploads(
    server: Server, driver: SwiftDriver
) -> None:
    play(server, respond(b'{"swift": {}}'))
    with pytest.raises(NotSupportedError, match="large objects"):
        driver.upload_object(bytes(3 * PART), "c", "a")


def test_a_cluster_without_batches_deletes_one_by_one(server: Server, driver: SwiftDriver) -> None:
    play(server, said(404), respond(b'{"swift": {}}'))
    server.default = said(204)
    results = driver.object("c", "a").container.delete_objects(["a", "b"])
    assert all(result.ok for result in results)
    assert {"DELETE /v1/AUTH_test/c/a", "DELETE /v1/AUTH_test/c/b"} == set(lines(server)[3:])


def test_page_size_follows_the_limit_of_the_cluster(server: Server, driver: SwiftDriver) -> None:
    rows = json.dumps([{"name": "a", "bytes": 1, "hash": MD5}, {"name": "b", "bytes": 1}])
    info = {"swift": {"container_listing_limit": 2, "account_listing_limit": 2}}
    play(
        server, said(412), respond(json.dumps(info).encode()), said(200, rows.encode()),
        said(200, b"[]"),
    )  # fmt: skip
    found = list(driver.object("c", "a").container.list_objects())
    assert ["a", "b"] == [obj.name for obj in found]
    assert "limit=2&marker=b" in lines(server)[-1]
    assert 2 == driver.limits.page_size


@pytest.fixture
def ceph(server: Server) -> Iterator[SwiftDriver]:
    with get_driver("swift")(
        token=TOKEN, storage_url=f"{server.url}/swift/v1",
        transfer=TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1),
    ) as driver:  # fmt: skip
        yield driver


def test_conditional_write_on_ceph_is_preceded_by_a_head(
    server: Server, ceph: SwiftDriver
) -> None:
    """The gateway ignores the condition."""
    server.steps.append(said(200, etag=MD5))
    with pytest.raises(ObjectAlreadyExistsError):
        ceph.upload_object(CONTENT, "c", "a", if_absent=True)
    server.steps.extend([said(404), said(201, etag=MD5)] * 2)
    ceph.upload_object(CONTENT, "c", "a", if_absent=True)
    ceph.upload_object(CONTENT, "c", "a")
    assert ["HEAD", "HEAD", "PUT", "HEAD", "PUT"] == [line.split()[0] for line in lines(server)]


def test_ceph_copies_no_large_object(server: Server, ceph: SwiftDriver) -> None:
    """It would copy the manifest, and two objects share segments."""
    server.steps.append(said(200, x_static_large_object="True", etag=MD5))
    with pytest.raises(NotSupportedError, match="Ceph"):
        ceph.object("c", "a").copy("c", "b")
    assert 1 == len(server.seen)


def test_large_object_without_a_manifest_on_ceph(server: Server, ceph: SwiftDriver) -> None:
    """All segments of its uploads are deleted, except those of unfinished ones."""
    large = {"x_static_large_object": "True", "etag": MD5}
    prefix = f"segments/{hashlib.sha256(b'a').hexdigest()[:32]}"
    rows = [{"name": f"{prefix}/{upload}/00000001"} for upload in ("old", "new")]
    server.steps.extend(
        [said(200, **large), said(200, **large), said(200, json.dumps(rows).encode()),
         said(200, b"[]"), said(404), said(200), said(204), said(204), said(204)]
    )  # fmt: skip
    ceph.delete_object(ceph.object("c", "a"))
    requested = lines(server)
    assert requested[4].endswith("/uploads/old")
    assert requested[5].endswith("/uploads/new")
    assert f"DELETE /swift/v1/c_libstore_segments/{prefix}/old/00000001" == requested[-1]
    assert 9 == len(requested)


@pytest.mark.parametrize(
    ("tempurl", "digits"),
    [
        ({"allowed_digests": ["sha1", "sha256", "sha512"]}, 64),
        ({"allowed_digests": ["sha512"]}, 0),
        ({"methods": ["GET"]}, 40),
        ({"methods": ["PUT"]}, None),
        (None, None),
    ],
    ids=str,
)
def test_presigned_url_uses_a_digest_of_the_cluster(
    server: Server, tempurl: dict[str, object] | None, digits: int | None
) -> None:
    server.default = info(**({} if tempurl is None else {"tempurl": tempurl}))
    place = f"{server.url}/v1/AUTH%20a"
    with get_driver("swift")(token=TOKEN, storage_url=place, temp_url_key="k") as driver:
        obj = driver.object("c", "a")
        if digits is None:
            with pytest.raises(NotSupportedError):
                obj.sign_url()
            return
        url = str(obj.sign_url())
        obj.sign_url()
        with pytest.raises(NotSupportedError, match="slashes"):
            driver.object("c", "//").sign_url()
    found = dict(parse_qsl(urlsplit(url).query))
    assert digits == (0 if ":" in found["temp_url_sig"] else len(found["temp_url_sig"]))
    name = {0: "sha512", 40: "sha1", 64: "sha256"}[digits]
    expires = int(found["temp_url_expires"])
    assert found["temp_url_sig"] == signature("/v1/AUTH a/c/a", "GET", "k", expires, digest=name)
    assert ["GET /info"] == lines(server)


@pytest.mark.parametrize("status", [429, 503])
def test_failed_info_request_fails_the_upload_and_is_not_cached(
    server: Server, status: int
) -> None:
    with made(server) as driver:
        play(server, *[said(status)] * 3)
        with pytest.raises(StorageError) as caught:
            driver.upload_object(iter([b"x"]), "bucket", "name")
        assert status == caught.value.status
        assert ["GET /info"] * 3 == lines(server)[1:]
        server.steps.extend([info(slo={}), said(201, etag=hashlib.md5(b"x").hexdigest())])
        driver.upload_object(iter([b"x"]), "bucket", "name")


def test_failed_connection_says_nothing_about_the_cluster() -> None:
    """Nothing helps with an unknown certificate but another one, which may be there later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with contextlib.closing(Server(tls=context)) as server:
        place = f"{server.url}/v1/AUTH_test"
        with get_driver("swift")(token=TOKEN, storage_url=place) as driver:
            with pytest.raises(TransportError, match="certificate"):
                driver.upload_object(iter([b"x"]), "bucket", "name")
            assert driver._client._info is None


def test_info_url_is_above_the_version(server: Server) -> None:
    """Ceph has a path of its own before it."""
    place = f"{server.url}/swift/v1"
    server.steps.extend([said(404), respond(b"{}"), batch(**{"Number Deleted": 2})])
    with get_driver("swift")(token=TOKEN, storage_url=place) as driver:
        driver.object("c", "a").container.delete_objects(["a", "b"])
    assert ["GET", "GET", "POST"] == [line.split()[0] for line in lines(server)]
    assert "GET /swift/info" == lines(server)[1]
    assert "POST /swift/v1?bulk-delete=true" == lines(server)[2]
