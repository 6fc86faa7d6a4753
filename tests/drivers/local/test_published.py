"""A directory and memory have no public addresses of their own; a web server in front has."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

import pytest
from typing_extensions import override

from libstore import ObjectNotFoundError, StorageDriver, get_driver

NAMES = ["a.txt", "folder/a b", "100%", "a+b?c#d&e", "ä/日本/😀", "%2F", "~a;b,c=d"]


class _Files(SimpleHTTPRequestHandler):
    """Serves the files of a directory, as any web server does."""

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


class _Objects(BaseHTTPRequestHandler):
    """Serves what a driver has, as an application of one's own may."""

    driver: StorageDriver

    def do_GET(self) -> None:
        container, _, name = unquote(urlsplit(self.path).path)[1:].partition("/")
        try:
            content = self.driver.object(container, name).read()
        except ObjectNotFoundError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def _served(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=["local", "memory"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorageDriver]:
    """Return a driver whose objects are served by a web server."""
    if request.param == "local":
        with _served(partial(_Files, directory=str(tmp_path))) as url:
            yield get_driver("local")(tmp_path, cdn=url)
    else:
        objects: Any = type("Objects", (_Objects,), {})
        with _served(objects) as url:
            driver = get_driver("memory")(cdn=url)
            objects.driver = driver
            yield driver


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("name", NAMES)
def test_public_url_is_readable(published: StorageDriver, name: str) -> None:
    """The server decodes what the address encodes: the object is the one that was meant."""
    container = published.create_container("photos and more")
    obj = container.upload_object(name.encode(), name)

    assert name.encode() == get(obj.get_cdn_url()) == get(obj.enable_cdn())


def test_public_url_of_a_missing_object_is_not_found(published: StorageDriver) -> None:
    container = published.create_container("photos")

    with pytest.raises(HTTPError) as caught:
        get(container.object("missing").get_cdn_url())
    assert HTTPStatus.NOT_FOUND == caught.value.code
    caught.value.close()
