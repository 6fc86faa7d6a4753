"""Conditions: what is there is not replaced or deleted unless it is what the caller thinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    NotSupportedError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    StorageDriver,
)

from .base import CONTENT, Topic, noise, unfinished

_SIZES = pytest.mark.parametrize(
    "parts", [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")]
)
_OPTIONS: dict[str, Callable[[Container], Any]] = {
    "if_absent": lambda container: container.upload_object(CONTENT, "new", if_absent=True),
    "if_match": lambda container: container.upload_object(CONTENT, "new", if_match="e"),
    "delete_if_match": lambda container: container.delete_object("old", if_match="e"),
    "storage_class": lambda container: container.upload_object(CONTENT, "new", storage_class="X"),
    "cache_control": lambda container: container.upload_object(
        CONTENT, "new", cache_control="no-store"
    ),
    "content_disposition": lambda container: container.upload_object(
        CONTENT, "new", content_disposition="inline"
    ),
    "content_encoding": lambda container: container.upload_object(
        CONTENT, "new", content_encoding="identity"
    ),
    "content_language": lambda container: container.upload_object(
        CONTENT, "new", content_language="de"
    ),
}


class Conditionals(Topic):
    """if_absent and if_match."""

    @pytest.fixture
    def absent(self, driver: StorageDriver) -> None:
        """Skip a test on a service that cannot tell whether a name is free."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not honour if_absent")

    @pytest.fixture
    def match(self, driver: StorageDriver) -> None:
        """Skip a test on a service that does not compare ETags when it writes."""
        if not driver.supports("if_match"):
            pytest.skip("the service does not honour if_match")

    @pytest.mark.parametrize("option", _OPTIONS)
    def test_an_option_is_honoured_or_refused(self, container: Container, option: str) -> None:
        """What a service cannot honour is NotSupportedError, and nothing is done."""
        container.upload_object(CONTENT, "old")
        if container.driver.supports(option):
            assert option in container.driver.options
            return
        with pytest.raises(NotSupportedError):
            _OPTIONS[option](container)
        assert CONTENT == container.read_object("old")
        assert not container.object_exists("new")

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_if_absent_takes_a_free_name(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with if_absent succeeds where nothing is."""
        content = noise(int(parts * part_size))
        container.upload_object(content, "a", if_absent=True)
        assert content == container.read_object("a")

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_if_absent_leaves_what_is_there(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with if_absent over an object is ObjectAlreadyExistsError, FileExistsError."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            container.upload_object(noise(int(parts * part_size)), "a", if_absent=True)
        assert isinstance(caught.value, FileExistsError)
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @pytest.mark.usefixtures("absent")
    def test_if_absent_takes_a_name_that_was_freed(self, container: Container) -> None:
        """A deleted object does not stand in the way."""
        container.upload_object(CONTENT, "a")
        container.delete_object("a")
        container.upload_object(b"new", "a", if_absent=True)
        assert b"new" == container.read_object("a")

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_if_absent_holds_at_the_end_of_an_upload(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An object that appears while an upload goes on is not replaced."""
        writer = container.open("a", "xb")
        writer.write(noise(int(parts * part_size)))
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectAlreadyExistsError):
            writer.close()
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @_SIZES
    @pytest.mark.usefixtures("match")
    def test_if_match_replaces_what_the_caller_knows(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with the current ETag succeeds."""
        content = noise(int(parts * part_size))
        etag = container.upload_object(CONTENT, "a").etag
        assert etag is not None
        container.upload_object(content, "a", if_match=etag)
        assert content == container.read_object("a")

    @_SIZES
    @pytest.mark.usefixtures("match")
    def test_if_match_leaves_what_was_changed(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with an ETag of before is ObjectChangedError."""
        etag = container.upload_object(b"first", "a").etag
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectChangedError):
            container.upload_object(noise(int(parts * part_size)), "a", if_match=etag)
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @_SIZES
    @pytest.mark.usefixtures("match")
    def test_if_match_holds_at_the_end_of_an_upload(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An object that is changed while an upload goes on is not replaced."""
        etag = container.upload_object(b"first", "a").etag
        writer = container.open("a", "wb", if_match=etag)
        writer.write(noise(int(parts * part_size)))
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectChangedError):
            writer.close()
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @pytest.mark.usefixtures("match")
    def test_if_match_of_a_missing_object_raises(self, container: Container) -> None:
        """No ETag matches where there is no object."""
        etag = container.upload_object(CONTENT, "a").etag
        container.delete_object("a")
        with pytest.raises(ObjectChangedError):
            container.upload_object(CONTENT, "a", if_match=etag)
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("match")
    @pytest.mark.parametrize("form", ['"{}"', 'W/"{}"'])
    def test_an_etag_may_be_given_as_headers_have_it(
        self, container: Container, form: str
    ) -> None:
        """Quotes and the mark of a weak ETag are removed, as they are from responses."""
        etag = container.upload_object(b"first", "a").etag
        container.upload_object(CONTENT, "a", if_match=form.format(etag))
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("absent", "match")
    def test_both_at_once_are_refused(self, container: Container) -> None:
        """A name cannot be free and have an ETag."""
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", if_absent=True, if_match="e")

    @pytest.mark.parametrize("etag", ["", "a\nb", 5, "*", '"*"', '"a", "b"'], ids=ascii)
    def test_what_is_no_etag_is_refused(self, container: Container, etag: Any) -> None:
        """An ETag is one text; ``*`` would hold for any object, so that it is no condition."""
        obj = container.upload_object(CONTENT, "a")
        driver = container.driver
        with pytest.raises((InvalidOptionError, NotSupportedError)):
            container.upload_object(b"new", "a", if_match=etag)
        with pytest.raises((InvalidOptionError, NotSupportedError)):
            container.open("a", "wb", if_match=etag)
        with pytest.raises((InvalidOptionError, NotSupportedError)):
            obj.delete(if_match=etag)
        with pytest.raises((InvalidOptionError, NotSupportedError)):
            driver.update_metadata(obj, {"new": "1"}, if_match=etag)
        assert CONTENT == container.read_object("a")
        assert {} == container.get_object("a").metadata

    # ------------------------------------------------------------------ tokens

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_conditional_writes_keep_the_metadata(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """What a driver stores to know its own writes again is not the user's metadata."""
        metadata = {"a": "b"}
        content = noise(int(parts * part_size))
        written = container.upload_object(content, "a", metadata=metadata, if_absent=True)
        copied = container.object("a").copy(container, "b", if_absent=True)
        assert metadata == copied.metadata
        moved = container.object("b").move(container, "c", if_absent=True)
        with container.open("d", "xb", metadata=metadata) as file:
            file.write(content)
        for obj in (written, moved, *map(container.get_object, "acd")):
            assert metadata == obj.metadata
        assert all(metadata == obj.metadata for obj in container.list_objects())
        plain = container.object("c").copy(container, "e")
        assert metadata == container.get_object(plain.name).metadata
        if container.driver.supports("update_metadata"):
            changed = container.object("a").update_metadata({"a": "c"})
            assert {"a": "c"} == changed.metadata == container.get_object("a").metadata

    @pytest.mark.usefixtures("match")
    def test_a_conditional_write_after_another_keeps_the_metadata(
        self, container: Container
    ) -> None:
        """An object that was written on a condition can be replaced and changed on one."""
        first = container.upload_object(b"first", "a", metadata={"a": "b"}, if_absent=True)
        second = container.upload_object(CONTENT, "a", metadata={"c": "d"}, if_match=first.etag)
        assert {"c": "d"} == container.get_object("a").metadata
        if container.driver.supports("update_metadata"):
            second.update_metadata({"c": "e"}, if_match=second.etag)
            assert {"c": "e"} == container.get_object("a").metadata

    @pytest.mark.parametrize("key", ["libstoretoken", "LibStoreToken"])
    def test_the_metadata_key_of_tokens_is_reserved(self, container: Container, key: str) -> None:
        """The library would take the user's text for a token."""
        obj = container.upload_object(CONTENT, "a")
        with pytest.raises(InvalidOptionError):
            container.upload_object(b"new", "a", metadata={key: "1"})
        with pytest.raises(InvalidOptionError):
            obj.copy(container, "b", metadata={key: "1"})
        with pytest.raises(InvalidOptionError):
            obj.update_metadata({key: "1"})
        assert CONTENT == container.read_object("a")

    # ------------------------------------------------------------------ deleting

    @pytest.fixture
    def delete_match(self, driver: StorageDriver) -> None:
        """Skip a test on a service that does not compare ETags when it deletes."""
        if not driver.supports("delete_if_match"):
            pytest.skip("the service does not honour if_match when it deletes")

    @pytest.mark.usefixtures("delete_match")
    def test_what_the_caller_knows_is_deleted(self, container: Container) -> None:
        """A delete with the current ETag succeeds."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete(if_match=obj.etag)
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("delete_match")
    def test_what_was_changed_is_not_deleted(self, container: Container) -> None:
        """A delete with an ETag of before is ObjectChangedError."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectChangedError):
            obj.delete(if_match=obj.etag)
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("delete_match")
    def test_a_missing_object_matches_nothing(self, container: Container) -> None:
        """A delete with an ETag of an object that is gone is ObjectChangedError."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        with pytest.raises(ObjectChangedError):
            obj.delete(if_match=obj.etag)
