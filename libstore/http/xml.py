"""
XML as storage services speak it: small documents, long listings, and nothing clever.

The reader takes no document types and no entities, and has bounds on size and depth, so that an
answer cannot make it work, or fetch, more than it is long. Namespaces are looked through: services
that speak one dialect disagree on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from typing_extensions import override

from ..arguments import shorten
from ..errors import InvalidOptionError, ServiceError
from ..redaction import HiddenDict
from ..values import KiB, MiB

_LARGEST = 32 * MiB
_DEEPEST = 50
# What XML 1.0 section 2.2 has no way to write, not even by number.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What else Python has a codec for may be no encoding of texts, or not of XML documents.
_ENCODINGS = re.compile(
    r"utf-(?:8|16(?:be|le)?)|us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.IGNORECASE
)
# A parser makes a line feed of a carriage return that is written as such.
_RETURN = {"\r": "&#13;"}


@dataclass(slots=True)
class Element:
    """
    One element of a small document.

    Attributes:
        tag: Without its namespace.
        text: The text that stands directly in it, all of it.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    @override
    def __repr__(self) -> str:
        return f"<Element {self.tag} of {len(self.children)} elements>"  # a text may be a secret

    def __iter__(self) -> Iterator[Element]:
        return iter(self.children)

    def find(self, path: str) -> Element | None:
        """Return the first element at a path such as ``"Owner/ID"``, or `None`."""
        return next(self.find_all(path), None)

    def find_all(self, path: str) -> Iterator[Element]:
        """Yield all elements at a path, in their order."""
        tag, _, rest = path.partition("/")
        for child in self.children:
            if child.tag == tag:
                if rest:
                    yield from child.find_all(rest)
                else:
                    yield child

    def find_text(self, path: str, default: str = "") -> str:
        """Return the text of the first element at a path."""
        found = self.find(path)
        return default if found is None else found.text


@dataclass(slots=True)
class Listing:
    """
    A long document of many like things, flattened.

    Texts are found by their path below the root, or below the row: ``"Key"``, ``"Owner/ID"``. Of
    several at one path the last one counts. Attributes of what stands directly in a row are found
    as ``"Name@Encoded"``.

    Attributes:
        tag: The root's name.
        head: What stands beside the rows.
        rows: The rows in their order, each with its tag.
    """

    tag: str = ""
    head: dict[str, str] = field(default_factory=HiddenDict)
    rows: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @override
    def __repr__(self) -> str:
        return f"<Listing {self.tag} of {len(self.rows)} rows>"


def read_document(data: bytes | memoryview) -> Element:
    """
    Read a small document; any answer but a listing.

    Raises:
        ServiceError: It is no XML, or none that a storage service has a reason to send.
    """
    data = memoryview(data)  # which a traceback does not show
    root = Element("")
    stack = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        element = Element(_local(name), attributes)
        stack[-1].children.append(element)
        _check_depth(len(stack))
        stack.append(element)

    def end(name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    def prepare(parser: expat.XMLParserType) -> None:
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text

    _parse(data, prepare)
    return root.children[0]


def read_listing(data: bytes | memoryview, rows: Collection[str]) -> Listing:
    """
    Read a long document.

    Args:
        rows: The tags of what it lists, such as ``{"Contents", "CommonPrefixes"}``.

    Raises:
        ServiceError: It is no XML, or none that a storage service has a reason to send.
    """
    data = memoryview(data)  # which a traceback does not show
    reader = _ListingReader(frozenset(rows))
    _parse(data, reader.prepare)
    return reader.listing


class _ListingReader:
    """
    Reads a listing.

    There are some 17 events for each of a thousand rows, so each handler does little, and what
    stands in a row has handlers of its own. An element without elements in it ends while it is
    still the one that was opened last.
    """

    __slots__ = ("_above", "_opened", "_parser", "_record", "_rows", "_text", "_within", "listing")

    def __init__(self, rows: frozenset[str]) -> None:
        self.listing = Listing()
        self._rows = rows
        self._record: dict[str, str] = {}
        self._above: list[str] = []  # the open elements around rows
        self._within: list[str] = []  # the open elements of the row that have elements in them
        self._opened = ""
        self._text = ""

    def prepare(self, parser: expat.XMLParserType) -> None:
        """Give the parser its handlers."""
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
        self._opened = ""
        self.listing.rows.append((tag, self._record))
        self._parser.StartElementHandler = self._start_in_row
        self._parser.EndElementHandler = self._end_in_row

    def _end(self, _name: str) -> None:
        if self._opened:
            self.listing.head["/".join(self._above[1:])] = self._text
            self._opened = ""
        self.listing.tag = self._above.pop()

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
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise _RefusedError(f"it is nested more than {_DEEPEST} deep")


def _local(name: str) -> str:
    """Return a name without its prefix."""
    return name.rpartition(":")[2]


class _RefusedError(Exception):
    """The document has something in it that none of ours has."""


def _parse(data: memoryview, prepare: Callable[[expat.XMLParserType], None]) -> None:
    if len(data) > _LARGEST:
        raise ServiceError(f"the service sent an XML document of more than {_LARGEST} bytes")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 64 * KiB
    prepare(parser)
    # Entities are declared in a document type, so this refuses them before there are any.
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.XmlDeclHandler = _check_encoding
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise ServiceError(
            f"the service's answer is not the XML that it should be: {error}", retryable=True
        ) from None
    except _RefusedError as error:
        raise ServiceError(f"the service's XML is refused: {error}") from None


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    """Refuse what expat does not read by itself, and what is no encoding of XML documents."""
    if encoding is not None and not _ENCODINGS.fullmatch(encoding):
        raise _RefusedError(f"its encoding {shorten(encoding)} is not one of storage services")


def _refuse_doctype(*_: object) -> None:
    raise _RefusedError("it has a document type")


#: What an element has in it: a text, or elements.
Tree: TypeAlias = "str | Sequence[tuple[str, Tree]]"


def write(root: str, content: Tree, namespace: str | None = None) -> bytes:
    """
    Return a document, in UTF-8.

    Args:
        content: Such as ``[("Object", [("Key", "a.txt")]), ("Quiet", "true")]``.

    Raises:
        InvalidOptionError: A text has a character that XML 1.0 cannot carry.
    """
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    name = f"{root} xmlns={quoteattr(namespace)}" if namespace else root
    _write(parts, name, root, content)
    return "".join(parts).encode()


def _write(parts: list[str], opening: str, tag: str, content: Tree) -> None:
    parts.append(f"<{opening}>")
    if isinstance(content, str):
        unwritable = _UNWRITABLE.search(content)
        if unwritable:
            raise InvalidOptionError(
                f"XML cannot carry the character U+{ord(unwritable[0]):04X} of {shorten(content)}"
            )
        parts.append(escape(content, _RETURN))
    else:
        for name, inner in content:
            _write(parts, name, name, inner)
    parts.append(f"</{tag}>")


def can_write(text: str) -> bool:
    """Return whether XML 1.0 can carry all characters of a text."""
    return not _UNWRITABLE.search(text)
