"""What the Swift driver makes of answers that are late, wrong, hostile or lost."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Play, Server, answer

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    IntegrityError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    RateLimitedError,
    RetryPolicy,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    StorageFullError,
    TransferOptions,
    TransportError,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver

USER, SECRET, TOKEN = "test:tester", "a-secret/that+nobody=sees", "a-token-that-nobody-sees"
CONTENT = b"content of an object"
MD5 = hashlib.md5(CONTENT).hexdigest()
PART = 65_536
HTML = b"<html><body>Please log in to the network</body></html>"


def made(server: Server, **options: Any) -> SwiftDriver:
    options = {"retry": RetryPolicy(3, base=0.0), **options}
    driver = get_driver("swift")(USER, SECRET, auth_url=f"{server.url}/auth/v1.0", **options)
    driver.transfer = TransferOptions(part_size=PART, multipart_threshold=PART, concurrency=1)
    return driver


@pytest.fixture
def driver(server: Server) -> Iterator[SwiftDriver]:
    with made(server) as driver:
        yield driver


def login(server: Server, token: str = TOKEN) -> Play:
    return answer(x_auth_token=token, x_storage_url=f"{server.url}/v1/AUTH_test")


def said(status: int = 200, body: bytes = b"", **headers: str) -> Play:
    """Return an answer of Swift."""
    return answer(body, status, x_trans_id="tx123", **headers)


def play(server: Server, *steps: Play) -> None:
    server.steps.extend([login(server), *steps])


def lines(server: Server) -> list[str]:
    return [f"{seen.line.split(' ')[0]} {seen.target}" for seen in server.seen]


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (said(403), AccessDeniedError, "not allowed"),
        (said(404), ContainerNotFoundError, "no such container"),
        (said(405), NotSupportedError, "cannot do this"),
        (said(413, b"Upload exceeds quota."), StorageFullError, "quota"),
        (said(413, b"Your request is too large."), ServiceError, "larger"),
        (said(422), IntegrityError, "not the ones that were sent"),
        (said(498), RateLimitedError, "fewer"),
        (said(429), RateLimitedError, "fewer"),
        (answer(b"", 429), RateLimitedError, "fewer"),
        (said(503), ServiceUnavailableError, "at the moment"),
        (said(507), StorageFullError, "no room"),
        (said(400, b"<html>Bad <b>request</b></html>"), ServiceError, "Bad request"),
        (answer(HTML, 200), ServiceError, "proxy"),
        (answer(HTML, 403), ServiceError, "proxy"),
        (answer(HTML, 404), ServiceError, "proxy"),
        (answer(b"", 302, location="http://127.0.0.1:1/"), ServiceError, "proxy"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:40]),
)
def test_an_answer_to_a_put_becomes_its_error(
    server: Server, driver: SwiftDriver, step: Play, error: type[StorageError], words: str
) -> None:
    play(server, *[step] * 3)
    with pytest.raises(error, match=words) as caught:
        driver.upload_object(CONTENT, "c", "a")
    found = caught.value
    assert type(found) is error
    assert ("c", "a", "upload_object") == (found.container, found.object, found.operation)
    assert found.status
    if b"x-trans-id" in step.data:
        assert "tx123" == found.request_id
    for secret in (SECRET, TOKEN):
        assert secret not in str(found) + repr(found)
    assert "Please log in" not in str(found)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (answer(b"", 401), AuthenticationError),
        (answer(b"", 403), AuthenticationError),
        (answer(HTML, 200), ServiceError),
        (answer(HTML, 404), ServiceError),
        (answer(b"", 300), ServiceError),
        (answer(b"", 503), ServiceUnavailableError),
        (answer(b"", 200, x_auth_token="t"), ServiceError),
        (answer(b"", 200, x_auth_token="t", x_storage_url="nonsense"), StorageError),
        (
            answer(b"", 200, x_auth_token="t", x_storage_url="http://example.com/v1/a"),
            StorageError,
        ),
        (Play(then="close"), TransportError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_a_login_that_fails_becomes_its_error(
    server: Server, driver: SwiftDriver, step: Play, error: type[StorageError]
) -> None:
    server.steps.extend([step] * 3)
    server.default = step
    with pytest.raises(error) as caught:
        driver.upload_object(CONTENT, "c", "a")
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert not [line for line in lines(server) if "/v1/" in line]


@pytest.mark.parametrize(
    ("step", "error"),
    [(answer(b"{}", 201), ServiceError), (answer(HTML, 201), ServiceError),
     (answer(b'{"token": {"catalog": 5}}', 201, x_subject_token="t"), ServiceError),
     (answer(b'{"token": {}}', 201, x_subject_token="t"), StorageError),
     (answer(b'{"error": {"code": 401}}', 401), AuthenticationError)],
    ids=str,
)  # fmt: skip
def test_an_answer_of_keystone_that_is_none_becomes_an_error(
    server: Server, step: Play, error: type[StorageError]
) -> None:
    server.steps.append(step)
    with get_driver("swift")("u", SECRET, auth_url=f"{server.url}/v3") as driver:
        with pytest.raises(error) as caught:
            list(driver.list_containers())
    assert SECRET not in str(caught.value)
    assert ["POST /v3/auth/tokens"] == lines(server)


def test_what_the_service_says_does_not_show_secrets(server: Server, driver: SwiftDriver) -> None:
    play(server, said(400, f"no {TOKEN} and no {SECRET}".encode()))
    with pytest.raises(ServiceError) as caught:
        driver.upload_object(CONTENT, "c", "a")
    assert "no *** and no ***" in str(caught.value)


def test_nothing_secret_is_logged(
    server: Server, driver: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    play(server, said(503), said(401), login(server, "another"), said(201, etag=MD5))
    driver.upload_object(CONTENT, "c", "a")
    assert caplog.text
    for secret in (SECRET, TOKEN, "another"):
        assert secret not in caplog.text


# ---------------------------------------------------------------------- tokens


def test_a_token_is_renewed_once(server: Server, driver: SwiftDriver) -> None:
    play(server, said(401), login(server, "another"), said(401))
    with pytest.raises(AuthenticationError):
        driver.upload_object(CONTENT, "c", "a")
    assert 2 == sum("/auth/" in line for line in lines(server))
    assert ("x-auth-token", "another") in server.seen[-1].headers


def test_the_same_token_again_is_not_tried(server: Server, driver: SwiftDriver) -> None:
    play(server, said(401), login(server))
    with pytest.raises(AuthenticationError):
        driver.upload_object(CONTENT, "c", "a")
    assert 3 == len(server.seen)


# ---------------------------------------------------------------------- writes


def test_a_put_whose_answer_is_lost_is_sent_again(server: Server, driver: SwiftDriver) -> None:
    """The second try finds the first one's object, and replaces it."""
    play(server, Play(then="close"), said(412), said(200, etag=MD5), said(201, etag=MD5))
    assert MD5 == driver.upload_object(CONTENT, "c", "a").object_hash
    assert ["PUT", "PUT", "HEAD", "PUT"] == [line.split()[0] for line in lines(server)[1:]]


