"""Awkward names on S3: on the wire, in URLs that others use, and beside names that look alike."""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import pytest

from libstore import Container, NotSupportedError, get_driver
from libstore.drivers.s3 import S3Driver
from libstore.testing.names import DIFFICULT, ORDINARY, PAIRS, has_dots
from servers.s3 import S3Server
from servers.s3_recorder import CONTENT, Recorder

CONTROLS = tuple(f"a{chr(number)}b" for number in (*range(0x20), *range(0x7F, 0xA0)))
MARKUP = (
    "]]>",
    "<!--",
    "<![CDATA[x]]>",
    "&#0;",
    "&lt;",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\U0010ffff",
)
LIKE_PATHS = (
    "../other/secret",
    "..%2fother/secret",
    "/other/secret",
    "//other/secret",
    "?x",
    "#x",
)
NAMES = tuple(
    dict.fromkeys((*ORDINARY, *DIFFICULT, *(name for pair in PAIRS for name in pair),
                   *CONTROLS, *MARKUP, *LIKE_PATHS))
)  # fmt: skip
_KEY = "{http://s3.amazonaws.com/doc/2006-03-01/}Key"


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Send a request without credentials, with the URL unchanged."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.request(method, url[len(f"{parts.scheme}://{parts.netloc}") :], body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.fixture
def driver(recorder: Recorder) -> Iterator[S3Driver]:
    with get_driver("s3")("AKID", "secret", endpoint=recorder.url) as driver:
        yield driver


def test_presigned_url_has_the_encoded_name(recorder: Recorder, driver: S3Driver) -> None:
    """Whatever a name has in it, the URL leads to it, and says nothing else by it, or is none."""
    for name in NAMES:
        obj = driver.object("bucket", name)
        if has_dots(name):
            for call in (obj.sign_url, obj.get_cdn_url):
                with pytest.raises(NotSupportedError):
                    call()
            continue
        url = obj.sign_url()
        assert (200, CONTENT) == fetch(url)
        path, _, query = recorder.seen[-1][1].partition("?")
        assert f"/bucket/{quote(name, safe='/')}" == path
        assert query.count("=") == 6
        assert query.startswith("X-Amz-Algorithm=")


def test_batch_deletion_is_valid_xml_for_any_name(recorder: Recorder, driver: S3Driver) -> None:
    """What XML cannot carry goes by itself; the rest arrives, line ends and all."""
    assert all(driver.object("bucket", "any").container.delete_objects(NAMES))
    keys: list[str | None] = []
    for (method, target, _), body in zip(recorder.seen, recorder.bodies, strict=True):
        if method == "POST":
            assert target == "/bucket?delete="
            keys += [key.text for key in ET.fromstring(body).iter(_KEY)]
        else:
            assert method == "DELETE"
    single = [target for method, target, _ in recorder.seen if method == "DELETE"]
    alone = [name for name in NAMES if name not in keys]
    assert sorted(f"/bucket/{quote(name, safe='/')}" for name in alone) == sorted(single)
    assert sorted(NAMES) == sorted([*map(str, keys), *alone])
    assert all(set(name) & {*map(chr, range(0x20)), "\ufffe"} for name in alone)


class Wire:
    """Takes requests in a network's place, as hosts of buckets cannot be had on loopback."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def send(self, request: Any, headers: Any) -> Any:
        self.seen.append((request.url, request.target))
        raise InterruptedError

    def close(self) -> None:
        return


def test_object_name_never_changes_the_host() -> None:
    with S3Driver("AKID", "secret", region="eu-west-1") as driver:
        wire = Wire()
        driver._client.transport = wire
        for name in NAMES:
            with pytest.raises(InterruptedError):
                driver.object("bucket", name).read()
            host, target = wire.seen[-1]
            assert host == "https://bucket.s3.eu-west-1.amazonaws.com"
            assert f"/{quote(name, safe='/')}" == target
            if has_dots(name):
                continue
            signed = driver.object("bucket", name).sign_url()
            assert signed.startswith(f"{host}{target}?X-Amz-")


# ---------------------------------------------------------------------- on a real server


@pytest.fixture
def containers(swift_server: S3Server) -> Iterator[tuple[Container, Container]]:
    """Return two buckets: one for the names, and one that must not be reachable by them."""
    with get_driver("swift-s3")(
        swift_server.key, swift_server.secret, endpoint=swift_server.endpoint
    ) as driver:
        unique = uuid.uuid4().hex
        made = (
            driver.create_container(f"libstore-{unique}"),
            driver.create_container(f"libstore-{unique}-other"),
        )
        yield made
        for container in made:
            container.delete()


def test_similar_names_are_different_objects(containers: tuple[Container, Container]) -> None:
    """Put, list, signed URLs and batches: each name is one object, and in one bucket."""
    here, other = containers
    other.upload_object(b"a secret", "secret")
    # Swift takes no NUL; of all control characters, those of the lists have to do here.
    names = [name for name in NAMES if "\0" not in name and name not in CONTROLS]
    for name in names:
        here.upload_object(name.encode(), name)
    assert sorted(names, key=str.encode) == [obj.name for obj in here.list_objects()]
    for name in names:
        content = name.encode()
        obj = here.object(name)
        if has_dots(name):  # no URL leads there
            assert content == obj.read()
            obj.delete()
            continue
        assert (200, content) == fetch(obj.sign_url())
        changed = content + b"!"
        assert fetch(obj.sign_url(method="PUT"), "PUT", changed)[0] == 200
        assert changed == here.read_object(name)
    names = [name for name in names if not has_dots(name)]
    single, together = names[::2], names[1::2]
    for name in single:
        assert fetch(here.object(name).sign_url(method="DELETE"), "DELETE")[0] == 204
    assert sorted(together, key=str.encode) == [obj.name for obj in here.list_objects()]
    assert all(result.ok for result in here.delete_objects(together))
    assert [] == list(here.list_objects())
    assert ["secret"] == [obj.name for obj in other.list_objects()]
    assert other.read_object("secret") == b"a secret"
