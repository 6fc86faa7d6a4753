"""
Whether a request that must take effect once did so, after its response was lost.

A request that was refused did nothing: that is an error status with a clear meaning, a response
that asks for fewer requests, and a connection that could not be made. All others may have taken
effect, and the same request, sent again, then meets its own effect. What is stored decides: for a
conditional write the token in the object's metadata, never an equal content, because another
client may have written the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NoReturn, Protocol, TypeAlias, TypeVar

from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    ServiceError,
    StorageError,
    TransportError,
)
from ..values import Conditions, ObjectInfo, is_successor

if TYPE_CHECKING:
    from datetime import datetime

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: What a request that took effect makes of the same request when it is sent again.
CONFLICTS = (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
)
# Not implemented, HTTP version not supported, no room, too much bandwidth: nothing was done.
_REFUSED = frozenset({501, 505, 507, 509})
# How many objects are remembered.
_MOST_SIGHTINGS = 4_096
# Moments in headers have whole seconds, and those of two machines of one service differ a little.
_CLOCKS = 2.0
_TOKENLESS = "no write token was stored with the object to tell by"


def is_lost(error: StorageError) -> bool:
    """Return whether the request that ended in this error may have taken effect all the same."""
    if isinstance(error, TransportError):
        return error.sent
    if not isinstance(error, ServiceError):
        return False
    status = error.status
    if status is None or in_success(error):  # a response without sense
        return True
    if isinstance(error, RateLimitedError):
        return False
    return status == 408 or (status >= 500 and status not in _REFUSED)


def in_success(error: StorageError) -> bool:
    """Return whether the error came in a response whose status means success."""
    return error.status is not None and error.status < 300


# ---------------------------------------------------------------------- judges


class Judge(Protocol[T_co]):
    """Decides after a request whose response was lost. Both methods return the result or raise."""

    def conclude(self, error: StorageError, /) -> T_co:
        """Decide when `error` is the last word of the service: a conflict, or a last attempt's."""
        ...

    def before_retry(self, error: StorageError, /) -> T_co | None:
        """Decide before the request is sent again; `None` lets it be sent."""
        ...


class EffectJudge(Generic[T]):
    """
    Takes it for done when the effect is there, whoever caused it.

    Args:
        look: Returns the result if the effect is there, else `None`.
    """

    def __init__(self, look: Callable[[], T | None]) -> None:
        self._look = look

    def conclude(self, error: StorageError, /) -> T:
        """Return the result, or raise the error; one in looking is not the one to raise."""
        try:
            found = self._look()
        except StorageError:
            found = None
        if found is None:
            raise error
        return found

    def before_retry(self, error: StorageError, /) -> T | None:
        """Let the request be sent again."""
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """
    An object as a look finds it.

    Attributes:
        age: Seconds since it was last written, by the service's clock, where that can matter.
    """

    info: ObjectInfo
    age: float | None = None


#: Looks at the object. Raises `ObjectNotFoundError` or `ContainerNotFoundError` if there is none.
Look: TypeAlias = Callable[[], Seen]


class Sightings:
    """
    The tokens of the objects that one driver has seen last, by name and ETag.

    Where equal contents have equal ETags, they tell whether an object is still the one that the
    caller knows.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], Sighting] = {}

    def note(self, container: str, info: ObjectInfo) -> ObjectInfo:
        """Remember an object that a response describes, and return it."""
        if info.etag is not None:
            if len(self._seen) >= _MOST_SIGHTINGS:
                self._seen.clear()
            when = info.last_modified
            self._seen[container, info.name, info.etag] = Sighting(info.write_token, when)
        return info

    def find(self, container: str, name: str, conditions: Conditions) -> Sighting | None:
        """Return what is known of the object that a condition is about, if anything is."""
        return self._seen.get((container, name, conditions.if_match or ""))


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of an object: its token, or that it has none, and when it was written."""

    token: str | None
    last_modified: datetime | None = None


