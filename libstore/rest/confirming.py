"""
What became of a request whose response was lost or proves nothing.

A request that was refused had no effect: that is an error status with a clear meaning, a response
that limits the rate of requests, and a connection that could not be made. Any other request may
have taken effect, and when it is sent again it meets its own effect. What is stored then decides:
for a conditional write the token in the object's metadata, never equal content, because another
client may have written the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeAlias, TypeVar

from typing_extensions import override

from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransportError,
)
from ..retry import Retrier
from ..values import Conditions, ContainerInfo, ObjectInfo, is_successor
from .checksums import is_same

if TYPE_CHECKING:
    from datetime import datetime

    from ..transfer.payload import Payload

T = TypeVar("T")

#: The errors of a request that meets the effect of the same request, sent before.
CONFLICTS = (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
)
# Not implemented, HTTP version not supported, storage full, bandwidth exceeded: nothing was done.
_REFUSED = frozenset({501, 505, 507, 509})
# How many objects are remembered.
_MAX_KNOWN = 4_096
# Timestamps in headers have whole seconds, and the machines of a service differ a little.
_CLOCK_TOLERANCE = 2.0
# A container that was created at most so many seconds before the request, by the service's clock,
# may be the one that the request created.
_NEW = 60.0
_UNCONDITIONAL = Conditions()
_UNTOKENED = "the request stored no write token by which the object could be recognized"


# ---------------------------------------------------------------------- what is stored


@dataclass(frozen=True, slots=True)
class StoredObject:
    """
    An object as the service describes it after a response was lost.

    Attributes:
        age: The seconds since it was last written, by the service's clock; only needed where
            equal contents have equal ETags.
    """

    info: ObjectInfo
    age: float | None = None


#: Requests the object's attributes. Raises `ObjectNotFoundError` or `ContainerNotFoundError` if it
#: does not exist.
Head: TypeAlias = Callable[[], StoredObject]


@dataclass(frozen=True, slots=True)
class Written:
    """
    What an unconditional write stores, to recognise it after a lost response.

    All that is given must match; of the content, the ETag or at least one checksum.

    Attributes:
        content: What was sent; its size and the digests of `algorithms` are only computed when
            they are needed.
    """

    size: int | None = None
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] | None = None
    content_type: str | None = None
    content: Payload | None = None
    algorithms: tuple[str, ...] = ("md5",)

    def matches(self, info: ObjectInfo) -> bool:
        """Return whether an object has what was written."""
        if self.metadata is not None and info.metadata != self.metadata:
            return False
        if self.content_type not in {None, info.content_type}:
            return False
        size, checksums = self.size, self.checksums
        if self.content is not None:
            size = self.content.size
            checksums = {name: self.content.digest(name) for name in self.algorithms}
        if size is None and self.etag is None:  # the content is not what was written
            return True
        if self.etag is not None and self.etag == info.etag:
            return size in {None, info.size}
        return is_same(info, size, checksums)


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object that a response has described: its token, if any, and when it was written."""

    token: str | None
    last_modified: datetime | None = None


