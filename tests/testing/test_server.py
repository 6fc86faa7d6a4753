"""Test the server that carries out the requests of presigned URLs."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import ItemsView, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import pytest
import requests
from typing_extensions import override

import libstore.testing
from libstore import (
    AccessDeniedError,
    Container,
    NotSupportedError,
    Object,
    SignedURL,
    get_driver,
)
from libstore.drivers.local import LocalDriver
from libstore.drivers.memory import MemoryDriver
from libstore.testing import SignedURLApp, serve_signed_urls
from libstore.testing.signing import Signatures

KEY = "a signing key of the tests"
CONTENT = bytes(range(256)) * 1000
Driver = LocalDriver | MemoryDriver


def local_driver(root: Path, **options: Any) -> LocalDriver:
    return get_driver("local")(root, fsync=False, signing_key=KEY, **options)


@pytest.fixture(params=["local", "memory"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    """Return a driver whose signed URLs are served."""
    made = local_driver(tmp_path / "root") if request.param == "local" else MemoryDriver()
    with serve_signed_urls(made):
        yield made


@pytest.fixture
def container(driver: Driver) -> Container:
    return driver.create_container("box")


@pytest.fixture
def obj(container: Container) -> Object:
    return container.upload_object(
        CONTENT, "folder/a.bin", content_type="x/y", cache_control="no-store"
    )


def send(url: SignedURL, **options: Any) -> requests.Response:
    headers = {**url.headers, **options.pop("headers", {})}
    return requests.request(url.method, url, headers=headers, timeout=30, **options)


class TestSignaturesOverHTTP(Signatures):
    """The tests of the conformance suite, with requests over HTTP."""

    @pytest.fixture
    def driver(self, driver: Driver) -> Driver:
        return driver

    @pytest.fixture
    @override
    def container(self, driver: Driver) -> Container:
        return driver.create_container("libstore-box")


# ---------------------------------------------------------------------- GET and HEAD


def test_get_has_the_attributes_of_the_object(obj: Object) -> None:
    response = send(obj.sign_url())

    assert response.content == CONTENT
    assert {
        "content-type": "x/y",
        "content-length": "256000",
        "cache-control": "no-store",
        "etag": f'"{obj.etag}"',
        "accept-ranges": "bytes",
    }.items() <= lower(response)
    assert response.headers["last-modified"].endswith("GMT")


def test_head_has_the_headers_of_get(obj: Object) -> None:
    head, get = send(obj.sign_url(method="HEAD")), send(obj.sign_url())

    assert (200, b"") == (head.status_code, head.content)
    assert lower(get) == lower(head)


def test_response_headers_replace_those_of_the_object(obj: Object) -> None:
    wanted = {
        "content-disposition": 'attachment; filename="ä b.bin"',
        "content-type": "text/plain",
        "cache-control": "max-age=5",
        "content-language": "de",
        "expires": "never",
    }
    response = send(obj.sign_url(response_headers=wanted))

    sent = {name: value.encode("latin-1").decode() for name, value in lower(response)}
    assert wanted.items() <= sent.items()


@pytest.mark.parametrize(
    ("wanted", "expected", "content_range"),
    [
        ("bytes=0-0", CONTENT[:1], "bytes 0-0/256000"),
        ("bytes=70000-200000", CONTENT[70_000:200_001], "bytes 70000-200000/256000"),
        ("bytes=255990-999999", CONTENT[255_990:], "bytes 255990-255999/256000"),
        ("bytes=255999-", CONTENT[-1:], "bytes 255999-255999/256000"),
        ("bytes=-8", CONTENT[-8:], "bytes 255992-255999/256000"),
        ("bytes=-999999", CONTENT, "bytes 0-255999/256000"),
    ],
)
def test_get_of_a_range(obj: Object, wanted: str, expected: bytes, content_range: str) -> None:
    response = send(obj.sign_url(), headers={"range": wanted})

    assert (206, expected) == (response.status_code, response.content)
    assert content_range == response.headers["content-range"]
    assert str(len(expected)) == response.headers["content-length"]


@pytest.mark.parametrize("wanted", ["bytes=256000-", "bytes=300000-400000", "bytes=-0"])
def test_range_beyond_the_end_is_status_416(obj: Object, wanted: str) -> None:
    response = send(obj.sign_url(), headers={"range": wanted})

    assert (416, "bytes */256000") == (response.status_code, response.headers["content-range"])


@pytest.mark.parametrize(
    "wanted", ["bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=3-1"]
)
def test_other_range_is_ignored(obj: Object, wanted: str) -> None:
    response = send(obj.sign_url(), headers={"range": wanted})

    assert (200, CONTENT) == (response.status_code, response.content)


def test_empty_object(container: Container) -> None:
    response = send(container.upload_object(b"", "empty").sign_url())

    assert (200, b"", "0") == (
        response.status_code,
        response.content,
        response.headers["content-length"],
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_missing_object_is_status_404(container: Container, method: str) -> None:
    assert 404 == send(container.object("missing").sign_url(method=method)).status_code


# ---------------------------------------------------------------------- PUT and DELETE


def test_put_stores_content_type_and_metadata(container: Container) -> None:
    url = container.object("a").sign_url(method="PUT", headers={"x-amz-meta-author": "me"})
    response = send(
        url,
        data=CONTENT,
        headers={
            "Content-Type": "image/png",
            "x-ms-meta-other": "more",
            "Content-Disposition": "inline",
            "Cache-Control": "no-cache",
        },
    )
    obj = container.get_object("a")

    assert (200, f'"{obj.etag}"') == (response.status_code, response.headers["etag"])
    assert (CONTENT, "image/png") == (obj.read(), obj.content_type)
    assert {"author": "me", "other": "more"} == obj.metadata
    assert ("inline", "no-cache") == (
        obj.extra["content_disposition"],
        obj.extra["cache_control"],
    )


def test_put_without_content_type_stores_none_of_its_own(container: Container) -> None:
    send(container.object("a.png").sign_url(method="PUT"), data=CONTENT)

    assert "application/octet-stream" == container.get_object("a.png").content_type


def test_put_of_a_file_is_streamed(container: Container, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(CONTENT * 100)
    with path.open("rb") as file:
        response = send(container.object("a").sign_url(method="PUT"), data=file)

    assert 200 == response.status_code
    assert path.read_bytes() == container.read_object("a")


def test_put_into_missing_container_is_status_404(driver: Driver) -> None:
    url = driver.object("missing", "a").sign_url(method="PUT")

    assert 404 == send(url, data=CONTENT).status_code


def test_put_of_unknown_length_is_status_411(container: Container) -> None:
    response = send(container.object("a").sign_url(method="PUT"), data=iter([]))

    assert 411 == response.status_code
    assert not container.object_exists("a")


def test_interrupted_put_stores_nothing(container: Container) -> None:
    url = container.object("a").sign_url(method="PUT")
    target = url[url.index("/box/") :]
    with connected(url) as connection:
        connection.sendall(f"PUT {target} HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort".encode())
        connection.shutdown(socket.SHUT_WR)
        assert b"" == connection.recv(100)

    assert not container.object_exists("a")


def test_delete_deletes(container: Container, obj: Object) -> None:
    url = obj.sign_url(method="DELETE")

    assert [204, 204] == [send(url).status_code, send(url).status_code]
    assert [] == list(container)


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_other_method_is_status_403(obj: Object, method: str) -> None:
    urls = [obj.sign_url(method=other) for other in {"GET", "HEAD", "PUT", "DELETE"} - {method}]

    assert {403} == {
        requests.request(method, url, data=b"other", timeout=30).status_code for url in urls
    }
    assert CONTENT == obj.read()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a.bin?", "b.bin?"),
        ("/box/", "/cox/"),
        ("response-expires=soon", "response-expires=late"),
        ("response-expires=soon", ""),
        ("signature=", "signature=0"),
        ("signature=", "other="),
        ("signature=", "signature=%C3%A4"),
        ("expires=", "expires=9"),
        ("&method=", "&headers=&method="),
        ("&method=", "&response-content-type=text%2Fhtml&method="),
    ],
)
def test_changed_url_is_status_403(obj: Object, old: str, new: str) -> None:
    url = obj.sign_url(response_headers={"expires": "soon"})
    changed = url.replace(old, new)
    assert changed != url

    assert 403 == requests.get(changed, timeout=30).status_code
    assert 200 == send(url).status_code


def test_url_without_signature_is_status_403(obj: Object) -> None:
    assert 403 == requests.get(obj.sign_url().partition("?")[0], timeout=30).status_code


def test_expired_url_is_status_403(driver: Driver, obj: Object) -> None:
    url = obj.sign_url(expires=0.001)
    until = time.time() + 0.002
    while time.time() <= until:
        continue
    response = send(url)
    assert (403, True) == (response.status_code, "expired" in response.text)


def test_browser_may_send_requests_from_another_site(obj: Object) -> None:
    url = obj.sign_url(method="PUT", headers={"content-type": "x/y"})
    asked = {
        "origin": "https://example.com",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
    }

    response = requests.options(url, headers=asked, timeout=30)

    assert (204, b"") == (response.status_code, response.content)
    assert {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, PUT, DELETE",
        "access-control-allow-headers": "content-type",
    }.items() <= lower(response)
    for answer in (send(url, data=b"a"), requests.get(url, timeout=30)):
        assert "*" == answer.headers["access-control-allow-origin"]


def test_refused_put_is_answered_after_the_body(obj: Object) -> None:
    """Otherwise the client sees a closed connection in place of the status."""
    url = obj.sign_url()

    assert 403 == requests.put(url, data=CONTENT * 100, timeout=30).status_code


def test_refusal_does_not_show_the_query(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    driver = MemoryDriver()
    # The request is logged after its response was sent, and before the server has ended.
    with caplog.at_level("DEBUG"), serve_signed_urls(driver):
        url = driver.create_container("box").object("a").sign_url()
        text = requests.delete(url, timeout=30).text

    signature = url.partition("signature=")[2]
    logged = [record.getMessage() for record in caplog.records if "libstore" in record.name]
    assert "DELETE" in "".join(logged)
    assert signature not in text + "".join(logged) + "".join(capfd.readouterr())


# ---------------------------------------------------------------------- addresses and threads


def test_base_url_is_restored_at_the_end() -> None:
    driver = MemoryDriver(base_url="https://files.example/base/")
    with serve_signed_urls(driver) as address:
        assert address == driver.base_url
        assert driver.object("c", "a").sign_url().startswith(f"{address}/c/a?")

    assert "https://files.example/base" == driver.base_url
    assert driver.object("c", "a").sign_url().startswith("https://files.example/base/c/a?")


def test_block_that_ends_closes_open_connections() -> None:
    before = threading.active_count()
    with serve_signed_urls(MemoryDriver()) as address:
        connection = connected(address)
        connection.sendall(b"PUT /a HTTP/1.1\r\n")
    with connection, suppress(ConnectionResetError):
        assert b"" == connection.recv(1)

    assert before == threading.active_count()


def test_application_below_a_path(obj: Object, driver: Driver) -> None:
    """A framework that mounts the application at a path sets SCRIPT_NAME."""
    driver.base_url = "http://testserver/media"
    url = obj.sign_url()
    target, _, query = url.removeprefix(driver.base_url).partition("?")
    seen: list[str] = []
    environ = {"SCRIPT_NAME": "/media", "PATH_INFO": target, "QUERY_STRING": query}
    setup_testing_defaults(environ)
    content = SignedURLApp(driver)(environ, lambda status, headers: seen.append(status))

    assert (["200 OK"], CONTENT) == (seen, b"".join(content))
    assert "folder/a.bin" == driver.verify_url(url, method="GET")[0].name
    with pytest.raises(AccessDeniedError, match="does not begin with http://testserver/media/"):
        driver.verify_url(url.replace("testserver", "other"), method="GET")


def test_server_needs_no_pytest() -> None:
    program = (
        "import sys; from libstore.testing import serve_signed_urls;"
        "assert not {'pytest', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def connected(url: str) -> socket.socket:
    """Return a connection to the host of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=30)


