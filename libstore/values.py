"""
Frozen records that the library and its drivers exchange.

A driver takes and returns only strings, numbers and these records; it never sees a `Container` or
an `Object`. Sizes are in bytes, times are aware datetimes in UTC, digests are lower-case
hexadecimal, and ETags have no quotes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timezone
from typing import (
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypedDict,
    TypeVar,
)

from .errors import InvalidOptionError, InvalidTypeError, StorageError
from .readonly import ReadOnlyDict, no_pairs, read_only

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB

#: The largest possible size and offset: files and services use signed 64-bit numbers.
LARGEST = 2**63 - 1

#: Digest algorithms by strength, strongest first: which one represents an object that has more
#: than one digest.
HASH_PREFERENCE = ("sha512", "sha256", "sha1", "md5", "crc64nvme", "crc32c", "crc32")

_HASHES = frozenset(HASH_PREFERENCE)

#: The metadata key under which a service stores the token of a conditional write. Azure takes
#: letters, digits and underscores only, and Swift drops headers that have an underscore.
TOKEN_KEY = "libstoretoken"  # noqa: S105

#: Options of one service, by name.
Extra: TypeAlias = Mapping[str, object]

T_co = TypeVar("T_co", covariant=True)


def utc_time(seconds: float) -> datetime | None:
    """Convert seconds since 1970 to a datetime in UTC; `None` if it is out of range."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ArithmeticError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """
    The attributes of a container, as the service reports them.

    Attributes:
        object_count: The number of objects, if the service counts them.
        size: The total size of all objects in bytes, if the service counts it.
        extra: Attributes of this service only.
        complete: Whether all known attributes are here; a listing often has only some of them.
    """

    name: str
    object_count: int | None = None
    size: int | None = None
    created: datetime | None = None
    extra: Mapping[str, object] = field(default_factory=no_pairs)
    complete: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", read_only(self.extra))


@dataclass(frozen=True, slots=True, init=False)
class ObjectInfo:
    """
    The attributes of an object, as the service reports them; `None` means unknown.

    Attributes:
        checksums: Digests of the whole content by algorithm, such as ``{"md5": "9e10…"}``.
        metadata: The user's metadata, with lower-case keys. The token of a conditional write is
            moved from here to `write_token`.
        extra: Attributes of this service only.
        complete: Whether all known attributes are here; a listing often has only some of them.
        write_token: The token of the conditional write that stored the object, if there was one.
        is_prefix: False; see `Prefix`.
    """

    is_prefix: ClassVar[Literal[False]] = False

    name: str
    size: int | None = None
    etag: str | None = None
    checksums: Mapping[str, str] = field(default_factory=no_pairs)
    last_modified: datetime | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] | None = None
    version: str | None = None
    storage_class: str | None = None
    extra: Mapping[str, object] = field(default_factory=no_pairs)
    complete: bool = False
    write_token: str | None = field(default=None, repr=False, compare=False)

    def __init__(
        self,
        name: str,
        size: int | None = None,
        etag: str | None = None,
        checksums: Mapping[str, str] = no_pairs(),
        last_modified: datetime | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        version: str | None = None,
        storage_class: str | None = None,
        extra: Mapping[str, object] = no_pairs(),
        complete: bool = False,  # noqa: FBT002
        write_token: str | None = None,
    ) -> None:
        # A listing creates one for each object, and this takes half the time of the method that
        # `dataclass` would create.
        if metadata is not None:
            if TOKEN_KEY in metadata:  # this library stored it, so users must not see it
                write_token = metadata[TOKEN_KEY]
                metadata = {key: value for key, value in metadata.items() if key != TOKEN_KEY}
            if type(metadata) is not ReadOnlyDict:
                metadata = ReadOnlyDict(metadata) if metadata else no_pairs()
        if type(checksums) is not ReadOnlyDict:
            if not _HASHES.issuperset(checksums):
                raise _unknown_digest(checksums)
            checksums = ReadOnlyDict(checksums)
        _set_name(self, name)
        _set_size(self, size)
        _set_etag(self, etag)
        _set_checksums(self, checksums)
        _set_last_modified(self, last_modified)
        _set_content_type(self, content_type)
        _set_metadata(self, metadata)
        _set_version(self, version)
        _set_storage_class(self, storage_class)
        _set_extra(self, extra if type(extra) is ReadOnlyDict else read_only(extra))
        _set_complete(self, complete)
        _set_write_token(self, write_token)

    @property
    def hash_algorithm(self) -> str | None:
        """The algorithm of the strongest digest."""
        return next((name for name in HASH_PREFERENCE if name in self.checksums), None)

    def with_content(
        self, size: int, content_type: str | None, metadata: Mapping[str, str] | None
    ) -> ObjectInfo:
        """Return these attributes with those that a write has sent."""
        # `replace` takes three times as long.
        return ObjectInfo(
            self.name, size, self.etag, self.checksums, self.last_modified, content_type, metadata,
            self.version, self.storage_class, self.extra, self.complete, self.write_token,
        )  # fmt: skip

    def completed_by(self, known: ObjectInfo) -> ObjectInfo:
        """Return these attributes with those added that are known of the same object."""
        if self.complete or self.etag is None or known.etag != self.etag:
            return self
        if known.complete:
            return known
        added = {
            item.name: value
            for item in fields(known)
            if getattr(self, item.name) in (None, {}) and (value := getattr(known, item.name))
        }
        return replace(self, **added) if added else self


# A frozen class sets its attributes by the descriptors of its slots.
(
    _set_name, _set_size, _set_etag, _set_checksums, _set_last_modified, _set_content_type,
    _set_metadata, _set_version, _set_storage_class, _set_extra, _set_complete, _set_write_token,
) = (getattr(ObjectInfo, item.name).__set__ for item in fields(ObjectInfo))  # fmt: skip


def _unknown_digest(checksums: Iterable[object]) -> InvalidTypeError:
    unknown = next(name for name in checksums if name not in _HASHES)
    return InvalidTypeError(
        f"checksums has the unknown name {unknown!r}; use {', '.join(sorted(_HASHES))}"
    )


@dataclass(frozen=True, slots=True)
class Prefix:
    """
    A common prefix of names in a listing, up to and including the delimiter: a "folder".

    Attributes:
        name: The prefix, such as ``"2026/"``.
        is_prefix: True; it is false for objects, which listings have beside prefixes.
    """

    is_prefix: ClassVar[Literal[True]] = True

    name: str

    def __lt__(self, other: Prefix) -> bool:
        if not isinstance(other, Prefix):
            return NotImplemented
        return self.name < other.name


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """
    One page of a listing.

    Attributes:
        token: The continuation token of the next page; `None` on the last one.
    """

    items: Sequence[T_co]
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """
    The filters of a listing, whose order is that of the names' UTF-8 bytes.

    Attributes:
        prefix: List only names that begin with it.
        delimiter: Fold names that contain it after the prefix into one `Prefix`.
        start_after: List only names and prefixes that sort after this one.
    """

    prefix: str = ""
    delimiter: str = ""
    start_after: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """
    A half-open range of bytes: from `start` up to, but not including, `stop`.

    Attributes:
        start: A negative one counts from the end of the object; `stop` is `None` then.
        stop: `None`, or any offset past the end, means the end.
    """

    start: int = 0
    stop: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether these are all bytes of an object of any size."""
        return not self.start and self.stop is None

    def clamp(self, size: int) -> Span:
        """Limit this span to an object of `size` bytes."""
        start = min(self.start, size) if self.start >= 0 else max(0, size + self.start)
        stop = size if self.stop is None else max(start, min(self.stop, size))
        return Span(start, stop)


