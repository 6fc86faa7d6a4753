"""
Conditions on services that may ignore them: they are checked by the driver too.

A server that does not implement a condition ignores it, and replaces an object where it should
have refused the write. So the object is requested before the write. Whether that is necessary can
be found out by sending the same small write once more: a service that implements the condition
refuses it, since the condition does not hold any more, and any other service stores the same
content again, as after a lost response. That is done once, at the second conditional write, so
that a program with a single one does not send the additional request.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    StorageError,
)
from ..values import Conditions, ObjectInfo

_NONE = Conditions()


class UnverifiedConditions:
    """
    The conditions of one driver.

    Args:
        guarded: Whether the service may ignore conditions.
        head: Requests an object of a bucket, with one request.
        unique_etags: Each write has another ETag, even one of the same content.
    """

    def __init__(
        self, guarded: bool, head: Callable[[str, str], ObjectInfo], *, unique_etags: bool = False
    ) -> None:
        self._guarded = guarded
        self._unique_etags = unique_etags
        self._head = head
        self._writes: dict[str, int] = {}
        # Whether the service implements a condition, by its kind, once that is known.
        self._enforced: dict[str, bool] = {}

    def check(self, container: str, name: str, conditions: Conditions) -> None:
        """Raise the error of a service that enforces conditions, if they do not hold."""
        if not self._guarded or conditions == _NONE:
            return
        try:
            etag = self._head(container, name).etag
        except ObjectNotFoundError:
            if conditions.if_match is not None:
                raise ObjectChangedError("the object does not exist") from None
            return
        if conditions.if_absent:
            raise ObjectAlreadyExistsError("an object of this name already exists")
        if etag != conditions.if_match:
            raise ObjectChangedError(f"the object has another ETag, {etag}")

    def must_check_before_retry(self, conditions: Conditions) -> bool:
        """Return whether the object is checked before a conditional request is sent again."""
        # Equal contents have equal ETags: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        same = conditions.if_match is not None and not self._unique_etags
        return same or (self._guarded and not self._enforced.get(_kind(conditions)))

    def check_before_put(self, container: str, name: str, conditions: Conditions) -> None:
        """Do the same as `check` for a write in one request, unless it is known to be needless."""
        if not self._enforced.get(_kind(conditions)):
            self.check(container, name, conditions)

    def probe(
        self, put: Callable[[], ObjectInfo], info: ObjectInfo, conditions: Conditions
    ) -> ObjectInfo:
        """
        Find out whether the service enforces conditions, after a small conditional write.

        Args:
            put: Sends the same write again.
            info: The result of the write.

        Returns:
            The result of the last write that the service carried out.
        """
        kind = _kind(conditions)
        same = conditions.if_match is not None and info.etag == conditions.if_match
        if not self._guarded or kind in self._enforced or same:
            return info
        self._writes[kind] = self._writes.get(kind, 0) + 1
        if self._writes[kind] < 2:
            return info
        self._enforced[kind] = False
        try:
            return put()
        except (ObjectAlreadyExistsError, ObjectChangedError):
            self._enforced[kind] = True
        except StorageError:
            pass  # the response shows nothing
        return info


def _kind(conditions: Conditions) -> str:
    return "if_absent" if conditions.if_absent else "if_match"
