"""
Which responses prove that a service has done what it was asked to do.

A status of 2xx is not enough. A proxy, a captive portal or a web server at a wrong address may
send 200 with an empty body to every request; see `Operation.is_proved_by`. A 2xx response that
proves nothing raises an error, and the operations that change something then check once whether
the change is there; see `ServiceClient.proved`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ServiceError, StorageError
from ..http.message import Response
from .operation import Operation

_MARK = "_unproven"
_LIKELY = "_likely"


def require(operation: Operation, response: Response) -> None:
    """Raise the error of `unproven` if a response does not prove its operation."""
    if not operation.is_proved_by(response.status, response.headers):
        response.close()
        raise unproven(response.status)


def unproven(status: int) -> StorageError:
    """Return the error for a 2xx response that does not prove that something was done."""
    return mark(
        ServiceError(
            f"the response (HTTP {status}) does not show that the service has carried out the"
            " request; check whether the endpoint is right, and whether a proxy or a login page"
            " answers in its place",
            status=status,
        )
    )


def mark(error: StorageError) -> StorageError:
    """Mark an error as one of a 2xx response that proves nothing."""
    setattr(error, _MARK, True)
    return error


def mark_likely(error: StorageError) -> StorageError:
    """Mark an error as one of a response that the service itself has sent, to all appearance."""
    setattr(error, _LIKELY, True)
    return mark(error)


def is_likely(error: StorageError) -> bool:
    """Return whether a response that proves nothing is the service's own to all appearance."""
    return bool(getattr(error, _LIKELY, False))


def is_unproven(error: StorageError) -> bool:
    """Return whether an error says no more than that a 2xx response proves nothing."""
    return bool(getattr(error, _MARK, False))


def has_html(method: str, headers: Mapping[str, str], size: int | None) -> bool:
    """
    Return whether a response has a body of HTML, by its headers.

    The content type alone is not enough: frameworks send it with empty bodies too.

    Args:
        size: Of the body; `None` if it is not known.
    """
    if not headers.get("content-type", "").lower().startswith("text/html"):
        return False
    # Of a response to HEAD it is the header that tells which body a GET would have.
    told = headers.get("content-length") if method == "HEAD" else size
    return str(told) != "0"
