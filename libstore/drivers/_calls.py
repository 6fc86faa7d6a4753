"""
How requests are sent and tried again, by whatever service they are for.

The wire below tries again what can be sent twice. What cannot, a write with a condition above
all, is tried again here, by somebody who can look what became of the first try.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

from ..errors import (
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
    IntegrityError,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNotFoundError,
    RateLimitedError,
    ServiceError,
    StorageError,
    TransportError,
)
from ..http.client import Client
from ..http.message import ErrorReader, Signer
from ..http.transport import Transport
from ..retry import Budget, Retrier, RetryPolicy
from ..values import ContainerInfo
from ._proof import is_unproven

# A clean-up is tried so often, for so many seconds.
_BRIEF_ATTEMPTS = 3
_BRIEF_TOTAL = 10.0
# A container that was made so many seconds before we asked for it, by its service's clock, may be
# ours.
_CLOCKS = 60.0

T = TypeVar("T")

# What a request that took effect makes of the same one when it comes again.
_SETTLED = (
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ContainerAlreadyExistsError,
    ContainerNotFoundError,
)


class Caller:
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
            self._clients[key] = client
        return client

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
        return Budget(Retrier(brief, sleep=self.wait))

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
                    if not (_in_success(error) and error.retryable and budget.retry(error)):
                        raise

    def persist_once(self, send: Callable[[], T], look: Callable[[], T | None]) -> T:
        """
        Try again what must take effect once.

        After a try of which nobody knows whether it took effect, a condition that does not hold,
        parts that are gone, or a container that is, may be our own doing.

        Args:
            send: Sends a request that the wire does not send again by itself.
            look: Returns the result if the request took effect, `None` if it did not.
        """
        lost = False
        with self.retrier.budget() as budget:
            while True:
                try:
                    return send()
                except _SETTLED:
                    found = _seen(look) if lost else None
                    if found is None:
                        raise
                    return found
                except (ServiceError, TransportError, IntegrityError) as error:
                    gone = error.code in self.used_up
                    lost = lost or (error.retryable and not gone)
                    throttled = isinstance(error, RateLimitedError) and not _in_success(error)
                    again = error.retryable and not gone and not throttled
                    if not again or not budget.retry(error):
                        found = _seen(look) if lost else None
                        if found is None:
                            raise
                        return found

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
            except _SETTLED:
                raise
            except StorageError:
                found = None
            if found is None:
                raise
            return found

    def delete(
        self, send: Callable[[], object], head: Callable[[], object], *, bound: bool
    ) -> None:
        """
        Delete an object, which may not be there, unless there is a condition.

        Args:
            head: Raises `ObjectNotFoundError` if the object is not there.
            bound: There is a condition.
        """

        def delete() -> bool:
            try:
                send()
            except ObjectNotFoundError:
                if bound:
                    raise ObjectChangedError("there is no such object") from None
            return True

        def look() -> bool | None:
            try:
                head()
            except ObjectNotFoundError:
                return True
            return None

        if bound:
            self.proved(lambda: self.persist_once(delete, look), look)
        else:
            self.proved(lambda: self.persist(delete), look)

    def create_container(
        self, send: Callable[[], ContainerInfo], head: Callable[[], ContainerInfo]
    ) -> ContainerInfo:
        """
        Create a container; one that came after a lost answer, and is new, is our own doing.

        Args:
            send: Sends a request that the wire does not send again by itself.
            head: Returns the container, with the moment when it was made.
        """
        began = self.now()

        def look() -> ContainerInfo | None:
            info = head()
            new = info.created is not None and info.created.timestamp() > began - _CLOCKS
            return info if new else None

        def confirm() -> ContainerInfo | None:
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

        self.proved(lambda: self.persist_once(delete, look), look)


def _in_success(error: StorageError) -> bool:
    """Return whether the error came in an answer that said that all was well."""
    return error.status is not None and error.status < 300


def _seen(look: Callable[[], T | None]) -> T | None:
    """Return what is found; an error in looking is not the one to be told."""
    try:
        return look()
    except StorageError:
        return None
