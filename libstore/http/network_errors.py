"""Failures below HTTP, and messages that say what to check."""

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

# The standard library's message if a proxy rejects a CONNECT request. Only the status is used; the
# rest is the proxy's own text.
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
# Statuses of a proxy that is temporarily unavailable, or cannot reach the service.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
# OpenSSL's reasons if the received bytes are not TLS.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"}
)
# OpenSSL's codes for a certificate of another host or address, and for one that is not valid now:
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_OTHER_HOST = frozenset({62, 64})
_OUTDATED = frozenset({9, 10})


@dataclass(frozen=True, slots=True)
class Peer:
    """
    The other end of a connection, for error messages.

    Attributes:
        origin: ``scheme://host[:port]`` of the service.
        proxy: ``host:port`` of the proxy, without its credentials.
        connect_timeout: The timeout in seconds.
        read_timeout: The timeout in seconds.
        authorities: The files and directories of certificate authorities, if they are known.
    """

    origin: str
    proxy: str | None
    connect_timeout: float
    read_timeout: float
    authorities: tuple[str, ...] = ()

    @property
    def hop(self) -> str:
        """The host that the socket is connected to."""
        return f"the proxy {self.proxy}" if self.proxy else self.origin


class OutageError(Exception):
    """
    A request without a response. It is internal to this package.

    Attributes:
        error: The error to raise.
        reached: Whether the service may have received the request.
        passing: Whether another attempt may succeed.
    """

    def __init__(self, error: TransportError, *, reached: bool, passing: bool = True) -> None:
        super().__init__(error.message)
        error.sent = reached
        self.error = error
        self.reached = reached
        self.passing = passing


class MalformedResponseError(Exception):
    """The received bytes are not a valid HTTP/1.1 response."""


class TooSlowError(TimeoutError):
    """
    The connection is slower than `libstore.retry.MIN_RATE`.

    Attributes:
        seconds: The duration of the measurement.
        sending: Whether the request was being sent.
    """

    def __init__(self, seconds: float, *, sending: bool) -> None:
        super().__init__()
        self.seconds = seconds
        self.sending = sending


class IncompleteResponseError(Exception):
    """The connection ended before the end of the response."""


def connecting(error: Exception, peer: Peer) -> OutageError:
    """Convert a failure to connect. Nothing of the request was sent."""
    message, passing = _connecting(error, peer)
    kind = TransportTimeoutError if _is_timeout(error) else TransportError
    return OutageError(kind(message, retryable=passing), reached=False, passing=passing)


def _connecting(error: Exception, peer: Peer) -> tuple[str, bool]:
    """Return a message for a failure to connect, and whether another attempt may succeed."""
    if isinstance(error, ssl.SSLError):
        return _tls(error, peer)
    refusal = _TUNNEL.match(str(error))
    if refusal:
        status = int(refusal[1])
        hint = "; put a valid user and password into the proxy's URL" if status == 407 else ""
        text = f"{peer.hop} refused to connect to {peer.origin} with status {status}{hint}"
        return text, status in _PASSING
    root = _root(error)
    if isinstance(error, NameResolutionError) or isinstance(root, socket.gaierror):
        text = f"the host name of {peer.hop} could not be resolved; check the name and the network"
    elif _is_timeout(error):
        text = f"connecting to {peer.hop} timed out after {peer.connect_timeout:g} s"
    elif isinstance(root, ConnectionRefusedError):
        text = f"{peer.hop} refused the connection; check that the host and the port are right"
    elif isinstance(root, HTTPException):
        text = f"{peer.hop} sent an invalid HTTP response; check that it is a proxy"
    elif isinstance(root, OSError):
        text = f"{peer.hop} could not be reached: {root.strerror or type(root).__name__}"
    else:
        return f"{peer.hop} could not be reached ({type(root).__name__})", False
    return text, True


def _tls(error: ssl.SSLError, peer: Peer) -> tuple[str, bool]:
    """Return a message for a failed TLS handshake, and whether another attempt may succeed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, peer), False
    reason = error.reason or type(error).__name__
    if reason in _NO_TLS:
        return (
            f"TLS: {peer.hop} does not use TLS at this port; if it uses plain http, change its"
            " URL to http://"
        ), False
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return f"TLS: {peer.hop} closed the connection during the handshake", True
    return f"TLS: the handshake with {peer.origin} failed ({reason})", False


def _untrusted(error: ssl.SSLCertVerificationError, peer: Peer) -> str:
    reason = error.verify_message.rstrip(".")
    text = f"TLS: the certificate of {peer.origin} is not trusted: {reason}"
    if error.verify_code in _OTHER_HOST:
        return f"{text}; use a host name that the certificate has as the endpoint"
    if error.verify_code in _OUTDATED:
        return f"{text}; renew it, or correct the clock of this machine"
    used = f" in place of {' and '.join(map(repr, peer.authorities))}" if peer.authorities else ""
    return (
        f"{text}; for a private certificate authority, pass its file as verify= or in"
        f" REQUESTS_CA_BUNDLE or SSL_CERT_FILE{used}"
    )


def receiving(error: Exception, peer: Peer, what: str, *, first: bool = False) -> TransportError:
    """
    Convert a failure to receive a response.

    Args:
        what: The content that was being received, for the message.
        first: Whether no response has been received on the connection.
    """
    hint = ""
    if first and peer.proxy is None and peer.origin.startswith("http:"):
        hint = "; if it uses TLS, change its URL to https://"
    if _is_timeout(error):
        return TransportTimeoutError(_late(error, peer, what))
    if isinstance(error, IncompleteResponseError):
        return TransportError(f"{what} is incomplete: {peer.hop} closed the connection{hint}")
    if isinstance(error, MalformedResponseError):
        return TransportError(f"{peer.hop} sent an invalid HTTP/1.1 response: {error}{hint}")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or type(error).__name__
        return TransportError(f"{what} is incomplete: TLS with {peer.hop} failed ({reason})")
    if isinstance(error, ConnectionError):
        return TransportError(f"{what} is incomplete: {peer.hop} reset the connection{hint}")
    text = error.strerror if isinstance(error, OSError) else None
    return TransportError(f"{what} is incomplete: {text or type(error).__name__} ({peer.hop})")


def _late(error: Exception, peer: Peer, what: str) -> str:
    if not isinstance(error, TooSlowError):
        return f"{peer.hop} sent no more of {what} within {peer.read_timeout:g} s"
    way = "received the request" if error.sending else f"sent {what}"
    rate = f"{MIN_RATE // KiB} KiB per second"
    return f"{peer.hop} is too slow: it {way} at less than {rate} for {error.seconds:g} s"


def _is_timeout(error: Exception) -> bool:
    # urllib3's class for a refused connection is a subclass of its timeout.
    timeouts = isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError)
    return timeouts or isinstance(_root(error), TimeoutError)


def _root(error: Exception) -> BaseException:
    """Return the operating system's own error, which urllib3 wraps."""
    if isinstance(error, NewConnectionError) and error.__cause__ is not None:
        return error.__cause__
    return error
