"""
URLs of drivers, containers and objects: ``scheme://[key[:secret]@]container/name?option=value``.

The names are percent-encoded. All of a path after the container is the name of an object, so that
it may have empty segments; ``#`` and ``+`` have no special meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlencode

from typing_extensions import Self, override

from .errors import InvalidOptionError, InvalidTypeError
from .redaction import hide, hide_address, type_name

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://", re.ASCII)
# Other programs remove such segments from a path.
_DOTS = {".": "%2E", "..": "%2E%2E"}


@dataclass(frozen=True, slots=True)
class StorageURL:
    """
    The parts of a URL, decoded.

    Attributes:
        scheme: The driver's name, or another scheme that stands for it, in lower case.
        container: Empty in the URL of a driver.
        name: The name of an object; empty in the URL of a container. In a URL with the scheme
            ``file``, the path.
        options: Arguments of the driver as text, by name. Their `repr` is masked.
        user: The text before ``@``, split at the first colon; masked, since most are credentials.
    """

    scheme: str
    container: str = ""
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    user: tuple[str, ...] = ()

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Split a URL.

        Raises:
            InvalidOptionError: It has no scheme, has an object without a container, has an option
                twice, or is not percent-encoded as UTF-8.
        """
        url = hide_address(url)
        if not isinstance(url, str):
            missing = "; is the variable that it is from set?" if url is None else ""
            raise InvalidTypeError(f"url must be a str, not {type_name(url)}{missing}")
        if url != url.strip():
            raise InvalidOptionError(
                "url has white space at its beginning or end, such as the end of a line; remove it"
                " with strip(), or percent-encode it if it is part of a name"
            )
        start = _SCHEME.match(url)
        if start is None:
            raise InvalidOptionError(
                "url must begin with the name of a driver and ://, such as s3://bucket/name or"
                " local://container/name?root=/srv/store"
            )
        scheme = start[1].lower()
        place, _, query = map(hide, url[start.end() :].partition("?"))
        before, slash, name = map(hide, place.partition("/"))
        user, _, container = map(hide, before.rpartition("@"))
        if scheme == "file":
            name = slash + name
        elif ":" in container:
            # It may be a password with a slash; so the message must not contain it.
            raise InvalidOptionError(
                "the URL has ':' before its first '/' or '?', and no '@' there; percent-encode '/'"
                " and '?' in credentials, and ':' in the name of a container"
            )
        elif name and not container:
            raise InvalidOptionError(
                f"the URL has the name of an object but no container; write {scheme}://"
                "container/name"
            )
        users = map(hide, user.split(":", 1)) if user else ()
        return cls(
            scheme, str(_decoded(container)), str(_decoded(name)), _options(query), _hidden(users)
        )

    @override
    def __str__(self) -> str:
        parts = [self.container, *self.name.split("/")] if self.name else [self.container]
        place = "/".join(_DOTS.get(part, quote(part, safe="")) for part in parts)
        query = f"?{urlencode(self.options, safe=':/', quote_via=quote)}" if self.options else ""
        return f"{self.scheme}://{place}{query}"


def _options(query: str) -> Mapping[str, str]:
    options: dict[str, str] = {}
    for name, value in _pairs(query):
        if name in options:
            raise InvalidOptionError(f"the URL has the option {name!r} twice; give it once")
        options[name] = value
    return options


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a query, in which ``+`` stands for itself: many secrets have one."""
    for pair in map(hide, query.split("&")):
        name, _, value = map(hide, pair.partition("="))
        if pair:
            yield str(_decoded(name)), hide(_decoded(value))


def _hidden(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(hide(_decoded(text)) for text in texts)


def _decoded(text: str) -> str:
    """Decode a percent-encoded text; bytes that are not UTF-8 would make two names equal."""
    with suppress(UnicodeDecodeError):  # whose message would show the text
        return unquote(text, errors="strict")
    raise InvalidOptionError(
        "the URL has percent-encoded bytes that are not UTF-8; encode names with"
        " urllib.parse.quote"
    )
