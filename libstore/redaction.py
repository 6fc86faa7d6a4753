"""Keep secrets out of reprs, of the variables in tracebacks, and of error messages."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar, cast

from typing_extensions import override

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

#: The replacement of a secret.
MASK = "***"

# A shorter text is too likely to be part of an ordinary sentence.
_SHORTEST = 8
# A text of this length inside a longer word is the secret, and not a coincidence.
_UNMISTAKABLE = 20
# Signatures in headers and URLs, and bearer tokens: they grant access to anyone.
_SIGNATURE = re.compile(
    r"((?:\bsig|\bsignature|-signature|\btemp_url_sig|-security-token|"
    r"\baccountkey|\bsharedaccesssignature)(?:=|%3d)|\bSharedKey\s+[^\s:]{1,100}:|"
    r"\b(?:Bearer|Basic)\s+(?=\S{16}|\S*\d))"
    r"[^&\s<>\"',;]+",
    re.IGNORECASE,
)
# In the header Authorization.
_CREDENTIAL = re.compile(
    r"(?:Signature=|\bSharedKey [^:]*:|\bBearer |\bBasic |[?&]sig=)([^&,\s]+)"
)
_ENTITIES = {
    "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos",
    "+": "plus", "/": "sol", "=": "equals",
}  # fmt: skip
_RUN = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_WORD = re.compile(r"\w")


#: How the headers end that have a customer-provided key, on Amazon, Google and Azure.
_KEY_HEADERS = ("-customer-key", "-encryption-key")


class Hidden(str):
    """
    A string whose `repr` is masked.

    Tools that print the variables of a traceback, or a mapping of headers, do not show it.
    """

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"'{MASK}'"


class HiddenBytes(bytes):
    """Bytes whose `repr` is masked, such as keys."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"b'{MASK}'"


class HiddenDict(dict[K, V]):
    """A dictionary whose `repr` shows the keys and masks the values."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {MASK}' for key in self)}}}"


def hide(value: T) -> T:
    """
    Return a string, bytes, or a mapping of them with a masked `repr`.

    Other values, such as functions and credentials, are returned unchanged.
    """
    found: object = value
    if isinstance(value, (Hidden, HiddenBytes, HiddenDict)):
        pass
    elif isinstance(value, str):
        found = Hidden(value)
    elif isinstance(value, (bytes, bytearray)):
        found = HiddenBytes(value)
    elif isinstance(value, memoryview):
        try:
            found = HiddenBytes(value)
        except ValueError:  # it was released
            pass
    elif isinstance(value, Mapping):
        found = HiddenDict({key: hide(item) for key, item in value.items()})
    return cast("T", found)


def hide_keys(extra: T) -> T:
    """Mask the `repr` of options if any of them are bytes, which are encryption keys."""
    if not isinstance(extra, Mapping) or isinstance(extra, HiddenDict):
        return extra
    kinds = (bytes, bytearray, memoryview)
    if not any(isinstance(value, kinds) for value in extra.values()):
        return extra
    found = {
        name: hide(value) if isinstance(value, kinds) else value for name, value in extra.items()
    }
    return cast("T", HiddenDict(found))


def hide_key_headers(headers: T) -> T:
    """Mask the `repr` of the headers that have a customer-provided encryption key."""
    if not isinstance(headers, Mapping):
        return headers
    found = {
        name: hide(value) if str(name).lower().endswith(_KEY_HEADERS) else value
        for name, value in headers.items()
    }
    return cast("T", found)


def hide_address(value: T) -> T:
    """Mask the `repr` of a URL if it may contain a password or a signature."""
    if isinstance(value, str) and not {"@", "?"}.isdisjoint(value):
        return hide(value)
    return value


def type_name(value: object) -> str:
    """Return the name of a value's type, that of the original for a masked value."""
    for hidden, kind in ((Hidden, "str"), (HiddenBytes, "bytes"), (HiddenDict, "dict")):
        if isinstance(value, hidden):
            return kind
    return type(value).__name__


E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """
    Remove the tracebacks of an error of another library, whose variables may hold secrets.

    The tracebacks of its causes and contexts are removed, too.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
    return error


def hidden_in(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets in the headers of a request: masked values, and signatures in them."""
    for value in headers.values():
        if isinstance(value, Hidden):
            yield value
            yield from _CREDENTIAL.findall(value)


