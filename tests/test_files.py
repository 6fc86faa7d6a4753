"""Test objects opened as files: any code that accepts a file works, and writes are atomic."""

from __future__ import annotations

import contextlib
import copy
import csv
import gc
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    MiB,
    break_always,
    fail,
    flip_bit,
    replace_after,
    small_parts,
    stored,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from libstore import (
    AccessDeniedError,
    Container,
    IntegrityError,
    InvalidOptionError,
    Object,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectReader,
    ObjectTextWriter,
    ObjectWriter,
    SeekableObjectWriter,
    ServiceError,
    TransferCancelledError,
    TransportError,
    files,
)
from libstore.drivers.local import LocalDriver

PART = 10 * KiB
CONTENT = hashlib.shake_128(b"libstore").digest(3 * MiB)
TEXT = "".join(f"line {number}: grüße\n" for number in range(20_000))


class _OwnError(Exception):
    """An exception of the code that writes."""


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with one object."""
    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    stored(driver, CONTENT)
    return driver


@pytest.fixture
def container(driver: FaultyDriver) -> Container:
    """Return the container with the object; no call is recorded yet."""
    return driver.object("c", "a").container


@pytest.fixture
def obj(driver: FaultyDriver) -> Object:
    """Return the object with all its attributes."""
    obj = driver.get_object("c", "a")
    driver.calls.clear()
    return obj


# ---------------------------------------------------------------------- requests of reading


def test_reading_a_byte_by_name_is_one_request(driver: FaultyDriver, container: Container) -> None:
    """Opening by name fetches the first block, which contains the byte."""
    with container.open("a") as file:
        assert CONTENT[:1] == file.read(1)
        assert CONTENT[1:1000] == file.read(999)
    assert ["_get_object"] == driver.hooks()


def test_reading_the_end_of_a_known_object_is_one_request(
    driver: FaultyDriver, obj: Object
) -> None:
    """If the size is known, the end is requested directly, with some bytes before it."""
    with obj.as_file() as file:
        assert [] == driver.calls
        assert len(CONTENT) - 128 == file.seek(-128, os.SEEK_END)
        assert CONTENT[-128:] == file.read()
    assert ["_get_object"] == driver.hooks()
    assert [(len(CONTENT) - 256 * KiB, len(CONTENT))] == driver.spans()


def test_opening_and_seeking_send_no_request(driver: FaultyDriver, obj: Object) -> None:
    """Opening, `tell`, `seek` and closing of a known object send nothing."""
    with obj.as_file() as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        file.seek(0, os.SEEK_END)
        assert len(CONTENT) == file.tell()
        file.seek(-5, os.SEEK_CUR)
        assert b"" == file.read(0)
    assert [] == driver.calls


def test_blocks_grow_during_sequential_reads(driver: FaultyDriver, obj: Object) -> None:
    """A file that is read sequentially is fetched in increasing blocks, each byte once."""
    with obj.as_file() as file:
        while file.read(10_000):
            pass
    spans = [(start, min(stop or 0, len(CONTENT))) for start, stop in driver.spans()]
    assert [0, *(stop for _, stop in spans)] == [*(start for start, _ in spans), len(CONTENT)]
    sizes = [stop - start for start, stop in spans]
    assert sorted(sizes[:-1]) == sizes[:-1]
    assert sizes[0] <= 256 * KiB
    assert len(spans) <= 5


def test_block_size_resets_after_a_seek(driver: FaultyDriver, obj: Object) -> None:
    """Random reads do not fetch megabytes each time."""
    with obj.as_file() as file:
        file.read(MiB)
        driver.calls.clear()
        file.seek(2 * MiB)
        file.read(10)
        file.seek(MiB + 5)
        file.read(10)
    assert all((stop or 0) - start <= 256 * KiB for start, stop in driver.spans())


def test_block_in_memory_is_not_fetched_again(driver: FaultyDriver, obj: Object) -> None:
    """Seeking within a block sends nothing."""
    with obj.as_file() as file:
        file.read(1)
        for position in (0, 200_000, 5, 130_000, 100):
            file.seek(position)
            assert CONTENT[position : position + 7] == file.read(7)
    assert 1 == len(driver.calls)


def test_open_by_name_raises_for_a_missing_object(
    driver: FaultyDriver, container: Container
) -> None:
    """As for files, `open` raises."""
    for mode in ("rb", "r"):
        with pytest.raises(FileNotFoundError) as caught:
            container.open("missing", mode)
        assert isinstance(caught.value, ObjectNotFoundError)
        assert ("open_object", "c", "missing") == (
            caught.value.operation,
            caught.value.container,
            caught.value.object,
        )


# ---------------------------------------------------------------------- reading


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(-1, 120)),
            st.tuples(st.just("seek"), st.integers(0, 150)),
            st.tuples(st.just("end"), st.integers(-100, 20)),
            st.tuples(st.just("skip"), st.integers(-50, 50)),
            st.tuples(st.just("line"), st.just(0)),
            st.tuples(st.just("peek"), st.just(0)),
            st.tuples(st.just("into"), st.integers(0, 60)),
            st.tuples(st.just("read1"), st.integers(0, 60)),
        ),
        max_size=15,
    ),
    size=st.integers(0, 100),
    block=st.integers(1, 64),
    known=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_reader_behaves_as_bytesio(
    steps: list[tuple[str, int]], size: int, block: int, known: bool
) -> None:
    """Any sequence of calls has the results of BytesIO."""
    from libstore import files

    content = bytes(byte % 17 for byte in CONTENT[:size])
    driver = FaultyDriver()
    container = stored(driver, content)
    first, other = files._FIRST_BLOCK, files._RANDOM_BLOCK
    files._FIRST_BLOCK = files._RANDOM_BLOCK = block
    try:
        raw = container.open("a") if not known else container.get_object("a").as_file()
        assert isinstance(raw, io.BufferedReader)
        own, real = io.BufferedReader(raw.detach(), 16), io.BufferedReader(io.BytesIO(content))
        for step, number in steps:
            _compare(step, number, own, real)
    finally:
        files._FIRST_BLOCK, files._RANDOM_BLOCK = first, other


def _compare(step: str, number: int, own: Any, real: Any) -> None:
    if step == "read":
        assert real.read(number) == own.read(number)
    elif step == "read1":
        own.seek(real.tell())
        data = own.read1(number)
        assert real.read(len(data)) == data
        assert bool(data) == bool(number and data) or not real.peek()
    elif step == "seek":
        assert real.seek(number) == own.seek(number)
    elif step == "end" and real.seek(0, 2) + number >= 0:
        assert real.seek(number, 2) == own.seek(number, 2)
    elif step == "skip" and real.tell() + number >= 0:
        assert real.seek(number, 1) == own.seek(number, 1)
    elif step == "line":
        assert real.readline() == own.readline()
    elif step == "peek":
        assert bool(real.peek()) == bool(own.peek())
    elif step == "into":
        left, right = bytearray(number), bytearray(number)
        assert real.readinto(left) == own.readinto(right)
        assert left == right
    if step != "end":
        assert real.tell() == own.tell()
    else:
        own.seek(real.tell())


def test_reader_can_be_wrapped_as_a_raw_file(obj: Object) -> None:
    with obj.as_file() as file:
        raw = file.raw
        assert isinstance(raw, ObjectReader)
        assert ("a", "rb", len(CONTENT)) == (raw.name, raw.mode, raw.size)
        assert isinstance(raw, io.RawIOBase)
        with pytest.raises(io.UnsupportedOperation):
            raw.fileno()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.truncate(0)
    assert raw.closed


def test_closed_reader_raises_value_error(obj: Object) -> None:
    """Closing again is not an error."""
    file = obj.as_file()
    raw = file.raw
    file.close()
    file.close()
    for use in (raw.tell, raw.readable, raw.seekable, raw.readall, lambda: raw.seek(0)):
        with pytest.raises(ValueError, match="closed file"):
            use()


@pytest.mark.parametrize(("offset", "whence"), [(-1, 0), (-1, 1), (-(10**9), 2), (0, 3), (0, -1)])
def test_invalid_seek_is_refused(obj: Object, offset: int, whence: int) -> None:
    """A position is not negative, and `whence` is 0, 1 or 2."""
    with obj.as_file() as file, pytest.raises(ValueError):
        file.raw.seek(offset, whence)


def test_replaced_object_raises_on_the_next_fetch(driver: FaultyDriver, obj: Object) -> None:
    """All reads are of one version."""
    replace_after(driver, 1, CONTENT[::-1], cut=None)
    with obj.as_file() as file:
        assert CONTENT[:10] == file.read(10)
        assert CONTENT[10:20] == file.read(10)
        with pytest.raises(ObjectChangedError):
            file.read()


def test_outdated_size_that_was_used_raises(driver: FaultyDriver, obj: Object) -> None:
    """A seek from the end of another version must not read the wrong bytes."""
    stored(driver, CONTENT[::-1])
    with obj.as_file() as file:
        file.seek(-128, os.SEEK_END)
        with pytest.raises(ObjectChangedError):
            file.read()


def test_outdated_size_that_was_not_used_is_ignored(driver: FaultyDriver, obj: Object) -> None:
    """A read from the start reads the current version."""
    for content in (CONTENT * 2, CONTENT[:10]):
        stored(driver, content)
        with obj.as_file() as file:
            assert content == file.read()


@pytest.mark.parametrize("position", [0, 300_000, len(CONTENT) - 1])
@pytest.mark.parametrize("piece", [-1, 1_000, 300_000])
def test_sequential_read_is_verified(
    driver: FaultyDriver, obj: Object, position: int, piece: int
) -> None:
    """A file that is read from start to end is compared with its checksum."""
    flip_bit(driver, position)

    def read_through() -> None:
        with obj.as_file() as file:
            while file.read(piece):
                pass

    with pytest.raises(IntegrityError, match="md5"):
        read_through()


def test_random_reads_are_not_verified(driver: FaultyDriver, obj: Object) -> None:
    """Pieces in any order are not mistaken for the whole."""
    with obj.as_file() as file:
        for start in (2 * MiB, 0, MiB, 5, 0):
            file.seek(start)
            assert CONTENT[start : start + MiB] == file.read(MiB)
        file.seek(0)
        assert CONTENT == file.read()


# ---------------------------------------------------------------------- code that accepts files


def _text(container: Container, name: str, text: str) -> None:
    container.upload_object(text.encode(), name)


def test_text_is_utf_8_by_default(container: Container) -> None:
    """Locale and platform line ends have no effect."""
    _text(container, "t", TEXT)
    with container.open("t", "r") as file:
        assert TEXT == file.read()
    with container.open("t", "r") as file:
        assert TEXT.splitlines(keepends=True) == list(file)
    container.upload_object("é\r\nb".encode("latin-1"), "l")
    with container.open("l", "r", encoding="latin-1") as file:
        assert "é\nb" == file.read()
    with container.open("l", "r", encoding="latin-1", newline="") as file:
        assert "é\r\nb" == file.read()
    with container.open("l", "r", errors="replace") as file:
        assert "\ufffd\nb" == file.read()


def test_text_mode_accepts_encoding_errors_and_newline(container: Container) -> None:
    """They are those of `open`."""
    with container.open("t", "w") as file:
        file.write(TEXT)
    assert TEXT.encode() == container.read_object("t")
    with container.open("t", "wt", encoding="ascii", errors="replace", newline="\r\n") as file:
        print("é", "b", file=file)
    assert b"? b\r\n" == container.read_object("t")


@pytest.mark.parametrize("encoding", ["utf-16", "U32", "utf-16-le", "utf-8-sig", "shift_jis"])
def test_encoded_text_equals_that_of_a_file_on_disk(
    container: Container, tmp_path: Path, encoding: str
) -> None:
    """The bytes include byte order marks."""
    with container.open("t", "w", encoding=encoding) as file:
        print("a", "b", file=file)
        file.writelines(["c\n", "d"])
    with container.open("t", "r", encoding=encoding) as file:
        assert "a b\nc\nd" == file.read()
    (tmp_path / "t").write_text("a b\nc\nd", encoding)
    assert (tmp_path / "t").read_bytes() == container.read_object("t")


def test_empty_text_is_stored_without_bytes(container: Container) -> None:
    with container.open("t", "w", encoding="utf-16"):
        pass
    assert b"" == container.read_object("t")


def test_zip(container: Container) -> None:
    """An archive is written to an object, and one member is read from it."""
    with container.open("z.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content", CONTENT)
        archive.writestr("text", TEXT, zipfile.ZIP_DEFLATED)
    with container.open("z.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert TEXT == archive.read("text").decode()


def test_zip_directory_is_read_without_the_content(
    driver: FaultyDriver, container: Container
) -> None:
    """The directory of a 30 MiB archive takes a few requests at its end."""
    with container.open("z.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for number in range(10):
            archive.writestr(str(number), CONTENT)
    obj = container.get_object("z.zip")
    driver.calls.clear()
    with obj.as_file() as file, zipfile.ZipFile(file) as archive:
        assert 10 == len(archive.namelist())
    assert len(driver.calls) <= 3
    assert all(start > 29 * MiB for start, _ in driver.spans())


@pytest.mark.parametrize("compression", ["", "gz"])
def test_tar(container: Container, tmp_path: Path, compression: str) -> None:
    """Both kinds of archives work, with and without seeking."""
    member = tmp_path / "member"
    member.write_bytes(CONTENT)
    with container.open("t.tar", "wb") as file:
        with tarfile.open(fileobj=file, mode=f"w|{compression}") as archive:
            archive.add(member, "member")
    for mode in ("r:*", "r|*"):
        with container.open("t.tar") as file, tarfile.open(fileobj=file, mode=mode) as archive:
            info = archive.next()
            assert info is not None
            extracted = archive.extractfile(info)
            assert extracted is not None
            assert CONTENT == extracted.read()


def test_gzip(container: Container) -> None:
    """Content is compressed on writing and decompressed on reading."""
    with container.open("g.gz", "wb") as file, gzip.open(file, "wb") as packed:
        packed.write(CONTENT)
    with container.open("g.gz") as file, gzip.open(file) as packed:
        assert CONTENT == packed.read()
    assert CONTENT == gzip.decompress(container.read_object("g.gz"))


def test_csv(container: Container) -> None:
    """Line ends and quotes in rows are kept with `newline=""`."""
    rows = [["a", "1"], ["b\nc", '"quoted"'], ["grüße", ""]]
    with container.open("t.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with container.open("t.csv", "r", newline="") as file:
        assert rows == list(csv.reader(file))


def test_json_and_pickle(container: Container) -> None:
    """`dump` and `load` work with file objects."""
    data = {"a": [1, 2, None], "b": "grüße"}
    with container.open("t.json", "w") as text:
        json.dump(data, text)
    with container.open("t.json", "r") as text:
        assert data == json.load(text)
    with container.open("t.json") as file:
        assert data == json.load(file)
    with container.open("t.pickle", "wb") as file:
        pickle.dump(data, file)
    with container.open("t.pickle") as file:
        assert data == pickle.load(file)


def test_shutil(container: Container) -> None:
    """`copyfileobj` works from file to object, object to object and object to file."""
    with container.open("b", "wb") as target:
        shutil.copyfileobj(io.BytesIO(CONTENT), target)
    with container.open("b") as source, container.open("d", "wb") as target:
        shutil.copyfileobj(source, target)
    local = io.BytesIO()
    with container.open("d") as source:
        shutil.copyfileobj(source, local)
    assert CONTENT == local.getvalue()


def test_user_text_wrapper_works(container: Container) -> None:
    """`io.TextIOWrapper` works around readers and writers, as around files."""
    with container.open("t", "wb") as file:
        wrapper = io.TextIOWrapper(file, "utf-8", newline="\n")
        wrapper.write(TEXT)
        wrapper.close()
    assert TEXT.encode() == container.read_object("t")
    with io.TextIOWrapper(container.open("t"), "utf-8") as text:
        assert TEXT == text.read()


def test_reader_can_be_uploaded(container: Container) -> None:
    """A reader of one object is the source of another."""
    with container.open("a") as file:
        file.seek(100)
        assert CONTENT[100:] == container.upload_object(file, "b").read()


def test_pillow(container: Container) -> None:
    """An image is saved to an object and loaded from it."""
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = image_module.new("RGB", (64, 48), (200, 30, 90))
    with container.open("i.png", "wb") as file:
        image.save(file, "PNG")
    with container.open("i.png") as file, image_module.open(file) as loaded:
        assert (64, 48) == loaded.size
        assert (200, 30, 90) == loaded.getpixel((5, 5))


def test_pandas(container: Container) -> None:
    """A table is written as CSV and read, in text and binary mode."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"a": range(1000), "b": [f"grüße {n}" for n in range(1000)]})
    with container.open("t.csv", "w", newline="") as text:
        table.to_csv(text, index=False)
    with container.open("b.csv", "wb") as file:
        table.to_csv(file, index=False)
    for name in ("t.csv", "b.csv"):
        with container.open(name) as file:
            assert table.equals(pandas.read_csv(file))


