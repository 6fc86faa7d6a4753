"""Features of Swift and the number of requests, on a real server."""

from __future__ import annotations

import http.client
import pickle
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from drivers.swift.support import (
    CONTENT,
    LARGE,
    PART,
    URL_KEY,
    lent,
    listening,
    methods,
    segments_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libstore import (
    AccessDeniedError,
    AuthenticationError,
    Container,
    ContainerNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    ObjectNotFoundError,
    StorageFullError,
    TransferOptions,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver, operations
from servers.openstack import SwiftServer

Swift = get_driver("swift")
SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def container(swift_driver: SwiftDriver) -> Iterator[Container]:
    with lent(swift_driver) as container:
        yield container


@pytest.fixture
def small_parts(swift_driver: SwiftDriver) -> Iterator[None]:
    before = swift_driver.transfer
    swift_driver.transfer = TransferOptions(part_size=4 * PART, multipart_threshold=4 * PART)
    yield
    swift_driver.transfer = before


def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what anybody gets."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()


# ---------------------------------------------------------------------- how many requests


def test_operations_send_no_extra_requests(
    swift_driver: SwiftDriver, container: Container
) -> None:
    container.upload_object(CONTENT, "warm")
    with listening(swift_driver) as seen:
        container.upload_object(CONTENT, "a")
        assert ["PUT"] == methods(seen)
        seen.clear()
        container.read_object("a")
        assert ["GET"] == methods(seen)
        seen.clear()
        assert 2 == len(container.list_objects()[:20])
        assert ["GET"] * 2 == methods(seen)  # an empty page alone is the end of a listing
        assert "limit=20" in seen[0]
        seen.clear()
        with container.open("a", "rb") as file:
            file.read(1)
        assert ["GET"] == methods(seen)
        seen.clear()
        container.delete_object("a")
        assert ["HEAD", "DELETE"] == methods(seen)


def test_a_batch_is_two_requests(swift_driver: SwiftDriver, container: Container) -> None:
    """One of them looks which of the objects have segments."""
    assert swift_driver._client.info.bulk_delete
    names = [f"name {number}/ä+%" for number in range(100)]
    for name in names[:3]:
        container.upload_object(CONTENT, name)
    with listening(swift_driver) as seen:
        results = container.delete_objects(names)
    assert ["GET", "POST"] == methods(seen)
    assert all(result.ok for result in results)
    assert [] == list(container.list_objects())


def test_info_is_requested_once(swift_server: SwiftServer) -> None:
    with (
        Swift(swift_server.key, swift_server.secret, auth_url=swift_server.auth_url) as driver,
        listening(driver) as seen,
        lent(driver) as container,
    ):
        container.upload_object(CONTENT, "a")
        assert not [line for line in seen if "/info" in line]
        container.delete_objects(["a", "b"])
        container.delete_objects(["a", "b"])
        assert 1 == len([line for line in seen if "/info" in line])


# ---------------------------------------------------------------------- metadata, names

_KEYS = st.text("abcxyz019-_.!#$%&'*+^`|~", min_size=1, max_size=20)
_VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x7f",
                  min_codepoint=0x20),
    max_size=40,
)  # fmt: skip


@SLOW
@given(pairs=st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_any_metadata_survives_encoding(container: Container, pairs: dict[str, str]) -> None:
    container.upload_object(b"", "a", metadata=pairs)
    assert pairs == dict(container.get_object("a").metadata)
    container.object("a").update_metadata({**pairs, "more": "x"})
    assert {**pairs, "more": "x"} == dict(container.get_object("a").metadata)


@pytest.mark.parametrize("value", ["à", "Å", "à ", "", " ", "\u00a0x", "x\u0085y", "=?ü?="])
def test_metadata_whose_bytes_look_like_blanks(container: Container, value: str) -> None:
    container.upload_object(b"", "a", metadata={"note": value})
    assert {"note": value} == dict(container.get_object("a").metadata)


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@SLOW
@given(name=_NAMES)
def test_any_object_name_survives_encoding(container: Container, name: str) -> None:
    obj = container.upload_object(CONTENT, name)
    assert CONTENT == container.read_object(name)
    assert [name] == [found.name for found in container.list_objects()]
    assert CONTENT == obj.copy(container, f"{name}!").read()
    results = container.delete_objects([name, f"{name}!"])
    assert all(result.ok for result in results)
    assert [] == list(container.list_objects())


@pytest.mark.parametrize("stem", ["...", ".a", "a b", "ä%2F", "?#&", "x" * 200, "\n\t"])
def test_any_container_name_survives_encoding(swift_driver: SwiftDriver, stem: str) -> None:
    name = f"{stem}{uuid.uuid4().hex}"
    container = swift_driver.create_container(name)
    container.upload_object(CONTENT, "a")
    assert name in [found.name for found in swift_driver.list_containers()]
    assert CONTENT == container.read_object("a")
    container.delete()


@pytest.mark.usefixtures("small_parts")
def test_a_container_of_the_longest_name_takes_large_objects(swift_driver: SwiftDriver) -> None:
    container = swift_driver.create_container((uuid.uuid4().hex * 8)[:256])
    container.upload_object(LARGE, "a")
    assert LARGE == container.read_object("a")
    assert segments_of(container)
    container.delete()


def test_too_many_pairs_are_refused(container: Container) -> None:
    """Nothing is sent of what the cluster says that it does not keep."""
    for pairs in ({"k" * 129: "v"}, {"k": "v" * 257}, {f"k{n}": "v" for n in range(91)}):
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", metadata=pairs)
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "a", metadata={"libstore-md5": "x"})
    container.upload_object(CONTENT, "a", metadata={"k": "v" * 256})


