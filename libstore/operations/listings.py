"""Listings of names that match a pattern."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from .. import arguments
from ..errors import InvalidOptionError
from ..patterns import compile_pattern, literal_prefix
from ..values import ListQuery


class Named(Protocol):
    """An item of a listing."""

    @property
    def name(self) -> str: ...


def narrowed(query: ListQuery, pattern: str) -> tuple[ListQuery, Callable[[Named], bool]]:
    """
    Return the query to send for names that match a pattern, and what says whether an item does.

    The prefix that is sent is the longer one of the query's own and of the pattern's literal text.
    """
    matches = compile_pattern(arguments.text(pattern, "pattern"))
    if query.delimiter:
        raise InvalidOptionError(
            "a delimiter cannot be combined with a pattern, which compares the names of objects;"
            " for one level only, use a pattern such as 'a/*'"
        )
    prefix = query.prefix
    sent = max(prefix, literal_prefix(pattern), key=len)
    return replace(
        query, prefix=sent
    ), lambda item: matches(item.name) and item.name.startswith(prefix)
