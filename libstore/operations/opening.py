"""Opening objects as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

from .. import arguments
from ..core import DriverCore
from ..error_context import ErrorContext
from ..errors import InvalidOptionError
from ..files import (
    BUFFER_SIZE,
    BufferedObjectReader,
    ObjectReader,
    ObjectTextReader,
    ObjectTextWriter,
    ObjectWriter,
)
from ..transfer.reading import Read, read
from ..transfer.upload import Stored, Uploader, UploadRequest
from ..values import ObjectInfo, Span, WriteKeywords

BinaryReadMode: TypeAlias = Literal["rb", "br"]
BinaryWriteMode: TypeAlias = Literal["wb", "bw", "xb", "bx"]
TextReadMode: TypeAlias = Literal["r", "rt", "tr"]
TextWriteMode: TypeAlias = Literal["w", "wt", "tw", "x", "xt", "tx"]


class TextKeywords(WriteKeywords, total=False):
    """The options of opening an object as text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class Text(NamedTuple):
    """How text is encoded."""

    mode: str
    encoding: str
    errors: str | None
    newline: str | None


class Mode(NamedTuple):
    """
    A mode, parsed.

    Attributes:
        action: ``"r"``, ``"w"`` or ``"x"``.
        text: `None` for bytes.
    """

    action: str
    text: Text | None


def parse_mode(
    mode: object, encoding: str | None, errors: str | None, newline: str | None
) -> Mode:
    """Return a mode with the settings of its text, or raise `InvalidOptionError`."""
    letters = sorted(mode) if isinstance(mode, str) else []
    binary = "b" in letters
    rest = [letter for letter in letters if letter not in "bt"]
    if len(rest) != 1 or rest[0] not in "rwx" or len(letters) > 2:
        raise InvalidOptionError(
            f"mode must be 'rb', 'wb', 'xb', 'r', 'w' or 'x', not {mode!r};"
            " objects cannot be appended to or changed in place"
        )
    if not binary:
        checked = arguments.text_settings(encoding, errors, newline)
        return Mode(rest[0], Text(str(mode), checked, errors, newline))
    if (encoding, errors, newline) != (None, None, None):
        raise InvalidOptionError(f"encoding, errors and newline are for text; mode is {mode!r}")
    return Mode(rest[0], None)


def refuse_write_options(mode: str, **options: object) -> None:
    """Raise `InvalidOptionError` if an option of a write is given for reading."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise InvalidOptionError(f"{given[0]} is an option for writing; mode is {mode!r}")


def open_reader(
    driver: DriverCore,
    container: str,
    known: ObjectInfo,
    text: Text | None,
    context: ErrorContext,
    verified: Callable[[str | None], None],
) -> Any:
    """
    Return a file to read an object from.

    Args:
        known: The object's name, and its size and ETag if they are known.
        context: Is entered for each request.
        verified: Called at the end with what the content was verified by.
    """

    def fetch(span: Span, version: ObjectInfo | None) -> Read:
        with context:
            return read(driver, container, known.name, span, version)

    verified(None)
    raw = ObjectReader(fetch, known.name, known.size, known.etag, verified)
    buffered = BufferedObjectReader(raw, BUFFER_SIZE)
    return buffered if text is None else ObjectTextReader(buffered, *text)


def open_writer(
    driver: DriverCore,
    request: UploadRequest,
    mode: Mode,
    context: ErrorContext,
    publish: Callable[[Stored], Any],
) -> Any:
    """
    Return a file to write an object to.

    Args:
        context: Is entered for each request.
        publish: Makes the file's `object` of what was stored.
    """
    driver._learn_limits(None)
    writer = ObjectWriter(request.name, Uploader(driver, request, None), publish, lambda: context)
    writer.mode = f"{mode.action}b"
    return writer if mode.text is None else ObjectTextWriter(writer, *mode.text)
