"""Objects opened with mode "w+b": files that can seek and be read, published when closed."""

from __future__ import annotations

import gc
import io
import os
import zipfile

import pytest

from libstore import (
    Container,
    Object,
    ObjectAlreadyExistsError,
    SeekableObjectWriter,
    StorageDriver,
)

from .base import CONTENT, Topic, noise, unfinished


class _Interrupted(Exception):
    """An exception that this suite raises while it writes."""


_AMOUNTS = pytest.mark.parametrize(
    "parts", [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")]
)


class SeekableWriters(Topic):
    """Test open(name, "w+b") and open(name, "x+b")."""

    @_AMOUNTS
    def test_seekable_writer_stores_what_it_contains(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """Bytes can be written in any order, and replaced."""
        content = noise(int(parts * part_size))
        half = len(content) // 2
        with container.open("a", "w+b") as file:
            file.seek(half)
            file.write(content[half:] + b"surplus")
            assert len(content) == file.truncate(len(content))
            assert 0 == file.seek(0)
            file.write(b"-" * half)
            file.seek(-half, os.SEEK_CUR)
            file.write(content[:half])
            assert half == file.tell()
            assert content[half:] == file.read()
            assert not container.object_exists("a")
        assert content == container.read_object("a")
        assert [] == unfinished(container)

    def test_seekable_writer_has_the_object_after_its_block(self, container: Container) -> None:
        with container.open("a", "w+b", metadata={"Owner": "me"}) as file:
            assert isinstance(file, SeekableObjectWriter)
            assert (True, True, True) == (file.writable(), file.readable(), file.seekable())
            assert ("a", "w+b", None) == (file.name, file.mode, file.object)
            file.write(CONTENT)
        assert isinstance(file.object, Object)
        assert ("a", len(CONTENT)) == (file.object.name, file.object.size)
        assert {"owner": "me"} == dict(file.object.refresh().metadata)

    def test_text_writer_that_seeks_stores_its_text(self, container: Container) -> None:
        with container.open("a", "w+", newline="") as file:
            file.write("gr\xfc\xdfe\n2\n")
            file.seek(0)
            assert ["gr\xfc\xdfe\n", "2\n"] == file.readlines()
            file.seek(0)
            file.truncate()
            file.write("\u65e5\u672c")
        assert isinstance(file.object, Object)
        assert "\u65e5\u672c".encode() == container.read_object("a")

    def test_seekable_writer_begins_empty_and_replaces_the_object(
        self, container: Container
    ) -> None:
        container.upload_object(CONTENT, "a")
        with container.open("a", "w+b") as file:
            assert b"" == file.read()
            assert CONTENT == container.read_object("a")
        assert b"" == container.read_object("a")

    @_AMOUNTS
    def test_exception_in_the_block_of_a_seekable_writer_publishes_nothing(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        container.upload_object(CONTENT, "a")
        for name in ("a", "b"):
            with pytest.raises(_Interrupted):
                _fail_in_block(container, name, noise(int(parts * part_size)))
        assert ["a"] == [obj.name for obj in container.list_objects()]
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    def test_seekable_writer_is_published_by_close_and_not_when_dropped(
        self, container: Container
    ) -> None:
        file = container.open("a", "w+b")
        file.write(CONTENT)
        file.close()
        file.close()
        assert CONTENT == container.read_object("a")
        aborted = container.open("b", "w+b")
        aborted.abort()
        assert aborted.closed
        with pytest.warns(ResourceWarning, match="never closed"):
            _forget_a_file(container, "c")
        assert ["a"] == [obj.name for obj in container.list_objects()]

    def test_zip_archive_is_updated_by_a_seekable_writer(self, container: Container) -> None:
        """The archive is downloaded into the file, and replaced."""
        with container.open("a.zip", "w+b") as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr("one", CONTENT)
        obj = container.get_object("a.zip")
        match = obj.etag if container.driver.supports("if_match") else None
        with container.open("a.zip", "w+b", if_match=match) as file:
            obj.download(file)
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr("two", CONTENT * 2)
        with zipfile.ZipFile(io.BytesIO(container.read_object("a.zip"))) as archive:
            assert (CONTENT, CONTENT * 2) == (archive.read("one"), archive.read("two"))

    @pytest.mark.parametrize("mode", ["xb", "x", "x+b", "x+"])
    def test_mode_x_finds_an_existing_object_when_it_is_opened(
        self, driver: StorageDriver, container: Container, mode: str
    ) -> None:
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            container.open("a", mode)
        assert ("open_object", "a") == (caught.value.operation, caught.value.object)
        assert CONTENT == container.read_object("a")

    def test_mode_x_of_a_seekable_writer_creates_an_object(
        self, driver: StorageDriver, container: Container
    ) -> None:
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")
        with container.open("a", "x+b") as file:
            file.write(CONTENT)
        assert CONTENT == container.read_object("a")


def _fail_in_block(container: Container, name: str, content: bytes) -> None:
    with container.open(name, "w+b") as file:
        file.write(content)
        raise _Interrupted


def _forget_a_file(container: Container, name: str) -> None:
    container.open(name, "w+b").write(CONTENT)
    gc.collect()
