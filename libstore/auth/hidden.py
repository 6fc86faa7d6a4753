"""What is sent and never shown."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override


class Hidden(str):
    """
    A text that is like any other but for its `repr`.

    Whatever prints the variables of a traceback's frames, or a mapping of headers, shows that
    there is something and not what.
    """

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return "'***'"


def hidden_among(values: Iterable[str]) -> list[Hidden]:
    """Return those of some values that must not be shown, such as headers that are keys."""
    return [value for value in values if isinstance(value, Hidden)]
