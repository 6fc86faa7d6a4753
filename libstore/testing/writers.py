"""Objects opened for writing: published when the file is closed without an exception."""

from __future__ import annotations

import array
import csv
import gc
import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from libstore import (
    Container,
    Object,
    ObjectAlreadyExistsError,
    ObjectWriter,
    StorageDriver,
    TransferCancelledError,
)

from .base import CONTENT, Topic, noise, unfinished


class _Interrupted(Exception):
    """An exception that this suite raises while it writes."""


_AMOUNTS = pytest.mark.parametrize(
    "parts", [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")]
)


class Writers(Topic):
    """Test open(name, "wb"), open(name, "xb") and open(name, "w")."""

    @_AMOUNTS
    def test_written_bytes_are_the_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """The object has all bytes, whatever the sizes of the writes."""
        content = noise(int(parts * part_size))
        with container.open("a", "wb") as file:
            for start in range(0, len(content), 9_999):
                assert len(content[start : start + 9_999]) == file.write(
                    content[start : start + 9_999]
                )
        assert content == container.read_object("a")
        assert [] == unfinished(container)

    def test_writer_is_writable_and_has_a_position(self, container: Container) -> None:
        with container.open("a", "wb") as file:
            assert isinstance(file, ObjectWriter)
            assert (True, False, False) == (file.writable(), file.readable(), file.seekable())
            assert 0 == file.tell()
            file.write(CONTENT)
            assert len(CONTENT) == file.tell()
            with pytest.raises(io.UnsupportedOperation):
                file.read()
        assert file.closed

    def test_writer_has_the_object_after_its_block(self, container: Container) -> None:
        with container.open("a", "wb") as file:
            assert file.object is None
            file.write(CONTENT)
        assert isinstance(file.object, Object)
        assert ("a", len(CONTENT)) == (file.object.name, file.object.size)

    def test_nothing_written_is_an_empty_object(self, container: Container) -> None:
        """Opening and closing creates an object of 0 bytes."""
        with container.open("a", "wb"):
            pass
        assert 0 == container.get_object("a").size

    def test_close_publishes_without_a_block(self, container: Container) -> None:
        """close() publishes outside of a with block, and may be called again."""
        file = container.open("a", "wb")
        file.write(CONTENT)
        assert not container.object_exists("a")
        file.close()
        file.close()
        assert CONTENT == container.read_object("a")

    @_AMOUNTS
    def test_an_exception_in_the_block_publishes_nothing(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """No object and no parts remain."""
        with pytest.raises(_Interrupted):
            _fail_in_block(container, noise(int(parts * part_size)))
        assert not container.object_exists("a")
        assert [] == unfinished(container)

    @_AMOUNTS
    def test_an_exception_in_the_block_leaves_the_old_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """The existing object does not change."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(_Interrupted):
            _fail_in_block(container, noise(int(parts * part_size)))
        assert CONTENT == container.read_object("a")

    def test_the_old_object_is_there_until_the_file_is_closed(
        self, container: Container, part_size: int
    ) -> None:
        """Opening and writing do not replace the object."""
        container.upload_object(CONTENT, "a")
        with container.open("a", "wb") as file:
            file.write(noise(3 * part_size))
            assert CONTENT == container.read_object("a")
        assert noise(3 * part_size) == container.read_object("a")

    @pytest.mark.parametrize("where", ["except", "finally", "closing"])
    def test_closing_while_an_exception_is_handled_publishes_nothing(
        self, container: Container, where: str
    ) -> None:
        """Clean-up code does not publish incomplete content."""
        with pytest.raises(TransferCancelledError):
            _WAYS_TO_FAIL[where](container)
        assert not container.object_exists("a")

    def test_a_file_that_is_opened_in_an_except_block_is_published(
        self, container: Container
    ) -> None:
        """An exception that began before the file was opened does not count."""
        try:
            raise _Interrupted
        except _Interrupted:
            file = container.open("a", "wb")
            file.write(CONTENT)
            file.close()
        assert CONTENT == container.read_object("a")

    def test_abort_publishes_nothing(self, container: Container, part_size: int) -> None:
        """abort() closes the file and deletes its parts."""
        file = container.open("a", "wb")
        file.write(noise(3 * part_size))
        file.abort()
        file.close()
        assert not container.object_exists("a")
        assert [] == unfinished(container)

    def test_unclosed_writer_publishes_nothing(self, container: Container, part_size: int) -> None:
        """Dropping a writer warns, and deletes its parts."""
        with pytest.warns(ResourceWarning, match="never closed"):
            _forget_a_file(container, noise(3 * part_size))
        assert not container.object_exists("a")
        assert [] == unfinished(container)

    def test_closed_writer_refuses_writes(self, container: Container) -> None:
        """write() after close() raises ValueError."""
        file = container.open("a", "wb")
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.write(CONTENT)
        with pytest.raises(ValueError, match="closed"):
            file.tell()

    @pytest.mark.parametrize("wrong", ["text", None, 5, [b"a"]], ids=ascii)
    def test_writer_refuses_what_is_not_a_buffer(self, container: Container, wrong: Any) -> None:
        """It raises a TypeError."""
        with container.open("a", "wb") as file:
            with pytest.raises(TypeError):
                file.write(wrong)
            file.write(CONTENT)
        assert CONTENT == container.read_object("a")

    def test_any_buffer_can_be_written(self, container: Container) -> None:
        """write() counts the bytes of a buffer, not its items."""
        with container.open("a", "wb") as file:
            assert 2 == file.write(bytearray(b"ab"))
            assert 2 == file.write(memoryview(b"xcdx")[1:3])
            assert 4 == file.write(array.array("H", [0x6565, 0x6666]))
            file.writelines([b"g", b"h"])
        assert b"abcdeeffgh" == container.read_object("a")

    def test_a_buffer_may_be_changed_after_it_was_written(
        self, container: Container, part_size: int
    ) -> None:
        """The object has the bytes at the time of the write."""
        buffer = bytearray(part_size)
        with container.open("a", "wb") as file:
            for value in (1, 2, 3):
                buffer[:] = bytes([value]) * part_size
                file.write(buffer)
        expected = b"".join(bytes([value]) * part_size for value in (1, 2, 3))
        assert expected == container.read_object("a")

    def test_open_for_writing_accepts_the_options_of_an_upload(self, container: Container) -> None:
        with container.open("a", "wb", content_type="text/x-a", metadata={"Owner": "me"}) as file:
            file.write(CONTENT)
        found = container.get_object("a")
        assert ("text/x-a", {"owner": "me"}) == (found.content_type, dict(found.metadata))

    @pytest.mark.parametrize("mode", ["xb", "x"])
    def test_mode_x_keeps_an_existing_object(
        self, driver: StorageDriver, container: Container, mode: str
    ) -> None:
        """Mode "x" is if_absent."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")
        data: Any = b"new" if "b" in mode else "new"
        with driver.open_object(container, "a", mode) as file:
            file.write(data)
        with pytest.raises(ObjectAlreadyExistsError):
            with driver.open_object(container, "a", mode) as file:
                file.write(data * 2)
        assert b"new" == container.read_object("a")

    # ------------------------------------------------------------------ text

    def test_text_is_written_as_utf8_by_default(self, container: Container) -> None:
        """Mode "w" encodes UTF-8, and does not translate line ends by default."""
        with container.open("a", "w", newline="") as file:
            file.write("grüße\n日本\r\n")
        assert "grüße\n日本\r\n".encode() == container.read_object("a")

    def test_text_writer_has_object_and_abort(self, container: Container) -> None:
        with container.open("a", "w") as file:
            file.write("grüße")
            assert file.object is None
        assert isinstance(file.object, Object)
        assert "grüße".encode() == file.object.read()
        for inside in (True, False):
            dropped = container.open("b", "wt")
            dropped.write("never seen")
            if inside:
                with dropped:
                    dropped.abort()
            else:
                dropped.abort()
                dropped.close()
            assert dropped.closed
            assert dropped.object is None
        assert ["a"] == [obj.name for obj in container.list_objects()]

    def test_files_have_the_mode_they_were_opened_with(
        self, driver: StorageDriver, container: Container
    ) -> None:
        container.upload_object(CONTENT, "a")
        modes = ["r", "rt", "rb", "w", "wt", "wb"]
        if driver.supports("if_absent"):
            modes += ["x", "xt", "xb"]
        for number, mode in enumerate(modes):
            name = "a" if "r" in mode else f"b{number}"
            with container.open(name, mode) as file:
                assert mode == file.mode

    def test_text_may_be_written_in_another_encoding(self, container: Container) -> None:
        """encoding, errors and newline are those of the builtin open."""
        with container.open("a", "w", encoding="ascii", errors="replace", newline="\r\n") as file:
            file.write("grüße\n")
        assert b"gr??e\r\n" == container.read_object("a")

    def test_an_exception_in_a_block_of_text_publishes_nothing(self, container: Container) -> None:
        """Text writers follow the rule of binary ones."""
        with pytest.raises(_Interrupted):
            _fail_in_block_of_text(container)
        assert not container.object_exists("a")

    def test_text_that_cannot_be_encoded_publishes_nothing(self, container: Container) -> None:
        """The encoding error is raised, and no object appears."""
        with pytest.raises(UnicodeEncodeError), container.open("a", "w", encoding="ascii") as file:
            file.write("grüße")
        assert not container.object_exists("a")

    # ------------------------------------------------------------------ code that accepts files

    def test_shutil_writes_it(self, container: Container, part_size: int) -> None:
        """shutil.copyfileobj writes to it."""
        content = noise(2 * part_size + 1)
        with container.open("a", "wb") as file:
            shutil.copyfileobj(io.BytesIO(content), file)
        assert content == container.read_object("a")

    def test_zipfile_writes_it(self, container: Container) -> None:
        """A zip archive can be written to an object."""
        with container.open("a.zip", "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("one", CONTENT)
                archive.writestr("two", noise(70_000))
        with zipfile.ZipFile(io.BytesIO(container.read_object("a.zip"))) as archive:
            assert archive.testzip() is None
            assert CONTENT == archive.read("one")

    def test_an_exception_in_a_zip_archive_publishes_nothing(self, container: Container) -> None:
        """A wrapper that closes the file during an exception does not publish."""
        with pytest.raises(_Interrupted):
            _fail_in_archive(container)
        assert not container.object_exists("a")

    def test_tarfile_writes_it(self, container: Container) -> None:
        """A tar archive can be written to an object."""
        with container.open("a.tar", "wb") as file:
            with tarfile.open(fileobj=file, mode="w|gz") as archive:
                member = tarfile.TarInfo("member")
                member.size = len(CONTENT)
                archive.addfile(member, io.BytesIO(CONTENT))
        with tarfile.open(fileobj=io.BytesIO(container.read_object("a.tar"))) as archive:
            assert ["member"] == archive.getnames()

    def test_gzip_csv_and_json_write_it(self, container: Container) -> None:
        """Modules that write streams accept it."""
        with container.open("a.gz", "wb") as file, gzip.open(file, "wb") as packed:
            packed.write(CONTENT * 100)
        assert CONTENT * 100 == gzip.decompress(container.read_object("a.gz"))
        with container.open("a.csv", "w", newline="") as text:
            csv.writer(text).writerows([["name", "size"], ["a, b", 5]])
        assert b'name,size\r\n"a, b",5\r\n' == container.read_object("a.csv")
        with container.open("a.json", "w") as text:
            json.dump({"a": [1, 2]}, text)
        assert {"a": [1, 2]} == json.loads(container.read_object("a.json"))

    @_AMOUNTS
    def test_a_text_wrapper_writes_it(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """io.TextIOWrapper wraps it; an object that it closes is published at the block's end."""
        line = "grüße\n"
        count = int(parts * part_size) // len(line.encode())
        with container.open("a", "wb") as file:
            with io.TextIOWrapper(file, encoding="utf-8", newline="\n") as text:
                text.writelines([line] * count)
        assert (line * count).encode() == container.read_object("a")


def _forget_a_file(container: Container, content: bytes) -> None:
    container.open("a", "wb").write(content)
    gc.collect()


def _fail_in_block(container: Container, content: bytes) -> None:
    with container.open("a", "wb") as file:
        file.write(content)
        raise _Interrupted


def _fail_in_block_of_text(container: Container) -> None:
    with container.open("a", "w") as file:
        file.write("half")
        raise _Interrupted


def _fail_in_archive(container: Container) -> None:
    with container.open("a", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one", CONTENT)
        raise _Interrupted


def _close_in_except(container: Container) -> None:
    file = container.open("a", "wb")
    file.write(CONTENT)
    try:
        raise _Interrupted
    except _Interrupted:
        file.close()


def _close_in_finally(container: Container) -> None:
    file = container.open("a", "wb")
    try:
        file.write(CONTENT)
        raise _Interrupted
    finally:
        file.close()


def _close_by_closing(container: Container) -> None:
    with closing(container.open("a", "wb")) as file:
        file.write(CONTENT)
        raise _Interrupted


_WAYS_TO_FAIL: dict[str, Callable[[Container], None]] = {
    "except": _close_in_except,
    "finally": _close_in_finally,
    "closing": _close_by_closing,
}
