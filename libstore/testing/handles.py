"""Handles: operations on a handle and on the driver are equal, and a handle sends no request."""

from __future__ import annotations

from pathlib import Path

import pytest

from libstore import Container, InvalidOptionError, NotSupportedError, StorageDriver, get_driver

from .base import CONTENT, Topic, fill, fresh_name, names_of


class Handles(Topic):
    """Test containers and objects as handles."""

    def test_upload_on_container_and_driver_is_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The container and the driver upload the same."""
        assert driver.upload_object(CONTENT, container, "a") == container.upload_object(
            CONTENT, "a"
        )

    def test_urls_begin_with_the_name_of_the_driver(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Those of a container and of an object also have their names, percent-encoded."""
        try:
            url = driver.url
        except NotSupportedError as error:
            pytest.skip(error.message)
        start, question, options = url.partition("?")
        assert start == f"{driver.name}://"
        assert container.url == f"{start}{container.name}{question}{options}"
        assert (
            container.object("a/b c").url == f"{start}{container.name}/a/b%20c{question}{options}"
        )

    def test_read_on_handles_and_driver_is_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The object, the container and the driver read the same."""
        obj = container.upload_object(CONTENT, "a")
        assert CONTENT == obj.read() == container.read_object("a") == driver.read_object(obj)
        assert CONTENT[2:5] == obj.read(start=2, stop=5)
        assert CONTENT[2:5] == container.read_object(obj, start=2, stop=5)
        assert CONTENT[2:5] == driver.read_object(obj, start=2, stop=5)

    def test_stream_on_handles_and_driver_is_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The object, the container and the driver stream the same."""
        obj = container.upload_object(CONTENT, "a")
        expected = list(driver.stream_object(obj, start=1, stop=40, chunk_size=7))
        assert CONTENT[1:40] == b"".join(expected)
        assert expected == list(obj.stream(start=1, stop=40, chunk_size=7))
        assert expected == list(container.stream_object("a", start=1, stop=40, chunk_size=7))

    def test_download_on_handles_and_driver_is_equal(
        self, driver: StorageDriver, container: Container, folder: Path
    ) -> None:
        """The object, the container and the driver download the same."""
        obj = container.upload_object(CONTENT, "a")
        paths = [
            obj.download(folder / "1"),
            container.download_object("a", folder / "2"),
            driver.download_object(obj, folder / "3"),
        ]
        assert [CONTENT] * 3 == [path.read_bytes() for path in paths]

    def test_open_on_handles_and_driver_is_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The object, the container and the driver open the same file."""
        obj = container.upload_object(CONTENT, "a")
        for file in (
            obj.as_file(),
            obj.open(),
            container.open("a"),
            container.open(obj),
            driver.open_object(container, "a"),
        ):
            with file:
                assert CONTENT == file.read()

    def test_get_and_list_on_container_and_driver_are_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The container and the driver find the same objects."""
        fill(container, "a/1", "b")
        assert driver.get_object(container, "b") == container.get_object("b")
        assert driver.object(container, "b") == container.object("b")
        assert driver.object_exists(container, "b")
        assert container.object_exists("b")
        assert names_of(driver.list_objects(container, "a/")) == names_of(
            container.list_objects("a/")
        )
        assert list(driver.walk(container)) == list(container.walk())

    def test_copy_and_move_on_object_and_driver_are_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The object and the driver copy and move the same."""
        obj = container.upload_object(CONTENT, "a")
        assert obj.copy(container, "b") == driver.copy_object(obj, container, "b")
        assert "c" == obj.move(container, "c").name
        assert "d" == driver.move_object(container.object("c"), container, "d").name
        assert ["b", "d"] == names_of(container.list_objects())

    def test_delete_on_handles_and_driver_is_equal(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The object, the container and the driver delete the same."""
        fill(container, "a", "b", "c", "d", "e", "kept")
        container.get_object("a").delete()
        container.delete_object("b")
        container.delete_object(container.object("c"))
        driver.delete_object(container.object("d"))
        driver.delete_objects([container.object("e")])
        assert ["kept"] == names_of(container.list_objects())

    def test_container_handles_are_equal_by_name(
        self, driver: StorageDriver, container: Container, other_container: Container
    ) -> None:
        """Two handles of one container are equal and have the same hash."""
        again = driver.get_container(container.name)
        assert again == container
        assert hash(again) == hash(container)
        assert container != other_container
        assert container != container.name

    def test_object_handles_are_equal_by_name(
        self, container: Container, other_container: Container
    ) -> None:
        """Two handles of one object are equal and have the same hash, wherever they are from."""
        obj = container.upload_object(CONTENT, "a")
        others = {container.object("a"), container.get_object("a"), container.list_objects()[0]}
        assert {obj} == others
        assert obj != container.object("b")
        assert obj != other_container.object("a")
        assert obj != "a"

    def test_handles_of_two_drivers_differ(self, container: Container) -> None:
        """The same names at another driver are other objects."""
        elsewhere = get_driver("memory")()
        with elsewhere.create_container(container.name).driver:
            twin = elsewhere.get_container(container.name)
            assert container != twin
            assert container.object("a") != twin.object("a")

    def test_handle_of_a_missing_object_can_be_compared_and_shown(
        self, driver: StorageDriver
    ) -> None:
        """Equality, hash and repr send no request."""
        obj = driver.object(fresh_name(), "missing")
        assert obj == obj.container.object("missing")
        assert hash(obj) == hash(obj.container.object("missing"))
        assert "missing" in repr(obj)
        assert obj.container.name in repr(obj)
        assert obj.container.name in repr(obj.container)

    def test_a_handle_of_another_driver_is_refused(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """A driver refuses handles of an unequal driver."""
        elsewhere = get_driver("memory")()
        namesake = elsewhere.create_container(container.name)
        obj = namesake.upload_object(CONTENT, "a")
        with pytest.raises(InvalidOptionError):
            driver.list_objects(namesake)
        with pytest.raises(InvalidOptionError):
            driver.read_object(obj)
        with pytest.raises(InvalidOptionError):
            driver.delete_object(obj)
        with pytest.raises(InvalidOptionError):
            container.delete_objects([obj])
        assert CONTENT == obj.read()

    def test_an_object_of_another_container_is_refused(
        self, container: Container, other_container: Container
    ) -> None:
        """A container's operations accept its own objects only."""
        obj = other_container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidOptionError):
            container.read_object(obj)
        with pytest.raises(InvalidOptionError):
            container.delete_object(obj)
        assert CONTENT == obj.read()

    def test_a_driver_closes_more_than_once(self, driver: StorageDriver) -> None:
        """close() may be called again."""
        with driver as entered:
            assert entered is driver
        driver.close()
        driver.close()
        assert driver.name in repr(driver).lower() or type(driver).__name__ in repr(driver)
