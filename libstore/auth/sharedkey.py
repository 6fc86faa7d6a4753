"""
Shared Key, the signature of requests to Azure Storage with the account's key.

https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

from typing_extensions import override

from ..http.headers import http_date
from ..http.message import Content, Request
from ..redaction import Hidden, hide

#: The headers that the string to sign contains without their names, in this order.
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
# The service sorts header names as Windows sorts words: a hyphen counts only between names that
# are otherwise equal, and other marks sort before digits and letters. The page above says
# "lexicographically", but Microsoft's clients sort so.
_ORDER = "!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz"
_RANKS = {character: rank for rank, character in enumerate(_ORDER)}
_MARKS = {"'": 1, "-": 2}


class SharedKey:
    """
    The key of an account.

    Args:
        key: The account's key, decoded from base64.
    """

    def __init__(self, account: str, key: bytes) -> None:
        self.account = account
        self._key = hide(key)

    @override
    def __repr__(self) -> str:
        return f"<SharedKey of {self.account}>"

    def sign(self, text: str) -> str:
        """Return the signature of a text, in base64."""
        return sign(self._key, text)

    def authorization(self, method: str, target: str, headers: Mapping[str, str]) -> str:
        """Return the header `Authorization`; `headers` must have ``content-length``."""
        text = string_to_sign(self.account, method, target, headers)
        return Hidden(f"SharedKey {self.account}:{self.sign(text)}")


def sign(key: bytes, text: str) -> str:
    """Return the HMAC-SHA256 of a text, in base64."""
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def string_to_sign(account: str, method: str, target: str, headers: Mapping[str, str]) -> str:
    """
    Return the string to sign.

    Args:
        target: Path and query as they are sent.
        headers: Headers with names in lower case.
    """
    path, _, query = target.partition("?")
    values = [headers.get(name, "") for name in _SIGNED]
    if values[2] == "0":  # since version 2015-02-21 a length of 0 is omitted
        values[2] = ""
    own = sorted((name for name in headers if name.startswith("x-ms-")), key=_sort_key)
    lines = [method, *values, *(f"{name}:{headers[name]}" for name in own), f"/{account}{path}"]
    return "\n".join(lines + _query_lines(query))


def _query_lines(query: str) -> list[str]:
    parameters: dict[str, list[str]] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        parameters.setdefault(unquote(name).lower(), []).append(unquote(value))
    return [f"{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items())]


@lru_cache(maxsize=512)
def _sort_key(name: str) -> tuple[list[int], list[int]]:
    ranks = [_RANKS[character] for character in name if character not in _MARKS]
    return ranks, [_MARKS.get(character, 0) for character in name]


class SharedKeySigner:
    """A signer that signs each attempt with Shared Key."""

    def __init__(self, key: SharedKey) -> None:
        self._key = key

    def sign(self, request: Request, now: float, /) -> Mapping[str, str]:
        """Return the request's headers with date and signature."""
        headers = {**request.headers, "x-ms-date": _date(int(now))}
        signed = {**headers, "content-length": str(_size(request.content))}
        headers["authorization"] = self._key.authorization(request.method, request.target, signed)
        return headers

    def renew(self, request: Request, /) -> bool:
        """Return `False`: there is no other key."""
        return False


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    return http_date(second)


def _size(content: bytes | Content | None) -> int:
    if content is None:
        return 0
    return len(content) if isinstance(content, bytes) else content.size
