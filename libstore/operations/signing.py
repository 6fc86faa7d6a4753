"""URLs that carry their own permission."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import final, override

from .. import arguments
from ..core import DriverCore
from ..errors import InvalidOptionError, InvalidTypeError
from ..handles import Object
from ..values import SigningOptions

_METHODS = ("GET", "HEAD", "PUT", "DELETE")
# What an answer may be told to carry; a service may know fewer.
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
    """A URL with a signature. It is a `str`; its `repr()` hides the query, which is a secret."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        url, question, _ = self.partition("?")
        return f"SignedURL('{url}{question}{'…' if question else ''}')"


class Signing(DriverCore):
    """Signed URLs."""

    @final
    def sign_url(
        self,
        obj: Object,
        *,
        method: str = "GET",
        expires: float = 3600.0,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> SignedURL:
        """
        Return a URL that allows one kind of request for one object, without credentials.

        Whether the object exists is found out by whoever uses the URL.

        Args:
            method: ``"GET"``, ``"HEAD"``, ``"PUT"`` or ``"DELETE"``.
            expires: Seconds from now until the URL stops working.
            headers: What the request must carry, such as ``{"content-type": "image/png"}`` for a
                PUT; without just these it is refused.
            response_headers: What the answer to a GET shall carry in place of what is kept with
                the object, such as ``{"content-disposition": "attachment"}``. There are
                Cache-Control, Content-Disposition, Content-Encoding, Content-Language,
                Content-Type and Expires; some services know fewer.

        Raises:
            NotSupportedError: The service has no signed URLs, or none with such headers; or no
                URL leads to an object of this name: clients resolve ``.`` and ``..`` in a path.
            InvalidOptionError: The method is none of these, or the service signs for less long.
        """
        with self._guard("sign_url", obj):
            container, name = self._target(obj)
            arguments.reachable_name(container, name)
            if method not in _METHODS:
                raise InvalidOptionError(
                    f"method must be one of {', '.join(_METHODS)}, not {method!r}"
                )
            seconds = arguments.seconds(expires, "expires")
            if not 0 < seconds <= self.limits.max_expires:
                raise InvalidOptionError(
                    f"expires must be above 0 and at most {self.limits.max_expires:.0f} seconds,"
                    f" not {expires!r}"
                )
            options = SigningOptions(
                method,
                seconds,
                _headers(headers, "headers"),
                _response_headers(response_headers, method),
            )
            if self._has_hook("sign_url"):
                self._need_option("sign_headers", bool(options.headers))
                self._need_option("sign_response_headers", bool(options.response_headers))
            return SignedURL(arguments.stable_url(self._sign_url(container, name, options)))


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
            f"an answer cannot be told to carry {unknown[0]!r}, only"
            f" {', '.join(sorted(_RESPONSE_HEADERS))}"
        )
    if checked and method not in {"GET", "HEAD"}:
        raise InvalidOptionError(f"response_headers go with GET and HEAD, not with {method}")
    return checked
