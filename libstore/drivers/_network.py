"""What the drivers of all network services are."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from ..base import StorageDriver
from ..values import Conditions, Reading
from ._calls import Caller
from ._reading import past_the_end


class Kept(Protocol):
    """The arguments that a driver was made with."""

    def pickled(self) -> dict[str, Any]:
        """Return those that make the same driver elsewhere."""
        ...


C = TypeVar("C", bound=Caller)
S = TypeVar("S", bound=Kept)


class NetworkDriver(StorageDriver, Generic[C, S]):
    """
    A driver that sends requests by its calls, and goes into pickles by its settings.

    A subclass takes each of the settings as an argument.
    """

    _calls: C
    _settings: S

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            **self._settings.pickled(),
            "retry": self.retry,
            "transfer": self.transfer,
            "cdn": self.cdn,
        }
        return _restore, (type(self), options)

    @override
    def close(self) -> None:
        self._calls.close()

    def _past_the_end(
        self, container: str, name: str, conditions: Conditions, version: str | None
    ) -> Reading:
        """Return no bytes, for a read that begins behind the last one."""
        return past_the_end(self._head_object(container, name, version), conditions)


def _restore(cls: type[StorageDriver], options: dict[str, Any]) -> StorageDriver:
    return cls(**options)
