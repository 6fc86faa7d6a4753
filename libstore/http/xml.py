"""
The XML of storage services: documents, which may have many rows.

The parser rejects document types and entities, and limits size and depth, so that a response can
neither expand nor fetch anything. Namespaces are ignored, because services with the same dialect
use different ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import TypeAlias, overload
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr, unescape

from typing_extensions import override

from ..arguments import shorten
from ..errors import InvalidOptionError, ServiceError
from ..redaction import HiddenDict
from ..values import KiB, MiB

_LARGEST = 32 * MiB
_DEEPEST = 50
# The characters that XML 1.0 cannot represent, even by number: section 2.2. To compile the set of
# the others takes eight times as long.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The characters that need more than to be copied.
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f&<>\ud800-\udfff\ufffe\uffff]")
# Other codecs of Python may not be encodings of text, or not of XML documents.
_ENCODINGS = re.compile(
    r"utf-(?:8|16(?:be|le)?)|us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.IGNORECASE
)
# XML parsers convert an unescaped carriage return to a line feed.
_RETURN = {"\r": "&#13;"}

#: The rows of a document in their order, each with its tag.
Rows: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]


@dataclass(slots=True)
class Listing:
    """
    A document, which may have many rows, flattened to dictionaries.

    The keys are paths below the root or below the row: ``"Key"``, ``"Owner/ID"``. If a path occurs
    more than once, the last text counts. The text of a row without elements has the key ``""``.
    Attributes of the elements of a row have keys such as ``"Name@Encoded"``.

    Attributes:
        tag: The name of the root element.
        head: The texts outside the rows.
        rows: The rows in document order, each with its tag.
    """

    tag: str = ""
    head: dict[str, str] = field(default_factory=HiddenDict)
    rows: Rows = ()

    @override
    def __repr__(self) -> str:
        return f"<Listing {self.tag} of {len(self.rows)} rows>"


def read_listing(data: bytes | memoryview, rows: Collection[str]) -> Listing:
    """
    Parse a document.

    Args:
        rows: The tags of its rows, such as ``{"Contents", "CommonPrefixes"}``.

    Raises:
        ServiceError: The document is not valid XML, or uses features that are rejected.
    """
    data = memoryview(data)  # its repr in a traceback does not show the content
    tables = _read_tables(data, rows)
    if tables is not None:
        with suppress(ServiceError):  # the parser of the whole document finds the reason
            listing = _ListingReader(frozenset(rows)).read(memoryview(tables.rest))
            if len(listing.rows) == len(tables.tables):
                listing.rows = tables
                return listing
    return _ListingReader(frozenset(rows)).read(data)


def columns(rows: Rows, tag: str, names: Sequence[str]) -> Iterable[tuple[str | None, ...]]:
    """
    Return some texts of each row with a tag, in document order.

    Args:
        names: Their keys. The text of an element that a row does not have is `None`.
    """
    if isinstance(rows, _Tables):
        return chain.from_iterable(
            table.columns(names) for table in rows.tables if table.tag == tag
        )
    return [tuple(map(row.get, names)) for found, row in rows if found == tag]


# A page of a listing is a thousand rows with the same elements. A regular expression that is made
# from the first row reads them several times as fast as a parser can call functions. Its matches
# count only if they have every tag from the first row to the last; all other documents, and what
# is around the rows, are read by the parser.

_UTF8 = re.compile(
    r"""<\?xml(?: version=["']1\.0["']| encoding=["']utf-8["'])* ?\?>""", re.IGNORECASE
)
_UNUSUAL = re.compile("<[!?]")
_ELEMENT = re.compile(r"<(/?)([A-Za-z_][A-Za-z0-9_.-]*)(/?)>([^<]*)")
# The characters that XML 1.0 does not allow (section 2.2), and the return, which parsers replace.
_REFUSED = bytes(byte for byte in range(32) if byte not in b"\t\n")
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_OTHER_REFERENCE = re.compile("&(?!(?:amp|lt|gt|quot|apos);)")


class _Table:
    """
    Consecutive rows with the same elements.

    Args:
        keys: The keys of the elements.
        texts: The texts of the elements, for each row.
    """

    def __init__(self, tag: str, keys: Sequence[str], texts: list[tuple[str, ...]]) -> None:
        self.tag = tag
        self.keys = keys
        self.texts = texts

    def columns(self, names: Sequence[str]) -> Iterable[tuple[str | None, ...]]:
        """Return the texts with some keys, for each row."""
        places = {key: place for place, key in enumerate(self.keys)}
        if len(names) > 1 and places.keys() >= set(names):
            return map(itemgetter(*[places[name] for name in names]), self.texts)
        wanted = [places.get(name) for name in names]
        return (
            tuple([None if place is None else row[place] for place in wanted])
            for row in self.texts
        )


class _Tables(Sequence[tuple[str, Mapping[str, str]]]):
    """
    The rows of a document, as tables.

    Attributes:
        rest: The document with an empty row in place of each table.
    """

    def __init__(self, tables: Sequence[_Table], rest: bytes) -> None:
        self.tables = tables
        self.rest = rest

    @override
    def __len__(self) -> int:
        return sum(len(table.texts) for table in self.tables)

    @override
    def __iter__(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        for table in self.tables:
            for texts in table.texts:
                yield table.tag, HiddenDict(zip(table.keys, texts, strict=True))

    @overload
    def __getitem__(self, index: int, /) -> tuple[str, Mapping[str, str]]: ...
    @overload
    def __getitem__(self, index: slice, /) -> Rows: ...
    @override
    def __getitem__(self, index: int | slice, /) -> tuple[str, Mapping[str, str]] | Rows:
        return list(self)[index]


def _read_tables(data: memoryview, rows: Collection[str]) -> _Tables | None:
    """Return the rows of a document; `None` if the parser has to read them."""
    if not rows or len(data) > _LARGEST:
        return None
    try:
        text = str(data, "utf-8")
    except UnicodeDecodeError:
        return None
    if len(bytes(data).translate(None, _REFUSED)) != len(data) or "]]>" in text:
        return None
    blocks = []
    for tag in rows:
        start, end = text.find(f"<{tag}>"), text.rfind(f"</{tag}>") + len(f"</{tag}>")
        if start >= 0:
            blocks.append((start, end, tag))
    blocks.sort()
    tables, around, last = [], [], 0
    for start, end, tag in blocks:
        table = _read_table(text[start:end], tag) if last <= start < end else None
        if table is None:
            return None
        tables.append(table)
        around.append(f"{text[last:start]}<{tag}/>")
        last = end
    rest = "".join((*around, text[last:]))
    declaration = _UTF8.match(rest)
    # A comment, a section or an instruction may contain what looks like rows.
    if not tables or _UNUSUAL.search(rest, declaration.end() if declaration else 0):
        return None
    return _Tables(tables, rest.encode())


def _read_table(block: str, tag: str) -> _Table | None:
    """Return rows with the same elements; `None` if they are not, or have anything else."""
    form = _row_form(block, tag)
    if form is None or _OTHER_REFERENCE.search(block):
        return None
    pattern, keys, marks = form
    # In a text these have no meaning, unlike the other two.
    for reference, character in (*_QUOTES.items(), ("&gt;", ">")):
        if reference in block:
            block = block.replace(reference, character)
    texts = pattern.findall(block) if len(keys) > 1 else list(zip(pattern.findall(block)))
    if block.count("<") != len(texts) * marks:
        return None
    if "&" in block:
        texts = [tuple([unescape(text) if "&" in text else text for text in row]) for row in texts]
    return _Table(tag, keys, texts)


def _row_form(block: str, tag: str) -> tuple[re.Pattern[str], list[str], int] | None:
    """
    Return how the first row looks, if it consists of elements.

    The result is a regular expression with a group for each element, the keys of the elements, and
    the number of tags.
    """
    end = block.find(f"</{tag}>")
    between = "[^<]*" if re.search(r">\s+<", block[:end]) else ""
    pieces: list[str] = []
    keys: list[str] = []
    above: list[str] = []
    position, opened = 0, False
    while position <= end:
        element = _ELEMENT.match(block, position)
        if element is None:
            return None
        position = element.end()
        closing, name, empty, _ = element.groups()
        if (closing and empty) or len(above) > _DEEPEST // 2:
            return None
        pieces.append(f"<{closing}{re.escape(name)}{empty}>")
        if empty and not closing:
            keys.append("/".join((*above[1:], name)))
            pieces.append("()")
            opened = False
        elif not closing:
            above.append(name)
            pieces.append("")
            opened = True
        elif not above or above[-1] != name:
            return None
        else:
            if opened:
                keys.append("/".join(above[1:]))
                pieces[-2] = "([^<]*)"
            above.pop()
            opened = False
            pieces.append("")
    if above or keys in ([], [""]):
        return None
    marks = len(pieces) // 2
    # Text between two elements has no meaning.
    gaps = {"": between, "()": "()" + between}
    return re.compile("".join(gaps.get(piece, piece) for piece in pieces[:-1])), keys, marks


class _ListingReader:
    """
    A parser for listings.

    There are about 17 events for each of a thousand rows, so each handler is small, and the
    elements of a row have separate handlers. An element without children ends while it is still
    the one that was opened last.
    """

    __slots__ = (
        "_above", "_found", "_listing", "_opened", "_parser", "_record", "_rows", "_text",
        "_within",
    )  # fmt: skip

    def __init__(self, rows: frozenset[str]) -> None:
        self._found: list[tuple[str, Mapping[str, str]]] = []
        self._listing = Listing(rows=self._found)
        self._rows = rows
        self._record: dict[str, str] = {}
        self._above: list[str] = []  # the open elements outside rows
        self._within: list[str] = []  # the open elements with children inside the row
        self._opened = ""
        self._text = ""

    def read(self, data: memoryview) -> Listing:
        """Parse the document."""
        _parse(data, self._prepare)
        return self._listing

    def _prepare(self, parser: expat.XMLParserType) -> None:
        self._parser = parser
        parser.CharacterDataHandler = self._characters
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end

    def _characters(self, data: str) -> None:
        self._text += data

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        tag = _local(name)
        if tag not in self._rows or not self._above:
            self._above.append(tag)
            _check_depth(len(self._above))
            self._opened, self._text = tag, ""
            return
        self._record = HiddenDict()
        self._opened = self._text = ""
        self._found.append((tag, self._record))
        self._parser.StartElementHandler = self._start_in_row
        self._parser.EndElementHandler = self._end_in_row

    def _end(self, _name: str) -> None:
        if self._opened:
            self._listing.head["/".join(self._above[1:])] = self._text
            self._opened = ""
        self._listing.tag = self._above.pop()

    def _start_in_row(self, name: str, attributes: dict[str, str]) -> None:
        if self._opened:
            self._within.append(_local(self._opened))
            _check_depth(len(self._above) + len(self._within) + 2)
        if attributes and not self._within:
            tag = _local(name)
            self._record |= {f"{tag}@{label}": value for label, value in attributes.items()}
        self._opened = name
        self._text = ""

    def _end_in_row(self, name: str) -> None:
        if self._opened:
            self._opened = ""
            if self._within:
                name = "/".join((*self._within, _local(name)))
            elif ":" in name:
                name = _local(name)
            self._record[name] = self._text
        elif self._within:
            self._within.pop()
        else:
            if self._text and not self._record:  # the row has text in place of elements
                self._record[""] = self._text
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise _RejectedError(f"its elements are nested more than {_DEEPEST} levels deep")


def _local(name: str) -> str:
    """Return a name without its prefix."""
    return name.rpartition(":")[2]


class _RejectedError(Exception):
    """The document uses a feature that is rejected."""


def _parse(data: memoryview, prepare: Callable[[expat.XMLParserType], None]) -> None:
    if len(data) > _LARGEST:
        raise ServiceError(f"the service sent an XML document of more than {_LARGEST} bytes")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 64 * KiB
    prepare(parser)
    # Entities are declared in a document type, so this refuses them before there are any.
    parser.StartDoctypeDeclHandler = _reject_doctype
    parser.XmlDeclHandler = _check_encoding
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ServiceError(
            f"the service sent invalid XML: {error}; check the endpoint and any proxy",
            retryable=True,
        ) from None
    except _RejectedError as error:
        raise ServiceError(f"the service sent an XML document that is rejected: {error}") from None


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    """Reject encodings that expat does not support, and codecs that are not for XML."""
    if encoding is not None and not _ENCODINGS.fullmatch(encoding):
        raise _RejectedError(f"its encoding {shorten(encoding)} is not supported")


def _reject_doctype(*_: object) -> None:
    raise _RejectedError("it has a document type")


#: The content of an element: a text, or child elements.
Tree: TypeAlias = "str | Sequence[tuple[str, Tree]]"


def write(root: str, content: Tree, namespace: str | None = None) -> bytes:
    """
    Return a document, in UTF-8.

    Args:
        content: The content, such as ``[("Object", [("Key", "a.txt")]), ("Quiet", "true")]``.

    Raises:
        InvalidOptionError: A text contains a character that XML 1.0 cannot represent.
    """
    parts: list[str] = []
    _write(parts, content)
    return enclose(root, "".join(parts), namespace)


def enclose(root: str, content: str, namespace: str | None = None) -> bytes:
    """Return a document, in UTF-8, of content that is written as it stands in a document."""
    opening = f"{root} xmlns={quoteattr(namespace)}" if namespace else root
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{opening}>{content}</{root}>'.encode()


def _write(parts: list[str], content: Tree) -> None:
    if isinstance(content, str):
        parts.append(_written(content))
        return
    for name, inner in content:
        if isinstance(inner, str):  # most elements, of a thousand rows
            parts.append(f"<{name}>{_written(inner)}</{name}>")
        else:
            parts.append(f"<{name}>")
            _write(parts, inner)
            parts.append(f"</{name}>")


def _written(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    unwritable = _UNWRITABLE.search(text)
    if unwritable:
        raise InvalidOptionError(
            f"XML cannot represent the character U+{ord(unwritable[0]):04X} in {shorten(text)}"
        )
    return escape(text, _RETURN)


def written(texts: Sequence[str]) -> list[str]:
    """
    Return texts as they are written in a document, after one search for what must be escaped.

    Raises:
        InvalidOptionError: A text contains a character that XML 1.0 cannot represent.
    """
    if _SPECIAL.search("".join(texts)):
        return [_written(text) for text in texts]
    return list(texts)


def is_xml_text(text: str) -> bool:
    """Return whether XML 1.0 can represent all characters of a text."""
    return not _UNWRITABLE.search(text)
