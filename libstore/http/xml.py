"""
The XML of storage services: documents, which may have many rows.

The parser rejects document types and entities, and limits size and depth, so that a response can
neither expand nor fetch anything. Namespaces are ignored, because services with the same dialect
use different ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
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
# The characters that XML 1.0 cannot represent, even by number: section 2.2.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Other codecs of Python may not be encodings of text, or not of XML documents.
_ENCODINGS = re.compile(
    r"utf-(?:8|16(?:be|le)?)|us-ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.IGNORECASE
)
# XML parsers convert an unescaped carriage return to a line feed.
_RETURN = {"\r": "&#13;"}


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
    rows: list[tuple[str, dict[str, str]]] = field(default_factory=list)

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
    reader = _ListingReader(frozenset(rows))
    _parse(data, reader.prepare)
    return reader.listing


class _ListingReader:
    """
    A parser for listings.

    There are about 17 events for each of a thousand rows, so each handler is small, and the
    elements of a row have separate handlers. An element without children ends while it is still
    the one that was opened last.
    """

    __slots__ = ("_above", "_opened", "_parser", "_record", "_rows", "_text", "_within", "listing")

    def __init__(self, rows: frozenset[str]) -> None:
        self.listing = Listing()
        self._rows = rows
        self._record: dict[str, str] = {}
        self._above: list[str] = []  # the open elements outside rows
        self._within: list[str] = []  # the open elements with children inside the row
        self._opened = ""
        self._text = ""

    def prepare(self, parser: expat.XMLParserType) -> None:
        """Set the handlers of the parser."""
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
                f"XML cannot represent the character U+{ord(unwritable[0]):04X} in"
                f" {shorten(content)}"
            )
        parts.append(escape(content, _RETURN))
    else:
        for name, inner in content:
            _write(parts, name, name, inner)
    parts.append(f"</{tag}>")


def is_xml_text(text: str) -> bool:
    """Return whether XML 1.0 can represent all characters of a text."""
    return not _UNWRITABLE.search(text)
