"""Names: an object has exactly the name that was passed, or the name is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libstore import (
    Container,
    InvalidNameError,
    InvalidTypeError,
    ObjectNameConflictError,
    ObjectNotFoundError,
)

from .base import CONTENT, Topic, names_of

#: Every service has to hold these.
ORDINARY = (
    "plain",
    "file.tar.gz",
    "nested/deep/er/file.txt",
    "UPPER/Case",
    ".hidden",
    "folder.d/.hidden",
    "-dash",
    "--",
    "_under",
    "dots..in...between",
    "with space",
    "two  spaces",
    "a b/c d",
    "a+b",
    "+",
    "100%",
    "%",
    "%20",
    "%41",
    "%2F",
    "a%2Fb",
    "%2e%2e",
    "per%25cent",
    "bad%zzescape",
    "what?",
    "a?b=c",
    "a#b",
    "a&b=c",
    "&amp;",
    "<tag attribute='1'>",
    "semi;colon",
    "comma,comma",
    "at@sign",
    "co:lon",
    "$dollar",
    "(round) [square] {curly}",
    "quote'single",
    'quote"double',
    "back\\slash",
    "back\\..\\slash",
    "back`tick",
    "pipe|pipe",
    "caret^",
    "tilde~",
    "~home",
    "star*",
    "excl!",
    "equals=",
    "ünïcödé/ñ",
    "日本語/ファイル.txt",
    "שלום",
    "emoji 😀/🚀",
    "combining e\u0301",
    "no-break\u00a0space",
    "zero\u200bwidth",
    "line\u2028separator",
    "private\ue000use",
    "full\uff5ewidth",
)

#: Names whose URL clients may change.
AWKWARD = (
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/.",
    "./a",
    "...",
    "%2e%2e/a",
    "a/%2E%2E/b",
    "a/%2e",
    "..\\a",
    "a\\..\\b",
    "..;/a",
    "/a",
    "//a",
    "a//b",
    "a/",
    "/",
    " a ",
    "tab\there",
    "a;b=c",
    "a:b@c",
    "[a]{b}|c^`~",
    "'\"<>",
)

#: A service holds each of these unchanged, or refuses it.
DIFFICULT = (
    ".",
    "..",
    "...",
    "./a",
    "../a",
    "a/.",
    "a/..",
    "a/./b",
    "a/../b",
    "/",
    "//",
    "/a",
    "a/",
    "a//b",
    "a//",
    "https://example.com/a?b",
    " leading",
    "trailing ",
    " ",
    "trailing.",
    "a./b",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "null\0byte",
    "bell\a",
    "delete\x7f",
    "next\x85line",
    "noncharacter\ufffe",
    "byte order mark\ufeff",
    "con",
    "nul.txt",
    "s" * 255,
    "s" * 256,
    "日" * 85 + "/" + "日" * 86,
)

#: Two names that something on the way may take for one.
PAIRS = (
    ("a/b", "a//b"),
    ("a", "a/"),
    ("a", "/a"),
    ("a", "./a"),
    ("a", "a/."),
    ("b", "a/../b"),
    ("a", "A"),
    ("a", "a."),
    ("a", "a "),
    ("a", " a"),
    ("a", "a\0"),
    ("a b", "a+b"),
    ("a b", "a%20b"),
    ("a/b", "a%2Fb"),
    ("a/b", "a%2fb"),
    ("a/b", "a\\b"),
    ("a%b", "a%25b"),
    ("\u00e9", "e\u0301"),
    ("\u212b", "\u00c5"),
    ("a", "a?b"),
    ("a", "a#b"),
    ("a\n", "a\r\n"),
)

_WRITES: dict[str, Callable[[Container, Any], object]] = {
    "upload_object": lambda container, name: container.upload_object(CONTENT, name),
    "open wb": lambda container, name: container.open(name, "wb").close(),
    "copy": lambda container, name: container.upload_object(CONTENT, "a").copy(container, name),
    "move": lambda container, name: container.upload_object(CONTENT, "a").move(container, name),
    "get_object": lambda container, name: container.get_object(name),
    "object_exists": lambda container, name: container.object_exists(name),
    "object": lambda container, name: container.object(name),
    "read_object": lambda container, name: container.read_object(name),
    "open rb": lambda container, name: container.open(name).close(),
    "delete_object": lambda container, name: container.delete_object(name),
    "delete_objects": lambda container, name: container.delete_objects([name]),
}


class Names(Topic):
    """Test the names of objects."""

    @pytest.mark.parametrize("name", ORDINARY, ids=ascii)
    def test_an_ordinary_name_comes_back_unchanged(self, container: Container, name: str) -> None:
        """All operations apply to the object of exactly this name."""
        _check_round_trip(container, name)

    @pytest.mark.parametrize("name", DIFFICULT, ids=ascii)
    def test_a_difficult_name_comes_back_unchanged_or_is_refused(
        self, container: Container, name: str
    ) -> None:
        """A name that the service does not allow raises InvalidNameError in every operation."""
        try:
            container.object(name)
        except InvalidNameError:
            with pytest.raises(InvalidNameError):
                container.upload_object(CONTENT, name)
            with pytest.raises(InvalidNameError):
                container.get_object(name)
            assert [] == list(container.list_objects())
        else:
            _check_round_trip(container, name)

    @pytest.mark.parametrize(("name", "other"), PAIRS, ids=ascii)
    def test_different_names_are_different_objects(
        self, container: Container, name: str, other: str
    ) -> None:
        """Two names that differ in any way are two objects, or one of them is refused."""
        container.upload_object(b"the first", name)
        try:
            container.upload_object(b"the other", other)
        except (InvalidNameError, ObjectNameConflictError):
            assert [name] == names_of(container.list_objects())
            assert b"the first" == container.read_object(name)
            return
        assert sorted((name, other)) == names_of(container.list_objects())
        assert b"the first" == container.read_object(name)
        assert b"the other" == container.read_object(other)
        container.delete_object(other)
        assert [name] == names_of(container.list_objects())
        assert b"the first" == container.read_object(name)

    @pytest.mark.parametrize(("name", "other"), PAIRS, ids=ascii)
    def test_a_name_is_not_found_under_another(
        self, container: Container, name: str, other: str
    ) -> None:
        """An object is found by its exact name only."""
        container.upload_object(CONTENT, name)
        with pytest.raises((ObjectNotFoundError, InvalidNameError)):
            container.read_object(other)
        with pytest.raises((ObjectNotFoundError, InvalidNameError)):
            container.get_object(other)

    def test_the_longest_name_comes_back_unchanged_or_is_refused(
        self, container: Container
    ) -> None:
        """A name of the maximum length is unchanged or refused."""
        longest = ("d" * 99 + "/") * (container.driver.limits.max_name // 100 + 1)
        name = longest[: container.driver.limits.max_name - 1] + "e"
        self.test_a_difficult_name_comes_back_unchanged_or_is_refused(container, name)

    @pytest.mark.parametrize("operation", _WRITES)
    def test_an_empty_name_is_refused(self, container: Container, operation: str) -> None:
        """No object has an empty name."""
        with pytest.raises(InvalidNameError) as caught:
            _WRITES[operation](container, "")
        assert isinstance(caught.value, ValueError)
        assert "" not in names_of(container.list_objects())

    @pytest.mark.parametrize("operation", _WRITES)
    def test_a_name_that_is_too_long_is_refused(
        self, container: Container, operation: str
    ) -> None:
        """A name of one byte more than the limit is refused before anything is sent."""
        name = "é" * (container.driver.limits.max_name // 2) + "xx"
        with pytest.raises(InvalidNameError):
            _WRITES[operation](container, name)

    @pytest.mark.parametrize("operation", _WRITES)
    def test_a_lone_surrogate_is_refused(self, container: Container, operation: str) -> None:
        """A name can be encoded as UTF-8."""
        with pytest.raises(InvalidNameError):
            _WRITES[operation](container, "lone\ud800")

    @pytest.mark.parametrize("name", [5, b"bytes", ["a"]], ids=ascii)
    @pytest.mark.parametrize("operation", _WRITES)
    def test_a_name_of_another_type_is_refused(
        self, container: Container, operation: str, name: Any
    ) -> None:
        """A name is a str; anything else raises InvalidTypeError, a TypeError."""
        with pytest.raises(InvalidTypeError) as caught:
            _WRITES[operation](container, name)
        assert isinstance(caught.value, TypeError)


def _check_round_trip(container: Container, name: str) -> None:
    content = name.encode()
    uploaded = container.upload_object(content, name)
    assert name == uploaded.name
    assert [name] == names_of(container.list_objects())
    assert [name] == names_of(container.list_objects(name))
    found = container.get_object(name)
    assert (name, len(content)) == (found.name, found.size)
    assert content == container.read_object(name)
    copied = found.copy(container, "the copy")
    container.delete_object(name)
    assert ["the copy"] == names_of(container.list_objects())
    again = copied.copy(container, name)
    assert name == again.name
    assert content == again.read()
    assert [True, True] == [result.ok for result in container.delete_objects([again, copied])]
    assert [] == list(container.list_objects())


def has_dots(name: str) -> bool:
    """Return whether clients resolve a segment of the name in a URL."""
    return not {".", ".."}.isdisjoint(name.split("/"))
