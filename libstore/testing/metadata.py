"""Metadata, content types and headers of objects."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any, ClassVar

import pytest

from libstore import (
    Container,
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    NotSupportedError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageDriver,
)

from .base import CONTENT, WRITE_OPTIONS, Topic, noise

_MAPPINGS = ("metadata", "checksums", "extra")


class MetadataPairs(Topic):
    """
    Test metadata and content types.

    Attributes:
        unreturned_options: The options that the service stores and does not return. Write tests
            for them.
    """

    unreturned_options: ClassVar[frozenset[str]] = frozenset()

    def test_metadata_comes_back(self, container: Container) -> None:
        """Uploaded metadata is returned."""
        pairs = {"owner": "me", "camera": "A 7", "number": "0042"}
        uploaded = container.upload_object(CONTENT, "a", metadata=pairs)
        assert pairs == dict(uploaded.metadata)
        assert pairs == dict(container.get_object("a").metadata)

    def test_mappings_are_read_only(self, container: Container) -> None:
        """A result cannot be changed, nor through it other handles or the store."""
        given = {"owner": "me"}
        uploaded = container.upload_object(CONTENT, "a", metadata=given)
        given["owner"] = "changed"
        objects = [uploaded, container.get_object("a"), *container.list_objects()]
        mappings = [getattr(obj, kind) for obj in objects for kind in _MAPPINGS]
        mappings += [container.extra, container.driver.get_container(container.name).extra]
        for mapping in mappings:
            _check_read_only(mapping)
        for obj in [*objects, container.get_object("a"), *container.list_objects()]:
            assert {"owner": "me"} == obj.metadata
        assert CONTENT == container.read_object("a")

    def test_an_object_without_metadata_has_none(self, container: Container) -> None:
        """Its metadata is an empty mapping."""
        assert {} == dict(container.upload_object(CONTENT, "a").metadata)
        assert {} == dict(container.get_object("a").metadata)

    def test_keys_become_lower_case(self, container: Container) -> None:
        """Keys are returned in lower case."""
        uploaded = container.upload_object(CONTENT, "a", metadata={"OwnerName": "Me"})
        assert {"ownername": "Me"} == dict(uploaded.metadata)
        assert {"ownername": "Me"} == dict(container.get_object("a").metadata)

    @pytest.mark.parametrize(
        "value", ["grüße", "日本語", "😀", "100%", "a=b&c", "a, b", '"quoted"', "=?utf-8?b?YQ==?="]
    )
    def test_values_come_back_as_they_were(self, container: Container, value: str) -> None:
        """A value is any text on one line, and does not change."""
        container.upload_object(CONTENT, "a", metadata={"note": value})
        assert {"note": value} == dict(container.get_object("a").metadata)

    @pytest.mark.parametrize(
        "key", ["with-dash", "with_underscore", "with.dot", "0digit", "a-b_c"]
    )
    def test_a_key_comes_back_or_is_refused(self, container: Container, key: str) -> None:
        """A key that the service does not allow raises InvalidOptionError; none is changed."""
        try:
            container.upload_object(CONTENT, "a", metadata={key: "v"})
        except InvalidOptionError:
            assert not container.object_exists("a")
        else:
            assert {key: "v"} == dict(container.get_object("a").metadata)

    def test_an_upload_in_parts_keeps_metadata(self, container: Container, part_size: int) -> None:
        """Large objects have metadata and content type too."""
        content = noise(2 * part_size + 1)
        pairs = {"owner": "me", "note": "grüße"}
        container.upload_object(content, "a", metadata=pairs, content_type="text/x-a")
        found = container.get_object("a")
        assert ("text/x-a", pairs) == (found.content_type, dict(found.metadata))

    def test_metadata_that_is_too_large_is_refused(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """Metadata above the limit is refused, and nothing is stored."""
        value = "é" * (driver.limits.max_metadata // 2)
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", metadata={"note": value})
        assert not container.object_exists("a")

    @pytest.mark.parametrize(
        "pairs",
        [
            {"": "v"},
            {"two words": "v"},
            {"grüße": "v"},
            {"a:b": "v"},
            {"a\nb": "v"},
            {"a": "line\nfeed"},
            {"a": "nul\0"},
            {"a": "carriage\rreturn"},
            {"Twice": "1", "twice": "2"},
        ],
        ids=ascii,
    )
    def test_pairs_that_cannot_be_sent_are_refused(
        self, container: Container, pairs: dict[str, str]
    ) -> None:
        """A value that is invalid in a header raises InvalidOptionError, and nothing is stored."""
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", metadata=pairs)
        assert not container.object_exists("a")

    @pytest.mark.parametrize(
        "pairs", [{"a": 5}, {"a": None}, {5: "a"}, {"a": b"b"}, [("a", "b")], "a=b"], ids=ascii
    )
    def test_pairs_of_another_type_are_refused(self, container: Container, pairs: Any) -> None:
        """Metadata maps str to str; anything else raises InvalidTypeError."""
        with pytest.raises(InvalidTypeError):
            container.upload_object(CONTENT, "a", metadata=pairs)
        assert not container.object_exists("a")

    def test_a_value_with_a_lone_surrogate_is_refused(self, container: Container) -> None:
        """A value can be encoded as UTF-8."""
        with pytest.raises((InvalidOptionError, InvalidNameError)):
            container.upload_object(CONTENT, "a", metadata={"note": "\ud800"})
        assert not container.object_exists("a")

    # ------------------------------------------------------------------ content type

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("a.txt", "text/plain"),
            ("a.JPG", "image/jpeg"),
            ("a/b.json", "application/json"),
            ("a.tar.gz", "application/gzip"),
            ("a.unheard-of", "application/octet-stream"),
            ("none", "application/octet-stream"),
            (".html", "application/octet-stream"),
        ],
    )
    def test_the_content_type_is_guessed_from_the_name(
        self, container: Container, name: str, expected: str
    ) -> None:
        """The default content type is that of the name's extension."""
        uploaded = container.upload_object(CONTENT, name)
        assert expected == uploaded.content_type
        assert expected == container.get_object(name).content_type

    @pytest.mark.parametrize("given", ["text/x-a", "text/plain; charset=iso-8859-1", "a/b+c"])
    def test_the_content_type_can_be_given(self, container: Container, given: str) -> None:
        """A passed content type takes precedence."""
        uploaded = container.upload_object(CONTENT, "a.jpg", content_type=given)
        assert given == uploaded.content_type
        assert given == container.get_object("a.jpg").content_type

    @pytest.mark.parametrize("given", ["", "a/b\r\nx: y", 5], ids=ascii)
    def test_invalid_content_type_is_refused(self, container: Container, given: Any) -> None:
        """A content type is text that is valid in a header."""
        with pytest.raises(InvalidOptionError):
            container.upload_object(CONTENT, "a", content_type=given)
        assert not container.object_exists("a")

    # ------------------------------------------------------------------ options

    @pytest.fixture
    def storage_class(self) -> str | None:
        """Return a storage class other than the default one; override it if there are any."""
        return None

    @pytest.mark.parametrize("parts", [0.1, 2.5], ids=["small", "in parts"])
    @pytest.mark.parametrize("option", WRITE_OPTIONS)
    def test_supported_option_is_stored(
        self,
        container: Container,
        part_size: int,
        storage_class: str | None,
        option: str,
        parts: float,
    ) -> None:
        """An option that the driver names in `options` is among the attributes or in extra."""
        if not container.driver.supports(option):
            pytest.skip(f"the service does not support {option}")
        if option in self.unreturned_options:
            pytest.skip(f"the service does not return {option}")
        value = storage_class if option == "storage_class" else WRITE_OPTIONS[option]
        if value is None:
            pytest.skip("no storage class is known; override the fixture storage_class")
        arguments: dict[str, Any] = {option: value}
        container.upload_object(noise(int(parts * part_size)), "a", **arguments)
        found = container.get_object("a")
        assert value == (found.extra.get(option) or getattr(found, option, None))

    # ------------------------------------------------------------------ update_metadata

    @pytest.fixture
    def kept(self, driver: StorageDriver, container: Container) -> None:
        """Upload an object; skip the test if its metadata cannot be changed."""
        if not driver.supports("update_metadata"):
            pytest.skip("the service does not support update_metadata")
        container.upload_object(
            CONTENT, "a", metadata={"owner": "me", "note": "old"}, content_type="text/x-a"
        )

    @pytest.mark.usefixtures("kept")
    def test_new_metadata_replaces_all_pairs(self, container: Container) -> None:
        """update_metadata replaces all metadata, and keeps content and content type."""
        updated = container.object("a").update_metadata({"Note": "new"})
        assert {"note": "new"} == dict(updated.metadata)
        found = container.get_object("a")
        assert ({"note": "new"}, "text/x-a") == (dict(found.metadata), found.content_type)
        assert CONTENT == found.read()

    @pytest.mark.usefixtures("kept")
    def test_empty_metadata_removes_all_pairs(self, container: Container) -> None:
        """An empty mapping is not None."""
        container.object("a").update_metadata({})
        assert {} == dict(container.get_object("a").metadata)

    @pytest.mark.usefixtures("kept")
    def test_a_new_content_type_leaves_the_metadata(self, container: Container) -> None:
        """Content type or metadata that is not passed is kept."""
        container.object("a").update_metadata(content_type="text/x-b")
        found = container.get_object("a")
        assert "text/x-b" == found.content_type
        assert {"owner": "me", "note": "old"} == dict(found.metadata)

    @pytest.mark.usefixtures("kept")
    def test_update_metadata_without_arguments_is_refused(self, container: Container) -> None:
        """Metadata or content type is required."""
        with pytest.raises(InvalidOptionError):
            container.object("a").update_metadata()

    @pytest.mark.usefixtures("kept")
    def test_update_metadata_of_a_missing_object_raises(self, container: Container) -> None:
        """The error is ObjectNotFoundError."""
        with pytest.raises(ObjectNotFoundError):
            container.object("missing").update_metadata({"a": "b"})
        assert not container.object_exists("missing")

    @pytest.mark.usefixtures("kept")
    def test_update_metadata_with_an_outdated_etag_raises(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The error is ObjectChangedError."""
        if not driver.supports("if_match"):
            pytest.skip("the service does not support if_match")
        obj = container.get_object("a")
        obj.update_metadata({"note": "newer"}, if_match=obj.etag)
        before = obj.etag
        container.upload_object(b"other", "a", metadata={"note": "other"})
        with pytest.raises(ObjectChangedError):
            obj.update_metadata({"note": "lost"}, if_match=before)
        assert {"note": "other"} == dict(container.get_object("a").metadata)

    @pytest.mark.usefixtures("kept")
    def test_headers_stay_when_metadata_is_changed(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """update_metadata keeps all other headers."""
        left_out = {"storage_class", *self.unreturned_options}
        headers = {
            name: value
            for name, value in WRITE_OPTIONS.items()
            if driver.supports(name) and name not in left_out
        }
        arguments: dict[str, Any] = dict(headers)
        container.upload_object(CONTENT, "a", **arguments)
        container.object("a").update_metadata({"note": "new"})
        extra = container.get_object("a").extra
        assert headers == {name: extra.get(name) for name in headers}

    def test_unsupported_update_metadata_raises(
        self, driver: StorageDriver, container: Container
    ) -> None:
        """The error is NotSupportedError, and nothing changes."""
        if driver.supports("update_metadata"):
            pytest.skip("the service supports update_metadata")
        obj = container.upload_object(CONTENT, "a", metadata={"owner": "me"})
        with pytest.raises(NotSupportedError):
            obj.update_metadata({"owner": "you"})
        assert {"owner": "me"} == dict(container.get_object("a").metadata)


def _check_read_only(mapping: Any) -> None:
    """Check that a mapping refuses changes, and is otherwise like a dictionary."""
    plain = dict(mapping)
    for change in (
        lambda: mapping.__setitem__("x", "1"),
        lambda: mapping.__delitem__(next(iter(plain), "x")),
        lambda: mapping.update(x="1"),
        lambda: mapping.setdefault("x", "1"),
        lambda: mapping.pop(next(iter(plain), "x"), None),
        mapping.popitem,
        mapping.clear,
        lambda: mapping.__ior__({"x": "1"}),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    assert plain == mapping == copy.deepcopy(mapping) == pickle.loads(pickle.dumps(mapping))
    assert {**plain, "x": "1"} == mapping | {"x": "1"}
    assert json.dumps(plain, default=str) == json.dumps(mapping, default=str)
