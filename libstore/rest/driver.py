"""The base classes of drivers of HTTP services."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from typing_extensions import override

from ..core import check_hook
from ..driver import StorageDriver
from ..errors import InvalidTypeError, ObjectChangedError, StorageError
from ..listing import fold_page, iterate_pages, refolded
from ..options import DriverOptions
from ..redaction import sent_secrets
from ..retry import Budget, Retrier, current_budget
from ..transfer.payload import Payload
from ..values import (
    Conditions,
    ListQuery,
    ObjectInfo,
    Page,
    Part,
    Prefix,
    RawRequest,
    RawResponse,
    Reading,
    Span,
    Upload,
    WriteOptions,
)
from .client import ServiceClient
from .operation import ACCOUNT, CONTAINER, CONTENT, OBJECT, Operation
from .pickling import restore
from .reading import past_the_end
from .settings import RestSettings

# Hooks that are one logical request: all their requests share the attempts and the time of one.
# The other hooks consist of such requests, each of which has a budget of its own; `_get_object`
# uses the budget of its stream.
_ONE_BUDGET = frozenset(
    {
        "_abort_upload",
        "_create_container",
        "_delete_object",
        "_enable_versioning",
        "_finish_upload",
        "_head_container",
        "_head_object",
        "_list_containers",
        "_list_page",
        "_list_parts",
        "_list_uploads",
        "_list_versions",
        "_put_object",
        "_put_part",
        "_set_metadata",
        "_start_upload",
    }
)

# The statuses of responses that reject a delimiter.
_REFUSED = frozenset({400, 412, 501})
# Sorts after all likely continuations of a name.
_BEHIND_ALL = "\U0010fffd"

C = TypeVar("C", bound=ServiceClient)
S = TypeVar("S", bound=RestSettings)
T = TypeVar("T")


def _in_one_budget(hook: Callable[..., T]) -> Callable[..., T]:
    """Return a hook whose requests share one budget."""

    @wraps(hook)
    def wrapper(self: RestDriver[Any, Any], *args: Any, **kwargs: Any) -> T:
        if current_budget() is not None:
            return hook(self, *args, **kwargs)
        with Budget(self._client.retrier):
            return hook(self, *args, **kwargs)

    return wrapper


class RestDriver(StorageDriver, Generic[C, S]):
    """
    A driver of an HTTP service, which sends its requests with a `ServiceClient`.

    A subclass declares its arguments in a `RestSettings` class and decorates its ``__init__``,
    which gets them as one object, with `libstore.options.constructor`.

    Attributes:
        _folds_wrong: The delimiters by which the service does not group names correctly.
        _refuses_own_etags: A read with ``If-Match`` was refused although the object has that ETag.
    """

    _client: C
    _settings: S
    _refuses_own_etags: bool = False
    _folds_wrong: frozenset[str] = frozenset()

    def __init__(self, settings: S) -> None:
        if not isinstance(settings, RestSettings):
            raise InvalidTypeError(
                f"{type(self).__name__}.__init__ must pass its settings to super().__init__(), not"
                f" {type(settings).__name__}; decorate it with rest.constructor"
            )
        self._set_options(settings)
        self._settings = settings

    if not TYPE_CHECKING:  # for type checkers it would mean that there is any attribute

        def __getattr__(self, name: str) -> Any:
            """Raise the error of an attribute that `__init__` should have set."""
            cls = type(self).__name__
            if name == "_settings":
                raise AttributeError(f"{cls}.__init__ must call super().__init__(settings)")
            if name == "_client":
                raise AttributeError(f"{cls}.__init__ must set self._client to a ServiceClient")
            raise AttributeError(f"{cls!r} object has no attribute {name!r}")

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), {**self._settings.pickled(), **self._changeable()})

    @property
    @override
    def credentials_source(self) -> str | None:
        return self._settings.credentials_source()

    @override
    def _url_options(self) -> Mapping[str, str]:
        settings = self._settings
        return settings.texts(*settings.found_again())

    def _changeable(self) -> dict[str, Any]:
        """Return the arguments that were set on a driver, as they are set now."""
        return {name: value for name, value in vars(self).items() if name in DriverOptions.table}

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for hook in (RestDriver._list_page, RestDriver._open_object, RestDriver._can_fold):
            name = hook.__name__
            if name in vars(cls):
                check_hook(f"{cls.__name__}.{name}", vars(cls)[name], hook)
        for name in _ONE_BUDGET & vars(cls).keys():
            hook = vars(cls)[name]
            # A class that removes a hook has the one of `StorageDriver`.
            if hook is not getattr(StorageDriver, name, None):
                setattr(cls, name, _in_one_budget(hook))

    @property
    @override
    def _retrier(self) -> Retrier:
        return self._client.retrier

    @override
    def close(self) -> None:
        self._client.close()

    @override
    def _known_secrets(self) -> tuple[str | bytes, ...]:
        key = getattr(self._settings, "customer_key", None)
        return (*self._client.secrets(), *sent_secrets(), *([key] if key else []))

    # ------------------------------------------------------------------ other requests

    @override
    @_in_one_budget
    def _request(self, container: str, name: str, request: RawRequest) -> RawResponse:
        subject = OBJECT if name else CONTAINER if container else ACCOUNT
        creates = request.method == "PUT" and not request.query and not request.path
        operation = Operation(
            f"{request.method} request", request.method, subject, creates,
            request.idempotent, tuple(range(200, 300)), response=CONTENT,
        )  # fmt: skip
        path = None
        if request.path:
            path = self._request_path(container, name).rstrip("/") + request.path
        return self._client.send(
            operation, container, name,
            query=request.query, headers=request.headers, content=request.content, path=path,
        )  # fmt: skip

    def _request_path(self, container: str, name: str) -> str:
        """Return the path to which a program may append one of its own."""
        return self._client.locate(container, name).path

    # ------------------------------------------------------------------ listing

    def _can_fold(self, delimiter: str) -> bool:
        """Return whether the service is expected to group names by this delimiter."""
        return True

    @abstractmethod
    def _list_page(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """Return one page of `_list_objects` as the service lists it."""

    @override
    def _list_objects(
        self, container: str, query: ListQuery, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix]:
        """
        Return one page of objects and prefixes, grouped here if the service cannot group names.

        Many servers group names by slashes whatever the delimiter is, without an error. Their
        prefixes do not end with the delimiter, or their names contain it.
        """
        delimiter = query.delimiter
        if not delimiter:
            return self._list_page(container, query, token, limit)
        # The last name of a page is in its token, so that the driver can continue after it.
        last, inner = ("", None) if token is None else json.loads(token)
        wrong = delimiter in self._folds_wrong or (token is not None and inner is None)
        if self._can_fold(delimiter) and not wrong:
            folded = self._folded_page(container, query, last, inner, limit)
            if folded is not None:
                last = max([last, *(item.name for item in folded.items)])
                return Page(folded.items, _token(last, folded.token) if folded.token else None)
            if not query.start_after:  # some servers are wrong only with it
                self._folds_wrong |= {delimiter}
        page = fold_page(self._infos(container, query, last), query, last or None, limit)
        return Page(page.items, _token(page.token, None) if page.token else None)

    def _folded_page(
        self, container: str, query: ListQuery, last: str, token: str | None, limit: int
    ) -> Page[ObjectInfo | Prefix] | None:
        """Return a page as the service groups it; `None` if it refuses, or groups it wrongly."""
        try:
            page = self._list_page(container, query, token, limit)
        except StorageError as error:
            if query.delimiter == "/" or error.status not in _REFUSED:
                raise
            return None
        items = refolded(page.items, query, last)
        return None if items is None else Page(items, page.token)

    def _infos(self, container: str, query: ListQuery, last: str) -> Iterator[ObjectInfo]:
        """Yield the objects after the last name or prefix of a page."""
        if query.delimiter in last[len(query.prefix) :]:
            last += _BEHIND_ALL  # nearly all names with the prefix sort before this
        plain = replace(query, delimiter="", start_after=max(query.start_after, last))
        pages = iterate_pages(
            lambda token: self._list_page(container, plain, token, self.limits.page_size),
            f"objects in {container!r}",
        )
        return (item for page in pages for item in page.items if isinstance(item, ObjectInfo))

    # ------------------------------------------------------------------ reading

    @abstractmethod
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """
        Send the one request of `_get_object`; see `libstore.rest.reading.sent_span`.

        For a span that begins after the last byte, raise an error whose status is 416.
        """

    @override
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """
        Open one object for reading, pinned to an ETag if there is a condition.

        The service compares the ETag, and the driver does so again where the header ``If-Match``
        does not work: Ceph's gateway refuses it with its own ETag of a large object of Swift, and
        services refuse it behind a proxy that makes ETags weak. The header is then left out.
        """
        etag = conditions.if_match
        try:
            if etag is None:
                return self._open_object(container, name, span, conditions, version)
            return self._open_pinned(container, name, span, etag, version)
        except StorageError as error:
            if error.status != 416:
                raise
        return past_the_end(self._head_object(container, name, version), conditions)

    def _open_pinned(
        self, container: str, name: str, span: Span, etag: str, version: str | None
    ) -> Reading:
        if etag.isascii() and not self._refuses_own_etags:
            try:
                conditions = Conditions(if_match=etag)
                return self._open_object(container, name, span, conditions, version)
            except ObjectChangedError as error:
                if error.status != 412 or not self._has_etag(container, name, version, etag):
                    raise
            self._refuses_own_etags = True
        reading = self._open_object(container, name, span, Conditions(), version)
        if reading.info.etag != etag:
            reading.close()
            raise ObjectChangedError(
                f"the object was replaced: its ETag should be {etag}, but is {reading.info.etag}"
            )
        return reading

    def _has_etag(self, container: str, name: str, version: str | None, etag: str | None) -> bool:
        """Return whether one more request shows that an object has an ETag."""
        try:
            return self._head_object(container, name, version).etag == etag
        except StorageError:
            return False


# ---------------------------------------------------------------------- drivers of two parts


class SupportsObjects(Protocol):
    """The requests about single objects; see the hooks of the same names."""

    def head(self, container: str, name: str, version: str | None, /) -> ObjectInfo: ...

    def open(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None, /
    ) -> Reading: ...

    def put(
        self, container: str, name: str, payload: Payload, options: WriteOptions, /
    ) -> ObjectInfo: ...

    def delete(
        self, container: str, name: str, conditions: Conditions, version: str | None, /
    ) -> None: ...


class SupportsUploads(Protocol):
    """The requests about multipart uploads; see the hooks of the same names."""

    def start(self, container: str, name: str, options: WriteOptions, /) -> str: ...

    def put_part(self, upload: Upload, number: int, offset: int, payload: Payload, /) -> Part: ...

    def finish(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
        /,
    ) -> ObjectInfo: ...

    def abort(self, upload: Upload, /) -> None: ...

    def list(self, container: str, token: str | None, /) -> Page[Upload]: ...

    def list_parts(self, upload: Upload, token: str | None, /) -> Page[Part]: ...


ObjectsT = TypeVar("ObjectsT", bound=SupportsObjects)
UploadsT = TypeVar("UploadsT", bound=SupportsUploads)


class ComposedDriver(RestDriver[C, S], Generic[C, S, ObjectsT, UploadsT]):
    """A driver whose requests about objects and uploads are methods of two other objects."""

    _objects: ObjectsT
    _uploads: UploadsT

    @override
    def _head_object(self, container: str, name: str, version: str | None) -> ObjectInfo:
        return self._objects.head(container, name, version)

    @override
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        return self._objects.open(container, name, span, conditions, version)

    @override
    def _put_object(
        self, container: str, name: str, payload: Payload, options: WriteOptions
    ) -> ObjectInfo:
        return self._objects.put(container, name, payload, options)

    @override
    def _delete_object(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> None:
        self._objects.delete(container, name, conditions, version)

    @override
    def _start_upload(self, container: str, name: str, options: WriteOptions) -> str:
        return self._uploads.start(container, name, options)

    @override
    def _put_part(self, upload: Upload, number: int, offset: int, payload: Payload) -> Part:
        return self._uploads.put_part(upload, number, offset, payload)

    @override
    def _finish_upload(
        self,
        upload: Upload,
        parts: Sequence[Part],
        options: WriteOptions,
        checksums: Mapping[str, str],
    ) -> ObjectInfo:
        return self._uploads.finish(upload, parts, options, checksums)

    @override
    def _abort_upload(self, upload: Upload) -> None:
        self._uploads.abort(upload)

    @override
    def _list_uploads(self, container: str, token: str | None) -> Page[Upload]:
        return self._uploads.list(container, token)

    @override
    def _list_parts(self, upload: Upload, token: str | None) -> Page[Part]:
        return self._uploads.list_parts(upload, token)


def _token(last: str, inner: str | None) -> str:
    """Return the token of a page that ends with a name, with the service's own token if any."""
    return json.dumps([last, inner])
