"""Reads on a condition, and of a version: read, stream, open, download and get_object."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    ObjectChangedError,
    ObjectNotFoundError,
    ObjectNotModifiedError,
    StorageError,
)

from .base import CONTENT, Topic, noise


def _downloaded(container: Container, folder: Path, **conditions: Any) -> bytes:
    return container.download_object("a", folder / "file", **conditions).read_bytes()


def _streamed(container: Container, folder: Path, **conditions: Any) -> bytes:
    return b"".join(container.stream_object("a", **conditions))


def _opened(container: Container, folder: Path, **conditions: Any) -> bytes:
    with container.open("a", "rb", **conditions) as file:
        content: bytes = file.read()
    return content


def _read(container: Container, folder: Path, **conditions: Any) -> bytes:
    return container.read_object("a", **conditions)


def _got(container: Container, folder: Path, **conditions: Any) -> bytes:
    return container.get_object("a", **conditions).read()


_READS = pytest.mark.parametrize(
    "read",
    [_read, _streamed, _opened, _downloaded, _got],
    ids=["read", "stream", "open", "download", "get"],
)
_Read = Callable[..., bytes]


class ConditionalReads(Topic):
    """Test if_match, if_none_match and version of reads."""

    @_READS
    def test_read_if_match_returns_the_object(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """An object that has the ETag is read as without the condition."""
        etag = container.upload_object(CONTENT, "a").etag
        assert CONTENT == read(container, folder, if_match=etag)

    @_READS
    def test_read_if_match_of_another_object_raises(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """An object that was replaced raises ObjectChangedError, and no file is left."""
        etag = container.upload_object(CONTENT, "a").etag
        container.upload_object(b"another content", "a")
        with pytest.raises(ObjectChangedError):
            read(container, folder, if_match=etag)
        assert [] == list(folder.iterdir())

    @_READS
    def test_read_if_none_match_of_the_object_raises(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """An object that still has the ETag raises ObjectNotModifiedError."""
        etag = container.upload_object(CONTENT, "a").etag
        with pytest.raises(ObjectNotModifiedError) as caught:
            read(container, folder, if_none_match=etag)
        assert "a" == caught.value.object
        assert [] == list(folder.iterdir())

    @_READS
    def test_read_if_none_match_of_another_object_returns_it(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """An object with another ETag is read."""
        etag = container.upload_object(b"an older content", "a").etag
        container.upload_object(CONTENT, "a")
        assert CONTENT == read(container, folder, if_none_match=etag)

    @_READS
    def test_condition_of_a_missing_object_raises(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """A missing object is reported as missing, whatever the condition is."""
        for conditions in ({"if_match": "abc"}, {"if_none_match": "abc"}):
            with pytest.raises((ObjectNotFoundError, ObjectChangedError)):
                read(container, folder, **conditions)

    @_READS
    def test_both_conditions_of_a_read_are_refused(
        self, container: Container, folder: Path, read: _Read
    ) -> None:
        """if_match and if_none_match exclude each other."""
        with pytest.raises(InvalidOptionError):
            read(container, folder, if_match="abc", if_none_match="abc")

    @_READS
    def test_missing_version_raises(self, container: Container, folder: Path, read: _Read) -> None:
        """A version that the service does not have is never replaced by the current object."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(StorageError):
            read(container, folder, version="1")
        assert [] == list(folder.iterdir())

    def test_deleting_a_missing_version_keeps_the_object(self, container: Container) -> None:
        """A version that the service does not have is not the current object."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(StorageError):
            container.delete_object("a", version="1", missing_ok=False)
        assert CONTENT == container.read_object("a")

    def test_large_download_if_none_match(
        self, container: Container, folder: Path, part_size: int
    ) -> None:
        """The condition holds for an object that is downloaded in ranges, too."""
        content = noise(3 * part_size)
        container.upload_object(content, "a")
        obj = container.get_object("a")
        with pytest.raises(ObjectNotModifiedError):
            obj.download(folder / "file", if_none_match=obj.etag)
        assert content == obj.download(folder / "file", if_match=obj.etag).read_bytes()

    # ------------------------------------------------------------------ what a handle knows

    def test_read_adds_to_the_known_attributes(self, container: Container) -> None:
        """A handle knows size and ETag after a read, without a further request."""
        stored = container.upload_object(CONTENT, "a", metadata={"k": "v"})
        obj = container.object("a")
        assert (None, None) == (obj.info.size, obj.info.etag)
        obj.read()
        assert (len(CONTENT), stored.etag) == (obj.info.size, obj.info.etag)

        ranged = container.object("a")
        ranged.read(start=3)
        assert (len(CONTENT), stored.etag) == (ranged.info.size, ranged.info.etag)
        assert dict(container.get_object("a").checksums) == dict(ranged.checksums)

        listed = next(iter(container.list_objects()))
        listed.read(start=3)
        assert (len(CONTENT), stored.etag) == (listed.info.size, listed.info.etag)
        assert {"k": "v"} == dict(listed.metadata)

    def test_reader_has_its_object(self, container: Container) -> None:
        """The attribute object of a file for reading is the handle, with its attributes."""
        stored = container.upload_object(CONTENT, "a")
        with container.open("a", "rb") as file, container.open("a", "r") as text:
            assert CONTENT == file.read()
            assert stored == file.object == text.object
            assert stored.etag == file.object.info.etag == text.object.info.etag

    def test_handles_exist_or_not(self, container: Container) -> None:
        """exists() sends a request, and a missing object or container is no error."""
        obj = container.object("a")
        assert not obj.exists()
        container.upload_object(CONTENT, "a")
        assert obj.exists()
        assert container.exists()
        assert container.driver.container_exists(container.name)
        missing = container.driver.container(f"{container.name}x"[-63:])
        assert not missing.exists()

    # ------------------------------------------------------------------ where to

    def test_download_into_a_directory_keeps_the_name(
        self, container: Container, folder: Path
    ) -> None:
        """The file gets the last component of the object's name."""
        obj = container.upload_object(CONTENT, "2026/may/a b.txt")
        assert folder / "a b.txt" == obj.download(folder)
        assert CONTENT == (folder / "a b.txt").read_bytes()

    def test_download_to_a_file_object(self, container: Container, part_size: int) -> None:
        """The bytes are written in order, from the position of the file."""
        content = noise(2 * part_size + 5)
        obj = container.upload_object(content, "a")
        file = io.BytesIO(b"head")
        file.seek(4)
        calls: list[tuple[int, int | None]] = []
        assert None is obj.download(file, progress=lambda done, total: calls.append((done, total)))
        assert b"head" + content == file.getvalue()
        assert (len(content), len(content)) == calls[-1]

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 10), (5, None), (-7, None), (100_000, 300_000), (-200_000, None)]
    )
    def test_download_of_a_range(
        self, container: Container, folder: Path, part_size: int, start: int, stop: int | None
    ) -> None:
        """The file has the bytes of the range only, also of one that is read in parts."""
        content = noise(5 * part_size + 3)
        obj = container.upload_object(content, "a")
        assert (
            content[start:stop]
            == obj.download(folder / "file", start=start, stop=stop).read_bytes()
        )

    @pytest.mark.parametrize("start", [-1, -8, -45, -1_000])
    def test_negative_start_reads_the_end(self, container: Container, start: int) -> None:
        """A negative start counts from the end; a larger one than the object reads all of it."""
        obj = container.upload_object(CONTENT, "a")
        assert CONTENT[start:] == obj.read(start=start) == b"".join(obj.stream(start=start))
        assert b"" == container.upload_object(b"", "empty").read(start=start)

    def test_delete_of_a_missing_object_can_raise(self, container: Container) -> None:
        """With missing_ok=False, deleting an object twice raises ObjectNotFoundError."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete(missing_ok=False)
        with pytest.raises(ObjectNotFoundError):
            obj.delete(missing_ok=False)
        obj.delete()
