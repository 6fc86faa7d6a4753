"""Uploads, downloads, streams, files and copies on a service that stores what it receives."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drivers import atomic_stores

from libstore import Container, LocalFileExistsError, ObjectAlreadyExistsError, TransferOptions
from libstore.drivers.s3 import S3Driver

MiB = 1024 * 1024
SMALL = b"one\r\ntwo\nthree\x1a\x00" * 100
LARGE = hashlib.shake_128(b"large").digest(11 * MiB + 3)
CONTENT = {"small": SMALL, "large": LARGE}


@pytest.fixture
def container() -> Iterator[Container]:
    """Return a container of a driver that sends and requests parts of 5 MiB."""
    with atomic_stores.serve(atomic_stores.respond_s3) as store:
        driver = S3Driver("KEY", "SECRET", endpoint=store.url, path_style=True)
        driver.transfer = TransferOptions(5 * MiB, 5 * MiB, concurrency=3)
        yield driver.container("box")
        driver.close()


@pytest.fixture
def stored(container: Container) -> Container:
    """Return the container, with both objects in it."""
    for name, content in CONTENT.items():
        container.upload_object(content, name)
    return container


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


SOURCES: dict[str, Callable[[Path, bytes], object]] = {
    "path": lambda path, _: path,
    "bytes": lambda _, content: content,
    "file": lambda path, _: path.open("rb"),
    "buffer": lambda _, content: io.BytesIO(content),
    "iterator": lambda _, content: (content[at : at + MiB] for at in range(0, len(content), MiB)),
}


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("kind", SOURCES)
def test_source_becomes_an_object(
    container: Container, folder: Path, kind: str, name: str
) -> None:
    path = folder / name
    path.write_bytes(CONTENT[name])
    source = SOURCES[kind](path, CONTENT[name])
    obj = container.upload_object(source, "a")  # type: ignore[arg-type]
    if isinstance(source, io.BufferedReader):
        source.close()

    assert CONTENT[name] == obj.read()


@pytest.mark.parametrize("name", CONTENT)
def test_object_becomes_a_file(stored: Container, folder: Path, name: str) -> None:
    path = stored.download_object(name, folder / "a")

    assert (folder / "a", CONTENT[name]) == (path, path.read_bytes())
    assert ["a"] == os.listdir(folder)


@pytest.mark.parametrize("name", CONTENT)
def test_file_is_replaced_only_on_demand(stored: Container, folder: Path, name: str) -> None:
    path = folder / "a"
    path.write_bytes(b"old")
    with pytest.raises(LocalFileExistsError):
        stored.download_object(name, path)
    assert b"old" == path.read_bytes()
    stored.download_object(name, path, overwrite=True)

    assert CONTENT[name] == path.read_bytes()
    assert ["a"] == os.listdir(folder)


def test_object_is_downloaded_into_a_directory(stored: Container, folder: Path) -> None:
    assert folder / "large" == stored.download_object("large", folder)
    assert LARGE == (folder / "large").read_bytes()


def test_range_is_downloaded(stored: Container, folder: Path) -> None:
    path = stored.download_object("large", folder / "a", start=MiB + 1, stop=8 * MiB)

    assert LARGE[MiB + 1 : 8 * MiB] == path.read_bytes()


def test_object_is_written_to_a_file_object(stored: Container, folder: Path) -> None:
    with (folder / "a").open("w+b") as file:
        stored.object("large").download(file)
        file.seek(0)

        assert LARGE == file.read()


def test_object_is_streamed(stored: Container) -> None:
    assert LARGE == b"".join(stored.object("large").stream())


def test_file_objects_read_and_write(container: Container) -> None:
    with container.open("a", "wb") as writer:
        for at in range(0, len(LARGE), MiB):
            writer.write(LARGE[at : at + MiB])
    with container.open("a") as reader:
        reader.seek(6 * MiB)

        assert LARGE[6 * MiB : 7 * MiB] == reader.read(MiB)
        assert LARGE[-5:] == reader.read()[-5:]


def test_text_has_the_line_ends_that_were_written(container: Container) -> None:
    with container.open("a", "w") as writer:
        writer.write("one\ntwo\n")

    assert b"one\ntwo\n" == container.read_object("a")


def test_object_that_exists_is_not_created(stored: Container) -> None:
    with pytest.raises(ObjectAlreadyExistsError), stored.open("small", "xb") as writer:
        writer.write(b"new")

    assert SMALL == stored.read_object("small")


@pytest.mark.parametrize("name", CONTENT)
def test_object_is_copied(stored: Container, name: str) -> None:
    copy = stored.object(name).copy(stored, "copy")

    assert CONTENT[name] == copy.read()
