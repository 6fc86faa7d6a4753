"""Uploads: in one request or in parts, atomic, with progress and cancellation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

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
    """An exception that a source of this suite raises."""


def _breaks_after(content: bytes, block: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(content), block):
        yield content[start : start + block]
    raise _BrokenProducer


_LARGE = pytest.mark.parametrize(
    "parts",
    [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")],
)


class Uploads(Topic):
    """Test upload_object."""

    @pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
    @pytest.mark.parametrize(("parts", "more"), [(1, -1), (1, 0), (1, 1), (2, 0), (2, 1)])
    def test_every_size_around_a_part_comes_back(
        self, container: Container, part_size: int, parts: int, more: int, known: bool
    ) -> None:
        """No byte is lost or moved at the boundaries of parts."""
        content = noise(parts * part_size + more)
        obj = container.upload_object(content if known else iter([content]), "a")
        assert len(content) == obj.size
        assert content == container.read_object("a")
        assert [] == unfinished(container)

    def test_parts_are_put_together_in_order(self, container: Container, part_size: int) -> None:
        """Concurrent parts are assembled in the order of the source."""
        content = noise(4 * part_size + 3)
        etag = container.upload_object(content, "a", metadata={"owner": "me"}).etag
        assert content == container.read_object("a")
        found = container.get_object("a")
        assert len(content) == found.size
        assert etag == found.etag
        assert {"owner": "me"} == dict(found.metadata)

    def test_an_upload_in_parts_replaces_an_object(
        self, container: Container, part_size: int
    ) -> None:
        """The existing object is replaced when the upload is complete."""
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
        """The exception reaches the caller, and nothing of the upload remains."""
        with pytest.raises(_BrokenProducer):
            container.upload_object(_breaks_after(noise(int(parts * part_size))), "a")
        assert not container.object_exists("a")
        assert [] == list(container.list_objects())
        assert [] == unfinished(container)

    @_LARGE
    def test_a_producer_that_raises_leaves_the_old_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """A failed upload does not change the existing object."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(_BrokenProducer):
            container.upload_object(_breaks_after(noise(int(parts * part_size))), "a")
        assert CONTENT == container.read_object("a")

    @_LARGE
    @pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
    def test_progress_of_an_upload_increases_to_the_size(
        self, container: Container, part_size: int, parts: float, known: bool
    ) -> None:
        """The total is passed as soon as it is known."""
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

    def test_progress_of_an_empty_upload_is_called_once(self, container: Container) -> None:
        calls = []
        container.upload_object(b"", "a", progress=lambda *call: calls.append(call))
        assert [(0, 0)] == calls

    def test_progress_that_raises_stops_the_upload(
        self, driver: StorageDriver, container: Container, part_size: int
    ) -> None:
        """The exception reaches the caller, and the parts are deleted."""

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
        """The cancel event may be set before or during the upload."""
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

    def test_cancel_event_that_is_not_set_has_no_effect(self, container: Container) -> None:
        obj = container.upload_object(CONTENT, "a", cancel=threading.Event())
        assert CONTENT == obj.read()

    def test_an_object_is_not_seen_before_its_last_byte(
        self, container: Container, part_size: int
    ) -> None:
        """During an upload, the object is missing or the previous one."""
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
        """Skip a test if the service has no multipart uploads."""
        if not driver.supports("list_uploads"):
            pytest.skip("the service has no multipart uploads")

    def test_unsupported_multipart_operations_raise(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Without multipart uploads, listing and aborting them raise NotSupportedError."""
        if driver.supports("list_uploads"):
            pytest.skip("the service has multipart uploads")
        with pytest.raises(NotSupportedError):
            container.list_uploads()
        with pytest.raises(NotSupportedError):
            container.abort_uploads()

    @pytest.mark.usefixtures("takes_parts", "half_written")
    def test_unfinished_uploads_are_listed_and_aborted(self, container: Container) -> None:
        """list_uploads has a running upload; abort_uploads deletes it."""
        found = list(container.list_uploads())
        assert [(container.name, "half/of it")] == [(up.container, up.name) for up in found]
        assert found == container.abort_uploads()
        assert [] == list(container.list_uploads())
        assert not container.object_exists("half/of it")

    def test_the_parts_of_an_unfinished_upload_are_listed(
        self, driver: StorageDriver, container: Container, part_size: int
    ) -> None:
        """list_parts has the stored parts in order, with their offsets."""
        if not driver.supports("list_parts"):
            pytest.skip("the service does not support list_parts")
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
    def test_aborting_an_upload_twice_succeeds(
        self, driver: StorageDriver, container: Container
    ) -> None:
        (upload,) = container.list_uploads()
        driver.abort_upload(upload)
        driver.abort_upload(upload)
        assert [] == list(container.list_uploads())

    @pytest.mark.usefixtures("takes_parts", "half_written")
    def test_abort_uploads_keeps_recent_uploads(self, container: Container) -> None:
        """abort_uploads deletes only uploads that are older than older_than."""
        (upload,) = container.list_uploads()
        expected = [upload] if upload.started is None else []
        assert expected == container.abort_uploads(older_than=timedelta(days=1))
        assert [] == container.abort_uploads(older_than=86_400.0)

    @pytest.mark.usefixtures("takes_parts")
    def test_aborted_upload_cannot_be_completed(
        self, container: Container, part_size: int
    ) -> None:
        """Closing the writer raises, and no object appears."""
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
        """A missing container raises, rather than having no uploads."""
        with pytest.raises(FileNotFoundError):
            list(driver.list_uploads(fresh_name()))
