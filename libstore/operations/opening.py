"""Opening objects as files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

from .. import arguments
from ..core import DriverCore
from ..error_context import ErrorContext
from ..errors import (
    AccessDeniedError,
    InvalidOptionError,
    ObjectAlreadyExistsError,
    ObjectNotFoundError,
)
from ..files import (
    BUFFER_SIZE,
    BufferedObjectReader,
    ObjectReader,
    ObjectTextReader,
    ObjectTextWriter,
    ObjectWriter,
    SeekableObjectWriter,
)
from ..transfer.reading import Read, Wanted, read
from ..transfer.upload import Stored, Uploader, UploadRequest, upload
from ..values import ObjectInfo, Span, WriteKeywords

BinaryReadMode: TypeAlias = Literal["rb", "br"]
BinaryWriteMode: TypeAlias = Literal["wb", "bw", "xb", "bx"]
BinaryUpdateMode: TypeAlias = Literal["w+b", "wb+", "bw+", "x+b", "xb+", "bx+"]
TextReadMode: TypeAlias = Literal["r", "rt", "tr"]
TextWriteMode: TypeAlias = Literal[
    "w", "wt", "tw", "w+", "w+t", "wt+", "tw+", "x", "xt", "tx", "x+", "x+t", "xt+", "tx+"
]


class TextKeywords(WriteKeywords, total=False):
    """The options of opening an object as text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class ReadKeywords(TypedDict, total=False):
    """The options of opening an object for reading."""

    if_match: str | None
    if_none_match: str | None
    version: str | None


class TextReadKeywords(ReadKeywords, total=False):
    """The options of opening an object for reading text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class AnyKeywords(TextKeywords, total=False):
    """The options of opening an object in any mode."""

    if_none_match: str | None
    version: str | None


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
        seekable: Whether a writer can seek and be read.
    """

    action: str
    text: Text | None
    seekable: bool


_WRITTEN = ("b", "", "t", "+b", "+", "+t")
_KINDS = {"r": ("b", "", "t"), "w": _WRITTEN, "x": _WRITTEN}
#: The modes by their letters in alphabetical order: action, whether it is text, and seekable.
_MODES = {
    "".join(sorted(action + kind)): (action, "b" not in kind, "+" in kind)
    for action, kinds in _KINDS.items()
    for kind in kinds
}


def parse_mode(
    mode: object, encoding: str | None, errors: str | None, newline: str | None
) -> Mode:
    """Return a mode with the settings of its text, or raise `InvalidOptionError`."""
    found = _MODES.get("".join(sorted(mode))) if isinstance(mode, str) else None
    if found is None:
        raise InvalidOptionError(_refusal(str(mode)))
    action, is_text, seekable = found
    if is_text:
        checked = arguments.text_settings(encoding, errors, newline)
        return Mode(action, Text(str(mode), checked, errors, newline), seekable)
    if (encoding, errors, newline) != (None, None, None):
        raise InvalidOptionError(f"encoding, errors and newline are for text; mode is {mode!r}")
    return Mode(action, None, seekable)


def _refusal(mode: str) -> str:
    """Return the message for a mode that does not exist, or that objects cannot have."""
    letters = sorted(mode.replace("t", "").replace("b", ""))
    does = {"a": "appended to", "+a": "appended to", "+r": "changed in place"}.get(
        "".join(letters)
    )
    if does is None:
        return (
            "mode must be 'r', 'w', 'x', 'w+' or 'x+', each also with 'b' for bytes, such as 'rb',"
            f" not {arguments.shorten(mode)}"
        )
    return (
        f"mode {mode!r} is not supported, because an object cannot be {does}; open it with mode"
        " 'w+b', write the old content to that file with download(), and change it there"
    )


def refuse_options(mode: str, purpose: str, **options: object) -> None:
    """Raise `InvalidOptionError` if an option is given that is for another kind of mode."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise InvalidOptionError(f"{given[0]} is an option for {purpose}; mode is {mode!r}")


def open_reader(
    driver: DriverCore,
    obj: Any,
    wanted: Wanted,
    known: ObjectInfo,
    text: Text | None,
    context: ErrorContext,
    learn: Callable[[ObjectInfo, str | None], None],
) -> Any:
    """
    Return a file to read an object from.

    Args:
        obj: The file's attribute `object`.
        known: The attributes of the object that are known.
        context: Is entered for each request.
        learn: Called with the object's attributes and what its content was verified by.
    """

    def fetch(span: Span, first: ObjectInfo | None) -> Read:
        with context:
            return read(driver, wanted, span, first)

    if wanted.version is not None or wanted.if_match not in {None, known.etag}:
        known = ObjectInfo(known.name)  # of another version, perhaps
    raw = ObjectReader(fetch, known.name, known.size, known.etag, learn)
    buffered = BufferedObjectReader(raw, BUFFER_SIZE, obj)
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
    if mode.action == "x":
        _refuse_existing(driver, request)
    driver._learn_limits(None)
    binary = f"{mode.action}{'+' if mode.seekable else ''}b"
    writer: ObjectWriter[Any] | SeekableObjectWriter[Any]
    if mode.seekable:
        store, memory = partial(upload, driver, request), driver.transfer.multipart_threshold
        writer = SeekableObjectWriter(
            request.name, binary, store, memory, publish, lambda: context
        )
    else:
        uploader = Uploader(driver, request, None)
        writer = ObjectWriter(request.name, binary, uploader, publish, lambda: context)
    return writer if mode.text is None else ObjectTextWriter(writer, *mode.text)


def _refuse_existing(driver: DriverCore, request: UploadRequest) -> None:
    """Raise `ObjectAlreadyExistsError` if the object exists now; the write checks it again."""
    try:
        driver._head_object(request.container, request.name, None)
    except (ObjectNotFoundError, AccessDeniedError):
        return  # the credentials may allow writes only
    raise ObjectAlreadyExistsError("the object already exists")