# ---------------------------------------------------------------------- writing


def test_writer_publishes_at_the_end_of_the_block(
    driver: FaultyDriver, container: Container
) -> None:
    """Before that there is no object."""
    with container.open("b", "wb") as file:
        assert isinstance(file, ObjectWriter)
        assert ("b", "wb") == (file.name, file.mode)
        assert file.writable()
        assert not file.readable()
        assert not file.seekable()
        for start in range(0, 5 * PART, 999):
            assert start == file.tell()
            assert 999 == file.write(CONTENT[start : start + 999])
        file.flush()
        assert not container.object_exists("b")
        assert file.object is None
    assert isinstance(file.object, Object)
    assert file.object.size == len(range(0, 5 * PART, 999)) * 999
    assert CONTENT[: file.object.size] == container.read_object("b")
    assert driver.requested("_put_part")


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART, 20 * PART + 7])
@pytest.mark.parametrize("piece", [1000, PART, 10**9])
def test_writer_sends_the_requests_of_an_upload(
    driver: FaultyDriver, container: Container, size: int, piece: int
) -> None:
    """Small content is one put; larger content is sent in whole parts."""
    with container.open("b", "wb") as file:
        for start in range(0, size, piece):
            file.write(CONTENT[start : min(start + piece, size)])
    assert CONTENT[:size] == container.read_object("b")
    if size <= PART:
        assert ["_put_object"] == driver.hooks()[:-1]
    else:
        sizes = [
            size for *_, size in sorted(driver.requested("_put_part"), key=lambda call: call[1])
        ]
        assert {PART} == set(sizes[:-1])
        assert 2 + len(sizes) == len(driver.hooks()) - 1


