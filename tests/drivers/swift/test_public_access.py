"""Public containers and signed URLs of Swift, on a real server."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest
from drivers.swift.support import (
    CONTENT,
    LARGE,
    URL_KEY,
    lent,
)

from libstore import (
    AccessDeniedError,
    Container,
    NotSupportedError,
    get_driver,
)
from libstore.drivers.swift import SwiftDriver, operations
from servers.openstack import SwiftServer

Swift = get_driver("swift")


def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what anybody gets."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()


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
