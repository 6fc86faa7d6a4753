"""
Determine the outcome of a request whose response was lost. No other module does so.

- A refused request had no effect. An error status with a clear meaning, a response that limits the
  rate of requests and a connection that could not be made are refusals: their error is raised, and
  nothing is checked.
- A response is lost if the connection broke after the request was sent, if the response makes no
  sense, or if its status is 408 or 5xx without a clear meaning. The request may have taken effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

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
from ..retry import Retrier, current_budget
from ..values import UNCONDITIONAL, Conditions, ContainerInfo, ObjectInfo, is_successor

if TYPE_CHECKING:
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
# A container that was created at most so many seconds before the request, by the service's clock,
# may be the one that the request created.
_NEW = 60.0
_UNTOKENED = "the request stored no write token by which the object could be recognized"


# ---------------------------------------------------------------------- what is stored


#: Requests the object's attributes.
Head: TypeAlias = Callable[[], ObjectInfo]


@dataclass(frozen=True, slots=True)
class Written:
    """
    The properties of an unconditional write, by which it is recognised after a lost response.

    All given properties must match; the content matches by its ETag or at least one checksum.

    Attributes:
        content: The content that was sent; its size and digests are computed only when they are
            needed.
        algorithms: The digests of `content` that are compared; name those that the service
            reports.
    """

    size: int | None = None
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] | None = None
    content_type: str | None = None
    content: Payload | None = None
    algorithms: tuple[str, ...] = ("md5",)

    @classmethod
    def copy_of(
        cls,
        source: ObjectInfo,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Written:
        """Return the properties of a copy; `None` is not compared."""
        return cls(source.size, source.etag, source.checksums, metadata, content_type)

    def matches(self, info: ObjectInfo) -> bool:
        """Return whether an object has the written properties."""
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
        known = info.checksums.keys() & checksums.keys()
        same = all(info.checksums[algorithm] == checksums[algorithm] for algorithm in known)
        return bool(known) and same and info.size == size


@dataclass(frozen=True, slots=True)
class Protection:
    """
    The protection of a conditional request that is sent again from changing another object.

    Attributes:
        checks_first: The condition alone is not enough, so the object is checked before the
            request is sent again. Where equal contents have equal ETags, `if_match` may hold for
            an object that another client wrote after the first attempt; and some services ignore
            conditions.
        may_be_another: Returns whether an object with the ETag of `if_match` may be one that
            another client has written since; only called if `checks_first` is true.
    """

    checks_first: bool = False
    may_be_another: Callable[[ObjectInfo], bool] | None = None


UNPROTECTED = Protection()


# ---------------------------------------------------------------------- sending


class Confirmer:
    """
    Sends requests until their outcome is known.

    In all methods `send` makes one request, which nothing else sends again unless the method
    allows it. `head` and `check` make requests that only read; `head` raises
    `ObjectNotFoundError` or `ContainerNotFoundError` if the object or container does not exist.

    Args:
        now: Returns the time in seconds since 1970.
        used_up: The codes of errors that another attempt cannot change for now. For example, the
            parts of an upload may be missing because an earlier attempt used them.
    """

    def __init__(
        self, retrier: Retrier, now: Callable[[], float], used_up: frozenset[str] = frozenset()
    ) -> None:
        self.now = now
        self._retrier = retrier
        self._used_up = used_up

    def prove(
        self, send: Callable[[], T], check: Callable[[], T | None], *, once: bool = False
    ) -> T:
        """
        Send a request; it has also succeeded if a check shows its effect, whatever caused it.

        Args:
            check: Returns the result if the effect exists; `None` if it does not or if that
                cannot be known.
            once: The request must take effect once, so it is checked after any lost response;
                otherwise only if a 2xx response does not prove its effect.
        """

        def find(error: StorageError) -> T | None:
            if not once and not is_unproven(error):
                return None
            try:
                if once:
                    self.require_capacity()
                return check()
            except StorageError as failure:
                if isinstance(failure, CONFLICTS) and not once:
                    raise
                return None  # a failed check is not the error to raise

        return self.run(send, find, once=once)

    def write(
        self,
        send: Callable[[], ObjectInfo],
        head: Head,
        matches: Callable[[ObjectInfo], bool],
        conditions: Conditions = UNCONDITIONAL,
        token: str | None = None,
        protection: Protection = UNPROTECTED,
        *,
        once: bool = False,
    ) -> ObjectInfo:
        """
        Send a write of an object.

        A write without a condition has succeeded if the stored object is what was written. One
        with a condition has succeeded if the object has its token: equal content proves nothing,
        because another client may have written the same bytes.

        Args:
            send: It may send its request again by itself if there is no condition and `once` is
                false.
            matches: Returns whether an object is what the write stores, such as
                `Written.matches`; for a write without a condition.
            token: The token that the request carries; `None` if it carries none.
            once: The write must take effect once even without a condition.

        Raises:
            OutcomeUnknownError: The response to a conditional write was lost, and nothing shows
                its outcome.
        """
        if conditions:
            judge = _Judge(self, head, conditions, protection, _UNKNOWN_WRITE, token)
            return self.run(send, judge.find_write, checks_first=protection.checks_first)

        def check() -> ObjectInfo | None:
            info = head()
            return info if matches(info) else None

        return self.prove(send, check, once=once)

    def delete(
        self,
        send: Callable[[], object],
        head: Head,
        conditions: Conditions = UNCONDITIONAL,
        protection: Protection = UNPROTECTED,
    ) -> None:
        """
        Delete an object; without a condition it need not exist.

        Args:
            send: It may send its request again by itself if there is no condition. It succeeds if
                it raises `ObjectNotFoundError`.

        Raises:
            OutcomeUnknownError: The response to a conditional delete was lost, and the object
                does not exist any more.
        """
        bound = conditions.if_match is not None
        gone = partial(is_gone, head, ObjectNotFoundError)

        def delete() -> bool:
            try:
                send()
            except ObjectNotFoundError:
                if bound:
                    raise ObjectChangedError("the object does not exist") from None
            except ServiceError as error:
                if not (bound and error.likely and gone()):
                    raise
            return True

        if not bound:
            self.prove(delete, gone)
            return
        judge = _Judge(self, head, conditions, protection, _UNKNOWN_DELETE)
        self.run(delete, judge.find_delete, checks_first=protection.checks_first)

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
            head: Returns the container, with the time of its creation if that is known. A new
                one counts as the one that was created, so that two clients at the same moment
                may both succeed.
            has_token: Returns, instead of that, whether the container has the token of `send`.
            was_absent: The container did not exist before.
        """
        began = self.now()

        def find(error: StorageError) -> ContainerInfo | None:
            try:
                self.require_capacity()
                if has_token is not None:
                    return head() if has_token() else None
                info = head()
            except StorageError:  # a failed check is not the error to raise
                return None
            if info.created is not None:
                return info if info.created.timestamp() > began - _NEW else None
            # A service refuses to create a container that exists.
            return info if was_absent or is_unproven(error) else None

        return self.run(send, find)

    def run(
        self,
        send: Callable[[], T],
        find: Callable[[StorageError], T | None] | None = None,
        *,
        once: bool = True,
        checks_first: bool = False,
    ) -> T:
        """
        Send a request until it succeeds, fails for good, or its outcome is known.

        Args:
            find: Called with the last error if a response was lost. Returns the result if the
                request took effect; `None` if it did not, which raises the last error.
            once: The request must take effect once, so nothing else sends it again.
            checks_first: Call `find` also before the request is sent again.
        """
        if current_budget() is None:
            with self._retrier.budget():
                return self.run(send, find, once=once, checks_first=checks_first)
        lost = False
        while True:
            try:
                return send()
            except StorageError as error:
                lost = lost or (is_lost(error) if once else is_unproven(error))
                again = self._may_pass(error, once=once) and self._retrier.budget().retry(error)
                if lost and find is not None and (checks_first or not again):
                    found = find(error)
                    if found is not None:
                        return found
                if not again:
                    raise

    def _may_pass(self, error: StorageError, *, once: bool) -> bool:
        """Return whether another attempt may succeed after one that ended in this error."""
        passing = isinstance(error, (ServiceError, TransportError, IntegrityError))
        if not error.retryable or not passing or isinstance(error, CONFLICTS):
            return False
        # Others were retried when they were sent: idempotent requests, and throttled ones.
        mine = in_success(error) or (once and not isinstance(error, RateLimitedError))
        return mine and error.code not in self._used_up

    def require_capacity(self) -> None:
        """Raise `ServiceUnavailableError` if most requests of the driver fail."""
        # Under an outage each check would double the requests of its operation, and fail too.
        if not self._retrier.bucket.take(1):
            raise ServiceUnavailableError(
                "most requests of this driver fail, so none is sent to check the outcome"
            )


