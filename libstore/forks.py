"""Objects that must be renewed in a forked process, such as those that have locks."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakValueDictionary


class Forkable(Protocol):
    """An object whose locks may be held by a thread that does not exist in a child process."""

    def after_fork(self) -> None:
        """Create new locks, and drop the parent process's resources."""


# By identity: an object that equals another one has a lock of its own.
_objects: WeakValueDictionary[int, Forkable] = WeakValueDictionary()


def renew_after_fork(forkable: Forkable) -> None:
    """Have `after_fork` called in each child process, for as long as the object exists."""
    _objects[id(forkable)] = forkable


def _renew() -> None:
    for forkable in list(_objects.values()):
        forkable.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
