"""What the drivers of all network services are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from ..base import StorageDriver
from ..errors import ObjectChangedError, StorageError
from ..retry import Retrier
from ..values import Conditions, Reading, Span
from ._calls import Caller
from ._reading import past_the_end


class Kept(Protocol):
    """The arguments that a driver was made with."""

    def pickled(self) -> dict[str, Any]:
        """Return those that make the same driver elsewhere."""
        ...


# Hooks that are one logical request, whatever they send: all of it shares the attempts and the
# time of one. The other hooks repeat what is one, and each of their requests has its own.
_ONE_BUDGET = frozenset(
    {
        "_abort_upload",
        "_create_container",
        "_delete_object",
        "_finish_upload",
        "_get_object",
        "_head_container",
        "_head_object",
        "_list_containers",
        "_list_objects",
        "_list_parts",
        "_list_uploads",
        "_put_object",
        "_put_part",
        "_set_metadata",
        "_start_upload",
    }
)

C = TypeVar("C", bound=Caller)
S = TypeVar("S", bound=Kept)
T = TypeVar("T")


def _in_one_budget(hook: Callable[..., T]) -> Callable[..., T]:
    """Return a hook whose requests share one budget."""

    @wraps(hook)
    def wrapper(self: NetworkDriver[Any, Any], *args: Any, **kwargs: Any) -> T:
        with self._retrier.budget():
            return hook(self, *args, **kwargs)

    return wrapper


class NetworkDriver(StorageDriver, Generic[C, S]):
    """
    A driver that sends requests by its calls, and goes into pickles by its settings.

    A subclass takes each of the settings as an argument.

    Attributes:
        _refuses_own_etags: A read with ``If-Match`` was refused although the object has that ETag.
    """

    _calls: C
    _settings: S
    _refuses_own_etags: bool = False

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            **self._settings.pickled(),
            "retry": self.retry,
            "transfer": self.transfer,
            "cdn": self.cdn,
            "write_tokens": self.write_tokens,
        }
        return _restore, (type(self), options)

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _ONE_BUDGET & vars(cls).keys():
            hook = vars(cls)[name]
            # A class that takes a hook back stays as if it had never had it.
            if hook is not getattr(StorageDriver, name):
                setattr(cls, name, _in_one_budget(hook))

    @property
    @override
    def _retrier(self) -> Retrier:
        return self._calls.retrier

    @override
    def close(self) -> None:
        self._calls.close()

    @abstractmethod
    def _open_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """Do what `_get_object` asks for, with one request if the service sends any bytes."""

    @override
    @_in_one_budget
    def _get_object(
        self, container: str, name: str, span: Span, conditions: Conditions, version: str | None
    ) -> Reading:
        """
        Open one object for reading, pinned to an ETag if there is a condition.

        The service compares the ETag, and so do we: Ceph's gateway refuses ``If-Match`` with the
        ETag of a large object of Swift that it has told itself, and a proxy that makes ETags weak
        has the service refuse them. The header is left out where that has shown.
        """
        etag = conditions.if_match
        if etag is None:
            return self._open_object(container, name, span, conditions, version)
        if etag.isascii() and not self._refuses_own_etags:
            try:
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

    def _past_the_end(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> Reading:
        """Return no bytes, for a read that begins behind the last one."""
        return past_the_end(self._head_object(container, name, version), conditions)


def _restore(cls: type[StorageDriver], options: dict[str, Any]) -> StorageDriver:
    return cls(**options)
