"""Copies: within a service, and from one service to another."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from faulty import (
    FaultyDriver,
    KiB,
    OnePutDriver,
    break_off,
    fail,
    flip_bit,
    narrow,
    replace_after,
    small_parts,
    stored,
)

from libstore import (
    ContainerNotFoundError,
    IntegrityError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    ServiceError,
    StorageDriver,
    TransferCancelledError,
    WriteOptions,
)
from libstore.drivers.local import LocalDriver

PART = 10 * KiB
SMALL = b"small"
LARGE = hashlib.shake_128(b"large").digest(7 * PART + 5)


@pytest.fixture
def source() -> FaultyDriver:
    """Return a driver with a small and a large object."""
    driver = FaultyDriver(transfer=small_parts(part_size=PART))
    container = stored(driver, SMALL, "small")
    container.upload_object(
        LARGE, "large", content_type="x/y", metadata={"k": "v"}, cache_control="no-store"
    )
    driver.calls.clear()
    return driver


@pytest.fixture(params=["memory", "one put", "local"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """Return a driver of another service, with a container."""
    transfer = small_parts(part_size=PART)
    drivers: dict[str, Any] = {
        "memory": lambda: FaultyDriver(transfer=transfer),
        "one put": lambda: OnePutDriver(transfer=transfer),
        "local": lambda: LocalDriver(tmp_path, fsync=False, transfer=transfer),
    }
    driver: StorageDriver = drivers[request.param]()
    driver.create_container("t")
    if isinstance(driver, FaultyDriver):
        driver.calls.clear()
    return driver


@pytest.mark.parametrize("name", ["small", "large"])
def test_copy_within_a_service_is_one_request(source: FaultyDriver, name: str) -> None:
    """No byte passes through here, and no request is sent before."""
    copy = source.object("c", name).copy("c", "b")
    assert ["_copy_object"] == source.hooks()
    assert source.object("c", name).read() == copy.read()


@pytest.mark.parametrize("name", ["small", "large"])
def test_copy_between_services_is_a_read_and_an_upload(
    source: FaultyDriver, target: StorageDriver, name: str
) -> None:
    """One request reads; content, type and metadata arrive."""
    copy = source.object("c", name).copy(target.get_container("t"), "b")
    assert ["_get_object"] == source.hooks()
    assert copy.driver is target
    original = source.get_object("c", name)
    found = target.get_object("t", "b")
    assert original.read() == found.read() == copy.read()
    assert (original.content_type, dict(original.metadata), original.object_hash) == (
        found.content_type,
        dict(found.metadata),
        found.object_hash,
    )
    if name == "large":
        assert "no-store" == found.extra["cache_control"]


def test_copy_without_support_reads_and_writes() -> None:
    """`copy_object` works where the service has none, also onto the object itself."""
    driver = OnePutDriver(transfer=small_parts(part_size=PART))
    container = stored(driver, LARGE)
    assert not driver.supports("copy_object")
    assert LARGE == container.object("a").copy(container, "b").read()
    assert ["_get_object", "_put_object"] == driver.hooks()[:2]
    container.object("a").copy(container)
    assert LARGE == container.read_object("a")


def test_copy_keeps_name_and_attributes_by_default(
    source: FaultyDriver, target: StorageDriver
) -> None:
    """The name and what is kept with the copy can be replaced."""
    container = target.get_container("t")
    assert "large" == source.object("c", "large").copy(container).name
    copy = source.object("c", "large").copy(
        container, "b", content_type="a/b", metadata={"Other": "w"}
    )
    assert ("b", "a/b", {"other": "w"}) == (copy.name, copy.content_type, dict(copy.metadata))


def test_broken_copy_is_resumed(source: FaultyDriver, target: StorageDriver) -> None:
    """The reading side goes on at the next byte."""
    break_off(source, 5_000, 15_000)
    copy = source.object("c", "large").copy(target.get_container("t"))
    assert LARGE == copy.read()
    assert [0, 5_000, 20_000] == [start for start, _ in source.spans()]


@pytest.mark.parametrize("position", [0, 3 * PART, len(LARGE) - 1])
def test_changed_bit_publishes_nothing(
    source: FaultyDriver, target: StorageDriver, position: int
) -> None:
    """What is read is verified before the copy is published."""
    flip_bit(source, position)
    with pytest.raises(IntegrityError):
        source.object("c", "large").copy(target.get_container("t"))
    _has_nothing(target)


def _has_nothing(target: StorageDriver) -> None:
    assert [] == list(target.list_objects("t"))
    if target.supports("list_uploads"):
        assert [] == list(target.list_uploads("t"))


def test_source_replaced_during_a_copy_publishes_nothing(
    source: FaultyDriver, target: StorageDriver
) -> None:
    """Two versions are not copied into one."""
    replace_after(source, 1, LARGE[::-1], cut=5_000)
    with pytest.raises(ObjectChangedError):
        source.object("c", "large").copy(target.get_container("t"))
    _has_nothing(target)


def test_failure_of_the_target_names_the_target(source: FaultyDriver) -> None:
    """An error says on which side it happened; the source is given back."""
    target = FaultyDriver(transfer=small_parts(part_size=PART))
    container = target.create_container("t")
    fail(target, "_put_part", ServiceError("no"), after=2)
    with pytest.raises(ServiceError) as caught:
        source.object("c", "large").copy(container, "b")
    assert ("copy_object", "t", "b") == (
        caught.value.operation,
        caught.value.container,
        caught.value.object,
    )
    _has_nothing(target)


def test_failure_of_the_source_names_the_source(
    source: FaultyDriver, target: StorageDriver
) -> None:
    """A missing object is missing where it was expected."""
    with pytest.raises(ObjectNotFoundError) as caught:
        source.object("c", "missing").copy(target.get_container("t"))
    assert ("faulty", "c", "missing") == (
        caught.value.driver,
        caught.value.container,
        caught.value.object,
    )


def test_missing_target_container_is_named(source: FaultyDriver, target: StorageDriver) -> None:
    """Within a service and between services it is the target that is not there."""
    from libstore import Container, ContainerInfo

    for container in ("gone", Container(target, ContainerInfo("gone"))):
        with pytest.raises(ContainerNotFoundError) as caught:
            source.object("c", "large").copy(container)
        assert "gone" == caught.value.container


def test_condition_applies_between_services(source: FaultyDriver, target: StorageDriver) -> None:
    """`if_absent` is the target's."""
    container = target.get_container("t")
    container.upload_object(b"old", "large")
    with pytest.raises(ObjectAlreadyExistsError):
        source.object("c", "large").copy(container, if_absent=True)
    assert b"old" == container.read_object("large")


