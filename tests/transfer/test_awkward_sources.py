"""File objects that seek and read in ways of their own: all of their bytes, or an error."""

from __future__ import annotations

import bz2
import gzip
import http.client
import io
import lzma
import os
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from faulty import FaultyDriver, OnePutDriver, small_parts

from libstore import Container, IntegrityError, InvalidOptionError, InvalidTypeError, StorageError

PART = 10_000
CONTENT = bytes(range(251)) * 100  # 2.51 parts
_REFUSALS: list[type[Exception]] = [
    OSError, ValueError, io.UnsupportedOperation, NotImplementedError, RuntimeError,
    AttributeError, TypeError, KeyError,
]  # fmt: skip


@pytest.fixture(params=[FaultyDriver, OnePutDriver], ids=["parts", "one put"])
def container(request: pytest.FixtureRequest) -> Container:
    """Return a container of a driver that takes parts, and of one that does not."""
    driver = request.param(transfer=small_parts(part_size=PART))
    return driver.create_container("c")


class _File:
    """A file object whose methods can be replaced by others."""

    def __init__(self, content: bytes = CONTENT, **methods: Any) -> None:
        self.file = io.BytesIO(content)
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self.file, name)


def _raises(error: type[Exception]) -> Callable[..., Any]:
    def method(*_: Any) -> Any:
        raise error("not here")

    return method


def _read(file: Any) -> bytes:
    """Return what reading gives, without any seek."""
    return b"".join(iter(lambda: file.read(777), b""))


# ---------------------------------------------------------------------- cannot seek


