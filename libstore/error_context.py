"""
Add to an error the operation, driver, container and object.

Here is also where the mistake of a driver becomes an error in words: a hook that returns a dict,
a tuple or nothing in place of a record, and an ``__init__`` that does not call that of its base.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType, TracebackType
from typing import ClassVar, Protocol

from .errors import AccessDeniedError, AuthenticationError, InvalidTypeError, StorageError
from .redaction import redact

# The modules of what hooks return by mistake in place of a record, or of another record.
_MISTAKEN = ("builtins", "libstore.values")
# Their modules read values of other kinds, too.
_DRIVERS = ("libstore.drivers.", "libstore.s3api.")


class ErrorHooks(Protocol):
    """The attributes of a driver that an error context needs."""

    name: ClassVar[str]
    _has_options: bool

    def _known_secrets(self) -> Iterable[str | bytes]: ...


class ErrorContext:
    """
    Adds driver, operation, container and object to the storage errors that pass through it.

    It may be entered any number of times, by several threads at once.

    Args:
        container: A container's or an object's handle, or the name of a container. Arguments of
            users may be passed unchecked: a value of any other type is left out of the error.
        name: The name of an object, or its handle.
    """

    __slots__ = ("_container", "_driver", "_name", "_operation")

    def __init__(
        self, driver: ErrorHooks, operation: str, container: object = None, name: object = None
    ) -> None:
        self._driver = driver
        self._operation = operation
        self._container = container
        self._name = name

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, StorageError):
            self.complete(error)
        elif isinstance(error, AttributeError) and _is_of_hook(error, traceback):
            found = type(error.obj).__name__.removesuffix("Type")
            mistake = InvalidTypeError(
                f"a hook of the {self._driver.name} driver returned a value of the type {found},"
                f" but a record with the attribute {error.name!r} is needed; libstore.hooks says"
                " what each hook returns"
            )
            self.complete(mistake)
            raise mistake from error
        elif isinstance(error, AttributeError) and error.obj is self._driver:
            self._check_driver(error)

    def _check_driver(self, error: AttributeError) -> None:
        """Explain why a driver lacks an attribute, if its `__init__` made no call of its base."""
        if not self._driver._has_options:
            kind = type(self._driver).__name__
            mistake = InvalidTypeError(
                f"{kind} has no attribute {error.name!r}, because {kind}.__init__ does not call"
                " super().__init__()"
            )
            mistake.driver, mistake.operation = self._driver.name, self._operation
            raise mistake from error

    def complete(self, error: StorageError) -> None:
        """Fill in missing attributes of the error, and remove secrets from its texts."""
        if error.driver is None:
            _redact(error, self._driver._known_secrets())
        container, name = self._names()
        error.driver = error.driver or self._driver.name
        error.operation = error.operation or self._operation
        error.container = error.container or container
        error.object = error.object or name
        if error.status is not None and isinstance(
            error, (AuthenticationError, AccessDeniedError)
        ):
            source = getattr(self._driver, "credentials_source", None)
            error.credentials_source = error.credentials_source or source

    def _names(self) -> tuple[str | None, str | None]:
        """Return the names of the container and the object, as far as they are known."""
        container, name = getattr(self._container, "_error_names", (self._container, None))
        if self._name is not None:
            _, name = getattr(self._name, "_error_names", (None, self._name))
        return (
            container if isinstance(container, str) else None,
            name if isinstance(name, str) else None,
        )


def _is_of_hook(error: AttributeError, traceback: TracebackType | None) -> bool:
    """Return whether the library has read an attribute that what a hook returned does not have."""
    module = ""
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next
    inside = module.startswith("libstore.") and not module.startswith(_DRIVERS)
    found = error.obj
    return (
        inside
        and error.name is not None
        and type(found).__module__ in _MISTAKEN
        and not isinstance(found, (type, ModuleType))
    )


def _redact(error: StorageError, secrets: Iterable[str | bytes]) -> None:
    """Remove secrets from an error; a service may repeat them anywhere."""
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
