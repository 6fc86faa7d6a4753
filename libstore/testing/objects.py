"""Objects: what is stored is what is found and read back."""

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
    """Single objects."""

    @pytest.mark.parametrize("content", _CONTENTS.values(), ids=_CONTENTS)
    def test_bytes_come_back_as_they_were(self, container: Container, content: bytes) -> None:
        """read_object returns exactly the bytes of upload_object, of whatever kind."""
        uploaded = container.upload_object(content, "a")
        assert len(content) == uploaded.size
        assert content == uploaded.read()
        assert len(content) == container.get_object("a").size

    def test_an_upload_returns_the_object(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The handle that upload_object returns knows name, size, container and driver."""
        obj = driver.upload_object(CONTENT, container, "a/b")
        assert isinstance(obj, Object)
        assert ("a/b", len(CONTENT)) == (obj.name, obj.size)
        assert container == obj.container
        assert obj.driver is driver

    def test_a_container_may_be_given_by_name(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Operations take the name of a container in place of a handle."""
        obj = driver.upload_object(CONTENT, container.name, "a")
        assert container == obj.container
        assert obj == driver.get_object(container.name, "a")
        assert driver.object_exists(container.name, "a")
        assert ["a"] == names_of(driver.list_objects(container.name))

    def test_get_object_tells_what_the_service_knows(self, container: Container) -> None:
        """A found object has a size, a time in UTC and an ETag without quotes."""
        container.upload_object(CONTENT, "a")
        obj = container.get_object("a")
        assert len(CONTENT) == obj.size
        assert obj.last_modified is not None
        assert obj.last_modified.utcoffset() == timedelta(0)
        assert '"' not in (obj.etag or "")

    def test_an_upload_and_a_look_tell_the_same(self, container: Container) -> None:
        """ETag and size are the same in the answer to the upload and later."""
        uploaded = container.upload_object(CONTENT, "a")
        found = container.get_object("a")
        assert (uploaded.size, uploaded.etag) == (found.size, found.etag)

    def test_an_object_is_replaced_as_a_whole(self, container: Container) -> None:
        """An upload under a name that is taken replaces content, size and metadata."""
        container.upload_object(b"a long first content", "a", metadata={"owner": "me"})
        container.upload_object(b"short", "a")
        obj = container.get_object("a")
        assert b"short" == obj.read()
        assert 5 == obj.size
        assert {} == dict(obj.metadata)
        assert ["a"] == names_of(container.list_objects())

    def test_the_etag_follows_the_content(self, container: Container) -> None:
        """Two contents of one name have two ETags, where the service tells any."""
        first = container.upload_object(b"first", "a").etag
        second = container.upload_object(b"other", "a").etag
        assert first is None or first != second

    def test_object_exists_tells_whether_it_is_there(self, container: Container) -> None:
        """object_exists is true for an object and false for none."""
        fill(container, "there")
        assert container.object_exists("there") is True
        assert container.object_exists("ther") is False
        assert container.object_exists("there/more") is False

    def test_a_common_beginning_is_no_object(self, container: Container) -> None:
        """What several names begin with is not itself an object."""
        fill(container, "folder/a", "folder/b")
        assert not container.object_exists("folder")
        with pytest.raises(ObjectNotFoundError):
            container.get_object("folder")

    def test_the_last_object_of_a_folder_leaves_nothing_behind(self, container: Container) -> None:
        """When the only object below a prefix is gone, the prefix is too."""
        fill(container, "folder/deep/a")
        container.delete_object("folder/deep/a")
        assert [] == list(container.list_objects())
        assert [] == list(container.list_objects(delimiter="/"))

    def test_a_name_that_was_freed_can_be_taken_again(self, container: Container) -> None:
        """After a delete, names below and above the old one can be used."""
        fill(container, "a/b")
        container.delete_object("a/b")
        fill(container, "a")
        assert b"a" == container.read_object("a")

    def test_a_handle_of_a_name_is_made_without_a_look(self, container: Container) -> None:
        """object() makes a handle of a missing object; what it does not know raises when read."""
        obj = container.object("missing")
        assert "missing" == obj.name
        with pytest.raises(ObjectNotFoundError):
            _ = obj.size

    def test_a_handle_of_a_name_asks_for_what_it_does_not_know(self, container: Container) -> None:
        """The attributes of a handle made by object() are those of the object."""
        container.upload_object(CONTENT, "a", metadata={"owner": "me"}, content_type="text/x-a")
        obj = container.object("a")
        assert len(CONTENT) == obj.size
        assert {"owner": "me"} == dict(obj.metadata)
        assert "text/x-a" == obj.content_type

    def test_a_listed_handle_asks_for_what_the_listing_left_out(
        self, container: Container
    ) -> None:
        """The attributes of a handle from a listing are those of the object."""
        container.upload_object(CONTENT, "a", metadata={"owner": "me"}, content_type="text/x-a")
        obj = container.list_objects()[0]
        assert len(CONTENT) == obj.size
        assert {"owner": "me"} == dict(obj.metadata)
        assert "text/x-a" == obj.content_type

    def test_refresh_sees_what_was_put_meanwhile(self, container: Container) -> None:
        """A handle keeps what it was told until refresh() asks again."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(b"the second", "a")
        assert 5 == obj.size
        assert 10 == obj.refresh().size
        assert 10 == obj.size

    def test_refresh_of_a_deleted_object_raises(self, container: Container) -> None:
        """refresh() of an object that is gone is ObjectNotFoundError."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        with pytest.raises(ObjectNotFoundError):
            obj.refresh()

    def test_a_handle_reads_what_is_there_now(self, container: Container) -> None:
        """read() gives the current content, whatever size the handle was told."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(b"the second", "a")
        assert b"the second" == obj.read()
        assert b"the second" == b"".join(obj.stream())

    def test_iterating_a_container_gives_its_objects(self, container: Container) -> None:
        """A container iterates over its objects in order."""
        fill(container, "b", "a")
        assert ["a", "b"] == [obj.name for obj in container]

    def test_in_tells_whether_a_name_is_in_the_container(self, container: Container) -> None:
        """A name, or an object's, is in its container."""
        obj = container.upload_object(CONTENT, "a")
        assert "a" in container
        assert obj in container
        assert "b" not in container
