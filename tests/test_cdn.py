"""Test public URLs: what the service is called with, and what `cdn` does without it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from faulty import PublicDriver, stored

from libstore import (
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    ObjectNotFoundError,
    get_driver,
)
from libstore.drivers.memory import MemoryDriver

_BASE = "https://cdn.example.com/base"


def test_enable_cdn_makes_public_and_returns_the_url() -> None:
    driver = PublicDriver()
    container = stored(driver, b"content")

    assert "https://public.example/c" == container.enable_cdn()
    assert "https://public.example/c/a" == container.object("a").enable_cdn()
    assert ["c", ("c", "a")] == driver.public


def test_get_cdn_url_sends_no_request() -> None:
    driver = PublicDriver()
    container = driver.create_container("c")
    driver.calls.clear()

    assert "https://public.example/c" == container.get_cdn_url()
    assert "https://public.example/c/a" == container.object("a").get_cdn_url()
    assert [] == driver.calls


def test_cdn_replaces_the_url_of_the_service() -> None:
    """`enable_cdn()` still makes the object public at the service."""
    driver = PublicDriver(cdn=_BASE)
    container = stored(driver, b"content")

    assert f"{_BASE}/c" == container.enable_cdn() == container.get_cdn_url()
    assert f"{_BASE}/c/a" == container.object("a").get_cdn_url()
    assert ["c"] == driver.public


@pytest.mark.parametrize(
    ("cdn", "container", "obj"),
    [
        ("https://x.example", "https://x.example/c", "https://x.example/c/a/b%20%2B%3F%23%25"),
        ("https://x.example/", "https://x.example/c", "https://x.example/c/a/b%20%2B%3F%23%25"),
        (
            "https://{container}.x.example",
            "https://c.x.example",
            "https://c.x.example/a/b%20%2B%3F%23%25",
        ),
        ("http://x.example/{name}", "http://x.example", "http://x.example/a/b%20%2B%3F%23%25"),
        (
            "https://x.example/{container}/v1/{name}",
            "https://x.example/c/v1",
            "https://x.example/c/v1/a/b%20%2B%3F%23%25",
        ),
    ],
)
def test_placeholders_of_cdn_are_replaced(cdn: str, container: str, obj: str) -> None:
    driver = MemoryDriver(cdn=cdn)

    assert container == driver.create_container("c").get_cdn_url()
    assert obj == driver.object("c", "a/b +?#%").get_cdn_url()


@pytest.mark.parametrize("name", ["memory", "local"])
def test_service_without_public_urls_needs_cdn(name: str, tmp_path: Path) -> None:
    arguments = (tmp_path,) if name == "local" else ()
    driver = get_driver(name)(*arguments)
    container = driver.create_container("c")
    served = get_driver(name)(*arguments, cdn=_BASE)

    for call in (
        container.enable_cdn,
        container.get_cdn_url,
        container.object("a").enable_cdn,
        container.object("a").get_cdn_url,
    ):
        with pytest.raises(NotSupportedError, match="it needs the option cdn"):
            call()
    assert f"{_BASE}/c" == served.enable_container_cdn("c")
    assert f"{_BASE}/c/a" == served.enable_object_cdn(served.object("c", "a"))


def test_enable_cdn_of_a_missing_container_or_object_raises() -> None:
    driver = PublicDriver()
    with pytest.raises(ContainerNotFoundError) as caught:
        driver.enable_container_cdn("none")
    assert ("enable_container_cdn", "none") == (caught.value.operation, caught.value.container)
    driver.create_container("c")
    with pytest.raises(ObjectNotFoundError):
        driver.object("c", "none").enable_cdn()


@pytest.mark.parametrize(
    "wrong",
    [
        "", "cdn.example.com", "ftp://x.example", "https://", "https://x.example/?a=b",
        "https://x.example/#a", "https://u:p@x.example", "https://x.example/a b", "https://[x",
        "https://x.example?", "https://x.example/#", "https://x.example/ä", "https://ä.example",
        "https://x.example/50%", "https://x.example/<b>", "https://x.example:99999",
        "https://x.example/{name}/", "https://x.example/a{name}", "https://{name}.x.example",
        "https://x.example/{name}/{container}", "https://x.example/{bucket}", "https://x.example/{",
        "https://{name}", "https://x.example:0", "https://x.example:", "https://x..example",
        "https://x.example/..", "https://x.example/a/../b", "https://x.example/./b",
        "https://x.example/%2e%2E/b", "https://x.example/.%2e/{name}", "https://x.example/a\\b",
        "https://x.example/{container}/../{name}", "https://x.example/\r\n", "https://x.example\n",
        " https://x.example", "https://x.example\t", "https://[::1", "https://[1:2]",
    ],
)  # fmt: skip
def test_invalid_cdn_is_refused_by_the_constructor(wrong: str) -> None:
    with pytest.raises(InvalidOptionError, match="cdn must"):
        MemoryDriver(cdn=wrong)


def test_password_in_cdn_is_not_in_the_error() -> None:
    for wrong in ("https://u:hidden@x.example", "ftp://u:hidden@x.example", "https://u:hidden@[x"):
        with pytest.raises(InvalidOptionError) as caught:
            MemoryDriver(cdn=wrong)
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "ä", "user:pw@elsewhere", "a..b", ".a", "a%2Fb"])
def test_container_name_that_is_not_valid_in_a_host_is_refused(name: str) -> None:
    """Encoded it is not a host, and unencoded perhaps another one; nothing becomes public."""
    driver = PublicDriver(cdn="https://{container}.x.example/{container}")
    container = driver.create_container(name)
    for call in (
        container.enable_cdn,
        container.get_cdn_url,
        container.object("a").enable_cdn,
        container.object("a").get_cdn_url,
    ):
        with pytest.raises(NotSupportedError, match="cannot be part of a host name"):
            call()
    assert [] == driver.public
    assert "https://b.x_1.x.example/b.x_1" == driver.get_container_cdn_url("b.x_1")


def test_cdn_must_be_a_str() -> None:
    with pytest.raises(InvalidTypeError, match="cdn must be a str, not int"):
        get_driver("memory")(cdn=1)


# Names that browsers, curl or requests would resolve in a URL, and those that they leave alone.
_RESOLVED = ("..", ".", "../../other/secret", "a/../b", "a/./b", "a/..", "a/.", "../", "./")
_LEFT_ALONE = (
    "...",
    "..a",
    "a..",
    "%2e%2e/a",
    "%2E",
    "..\\a",
    "..%2fa",
    "..;/a",
    "//a",
    "a//",
    "/",
)


@pytest.mark.parametrize("name", _RESOLVED)
@pytest.mark.parametrize(
    "cdn",
    [None, _BASE, "https://{container}.x.example/{name}", "https://x.example/{container}/{name}"],
)
def test_name_with_dot_segments_has_no_url(cdn: str | None, name: str) -> None:
    """It could lead out of the base; nothing is published or sent."""
    driver = PublicDriver(cdn=cdn)
    obj = driver.create_container("c").upload_object(b"content", name)
    driver.calls.clear()
    for call in (obj.get_cdn_url, obj.enable_cdn, obj.sign_url):
        with pytest.raises(NotSupportedError, match="would request another object"):
            call()

    assert [] == driver.public == driver.calls


@pytest.mark.parametrize("name", _LEFT_ALONE)
def test_name_with_other_dots_has_a_url(name: str) -> None:
    url = MemoryDriver(cdn=_BASE).object("c", name).get_cdn_url()
    prepared = requests.Request("GET", url).prepare().url

    assert url == f"{_BASE}/c/{quote(name, safe='/')}" == prepared


@pytest.mark.parametrize("name", [".", ".."])
def test_container_named_as_a_dot_segment_is_refused(name: str) -> None:
    driver = MemoryDriver(cdn=_BASE)
    for call in (driver.create_container, driver.get_container_cdn_url, driver.get_container):
        with pytest.raises(InvalidNameError, match="clients and proxies resolve it"):
            call(name)


class WrongAddressDriver(PublicDriver):
    """A driver that does not encode names."""

    address = ""

    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return self.address

    def _get_container_cdn_url(self, container: str) -> str:
        return self.address


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/a b", "https://x.example/a\\..\\b", "https://x.example/%2e%2e/b",
        "https://x.example/a/.%2E?sig=1", "https://x.example/a\n", "https://x.example/ä",
        "https://x.example/../b?sig=1",
    ],
)  # fmt: skip
def test_url_that_clients_would_change_is_refused(address: str) -> None:
    """Even if a driver does not encode names, no URL leads to another object."""
    driver = WrongAddressDriver()
    driver.address = address
    container = stored(driver, b"content")
    for call in (
        container.get_cdn_url,
        container.enable_cdn,
        container.object("a").get_cdn_url,
        container.object("a").enable_cdn,
    ):
        with pytest.raises(NotSupportedError):
            call()

    assert [] == driver.public
