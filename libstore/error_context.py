"""What adds to an error which operation it is about, and on what it was called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from .errors import StorageError
from .redaction import redact


class ErrorHooks(Protocol):
    """What an error says of its driver."""

    name: ClassVar[str]

    def _known_secrets(self) -> Iterable[str | bytes]: ...


class ErrorContext:
    """Adds to an error that passes which operation, container and object it is about."""

    __slots__ = ("_container", "_driver", "_name", "_operation")

    def __init__(
        self, driver: ErrorHooks, operation: str, container: str | None, name: str | None
    ) -> None:
        self._driver = driver
        self._operation = operation
        self._container = container
        self._name = name

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, StorageError):
            self.complete(error)

    def complete(self, error: StorageError) -> None:
        """Fill in what the error does not say yet, and take out what it must not say."""
        if error.driver is None:
            _redact(error, self._driver._known_secrets())
        error.driver = error.driver or self._driver.name
        error.operation = error.operation or self._operation
        error.container = error.container or self._container
        error.object = error.object or self._name


def _redact(error: StorageError, secrets: Iterable[str | bytes]) -> None:
    """Take secrets out of an error; a service may say anything anywhere."""
    message = redact(error.message, secrets)
    if message != error.message:
        error.message = message
        error.args = (message,)
        if isinstance(error, OSError):
            error.strerror = message
    for name in ("code", "request_id"):
        value = getattr(error, name)
        if isinstance(value, str):
            setattr(error, name, redact(value, secrets))
