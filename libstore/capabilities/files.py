"""Objects opened as files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, BinaryIO, Literal, TextIO, TypeAlias, TypedDict, overload

from typing_extensions import Unpack, final

from ..core import DriverCore, Guard
from ..errors import InvalidOptionError
from ..files import BUFFER_SIZE, ObjectReader, ObjectTextWriter, ObjectWriter
from ..handles import Container, Object
from ..transfer.reading import read
from ..transfer.upload import Uploader, UploadOrder
from ..values import ObjectInfo, Span

BinaryReadMode: TypeAlias = Literal["rb", "br"]
BinaryWriteMode: TypeAlias = Literal["wb", "bw", "xb", "bx"]
TextMode: TypeAlias = Literal["r", "rt", "tr", "w", "wt", "tw", "x", "xt", "tx"]


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


class TextKeywords(WriteKeywords, total=False):
    """The options of opening an object as text."""

    encoding: str | None
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
        mode: TextMode,
        **options: Unpack[TextKeywords],
    ) -> TextIO: ...
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
    ) -> Any:
        """
        Open an object as a file.

        For reading it is seekable, holds at most 8 MiB, and asks for as much as is read on; all
        reads are of one version. For writing, parts travel while the file is written; the object
        appears when the file is closed, and not at all if an exception leaves its ``with`` block.

        Args:
            name: The object's name, or an `Object`. For reading by name, the first bytes are
                fetched at once, so that a missing object is found out here.
            mode: ``"rb"``, ``"wb"``, ``"r"`` or ``"w"``; ``"x"`` in place of ``"w"`` is
                ``if_absent=True``.
            encoding: Of text; UTF-8 by default, on every machine.
            errors: What to do with text that does not decode or encode, as in `open`.
            newline: How line ends are translated, as in `open`.
            content_type: And the options after it are those of `upload_object`.

        Raises:
            ObjectNotFoundError: There is no such object to read.
            InvalidOptionError: The mode is none of these, or an option does not go with it.
        """
        guard = self._guard("open_object", container, name)
        with guard:
            obj = self._object_in("open_object", container, name)
            action, binary = _parse_mode(mode)
            if binary and (encoding, errors, newline) != (None, None, None):
                raise InvalidOptionError(
                    f"encoding, errors and newline are for text; mode is {mode!r}"
                )
            headers = {
                "storage_class": storage_class,
                "cache_control": cache_control,
                "content_disposition": content_disposition,
                "content_encoding": content_encoding,
                "content_language": content_language,
            }
            if action == "r":
                given = [content_type, metadata, if_match, *headers.values()]
                if if_absent or any(value is not None for value in given):
                    raise InvalidOptionError(f"options of a write do not go with mode {mode!r}")
                buffered = io.BufferedReader(self._reader(obj, guard), BUFFER_SIZE)
                if binary:
                    return buffered
                return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline)
            conditions = self._conditions(if_absent or action == "x", if_match)
            options = self._write_options(obj.name, content_type, metadata, conditions, headers)
            order = UploadOrder(obj.container.name, obj.name, options)
            writer = self._writer(obj, order, guard)
            if binary:
                return writer
            return ObjectTextWriter(writer, encoding or "utf-8", errors, newline)

    def _reader(self, obj: Object, guard: Guard) -> ObjectReader:
        container, name, known = obj.container.name, obj.name, obj._info

        def fetch(span: Span, etag: str | None) -> tuple[bytes, ObjectInfo]:
            with guard:
                return read(self, container, name, span, etag)

        return ObjectReader(fetch, name, known.size, known.etag)

    def _writer(self, obj: Object, order: UploadOrder, guard: Guard) -> ObjectWriter:
        def publish(info: ObjectInfo) -> Object:
            return self._object_handle(obj.container, info)

        return ObjectWriter(obj.name, Uploader(self, order, None), publish, lambda: guard)


def _parse_mode(mode: object) -> tuple[str, bool]:
    """Return the action, ``"r"``, ``"w"`` or ``"x"``, and whether the file is binary."""
    letters = sorted(mode) if isinstance(mode, str) else []
    binary = "b" in letters
    rest = [letter for letter in letters if letter not in "bt"]
    if len(rest) != 1 or rest[0] not in "rwx" or len(letters) > 2:
        raise InvalidOptionError(
            f"mode must be 'rb', 'wb', 'xb', 'r', 'w' or 'x', not {mode!r};"
            " objects cannot be appended to or changed in place"
        )
    return rest[0], binary
