"""A server that carries out the requests of presigned URLs of the local and the memory driver."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from http import HTTPStatus
from itertools import chain
from socketserver import ThreadingMixIn
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from typing_extensions import override

from libstore import (
    AccessDeniedError,
    ContainerNotFoundError,
    InvalidOptionError,
    NotSupportedError,
    Object,
    ObjectAlreadyExistsError,
    ObjectChangedError,
    ObjectNameConflictError,
    ObjectNotFoundError,
    SigningOptions,
    StorageError,
)

_Environment: TypeAlias = dict[str, Any]
#: Status, headers and body.
_Response: TypeAlias = tuple[HTTPStatus, dict[str, str], Iterable[bytes]]

_log = logging.getLogger(__name__)

_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_QUERY = re.compile(r"\?\S*")
# Pages of all sites may use the URLs, as after setting CORS rules at a service.
_ANY_SITE = [("access-control-allow-origin", "*"), ("access-control-expose-headers", "*")]
# The headers of metadata of Amazon S3, Google Cloud Storage, Azure and Swift.
_METADATA = ("x-amz-meta-", "x-goog-meta-", "x-ms-meta-", "x-object-meta-")
_ATTRIBUTES = ("cache_control", "content_disposition", "content_encoding", "content_language")
_STATUS: Mapping[type[StorageError], HTTPStatus] = {
    AccessDeniedError: HTTPStatus.FORBIDDEN,
    ContainerNotFoundError: HTTPStatus.NOT_FOUND,
    ObjectNotFoundError: HTTPStatus.NOT_FOUND,
    ObjectNameConflictError: HTTPStatus.CONFLICT,
    ObjectAlreadyExistsError: HTTPStatus.PRECONDITION_FAILED,
    ObjectChangedError: HTTPStatus.PRECONDITION_FAILED,
    InvalidOptionError: HTTPStatus.BAD_REQUEST,
}


class SupportsSignedURLs(Protocol):
    """A driver whose presigned URLs this server can carry out: `local` or `memory`."""

    base_url: str | None

    def verify_url(
        self, url: str, *, method: str, headers: Mapping[str, str] | None = None
    ) -> tuple[Object, SigningOptions]:
        """Return the object and the options of a URL that allows a request."""
        ...


class SignedURLApp:
    """
    A WSGI application that carries out GET, HEAD, PUT and DELETE requests of presigned URLs.

    A GET may have a range. A PUT stores its content type, Cache-Control, Content-Disposition,
    Content-Encoding, Content-Language, and metadata in headers such as ``x-amz-meta-author``, in
    the form of any of the services, and its conditions If-None-Match: * and If-Match are checked.
    A request that its URL does not allow gets the status 403.
    Browsers may send requests from pages of any site.
    Contents are streamed. It is for tests and development: it has no limits and no log.

    Args:
        driver: A driver with the argument `base_url`, which is the address of this application.
    """

    def __init__(self, driver: SupportsSignedURLs) -> None:
        if not hasattr(driver, "verify_url"):
            raise NotSupportedError(
                f"{driver!r} signs URLs for its service to carry out; pass a memory driver,"
                " or a local driver with a signing_key"
            )
        self._driver = driver

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """Carry out one request."""
        body = _Body(environ)
        try:
            status, headers, content = self._respond(environ, body)
        except StorageError as error:
            found = (status for kind, status in _STATUS.items() if isinstance(error, kind))
            status, headers, content = _text(
                next(found, HTTPStatus.INTERNAL_SERVER_ERROR), error.message
            )
        body.drain()  # a client that is still sending would not see the response
        lines = [*headers.items(), *_ANY_SITE]
        start_response(f"{status.value} {status.phrase}", lines)
        return content

    def _respond(self, environ: _Environment, body: _Body) -> _Response:
        method, headers = environ["REQUEST_METHOD"], _headers(environ)
        if method == "OPTIONS":
            # A browser asks first, without a signature, what the page of another site may send.
            wanted = headers.get("access-control-request-headers", "*")
            allowed = {"methods": "GET, HEAD, PUT, DELETE", "headers": wanted}
            names = {f"access-control-allow-{kind}": text for kind, text in allowed.items()}
            return HTTPStatus.NO_CONTENT, names, []
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        url = f"{quote(path)}?{environ['QUERY_STRING']}"
        obj, options = self._driver.verify_url(url, method=method, headers=headers)
        if method == "PUT":
            if "content-length" not in headers:
                return _text(HTTPStatus.LENGTH_REQUIRED, "a PUT requires Content-Length")
            return _put(obj, headers, body)
        if method == "DELETE":
            obj.delete()
            return HTTPStatus.NO_CONTENT, {}, []
        if method == "HEAD":
            obj.refresh()
            return HTTPStatus.OK, _described(obj, options), []
        return _get(obj, options, headers.get("range", ""))


class _Body:
    """The body of a request, as a file that ends with the body."""

    def __init__(self, environ: _Environment) -> None:
        self._file = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH") or "0"
        self._left = int(length) if length.isdecimal() else 0

    def read(self, size: int) -> bytes:
        block: bytes = self._file.read(min(size, self._left))
        if self._left and not block:
            raise ConnectionAbortedError("the client closed the connection before the end")
        self._left -= len(block)
        return block

    def drain(self) -> None:
        """Read the rest of the body."""
        deque(iter(lambda: self.read(_BLOCK), b""), maxlen=0)


def _headers(environ: _Environment) -> dict[str, str]:
    """Return the headers of a request by lower-case name."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    return {name: value for name, value in headers.items() if value}


