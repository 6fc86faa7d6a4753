"""
The XML of S3, read and written.

What a service sends is not trusted: no document types, and so no entities; UTF-8 alone; bounded
in size and in the number of elements, which also bounds the depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from xml.parsers import expat
from xml.sax.saxutils import escape

from ...errors import ServiceError

#: The largest page of a listing: 1,000 names of 1,024 bytes, each byte encoded with three, and
#: what stands around them.
MAX_PAGE = 16 * 1024 * 1024
#: The largest answer to anything else.
MAX_ANSWER = 1024 * 1024

_MAX_DEPTH = 20
_MAX_TAGS = 200_000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# https://www.w3.org/TR/xml/#charsets: what no XML 1.0 document can have, escaped or not.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: An element: the text of each child that has no children of its own by its name, and lists of
#: the others by their name and a slash, so that a text is never mistaken for the other.
Node: TypeAlias = dict[str, Any]


def parse(body: bytes, *expected: str) -> tuple[str, Node]:
    """
    Return the name of a document's root, and the root.

    Args:
        expected: The names that the root may have; any, if there are none.

    Raises:
        ServiceError: The body is no such document. It may be tried again.
    """
    try:
        # Complete and Copy keep the connection alive with blanks ahead of the document:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        name, root = _read(body.lstrip())
    except (expat.ExpatError, ValueError) as error:
        raise ServiceError(
            f"the service's answer cannot be read as XML: {error}", retryable=True
        ) from None
    if expected and name not in expected:
        raise ServiceError(
            f"the service's answer should be <{expected[0]}>, but is <{name[:40]}>",
            retryable=True,
        )
    return name, root


def _read(body: bytes) -> tuple[str, Node]:
    if body.count(b"<") > _MAX_TAGS:
        raise ValueError("it has too many elements")
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    stack: list[Node | None] = [None]  # an element is None until it has a child
    names: list[str] = []
    text: list[str] = []

    def start(name: str, attributes: object) -> None:
        if len(stack) > _MAX_DEPTH:
            raise ValueError("its elements are nested too deeply")
        stack.append(None)
        names.append(name)
        text.clear()

    def end(name: str) -> None:
        node = stack.pop()
        parent = stack[-1]
        if parent is None:
            parent = stack[-1] = {}
        if node is None:
            parent[name] = "".join(text)
        else:
            parent.setdefault(f"{name}/", []).append(node)
        text.clear()

    def refuse(*declaration: object) -> None:
        raise ValueError("it has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(body, True)
    roots = each(stack[0] or {}, names[0])
    return names[0], roots[0] if roots else {}


def each(node: Node, name: str) -> list[Node]:
    """Return the children of this name that have children of their own."""
    found: list[Node] = node.get(f"{name}/", [])
    return found


# ---------------------------------------------------------------------- written


def fits(text: str) -> bool:
    """Return whether XML 1.0 can carry the text."""
    return not _IMPOSSIBLE.search(text)


def _text(value: str) -> str:
    # Parsers read a carriage return as a line feed unless it is a reference:
    # https://www.w3.org/TR/xml/#sec-line-ends
    return escape(value, {"\r": "&#13;", '"': "&quot;"})


def _document(root: str, content: Iterable[str]) -> bytes:
    inside = "".join(content)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{inside}</{root}>'
    ).encode()


def location_body(region: str) -> bytes:
    """Return the body of CreateBucket."""
    location = f"<LocationConstraint>{_text(region)}</LocationConstraint>"
    return _document("CreateBucketConfiguration", [location])


def delete_body(names: Sequence[str]) -> bytes:
    """Return the body of DeleteObjects; its answer tells of failures alone."""
    keys = (f"<Object><Key>{_text(name)}</Key></Object>" for name in names)
    return _document("Delete", ["<Quiet>true</Quiet>", *keys])


def complete_body(parts: Iterable[tuple[int, str, str | None]]) -> bytes:
    """Return the body of CompleteMultipartUpload, of numbers, ETags and CRC-32s in base64."""

    def part(number: int, etag: str, crc32: str | None) -> str:
        checksum = f"<ChecksumCRC32>{_text(crc32)}</ChecksumCRC32>" if crc32 else ""
        return (
            f"<Part><PartNumber>{number}</PartNumber>"
            f"<ETag>{_text(chr(34) + etag + chr(34))}</ETag>{checksum}</Part>"
        )

    return _document("CompleteMultipartUpload", (part(*one) for one in parts))
