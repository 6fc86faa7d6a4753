"""Errors: their classes, attributes and messages."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from libstore import (
    Container,
    ContainerNotFoundError,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    Object,
    ObjectNotFoundError,
    StorageDriver,
    StorageError,
)

from .base import CONTENT, Topic, fresh_name, noise, pickled


@dataclass(frozen=True)
class _Scene:
    """Targets of operations: an existing container, a missing one and a missing object."""

    driver: StorageDriver
    container: Container
    path: Path
    missing: str = field(default_factory=fresh_name)

    @property
    def lost(self) -> Object:
        """An object in a missing container."""
        return self.driver.object(self.missing, "a")

    @property
    def absent(self) -> Object:
        """A missing object in an existing container."""
        return self.container.object(_ABSENT)

    def put(self) -> Object:
        return self.container.upload_object(CONTENT, "a")


_ABSENT = "missing/ä?"

#: How to call each operation, and the name that errors have for it.
_Cases = dict[str, tuple[str, Callable[[_Scene], object]]]
_IN_A_MISSING_CONTAINER: _Cases = {
    "get": ("get_container", lambda at: at.driver.get_container(at.missing)),
    "delete": ("delete_container", lambda at: at.driver.delete_container(at.missing)),
    "list": ("list_objects", lambda at: list(at.driver.list_objects(at.missing))),
    "index": ("list_objects", lambda at: at.driver.list_objects(at.missing)[0]),
    "len": ("list_objects", lambda at: len(at.driver.list_objects(at.missing))),
    "fold": ("list_objects", lambda at: list(at.driver.list_objects(at.missing, delimiter="/"))),
    "walk": ("list_objects", lambda at: list(at.driver.walk(at.missing))),
    "get object": ("get_object", lambda at: at.driver.get_object(at.missing, "a")),
    "exists": ("object_exists", lambda at: at.driver.object_exists(at.missing, "a")),
    "upload": ("upload_object", lambda at: at.driver.upload_object(CONTENT, at.missing, "a")),
    "upload in parts": (
        "upload_object",
        lambda at: at.driver.upload_object(noise(3 * _part_size(at)), at.missing, "a"),
    ),
    "open rb": ("open_object", lambda at: at.driver.open_object(at.missing, "a")),
    "open wb": ("open_object", lambda at: at.driver.open_object(at.missing, "a", "wb").close()),
    "read": ("read_object", lambda at: at.lost.read()),
    "read nothing": ("read_object", lambda at: at.lost.read(stop=0)),
    "stream": ("stream_object", lambda at: list(at.lost.stream())),
    "read ranges": ("read_ranges", lambda at: at.lost.read_ranges([(0, 1)])),
    "download": ("download_object", lambda at: at.lost.download(at.path)),
    "copy from": ("copy_object", lambda at: at.lost.copy(at.container)),
    "copy into": ("copy_object", lambda at: at.put().copy(at.missing)),
    "move from": ("move_object", lambda at: at.lost.move(at.container)),
    "move into": ("move_object", lambda at: at.put().move(at.missing)),
    "delete object": ("delete_object", lambda at: at.lost.delete()),
    "size": ("get_object", lambda at: at.lost.size),
}
_OF_A_MISSING_OBJECT: _Cases = {
    "get": ("get_object", lambda at: at.container.get_object(_ABSENT)),
    "open rb": ("open_object", lambda at: at.container.open(_ABSENT)),
    "open r": ("open_object", lambda at: at.container.open(_ABSENT, "r")),
    "read": ("read_object", lambda at: at.absent.read()),
    "stream": ("stream_object", lambda at: list(at.absent.stream())),
    "read ranges": ("read_ranges", lambda at: at.absent.read_ranges([(0, 1)])),
    "download": ("download_object", lambda at: at.absent.download(at.path)),
    "copy": ("copy_object", lambda at: at.absent.copy(at.container, "b")),
    "move": ("move_object", lambda at: at.absent.move(at.container, "b")),
    "refresh": ("get_object", lambda at: at.absent.refresh()),
}
_WITH_A_BAD_NAME: _Cases = {
    "create": ("create_container", lambda at: at.driver.create_container("")),
    "get container": ("get_container", lambda at: at.driver.get_container("a/b")),
    "get object": ("get_object", lambda at: at.container.get_object("")),
    "upload": ("upload_object", lambda at: at.container.upload_object(CONTENT, "")),
    "copy": ("copy_object", lambda at: at.put().copy(at.container, "")),
}


def _part_size(scene: _Scene) -> int:
    return scene.driver.transfer.part_size


class Errors(Topic):
    """Test the errors that operations raise."""

    @pytest.fixture
    def scene(self, driver: StorageDriver, container: Container, folder: Path) -> _Scene:
        """Return the targets of operations."""
        return _Scene(driver, container, folder / "file")

    @pytest.mark.usefixtures("part_size")
    @pytest.mark.parametrize("case", _IN_A_MISSING_CONTAINER)
    def test_every_operation_raises_for_a_missing_container(
        self, scene: _Scene, case: str
    ) -> None:
        """The error is ContainerNotFoundError and names the container."""
        operation, call = _IN_A_MISSING_CONTAINER[case]
        with pytest.raises(ContainerNotFoundError) as caught:
            call(scene)
        error = caught.value
        assert isinstance(error, FileNotFoundError)
        assert scene.missing == error.container
        assert (scene.driver.name, operation) == (error.driver, error.operation)
        assert not scene.path.exists()

    def test_update_metadata_in_a_missing_container_raises(self, driver: StorageDriver) -> None:
        """The error is ContainerNotFoundError."""
        if not driver.supports("update_metadata"):
            pytest.skip("the service does not support update_metadata")
        with pytest.raises(ContainerNotFoundError):
            driver.update_metadata(driver.object(fresh_name(), "a"), {"a": "b"})

    @pytest.mark.parametrize("case", _OF_A_MISSING_OBJECT)
    def test_every_read_raises_for_a_missing_object(self, scene: _Scene, case: str) -> None:
        """The error is ObjectNotFoundError and names the object."""
        operation, call = _OF_A_MISSING_OBJECT[case]
        with pytest.raises(ObjectNotFoundError) as caught:
            call(scene)
        error = caught.value
        assert isinstance(error, FileNotFoundError)
        assert errno.ENOENT == error.errno
        assert (scene.container.name, _ABSENT) == (error.container, error.object)
        assert (scene.driver.name, operation) == (error.driver, error.operation)
        assert not error.retryable
        assert not scene.path.exists()

    @pytest.mark.parametrize("case", _WITH_A_BAD_NAME)
    def test_error_of_an_invalid_name_names_the_operation(self, scene: _Scene, case: str) -> None:
        """It names the driver too."""
        operation, call = _WITH_A_BAD_NAME[case]
        with pytest.raises(InvalidNameError) as caught:
            call(scene)
        assert (scene.driver.name, operation) == (caught.value.driver, caught.value.operation)

    @pytest.mark.parametrize("case", _OF_A_MISSING_OBJECT)
    def test_an_error_survives_a_pickle(self, scene: _Scene, case: str) -> None:
        """An unpickled error has the same class and message."""
        _, call = _OF_A_MISSING_OBJECT[case]
        with pytest.raises(StorageError) as caught:
            call(scene)
        again = pickled(caught.value)
        assert type(caught.value) is type(again)
        assert str(caught.value) == str(again)
        assert vars(caught.value) == vars(again)

    def test_str_of_an_error_names_driver_container_and_object(
        self, driver: StorageDriver, container: Container
    ) -> None:
        with pytest.raises(ObjectNotFoundError) as caught:
            container.get_object("the-missing-one")
        for fact in (driver.name, container.name, "the-missing-one"):
            assert fact in str(caught.value)

    def test_an_unknown_operation_is_refused(self, driver: StorageDriver) -> None:
        """supports() accepts operations and options only."""
        with pytest.raises(InvalidOptionError):
            driver.supports("fly")
        with pytest.raises(InvalidOptionError):
            driver.supports("_put_object")
        assert driver.supports("upload_object") is True

    @pytest.mark.parametrize("container", [None, 5, b"bytes"], ids=ascii)
    def test_a_container_of_another_type_is_refused(
        self, driver: StorageDriver, container: Any
    ) -> None:
        """A container is a handle or a name; anything else raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError):
            driver.list_objects(container)
        with pytest.raises(InvalidTypeError):
            driver.upload_object(CONTENT, container, "a")

    @pytest.mark.parametrize("obj", [None, "name", 5], ids=ascii)
    def test_an_object_of_another_type_is_refused(self, driver: StorageDriver, obj: Any) -> None:
        """The driver's operations accept object handles; anything else raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError):
            driver.read_object(obj)
        with pytest.raises(InvalidTypeError):
            driver.delete_object(obj)
        with pytest.raises(InvalidTypeError):
            driver.delete_objects([obj])

    def test_not_supported_error_names_driver_and_operation(
        self, driver: StorageDriver, container: Container
    ) -> None:
        obj = container.upload_object(CONTENT, "a")
        calls: dict[str, Callable[[], object]] = {
            "sign_url": obj.sign_url,
            "update_metadata": lambda: obj.update_metadata({"a": "b"}),
            "list_uploads": container.list_uploads,
            "list_versions": container.list_versions,
            "enable_versioning": container.enable_versioning,
        }
        for operation, call in calls.items():
            if not driver.supports(operation):
                with pytest.raises(NotSupportedError) as caught:
                    call()
                assert (driver.name, operation) == (caught.value.driver, caught.value.operation)
