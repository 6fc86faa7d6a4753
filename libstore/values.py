"""
Frozen records that cross the line between the library and a driver.

A driver takes and returns nothing but strings, numbers and these; it never sees a `Container`
or an `Object`. Sizes are in bytes, times are aware datetimes in UTC, digests are lower-case
hexadecimal, and ETags come without quotes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from .readonly import no_pairs, read_only

if TYPE_CHECKING:
    from .errors import StorageError

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB

#: The largest size and offset that there is: files and services count in 64 bits, with a sign.
LARGEST = 2**63 - 1

#: The digest that stands for an object when several are known: what proves most comes first.
HASH_PREFERENCE = ("sha512", "sha256", "sha1", "md5", "crc64nvme", "crc32c", "crc32")

#: The metadata key under which a service stores the token of a conditional write. Azure takes
#: letters, digits and underscores only, and Swift drops headers that have an underscore.
TOKEN_KEY = "libstoretoken"  # noqa: S105

#: Options that only one service has, by their names.
Extra: TypeAlias = Mapping[str, object]

T_co = TypeVar("T_co", covariant=True)


def utc_time(seconds: float) -> datetime | None:
    """Return a time in seconds since 1970 in UTC; `None` if a datetime cannot have it."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ArithmeticError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """
    What a service tells of a container.

    Attributes:
        object_count: The number of objects, where the service keeps count.
        size: The bytes of all objects, where the service keeps count.
        extra: What only this service tells.
        complete: Whether the service told all that it knows; a listing often does not.
    """

    name: str
    object_count: int | None = None
    size: int | None = None
    created: datetime | None = None
    extra: Mapping[str, object] = field(default_factory=no_pairs)
    complete: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", read_only(self.extra))


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """
    What a service tells of an object. `None` is "not told".

    Attributes:
        checksums: Digests of the whole content by algorithm, such as ``{"md5": "9e10…"}``.
        metadata: The user's own pairs; the keys are lower-case. A token among them is removed.
        extra: What only this service tells.
        complete: Whether the service told all that it knows; a listing often does not.
        write_token: The token of the conditional write that stored the object, if it had one.
    """

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "checksums", read_only(self.checksums))
        object.__setattr__(self, "extra", read_only(self.extra))
        metadata = self.metadata
        if metadata is None:
            return
        if TOKEN_KEY in metadata:  # on whatever service: it is not the user's
            object.__setattr__(self, "write_token", metadata[TOKEN_KEY])
            metadata = {key: value for key, value in metadata.items() if key != TOKEN_KEY}
        object.__setattr__(self, "metadata", read_only(metadata))

    @property
    def hash_algorithm(self) -> str | None:
        """The algorithm of the digest that proves most."""
        return next((name for name in HASH_PREFERENCE if name in self.checksums), None)


@dataclass(frozen=True, slots=True)
class Prefix:
    """
    A common beginning of names, up to and including the delimiter: what a folder would be.

    Attributes:
        name: Such as ``"2026/"``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """
    One answer to a listing.

    Attributes:
        token: What to ask the next page with; `None` on the last one.
    """

    items: Sequence[T_co]
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """
    Which objects to list, in the order of their names' UTF-8 bytes.

    Attributes:
        prefix: What the names begin with.
        delimiter: Names that go on behind it, after the prefix, are folded into one `Prefix`.
        start_after: Only names (and prefixes) that sort behind this one.
    """

    prefix: str = ""
    delimiter: str = ""
    start_after: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """
    A half-open range of bytes: `start` is the first one, `stop` the first one left out.

    Attributes:
        stop: `None` and anything past the end both mean the end.
    """

    start: int = 0
    stop: int | None = None

    def clamp(self, size: int) -> Span:
        """Return the part of this span that an object of `size` bytes has."""
        start = min(self.start, size)
        stop = size if self.stop is None else max(start, min(self.stop, size))
        return Span(start, stop)


@dataclass(frozen=True, slots=True)
class Conditions:
    """
    What must hold for a request to be carried out.

    Attributes:
        if_absent: No object of this name exists; else `ObjectAlreadyExistsError`.
        if_match: The object's ETag is this one; else `ObjectChangedError`.
        token: Stored with the object under `TOKEN_KEY`, it proves that a write whose response was
            lost took effect. It is the same for all attempts of one write. For a delete it is the
            token that the object was last seen with.
    """

    if_absent: bool = False
    if_match: str | None = None
    token: str | None = field(default=None, repr=False, compare=False)

    def with_token(self) -> Conditions:
        """Return the conditions with a new token, if there is any condition."""
        if self == Conditions():
            return self
        token = os.urandom(16).hex()
        if self.if_match is not None:
            token += f"-{_short(self.if_match)}"
        return replace(self, token=token)


