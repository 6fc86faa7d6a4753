"""Downloads: a file appears whole and verified, or not at all."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidTypeError,
    LocalFileExistsError,
    LocalFileIsADirectoryError,
    LocalFileNotFoundError,
    ObjectNotFoundError,
    TransferCancelledError,
)

from .base import CONTENT, Topic, noise


class _StoppedByCallback(Exception):
    """What a progress callback of this suite raises."""


class Downloads(Topic):
    """download_object."""

    @pytest.mark.parametrize("kind", [str, Path])
    def test_an_object_becomes_a_file(self, container: Container, folder: Path, kind: Any) -> None:
        """It writes the content, and returns the path."""
        obj = container.upload_object(CONTENT, "a")
        path = obj.download(kind(folder / "file"))
        assert folder / "file" == path
        assert CONTENT == path.read_bytes()

    def test_an_object_can_be_given_by_name(self, container: Container, folder: Path) -> None:
        """A container downloads what is called by its name."""
        container.upload_object(CONTENT, "a")
        assert CONTENT == container.download_object("a", folder / "file").read_bytes()

    def test_an_empty_object_becomes_an_empty_file(
        self, container: Container, folder: Path
    ) -> None:
        """No bytes are a file all the same."""
        container.upload_object(b"", "a")
        assert b"" == container.download_object("a", folder / "file").read_bytes()

    @pytest.mark.parametrize("more", [-1, 0, 1])
    @pytest.mark.parametrize("handle", [True, False], ids=["known size", "unknown size"])
    def test_a_large_object_comes_in_ranges(
        self, container: Container, folder: Path, part_size: int, more: int, handle: bool
    ) -> None:
        """Ranges that come side by side make up the file."""
        content = noise(2 * part_size + more)
        obj = container.upload_object(content, "a")
        source = obj if handle else container.object("a")
        assert content == source.download(folder / "file").read_bytes()
        assert ["file"] == [path.name for path in folder.iterdir()]

    @pytest.mark.parametrize("parts", [0, 3])
    def test_a_handle_with_an_old_size_does_no_harm(
        self, container: Container, folder: Path, part_size: int, parts: int
    ) -> None:
        """What is there now is downloaded, whatever size the handle was told."""
        content = noise(parts * part_size + 7)
        obj = container.upload_object(b"small, or once large", "a")
        container.upload_object(content, "a")
        assert content == obj.download(folder / "file").read_bytes()

    def test_a_file_that_is_there_is_kept(self, container: Container, folder: Path) -> None:
        """A file is not replaced unless asked for: LocalFileExistsError, and FileExistsError."""
        path = folder / "file"
        path.write_bytes(b"mine")
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileExistsError) as caught:
            container.download_object("a", path)
        assert isinstance(caught.value, FileExistsError)
        assert b"mine" == path.read_bytes()
        assert ["file"] == [found.name for found in folder.iterdir()]

    def test_overwrite_replaces_a_file(self, container: Container, folder: Path) -> None:
        """overwrite=True puts the object in the place of a file, or where none is."""
        path = folder / "file"
        container.upload_object(CONTENT, "a")
        container.download_object("a", path, overwrite=True)
        path.write_bytes(b"something longer than the object" * 10)
        container.download_object("a", path, overwrite=True)
        assert CONTENT == path.read_bytes()

    def test_a_directory_as_destination_raises(self, container: Container, folder: Path) -> None:
        """The destination is the path of a file."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileIsADirectoryError):
            container.download_object("a", folder)
        with pytest.raises(LocalFileIsADirectoryError):
            container.download_object("a", f"{folder}/", overwrite=True)
        assert [] == list(folder.iterdir())

    def test_a_missing_directory_raises(self, container: Container, folder: Path) -> None:
        """The directory of the destination is not made."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileNotFoundError):
            container.download_object("a", folder / "missing" / "file")
        assert [] == list(folder.iterdir())

    def test_a_missing_object_leaves_no_file(self, container: Container, folder: Path) -> None:
        """A download that cannot begin leaves the directory as it was."""
        with pytest.raises(ObjectNotFoundError):
            container.download_object("missing", folder / "file")
        assert [] == list(folder.iterdir())

    def test_a_missing_object_leaves_the_old_file(
        self, container: Container, folder: Path
    ) -> None:
        """A failed download does not touch what it was to replace."""
        path = folder / "file"
        path.write_bytes(b"mine")
        with pytest.raises(ObjectNotFoundError):
            container.download_object("missing", path, overwrite=True)
        assert b"mine" == path.read_bytes()

    @pytest.mark.parametrize("destination", [None, 5, io.BytesIO()], ids=["None", "5", "BytesIO"])
    def test_a_destination_of_another_type_is_refused(
        self, container: Container, destination: Any
    ) -> None:
        """The destination is a path; anything else is InvalidTypeError."""
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidTypeError):
            obj.download(destination)

    @pytest.mark.parametrize("parts", [0.1, 3.5])
    def test_progress_of_a_download_tells_of_every_byte_once(
        self, container: Container, folder: Path, part_size: int, parts: float
    ) -> None:
        """Progress grows up to the size, and tells the total."""
        size = int(parts * part_size)
        obj = container.upload_object(noise(size), "a")
        calls: list[tuple[int, int | None]] = []
        obj.download(folder / "file", progress=lambda *call: calls.append(call))
        done = [call[0] for call in calls]
        assert size == done[-1]
        assert sorted(set(done)) == done
        assert {size} == {total for _, total in calls}

    @pytest.mark.parametrize("parts", [0.1, 3.5])
    def test_progress_that_raises_leaves_no_file(
        self, container: Container, folder: Path, part_size: int, parts: float
    ) -> None:
        """What a progress callback raises reaches the caller, and no file is left."""
        obj = container.upload_object(noise(int(parts * part_size)), "a")

        def stop(done: int, total: int | None) -> None:
            raise _StoppedByCallback

        with pytest.raises(_StoppedByCallback):
            obj.download(folder / "file", progress=stop)
        assert [] == list(folder.iterdir())

    @pytest.mark.parametrize("parts", [0.1, 3.5])
    def test_a_download_that_was_cancelled_leaves_no_file(
        self, container: Container, folder: Path, part_size: int, parts: float
    ) -> None:
        """A flag that is set stops the download."""
        obj = container.upload_object(noise(int(parts * part_size)), "a")
        flag = threading.Event()
        flag.set()
        with pytest.raises(TransferCancelledError):
            obj.download(folder / "file", cancel=flag)
        assert [] == list(folder.iterdir())

    def test_a_download_can_be_cancelled_on_its_way(
        self, container: Container, folder: Path, part_size: int
    ) -> None:
        """A flag that is set while ranges come stops the rest."""
        obj = container.upload_object(noise(8 * part_size), "a")
        flag = threading.Event()
        with pytest.raises(TransferCancelledError):
            obj.download(folder / "file", cancel=flag, progress=lambda *_: flag.set())
        assert [] == list(folder.iterdir())
