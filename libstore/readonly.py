"""
Read-only dictionaries: the mappings that users receive.

They are subclasses of `dict`, so `json.dumps`, ``==`` and type checks work as usual; methods that
would change one raise `TypeError`. ``dict(mapping)``, ``mapping.copy()`` and ``mapping | other``
return plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import repeat
from typing import Any, NoReturn, TypeVar

from typing_extensions import Self, override

K = TypeVar("K")
V = TypeVar("V")


def _refuse_change(mapping: object, *_: object, **__: object) -> NoReturn:
    raise TypeError("this mapping is read-only; change a copy: dict(mapping)")


_refuse: Any = _refuse_change  # it replaces methods with different signatures


class ReadOnlyDict(dict[K, V]):
    """A dictionary that refuses changes."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    @override
    def __or__(self, other: Any, /) -> Any:
        return dict(self) | other

    @override
    def __ror__(self, other: Any, /) -> Any:
        return other | dict(self)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)((key, deepcopy(value, memo)) for key, value in self.items())


_EMPTY: ReadOnlyDict[Any, Any] = ReadOnlyDict()
#: Returns an empty read-only mapping, always the same one, and fast: a listing needs two for each
#: object.
no_pairs: Callable[[], ReadOnlyDict[Any, Any]] = repeat(_EMPTY).__next__


def read_only(mapping: Mapping[K, V]) -> ReadOnlyDict[K, V]:
    """Return a read-only copy of a mapping, including the mappings and lists in it."""
    if type(mapping) is ReadOnlyDict:
        return mapping
    if not mapping:
        return _EMPTY
    for value in mapping.values():
        if type(value) is not str and isinstance(value, (dict, list, Mapping)):
            return ReadOnlyDict((key, _frozen(value)) for key, value in mapping.items())
    return ReadOnlyDict(mapping)


def _frozen(value: Any) -> Any:
    """Make a value read-only; lists become tuples."""
    if isinstance(value, Mapping):
        return read_only(value)
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return value
