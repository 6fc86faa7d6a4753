"""Presigned URLs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from typing_extensions import Self, override

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidOptionError, InvalidTypeError, NotSupportedError
from ..readonly import ReadOnlyDict
from ..redaction import hide_key_headers
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
# Headers that belong to the connection or to the signature itself.
_UNSIGNED = frozenset({"authorization", "connection", "host", "transfer-encoding"})

# Characters that end an attribute or a text in HTML; URLs of services contain only the first.
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class SignedURL(str):
    """
    A presigned URL: a `str` with the method and the headers of the request that it allows.

    `repr()` hides the query, which is a secret; `str()` and `print()` show the whole URL. A
    notebook displays a URL for GET as a link, and saves the link with its output.

    Attributes:
        method: The method of the request.
        headers: The headers that the request must have, by lower-case name: those that `sign_url`
            was called with, and those that the service requires.
    """

    __slots__ = ("headers", "method")

    headers: Mapping[str, str]
    method: str

    def __new__(
        cls, url: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Self:
        """Return a URL with the method and the headers of its request."""
        made = super().__new__(cls, url)
        made.method = method
        made.headers = ReadOnlyDict(headers or {})
        return made

    def _repr_html_(self) -> str | None:
        """Return a link for notebooks; `None` if a browser cannot follow it."""
        if self.method != "GET" or not self.startswith("http"):
            return None
        href, shown = self.translate(_HTML), self.partition("?")[0].translate(_HTML)
        return f'<a href="{href}">{shown}</a>'

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
    enforce_headers: bool,
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
    given = _request_headers(headers)
    returned = _response_headers(response_headers, method)
    signs = driver.supports("sign_headers")
    if driver._has_hook("sign_url"):
        if given and enforce_headers and not signs:
            raise NotSupportedError(
                f"the {driver.name} driver does not support sign_headers: the service would accept"
                " a request without these headers; pass enforce_headers=False if that is no risk"
            )
        driver._need_option("sign_response_headers", bool(returned))
    sent = driver._signed_headers(method, given)
    signed = sent if signs else {}
    url = driver._sign_url(container, name, SigningOptions(method, seconds, signed, returned))
    if not isinstance(url, str):
        raise InvalidTypeError(f"_sign_url must return a str, not {type(url).__name__}")
    return SignedURL(arguments.stable_url(url), method, sent)


def _request_headers(given: object) -> dict[str, str]:
    checked = arguments.headers(given, "headers")
    unsigned = sorted(_UNSIGNED.intersection(checked))
    if unsigned:
        raise InvalidOptionError(f"{unsigned[0]} cannot be signed; leave it out of headers")
    # Without outer spaces, which HTTP does not keep and clients refuse.
    return hide_key_headers({name: value.strip(" ") for name, value in checked.items()})


def _response_headers(given: object, method: str) -> dict[str, str]:
    checked = arguments.headers(given, "response_headers")
    unknown = sorted(checked.keys() - _RESPONSE_HEADERS)
    if unknown:
        raise InvalidOptionError(
            f"response_headers cannot set {unknown[0]!r}; use one of"
            f" {', '.join(sorted(_RESPONSE_HEADERS))}"
        )
    if checked and method not in {"GET", "HEAD"}:
        raise InvalidOptionError(f"response_headers require method GET or HEAD, not {method}")
    return checked