def lower(response: requests.Response) -> ItemsView[str, str]:
    """Return the headers of a response by lower-case name, without the time of the response."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    del headers["date"]
    return headers.items()


def test_driver_of_a_service_is_refused() -> None:
    driver: Any = get_driver("s3")("key", "secret", region="eu-west-1")
    with (
        pytest.raises(NotSupportedError, match="pass a memory driver, or a local driver"),
        serve_signed_urls(driver),
    ):
        raise AssertionError


def test_public_names_are_shown_before_they_are_loaded() -> None:
    """Tab completion and `dir` show them."""
    assert set(libstore.testing.__all__) <= set(dir(libstore.testing))


@pytest.mark.parametrize("header", ["if-none-match", "if-match"])
def test_conditions_of_a_put_are_checked(header: str) -> None:
    """A URL that never replaces an object can be signed, as on services."""
    driver = MemoryDriver()
    container = driver.create_container("c")
    given = {header: "*" if header == "if-none-match" else '"another"'}
    container.upload_object(b"old", "a")
    with serve_signed_urls(driver):
        url = container.object("a").sign_url(method="PUT", headers=given)
        response = requests.request(url.method, url, headers=url.headers, data=b"new", timeout=10)

    assert 412 == response.status_code
    assert b"old" == container.read_object("a")
