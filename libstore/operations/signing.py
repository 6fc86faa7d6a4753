"""Presigned URLs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from typing_extensions import override

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidOptionError, InvalidTypeError
from ..values import SigningOptions

_METHODS = ("GET", "HEAD", "PUT", "DELETE")
# Headers that a presigned URL can set in the response; some services can set fewer.
_RESPONSE_HEADERS = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)


class SignedURL(str):
    """A presigned URL. It is a `str` whose `repr()` hides the query, which is a secret."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        url, question, _ = self.partition("?")
        return f"SignedURL('{url}{question}{'…' if question else ''}')"


def sign(
    driver: DriverCore,
    container: str,
    name: str,
    *,
    method: str,
    expires: float | timedelta,
    headers: Mapping[str, str] | None,
    response_headers: Mapping[str, str] | None,
) -> SignedURL:
    """Return a URL that allows one kind of request for one object, without credentials."""
    arguments.reachable_name(container, name)
    if method not in _METHODS:
        raise InvalidOptionError(f"method must be one of {', '.join(_METHODS)}, not {method!r}")
    seconds = arguments.duration(expires, "expires")
    if not 0 < seconds <= driver.limits.max_expires:
        raise InvalidOptionError(
            f"expires must be above 0 and at most {driver.limits.max_expires:.0f} seconds,"
            f" not {expires!r}"
        )
    sent, returned = _headers(headers, "headers"), _response_headers(response_headers, method)
    if driver._has_hook("sign_url"):
        driver._need_option("sign_headers", bool(sent))
        driver._need_option("sign_response_headers", bool(returned))
    url = driver._sign_url(container, name, SigningOptions(method, seconds, sent, returned))
    return SignedURL(arguments.stable_url(url))


def _headers(given: object, label: str) -> dict[str, str]:
    """Return headers by their lower-case names."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidTypeError(
            f"{label} must be a mapping of str to str, not {type(given).__name__}"
        )
    checked: dict[str, str] = {}
    for name, value in given.items():
        text = arguments.header_value(value, f"{label}[{name!r}]")
        checked[arguments.header_name(name, label)] = text or ""
    return checked


def _response_headers(given: object, method: str) -> dict[str, str]:
    checked = _headers(given, "response_headers")
    unknown = sorted(checked.keys() - _RESPONSE_HEADERS)
    if unknown:
        raise InvalidOptionError(
            f"response_headers cannot set {unknown[0]!r}; use one of"
            f" {', '.join(sorted(_RESPONSE_HEADERS))}"
        )
    if checked and method not in {"GET", "HEAD"}:
        raise InvalidOptionError(f"response_headers require method GET or HEAD, not {method}")
    return checked
