"""Downloads: atomic and verified."""

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
    """An exception that a progress callback of this suite raises."""


class Downloads(Topic):
    """Test download_object."""

    @pytest.mark.parametrize("kind", [str, Path])
    def test_an_object_becomes_a_file(self, container: Container, folder: Path, kind: Any) -> None:
        """download_object writes the content and returns the path."""
        obj = container.upload_object(CONTENT, "a")
        path = obj.download(kind(folder / "file"))
        assert folder / "file" == path
        assert CONTENT == path.read_bytes()

    def test_an_object_can_be_given_by_name(self, container: Container, folder: Path) -> None:
        """A container downloads an object by name."""
        container.upload_object(CONTENT, "a")
        assert CONTENT == container.download_object("a", folder / "file").read_bytes()

    def test_an_interrupted_download_is_continued(
        self, container: Container, folder: Path, part_size: int
    ) -> None:
        """With resume, what arrived before an interruption is used, and nothing remains."""
        content = noise(4 * part_size)
        obj = container.upload_object(content, "a")

        def stop(done: int, total: int | None) -> None:
            raise _StoppedByCallback

        with pytest.raises(_StoppedByCallback):
            obj.download(folder / "file", resume=True, progress=stop)
        done: list[tuple[int, int | None]] = []
        path = obj.download(
            folder / "file", resume=True, progress=lambda *count: done.append(count)
        )
        assert content == path.read_bytes()
        assert (len(content), len(content)) == done[-1]
        assert [path] == list(folder.iterdir())

    def test_an_interrupted_download_of_a_changed_object_starts_anew(
        self, container: Container, folder: Path, part_size: int
    ) -> None:
        """With resume, bytes of two versions are not mixed."""
        obj = container.upload_object(noise(4 * part_size), "a")

        def stop(done: int, total: int | None) -> None:
            raise _StoppedByCallback

        with pytest.raises(_StoppedByCallback):
            obj.download(folder / "file", resume=True, progress=stop)
        content = noise(4 * part_size + 1)[1:]
        container.upload_object(content, "a")
        path = container.download_object("a", folder / "file", resume=True)
        assert content == path.read_bytes()

    def test_an_empty_object_becomes_an_empty_file(
        self, container: Container, folder: Path
    ) -> None:
        """An object without bytes is an empty file."""
        container.upload_object(b"", "a")
        assert b"" == container.download_object("a", folder / "file").read_bytes()

    @pytest.mark.parametrize("more", [-1, 0, 1])
    @pytest.mark.parametrize("handle", [True, False], ids=["known size", "unknown size"])
    def test_a_large_object_comes_in_ranges(
        self, container: Container, folder: Path, part_size: int, more: int, handle: bool
    ) -> None:
        """Concurrent ranges are assembled in order."""
        content = noise(2 * part_size + more)
        obj = container.upload_object(content, "a")
        source = obj if handle else container.object("a")
        assert content == source.download(folder / "file").read_bytes()
        assert ["file"] == [path.name for path in folder.iterdir()]

    @pytest.mark.parametrize("parts", [0, 3])
    def test_download_ignores_an_outdated_size(
        self, container: Container, folder: Path, part_size: int, parts: int
    ) -> None:
        """The current object is downloaded, whatever the handle's size is."""
        content = noise(parts * part_size + 7)
        obj = container.upload_object(b"small, or once large", "a")
        container.upload_object(content, "a")
        assert content == obj.download(folder / "file").read_bytes()

    def test_download_keeps_an_existing_file(self, container: Container, folder: Path) -> None:
        """Without overwrite, a file raises LocalFileExistsError, a FileExistsError."""
        path = folder / "file"
        path.write_bytes(b"mine")
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileExistsError) as caught:
            container.download_object("a", path)
        assert isinstance(caught.value, FileExistsError)
        assert b"mine" == path.read_bytes()
        assert ["file"] == [found.name for found in folder.iterdir()]

    def test_overwrite_replaces_a_file(self, container: Container, folder: Path) -> None:
        """overwrite=True replaces an existing file, or creates one."""
        path = folder / "file"
        container.upload_object(CONTENT, "a")
        container.download_object("a", path, overwrite=True)
        path.write_bytes(b"something longer than the object" * 10)
        container.download_object("a", path, overwrite=True)
        assert CONTENT == path.read_bytes()

    def test_a_missing_directory_as_destination_raises(
        self, container: Container, folder: Path
    ) -> None:
        """A destination that ends with a slash is a directory, which must exist."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileIsADirectoryError):
            container.download_object("a", f"{folder}/new/", overwrite=True)
        assert [] == list(folder.iterdir())

    def test_a_missing_directory_raises(self, container: Container, folder: Path) -> None:
        """The destination's directory is not created."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(LocalFileNotFoundError):
            container.download_object("a", folder / "missing" / "file")
        assert [] == list(folder.iterdir())

    def test_a_missing_object_leaves_no_file(self, container: Container, folder: Path) -> None:
        """A download that cannot begin does not change the directory."""
        with pytest.raises(ObjectNotFoundError):
            container.download_object("missing", folder / "file")
        assert [] == list(folder.iterdir())

    def test_a_missing_object_leaves_the_old_file(
        self, container: Container, folder: Path
    ) -> None:
        """A failed download does not change the existing file."""
        path = folder / "file"
        path.write_bytes(b"mine")
        with pytest.raises(ObjectNotFoundError):
            container.download_object("missing", path, overwrite=True)
        assert b"mine" == path.read_bytes()

    @pytest.mark.parametrize(
        "destination", [None, 5, io.StringIO()], ids=["None", "5", "StringIO"]
    )
    def test_a_destination_of_another_type_is_refused(
        self, container: Container, destination: Any
    ) -> None:
        """Anything but a path or a binary file raises InvalidTypeError."""
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidTypeError):
            obj.download(destination)

    @pytest.mark.parametrize("parts", [0.1, 3.5])
    def test_progress_of_a_download_increases_to_the_size(
        self, container: Container, folder: Path, part_size: int, parts: float
    ) -> None:
        """Each call has the total."""
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
        """An exception of the callback reaches the caller, and no file remains."""
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
        """If the cancel event is set, no file remains."""
        obj = container.upload_object(noise(int(parts * part_size)), "a")
        flag = threading.Event()
        flag.set()
        with pytest.raises(TransferCancelledError):
            obj.download(folder / "file", cancel=flag)
        assert [] == list(folder.iterdir())

    def test_download_can_be_cancelled_while_it_runs(
        self, container: Container, folder: Path, part_size: int
    ) -> None:
        """Setting the event during the download stops the remaining ranges."""
        obj = container.upload_object(noise(8 * part_size), "a")
        flag = threading.Event()
        with pytest.raises(TransferCancelledError):
            obj.download(folder / "file", cancel=flag, progress=lambda *_: flag.set())
        assert [] == list(folder.iterdir())
