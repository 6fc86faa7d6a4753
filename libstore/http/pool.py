"""
The connections to one origin.

urllib3's pool makes them; a `Shelf` keeps them. The pool's own queue is not used: its lock may be
held by another thread when the process forks, and it blocks for ever where all connections are
held by streams that nobody reads on.
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
from .faults import Peer, connecting

# So long nothing was given back, not one connection: then one more is opened, as those that hold
# the others may be waiting for the very thread that asks.
_STUCK = 5.0


class PlainPool(HTTPConnectionPool):
    """Makes connections without TLS."""

    ConnectionCls: Any = PlainConnection


class SecurePool(HTTPSConnectionPool):
    """Makes connections with TLS."""

    ConnectionCls: Any = SecureConnection


class Shelf:
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
        self._returned = 0
        self._waiting = 0
        self._closed = False
        # Reentrant: the garbage collector may give back an answer that somebody forgot at any
        # moment, in this thread too.
        self._condition = threading.Condition(threading.RLock())
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        _shelves.add(self)

    def lease(self) -> Connection:
        """Return a connection, open or not yet; wait for one where all are in use."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._wait()
        if connection is None:
            return self._make(extra=self._closed)
        if connection.channel is not None and not connection.channel.idle():
            connection.close()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a connection back, open or closed."""
        if connection.extra or self._closed:
            connection.close()
            return
        self._put(connection)

    def open(self, connection: Connection) -> Channel:
        """
        Connect, through the proxy where there is one.

        Raises:
            OutageError: It did not work. Nothing of the request was sent.
        """
        try:
            if self._tunnel is not None:
                self._tunnel(connection)
            else:
                connection.connect()
            channel = Channel(connection.sock, self.peer.read_timeout)
        except (OSError, HTTPException, HTTPError, ValueError) as error:
            connection.close()
            raise connecting(error, self.peer) from None
        self._channels.add(channel)
        connection.channel = channel
        return channel

    def close(self) -> None:
        """Close the connections that nobody uses, and the others when they are given back."""
        self._closed = True
        while self._free:
            connection = self._free.pop()
            if connection is not None:
                connection.close()
        with self._condition:
            self._condition.notify_all()

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
                while not self._closed:
                    if self._free:
                        return self._free.pop()
                    returned = self._returned
                    if not self._condition.wait(_STUCK) and returned == self._returned:
                        break
            except IndexError:  # another thread was faster
                return self._wait()
            finally:
                self._waiting -= 1
        return self._make(extra=True)


_shelves: weakref.WeakSet[Shelf] = weakref.WeakSet()


def _after_fork() -> None:
    for shelf in list(_shelves):
        shelf.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
