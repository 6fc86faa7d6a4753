"""
A pool of connections to one origin.

urllib3's pool creates the connections. Its queue is not used, because its lock may be held by
another thread when the process forks, and because it blocks forever if all connections are held by
streams that are not read to their end.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from ..forks import renew_after_fork
from .connection import Channel, Connection, PlainConnection, SecureConnection
from .network_errors import OutageError, Peer, connecting

# If no connection is released for this long, the pool becomes larger: the connections are held by
# streams whose readers are slow, or by threads that wait for this thread.
_STUCK = 1.0


class PlainPool(HTTPConnectionPool):
    """Creates connections without TLS."""

    ConnectionCls: Any = PlainConnection


class SecurePool(HTTPSConnectionPool):
    """Creates connections with TLS."""

    ConnectionCls: Any = SecureConnection


class ConnectionPool:
    """
    Keep at most `size` connections, and reuse the most recent one first.

    The size doubles if all connections are in use and none is released for a second, so that a
    server that streams to many slow clients waits once for each doubling and not in each request.

    Args:
        tunnel: Whether to connect through a tunnel of the proxy.
    """

    def __init__(self, pool: HTTPConnectionPool, peer: Peer, size: int, *, tunnel: bool) -> None:
        self.peer = peer
        self._pool = pool
        # urllib3's annotation of this method does not accept its own connections.
        self._tunnel: Callable[[Any], None] | None = pool._prepare_proxy if tunnel else None
        self._size = size
        self._free: list[Connection | None] = [None] * size
        # A driver that is not closed leaves no open sockets.
        weakref.finalize(self, _close_all, self._free)
        self._returned = 0
        self._waiting = 0
        self._closed = False
        # Reentrant, because the garbage collector may release an unread response at any moment,
        # in this thread, too.
        self._condition = threading.Condition(threading.RLock())
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        renew_after_fork(self)

    def lease(self) -> Connection:
        """Return a connection, open or new; wait for one if all are in use."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._wait()
        if connection is None:
            return self._make()
        if connection.channel is not None and not connection.channel.idle():
            connection.close()
        return connection

    def lease_free(self) -> Connection | None:
        """Return a connection, open or new; `None` if all are in use."""
        return self.lease() if self._free else None

    def give_back(self, connection: Connection, lease: int, *, keep: bool) -> None:
        """
        Release a connection. Releasing it again is harmless.

        After an interrupt, both a response and the function that was about to create it may
        release the connection. If it were kept twice, two threads would share it.
        """
        if connection.lease != lease:
            return
        connection.lease += 1
        if not keep or self._closed:
            connection.close()
        self._put(connection)
        if self._closed:  # another thread may just have closed it
            self.close()

    def open(self, connection: Connection) -> Channel:
        """
        Connect, through the proxy if there is one.

        Raises:
            OutageError: The connection failed. Nothing of the request was sent.
        """
        channel = self._connect(connection)
        if isinstance(channel, OutageError):
            # Raised here, so that its context is not urllib3's error with a proxy's password.
            raise channel
        self._channels.add(channel)
        connection.channel = channel
        return channel

    def _connect(self, connection: Connection) -> Channel | OutageError:
        try:
            if self._tunnel is not None:
                self._tunnel(connection)
            else:
                connection.connect()
            return Channel(connection.sock, self.peer.read_timeout)
        except (OSError, HTTPException, HTTPError, ValueError) as error:
            connection.close()
            return connecting(error, self.peer)

    def close(self) -> None:
        """Close the idle connections, and the others when they are released."""
        self._closed = True
        self.close_idle()

    def close_idle(self) -> None:
        """
        Close the idle connections.

        If one kept connection is dead, the others probably are, too: a firewall or a load
        balancer has dropped them all.
        """
        for _ in range(_close_all(self._free)):
            self._put(None)

    def after_fork(self) -> None:
        """Drop all connections, which belong to the parent process."""
        self._closed = True
        self._free = []
        self._waiting = 0
        self._condition = threading.Condition(threading.RLock())
        for channel in list(self._channels):
            channel.drop()

    def _make(self) -> Connection:
        try:
            connection = self._pool._new_conn()
        except BaseException:
            self._put(None)
            raise
        assert isinstance(connection, (PlainConnection, SecureConnection))
        return connection

    def _put(self, connection: Connection | None) -> None:
        self._free.append(connection)
        self._returned += 1
        # A waiting thread increments `_waiting` before it checks `_free` for the last time.
        if self._waiting:
            with self._condition:
                self._condition.notify()

    def _wait(self) -> Connection | None:
        with self._condition:
            self._waiting += 1
            try:
                while True:
                    try:
                        return self._free.pop()
                    except IndexError:
                        returned = self._returned
                    released = self._condition.wait(_STUCK) or returned != self._returned
                    if not released and not self._free:
                        self._free += [None] * self._size
                        self._size *= 2
                        self._condition.notify_all()
            finally:
                self._waiting -= 1


def _close_all(free: list[Connection | None]) -> int:
    """Remove and close all idle connections, and return their number."""
    count = 0
    while True:
        try:
            connection = free.pop()
        except IndexError:
            return count
        count += 1
        if connection is not None:
            connection.close()
