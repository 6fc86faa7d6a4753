"""The local driver passes the conformance suite; its options and public URLs."""

from __future__ import annotations

import pickle
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
from drivers.local.support import local_driver, snapshot
from typing_extensions import override

from libstore import (
    ContainerNotFoundError,
    InvalidOptionError,
    InvalidTypeError,
    ObjectNotFoundError,
    RetryPolicy,
    StorageDriver,
    TransferOptions,
    get_driver,
)
from libstore.testing import DriverConformance


@pytest.fixture(scope="module")
def durable_driver(tmp_path_factory: pytest.TempPathFactory) -> StorageDriver:
    return local_driver(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def quick_driver(tmp_path_factory: pytest.TempPathFactory) -> StorageDriver:
    return local_driver(tmp_path_factory.mktemp("root"), attributes="file", fsync=False)


class TestLocalDriver(DriverConformance):
    """With what the file system has for attributes, and everything on disk."""

    @pytest.fixture
    def driver(self, durable_driver: StorageDriver) -> StorageDriver:
        return durable_driver


class TestLocalDriverWithSideFiles(DriverConformance):
    """With side files for attributes, and without fsync."""

    @pytest.fixture
    def driver(self, quick_driver: StorageDriver) -> StorageDriver:
        return quick_driver


def test_constructing_a_driver_writes_nothing(tmp_path: Path) -> None:
    """The root is made with the first container, not before."""
    driver = local_driver(tmp_path / "a" / "root")
    assert [] == list(driver.list_containers())
    assert {} == snapshot(tmp_path)
    driver.create_container("c")
    assert (tmp_path / "a" / "root" / "c").is_dir()


def test_missing_root_has_no_containers(tmp_path: Path) -> None:
    """Where there is no root, each container is missing, which is not an error of the root."""
    driver = local_driver(tmp_path / "root")
    with pytest.raises(ContainerNotFoundError):
        driver.get_container("c")
    with pytest.raises(ContainerNotFoundError):
        list(driver.list_objects("c"))
    with pytest.raises(ContainerNotFoundError):
        driver.upload_object(b"x", "c", "a")
    assert {} == snapshot(tmp_path)


def test_root_that_is_a_file_is_rejected(tmp_path: Path) -> None:
    """A root must be a directory, and the error names it."""
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    with pytest.raises(InvalidOptionError, match=str(file)):
        local_driver(file)
    assert b"mine" == file.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"attributes": "sidecar"},
        {"attributes": None},
        {"attributes": ""},
    ],
    ids=repr,
)
def test_invalid_option_is_rejected(tmp_path: Path, options: dict[str, Any]) -> None:
    """An option that is none is InvalidOptionError, a ValueError, and says what would be right."""
    with pytest.raises(InvalidOptionError, match="xattr") as caught:
        local_driver(tmp_path, **options)
    assert isinstance(caught.value, ValueError)


def test_root_may_be_a_link(tmp_path: Path) -> None:
    """The root itself may be a symbolic link to a directory, also where links are not followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    local_driver(tmp_path / "root").create_container("c").upload_object(b"x", "a")
    assert b"x" == (tmp_path / "real" / "c" / "a").read_bytes()


def test_relative_root_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative root is meant from where the driver was made."""
    monkeypatch.chdir(tmp_path)
    driver = local_driver("root")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    driver.create_container("c")
    assert (tmp_path / "root" / "c").is_dir()


def test_root_may_be_a_path_object(tmp_path: Path) -> None:
    """A path as str and one as PathLike mean the same."""
    assert repr(local_driver(tmp_path)) == repr(local_driver(str(tmp_path)))


@pytest.mark.parametrize("root", [5, None, b"/srv", ["/srv"]], ids=repr)
def test_root_that_is_not_a_path_is_rejected(root: Any) -> None:
    """What is no path is InvalidTypeError, a TypeError, before anything is made."""
    with pytest.raises(InvalidTypeError) as caught:
        local_driver(root)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("switch", ["fsync", "follow_symlinks"])
def test_flag_must_be_a_bool(tmp_path: Path, switch: str) -> None:
    """The word "no" would switch on what it means to switch off."""
    with pytest.raises(InvalidTypeError, match=switch):
        local_driver(tmp_path, **{switch: "no"})


def test_empty_root_is_rejected() -> None:
    """An empty path is not taken for the current directory."""
    with pytest.raises(InvalidOptionError, match="empty"):
        local_driver("")


def test_root_with_a_nul_is_rejected() -> None:
    """A path that no directory can have is InvalidOptionError before anything is made."""
    with pytest.raises(InvalidOptionError):
        local_driver("a\0b")


def test_repr_names_the_root(tmp_path: Path) -> None:
    """A driver shows itself by class and root."""
    assert f"<LocalDriver {str(tmp_path)!r}>" == repr(local_driver(tmp_path))


def test_pickled_driver_has_the_same_options(tmp_path: Path) -> None:
    """A driver and its handles pickle, and the unpickled ones have the same settings."""
    driver = local_driver(
        tmp_path,
        fsync=False,
        follow_symlinks=True,
        attributes="file",
        retry=RetryPolicy(attempts=1),
        transfer=TransferOptions(part_size=7, multipart_threshold=9, concurrency=2),
    )
    obj = driver.create_container("c").upload_object(b"content", "a/b", metadata={"k": "v"})
    again = pickle.loads(pickle.dumps(driver))
    assert repr(driver) == repr(again)
    assert (driver.retry, driver.transfer) == (again.retry, again.transfer)
    (tmp_path / "c" / "link").symlink_to("a/b")
    assert b"content" == again.get_container("c").read_object("link")
    again_obj = pickle.loads(pickle.dumps(obj))
    assert b"content" == again_obj.read()
    assert {"k": "v"} == again_obj.refresh().metadata


# ---------------------------------------------------------------------- published


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
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
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
