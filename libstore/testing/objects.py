"""Objects: upload, read, get and handles."""

from __future__ import annotations

from datetime import timedelta

import pytest

from libstore import Container, Object, ObjectNotFoundError, StorageDriver

from .base import CONTENT, Topic, fill, names_of

_CONTENTS = {
    "nothing": b"",
    "one byte": b"\0",
    "text": CONTENT,
    "every byte": bytes(range(256)),
    "line ends": b"\r\n\n\r\r\n",
    "gzip magic": b"\x1f\x8b\x08\x00 is not compressed",
    "70,000 bytes": b"0123456" * 10_000,
}


class Objects(Topic):
    """Test single objects."""

    @pytest.mark.parametrize("content", _CONTENTS.values(), ids=_CONTENTS)
    def test_bytes_come_back_as_they_were(self, container: Container, content: bytes) -> None:
        """read_object returns exactly the bytes of upload_object."""
        uploaded = container.upload_object(content, "a")
        assert len(content) == uploaded.size
        assert content == uploaded.read()
        assert len(content) == container.get_object("a").size

    def test_an_upload_returns_the_object(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The handle of upload_object has name, size, container and driver."""
        obj = driver.upload_object(CONTENT, container, "a/b")
        assert isinstance(obj, Object)
        assert ("a/b", len(CONTENT)) == (obj.name, obj.size)
        assert container == obj.container
        assert obj.driver is driver

    def test_a_container_may_be_given_by_name(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Operations accept the name of a container in place of a handle."""
        obj = driver.upload_object(CONTENT, container.name, "a")
        assert container == obj.container
        assert obj == driver.get_object(container.name, "a")
        assert driver.object_exists(container.name, "a")
        assert ["a"] == names_of(driver.list_objects(container.name))

    def test_get_object_has_size_time_and_etag(self, container: Container) -> None:
        """The time is in UTC and the ETag has no quotes."""
        container.upload_object(CONTENT, "a")
        obj = container.get_object("a")
        assert len(CONTENT) == obj.size
        assert obj.last_modified is not None
        assert obj.last_modified.utcoffset() == timedelta(0)
        assert '"' not in (obj.etag or "")

    def test_upload_and_get_object_have_equal_size_and_etag(self, container: Container) -> None:
        uploaded = container.upload_object(CONTENT, "a")
        found = container.get_object("a")
        assert (uploaded.size, uploaded.etag) == (found.size, found.etag)

    def test_an_object_is_replaced_as_a_whole(self, container: Container) -> None:
        """An upload over an object replaces content, size and metadata."""
        container.upload_object(b"a long first content", "a", metadata={"owner": "me"})
        container.upload_object(b"short", "a")
        obj = container.get_object("a")
        assert b"short" == obj.read()
        assert 5 == obj.size
        assert {} == dict(obj.metadata)
        assert ["a"] == names_of(container.list_objects())

    def test_the_etag_follows_the_content(self, container: Container) -> None:
        """Different content of one name has different ETags, if the service has any."""
        first = container.upload_object(b"first", "a").etag
        second = container.upload_object(b"other", "a").etag
        assert first is None or first != second

    def test_object_exists_is_true_for_existing_objects_only(self, container: Container) -> None:
        fill(container, "there")
        assert container.object_exists("there") is True
        assert container.object_exists("ther") is False
        assert container.object_exists("there/more") is False

    def test_common_prefix_is_not_an_object(self, container: Container) -> None:
        """A prefix of names is not itself an object."""
        fill(container, "folder/a", "folder/b")
        assert not container.object_exists("folder")
        with pytest.raises(ObjectNotFoundError):
            container.get_object("folder")

    def test_the_last_object_of_a_folder_leaves_nothing_behind(self, container: Container) -> None:
        """After the only object below a prefix is deleted, the prefix is not listed."""
        fill(container, "folder/deep/a")
        container.delete_object("folder/deep/a")
        assert [] == list(container.list_objects())
        assert [] == list(container.list_objects(delimiter="/"))

    def test_name_of_a_deleted_object_can_be_reused(self, container: Container) -> None:
        """After a delete, names below and above the old one can be used."""
        fill(container, "a/b")
        container.delete_object("a/b")
        fill(container, "a")
        assert b"a" == container.read_object("a")

    def test_object_returns_a_handle_without_a_request(self, container: Container) -> None:
        """The attributes of a missing object raise on access."""
        obj = container.object("missing")
        assert "missing" == obj.name
        with pytest.raises(ObjectNotFoundError):
            _ = obj.size

    def test_handle_of_object_fetches_attributes_on_access(self, container: Container) -> None:
        """The attributes are those of the object."""
        container.upload_object(CONTENT, "a", metadata={"owner": "me"}, content_type="text/x-a")
        obj = container.object("a")
        assert len(CONTENT) == obj.size
        assert {"owner": "me"} == dict(obj.metadata)
        assert "text/x-a" == obj.content_type

    def test_listed_handle_fetches_missing_attributes_on_access(
        self, container: Container
    ) -> None:
        """The attributes are those of the object."""
        container.upload_object(CONTENT, "a", metadata={"owner": "me"}, content_type="text/x-a")
        obj = container.list_objects()[0]
        assert len(CONTENT) == obj.size
        assert {"owner": "me"} == dict(obj.metadata)
        assert "text/x-a" == obj.content_type

    def test_refresh_fetches_the_current_attributes(self, container: Container) -> None:
        """A handle keeps its attributes until refresh()."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(b"the second", "a")
        assert 5 == obj.size
        assert 10 == obj.refresh().size
        assert 10 == obj.size

    def test_refresh_of_a_deleted_object_raises(self, container: Container) -> None:
        """It raises ObjectNotFoundError."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        with pytest.raises(ObjectNotFoundError):
            obj.refresh()

    def test_handle_reads_the_current_content(self, container: Container) -> None:
        """read() ignores an outdated size of the handle."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(b"the second", "a")
        assert b"the second" == obj.read()
        assert b"the second" == b"".join(obj.stream())

    def test_iterating_a_container_gives_its_objects(self, container: Container) -> None:
        """A container iterates over its objects in order."""
        fill(container, "b", "a")
        assert ["a", "b"] == [obj.name for obj in container]

    def test_membership_of_a_container(self, container: Container) -> None:
        """A name, or an object's, is in its container."""
        obj = container.upload_object(CONTENT, "a")
        assert "a" in container
        assert obj in container
        assert "b" not in container
