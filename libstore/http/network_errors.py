"""What went wrong below HTTP, said so that a reader knows what to look at."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPException

from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from ..errors import TransportError, TransportTimeoutError
from ..retry import MIN_RATE
from ..values import KiB

# What the standard library says of a proxy that refuses a CONNECT. The status is all that is
# taken over: the rest is the proxy's own text.
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
# Statuses of a proxy that mean that it, or the way behind it, is down at the moment.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# OpenSSL's words for bytes that are no TLS.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
)


@dataclass(frozen=True, slots=True)
class Peer:
    """
    Who is spoken to, as far as a message may tell it.

    Attributes:
        origin: ``scheme://host[:port]``.
        proxy: ``host:port`` of the proxy that all goes through; never its credentials.
        connect_timeout: In seconds.
        read_timeout: In seconds.
    """

    origin: str
    proxy: str | None
    connect_timeout: float
    read_timeout: float

    @property
    def hop(self) -> str:
        """What a socket is really opened to."""
        return f"the proxy {self.proxy}" if self.proxy else self.origin


class OutageError(Exception):
    """
    A request that got no answer; it stays within the wire.

    Attributes:
        error: What the caller will see.
        reached: Whether the service may have got the request.
        passing: Whether another try can be any better.
    """

    def __init__(self, error: TransportError, *, reached: bool, passing: bool = True) -> None:
        super().__init__(error.message)
        error.sent = reached
        self.error = error
        self.reached = reached
        self.passing = passing


class MalformedAnswerError(Exception):
    """What came is no answer in HTTP/1.1."""


class TooSlowError(TimeoutError):
    """
    Fewer bytes have moved than `libstore.retry.MIN_RATE` asks for.

    Attributes:
        seconds: Over how long.
        sending: Whether it was the request.
    """

    def __init__(self, seconds: float, *, sending: bool) -> None:
        super().__init__()
        self.seconds = seconds
        self.sending = sending


class BrokenOffError(Exception):
    """The connection ended before the answer did."""


def connecting(error: Exception, peer: Peer) -> OutageError:
    """Return what kept a connection from being made. Nothing of the request was sent."""
    message, passing = _connecting(error, peer)
    kind = TransportTimeoutError if _is_timeout(error) else TransportError
    return OutageError(kind(message, retryable=passing), reached=False, passing=passing)


def _connecting(error: Exception, peer: Peer) -> tuple[str, bool]:
    """Return a message on a connection that could not be made, and whether it may be next time."""
    if isinstance(error, ssl.SSLError):
        return _tls(error, peer)
    refusal = _TUNNEL.match(str(error))
    if refusal:
        status = int(refusal[1])
        hint = "; give its user and password in the proxy's URL" if status == 407 else ""
        text = f"{peer.hop} refused to connect to {peer.origin} and answered {status}{hint}"
        return text, status in _PASSING
    root = _root(error)
    if isinstance(error, NameResolutionError) or isinstance(root, socket.gaierror):
        text = f"no DNS entry was found for {peer.hop}; check the host's name, and the network"
    elif _is_timeout(error):
        text = f"{peer.hop} did not take a connection within {peer.connect_timeout:g} s"
    elif isinstance(root, ConnectionRefusedError):
        text = f"{peer.hop} refused the connection: nothing listens there"
    elif isinstance(root, HTTPException):
        text = f"{peer.hop} does not answer in HTTP: it is no proxy, or it has failed"
    elif isinstance(root, OSError):
        text = f"{peer.hop} could not be reached: {root.strerror or type(root).__name__}"
    else:
        return f"{peer.hop} could not be reached ({type(root).__name__})", False
    return text, True


def _tls(error: ssl.SSLError, peer: Peer) -> tuple[str, bool]:
    """Return a message on a failed handshake, and whether it may succeed next time."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"TLS: the certificate of {peer.origin} is not accepted: {error.verify_message};"
            " for a service with a certificate authority of its own, name its file with verify="
            " or in REQUESTS_CA_BUNDLE"
        ), False
    reason = error.reason or type(error).__name__
    if reason in _NO_TLS:
        return (
            f"TLS: {peer.hop} does not speak TLS at this port; does its URL begin with http://?"
        ), False
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return f"TLS: {peer.hop} ended the connection during the handshake", True
    return f"TLS: no secure connection to {peer.origin} ({reason})", False


def receiving(error: Exception, peer: Peer, what: str, *, first: bool = False) -> TransportError:
    """
    Return what kept an answer from coming, or from coming to its end.

    Args:
        first: Whether no answer has ever come on the connection.
    """
    hint = ""
    if first and peer.proxy is None and peer.origin.startswith("http:"):
        hint = "; if it speaks TLS, its URL begins with https://"
    if _is_timeout(error):
        return TransportTimeoutError(_late(error, peer, what))
    if isinstance(error, BrokenOffError):
        return TransportError(f"{what} broke off: {peer.hop} ended the connection{hint}")
    if isinstance(error, MalformedAnswerError):
        return TransportError(f"{peer.hop} did not answer in proper HTTP/1.1: {error}{hint}")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or type(error).__name__
        return TransportError(f"{what} broke off: TLS failed with {peer.hop} ({reason})")
    if isinstance(error, ConnectionError):
        return TransportError(f"{what} broke off: {peer.hop} reset the connection{hint}")
    text = error.strerror if isinstance(error, OSError) else None
    return TransportError(f"{what} broke off: {text or type(error).__name__} ({peer.hop})")


def _late(error: Exception, peer: Peer, what: str) -> str:
    if not isinstance(error, TooSlowError):
        return f"{peer.hop} stalled: no more of {what} came within {peer.read_timeout:g} s"
    way = "took the request" if error.sending else f"sent {what}"
    rate = f"{MIN_RATE // KiB} KiB a second"
    return f"{peer.hop} is too slow: it {way} at less than {rate} for {error.seconds:g} s"


def _is_timeout(error: Exception) -> bool:
    # urllib3 counts a connection that was refused among those that took too long.
    timeouts = isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)
    return timeouts or isinstance(_root(error), TimeoutError)


def _root(error: Exception) -> BaseException:
    """Return the operating system's own error, which urllib3 wraps."""
    if isinstance(error, NewConnectionError) and error.__cause__ is not None:
        return error.__cause__
    return error