def test_writer_accepts_any_buffer(container: Container) -> None:
    """The caller may change the buffer after `write` returns."""
    scratch = bytearray(b"first")
    with container.open("b", "wb") as file:
        file.write(scratch)
        scratch[:] = b"other"
        assert 8 == file.write(memoryview(b"12345678").cast("d"))
        file.writelines([b"a", bytearray(b"b")])
        with pytest.raises(TypeError, match="bytes-like"):
            file.write("text")
    assert b"first12345678ab" == container.read_object("b")


def test_closed_writer_raises_value_error(container: Container) -> None:
    """Closing again is not an error."""
    file = container.open("b", "wb")
    file.write(b"x")
    file.close()
    file.close()
    for use in (lambda: file.write(b"y"), file.tell, file.writable, file.flush, file.__enter__):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert b"x" == container.read_object("b")
    file.abort()
    assert b"x" == container.read_object("b")


def test_close_inside_the_block_publishes_at_its_end(container: Container) -> None:
    """A wrapper may close the writer; the object appears if the block ends normally."""
    with container.open("b", "wb") as file:
        file.write(b"x")
        file.close()
        assert file.closed
        with pytest.raises(ValueError, match="closed"):
            file.write(b"y")
        assert not container.object_exists("b")
    assert b"x" == container.read_object("b")

    def closes_and_raises() -> None:
        with container.open("d", "wb") as file:
            file.close()
            raise _OwnError

    with pytest.raises(_OwnError):
        closes_and_raises()
    assert not container.object_exists("d")


