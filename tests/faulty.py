"""
A driver that records the calls of its hooks, and fails on request.

It is a `MemoryDriver` with its own hooks and nothing else, so the library above the hooks
is the one that users run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from libstore import (
    Container,
    Limits,
    Payload,
    RawRequest,
    RawResponse,
    Reading,
    RetryPolicy,
    Span,
    StorageDriver,
    TransferOptions,
    TransportError,
    arguments,
)
from libstore.drivers.memory import MemoryDriver
from libstore.hooks import MULTIPART_HOOKS
from libstore.options import Check
from libstore.values import ListQuery, ObjectInfo, Page

KiB = 1024
MiB = 1024 * KiB

#: Takes the hook as it would be, and its arguments; returns what the hook is to return.
Around = Callable[..., Any]

REQUESTS = (
    "_create_container",
    "_delete_container",
    "_head_container",
    "_list_containers",
    "_list_objects",
    "_head_object",
    "_get_object",
    "_put_object",
    "_delete_object",
    "_delete_objects",
    "_copy_object",
    "_set_metadata",
    "_sign_url",
    "_list_parts",
    "_find_composite",
    *MULTIPART_HOOKS,
)


class Call(NamedTuple):
    """One call of a hook."""

    hook: str
    arguments: tuple[Any, ...]


def _light(argument: Any) -> Any:
    """Return what to record of an argument: of a payload its size."""
    return argument.size if isinstance(argument, Payload) else argument


def _hook(name: str) -> Any:
    """Return a hook that records each call and calls the interceptor of the test."""

    def hook(self: FaultyDriver, *arguments: Any) -> Any:
        def real(*passed: Any) -> Any:
            # A call of one hook by another is not a request.
            self._within.hook = True
            try:
                return getattr(MemoryDriver, name)(self, *passed)
            finally:
                self._within.hook = False

        if getattr(self._within, "hook", False):
            return getattr(MemoryDriver, name)(self, *arguments)
        with self._counting:
            self.calls.append(Call(name, tuple(map(_light, arguments))))
        around = self._around.get(name)
        return real(*arguments) if around is None else around(real, *arguments)

    return hook


class FaultyDriver(MemoryDriver):
    """
    Objects in memory, behind hooks that can be made to fail. It retries without waiting.

    Attributes:
        calls: All calls of hooks, in the order in which they began.
    """

    name: ClassVar[str] = "faulty"

    def __init__(
        self, *, retry: RetryPolicy | None = None, transfer: TransferOptions | None = None
    ) -> None:
        super().__init__(retry=retry or RetryPolicy(base=0.0), transfer=transfer)
        self.calls: list[Call] = []
        self._counting = threading.Lock()
        self._within = threading.local()
        self._around: dict[str, Around] = {}

    _create_container = _hook("_create_container")
    _delete_container = _hook("_delete_container")
    _head_container = _hook("_head_container")
    _list_containers = _hook("_list_containers")
    _list_objects = _hook("_list_objects")
    _head_object = _hook("_head_object")
    _get_object = _hook("_get_object")
    _put_object = _hook("_put_object")
    _delete_object = _hook("_delete_object")
    _delete_objects = _hook("_delete_objects")
    _copy_object = _hook("_copy_object")
    _set_metadata = _hook("_set_metadata")
    _sign_url = _hook("_sign_url")
    _start_upload = _hook("_start_upload")
    _put_part = _hook("_put_part")
    _finish_upload = _hook("_finish_upload")
    _abort_upload = _hook("_abort_upload")
    _list_uploads = _hook("_list_uploads")
    _list_parts = _hook("_list_parts")
    _find_composite = _hook("_find_composite")

    def around(self, hook: str, interceptor: Around) -> None:
        """Call `interceptor(real_hook, *arguments)` in place of a hook."""
        self._around[hook] = interceptor

    def hooks(self) -> list[str]:
        """Return the names of the hooks that were called, in order."""
        return [call.hook for call in self.calls]

    def requested(self, hook: str) -> list[tuple[Any, ...]]:
        """Return the arguments of all calls of one hook."""
        return [call.arguments for call in self.calls if call.hook == hook]

    def spans(self) -> list[tuple[int, int | None]]:
        """Return the spans that `_get_object` was called with."""
        return [(span.start, span.stop) for _, _, span, *_ in self.requested("_get_object")]


class PublicDriver(FaultyDriver):
    """
    A service with public addresses, and with options of its own.

    Attributes:
        public: What everybody may read: containers, and pairs of a container and a name.
    """

    name: ClassVar[str] = "public"
    options: ClassVar[frozenset[str]] = MemoryDriver.options | {
        "sign_headers",
        "sign_response_headers",
    }
    upload_extras: ClassVar[Mapping[str, Check]] = {"colour": arguments.header_value}
    container_extras: ClassVar[Mapping[str, Check]] = {"place": arguments.header_value}

    def __init__(self, *, cdn: str | None = None) -> None:
        super().__init__()
        self.cdn = cdn
        self.public: list[object] = []

    def _enable_container_cdn(self, container: str) -> None:
        self.calls.append(Call("_enable_container_cdn", (container,)))
        self._head_container(container)
        self.public.append(container)

    def _enable_object_cdn(self, container: str, name: str) -> None:
        self.calls.append(Call("_enable_object_cdn", (container, name)))
        self._head_object(container, name, None)
        self.public.append((container, name))

    def _get_container_cdn_url(self, container: str) -> str:
        return f"https://public.example/{container}"

    def _get_object_cdn_url(self, container: str, name: str) -> str:
        return f"https://public.example/{container}/{name}"

    def _list_versions(
        self, container: str, prefix: str, token: str | None, limit: int
    ) -> Page[ObjectInfo]:
        page = self._list_objects(container, ListQuery(prefix), token, limit)
        return Page([item for item in page.items if isinstance(item, ObjectInfo)], page.token)

    def _enable_versioning(self, container: str) -> None:
        self.calls.append(Call("_enable_versioning", (container,)))
        self._head_container(container)

    def _request(self, container: str, name: str, request: RawRequest) -> RawResponse:
        self.calls.append(Call("_request", (container, name, request)))
        return super()._request(container, name, request)


class OnePutDriver(FaultyDriver):
    """A service without multipart uploads and without copies."""

    name: ClassVar[str] = "one-put"

    _start_upload = StorageDriver._start_upload
    _put_part = StorageDriver._put_part
    _finish_upload = StorageDriver._finish_upload
    _abort_upload = StorageDriver._abort_upload
    _list_uploads = StorageDriver._list_uploads
    _copy_object = StorageDriver._copy_object


def small_parts(
    concurrency: int = 4, part_size: int = 10 * KiB, threshold: int | None = None
) -> TransferOptions:
    """Return options under which a few kilobytes travel in parts."""
    return TransferOptions(part_size, threshold or part_size, concurrency)


def stored(driver: MemoryDriver, content: bytes, name: str = "a") -> Container:
    """Return a container with one object; the calls that created it are not recorded."""
    container = driver.create_container("c", exist_ok=True)
    container.upload_object(content, name)
    if isinstance(driver, FaultyDriver):
        driver.calls.clear()
    return container


# ---------------------------------------------------------------------- bodies


class _Body:
    """The body of a response, up to where it breaks off."""

    def __init__(self, reading: Reading, after: int, error: Exception | None) -> None:
        self._body = reading.body
        self._left = after
        self._error = error

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._left:
            if self._error is None:
                return 0
            raise self._error
        count = self._body.readinto(buffer[: self._left])
        self._left -= count
        return count


class _Trickle:
    """The body of a response, a few bytes at a time, as from a slow connection."""

    def __init__(self, reading: Reading, most: int) -> None:
        self._body = reading.body
        self._most = most

    def readinto(self, buffer: memoryview, /) -> int:
        return self._body.readinto(buffer[: self._most])


class _Flipped:
    """The body of a response, with one bit changed."""

    def __init__(self, reading: Reading, position: int) -> None:
        self._body = reading.body
        self._left = position - reading.span.start

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._body.readinto(buffer)
        if 0 <= self._left < count:
            buffer[self._left] ^= 1
        self._left -= count
        return count


# ---------------------------------------------------------------------- faults


def break_off(driver: FaultyDriver, *cuts: int, ends: bool = False) -> None:
    """
    Break off the bodies of the next responses, each after a number of bytes.

    Args:
        ends: End them without an error, as a truncated body does.
    """
    left = list(cuts)

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        if not left:
            return reading
        error = None if ends else TransportError("the connection was reset")
        return replace(reading, body=_Body(reading, left.pop(0), error))

    driver.around("_get_object", get)


def break_always(driver: FaultyDriver, after: int) -> None:
    """Break off the bodies of all responses after a number of bytes."""

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, body=_Body(reading, after, TransportError("reset, once more")))

    driver.around("_get_object", get)


def trickle(driver: FaultyDriver, most: int) -> None:
    """Limit how many bytes a body returns at a time."""

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, body=_Trickle(reading, most))

    driver.around("_get_object", get)


def flip_bit(driver: FaultyDriver, position: int, times: int = 1_000_000) -> None:
    """Change one bit at a position of the object, in the first responses that contain it."""
    left = [times]

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        stop = reading.span.stop
        assert stop is not None
        if not left[0] or not reading.span.start <= position < stop:
            return reading
        left[0] -= 1
        return replace(reading, body=_Flipped(reading, position))

    driver.around("_get_object", get)


def replace_after(driver: FaultyDriver, responses: int, content: bytes, cut: int | None) -> None:
    """Replace the object after a number of responses, whose bodies break off at `cut`."""
    counted = iter(range(1, 1_000_000))

    def get(real: Around, *arguments: Any) -> Reading:
        number = next(counted)
        reading = real(*arguments)
        if number == responses:
            container, name, *_ = arguments
            driver._write(container, name, content, _plain_options())
        if cut is None or number > responses:
            return reading
        return replace(reading, body=_Body(reading, cut, TransportError("reset")))

    driver.around("_get_object", get)


def replace_always(driver: FaultyDriver, content: bytes) -> None:
    """Replace the object by another version with the same content after each response."""

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        container, name, *_ = arguments
        driver._write(container, name, content, _plain_options())
        return reading

    driver.around("_get_object", get)


def _plain_options() -> Any:
    from libstore import WriteOptions

    return WriteOptions()


def send_more(driver: FaultyDriver, before: int, after: int) -> None:
    """Make responses begin earlier and end later than requested."""

    def get(real: Around, container: str, name: str, span: Span, *rest: Any) -> Reading:
        stop = None if span.stop is None else span.stop + after
        return real(container, name, Span(max(0, span.start - before), stop), *rest)

    driver.around("_get_object", get)


def without_etag(driver: FaultyDriver) -> None:
    """Omit the ETag when an object is read."""

    def get(real: Around, *arguments: Any) -> Reading:
        reading = real(*arguments)
        return replace(reading, info=replace(reading.info, etag=None))

    driver.around("_get_object", get)


def set_digest(driver: FaultyDriver, hook: str, **checksums: str) -> None:
    """Return these checksums, which may be wrong, from a hook."""

    def respond(real: Around, *arguments: Any) -> Any:
        found = real(*arguments)
        if isinstance(found, Reading):
            return replace(found, info=replace(found.info, checksums=checksums))
        return replace(found, checksums=checksums)

    driver.around(hook, respond)


def fail(driver: FaultyDriver, hook: str, error: BaseException, after: int = 0) -> None:
    """Raise from a hook, after it was carried out `after` times."""
    counted = iter(range(1_000_000))

    def broken(real: Around, *arguments: Any) -> Any:
        if next(counted) < after:
            return real(*arguments)
        raise error

    driver.around(hook, broken)


# ---------------------------------------------------------------------- sources


def breaking(content: bytes, error: BaseException, block: int = 3_000) -> Iterator[bytes]:
    """Yield the content in blocks, then raise."""
    for start in range(0, len(content), block):
        yield content[start : start + block]
    raise error


def narrow(**limits: Any) -> Limits:
    """Return small limits."""
    return replace(Limits(), **limits)
