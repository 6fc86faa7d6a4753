"""URLs that carry their own permission."""

from __future__ import annotations

from typing_extensions import final, override

from .. import checks
from ..core import DriverCore
from ..errors import InvalidOptionError
from ..handles import Object

_METHODS = ("GET", "HEAD", "PUT", "DELETE")


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
    def sign_url(self, obj: Object, *, method: str = "GET", expires: float = 3600.0) -> SignedURL:
        """
        Return a URL that allows one kind of request for one object, without credentials.

        Nothing is sent: whether the object exists is found out by whoever uses the URL.

        Args:
            method: ``"GET"``, ``"HEAD"``, ``"PUT"`` or ``"DELETE"``.
            expires: Seconds from now until the URL stops working.

        Raises:
            NotSupportedError: The service has no signed URLs.
            InvalidOptionError: The method is none of these, or the service signs for less long.
        """
        with self._guard("sign_url", obj):
            container, name = self._target(obj)
            if method not in _METHODS:
                raise InvalidOptionError(
                    f"method must be one of {', '.join(_METHODS)}, not {method!r}"
                )
            seconds = checks.seconds(expires, "expires")
            if not 0 < seconds <= self.limits.max_expires:
                raise InvalidOptionError(
                    f"expires must be above 0 and at most {self.limits.max_expires:g} seconds,"
                    f" not {expires!r}"
                )
            return SignedURL(self._sign_url(container, name, method, seconds))