def is_lost(error: StorageError) -> bool:
    """Return whether the request that ended in this error may have taken effect all the same."""
    if isinstance(error, TransportError):
        return error.sent
    if not isinstance(error, ServiceError) or error._unsent:
        return False
    status = error.status
    if status is None or in_success(error):  # a response that makes no sense
        return True
    if isinstance(error, RateLimitedError):
        return False
    return status == 408 or (status >= 500 and status not in _REFUSED)


def is_unproven(error: StorageError) -> bool:
    """Return whether the error only means that a 2xx response proves nothing."""
    return isinstance(error, ServiceError) and error.unproven


def in_success(error: StorageError) -> bool:
    """Return whether the error was raised for a 2xx response."""
    return error.status is not None and error.status < 300


def is_gone(head: Callable[[], object], missing: type[StorageError]) -> bool | None:
    """Return true if a request shows that an object or a container does not exist, else `None`."""
    try:
        head()
    except missing:
        return True
    return None


# ---------------------------------------------------------------------- conditional requests

# The unknown outcome, and advice for the caller.
_UNKNOWN_WRITE = (
    "whether this write took effect",
    "get the object and compare its content and ETag before writing again",
)
_UNKNOWN_DELETE = (
    "whether this request or another client deleted the object",
    "check whether the object exists, and do not rely on having deleted it",
)