# ---------------------------------------------------------------------- containers


def test_container_has_its_count_and_size(swift_driver: SwiftDriver, container: Container) -> None:
    container.upload_object(CONTENT, "a")
    container.upload_object(b"12345", "b")
    found = swift_driver.get_container(container.name)
    assert (2, len(CONTENT) + 5) == (found.object_count, found.size)
    assert "Policy-0" == found.extra["storage_policy"]
    assert found.created is not None
    assert abs(found.created - datetime.now(timezone.utc)) < timedelta(minutes=5)
    listed = next(one for one in swift_driver.list_containers() if one == container)
    assert 2 == listed.object_count


def test_storage_policy_of_a_new_container(swift_driver: SwiftDriver) -> None:
    name = f"libstore-{uuid.uuid4().hex}"
    container = swift_driver.create_container(name, extra={"storage_policy": "Policy-0"})
    assert "Policy-0" == swift_driver.get_container(name).extra["storage_policy"]
    container.delete()
    with pytest.raises(Exception, match="Policy"):
        swift_driver.create_container(name, extra={"storage_policy": "no such"})


@pytest.mark.parametrize("header", ["x-versions-enabled", "x-versions-location"])
@pytest.mark.usefixtures("small_parts")
def test_a_container_with_versions_is_deleted_with_all_of_them(
    swift_driver: SwiftDriver, header: str
) -> None:
    """And no segment goes before, of which an old version may be made."""
    with lent(swift_driver) as archive:
        container = swift_driver.create_container(f"libstore-{uuid.uuid4().hex}")
        value = "true" if header.endswith("enabled") else archive.name
        swift_driver._client.send(
            operations.POST_CONTAINER, container.name, headers={header: value}
        ).close()
        container.upload_object(LARGE, "a")
        first = container.get_object("a").version
        container.upload_object(b"two", "a")
        container.upload_object(b"three", "a")
        container.delete_object("b")
        assert segments_of(container)
        if header.endswith("enabled"):
            reading = swift_driver._head_object(container.name, "a", first)
            assert len(LARGE) == reading.size
        container.delete()
        with pytest.raises(ContainerNotFoundError):
            swift_driver.get_container(container.name)


def test_exceeded_quota_is_reported(swift_driver: SwiftDriver, container: Container) -> None:
    headers = {"x-container-meta-quota-bytes": "10"}
    swift_driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    with pytest.raises(StorageFullError) as caught:
        container.upload_object(CONTENT, "a")
    assert 413 == caught.value.status
    assert caught.value.request_id


# ---------------------------------------------------------------------- expiry, metadata


def test_an_object_expires(container: Container) -> None:
    moment = datetime.now(timezone.utc) + timedelta(hours=1)
    obj = container.upload_object(CONTENT, "a", extra={"delete_at": moment})
    ends = container.get_object("a").extra["delete_at"]
    assert abs(ends - moment) <= timedelta(seconds=1)
    obj.update_metadata({"owner": "me"})
    assert ends == container.get_object("a").extra["delete_at"]
    assert ends == obj.copy(container, "b").refresh().extra["delete_at"]
    container.upload_object(CONTENT, "c", extra={"delete_after": 1})
    deadline = time.monotonic() + 20
    while container.object_exists("c") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not container.object_exists("c")


