"""Test the timeouts of channels, which the kernel keeps where it can."""

from __future__ import annotations

import socket

import pytest

from libstore.http.connection import Channel
from libstore.values import MiB

_TIMEOUT = 0.05


class _GreenSocket(socket.socket):
    """A socket of another module, such as that of gevent."""


@pytest.mark.posix
@pytest.mark.parametrize(("kind", "of_python"), [(socket.socket, None), (_GreenSocket, _TIMEOUT)])
def test_receiving_times_out(kind: type[socket.socket], of_python: float | None) -> None:
    """Python does not wait for a socket whose timeout the kernel has."""
    peer, other = socket.socketpair()
    with peer, kind(fileno=other.detach()) as sock:
        channel = Channel(sock, _TIMEOUT)
        with pytest.raises(TimeoutError):
            channel.fill()

        assert of_python == sock.gettimeout()


@pytest.mark.posix
@pytest.mark.parametrize("kind", [socket.socket, _GreenSocket])
def test_sending_times_out(kind: type[socket.socket]) -> None:
    peer, other = socket.socketpair()
    with peer, kind(fileno=other.detach()) as sock:
        channel = Channel(sock, _TIMEOUT)
        with pytest.raises(TimeoutError):
            channel.send(memoryview(b"PUT"), bytes(16 * MiB))
