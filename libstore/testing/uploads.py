"""Uploads: in parts or not, whole or not at all, told of and stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    NotSupportedError,
    Part,
    StorageDriver,
    StorageError,
    TransferCancelledError,
)

from .base import CONTENT, Topic, fresh_name, noise, unfinished


class _BrokenProducer(Exception):
    """What a source of this suite raises half-way."""


def _breaks_after(content: bytes, block: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(content), block):
        yield content[start : start + block]
    raise _BrokenProducer


_LARGE = pytest.mark.parametrize(
    "parts",
    [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")],
)


class Uploads(Topic):
    """How upload_object goes about it."""

    @pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
    @pytest.mark.parametrize(("parts", "more"), [(1, -1), (1, 0), (1, 1), (2, 0), (2, 1)])
    def test_every_size_around_a_part_comes_back(
        self, container: Container, part_size: int, parts: int, more: int, known: bool
    ) -> None:
        """No byte is lost or moved where one part ends and the next begins."""
        content = noise(parts * part_size + more)
        obj = container.upload_object(content if known else iter([content]), "a")
        assert len(content) == obj.size
        assert content == container.read_object("a")
        assert [] == unfinished(container)

    def test_parts_are_put_together_in_order(self, container: Container, part_size: int) -> None:
        """Parts that travel side by side end up in the order of the source."""
        content = noise(4 * part_size + 3)
        obj = container.upload_object(content, "a", metadata={"owner": "me"})
        assert content == obj.read()
        found = container.get_object("a")
        assert len(content) == found.size
        assert obj.etag == found.etag
        assert {"owner": "me"} == dict(found.metadata)

    def test_an_upload_in_parts_replaces_an_object(
        self, container: Container, part_size: int
    ) -> None:
        """What was there under the name is gone when the last part is."""
        container.upload_object(CONTENT, "a", metadata={"owner": "me"}, content_type="text/x-a")
        content = noise(2 * part_size)
        container.upload_object(iter([content]), "a")
        found = container.get_object("a")
        assert content == found.read()
        assert {} == dict(found.metadata)
        assert "application/octet-stream" == found.content_type

    @_LARGE
    def test_a_producer_that_raises_publishes_nothing(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """What the source raises reaches the caller, and nothing of the upload is left."""
        with pytest.raises(_BrokenProducer):
            container.upload_object(_breaks_after(noise(int(parts * part_size))), "a")
        assert not container.object_exists("a")
        assert [] == list(container.list_objects())
        assert [] == unfinished(container)

    @_LARGE
    def test_a_producer_that_raises_leaves_the_old_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An object stays as it was when an upload over it fails."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(_BrokenProducer):
            container.upload_object(_breaks_after(noise(int(parts * part_size))), "a")
        assert CONTENT == container.read_object("a")

    @_LARGE
    @pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
    def test_progress_of_an_upload_tells_of_every_byte_once(
        self, container: Container, part_size: int, parts: float, known: bool
    ) -> None:
        """Progress grows up to the size, with the total as soon as it is known."""
        content = noise(int(parts * part_size))
        calls: list[tuple[int, int | None]] = []
        container.upload_object(
            content if known else iter([content]),
            "a",
            progress=lambda done, total: calls.append((done, total)),
        )
        assert len(content) == calls[-1][0]
        assert sorted({done for done, _ in calls}) == [done for done, _ in calls]
        assert {total for _, total in calls} <= ({len(content)} if known else {len(content), None})

    def test_progress_of_an_empty_object_is_told_once(self, container: Container) -> None:
        """An upload of nothing tells that it is done."""
        calls = []
        container.upload_object(b"", "a", progress=lambda *call: calls.append(call))
        assert [(0, 0)] == calls

    def test_progress_that_raises_stops_the_upload(
        self, driver: StorageDriver, container: Container, part_size: int
    ) -> None:
        """What a progress callback raises reaches the caller; parts that were sent are dropped."""

        def stop(done: int, total: int | None) -> None:
            raise _BrokenProducer

        with pytest.raises(_BrokenProducer):
            container.upload_object(noise(2 * part_size + 1), "a", progress=stop)
        assert [] == unfinished(container)
        if driver.supports("list_uploads"):
            assert not container.object_exists("a")

    @_LARGE
    def test_an_upload_that_was_cancelled_publishes_nothing(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """A flag that is set before or during an upload stops it."""
        flag = threading.Event()
        content = noise(int(parts * part_size))

        def source() -> Iterator[bytes]:
            yield content
            flag.set()
            yield b"the end"

        with pytest.raises(TransferCancelledError):
            container.upload_object(source(), "a", cancel=flag)
        with pytest.raises(TransferCancelledError):
            container.upload_object(content, "a", cancel=flag)
        assert [] == list(container.list_objects())
        assert [] == unfinished(container)

    def test_a_flag_that_is_not_set_changes_nothing(self, container: Container) -> None:
        """A cancel flag that nobody sets lets the upload through."""
        obj = container.upload_object(CONTENT, "a", cancel=threading.Event())
        assert CONTENT == obj.read()

    def test_an_object_is_not_seen_before_its_last_byte(
        self, container: Container, part_size: int
    ) -> None:
        """While an upload goes on, the name is free, or stands for what was there before."""
        seen = []

        def source() -> Iterator[bytes]:
            yield noise(2 * part_size)
            seen.append(container.object_exists("a"))
            yield b"the end"

        container.upload_object(source(), "a")
        assert [False] == seen
        assert container.object_exists("a")

    # ------------------------------------------------------------------ unfinished uploads

    @pytest.fixture
    def takes_parts(self, driver: StorageDriver) -> None:
        """Skip a test on a service that takes no parts."""
        if not driver.supports("list_uploads"):
            pytest.skip("the service takes no objects in parts")

    def test_a_service_without_parts_says_so(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Without parts there are no unfinished uploads to list or to drop."""
        if driver.supports("list_uploads"):
            pytest.skip("the service takes objects in parts")
        with pytest.raises(NotSupportedError):
            container.list_uploads()
        with pytest.raises(NotSupportedError):
            container.abort_uploads()

    @pytest.mark.usefixtures("takes_parts", "half_written")
    def test_unfinished_uploads_are_listed_and_dropped(self, container: Container) -> None:
        """list_uploads tells of an upload that goes on; abort_uploads takes it back."""
        found = list(container.list_uploads())
        assert [(container.name, "half/of it")] == [(up.container, up.name) for up in found]
        assert found == container.abort_uploads()
        assert [] == list(container.list_uploads())
        assert not container.object_exists("half/of it")

    def test_the_parts_of_an_unfinished_upload_are_listed(
        self, driver: StorageDriver, container: Container, part_size: int
    ) -> None:
        """list_parts tells what has arrived, in order and where it belongs."""
        if not driver.supports("list_parts"):
            pytest.skip("the service does not tell parts")
        arrived = [0]
        listed: list[Part] = []

        def source() -> Iterator[bytes]:
            while not arrived[0]:  # one part, at the latest when all senders have one
                yield noise(part_size)
            (upload,) = container.list_uploads()
            listed.extend(driver.list_parts(upload))
            raise _BrokenProducer

        def note(done: int, total: int | None) -> None:
            arrived[0] = done

        with pytest.raises(_BrokenProducer):
            container.upload_object(source(), "a", progress=note)
        assert part_size <= arrived[0] <= sum(part.size for part in listed)
        assert sorted({part.number for part in listed}) == [part.number for part in listed]
        assert {part_size} == {part.size for part in listed}
        offsets = [part_size * index for index in range(len(listed))]
        assert offsets == [part.offset for part in listed]

    @pytest.mark.usefixtures("takes_parts", "half_written")
    def test_an_upload_is_dropped_twice_without_an_error(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """abort_upload of one that is gone already succeeds."""
        (upload,) = container.list_uploads()
        driver.abort_upload(upload)
        driver.abort_upload(upload)
        assert [] == list(container.list_uploads())

    @pytest.mark.usefixtures("takes_parts", "half_written")
    def test_young_uploads_are_left_alone(self, container: Container) -> None:
        """abort_uploads drops only what is older than was asked for."""
        (upload,) = container.list_uploads()
        expected = [upload] if upload.started is None else []
        assert expected == container.abort_uploads(older_than=86_400.0)

    @pytest.mark.usefixtures("takes_parts")
    def test_an_upload_that_was_dropped_cannot_be_finished(
        self, container: Container, part_size: int
    ) -> None:
        """What was taken from under a writer is an error when it closes, and no object."""
        writer = container.open("a", "wb")
        writer.write(noise(3 * part_size))
        container.abort_uploads()
        with pytest.raises(StorageError):
            writer.close()
        assert not container.object_exists("a")

    def test_a_negative_age_is_refused(self, container: Container) -> None:
        """An age is 0 or more seconds."""
        with pytest.raises(InvalidOptionError):
            container.abort_uploads(older_than=-1.0)

    @pytest.mark.usefixtures("takes_parts")
    def test_uploads_of_a_missing_container_raise(self, driver: StorageDriver) -> None:
        """A missing container is no container without uploads."""
        with pytest.raises(FileNotFoundError):
            list(driver.list_uploads(fresh_name()))