@dataclass(frozen=True)
class _Judge:
    """
    Determines the outcome of one conditional request.

    Attributes:
        unknown: The unknown outcome and the advice, for `OutcomeUnknownError`.
        token: The token that a write stores.
    """

    confirmer: Confirmer
    head: Head
    conditions: Conditions
    protection: Protection
    unknown: tuple[str, str]
    token: str | None = None

    def find_write(self, error: StorageError) -> ObjectInfo | None:
        """Return the object if this write stored it, `None` if no write did; else raise."""
        token, wanted = self.token, self.conditions.if_match
        if token is None and isinstance(error, CONFLICTS):
            self._raise_unknown(error, _UNTOKENED)
        found = self._find(error)
        if found is not None and token is not None and found.write_token == token:
            return found
        if self._is_unchanged(found, error):
            return None
        if token is None:
            self._raise_unknown(error, _UNTOKENED)
        if found and wanted and is_successor(found.write_token, wanted) is False:
            # The object that another client replaced may have been this write's.
            self._raise_unknown(error, "the object was replaced more than once since then")
        if isinstance(error, CONFLICTS):
            raise error
        if self.conditions.if_absent:
            message = "another write stored an object of this name first"
            raise ObjectAlreadyExistsError(message) from error
        raise ObjectChangedError("another write changed the object first") from error

    def find_delete(self, error: StorageError) -> None:
        """Return `None` if the object is still there; else raise `OutcomeUnknownError`."""
        if isinstance(error, CONFLICTS):
            self._raise_unknown(error, "the object was deleted or replaced since then")
        found = self._find(error)
        if found is None:
            self._raise_unknown(error, "the object does not exist any more")
        if not self._is_unchanged(found, error):
            self._raise_unknown(error, "another object replaced it")

    def _find(self, error: StorageError) -> ObjectInfo | None:
        """Return the object, or `None` if there is none."""
        try:
            self.confirmer.require_capacity()
            return self.head()
        except (ObjectNotFoundError, ContainerNotFoundError):
            return None
        except StorageError as failure:
            self._raise_unknown(error, f"checking the object failed too ({failure.message})")

    def _is_unchanged(self, found: ObjectInfo | None, error: StorageError) -> bool:
        """Return whether the condition still holds, as before the request."""
        wanted = self.conditions.if_match
        if found is None or wanted is None:
            return found is None and wanted is None
        if found.etag != wanted:
            return False
        is_another = self.protection.may_be_another if self.protection.checks_first else None
        if is_another is not None and is_another(found):
            self._raise_unknown(error, "another object with the same ETag may have replaced it")
        return True

    def _raise_unknown(self, error: StorageError, why: str) -> NoReturn:
        question, advice = self.unknown
        found = OutcomeUnknownError(
            f"the response was lost, and it is not known {question}: {why} (the last error was:"
            f" {error.message}); {advice}",
            code=error.code, request_id=error.request_id,
        )  # fmt: skip
        found.retry_after = error.retry_after
        raise found from error
