"""Test deleting many objects, and containers with their content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faulty import FaultyDriver, OnePutDriver, fail, narrow, small_parts

from libstore import (
    AccessDeniedError,
    Container,
    ContainerNotEmptyError,
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectError,
    ObjectInfo,
    Page,
    ServiceUnavailableError,
    StorageDriver,
    StorageError,
    TransportError,
    Undecided,
)
from libstore.values import Conditions, DeleteOutcome


def _filled(driver: FaultyDriver, count: int, name: str = "c") -> Container:
    container = driver.create_container(name)
    for number in range(count):
        container.upload_object(b"x", f"{number:04}")
    driver.calls.clear()
    return container


@pytest.fixture
def driver() -> FaultyDriver:
    """Return a driver with small pages and batches."""
    driver = FaultyDriver(transfer=small_parts())
    driver.limits = narrow(page_size=7, batch_size=5)
    return driver


class _OneByOne(OnePutDriver):
    """A service without batch deletes."""

    name = "one-by-one"
    _delete_objects = StorageDriver._delete_objects


# ---------------------------------------------------------------------- many objects


def test_batches_have_the_maximum_size(driver: FaultyDriver) -> None:
    """Each object has a result, in order."""
    container = _filled(driver, 12)
    names = [f"{number:04}" for number in reversed(range(12))]
    results = container.delete_objects(names)
    assert names == [result.name for result in results]
    assert {("c", True, None)} == {(r.container, r.ok, r.error) for r in results}
    assert [5, 5, 2] == [len(names) for _, names in driver.requested("_delete_objects")]
    assert not container.list_objects()


def test_deleting_missing_objects_succeeds(driver: FaultyDriver) -> None:
    """An object that is passed twice succeeds twice."""
    container = _filled(driver, 1)
    results = container.delete_objects(["0000", "missing", "0000"])
    assert [True] * 3 == [result.ok for result in results]


def test_results_are_in_the_order_of_the_objects(driver: FaultyDriver) -> None:
    """Batches are by container."""
    one, two = _filled(driver, 3, "one"), _filled(driver, 3, "two")
    objs = [one.object("0000"), two.object("0000"), two.object("0001"), one.object("0001")]
    results = driver.delete_objects(iter(objs))
    assert [(obj.container.name, obj.name) for obj in objs] == [
        (result.container, result.name) for result in results
    ]
    assert ["0002"] == [obj.name for obj in one.list_objects()]
    assert ["0002"] == [obj.name for obj in two.list_objects()]


def test_failure_of_one_object_does_not_affect_others(driver: FaultyDriver) -> None:
    """Its result has its own error, which names operation, container and object."""
    container = _filled(driver, 4)

    def delete(real: Callable[..., Any], name: str, names: Sequence[str]) -> Any:
        allowed = [key for key in names if key != "0002"]
        real(name, allowed)
        return [None if key in allowed else AccessDeniedError("locked") for key in names]

    driver.around("_delete_objects", delete)
    results = container.delete_objects([f"{number:04}" for number in range(4)])
    assert [True, True, False, True] == [result.ok for result in results]
    error = results[2].error
    assert isinstance(error, PermissionError)
    assert ("delete_objects", "c", "0002", "faulty") == (
        error.operation,
        error.container,
        error.object,
        error.driver,
    )
    assert ["0002"] == [obj.name for obj in container.list_objects()]


def test_failed_batch_gives_each_object_its_own_error(driver: FaultyDriver) -> None:
    """Other batches are carried out; the errors are separate objects."""
    container = _filled(driver, 12)
    counted = iter(range(10))

    def delete(real: Callable[..., Any], *arguments: Any) -> Any:
        if next(counted) == 1:
            raise ServiceUnavailableError("busy", status=503, code="SlowDown")
        return real(*arguments)

    driver.around("_delete_objects", delete)
    results = container.delete_objects([f"{number:04}" for number in range(12)])
    failed = results[5:10]
    assert [True] * 5 + [False] * 5 + [True] * 2 == [result.ok for result in results]
    errors = [result.error for result in failed]
    assert 5 == len({id(error) for error in errors})
    for result in failed:
        error = result.error
        assert error is not None
        assert result.name == error.object
        assert (503, "SlowDown", True) == (error.status, error.code, error.retryable)


@pytest.mark.parametrize("driver_class", [FaultyDriver, _OneByOne])
def test_missing_container_is_an_error_of_each_object(driver_class: type[FaultyDriver]) -> None:
    driver = driver_class()
    objs = [driver.object("gone", name) for name in ("a", "b")]
    results = driver.delete_objects(objs)
    assert [ContainerNotFoundError] * 2 == [type(result.error) for result in results]


def test_service_without_batches_deletes_one_by_one() -> None:
    """Each object has its own request and result, some of them concurrent."""
    driver = _OneByOne()
    container = _filled(driver, 20)
    assert not driver.supports("delete_objects")

    def delete(real: Callable[..., Any], name: str, key: str, *rest: Any) -> Any:
        if key in {"0003", "0017"}:
            raise AccessDeniedError("locked")
        return real(name, key, *rest)

    driver.around("_delete_object", delete)
    results = container.delete_objects([f"{number:04}" for number in range(20)])
    assert {"0003", "0017"} == {result.name for result in results if not result.ok}
    assert {"0003", "0017"} == {obj.name for obj in container.list_objects()}
    assert 20 == len(driver.requested("_delete_object"))


def test_invalid_argument_is_refused_before_anything_is_deleted(driver: FaultyDriver) -> None:
    """All arguments are checked before the first request."""
    container = _filled(driver, 2)
    with pytest.raises(TypeError):
        container.delete_objects(["0000", 5])
    with pytest.raises(ValueError, match="empty"):
        container.delete_objects(["0000", ""])
    with pytest.raises(TypeError):
        driver.delete_objects([container.object("0000"), "0001"])
    assert [] == driver.calls


def test_undecided_objects_of_a_batch_are_deleted_one_by_one(driver: FaultyDriver) -> None:
    container = _filled(driver, 4)

    def delete(real: Callable[..., Any], name: str, names: Sequence[str]) -> Any:
        batch = [key for key in names if key < "0002"]
        real(name, batch)
        return [None if key in batch else Undecided() for key in names]

    def delete_one(real: Callable[..., Any], name: str, key: str, *rest: Any) -> Any:
        if key == "0003":
            raise AccessDeniedError("locked")
        return real(name, key, *rest)

    driver.around("_delete_objects", delete)
    driver.around("_delete_object", delete_one)
    results = container.delete_objects([f"{number:04}" for number in range(4)])
    assert [True, True, True, False] == [result.ok for result in results]
    assert isinstance(results[3].error, AccessDeniedError)
    assert {"0002", "0003"} == {call[1] for call in driver.requested("_delete_object")}
    assert ["0003"] == [obj.name for obj in container.list_objects()]


def test_a_batch_has_each_name_once(driver: FaultyDriver) -> None:
    container = _filled(driver, 2)
    assert 4 == len(container.delete_objects(["0001", "0000", "0001", "0000"]))
    assert [("c", ["0001", "0000"])] == driver.requested("_delete_objects")


def test_undecided_directories_are_deleted_after_their_objects() -> None:
    driver = _OneByOne()
    container = driver.create_container("c")
    names = ["a", "a/b", "a/b/c", "a/d", "e"]
    for name in names:
        container.upload_object(b"x", name)

    def delete(real: Callable[..., Any], name: str, key: str, *rest: Any) -> Any:
        if list(container.list_objects(f"{key}/")):
            raise ObjectError("the directory is not empty")
        return real(name, key, *rest)

    driver.around("_delete_object", delete)
    assert all(result.ok for result in container.delete_objects(names))


# ---------------------------------------------------------------------- containers


@pytest.mark.parametrize("count", [0, 1, 7, 8, 36])
def test_container_is_deleted_with_its_objects(driver: FaultyDriver, count: int) -> None:
    """For any number of pages."""
    container = _filled(driver, count)
    kept = _filled(driver, 1, "kept")
    container.delete()
    assert ["kept"] == [found.name for found in driver.list_containers()]
    assert 1 == len(kept.list_objects())
    pages = [call for call in driver.requested("_list_objects") if call[0] == "c"]
    assert len(pages) <= count // 7 + 1


@pytest.mark.parametrize("count", [1, 36])
def test_container_is_deleted_without_batches(count: int) -> None:
    """The service deletes one by one and has no multipart uploads."""
    driver = _OneByOne()
    driver.limits = narrow(page_size=7, batch_size=5)
    container = _filled(driver, count)
    container.delete()
    assert not driver.list_containers()
    assert count == len(driver.requested("_delete_object"))


class _Versioned(FaultyDriver):
    """A service that lists versions, page by page, and deletes some of them in batches."""

    def __init__(self, *, batches: bool) -> None:
        super().__init__()
        self.limits = narrow(page_size=3, batch_size=2)
        self.batches = batches
        self.versions = [(f"{number // 3}", f"v{number}") for number in range(9)]
        self.requests: list[str] = []

    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        self.requests.append(f"list {token}")
        versions = [version for _, version in self.versions]
        start = 0 if token is None else versions.index(token) + 1
        found = self.versions[start : start + limit]
        more = len(self.versions) > start + limit
        infos = [ObjectInfo(name, version=version) for name, version in found]
        return Page(infos, found[-1][1] if more else None)

    def _delete_versions(
        self, container: str, versions: Sequence[ObjectInfo]
    ) -> Sequence[DeleteOutcome]:
        if not self.batches:
            return super()._delete_versions(container, versions)
        self.requests.append("delete")
        for info in versions:
            self.versions.remove((info.name, str(info.version)))
        return [None for _ in versions]

    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self.requests.append("delete")
        self.versions.remove((name, str(version)))


@pytest.mark.parametrize("batches", [True, False])
def test_all_versions_go_with_a_container(batches: bool) -> None:
    """A page is deleted after the next one is read, whose token may name one of its versions."""
    driver = _Versioned(batches=batches)
    driver.create_container("c").delete()
    assert [] == driver.versions
    assert (3, 5 if batches else 9) == (
        len([one for one in driver.requests if one.startswith("list")]),
        driver.requests.count("delete"),
    )


def test_versions_of_one_name_are_deleted_while_they_are_listed() -> None:
    """One object may have millions of them."""
    driver = _Versioned(batches=True)
    driver.versions = [("a", f"v{number}") for number in range(30)]
    driver.create_container("c").delete()

    assert [] == driver.versions
    lists = [place for place, one in enumerate(driver.requests) if one.startswith("list")]
    assert driver.requests.index("delete") < lists[3]


def test_unfinished_uploads_are_deleted_with_the_container(driver: FaultyDriver) -> None:
    """For any number of pages."""
    container = _filled(driver, 1)
    writers = [container.open(f"w{number}", "wb") for number in range(3)]
    for writer in writers:
        writer.write(bytes(50_000))
    assert 3 == len(container.list_uploads())

    def paged(real: Callable[..., Any], name: str, token: str | None) -> Page[Any]:
        first, *rest = real(name, None).items or [None]
        return Page([] if first is None else [first], f"{first.id}" if rest else None)

    driver.around("_list_uploads", paged)
    container.delete()
    assert not driver.list_containers()
    assert {} == driver._store.uploads
    for writer in writers:
        writer.abort()


def test_non_recursive_delete_keeps_a_full_container(driver: FaultyDriver) -> None:
    """`recursive=False` is one request."""
    container = _filled(driver, 1)
    with pytest.raises(ContainerNotEmptyError) as caught:
        container.delete(recursive=False)
    assert ("delete_container", "c") == (caught.value.operation, caught.value.container)
    assert ["_delete_container"] == driver.hooks()
    assert container.object_exists("0000")
    container.delete_object("0000")
    container.delete(recursive=False)
    assert not driver.list_containers()


def test_objects_added_during_the_delete_are_deleted(driver: FaultyDriver) -> None:
    """The container is emptied again."""
    container = _filled(driver, 3)
    late = iter(["late", "later"])

    def delete(real: Callable[..., Any], name: str) -> None:
        added = next(late, None)
        if added is not None:
            container.upload_object(b"x", added)
        real(name)

    driver.around("_delete_container", delete)
    container.delete()
    assert not driver.list_containers()


def test_delete_gives_up_if_objects_are_always_added(driver: FaultyDriver) -> None:
    container = _filled(driver, 3)

    def delete(real: Callable[..., Any], name: str) -> None:
        container.upload_object(b"x", "again")
        real(name)

    driver.around("_delete_container", delete)
    with pytest.raises(ContainerNotEmptyError):
        container.delete()
    assert ["again"] == [obj.name for obj in container.list_objects()]
    assert len(driver.requested("_delete_container")) <= 5


@pytest.mark.parametrize("hook", ["_list_objects", "_delete_objects", "_delete_container"])
def test_failed_request_keeps_the_container(driver: FaultyDriver, hook: str) -> None:
    """The error names the container."""
    container = _filled(driver, 12)
    fail(driver, hook, TransportError("reset"))
    with pytest.raises(TransportError) as caught:
        container.delete()
    assert ("delete_container", "c") == (caught.value.operation, caught.value.container)
    driver._around.clear()
    container.delete()
    assert not driver.list_containers()


def test_object_that_cannot_be_deleted_keeps_the_container(driver: FaultyDriver) -> None:
    """The error is that of the object, and not "not empty"."""
    container = _filled(driver, 3)

    def locked(real: Callable[..., Any], name: str, names: Sequence[str]) -> list[StorageError]:
        return [AccessDeniedError("locked") for _ in names]

    driver.around("_delete_objects", locked)
    with pytest.raises(AccessDeniedError):
        container.delete()
    assert 3 == len(container.list_objects())


def test_deleting_a_missing_container_raises(driver: FaultyDriver) -> None:
    for recursive in (True, False):
        with pytest.raises(ContainerNotFoundError):
            driver.delete_container("gone", recursive=recursive)


def test_delete_with_if_match_keeps_other_versions(driver: FaultyDriver) -> None:
    container = _filled(driver, 1)
    obj = container.get_object("0000")
    container.upload_object(b"newer", "0000")
    with pytest.raises(StorageError) as caught:
        obj.delete(if_match=obj.etag)
    assert not isinstance(caught.value, ObjectAlreadyExistsError)
    assert b"newer" == obj.read()
    obj.delete(if_match=obj.refresh().etag)
    assert not container.object_exists("0000")
