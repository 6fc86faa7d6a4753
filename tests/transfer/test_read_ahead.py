"""Reading many objects: order, laziness, errors, and what is released at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from faulty import FaultyDriver

from libstore import (
    AuthenticationError,
    ContainerNotFoundError,
    IntegrityError,
    InvalidTypeError,
    ObjectNotFoundError,
    StartedRead,
    StorageDriver,
    TransportError,
)
from libstore.drivers.memory import MemoryDriver
from libstore.values import UNCONDITIONAL, WHOLE

NAMES = [str(number) for number in range(20)]


class Recorder(MemoryDriver):
    """Records when requests are sent, received and given up; every third cannot be sent ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, str]] = []

    def _start_read(self, container: str, name: str, version: str | None) -> Any:
        if int(name) % 3 == 2:
            return None
        self.steps.append(("send", name))

        def receive() -> Any:
            self.steps.append(("receive", name))
            return MemoryDriver._get_object(self, container, name, WHOLE, UNCONDITIONAL, version)

        return StartedRead(receive, lambda: self.steps.append(("close", name)))


def filled(driver: StorageDriver) -> Any:
    container = driver.create_container("c")
    for name in NAMES:
        container.upload_object(name.encode(), name)
    return container


def test_requests_are_sent_before_the_first_response_is_received() -> None:
    driver = Recorder()
    results = filled(driver).read_objects(NAMES, concurrency=4)
    assert [] == driver.steps
    assert ("0", b"0") == next(results)
    assert [("send", "0"), ("send", "1"), ("send", "3"), ("receive", "0")] == driver.steps
    assert ("1", b"1") == next(results)
    assert [("send", "4"), ("receive", "1")] == driver.steps[4:]


def test_closing_the_iterator_gives_up_what_was_sent() -> None:
    driver = Recorder()
    results = filled(driver).read_objects(NAMES, concurrency=6)
    next(results)
    del driver.steps[:]
    results.close()
    assert [("close", "1"), ("close", "3"), ("close", "4")] == driver.steps
    assert [] == list(results)


def test_all_that_was_sent_is_received_at_the_end() -> None:
    driver = Recorder()
    results = list(filled(driver).read_objects(iter(NAMES), concurrency=7))
    assert [(name, name.encode()) for name in NAMES] == results
    assert {"send", "receive"} == {step for step, _ in driver.steps}
    assert [] == [name for name in NAMES if driver.steps.count(("receive", name)) > 1]


def test_subclass_that_overrides_get_object_is_called_in_threads() -> None:
    driver = FaultyDriver()
    container = filled(driver)
    driver.calls.clear()
    assert [(n, n.encode()) for n in NAMES] == list(container.read_objects(NAMES, concurrency=3))
    assert sorted(NAMES) == sorted(name for _, name, *_ in driver.requested("_get_object"))
    assert not driver._starts_reads
    assert MemoryDriver()._starts_reads


def test_damaged_object_is_read_again_and_its_error_is_a_value() -> None:
    driver = FaultyDriver()
    container = filled(driver)

    def get(real: Any, container: str, name: str, *rest: Any) -> Any:
        return real(container, "1" if name == "7" else name, *rest)

    driver.around("_get_object", get)
    found = dict(container.read_objects(["6", "8"]))
    assert {"6": b"6", "8": b"8"} == found

    def fail(real: Any, container: str, name: str, *rest: Any) -> Any:
        if name == "7":
            raise IntegrityError("damaged")
        return real(container, name, *rest)

    driver.around("_get_object", fail)
    driver.calls.clear()
    found = dict(container.read_objects(["6", "7", "8"], concurrency=1))
    assert isinstance(found["7"], IntegrityError)
    assert ["6", "7", "7", "8"] == [name for _, name, *_ in driver.requested("_get_object")]


@pytest.mark.parametrize("kind", [AuthenticationError, ContainerNotFoundError])
def test_error_of_all_objects_is_raised(kind: type[Exception]) -> None:
    driver = FaultyDriver()
    container = filled(driver)

    def get(real: Any, container: str, name: str, *rest: Any) -> Any:
        if name == "2":
            raise kind("no")
        return real(container, name, *rest)

    driver.around("_get_object", get)
    results = container.read_objects(NAMES, concurrency=5)
    assert ["0", "1"] == [next(results)[0], next(results)[0]]
    with pytest.raises(kind) as caught:
        next(results)
    assert ("read_objects", "2") == (caught.value.operation, caught.value.object)
    assert [] == list(results)


def test_error_of_sending_is_that_of_the_read() -> None:
    """It is in its place, after the results of earlier names."""

    class Unreachable(Recorder):
        def _start_read(self, container: str, name: str, version: str | None) -> Any:
            if name == "1":
                raise TransportError("no")
            return super()._start_read(container, name, version)

        def _get_object(self, container: str, name: str, *rest: Any) -> Any:
            if name == "1":
                raise TransportError("no")
            return super()._get_object(container, name, *rest)

    found = list(filled(Unreachable()).read_objects(["0", "1", "3"]))
    assert [("0", b"0"), ("3", b"3")] == [found[0], found[2]]
    assert isinstance(found[1][1], TransportError)


def test_name_of_another_type_is_raised() -> None:
    container = filled(MemoryDriver())
    results = container.read_objects(["1", 5], concurrency=1)
    assert ("1", b"1") == next(results)
    with pytest.raises(InvalidTypeError):
        next(results)


def test_object_of_another_container_is_refused() -> None:
    driver = MemoryDriver()
    container = filled(driver)
    with pytest.raises(ValueError, match="is not in 'c'"):
        list(container.read_objects([driver.object("other", "a")]))


def test_handles_learn_what_the_response_says() -> None:
    container = filled(MemoryDriver())
    handles = [container.object(name) for name in NAMES]
    found = dict(container.read_objects(handles))
    assert {name: name.encode() for name in NAMES} == found
    assert {1, 2} == {obj.info.size for obj in handles}
    assert {"md5"} == {obj.verified_by for obj in handles}


def test_missing_objects_do_not_end_an_endless_iterable() -> None:
    def names() -> Iterator[str]:
        while True:
            yield "missing"

    results = filled(MemoryDriver()).read_objects(names())
    assert all(isinstance(next(results)[1], ObjectNotFoundError) for _ in range(100))