#: All bytes of an object.
WHOLE = Span()


@dataclass(frozen=True, slots=True)
class Conditions:
    """
    The preconditions of a request; false if there is none.

    Attributes:
        if_absent: No object of this name exists; otherwise `ObjectAlreadyExistsError`.
        if_match: The object has this ETag; otherwise `ObjectChangedError`.
        if_none_match: The object has another ETag; otherwise `ObjectNotModifiedError`. Only reads
            have it, and a driver whose service does not compare ETags may ignore it.
        token: Stored with the object under `TOKEN_KEY`, it proves that a write whose response was
            lost took effect. All attempts of one write use the same token. For a delete it is the
            token of the object that is to be deleted.
    """

    if_absent: bool = False
    if_match: str | None = None
    if_none_match: str | None = None
    token: str | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.if_absent or self.if_match is not None or self.if_none_match is not None

    def with_token(self) -> Conditions:
        """Add a new token, if there is any condition."""
        if not self:
            return self
        token = os.urandom(16).hex()
        if self.if_match is not None:
            token += f"-{_short(self.if_match)}"
        return replace(self, token=token)


#: No conditions.
UNCONDITIONAL = Conditions()


def is_successor(token: str | None, etag: str) -> bool | None:
    """
    Return whether the write with this token replaced the object with this ETag.

    `None` means that the token does not show it: it was not made by `Conditions.with_token`, or
    not for a write with `if_match`.
    """
    replaced = (token or "").partition("-")[2]
    return replaced == _short(etag) if replaced else None