class _Judge:
    """
    What judges of conditional requests have in common.

    Args:
        elapsed: Seconds since the first attempt.
        looks_first: Look before the request is sent again. Where equal contents have equal ETags,
            `if_match` may hold for an object that another client wrote after the first attempt;
            and some services do not heed conditions.
        known: What is known of the object that `if_match` is about.
    """

    def __init__(
        self,
        conditions: Conditions,
        look: Look,
        elapsed: Callable[[], float],
        *,
        looks_first: bool = False,
        known: Sighting | None = None,
    ) -> None:
        self._conditions = conditions
        self._look = look
        self._elapsed = elapsed
        self._looks_first = looks_first
        self._known = known

    def _found(self, error: StorageError) -> Seen | None:
        """Return the object, or `None` if there is none."""
        try:
            return self._look()
        except (ObjectNotFoundError, ContainerNotFoundError):
            return None
        except StorageError as failure:
            _raise_unknown(error, f"looking at the object failed too ({failure.message})")

    def _is_unchanged(self, seen: Seen, error: StorageError) -> bool:
        """Return whether an object is the one that `if_match` is about."""
        if seen.info.etag != self._conditions.if_match:
            return False
        if self._looks_first and self._may_be_another(seen):
            _raise_unknown(error, "an object with the same ETag may have taken its place")
        return True

    def _may_be_another(self, seen: Seen) -> bool:
        token = seen.info.write_token
        known, written = self._known, seen.info.last_modified
        if known is not None:
            dates = {written, known.last_modified} - {None}
            return token != known.token or len(dates) > 1
        # Clients that write on conditions leave tokens. What was written before the first attempt
        # is the object that the caller knows.
        young = seen.age is not None and seen.age <= self._elapsed() + _CLOCKS
        return token is not None and young


class WriteJudge(_Judge):
    """
    Decides about a conditional write by its token.

    Args:
        token: The one that was sent; `None` if none was.
    """

    def __init__(
        self,
        conditions: Conditions,
        token: str | None,
        look: Look,
        elapsed: Callable[[], float],
        *,
        looks_first: bool = False,
        known: Sighting | None = None,
    ) -> None:
        super().__init__(conditions, look, elapsed, looks_first=looks_first, known=known)
        self._token = token

    def conclude(self, error: StorageError, /) -> ObjectInfo:
        """Return the object if this write stored it; raise the conflict, or `error`."""
        done, unchanged = self._judge(error)
        if done is not None:
            return done
        if unchanged or isinstance(error, CONFLICTS):
            raise error
        raise self._conflict() from error

    def before_retry(self, error: StorageError, /) -> ObjectInfo | None:
        """Look first where the condition alone does not protect."""
        if not self._looks_first:
            return None
        done, unchanged = self._judge(error)
        if done is None and not unchanged:
            raise self._conflict() from error
        return done

    def _judge(self, error: StorageError) -> tuple[ObjectInfo | None, bool]:
        """Return the object if it is this write's, and whether it is as it was before."""
        token, wanted = self._token, self._conditions.if_match
        if token is None and isinstance(error, CONFLICTS):
            _raise_unknown(error, _TOKENLESS)
        seen = self._found(error)
        if seen is not None and token is not None and seen.info.write_token == token:
            return seen.info, False
        if wanted is None:
            unchanged = seen is None
        else:
            unchanged = seen is not None and self._is_unchanged(seen, error)
        if unchanged:
            return None, True
        if token is None:
            _raise_unknown(error, _TOKENLESS)
        replaced = is_successor(seen.info.write_token, wanted) if seen and wanted else None
        if replaced is False:  # what another client replaced may have been this write's object
            _raise_unknown(error, "the object was replaced more than once meanwhile")
        return None, False

    def _conflict(self) -> StorageError:
        if self._conditions.if_absent:
            return ObjectAlreadyExistsError("another write has stored an object of this name")
        return ObjectChangedError("another write has changed the object")


class DeleteJudge(_Judge):
    """Decides about a conditional delete, which leaves nothing to tell by."""

    def conclude(self, error: StorageError, /) -> NoReturn:
        """Raise `error` if the object is still there, else `OutcomeUnknownError`."""
        if not isinstance(error, CONFLICTS):
            self._require_unchanged(error)
            raise error
        _raise_unknown(error, "the object is gone or was replaced, by this request or another one")

    def before_retry(self, error: StorageError, /) -> None:
        """Look first where the condition alone does not protect."""
        if self._looks_first:
            self._require_unchanged(error)

    def _require_unchanged(self, error: StorageError) -> None:
        seen = self._found(error)
        if seen is None:
            _raise_unknown(error, "the object is gone, deleted by this request or another one")
        if not self._is_unchanged(seen, error):
            _raise_unknown(error, "another object has taken its place")


def _raise_unknown(error: StorageError, why: str) -> NoReturn:
    found = OutcomeUnknownError(
        f"it is not known whether the request took effect: no response showed it, and {why} (the"
        f" last error was: {error.message}); get the object and compare its content and ETag with"
        " what they were to be",
        code=error.code, request_id=error.request_id,
    )  # fmt: skip
    found.retry_after = error.retry_after
    raise found from error
