"""Keep secrets out of reprs, of the variables that a traceback shows, and of messages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html.entities import codepoint2name

from typing_extensions import override

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


def hidden_in(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield what must not be shown of the headers of a request: values, and signatures in them."""
    for value in headers.values():
        if isinstance(value, Hidden):
            yield value
            yield from _CREDENTIAL.findall(value)


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
    if number in codepoint2name:
        forms.append(f"&(?:amp;)?{codepoint2name[number]};")
    if character == " ":
        forms.append(r"\+")
    if not character.isascii():
        forms.append(re.escape(data.decode("latin-1")))
    return f"(?:{'|'.join(forms)})"