@pytest.mark.parametrize(
    "extra",
    [{"delete_at": 0}, {"delete_after": -1}, {"delete_at": "soon"}, {"delete_at": True},
     {"delete_at": datetime.fromisoformat("2040-01-01")}, {"other": 1}],
    ids=ascii,
)  # fmt: skip
def test_invalid_option_is_refused(container: Container, extra: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionError):
        container.upload_object(CONTENT, "a", extra=extra)


def test_change_of_one_header_keeps_the_others(container: Container) -> None:
    """Swift itself drops what a request to change metadata does not name."""
    container.upload_object(
        CONTENT, "a", content_type="text/x-a", metadata={"owner": "me"},
        content_encoding="identity", content_disposition="inline", content_language="de",
        cache_control="no-store", extra={"delete_after": 3600},
    )  # fmt: skip
    before = container.get_object("a")
    container.object("a").update_metadata({"other": "pair"})
    found = container.get_object("a")
    assert before.extra == found.extra
    assert ("text/x-a", {"other": "pair"}) == (found.content_type, dict(found.metadata))
    container.object("a").update_metadata(content_type="text/x-b")
    found = container.get_object("a")
    assert ("text/x-b", {"other": "pair"}) == (found.content_type, dict(found.metadata))
    assert before.extra == found.extra


# ---------------------------------------------------------------------- who may read


def test_public_container_is_read_without_credentials(
    swift_driver: SwiftDriver, container: Container
) -> None:
    obj = container.upload_object(CONTENT, "folder/ä b+%?")
    assert 401 == fetch(obj.get_cdn_url())[0]
    headers = {"x-container-read": ".r:example.com"}
    swift_driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    container.upload_object(b"<h1>hello</h1>", "index.html")
    address = container.enable_cdn()
    assert address == container.enable_cdn() == container.get_cdn_url()
    assert CONTENT == fetch(obj.get_cdn_url())[2]
    assert b"hello" in fetch(f"{address}/")[2]
    acl = str(swift_driver.get_container(container.name).extra["read_acl"])
    assert [".r:example.com", ".r:*", ".rlistings"] == acl.split(",")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_large_object_is_public_with_its_container(container: Container, when: str) -> None:
    if when == "before":
        container.enable_cdn()
    obj = container.upload_object(LARGE, "a")
    if when == "after":
        container.enable_cdn()
    assert LARGE == fetch(obj.get_cdn_url())[2]
    with Swift(anonymous=True, storage_url=container.get_cdn_url().rpartition("/")[0]) as driver:
        assert LARGE == driver.object(container.name, "a").read()


def test_writer_without_the_right_to_read_can_replace_and_delete(
    swift_server: SwiftServer, swift_driver: SwiftDriver, container: Container
) -> None:
    """Without a look at what was there."""
    headers = {"x-container-write": "test:tester3"}
    swift_driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    container.upload_object(CONTENT, "a")
    with Swift("test:tester3", "testing3", auth_url=swift_server.auth_url) as other:
        other.upload_object(b"new", container.name, "a")
        assert b"new" == container.read_object("a")
        with pytest.raises(AccessDeniedError):
            other.object(container.name, "a").read()
        other.delete_object(other.object(container.name, "a"))
        assert not container.object_exists("a")


def test_denied_publication_is_reported(swift_server: SwiftServer, container: Container) -> None:
    """A user who may read and write, and is not the account's owner."""
    driver = container.driver
    headers = {
        "x-container-read": "test:tester3,.rlistings",
        "x-container-write": "test:tester3",
    }
    driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
    with Swift("test:tester3", "testing3", auth_url=swift_server.auth_url) as other:
        other.upload_object(CONTENT, container.name, "a")
        assert CONTENT == other.object(container.name, "a").read()
        with pytest.raises(AccessDeniedError, match="not allowed"):
            other.enable_container_cdn(container.name)
        with pytest.raises(AccessDeniedError):
            other.create_container("libstore-forbidden")
        with pytest.raises(NotSupportedError, match="temp_url_key"):
            other.object(container.name, "a").sign_url()


# ---------------------------------------------------------------------- signed URLs


def test_presigned_url_has_the_filename(container: Container) -> None:
    obj = container.upload_object(CONTENT, "a")
    for value, expected in (
        ('attachment; filename="fox 1.txt"', 'attachment; filename="fox 1.txt"'),
        ('inline; filename="fox.txt"', "inline"),
        ("inline", "inline"),
    ):
        url = obj.sign_url(response_headers={"content-disposition": value})
        status, headers, content = fetch(url)
        assert (200, CONTENT) == (status, content)
        assert headers["content-disposition"].startswith(expected)
    with pytest.raises(NotSupportedError):
        obj.sign_url(response_headers={"content-type": "text/plain"})
    with pytest.raises(NotSupportedError):
        obj.sign_url(headers={"content-type": "text/plain"})


