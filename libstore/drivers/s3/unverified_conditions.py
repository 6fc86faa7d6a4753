"""
Conditions at services that nobody here knows: they are looked at, until it shows that they hold.

A server that does not know a condition passes over it in silence, and a write that should have
been refused replaces an object. So what is there is looked at before the write. Whether that is
needed can be found out: the same small write once more is refused by a service that keeps its
condition, which does not hold any longer, and changes nothing at one that does not, as if an
answer had been lost and the write sent again. That is done once, at the second write with a
condition, so that one who makes a single one is not the one to pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ...errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
)
from ...values import Conditions, ObjectInfo

#: Asks for an object of a bucket with one request.
Peek: TypeAlias = Callable[[str, str], ObjectInfo]


class Doubts:
    """
    What is not known of one service.

    Args:
        doubtful: Whether there is anything that is not known.
        generations: Each write has an ETag of its own, even one of the same content.
    """

    def __init__(self, doubtful: bool, peek: Peek, *, generations: bool = False) -> None:
        self._doubtful = doubtful
        self._generations = generations
        self._peek = peek
        self._writes: dict[str, int] = {}
        self._kept: dict[str, bool] = {}

    def look(self, container: str, name: str, conditions: Conditions) -> None:
        """Raise what a service that keeps conditions would answer, if they do not hold."""
        if not self._doubtful or conditions == Conditions():
            return
        try:
            etag = self._peek(container, name).etag
        except ObjectNotFoundError:
            if conditions.if_match is not None:
                raise ObjectChangedError("there is no such object") from None
            return
        if conditions.if_absent:
            raise ObjectAlreadyExistsError("there is an object of this name already")
        if etag != conditions.if_match:
            raise ObjectChangedError(f"the object has another ETag, {etag}")

    def looks_first(self, conditions: Conditions) -> bool:
        """Return whether it takes a look before a request that may be done is sent again."""
        # Equal contents have equal ETags: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        same = conditions.if_match is not None and not self._generations
        return same or (self._doubtful and not self._kept.get(_kind(conditions)))

    def look_before_put(self, container: str, name: str, conditions: Conditions) -> None:
        """Do the same for a write in one request, unless it is known to be needless."""
        if not self._kept.get(_kind(conditions)):
            self.look(container, name, conditions)

    def settle(
        self, put: Callable[[], ObjectInfo], info: ObjectInfo, conditions: Conditions
    ) -> ObjectInfo:
        """
        Find out whether conditions are kept, after a small write that had one.

        Args:
            put: Sends the same write again.
            info: What came of it at first.

        Returns:
            What came of the last write that was carried out.
        """
        kind = _kind(conditions)
        same = conditions.if_match is not None and info.etag == conditions.if_match
        if not self._doubtful or kind in self._kept or same:
            return info
        self._writes[kind] = self._writes.get(kind, 0) + 1
        if self._writes[kind] < 2:
            return info
        self._kept[kind] = False
        try:
            return put()
        except (ObjectAlreadyExistsError, ObjectChangedError):
            self._kept[kind] = True
        except StorageError:
            pass  # nothing was learnt
        return info


def _kind(conditions: Conditions) -> str:
    return "if_absent" if conditions.if_absent else "if_match"
