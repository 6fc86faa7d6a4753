"""
Credentials that expire: renewed in time, by one thread, while the others use the present ones.

The window in which AWS's keys are renewed is that of the AWS SDKs, 15 minutes for keys that are
valid for an hour or longer: https://github.com/boto/botocore/blob/develop/botocore/credentials.py
(the advisory refresh). Unlike there, no thread waits for a renewal while the present credentials
are valid.
"""

from __future__ import annotations

import copy
import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import StorageError, TransportError
from ..forks import renew_after_fork

_logger = logging.getLogger(__name__)

T = TypeVar("T")

# The renewal begins so many seconds before the end, or after three quarters of the lifetime,
# whichever is later.
_WINDOW = 900.0
_SHARE = 0.25
# The seconds until a failed renewal is repeated: the first delay and the longest one. Half of a
# delay is random, so that machines that failed together do not try together.
_FIRST_DELAY = 4.0
_LONGEST_DELAY = 120.0


@dataclass(frozen=True)
class Lease(Generic[T]):
    """
    A value that expires.

    Attributes:
        expires: The expiry in seconds since 1970.
    """

    value: T
    expires: float = math.inf


class Renewing(Generic[T]):
    """
    A value that expires, shared by all threads.

    It is requested by the first thread that needs it, and again by the first thread that needs it
    shortly before it expires. If that fails, it is tried again after a growing delay, and the
    error is raised only when the value has expired.

    Args:
        source: Returns a new value, or raises a `StorageError`.
        name: The name of the value in the log.
        window: The renewal begins at most so many seconds before the value expires.
        share: The part of the lifetime that the window is at most.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(
        self,
        source: Callable[[], Lease[T]],
        name: str = "credentials",
        *,
        window: float = _WINDOW,
        share: float = _SHARE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._name = name
        self._window = window
        self._share = share
        self._clock = clock
        # The value that is in use, and when to renew it.
        self._held: tuple[Lease[T], float] | None = None
        # How many calls of the source have ended, how many in vain since it last returned a value,
        # and the last error of these.
        self._ended = 0
        self._failures = 0
        self._error: StorageError | None = None
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    @property
    def known(self) -> T | None:
        """The last value, or `None` if none was needed so far."""
        held = self._held
        return None if held is None else held[0].value

    def get(self) -> T:
        """
        Return a value that has not expired, and renew it if it will soon.

        Raises:
            StorageError: There is no valid value, and the source provided none.
        """
        held = self._held
        if held is not None and self._clock() < held[1]:
            return held[0].value
        return self._renewed().value

    def replace(self, rejected: T) -> bool:
        """Replace a value that the service rejected; return whether there is another one."""
        ended = self._ended
        with self._lock:
            held = self._held
            # A thread that waited for the renewal of another one does not repeat it.
            if held is None or (held[0].value == rejected and self._ended == ended):
                return self._call_source().value != rejected
            return held[0].value != rejected

    def _renewed(self) -> Lease[T]:
        ended, held, lock = self._ended, self._held, self._lock
        valid = held is not None and self._clock() < held[0].expires
        if not lock.acquire(blocking=not valid):
            assert held is not None
            return held[0]
        try:
            held = self._held
            if held is not None and self._clock() < held[1]:
                return held[0]
            if not valid and self._ended != ended and self._error is not None:
                raise copy.copy(self._error)
            try:
                return self._call_source()
            except StorageError as error:
                if held is None or self._clock() >= held[0].expires:
                    raise
                self._defer(held[0], error)
                return held[0]
        finally:
            lock.release()

    def _call_source(self) -> Lease[T]:
        try:
            lease = self._source()
        except StorageError as error:
            error._unsent = True
            if isinstance(error, TransportError):
                error.sent = False
            # Without its frames, which are not needed by other threads.
            self._error = copy.copy(error)
            raise
        finally:
            self._ended += 1
        self._failures, self._error = 0, None
        left = lease.expires - self._clock()
        window = min(self._window, left * self._share)
        self._held = (lease, lease.expires - window)
        return lease

    def _defer(self, lease: Lease[T], error: StorageError) -> None:
        """Note when the renewal of a valid value is tried again."""
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(self._failures, 64))
        delay *= random.uniform(0.5, 1.0)
        self._failures += 1
        now = self._clock()
        self._held = (lease, min(now + delay, lease.expires))
        _logger.warning(
            "the renewal of the %s failed (%s: %s); the present ones are valid for %.0f s, and the"
            " next attempt is in %.0f s",
            self._name, type(error).__name__, error.message, lease.expires - now, delay,
        )  # fmt: skip