def is_successor(token: str | None, etag: str) -> bool | None:
    """
    Return whether the write that has a token replaced the object that has an ETag.

    `None` means that the token does not tell: it was not made by `Conditions.with_token`, or not
    for a write with `if_match`.
    """
    replaced = (token or "").partition("-")[2]
    return replaced == _short(etag) if replaced else None


def _short(etag: str) -> str:
    return hashlib.sha256(etag.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """
    What is kept with an object, and on which conditions it is written.

    Attributes:
        extra: Options that only this service has, by the names in `DriverHooks.upload_extras`.
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


def _go_on() -> None:
    """Let a copy go on that nobody can cancel."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """
    What is kept with a copy. `None` carries over what the source has.

    Attributes:
        storage_class: That of the copy; `None` is the service's default.
        if_source_match: The ETag that the source must still have.
        extra: Options that only this service has, as in `WriteOptions`.
        checkpoint: To be called between the requests of a copy that takes more than one; it
            raises `TransferCancelledError` when the copy was cancelled.
    """

    content_type: str | None = None
    metadata: Mapping[str, str] | None = None
    storage_class: str | None = None
    if_source_match: str | None = None
    conditions: Conditions = field(default_factory=Conditions)
    extra: Mapping[str, object] = field(default_factory=dict)
    checkpoint: Callable[[], None] = field(default=_go_on, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """
    What a signed URL allows.

    Attributes:
        method: ``"GET"``, ``"HEAD"``, ``"PUT"`` or ``"DELETE"``.
        expires: Seconds from now until the URL stops working.
        headers: What the request must carry, by lower-case name.
        response_headers: What the answer to a GET shall carry, by lower-case name.
    """

    method: str = "GET"
    expires: float = 3600.0
    headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Composite:
    """
    How the content of an object is verified of which only the parts have digests.

    Attributes:
        algorithm: Of all digests here.
        sizes: The parts' sizes in bytes, in their order.
        digests: The parts' own digests, in the same order; empty if the service does not tell.
        combined: The digest of the parts' raw digests joined; empty if the service has none.
    """

    algorithm: str
    sizes: Sequence[int]
    digests: Sequence[str] = ()
    combined: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that was started and neither finished nor aborted."""

    container: str
    name: str
    id: str
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of an upload, as the service keeps it.

    Attributes:
        number: Counted from 1.
        offset: Where the part begins in the whole object.
        token: What the service calls the part; an ETag on most.
    """

    number: int
    offset: int
    size: int
    token: str = ""
    checksums: Mapping[str, str] = field(default_factory=no_pairs)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checksums", read_only(self.checksums))


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """
    What became of one object of a batch.

    Attributes:
        error: Why it is still there; `None` if it is gone.
    """

    container: str
    name: str
    error: StorageError | None = None

    @property
    def ok(self) -> bool:
        """Whether the object is gone."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a service can take, in numbers.

    Attributes:
        min_part: The smallest part of an upload but the last.
        max_put: The largest object that one request can write.
        equal_parts: Whether all parts but the last must have one size.
        ordered_parts: Whether parts must be sent one after the other, in their order.
        page_size: The most items on one page of a listing.
        batch_size: The most objects that one request can delete.
        max_name: The longest name of an object, in bytes of UTF-8.
        max_metadata: The most bytes that all keys and values of the metadata may have together.
        max_expires: The longest life of a signed URL, in seconds.
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


class Body(Protocol):
    """The bytes of an answer. `readinto` returns 0 at the end."""

    def readinto(self, buffer: memoryview, /) -> int: ...


def _nothing_to_close() -> None:
    """Do nothing: for a body that holds nothing open."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    An object that is open for reading.

    Attributes:
        info: What the answer told of the object; its size is the whole object's.
        span: The bytes that the service really sends; both ends are known.
        body: Gives those bytes, and raises `TransportError` where they break off.
        close: Gives back what the body holds. The library calls it once.
    """

    info: ObjectInfo
    span: Span
    body: Body
    close: Callable[[], None] = _nothing_to_close
