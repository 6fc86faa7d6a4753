"""
The errors that this library raises, and nothing else that a caller has to catch.

    StorageError
    ├── ContainerError
    │   ├── ContainerNotFoundError          (FileNotFoundError)
    │   ├── ContainerAlreadyExistsError     (FileExistsError)
    │   └── ContainerNotEmptyError          (OSError)
    ├── ObjectError
    │   ├── ObjectNotFoundError             (FileNotFoundError)
    │   ├── ObjectAlreadyExistsError        (FileExistsError)
    │   ├── ObjectChangedError
    │   └── ObjectNameConflictError         (FileExistsError)
    ├── IntegrityError
    ├── InvalidNameError                    (ValueError)
    ├── InvalidOptionError                  (ValueError)
    │   └── InvalidTypeError                (TypeError)
    ├── UnknownDriverError                  (LookupError)
    ├── NotSupportedError
    ├── OutcomeUnknownError
    ├── AuthenticationError
    │   └── CredentialsNotFoundError
    ├── AccessDeniedError                   (PermissionError)
    ├── ServiceError
    │   ├── RateLimitedError
    │   ├── ServiceUnavailableError
    │   └── StorageFullError                (OSError)
    ├── TransportError                      (ConnectionError)
    │   └── TransportTimeoutError           (TimeoutError)
    ├── LocalFileError                      (OSError)
    │   ├── LocalFileNotFoundError          (FileNotFoundError)
    │   ├── LocalFileExistsError            (FileExistsError)
    │   ├── LocalFileIsADirectoryError      (IsADirectoryError)
    │   └── LocalFilePermissionError        (PermissionError)
    └── TransferCancelledError

The class in brackets is the builtin that an error also is, so that ``except FileNotFoundError``
does what it says. Every error pickles and carries the facts listed at `StorageError`.
"""

from __future__ import annotations

import errno
from typing import Any, ClassVar

from typing_extensions import override

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ContainerAlreadyExistsError",
    "ContainerError",
    "ContainerNotEmptyError",
    "ContainerNotFoundError",
    "CredentialsNotFoundError",
    "IntegrityError",
    "InvalidNameError",
    "InvalidOptionError",
    "InvalidTypeError",
    "LocalFileError",
    "LocalFileExistsError",
    "LocalFileIsADirectoryError",
    "LocalFileNotFoundError",
    "LocalFilePermissionError",
    "NotSupportedError",
    "ObjectAlreadyExistsError",
    "ObjectChangedError",
    "ObjectError",
    "ObjectNameConflictError",
    "ObjectNotFoundError",
    "OutcomeUnknownError",
    "RateLimitedError",
    "ServiceError",
    "ServiceUnavailableError",
    "StorageError",
    "StorageFullError",
    "TransferCancelledError",
    "TransportError",
    "TransportTimeoutError",
    "UnknownDriverError",
]


