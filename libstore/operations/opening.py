"""Objects opened as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Literal, NamedTuple, TextIO, TypeAlias, TypedDict, overload

from typing_extensions import Unpack, final

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
from ..handles import Container, Object
from ..redaction import hide_keys
from ..transfer.reading import Read, read
from ..transfer.upload import Stored, Uploader, UploadRequest
from ..values import Extra, ObjectInfo, Span

BinaryReadMode: TypeAlias = Literal["rb", "br"]
BinaryWriteMode: TypeAlias = Literal["wb", "bw", "xb", "bx"]
TextReadMode: TypeAlias = Literal["r", "rt", "tr"]
TextWriteMode: TypeAlias = Literal["w", "wt", "tw", "x", "xt", "tx"]


class WriteKeywords(TypedDict, total=False):
    """The options of opening an object for writing."""

    content_type: str | None
    metadata: Mapping[str, str] | None
    storage_class: str | None
    cache_control: str | None
    content_disposition: str | None
    content_encoding: str | None
    content_language: str | None
    if_absent: bool
    if_match: str | None
    extra: Extra | None


class TextKeywords(WriteKeywords, total=False):
    """The options of opening an object as text."""

    encoding: str | None
    errors: str | None
    newline: str | None


class _Text(NamedTuple):
    """How text becomes bytes."""

    mode: str
    encoding: str
    errors: str | None
    newline: str | None


class Files(DriverCore):
    """Opening objects."""

    @overload
    def open_object(
        self, container: Container | str, name: Object | str, mode: BinaryReadMode = "rb"
    ) -> BinaryIO: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: BinaryWriteMode,
        **options: Unpack[WriteKeywords],
    ) -> ObjectWriter: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: TextReadMode,
        **options: Unpack[TextKeywords],
    ) -> TextIO: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: TextWriteMode,
        **options: Unpack[TextKeywords],
    ) -> ObjectTextWriter: ...
    @overload
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: str,
        **options: Unpack[TextKeywords],
    ) -> Any: ...
    @final
    def open_object(
        self,
        container: Container | str,
        name: Object | str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        content_encoding: str | None = None,
        content_language: str | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
        extra: Extra | None = None,
    ) -> Any:
        """
        Open an object as a file.

        For reading it is seekable, holds at most 8 MiB, and asks for as much as is read on; all
        reads are of one version. For writing, parts travel while the file is written; the object
        appears when the file is closed, and not at all if an exception leaves its ``with`` block.

        Args:
            name: The object's name, or an `Object`. Reading by name fetches the first bytes at
                once, so that a missing object is found out here.
            mode: ``"rb"``, ``"wb"``, ``"r"`` or ``"w"``; ``"x"`` for ``"w"`` is `if_absent`.
            encoding: Of text; UTF-8 by default, on every machine.
            errors: As in `open`, and so is `newline`.
            content_type: And the options after it are those of `upload_object`.

        Raises:
            ObjectNotFoundError: There is no such object to read.
            InvalidOptionError: The mode is unknown, or an option does not go with it.
        """
        extra = hide_keys(extra)  # from here on no traceback shows a key
        guard = self._guard("open_object", container, name)
        with guard:
            obj = self._object_in("open_object", container, name)
            headers = {
                "storage_class": storage_class,
                "cache_control": cache_control,
                "content_disposition": content_disposition,
                "content_encoding": content_encoding,
                "content_language": content_language,
            }
            action, text = _parse_mode(mode, encoding, errors, newline)
            if action == "r":
                _refuse_options(
                    mode, if_absent, content_type, metadata, if_match, extra, *headers.values()
                )
                return self._open_reader(obj, guard, text)
            conditions = self._conditions(if_absent or action == "x", if_match)
            options = self._write_options(
                obj.name, content_type, metadata, conditions, extra, **headers
            )
            order = UploadRequest(obj.container.name, obj.name, options)
            return self._open_writer(obj, order, guard, f"{action}b", text)

    def _open_reader(self, obj: Object, guard: ErrorContext, text: _Text | None) -> Any:
        buffered = BufferedObjectReader(self._reader(obj, guard), BUFFER_SIZE)
        return buffered if text is None else ObjectTextReader(buffered, *text)

    def _open_writer(
        self, obj: Object, order: UploadRequest, guard: ErrorContext, mode: str, text: _Text | None
    ) -> Any:
        def publish(stored: Stored) -> Object:
            return self._object_handle(obj.container, *stored)

        self._learn_limits(None)
        uploader = Uploader(self, order, None)
        writer = ObjectWriter(obj.name, uploader, publish, lambda: guard)
        writer.mode = mode
        return writer if text is None else ObjectTextWriter(writer, *text)

    def _reader(self, obj: Object, guard: ErrorContext) -> ObjectReader:
        container, name, told = obj.container.name, obj.name, obj._info

        def fetch(span: Span, known: ObjectInfo | None) -> Read:
            with guard:
                return read(self, container, name, span, known)

        obj._verified_by = None
        return ObjectReader(fetch, name, told.size, told.etag, obj._set_verified)


def _parse_mode(
    mode: object, encoding: str | None, errors: str | None, newline: str | None
) -> tuple[str, _Text | None]:
    """Return the action, ``"r"``, ``"w"`` or ``"x"``, and the settings of text, if it is text."""
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
        return rest[0], _Text(str(mode), checked, errors, newline)
    if (encoding, errors, newline) != (None, None, None):
        raise InvalidOptionError(f"encoding, errors and newline are for text; mode is {mode!r}")
    return rest[0], None


def _refuse_options(mode: str, if_absent: bool, *options: object) -> None:
    if if_absent or any(option is not None for option in options):
        raise InvalidOptionError(f"options of a write do not go with mode {mode!r}")
