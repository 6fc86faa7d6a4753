"""The memory driver: the whole suite, and what only it can do."""

from __future__ import annotations

import gc
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from libstore import (
    AccessDeniedError,
    Container,
    InvalidNameError,
    InvalidOptionError,
    ObjectNotFoundError,
)
from libstore.drivers.memory import MemoryDriver
from libstore.testing import DriverConformance

_NAUGHTY = (
    Path(__file__).parents[2].parent / "shared" / "vectors" / "naughty-strings" / "blns.json"
)


class TestMemory(DriverConformance):
    """The suite."""

    @pytest.fixture
    def driver(self) -> MemoryDriver:
        """Return a driver with a store of its own."""
        return MemoryDriver()

    @pytest.fixture
    @override
    def storage_class(self) -> str:
        """Return a class; it may have any name."""
        return "COLD"

    @pytest.fixture
    @override
    def redeem(self, driver: MemoryDriver) -> Callable[..., bytes]:
        """Redeem signed URLs, which are not HTTP."""
        return lambda url, method, headers=None, content=b"": driver.redeem_url(
            url, method=method, headers=headers, content=content
        )


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver()


@pytest.fixture
def box(driver: MemoryDriver) -> Container:
    return driver.create_container("box")


class TestSignedURLs:
    """redeem_url does what a service would do."""

    def test_get_and_head_need_the_object(self, driver: MemoryDriver, box: Container) -> None:
        obj = box.object("a b/ä?")
        for method in ("GET", "HEAD"):
            with pytest.raises(ObjectNotFoundError):
                driver.redeem_url(obj.sign_url(method=method), method=method)
        box.upload_object(b"content", "a b/ä?")
        assert b"content" == driver.redeem_url(obj.sign_url())
        assert b"" == driver.redeem_url(obj.sign_url(method="HEAD"), method="HEAD")

    def test_put_stores_the_object(self, driver: MemoryDriver, box: Container) -> None:
        url = box.object("a").sign_url(method="PUT")
        assert b"" == driver.redeem_url(url, method="PUT", content=b"content")
        assert b"content" == box.read_object("a")

    def test_delete_deletes_the_object(self, driver: MemoryDriver, box: Container) -> None:
        obj = box.upload_object(b"content", "a")
        assert b"" == driver.redeem_url(obj.sign_url(method="DELETE"), method="DELETE")
        assert "a" not in box

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_url_is_for_one_method(
        self, driver: MemoryDriver, box: Container, method: str
    ) -> None:
        obj = box.upload_object(b"content", "a")
        url = obj.sign_url(method=method)
        for other in {"GET", "HEAD", "PUT", "DELETE", "PATCH"} - {method}:
            with pytest.raises(AccessDeniedError):
                driver.redeem_url(url, method=other, content=b"other")
            changed = url.replace(f"method={method}", f"method={other}")
            with pytest.raises(AccessDeniedError):
                driver.redeem_url(changed, method=other, content=b"other")
        assert b"content" == obj.read()

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("/box/", "/cox/"),
            ("/a?", "/b?"),
            ("/a?", "/a%2F?"),
            ("signature=", "signature=0"),
            ("signature=", "other="),
            ("expires=", "expires=9"),
        ],
    )
    def test_changed_url_is_rejected(
        self, driver: MemoryDriver, box: Container, old: str, new: str
    ) -> None:
        for place in (box, driver.create_container("cox")):
            for name in ("a", "b", "a/"):
                place.upload_object(b"content", name)
        url = box.object("a").sign_url()
        assert b"content" == driver.redeem_url(url)
        changed = url.replace(old, new)
        assert changed != url
        with pytest.raises(AccessDeniedError):
            driver.redeem_url(changed)

    def test_url_of_another_driver_is_rejected(self, driver: MemoryDriver) -> None:
        other = MemoryDriver().create_container("box").upload_object(b"content", "a")
        driver.create_container("box").upload_object(b"content", "a")
        with pytest.raises(AccessDeniedError):
            driver.redeem_url(other.sign_url())

    def test_url_expires(self, driver: MemoryDriver, box: Container) -> None:
        url = box.upload_object(b"content", "a").sign_url(expires=0.001)
        until = time.time() + 0.002
        while time.time() <= until:
            pass
        with pytest.raises(AccessDeniedError, match="expired"):
            driver.redeem_url(url)


