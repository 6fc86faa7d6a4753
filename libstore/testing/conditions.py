"""Conditions: if_absent and if_match of writes and deletes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidOptionError,
    NotSupportedError,
    Object,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    StorageDriver,
)

from .base import CONTENT, WRITE_OPTIONS, Topic, noise, unfinished

_SIZES = pytest.mark.parametrize(
    "parts", [pytest.param(0.1, id="small"), pytest.param(2.5, id="in parts")]
)


def _upload_with(container: Container, **options: Any) -> Object:
    return container.upload_object(CONTENT, "new", **options)


_OPTIONS: dict[str, Callable[[Container], Any]] = {
    "if_absent": lambda container: container.upload_object(CONTENT, "new", if_absent=True),
    "if_match": lambda container: container.upload_object(CONTENT, "new", if_match="e"),
    "delete_if_match": lambda container: container.delete_object("old", if_match="e"),
    **{name: partial(_upload_with, **{name: value}) for name, value in WRITE_OPTIONS.items()},
}


class Conditionals(Topic):
    """Test if_absent and if_match."""

    @pytest.fixture
    def absent(self, driver: StorageDriver) -> None:
        """Skip a test if the service does not support if_absent."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")

    @pytest.fixture
    def match(self, driver: StorageDriver) -> None:
        """Skip a test if the service does not support if_match of writes."""
        if not driver.supports("if_match"):
            pytest.skip("the service does not support if_match")

    @pytest.mark.parametrize("option", _OPTIONS)
    def test_unsupported_conditions_are_refused(self, container: Container, option: str) -> None:
        """An unsupported condition raises NotSupportedError, and nothing changes."""
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
    def test_if_absent_creates_an_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with if_absent succeeds if the object does not exist."""
        content = noise(int(parts * part_size))
        container.upload_object(content, "a", if_absent=True)
        assert content == container.read_object("a")

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_if_absent_keeps_an_existing_object(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload over an object raises ObjectAlreadyExistsError, a FileExistsError."""
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            container.upload_object(noise(int(parts * part_size)), "a", if_absent=True)
        assert isinstance(caught.value, FileExistsError)
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @pytest.mark.usefixtures("absent")
    def test_if_absent_succeeds_after_a_delete(self, container: Container) -> None:
        """A deleted object does not count as existing."""
        container.upload_object(CONTENT, "a")
        container.delete_object("a")
        container.upload_object(b"new", "a", if_absent=True)
        assert b"new" == container.read_object("a")

    @_SIZES
    @pytest.mark.usefixtures("absent")
    def test_if_absent_is_checked_at_the_end_of_an_upload(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An object that is created during an upload is not replaced."""
        writer = container.open("a", "xb")
        writer.write(noise(int(parts * part_size)))
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectAlreadyExistsError):
            writer.close()
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @_SIZES
    @pytest.mark.usefixtures("match")
    def test_if_match_with_the_current_etag_replaces(
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
    def test_if_match_with_an_outdated_etag_raises(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An upload with an earlier ETag raises ObjectChangedError."""
        etag = container.upload_object(b"first", "a").etag
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectChangedError):
            container.upload_object(noise(int(parts * part_size)), "a", if_match=etag)
        assert CONTENT == container.read_object("a")
        assert [] == unfinished(container)

    @_SIZES
    @pytest.mark.usefixtures("match")
    def test_if_match_is_checked_at_the_end_of_an_upload(
        self, container: Container, part_size: int, parts: float
    ) -> None:
        """An object that changes during an upload is not replaced."""
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
        """No ETag matches a missing object."""
        etag = container.upload_object(CONTENT, "a").etag
        container.delete_object("a")
        with pytest.raises(ObjectChangedError):
            container.upload_object(CONTENT, "a", if_match=etag)
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("match")
    @pytest.mark.parametrize("form", ['"{}"', 'W/"{}"'])
    def test_quotes_and_weak_prefix_of_an_etag_are_removed(
        self, container: Container, form: str
    ) -> None:
        """An ETag may be passed as it is in a header."""
        etag = container.upload_object(b"first", "a").etag
        container.upload_object(CONTENT, "a", if_match=form.format(etag))
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("absent", "match")
    def test_if_absent_with_if_match_is_refused(self, container: Container) -> None:
        """The two conditions exclude each other."""
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", if_absent=True, if_match="e")

    @pytest.mark.parametrize("etag", ["", "a\nb", 5, "*", '"*"', '"a", "b"'], ids=ascii)
    def test_invalid_etag_is_refused(self, container: Container, etag: Any) -> None:
        """An ETag is one `str`; ``*`` would match any object."""
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
        """Data that a driver stores to recognise its own writes is not in the user's metadata."""
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
        """An object that was written with a condition can be replaced and updated with one."""
        first = container.upload_object(b"first", "a", metadata={"a": "b"}, if_absent=True)
        second = container.upload_object(CONTENT, "a", metadata={"c": "d"}, if_match=first.etag)
        assert {"c": "d"} == container.get_object("a").metadata
        if container.driver.supports("update_metadata"):
            second.update_metadata({"c": "e"}, if_match=second.etag)
            assert {"c": "e"} == container.get_object("a").metadata

    @pytest.mark.parametrize("key", ["libstoretoken", "LibStoreToken"])
    def test_the_metadata_key_of_tokens_is_reserved(self, container: Container, key: str) -> None:
        """A user's value would be mistaken for a write token."""
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
        """Skip a test if the service does not support if_match of deletes."""
        if not driver.supports("delete_if_match"):
            pytest.skip("the service does not support if_match of deletes")

    @pytest.mark.usefixtures("delete_match")
    def test_delete_with_the_current_etag_deletes(self, container: Container) -> None:
        """A delete with the current ETag succeeds."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete(if_match=obj.etag)
        assert not container.object_exists("a")

    @pytest.mark.usefixtures("delete_match")
    def test_delete_with_an_outdated_etag_raises(self, container: Container) -> None:
        """A delete with an earlier ETag raises ObjectChangedError."""
        obj = container.upload_object(b"first", "a")
        container.upload_object(CONTENT, "a")
        with pytest.raises(ObjectChangedError):
            obj.delete(if_match=obj.etag)
        assert CONTENT == container.read_object("a")

    @pytest.mark.usefixtures("delete_match")
    def test_conditional_delete_of_a_missing_object_raises(self, container: Container) -> None:
        """A delete with the ETag of a deleted object raises ObjectChangedError."""
        obj = container.upload_object(CONTENT, "a")
        obj.delete()
        with pytest.raises(ObjectChangedError):
            obj.delete(if_match=obj.etag)
