"""Drivers that are unpickled: equal ones share their connections."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import WeakValueDictionary

from ..forks import renew_after_fork
from ..options import Options


class Restorable(Protocol):
    """A driver that is made again from its arguments."""

    _settings: Options

    def _changeable(self) -> dict[str, Any]:
        """Return the arguments that were set on a driver, as they are set now."""
        ...


class _Restored:
    """
    The drivers that were unpickled in this process.

    Equal pickles share one driver and its connections for as long as it is in use; a worker that
    is sent a hundred handles has one pool. A driver is no longer shared after one of its
    attributes was set, or when the environment has other credentials.
    """

    def __init__(self) -> None:
        self._drivers: WeakValueDictionary[bytes, Restorable] = WeakValueDictionary()
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Make a lock that no thread of the parent process holds."""
        self._lock = threading.Lock()

    def shared(self, made: Restorable, given: Mapping[str, Any]) -> Restorable:
        """Return the driver to use in place of one that was just made from these arguments."""
        try:
            # Objects from two pickles, such as credentials, need not compare; their pickles do.
            text = pickle.dumps((type(made), given))
        except Exception:  # noqa: BLE001 - pickling an object may raise anything; it is not shared then
            return made
        # The arguments may have secrets, which are not kept here.
        key = hashlib.sha256(text).digest()
        with self._lock:
            known = self._drivers.get(key)
            if known is not None and _is_like(known, made, given):
                return known
            self._drivers[key] = made
        return made


def _is_like(known: Restorable, made: Restorable, given: Mapping[str, Any]) -> bool:
    """Return whether a driver is still like one that was just made from equal arguments."""
    return known._changeable() == made._changeable() and all(
        getattr(known._settings, name) == getattr(made._settings, name)
        for name in made._settings.table
        if name not in given  # what the environment adds
    )


restored = _Restored()


def restore(cls: Callable[..., Restorable], given: dict[str, Any]) -> Restorable:
    """Return the driver of a pickle."""
    return restored.shared(cls(**given), given)