def _short(etag: str) -> str:
    return hashlib.sha256(etag.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """
    The attributes that are stored with an object, and the conditions of the write.

    Fields whose default is `None` are options that not every service supports. Such a field is an
    argument of all methods that write, by the same name; see also `WriteKeywords`.

    Attributes:
        extra: Options of this service only, named as in `DriverHooks.upload_extras`.
    """

    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    conditions: Conditions = field(default_factory=Conditions)
    extra: Mapping[str, object] = field(default_factory=dict)


class WriteKeywords(TypedDict, total=False):
    """The arguments of methods that open an object for writing, for type checkers."""

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


def no_checkpoint() -> None:
    """Do nothing: the checkpoint of operations that cannot be cancelled."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """
    The attributes that are stored with a copy; `None` keeps those of the source.

    Attributes:
        storage_class: The copy's storage class; `None` is the service's default.
        extra: Options of this service only, as in `WriteOptions`.
        checkpoint: Call it between the requests of a copy that takes more than one; it raises
            `TransferCancelledError` when the copy was cancelled.
    """

    content_type: str | None = None
    metadata: Mapping[str, str] | None = None
    storage_class: str | None = None
    conditions: Conditions = field(default_factory=Conditions)
    extra: Mapping[str, object] = field(default_factory=dict)
    checkpoint: Callable[[], None] = field(default=no_checkpoint, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """
    The permissions of a presigned URL.

    Attributes:
        method: ``"GET"``, ``"HEAD"``, ``"PUT"`` or ``"DELETE"``.
        expires: Seconds from now until the URL expires.
        headers: Headers that the request must have, by lower-case name.
        response_headers: Headers that the response to a GET will have, by lower-case name.
    """

    method: str = "GET"
    expires: float = 3600.0
    headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """
    A request that a program describes itself; see `StorageDriver.request`.

    Attributes:
        method: The method in upper case.
        query: The query parameters, in the order in which they are sent.
        headers: The headers, by lower-case names.
        content: The body.
        path: The path below that of the container, object or account; percent-encoded.
        idempotent: Whether it may be sent again if its response was lost.
    """

    method: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    path: str = ""
    idempotent: bool = True


class RawResponse(Protocol):
    """A response to a `RawRequest`, whose body is read on demand."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by lower-case name."""
        ...

    def read(self, limit: int) -> bytes:
        """Return the whole body; raise `ServiceError` if it has more bytes than `limit`."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Composite:
    """
    How to verify an object that has checksums of its parts only.

    Attributes:
        algorithm: The algorithm of all digests here.
        sizes: The sizes of the parts in bytes, in order.
        digests: The digests of the parts, in the same order; empty if unknown.
        combined: The digest of the concatenated raw digests of the parts; empty if unknown.
    """

    algorithm: str
    sizes: Sequence[int]
    digests: Sequence[str] = ()
    combined: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was started and neither finished nor aborted."""

    container: str
    name: str
    id: str
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """
    One uploaded part of a multipart upload.

    Attributes:
        number: The part's number; the first is 1.
        offset: The position of the part in the whole object, in bytes.
        token: The service's identifier of the part, on most services an ETag.
    """

    number: int
    offset: int
    size: int
    token: str = ""
    checksums: Mapping[str, str] = field(default_factory=no_pairs)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checksums", read_only(self.checksums))


@dataclass(frozen=True, slots=True)
class Undecided:
    """The outcome of a batch for an object that must be deleted by a single request."""


#: The outcome for one object of a batch: `None` if it is gone, or why it is still there.
DeleteOutcome: TypeAlias = "StorageError | Undecided | None"


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """
    The outcome for one object of a batch deletion.

    Attributes:
        error: Why the object could not be deleted; `None` if it is gone.
    """

    container: str
    name: str
    error: StorageError | None = None

    def __init__(self, container: str, name: str, error: StorageError | None = None) -> None:
        # As in `ObjectInfo`: a batch has one for each object.
        _set_result_container(self, container)
        _set_result_name(self, name)
        _set_result_error(self, error)

    @property
    def ok(self) -> bool:
        """Whether the object is gone."""
        return self.error is None


_set_result_container, _set_result_name, _set_result_error = (
    getattr(DeleteResult, item.name).__set__ for item in fields(DeleteResult)
)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits of a service.

    Attributes:
        min_part: The minimum size of a part in bytes; the last part may be smaller.
        max_part: The maximum size of a part in bytes.
        max_parts: The maximum number of parts of one upload.
        max_put: The maximum size in bytes of an object that is written with one request.
        equal_parts: Whether all parts but the last must have the same size.
        ordered_parts: Whether parts must be sent one after the other, in order.
        page_size: The maximum number of items on one page of a listing.
        batch_size: The maximum number of objects that one request can delete.
        max_name: The maximum length of an object's name, in bytes of UTF-8.
        max_metadata: The maximum size of all keys and values of the metadata together, in bytes.
        max_expires: The longest validity of a presigned URL, in seconds.
    """

    min_part: int = 1
    max_part: int = 5 * GiB
    max_parts: int = 10_000
    max_put: int = 5 * GiB
    equal_parts: bool = False
    ordered_parts: bool = False
    page_size: int = 1_000
    batch_size: int = 1_000
    max_name: int = 1_024
    max_metadata: int = 2_048
    max_expires: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        for known in fields(self):
            value = getattr(self, known.name)
            least = 0 if known.name in {"max_put", "max_metadata", "max_expires"} else 1
            if isinstance(known.default, bool):
                continue
            if not isinstance(value, (int, float)):
                raise InvalidTypeError(
                    f"limits.{known.name} must be a number, not {type(value).__name__}"
                )
            if value < least:
                raise InvalidOptionError(f"limits.{known.name} must be at least {least}")


class Body(Protocol):
    """The body of a response. `readinto` returns 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int: ...


def _nothing_to_close() -> None:
    """Do nothing: the `close` of a body that holds no resources."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    An object that is open for reading.

    Attributes:
        info: The object's attributes from the response; `size` is that of the whole object.
        span: The range that the service actually sends; both ends are known.
        body: The bytes of that range; it raises `TransportError` if the connection breaks.
        close: Releases the body's resources, such as its connection. The library calls it once.
    """

    info: ObjectInfo
    span: Span
    body: Body
    close: Callable[[], None] = _nothing_to_close


@dataclass(frozen=True, slots=True)
class StartedRead:
    """
    A read whose request was sent, and whose response was not received yet.

    Attributes:
        receive: Receives the response; it returns and raises what `_get_object` does. The library
            calls it once, or `close`.
        close: Gives up the response.
    """

    receive: Callable[[], Reading]
    close: Callable[[], None] = _nothing_to_close