#: The headers of this thread's last request, which the service may repeat, and further secrets of
#: its connection, such as a proxy's password, as the attribute `sent`.
last_request = threading.local()


def sent_secrets() -> tuple[str, ...]:
    """Return the secrets of this thread's last request."""
    headers, more = getattr(last_request, "sent", ({}, ()))
    return (*hidden_in(headers), *more)


def conceal(received: dict[str, str]) -> None:
    """
    Remove the secrets of this thread's last request from the headers of the response.

    Headers end up in messages and variables. Where nothing has to be removed, this costs one
    search for the last characters of each secret.
    """
    headers, more = getattr(last_request, "sent", ({}, ()))
    text = "\n".join(received.values())
    for value in headers.values():
        if type(value) is Hidden and value[-_SHORTEST:] in text:
            break
    else:
        if not more or not any(secret[-_SHORTEST:] in text for secret in more):
            return
    secrets = sent_secrets()
    for name, value in received.items():
        received[name] = redact(value, secrets)


def redact(text: str, secrets: Iterable[str | bytes] = ()) -> str:
    """
    Remove secrets from a service's text, in all encodings that services use.

    A secret is replaced if it is long enough and not part of a longer word, so that ordinary
    sentences stay as they are. Signatures with a known label are always replaced.

    Args:
        secrets: The secrets that the service may know. Keys that are bytes are found in base64 and
            in hexadecimal.
    """
    if not text:
        return text
    for secret in sorted(set(secrets), key=len, reverse=True):
        for form, around in _forms(secret):
            # The longest part that no encoding changes; most texts do not contain it.
            run = max(_RUN.findall(form), key=len, default="")
            if run in text:
                text = _pattern(form, around).sub(MASK, text)
    return _SIGNATURE.sub(rf"\1{MASK}", text)


# The allowed surroundings of a secret in each form: anything, no word characters, or base64.
_ANYTHING = ("", "")
_ALONE = (r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\[nrt]))", r"(?!\w)")
_BASE64 = ("[A-Za-z0-9+/_-]{0,3}", "[A-Za-z0-9+/_-]{0,4}={0,2}")
_URL_SAFE = str.maketrans("+/", "-_")


def _forms(secret: str | bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the forms of a secret, each with the patterns of its surroundings."""
    if len(secret) < _SHORTEST:
        return
    if isinstance(secret, str):
        before, after = _ALONE if len(secret) < _UNMISTAKABLE else _ANYTHING
        first, last = (_WORD.match(secret[end]) for end in (0, -1))
        yield str(secret), (before if first else "", after if last else "")
        data = secret.encode("utf-8", "surrogatepass")
    else:
        data = bytes(secret)
        yield data.hex(), _ANYTHING
        yield data.hex().upper(), _ANYTHING
    # The base64 form depends on the position of the secret in the encoded data.
    for count, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = bytes(count) + data
        encoded = base64.b64encode(whole[: len(whole) // 3 * 3]).decode()[skipped:]
        yield encoded, _BASE64
        yield encoded.translate(_URL_SAFE), _BASE64


@lru_cache(maxsize=64)
def _pattern(form: str, around: tuple[str, str]) -> re.Pattern[str]:
    return re.compile("".join((around[0], *map(_character, form), around[1])))


def _character(character: str) -> str:
    """Return a pattern for a character, plain or as escaped in URLs, HTML, XML and JSON."""
    if character.isascii() and character.isalnum():
        return character
    number = ord(character)
    data = character.encode("utf-8", "surrogatepass")
    percent = "".join(f"%(?:25)?{byte:02x}" for byte in data)
    forms = [
        re.escape(character),
        f"(?i:{percent}|&#0*{number};|&#x0*{number:x};|\\\\u{number:04x})",
        re.escape(f"\\{character}"),
    ]
    if character in _ENTITIES:
        forms.append(f"&(?:amp;)?{_ENTITIES[character]};")
    if character == " ":
        forms.append(r"\+")
    if not character.isascii():
        forms.append(re.escape(data.decode("latin-1")))
    return f"(?:{'|'.join(forms)})"
