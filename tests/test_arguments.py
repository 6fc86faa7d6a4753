"""Test that invalid arguments are refused with a message that says what is valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libstore import (
    InvalidNameError,
    InvalidOptionError,
    InvalidTypeError,
    Limits,
    Span,
    arguments,
)
from libstore.drivers.memory import MemoryDriver
from libstore.http import headers

_LIMITS = Limits()
_NAMES = ["a", " ", "..", "a//b", "/", "\x00", "\n", "\U0001f600", "%2e%2e", "é", "é", "\uffff"]


@pytest.mark.parametrize("name", _NAMES)
def test_any_text_is_a_name(name: str) -> None:
    """The base class changes and refuses no name that some service allows."""
    assert name == arguments.object_name(name, _LIMITS)


@pytest.mark.parametrize("name", ["a" * 1024, "é" * 512, "\U0001f600" * 256])
def test_longest_name_is_accepted(name: str) -> None:
    """The limit is in bytes of UTF-8 and inclusive."""
    assert name == arguments.object_name(name, _LIMITS)
    with pytest.raises(InvalidNameError, match=r"has 1025 bytes in UTF-8; .* at most 1024"):
        arguments.object_name(name + "b", _LIMITS)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("", InvalidNameError, "must not be empty"),
        ("a\ud800b", InvalidNameError, r"lone surrogate at index 1"),
        (b"a", InvalidTypeError, "must be a str, not bytes"),
        (None, InvalidTypeError, "must be a str, not NoneType"),
        (5, InvalidTypeError, "must be a str, not int"),
        (["a"], InvalidTypeError, "must be a str, not list"),
    ],
)
def test_invalid_name_is_refused(name: Any, error: type[Exception], message: str) -> None:
    """Names are not empty, are `str`, and can be encoded as UTF-8."""
    with pytest.raises(error, match=message):
        arguments.object_name(name, _LIMITS)
    with pytest.raises(error, match=message):
        arguments.container_name(name)


def test_container_name_has_no_slash() -> None:
    assert "a.b-c d" == arguments.container_name("a.b-c d")
    with pytest.raises(InvalidNameError, match="must not contain '/'"):
        arguments.container_name("a/b")


def test_text_argument_may_be_empty() -> None:
    """Prefixes, delimiters and markers may be empty."""
    assert "" == arguments.text("", "prefix")
    with pytest.raises(InvalidTypeError, match="delimiter must be a str, not NoneType"):
        arguments.text(None, "delimiter")
    with pytest.raises(InvalidOptionError, match=r"prefix .* lone surrogate"):
        arguments.text("\udfff", "prefix")


@given(start=st.integers(0, 10**15), length=st.integers(0, 10**15))
def test_spans_are_half_open(start: int, length: int) -> None:
    """A start and a greater stop are a span."""
    assert Span(start, start + length) == arguments.span(start, start + length)
    assert Span(start, None) == arguments.span(start, None)


@pytest.mark.parametrize(
    ("start", "stop", "error", "message"),
    [
        (-1, 5, InvalidOptionError, "start=-1 counts from the object's end, so stop must be None"),
        (0, -1, InvalidOptionError, "stop must not be negative: -1"),
        (5, 4, InvalidOptionError, "start=5, stop=4"),
        ("0", None, InvalidTypeError, "start must be an int, a number of bytes, not str"),
        (None, None, InvalidTypeError, "not NoneType"),
        (1.0, None, InvalidTypeError, "not float"),
        (0, 2.5, InvalidTypeError, "stop must be an int"),
        (True, None, InvalidTypeError, "not bool"),
        (0, False, InvalidTypeError, "not bool"),
    ],
)
def test_invalid_span_is_refused(
    start: Any, stop: Any, error: type[Exception], message: str
) -> None:
    """Negative, reversed and non-integer bounds have their own messages."""
    with pytest.raises(error, match=message):
        arguments.span(start, stop)


class _Integer:
    """An integer of another library, such as NumPy."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class _Array:
    """A sequence whose class has the method, as NumPy's arrays have."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


def test_integers_of_other_libraries_are_accepted() -> None:
    """Positions in arrays are integers, and no subclass of int."""
    assert Span(3, 7) == arguments.span(_Integer(3), _Integer(7))
    assert Span(-8) == arguments.span(_Integer(-8), None)
    assert int is type(arguments.span(_Integer(3), None).start)
    assert 5 == arguments.positive_size(_Integer(5), "chunk_size")
    assert 60.0 == arguments.duration(_Integer(60), "expires")
    for check in (arguments.positive_size, arguments.seconds, arguments.duration):
        with pytest.raises(InvalidTypeError, match="not _Array"):
            check(_Array(), "size")
    with pytest.raises(InvalidTypeError, match="start must be an int"):
        arguments.span(_Array(), None)
    with pytest.raises(InvalidOptionError, match="size must be at least 1, not 0"):
        arguments.positive_size(_Integer(0), "size")


def test_range_is_a_pair() -> None:
    """A tuple or a list of two, and nothing else."""
    assert (1, None) == arguments.pair([1, None])
    for value in ((1,), (1, 2, 3), 5, "ab", None):
        with pytest.raises(InvalidTypeError, match="must be a pair"):
            arguments.pair(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, InvalidOptionError), (-5, InvalidOptionError), (1.0, InvalidTypeError)],
)
def test_sizes_are_positive_integers(value: Any, error: type[Exception]) -> None:
    """Nought and less make no part and no chunk."""
    assert 1 == arguments.positive_size(1, "chunk_size")
    with pytest.raises(error, match="chunk_size"):
        arguments.positive_size(value, "chunk_size")
    with pytest.raises(InvalidTypeError):
        arguments.positive_size(True, "chunk_size")


@pytest.mark.parametrize("control", [*map(chr, range(32)), "\x7f"])
def test_control_character_in_a_header_is_refused(control: str) -> None:
    """It could end the header line."""
    with pytest.raises(InvalidOptionError, match="without control characters"):
        arguments.header_value(f"text/plain{control}X-Evil: 1", "content_type")
    with pytest.raises(InvalidOptionError, match="control character"):
        arguments.metadata({"a": f"b{control}c"}, _LIMITS)
    with pytest.raises(InvalidOptionError, match="control"):
        arguments.etag(f"abc{control}", "if_match")


def test_header_value_is_not_empty() -> None:
    """`None` means not passed."""
    assert arguments.header_value(None, "x") is None
    assert "grüße" == arguments.header_value("grüße", "x")
    with pytest.raises(InvalidOptionError):
        arguments.header_value("", "x")
    with pytest.raises(InvalidTypeError, match="x must be a str, not bytes"):
        arguments.header_value(b"a", "x")
    with pytest.raises(InvalidOptionError, match="surrogate"):
        arguments.header_value("\ud800", "x")


@pytest.mark.parametrize(
    ("given_etag", "expected"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('W/"abc"', "abc"),
        (' "abc" ', "abc"),
        ("W/abc", "W/abc"),
        ("a/b+c=", "a/b+c="),
        (None, None),
    ],
)
def test_etags_are_normalised_as_those_of_responses(
    given_etag: str | None, expected: str | None
) -> None:
    """An ETag may be passed as the service or as `Object.etag` spells it."""
    assert expected == arguments.etag(given_etag, "if_match")
    assert expected == headers.clean_etag(given_etag and given_etag.strip())


@pytest.mark.parametrize(
    "given_etag",
    ["*", '"*"', 'W/"*"', " * ", "", '""', 'W/""', " ", '"', 'a"b', '"a", "b"', 'w/"a"', "a\r\nb"],
)
def test_wildcard_or_list_of_etags_is_refused(given_etag: str) -> None:
    """``*`` in If-Match matches any object, so the write would be unconditional."""
    with pytest.raises(InvalidOptionError, match="if_match"):
        arguments.etag(given_etag, "if_match")


def test_the_metadata_key_of_write_tokens_is_reserved() -> None:
    for key in ("libstoretoken", "LibStoreToken"):
        with pytest.raises(InvalidOptionError, match="reserved"):
            arguments.metadata({key: "a"}, _LIMITS)


def test_metadata_keys_become_lower_case() -> None:
    """Services ignore case, so two spellings of one key are an error."""
    assert {"owner": "Me", "x-1": ""} == arguments.metadata({"Owner": "Me", "X-1": ""}, _LIMITS)
    assert {} == arguments.metadata(None, _LIMITS)
    with pytest.raises(InvalidOptionError, match="given twice"):
        arguments.metadata({"a": "1", "A": "2"}, _LIMITS)


@pytest.mark.parametrize("key", ["", "a b", "a:b", "ä", "a\n", "a(b)", "a/b", "a\x00", "=?utf-8?"])
def test_metadata_key_is_a_token(key: str) -> None:
    """RFC 9110 defines the names of headers."""
    with pytest.raises(InvalidOptionError, match="metadata key"):
        arguments.metadata({key: "x"}, _LIMITS)


@pytest.mark.parametrize("pairs", [5, "ab", [("a", "b")], {"a": 1}, {1: "a"}, {"a": None}])
def test_metadata_values_are_text(pairs: Any) -> None:
    """Numbers are not converted."""
    with pytest.raises(InvalidTypeError, match="metadata must"):
        arguments.metadata(pairs, _LIMITS)


def test_metadata_is_limited_in_bytes() -> None:
    """Keys and values count, values as UTF-8; the limit is inclusive."""
    fits = {"key": "é" * 1022 + "a"}
    assert fits == arguments.metadata(fits, _LIMITS)
    with pytest.raises(InvalidOptionError, match=r"has 2049 bytes; .* at most 2048"):
        arguments.metadata({"key": "é" * 1023}, _LIMITS)


@given(st.text())
def test_message_has_one_line_for_any_value(value: str) -> None:
    """Its length is bounded."""
    shown = arguments.shorten(value)
    assert len(shown.splitlines()) == 1
    assert len(shown) <= 80 * 10 + 3


def test_metadata_key_is_checked_before_it_is_lowercased() -> None:
    """KELVIN SIGN is not ASCII, although its lower case `k` is."""
    container = MemoryDriver().create_container("c")
    with pytest.raises(InvalidOptionError):
        container.upload_object(b"", "b", metadata={"\u212aey": "v"})
