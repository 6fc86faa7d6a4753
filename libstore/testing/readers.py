"""Objects opened for reading, as files for any code that accepts one."""

from __future__ import annotations

import array
import csv
import ctypes
import gzip
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    InvalidTypeError,
    Object,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageDriver,
    StorageError,
)

from .base import CONTENT, Topic, noise
from .container_pool import ContainerPool

_LARGE = 700 * 1024


class Readers(Topic):
    """Test open(name, "rb") and open(name, "r")."""

    @pytest.fixture
    def large(self, driver: StorageDriver, container_pool: ContainerPool) -> Iterator[Object]:
        """Provide an object larger than one block of a reader, which tests do not change."""
        with container_pool.stocked(driver, "large", _put_large) as container:
            yield container.get_object("large")

    def test_reader_is_readable_and_seekable(self, container: Container) -> None:
        """The block closes it."""
        container.upload_object(CONTENT, "a")
        with container.open("a", "rb") as file:
            assert isinstance(file, io.BufferedIOBase)
            assert (True, True, False) == (file.readable(), file.seekable(), file.writable())
            assert CONTENT == file.read()
        assert file.closed

    def test_read_continues_at_the_position(self, large: Object) -> None:
        """read(n) returns the next n bytes across all blocks, and then nothing."""
        sizes = (0, 1, 7, 4096, 100_000, 300_000, _LARGE)
        with large.as_file() as file:
            blocks = [file.read(size) for size in sizes]
            assert b"" == file.read(10)
            assert b"" == file.read()
        assert sizes[:-1] == tuple(len(block) for block in blocks[:-1])
        assert noise(_LARGE) == b"".join(blocks)

    @pytest.mark.parametrize("mode", ["rb", "r"])
    def test_reader_has_the_size_of_the_object(self, container: Container, mode: str) -> None:
        """Programs that find none take the size of a local file of this name."""
        container.upload_object(CONTENT, "a")
        for opened in (container.open("a", mode), container.get_object("a").open(mode)):
            with opened as file:
                assert len(CONTENT) == file.size

    @pytest.mark.parametrize(
        "make",
        [
            lambda: bytearray(8),
            lambda: array.array("d", [0.0]),
            lambda: memoryview(bytearray(8)).cast("H"),
            lambda: memoryview(bytearray(8)).cast("B", [2, 4]),
            ctypes.c_uint32.__ctype_be__ * 2,
            ctypes.c_double,
        ],
        ids=["bytes", "floats", "halves", "rows", "big-endian", "one number"],
    )
    @pytest.mark.parametrize("buffering", [0, -1])
    def test_readinto_fills_any_writable_buffer(
        self, container: Container, make: Callable[[], Any], buffering: int
    ) -> None:
        """A buffer of any item type is filled with bytes."""
        container.upload_object(CONTENT, "a")
        target = make()
        with container.get_object("a").as_file() as buffered:
            file: Any = buffered if buffering else buffered.raw
            assert 8 == file.readinto(target)
        assert CONTENT[:8] == memoryview(target).tobytes()

    @pytest.mark.parametrize(
        "make",
        [bytearray, lambda: array.array("d"), lambda: memoryview(bytearray()).cast("H")],
        ids=["bytes", "floats", "halves"],
    )
    def test_readinto_of_no_bytes_reads_nothing(
        self, container: Container, make: Callable[[], Any]
    ) -> None:
        """A buffer of 0 bytes is filled at once."""
        container.upload_object(CONTENT, "a")
        with container.get_object("a").as_file() as file:
            assert 0 == file.raw.readinto(make())
            assert 0 == file.tell()

    @pytest.mark.parametrize(
        "target",
        [b"12345678", "text", 5, None, memoryview(bytearray(16))[::2]],
        ids=["read-only", "str", "int", "None", "with gaps"],
    )
    def test_readinto_refuses_a_read_only_buffer(self, container: Container, target: Any) -> None:
        """Anything but a writable buffer raises InvalidTypeError, a TypeError."""
        container.upload_object(CONTENT, "a")
        with container.get_object("a").as_file() as file:
            with pytest.raises(InvalidTypeError) as caught:
                file.raw.readinto(target)
            assert isinstance(caught.value, TypeError)
            assert CONTENT == file.read()

    @pytest.mark.parametrize("offset", [2.5, "1", None, b"1"], ids=repr)
    def test_seek_refuses_an_offset_that_is_not_an_integer(
        self, container: Container, offset: Any
    ) -> None:
        """The position does not change."""
        container.upload_object(CONTENT, "a")
        with container.get_object("a").as_file() as file:
            file.raw.seek(3)
            with pytest.raises(InvalidTypeError) as caught:
                file.raw.seek(offset)
            assert isinstance(caught.value, TypeError)
            assert 3 == file.raw.tell()

    @pytest.mark.parametrize("offset", [-(10**5_000), 2**63, 10**5_000], ids=["-", "2**63", "+"])
    def test_seek_refuses_a_huge_offset(self, container: Container, offset: int) -> None:
        """The error is the library's for any number."""
        container.upload_object(CONTENT, "a")
        with container.get_object("a").as_file() as file:
            with pytest.raises(InvalidOptionError):
                file.raw.seek(offset)
            assert CONTENT == file.read()

    @pytest.mark.parametrize(
        ("offset", "whence", "expected"),
        [
            (0, os.SEEK_SET, 0),
            (300_000, os.SEEK_SET, 300_000),
            (_LARGE, os.SEEK_SET, _LARGE),
            (_LARGE + 50, os.SEEK_SET, _LARGE + 50),
            (0, os.SEEK_CUR, 10),
            (400_000, os.SEEK_CUR, 400_010),
            (-4, os.SEEK_CUR, 6),
            (0, os.SEEK_END, _LARGE),
            (-128, os.SEEK_END, _LARGE - 128),
            (-_LARGE, os.SEEK_END, 0),
            (3, os.SEEK_END, _LARGE + 3),
        ],
    )
    def test_seek_from_start_position_and_end(
        self, large: Object, offset: int, whence: int, expected: int
    ) -> None:
        """Beyond the end there is nothing to read."""
        with large.as_file() as file:
            file.read(10)
            assert expected == file.seek(offset, whence)
            assert expected == file.tell()
            assert noise(_LARGE)[expected : expected + 20] == file.read(20)

    @pytest.mark.parametrize(
        ("offset", "whence"), [(-1, os.SEEK_SET), (-20, os.SEEK_CUR), (-_LARGE - 1, os.SEEK_END)]
    )
    def test_seek_before_the_beginning_is_refused(
        self, large: Object, offset: int, whence: int
    ) -> None:
        """It raises InvalidOptionError, a ValueError."""
        with large.as_file() as file:
            file.read(10)
            with pytest.raises(ValueError, match=r"seek|negative"):
                file.seek(offset, whence)
            assert noise(_LARGE)[10:20] == file.read(10)

    @pytest.mark.parametrize(("offset", "whence"), [(2.5, 0), (None, 0), (0, 9), (10**30, 0)])
    def test_seek_refuses_an_invalid_position(
        self, large: Object, offset: Any, whence: int
    ) -> None:
        """The position does not change."""
        with large.as_file() as file:
            file.read(10)
            with pytest.raises(StorageError):
                file.seek(offset, whence)
            assert noise(_LARGE)[10:20] == file.read(10)

    def test_random_access_reads_the_right_bytes(self, large: Object) -> None:
        """Any order of seeks and reads returns the bytes of the object."""
        content = noise(_LARGE)
        with large.as_file() as file:
            for position in (600_000, 5, 599_990, 262_140, 131_070, 0, _LARGE - 3, 300_000):
                file.seek(position)
                assert content[position : position + 10] == file.read(10)

    def test_readinto_fills_a_buffer(self, container: Container) -> None:
        """It returns the number of bytes."""
        container.upload_object(CONTENT, "a")
        buffer = bytearray(30)
        with container.open("a") as file:
            assert isinstance(file, io.BufferedIOBase)
            assert 30 == file.readinto(buffer)
            assert CONTENT[:30] == buffer
            assert len(CONTENT) - 30 == file.readinto(buffer)
            assert 0 == file.readinto(buffer)

    def test_lines_can_be_iterated(self, container: Container) -> None:
        """A binary file yields lines."""
        container.upload_object(b"one\ntwo\r\nthree", "a")
        with container.open("a") as file:
            assert [b"one\n", b"two\r\n", b"three"] == list(file)

    def test_an_empty_object_is_an_empty_file(self, container: Container) -> None:
        """A file without bytes can be read and has a seekable position."""
        container.upload_object(b"", "a")
        with container.open("a") as file:
            assert b"" == file.read()
            assert 0 == file.seek(0, os.SEEK_END)
            assert b"" == file.read(5)

    def test_opening_a_missing_object_raises(self, container: Container) -> None:
        """Opening by name raises at once."""
        with pytest.raises(ObjectNotFoundError):
            container.open("missing")

    def test_closed_reader_refuses_reads(self, container: Container) -> None:
        container.upload_object(CONTENT, "a")
        file = container.open("a")
        file.close()
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.read()
        with pytest.raises(ValueError, match="closed"):
            file.seek(0)

    def test_reader_refuses_writes(self, container: Container) -> None:
        container.upload_object(CONTENT, "a")
        with container.open("a") as file, pytest.raises(io.UnsupportedOperation):
            file.write(b"x")

    def test_bytes_of_two_versions_are_never_mixed(self, container: Container) -> None:
        """An object that is replaced while it is read raises ObjectChangedError."""
        large = container.upload_object(noise(_LARGE), "large")
        if large.etag is None and not container.driver.supports("if_match"):
            pytest.skip("the service has no ETags")
        with container.open("large") as file:
            assert noise(_LARGE)[:10] == file.read(10)
            container.upload_object(noise(_LARGE + 1), "large")
            with pytest.raises(ObjectChangedError):
                file.read()

    # ------------------------------------------------------------------ text

    def test_text_is_read_as_utf8_by_default(self, container: Container) -> None:
        """Mode "r" decodes UTF-8 on every platform."""
        container.upload_object("grüße 日本 😀".encode(), "a")
        with container.open("a", "r") as file:
            assert "grüße 日本 😀" == file.read()
            assert "utf-8" == file.encoding.lower()

    def test_text_may_be_read_in_another_encoding(self, container: Container) -> None:
        """The options are those of the builtin open."""
        container.upload_object("grüße".encode("latin-1"), "a")
        with container.open("a", "r", encoding="latin-1") as file:
            assert "grüße" == file.read()
        with container.open("a", "rt", errors="replace") as file:
            assert "gr\ufffd\ufffde" == file.read()
        with container.open("a", "r") as file, pytest.raises(UnicodeDecodeError):
            file.read()

    @pytest.mark.parametrize(
        ("newline", "expected"),
        [
            (None, ["a\n", "b\n", "c\n"]),
            ("", ["a\r\n", "b\r", "c\n"]),
            ("\n", ["a\r\n", "b\rc\n"]),
        ],
    )
    def test_line_ends_are_those_of_open(
        self, container: Container, newline: str | None, expected: list[str]
    ) -> None:
        """They are translated as by the builtin open."""
        container.upload_object(b"a\r\nb\rc\n", "a")
        with container.open("a", "r", newline=newline) as file:
            assert expected == list(file)

    # ------------------------------------------------------------------ modes

    @pytest.mark.parametrize(
        "mode", ["", "a", "ab", "r+", "rb+", "a+", "rw", "b", "t", "rbt", "z", None, 5], ids=ascii
    )
    def test_invalid_mode_is_refused(self, container: Container, mode: Any) -> None:
        """There is no appending and no updating."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidOptionError):
            container.open("a", mode)
        assert CONTENT == container.read_object("a")

    @pytest.mark.parametrize("option", ["encoding", "errors", "newline"])
    def test_binary_mode_refuses_options_of_text(self, container: Container, option: str) -> None:
        """encoding, errors and newline are for text."""
        container.upload_object(CONTENT, "a")
        arguments: dict[str, Any] = {option: "utf-8" if option == "encoding" else ""}
        for mode in ("rb", "wb"):
            with pytest.raises(InvalidOptionError):
                container.driver.open_object(container, "a", mode, **arguments)

    @pytest.mark.parametrize(
        "arguments", [{"metadata": {"a": "b"}}, {"content_type": "a/b"}, {"if_absent": True}]
    )
    def test_read_mode_refuses_options_of_writing(
        self, container: Container, arguments: dict[str, Any]
    ) -> None:
        container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidOptionError):
            container.driver.open_object(container, "a", "rb", **arguments)

    # ------------------------------------------------------------------ code that accepts files

    def test_shutil_copies_it(self, large: Object) -> None:
        """shutil.copyfileobj reads all of it."""
        target = io.BytesIO()
        with large.as_file() as file:
            shutil.copyfileobj(file, target)
        assert noise(_LARGE) == target.getvalue()

    def test_zipfile_reads_it(self, container: Container) -> None:
        """A zip archive can be opened in place, and members read in any order."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("large", noise(_LARGE))
            archive.writestr("small", CONTENT)
        container.upload_object(packed.getvalue(), "a.zip")
        with container.open("a.zip") as file, zipfile.ZipFile(file) as archive:
            assert ["large", "small"] == archive.namelist()
            assert CONTENT == archive.read("small")
            assert noise(_LARGE) == archive.read("large")

    def test_tarfile_reads_it(self, container: Container) -> None:
        """A compressed tar archive can be read in place."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            member = tarfile.TarInfo("member")
            member.size = len(CONTENT)
            archive.addfile(member, io.BytesIO(CONTENT))
        container.upload_object(packed.getvalue(), "a.tar.gz")
        with container.open("a.tar.gz") as file, tarfile.open(fileobj=file) as archive:
            extracted = archive.extractfile("member")
            assert extracted is not None
            assert CONTENT == extracted.read()

    def test_gzip_csv_and_json_read_it(self, container: Container) -> None:
        """Modules that read streams accept it."""
        container.upload_object(gzip.compress(CONTENT * 100), "a.gz")
        with container.open("a.gz") as file, gzip.open(file) as unpacked:
            assert CONTENT * 100 == unpacked.read()
        container.upload_object(b'name,size\r\n"a, b",5\r\n', "a.csv")
        with container.open("a.csv", "r", newline="") as text:
            assert [["name", "size"], ["a, b", "5"]] == list(csv.reader(text))
        container.upload_object(b'{"a": [1, 2]}', "a.json")
        with container.open("a.json") as file:
            assert {"a": [1, 2]} == json.load(file)

    def test_a_text_wrapper_reads_it(self, container: Container) -> None:
        """io.TextIOWrapper wraps it, and closes it."""
        container.upload_object("grüße\n".encode() * 3, "a")
        file = container.open("a")
        assert isinstance(file, io.BufferedReader)
        with io.TextIOWrapper(file, encoding="utf-8") as text:
            assert ["grüße\n"] * 3 == text.readlines()
        assert file.closed


def _put_large(container: Container) -> None:
    container.upload_object(noise(_LARGE), "large")