def _put(obj: Object, headers: Mapping[str, str], body: _Body) -> _Response:
    metadata = {
        name.removeprefix(prefix): value
        for name, value in headers.items()
        for prefix in _METADATA
        if name.startswith(prefix)
    }
    stored = obj.container.upload_object(
        iter(lambda: body.read(_BLOCK), b""),
        obj.name,
        content_type=headers.get("content-type", "application/octet-stream"),
        metadata=metadata,
        cache_control=headers.get("cache-control"),
        content_disposition=headers.get("content-disposition"),
        content_encoding=headers.get("content-encoding"),
        content_language=headers.get("content-language"),
        if_absent=headers.get("if-none-match") == "*",
        if_match=headers.get("if-match"),
    )
    return HTTPStatus.OK, {"etag": f'"{stored.etag}"'}, []


def _get(obj: Object, options: SigningOptions, wanted: str) -> _Response:
    start, stop = _range(wanted)
    chunks = obj.stream(start=start, stop=stop, chunk_size=_BLOCK)
    first = next(chunks, b"")  # the handle has the attributes from now on
    headers = _described(obj, options)
    content = chain([first], chunks) if first else []
    if (start, stop) == (0, None):
        return HTTPStatus.OK, headers, content
    size = obj.size
    first_byte = start if start >= 0 else max(0, size + start)
    last_byte = min(size if stop is None else stop, size) - 1
    if first_byte > last_byte:
        status, headers, content = _text(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"the object has {size} bytes"
        )
        return status, {**headers, "content-range": f"bytes */{size}"}, content
    headers["content-range"] = f"bytes {first_byte}-{last_byte}/{size}"
    headers["content-length"] = str(last_byte - first_byte + 1)
    return HTTPStatus.PARTIAL_CONTENT, headers, content


def _range(wanted: str) -> tuple[int, int | None]:
    """Return start and stop of the header Range; an invalid one stands for the whole object."""
    found = _RANGE.fullmatch(wanted)
    if found is None or found[0] == "bytes=-":
        return 0, None
    if found[1] and found[2] and int(found[2]) < int(found[1]):
        return 0, None
    if not found[1]:
        length = int(found[2])
        return (-length, None) if length else (0, 0)
    return int(found[1]), int(found[2]) + 1 if found[2] else None


def _described(obj: Object, options: SigningOptions) -> dict[str, str]:
    """Return the headers of a response to GET or HEAD."""
    kept = {name.replace("_", "-"): str(obj.extra.get(name) or "") for name in _ATTRIBUTES}
    modified = obj.last_modified
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(obj.size),
        "content-type": obj.content_type or "",
        "etag": f'"{obj.etag}"',
        "last-modified": "" if modified is None else format_datetime(modified, usegmt=True),
        **kept,
        **options.response_headers,
    }
    return {name: _wire(value) for name, value in headers.items() if value}


def _wire(value: str) -> str:
    """Return a header as WSGI requires it: its bytes as Latin-1."""
    return value.encode().decode("latin-1")


def _text(status: HTTPStatus, message: str) -> _Response:
    content = f"{message}\n".encode()
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(content)),
    }
    return status, headers, [content]


class _Handler(WSGIRequestHandler):
    """Handles the requests of one connection, which has one."""

    @override
    def get_environ(self) -> _Environment:
        # The base class makes up a content type where the request has none.
        return {**super().get_environ(), "CONTENT_TYPE": self.headers.get("content-type", "")}

    @override
    def log_message(self, format: str, *args: Any) -> None:
        _log.debug("%s", _QUERY.sub("?…", format % args))  # the query has the signature


class _Server(ThreadingMixIn, WSGIServer):
    """A server with a thread for each connection, which ends them all when it is closed."""

    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("the connection of %s failed", client_address, exc_info=True)

    @override
    def server_close(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):  # the client has closed it
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


@contextmanager
def serve_signed_urls(driver: SupportsSignedURLs, *, port: int = 0) -> Iterator[str]:
    """
    Serve the presigned URLs of a driver at a loopback address, in a thread of this process.

    In the block, `driver.base_url` is that address. When it ends, open connections are closed,
    all threads have ended, and `base_url` is what it was.

    Args:
        driver: A memory driver, or a local driver that has a `signing_key`.
        port: The port; 0 is any free one.

    Yields:
        The address, such as ``http://127.0.0.1:40123``, for drivers of the same store.

    Example:
        >>> with serve_signed_urls(driver):
        ...     url = driver.object("photos", "cat.jpg").sign_url(method="PUT")
        ...     requests.request(url.method, url, headers=url.headers, data=b"meow")
        <Response [200]>
    """
    app = SignedURLApp(driver)
    before = driver.base_url
    with _Server(port) as server:
        server.set_app(app)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        driver.base_url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield driver.base_url
        finally:
            driver.base_url = before
            server.shutdown()
            thread.join()
