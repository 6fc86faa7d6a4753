"""
Send single requests: choose the connection, and write the head.

The settings that all requests to an origin share are computed once per origin: proxy, certificate
authorities, `Host`, and the form of the target.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from typing_extensions import override
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util import Timeout
from urllib3.util.ssl_ import create_urllib3_context

from ..arguments import shorten
from ..errors import InvalidOptionError, LocalFileNotFoundError, ServiceError
from ..forks import renew_after_fork
from ..redaction import Hidden, conceal, last_request, without_frames
from ..version import __version__
from . import headers as header_rules
from .connection import PEER_LEFT, Channel, Connection
from .encoding import host_header, split_origin
from .environment import Environment, Proxies, bundles_from, proxies_from
from .message import Request
from .network_errors import (
    IncompleteResponseError,
    MalformedResponseError,
    OutageError,
    Peer,
    receiving,
)
from .pool import ConnectionPool, PlainPool, SecurePool
from .response import WireResponse, make_response
from .response_head import BAD_SIZE

# With virtual-hosted addressing, each bucket is an origin.
_MAX_ORIGINS = 64
#: The maximum number of requests to one origin whose responses are received later.
MAX_AHEAD = 64
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
# The transport sets these; a second value would make the end of a request ambiguous.
_RESERVED = frozenset({"content-length", "transfer-encoding", "connection", "expect", "te"})
_POOLS: dict[str, Any] = {"http": PlainPool, "https": SecurePool}
_METHODS_WITH_CONTENT = frozenset({"PUT", "POST", "PATCH"})


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """
    Connections, timeouts, certificates and proxies.

    Attributes:
        pool_size: The maximum number of connections to one origin.
        connect_timeout: The timeout of a new connection in seconds, including TLS and proxy.
        read_timeout: The timeout in seconds for sending or receiving data, during which at least 4
            KiB per second must be transferred. Only the time spent waiting for the service counts.
        verify: Whether to check certificates, or the path of the certificate authorities to use
            instead of those from the environment.
        cert: The path of the client's certificate and key, or a pair of paths.
        proxies: The URLs of proxies by scheme, used instead of those from the environment; an
            empty mapping means none.
        user_agent: The value of the header `User-Agent`.
    """

    pool_size: int = 16
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    proxies: Mapping[str, str] | None = None
    user_agent: str = f"libstore/{__version__}"

    @override
    def __repr__(self) -> str:
        return (
            f"TransportOptions(pool_size={self.pool_size}, connect_timeout={self.connect_timeout},"
            f" read_timeout={self.read_timeout}, verify={self.verify!r})"
        )


class _Adapter(HTTPAdapter):
    """The adapter of requests, with pools that create the connections of this package."""

    def __init__(self, options: TransportOptions, context: ssl.SSLContext | None) -> None:
        self._verify = bool(options.verify)
        self._pool_options: dict[str, Any] = {
            "timeout": Timeout(connect=options.connect_timeout, read=options.read_timeout),
            "socket_options": _SOCKET_OPTIONS,
            "ssl_context": context,
        }
        super().__init__(pool_connections=_MAX_ORIGINS)

    @override
    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block=block, **self._pool_options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    @override
    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        context = self._pool_options["ssl_context"]
        manager = super().proxy_manager_for(
            proxy, proxy_ssl_context=context, **self._pool_options, **kwargs
        )
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def pool(self, url: str, proxy: str | None) -> HTTPConnectionPool:
        """Return urllib3's pool for a URL."""
        request = PreparedRequest()
        request.url = url
        pool = self.get_connection_with_tls_context(
            request, verify=self._verify, proxies={"all": proxy} if proxy else None
        )
        assert isinstance(pool, HTTPConnectionPool)
        return pool


