"""Recognize objects where equal contents have equal ETags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..values import Conditions, ObjectInfo

# How many objects are remembered.
_MAX_KNOWN = 4_096
# Timestamps in headers have whole seconds, and the machines of a service differ a little.
_CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object that a response has described: its token, if any, and when it was written."""

    token: str | None
    last_modified: datetime | None = None

    def may_be(self, info: ObjectInfo) -> bool:
        """Return whether an object with the same ETag may be this one."""
        dates = {info.last_modified, self.last_modified} - {None}
        return info.write_token == self.token and len(dates) <= 1


class KnownObjects:
    """The objects that one driver has seen last, by name and ETag."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[str | None, datetime | None]] = {}

    def note(self, container: str, info: ObjectInfo) -> ObjectInfo:
        """Remember an object that a response describes, and return it."""
        if info.etag is not None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[container, info.name, info.etag] = info.write_token, info.last_modified
        return info

    def find(self, container: str, name: str, conditions: Conditions) -> KnownObject | None:
        """Return the object of a condition as far as it is known, or `None`."""
        known = self._known.get((container, name, conditions.if_match or ""))
        return None if known is None else KnownObject(*known)


def is_young(info: ObjectInfo, began: float) -> bool:
    """
    Return whether a client may have written an object on a condition since a request began.

    Clients that write on conditions leave tokens. An object that was written before is the one
    that the caller knows. The time is by the service's clock.
    """
    written = info.last_modified
    if info.write_token is None or written is None:
        return False
    return written.timestamp() >= began - _CLOCK_TOLERANCE
