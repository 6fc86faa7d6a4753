"""Requests of a program's own, for what the library has no operation for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from typing_extensions import Self, override

from .. import arguments
from ..core import DriverCore
from ..error_context import ErrorContext
from ..errors import InvalidOptionError, InvalidTypeError, ServiceError
from ..options import texts
from ..redaction import hide, type_name
from ..values import MiB, RawRequest, RawResponse

_METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH")
# RFC 9110 section 9.2.2.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# RFC 3986 section 3.3.
_PATH = re.compile(r"(?:/(?:[\w.~!$&'()*+,;=:@-]|%[\dA-Fa-f]{2})*)*", re.ASCII)
_LARGEST_BODY = 64 * MiB


class ServiceResponse:
    """
    The response to `StorageDriver.request`; its status is 2xx.

    It is a context manager, whose end closes it. A response that is read need not be closed.

    Attributes:
        status: The status code.
        headers: The headers, by lower-case names.
    """

    __slots__ = ("_content", "_guard", "_response", "headers", "status")

    def __init__(self, response: RawResponse, guard: ErrorContext) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._guard = guard
        self._content: bytes | None = None

    def read(self) -> bytes:
        """
        Return the whole body, which may have up to 64 MiB; a second call returns it again.

        Raises:
            ServiceError: The body is longer.
            TransportError: The connection broke before its end, or the response was closed.
        """
        if self._content is None:
            with self._guard:
                self._content = bytes(self._response.read(_LARGEST_BODY))
        return self._content

    def json(self) -> Any:
        """
        Return the value of a body that is JSON.

        Raises:
            ServiceError: The body is no JSON.
        """
        content = hide(self.read())
        with suppress(ValueError, RecursionError):
            return json.loads(content)
        # Not in an except block, because the frames of json show the body.
        with self._guard:
            raise ServiceError("the body of the response is not JSON", status=self.status)

    def close(self) -> None:
        """Release the connection. Calling it again is harmless."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        return f"<ServiceResponse {self.status}>"


def request(
    driver: DriverCore,
    method: str,
    container: str,
    name: str,
    *,
    query: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
    content: bytes | None,
    path: str,
    idempotent: bool | None,
    guard: ErrorContext,
) -> ServiceResponse:
    """Send a request about an object, a container, or the account if both names are empty."""
    if method not in _METHODS:
        raise InvalidOptionError(f"method must be one of {', '.join(_METHODS)}, not {method!r}")
    if name and not container:
        raise InvalidOptionError("an object's name needs the name of its container")
    if content is not None and not isinstance(content, (bytes, bytearray, memoryview)):
        raise InvalidTypeError(f"content must be bytes, not {type_name(content)}")
    if not _PATH.fullmatch(arguments.text(path, "path")) or _has_dots(path):
        raise InvalidOptionError(
            f"path must begin with '/', be percent-encoded and have no query, not"
            f" {arguments.shorten(path)}; pass the query as query="
        )
    raw = RawRequest(
        method,
        hide(texts(query or {}, "query")),
        hide(arguments.headers(headers, "headers")),
        None if content is None else hide(bytes(content)),
        path,
        method in _IDEMPOTENT if idempotent is None else idempotent,
    )
    return ServiceResponse(driver._request(container, name, raw), guard)


def _has_dots(path: str) -> bool:
    return not {".", ".."}.isdisjoint(re.sub("(?i)%2e", ".", path).split("/"))
