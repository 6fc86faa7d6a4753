"""
Patterns over names of objects: ``*``, ``?``, ``[...]`` and ``**``.

A pattern matches a whole name, by the rules of `pathlib.PurePath.full_match` (Python 3.13), upper
and lower case distinguished:

- ``*`` stands for any characters except ``/``, also none; as a whole segment for at least one.
- ``?`` stands for one character except ``/``.
- ``[abc]`` and ``[a-z]`` stand for one of these characters, ``[!abc]`` for one that is not among
  them, and none of them for ``/``. ``[*]``, ``[?]`` and ``[[]`` match the character itself, as
  `glob.escape` writes it; a ``[`` without its ``]`` is an ordinary character.
- ``**`` as a whole segment stands for any number of segments, also none: ``**/a`` matches ``a``
  and ``x/y/a``. At the end it stands for everything below: ``a/**`` matches ``a/b/c``, not ``a``.
  Anywhere else, as in ``a**``, it means ``*``.

A name is compared as it is: unlike in a path, segments can be empty, and ``.`` is a character.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .errors import InvalidOptionError, InvalidTypeError

# A set is "[", maybe "!", one character that may be "]", and all up to the next "]".
_TOKEN = re.compile(
    r"(?P<star>\*+)|(?P<one>\?)|\[(?P<set>(?:![^/]|[^!/])[^]/]*)\]|(?P<literal>.)", re.DOTALL
)


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """
    Return a function that says whether a name matches the pattern, in time linear in the name.

    Raises:
        InvalidOptionError: The pattern is empty.
        InvalidTypeError: The pattern is not a str.
    """
    match = re.compile(_Translation(check_pattern(pattern)).expression, re.DOTALL).fullmatch
    return lambda name: match(name) is not None


def check_pattern(pattern: object) -> str:
    """Refuse what is not a pattern."""
    if not isinstance(pattern, str):
        raise InvalidTypeError(f"a pattern must be a str, not {type(pattern).__name__}")
    if not pattern:
        raise InvalidOptionError("a pattern must not be empty; '**' matches all names")
    return pattern


def literal_prefix(pattern: str) -> str:
    """Return the longest text that each name begins with that matches the pattern."""
    found = ""
    for token in _TOKEN.finditer(pattern):
        characters = token["literal"] or token["set"] or ""
        if len(characters) != 1:
            break
        found += characters
    return found


class _Translation:
    """The regular expression of a pattern."""

    def __init__(self, pattern: str) -> None:
        self._groups = 0
        # Segments up to the first "**", between two of them, and after the last one.
        runs: list[list[str]] = [[]]
        for segment in pattern.split("/"):
            if segment != "**":
                runs[-1].append(self._segment(segment))
            elif runs[-1] or len(runs) == 1:
                runs.append([])
        first, *rest = runs
        if not rest:
            self.expression = "/".join(first)
            return
        *middle, last = rest
        between = [self._first("(?:[^/]*/)*?" + _closed(run)) for run in middle]
        end = "(?:.*/)?" + "/".join(last) if last else ".*"
        self.expression = _closed(first) + "".join(between) + end

    def _segment(self, segment: str) -> str:
        if segment and not segment.strip("*"):
            return "[^/]+"
        parts = [""]
        for token in _TOKEN.finditer(segment):
            if token["star"]:
                parts.append("")
            elif token["one"]:
                parts[-1] += "[^/]"
            elif token["set"]:
                parts[-1] += _set(token["set"])
            else:
                parts[-1] += re.escape(token["literal"])
        if len(parts) == 1:
            return parts[0]
        first, *middle, last = parts
        return first + "".join(self._first("[^/]*?" + part) for part in middle) + "[^/]*" + last

    def _first(self, expression: str) -> str:
        """Match at the first place only; any text may follow, so a later place is no better."""
        self._groups += 1
        return f"(?=(?P<g{self._groups}>{expression}))(?P=g{self._groups})"


def _closed(segments: list[str]) -> str:
    return "".join(f"{segment}/" for segment in segments)


def _set(characters: str) -> str:
    """Return the expression of the characters between brackets."""
    negated = len(characters) > 1 and characters.startswith("!")
    rest = characters[negated:]
    found = ""
    while rest:
        if len(rest) > 2 and rest[1] == "-":
            low, high, rest = rest[0], rest[2], rest[3:]
            if low <= high:  # otherwise the range is empty
                found += f"{re.escape(low)}-{re.escape(high)}"
        else:
            found, rest = found + re.escape(rest[0]), rest[1:]
    if negated:
        return f"(?!/)[^{found}]" if found else "[^/]"
    return f"(?!/)[{found}]" if found else "(?!)"