class KnownObjects:
    """
    The tokens of the objects that one driver has seen last, by name and ETag.

    Where equal contents have equal ETags, they show whether an object is still the one that the
    caller knows.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], KnownObject] = {}

    def note(self, container: str, info: ObjectInfo) -> ObjectInfo:
        """Remember an object that a response describes, and return it."""
        if info.etag is not None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = KnownObject(info.write_token, info.last_modified)
            self._known[container, info.name, info.etag] = known
        return info

    def find(self, container: str, name: str, conditions: Conditions) -> KnownObject | None:
        """Return what is known of the object that a condition is about, if anything is."""
        return self._known.get((container, name, conditions.if_match or ""))


@dataclass(frozen=True, slots=True)
class Protection:
    """
    What keeps a conditional request that is sent again from changing another object.

    Attributes:
        checks_first: The condition alone is not enough, so the object is checked before the
            request is sent again. Where equal contents have equal ETags, `if_match` may hold for
            an object that another client wrote after the first attempt; and some services ignore
            conditions.
        known: What is known of the object that `if_match` is about.
    """

    checks_first: bool = False
    known: KnownObject | None = None


_PLAIN = Protection()


# ---------------------------------------------------------------------- sending


class Confirmer:
    """
    Sends requests until their outcome is known.

    In all methods `send` makes one request that may not be sent again by itself unless the
    method says so, and `head` and `check` make requests that only read.

    Args:
        now: Returns the time in seconds since 1970.
        used_up: The codes of errors that another attempt cannot change for now. That a write
            lacks what it is made of, such as an upload's parts, may be an earlier attempt's doing.
    """

    def __init__(
        self, retrier: Retrier, now: Callable[[], float], used_up: frozenset[str] = frozenset()
    ) -> None:
        self._retrier = retrier
        self._now = now
        self._used_up = used_up

    def repeat(self, send: Callable[[], T]) -> T:
        """
        Send an idempotent request again where the document of a 2xx response is cut off.

        All other faults were retried when the request was sent.
        """
        found: T = self.run(send, _REPEAT)
        return found

    def prove(self, send: Callable[[], T], check: Callable[[], T | None]) -> T:
        """
        Send an idempotent request; check its effect once if a 2xx response does not prove it.

        Args:
            check: Returns the result if the request took effect; `None` if it did not or if that
                cannot be known.

        Raises:
            ServiceError: The response proves nothing, and the check does not either.
        """
        return self.run(send, _EffectJudge(check))

    def once(self, send: Callable[[], T], check: Callable[[], T | None]) -> T:
        """
        Send a request that must take effect once; it has succeeded if the effect is there.

        Args:
            check: Returns the result if the effect is there, whatever caused it, else `None`.
        """
        return self.run(send, _EffectJudge(check, self))

    def write(
        self,
        send: Callable[[], ObjectInfo],
        head: Head,
        matches: Callable[[ObjectInfo], bool],
        conditions: Conditions = _UNCONDITIONAL,
        token: str | None = None,
        protection: Protection = _PLAIN,
        *,
        once: bool = False,
    ) -> ObjectInfo:
        """
        Send a write of an object.

        Args:
            send: May be sent again by itself if there is no condition, and `once` is false.
            matches: Returns whether an object is what the write stores, such as
                `Written.matches`; for a write without a condition.
            token: The token that the request carries; `None` if it carries none.
            once: The write must take effect once even without a condition.

        Raises:
            OutcomeUnknownError: The response to a conditional write was lost, and nothing shows
                what became of it.
        """
        if conditions != _UNCONDITIONAL:
            judge = _WriteJudge(self, head, conditions, protection, token)
            return self.run(send, judge)

        def check() -> ObjectInfo | None:
            info = head().info
            return info if matches(info) else None

        return self.run(send, _EffectJudge(check, self if once else None))

    def delete(
        self,
        send: Callable[[], object],
        head: Head,
        conditions: Conditions = _UNCONDITIONAL,
        protection: Protection = _PLAIN,
    ) -> None:
        """
        Delete an object; without a condition it need not exist.

        Args:
            send: May be sent again by itself if there is no condition.

        Raises:
            OutcomeUnknownError: The response to a conditional delete was lost, and the object
                does not exist any more.
        """
        bound = conditions.if_match is not None

        def delete() -> bool:
            try:
                send()
            except ObjectNotFoundError:
                if bound:
                    raise ObjectChangedError("the object does not exist") from None
            except ServiceError as error:
                if not (bound and error.likely and check()):
                    raise
            return True

        def check() -> bool | None:
            try:
                head()
            except ObjectNotFoundError:
                return True
            return None

        if not bound:
            self.run(delete, _EffectJudge(check))
            return
        if conditions.token is not None:
            protection = Protection(protection.checks_first, KnownObject(conditions.token))
        self.run(delete, _DeleteJudge(self, head, conditions, protection))

    def create_container(
        self,
        send: Callable[[], ContainerInfo],
        head: Callable[[], ContainerInfo],
        has_token: Callable[[], bool] | None = None,
        *,
        was_absent: bool = False,
    ) -> ContainerInfo:
        """
        Create a container; after a lost response an existing one may be the one it created.

        Args:
            head: Returns the container, with the time of its creation if that is known.
            has_token: Returns whether the container has the token that `send` has sent. Without
                it a container counts as the one that was created if it is new, so that two
                clients at the same moment may both be told that they created it.
            was_absent: The container did not exist before.
        """
        judge = _ContainerJudge(self, head, has_token, self._now(), was_absent=was_absent)
        return self.run(send, judge)

    def delete_container(self, send: Callable[[], object], head: Callable[[], object]) -> None:
        """
        Delete a container; if it is gone after a lost response, this request has deleted it.

        Args:
            head: Raises `ContainerNotFoundError` if the container does not exist.
        """

        def delete() -> bool:
            send()
            return True

        def check() -> bool | None:
            try:
                head()
            except ContainerNotFoundError:
                return True
            return None

        self.once(delete, check)

    def run(self, send: Callable[[], T], judge: Judge[T]) -> T:
        """Send a request until it succeeds, fails for good, or the judge knows its outcome."""
        lost = False
        with self._retrier.budget() as budget:
            while True:
                try:
                    return send()
                except StorageError as error:
                    lost = judge.is_lost(error) or lost
                    again = not isinstance(error, CONFLICTS) and self._may_pass(error, judge)
                    if not (again and budget.retry(error)):
                        if not lost:
                            raise
                        return judge.conclude(error)
                    done = judge.before_retry(error) if lost else None
                    if done is not None:
                        return done

    def _may_pass(self, error: StorageError, judge: Judge[T]) -> bool:
        """Return whether another attempt may succeed after one that ended in this error."""
        if not error.retryable or not isinstance(
            error, (ServiceError, TransportError, IntegrityError)
        ):
            return False
        if in_success(error):
            return error.code not in self._used_up
        # An idempotent request, or one that was only put off, was retried when it was sent.
        put_off = isinstance(error, RateLimitedError)
        return judge.sends_once and not put_off and error.code not in self._used_up

    def require_capacity(self) -> None:
        """
        Raise `ServiceUnavailableError` if most requests of the driver fail.

        Under an outage each check would double the requests of its operation, and fail too.
        """
        if not self._retrier.bucket.take(1):
            raise ServiceUnavailableError(
                "most requests of this driver fail, so none is sent to check the outcome"
            )

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._now()


def is_lost(error: StorageError) -> bool:
    """Return whether the request that ended in this error may have taken effect all the same."""
    if isinstance(error, TransportError):
        return error.sent
    if not isinstance(error, ServiceError):
        return False
    status = error.status
    if status is None or in_success(error):  # a response that makes no sense
        return True
    if isinstance(error, RateLimitedError):
        return False
    return status == 408 or (status >= 500 and status not in _REFUSED)


def is_unproven(error: StorageError) -> bool:
    """Return whether the error means only that a response of success proves nothing."""
    return isinstance(error, ServiceError) and error.unproven


def in_success(error: StorageError) -> bool:
    """Return whether the error was raised for a response whose status means success."""
    return error.status is not None and error.status < 300


# ---------------------------------------------------------------------- judges


class Judge(Generic[T]):
    """
    Decides after a request whose response was lost; see `Confirmer.run`.

    Attributes:
        sends_once: The request must take effect once, so nothing else sends it again.
    """

    sends_once: bool = True

    def is_lost(self, error: StorageError, /) -> bool:
        """Return whether the response was lost."""
        return is_lost(error)

    def conclude(self, error: StorageError, /) -> T:
        """
        Return the result or raise, when `error` is the last one and a response was lost.

        It is a conflict or the error of the last attempt.
        """
        raise error

    def before_retry(self, _error: StorageError, /) -> T | None:
        """Return the result, raise, or return `None` to have the request sent again."""
        return None


class _RepeatJudge(Judge[T]):
    """Knows nothing of an effect: only documents that are cut off are requested again."""

    sends_once = False

    @override
    def is_lost(self, error: StorageError, /) -> bool:
        return False


_REPEAT: Judge[Any] = _RepeatJudge()


class _EffectJudge(Judge[T]):
    """
    Accepts the effect, whatever caused it.

    Args:
        check: Returns the result if the effect is there, else `None`.
        confirmer: For a request that must take effect once. Without it the request is idempotent,
            and only a response that proves nothing is checked.
    """

    def __init__(self, check: Callable[[], T | None], confirmer: Confirmer | None = None) -> None:
        self._check = check
        self._confirmer = confirmer
        self.sends_once = confirmer is not None

    @override
    def is_lost(self, error: StorageError, /) -> bool:
        return is_lost(error) if self.sends_once else is_unproven(error)

    @override
    def conclude(self, error: StorageError, /) -> T:
        if not self.sends_once and not is_unproven(error):
            raise error
        try:
            if self._confirmer is not None:
                self._confirmer.require_capacity()
            found = self._check()
        except StorageError as failure:
            if isinstance(failure, CONFLICTS) and not self.sends_once:
                raise
            found = None  # a failed check is not the error to raise
        if found is None:
            raise error
        return found


class _ContainerJudge(Judge[ContainerInfo]):
    """Decides whether a container is the one that the request created."""

    def __init__(
        self,
        confirmer: Confirmer,
        head: Callable[[], ContainerInfo],
        has_token: Callable[[], bool] | None,
        began: float,
        *,
        was_absent: bool,
    ) -> None:
        self._confirmer = confirmer
        self._head = head
        self._has_token = has_token
        self._began = began
        self._was_absent = was_absent

    @override
    def conclude(self, error: StorageError, /) -> ContainerInfo:
        try:
            self._confirmer.require_capacity()
            found = self._find(error)
        except StorageError:  # a failed check is not the error to raise
            found = None
        if found is None:
            raise error
        return found

    def _find(self, error: StorageError) -> ContainerInfo | None:
        if self._has_token is not None:
            return self._head() if self._has_token() else None
        info = self._head()
        if info.created is None:
            # A service refuses to create a container that exists.
            accepted = self._was_absent or is_unproven(error)
        else:
            accepted = info.created.timestamp() > self._began - _NEW
        return info if accepted else None


class _ConditionJudge(Judge[T]):
    """Decides about conditional requests."""

    #: What cannot be known, and what the caller can do.
    _unknown: ClassVar[tuple[str, str]]

    def __init__(
        self,
        confirmer: Confirmer,
        head: Head,
        conditions: Conditions,
        protection: Protection,
        token: str | None = None,
    ) -> None:
        self._confirmer = confirmer
        self._head = head
        self._conditions = conditions
        self._protection = protection
        self._token = token
        self._began = confirmer.now()

    def _find(self, error: StorageError) -> StoredObject | None:
        """Return the object, or `None` if there is none."""
        try:
            self._confirmer.require_capacity()
            return self._head()
        except (ObjectNotFoundError, ContainerNotFoundError):
            return None
        except StorageError as failure:
            self._raise_unknown(error, f"checking the object failed too ({failure.message})")

    def _is_unchanged(self, found: StoredObject, error: StorageError) -> bool:
        """Return whether an object is the one that `if_match` is about."""
        if found.info.etag != self._conditions.if_match:
            return False
        if self._protection.checks_first and self._may_be_another(found):
            self._raise_unknown(error, "another object with the same ETag may have replaced it")
        return True

    def _may_be_another(self, found: StoredObject) -> bool:
        token = found.info.write_token
        known, written = self._protection.known, found.info.last_modified
        if known is not None:
            dates = {written, known.last_modified} - {None}
            return token != known.token or len(dates) > 1
        # Clients that write on conditions leave tokens. An object that was written before the
        # first attempt is the one that the caller knows.
        elapsed = self._confirmer.now() - self._began
        young = found.age is not None and found.age <= elapsed + _CLOCK_TOLERANCE
        return token is not None and young

    def _raise_unknown(self, error: StorageError, why: str) -> NoReturn:
        question, advice = self._unknown
        found = OutcomeUnknownError(
            f"the response was lost, and it is not known {question}: {why} (the last error was:"
            f" {error.message}); {advice}",
            code=error.code, request_id=error.request_id,
        )  # fmt: skip
        found.retry_after = error.retry_after
        raise found from error


class _WriteJudge(_ConditionJudge[ObjectInfo]):
    """Decides about a conditional write by its token."""

    _unknown: ClassVar[tuple[str, str]] = (
        "whether this write took effect",
        "get the object and compare its content and ETag before writing again",
    )

    @override
    def conclude(self, error: StorageError, /) -> ObjectInfo:
        """Return the object if this write stored it; raise the conflict, or `error`."""
        done, unchanged = self._judge(error)
        if done is not None:
            return done
        if unchanged or isinstance(error, CONFLICTS):
            raise error
        raise self._conflict() from error

    @override
    def before_retry(self, error: StorageError, /) -> ObjectInfo | None:
        """Check first where the condition alone does not protect."""
        if not self._protection.checks_first:
            return None
        done, unchanged = self._judge(error)
        if done is None and not unchanged:
            raise self._conflict() from error
        return done

    def _judge(self, error: StorageError) -> tuple[ObjectInfo | None, bool]:
        """Return the object if this write stored it, and whether it is as it was before."""
        token, wanted = self._token, self._conditions.if_match
        if token is None and isinstance(error, CONFLICTS):
            self._raise_unknown(error, _UNTOKENED)
        found = self._find(error)
        if found is not None and token is not None and found.info.write_token == token:
            return found.info, False
        if wanted is None:
            unchanged = found is None
        else:
            unchanged = found is not None and self._is_unchanged(found, error)
        if unchanged:
            return None, True
        if token is None:
            self._raise_unknown(error, _UNTOKENED)
        if found and wanted and is_successor(found.info.write_token, wanted) is False:
            # The object that another client replaced may have been this write's.
            self._raise_unknown(error, "the object was replaced more than once since then")
        return None, False

    def _conflict(self) -> StorageError:
        if self._conditions.if_absent:
            return ObjectAlreadyExistsError("another write stored an object of this name first")
        return ObjectChangedError("another write changed the object first")


class _DeleteJudge(_ConditionJudge[bool]):
    """Decides about a conditional delete, which leaves nothing to recognise it by."""

    _unknown: ClassVar[tuple[str, str]] = (
        "whether this request or another client deleted the object",
        "check whether the object exists, and do not rely on having deleted it",
    )

    @override
    def conclude(self, error: StorageError, /) -> NoReturn:
        """Raise `error` if the object still exists, else `OutcomeUnknownError`."""
        if not isinstance(error, CONFLICTS):
            self._require_unchanged(error)
            raise error
        self._raise_unknown(error, "the object was deleted or replaced since then")

    @override
    def before_retry(self, error: StorageError, /) -> None:
        """Check first where the condition alone does not protect."""
        if self._protection.checks_first:
            self._require_unchanged(error)

    def _require_unchanged(self, error: StorageError) -> None:
        found = self._find(error)
        if found is None:
            self._raise_unknown(error, "the object does not exist any more")
        if not self._is_unchanged(found, error):
            self._raise_unknown(error, "another object replaced it")
