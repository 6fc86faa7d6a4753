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

from ..checks import shorten
from ..errors import InvalidOptionError, ServiceError
from ..values import MiB

_LARGEST = 32 * MiB
_DEEPEST = 50
# What XML 1.0 section 2.2 has no way to write, not even by number.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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
    several at one path the last one counts.

    Attributes:
        tag: The root's name.
        head: What stands beside the rows.
        rows: The rows in their order, each with its tag.
    """

    tag: str = ""
    head: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def read_document(data: bytes) -> Element:
    """
    Read a small document; any answer but a listing.

    Raises:
        ServiceError: It is no XML, or none that a storage service has a reason to send.
    """
    root = Element("")
    stack = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        element = Element(_local(name), attributes)
        stack[-1].children.append(element)
        stack.append(element)
        if len(stack) > _DEEPEST + 1:
            raise _RefusedError(f"it is nested more than {_DEEPEST} deep")

    def end(name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    _parse(data, start, end, text)
    return root.children[0]


def read_listing(data: bytes, rows: Collection[str]) -> Listing:
    """
    Read a long document.

    Args:
        rows: The tags of what it lists, such as ``{"Contents", "CommonPrefixes"}``.

    Raises:
        ServiceError: It is no XML, or none that a storage service has a reason to send.
    """
    # A listing has some 15 events for each of a thousand rows: this is written to do little in
    # each of them. A text is kept when its element ends and nothing began since.
    listing = Listing()
    found = listing.rows
    record = listing.head
    names = _Names()
    path: list[str] = []
    prefix = ""
    row_depth = 0
    depth = 0
    text = ""
    leaf = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, leaf, text, record, row_depth, prefix
        if leaf:  # the element that this one is in is none with a text
            opened = path[-1]
            if row_depth or opened not in rows:
                if depth > 1:
                    prefix += f"{opened}/"
            else:
                row_depth, record, prefix = depth, {}, ""
                found.append((opened, record))
        depth += 1
        path.append(names[name])
        if depth > _DEEPEST:
            raise _RefusedError(f"it is nested more than {_DEEPEST} deep")
        text = ""
        leaf = True

    def end(name: str) -> None:
        nonlocal depth, leaf, record, row_depth, prefix
        tag = path.pop()
        if leaf:
            record[prefix + tag if prefix else tag] = text
            leaf = False
        elif depth == row_depth:
            row_depth, record, prefix = 0, listing.head, ""
        elif prefix:
            prefix = prefix[: -len(tag) - 1]
        depth -= 1
        if not depth:
            listing.tag = tag

    def characters(data: str) -> None:
        nonlocal text
        text += data

    _parse(data, start, end, characters)
    return listing


class _Names(dict[str, str]):
    """Names without their prefixes; the same few come again and again."""

    def __missing__(self, name: str) -> str:
        local = self[name] = _local(name)
        return local


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _RefusedError(Exception):
    """The document has something in it that none of ours has."""


def _parse(
    data: bytes,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> None:
    if len(data) > _LARGEST:
        raise ServiceError(f"the service sent an XML document of more than {_LARGEST} bytes")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    # Entities are declared in a document type, so this refuses them before there are any.
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ServiceError(
            f"the service's answer is not the XML that it should be: {error}", retryable=True
        ) from None
    except _RefusedError as error:
        raise ServiceError(f"the service's XML is refused: {error}") from None


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
