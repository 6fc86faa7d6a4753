"""Copies and moves, within a service and between services."""

from __future__ import annotations

import pytest

from libstore import (
    Container,
    ContainerNotFoundError,
    Object,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
    StorageDriver,
    get_driver,
)

from .base import CONTENT, Topic, fresh_name, names_of, noise

_PAIRS = {"owner": "me", "note": "grüße"}


class Copies(Topic):
    """Test copy_object and move_object."""

    @pytest.fixture
    def source(self, container: Container) -> Object:
        """Return an object with its own metadata and content type."""
        return container.upload_object(
            CONTENT, "the source", metadata=_PAIRS, content_type="text/x-a"
        )

    @pytest.fixture
    def free_names(self, driver: StorageDriver) -> None:
        """Skip a test if the service does not support if_absent."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not support if_absent")

    def test_a_copy_is_like_its_source(self, container: Container, source: Object) -> None:
        """A copy has content, metadata and content type of its source, which remains."""
        copied = source.copy(container, "the copy")
        assert ("the copy", container) == (copied.name, copied.container)
        _check_like_source(container.get_object("the copy"))
        _check_like_source(container.get_object("the source"))

    def test_a_copy_keeps_its_name_by_default(
        self, source: Object, other_container: Container
    ) -> None:
        """Without a name, a copy has the name of its source."""
        copied = source.copy(other_container)
        assert ("the source", other_container) == (copied.name, copied.container)
        _check_like_source(other_container.get_object("the source"))

    def test_the_container_may_be_given_by_name(
        self, source: Object, other_container: Container
    ) -> None:
        """The target is a handle or a name."""
        assert other_container == source.copy(other_container.name).container
        _check_like_source(other_container.get_object("the source"))

    def test_a_copy_knows_its_size(self, container: Container, source: Object) -> None:
        """The handle of a copy has its size."""
        assert len(CONTENT) == source.copy(container, "b").size

    def test_metadata_can_be_replaced(self, container: Container, source: Object) -> None:
        """Passed metadata replaces all pairs; the content type is copied."""
        source.copy(container, "b", metadata={"Other": "pair"})
        found = container.get_object("b")
        assert ({"other": "pair"}, "text/x-a") == (dict(found.metadata), found.content_type)

    def test_copy_with_empty_metadata_has_none(self, container: Container, source: Object) -> None:
        """An empty mapping is not None: the copy has no metadata."""
        source.copy(container, "b", metadata={})
        assert {} == dict(container.get_object("b").metadata)

    def test_the_content_type_can_be_replaced(self, container: Container, source: Object) -> None:
        """A passed content type replaces the source's; metadata is copied."""
        source.copy(container, "b", content_type="text/x-b")
        found = container.get_object("b")
        assert ("text/x-b", _PAIRS) == (found.content_type, dict(found.metadata))

    def test_copy_replaces_an_existing_object(self, container: Container, source: Object) -> None:
        """The existing object is replaced completely."""
        container.upload_object(b"old content, longer than the new", "b", metadata={"old": "1"})
        source.copy(container, "b")
        _check_like_source(container.get_object("b"))

    def test_a_copy_onto_itself_changes_nothing(
        self, container: Container, source: Object
    ) -> None:
        """Copying an object onto itself keeps it."""
        source.copy(container, source.name)
        _check_like_source(container.get_object("the source"))
        assert ["the source"] == names_of(container.list_objects())

    def test_a_copy_onto_itself_can_replace_metadata(
        self, container: Container, source: Object
    ) -> None:
        """Copying an object onto itself with metadata replaces the metadata."""
        source.copy(container, source.name, metadata={"other": "pair"})
        found = container.get_object("the source")
        assert {"other": "pair"} == dict(found.metadata)
        assert CONTENT == found.read()

    @pytest.mark.parametrize("more", [0, 1])
    def test_a_large_object_is_copied_whole(
        self, container: Container, part_size: int, more: int
    ) -> None:
        """A copy of many parts has all bytes."""
        content = noise(3 * part_size + more)
        obj = container.upload_object(content, "a", metadata=_PAIRS)
        copied = obj.copy(container, "b")
        assert len(content) == copied.size
        assert content == container.read_object("b")
        assert _PAIRS == dict(container.get_object("b").metadata)

    def test_an_empty_object_is_copied(self, container: Container) -> None:
        """An object without bytes can be copied."""
        container.upload_object(b"", "a").copy(container, "b")
        assert 0 == container.get_object("b").size

    def test_a_copy_into_a_missing_container_raises(self, source: Object) -> None:
        """The error names the container of the copy, not the source's."""
        missing = fresh_name()
        with pytest.raises(ContainerNotFoundError) as caught:
            source.copy(missing)
        assert missing == caught.value.container
        _check_like_source(source.refresh())

    def test_a_copy_of_a_missing_object_raises(self, container: Container) -> None:
        """A missing source raises, and no object appears."""
        with pytest.raises(ObjectNotFoundError) as caught:
            container.object("missing").copy(container, "b")
        assert "missing" == caught.value.object
        assert [] == list(container.list_objects())

    @pytest.mark.usefixtures("free_names")
    def test_copy_with_if_absent_keeps_an_existing_object(
        self, container: Container, source: Object
    ) -> None:
        """A copy with if_absent creates objects only; the error names the target."""
        container.upload_object(b"mine", "b")
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            source.copy(container, "b", if_absent=True)
        assert "b" == caught.value.object
        assert b"mine" == container.read_object("b")
        source.copy(container, "c", if_absent=True)
        _check_like_source(container.get_object("c"))

    def test_progress_ends_at_the_size(self, container: Container, source: Object) -> None:
        """The last call of progress has the size of the object."""
        calls: list[tuple[int, int | None]] = []
        source.copy(container, "b", progress=lambda *call: calls.append(call))
        assert (len(CONTENT), len(CONTENT)) == calls[-1]

    # ------------------------------------------------------------------ between two drivers

    def test_a_copy_goes_to_another_driver(self, source: Object) -> None:
        """A copy to another driver transfers content and metadata."""
        elsewhere = get_driver("memory")().create_container("elsewhere")
        copied = source.copy(elsewhere, "b")
        assert elsewhere == copied.container
        _check_like_source(elsewhere.get_object("b"))

    def test_a_copy_comes_from_another_driver(self, container: Container, part_size: int) -> None:
        """A copy from another driver transfers content and metadata, in parts."""
        content = noise(2 * part_size + 1)
        elsewhere = get_driver("memory")().create_container("elsewhere")
        obj = elsewhere.upload_object(content, "a", metadata=_PAIRS, content_type="text/x-a")
        obj.copy(container)
        found = container.get_object("a")
        assert ("text/x-a", _PAIRS) == (found.content_type, dict(found.metadata))
        assert content == found.read()

    def test_a_move_goes_to_another_driver(self, container: Container, source: Object) -> None:
        """A move between drivers deletes the source."""
        elsewhere = get_driver("memory")().create_container("elsewhere")
        source.move(elsewhere)
        _check_like_source(elsewhere.get_object("the source"))
        assert [] == list(container.list_objects())

    # ------------------------------------------------------------------ moving

    def test_a_move_leaves_nothing_behind(self, container: Container, source: Object) -> None:
        """A moved object exists only at its new name, with all its attributes."""
        moved = source.move(container, "moved")
        assert ("moved", container) == (moved.name, moved.container)
        assert ["moved"] == names_of(container.list_objects())
        _check_like_source(container.get_object("moved"))

    def test_a_move_onto_itself_changes_nothing(
        self, container: Container, source: Object
    ) -> None:
        """Moving an object onto itself does not delete it."""
        assert source == source.move(container)
        assert source == source.move(container.name, source.name)
        _check_like_source(container.get_object("the source"))

    def test_a_move_into_a_missing_container_leaves_the_source(self, source: Object) -> None:
        """A failed move does not delete the source."""
        with pytest.raises(ContainerNotFoundError):
            source.move(fresh_name())
        _check_like_source(source.refresh())

    @pytest.mark.usefixtures("free_names")
    def test_move_with_if_absent_keeps_both_objects(
        self, container: Container, source: Object
    ) -> None:
        """A move with if_absent over an existing object changes neither."""
        container.upload_object(b"mine", "b")
        with pytest.raises(ObjectAlreadyExistsError):
            source.move(container, "b", if_absent=True)
        assert b"mine" == container.read_object("b")
        _check_like_source(container.get_object("the source"))

    def test_a_move_of_a_missing_object_raises(self, container: Container) -> None:
        """A missing object cannot be moved, not even onto itself."""
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").move(container, "b")
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").move(container)


def _check_like_source(obj: Object) -> None:
    assert CONTENT == obj.read()
    assert ("text/x-a", _PAIRS) == (obj.content_type, dict(obj.metadata))
