"""Keep secrets out of reprs, of the variables that a traceback shows, and of messages."""

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

#: What stands in the place of a secret.
MASK = "***"

# A shorter text is too likely to be a part of an ordinary sentence.
_SHORTEST = 8
# From this length on it is no accident if a text stands inside a longer word.
_UNMISTAKABLE = 20
# What lets its holder in, whoever was given it: signatures of headers and URLs, and tokens.
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


class Hidden(str):
    """
    A text that is like any other but for its `repr`.

    Whatever prints the variables of a traceback's frames, or a mapping of headers, shows that
    there is something and not what.
    """

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"'{MASK}'"


class HiddenBytes(bytes):
    """The same for bytes: keys, and the heads of requests."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"b'{MASK}'"


class HiddenDict(dict[K, V]):
    """The same for a mapping, of which the keys are shown."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"{{{', '.join(f'{key!r}: {MASK}' for key in self)}}}"


def hide(value: T) -> T:
    """
    Return a value of which `repr` shows nothing: a text, bytes, or a mapping of them.

    Other values are returned as they are, such as functions and credentials, which have a `repr`
    of their own.
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
    """Return options, hidden if some are bytes: those are keys that encrypt."""
    if not isinstance(extra, Mapping) or isinstance(extra, HiddenDict):
        return extra
    kinds = (bytes, bytearray, memoryview)
    if not any(isinstance(value, kinds) for value in extra.values()):
        return extra
    found = {
        name: hide(value) if isinstance(value, kinds) else value for name, value in extra.items()
    }
    return cast("T", HiddenDict(found))


def hide_address(value: T) -> T:
    """Return an address, hidden if it may have a password or a signature in it."""
    if isinstance(value, str) and not {"@", "?"}.isdisjoint(value):
        return hide(value)
    return value


def type_name(value: object) -> str:
    """Return the name of the type that a value had before it was hidden."""
    for hidden, kind in ((Hidden, "str"), (HiddenBytes, "bytes"), (HiddenDict, "dict")):
        if isinstance(value, hidden):
            return kind
    return type(value).__name__


E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """
    Return an error of another library without its frames, whose variables may have secrets.

    What led to it loses its frames too.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        found.__traceback__ = None
        found = found.__cause__ or found.__context__
    return error


def hidden_in(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what must not be shown of the headers of a request: values, and signatures in them."""
    for value in headers.values():
        if isinstance(value, Hidden):
            yield value
            yield from _CREDENTIAL.findall(value)


_last = threading.local()


def note_sent(headers: Mapping[str, str], more: Iterable[str]) -> None:
    """
    Take note of what this thread has sent last, for a service that repeats it.

    Args:
        more: Secrets that the connection has besides, such as a proxy's password.
    """
    _last.sent = headers, more


def sent_secrets() -> tuple[str, ...]:
    """Return the secrets of the request that this thread has sent last."""
    headers, more = getattr(_last, "sent", ({}, ()))
    return (*hidden_in(headers), *more)


def conceal(received: dict[str, str]) -> None:
    """
    Take what this thread has sent last out of the headers of a response that repeats it.

    All that is made of them may end up in messages and in variables. A look for the last
    characters of each secret is all that it costs where there is nothing to take out.
    """
    headers, more = getattr(_last, "sent", ({}, ()))
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
    Return a text of a service without secrets, whether they are encoded or not.

    A secret is replaced if it is long enough to be one and stands alone, so that no word of an
    ordinary sentence is. Signatures that are marked as such are always replaced.

    Args:
        secrets: Those that the service may know. Keys that are bytes are found in base64 and in
            hexadecimal.
    """
    if not text:
        return text
    for secret in sorted(set(secrets), key=len, reverse=True):
        for form, around in _forms(secret):
            # The longest piece that no encoding changes; most texts do not have it.
            run = max(_RUN.findall(form), key=len, default="")
            if run in text:
                text = _pattern(form, around).sub(MASK, text)
    return _SIGNATURE.sub(rf"\1{MASK}", text)


# What stands beside a secret, by its form: anything, no word, or more of the same base64.
_ANYTHING = ("", "")
_ALONE = (r"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\[nrt]))", r"(?!\w)")
_BASE64 = ("[A-Za-z0-9+/_-]{0,3}", "[A-Za-z0-9+/_-]{0,4}={0,2}")
_URL_SAFE = str.maketrans("+/", "-_")


def _forms(secret: str | bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what a secret may look like, each with what may stand before and behind it."""
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
    # In base64 a text looks different by what stands before it.
    for count, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = bytes(count) + data
        encoded = base64.b64encode(whole[: len(whole) // 3 * 3]).decode()[skipped:]
        yield encoded, _BASE64
        yield encoded.translate(_URL_SAFE), _BASE64


@lru_cache(maxsize=64)
def _pattern(form: str, around: tuple[str, str]) -> re.Pattern[str]:
    return re.compile("".join((around[0], *map(_character, form), around[1])))


def _character(character: str) -> str:
    """Return what matches a character in a URL, in HTML, in XML, in JSON, and as it is."""
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
