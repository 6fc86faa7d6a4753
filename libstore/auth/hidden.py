"""What is sent and never shown."""

from __future__ import annotations

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