class _Origin:
    """
    A scheme, host and port, and the settings shared by its requests.

    Attributes:
        pool: The connections.
        ahead: The connections of requests that were sent before their response is awaited.
        before_target: The prefix of each target: the origin for a plain proxy, otherwise empty.
        lines: The headers of all requests, by lower-case name.
        block: The lines of these headers.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        ahead: ConnectionPool,
        before_target: str,
        lines: Mapping[str, str],
    ) -> None:
        self.pool = pool
        self.ahead = ahead
        self.before_target = before_target
        self.lines = lines
        self.block = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    def close(self) -> None:
        """Close the idle connections, and the others when they are released."""
        self.pool.close()
        self.ahead.close()


class Transport:
    """
    Send requests and return responses. It is safe to use from more than one thread.

    It follows no redirects, stores no cookies, and reads no netrc file. A forked process gets its
    own connections. A pickle contains the options; the environment is read again.
    """

    def __init__(self, options: TransportOptions | None = None, **changes: Any) -> None:
        self.options = replace(options or TransportOptions(), **changes)
        if self.options.pool_size < 1:
            raise InvalidOptionError(f"pool_size must be at least 1, not {self.options.pool_size}")
        header_rules.check({"user-agent": self.options.user_agent})
        given = self.options.proxies
        self._proxies = proxies_from(Environment()) if given is None else Proxies(given)
        # The passwords of proxies, which are removed from messages.
        self._secrets = self._proxies.secrets
        self._bundles = self._find_bundles()
        self.after_fork()
        renew_after_fork(self)

    @override
    def __reduce__(self) -> tuple[type[Transport], tuple[TransportOptions]]:
        return type(self), (self.options,)

    def after_fork(self) -> None:
        """Forget all connections, and replace the lock: both belong to the parent process."""
        self._lock = threading.Lock()
        self._origins: dict[str, _Origin] = {}
        self._adapters: dict[bool, _Adapter] = {}

    def _find_bundles(self) -> tuple[str, ...]:
        verify = self.options.verify
        if isinstance(verify, str):
            if not os.path.exists(verify):
                raise LocalFileNotFoundError(
                    f"verify is {verify!r}, which does not exist; pass a file or a directory of"
                    " certificate authorities"
                )
            return (verify,)
        return bundles_from(Environment()) if verify else ()

    def check_proxy(self, url: str) -> None:
        """
        Check the URL of the proxy that requests to an origin would go through, if there is one.

        Raises:
            InvalidOptionError: The URL is invalid; the error names the variable that has it.
        """
        self._proxies.choose(*split_origin(url))

    def send(self, request: Request, headers: Mapping[str, str]) -> WireResponse:
        """
        Send one request and return its response, with any status.

        Raises:
            OutageError: There was no response. Its `reached` is whether the service may have
                received the request.
            InvalidOptionError: The request cannot be sent. Nothing was sent.
        """
        last_request.sent = headers, self._secrets
        origin = self._origins.get(request.url) or self._origin(request.url)
        head = _head(origin, request, headers)
        pool = origin.pool
        connection = pool.lease()
        lease = connection.lease
        try:
            channel = connection.channel or pool.open(connection)
            if channel.used:
                try:
                    return _exchange(channel, head, request, pool, connection)
                except _StaleError:
                    # The service closed the connection before it received this request.
                    connection.close()
                    channel = pool.open(connection)
            return _exchange(channel, head, request, pool, connection)
        except BaseException:
            pool.give_back(connection, lease, keep=False)
            raise

    def start(self, request: Request, headers: Mapping[str, str]) -> Exchange | None:
        """
        Send a request that has no body, and return without waiting for the response.

        It is sent on a connection that `send` does not use: while nothing receives the response,
        no other request waits for that connection. `None` if too many are in use already.

        Raises:
            InvalidOptionError: The request cannot be sent. Nothing was sent.
        """
        last_request.sent = headers, self._secrets
        origin = self._origins.get(request.url) or self._origin(request.url)
        head = _head(origin, request, headers)
        connection = origin.ahead.lease_free()
        if connection is None:
            return None
        return Exchange(self, request, headers, head, origin.ahead, connection)

    def close(self) -> None:
        """Close all connections; those in use, when they are released. It can be used again."""
        with self._lock:
            origins, self._origins = self._origins, {}
            adapters, self._adapters = self._adapters, {}
        for origin in origins.values():
            origin.close()
        for adapter in adapters.values():
            adapter.close()

    def _origin(self, url: str) -> _Origin:
        """Return the origin of a URL; create it for its first request."""
        with self._lock:
            origin = self._origins.get(url)
            if origin is None:
                origin = self._origins[url] = self._new_origin(url)
                if len(self._origins) > _MAX_ORIGINS:
                    self._origins.pop(next(iter(self._origins))).close()
        return origin

    def _new_origin(self, url: str) -> _Origin:
        scheme, host, port = split_origin(url)
        options = self.options
        proxy = self._proxies.choose(scheme, host, port)
        name = host_header(url)
        lines = {
            "host": name,
            "user-agent": options.user_agent,
            "accept-encoding": "identity",
        }
        secure = scheme == "https" or (proxy or "").startswith("https:")
        urllib3_pool = self._adapter(secure=secure).pool(f"{scheme}://{name}/", proxy)
        hop = None
        if proxy:
            hop = _without_password(proxy)
        forwarded = proxy is not None and scheme == "http"
        if forwarded:
            lines |= {
                name.lower(): Hidden(value) for name, value in urllib3_pool.proxy_headers.items()
            }
        peer = Peer(
            f"{scheme}://{name}", hop, options.connect_timeout, options.read_timeout, self._bundles
        )
        tunnel = proxy is not None and scheme == "https"
        pool = ConnectionPool(urllib3_pool, peer, options.pool_size, tunnel=tunnel)
        ahead = ConnectionPool(urllib3_pool, peer, MAX_AHEAD, tunnel=tunnel)
        return _Origin(pool, ahead, f"{scheme}://{name}" if forwarded else "", lines)

    def _adapter(self, *, secure: bool) -> _Adapter:
        adapter = self._adapters.get(secure)
        if adapter is None:
            context = self._context() if secure else None
            adapter = self._adapters[secure] = _Adapter(self.options, context)
        return adapter

    def _context(self) -> ssl.SSLContext:
        """Return the TLS context; the certificate authorities are read from their file once."""
        options = self.options
        if options.verify:
            context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
            for bundle in self._bundles or (DEFAULT_CA_BUNDLE_PATH,):
                folder = os.path.isdir(bundle)
                try:
                    context.load_verify_locations(
                        cafile=None if folder else bundle, capath=bundle if folder else None
                    )
                except OSError as error:  # ssl.SSLError is one
                    raise _unreadable("certificate authorities", bundle, error) from None
        else:
            warnings.warn(
                "verify=False: certificates are not checked, so anyone on the network path can"
                " read and change requests and responses",
                InsecureRequestWarning,
                stacklevel=2,
            )
            context = create_urllib3_context(cert_reqs=ssl.CERT_NONE)
        if options.cert is not None:
            files = (options.cert,) if isinstance(options.cert, str) else options.cert
            try:
                context.load_cert_chain(*files)
            except OSError as error:
                raise _unreadable("the client certificate and key", files[0], error) from None
        return context


def _unreadable(what: str, path: str, error: OSError) -> InvalidOptionError:
    """Return the error for a certificate file that cannot be loaded."""
    reason = error.strerror if not isinstance(error, ssl.SSLError) else error.reason
    return InvalidOptionError(
        f"the file with {what}, {path!r}, could not be loaded"
        f" ({reason or type(error).__name__}); it must be a readable PEM file"
    )


class _StaleError(Exception):
    """The service has closed a kept connection."""


class Exchange:
    """
    A request that was sent, whose response is received later.

    A new connection is made in a thread, so that many of them take the time of one.

    Attributes:
        skew: The clock skew that the request was signed with.
    """

    __slots__ = (
        "_connection", "_failure", "_head", "_headers", "_lease", "_pool", "_thread", "_transport",
        "request", "skew",
    )  # fmt: skip

    def __init__(
        self,
        transport: Transport,
        request: Request,
        headers: Mapping[str, str],
        head: memoryview,
        pool: ConnectionPool,
        connection: Connection,
    ) -> None:
        self._transport = transport
        self.request = request
        self.skew = 0.0
        self._headers = headers
        self._head = head
        self._pool = pool
        self._connection = connection
        self._lease = connection.lease
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        if connection.channel is None:
            self._thread = threading.Thread(target=self._send, name="libstore", daemon=True)
            self._thread.start()
        else:
            self._send()

    def _send(self) -> None:
        connection = self._connection
        try:
            channel = connection.channel or self._pool.open(connection)
            channel.send(self._head, None)
        except (OSError, OutageError) as error:
            self._failure = without_frames(error)

    def receive(self) -> WireResponse:
        """
        Return the response; send the request again if the connection was closed before it arrived.

        Raises:
            OutageError: There was no response.
        """
        if self._thread is not None:
            self._thread.join()
        connection, pool, failure = self._connection, self._pool, self._failure
        try:
            channel = connection.channel
            if failure is None and channel is not None:
                return _exchange(channel, None, self.request, pool, connection)
        except _StaleError:
            self.close()
        except BaseException:
            self.close()
            raise
        self.close()
        if isinstance(failure, OutageError):
            raise failure
        return self._transport.send(self.request, self._headers)

    def close(self) -> None:
        """Give up the response. Calling it again is harmless."""
        if self._thread is not None:
            self._thread.join()
        self._pool.give_back(self._connection, self._lease, keep=False)


def _exchange(
    channel: Channel,
    head: memoryview | None,
    request: Request,
    pool: ConnectionPool,
    connection: Connection,
) -> WireResponse:
    """Return the response to a request; without its head, it was sent already."""
    stale = channel.used
    try:
        complete = head is None or channel.send(head, request.content)
        received = channel.receive_head()
        if received.size == BAD_SIZE and request.method != "HEAD":
            raise MalformedResponseError("its length is not a number")
    except (OSError, MalformedResponseError, IncompleteResponseError) as error:
        lost = isinstance(error, (*PEER_LEFT, IncompleteResponseError)) and channel.silent
        if stale and lost and (request.idempotent or channel.untouched):
            raise _StaleError from None
        if stale:
            pool.close_idle()
        garbage = isinstance(error, MalformedResponseError)
        first = not stale and (channel.silent or garbage)
        # Its frames hold the received bytes, which may repeat secrets of the request.
        fault = receiving(without_frames(error), pool.peer, "the response", first=first)
        raise OutageError(fault, reached=not channel.untouched) from None
    conceal(received.headers)
    if received.conflict is not None and received.status < 300:
        raise ServiceError(
            f"the response has different values of the header {received.conflict}, so it cannot be"
            f" verified; check any proxy in front of {pool.peer.origin}",
            status=received.status,
        )
    if not complete:
        # The rest of the request was not sent, so the connection cannot be reused.
        received = received._replace(keep=False)
    return make_response(received, request.method, pool, connection)


def _without_password(proxy: str) -> str | None:
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname


def _head(origin: _Origin, request: Request, headers: Mapping[str, str]) -> memoryview:
    """
    Return the head of a request, exactly as it is sent.

    It contains secrets, which the `repr` of a memoryview does not show.
    """
    target = request.target
    if not (target.startswith("/") and target.isascii() and target.isprintable()) or " " in target:
        raise InvalidOptionError(
            "the target of a request must be percent-encoded ASCII that begins with '/', not"
            f" {shorten(target.partition('?')[0])}"
        )
    if not _RESERVED.isdisjoint(headers):
        name = min(_RESERVED.intersection(headers))
        raise InvalidOptionError(f"the header {name} is set by libstore; remove it")
    header_rules.check(headers)
    head = f"{request.method} {origin.before_target}{target} HTTP/1.1\r\n"
    if origin.lines.keys().isdisjoint(headers):
        head += origin.block
    else:
        for name, value in origin.lines.items():
            if name not in headers:
                head += f"{name}: {value}\r\n"
    for name, value in headers.items():
        head += f"{name}: {value}\r\n"
    content = request.content
    if content is not None:
        size = len(content) if isinstance(content, bytes) else content.size
    else:
        size = 0
    if size or request.method in _METHODS_WITH_CONTENT:
        head += f"content-length: {size}\r\n"
    return memoryview(f"{head}\r\n".encode())
