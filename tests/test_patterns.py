"""Test patterns over names against a slow reference, and with patterns made to be slow."""

from __future__ import annotations

import glob
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from libstore import InvalidOptionError, InvalidTypeError
from libstore.patterns import compile_pattern, literal_prefix

_PIECES = ["a", "b", "-", "!", "]", "[", "*", "**", "?", "/", "/**/", "[ab]", "[!a]", "[a-", "\n"]
_PATTERNS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=8).map("".join)
_NAMES = st.text(alphabet="ab-!][/\n*", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("a", ["a"], ["A", "b/a", "a/", "aa", ""]),
        ("*", ["a", ".a", "a\n"], ["a/b", "", "a/"]),
        ("*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt/", "a.TXT"]),
        ("a/*", ["a/b"], ["a/", "a/b/c", "a"]),
        ("a/b*", ["a/b", "a/bc"], ["a/b/", "a/c"]),
        ("?", ["a", "é"], ["/", "", "ab"]),
        ("[ab]", ["a", "b"], ["c", "ab"]),
        ("[a-c]x", ["bx"], ["dx", "-x"]),
        ("[!a]b", ["bb"], ["ab", "/b"]),
        ("[]a]", ["]", "a"], ["[]a]"]),
        ("[!]a]", ["b"], ["]", "a"]),
        ("[*]", ["*"], ["a"]),
        ("[!]", ["[!]"], ["!", "a"]),
        ("[c-a]", [], ["a", "b", "c", "-"]),
        ("[+-0]", ["+", ".", "0"], ["/"]),
        ("a[", ["a["], ["a"]),
        ("{a,b}", ["{a,b}"], ["a"]),
        ("**", ["a", "a/b", "a/b/", "/"], []),
        ("**/a", ["a", "b/a", "b/c/a", "/a"], ["ba", "a/b"]),
        ("a/**", ["a/b", "a/b/c", "a/"], ["a", "ab/c"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "ab", "b"]),
        ("**/a/**", ["a/b", "x/a/b", "x/a/"], ["a", "x/a", "xa/b"]),
        ("**/**/a", ["a", "b/a"], ["ba"]),
        ("a**", ["a", "ab"], ["a/b"]),
        ("**/*.py", ["a.py", "x/a.py", "x/.py"], ["x/a.pyc"]),
        ("a//b", ["a//b"], ["a/b", "a/x/b"]),
    ],
)
def test_pattern_matches(pattern: str, matching: Sequence[str], others: Sequence[str]) -> None:
    matches = compile_pattern(pattern)

    assert list(matching) == [name for name in [*matching, *others] if matches(name)]


@given(_PATTERNS, _NAMES)
@example("a/**/b/**/c", "a/x/b/b/y/c")
@example("*a*b*", "xaxxbx")
@example("[a-[!a]", "[")
@settings(max_examples=1_000, deadline=None)
def test_agrees_with_a_slow_reference(pattern: str, name: str) -> None:
    found = compile_pattern(pattern)(name)

    assert _reference(pattern.split("/"), name.split("/")) == found
    assert not found or name.startswith(literal_prefix(pattern))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python 3.13 has full_match")
@given(_PATTERNS, _NAMES)
@settings(max_examples=1_000, deadline=None)
def test_agrees_with_pathlib_on_names_that_are_paths(pattern: str, name: str) -> None:
    assume(name == str(PurePosixPath(name)) and pattern == str(PurePosixPath(pattern)))

    found: bool = PurePosixPath(name).full_match(pattern)  # type: ignore[attr-defined,unused-ignore]

    assert found == compile_pattern(pattern)(name)


def _reference(segments: Sequence[str], names: Sequence[str]) -> bool:
    """Match segment by segment, trying everything."""
    if segments == ["**"]:
        return bool(names)
    if not segments or (segments[0] != "**" and not names):
        return not segments and not names
    first, *rest = segments
    if first == "**":
        return any(_reference(rest, names[count:]) for count in range(len(names) + 1))
    if not first.strip("*") and first and not names[0]:
        return False
    return _matches_segment(first, names[0]) and _reference(rest, names[1:])


def _matches_segment(pattern: str, text: str) -> bool:
    """Match character by character, trying everything."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches_segment(pattern[1:], text[n:]) for n in range(len(text) + 1))
    if not text:
        return False
    end = pattern.find("]", 3 if pattern.startswith("[!") else 2) if pattern[0] == "[" else -1
    if end >= 0:
        return _is_in_set(pattern[1:end], text[0]) and _matches_segment(
            pattern[end + 1 :], text[1:]
        )
    return pattern[0] in ("?", text[0]) and _matches_segment(pattern[1:], text[1:])


def _is_in_set(characters: str, character: str) -> bool:
    # Not by fnmatch, which takes "!" behind an empty range for a negation: "[b-a!a]" as "[!a]".
    rest = characters.removeprefix("!")
    members: set[str] = set()
    while rest:
        if rest[1:2] == "-" and len(rest) > 2:
            members.update(map(chr, range(ord(rest[0]), ord(rest[2]) + 1)))
            rest = rest[3:]
        else:
            members.add(rest[0])
            rest = rest[1:]
    return (character in members) != characters.startswith("!")


@given(st.text(alphabet="ab*?[]!/", min_size=1, max_size=8))
def test_escaped_name_matches_itself_only(name: str) -> None:
    pattern = glob.escape(name)

    assert name == literal_prefix(pattern)
    assert compile_pattern(pattern)(name)
    assert not compile_pattern(pattern)(name + "a")


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("*", ""),
        ("a", "a"),
        ("a/b*.txt", "a/b"),
        ("a/**/b", "a/"),
        ("a[bc]", "a"),
        ("a[*]b?", "a*b"),
        ("a[b", "a[b"),
    ],
)
def test_literal_prefix_is_the_longest(pattern: str, prefix: str) -> None:
    assert prefix == literal_prefix(pattern)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a" * 50 + "b", "a" * 1_000),
        ("**/a/" * 50 + "b", "a/" * 500),
        ("**/*a*a*a/" * 20 + "b", "aaaa/" * 200),
        ("[ab]*" * 50 + "c", "ab" * 500),
    ],
)
def test_pattern_made_to_be_slow_ends(pattern: str, name: str) -> None:
    assert not compile_pattern(pattern)(name)


def test_pattern_is_checked() -> None:
    with pytest.raises(InvalidOptionError, match="must not be empty"):
        compile_pattern("")
    with pytest.raises(InvalidTypeError, match="must be a str, not bytes"):
        compile_pattern(b"*")  # type: ignore[arg-type]
