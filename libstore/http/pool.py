"""
The connections to one origin.

urllib3's pool creates them; a `ConnectionPool` keeps them. urllib3's own queue is not used: its
lock may be held by another thread when the process forks, and it blocks for ever where all
connections are held by streams that are not read to their end.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .connection import Channel, Connection, PlainConnection, SecureConnection
from .network_errors import OutageError, Peer, connecting

# So long nothing was given back, not one connection: then one more is opened, as those that hold
# the others may be waiting for the very thread that asks.
_STUCK = 5.0


class PlainPool(HTTPConnectionPool):
    """Makes connections without TLS."""

    ConnectionCls: Any = PlainConnection


class SecurePool(HTTPSConnectionPool):
    """Makes connections with TLS."""

    ConnectionCls: Any = SecureConnection


class ConnectionPool:
    """
    Keeps at most `size` connections, the one used last on top.

    Args:
        tunnel: Whether the proxy has to be asked for a tunnel first.
    """

    def __init__(self, pool: HTTPConnectionPool, peer: Peer, size: int, *, tunnel: bool) -> None:
        self.peer = peer
        self._pool = pool
        # urllib3's types have it that its own connections are none.
        self._tunnel: Callable[[Any], None] | None = pool._prepare_proxy if tunnel else None
        self._free: list[Connection | None] = [None] * size
        # Who drops a driver without a word leaves no sockets behind.
        weakref.finalize(self, _close_all, self._free)
        self._returned = 0
        self._waiting = 0
        self._closed = False
        # Reentrant: the garbage collector may give back an answer that somebody forgot at any
        # moment, in this thread too.
        self._condition = threading.Condition(threading.RLock())
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        _pools.add(self)

    def lease(self) -> Connection:
        """Return a connection, open or not yet; wait for one where all are in use."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._wait()
        if connection is None:
            return self._make(extra=False)
        if connection.channel is not None and not connection.channel.idle():
            connection.close()
        return connection

    def give_back(self, connection: Connection, lease: int, *, keep: bool) -> None:
        """
        Take a connection back; one that was given back already is left alone.

        An interrupt can come at any moment, so both an answer and who was about to make it may
        believe that the connection is theirs. Were it kept twice, two threads would share it.
        """
        if connection.lease != lease:
            return
        connection.lease += 1
        if not keep or connection.extra or self._closed:
            connection.close()
        if not connection.extra:
            self._put(connection)
        if self._closed:  # perhaps since a moment ago
            self.close()

    def open(self, connection: Connection) -> Channel:
        """
        Connect, through the proxy where there is one.

        Raises:
            OutageError: It did not work. Nothing of the request was sent.
        """
        made = self._connect(connection)
        if isinstance(made, OutageError):
            # What was raised below is not before this one: it may repeat a proxy's password.
            raise made
        channel = made
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
        """Close the connections that nobody uses, and the others when they are given back."""
        self._closed = True
        self.close_idle()

    def close_idle(self) -> None:
        """
        Close the connections that nobody uses.

        One that was kept and from which nothing comes any more may not be the only one: what
        stands between us and the service, and has forgotten it, has forgotten the others too.
        """
        for _ in range(_close_all(self._free)):
            self._put(None)

    def abandon(self) -> None:
        """In a new process: let go of everything, for it belongs to the parent."""
        self._closed = True
        self._free = []
        self._waiting = 0
        self._condition = threading.Condition(threading.RLock())
        for channel in list(self._channels):
            channel.drop()

    def _make(self, *, extra: bool) -> Connection:
        try:
            connection = self._pool._new_conn()
        except BaseException:
            if not extra:
                self._put(None)
            raise
        assert isinstance(connection, (PlainConnection, SecureConnection))
        connection.extra = extra
        return connection

    def _put(self, connection: Connection | None) -> None:
        self._free.append(connection)
        self._returned += 1
        # Whoever waits has counted itself before it looked at `_free` for the last time.
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
                    if not self._condition.wait(_STUCK) and returned == self._returned:
                        break
            finally:
                self._waiting -= 1
        return self._make(extra=True)


def _close_all(free: list[Connection | None]) -> int:
    """Take all connections that nobody uses, close them, and return how many there were."""
    count = 0
    while True:
        try:
            connection = free.pop()
        except IndexError:
            return count
        count += 1
        if connection is not None:
            connection.close()


_pools: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