class StorageError(Exception):
    """
    Anything that this library raises.

    Attributes:
        message: What was wrong and, where it is known, what would be right.
        operation: The public operation that failed, such as ``"upload_object"``.
        driver: The name of the driver, such as ``"s3"``.
        container: The container's name.
        object: The object's name.
        status: The HTTP status of the answer.
        code: The provider's own code, such as ``"NoSuchKey"``.
        request_id: The provider's name for the request, which its support asks for.
        retryable: Whether the same call may succeed later without a change.
        retry_after: The seconds that the service asks to wait for before that.
        upload_id: The id of an unfinished upload that could not be aborted; `abort_upload` drops
            it. `None` if nothing is left.
    """

    retryable: bool = False
    retry_after: float | None = None
    upload_id: str | None = None
    _errno: ClassVar[int | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        operation: str | None = None,
        driver: str | None = None,
        container: str | None = None,
        object: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.driver = driver
        self.container = container
        self.object = object
        self.status = status
        self.code = code
        self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable
        if isinstance(self, OSError):
            set_os_fields(self, self._errno, message, None)

    @override
    def __str__(self) -> str:
        facts = [
            f"{label} {value!r}" if label in _QUOTED else f"{label} {value}"
            for label, value in (
                ("driver", self.driver),
                ("operation", self.operation),
                ("container", self.container),
                ("object", self.object),
                ("status", self.status),
                ("code", self.code),
                ("request id", self.request_id),
                ("unfinished upload", self.upload_id),
            )
            if value is not None
        ]
        return f"{self.message} [{', '.join(facts)}]" if facts else self.message

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by calling the class with `args`, which leaves the keywords out.
        os_fields = None
        if isinstance(self, OSError):
            os_fields = (self.errno, self.strerror, self.filename)
        return _restore, (type(self), self.message, dict(self.__dict__), os_fields)


_QUOTED = frozenset({"container", "object"})


def set_os_fields(
    error: OSError, number: int | None, text: str | None, filename: str | None
) -> None:
    """Set what the operating system's own errors say of themselves."""
    error.errno, error.strerror, error.filename = number, text, filename


def _restore(
    kind: type[StorageError],
    message: str,
    state: dict[str, Any],
    os_fields: tuple[int | None, str | None, str | None] | None,
) -> StorageError:
    error = kind(message)
    error.__dict__.update(state)
    if os_fields is not None and isinstance(error, OSError):
        set_os_fields(error, *os_fields)
    return error


class ContainerError(StorageError):
    """Something is wrong with a container."""


class ContainerNotFoundError(ContainerError, FileNotFoundError):
    """There is no such container."""

    _errno = errno.ENOENT


class ContainerAlreadyExistsError(ContainerError, FileExistsError):
    """A container of this name exists already; ``exist_ok=True`` takes it as it is."""

    _errno = errno.EEXIST


class ContainerNotEmptyError(ContainerError, OSError):
    """The container still has objects; ``recursive=True`` deletes them too."""

    _errno = errno.ENOTEMPTY


class ObjectError(StorageError):
    """Something is wrong with an object."""


class ObjectNotFoundError(ObjectError, FileNotFoundError):
    """There is no such object."""

    _errno = errno.ENOENT


class ObjectAlreadyExistsError(ObjectError, FileExistsError):
    """The object exists already, and ``if_absent`` was asked for."""

    _errno = errno.EEXIST


class ObjectChangedError(ObjectError):
    """The object is not the one that ``if_match`` names, or it was replaced while being read."""


class ObjectNameConflictError(ObjectError, FileExistsError):
    """The name cannot live beside one that is there: ``a`` and ``a/b`` on a file system."""

    _errno = errno.EEXIST


class IntegrityError(StorageError):
    """A digest or a length does not match: the bytes are not the ones that were stored or sent."""


class InvalidNameError(StorageError, ValueError):
    """The service cannot hold a container or an object of this name. Nothing was sent."""


class InvalidOptionError(StorageError, ValueError):
    """An argument has a value that cannot work. Nothing was sent."""


class InvalidTypeError(InvalidOptionError, TypeError):
    """An argument is of a type that cannot work. Nothing was sent."""


class UnknownDriverError(StorageError, LookupError):
    """No driver is known by this name."""


class NotSupportedError(StorageError):
    """The service cannot do this. Nothing was sent."""


class OutcomeUnknownError(StorageError):
    """
    The response to a conditional request was lost, and nothing shows whether it took effect.

    The message says what to compare. The error that was last raised is `__cause__`.
    """


class AuthenticationError(StorageError):
    """The service does not accept who we say we are."""


class CredentialsNotFoundError(AuthenticationError):
    """No credentials were given and none were found."""


class AccessDeniedError(StorageError, PermissionError):
    """The service knows who we are and does not allow this."""

    _errno = errno.EACCES


class ServiceError(StorageError):
    """The service failed or said something unexpected."""


class RateLimitedError(ServiceError):
    """The service asks for fewer requests."""

    retryable = True


class ServiceUnavailableError(ServiceError):
    """The service cannot answer at the moment."""

    retryable = True


class StorageFullError(ServiceError, OSError):
    """There is no room left, or a quota is used up."""

    _errno = errno.ENOSPC


class TransportError(StorageError, ConnectionError):
    """
    The service could not be reached, or its answer broke off.

    Attributes:
        sent: Whether the service may have received the request. If it is false, nothing was done.
    """

    retryable = True
    sent: bool = True


class TransportTimeoutError(TransportError, TimeoutError):
    """The service did not answer in time."""

    _errno = errno.ETIMEDOUT


class LocalFileError(StorageError, OSError):
    """The file on this side of a transfer, not the store, is what failed."""


class LocalFileNotFoundError(LocalFileError, FileNotFoundError):
    """The file to upload, or the directory to download into, does not exist."""

    _errno = errno.ENOENT


class LocalFileExistsError(LocalFileError, FileExistsError):
    """The destination of a download exists already; ``overwrite=True`` replaces it."""

    _errno = errno.EEXIST


class LocalFileIsADirectoryError(LocalFileError, IsADirectoryError):
    """A file was expected and a directory is there."""

    _errno = errno.EISDIR


class LocalFilePermissionError(LocalFileError, PermissionError):
    """The operating system does not let us read the source or write the destination."""

    _errno = errno.EACCES


class TransferCancelledError(StorageError):
    """The transfer was stopped on request; nothing of it was published."""