def test_abort_discards_the_content(driver: FaultyDriver, container: Container) -> None:
    """`abort()` closes the writer and publishes nothing, inside and outside of a block."""
    with container.open("b", "wb") as file:
        file.write(CONTENT)
        file.abort()
        assert file.closed
        file.abort()
    outside = container.open("b", "wb")
    outside.write(CONTENT)
    outside.abort()
    assert not container.object_exists("b")
    assert [] == list(container.list_uploads())


def test_exclusive_creation(container: Container) -> None:
    """Mode `x` sets `if_absent`, so an existing object remains."""
    with container.open("b", "xb") as file:
        file.write(b"first")
    for mode in ("xb", "x"):

        def write_again(mode: str = mode) -> None:
            with container.open("b", mode) as file:
                file.write(b"12" if "b" in mode else "12")

        with pytest.raises(ObjectAlreadyExistsError) as caught:
            write_again()
        assert "open_object" == caught.value.operation
    assert b"first" == container.read_object("b")


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("size", [1, 5 * PART])
def test_writer_passes_the_options_of_an_upload(
    container: Container, mode: str, size: int
) -> None:
    """They are passed on for puts and for multipart uploads."""
    with container.open(
        "b.html", mode, metadata={"Owner": "me"}, cache_control="no-store", storage_class="COLD"
    ) as file:
        file.write(b"x" * size if mode == "wb" else "x" * size)
    found = container.get_object("b.html")
    assert ("text/html", {"owner": "me"}, "COLD") == (
        found.content_type,
        dict(found.metadata),
        found.storage_class,
    )
    assert "no-store" == found.extra["cache_control"]

    def replaces_another() -> None:
        with container.open("b.html", "wb", if_match="another"):
            pass

    with pytest.raises(ObjectChangedError):
        replaces_another()


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("a", {}),
        ("ab", {}),
        ("r+", {}),
        ("rb+", {}),
        ("w++b", {}),
        ("w+bb", {}),
        ("rw", {}),
        ("", {}),
        ("b", {}),
        ("t", {}),
        ("rbt", {}),
        ("rr", {}),
        ("U", {}),
        (None, {}),
        (5, {}),
        ("rb", {"encoding": "utf-8"}),
        ("wb", {"newline": ""}),
        ("rb", {"errors": "strict"}),
        ("rb", {"content_type": "text/plain"}),
        ("r", {"metadata": {}}),
        ("rb", {"if_absent": True}),
        ("r", {"if_absent": True}),
        ("r", {"if_match": "x", "if_none_match": "y"}),
        ("wb", {"if_none_match": "x"}),
        ("w", {"version": "1"}),
        ("x", {"if_match": "x"}),
        ("wb", {"if_match": "x", "if_absent": True}),
    ],
)
def test_invalid_mode_or_option_is_refused(
    driver: FaultyDriver, container: Container, mode: Any, options: dict[str, Any]
) -> None:
    """The message names the valid modes, or the option that does not apply."""
    with pytest.raises(InvalidOptionError) as caught:
        container.open("a", mode, **options)
    assert "open_object" == caught.value.operation
    assert [] == driver.calls


