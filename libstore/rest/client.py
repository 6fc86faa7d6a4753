"""
How requests are sent and tried again, by whatever service they are for.

The wire below tries again what can be sent twice. What cannot, a write with a condition above
all, is tried again here: `_outcome` decides what became of it after a response was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

from ..errors import (
    ContainerNotFoundError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    ServiceUnavailableError,
    StorageError,
    TransportError,
)
from ..http.client import Client
from ..http.message import ErrorReader, Signer
from ..http.transport import Transport
from ..retry import Budget, Retrier, RetryPolicy
from ..values import Conditions, ContainerInfo, ObjectInfo
from .confirming import (
    CONFLICTS,
    DeleteJudge,
    EffectJudge,
    Judge,
    Look,
    Sighting,
    WriteJudge,
    in_success,
    is_lost,
)
from .proofs import is_likely, is_unproven

# A clean-up is tried so often, for so many seconds.
_BRIEF_ATTEMPTS = 3
_BRIEF_TOTAL = 10.0
# A container that was made so many seconds before we asked for it, by its service's clock, may be
# ours.
_CLOCKS = 60.0

T = TypeVar("T")


class ServiceClient:
    """
    Sends requests by the policy that is set at the time, from any number of threads.

    Attributes:
        used_up: The codes of errors after which another try is of no use for now. That a write
            lacks what it is made of, such as an upload's parts, may be an earlier try's doing.
    """

    used_up: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, transport: Transport, retry: Callable[[], RetryPolicy]) -> None:
        self.transport = transport
        self.clock: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep
        self.retrier = Retrier(retry, sleep=self.wait)
        self._clients: dict[str, Client] = {}

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self.clock()

    def wait(self, seconds: float) -> None:
        """Wait before the next try."""
        self.sleep(seconds)

    def client_of(self, key: str, signer: Callable[[], Signer], read_error: ErrorReader) -> Client:
        """
        Return what sends requests: one for each key.

        Args:
            signer: Makes what signs the requests of a new one.
        """
        client = self._clients.get(key)
        if client is None:
            client = Client(self.transport, signer(), read_error, self.retrier, self.now)
            # The clock of a service is the same in all its regions.
            client.skew = next((known.skew for known in list(self._clients.values())), 0.0)
            self._clients[key] = client
        return client

    def secrets(self) -> tuple[str | bytes, ...]:
        """Return what must not stand in a message, even if the service says it."""
        return ()

    def close(self) -> None:
        """Give back all connections."""
        self.transport.close()

    # ------------------------------------------------------------------ several tries

    def brief_budget(self) -> Budget:
        """Return a small budget of its own for the requests of a clean-up, in a ``with`` block."""
        policy = self.retrier.policy()
        brief = replace(
            policy,
            attempts=min(policy.attempts, _BRIEF_ATTEMPTS),
            total=min(policy.total, _BRIEF_TOTAL),
        )
        shared = self.retrier
        return Budget(Retrier(brief, shared.bucket, clock=shared.clock, sleep=shared.sleep))

    def persist(self, send: Callable[[], T]) -> T:
        """
        Try again where an answer that tells of success is an error or breaks off.

        All other faults are the wire's, which has tried again already.
        """
        with self.retrier.budget() as budget:
            while True:
                try:
                    return send()
                except (ServiceError, TransportError) as error:
                    if not (in_success(error) and error.retryable and budget.retry(error)):
                        raise

    def persist_once(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """
        Try again what must take effect once, and is done if the effect is there.

        Args:
            send: Sends a request that the wire does not send again by itself.
            look: Returns the result if the effect is there, whoever caused it, else `None`.
        """
        return self._send_once(send, EffectJudge(self._sparing(look)))

    def write_once(
        self,
        send: Callable[[], ObjectInfo],
        conditions: Conditions,
        token: str | None,
        look: Look,
        *,
        looks_first: bool = False,
        known: Sighting | None = None,
    ) -> ObjectInfo:
        """
        Send a conditional write until it is known what became of it.

        Args:
            send: Sends a request that the wire does not send again by itself.
            token: The token that the request carries; `None` if it carries none.
            looks_first: The condition alone does not protect from sending the request again.
            known: What is known of the object that `if_match` is about.

        Raises:
            OutcomeUnknownError: A response was lost, and nothing shows what became of the write.
        """
        began = self.now()
        judge = WriteJudge(
            conditions, token, self._sparing(look), lambda: self.now() - began,
            looks_first=looks_first, known=known,
        )  # fmt: skip
        return self._send_once(send, judge)

    def _sparing(self, look: Callable[[], T]) -> Callable[[], T]:
        """
        Return a look that fails without a request while most requests of the driver fail.

        Under an outage each look would double the requests of its operation, and fail too.
        """

        def sparing() -> T:
            if not self.retrier.bucket.take(1):
                raise ServiceUnavailableError("too many requests of this driver fail")
            return look()

        return sparing

    def _send_once(self, send: Callable[[], T], judge: Judge[T]) -> T:
        """Send what must take effect once; after a lost response the judge has the last word."""
        lost = False
        with self.retrier.budget() as budget:
            while True:
                try:
                    return send()
                except CONFLICTS as error:
                    if not lost:
                        raise
                    return judge.conclude(error)
                except StorageError as error:
                    lost = lost or is_lost(error)
                    if not (self._is_passing(error) and budget.retry(error)):
                        if not lost:
                            raise
                        return judge.conclude(error)
                    done = judge.before_retry(error) if lost else None
                    if done is not None:
                        return done

    def _is_passing(self, error: StorageError) -> bool:
        """Return whether another attempt may succeed after one that ended in this error."""
        if not isinstance(error, (ServiceError, TransportError, IntegrityError)):
            return False
        # The wire has tried again already what was refused for now.
        throttled = isinstance(error, RateLimitedError) and not in_success(error)
        return error.retryable and error.code not in self.used_up and not throttled

    def proved(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """
        Return what a request came to; look once where a 2xx response does not prove it.

        Args:
            look: Returns the result if the request took effect, `None` if it did not or if that
                cannot be told.

        Raises:
            ServiceError: The response proves nothing, and the look does not either.
        """
        try:
            return send()
        except ServiceError as error:
            if not is_unproven(error):
                raise
            try:
                found = look()
            except CONFLICTS:
                raise
            except StorageError:
                found = None
            if found is None:
                raise
            return found

    def delete(
        self,
        send: Callable[[], object],
        conditions: Conditions,
        look: Look,
        *,
        looks_first: bool = False,
        known: Sighting | None = None,
    ) -> None:
        """
        Delete an object, which need not be there unless there is a condition.

        Args:
            send: Sends a request that the wire does not send again by itself if there is a
                condition.
            looks_first: The condition alone does not protect from sending the request again.
            known: What is known of the object that `if_match` is about.

        Raises:
            OutcomeUnknownError: A response was lost, and the object is not there any more.
        """
        bound = conditions.if_match is not None
        token = conditions.token

        def delete() -> bool:
            try:
                send()
            except ObjectNotFoundError:
                if bound:
                    raise ObjectChangedError("there is no such object") from None
            except ServiceError as error:
                if not (bound and is_likely(error) and find()):
                    raise
            return True

        def find() -> bool | None:
            try:
                look()
            except ObjectNotFoundError:
                return True
            return None

        if not bound:
            self.proved(lambda: self.persist(delete), find)
            return
        began = self.now()
        judge = DeleteJudge(
            conditions, self._sparing(look), lambda: self.now() - began,
            looks_first=looks_first, known=known if token is None else Sighting(token),
        )  # fmt: skip
        self._send_once(delete, judge)

    def create_container(
        self,
        send: Callable[[], ContainerInfo],
        head: Callable[[], ContainerInfo],
        has_token: Callable[[], bool] | None = None,
    ) -> ContainerInfo:
        """
        Create a container; one that is there after a lost response may be the one it created.

        Args:
            send: Sends a request that the wire does not send again by itself.
            head: Returns the container, with the moment when it was made.
            has_token: Looks whether the container has the token that `send` has sent. Without it
                a container is taken for the one that was created if it is new, so that of two
                clients at the same moment both may be told that they created it.
        """
        began = self.now()

        def look() -> ContainerInfo | None:
            if has_token is not None:
                return head() if has_token() else None
            info = head()
            new = info.created is not None and info.created.timestamp() > began - _CLOCKS
            return info if new else None

        def confirm() -> ContainerInfo | None:
            if has_token is not None:
                return None  # `look` has looked already
            info = head()  # a service would have refused to create one that was there before
            old = info.created is not None and info.created.timestamp() <= began - _CLOCKS
            return None if old else info

        return self.proved(lambda: self.persist_once(send, look), confirm)

    def delete_container(self, send: Callable[[], object], head: Callable[[], object]) -> None:
        """
        Delete a container; that it is gone after a lost answer is our own doing.

        Args:
            send: Sends a request that the wire does not send again by itself.
            head: Raises `ContainerNotFoundError` if the container is not there.
        """

        def delete() -> bool:
            send()
            return True

        def look() -> bool | None:
            try:
                head()
            except ContainerNotFoundError:
                return True
            return None

        self.persist_once(delete, look)