def test_a_signed_url_puts_an_object(swift_server: SwiftServer, container: Container) -> None:
    url = container.object("new").sign_url(method="PUT")
    host = swift_server.endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("PUT", url.removeprefix(swift_server.endpoint), body=CONTENT)
    assert 201 == connection.getresponse().status
    connection.close()
    assert CONTENT == container.read_object("new")


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_signed_urls_take_a_given_key_and_digest(
    swift_server: SwiftServer, container: Container, digest: str
) -> None:
    container.upload_object(CONTENT, "a")
    with Swift(
        swift_server.key, swift_server.secret, auth_url=swift_server.auth_url,
        temp_url_key=URL_KEY, temp_url_digest=digest,
    ) as driver:  # fmt: skip
        url = driver.object(container.name, "a").sign_url()
        assert CONTENT == fetch(url)[2]
        assert URL_KEY not in repr(driver) + repr(url)
        ended = driver.object(container.name, "a")
        driver._client.clock = lambda: time.time() - 7200
        assert 401 == fetch(ended.sign_url(expires=60))[0]


@pytest.mark.usefixtures("small_parts")
def test_a_signed_url_gives_a_large_object(container: Container) -> None:
    assert LARGE == fetch(container.upload_object(LARGE, "a").sign_url())[2]


def test_a_container_may_have_the_key(swift_server: SwiftServer) -> None:
    """Where the account has none."""
    with Swift("test2:tester2", "testing2", auth_url=swift_server.auth_url) as driver:
        with lent(driver) as container:
            obj = container.upload_object(CONTENT, "a")
            with pytest.raises(NotSupportedError, match="Temp-URL-Key"):
                obj.sign_url()
            headers = {"x-container-meta-temp-url-key": URL_KEY}
            driver._client.send(operations.POST_CONTAINER, container.name, headers=headers).close()
            assert CONTENT == fetch(obj.sign_url())[2]


# ---------------------------------------------------------------------- logging in


@pytest.mark.parametrize("changes", [{"secret": "a wrong one"}, {"user": "test:nobody"}])
def test_wrong_login_is_reported(swift_server: SwiftServer, changes: dict[str, Any]) -> None:
    arguments = {"user": swift_server.key, "secret": swift_server.secret, **changes}
    with Swift(auth_url=swift_server.auth_url, **arguments) as driver:
        with pytest.raises(AuthenticationError, match="login was rejected") as caught:
            list(driver.list_containers())
        assert 401 == caught.value.status
        assert caught.value.request_id
        assert arguments["secret"] not in str(caught.value)


def test_old_environment_variables_are_supported(
    swift_server: SwiftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ST_AUTH", swift_server.auth_url)
    monkeypatch.setenv("ST_USER", swift_server.key)
    monkeypatch.setenv("ST_KEY", swift_server.secret)
    with Swift() as driver:
        again = pickle.loads(pickle.dumps(driver))
        assert isinstance(list(again.list_containers()), list)
        again.close()


def test_storage_url_overrides_that_of_the_login(
    swift_server: SwiftServer, swift_driver: SwiftDriver, container: Container
) -> None:
    place = swift_driver._client.endpoint
    url = (place.url + place.path).replace("127.0.0.1", "localhost")
    with (
        Swift(
            swift_server.key, swift_server.secret, auth_url=swift_server.auth_url, storage_url=url
        ) as driver,
        listening(driver) as seen,
    ):
        assert driver.get_container(container.name).get_cdn_url().startswith("http://localhost")
        assert ["GET", "HEAD"] == methods(seen)


def test_missing_object_and_container_are_distinguished(
    swift_driver: SwiftDriver, container: Container
) -> None:
    with pytest.raises(ObjectNotFoundError):
        container.read_object("missing")
    with pytest.raises(ContainerNotFoundError):
        swift_driver.object("libstore-missing", "a").read()
    with pytest.raises(ContainerNotFoundError):
        swift_driver.object("libstore-missing", "a").delete()
    results = swift_driver.delete_objects([swift_driver.object("libstore-missing", "a")])
    assert isinstance(results[0].error, ContainerNotFoundError)


def test_a_request_of_many_names_is_read_line_by_line(container: Container) -> None:
    """A name with a line's end in it is one name."""
    names = ["a\nb", "a", "b", "a%0Ab"]
    for name in names:
        container.upload_object(CONTENT, name)
    container.delete_objects(["a\nb", "nothing"])
    assert sorted(names[1:]) == [found.name for found in container.list_objects()]
