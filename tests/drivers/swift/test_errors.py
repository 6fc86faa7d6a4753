"""Errors of Swift and its login, and responses that are wrong or lost."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from drivers.swift.support import (
    HTML,
    PART,
    SECRET,
    TOKEN,
    batch,
    lines,
    login,
    made,
    play,
    said,
)
from scripted import Play, Server, respond

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    ContainerAlreadyExistsError,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectAlreadyExistsError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransportError,
    Upload,
    get_driver,
)
from libstore.auth.keystone import Identity, read_v3
from libstore.drivers.swift import SwiftDriver

CONTENT = b"content of an object"

MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def driver(server: Server) -> Iterator[SwiftDriver]:
    with made(server) as driver:
        yield driver


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (respond(b"", 401), AuthenticationError),
        (respond(b"", 403), AuthenticationError),
        (respond(HTML, 403, content_type="text/html"), ServiceError),
        (respond(HTML, 200), ServiceError),
        (respond(HTML, 404), ServiceError),
        (respond(b"", 300), ServiceError),
        (respond(b"", 503), ServiceUnavailableError),
        (respond(b"", 200, x_auth_token="t"), ServiceError),
        (respond(b"", 200, x_auth_token="t", x_storage_url="nonsense"), StorageError),
        (
            respond(b"", 200, x_auth_token="t", x_storage_url="http://example.com/v1/a"),
            StorageError,
        ),
        (Play(then="close"), TransportError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_failed_login_becomes_its_error(
    server: Server, driver: SwiftDriver, step: Play, error: type[StorageError]
) -> None:
    server.default = step
    with pytest.raises(error) as caught:
        driver.upload_object(CONTENT, "c", "a")
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert not [line for line in lines(server) if "/v1/" in line]


@pytest.mark.parametrize(
    ("step", "error"),
    [(respond(b"{}", 201), ServiceError), (respond(HTML, 201), ServiceError),
     (respond(b'{"token": {"catalog": 5}}', 201, x_subject_token="t"), ServiceError),
     (respond(b'{"token": {}}', 201, x_subject_token="t"), StorageError),
     (respond(b'{"error": {"code": 401}}', 401), AuthenticationError),
     (respond(b'{"error": {"code": 404}}', 404), AuthenticationError),
     (respond(HTML, 404), ServiceError)],
    ids=str,
)  # fmt: skip
def test_invalid_response_of_keystone_becomes_an_error(
    server: Server, step: Play, error: type[StorageError]
) -> None:
    server.steps.append(step)
    with get_driver("swift")("u", SECRET, auth_url=f"{server.url}/v3") as driver:
        with pytest.raises(error) as caught:
            list(driver.list_containers())
    assert SECRET not in str(caught.value)
    assert ["POST /v3/auth/tokens"] == lines(server)


@pytest.mark.parametrize("hours", [-24, 24])
def test_lifetime_of_a_token_is_counted_by_the_local_clock(server: Server, hours: int) -> None:
    """Keystone says by its own clock when it ends, and when it began."""
    body = {"issued_at": "2026-01-01T00:00:00.0Z", "expires_at": "2026-01-01T01:00:00.0Z"}
    document = json.dumps({"token": body}).encode()
    now = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() + hours * 3600
    access = read_v3({"x-subject-token": "t"}, document, Identity(), now)
    assert now + 3600 == access.expires_on


def test_user_and_key_may_have_any_letters(server: Server) -> None:
    server.steps.append(login(server))
    server.default = said(200, b"[]")
    with get_driver("swift")("日本", "クé", auth_url=f"{server.url}/auth/v1.0") as driver:
        assert [] == list(driver.list_containers())
    sent = dict(server.seen[0].headers)
    assert ("日本", "クé") == tuple(
        sent[name].encode("latin-1").decode() for name in ("x-auth-user", "x-auth-key")
    )


def test_environment_of_another_cloud_is_ignored(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of the login that was given as an argument is sent nowhere else."""
    monkeypatch.setenv("OS_STORAGE_URL", "http://127.0.0.1:1/v1/AUTH_other")
    server.steps.append(login(server))
    server.default = said(200, b"[]")
    with made(server) as driver:
        assert [] == list(driver.list_containers())
    monkeypatch.setenv("OS_CACERT", "/nowhere/ca.pem")
    monkeypatch.setenv("OS_AUTH_URL", "https://127.0.0.1:1/v3")
    with pytest.raises(FileNotFoundError, match=r"ca\.pem"):
        get_driver("swift")("user", "secret", project="photos")


