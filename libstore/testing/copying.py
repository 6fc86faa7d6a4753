"""Copying and moving, within a service and between two."""

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
    """copy_object and move_object."""

    @pytest.fixture
    def source(self, container: Container) -> Object:
        """Return an object with metadata and a content type of its own."""
        return container.upload_object(
            CONTENT, "the source", metadata=_PAIRS, content_type="text/x-a"
        )

    @pytest.fixture
    def free_names(self, driver: StorageDriver) -> None:
        """Skip a test on a service that cannot tell whether a name is free."""
        if not driver.supports("if_absent"):
            pytest.skip("the service does not honour if_absent")

    def test_a_copy_is_like_its_source(self, container: Container, source: Object) -> None:
        """A copy has content, metadata and content type of its source, which stays."""
        copied = source.copy(container, "the copy")
        assert ("the copy", container) == (copied.name, copied.container)
        _check_like_source(container.get_object("the copy"))
        _check_like_source(container.get_object("the source"))

    def test_a_copy_keeps_its_name_by_default(
        self, source: Object, other_container: Container
    ) -> None:
        """Without a name, a copy is called like its source."""
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
        """The handle of a copy tells what the copy is."""
        assert len(CONTENT) == source.copy(container, "b").size

    def test_metadata_can_be_replaced(self, container: Container, source: Object) -> None:
        """What was given takes the place of all pairs, and leaves the content type."""
        source.copy(container, "b", metadata={"Other": "pair"})
        found = container.get_object("b")
        assert ({"other": "pair"}, "text/x-a") == (dict(found.metadata), found.content_type)

    def test_metadata_can_be_left_behind(self, container: Container, source: Object) -> None:
        """An empty mapping is not None: the copy has no pairs."""
        source.copy(container, "b", metadata={})
        assert {} == dict(container.get_object("b").metadata)

    def test_the_content_type_can_be_replaced(self, container: Container, source: Object) -> None:
        """What was given takes the place of the source's, and leaves the metadata."""
        source.copy(container, "b", content_type="text/x-b")
        found = container.get_object("b")
        assert ("text/x-b", _PAIRS) == (found.content_type, dict(found.metadata))

    def test_a_copy_replaces_what_is_there(self, container: Container, source: Object) -> None:
        """A copy over an object takes its place as a whole."""
        container.upload_object(b"old content, longer than the new", "b", metadata={"old": "1"})
        source.copy(container, "b")
        _check_like_source(container.get_object("b"))

    def test_a_copy_onto_itself_changes_nothing(
        self, container: Container, source: Object
    ) -> None:
        """To copy an object to where it is leaves it as it is."""
        source.copy(container, source.name)
        _check_like_source(container.get_object("the source"))
        assert ["the source"] == names_of(container.list_objects())

    def test_a_copy_onto_itself_can_replace_metadata(
        self, container: Container, source: Object
    ) -> None:
        """To copy an object to where it is, with other metadata, replaces the metadata."""
        source.copy(container, source.name, metadata={"other": "pair"})
        found = container.get_object("the source")
        assert {"other": "pair"} == dict(found.metadata)
        assert CONTENT == found.read()

    @pytest.mark.parametrize("more", [0, 1])
    def test_a_large_object_is_copied_whole(
        self, container: Container, part_size: int, more: int
    ) -> None:
        """No byte is lost in a copy of many parts."""
        content = noise(3 * part_size + more)
        obj = container.upload_object(content, "a", metadata=_PAIRS)
        copied = obj.copy(container, "b")
        assert len(content) == copied.size
        assert content == container.read_object("b")
        assert _PAIRS == dict(container.get_object("b").metadata)

    def test_an_empty_object_is_copied(self, container: Container) -> None:
        """No bytes are copied like any."""
        container.upload_object(b"", "a").copy(container, "b")
        assert 0 == container.get_object("b").size

    def test_a_copy_into_a_missing_container_raises(self, source: Object) -> None:
        """The container of the copy has to be there; the error names it, not the source's."""
        missing = fresh_name()
        with pytest.raises(ContainerNotFoundError) as caught:
            source.copy(missing)
        assert missing == caught.value.container
        _check_like_source(source.refresh())

    def test_a_copy_of_a_missing_object_raises(self, container: Container) -> None:
        """What is not there cannot be copied, and nothing appears."""
        with pytest.raises(ObjectNotFoundError) as caught:
            container.object("missing").copy(container, "b")
        assert "missing" == caught.value.object
        assert [] == list(container.list_objects())

    @pytest.mark.usefixtures("free_names")
    def test_a_copy_if_absent_leaves_what_is_there(
        self, container: Container, source: Object
    ) -> None:
        """A copy with if_absent takes a free name and no other; the error names the target."""
        container.upload_object(b"mine", "b")
        with pytest.raises(ObjectAlreadyExistsError) as caught:
            source.copy(container, "b", if_absent=True)
        assert "b" == caught.value.object
        assert b"mine" == container.read_object("b")
        source.copy(container, "c", if_absent=True)
        _check_like_source(container.get_object("c"))

    def test_progress_ends_at_the_size(self, container: Container, source: Object) -> None:
        """The last call of progress tells that all bytes are there."""
        calls: list[tuple[int, int | None]] = []
        source.copy(container, "b", progress=lambda *call: calls.append(call))
        assert (len(CONTENT), len(CONTENT)) == calls[-1]

    # ------------------------------------------------------------------ between two drivers

    def test_a_copy_goes_to_another_driver(self, source: Object) -> None:
        """To a container of another driver the bytes and the metadata pass through here."""
        elsewhere = get_driver("memory")().create_container("elsewhere")
        copied = source.copy(elsewhere, "b")
        assert elsewhere == copied.container
        _check_like_source(elsewhere.get_object("b"))

    def test_a_copy_comes_from_another_driver(self, container: Container, part_size: int) -> None:
        """From another driver the bytes and the metadata pass through here, in parts."""
        content = noise(2 * part_size + 1)
        elsewhere = get_driver("memory")().create_container("elsewhere")
        obj = elsewhere.upload_object(content, "a", metadata=_PAIRS, content_type="text/x-a")
        obj.copy(container)
        found = container.get_object("a")
        assert ("text/x-a", _PAIRS) == (found.content_type, dict(found.metadata))
        assert content == found.read()

    def test_a_move_goes_to_another_driver(self, container: Container, source: Object) -> None:
        """A move between drivers leaves nothing at the source."""
        elsewhere = get_driver("memory")().create_container("elsewhere")
        source.move(elsewhere)
        _check_like_source(elsewhere.get_object("the source"))
        assert [] == list(container.list_objects())

    # ------------------------------------------------------------------ moving

    def test_a_move_leaves_nothing_behind(self, container: Container, source: Object) -> None:
        """A moved object is in its new place only, with all that is kept with it."""
        moved = source.move(container, "moved")
        assert ("moved", container) == (moved.name, moved.container)
        assert ["moved"] == names_of(container.list_objects())
        _check_like_source(container.get_object("moved"))

    def test_a_move_onto_itself_changes_nothing(
        self, container: Container, source: Object
    ) -> None:
        """To move an object to where it is does not delete it."""
        assert source == source.move(container)
        assert source == source.move(container.name, source.name)
        _check_like_source(container.get_object("the source"))

    def test_a_move_into_a_missing_container_leaves_the_source(self, source: Object) -> None:
        """What cannot arrive is not deleted."""
        with pytest.raises(ContainerNotFoundError):
            source.move(fresh_name())
        _check_like_source(source.refresh())

    @pytest.mark.usefixtures("free_names")
    def test_a_move_onto_a_taken_name_leaves_both(
        self, container: Container, source: Object
    ) -> None:
        """A move with if_absent takes a free name and no other."""
        container.upload_object(b"mine", "b")
        with pytest.raises(ObjectAlreadyExistsError):
            source.move(container, "b", if_absent=True)
        assert b"mine" == container.read_object("b")
        _check_like_source(container.get_object("the source"))

    def test_a_move_of_a_missing_object_raises(self, container: Container) -> None:
        """What is not there cannot be moved, also not onto itself."""
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").move(container, "b")
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").move(container)


def _check_like_source(obj: Object) -> None:
    assert CONTENT == obj.read()
    assert ("text/x-a", _PAIRS) == (obj.content_type, dict(obj.metadata))