class TestPickles:
    """A pickle of a driver stands for its store, within the process."""

    def test_unpickled_driver_is_the_same_store(
        self, driver: MemoryDriver, box: Container
    ) -> None:
        obj = box.upload_object(b"content", "a")
        assert pickle.loads(pickle.dumps(driver)) is driver
        assert obj == pickle.loads(pickle.dumps(obj))
        again = pickle.loads(pickle.dumps(box))
        again.upload_object(b"more", "b")
        assert b"more" == box.read_object("b")

    def test_pickle_does_not_load_in_another_process(self, driver: MemoryDriver) -> None:
        program = (
            "import pickle, sys\n"
            "from libstore import InvalidOptionError\n"
            "try:\n"
            "    pickle.load(sys.stdin.buffer)\n"
            "except InvalidOptionError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=pickle.dumps(driver),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert b"another process" in done.stdout

    def test_pickle_does_not_load_without_its_store(self) -> None:
        pickled = pickle.dumps(MemoryDriver())
        gc.collect()
        with pytest.raises(InvalidOptionError, match="was deleted"):
            pickle.loads(pickled)

    def test_store_ends_with_its_driver(self) -> None:
        box = MemoryDriver().create_container("box")
        box.upload_object(b"content", "a")
        assert b"content" == box.read_object("a")
        assert [] == list(MemoryDriver().list_containers())


def _exact_names() -> Iterator[str]:
    yield from ("x" * 1024, "é" * 512, "😀" * 256, ("d" * 127 + "/") * 8)
    yield from (".", "..", "/", "//", "./a", "a/..", "../../etc/passwd", "a/./b", "/a/", "a//b")
    yield from ("\0", "a\0b", "\n", "\r\n", "\t", "\x7f", "\x1b[31m", " ", "\ufeff", "\uffff")
    yield from map(chr, range(1, 32))


def _naughty_names() -> Iterator[str]:
    if not _NAUGHTY.exists():
        pytest.skip(f"the naughty strings are not at {_NAUGHTY}")
    yield from json.loads(_NAUGHTY.read_text("utf-8"))


@pytest.mark.parametrize("names", [_exact_names, _naughty_names])
def test_every_name_is_exact(box: Container, names: Callable[[], Iterator[str]]) -> None:
    """The reference holds any name of up to 1,024 bytes as it is."""
    wanted = {name for name in names() if name}
    for name in wanted:
        assert name == box.upload_object(name.encode(), name).name
    assert sorted(wanted) == [obj.name for obj in box]
    for name in wanted:
        assert name.encode() == box.read_object(name)
        assert [name] == [obj.name for obj in box.list_objects(name) if obj.name == name]
    copies = box.driver.create_container("copies")
    for obj in box:
        assert obj.name == obj.copy(copies).name
    assert all(result.ok for result in box.delete_objects(wanted))
    assert [] == list(box)
    assert sorted(wanted) == [obj.name for obj in copies]


def test_there_are_515_naughty_strings(box: Container) -> None:
    """The whole list is tried; the empty string in it is refused."""
    strings = list(_naughty_names())
    assert 515 == len(strings)
    assert "" in strings
    with pytest.raises(InvalidNameError):
        box.upload_object(b"", "")


def test_name_of_1025_bytes_is_rejected(box: Container) -> None:
    with pytest.raises(InvalidNameError):
        box.upload_object(b"", "é" * 512 + "x")


def test_container_has_count_and_size(driver: MemoryDriver, box: Container) -> None:
    """The memory driver reports all attributes."""
    box.upload_object(b"content", "a")
    box.upload_object(b"more", "b")
    box.refresh()
    assert (2, 11) == (box.object_count, box.size)
    assert box.created is not None


def test_each_write_has_a_new_etag(box: Container) -> None:
    """The same content written again is another version."""
    first = box.upload_object(b"content", "a")
    second = box.upload_object(b"content", "a")
    assert first.object_hash == second.object_hash
    assert first.etag != second.etag