@pytest.mark.parametrize("ours", [True, False])
def test_if_absent_whose_answer_is_lost_is_judged_by_looking(
    server: Server, driver: SwiftDriver, ours: bool
) -> None:
    etag = MD5 if ours else "0" * 32
    found = said(200, etag=etag, content_length=str(len(CONTENT)))
    found = Play(found.data.replace(b"Content-Length: 0\r\n", b""))
    play(server, Play(then="close"), said(412), found)
    if ours:
        assert MD5 == driver.upload_object(CONTENT, "c", "a", if_absent=True).object_hash
        return
    with pytest.raises(ObjectAlreadyExistsError):
        driver.upload_object(CONTENT, "c", "a", if_absent=True)


def test_another_md5_than_was_sent_is_noticed(server: Server, driver: SwiftDriver) -> None:
    play(server, said(201, etag="0" * 32))
    with pytest.raises(IntegrityError):
        driver.upload_object(CONTENT, "c", "a")


def test_segments_that_cannot_be_removed_are_told_in_a_log(
    server: Server, driver: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """The object is written; the caller need not think otherwise."""
    prefix = f"segments/{hashlib.sha256(b'a').hexdigest()[:32]}/1/"
    rows = [
        {"name": f"/c_libstore_segments/{prefix}1", "bytes": 1, "hash": MD5},
        {"name": "/c_libstore_segments/segments/other/1/1", "bytes": 1, "hash": MD5},
        {"name": f"/other_libstore_segments/{prefix}1", "bytes": 1, "hash": MD5},
    ]
    large = {"x_static_large_object": "True", "etag": MD5}
    play(
        server, said(412), said(200, **large), said(200, json.dumps(rows).encode(), **large),
        said(204), said(201, etag=MD5), said(403),
    )  # fmt: skip
    driver.upload_object(CONTENT, "c", "a")
    assert f"DELETE /v1/AUTH_test/c_libstore_segments/{prefix}1" == lines(server)[-1]
    assert 7 == len(server.seen)
    assert "could not remove the segment" in caplog.text


def test_a_large_object_that_is_joined_wrongly_is_noticed(
    server: Server, driver: SwiftDriver
) -> None:
    md5 = hashlib.md5(bytes(PART)).hexdigest()
    rest = hashlib.md5(bytes(1)).hexdigest()
    play(
        server, answer(b"", 404), said(201), said(201, etag=md5), said(201, etag=rest),
        said(201, etag='"other"'), said(200, b"[]"),
    )  # fmt: skip
    server.default = said(204)
    with pytest.raises(IntegrityError, match="other parts"):
        driver.upload_object(bytes(PART + 1), "c", "a")


def test_a_cluster_of_few_segments_says_so(server: Server, driver: SwiftDriver) -> None:
    """The limits are read when an upload in parts begins, and hold from then on."""
    md5 = hashlib.md5(bytes(PART)).hexdigest()
    info = {"swift": {}, "slo": {"max_manifest_segments": 2, "min_segment_size": 1}}
    play(
        server, answer(json.dumps(info).encode()), said(201), said(201, etag=md5),
        said(201, etag=md5), said(200, b"[]"),
    )  # fmt: skip
    server.default = said(204)
    with pytest.raises(NotSupportedError, match="part_size"):
        driver.upload_object(bytes(3 * PART), "c", "a")
    assert 2 == driver.limits.max_parts


def test_a_cluster_without_large_objects_says_so(server: Server, driver: SwiftDriver) -> None:
    play(server, answer(b'{"swift": {}}'))
    with pytest.raises(NotSupportedError, match="large objects"):
        driver.upload_object(bytes(3 * PART), "c", "a")


# ---------------------------------------------------------------------- batches, listings


def batch(**told: object) -> Play:
    body = {"Number Deleted": 1, "Number Not Found": 0, "Errors": [], "Response Status": "200 OK"}
    return said(200, b"   \r\n" + json.dumps({**body, **told}).encode())


def test_what_a_batch_could_not_delete_is_told(server: Server, driver: SwiftDriver) -> None:
    errors = [["/c/b%20b", "409 Conflict"], ["/c/d", "503 Service Unavailable"]]
    play(
        server, said(404), answer(b"{}"),
        batch(**{"Errors": errors, "Response Status": "400 Bad Request"}),
    )  # fmt: skip
    container = driver.object("c", "a").container
    results = container.delete_objects(["a", "b b", "d"])
    assert [True, False, False] == [result.ok for result in results]
    assert [None, 409, 503] == [result.error and result.error.status for result in results]
    assert results[2].error
    assert results[2].error.retryable
    assert b"/c/a\n/c/b%20b\n/c/d" == server.seen[-1].body


@pytest.mark.parametrize(
    "step",
    [batch(**{"Response Status": "401 Unauthorized"}), said(200, b"[]"), said(204)],
    ids=str,
)
def test_a_batch_that_failed_as_a_whole_is_told_of_each(
    server: Server, driver: SwiftDriver, step: Play
) -> None:
    play(server, said(404), answer(b"{}"), step)
    results = driver.object("c", "a").container.delete_objects(["a", "b"])
    assert [ServiceError] * 2 == [type(result.error) for result in results]


def test_a_cluster_without_batches_deletes_one_by_one(server: Server, driver: SwiftDriver) -> None:
    play(server, said(404), answer(b'{"swift": {}}'))
    server.default = said(204)
    results = driver.object("c", "a").container.delete_objects(["a", "b"])
    assert all(result.ok for result in results)
    assert {"DELETE /v1/AUTH_test/c/a", "DELETE /v1/AUTH_test/c/b"} == set(lines(server)[3:])


def test_a_cluster_of_small_pages_is_asked_for_those(server: Server, driver: SwiftDriver) -> None:
    rows = json.dumps([{"name": "a", "bytes": 1, "hash": MD5}, {"name": "b", "bytes": 1}])
    info = {"swift": {"container_listing_limit": 2, "account_listing_limit": 2}}
    play(
        server, said(412), answer(json.dumps(info).encode()), said(200, rows.encode()),
        said(200, b"[]"),
    )  # fmt: skip
    found = list(driver.object("c", "a").container.list_objects())
    assert ["a", "b"] == [obj.name for obj in found]
    assert "limit=2&marker=b" in lines(server)[-1]
    assert 2 == driver.limits.page_size


@pytest.mark.parametrize("body", [b"{}", b"[5]", b"not JSON", HTML])
def test_a_listing_that_is_none_is_an_error(
    server: Server, driver: SwiftDriver, body: bytes
) -> None:
    play(server, said(200, body))
    with pytest.raises(ServiceError):
        list(driver.object("c", "a").container.list_objects())


def test_containers_that_are_there_or_full(server: Server, driver: SwiftDriver) -> None:
    play(server, said(202), said(409), said(409), said(404))
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("c")
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("c", extra={"storage_policy": "other"})
    with pytest.raises(ContainerNotEmptyError):
        driver.delete_container("c", recursive=False)
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("c", recursive=False)


# ---------------------------------------------------------------------- reads


def test_a_read_that_breaks_off_goes_on_where_it_was(server: Server, driver: SwiftDriver) -> None:
    begun = said(200, CONTENT, etag=MD5)
    rest = said(206, CONTENT[5:], etag=MD5, content_range=f"bytes 5-19/{len(CONTENT)}")
    play(server, Play(begun.data[:-15], "close"), rest)
    assert CONTENT == driver.object("c", "a").read()
    headers = dict(server.seen[-1].headers)
    assert (f'"{MD5}"', "bytes=5-19") == (headers["if-match"], headers["range"])


def test_a_range_that_is_not_told_is_an_error(server: Server, driver: SwiftDriver) -> None:
    play(server, said(206, CONTENT, etag=MD5))
    with pytest.raises(ServiceError, match="which"):
        driver.object("c", "a").read(start=1, stop=5)


def test_other_bytes_than_were_stored_are_noticed(server: Server, driver: SwiftDriver) -> None:
    play(server, said(200, CONTENT[::-1], etag=MD5))
    with pytest.raises(IntegrityError):
        driver.object("c", "a").read()


def test_a_read_of_what_is_missing_asks_what_is_missing(
    server: Server, driver: SwiftDriver
) -> None:
    play(server, said(404), said(204), said(404), said(404), said(404), said(403))
    with pytest.raises(ObjectNotFoundError):
        driver.object("c", "a").read()
    with pytest.raises(ContainerNotFoundError):
        driver.object("c", "a").read()
    with pytest.raises(ObjectNotFoundError):
        driver.object("c", "a").read()


def test_an_md5_of_ours_counts_for_its_manifest_alone(server: Server, driver: SwiftDriver) -> None:
    """Who copies a manifest and its headers does not make another content ours."""
    whole, etag = "1" * 32, "2" * 32
    large = {"x_static_large_object": "True", "x_object_meta_libstore_md5": f"{etag}:{whole}"}
    play(server, said(200, etag=f'"{etag}"', **large), said(200, etag=f'"{MD5}"', **large))
    assert whole == driver.get_object("c", "a").object_hash
    other = driver.get_object("c", "a")
    assert (None, {}) == (other.object_hash, dict(other.metadata))


@pytest.mark.parametrize("right", [True, False])
def test_a_large_object_of_others_is_verified_by_its_manifest(
    server: Server, driver: SwiftDriver, right: bool
) -> None:
    pieces = (CONTENT[:7], CONTENT[7:])
    rows = [
        {"name": f"/c/{n}", "bytes": len(piece), "hash": hashlib.md5(piece).hexdigest()}
        for n, piece in enumerate(pieces)
    ]
    if not right:
        rows[1]["hash"] = MD5
    large = {"x_static_large_object": "True", "etag": '"0123"'}
    play(server, said(200, CONTENT, **large), said(200, json.dumps(rows).encode(), **large))
    if right:
        assert CONTENT == driver.object("c", "a").read()
        assert "GET /v1/AUTH_test/c/a?multipart-manifest=get" in lines(server)
        return
    with pytest.raises(IntegrityError):
        driver.object("c", "a").read()


def test_the_info_is_above_the_version(server: Server) -> None:
    """Ceph has a path of its own before it."""
    place = f"{server.url}/swift/v1"
    server.steps.extend([said(404), answer(b"{}"), batch()])
    with get_driver("swift")(token=TOKEN, storage_url=place) as driver:
        driver.object("c", "a").container.delete_objects(["a", "b"])
    assert ["GET", "GET", "POST"] == [line.split()[0] for line in lines(server)]
    assert "GET /swift/info" == lines(server)[1]
    assert "POST /swift/v1?bulk-delete=true" == lines(server)[2]
