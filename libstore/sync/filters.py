"""Which names take part in a sync."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..patterns import check_pattern, compile_pattern


class NameFilter:
    """
    Which names take part in a sync.

    A pattern without a slash is about the last component of a name, at any depth.

    Args:
        include: Patterns of which a name must match one, if there are any.
        exclude: Patterns of which a name must match none.
    """

    def __init__(self, include: Iterable[str] | str, exclude: Iterable[str] | str) -> None:
        self._include = _compiled(include)
        self._exclude = _compiled(exclude)

    def accepts(self, name: str) -> bool:
        """Return whether a name takes part."""
        if any(matches(name) for matches in self._exclude):
            return False
        return not self._include or any(matches(name) for matches in self._include)


def _compiled(patterns: Iterable[str] | str) -> list[Callable[[str], bool]]:
    given = [patterns] if isinstance(patterns, str) else list(patterns)
    return [
        compile_pattern(pattern if "/" in pattern else f"**/{pattern}")
        for pattern in map(check_pattern, given)
    ]