def test_metadata_that_the_target_cannot_store_is_rejected(source: FaultyDriver) -> None:
    """The response of the source is closed, and nothing is written."""
    target = FaultyDriver()
    container = target.create_container("t")
    target.calls.clear()
    target.options = frozenset()
    target.limits = narrow(max_name=3)
    with pytest.raises(ValueError, match="at most 3"):
        source.object("c", "large").copy(container)
    assert [] == target.calls
    assert [] == source.calls


def test_progress_of_a_copy_ends_with_the_size(
    source: FaultyDriver, target: StorageDriver
) -> None:
    """The total is known from the first response."""
    calls: list[tuple[int, int | None]] = []
    source.object("c", "large").copy(
        target.get_container("t"), progress=lambda *call: calls.append(call)
    )
    done = [call[0] for call in calls]
    assert sorted(set(done)) == done
    assert (len(LARGE), len(LARGE)) == calls[-1]
    source.object("c", "large").copy("c", "b", progress=lambda *call: calls.append(call))
    assert (len(LARGE), len(LARGE)) == calls[-1]


def test_copy_is_cancelled(source: FaultyDriver, target: StorageDriver) -> None:
    """A flag that is set keeps a copy from being made, by whomever."""
    flag = threading.Event()
    flag.set()
    for container in (target.get_container("t"), source.get_container("c")):
        with pytest.raises(TransferCancelledError):
            source.object("c", "large").copy(container, "b", cancel=flag)
    _has_nothing(target)
    assert not source.object_exists("c", "b")


# ---------------------------------------------------------------------- moving


def test_move_copies_and_deletes(source: FaultyDriver, target: StorageDriver) -> None:
    """The object is there and no longer here."""
    moved = source.object("c", "large").move(target.get_container("t"), "b")
    assert LARGE == moved.read()
    assert not source.object_exists("c", "large")
    assert 1 == len(source.requested("_delete_object"))


def test_move_onto_itself_changes_nothing(source: FaultyDriver) -> None:
    """Neither a copy nor a delete is sent."""
    before = source.get_object("c", "large").etag
    source.calls.clear()
    moved = source.object("c", "large").move("c")
    assert before == moved.etag
    assert {"_head_object"} == set(source.hooks())
    assert LARGE == moved.read()


def test_move_keeps_a_newer_source(source: FaultyDriver) -> None:
    """What was replaced after it was copied is not deleted."""

    def copy(real: Any, *arguments: Any) -> Any:
        info = real(*arguments)
        source._around.clear()
        source.upload_object(b"newer", "c", "small")
        return info

    source.around("_copy_object", copy)
    with pytest.raises(ObjectChangedError):
        source.object("c", "small").move("c", "b")
    assert b"newer" == source.object("c", "small").read()
    assert SMALL == source.object("c", "b").read()


def test_failed_move_deletes_nothing(source: FaultyDriver, target: StorageDriver) -> None:
    """The object stays where it is."""
    flip_bit(source, 5)
    with pytest.raises(IntegrityError):
        source.object("c", "large").move(target.get_container("t"))
    assert source.object_exists("c", "large")
    assert [] == source.requested("_delete_object")


def test_invalid_target_container_is_rejected(source: FaultyDriver) -> None:
    """The target is a name or a handle."""
    for container in (None, 5, source):
        with pytest.raises(InvalidOptionError):
            source.object("c", "small").copy(container)
    assert [] == source.calls


def test_copy_across_hook_is_tried_first() -> None:
    """A driver that can copy does it, and the bytes do not pass through here."""

    class Fetching(FaultyDriver):
        name = "fetching"

        def _copy_across(self, source_driver: Any, *arguments: Any) -> ObjectInfo | None:
            source_container, source, container, name, options = arguments
            if not isinstance(source_driver, Fetching):
                return None
            source_driver._copy_object(source_container, source, source_container, name, options)
            return self._write(container, name, b"fetched", WriteOptions())

    home, away, stranger = Fetching(), Fetching(), FaultyDriver()
    box = home.create_container("box")
    reports: list[tuple[int, int | None]] = []
    copied = (
        stored(away, b"content")
        .object("a")
        .copy(box, "fetched", progress=lambda done, total: reports.append((done, total)))
    )
    through = stored(stranger, b"other").object("a").copy(box, "through")

    assert [b"fetched", b"other"] == [copied.read(), through.read()]
    assert [(7, 7)] == reports
    assert "_get_object" not in away.hooks()