@pytest.mark.parametrize(
    ("mode", "what"),
    [("a", "appended to"), ("ab", "appended to"), ("at", "appended to"), ("a+b", "appended to"),
     ("r+", "changed in place"), ("rb+", "changed in place"), ("+r", "changed in place")],
)  # fmt: skip
def test_mode_that_changes_an_object_is_explained(
    container: Container, mode: str, what: str
) -> None:
    with pytest.raises(InvalidOptionError, match=rf"cannot be {what}.*'w\+b'.*download\(\)"):
        container.open("a", mode)


# ---------------------------------------------------------------------- failed writes


_DRIVERS = ["memory", "local"]


@pytest.fixture(params=_DRIVERS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    """Return a container whose object `b` will be replaced."""
    transfer = small_parts(part_size=PART)
    driver: Any = FaultyDriver(transfer=transfer)
    if request.param == "local":
        driver = LocalDriver(tmp_path / "root", fsync=False, transfer=transfer)
    container = driver.create_container("c")
    container.upload_object(b"old", "b")
    return container


def _untouched(container: Container) -> None:
    assert b"old" == container.read_object("b")
    assert ["b"] == [obj.name for obj in container.list_objects()]
    assert [] == list(container.list_uploads())
    if isinstance(container.driver, LocalDriver):
        files = [path for path in Path(container.driver.root).rglob("*") if path.is_file()]
        assert ["b"] == [path.name for path in files]


def _plain(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "wb") as file:
        file.write(CONTENT[:size])
        raise error


def _in_text(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "w") as file:
        file.write(TEXT[:size])
        raise error


def _wrapped(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "wb") as file, io.TextIOWrapper(file, "utf-8") as text:
        text.write(TEXT[:size])
        raise error


def _zipped(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", CONTENT[:size])
        raise error


def _tarred(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "wb") as file, tarfile.open(fileobj=file, mode="w|") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO(CONTENT[:size]))
        raise error


def _gzipped(container: Container, size: int, error: BaseException) -> None:
    with container.open("b", "wb") as file, gzip.open(file, "wb") as packed:
        packed.write(CONTENT[:size])
        raise error


def _stacked(container: Container, size: int, error: BaseException) -> None:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(container.open("b", "wb"))
        file.write(CONTENT[:size])
        raise error


def _as_generator(container: Container, size: int, error: BaseException) -> None:
    def writes() -> Iterator[int]:
        with container.open("b", "wb") as file:
            file.write(CONTENT[:size])
            yield 1
            file.write(b"more")

    generator = writes()
    next(generator)
    generator.close()
    raise error


_BLOCKS = pytest.mark.parametrize(
    "block",
    [_plain, _in_text, _wrapped, _zipped, _tarred, _gzipped, _stacked, _as_generator],
    ids=lambda block: block.__name__.strip("_"),
)
_ERRORS = pytest.mark.parametrize(
    "error", [_OwnError(), KeyboardInterrupt(), GeneratorExit()], ids=lambda e: type(e).__name__
)
_SIZES = pytest.mark.parametrize("size", [0, 10, 5 * PART])


@_BLOCKS
@_ERRORS
@_SIZES
def test_exception_in_the_block_publishes_nothing(
    old: Container, block: Callable[..., None], error: BaseException, size: int
) -> None:
    """However the writer is wrapped, the exception propagates and the old object remains."""
    with pytest.raises(type(error)):
        block(old, size, error)
    _untouched(old)


@pytest.mark.parametrize("mode", ["wb", "w"])
@_ERRORS
@_SIZES
def test_close_during_an_exception_publishes_nothing(
    old: Container, mode: str, error: BaseException, size: int
) -> None:
    """`finally: file.close()` and `contextlib.closing` do not publish incomplete content."""
    data: Any = CONTENT[:size] if mode == "wb" else TEXT[:size]

    def in_finally() -> None:
        file = old.open("b", mode)
        try:
            file.write(data)
            raise error
        finally:
            file.close()

    def in_closing() -> None:
        with contextlib.closing(old.open("b", mode)) as file:
            file.write(data)
            raise error

    for write in (in_finally, in_closing):
        expected = TransferCancelledError if isinstance(error, Exception) else type(error)
        with pytest.raises(expected):
            write()
        _untouched(old)


def test_wrapper_closed_by_an_exception_publishes_nothing(old: Container) -> None:
    """A wrapper that owns the writer closes it without publishing."""

    def wrapper() -> None:
        with io.TextIOWrapper(old.open("b", "wb"), "utf-8") as text:
            text.write(TEXT)
            raise _OwnError

    with pytest.raises(TransferCancelledError, match="'b' was not published") as caught:
        wrapper()
    assert isinstance(caught.value.__context__, _OwnError)
    _untouched(old)


def test_writer_opened_in_an_except_block_publishes(old: Container) -> None:
    """Only an exception that began after opening prevents publication."""
    try:
        raise _OwnError
    except _OwnError:
        file = old.open("b", "wb")
        file.write(b"report of the failure")
        file.close()
    assert b"report of the failure" == old.read_object("b")


@_SIZES
@pytest.mark.parametrize("mode", ["wb", "w", "w+b"])
def test_unclosed_writer_is_aborted_where_warnings_are_errors(
    old: Container, size: int, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: None)
    file = old.open("b", mode)
    file.write("x" * size if mode == "w" else CONTENT[:size])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        del file
        gc.collect()
    _untouched(old)


@pytest.mark.parametrize("mode", ["wb", "w", "w+b", "w+"])
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copy_or_pickle_of_a_writer_is_refused(
    container: Container, mode: str, way: Callable[[object], object]
) -> None:
    """As it is of all files of `io`; the copy would publish or abort the same upload."""
    with container.open("b", mode) as file, pytest.raises(TypeError, match="pickle"):
        way(file)


@pytest.mark.parametrize("mode", ["wb", "w+b"])
def test_threads_write_to_one_file(old: Container, mode: str) -> None:
    """No write is lost or divided."""
    with old.open("b", mode) as file:

        def write(number: int) -> None:
            for _ in range(200):
                file.write(bytes([number]) * 50)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    written = old.read_object("b")
    pieces = Counter(written[start : start + 50] for start in range(0, len(written), 50))

    assert {bytes([number]) * 50: 200 for number in range(6)} == pieces


@pytest.mark.parametrize("mode", ["wb", "w+b"])
def test_threads_that_close_one_file_publish_it_once(
    driver: FaultyDriver, container: Container, mode: str
) -> None:
    file = container.open("b", mode)
    file.write(b"content")
    barrier = threading.Barrier(4)

    def close() -> None:
        barrier.wait()
        file.close()

    threads = [threading.Thread(target=close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ["_put_object"] == driver.hooks()


@pytest.mark.parametrize("call", ["write", "truncate"])
def test_failed_write_of_a_seekable_writer_publishes_nothing(
    container: Container, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Here there is no directory for the temporary file; the same if its disk is full."""
    file = container.open("b", "w+b")
    file.write(b"the beginning")
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
    size = container.driver.transfer.multipart_threshold
    with pytest.raises(FileNotFoundError):
        file.write(bytes(size)) if call == "write" else file.truncate(size + 1)
    file.close()

    assert (True, None) == (file.closed, file.object)
    assert not container.object_exists("b")


@_SIZES
def test_unclosed_writer_publishes_nothing(old: Container, size: int) -> None:
    """Dropping the writer warns and aborts the upload."""
    file = old.open("b", "wb")
    file.write(CONTENT[:size])
    with pytest.warns(ResourceWarning, match="never closed, so nothing was published"):
        del file
    _untouched(old)


@pytest.mark.parametrize("mode", ["wb", "w", "w+b"])
def test_unclosed_writer_is_logged(
    container: Container, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Python ignores a ResourceWarning by default, and content is lost."""
    file = container.open("lost", mode)
    with pytest.warns(ResourceWarning):
        del file
    kind = "SeekableObjectWriter" if mode == "w+b" else "ObjectWriter"
    assert 1 == len(caplog.messages)
    assert caplog.messages[0].startswith(f"<{kind} of 'lost'> was never closed, so nothing was")


def test_writer_that_is_open_at_exit_is_logged(container: Container) -> None:
    """A program that ends with an open writer has lost what it wrote."""
    code = """
    from libstore import get_driver

    file = get_driver("memory")().create_container("c").open("lost", "wb")
    file.write(b"x")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert ended.stderr.startswith("<ObjectWriter of 'lost'> was never closed, so nothing was")


@pytest.mark.parametrize(("mode", "other"), [("wb", "w\\+b"), ("xb", "x\\+b")])
def test_writer_that_cannot_seek_names_the_mode_that_can(
    container: Container, mode: str, other: str
) -> None:
    with container.open("new", mode) as file:
        for use in (lambda: file.seek(0), file.truncate):
            with pytest.raises(io.UnsupportedOperation, match=f"with mode '{other}'"):
                use()


@pytest.mark.parametrize("mode", ["rb", "r", "wb", "w", "w+b"])
def test_open_file_cannot_be_pickled(container: Container, mode: str) -> None:
    """A worker process gets the object, and opens it."""
    container.upload_object(CONTENT, "a")
    with container.open("a", mode) as file:
        for use in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="pickle the object or the container, and open"):
                use(file)
        with pytest.raises(io.UnsupportedOperation, match="no file descriptor; download"):
            file.fileno()


@pytest.mark.parametrize("hook", ["_start_upload", "_put_part", "_finish_upload", "_put_object"])
@_ERRORS
def test_failed_request_publishes_nothing(hook: str, error: BaseException) -> None:
    """The failure closes the writer and aborts the upload."""
    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    container = stored(driver, b"old", "b")
    fail(driver, hook, error)

    def write() -> None:
        with container.open("b", "wb") as file:
            file.write(CONTENT[: PART if hook == "_put_object" else 6 * PART])

    with pytest.raises(type(error)):
        write()
    driver._around.clear()
    _untouched(container)


def test_error_of_a_writer_names_operation_and_target(driver: FaultyDriver) -> None:
    """A failing part names operation, container and object."""
    fail(driver, "_put_part", ServiceError("no"))
    file = driver.open_object("c", "b", "wb")
    with pytest.raises(ServiceError) as caught:
        file.write(CONTENT)
    error = caught.value
    assert ("open_object", "c", "b") == (error.operation, error.container, error.object)
    assert file.closed
    file.close()
    assert not driver.object_exists("c", "b")


_EXITS = {
    "runs off its end": "",
    "calls sys.exit": "sys.exit(0)",
    "raises": "raise KeyError('x')",
    "is interrupted": "raise KeyboardInterrupt",
}


@pytest.mark.parametrize("how", _EXITS)
@pytest.mark.parametrize("mode", ["wb", "w", "w+b"])
def test_interpreter_exit_publishes_nothing(tmp_path: Path, mode: str, how: str) -> None:
    """A program that ends with an open writer leaves only the old object."""
    script = f"""
    import sys
    from libstore import TransferOptions
    from libstore.drivers.local import LocalDriver
    driver = LocalDriver(sys.argv[1], transfer=TransferOptions(1000, 1000))
    container = driver.create_container("c")
    container.upload_object(b"old", "b")
    file = container.open("b", {mode!r})
    file.write("x" * 10_000 if {mode!r} == "w" else b"x" * 10_000)
    assert list(container.list_uploads()) or {mode!r} != "wb"
    {_EXITS[how]}
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    subprocess.run(command, check=False, capture_output=True)
    container = LocalDriver(tmp_path).get_container("c")
    _untouched(container)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_forked_child_does_not_abort_its_parents_writers(tmp_path: Path) -> None:
    """The child exits normally."""
    script = """
    import os, sys
    from libstore import TransferOptions
    from libstore.drivers.local import LocalDriver
    driver = LocalDriver(sys.argv[1], transfer=TransferOptions(1000, 1000))
    container = driver.create_container("c")
    reader = container.upload_object(b"read me", "r").as_file()
    file = container.open("b", "wb")
    file.write(b"x" * 10_000)
    seekable = container.open("s", "w+b")
    seekable.write(b"y" * 10_000)
    child = os.fork()
    if not child:
        assert b"read me" == reader.read()
        container.upload_object(b"child" * 1000, "d")
        sys.exit(7)
    _, status = os.waitpid(child, 0)
    assert 7 == os.waitstatus_to_exitcode(status), status
    file.close()
    seekable.write(b"z")
    seekable.close()
    assert b"x" * 10_000 == container.read_object("b")
    assert b"y" * 10_000 + b"z" == container.read_object("s")
    assert b"child" * 1000 == container.read_object("d")
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)


# ---------------------------------------------------------------------- writers that seek

_MEMORY = 64  # the largest content of these writers that stays in memory


@pytest.fixture
def seekable() -> Iterator[SeekableObjectWriter[Object]]:
    """Provide a writer that moves to disk after 64 bytes."""
    driver = FaultyDriver(transfer=small_parts(part_size=_MEMORY))
    with driver.create_container("c").open("b", "w+b") as file:
        yield file


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 90)),
            st.tuples(st.just("read"), st.integers(-1, 90)),
            st.tuples(st.just("read1"), st.integers(0, 90)),
            st.tuples(st.just("readline"), st.integers(-1, 20)),
            st.tuples(st.just("readinto"), st.integers(0, 60)),
            st.tuples(st.just("seek"), st.integers(0, 150)),
            st.tuples(st.just("end"), st.integers(-60, 20)),
            st.tuples(st.just("skip"), st.integers(-50, 50)),
            st.tuples(st.just("truncate"), st.integers(0, 150)),
            st.tuples(st.just("cut"), st.just(0)),
        ),
        max_size=15,
    ),
    memory=st.sampled_from([1, _MEMORY, 10_000]),
)
@settings(max_examples=200, deadline=None)
def test_seekable_writer_behaves_as_a_file_on_disk(
    steps: list[tuple[str, int]], memory: int
) -> None:
    """Any sequence of calls has the results of a file of mode w+b, in memory and beyond it."""
    driver = FaultyDriver(transfer=small_parts(part_size=memory))
    container = driver.create_container("c")
    with tempfile.TemporaryFile() as real, container.open("b", "w+b") as own:
        for step, number in steps:
            real.flush()  # read1() of CPython's files does not see unflushed writes
            assert _step(step, number, real) == _step(step, number, own), (step, number)
            assert real.tell() == own.tell()
        real.seek(0)
        expected = real.read()
    assert expected == container.read_object("b")


def _step(step: str, number: int, file: Any) -> Any:
    """Carry out one call on a file, and return its result."""
    if step == "write":
        return file.write(CONTENT[:number])
    if step == "readinto":
        buffer = bytearray(number)
        return file.readinto(buffer), buffer
    if step == "cut":
        return file.truncate()
    if step in {"end", "skip"}:
        origin = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(origin)
        whence = os.SEEK_END if step == "end" else os.SEEK_CUR
        target = number + (size if step == "end" else origin)
        return file.seek(number, whence) if target >= 0 else None
    return getattr(file, step)(number)


def test_seekable_writer_sends_nothing_before_the_end(
    driver: FaultyDriver, container: Container
) -> None:
    with container.open("b", "w+b") as file:
        file.write(CONTENT)
        file.seek(0)
        file.read()
        assert [] == driver.calls
    assert CONTENT == container.read_object("b")


@pytest.mark.parametrize("size", [_MEMORY, _MEMORY + 1, 100 * _MEMORY])
def test_seekable_writer_moves_to_a_temporary_file(
    seekable: SeekableObjectWriter[Object], size: int
) -> None:
    """Also before a write far from the beginning, and before `truncate` makes it larger."""
    seekable.write(b"a")
    seekable.seek(size - 1)
    seekable.write(b"z")

    in_memory = isinstance(seekable._file, io.BytesIO)
    assert (size <= _MEMORY) == in_memory
    seekable.seek(0)
    assert b"a" + bytes(size - 2) + b"z" == seekable.read()


@pytest.mark.parametrize(
    ("offset", "whence"), [(-1, 0), (-1, 1), (-5, 2), (0, 3), (0, -1), (2**63, 0)]
)
def test_seekable_writer_refuses_an_invalid_seek(
    seekable: SeekableObjectWriter[Object], offset: int, whence: int
) -> None:
    with pytest.raises(InvalidOptionError):
        seekable.seek(offset, whence)
    for wrong in ("1", 1.5, None):
        with pytest.raises(TypeError):
            seekable.seek(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        seekable.truncate(-1)
    with pytest.raises(TypeError):
        seekable.write("text")
    with pytest.raises(io.UnsupportedOperation):
        seekable.fileno()


def test_closed_seekable_writer_raises_value_error(container: Container) -> None:
    file = container.open("b", "w+b")
    file.close()
    uses: list[Callable[[], object]] = [
        file.tell, file.readable, file.writable, file.seekable, file.read, file.read1,
        file.readline, file.truncate, lambda: file.seek(0), lambda: file.write(b""),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match="closed file"):
            use()


def test_failed_upload_of_a_seekable_writer_publishes_nothing(
    driver: FaultyDriver, container: Container
) -> None:
    for size in (1, 5 * PART):
        fail(driver, "_put_object", ServiceError("no"))
        fail(driver, "_put_part", ServiceError("no"))
        file = container.open("b", "w+b")
        file.write(b"x" * size)
        with pytest.raises(ServiceError, match="no"):
            file.close()
        assert file.closed
        assert file.object is None
    assert not container.object_exists("b")


@pytest.mark.parametrize("mode", ["xb", "x", "x+b"])
def test_mode_x_finds_an_existing_object_with_one_request(
    driver: FaultyDriver, container: Container, mode: str
) -> None:
    with pytest.raises(ObjectAlreadyExistsError):
        container.open("a", mode)
    assert ["_head_object"] == driver.hooks()


def test_mode_x_works_with_credentials_that_allow_writes_only(
    driver: FaultyDriver, container: Container
) -> None:
    fail(driver, "_head_object", AccessDeniedError("no"))
    with container.open("b", "xb") as file:
        file.write(b"content")
    assert b"content" == container.read_object("b")


def test_pillow_writes_tiff_and_pdf(container: Container) -> None:
    """Both formats are written with seeks back."""
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pages = [image_module.new("RGB", (64, 48), (200, 30, shade)) for shade in range(3)]
    for kind in ("TIFF", "PDF"):
        with container.open(kind, "w+b") as file:
            pages[0].save(file, kind, save_all=True, append_images=pages[1:])
    with container.open("TIFF") as source, image_module.open(source) as loaded:
        assert (3, (64, 48)) == (loaded.n_frames, loaded.size)
    assert b"/Count 3" in container.read_object("PDF")


def test_pandas_writes_a_compressed_table(container: Container) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"a": range(1000)})
    with container.open("t.zip", "w+b") as file:
        table.to_csv(file, index=False, compression={"method": "zip", "archive_name": "t.csv"})
    with container.open("t.zip") as source:
        assert table.equals(pandas.read_csv(source, compression="zip"))


@pytest.mark.parametrize("rows", [10, 10_000])
def test_h5py(container: Container, rows: int) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with container.open("t.h5", "w+b") as file, h5py.File(file, "w") as written:
        written["rows"] = list(range(rows))
    with container.open("t.h5") as source, h5py.File(source, "r") as read:
        assert list(range(rows)) == list(read["rows"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("mode", ["w+", "x+t"])
def test_text_writer_that_seeks_equals_a_file_on_disk(
    container: Container, tmp_path: Path, encoding: str, mode: str
) -> None:
    def change(file: Any) -> list[object]:
        file.write("gr\xfc\xdfe\nzwei\n")
        place = file.tell()
        file.write("drei")
        file.seek(0)
        lines = list(file)
        file.seek(place)
        file.write("vier\n")
        file.seek(place)
        rest = file.read()
        file.seek(0, os.SEEK_END)
        return [place, lines, rest, file.writable(), file.readable(), file.seekable()]

    path = tmp_path / "t"
    with container.open("t", mode, encoding=encoding, newline="") as own:
        with path.open(mode, encoding=encoding, newline="") as real:
            assert change(real) == change(own)
        assert mode == own.mode
        assert not container.object_exists("t")
    assert isinstance(own, ObjectTextWriter)
    assert isinstance(own.object, Object)
    assert path.read_bytes() == container.read_object("t")


@pytest.mark.parametrize("how", ["abort", "raise", "drop"])
def test_unfinished_text_writer_that_seeks_publishes_nothing(old: Container, how: str) -> None:
    file = old.open("b", "w+")
    file.write("new")
    file.seek(0)
    if how == "abort":
        file.abort()
    elif how == "raise":
        with pytest.raises(_OwnError), file:
            raise _OwnError
    else:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            del file
            gc.collect()
    _untouched(old)


def test_text_wrapper_of_a_seekable_writer(container: Container) -> None:
    with container.open("t", "w+b") as file:
        with io.TextIOWrapper(file, encoding="utf-16") as text:
            text.write("grüße\n")
            text.seek(0)
            assert ["grüße\n"] == list(text)
    assert "grüße\n" == container.read_object("t").decode("utf-16")


def test_outdated_smaller_size_does_not_limit_reads(container: Container) -> None:
    """A handle with a smaller size still reads beyond it after `seek`."""
    stale = container.upload_object(b"small", "grows")
    container.upload_object(CONTENT, "grows")
    with stale.as_file() as file:
        file.seek(len(CONTENT) // 2)
        assert CONTENT[len(CONTENT) // 2 :] == file.read()


@pytest.mark.parametrize("size", [1, 50_000])
def test_unclosed_text_writer_publishes_nothing(container: Container, size: int) -> None:
    """Dropping an open file of mode `w` publishes nothing, as with mode `wb`."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        file = container.open("b", "w")
        file.write("x" * size)
        del file
        gc.collect()
    assert not container.object_exists("b")


def test_exception_that_drops_a_text_writer_publishes_nothing(
    container: Container,
) -> None:
    """The function that holds the only reference raises before it closes the file."""

    def writes() -> None:
        file = container.open("b", "w")
        file.write("half of")
        raise KeyError("x")

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            writes()
        except KeyError:
            pass
        gc.collect()
    assert not container.object_exists("b")


def test_failing_abort_at_exit_does_not_skip_other_writers() -> None:
    """At interpreter exit, one failing abort does not keep the other writers from aborting."""
    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    container = driver.create_container("c")
    writers = [container.open(str(number), "wb") for number in range(5)]
    for writer in writers:
        writer.write(CONTENT)
    counted = iter(range(10))

    def abort(real: Callable[..., Any], *arguments: Any) -> None:
        if next(counted) == 0:
            raise RuntimeError("a bug in a driver")
        real(*arguments)

    driver.around("_abort_upload", abort)
    try:
        files._abort_open_writers()
    except RuntimeError:
        pass
    finally:
        left = len(list(container.list_uploads()))
        driver._around.clear()
        for writer in writers:
            writer.abort()
    assert left <= 1


def test_zip_directory_is_read_with_one_request(driver: FaultyDriver) -> None:
    """A read near the end fetches the end as one block."""
    container = driver.object("c", "a").container
    with container.open("z", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for number in range(10):
            archive.writestr(str(number), CONTENT * 10)
    obj = container.get_object("z")
    driver.calls.clear()
    with obj.as_file() as file, zipfile.ZipFile(file) as archive:
        assert 10 == len(archive.namelist())
    assert 1 == len(driver.calls)


def test_error_of_as_file_names_the_object(driver: FaultyDriver) -> None:
    """The error of `obj.as_file()` has the object's name, as that of `container.open(name)`."""
    break_always(driver, 0)
    with pytest.raises(TransportError) as caught:
        driver.object("c", "a").as_file()
    assert "a" == caught.value.object