def test_nothing_secret_is_logged(
    server: Server, driver: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    play(server, said(503), said(401), login(server, "another"), said(201, etag=MD5))
    driver.upload_object(CONTENT, "c", "a")
    assert caplog.text
    for secret in (SECRET, TOKEN, "another"):
        assert secret not in caplog.text


def test_refused_token_is_renewed_once(server: Server, driver: SwiftDriver) -> None:
    play(server, said(401), login(server, "another"), said(401))
    with pytest.raises(AuthenticationError):
        driver.upload_object(CONTENT, "c", "a")
    assert 2 == sum("/auth/" in line for line in lines(server))
    assert ("x-auth-token", "another") in server.seen[-1].headers


def test_unchanged_token_is_not_sent_again(server: Server, driver: SwiftDriver) -> None:
    play(server, said(401), login(server))
    with pytest.raises(AuthenticationError):
        driver.upload_object(CONTENT, "c", "a")
    assert 3 == len(server.seen)


@pytest.mark.parametrize("why", ["401 Unauthorized", "503 Service Unavailable"])
def test_manifest_is_retried_when_its_segments_could_not_be_checked(
    server: Server, driver: SwiftDriver, why: str
) -> None:
    """Where Keystone lets requests in, a token that has ended is refused for each segment."""
    first, rest = (hashlib.md5(bytes(size)).hexdigest() for size in (PART, 1))
    etag = hashlib.md5((first + rest).encode()).hexdigest()
    refused = said(400, f"Errors:\n/c_libstore_segments/x/00000001, {why}\n".encode())
    again = [login(server, "another")] if why.startswith("401") else []
    play(
        server, respond(b"{}"), said(201, etag=MD5), said(201, etag=first),
        said(201, etag=rest), refused, *again, said(201, etag=etag), said(204),
    )  # fmt: skip
    driver.upload_object(bytes(PART + 1), "c", "a")
    assert 8 + len(again) == len(server.seen)
    assert "multipart-manifest=put" in lines(server)[-2]


def test_put_with_lost_response_is_retried(server: Server, driver: SwiftDriver) -> None:
    """The second attempt finds the object of the first one, and replaces it."""
    play(server, Play(then="close"), said(412), said(200, etag=MD5), said(201, etag=MD5))
    assert MD5 == driver.upload_object(CONTENT, "c", "a").object_hash
    assert ["PUT", "PUT", "HEAD", "PUT"] == [line.split()[0] for line in lines(server)[1:]]


def test_conditional_copy_does_not_replace_a_broken_symlink(
    server: Server, driver: SwiftDriver
) -> None:
    play(server, said(200, etag=MD5), said(200))
    with pytest.raises(ObjectAlreadyExistsError):
        driver.object("c", "a").copy("c", "b", if_absent=True)
    assert lines(server)[-1].startswith("HEAD /v1/AUTH_test/c/b?symlink=get")


def test_conditional_copy_is_not_retried_after_a_conflict(
    server: Server, driver: SwiftDriver
) -> None:
    """The request has no condition of its own, and would replace what the other wrote."""
    play(server, said(200, etag=MD5), said(404), said(409), said(200))
    with pytest.raises(ObjectAlreadyExistsError):
        driver.object("c", "a").copy("c", "b", if_absent=True)
    methods = [line.split(" ")[0] for line in lines(server)]
    assert methods[-3:] == ["HEAD", "PUT", "HEAD"]


def test_segments_that_cannot_be_removed_are_logged(
    server: Server, driver: SwiftDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """The object is written all the same."""
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
    assert "could not delete /c_libstore_segments" in caplog.text


@pytest.mark.parametrize("published", [True, False])
def test_aborted_upload_keeps_segments_of_the_published_object(
    server: Server, driver: SwiftDriver, published: bool
) -> None:
    """The response to its end may have been lost, so that the manifest exists."""
    prefix = f"segments/{hashlib.sha256(b'a').hexdigest()[:32]}"
    own, other = f"{prefix}/id/00000001", f"{prefix}/other/00000001"
    made_of = [{"name": f"/c_libstore_segments/{own if published else other}", "hash": MD5}]
    large = {"x_static_large_object": "True", "etag": MD5}
    play(
        server, said(200, json.dumps([{"name": own, "bytes": 1, "hash": MD5}]).encode()),
        said(200, b"[]"), said(200, json.dumps(made_of).encode(), **large),
    )  # fmt: skip
    server.default = said(204)
    driver.abort_upload(Upload("c", "a", "id"))
    place = "DELETE /v1/AUTH_test/c_libstore_segments"
    deleted = [line for line in lines(server) if line.startswith("DELETE")]
    assert [*([] if published else [f"{place}/{own}"]), f"{place}/uploads/id"] == deleted


def test_failures_of_a_batch_are_reported(server: Server, driver: SwiftDriver) -> None:
    errors = [["/c/b%20b", "409 Conflict"], ["/c/d", "403 Forbidden"]]
    play(
        server, said(404), respond(b"{}"),
        batch(**{"Errors": errors, "Response Status": "400 Bad Request"}),
    )  # fmt: skip
    container = driver.object("c", "a").container
    results = container.delete_objects(["a", "b b", "d"])
    assert [True, False, False] == [result.ok for result in results]
    assert [None, 409, 403] == [result.error and result.error.status for result in results]
    assert b"/c/a\n/c/b%20b\n/c/d" == server.seen[-1].body


@pytest.mark.parametrize(
    "fields",
    [
        # The response of a service that gave up: it does not name the remaining objects.
        {"Errors": [["/c/b", "409 Conflict"]], "Response Status": "400 Bad Request"},
        {"Errors": [["/c/d", "503 Service Unavailable"]], "Number Deleted": 2},
        {"Errors": [["/c/d", "401 Unauthorized"]], "Number Deleted": 2},
    ],
    ids=str,
)
def test_objects_omitted_by_a_batch_are_deleted_one_by_one(
    server: Server, driver: SwiftDriver, fields: dict[str, object]
) -> None:
    play(server, said(404), respond(b"{}"), batch(**fields))
    server.default = said(204)
    results = driver.object("c", "a").container.delete_objects(["a", "b", "d"])
    assert ["/c/b" not in str(fields), True] == [results[1].ok, results[2].ok]
    rest = {line.rpartition("/c/")[2] for line in lines(server)[4:]}
    assert rest == ({"a", "d"} if "/c/b" in str(fields) else {"d"})


@pytest.mark.parametrize(
    "step",
    [batch(**{"Response Status": "401 Unauthorized"}), said(200, b"[]"), said(204)],
    ids=str,
)
def test_failed_batch_is_reported_for_each_object(
    server: Server, driver: SwiftDriver, step: Play
) -> None:
    play(server, said(404), respond(b"{}"), step)
    results = driver.object("c", "a").container.delete_objects(["a", "b"])
    assert [ServiceError] * 2 == [type(result.error) for result in results]


def test_existing_and_full_containers_are_reported(server: Server, driver: SwiftDriver) -> None:
    play(server, said(202), said(409), said(409), said(404))
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("c")
    with pytest.raises(ContainerAlreadyExistsError):
        driver.create_container("c", extra={"storage_policy": "other"})
    with pytest.raises(ContainerNotEmptyError):
        driver.delete_container("c", recursive=False)
    with pytest.raises(ContainerNotFoundError):
        driver.delete_container("c", recursive=False)


def test_stored_md5_is_used_only_with_its_manifest(server: Server, driver: SwiftDriver) -> None:
    """The header may have been copied to another manifest."""
    whole, etag = "1" * 32, "2" * 32
    large = {"x_static_large_object": "True", "x_object_meta_libstore_md5": f"{etag}:{whole}"}
    play(server, said(200, etag=f'"{etag}"', **large), said(200, etag=f'"{MD5}"', **large))
    assert whole == driver.get_object("c", "a").object_hash
    other = driver.get_object("c", "a")
    assert (None, {}) == (other.object_hash, dict(other.metadata))


@pytest.mark.parametrize("right", [True, False])
def test_large_object_of_another_client_is_verified_by_its_manifest(
    server: Server, driver: SwiftDriver, right: bool
) -> None:
    pieces = (CONTENT[:7], CONTENT[7:])
    rows = [
        {"name": f"/c/{n}", "bytes": len(piece), "hash": hashlib.md5(piece).hexdigest()}
        for n, piece in enumerate(pieces)
    ]
    if not right:
        rows[1]["hash"] = MD5
    joined = hashlib.md5("".join(str(row["hash"]) for row in rows).encode()).hexdigest()
    large = {"x_static_large_object": "True", "etag": f'"{joined}"'}
    play(server, said(200, CONTENT, **large), said(200, json.dumps(rows).encode(), **large))
    if right:
        assert CONTENT == driver.object("c", "a").read()
        assert "GET /v1/AUTH_test/c/a?multipart-manifest=get" in lines(server)
        return
    with pytest.raises(IntegrityError):
        driver.object("c", "a").read()


def test_missing_token_is_reported(server: Server) -> None:
    server.steps.append(said(401))
    with (
        SwiftDriver(anonymous=True, storage_url=f"{server.url}/v1/a") as driver,
        pytest.raises(AuthenticationError, match="not public"),
    ):
        driver.get_container("c")


def test_static_website_container_is_readable_but_not_listed(server: Server) -> None:
    """Requests without a token are redirected to its pages, also for the name of a folder."""
    server.default = said(301, location="/v1/a/c/")
    with SwiftDriver(anonymous=True, storage_url=f"{server.url}/v1/a") as driver:
        container = driver.get_container("c")
        assert container.object_count is None
        assert not container.object_exists("folder")
        with pytest.raises(AccessDeniedError, match="web site") as caught:
            list(container.list_objects())
    assert 301 == caught.value.status
