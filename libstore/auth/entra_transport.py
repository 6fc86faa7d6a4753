"""
A transport for azure-identity with this library's certificates, proxies and timeouts.

https://learn.microsoft.com/en-us/python/api/azure-core/azure.core.pipeline.transport.httptransport
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

from typing_extensions import Self

from ..errors import StorageError
from ..http.message import Request
from ..http.network_errors import OutageError
from ..http.transport import Transport
from ..redaction import Hidden, HiddenBytes

# The metadata services of machines use plain http. They are on the same machine or near it, so no
# proxy can reach them.
_CONNECT, _READ = 1.0, 10.0
_LIMIT = 1 << 20
# The headers whose values are not secret. A response that repeats a secret is masked.
_PUBLIC = frozenset({"accept", "content-type", "metadata", "user-agent"})
_ALL = frozenset(range(200, 600))


class IdentityTransport:
    """
    The interface of azure-core's ``HttpTransport``. It does not retry, because azure-core does.

    Args:
        transport: The transport for ``https://``.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._near = Transport(
            pool_size=1, connect_timeout=_CONNECT, read_timeout=_READ, proxies={}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        """Return at once: connections are opened when they are needed."""

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        self._near.close()

    def sleep(self, duration: float) -> None:
        """Wait before a retry."""
        time.sleep(duration)

    def send(self, request: Any, **_: Any) -> Any:
        """
        Send a request of azure-core, and return a response of azure-core.

        Raises:
            AzureError: There was no response. azure-core decides whether to retry.
        """
        parts = urlsplit(request.url)
        headers = {
            name.lower(): value if name.lower() in _PUBLIC else Hidden(value)
            for name, value in request.headers.items()
        }
        headers.pop("content-length", None)
        content = _content(request)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = Request(
            request.method, f"{parts.scheme}://{parts.netloc}", Hidden(target), headers, content,
            expected=_ALL, operation="GetToken",
        )  # fmt: skip
        transport = self._transport if parts.scheme == "https" else self._near
        try:
            response = transport.send(sent, headers)
            data = response.read(_LIMIT)
        except OutageError as outage:
            failure = "ServiceResponseError" if outage.reached else "ServiceRequestError"
            message = outage.error.message
        except StorageError as error:
            failure, message = "ServiceResponseError", error.message
        else:
            return _response(request, response.status, response.headers, data)
        # Here there is no context, whose variables may have secrets.
        raise getattr(import_module("azure.core.exceptions"), failure)(message)


def _content(request: Any) -> bytes | None:
    """Return the body of a request of azure-core, which may be the fields of a form."""
    found = request.content if hasattr(request, "content") else request.data
    if isinstance(found, Mapping):
        found = urlencode(found, doseq=True)
    if isinstance(found, str):
        found = found.encode()
    return HiddenBytes(found) if found else None


def _response(request: Any, status: int, headers: Mapping[str, str], data: bytes) -> Any:
    found = import_module("azure.core.pipeline.transport").HttpResponse(request, None)
    found.status_code = status
    found.headers = import_module("azure.core.utils").case_insensitive_dict(headers)
    found.content_type = headers.get("content-type")
    found.body = lambda: data
    return found
