"""
Presigned URLs of the drivers without a service: their own server checks the signature.

A URL has the query ``expires``, ``method``, ``headers`` (the names of the signed headers), the
headers of the response as ``response-<name>``, and ``signature``: an HMAC with SHA-256 of all of
these, the names of container and object, and the values of the signed headers.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from ..errors import AccessDeniedError, InvalidOptionError
from ..http.encoding import encode, encode_path, encode_query
from ..redaction import Hidden, HiddenBytes, hide
from ..values import SigningOptions

_RESPONSE = "response-"


class URLSigner:
    """
    Signs URLs with one key, and verifies them.

    Args:
        key: Verifies the URLs of all processes that use it.
    """

    def __init__(self, key: str | bytes) -> None:
        self._key = HiddenBytes(key.encode() if isinstance(key, str) else key)

    def sign(self, container: str, name: str, options: SigningOptions, now: float) -> str:
        """
        Return the end of a URL, which begins with the container.

        Args:
            now: Seconds since 1970.
        """
        for header, value in options.headers.items():
            if not value.isascii():
                raise InvalidOptionError(f"headers[{header!r}] must be ASCII to be signed")
        query = {"expires": f"{now + options.expires:.3f}", "method": options.method}
        if options.headers:
            query["headers"] = " ".join(sorted(options.headers))
        query |= {_RESPONSE + name: text for name, text in options.response_headers.items()}
        query["signature"] = self._signature(container, name, query, options.headers)
        return Hidden(f"{encode(container)}/{encode_path(name)}?{encode_query(query)}")

    def verify(
        self, url: str, address: str, method: str, headers: Mapping[str, str], now: float
    ) -> tuple[str, str, SigningOptions]:
        """
        Return container, object and options of a URL whose signature is valid for a request.

        Args:
            url: The URL, or the part of it after `address`.
            address: The text that all URLs begin with, without a slash at the end.
            headers: The headers of the request.
            now: Seconds since 1970.

        Raises:
            AccessDeniedError: The URL does not allow the request.
        """
        url = hide(url)
        path, _, query = map(hide, url.removeprefix(address).partition("?"))
        if not path.startswith("/"):
            raise AccessDeniedError(f"the presigned URL does not begin with {address}/")
        container, _, name = path[1:].partition("/")
        container, name = unquote(container), unquote(name)
        fields = dict(parse_qsl(query, keep_blank_values=True))
        signature = hide(fields.pop("signature", ""))
        names = fields.get("headers", "").split()
        sent = _lower(headers)
        signed = {name: sent.get(name, "") for name in names}
        expected = self._signature(container, name, fields, signed)
        if fields.get("method") != method or not hmac.compare_digest(
            signature.encode("utf-8", "replace"), expected.encode()
        ):
            raise AccessDeniedError(_refusal(method, names, sent))
        left = float(fields["expires"]) - now
        if left < 0:
            raise AccessDeniedError("the presigned URL has expired")
        returned = {
            field.removeprefix(_RESPONSE): text
            for field, text in fields.items()
            if field.startswith(_RESPONSE)
        }
        return container, name, SigningOptions(method, left, signed, returned)

    def _signature(
        self, container: str, name: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        parts = (query, _lower(headers))
        lines = [f"{encode(container)}/{encode_path(name)}"]
        lines += (encode_query(dict(sorted(pairs.items()))) for pairs in parts)
        return Hidden(hmac.digest(self._key, "\n".join(lines).encode(), "sha256").hex())


def _refusal(method: str, signed: list[str], sent: Mapping[str, str]) -> str:
    """Return the message for a request whose signature does not match."""
    missing = [name for name in signed if name not in sent]
    if missing:
        return f"the request does not have the signed headers {', '.join(missing)}"
    values = f", for other values of the headers {', '.join(signed)}" if signed else ""
    return (
        f"the presigned URL was changed, or signed for another method than {method}{values}, or"
        " with another key"
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name, without outer spaces, which HTTP does not keep."""
    return {name.lower(): value.strip() for name, value in headers.items()}