@pytest.mark.parametrize("error", _REFUSALS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("method", ["seekable", "tell", "seek", "readable"])
def test_file_that_refuses_to_seek_has_unknown_length(
    container: Container, method: str, error: type[Exception]
) -> None:
    """Whatever is raised, nothing was moved."""
    obj = container.upload_object(_File(**{method: _raises(error)}), "a")
    assert CONTENT == obj.read()


@pytest.mark.parametrize("position", [None, 1.5, -1, "0", b"0"], ids=repr)
def test_file_with_invalid_position_has_unknown_length(
    container: Container, position: Any
) -> None:
    obj = container.upload_object(_File(tell=lambda: position), "a")
    assert CONTENT == obj.read()


@pytest.mark.parametrize("error", _REFUSALS, ids=lambda error: error.__name__)
def test_file_that_seeks_only_forwards_is_not_stored_empty(
    container: Container, error: type[Exception]
) -> None:
    """The end can be reached, the beginning not: all bytes are there, or an error is raised."""
    file = _File()

    def seek(offset: int, whence: int = 0) -> int:
        if whence == 0 and offset < file.file.tell():
            raise error("forward only")
        return file.file.seek(offset, whence)

    file._methods["seek"] = seek
    with pytest.raises(
        InvalidOptionError, match="could not be moved back to 0; upload its blocks"
    ):
        container.upload_object(file, "a")
    assert not container.object_exists("a")


def test_file_that_cannot_seek_to_its_position_is_not_moved(container: Container) -> None:
    """It could not seek back from its end, so it is read as it is."""
    file = _File()

    def seek(offset: int, whence: int = 0) -> int:
        if whence == 0:
            raise OSError("only the end can be reached")
        return file.file.seek(offset, whence)

    file._methods["seek"] = seek
    assert CONTENT == container.upload_object(file, "a").read()


def test_failed_seek_is_undone(container: Container) -> None:
    """The file is read from where it was."""
    file = _File()

    def seek(offset: int, whence: int = 0) -> int:
        found = file.file.seek(offset, whence)
        if whence == 2:
            raise RuntimeError("but what is there is broken")
        return found

    file._methods["seek"] = seek
    assert CONTENT == container.upload_object(file, "a").read()


def test_seek_without_effect_is_detected(container: Container) -> None:
    """The position shows it."""
    file = _File()

    def seek(offset: int, whence: int = 0) -> int:
        return file.file.seek(0, 2) if whence == 2 else offset

    file._methods["seek"] = seek
    with pytest.raises(InvalidOptionError, match="could not be moved back"):
        container.upload_object(file, "a")


def test_seek_may_return_none(container: Container) -> None:
    """As in Python 2; the position is the length of the file."""
    file = _File()
    file._methods["seek"] = lambda *where: file.file.seek(*where) and None
    totals = set()
    container.upload_object(file, "a", progress=lambda _, total: totals.add(total))
    assert {len(CONTENT)} == totals


# ---------------------------------------------------------------------- wrong lengths


@pytest.mark.parametrize("reported", [0, 1, PART, len(CONTENT) - 1])
def test_file_longer_than_reported_is_an_error(container: Container, reported: int) -> None:
    """A wrapper that decompresses, for one, may pass on where the compressed file ends."""
    file = _File()
    where = [0]

    def seek(offset: int, whence: int = 0) -> int:
        where[0] = reported if whence == 2 else offset
        return where[0]

    file._methods |= {"seek": seek, "tell": lambda: where[0]}
    with pytest.raises(IntegrityError, match=f"reports a size of {reported} bytes but has more"):
        container.upload_object(file, "a")
    assert not container.object_exists("a")


@pytest.mark.parametrize("reported", [len(CONTENT) + 1, 10**9, 10**16])
def test_file_shorter_than_reported_is_an_error(container: Container, reported: int) -> None:
    """Nor is memory taken for what it says."""
    file = _File()
    file._methods["seek"] = lambda offset, whence=0: reported if whence else file.file.seek(offset)
    with pytest.raises(StorageError, match=r"became shorter|allows objects of at most"):
        container.upload_object(file, "a")
    assert not container.object_exists("a")


def test_file_positioned_behind_its_end_is_empty(container: Container) -> None:
    file = io.BytesIO(CONTENT)
    file.seek(len(CONTENT) + 5)
    assert 0 == container.upload_object(file, "a").size
    assert len(CONTENT) + 5 == file.tell()


@pytest.mark.parametrize("size", [0, 1 << 20], ids=["0", "1 MiB"])
def test_wrong_size_of_a_file_system_is_ignored(
    container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Files of /sys have 4096 bytes, it says there, whatever they have."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[6] = size
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", fstat)
    assert CONTENT == container.upload_object(path, "a").read()


# ---------------------------------------------------------------------- reading


@pytest.mark.parametrize("count", [None, -1, 1.0, "7", 10**9], ids=repr)
def test_invalid_result_of_readinto_is_rejected(container: Container, count: Any) -> None:
    """Nothing of the buffer is taken for content that is none."""
    with pytest.raises(
        InvalidTypeError, match=r"readinto\(\) of the source returned|non-blocking"
    ):
        container.upload_object(_File(readinto=lambda _: count), "a")
    assert not container.object_exists("a")


@pytest.mark.parametrize(
    ("block", "message"), [(None, "non-blocking"), ("text", "must return bytes"), (5, "not int")]
)
def test_block_that_is_not_bytes_is_rejected(
    container: Container, block: Any, message: str
) -> None:
    file = _File(readinto=_raises(NotImplementedError), read=lambda _: block)
    with pytest.raises(InvalidTypeError, match=message):
        container.upload_object(file, "a")


class _OnlyReadinto:
    """A file object that has nothing but readinto()."""

    def __init__(self) -> None:
        self._file = io.BytesIO(CONTENT)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(memoryview(buffer)[:777])


def test_file_object_with_only_readinto_is_read(container: Container) -> None:
    assert CONTENT == container.upload_object(_OnlyReadinto(), "a").read()


@pytest.mark.parametrize("error", [AttributeError, NotImplementedError, io.UnsupportedOperation])
def test_unsupported_readinto_is_replaced_by_read(
    container: Container, error: type[Exception]
) -> None:
    """A wrapper may offer what the file that it wraps has not."""
    file = _File(readinto=_raises(error))
    assert CONTENT == container.upload_object(file, "a").read()


def test_spooled_text_file_is_rejected(container: Container) -> None:
    with tempfile.SpooledTemporaryFile(mode="w+") as file:
        file.write("text")
        file.seek(0)
        with pytest.raises(InvalidTypeError, match="'rb'"):
            container.upload_object(file, "a")


# ---------------------------------------------------------------------- files of other modules


class _Pipe(io.RawIOBase):
    """A raw file that cannot seek."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(buffer)


def _zip() -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", CONTENT)
    return zipfile.ZipFile(packed).open("a")


def _tar(mode: str) -> Any:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("a")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    archive = tarfile.open(fileobj=_Pipe(packed.getvalue()), mode=mode)
    found = archive.next()
    assert found is not None
    return archive.extractfile(found)


_FILES: dict[str, Callable[[], Any]] = {
    "gzip": lambda: gzip.open(io.BytesIO(gzip.compress(CONTENT))),
    "gzip of a pipe": lambda: gzip.GzipFile(fileobj=_Pipe(gzip.compress(CONTENT))),
    "buffered gzip of a pipe": lambda: io.BufferedReader(
        gzip.GzipFile(fileobj=_Pipe(gzip.compress(CONTENT)))  # type: ignore[arg-type]
    ),
    "bz2 of a pipe": lambda: bz2.BZ2File(_Pipe(bz2.compress(CONTENT))),
    "lzma of a pipe": lambda: lzma.LZMAFile(_Pipe(lzma.compress(CONTENT))),
    "zip member": _zip,
    "tar member of a pipe": lambda: _tar("r|gz"),
    "BufferedRWPair": lambda: io.BufferedRWPair(_Pipe(CONTENT), io.BytesIO()),  # type: ignore[arg-type,type-var]
    "BufferedRandom": lambda: io.BufferedRandom(io.BytesIO(CONTENT)),  # type: ignore[arg-type]
    "urllib3": lambda: urllib3.HTTPResponse(io.BytesIO(CONTENT), preload_content=False),
}


@pytest.mark.parametrize("kind", _FILES)
def test_file_of_another_module_is_read_to_its_end(container: Container, kind: str) -> None:
    assert CONTENT == container.upload_object(_FILES[kind](), "a").read()


@pytest.mark.parametrize("kind", ["http.client", "urllib3"])
def test_truncated_http_response_publishes_nothing(container: Container, kind: str) -> None:
    """Python's own says nothing when its connection ends before the body does."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONTENT) + 7}\r\n\r\n".encode()
    own, theirs = socket.socketpair()
    with own, theirs:
        theirs.sendall(head + CONTENT)
        theirs.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(own)
        response.begin()
        source: Any = response
        if kind == "urllib3":
            source = urllib3.HTTPResponse(
                response, dict(response.getheaders()), preload_content=False,
                enforce_content_length=False,
            )  # fmt: skip
        with pytest.raises(IntegrityError, match="ended 7 bytes early"):
            container.upload_object(source, "a")
    assert not container.object_exists("a")
